/* pool.c: reductions over windows: pool_max, pool_sum, pool_argmax, and unpool_max, the transpose
 * of pool_max.
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

/* The attributes are windows over `rank` dims. */
static bool check_windows(Graph *graph, const Node *node, uint32_t rank) {
    return tn_op_check_ints(graph, node, TN_ATTR_window, rank, 1) &&
           tn_op_check_ints(graph, node, TN_ATTR_strides, rank, 1) &&
           tn_op_check_ints(graph, node, TN_ATTR_pads_lo, rank, 0) &&
           tn_op_check_ints(graph, node, TN_ATTR_pads_hi, rank, 0) &&
           tn_op_check_ints(graph, node, TN_ATTR_dilations, rank, 1);
}

/* How many windows there are along dim `d` of `size` elements. */
static const Dim *count_windows(Ctx *ctx, const Node *node, int d, const Dim *size) {
    Window w = window_at(node, d);
    return tn_window_count(ctx, size, tn_dim_const(ctx, w.size), w.stride, w.lo, w.hi, w.dilation,
                           1);
}

static bool type_pool(Graph *graph, Node *node, DType dtype) {
    const Type *in = &node->in[0]->type;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) || !check_windows(graph, node, in->rank)) {
        return false;
    }
    const Dim *dims[TN_MAX_RANK];
    for (int d = 0; d < in->rank; d++) {
        dims[d] = count_windows(graph->ctx, node, d, in->dims[d]);
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

bool tn_type_unpool_max(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    const Attr *dims = tn_node_attr(node, TN_ATTR_dims);
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) ||
        !tn_op_check_len(graph, node, TN_ATTR_dims, in->rank) ||
        !check_windows(graph, node, in->rank)) {
        return false;
    }
    if (node->in[1]->type.dtype != TN_I64) {
        return tn_op_error(graph, node, "operand 1 is %s, expected i64",
                           tn_op_type_text(graph, &node->in[1]->type));
    }
    if (!tn_op_check_same_dims(graph, node, 1, -1)) {
        return false;
    }
    for (int d = 0; d < in->rank; d++) {
        const Dim *windows = count_windows(graph->ctx, node, d, dims->dims[d]);
        if (!tn_op_require(graph, node, in->dims[d], windows,
                           "dimension %d has %s windows over %s elements, operand 0 has %s", d,
                           tn_op_dim_text(graph, windows), tn_op_dim_text(graph, dims->dims[d]),
                           tn_op_dim_text(graph, in->dims[d]))) {
            return false;
        }
    }
    return tn_op_set_result(graph, node, in->dtype, in->rank, dims->dims);
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

/* Each window's value goes where its largest element is, if that is one of its taps. */
bool tn_eval_unpool_max(EvalArgs *args) {
    const RefTensor *in = args->in[0], *at = args->in[1];
    Windows windows = windows_of(args->node);
    int64_t index[TN_MAX_RANK] = {0};
    int64_t to;
    for (int64_t k = 0; k < in->count; k++) {
        int64_t tap[TN_MAX_RANK] = {0};
        do {
            if (tap_offset(args->out, &windows, index, tap, &to) && to == at->i[k]) {
                tn_ref_combine(args->out, to, TN_OP_add, in, k);
            }
        } while (tn_index_next(in->rank, windows.sizes, tap));
        tn_index_next(in->rank, in->dims, index);
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

/* The windows around one element of one dim. */
typedef struct Cover {
    const Dim *window; /* over a loop variable where there are several */
    const Dim *exists; /* tests that the window is one */
    const Dim *tap;    /* distance of the element from the window's start */
    int64_t span;      /* distances covered: below this */
    int64_t step;      /* and multiples of this */
} Cover;

/* Windows are those that start at `index` or before it, the latest `n`: any other that spans the
 * element starts too early. */
static Cover cover_dim(Lower *lower, Reduction *reduction, Window w, const Dim *count,
                       const Dim *index) {
    Ctx *ctx = lower->ctx;
    Cover cover = {.span = (w.size - 1) * w.dilation + 1, .step = w.dilation};
    int64_t n = (cover.span + w.stride - 1) / w.stride;
    const Dim *from = tn_dim_addc(ctx, index, w.lo);
    const Dim *back = tn_dim_const(ctx, 0);
    if (n > 1) {
        const Dim *turn = tn_reduction_loop(lower, reduction, "w", tn_dim_const(ctx, n));
        back = tn_dim_addc(ctx, tn_dim_mulc(ctx, turn, -1), n - 1);
    }
    const Dim *earlier = tn_dim_mulc(ctx, back, w.stride);
    const Dim *start = tn_dim_sub(ctx, from, earlier);
    cover.window = tn_dim_sub(ctx, tn_dim_divc(ctx, from, w.stride), back);
    cover.tap = tn_dim_add(ctx, tn_dim_modc(ctx, from, w.stride), earlier);
    /* Over starts, not windows: linear in the index. */
    cover.exists = tn_dim_mul(ctx, tn_dim_lt(ctx, tn_dim_const(ctx, -1), start),
                              tn_dim_lt(ctx, start, tn_dim_mulc(ctx, count, w.stride)));
    return cover;
}

/* `hit` and that the element is a tap of the window. */
static Expr *check_tap(Ctx *ctx, Expr *hit, const Cover *cover) {
    if (cover->tap->hi >= cover->span) {
        Expr *tap = tn_expr_index(ctx, TN_I64, cover->tap);
        Expr *near = tn_expr_map2(ctx, TN_OP_lt, tap, tn_expr_const_i(ctx, TN_I64, cover->span));
        hit = tn_expr_map2(ctx, TN_OP_and, hit, near);
    }
    if (cover->step > 1) {
        Expr *rest = tn_expr_index(ctx, TN_I64, tn_dim_modc(ctx, cover->tap, cover->step));
        Expr *tap = tn_expr_map2(ctx, TN_OP_eq, rest, tn_expr_const_i(ctx, TN_I64, 0));
        hit = tn_expr_map2(ctx, TN_OP_and, hit, tap);
    }
    return hit;
}

bool tn_lower_unpool_max(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Ctx *ctx = lower->ctx;
    const Type *in = &node->in[0]->type;
    const Dim *from[TN_MAX_RANK] = {NULL};
    Cover covers[TN_MAX_RANK];
    const Dim *flat = tn_dim_const(ctx, 0);
    *out = (Reduction){.kind = REDUCE_ACC, .op = TN_OP_add, .dtype = in->dtype};
    out->init = tn_expr_number(ctx, in->dtype, 0);
    for (int d = 0; d < in->rank; d++) {
        covers[d] = cover_dim(lower, out, window_at(node, d), in->dims[d], index[d]);
        from[d] = covers[d].window;
        flat = tn_dim_add(ctx, tn_dim_mul(ctx, flat, tn_node_attr(node, TN_ATTR_dims)->dims[d]),
                          index[d]);
    }
    Expr *value = lower->read(lower, node->in[0], from);
    Expr *at = lower->read(lower, node->in[1], from);
    if (value == NULL || at == NULL) {
        return false;
    }
    Expr *hit = tn_expr_map2(ctx, TN_OP_eq, at, tn_expr_index(ctx, TN_I64, flat));
    for (int d = 0; d < in->rank; d++) {
        hit = check_tap(ctx, hit, &covers[d]);
    }
    Expr *choice[3] = {hit, value, out->init};
    out->value = tn_expr_map(ctx, TN_OP_select, TN_DT_NONE, choice, 3);
    for (int d = in->rank; d-- > 0;) {
        out->value = tn_expr_guard(ctx, covers[d].exists, out->value, out->init);
    }
    return true;
}
