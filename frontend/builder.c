/* builder.c: the C builder of tenon/tenon.h over the operator importers.
 *
 * A tn_graph is a Graph and a tn_value a Value. Calls with a NULL value return NULL at
 * once: the call that made it NULL has left the diagnostic. Running out of memory comes back
 * to the entry point, which returns NULL.
 */
#include <math.h>
#include <string.h>

#include "frontend/attrs.h"
#include "frontend/compose.h"
#include "frontend/symbols.h"
#include "tenon/tenon.h"

/* ---- entry points ---- */

typedef struct Request {
    Graph *graph;
    const char *name; /* of the input, constant or operator */
    DType dtype;
    int32_t rank;
    const int64_t *dims;
    const char *const *dim_names;
    const void *data;
    double number;
    Value *const *in;
    int32_t n_in;
    const char *text;       /* attributes, or */
    const OnnxAttr *attrs;  /* the same ready made */
    size_t n_attrs;
} Request;

typedef Value *RequestFn(const Request *request);

/* Runs a request; memory running out ends it. */
static tn_value *run(const Request *request, RequestFn *fn) {
    if (request->graph == NULL) {
        return NULL;
    }
    Ctx *ctx = request->graph->ctx;
    jmp_buf here;
    jmp_buf *const arena = ctx->arena.on_oom;
    jmp_buf *const scratch = ctx->scratch.on_oom;
    Value *volatile result = NULL;
    ctx->arena.on_oom = ctx->scratch.on_oom = &here;
    if (setjmp(here) == 0) {
        result = fn(request);
    }
    ctx->arena.on_oom = arena;
    ctx->scratch.on_oom = scratch;
    return (tn_value *)result;
}

static Value *refuse(const Request *request, const char *what) {
    tn_diag(&request->graph->ctx->diags, TN_USAGE, (Loc){.op = request->name}, "%s", what);
    return NULL;
}

static bool is_supported(DType dtype) {
    return tn_dtype_is_float(dtype) || tn_dtype_is_int(dtype) || dtype == TN_BOOL;
}

static Call start_call(Import *import, const Request *request) {
    Graph *graph = request->graph;
    *import = (Import){.ctx = graph->ctx, .graph = graph, .known = tn_map(&graph->ctx->arena)};
    import->source.ctx = graph->ctx;
    return (Call){.import = import,
                  .ctx = graph->ctx,
                  .graph = graph,
                  .loc = {.op = request->name},
                  .opset = TN_OPSET_MAX};
}

/* ---- graphs, inputs and outputs ---- */

tn_graph *tn_graph_create(tn_compiler *compiler, const char *name) {
    Ctx *ctx = tn_compiler_ctx(compiler);
    jmp_buf here;
    jmp_buf *const outer = ctx->arena.on_oom;
    Graph *volatile graph = NULL;
    ctx->arena.on_oom = &here;
    if (setjmp(here) == 0) {
        graph = tn_graph_new(ctx, name);
    }
    ctx->arena.on_oom = outer;
    return (tn_graph *)graph;
}

