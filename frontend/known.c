/* known.c: what can be said at compile time about a value's elements.
 *
 * Three sources, in this order: evaluation of what follows from constants; dimension
 * expressions (tn_value_content); input values given at compile time, which specialise the
 * model and are therefore only touched when nothing else helps.
 */
#include <string.h>

#include "frontend/compose.h"

/* Larger or deeper computations are not shape arithmetic. */
enum { MAX_KNOWN = 1 << 16, MAX_DEPTH = 200 };

typedef struct Known {
    Call *call;
    bool use_bindings;
    bool bound;          /* a binding took part: the result is not memoised */
    int depth, steps;
    int64_t *symbols;    /* value of every symbol that the bindings tell */
    uint64_t used;       /* graph inputs that took part, the first 64 by bit */
    const Value *missing; /* an input whose value would be needed, or NULL */
} Known;

static const RefTensor *know(Known *k, Value *value);

/* ---- inputs given at compile time ---- */

static const tn_tensor *find_binding(const Known *k, const Value *input) {
    const FrontendOptions *options = k->call->import->options;
    for (size_t i = 0; options != NULL && i < options->n_bindings; i++) {
        if (strcmp(options->bindings[i].input, input->name) == 0) {
            return &options->bindings[i].value;
        }
    }
    return NULL;
}

/* The binding has the input's type: element type, rank and static dims. */
static bool binding_fits(const tn_tensor *tensor, const Type *type) {
    if (tensor->dtype != (int32_t)type->dtype || tensor->rank != type->rank) {
        return false;
    }
    int64_t count = 1;
    for (int i = 0; i < type->rank; i++) {
        int64_t size = tensor->dims[i];
        if ((tn_dim_is_const(type->dims[i]) && type->dims[i]->value != size) || size < 0 ||
            size > MAX_KNOWN || (count *= size) > MAX_KNOWN) {
            return false;
        }
    }
    return true;
}

static const RefTensor *know_input(Known *k, const Value *input) {
    const tn_tensor *tensor = k->use_bindings && input->out < 64 ? find_binding(k, input) : NULL;
    if (tensor == NULL || !binding_fits(tensor, &input->type)) {
        k->missing = k->missing != NULL ? k->missing : input;
        return NULL;
    }
    k->used |= (uint64_t)1 << input->out;
    k->bound = true;
    Ctx *ctx = k->call->ctx;
    RefTensor *known = TN_NEW(&ctx->arena, RefTensor);
    *known = tn_ref_from_bytes(&ctx->arena, input->type.dtype, input->type.rank, tensor->dims,
                               tensor->data);
    return known;
}

/* From now on the compiled model holds for these values of the inputs only. */
static void record_bindings(Known *k) {
    Graph *graph = k->call->graph;
    for (size_t i = 0; i < graph->inputs.len && i < 64; i++) {
        if ((k->used >> i & 1) == 0 || graph->bound.data[i] != NULL) {
            continue;
        }
        const tn_tensor *tensor = find_binding(k, graph->inputs.data[i]);
        int64_t count = 1;
        for (int d = 0; d < tensor->rank; d++) {
            count *= tensor->dims[d];
        }
        Blob *blob = TN_NEW(&graph->ctx->arena, Blob);
        *blob = (Blob){tensor->data, (size_t)count * tn_dtype_bytes((DType)tensor->dtype), NULL};
        graph->bound.data[i] = blob;
    }
}

/* ---- evaluation ---- */

/* Whether every symbol of `dim` is known; fills in those that bindings tell. */
static bool know_dim(Known *k, const Dim *dim) {
    if (dim->kind != DIM_SYM) {
        for (uint32_t i = 0; i < dim->n_args; i++) {
            if (!know_dim(k, dim->args[i])) {
                return false;
            }
        }
        return true;
    }
    const Symbol *symbol = tn_dim_symbol_of(k->call->ctx, dim);
    const Graph *graph = k->call->graph;
    if (!k->use_bindings || symbol->input < 0 || (size_t)symbol->input >= graph->inputs.len) {
        return false;
    }
    const RefTensor *input = know_input(k, graph->inputs.data[symbol->input]);
    if (input == NULL) {
        return false;
    }
    if (symbol->kind == SYM_INPUT_ELEM && symbol->index < input->count) {
        k->symbols[dim->sym] = input->i[symbol->index];
        return true;
    }
    if (symbol->kind == SYM_INPUT_DIM && symbol->index < input->rank) {
        k->symbols[dim->sym] = input->dims[symbol->index];
        return true;
    }
    return false;
}

static bool know_dims(Known *k, const Dim *const *dims, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!know_dim(k, dims[i])) {
            return false;
        }
    }
    return true;
}

/* All that a node's evaluation reads besides its operands; and its result is small. */
static bool know_attrs(Known *k, const Node *node) {
    const Type *type = &node->out[0]->type;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        if (node->attrs[i].kind == ATTR_DIMS &&
            !know_dims(k, node->attrs[i].dims, node->attrs[i].n)) {
            return false;
        }
    }
    if (!know_dims(k, type->dims, type->rank)) {
        return false;
    }
    int64_t count = 1;
    for (int i = 0; i < type->rank; i++) {
        int64_t size;
        if (!tn_dim_eval(type->dims[i], k->symbols, &size) || size < 0 || size > MAX_KNOWN ||
            (count *= size) > MAX_KNOWN) {
            return false;
        }
    }
    return true;
}

