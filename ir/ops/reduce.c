/* reduce.c: reductions over whole axes: sum, prod, max, min, argmax, argmin.
 *
 * A reduction over no elements gives its start value; argmax and argmin of nothing are 0.
 */
#include "ir/ops/support.h"

#include <math.h>

/* ---- type rules ---- */

static bool type_reduce(Graph *graph, Node *node, const bool *gone, DType dtype) {
    const Type *in = &node->in[0]->type;
    const Dim *dims[TN_MAX_RANK];
    uint32_t n = 0;
    for (int d = 0; d < in->rank; d++) {
        if (!gone[d]) {
            dims[n++] = in->dims[d];
        }
    }
    return tn_op_set_result(graph, node, dtype, n, dims);
}

static bool type_axes(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    bool gone[TN_MAX_RANK];
    return tn_op_check_domain(graph, node, 0, DOMAIN_NUM) &&
           tn_op_check_axes(graph, node, TN_ATTR_axes, in->rank, gone) &&
           type_reduce(graph, node, gone, in->dtype);
}

static bool type_arg(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) ||
        !tn_op_check_int(graph, node, TN_ATTR_axis, 0, in->rank - 1) ||
        !tn_op_check_int(graph, node, TN_ATTR_last, 0, 1)) {
        return false;
    }
    bool gone[TN_MAX_RANK] = {false};
    gone[tn_attr_int(node, TN_ATTR_axis)] = true;
    return type_reduce(graph, node, gone, TN_I64);
}

bool tn_type_reduce_sum(Graph *graph, Node *node) {
    return type_axes(graph, node);
}
bool tn_type_reduce_prod(Graph *graph, Node *node) {
    return type_axes(graph, node);
}
bool tn_type_reduce_max(Graph *graph, Node *node) {
    return type_axes(graph, node);
}
bool tn_type_reduce_min(Graph *graph, Node *node) {
    return type_axes(graph, node);
}
bool tn_type_argmax(Graph *graph, Node *node) {
    return type_arg(graph, node);
}
bool tn_type_argmin(Graph *graph, Node *node) {
    return type_arg(graph, node);
}

/* ---- evaluation: axes ---- */

/* Entries of `index` that are not in `gone`, packed. */
static void kept_index(int rank, const bool *gone, const int64_t *index, int64_t *out) {
    for (int d = 0; d < rank; d++) {
        if (!gone[d]) {
            *out++ = index[d];
        }
    }
}

static bool eval_axes(EvalArgs *args, Op op, double start_f, int64_t start_i) {
    const RefTensor *in = args->in[0];
    const Attr *axes = tn_node_attr(args->node, TN_ATTR_axes);
    bool gone[TN_MAX_RANK] = {false};
    for (uint32_t i = 0; i < axes->n; i++) {
        gone[axes->ints[i]] = true;
    }
    tn_ref_fill(args->out, start_f, start_i);
    int64_t index[TN_MAX_RANK] = {0};
    int64_t to[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < in->count; k++) {
        kept_index(in->rank, gone, index, to);
        tn_ref_combine(args->out, tn_ref_offset(args->out, to), op, in, k);
        tn_index_next(in->rank, in->dims, index);
    }
    return true;
}

bool tn_eval_reduce_sum(EvalArgs *args) {
    return eval_axes(args, TN_OP_add, 0, 0);
}
bool tn_eval_reduce_prod(EvalArgs *args) {
    return eval_axes(args, TN_OP_mul, 1, 1);
}
bool tn_eval_reduce_max(EvalArgs *args) {
    return eval_axes(args, TN_OP_max, -(double)INFINITY, tn_int_least(args->out->dtype));
}
bool tn_eval_reduce_min(EvalArgs *args) {
    return eval_axes(args, TN_OP_min, (double)INFINITY, tn_int_greatest(args->out->dtype));
}

/* ---- evaluation: argmax, argmin ---- */

