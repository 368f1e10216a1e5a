/* product_grad.c: gradients of contractions and convolutions: each is another one.
 *
 * Formulas for conv, one spatial dim (s stride, d dilation, e distance put into the input, lo
 * padding, S input size, R taps, O results): y[o] = sum over r of w[r] x[(o s + r d - lo) / e].
 */
#include "ir/grad.h"
#include "ir/ops/support.h"

/* ---- contract ---- */

typedef struct Side {
    uint32_t n_free, n_contracted;
    int64_t free[TN_MAX_RANK];       /* in order */
    int64_t contracted[TN_MAX_RANK]; /* as the attribute has them */
} Side;

static Side side_of(const Node *node, uint32_t slot) {
    Side side = {0};
    int64_t batch = tn_attr_int(node, TN_ATTR_batch);
    const Attr *dims = tn_contract_dims(node, slot);
    for (uint32_t i = 0; i < dims->n; i++) {
        side.contracted[side.n_contracted++] = dims->ints[i];
    }
    for (int64_t d = batch; d < node->in[slot]->type.rank; d++) {
        if (!tn_attr_holds(dims, d)) {
            side.free[side.n_free++] = d;
        }
    }
    return side;
}

/* How many of the contracted dims come before the k-th in the operand's order. */
static int64_t rank_among(const Side *side, uint32_t k) {
    int64_t rank = 0;
    for (uint32_t i = 0; i < side->n_contracted; i++) {
        rank += side->contracted[i] < side->contracted[k];
    }
    return rank;
}

static Value *contract(GradRule *rule, Value *lhs, Value *rhs, const int64_t *lhs_dims,
                       const int64_t *rhs_dims, uint32_t n) {
    Attr attrs[] = {tn_attr_of_int(TN_ATTR_batch, tn_attr_int(rule->node, TN_ATTR_batch)),
                    tn_attr_of_ints(TN_ATTR_lhs_contract, lhs_dims, n),
                    tn_attr_of_ints(TN_ATTR_rhs_contract, rhs_dims, n)};
    return tn_build_node(&rule->build, TN_OP_contract, (Value *[]){lhs, rhs}, 2, attrs, 3);
}

/* The cotangent's dims that are the free ones of an operand: they start at `first`. */
static void count_up(int64_t *out, int64_t first, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = first + i;
    }
}

/* <g, rhs> over the right free dims has the batch, the left free dims, and the contracted dims
 * in the right operand's order. */
static Value *left_cotangent(GradRule *rule, const Side *left, const Side *right) {
    int64_t batch = tn_attr_int(rule->node, TN_ATTR_batch);
    int64_t of_g[TN_MAX_RANK + 1], perm[TN_MAX_RANK + 1];
    count_up(of_g, batch + left->n_free, right->n_free);
    Value *product =
        contract(rule, rule->out_ct[0], rule->node->in[1], of_g, right->free, right->n_free);
    count_up(perm, 0, (uint32_t)batch);
    for (uint32_t i = 0; i < left->n_free; i++) {
        perm[left->free[i]] = batch + i;
    }
    for (uint32_t k = 0; k < left->n_contracted; k++) {
        perm[left->contracted[k]] = batch + left->n_free + rank_among(right, k);
    }
    return tn_build_transpose(&rule->build, product, perm);
}

/* <lhs, g> over the left free dims has the batch, the contracted dims in the left operand's
 * order, and the right free dims. */
static Value *right_cotangent(GradRule *rule, const Side *left, const Side *right) {
    int64_t batch = tn_attr_int(rule->node, TN_ATTR_batch);
    int64_t of_g[TN_MAX_RANK + 1], perm[TN_MAX_RANK + 1];
    count_up(of_g, batch, left->n_free);
    Value *product =
        contract(rule, rule->node->in[0], rule->out_ct[0], left->free, of_g, left->n_free);
    count_up(perm, 0, (uint32_t)batch);
    for (uint32_t k = 0; k < right->n_contracted; k++) {
        perm[right->contracted[k]] = batch + rank_among(left, k);
    }
    for (uint32_t i = 0; i < right->n_free; i++) {
        perm[right->free[i]] = batch + right->n_contracted + i;
    }
    return tn_build_transpose(&rule->build, product, perm);
}

bool tn_grad_contract(GradRule *rule) {
    Side left = side_of(rule->node, 0), right = side_of(rule->node, 1);
    if (rule->wanted[0]) {
        rule->in_ct[0] = left_cotangent(rule, &left, &right);
    }
    if (rule->wanted[1]) {
        rule->in_ct[1] = right_cotangent(rule, &left, &right);
    }
    return (!rule->wanted[0] || rule->in_ct[0] != NULL) &&
           (!rule->wanted[1] || rule->in_ct[1] != NULL);
}

/* ---- conv ---- */

typedef struct ConvGrad {
    GradRule *rule;
    Ctx *ctx;
    const Type *x, *w, *g;
    uint32_t spatial;
    int64_t groups;
    const int64_t *strides, *dilations, *in_dilations, *pads;
} ConvGrad;

