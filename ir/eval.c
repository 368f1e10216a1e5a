/* eval.c: runs a graph on the reference evaluation of each row.
 *
 * Values are kept in double or int64 from node to node and rounded only by casts and when
 * bytes are written. Each value's storage comes from the system and goes back after its
 * last use; constants are read when first needed, so that a large model needs little more
 * than its largest live set. What outlives the call is in the caller's arena.
 */
#include "ir/ops/support.h"

#include <stdlib.h>
#include <string.h>

/* ---- tensors and bytes ---- */

static void *new_elements(Arena *arena, int64_t count) {
    return tn_arena_array(arena, count > 0 ? (size_t)count : 1, sizeof(int64_t), 8);
}

RefTensor tn_ref_from_bytes(Arena *arena, DType dtype, int rank, const int64_t *dims,
                            const void *bytes) {
    RefTensor tensor = {.dtype = dtype, .rank = (uint8_t)rank, .count = 1};
    for (int d = 0; d < rank; d++) {
        tensor.dims[d] = dims[d];
        tensor.count *= dims[d];
    }
    tensor.i = new_elements(arena, tensor.count);
    tn_ref_read_bytes(&tensor, bytes);
    return tensor;
}

static void write_int(int64_t value, size_t size, unsigned char *out) {
    for (size_t b = 0; b < size; b++) {
        out[b] = (unsigned char)((uint64_t)value >> (8 * b));
    }
}

static void write_float(DType dtype, double value, unsigned char *out) {
    if (dtype == TN_F32) {
        float rounded = (float)value;
        memcpy(out, &rounded, sizeof rounded);
    } else {
        memcpy(out, &value, sizeof value);
    }
}

void tn_ref_to_bytes(const RefTensor *tensor, void *bytes) {
    size_t size = tn_dtype_bytes(tensor->dtype);
    unsigned char *out = bytes;
    for (int64_t k = 0; k < tensor->count; k++, out += size) {
        if (tn_dtype_is_float(tensor->dtype)) {
            write_float(tensor->dtype, tensor->f[k], out);
        } else {
            write_int(tensor->i[k], size, out);
        }
    }
}

/* Dtype and dims of a value's tensor at the given symbols; no storage yet. */
static bool shape_of(Ctx *ctx, Loc loc, const Type *type, const int64_t *symbols, RefTensor *out) {
    *out = (RefTensor){.dtype = type->dtype, .rank = type->rank, .count = 1};
    bool empty = false;
    for (int d = 0; d < type->rank; d++) {
        int64_t size;
        if (!tn_dim_eval(type->dims[d], symbols, &size)) {
            return tn_diag(&ctx->diags, TN_LIMIT, loc, "dimension %d overflows", d);
        }
        if (size < 0) {
            return tn_diag(&ctx->diags, TN_BAD_INPUT, loc, "dimension %d would be %lld", d,
                           (long long)size);
        }
        out->dims[d] = size;
        empty = empty || size == 0;
    }
    for (int d = 0; d < type->rank && !empty; d++) {
        if (out->dims[d] > TN_COUNT_MAX / out->count) {
            return tn_diag(&ctx->diags, TN_LIMIT, loc, "more than 2^40 elements");
        }
        out->count *= out->dims[d];
    }
    out->count = empty ? 0 : out->count;
    return true;
}

/* ---- symbols ---- */

/* What tn_eval_symbols works on. */
typedef struct Binding {
    Graph *graph;
    const RefTensor *inputs;
    int64_t *values;
    bool *known;
} Binding;

static const char *input_name(const Graph *graph, size_t i) {
    const char *name = graph->inputs.data[i]->name;
    return name != NULL ? name : "";
}

static bool input_error(const Binding *b, size_t i, const char *text) {
    return tn_diag(&b->graph->ctx->diags, TN_BAD_INPUT, (Loc){0}, "input %zu '%s': %s", i,
                   input_name(b->graph, i), text);
}

