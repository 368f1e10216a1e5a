/* pool.c: reductions over windows: pool_max, pool_sum, pool_argmax.
 *
 * Padding never takes part: formulas clip the window's loops to the operand instead of
 * testing each tap. A window that lies wholly in the padding gives the start value (and
 * pool_argmax 0).
 */
#include "ir/ops/support.h"

#include <math.h>

/* The window along one dimension. */
typedef struct Window {
    int64_t size, stride, lo, hi, dilation;
} Window;

static Window window_at(const Node *node, int d) {
    return (Window){
        tn_node_attr(node, TN_ATTR_window)->ints[d], tn_node_attr(node, TN_ATTR_strides)->ints[d],
        tn_node_attr(node, TN_ATTR_pads_lo)->ints[d], tn_node_attr(node, TN_ATTR_pads_hi)->ints[d],
        tn_node_attr(node, TN_ATTR_dilations)->ints[d]};
}

/* ---- type rules ---- */

static bool type_pool(Graph *graph, Node *node, DType dtype) {
    const Type *in = &node->in[0]->type;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) ||
        !tn_op_check_ints(graph, node, TN_ATTR_window, in->rank, 1) ||
        !tn_op_check_ints(graph, node, TN_ATTR_strides, in->rank, 1) ||
        !tn_op_check_ints(graph, node, TN_ATTR_pads_lo, in->rank, 0) ||
        !tn_op_check_ints(graph, node, TN_ATTR_pads_hi, in->rank, 0) ||
        !tn_op_check_ints(graph, node, TN_ATTR_dilations, in->rank, 1)) {
        return false;
    }
    const Dim *dims[TN_MAX_RANK];
    for (int d = 0; d < in->rank; d++) {
        Window w = window_at(node, d);
        dims[d] = tn_window_count(graph->ctx, in->dims[d], tn_dim_const(graph->ctx, w.size),
                                  w.stride, w.lo, w.hi, w.dilation, 1);
    }
    return tn_op_set_result(graph, node, dtype, in->rank, dims);
}

bool tn_type_pool_max(Graph *graph, Node *node) {
    return type_pool(graph, node, node->in[0]->type.dtype);
}
bool tn_type_pool_sum(Graph *graph, Node *node) {
    return type_pool(graph, node, node->in[0]->type.dtype);
}
bool tn_type_pool_argmax(Graph *graph, Node *node) {
    return type_pool(graph, node, TN_I64);
}

/* ---- evaluation ---- */

/* The windows of all dimensions, looked up once. */
typedef struct Windows {
    Window at[TN_MAX_RANK];
    int64_t sizes[TN_MAX_RANK];
} Windows;

static Windows windows_of(const Node *node) {
    Windows all = {0};
    for (int d = 0; d < node->in[0]->type.rank; d++) {
        all.at[d] = window_at(node, d);
        all.sizes[d] = all.at[d].size;
    }
    return all;
}

/* Operand position of tap `tap` of the window at `index`; false in the padding. */
static bool tap_offset(const RefTensor *in, const Windows *windows, const int64_t *index,
                       const int64_t *tap, int64_t *out) {
    int64_t from[TN_MAX_RANK] = {0};
    for (int d = 0; d < in->rank; d++) {
        const Window *w = &windows->at[d];
        from[d] = index[d] * w->stride + tap[d] * w->dilation - w->lo;
        if (from[d] < 0 || from[d] >= in->dims[d]) {
            return false;
        }
    }
    *out = tn_ref_offset(in, from);
    return true;
}

