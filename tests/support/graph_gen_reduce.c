/* graph_gen_reduce.c: reductions, contractions and windows of the random graphs, and the
 * chains that networks make of them. */
#include "tests/support/graph_gen_priv.h"

#include <math.h>
#include <string.h>

static Attr ints_attr(AttrName name, uint32_t n, const int64_t *ints) {
    return (Attr){.name = name, .kind = ATTR_INTS, .n = n, .ints = ints};
}

static Attr int_attr(AttrName name, int64_t value) {
    return (Attr){.name = name, .kind = ATTR_INT, .i = value};
}

/* ---- reductions ---- */

static Value *reduce(Gen *gen, Op op, Value *x, uint32_t n, const int64_t *axes) {
    if (x == NULL) {
        return NULL;
    }
    GenInfo info = gen_info(gen, x);
    double count = 1;
    for (uint32_t i = 0; i < n; i++) {
        count *= (double)gen_size(gen, x->type.dims[axes[i]]);
    }
    if (op == TN_OP_reduce_sum) {
        info.mag *= fmax(count, 1);
    } else if (op == TN_OP_reduce_prod) {
        info.mag = pow(fmax(info.mag, 1), fmax(count, 1));
        info.frac = info.frac == 0 ? 0 : -1;
    }
    Attr attr = ints_attr(TN_ATTR_axes, n, axes);
    return gen_node(gen, op, &x, 1, &attr, 1, info);
}

Value *gen_step_reduce(Gen *gen) {
    static const Op ops[] = {TN_OP_reduce_sum, TN_OP_reduce_sum, TN_OP_reduce_max, TN_OP_reduce_min,
                             TN_OP_reduce_prod};
    Value *x = gen_value(gen, gen_wants_number);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    Op op = GEN_PICK(gen, ops);
    int64_t axes[TN_MAX_RANK];
    uint32_t n = 0;
    for (int64_t i = 0; i < x->type.rank; i++) {
        if (gen_chance(gen, 50)) {
            axes[n++] = i;
        }
    }
    if (n == 0) {
        axes[n++] = gen_int(gen, 0, x->type.rank - 1);
    }
    if (op == TN_OP_reduce_prod && gen_is_float(x)) {
        x = gen_tamed(gen, x, 1);
    }
    return reduce(gen, op, x, n, axes);
}

Value *gen_step_arg(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_exact);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    int64_t axis = gen_int(gen, 0, x->type.rank - 1);
    if (x->type.dims[axis]->lo < 1) {
        return NULL;
    }
    Attr attrs[2] = {int_attr(TN_ATTR_axis, axis), int_attr(TN_ATTR_last, gen_int(gen, 0, 1))};
    return gen_node(gen, gen_chance(gen, 50) ? TN_OP_argmax : TN_OP_argmin, &x, 1, attrs, 2,
                    (GenInfo){(double)gen_size(gen, x->type.dims[axis]), 0});
}

/* ---- rows: softmax and layer norm ---- */

/* The reduction of `x` along `axis`, repeated to its dims again. */
static Value *row_of(Gen *gen, Op op, Value *x, int64_t axis) {
    Value *reduced = reduce(gen, op, x, 1, &axis);
    if (reduced == NULL) {
        return NULL;
    }
    int64_t axes[TN_MAX_RANK];
    for (uint32_t i = 0; i < reduced->type.rank; i++) {
        axes[i] = i < axis ? i : i + 1;
    }
    return gen_expand(gen, reduced, x->type.rank, x->type.dims, axes);
}

/* A float value with a dim that is never empty; NULL when there is none. */
static Value *row_value(Gen *gen, int64_t *axis) {
    Value *x = gen_value(gen, gen_wants_float);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    *axis = gen_chance(gen, 70) ? x->type.rank - 1 : gen_int(gen, 0, x->type.rank - 1);
    return x->type.dims[*axis]->lo < 1 ? NULL : gen_tamed(gen, x, 50);
}