static const RefTensor *know_node(Known *k, const Node *node) {
    Ctx *ctx = k->call->ctx;
    if (node->n_out != 1 || !know_attrs(k, node)) {
        return NULL;
    }
    const RefTensor **in = TN_NEW_ARRAY(&ctx->arena, const RefTensor *, node->n_in + 1u);
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i] = know(k, node->in[i]);
        if (in[i] == NULL) {
            return NULL;
        }
    }
    RefTensor *out = TN_NEW(&ctx->arena, RefTensor);
    return tn_eval_node(ctx, node, in, k->symbols, &ctx->arena, out) ? out : NULL;
}

static const RefTensor *know(Known *k, Value *value) {
    Map *memo = &k->call->import->known;
    const RefTensor *known = tn_map_get_int(memo, value->id);
    if (known != NULL) {
        return known;
    }
    if (value->def == NULL) {
        return know_input(k, value);
    }
    if (k->depth >= MAX_DEPTH || ++k->steps > MAX_KNOWN) {
        return NULL;
    }
    bool outer = k->bound;
    k->bound = false;
    k->depth++;
    known = know_node(k, value->def);
    k->depth--;
    if (known != NULL && !k->bound) {
        void **slot = tn_map_put_int(memo, value->id, NULL);
        *slot = (void *)(uintptr_t)known;
    }
    k->bound = k->bound || outer;
    return known;
}

static Known known_make(Call *call, bool use_bindings) {
    size_t n = call->ctx->dims != NULL ? call->ctx->dims->symbols.len : 0;
    return (Known){.call = call,
                   .use_bindings = use_bindings,
                   .symbols = TN_NEW_ARRAY(&call->ctx->arena, int64_t, n + 1)};
}

const RefTensor *tn_call_known(Call *call, Value *value) {
    Known k = known_make(call, false);
    return know(&k, value);
}

/* Evaluation with bindings; the diagnostic names the input that would help. */
static const RefTensor *specialise(Call *call, Value *value, const char *what) {
    Known k = known_make(call, true);
    const RefTensor *known = know(&k, value);
    if (known != NULL) {
        record_bindings(&k);
    } else if (k.missing != NULL) {
        tn_call_unsupported(call,
                            "'%s' decides a shape and depends on input '%s', whose value "
                            "must be given at compile time",
                            what, k.missing->name);
    } else {
        tn_call_unsupported(call, "'%s' decides a shape and is computed at run time", what);
    }
    return known;
}

const RefTensor *tn_call_need(Call *call, Value *value, const char *what) {
    const RefTensor *known = tn_call_known(call, value);
    return known != NULL ? known : specialise(call, value, what);
}

/* ---- integers ---- */

static bool check_list(Call *call, const Value *value, const char *what, size_t max) {
    const Type *type = &value->type;
    if (!tn_dtype_is_int(type->dtype) || type->rank > 1) {
        return tn_call_error(call, "'%s' is %s of rank %d, expected a list of integers", what,
                             tn_dtype_text(type->dtype), type->rank);
    }
    if (type->rank == 1 && tn_dim_is_const(type->dims[0]) && type->dims[0]->value > (int64_t)max) {
        return tn_call_error(call, "'%s' has %lld elements, at most %zu are possible", what,
                             (long long)type->dims[0]->value, max);
    }
    return true;
}

static bool copy_ints(Call *call, const RefTensor *known, const char *what, int64_t *out,
                      size_t max, size_t *n) {
    if (known == NULL) {
        return false;
    }
    if (known->count > (int64_t)max) {
        return tn_call_error(call, "'%s' has %lld elements, at most %zu are possible", what,
                             (long long)known->count, max);
    }
    *n = (size_t)known->count;
    memcpy(out, known->i, *n * sizeof *out);
    return true;
}

/* Elements that are all plain numbers. */
static bool constant_content(Call *call, Value *value, int64_t *out, size_t max, size_t *n) {
    const Dim *const *content = tn_value_content(call->graph, value, n);
    if (content == NULL || *n > max) {
        return false;
    }
    for (size_t i = 0; i < *n; i++) {
        if (!tn_dim_is_const(content[i])) {
            return false;
        }
        out[i] = content[i]->value;
    }
    return true;
}

bool tn_call_ints(Call *call, Value *value, const char *what, int64_t *out, size_t max, size_t *n) {
    if (!check_list(call, value, what, max)) {
        return false;
    }
    const RefTensor *known = tn_call_known(call, value);
    if (known == NULL && constant_content(call, value, out, max, n)) {
        return true;
    }
    known = known != NULL ? known : specialise(call, value, what);
    return copy_ints(call, known, what, out, max, n);
}

bool tn_call_dims(Call *call, Value *value, const char *what, const Dim **out, size_t max,
                  size_t *n) {
    if (!check_list(call, value, what, max)) {
        return false;
    }
    const RefTensor *known = tn_call_known(call, value);
    const Dim *const *content = known == NULL ? tn_value_content(call->graph, value, n) : NULL;
    if (content != NULL && *n <= max) {
        memcpy(out, content, *n * sizeof *content);
        return true;
    }
    int64_t *ints = TN_NEW_ARRAY(&call->ctx->scratch, int64_t, max + 1);
    known = known != NULL ? known : specialise(call, value, what);
    if (!copy_ints(call, known, what, ints, max, n)) {
        return false;
    }
    for (size_t i = 0; i < *n; i++) {
        out[i] = tn_make_int(call, ints[i]);
    }
    return true;
}

const Dim *tn_call_dim(Call *call, Value *value, const char *what) {
    const Dim *dim;
    size_t n;
    if (!tn_call_dims(call, value, what, &dim, 1, &n)) {
        return NULL;
    }
    if (n != 1) {
        tn_call_error(call, "'%s' has %zu elements, expected one", what, n);
        return NULL;
    }
    return dim;
}