static ConvGrad conv_grad(GradRule *rule) {
    const Node *node = rule->node;
    return (ConvGrad){.rule = rule,
                      .ctx = rule->build.graph->ctx,
                      .x = &node->in[0]->type,
                      .w = &node->in[1]->type,
                      .g = &node->out[0]->type,
                      .spatial = node->in[0]->type.rank - 2u,
                      .groups = tn_attr_int(node, TN_ATTR_groups),
                      .strides = tn_node_attr(node, TN_ATTR_strides)->ints,
                      .dilations = tn_node_attr(node, TN_ATTR_dilations)->ints,
                      .in_dilations = tn_node_attr(node, TN_ATTR_in_dilations)->ints,
                      .pads = tn_node_attr(node, TN_ATTR_pads_lo)->ints};
}

/* (n - 1) apart + 1, for at least one element */
static const Dim *span(ConvGrad *cg, const Dim *n, int64_t apart) {
    return tn_dim_addc(cg->ctx, tn_dim_mulc(cg->ctx, tn_dim_addc(cg->ctx, n, -1), apart), 1);
}

/* The same for any number, none included: as the new convolution counts what it reads. */
static const Dim *reach_of(ConvGrad *cg, const Dim *n, int64_t apart) {
    return tn_dim_max(cg->ctx, span(cg, n, apart), tn_dim_const(cg->ctx, 0));
}

/* How one spatial dim of the new convolution reads its input. */
typedef struct Reading {
    int64_t stride, dilation, in_dilation;
    const Dim *lo;    /* padding in front */
    const Dim *total; /* elements it sees, padding included */
} Reading;

/* conv over an input whose padding may be any dimension expression: where that is a number it
 * is the convolution's own, else the input is placed first. */
static Value *convolve(ConvGrad *cg, Value *x, Value *w, const Reading *reading, int64_t groups) {
    Build *build = &cg->rule->build;
    int64_t strides[TN_MAX_RANK], dilations[TN_MAX_RANK], apart[TN_MAX_RANK];
    int64_t lo[TN_MAX_RANK], hi[TN_MAX_RANK], interior[TN_MAX_RANK];
    const Dim *before[TN_MAX_RANK], *total[TN_MAX_RANK];
    bool numbers = true;
    for (uint32_t d = 0; d < 2; d++) {
        before[d] = tn_dim_const(cg->ctx, 0);
        total[d] = x->type.dims[d];
        interior[d] = 0;
    }
    for (uint32_t i = 0; i < cg->spatial; i++) {
        const Reading *r = &reading[i];
        const Dim *seen = reach_of(cg, x->type.dims[i + 2], r->in_dilation);
        const Dim *after = tn_dim_sub(cg->ctx, tn_dim_sub(cg->ctx, r->total, seen), r->lo);
        strides[i] = r->stride;
        dilations[i] = r->dilation;
        apart[i] = r->in_dilation;
        bool known = r->lo->kind == DIM_CONST && after->kind == DIM_CONST;
        lo[i] = known ? r->lo->value : 0;
        hi[i] = known ? after->value : 0;
        numbers = numbers && known;
        before[i + 2] = r->lo;
        total[i + 2] = r->total;
        interior[i + 2] = r->in_dilation - 1;
    }
    for (uint32_t i = 0; i < cg->spatial && !numbers; i++) {
        apart[i] = 1;
        lo[i] = hi[i] = 0;
    }
    if (!numbers) {
        x = tn_build_place(build, x, before, interior, total);
    }
    Attr attrs[] = {tn_attr_of_ints(TN_ATTR_strides, strides, cg->spatial),
                    tn_attr_of_ints(TN_ATTR_pads_lo, lo, cg->spatial),
                    tn_attr_of_ints(TN_ATTR_pads_hi, hi, cg->spatial),
                    tn_attr_of_ints(TN_ATTR_dilations, dilations, cg->spatial),
                    tn_attr_of_ints(TN_ATTR_in_dilations, apart, cg->spatial),
                    tn_attr_of_int(TN_ATTR_groups, groups)};
    return tn_build_node(build, TN_OP_conv, (Value *[]){x, w}, 2, attrs, 6);
}

/* Splits dim `dim` into groups x the rest, swaps these with the dims in front as `perm` says,
 * and joins two dims again: [.., G C, ..] views of grouped operands. */