Value *gen_step_softmax(Gen *gen) {
    int64_t axis;
    Value *x = row_value(gen, &axis);
    Value *most = x == NULL ? NULL : row_of(gen, TN_OP_reduce_max, x, axis);
    if (most == NULL) {
        return NULL;
    }
    Value *less = gen_map2(gen, TN_OP_sub, x, most, (GenInfo){100, -1});
    Value *power = less == NULL ? NULL : gen_map1(gen, TN_OP_exp, less, (GenInfo){1, -1});
    Value *sum = power == NULL ? NULL : row_of(gen, TN_OP_reduce_sum, power, axis);
    return sum == NULL ? NULL : gen_map2(gen, TN_OP_div, power, sum, (GenInfo){1, -1});
}

static Value *mean_of(Gen *gen, Value *x, int64_t axis) {
    Value *sum = row_of(gen, TN_OP_reduce_sum, x, axis);
    if (sum == NULL || !tn_dim_is_const(x->type.dims[axis])) {
        return NULL;
    }
    Value *count = gen_number_like(gen, sum, (double)x->type.dims[axis]->value);
    return gen_map2(gen, TN_OP_div, sum, count, (GenInfo){gen_info(gen, x).mag, -1});
}

/* Layer norm; the square root is of a variance and 1, where it is not steep. */
Value *gen_step_norm(Gen *gen) {
    int64_t axis;
    Value *x = row_value(gen, &axis);
    Value *mean = x == NULL ? NULL : mean_of(gen, x, axis);
    if (mean == NULL) {
        return NULL;
    }
    double mag = 2 * gen_info(gen, x).mag;
    Value *centred = gen_map2(gen, TN_OP_sub, x, mean, (GenInfo){mag, -1});
    Value *square = centred == NULL
                        ? NULL
                        : gen_map2(gen, TN_OP_mul, centred, centred, (GenInfo){mag * mag, -1});
    Value *variance = square == NULL ? NULL : mean_of(gen, square, axis);
    if (variance == NULL) {
        return NULL;
    }
    Value *one = gen_number_like(gen, variance, 1);
    variance = gen_map2(gen, TN_OP_add, variance, one, (GenInfo){mag * mag + 1, -1});
    Value *root =
        variance == NULL ? NULL : gen_map1(gen, TN_OP_sqrt, variance, (GenInfo){mag + 1, -1});
    Value *normal =
        root == NULL ? NULL : gen_map2(gen, TN_OP_div, centred, root, (GenInfo){mag, -1});
    return normal == NULL || gen_chance(gen, 30)
               ? normal
               : gen_map2(gen, TN_OP_mul, normal, gen_partner(gen, normal), (GenInfo){4 * mag, -1});
}

/* ---- per-channel scale and shift, as after a convolution ---- */

static Value *channel_const(Gen *gen, const Value *like, int64_t axis) {
    Value *row = gen_const(gen, like->type.dtype, 1, &like->type.dims[axis]->value);
    return row == NULL ? NULL : gen_expand(gen, row, like->type.rank, like->type.dims, &axis);
}

static Value *scale_and_shift(Gen *gen, Value *x, int64_t axis) {
    static const Op ops[] = {TN_OP_add, TN_OP_mul, TN_OP_sub, TN_OP_add};
    if (x == NULL || !tn_dim_is_const(x->type.dims[axis])) {
        return x;
    }
    for (int64_t n = gen_int(gen, 0, 3); n > 0 && x != NULL; n--) {
        Op op = GEN_PICK(gen, ops);
        Value *other = channel_const(gen, x, axis);
        bool swap = gen_chance(gen, 25);
        if (other == NULL) {
            return x;
        }
        GenInfo a = gen_info(gen, x);
        GenInfo b = gen_info(gen, other);
        bool exact = a.frac >= 0 && b.frac >= 0;
        int frac = op == TN_OP_mul ? a.frac + b.frac : a.frac > b.frac ? a.frac : b.frac;
        GenInfo info = {op == TN_OP_mul ? a.mag * b.mag : a.mag + b.mag, exact ? frac : -1};
        x = gen_map2(gen, op, swap ? other : x, swap ? x : other, info);
    }
    return x;
}

