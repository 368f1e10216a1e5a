/* source.c: loading model descriptions, and choosing one of their entries. */
#include "tools/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"

/* Patterns of --trainable; the caller frees. */
static const char **trainable(const Args *args, size_t *n) {
    int at = 0;
    const char *text, **out = calloc((size_t)args->n_uses + 1, sizeof *out);
    *n = 0;
    while (out && (text = tn_args_next(args, OPT_TRAINABLE, &at)) != NULL) {
        out[(*n)++] = text;
    }
    return out;
}

/* With --loss an ONNX model becomes one that trains. */
static tn_status add_training(const Args *args, Source *source) {
    const char *optimizer = tn_args_get(args, OPT_OPTIMIZER);
    tn_train_options options = {.loss = tn_args_get(args, OPT_LOSS),
                                .optimizer = optimizer ? optimizer : "adam()",
                                .target = tn_args_get(args, OPT_TARGET)};
    bool partly = optimizer || options.target || tn_args_has(args, OPT_TRAINABLE);
    if (!options.loss) {
        return !partly ? TN_OK
                       : tn_tool_error(TN_USAGE, "options '--optimizer', '--target' and "
                                                 "'--trainable' need '--loss'");
    }
    if (tn_source_trains(source)) {
        return tn_tool_error(TN_USAGE, "option '--loss': the model says itself how it trains");
    }
    const char **patterns = trainable(args, &options.n_trainable);
    if (!patterns) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    options.trainable = patterns;
    const tn_graph *graph = tn_module_entry_graph(source->module, "infer");
    tn_status status = tn_module_train(source->compiler, graph, &options, &source->module);
    free(patterns);
    return status;
}

/* Loads with the options set so far. */
static tn_status load(const Args *args, Source *source, const char *path) {
    tn_status status;
    if (strcmp(path, "-") == 0) {
        status = tn_module_parse(source->compiler, source->bytes, source->size, "<stdin>",
                                 &source->module);
    } else {
        status = tn_module_load(source->compiler, path, &source->module);
    }
    return status == TN_OK ? add_training(args, source) : status;
}

static const char *entry_at(const void *module, int32_t i) {
    return tn_module_entry_name(module, i);
}

const char *tn_source_entry(const Args *args, const Source *source) {
    const char *asked = tn_args_get(args, OPT_ENTRY);
    const char *name = asked ? asked : tn_args_has(args, OPT_STEP) ? "step" : "infer";
    if (tn_module_entry_graph(source->module, name)) {
        return name;
    }
    char list[512];
    tn_tool_names(&(Names){tn_module_entry_count(source->module), entry_at, source->module}, list,
                  sizeof list);
    tn_tool_error(TN_BAD_INPUT, "no entry '%s'; the model has: %s", name, list);
    return NULL;
}

bool tn_source_trains(const Source *source) {
    return tn_module_state_count(source->module) > 0;
}

/* The dimension that --batch is about: the first to lead an input of the entry. */
static const char *batch_name(const tn_graph *graph) {
    for (int32_t i = 0; i < tn_graph_input_count(graph); i++) {
        tn_tensor type;
        tn_graph_input_type(graph, i, &type);
        const char *name =
            type.rank > 0 && type.dims[0] < 0 ? tn_graph_dim_name(graph, i, 0) : NULL;
        if (name) {
            return name;
        }
    }
    return NULL;
}

/* Loads a first time to see what the dimension is called. The caller frees `*text`. */
static tn_status batch_option(const Args *args, const char *path, Source *source, char **text) {
    int64_t batch;
    Source first = *source;
    if (!tn_args_int(args, OPT_BATCH, 1, 1, INT64_MAX, &batch)) {
        return TN_USAGE;
    }
    tn_status status = load(args, &first, path);
    const char *entry = status == TN_OK ? tn_source_entry(args, &first) : NULL;
    if (!entry) {
        return status != TN_OK ? status : TN_BAD_INPUT;
    }
    const char *name = batch_name(tn_module_entry_graph(first.module, entry));
    if (!name) {
        return tn_tool_error(TN_USAGE,
                             "option '--batch': no input of '%s' leads with a symbolic "
                             "dimension",
                             entry);
    }
    int n = asprintf(text, "%s=%lld", name, (long long)batch);
    return n >= 0 ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
}

/* The name belongs to a compiler of its own: what it warned of is said by the second. */
static tn_status fix_batch(const Args *args, const char *path, Source *source) {
    char *option = NULL;
    tn_status status;
    Source first = *source;
    first.compiler = tn_tool_compiler(args, &status);
    if (!first.compiler) {
        return status;
    }
    status = batch_option(args, path, &first, &option);
    if (status == TN_OK && !tn_compiler_set(source->compiler, "dim", option)) {
        status = TN_USAGE;
    } else if (status != TN_OK) {
        tn_tool_messages(first.compiler);
    }
    tn_compiler_destroy(first.compiler);
    free(option);
    return status;
}

tn_status tn_source_open(const Args *args, const char *path, Source *out) {
    tn_status status;
    *out = (Source){0};
    if (tn_tool_is_elf(path)) {
        return tn_tool_error(TN_BAD_INPUT,
                             "'%s' is compiled code; this takes the model it was made of", path);
    }
    out->compiler = tn_tool_compiler(args, &status);
    if (!out->compiler) {
        return status;
    }
    if (strcmp(path, "-") == 0) {
        out->bytes = tn_tool_read(path, &out->size);
        if (!out->bytes) {
            return TN_IO;
        }
    }
    if (tn_args_has(args, OPT_BATCH)) {
        status = fix_batch(args, path, out);
        if (status != TN_OK) {
            return status;
        }
    }
    status = load(args, out, path);
    if (status != TN_OK) {
        tn_tool_messages(out->compiler);
    }
    return status;
}

void tn_source_free(Source *source) {
    tn_compiler_destroy(source->compiler);
    free(source->bytes);
    *source = (Source){0};
}

tn_status tn_tool_armed(tn_compiler *compiler, tn_status (*body)(void *arg), void *arg) {
    Ctx *ctx = tn_compiler_ctx(compiler);
    jmp_buf here, *outer = ctx->arena.on_oom;
    tn_status status;
    ctx->arena.on_oom = ctx->scratch.on_oom = &here;
    if (setjmp(here) == 0) {
        status = body(arg);
    } else {
        status = tn_tool_error(TN_LIMIT, "out of memory");
    }
    ctx->arena.on_oom = ctx->scratch.on_oom = outer;
    return status;
}
