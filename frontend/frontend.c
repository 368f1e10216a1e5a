/* frontend.c: which kind of model description a file holds. */
#include "frontend/frontend.h"

#include <string.h>

#include "frontend/fix_dims.h"
#include "frontend/lang.h"

/* A .tn file is text and starts with a comment or a word; all other text is model source.
 * As protobuf tags, '#', 'g' and 's' have wire types that ONNX files cannot hold, and no
 * field that ONNX knows is spelled like "module". */
static bool is_text(StrView text) {
    static const char *const starts[] = {"graph", "sym", "module", "#"};
    size_t at = 0;
    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\t' ||
                             text.data[at] == '\r' || text.data[at] == '\n')) {
        at++;
    }
    StrView rest = {text.data + at, text.len - at};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        StrView start = tn_sv(starts[i]);
        if (rest.len >= start.len && tn_sv_eq((StrView){rest.data, start.len}, start)) {
            return true;
        }
    }
    return false;
}

/* Whether an input of the graph has the dimension and it may have that size. Names of all are
 * added to the list. */
static bool has_dim(Ctx *ctx, const Graph *graph, const DimBinding *dim, StrBuf *names) {
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Type *type = &graph->inputs.data[i]->type;
        for (int d = 0; d < type->rank; d++) {
            if (type->dims[d]->kind != DIM_SYM) {
                continue;
            }
            const char *name = tn_dim_symbol_of(ctx, type->dims[d])->name;
            if (strcmp(name, dim->name) == 0 && dim->value >= type->dims[d]->lo &&
                dim->value <= type->dims[d]->hi) {
                return true;
            }
            tn_str_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
        }
    }
    return false;
}

/* An entry need not have it, but one of them must. */
static bool check_dim(Ctx *ctx, const Module *module, const DimBinding *dim, const char *file) {
    StrBuf names = tn_str(&ctx->scratch);
    for (size_t i = 0; i < module->entries.len; i++) {
        if (has_dim(ctx, module->entries.data[i], dim, &names)) {
            return true;
        }
    }
    return tn_diag(&ctx->diags, TN_USAGE, (Loc){.file = file},
                   "no input has a dimension '%s' that can be %lld; there are: %s", dim->name,
                   (long long)dim->value, names.len > 0 ? names.data : "(none)");
}

/* Fixes the dims that the user named; false after a diagnostic. */
static bool fix_dims(Ctx *ctx, Module *module, const char *file, const FrontendOptions *options) {
    size_t n = options != NULL ? options->n_dims : 0;
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        ok = check_dim(ctx, module, &options->dims[i], file) && ok;
    }
    for (size_t i = 0; ok && n > 0 && i < module->entries.len; i++) {
        Graph *fixed = tn_graph_fix_dims(module->entries.data[i], options->dims, n);
        ok = fixed != NULL;
        module->entries.data[i] = fixed;
    }
    return ok;
}

static Module *import_text(Ctx *ctx, StrView text, const char *file,
                           const FrontendOptions *options) {
    Module *module = tn_module_parse_text(ctx, text, file);
    return module != NULL && fix_dims(ctx, module, file, options) ? module : NULL;
}

Module *tn_frontend_import_module(Ctx *ctx, const void *bytes, size_t size, const char *file,
                                  const FrontendOptions *options) {
    StrView text = {bytes, size};
    if (size == 0) {
        tn_diag(&ctx->diags, TN_BAD_INPUT, (Loc){.file = file}, "the file is empty");
        return NULL;
    }
    if (tn_lang_is_source(text)) {
        return tn_lang_import(ctx, bytes, size, file, options);
    }
    if (is_text(text)) {
        return import_text(ctx, text, file, options);
    }
    Graph *graph = tn_onnx_import(ctx, bytes, size, file, options);
    return graph != NULL ? tn_module_of_graph(graph) : NULL;
}

Graph *tn_frontend_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                          const FrontendOptions *options) {
    Module *module = tn_frontend_import_module(ctx, bytes, size, file, options);
    return module != NULL && module->entries.len == 1 ? module->entries.data[0] : NULL;
}