/* ---- contraction ---- */

static GenInfo product_info(Gen *gen, const Value *a, const Value *b, double terms) {
    GenInfo ia = gen_info(gen, a);
    GenInfo ib = gen_info(gen, b);
    bool exact = ia.frac >= 0 && ib.frac >= 0;
    return (GenInfo){ia.mag * ib.mag * fmax(terms, 1), exact ? ia.frac + ib.frac : -1};
}

static bool all_static(const Value *value, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!tn_dim_is_const(value->type.dims[i])) {
            return false;
        }
    }
    return true;
}

/* Constant weights: the same for all of the batch by an expand, or different ones. */
static Value *constant_operand(Gen *gen, const Value *lhs, int64_t batch, const Dim *summed,
                               int64_t *axis) {
    if (!tn_dim_is_const(summed)) {
        return NULL;
    }
    int64_t dims[TN_MAX_RANK];
    bool first = gen_chance(gen, 50);
    dims[batch] = first ? summed->value : gen_int(gen, 1, 19);
    dims[batch + 1] = first ? gen_int(gen, 1, 19) : summed->value;
    *axis = first ? batch : batch + 1;
    if (batch == 0) {
        return gen_const(gen, lhs->type.dtype, 2, dims);
    }
    if (all_static(lhs, batch) && gen_chance(gen, 50)) {
        for (int64_t i = 0; i < batch; i++) {
            dims[i] = lhs->type.dims[i]->value;
        }
        return gen_const(gen, lhs->type.dtype, (uint32_t)batch + 2, dims);
    }
    Value *weights = gen_const(gen, lhs->type.dtype, 2, dims + batch);
    const Dim *all[TN_MAX_RANK];
    memcpy(all, lhs->type.dims, (size_t)batch * sizeof *all);
    all[batch] = gen_const_dim(gen, dims[batch]);
    all[batch + 1] = gen_const_dim(gen, dims[batch + 1]);
    return gen_expand(gen, weights, (uint32_t)batch + 2, all, (int64_t[]){batch, batch + 1});
}

/* The right operand: an existing value whose batch and summed dim agree, or a constant. */
static Value *right_operand(Gen *gen, const Value *lhs, int64_t batch, const Dim *summed,
                            int64_t *axis) {
    bool constant = gen_chance(gen, 40);
    for (size_t i = gen->values.len; i-- > 0 && !constant && gen_chance(gen, 85);) {
        Value *value = gen->values.data[i];
        bool fits =
            value->type.dtype == lhs->type.dtype && value->type.rank > batch && gen_chance(gen, 50);
        for (int64_t d = 0; d < batch && fits; d++) {
            fits = value->type.dims[d] == lhs->type.dims[d];
        }
        for (*axis = batch; fits && *axis < value->type.rank; *axis += 1) {
            if (value->type.dims[*axis] == summed) {
                return value;
            }
        }
    }
    return constant_operand(gen, lhs, batch, summed, axis);
}

Value *gen_step_contract(Gen *gen) {
    Value *lhs = gen_value(gen, gen_wants_number);
    if (lhs == NULL || lhs->type.rank == 0) {
        return NULL;
    }
    int64_t batch = gen_chance(gen, 50) ? 0 : gen_int(gen, 0, lhs->type.rank - 1);
    int64_t left = gen_int(gen, batch, lhs->type.rank - 1);
    int64_t right;
    Value *rhs = right_operand(gen, lhs, batch, lhs->type.dims[left], &right);
    if (rhs == NULL) {
        return NULL;
    }
    double terms = (double)gen_size(gen, lhs->type.dims[left]);
    int64_t work = gen_count(gen, &lhs->type);
    work *= gen_count(gen, &rhs->type);
    if (work / (int64_t)fmax(terms, 1) > GEN_WORK_MAX) {
        return NULL;
    }
    Attr attrs[3] = {int_attr(TN_ATTR_batch, batch), ints_attr(TN_ATTR_lhs_contract, 1, &left),
                     ints_attr(TN_ATTR_rhs_contract, 1, &right)};
    Value *product = gen_node(gen, TN_OP_contract, (Value *[]){lhs, rhs}, 2, attrs, 3,
                              product_info(gen, lhs, rhs, terms));
    return product == NULL || product->type.rank == 0
               ? product
               : scale_and_shift(gen, product, product->type.rank - 1);
}