static bool check_input_type(const Binding *b, size_t i) {
    Arena *scratch = &b->graph->ctx->scratch;
    const Type *type = &b->graph->inputs.data[i]->type;
    const RefTensor *input = &b->inputs[i];
    if (input->dtype != type->dtype) {
        return input_error(b, i,
                           tn_arena_printf(scratch, "elements are %s, expected %s",
                                           tn_dtype_text(input->dtype),
                                           tn_dtype_text(type->dtype)));
    }
    if (input->rank != type->rank) {
        return input_error(
            b, i, tn_arena_printf(scratch, "%d dimensions, expected %d", input->rank, type->rank));
    }
    return true;
}

/* Records a symbol's value; false when it leaves the symbol's range. */
static bool bind_symbol(const Binding *b, size_t input, const Dim *sym, int64_t value) {
    Ctx *ctx = b->graph->ctx;
    if (b->known[sym->sym]) {
        return true; /* a second place it appears; compared by check_dims */
    }
    b->known[sym->sym] = true;
    b->values[sym->sym] = value;
    if (value >= sym->lo && value <= sym->hi) {
        return true;
    }
    return input_error(b, input,
                       tn_arena_printf(&ctx->scratch, "%s is %lld, outside %lld..%lld",
                                       tn_dim_symbol_of(ctx, sym)->name, (long long)value,
                                       (long long)sym->lo, (long long)sym->hi));
}

static bool bind_dims(const Binding *b, size_t i) {
    const Type *type = &b->graph->inputs.data[i]->type;
    for (int d = 0; d < type->rank; d++) {
        if (type->dims[d]->kind == DIM_SYM &&
            !bind_symbol(b, i, type->dims[d], b->inputs[i].dims[d])) {
            return false;
        }
    }
    return true;
}

static bool check_dims(const Binding *b, size_t i) {
    Ctx *ctx = b->graph->ctx;
    const Type *type = &b->graph->inputs.data[i]->type;
    for (int d = 0; d < type->rank; d++) {
        int64_t expected = 0;
        int64_t found = b->inputs[i].dims[d];
        bool fits = tn_dim_eval(type->dims[d], b->values, &expected) && expected == found;
        if (!fits) {
            StrBuf text = tn_str(&ctx->scratch);
            tn_str_printf(&text, "dimension %d is %lld, expected ", d, (long long)found);
            tn_dim_print(ctx, type->dims[d], &text);
            if (!tn_dim_is_const(type->dims[d])) {
                tn_str_printf(&text, " = %lld", (long long)expected);
            }
            return input_error(b, i, text.data);
        }
    }
    return true;
}

/* Symbols that are elements of integer inputs. */
static bool bind_elements(const Binding *b) {
    Ctx *ctx = b->graph->ctx;
    for (size_t s = 0; s < ctx->dims->symbols.len; s++) {
        const Symbol *symbol = &ctx->dims->symbols.data[s];
        if (symbol->kind != SYM_INPUT_ELEM || b->known[s] || symbol->input < 0 ||
            (size_t)symbol->input >= b->graph->inputs.len) {
            continue;
        }
        const RefTensor *input = &b->inputs[symbol->input];
        bool present =
            !tn_dtype_is_float(input->dtype) && symbol->index >= 0 && symbol->index < input->count;
        if (present &&
            !bind_symbol(b, (size_t)symbol->input, symbol->dim, input->i[symbol->index])) {
            return false;
        }
    }
    return true;
}

/* Inputs given at compile time must come again with the same bytes. */
static bool check_bound(const Binding *b, size_t i) {
    Graph *graph = b->graph;
    const Blob *blob = i < graph->bound.len ? graph->bound.data[i] : NULL;
    if (blob == NULL) {
        return true;
    }
    size_t size = (size_t)b->inputs[i].count * tn_dtype_bytes(b->inputs[i].dtype);
    unsigned char *bytes = tn_arena_alloc(&graph->ctx->scratch, size > 0 ? size : 1, 8);
    tn_ref_to_bytes(&b->inputs[i], bytes);
    if (size == blob->size && memcmp(bytes, blob->data, size) == 0) {
        return true;
    }
    return input_error(b, i, "differs from the value the model was specialised for");
}

