/* conv.c: grouped, strided, dilated cross-correlation over any number of spatial dims.
 *
 * Data [N, C, spatial...], weights [K, C/groups, window...], result [N, K, spatial...].
 * Tap k of the window at position o reads the data, seen with `in_dilation` - 1 zeros
 * between neighbours, at o * stride + k * dilation - pad_lo; outside it is zero.
 */
#include "ir/ops/support.h"

#include <stdlib.h>

/* Attributes of spatial dim `s`. */
typedef struct Spatial {
    int64_t stride, lo, hi, dilation, in_dilation;
} Spatial;

static Spatial spatial_at(const Node *node, int s) {
    return (Spatial){tn_node_attr(node, TN_ATTR_strides)->ints[s],
                     tn_node_attr(node, TN_ATTR_pads_lo)->ints[s],
                     tn_node_attr(node, TN_ATTR_pads_hi)->ints[s],
                     tn_node_attr(node, TN_ATTR_dilations)->ints[s],
                     tn_node_attr(node, TN_ATTR_in_dilations)->ints[s]};
}

/* ---- type rule ---- */

static bool check_operands(Graph *graph, const Node *node) {
    const Type *data = &node->in[0]->type;
    const Type *weights = &node->in[1]->type;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) ||
        !tn_op_check_same_dtype(graph, node, 1, 0)) {
        return false;
    }
    if (data->rank < 3) {
        return tn_op_error(graph, node, "operand 0 is %s, expected [N,C,spatial...]",
                           tn_op_type_text(graph, data));
    }
    if (data->rank != weights->rank) {
        return tn_op_error(graph, node, "operand 0 is %s, operand 1 is %s: ranks differ",
                           tn_op_type_text(graph, data), tn_op_type_text(graph, weights));
    }
    return true;
}

static bool check_lists(Graph *graph, const Node *node) {
    uint32_t n = node->in[0]->type.rank - 2u;
    return tn_op_check_ints(graph, node, TN_ATTR_strides, n, 1) &&
           tn_op_check_ints(graph, node, TN_ATTR_pads_lo, n, INT32_MIN) &&
           tn_op_check_ints(graph, node, TN_ATTR_pads_hi, n, INT32_MIN) &&
           tn_op_check_ints(graph, node, TN_ATTR_dilations, n, 1) &&
           tn_op_check_ints(graph, node, TN_ATTR_in_dilations, n, 1) &&
           tn_op_check_int(graph, node, TN_ATTR_groups, 1, INT32_MAX);
}

static bool check_groups(Graph *graph, const Node *node) {
    Ctx *ctx = graph->ctx;
    int64_t groups = tn_attr_int(node, TN_ATTR_groups);
    const Dim *channels = node->in[0]->type.dims[1];
    const Dim *filters = node->in[1]->type.dims[0];
    const Dim *depth = node->in[1]->type.dims[1];
    return tn_op_require(graph, node, tn_dim_mulc(ctx, depth, groups), channels,
                         "operand 0 has %s channels, the weights %s in each of %lld groups",
                         tn_op_dim_text(graph, channels), tn_op_dim_text(graph, depth),
                         (long long)groups) &&
           tn_op_require(graph, node, tn_dim_modc(ctx, filters, groups), tn_dim_const(ctx, 0),
                         "%s filters do not divide into %lld groups",
                         tn_op_dim_text(graph, filters), (long long)groups);
}

bool tn_type_conv(Graph *graph, Node *node) {
    if (!check_operands(graph, node) || !check_lists(graph, node) || !check_groups(graph, node)) {
        return false;
    }
    const Type *data = &node->in[0]->type;
    const Type *weights = &node->in[1]->type;
    const Dim *dims[TN_MAX_RANK] = {data->dims[0], weights->dims[0]};
    for (int d = 2; d < data->rank; d++) {
        Spatial s = spatial_at(node, d - 2);
        dims[d] = tn_window_count(graph->ctx, data->dims[d], weights->dims[d], s.stride, s.lo, s.hi,
                                  s.dilation, s.in_dilation);
    }
    return tn_op_set_result(graph, node, data->dtype, data->rank, dims);
}

/* ---- evaluation ---- */

/* taps[d][k * out + o]: data index that tap k of position o reads in spatial dim d, or -1
 * for a zero. Spatial dims but the last are the outer ones. */
typedef struct Geometry {
    int n_outer;
    const RefTensor *data, *weights;
    RefTensor *out;
    int64_t *taps[TN_MAX_RANK];
    int64_t plane, window, out_plane; /* elements of one channel */
    int64_t groups;
} Geometry;