static bool input_exists(const Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->inputs.len; i++) {
        if (strcmp(graph->inputs.data[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static Value *make_input(const Request *request) {
    Graph *graph = request->graph;
    Symbols symbols = tn_symbols(graph->ctx, NULL);
    const Dim *dims[TN_MAX_RANK];
    if (request->name == NULL || request->name[0] == 0 || input_exists(graph, request->name)) {
        return refuse(request, "an input needs a name of its own");
    }
    if (!is_supported(request->dtype) || request->rank < 0 || request->rank > TN_MAX_RANK) {
        return refuse(request, "an input has an unsupported element type or number of dimensions");
    }
    for (int32_t i = 0; i < request->rank; i++) {
        const char *name = request->dim_names != NULL ? request->dim_names[i] : NULL;
        if (name != NULL && name[0] != 0) {
            dims[i] = tn_symbols_named(&symbols, tn_sv(name), (int)graph->inputs.len, i);
            if (strcmp(tn_dim_symbol_of(graph->ctx, dims[i])->name, name) != 0) {
                return refuse(request, "a dimension is named by letters, digits and underscores, "
                                       "and not like a function");
            }
        } else if (request->dims[i] >= 0) {
            dims[i] = tn_dim_const(graph->ctx, request->dims[i]);
        } else {
            return refuse(request, "an input has a negative dimension");
        }
    }
    Type type = tn_type_make(request->dtype, (uint8_t)request->rank, dims);
    return tn_graph_add_input(graph, request->name, type);
}

tn_value *tn_input(tn_graph *graph, const char *name, tn_dtype dtype, int32_t rank,
                   const int64_t *dims, const char *const *dim_names) {
    Request request = {.graph = (Graph *)graph,
                       .name = name,
                       .dtype = dtype,
                       .rank = rank,
                       .dims = dims,
                       .dim_names = dim_names};
    return run(&request, make_input);
}

static Value *make_output(const Request *request) {
    const GraphOutput *outputs = request->graph->outputs.data;
    for (size_t i = 0; i < request->graph->outputs.len; i++) {
        if (request->name != NULL && strcmp(outputs[i].name, request->name) == 0) {
            return refuse(request, "two outputs have this name");
        }
    }
    tn_graph_add_output(request->graph, request->name, request->in[0]);
    return request->in[0];
}

void tn_output(tn_graph *graph, const char *name, tn_value *value) {
    Value *in = (Value *)value;
    Request request = {.graph = (Graph *)graph, .name = name, .in = &in, .n_in = 1};
    if (value != NULL) {
        run(&request, make_output);
    }
}

/* ---- constants ---- */

static Value *make_constant(const Request *request) {
    Import import;
    Call call = start_call(&import, request);
    Shape shape = {.rank = request->rank};
    if (!is_supported(request->dtype) || request->rank < 0 || request->rank > TN_MAX_RANK) {
        return refuse(request,
                      "a constant has an unsupported element type or number of dimensions");
    }
    for (int32_t i = 0; i < request->rank; i++) {
        if (request->dims[i] < 0) {
            return refuse(request, "a constant has a negative dimension");
        }
        shape.dims[i] = tn_dim_const(request->graph->ctx, request->dims[i]);
    }
    return tn_make_const(&call, request->dtype, &shape, request->data);
}

tn_value *tn_constant(tn_graph *graph, tn_dtype dtype, int32_t rank, const int64_t *dims,
                      const void *data) {
    Request request = {.graph = (Graph *)graph,
                       .name = "constant",
                       .dtype = dtype,
                       .rank = rank,
                       .dims = dims,
                       .data = data};
    return run(&request, make_constant);
}

static Value *make_scalar(const Request *request) {
    Import import;
    Call call = start_call(&import, request);
    if (!is_supported(request->dtype)) {
        return refuse(request, "a scalar has an unsupported element type");
    }
    return tn_make_scalar(&call, request->dtype, request->number);
}

tn_value *tn_scalar(tn_graph *graph, tn_dtype dtype, double value) {
    Request request = {.graph = (Graph *)graph, .name = "scalar", .dtype = dtype, .number = value};
    return run(&request, make_scalar);
}

/* ---- operators ---- */

static Value *make_apply(const Request *request) {
    Ctx *ctx = request->graph->ctx;
    Import import;
    Call call = start_call(&import, request);
    bool known;
    Value *out[1] = {NULL};
    call.row = tn_op_row(tn_sv(request->name), TN_OPSET_MAX, &known);
    if (call.row == NULL) {
        return refuse(request, "there is no such operator");
    }
    call.in = request->in;
    call.n_in = (size_t)request->n_in;
    call.out = out;
    call.n_out = 1;
    call.attrs = request->attrs;
    call.n_attrs = request->n_attrs;
    call.loc.op = tn_sv_dup(&ctx->arena, tn_sv(request->name));
    if (request->text != NULL && !tn_attrs_parse(ctx, request->text, &call.attrs, &call.n_attrs)) {
        return NULL;
    }
    return tn_call_run(&call) ? out[0] : NULL;
}

static tn_value *apply(tn_graph *graph, Request request) {
    request.graph = (Graph *)graph;
    for (int32_t i = 0; i < request.n_in; i++) {
        if (request.in[i] == NULL) {
            return NULL;
        }
    }
    return run(&request, make_apply);
}

tn_value *tn_apply(tn_graph *graph, const char *op, tn_value *const *inputs, int32_t n_inputs,
                   const char *attributes) {
    return apply(
        graph,
        (Request){.name = op, .in = (Value *const *)inputs, .n_in = n_inputs, .text = attributes});
}

static tn_value *binary(tn_graph *graph, const char *op, tn_value *a, tn_value *b) {
    return tn_apply(graph, op, (tn_value *[]){a, b}, 2, NULL);
}

tn_value *tn_add(tn_graph *graph, tn_value *a, tn_value *b) {
    return binary(graph, "Add", a, b);
}
tn_value *tn_sub(tn_graph *graph, tn_value *a, tn_value *b) {
    return binary(graph, "Sub", a, b);
}
tn_value *tn_mul(tn_graph *graph, tn_value *a, tn_value *b) {
    return binary(graph, "Mul", a, b);
}
tn_value *tn_div(tn_graph *graph, tn_value *a, tn_value *b) {
    return binary(graph, "Div", a, b);
}
tn_value *tn_matmul(tn_graph *graph, tn_value *a, tn_value *b) {
    return binary(graph, "MatMul", a, b);
}
tn_value *tn_relu(tn_graph *graph, tn_value *x) {
    return tn_apply(graph, "Relu", &x, 1, NULL);
}

tn_value *tn_softmax(tn_graph *graph, tn_value *x, int32_t axis) {
    OnnxAttr attr = {.name = TN_SV("axis"), .type = ONNX_ATTR_INT, .i = axis};
    Value *in = (Value *)x;
    return apply(graph,
                 (Request){.name = "Softmax", .in = &in, .n_in = 1, .attrs = &attr, .n_attrs = 1});
}

tn_value *tn_reshape(tn_graph *graph, tn_value *x, int32_t rank, const int64_t *dims) {
    int64_t n = rank;
    return binary(graph, "Reshape", x, tn_constant(graph, TN_I64, 1, &n, dims));
}

tn_value *tn_transpose(tn_graph *graph, tn_value *x, const int32_t *perm) {
    Value *in = (Value *)x;
    int64_t wide[TN_MAX_RANK];
    size_t rank = in != NULL ? in->type.rank : 0;
    for (size_t i = 0; i < rank; i++) {
        wide[i] = perm[i];
    }
    OnnxAttr attr = {.name = TN_SV("perm"), .type = ONNX_ATTR_INTS, .ints = wide, .n_ints = rank};
    return apply(
        graph, (Request){.name = "Transpose", .in = &in, .n_in = 1, .attrs = &attr, .n_attrs = 1});
}
