/* ops_activation.c: activation functions, each written so that it neither overflows nor
 * cancels where the function itself is tame. */
#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

/* x where x > 0 (and NaN), else `negative`. */
static Value *positive_or(Call *call, Value *x, Value *negative) {
    return tn_make_select(call, tn_make_map2_num(call, TN_OP_lt, x, 0), negative, x);
}

/* scale * exp(x) - scale */
static Value *scaled_expm1(Call *call, Value *x, double scale) {
    Value *grown = tn_make_map2_num(call, TN_OP_sub, tn_make_map1(call, TN_OP_exp, x), 1);
    return scale == 1 ? grown : tn_make_map2_num(call, TN_OP_mul, grown, scale);
}

bool tn_import_relu(Call *call) {
    return done(call, tn_make_map2_num(call, TN_OP_max, call->in[0], 0));
}

bool tn_import_leaky_relu(Call *call) {
    Value *x = call->in[0];
    double alpha = tn_call_float(call, "alpha", 0.009999999776482582);
    return done(call, positive_or(call, x, tn_make_map2_num(call, TN_OP_mul, x, alpha)));
}

/* Before opset 7 the slope lies along axis 1, from then on it broadcasts. */
bool tn_import_prelu(Call *call) {
    Value *x = call->in[0];
    Value *slope = call->in[1];
    if (call->opset < 7 && slope->type.rank == 1 && x->type.rank > 1 &&
        !tn_dim_is(slope->type.dims[0], 1)) {
        slope = tn_make_channels(call, slope, x->type.rank, 1);
    }
    if (slope != NULL && slope->type.rank > x->type.rank) {
        return tn_call_error(call, "the slope has rank %d, the input only %d", slope->type.rank,
                             x->type.rank);
    }
    Shape shape = tn_shape_of(x);
    slope = tn_make_expand(call, slope, &shape);
    return done(call, positive_or(call, x, tn_make_map2(call, TN_OP_mul, slope, x)));
}

bool tn_import_elu(Call *call) {
    Value *x = call->in[0];
    double alpha = tn_call_float(call, "alpha", 1);
    return done(call, positive_or(call, x, scaled_expm1(call, x, alpha)));
}

/* max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) */
bool tn_import_celu(Call *call) {
    Value *x = call->in[0];
    double alpha = tn_call_float(call, "alpha", 1);
    Value *scaled = alpha == 1 ? x : tn_make_map2_num(call, TN_OP_div, x, alpha);
    Value *low = tn_make_map2_num(call, TN_OP_min, scaled_expm1(call, scaled, alpha), 0);
    Value *high = tn_make_map2_num(call, TN_OP_max, x, 0);
    return done(call, tn_make_map2(call, TN_OP_add, high, low));
}

bool tn_import_selu(Call *call) {
    bool old = call->opset < 6;
    double alpha = tn_call_float(call, "alpha", old ? 1.673200011253357 : 1.6732631921768188);
    double gamma = tn_call_float(call, "gamma", old ? 1.0506999492645264 : 1.0507010221481323);
    Value *x = call->in[0];
    Value *both = positive_or(call, x, scaled_expm1(call, x, alpha));
    return done(call, tn_make_map2_num(call, TN_OP_mul, both, gamma));
}

/* max(0, min(1, alpha * x + beta)) */
static Value *hard_sigmoid(Call *call, Value *x, double alpha, double beta) {
    Value *line = tn_make_map2_num(call, TN_OP_mul, x, alpha);
    line = tn_make_map2_num(call, TN_OP_add, line, beta);
    return tn_make_map2_num(call, TN_OP_max, tn_make_map2_num(call, TN_OP_min, line, 1), 0);
}

bool tn_import_hard_sigmoid(Call *call) {
    double alpha = tn_call_float(call, "alpha", 0.20000000298023224);
    double beta = tn_call_float(call, "beta", 0.5);
    return done(call, hard_sigmoid(call, call->in[0], alpha, beta));
}

bool tn_import_hard_swish(Call *call) {
    Value *x = call->in[0];
    return done(call, tn_make_map2(call, TN_OP_mul, x, hard_sigmoid(call, x, 1.0 / 6, 0.5)));
}

/* The inner function of the tanh form: sqrt(2 / pi) * (x + 0.044715 * x^3). */
static Value *gelu_argument(Call *call, Value *x) {
    Value *square = tn_make_map2(call, TN_OP_mul, x, x);
    Value *bend = tn_make_map2_num(call, TN_OP_mul, square, 0.044715);
    bend = tn_make_map2_num(call, TN_OP_add, bend, 1);
    bend = tn_make_map2(call, TN_OP_mul, x, bend);
    return tn_make_map2_num(call, TN_OP_mul, bend, 0.7978845608028654);
}

bool tn_import_gelu(Call *call) {
    Value *x = call->in[0];
    StrView form = tn_call_text(call, "approximate", "none");
    Value *gate;
    if (tn_sv_is(form, "tanh")) {
        gate = tn_make_map1(call, TN_OP_tanh, gelu_argument(call, x));
    } else if (tn_sv_is(form, "none")) {
        const double root_half = 0.7071067811865476;
        gate = tn_make_map1(call, TN_OP_erf, tn_make_map2_num(call, TN_OP_mul, x, root_half));
    } else {
        return tn_call_error(call, "attribute 'approximate' is '%s', expected 'none' or 'tanh'",
                             tn_sv_dup(&call->ctx->scratch, form));
    }
    gate = tn_make_map2_num(call, TN_OP_add, gate, 1);
    Value *half = tn_make_map2_num(call, TN_OP_mul, x, 0.5);
    return done(call, tn_make_map2(call, TN_OP_mul, half, gate));
}

/* log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)) */
static Value *softplus(Call *call, Value *x) {
    Value *away = tn_make_map1(call, TN_OP_neg, tn_make_map1(call, TN_OP_abs, x));
    Value *rest = tn_make_map1(call, TN_OP_log1p, tn_make_map1(call, TN_OP_exp, away));
    return tn_make_map2(call, TN_OP_add, tn_make_map2_num(call, TN_OP_max, x, 0), rest);
}

bool tn_import_softplus(Call *call) {
    return done(call, softplus(call, call->in[0]));
}

bool tn_import_mish(Call *call) {
    Value *x = call->in[0];
    Value *gate = tn_make_map1(call, TN_OP_tanh, softplus(call, x));
    return done(call, tn_make_map2(call, TN_OP_mul, x, gate));
}

bool tn_import_softsign(Call *call) {
    Value *x = call->in[0];
    Value *size = tn_make_map2_num(call, TN_OP_add, tn_make_map1(call, TN_OP_abs, x), 1);
    return done(call, tn_make_map2(call, TN_OP_div, x, size));
}

bool tn_import_swish(Call *call) {
    Value *x = call->in[0];
    double alpha = tn_call_float(call, "alpha", 1);
    Value *scaled = alpha == 1 ? x : tn_make_map2_num(call, TN_OP_mul, x, alpha);
    Value *gate = tn_make_map1(call, TN_OP_sigmoid, scaled);
    return done(call, tn_make_map2(call, TN_OP_mul, x, gate));
}

bool tn_import_thresholded_relu(Call *call) {
    Value *x = call->in[0];
    Value *low = tn_make_map2_num(call, TN_OP_le, x, tn_call_float(call, "alpha", 1));
    Value *zero = tn_make_scalar(call, x->type.dtype, 0);
    return done(call, tn_make_select(call, low, zero, x));
}