static bool eval_pool(EvalArgs *args, Op op, double start_f, int64_t start_i) {
    RefTensor *out = args->out;
    Windows windows = windows_of(args->node);
    int64_t index[TN_MAX_RANK] = {0};
    int64_t from;
    tn_ref_fill(out, start_f, start_i);
    for (int64_t k = 0; k < out->count; k++) {
        int64_t tap[TN_MAX_RANK] = {0};
        do {
            if (tap_offset(args->in[0], &windows, index, tap, &from)) {
                tn_ref_combine(out, k, op, args->in[0], from);
            }
        } while (tn_index_next(out->rank, windows.sizes, tap));
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

bool tn_eval_pool_max(EvalArgs *args) {
    return eval_pool(args, TN_OP_max, -(double)INFINITY, tn_int_least(args->out->dtype));
}

bool tn_eval_pool_sum(EvalArgs *args) {
    return eval_pool(args, TN_OP_add, 0, 0);
}

bool tn_eval_pool_argmax(EvalArgs *args) {
    RefTensor *out = args->out;
    Windows windows = windows_of(args->node);
    int64_t index[TN_MAX_RANK] = {0};
    int64_t from;
    for (int64_t k = 0; k < out->count; k++) {
        int64_t tap[TN_MAX_RANK] = {0};
        int64_t best = -1;
        do {
            if (tap_offset(args->in[0], &windows, index, tap, &from) &&
                (best < 0 || tn_ref_better(args->in[0], TN_OP_max, false, from, best))) {
                best = from;
            }
        } while (tn_index_next(out->rank, windows.sizes, tap));
        out->i[k] = best < 0 ? 0 : best;
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

/* ---- formulas ---- */

/* Adds the loop over the taps of one dimension that meet the operand and returns the
 * operand's index: taps first..end of the window that starts at `start`. */
static const Dim *clipped_loop(Lower *lower, Reduction *reduction, Window w, const Dim *size,
                               const Dim *index) {
    Ctx *ctx = lower->ctx;
    const Dim *start = tn_dim_addc(ctx, tn_dim_mulc(ctx, index, w.stride), -w.lo);
    if (w.size == 1 && w.lo == 0 && w.hi == 0) {
        return start;
    }
    const Dim *step = tn_dim_const(ctx, w.dilation);
    const Dim *zero = tn_dim_const(ctx, 0);
    const Dim *first = zero;
    const Dim *end = tn_dim_const(ctx, w.size);
    if (w.lo > 0) {
        const Dim *missing = tn_dim_sub(ctx, zero, start);
        first = tn_dim_max(ctx, zero, tn_dim_ceil_div(ctx, missing, step));
    }
    if (w.hi > 0) {
        const Dim *room = tn_dim_ceil_div(ctx, tn_dim_sub(ctx, size, start), step);
        end = tn_dim_min(ctx, end, room);
    }
    const Dim *var = tn_reduction_loop(lower, reduction, "w", tn_dim_sub(ctx, end, first));
    const Dim *tap = tn_dim_add(ctx, first, var);
    return tn_dim_add(ctx, start, tn_dim_mulc(ctx, tap, w.dilation));
}

/* Fills loops and value; `from` receives the operand's index. */
static bool lower_pool(Lower *lower, const Node *node, const Dim *const *index, Reduction *out,
                       const Dim **from) {
    const Type *in = &node->in[0]->type;
    for (int d = 0; d < in->rank; d++) {
        from[d] = clipped_loop(lower, out, window_at(node, d), in->dims[d], index[d]);
    }
    out->value = lower->read(lower, node->in[0], from);
    return out->value != NULL;
}

bool tn_lower_pool_max(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    DType dtype = node->in[0]->type.dtype;
    const Dim *from[TN_MAX_RANK] = {NULL};
    *out = (Reduction){.kind = REDUCE_ACC, .op = TN_OP_max, .dtype = dtype};
    out->init = tn_lower_extreme(lower->ctx, dtype, true);
    return lower_pool(lower, node, index, out, from);
}

bool tn_lower_pool_sum(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    DType dtype = node->in[0]->type.dtype;
    const Dim *from[TN_MAX_RANK] = {NULL};
    *out = (Reduction){.kind = REDUCE_ACC, .op = TN_OP_add, .dtype = dtype};
    out->init = tn_expr_number(lower->ctx, dtype, 0);
    return lower_pool(lower, node, index, out, from);
}

bool tn_lower_pool_argmax(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Ctx *ctx = lower->ctx;
    const Type *in = &node->in[0]->type;
    const Dim *from[TN_MAX_RANK] = {NULL};
    *out = (Reduction){.kind = REDUCE_ARG, .op = TN_OP_max, .dtype = in->dtype};
    out->init = tn_lower_extreme(ctx, in->dtype, true);
    if (!lower_pool(lower, node, index, out, from)) {
        return false;
    }
    const Dim *flat = tn_dim_const(ctx, 0);
    for (int d = 0; d < in->rank; d++) {
        flat = tn_dim_add(ctx, tn_dim_mul(ctx, flat, in->dims[d]), from[d]);
    }
    out->position = tn_expr_index(ctx, TN_I64, flat);
    return true;
}
