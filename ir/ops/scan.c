/* scan.c: prefix sums: cumsum. */
#include "ir/ops/support.h"

static bool is_reverse(const Node *node) {
    return tn_attr_int(node, TN_ATTR_reverse) != 0;
}

static bool is_exclusive(const Node *node) {
    return tn_attr_int(node, TN_ATTR_exclusive) != 0;
}

bool tn_type_cumsum(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    return tn_op_check_domain(graph, node, 0, DOMAIN_NUM) &&
           tn_op_check_int(graph, node, TN_ATTR_axis, 0, in->rank - 1) &&
           tn_op_check_int(graph, node, TN_ATTR_exclusive, 0, 1) &&
           tn_op_check_int(graph, node, TN_ATTR_reverse, 0, 1) &&
           tn_op_set_result(graph, node, in->dtype, in->rank, in->dims);
}

/* Elements between neighbours along dim `d`. */
static int64_t distance(const RefTensor *tensor, int64_t d) {
    int64_t count = 1;
    for (int64_t i = d + 1; i < tensor->rank; i++) {
        count *= tensor->dims[i];
    }
    return count;
}

bool tn_eval_cumsum(EvalArgs *args) {
    const RefTensor *in = args->in[0];
    RefTensor *out = args->out;
    int64_t axis = tn_attr_int(args->node, TN_ATTR_axis);
    int64_t size = in->dims[axis], step = distance(in, axis);
    bool reverse = is_reverse(args->node), exclusive = is_exclusive(args->node);
    for (int64_t k = 0; k < in->count; k++) {
        /* One turn of every line after the other, as far as lines go. */
        int64_t line = k / (size * step) * size * step + k % step, turn = k / step % size;
        int64_t at = line + (reverse ? size - 1 - turn : turn) * step;
        int64_t before = at + (reverse ? step : -step);
        if (turn > 0) {
            tn_ref_move(out, at, out, before);
        }
        if (!exclusive || turn > 0) {
            tn_ref_combine(out, at, TN_OP_add, in, exclusive ? before : at);
        }
    }
    return true;
}

bool tn_lower_cumsum(Lower *lower, const Node *node, Sweep *out) {
    Ctx *ctx = lower->ctx;
    const Type *in = &node->in[0]->type;
    int axis = (int)tn_attr_int(node, TN_ATTR_axis);
    *out = (Sweep){.kind = SWEEP_SCAN, .op = TN_OP_add, .dtype = in->dtype, .rank = in->rank};
    out->exclusive = is_exclusive(node);
    out->start = tn_expr_number(ctx, in->dtype, 0);
    for (int d = 0; d < in->rank; d++) {
        /* The scanned dim comes last. */
        int slot = d == axis ? in->rank - 1 : out->n_free++;
        const Dim *turn = tn_kernel_loop_var(lower->kernel, "s", in->dims[d]);
        out->vars[slot] = turn;
        out->extents[slot] = in->dims[d];
        bool back = d == axis && is_reverse(node);
        out->to[d] = back ? tn_dim_addc(ctx, tn_dim_sub(ctx, in->dims[d], turn), -1) : turn;
    }
    out->value = lower->read(lower, node->in[0], out->to);
    return out->value != NULL;
}
