/* ops_norm.c: softmax and normalisations. */
#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

/* ---- softmax ---- */

/* One axis, or before opset 13 all axes from the given one on. */
static bool softmax_axes(Call *call, uint32_t *out) {
    int rank = call->in[0]->type.rank;
    bool old = call->opset < 13;
    int axis;
    if (old && rank == 0) {
        *out = 0;
        return true;
    }
    if (old && tn_call_int(call, "axis", 1) == rank) {
        *out = 0; /* each element is a row of its own */
        return true;
    }
    if (!tn_call_axis(call, tn_call_int(call, "axis", old ? 1 : -1), rank, &axis)) {
        return false;
    }
    *out = old ? ((1u << rank) - 1) & ~((1u << axis) - 1) : 1u << axis;
    return true;
}

/* x less its maximum over the axes. */
static Value *shifted(Call *call, Value *x, uint32_t axes) {
    return tn_make_map2(call, TN_OP_sub, x, tn_make_reduce(call, TN_OP_reduce_max, x, axes, true));
}

bool tn_import_softmax(Call *call) {
    uint32_t axes;
    if (!softmax_axes(call, &axes)) {
        return false;
    }
    Value *grown = tn_make_map1(call, TN_OP_exp, shifted(call, call->in[0], axes));
    Value *sum = tn_make_reduce(call, TN_OP_reduce_sum, grown, axes, true);
    return done(call, tn_make_map2(call, TN_OP_div, grown, sum));
}

bool tn_import_log_softmax(Call *call) {
    uint32_t axes;
    if (!softmax_axes(call, &axes)) {
        return false;
    }
    Value *x = shifted(call, call->in[0], axes);
    Value *sum =
        tn_make_reduce(call, TN_OP_reduce_sum, tn_make_map1(call, TN_OP_exp, x), axes, true);
    return done(call, tn_make_map2(call, TN_OP_sub, x, tn_make_map1(call, TN_OP_log, sum)));
}

/* ---- layer normalisation ---- */

/* 1 / sqrt(variance + epsilon) */
static Value *inverse_deviation(Call *call, Value *variance, double epsilon) {
    return tn_make_map1(call, TN_OP_rsqrt, tn_make_map2_num(call, TN_OP_add, variance, epsilon));
}

bool tn_import_layer_norm(Call *call) {
    Value *x = call->in[0];
    DType dtype = x->type.dtype;
    int axis;
    if (!tn_call_axis(call, tn_call_int(call, "axis", -1), x->type.rank, &axis)) {
        return false;
    }
    if (tn_call_int(call, "stash_type", 1) != TN_F32) {
        return tn_call_unsupported(call, "'stash_type' other than 1 (float32) is not supported");
    }
    uint32_t axes = ((1u << x->type.rank) - 1) & ~((1u << axis) - 1);
    double epsilon = tn_call_float(call, "epsilon", 9.999999747378752e-06);
    x = tn_make_cast(call, x, TN_F32);
    Value *mean = tn_make_mean(call, x, axes, true);
    Value *centred = tn_make_map2(call, TN_OP_sub, x, mean);
    Value *square = tn_make_map2(call, TN_OP_mul, centred, centred);
    Value *inverse = inverse_deviation(call, tn_make_mean(call, square, axes, true), epsilon);
    Value *y = tn_make_cast(call, tn_make_map2(call, TN_OP_mul, centred, inverse), dtype);
    y = tn_make_map2(call, TN_OP_mul, y, call->in[1]);
    if (tn_call_in(call, 2) != NULL) {
        y = tn_make_map2(call, TN_OP_add, y, call->in[2]);
    }
    Value *all[] = {y, mean, inverse};
    for (size_t i = 0; i < call->n_out; i++) {
        call->out[i] = all[i];
    }
    return y != NULL;
}

/* ---- batch normalisation ---- */

typedef struct BatchNorm {
    bool training;
    bool spatial;
    double epsilon, momentum;
} BatchNorm;

static bool read_batch_norm(Call *call, BatchNorm *out) {
    out->epsilon = tn_call_float(call, "epsilon", 9.999999747378752e-06);
    out->momentum = tn_call_float(call, "momentum", 0.8999999761581421);
    out->spatial = tn_call_int(call, "spatial", 1) != 0;
    out->training = tn_call_int(call, "training_mode", 0) != 0;
    bool old_training = (call->opset < 7 && tn_call_int(call, "is_test", 0) == 0) ||
                        (call->opset < 14 && call->n_out > 1);
    if (old_training) {
        return tn_call_unsupported(call, "BatchNormalization in training mode is not supported "
                                         "before opset 14");
    }
    if (call->n_out > 1 && !out->training) {
        return tn_call_error(call, "%zu outputs without 'training_mode', expected one",
                             call->n_out);
    }
    return true;
}

/* Per-channel statistics lie along axis 1; per-activation ones have all dims but the first. */
static Value *per_channel(Call *call, const BatchNorm *norm, Value *v) {
    const Value *x = call->in[0];
    if (!norm->spatial || v == NULL) {
        return v;
    }
    return x->type.rank < 2 ? tn_make_to_scalar(call, v)
                            : tn_make_channels(call, v, x->type.rank, 1);
}

