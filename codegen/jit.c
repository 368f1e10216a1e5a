/* jit.c: compile into this process: a shared object in memory, opened by the loader.
 *
 * The code is the same as in a .so on disk; only the weights stay where they are instead of
 * being copied into it.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codegen/link.h"
#include "codegen/objects.h"

/* What a model made here owns. */
typedef struct Jit {
    void *module;
    int fd; /* the object in memory; open as long as it is loaded, since the dynamic loader
               knows what is loaded by path */
    unsigned char *weights;
    size_t weight_bytes;
} Jit;

static void jit_release(void *owner) {
    Jit *jit = owner;
    if (jit->module != NULL) {
        dlclose(jit->module);
    }
    if (jit->fd >= 0) {
        close(jit->fd);
    }
    if (jit->weights != NULL) {
        munmap(jit->weights, jit->weight_bytes);
    }
    free(jit);
}

static bool out_of_memory(Compile *compile) {
    return tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
}

static bool place_weights(Compile *compile, Jit *jit) {
    size_t size = tn_emit_weight_bytes(compile);
    jit->weight_bytes = size > 0 ? size : 1;
    void *map =
        mmap(NULL, jit->weight_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return out_of_memory(compile);
    }
    jit->weights = map;
    return tn_emit_weights(compile, jit->weights) &&
           mprotect(map, jit->weight_bytes, PROT_READ) == 0;
}

static bool load(Compile *compile, Jit *jit, const Objects *objects, const tn_model_desc **desc) {
    char path[TN_FD_PATH_MAX], *error = NULL;
    jit->fd = tn_memory_file("", 0);
    if (jit->fd < 0) {
        return out_of_memory(compile);
    }
    if (!tn_link_objects(objects->fds, objects->n, false, jit->fd, &error)) {
        tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0}, "linking failed: %s",
                error != NULL ? error : "out of memory");
        free(error);
        return false;
    }
    tn_fd_path(jit->fd, path);
    jit->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (jit->module == NULL) {
        return tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0}, "loading failed: %s",
                       dlerror());
    }
    *desc = dlsym(jit->module, "jit_model");
    return *desc != NULL || tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0},
                                    "the compiled code has no describing table");
}

static bool compile_and_load(Compile *compile, Jit *jit, const tn_model_desc **desc) {
    EmitOptions options = {.prefix = "jit", .target = compile->options.target, .profile = true};
    EmittedC emitted;
    Objects objects;
    if (!tn_passes_run_module(compile) || !tn_emit_c(compile, &options, &emitted) ||
        !place_weights(compile, jit) ||
        !tn_objects_compile(compile, &emitted, options.prefix, NULL, 0, &objects)) {
        return false;
    }
    bool ok = load(compile, jit, &objects, desc);
    tn_objects_close(&objects);
    return ok;
}

bool tn_codegen_jit(Compile *compile, tn_model **out) {
    char error[512];
    const tn_model_desc *desc = NULL;
    Jit *jit = calloc(1, sizeof *jit);
    if (jit == NULL) {
        return out_of_memory(compile);
    }
    jit->fd = -1;
    if (compile_and_load(compile, jit, &desc)) {
        tn_status status = tn_model_adopt(desc, jit->weights, tn_emit_weight_bytes(compile),
                                          jit_release, jit, out, error, sizeof error);
        if (status == TN_OK) {
            return true;
        }
        tn_diag(&compile->ctx->diags, status, (Loc){0}, "%s", error);
    }
    jit_release(jit);
    return false;
}
