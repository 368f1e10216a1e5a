/* onnx.c: an ONNX model as a graph of primitives: header, inputs, nodes, outputs.
 *
 * Problems do not stop the import: what they concern is poisoned and the rest goes on, so
 * that one run lists everything that is wrong or unsupported.
 */
#include "frontend/onnx_nodes.h"
#include "frontend/symbols.h"

enum { IR_VERSION_MAX = 14 };

typedef struct ModelImport {
    OnnxImport onnx;
    Scope scope;
    Symbols symbols;
} ModelImport;

static Ctx *ctx_of(const ModelImport *import) {
    return import->onnx.shared.ctx;
}

static bool fail(ModelImport *import, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(ModelImport *import, tn_status status, const char *format, ...) {
    StrBuf text = tn_str(&ctx_of(import)->scratch);
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    Loc loc = {.file = import->onnx.file};
    return tn_diag(&ctx_of(import)->diags, status, loc, "%s", text.data);
}

static const char *text_of(ModelImport *import, StrView view) {
    return tn_sv_dup(&ctx_of(import)->arena, view);
}

/* ---- header ---- */

static bool check_versions(ModelImport *import) {
    const OnnxModel *model = import->onnx.model;
    if (model->graph == NULL) {
        return fail(import, TN_BAD_INPUT, "no graph in the file: is it an ONNX model?");
    }
    if (model->ir_version > IR_VERSION_MAX) {
        return fail(import, TN_UNSUPPORTED, "IR version %lld; the newest known is %d",
                    (long long)model->ir_version, IR_VERSION_MAX);
    }
    if (import->scope.opset > TN_OPSET_MAX) {
        return fail(import, TN_UNSUPPORTED, "opset %lld of ai.onnx; the newest known is %d",
                    (long long)import->scope.opset, TN_OPSET_MAX);
    }
    if (model->graph->has_sparse) {
        return fail(import, TN_UNSUPPORTED, "sparse initializers are not supported");
    }
    return true;
}

/* Files before IR version 3 know one version of the operators only. */
static int64_t model_opset(const OnnxModel *model) {
    return model->n_opsets == 0 && model->ir_version < 3
               ? 1
               : tn_onnx_opset(model->opsets, model->n_opsets);
}

/* ---- initializers and inputs ---- */

static void add_initializers(ModelImport *import) {
    const OnnxGraph *graph = import->onnx.model->graph;
    for (size_t i = 0; i < graph->n_initializers; i++) {
        const OnnxTensor *tensor = &graph->initializers[i];
        bool added;
        Name *name = tn_scope_define(&import->onnx, &import->scope, tensor->name, &added);
        if (!added) {
            fail(import, TN_BAD_INPUT, "initializer '%s' is defined twice",
                 text_of(import, tensor->name));
            continue;
        }
        *name = (Name){.tensor = tensor};
    }
}

static const char *container_of(const OnnxType *type) {
    return type->is_sequence   ? "a sequence"
           : type->is_map      ? "a map"
           : type->is_optional ? "an optional"
           : type->is_sparse   ? "a sparse tensor"
           : type->is_opaque   ? "an opaque value"
                               : NULL;
}

/* The tensor type of an input or output; NULL after a diagnostic. */
static const OnnxTensorType *tensor_type(ModelImport *import, const OnnxValueInfo *info,
                                         const char *what) {
    const char *name = text_of(import, info->name);
    if (info->type == NULL) {
        fail(import, TN_BAD_INPUT, "%s '%s' has no type", what, name);
        return NULL;
    }
    if (info->type->tensor == NULL) {
        const char *container = container_of(info->type);
        fail(import, container != NULL ? TN_UNSUPPORTED : TN_BAD_INPUT, "%s '%s' is %s", what, name,
             container != NULL ? container : "of an unknown kind");
        return NULL;
    }
    return info->type->tensor;
}

/* Models written by hand also use -1 for a size that is not known. */
static const Dim *input_dim(ModelImport *import, const OnnxDim *dim, StrView name, int axis) {
    int input = (int)import->onnx.shared.graph->inputs.len;
    if (dim->has_value && dim->value >= 0) {
        return tn_dim_const(ctx_of(import), dim->value);
    }
    if (dim->param.len > 0) {
        return tn_symbols_named(&import->symbols, dim->param, input, axis);
    }
    return tn_symbols_fresh(&import->symbols, text_of(import, name), input, axis);
}

static bool input_type(ModelImport *import, const OnnxValueInfo *info, Type *out) {
    const char *name = text_of(import, info->name);
    const OnnxTensorType *type = tensor_type(import, info, "input");
    if (type == NULL) {
        return false;
    }
    const char *what = tn_arena_printf(&ctx_of(import)->scratch, "input '%s'", name);
    Loc loc = {.file = import->onnx.file};
    DType dtype = tn_onnx_dtype(ctx_of(import), type->elem_type, loc, what);
    if (dtype == TN_DT_NONE) {
        return false;
    }
    if (type->shape == NULL) {
        return fail(import, TN_UNSUPPORTED,
                    "input '%s' has no shape: its number of dimensions "
                    "must be known",
                    name);
    }
    if (type->shape->n_dims > TN_MAX_RANK) {
        return fail(import, TN_LIMIT, "input '%s' has %zu dimensions, at most %d are possible",
                    name, type->shape->n_dims, TN_MAX_RANK);
    }
    const Dim *dims[TN_MAX_RANK];
    for (size_t i = 0; i < type->shape->n_dims; i++) {
        dims[i] = input_dim(import, &type->shape->dims[i], info->name, (int)i);
    }
    *out = tn_type_make(dtype, (uint8_t)type->shape->n_dims, dims);
    return true;
}

/* Initializers listed as inputs too (always so before IR version 4) are constants. */
static void add_inputs(ModelImport *import) {
    const OnnxGraph *graph = import->onnx.model->graph;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const OnnxValueInfo *info = &graph->inputs[i];
        bool added;
        Type type;
        Name *name = tn_scope_define(&import->onnx, &import->scope, info->name, &added);
        if (!added && name->tensor != NULL) {
            continue;
        }
        if (!added || info->name.len == 0) {
            fail(import, TN_BAD_INPUT, added ? "input %zu has no name" : "input %zu occurs twice",
                 i);
            continue;
        }
        if (input_type(import, info, &type)) {
            Graph *to = import->onnx.shared.graph;
            *name = (Name){.value = tn_graph_add_input(to, text_of(import, info->name), type)};
        }
    }
}

