/* model.c: opening a compiled model, from a file or from a table linked in.
 *
 * A file is probed as bytes first (elf.c); the table found after loading must say the
 * same. A model is immutable from the moment it is handed out.
 */
#include "runtime/rt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tn_status tn_rt_fail(ErrorText error, tn_status status, const char *format, ...) {
    if (error.data && error.size > 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(error.data, error.size, format, args);
        va_end(args);
    }
    return status;
}

uint64_t tn_rt_hash(const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ p[i]) * 0x100000001b3ull;
    }
    return hash;
}

tn_status tn_desc_check(uint32_t abi_version, uint32_t desc_size, uint32_t cpu_features,
                        const char *what, ErrorText error) {
    if (abi_version != TN_ABI_VERSION) {
        return tn_rt_fail(error, TN_UNSUPPORTED,
                          "%s: made for ABI version %u, this runtime has version %d; compile the "
                          "model again",
                          what, (unsigned)abi_version, TN_ABI_VERSION);
    }
    if (desc_size != sizeof(tn_model_desc)) {
        return tn_rt_fail(error, TN_BAD_INPUT,
                          "%s: not a Tenon model: its describing table has %u bytes instead of %zu",
                          what, (unsigned)desc_size, sizeof(tn_model_desc));
    }
    char missing[256];
    uint32_t have = tn_cpu_features();
    if ((cpu_features & ~have) == 0) {
        return TN_OK;
    }
    tn_cpu_missing(cpu_features, have, missing, sizeof missing);
    return tn_rt_fail(error, TN_UNSUPPORTED, "%s: this model needs %s; this processor lacks %s",
                      what, missing, strchr(missing, ',') ? "them" : "it");
}

static bool entry_ok(const tn_entry_desc *entry) {
    return entry->name && entry->plan && entry->run && entry->n_inputs >= 0 &&
           entry->n_outputs >= 0 && entry->n_plan >= 2 && entry->n_checks >= 0 &&
           entry->n_kernels >= 0;
}

static tn_status table_check(const tn_model_desc *desc, const char *what, ErrorText error) {
    tn_status status =
        tn_desc_check(desc->abi_version, desc->desc_size, desc->cpu_features, what, error);
    if (status != TN_OK) {
        return status;
    }
    bool ok = desc->n_entries > 0 && desc->entries && desc->n_symbols >= 0;
    for (int32_t i = 0; ok && i < desc->n_entries; i++) {
        ok = entry_ok(&desc->entries[i]);
    }
    return ok ? tn_state_check(desc, what, error)
              : tn_rt_fail(error, TN_BAD_INPUT, "%s: damaged describing table", what);
}

static tn_status weights_check(const tn_model_desc *desc, const void *weights, size_t bytes,
                               const char *what, ErrorText error) {
    if (!weights) {
        return tn_rt_fail(error, TN_BAD_INPUT,
                          "%s: its %llu bytes of weights are not in the model; give them when "
                          "opening it",
                          what, (unsigned long long)desc->weight_bytes);
    }
    if (bytes != desc->weight_bytes) {
        return tn_rt_fail(error, TN_BAD_INPUT, "%s: %zu bytes of weights given, %llu expected",
                          what, bytes, (unsigned long long)desc->weight_bytes);
    }
    if ((uintptr_t)weights % RT_ALIGN != 0) {
        return tn_rt_fail(error, TN_BAD_INPUT, "%s: weights must be aligned to %d bytes", what,
                          RT_ALIGN);
    }
    return TN_OK;
}

static tn_status hash_check(const tn_model_desc *desc, const void *weights, size_t bytes,
                            const char *what, ErrorText error) {
    if (desc->weight_hash == 0 || tn_rt_hash(weights, bytes) == desc->weight_hash) {
        return TN_OK;
    }
    return tn_rt_fail(error, TN_BAD_INPUT, "%s: these weights belong to another model", what);
}

/* What tn_model_open, tn_model_from_desc and tn_model_adopt have in common. */
typedef struct Opening {
    const tn_model_desc *desc;
    const char *what;
    const void *weights; /* given from outside, or NULL */
    size_t weight_bytes;
    bool trusted;
    void (*release)(void *owner);
    void *owner;
} Opening;