static bool make_taps(EvalArgs *args, Geometry *g, int d) {
    Spatial s = spatial_at(args->node, d);
    int64_t size = g->data->dims[d + 2];
    int64_t window = g->weights->dims[d + 2];
    int64_t n_out = g->out->dims[d + 2];
    g->taps[d] = tn_eval_scratch(args, window * n_out, sizeof *g->taps[d]);
    if (g->taps[d] == NULL) {
        return false;
    }
    for (int64_t k = 0; k < window; k++) {
        for (int64_t o = 0; o < n_out; o++) {
            int64_t at = o * s.stride + k * s.dilation - s.lo;
            bool inside = at >= 0 && at % s.in_dilation == 0 && at / s.in_dilation < size;
            g->taps[d][k * n_out + o] = inside ? at / s.in_dilation : -1;
        }
    }
    return true;
}

/* Where the outer dims of tap `tap` and position `pos` lie in the data: the row's start
 * within its channel, or -1. */
static int64_t row_start(const Geometry *g, const int64_t *tap, const int64_t *pos) {
    int64_t start = 0;
    for (int d = 0; d < g->n_outer; d++) {
        int64_t at = g->taps[d][tap[d] * g->out->dims[d + 2] + pos[d]];
        if (at < 0) {
            return -1;
        }
        start = start * g->data->dims[d + 2] + at;
    }
    return start * g->data->dims[g->n_outer + 2];
}

/* out[o] += weight * data[taps[o]] over one row of positions. */
static void add_row_f(double *restrict out, double weight, const double *restrict data,
                      const int64_t *restrict taps, int64_t n) {
    for (int64_t o = 0; o < n; o++) {
        if (taps[o] >= 0) {
            out[o] += weight * data[taps[o]];
        }
    }
}

static void add_row_i(int64_t *restrict out, int64_t weight, const int64_t *restrict data,
                      const int64_t *restrict taps, int64_t n) {
    for (int64_t o = 0; o < n; o++) {
        if (taps[o] >= 0) {
            out[o] = (int64_t)((uint64_t)out[o] + (uint64_t)weight * (uint64_t)data[taps[o]]);
        }
    }
}

/* All taps of the innermost dim for one row of results. */
static void add_rows(const Geometry *g, int64_t out, int64_t weight, int64_t data) {
    int last = g->n_outer;
    int64_t n = g->out->dims[last + 2];
    for (int64_t k = 0; k < g->weights->dims[last + 2]; k++) {
        const int64_t *taps = g->taps[last] + k * n;
        if (tn_dtype_is_float(g->out->dtype)) {
            add_row_f(g->out->f + out, g->weights->f[weight + k], g->data->f + data, taps, n);
        } else {
            add_row_i(g->out->i + out, g->weights->i[weight + k], g->data->i + data, taps, n);
        }
    }
}

/* Adds one data channel times its window to one result channel; arguments are the starts
 * of the three. */
static void add_channel(const Geometry *g, int64_t out, int64_t weight, int64_t data) {
    const int64_t *window = g->weights->dims + 2;
    const int64_t *out_dims = g->out->dims + 2;
    int64_t tap[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < g->window; k += window[g->n_outer]) {
        int64_t pos[TN_MAX_RANK] = {0};
        for (int64_t o = 0; o < g->out_plane; o += out_dims[g->n_outer]) {
            int64_t row = row_start(g, tap, pos);
            if (row >= 0) {
                add_rows(g, out + o, weight + k, data + row);
            }
            tn_index_next(g->n_outer, out_dims, pos);
        }
        tn_index_next(g->n_outer, window, tap);
    }
}

static void convolve(const Geometry *g) {
    int64_t channels = g->data->dims[1];
    int64_t filters = g->out->dims[1];
    int64_t depth = g->weights->dims[1];
    int64_t per_group = filters / g->groups;
    for (int64_t n = 0; n < g->out->dims[0]; n++) {
        for (int64_t f = 0; f < filters; f++) {
            for (int64_t c = 0; c < depth; c++) {
                int64_t channel = f / per_group * depth + c;
                add_channel(g, (n * filters + f) * g->out_plane, (f * depth + c) * g->window,
                            (n * channels + channel) * g->plane);
            }
        }
    }
}

static int64_t spatial_count(const RefTensor *tensor) {
    int64_t count = 1;
    for (int d = 2; d < tensor->rank; d++) {
        count *= tensor->dims[d];
    }
    return count;
}

bool tn_eval_conv(EvalArgs *args) {
    Geometry g = {.n_outer = args->in[0]->rank - 3,
                  .data = args->in[0],
                  .weights = args->in[1],
                  .out = args->out,
                  .groups = tn_attr_int(args->node, TN_ATTR_groups)};
    if (g.data->dims[1] != g.weights->dims[1] * g.groups || g.weights->dims[0] % g.groups != 0) {
        return tn_eval_error(args, "channels do not fit the groups");
    }
    g.plane = spatial_count(g.data);
    g.window = spatial_count(g.weights);
    g.out_plane = spatial_count(g.out);
    bool ok = true;
    for (int d = 0; ok && d <= g.n_outer; d++) {
        ok = make_taps(args, &g, d);
    }
    if (ok && g.out->count > 0 && g.window > 0) {
        convolve(&g);
        tn_ref_wrap_all(g.out);
    }
    for (int d = 0; d <= g.n_outer; d++) {
        free(g.taps[d]);
    }
    return ok;
}