static bool check_constraint(const Binding *b, const Constraint *constraint) {
    int64_t left;
    int64_t right;
    bool exact = tn_dim_eval(constraint->a, b->values, &left) &&
                 tn_dim_eval(constraint->b, b->values, &right);
    if (exact && left == right) {
        return true;
    }
    DiagList *diags = &b->graph->ctx->diags;
    if (!exact) {
        return tn_diag(diags, TN_LIMIT, (Loc){0}, "%s (sizes overflow)", constraint->text);
    }
    return tn_diag(diags, TN_BAD_INPUT, (Loc){0}, "%s (%lld and %lld)", constraint->text,
                   (long long)left, (long long)right);
}

static bool bind_all(const Binding *b) {
    size_t n = b->graph->inputs.len;
    for (size_t i = 0; i < n; i++) {
        if (!check_input_type(b, i) || !bind_dims(b, i)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!check_dims(b, i) || !check_bound(b, i)) {
            return false;
        }
    }
    return bind_elements(b);
}

bool tn_eval_symbols(Graph *graph, const RefTensor *inputs, Arena *arena, int64_t **out) {
    size_t n = graph->ctx->dims->symbols.len;
    Binding b = {graph, inputs, TN_NEW_ARRAY(arena, int64_t, n + 1),
                 TN_NEW_ARRAY(arena, bool, n + 1)};
    if (!bind_all(&b)) {
        return false;
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        if (!check_constraint(&b, &graph->constraints.data[i])) {
            return false;
        }
    }
    *out = b.values;
    return true;
}

/* ---- one node ---- */

bool tn_eval_node(Ctx *ctx, const Node *node, const RefTensor *const *in, const int64_t *symbols,
                  Arena *arena, RefTensor *out) {
    for (uint32_t o = 0; o < node->n_out; o++) {
        if (!shape_of(ctx, node->loc, &node->out[o]->type, symbols, &out[o])) {
            return false;
        }
        out[o].i = new_elements(arena, out[o].count);
    }
    EvalArgs args = {ctx, node, in, out, symbols};
    return tn_op_info(node->op)->eval(&args);
}

/* ---- a graph ---- */

typedef struct Run {
    Graph *graph;
    const int64_t *symbols;
    RefTensor *tensors;  /* by value id */
    bool *ready;         /* by value id: the tensor is there */
    bool *owned;         /* by value id: its storage is to be freed */
    uint32_t *uses_left; /* by value id: operands still to be read, outputs count */
    const RefTensor **in; /* operands and results of the node being run */
    RefTensor *out;
    EvalSeeFn *see;
    void *arg;
} Run;

static void release(Run *run, const Value *value) {
    if (run->owned[value->id]) {
        free(run->tensors[value->id].i);
        run->owned[value->id] = false;
        run->ready[value->id] = false;
    }
}

static bool allocate(Run *run, const Node *node, const Value *value) {
    RefTensor *tensor = &run->tensors[value->id];
    if (!shape_of(run->graph->ctx, node->loc, &value->type, run->symbols, tensor)) {
        return false;
    }
    tensor->i = calloc(tensor->count > 0 ? (size_t)tensor->count : 1, sizeof *tensor->i);
    run->owned[value->id] = run->ready[value->id] = tensor->i != NULL;
    return tensor->i != NULL || tn_diag(&run->graph->ctx->diags, TN_LIMIT, node->loc,
                                        "no memory for %lld elements", (long long)tensor->count);
}

static bool run_node(Run *run, const Node *node);

/* The tensor of a value, read from the node's data if it is a constant not met before. */
static const RefTensor *demand(Run *run, const Value *value) {
    if (!run->ready[value->id] && !run_node(run, value->def)) {
        return NULL;
    }
    return &run->tensors[value->id];
}

static void drop_operands(Run *run, const Node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (--run->uses_left[node->in[i]->id] == 0) {
            release(run, node->in[i]);
        }
    }
    for (uint32_t o = 0; o < node->n_out; o++) {
        if (run->uses_left[node->out[o]->id] == 0) {
            release(run, node->out[o]);
        }
    }
}

static bool run_node(Run *run, const Node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        run->in[i] = demand(run, node->in[i]);
        if (run->in[i] == NULL) {
            return false;
        }
    }
    for (uint32_t o = 0; o < node->n_out; o++) {
        if (!allocate(run, node, node->out[o])) {
            return false;
        }
        run->out[o] = run->tensors[node->out[o]->id];
    }
    EvalArgs args = {run->graph->ctx, node, run->in, run->out, run->symbols};
    if (!tn_op_info(node->op)->eval(&args)) {
        return false;
    }
    for (uint32_t o = 0; run->see != NULL && o < node->n_out; o++) {
        run->see(run->arg, node->out[o], &run->out[o]);
    }
    drop_operands(run, node);
    return true;
}