/* ---- convolution and pooling ---- */

/* A value of rank 3 or 4 with static channels; often one reshaped to that. */
static Value *image_value(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_number);
    if (x == NULL || x->type.rank > 5 || x->type.rank < 2) {
        return NULL;
    }
    if (x->type.rank == 2) {
        x = gen_reshape(gen, x, 3,
                        (const Dim *[]){gen_const_dim(gen, 1), x->type.dims[0], x->type.dims[1]});
    }
    return x != NULL && tn_dim_is_const(x->type.dims[1]) && x->type.dims[1]->value > 0 ? x : NULL;
}

typedef struct ConvLists {
    int64_t strides[TN_MAX_RANK], lo[TN_MAX_RANK], hi[TN_MAX_RANK];
    int64_t dilations[TN_MAX_RANK], in_dilations[TN_MAX_RANK];
} ConvLists;

static void conv_lists(Gen *gen, uint32_t n, ConvLists *out) {
    for (uint32_t i = 0; i < n; i++) {
        out->strides[i] = gen_chance(gen, 60) ? 1 : gen_int(gen, 1, 3);
        out->lo[i] = gen_chance(gen, 50) ? gen_int(gen, 0, 3) : gen_chance(gen, 10) ? -1 : 0;
        out->hi[i] = gen_chance(gen, 50) ? gen_int(gen, 0, 3) : gen_chance(gen, 10) ? -1 : 0;
        out->dilations[i] = gen_chance(gen, 80) ? 1 : gen_int(gen, 1, 3);
        out->in_dilations[i] = gen_chance(gen, 90) ? 1 : gen_int(gen, 1, 3);
    }
}

/* Divides both the channels and the filters: 1, or all of them (depthwise), or some. */
static int64_t group_count(Gen *gen, int64_t channels) {
    if (gen_chance(gen, 60)) {
        return 1;
    }
    int64_t groups = gen_chance(gen, 50) ? channels : 2;
    return channels % groups == 0 ? groups : 1;
}

Value *gen_step_conv(Gen *gen) {
    Value *x = image_value(gen);
    if (x == NULL) {
        return NULL;
    }
    int64_t channels = x->type.dims[1]->value;
    int64_t groups = group_count(gen, channels);
    int64_t dims[TN_MAX_RANK] = {groups * gen_int(gen, 1, groups > 4 ? 2 : 9), channels / groups};
    int64_t terms = dims[1];
    for (uint32_t i = 2; i < x->type.rank; i++) {
        dims[i] = gen_int(gen, 1, 4);
        terms *= dims[i];
    }
    Value *weights = gen_const(gen, x->type.dtype, x->type.rank, dims);
    if (weights == NULL || gen_count(gen, &x->type) / channels * dims[0] * terms > GEN_WORK_MAX) {
        return NULL;
    }
    ConvLists lists;
    uint32_t n = x->type.rank - 2u;
    conv_lists(gen, n, &lists);
    Attr attrs[6] = {ints_attr(TN_ATTR_strides, n, lists.strides),
                     ints_attr(TN_ATTR_pads_lo, n, lists.lo),
                     ints_attr(TN_ATTR_pads_hi, n, lists.hi),
                     ints_attr(TN_ATTR_dilations, n, lists.dilations),
                     ints_attr(TN_ATTR_in_dilations, n, lists.in_dilations),
                     int_attr(TN_ATTR_groups, groups)};
    Value *product = gen_node(gen, TN_OP_conv, (Value *[]){x, weights}, 2, attrs, 6,
                              product_info(gen, x, weights, (double)terms));
    return scale_and_shift(gen, product, 1);
}

typedef struct PoolLists {
    ConvLists of;
    int64_t window[TN_MAX_RANK];
    Attr attrs[6]; /* of pools; the sixth is free */
} PoolLists;

