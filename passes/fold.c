/* fold.c: evaluate nodes whose inputs are all constant, by the reference evaluator.
 *
 * An operand counts as constant when it is data, or an expand of data: unless huge, that is
 * evaluated for the occasion and never stored. Nodes fed by expands of single elements
 * alone are formulas that cost nothing where they are used, so only small ones are folded;
 * and no node is whose result is both large and larger than the data it came from. Each
 * result is rounded to its dtype. Views that simplify itself turns into constants are left
 * to it: after folding, the graph is simplified again until neither finds more.
 */
#include "ir/op.h"
#include "passes/pass.h"
#include "passes/simplify.h"

enum { RESULT_MAX = 16 << 20, EXPAND_COUNT_MAX = 4 << 20, SMALL_COUNT = 256, ROUNDS_MAX = 16 };

static bool is_data(const Value *value) {
    return value->def != NULL && tn_node_is_const(value->def);
}

static int64_t count_of(const Value *value) {
    return tn_type_static_count(&value->type);
}

/* An operand of `node` that can be evaluated: not much larger than the result. */
static bool is_expanded_data(const Node *node, const Value *value) {
    int64_t count = count_of(value);
    return tn_def_of(value, TN_OP_expand) != NULL && is_data(value->def->in[0]) && count >= 0 &&
           (count <= EXPAND_COUNT_MAX || count <= count_of(node->out[0]));
}

/* Bytes stored for the operand, and whether it is more than one element repeated. */
static int64_t data_bytes(const Value *value, bool *is_tensor) {
    const Value *data = is_data(value) ? value : value->def->in[0];
    *is_tensor = *is_tensor || count_of(data) > 1;
    return (int64_t)data->def->blob->size;
}

/* Whether folding is worth its result, given that all operands are constant. */
static bool is_bounded(const Node *node) {
    bool is_tensor = false;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        bytes += data_bytes(node->in[i], &is_tensor);
    }
    int64_t count = count_of(node->out[0]);
    if (!is_tensor || node->op == TN_OP_expand) {
        return count <= SMALL_COUNT && (node->op != TN_OP_expand || count <= 1);
    }
    int64_t result = count * (int64_t)tn_dtype_bytes(node->out[0]->type.dtype);
    return result <= RESULT_MAX || result <= bytes;
}

/* Loops stay: nothing bounds their turns, and their bodies may see symbols. */
static bool can_fold(const Node *node) {
    if (node->body != NULL || node->n_in == 0 || node->n_out != 1 || count_of(node->out[0]) < 0) {
        return false;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (!is_data(node->in[i]) && !is_expanded_data(node, node->in[i])) {
            return false;
        }
    }
    return is_bounded(node);
}

/* The operand as a tensor in the scratch arena. */
static bool operand_tensor(Ctx *ctx, const Value *value, RefTensor *out) {
    if (!is_data(value)) {
        RefTensor inner;
        return operand_tensor(ctx, value->def->in[0], &inner) &&
               tn_eval_node(ctx, value->def, (const RefTensor *[]){&inner}, NULL, &ctx->scratch,
                            out);
    }
    int64_t dims[TN_MAX_RANK];
    for (uint32_t i = 0; i < value->type.rank; i++) {
        dims[i] = value->type.dims[i]->value;
    }
    *out = tn_ref_from_bytes(&ctx->scratch, value->type.dtype, value->type.rank, dims,
                             value->def->blob->data);
    return true;
}

static Value *folded(Graph *graph, Node *node) {
    Ctx *ctx = graph->ctx;
    RefTensor *tensors = TN_NEW_ARRAY(&ctx->scratch, RefTensor, node->n_in);
    const RefTensor **in = TN_NEW_ARRAY(&ctx->scratch, const RefTensor *, node->n_in);
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i] = &tensors[i];
        if (!operand_tensor(ctx, node->in[i], &tensors[i])) {
            return NULL;
        }
    }
    RefTensor result;
    if (!tn_eval_node(ctx, node, in, NULL, &ctx->scratch, &result)) {
        return NULL;
    }
    const Type *type = &node->out[0]->type;
    size_t size = (size_t)result.count * tn_dtype_bytes(type->dtype);
    void *bytes = tn_arena_alloc(&ctx->arena, size + 1, 64);
    tn_ref_to_bytes(&result, bytes);
    Build build = tn_build_at(graph, node);
    return tn_build_const(&build, type, bytes);
}

/* Folds in topological order, so that chains fold in one walk. */
static bool fold_nodes(Graph *graph, bool *changed) {
    Arena *scratch = &graph->ctx->scratch;
    for (Node *node = graph->first, *next; node != NULL; node = next) {
        next = node->next;
        if (!can_fold(node)) {
            continue;
        }
        ArenaMark mark = tn_arena_mark(scratch);
        Value *value = folded(graph, node);
        tn_arena_reset(scratch, mark);
        if (value == NULL) {
            return false;
        }
        tn_value_replace(graph, node->out[0], value);
        tn_node_remove(graph, node);
        *changed = true;
    }
    return true;
}

bool tn_pass_fold(Compile *compile) {
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool changed = false;
        if (!fold_nodes(compile->graph, &changed)) {
            return false;
        }
        if (!changed) {
            return true;
        }
        if (!tn_simplify_graph(compile->graph)) {
            return false;
        }
    }
    return true;
}