static void count_uses(Run *run) {
    for (const Node *node = run->graph->first; node != NULL; node = node->next) {
        for (uint32_t i = 0; i < node->n_in; i++) {
            run->uses_left[node->in[i]->id]++;
        }
    }
    for (size_t i = 0; i < run->graph->outputs.len; i++) {
        run->uses_left[run->graph->outputs.data[i].value->id]++;
    }
}

static uint32_t most_operands(const Graph *graph) {
    uint32_t n = 1;
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        n = node->n_in > n ? node->n_in : n;
        n = node->n_out > n ? node->n_out : n;
    }
    return n;
}

/* Constants wait until something demands them. */
static bool run_nodes(Run *run) {
    for (const Node *node = run->graph->first; node != NULL; node = node->next) {
        if (node->op != TN_OP_const && !run_node(run, node)) {
            return false;
        }
    }
    return true;
}

static bool copy_outputs(Run *run, RefTensor *outputs) {
    for (size_t i = 0; i < run->graph->outputs.len; i++) {
        const RefTensor *tensor = demand(run, run->graph->outputs.data[i].value);
        if (tensor == NULL) {
            return false;
        }
        memcpy(outputs[i].i, tensor->i, (size_t)tensor->count * sizeof *tensor->i);
    }
    return true;
}

static void release_all(Run *run) {
    for (uint32_t v = 0; v < run->graph->n_values; v++) {
        if (run->owned[v]) {
            free(run->tensors[v].i);
        }
    }
}

/* Storage of the outputs comes first: nothing is held from the system while the caller's
 * arena may run out. */
static bool prepare_outputs(const Run *run, Arena *arena, RefTensor *outputs) {
    for (size_t i = 0; i < run->graph->outputs.len; i++) {
        const Value *value = run->graph->outputs.data[i].value;
        if (!shape_of(run->graph->ctx, (Loc){0}, &value->type, run->symbols, &outputs[i])) {
            return false;
        }
        outputs[i].i = new_elements(arena, outputs[i].count);
    }
    return true;
}

static bool run_graph(Graph *graph, const RefTensor *inputs, const int64_t *symbols, Arena *arena,
                      RefTensor *outputs, EvalSeeFn *see, void *arg) {
    Arena *scratch = &graph->ctx->scratch;
    uint32_t n = graph->n_values + 1;
    uint32_t widest = most_operands(graph);
    Run run = {.graph = graph,
               .symbols = symbols,
               .tensors = TN_NEW_ARRAY(scratch, RefTensor, n),
               .ready = TN_NEW_ARRAY(scratch, bool, n),
               .owned = TN_NEW_ARRAY(scratch, bool, n),
               .uses_left = TN_NEW_ARRAY(scratch, uint32_t, n),
               .in = TN_NEW_ARRAY(scratch, const RefTensor *, widest),
               .out = TN_NEW_ARRAY(scratch, RefTensor, widest),
               .see = see,
               .arg = arg};
    if (!prepare_outputs(&run, arena, outputs)) {
        return false;
    }
    count_uses(&run);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        run.tensors[graph->inputs.data[i]->id] = inputs[i];
        run.ready[graph->inputs.data[i]->id] = true;
    }
    bool ok = run_nodes(&run) && copy_outputs(&run, outputs);
    release_all(&run);
    return ok;
}

bool tn_eval_body(Graph *body, const RefTensor *inputs, const int64_t *symbols, Arena *arena,
                  RefTensor *outputs) {
    return run_graph(body, inputs, symbols, arena, outputs, NULL, NULL);
}

bool tn_eval_graph(Graph *graph, const RefTensor *inputs, Arena *arena, RefTensor *outputs,
                   EvalSeeFn *see, void *arg) {
    int64_t *symbols;
    return tn_eval_symbols(graph, inputs, arena, &symbols) &&
           run_graph(graph, inputs, symbols, arena, outputs, see, arg);
}