static tn_status make_model(const Opening *from, tn_model **out, ErrorText error) {
    const tn_model_desc *desc = from->desc;
    tn_status status = table_check(desc, from->what, error);
    bool external = status == TN_OK && !desc->weights && desc->weight_bytes > 0;
    if (external) {
        status = weights_check(desc, from->weights, from->weight_bytes, from->what, error);
    }
    if (external && status == TN_OK && !from->trusted) {
        status = hash_check(desc, from->weights, from->weight_bytes, from->what, error);
    }
    if (status != TN_OK) {
        return status;
    }
    tn_model *model = calloc(1, sizeof *model);
    if (!model) {
        return tn_rt_fail(error, TN_LIMIT, "%s: out of memory", from->what);
    }
    model->desc = desc;
    model->weights = external ? from->weights : desc->weights;
    model->release = from->release;
    model->owner = from->owner;
    *out = model;
    return TN_OK;
}

static void release_library(void *handle) {
    dlclose(handle);
}

/* dlopen looks names without a slash up along the library path: never wanted here. */
static void *load_library(const char *path) {
    if (strchr(path, '/')) {
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    size_t size = strlen(path) + 3;
    char *local = malloc(size);
    if (!local) {
        return NULL;
    }
    snprintf(local, size, "./%s", path);
    void *handle = dlopen(local, RTLD_NOW | RTLD_LOCAL);
    free(local);
    return handle;
}

static tn_status open_library(const char *path, const ElfModel *probe, tn_model **out,
                              ErrorText error) {
    void *handle = load_library(path);
    if (!handle) {
        const char *why = dlerror();
        return tn_rt_fail(error, TN_BAD_INPUT, "%s: cannot load: %s", path,
                          why ? why : "out of memory");
    }
    Opening from = {.desc = dlsym(handle, probe->symbol),
                    .what = path,
                    .release = release_library,
                    .owner = handle};
    tn_status status;
    if (from.desc) {
        status = make_model(&from, out, error);
    } else {
        status = tn_rt_fail(error, TN_BAD_INPUT, "%s: not a Tenon model: '%s' cannot be found",
                            path, probe->symbol);
    }
    if (status != TN_OK) {
        dlclose(handle);
    }
    return status;
}

tn_status tn_model_open(const char *path, tn_model **out, char *error, size_t error_size) {
    ErrorText text = {error, error_size};
    ElfModel probe = {.symbol = ""};
    tn_rt_fail(text, TN_OK, "%s", "");
    if (!out) {
        return tn_rt_fail(text, TN_USAGE, "tn_model_open: no place for the model");
    }
    *out = NULL;
    if (!path) {
        return tn_rt_fail(text, TN_USAGE, "tn_model_open: no path");
    }
    tn_status status = tn_elf_probe(path, &probe, text);
    if (status == TN_OK) {
        status = tn_desc_check(probe.abi_version, probe.desc_size, probe.cpu_features, path, text);
    }
    return status == TN_OK ? open_library(path, &probe, out, text) : status;
}

static tn_status from_table(Opening *from, tn_model **out, ErrorText text) {
    tn_rt_fail(text, TN_OK, "%s", "");
    if (!out || !from->desc) {
        return tn_rt_fail(text, TN_USAGE, "no model, or no place for it");
    }
    *out = NULL;
    /* The name lies beyond the fields that an unknown version is known to have. */
    bool known = from->desc->abi_version == TN_ABI_VERSION;
    from->what = known && from->desc->name ? from->desc->name : "model";
    return make_model(from, out, text);
}

tn_status tn_model_from_desc(const tn_model_desc *desc, const void *weights, size_t weight_bytes,
                             tn_model **out, char *error, size_t error_size) {
    Opening from = {.desc = desc, .weights = weights, .weight_bytes = weight_bytes};
    return from_table(&from, out, (ErrorText){error, error_size});
}

tn_status tn_model_adopt(const tn_model_desc *desc, const void *weights, size_t weight_bytes,
                         void (*release)(void *owner), void *owner, tn_model **out, char *error,
                         size_t error_size) {
    Opening from = {.desc = desc,
                    .weights = weights,
                    .weight_bytes = weight_bytes,
                    .trusted = true,
                    .release = release,
                    .owner = owner};
    return from_table(&from, out, (ErrorText){error, error_size});
}

void tn_model_close(tn_model *model) {
    if (!model) {
        return;
    }
    void (*release)(void *owner) = model->release;
    void *owner = model->owner;
    free(model);
    if (release) {
        release(owner);
    }
}

const tn_model_desc *tn_model_describe(const tn_model *model) {
    return model ? model->desc : NULL;
}