/* momentum * old + (1 - momentum) * new */
static Value *running(Call *call, const BatchNorm *norm, Value *old, Value *now) {
    Value *kept = tn_make_map2_num(call, TN_OP_mul, old, norm->momentum);
    Value *added = tn_make_map2_num(call, TN_OP_mul, now, 1 - norm->momentum);
    added = old != NULL ? tn_make_cast(call, added, old->type.dtype) : NULL;
    return tn_make_map2(call, TN_OP_add, kept, added);
}

/* Replaces the given statistics by those of the batch. */
static bool train(Call *call, const BatchNorm *norm, Value **mean, Value **variance) {
    Value *x = tn_make_cast(call, call->in[0], (*mean)->type.dtype);
    uint32_t axes = ((1u << call->in[0]->type.rank) - 1) & ~2u;
    Value *now = tn_make_mean(call, x, axes, true);
    Value *centred = tn_make_map2(call, TN_OP_sub, x, now);
    Value *spread = tn_make_mean(call, tn_make_map2(call, TN_OP_mul, centred, centred), axes, true);
    if (now == NULL || spread == NULL) {
        return false;
    }
    Value *old[] = {*mean, *variance};
    Value *batch[] = {now, spread};
    for (size_t i = 0; i < 2; i++) {
        Shape shape = tn_shape_of(old[i]);
        batch[i] = tn_make_reshape(call, batch[i], &shape);
        if (call->n_out > i + 1) {
            call->out[i + 1] = running(call, norm, old[i], batch[i]);
        }
    }
    *mean = batch[0];
    *variance = batch[1];
    return batch[0] != NULL && batch[1] != NULL;
}

/* y = x * s + t with s = scale / sqrt(variance + epsilon), t = bias - mean * s: with constant
 * statistics s and t are constants. */
bool tn_import_batch_norm(Call *call) {
    BatchNorm norm;
    Value *mean = call->in[3];
    Value *variance = call->in[4];
    Value *x = call->in[0];
    if (!read_batch_norm(call, &norm) || (norm.training && !train(call, &norm, &mean, &variance))) {
        return false;
    }
    DType dtype = mean->type.dtype;
    Value *scale = tn_make_cast(call, call->in[1], dtype);
    scale = tn_make_map2(call, TN_OP_mul, scale, inverse_deviation(call, variance, norm.epsilon));
    Value *bias = tn_make_cast(call, call->in[2], dtype);
    bias = tn_make_map2(call, TN_OP_sub, bias, tn_make_map2(call, TN_OP_mul, mean, scale));
    Value *y = tn_make_map2(call, TN_OP_mul, tn_make_cast(call, x, dtype),
                            per_channel(call, &norm, scale));
    y = tn_make_map2(call, TN_OP_add, y, per_channel(call, &norm, bias));
    return done(call, tn_make_cast(call, y, x->type.dtype));
}

/* ---- local response normalisation ---- */

/* The sum of squares over `size` channels around each. */
static Value *channel_sums(Call *call, Value *x, int64_t size) {
    int64_t window[TN_MAX_RANK], ones[TN_MAX_RANK], lo[TN_MAX_RANK] = {0}, hi[TN_MAX_RANK] = {0};
    size_t rank = x->type.rank;
    for (size_t i = 0; i < rank; i++) {
        window[i] = i == 1 ? size : 1;
        ones[i] = 1;
    }
    lo[1] = (size - 1) / 2;
    hi[1] = size - 1 - lo[1];
    Value *square = tn_make_map2(call, TN_OP_mul, x, x);
    Attr attrs[] = {tn_make_attr_ints(TN_ATTR_window, window, rank),
                    tn_make_attr_ints(TN_ATTR_strides, ones, rank),
                    tn_make_attr_ints(TN_ATTR_pads_lo, lo, rank),
                    tn_make_attr_ints(TN_ATTR_pads_hi, hi, rank),
                    tn_make_attr_ints(TN_ATTR_dilations, ones, rank)};
    return tn_make_node(call, TN_OP_pool_sum, &square, 1, attrs, 5);
}

bool tn_import_lrn(Call *call) {
    Value *x = call->in[0];
    int64_t size = tn_call_int(call, "size", 0);
    if (x->type.rank < 2 || size < 1 || size > INT32_MAX) {
        return tn_call_error(call,
                             "size %lld over an operand of rank %d; expected at least 1 and 2",
                             (long long)size, x->type.rank);
    }
    double alpha = tn_call_float(call, "alpha", 9.999999747378752e-05);
    Value *sum =
        tn_make_map2_num(call, TN_OP_mul, channel_sums(call, x, size), alpha / (double)size);
    sum = tn_make_map2_num(call, TN_OP_add, sum, tn_call_float(call, "bias", 1));
    sum = tn_make_map2_num(call, TN_OP_pow, sum, tn_call_float(call, "beta", 0.75));
    return done(call, tn_make_map2(call, TN_OP_div, x, sum));
}
