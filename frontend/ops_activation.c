/* ops_activation.c: activation functions, each written so that it neither overflows nor
 * cancels where the function itself is tame. */
#include <string.h>
#include <strings.h>

#include "frontend/activation.h"

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

static Value *relu(Call *call, Value *x) {
    return tn_make_map2_num(call, TN_OP_max, x, 0);
}

bool tn_import_relu(Call *call) {
    return done(call, relu(call, call->in[0]));
}

static Value *leaky_relu(Call *call, Value *x, double alpha) {
    return positive_or(call, x, tn_make_map2_num(call, TN_OP_mul, x, alpha));
}

bool tn_import_leaky_relu(Call *call) {
    double alpha = tn_call_float(call, "alpha", 0.009999999776482582);
    return done(call, leaky_relu(call, call->in[0], alpha));
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

static Value *elu(Call *call, Value *x, double alpha) {
    return positive_or(call, x, scaled_expm1(call, x, alpha));
}

bool tn_import_elu(Call *call) {
    return done(call, elu(call, call->in[0], tn_call_float(call, "alpha", 1)));
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

/* alpha * x + beta */
static Value *affine(Call *call, Value *x, double alpha, double beta) {
    x = tn_make_map2_num(call, TN_OP_mul, x, alpha);
    return tn_make_map2_num(call, TN_OP_add, x, beta);
}

/* max(0, min(1, alpha * x + beta)) */
static Value *hard_sigmoid(Call *call, Value *x, double alpha, double beta) {
    Value *line = affine(call, x, alpha, beta);
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

static Value *softsign(Call *call, Value *x) {
    Value *size = tn_make_map2_num(call, TN_OP_add, tn_make_map1(call, TN_OP_abs, x), 1);
    return tn_make_map2(call, TN_OP_div, x, size);
}

bool tn_import_softsign(Call *call) {
    return done(call, softsign(call, call->in[0]));
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

/* ---- by name ---- */

static Value *make_elu(Call *call, Value *x, double alpha, double beta) {
    (void)beta;
    return elu(call, x, alpha);
}

static Value *make_leaky_relu(Call *call, Value *x, double alpha, double beta) {
    (void)beta;
    return leaky_relu(call, x, alpha);
}

static Value *make_relu(Call *call, Value *x, double alpha, double beta) {
    (void)alpha, (void)beta;
    return relu(call, x);
}

static Value *make_scaled_tanh(Call *call, Value *x, double alpha, double beta) {
    x = tn_make_map1(call, TN_OP_tanh, tn_make_map2_num(call, TN_OP_mul, x, beta));
    return tn_make_map2_num(call, TN_OP_mul, x, alpha);
}

static Value *make_sigmoid(Call *call, Value *x, double alpha, double beta) {
    (void)alpha, (void)beta;
    return tn_make_map1(call, TN_OP_sigmoid, x);
}

static Value *make_softplus(Call *call, Value *x, double alpha, double beta) {
    (void)alpha, (void)beta;
    return softplus(call, x);
}

static Value *make_softsign(Call *call, Value *x, double alpha, double beta) {
    (void)alpha, (void)beta;
    return softsign(call, x);
}

static Value *make_tanh(Call *call, Value *x, double alpha, double beta) {
    (void)alpha, (void)beta;
    return tn_make_map1(call, TN_OP_tanh, x);
}

/* Unlike the operator of that name, x stays where it equals alpha. */
static Value *make_thresholded_relu(Call *call, Value *x, double alpha, double beta) {
    (void)beta;
    Value *low = tn_make_map2_num(call, TN_OP_lt, x, alpha);
    return low == NULL ? NULL
                       : tn_make_select(call, low, tn_make_scalar(call, x->type.dtype, 0), x);
}

/* Defaults of alpha and beta are those of the operators; ScaledTanh has none there. */
static const Activation activations[] = {
    {"Affine", true, true, 1, 0, affine},
    {"Elu", true, false, 1, 0, make_elu},
    {"HardSigmoid", true, true, 0.20000000298023224, 0.5, hard_sigmoid},
    {"LeakyRelu", true, false, 0.009999999776482582, 0, make_leaky_relu},
    {"Relu", false, false, 0, 0, make_relu},
    {"ScaledTanh", true, true, 1, 1, make_scaled_tanh},
    {"Sigmoid", false, false, 0, 0, make_sigmoid},
    {"Softplus", false, false, 0, 0, make_softplus},
    {"Softsign", false, false, 0, 0, make_softsign},
    {"Tanh", false, false, 0, 0, make_tanh},
    {"ThresholdedRelu", true, false, 1, 0, make_thresholded_relu},
};

enum { N_ACTIVATIONS = sizeof activations / sizeof *activations };

const Activation *tn_activation(StrView name) {
    for (size_t i = 0; i < N_ACTIVATIONS; i++) {
        size_t len = strlen(activations[i].name);
        if (name.len == len && strncasecmp(name.data, activations[i].name, len) == 0) {
            return &activations[i];
        }
    }
    return NULL;
}

const char *tn_activation_names(Call *call) {
    StrBuf text = tn_str(&call->ctx->scratch);
    for (size_t i = 0; i < N_ACTIVATIONS; i++) {
        tn_str_printf(&text, "%s%s", i > 0 ? ", " : "", activations[i].name);
    }
    return text.data;
}