/* Windows over `x`; returns how many taps they have. */
static double pool_lists(Gen *gen, const Value *x, PoolLists *out) {
    uint32_t rank = x->type.rank;
    int64_t *window = out->window;
    conv_lists(gen, rank, &out->of);
    ConvLists lists = out->of;
    double terms = 1;
    for (uint32_t i = 0; i < rank; i++) {
        bool whole =
            tn_dim_is_const(x->type.dims[i]) && gen_chance(gen, 15) && x->type.dims[i]->value > 0;
        bool slides = i + 2 >= rank && gen_chance(gen, 80);
        window[i] = whole ? x->type.dims[i]->value : slides ? gen_int(gen, 1, 3) : 1;
        lists.lo[i] = slides && !whole ? lists.lo[i] % window[i] : 0;
        lists.hi[i] = slides && !whole ? lists.hi[i] % window[i] : 0;
        lists.lo[i] = lists.lo[i] < 0 ? 0 : lists.lo[i];
        lists.hi[i] = lists.hi[i] < 0 ? 0 : lists.hi[i];
        lists.strides[i] = slides ? lists.strides[i] : 1;
        terms *= (double)window[i];
    }
    out->of = lists;
    const Attr attrs[5] = {ints_attr(TN_ATTR_window, rank, out->window),
                           ints_attr(TN_ATTR_strides, rank, out->of.strides),
                           ints_attr(TN_ATTR_pads_lo, rank, out->of.lo),
                           ints_attr(TN_ATTR_pads_hi, rank, out->of.hi),
                           ints_attr(TN_ATTR_dilations, rank, out->of.dilations)};
    memcpy(out->attrs, attrs, sizeof attrs);
    return terms;
}

Value *gen_step_pool(Gen *gen) {
    static const Op ops[] = {TN_OP_pool_max, TN_OP_pool_sum, TN_OP_pool_max, TN_OP_pool_argmax};
    Op op = GEN_PICK(gen, ops);
    Value *x = gen_value(gen, op == TN_OP_pool_argmax ? gen_wants_exact : gen_wants_number);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    PoolLists lists;
    double terms = pool_lists(gen, x, &lists);
    GenInfo info = gen_info(gen, x);
    if (op == TN_OP_pool_sum) {
        info.mag *= terms;
    } else if (op == TN_OP_pool_argmax) {
        info = (GenInfo){GEN_COUNT_MAX, 0};
    }
    return gen_node(gen, op, &x, 1, lists.attrs, 5, info);
}

/* Back from the places of the largest. */
Value *gen_step_unpool(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_exact);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    PoolLists lists;
    double terms = pool_lists(gen, x, &lists);
    Value *at =
        gen_node(gen, TN_OP_pool_argmax, &x, 1, lists.attrs, 5, (GenInfo){GEN_COUNT_MAX, 0});
    Value *most =
        at == NULL ? NULL : gen_node(gen, TN_OP_pool_max, &x, 1, lists.attrs, 5, gen_info(gen, x));
    Value *y = most == NULL ? NULL : gen_partner(gen, most);
    if (y == NULL) {
        return NULL;
    }
    lists.attrs[5] =
        (Attr){.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = x->type.rank, .dims = x->type.dims};
    GenInfo info = gen_info(gen, y);
    info.mag *= terms;
    return gen_node(gen, TN_OP_unpool_max, (Value *[]){y, at}, 2, lists.attrs, 6, info);
}

/* ---- prefix sums ---- */

Value *gen_step_cumsum(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_number);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    int64_t axis = gen_int(gen, 0, x->type.rank - 1);
    GenInfo info = gen_info(gen, x);
    info.mag *= fmax((double)gen_size(gen, x->type.dims[axis]), 1);
    Attr attrs[3] = {int_attr(TN_ATTR_axis, axis), int_attr(TN_ATTR_exclusive, gen_int(gen, 0, 1)),
                     int_attr(TN_ATTR_reverse, gen_int(gen, 0, 1))};
    return gen_node(gen, TN_OP_cumsum, &x, 1, attrs, 3, info);
}