static Value *regroup(ConvGrad *cg, Value *value, uint32_t dim, const int64_t *perm) {
    Build *build = &cg->rule->build;
    const Dim *split[TN_MAX_RANK], *joined[TN_MAX_RANK];
    int64_t order[TN_MAX_RANK + 1];
    uint32_t n = 0, rank = value->type.rank;
    if (rank == TN_MAX_RANK) {
        return tn_diag(&cg->ctx->diags, TN_UNSUPPORTED, cg->rule->node->loc,
                       "the gradient of a grouped convolution with %u dimensions", rank),
               NULL;
    }
    for (uint32_t d = 0; d < rank; d++) {
        if (d == dim) {
            split[n++] = tn_dim_const(cg->ctx, cg->groups);
            split[n++] = tn_dim_divc(cg->ctx, value->type.dims[d], cg->groups);
        } else {
            split[n++] = value->type.dims[d];
        }
    }
    for (uint32_t d = 0; d < n; d++) {
        order[d] = d < 3 ? perm[d] : d;
    }
    Value *view = tn_build_reshape(build, value, n, split);
    view = tn_build_transpose(build, view, order);
    if (view == NULL) {
        return NULL;
    }
    uint32_t join = perm[3] != 0 ? 1 : 0;
    for (uint32_t d = 0, k = 0; d < n; d++, k++) {
        joined[k] = d == join ? tn_dim_mul(cg->ctx, view->type.dims[d], view->type.dims[d + 1])
                              : view->type.dims[d];
        d += d == join;
    }
    return tn_build_reshape(build, view, rank, joined);
}

static Value *flip_spatial(ConvGrad *cg, Value *w) {
    const Dim *starts[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK + 1];
    for (uint32_t d = 0; d < w->type.rank; d++) {
        starts[d] = d < 2 ? tn_dim_const(cg->ctx, 0)
                          : tn_dim_max(cg->ctx, tn_dim_addc(cg->ctx, w->type.dims[d], -1),
                                       tn_dim_const(cg->ctx, 0));
        steps[d] = d < 2 ? 1 : -1;
    }
    return tn_build_slice(&cg->rule->build, w, starts, steps, w->type.dims);
}

static Value *swap_first(ConvGrad *cg, Value *value) {
    int64_t perm[TN_MAX_RANK + 1];
    count_up(perm, 0, value->type.rank);
    perm[0] = 1;
    perm[1] = 0;
    return tn_build_transpose(&cg->rule->build, value, perm);
}

/* dx[i] = sum over r of w[r] g[(i e + lo - r d) / s]: the cotangents s apart, the taps turned
 * round, read at stride e. */
static Value *input_cotangent(ConvGrad *cg) {
    Reading reading[TN_MAX_RANK];
    Value *w = cg->rule->node->in[1];
    for (uint32_t i = 0; i < cg->spatial; i++) {
        int64_t d = cg->dilations[i], e = cg->in_dilations[i];
        const Dim *reach = tn_dim_addc(cg->ctx, reach_of(cg, cg->w->dims[i + 2], d), -1);
        const Dim *total = tn_dim_add(cg->ctx, span(cg, cg->x->dims[i + 2], e), reach);
        const Dim *lo = tn_dim_addc(cg->ctx, reach, -cg->pads[i]);
        reading[i] = (Reading){e, d, cg->strides[i], lo, total};
    }
    /* [G, K/G, C/G, R] to [G, C/G, K/G, R], groups and channels joined */
    static const int64_t perm[] = {0, 2, 1, 0};
    w = cg->groups > 1 ? regroup(cg, w, 0, perm) : swap_first(cg, w);
    return w == NULL ? NULL
                     : convolve(cg, cg->rule->out_ct[0], flip_spatial(cg, w), reading, cg->groups);
}

/* dw[r] = sum over o of g[o] x[(o s + r d - lo) / e]: x is the input, its batch the channels,
 * and g the weights, whose taps are s apart, read at stride d. */
static Value *weight_cotangent(ConvGrad *cg) {
    Reading reading[TN_MAX_RANK];
    Value *x = cg->rule->node->in[0];
    for (uint32_t i = 0; i < cg->spatial; i++) {
        int64_t s = cg->strides[i], d = cg->dilations[i];
        const Dim *total = tn_dim_addc(cg->ctx,
                                       tn_dim_add(cg->ctx, span(cg, cg->w->dims[i + 2], d),
                                                  reach_of(cg, cg->g->dims[i + 2], s)),
                                       -1);
        const Dim *lo = tn_dim_const(cg->ctx, cg->pads[i]);
        reading[i] = (Reading){d, s, cg->in_dilations[i], lo, total};
    }
    /* [N, G, C/G, S] to [C/G, G, N, S], groups and batch joined */
    static const int64_t perm[] = {2, 1, 0, 1};
    x = cg->groups > 1 ? regroup(cg, x, 1, perm) : swap_first(cg, x);
    Value *g = swap_first(cg, cg->rule->out_ct[0]);
    Value *dw = x == NULL || g == NULL ? NULL : convolve(cg, x, g, reading, cg->groups);
    return dw == NULL ? NULL : swap_first(cg, dw);
}

bool tn_grad_conv(GradRule *rule) {
    ConvGrad cg = conv_grad(rule);
    if (rule->wanted[0]) {
        rule->in_ct[0] = input_cotangent(&cg);
    }
    if (rule->wanted[0] && rule->in_ct[0] == NULL) {
        return false;
    }
    if (rule->wanted[1]) {
        rule->in_ct[1] = weight_cotangent(&cg);
    }
    return !rule->wanted[1] || rule->in_ct[1] != NULL;
}