/* ---- formula ---- */

/* Whether the data's buffer, perhaps seen through transposes, has a border of zeros that covers
 * the padding of dim `d`. */
static bool has_halo(const Value *value, int d, Spatial s) {
    while (value->type.layout == NULL && value->def != NULL && value->def->op == TN_OP_transpose) {
        d = (int)tn_node_attr(value->def, TN_ATTR_perm)->ints[d];
        value = value->def->in[0];
    }
    const Type *data = &value->type;
    return data->layout != NULL && s.in_dilation == 1 && data->layout->halo_lo[d] >= s.lo &&
           data->layout->halo_hi[d] >= s.hi;
}

/* Appends the tests that position `at` of dim `d` is an element of the data. Only padding
 * and gaps can make it miss: without them the number of positions keeps it inside. */
static int add_tests(Ctx *ctx, const Value *data, int d, Spatial s, const Dim *at,
                     const Dim **tests, int n) {
    const Dim *zero = tn_dim_const(ctx, 0);
    if (s.lo > 0 && !has_halo(data, d, s)) {
        tests[n++] = tn_dim_lt(ctx, tn_dim_const(ctx, -1), at);
    }
    if (s.hi > 0 && !has_halo(data, d, s)) {
        const Dim *end = tn_dim_mulc(ctx, data->type.dims[d], s.in_dilation);
        tests[n++] = tn_dim_lt(ctx, at, tn_dim_addc(ctx, end, 1 - s.in_dilation));
    }
    if (s.in_dilation > 1) {
        tests[n++] = tn_dim_eq(ctx, tn_dim_modc(ctx, at, s.in_dilation), zero);
    }
    return n;
}

/* The index of the data's channel: the group's first plus `c`. */
static const Dim *channel_index(Ctx *ctx, const Node *node, const Dim *filter, const Dim *c) {
    int64_t groups = tn_attr_int(node, TN_ATTR_groups);
    if (groups == 1) {
        return c;
    }
    const Type *weights = &node->in[1]->type;
    const Dim *per_group = tn_dim_divc(ctx, weights->dims[0], groups);
    const Dim *group = tn_dim_div(ctx, filter, per_group);
    return tn_dim_add(ctx, tn_dim_mul(ctx, group, weights->dims[1]), c);
}

/* Fills the operands' indices and the tests; returns the number of tests. */
static int conv_indices(Lower *lower, const Node *node, const Dim *const *index, Reduction *out,
                        const Dim **from, const Dim **weight, const Dim **tests) {
    Ctx *ctx = lower->ctx;
    const Type *data = &node->in[0]->type;
    const Type *weights = &node->in[1]->type;
    int n_tests = 0;
    weight[0] = index[1];
    weight[1] = tn_reduction_loop(lower, out, "c", weights->dims[1]);
    from[0] = index[0];
    from[1] = channel_index(ctx, node, index[1], weight[1]);
    for (int d = 2; d < data->rank; d++) {
        Spatial s = spatial_at(node, d - 2);
        weight[d] = tn_reduction_loop(lower, out, "k", weights->dims[d]);
        const Dim *start = tn_dim_addc(ctx, tn_dim_mulc(ctx, index[d], s.stride), -s.lo);
        const Dim *at = tn_dim_add(ctx, start, tn_dim_mulc(ctx, weight[d], s.dilation));
        n_tests = add_tests(ctx, node->in[0], d, s, at, tests, n_tests);
        from[d] = tn_dim_divc(ctx, at, s.in_dilation);
    }
    return n_tests;
}

bool tn_lower_conv(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    Ctx *ctx = lower->ctx;
    DType dtype = node->in[0]->type.dtype;
    const Dim *from[TN_MAX_RANK] = {NULL};
    const Dim *weight[TN_MAX_RANK] = {NULL};
    const Dim *tests[3 * TN_MAX_RANK];
    *out = (Reduction){.kind = REDUCE_ACC, .op = TN_OP_add, .dtype = dtype};
    int n_tests = conv_indices(lower, node, index, out, from, weight, tests);
    Expr *element = lower->read(lower, node->in[0], from);
    Expr *factor = element != NULL ? lower->read(lower, node->in[1], weight) : NULL;
    if (factor == NULL) {
        return false;
    }
    Expr *zero = tn_expr_number(ctx, dtype, 0);
    while (n_tests-- > 0) {
        element = tn_expr_guard(ctx, tests[n_tests], element, zero);
    }
    out->init = zero;
    out->value = tn_expr_map2(ctx, TN_OP_mul, element, factor);
    return true;
}