/* ---- outputs ---- */

static const Dim *declared_dim(ModelImport *import, const OnnxDim *dim) {
    if (dim->has_value && dim->value >= 0) {
        return tn_dim_const(ctx_of(import), dim->value);
    }
    return dim->param.len > 0 ? tn_map_get_str(&import->symbols.by_name, dim->param) : NULL;
}

/* What the model declares about an output may not contradict what its nodes give. */
static void check_output(ModelImport *import, const OnnxValueInfo *info, const Value *value) {
    Ctx *ctx = ctx_of(import);
    const char *name = text_of(import, info->name);
    const OnnxTensorType *type = info->type != NULL ? info->type->tensor : NULL;
    StrBuf found = tn_str(&ctx->scratch);
    tn_type_print(ctx, &value->type, &found);
    if (type == NULL) {
        return;
    }
    if (type->elem_type != 0 && type->elem_type != (int64_t)value->type.dtype) {
        fail(import, TN_BAD_INPUT, "output '%s' is declared as %s, its nodes give %s", name,
             tn_onnx_type_text(ctx, type->elem_type), found.data);
        return;
    }
    const OnnxShape *shape = type->shape;
    if (shape != NULL && shape->n_dims != value->type.rank) {
        fail(import, TN_BAD_INPUT, "output '%s' is declared with %zu dimensions, its nodes give %s",
             name, shape->n_dims, found.data);
        return;
    }
    for (size_t i = 0; shape != NULL && i < shape->n_dims; i++) {
        const Dim *dim = declared_dim(import, &shape->dims[i]);
        const Dim *have = value->type.dims[i];
        if (dim != NULL && tn_dim_is_const(dim) && tn_dim_is_const(have) && dim != have) {
            fail(import, TN_BAD_INPUT,
                 "output '%s' is declared with %lld as dimension %zu, its "
                 "nodes give %s",
                 name, (long long)dim->value, i, found.data);
            return;
        }
    }
}

static void add_outputs(ModelImport *import) {
    const OnnxGraph *graph = import->onnx.model->graph;
    Loc loc = {.file = import->onnx.file};
    if (graph->n_outputs == 0) {
        fail(import, TN_BAD_INPUT, "the model has no outputs");
    }
    for (size_t i = 0; i < graph->n_outputs; i++) {
        const OnnxValueInfo *info = &graph->outputs[i];
        Name *name = tn_map_get_str(&import->scope.names, info->name);
        if (name == NULL) {
            fail(import, TN_BAD_INPUT, "output '%s' is not defined by any node",
                 text_of(import, info->name));
            continue;
        }
        Value *value = tn_scope_value(&import->onnx, name, loc);
        if (value != NULL) {
            check_output(import, info, value);
            tn_graph_add_output(import->onnx.shared.graph, text_of(import, info->name), value);
        }
    }
}

/* ---- the whole ---- */

/* Problems so far, warnings not counted. */
static size_t count_errors(const DiagList *diags) {
    size_t n = diags->dropped;
    for (size_t i = 0; i < diags->items.len; i++) {
        n += diags->items.data[i].status != TN_OK;
    }
    return n;
}

static void import_model(ModelImport *import) {
    if (!check_versions(import) || !tn_onnx_add_functions(&import->onnx)) {
        return;
    }
    const OnnxGraph *graph = import->onnx.model->graph;
    add_initializers(import);
    add_inputs(import);
    tn_symbols_check(&import->symbols, import->onnx.file);
    tn_onnx_import_nodes(&import->onnx, &import->scope, graph->nodes, graph->n_nodes);
    add_outputs(import);
}

Graph *tn_onnx_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                      const FrontendOptions *options) {
    size_t errors = count_errors(&ctx->diags);
    file = file != NULL ? tn_sv_dup(&ctx->arena, tn_sv(file)) : NULL;
    const OnnxModel *model = tn_onnx_decode_model(ctx, bytes, size, file);
    if (model == NULL) {
        return NULL;
    }
    ModelImport import = {.symbols = tn_symbols(ctx, options)};
    Import *shared = &import.onnx.shared;
    StrView name = model->graph != NULL ? model->graph->name : TN_SV("");
    shared->ctx = ctx;
    shared->graph = tn_graph_new(ctx, tn_sv_dup(&ctx->arena, name));
    shared->options = options;
    shared->source = (TensorSource){.ctx = ctx, .base = bytes};
    if (options != NULL) {
        shared->source.dir = options->dir;
        shared->source.maps = options->maps;
    }
    shared->known = tn_map(&ctx->arena);
    import.onnx.model = model;
    import.onnx.file = file;
    import.scope = (Scope){.names = tn_map(&ctx->arena), .opset = model_opset(model), .path = ""};
    import_model(&import);
    return count_errors(&ctx->diags) == errors ? shared->graph : NULL;
}