static bool eval_arg(EvalArgs *args, Op op) {
    const RefTensor *in = args->in[0];
    RefTensor *out = args->out;
    int64_t axis = tn_attr_int(args->node, TN_ATTR_axis);
    bool last = tn_attr_int(args->node, TN_ATTR_last) != 0;
    int64_t stride = 1; /* between neighbours along the axis */
    for (int d = (int)axis + 1; d < in->rank; d++) {
        stride *= in->dims[d];
    }
    for (int64_t k = 0; k < out->count; k++) {
        int64_t first = k / stride * stride * in->dims[axis] + k % stride;
        int64_t best = 0;
        for (int64_t a = 1; a < in->dims[axis]; a++) {
            if (tn_ref_better(in, op, last, first + a * stride, first + best * stride)) {
                best = a;
            }
        }
        out->i[k] = best;
    }
    return true;
}

bool tn_eval_argmax(EvalArgs *args) {
    return eval_arg(args, TN_OP_max);
}
bool tn_eval_argmin(EvalArgs *args) {
    return eval_arg(args, TN_OP_min);
}

/* ---- formulas ---- */

static bool lower_axes(Lower *lower, const Node *node, const Dim *const *index, Op op, Expr *init,
                       Reduction *out) {
    const Type *in = &node->in[0]->type;
    const Attr *axes = tn_node_attr(node, TN_ATTR_axes);
    bool gone[TN_MAX_RANK] = {false};
    for (uint32_t i = 0; i < axes->n; i++) {
        gone[axes->ints[i]] = true;
    }
    *out = (Reduction){.kind = REDUCE_ACC, .op = op, .dtype = in->dtype, .init = init};
    const Dim *from[TN_MAX_RANK] = {NULL};
    for (int d = 0, kept = 0; d < in->rank; d++) {
        from[d] = gone[d] ? tn_reduction_loop(lower, out, "r", in->dims[d]) : index[kept++];
    }
    out->value = lower->read(lower, node->in[0], from);
    return out->value != NULL;
}

bool tn_lower_reduce_sum(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Expr *zero = tn_expr_number(lower->ctx, node->in[0]->type.dtype, 0);
    return lower_axes(lower, node, index, TN_OP_add, zero, out);
}

bool tn_lower_reduce_prod(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Expr *one = tn_expr_number(lower->ctx, node->in[0]->type.dtype, 1);
    return lower_axes(lower, node, index, TN_OP_mul, one, out);
}

bool tn_lower_reduce_max(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Expr *least = tn_lower_extreme(lower->ctx, node->in[0]->type.dtype, true);
    return lower_axes(lower, node, index, TN_OP_max, least, out);
}

bool tn_lower_reduce_min(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Expr *greatest = tn_lower_extreme(lower->ctx, node->in[0]->type.dtype, false);
    return lower_axes(lower, node, index, TN_OP_min, greatest, out);
}

static bool lower_arg(Lower *lower, const Node *node, const Dim *const *index, Op op,
                      Reduction *out) {
    const Type *in = &node->in[0]->type;
    int axis = (int)tn_attr_int(node, TN_ATTR_axis);
    *out = (Reduction){.kind = REDUCE_ARG, .op = op, .dtype = in->dtype};
    out->init = tn_lower_extreme(lower->ctx, in->dtype, op == TN_OP_max);
    out->arg_last = tn_attr_int(node, TN_ATTR_last) != 0;
    const Dim *var = tn_reduction_loop(lower, out, "r", in->dims[axis]);
    out->position = tn_expr_index(lower->ctx, TN_I64, var);
    const Dim *from[TN_MAX_RANK] = {NULL};
    for (int d = 0; d < in->rank; d++) {
        from[d] = d == axis ? var : index[d < axis ? d : d - 1];
    }
    out->value = lower->read(lower, node->in[0], from);
    return out->value != NULL;
}

bool tn_lower_argmax(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    return lower_arg(lower, node, index, TN_OP_max, out);
}

bool tn_lower_argmin(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    return lower_arg(lower, node, index, TN_OP_min, out);
}
