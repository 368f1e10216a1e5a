/* elementwise.c: the MAP rows: one type rule and one formula for all, and what each
 * computes.
 *
 * Evaluation is in double for float dtypes. Integers are computed in 64 bits and cut to
 * the dtype's width after each row, so that they wrap; overflow is never undefined.
 */
#include "ir/ops/support.h"

#include <math.h>

/* ---- type and formula ---- */

static bool check_operands(Graph *graph, const Node *node, const OpInfo *info) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        bool condition = node->op == TN_OP_select && i == 0;
        if (!tn_op_check_domain(graph, node, i, condition ? DOMAIN_BOOL : info->domain)) {
            return false;
        }
        if (!condition && !tn_op_check_same_dtype(graph, node, i, node->n_in - 1u)) {
            return false;
        }
    }
    return true;
}

bool tn_type_map(Graph *graph, Node *node) {
    const OpInfo *info = tn_op_info(node->op);
    if (!check_operands(graph, node, info)) {
        return false;
    }
    for (uint32_t i = 1; i < node->n_in; i++) {
        if (!tn_op_check_same_dims(graph, node, i, -1)) {
            return false;
        }
    }
    DType dtype = node->in[node->n_in - 1]->type.dtype;
    if (info->result == RESULT_BOOL) {
        dtype = TN_BOOL;
    } else if (info->result == RESULT_TO) {
        dtype = tn_node_attr(node, TN_ATTR_to)->dtype;
        if (!tn_op_dtype_known(dtype)) {
            return tn_op_error(graph, node, "cannot convert to %s", tn_dtype_text(dtype));
        }
    }
    const Type *first = &node->in[0]->type;
    return tn_op_set_result(graph, node, dtype, first->rank, first->dims);
}

Expr *tn_lower_map(Lower *lower, const Node *node, const Dim *const *index) {
    Expr *args[3];
    for (uint32_t i = 0; i < node->n_in; i++) {
        args[i] = lower->read(lower, node->in[i], index);
        if (args[i] == NULL) {
            return NULL;
        }
    }
    DType to = node->op == TN_OP_cast ? tn_node_attr(node, TN_ATTR_to)->dtype : TN_DT_NONE;
    return tn_expr_map(lower->ctx, node->op, to, args, node->n_in);
}

/* ---- loops over elements ---- */

typedef double Float1(double a);
typedef double Float2(double a, double b);
typedef int64_t Int1(DType dtype, int64_t a);
typedef int64_t Int2(DType dtype, int64_t a, int64_t b);
typedef bool FloatTest(double a, double b);
typedef bool IntTest(DType dtype, int64_t a, int64_t b);

static bool unary(EvalArgs *args, Float1 *f, Int1 *i) {
    const RefTensor *a = args->in[0];
    RefTensor *out = args->out;
    for (int64_t k = 0; k < out->count; k++) {
        if (tn_dtype_is_float(a->dtype)) {
            out->f[k] = f(a->f[k]);
        } else {
            out->i[k] = tn_int_wrap(out->dtype, i(a->dtype, a->i[k]));
        }
    }
    return true;
}

static bool float_unary(EvalArgs *args, Float1 *f) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->f[k] = f(args->in[0]->f[k]);
    }
    return true;
}

static bool binary(EvalArgs *args, Float2 *f, Int2 *i) {
    const RefTensor *a = args->in[0];
    const RefTensor *b = args->in[1];
    RefTensor *out = args->out;
    for (int64_t k = 0; k < out->count; k++) {
        if (tn_dtype_is_float(a->dtype)) {
            out->f[k] = f(a->f[k], b->f[k]);
        } else {
            out->i[k] = tn_int_wrap(out->dtype, i(a->dtype, a->i[k], b->i[k]));
        }
    }
    return true;
}

static bool compare(EvalArgs *args, FloatTest *f, IntTest *i) {
    const RefTensor *a = args->in[0];
    const RefTensor *b = args->in[1];
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] =
            tn_dtype_is_float(a->dtype) ? f(a->f[k], b->f[k]) : i(a->dtype, a->i[k], b->i[k]);
    }
    return true;
}

/* ---- arithmetic ---- */

static double add_f(double a, double b) {
    return a + b;
}
static double sub_f(double a, double b) {
    return a - b;
}
static double mul_f(double a, double b) {
    return a * b;
}
static double div_f(double a, double b) {
    return a / b;
}
static double mod_f(double a, double b) {
    double rest = fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
static double neg_f(double a) {
    return -a;
}
static double sign_f(double a) {
    return isnan(a) ? a : (double)((a > 0) - (a < 0));
}

/* Through unsigned arithmetic, which wraps. */
static int64_t add_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t sub_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t mul_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static int64_t neg_i(DType dtype, int64_t a) {
    return sub_i(dtype, 0, a);
}

static int64_t div_i(DType dtype, int64_t a, int64_t b) {
    if (b == 0) {
        return 0;
    }
    if (!tn_dtype_is_signed(dtype)) {
        return (int64_t)((uint64_t)a / (uint64_t)b);
    }
    return b == -1 ? neg_i(dtype, a) : a / b;
}

static int64_t rem_i(DType dtype, int64_t a, int64_t b) {
    return b == 0 ? 0 : sub_i(dtype, a, mul_i(dtype, div_i(dtype, a, b), b));
}

static int64_t mod_i(DType dtype, int64_t a, int64_t b) {
    int64_t rest = rem_i(dtype, a, b);
    bool wrong_sign = tn_dtype_is_signed(dtype) && rest != 0 && (rest < 0) != (b < 0);
    return wrong_sign ? rest + b : rest;
}

/* 1 / a^n cut to an integer: only 1 and -1 leave anything; 1 / 0 counts as 0. */
static int64_t negative_power(int64_t a, int64_t b) {
    if (a == 1) {
        return 1;
    }
    return a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
}

static int64_t pow_i(DType dtype, int64_t a, int64_t b) {
    if (tn_dtype_is_signed(dtype) && b < 0) {
        return negative_power(a, b);
    }
    uint64_t power = 1;
    uint64_t square = (uint64_t)a;
    for (uint64_t n = (uint64_t)b; n != 0; n >>= 1) {
        power = (n & 1) != 0 ? power * square : power;
        square *= square;
    }
    return (int64_t)power;
}

static int64_t min_i(DType dtype, int64_t a, int64_t b) {
    return tn_int_less(dtype, a, b) ? a : b;
}
static int64_t max_i(DType dtype, int64_t a, int64_t b) {
    return tn_int_less(dtype, a, b) ? b : a;
}
static int64_t abs_i(DType dtype, int64_t a) {
    return tn_int_less(dtype, a, 0) ? neg_i(dtype, a) : a;
}
static int64_t sign_i(DType dtype, int64_t a) {
    return tn_int_less(dtype, 0, a) - tn_int_less(dtype, a, 0);
}

bool tn_eval_add(EvalArgs *args) {
    return binary(args, add_f, add_i);
}
bool tn_eval_sub(EvalArgs *args) {
    return binary(args, sub_f, sub_i);
}
bool tn_eval_mul(EvalArgs *args) {
    return binary(args, mul_f, mul_i);
}
bool tn_eval_div(EvalArgs *args) {
    return binary(args, div_f, div_i);
}
bool tn_eval_mod(EvalArgs *args) {
    return binary(args, mod_f, mod_i);
}
bool tn_eval_rem(EvalArgs *args) {
    return binary(args, fmod, rem_i);
}
bool tn_eval_pow(EvalArgs *args) {
    return binary(args, pow, pow_i);
}
bool tn_eval_min(EvalArgs *args) {
    return binary(args, tn_float_min, min_i);
}
bool tn_eval_max(EvalArgs *args) {
    return binary(args, tn_float_max, max_i);
}
bool tn_eval_neg(EvalArgs *args) {
    return unary(args, neg_f, neg_i);
}
bool tn_eval_abs(EvalArgs *args) {
    return unary(args, fabs, abs_i);
}
bool tn_eval_sign(EvalArgs *args) {
    return unary(args, sign_f, sign_i);
}

/* ---- rounding, exponentials and friends ---- */

static double rsqrt_f(double a) {
    return 1 / sqrt(a);
}
static double recip_f(double a) {
    return 1 / a;
}
static double sigmoid_f(double a) {
    return 1 / (1 + exp(-a));
}

bool tn_eval_floor(EvalArgs *args) {
    return float_unary(args, floor);
}
bool tn_eval_ceil(EvalArgs *args) {
    return float_unary(args, ceil);
}
bool tn_eval_round(EvalArgs *args) {
    return float_unary(args, rint);
}
bool tn_eval_trunc(EvalArgs *args) {
    return float_unary(args, trunc);
}
bool tn_eval_exp(EvalArgs *args) {
    return float_unary(args, exp);
}
bool tn_eval_log(EvalArgs *args) {
    return float_unary(args, log);
}
bool tn_eval_log1p(EvalArgs *args) {
    return float_unary(args, log1p);
}
bool tn_eval_sqrt(EvalArgs *args) {
    return float_unary(args, sqrt);
}
bool tn_eval_rsqrt(EvalArgs *args) {
    return float_unary(args, rsqrt_f);
}
bool tn_eval_recip(EvalArgs *args) {
    return float_unary(args, recip_f);
}
bool tn_eval_sin(EvalArgs *args) {
    return float_unary(args, sin);
}
bool tn_eval_cos(EvalArgs *args) {
    return float_unary(args, cos);
}
bool tn_eval_tanh(EvalArgs *args) {
    return float_unary(args, tanh);
}
bool tn_eval_erf(EvalArgs *args) {
    return float_unary(args, erf);
}
bool tn_eval_sigmoid(EvalArgs *args) {
    return float_unary(args, sigmoid_f);
}

/* ---- comparison and logic ---- */

static bool eq_f(double a, double b) {
    return a == b;
}
static bool lt_f(double a, double b) {
    return a < b;
}
static bool le_f(double a, double b) {
    return a <= b;
}
static bool eq_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a == b;
}
static bool le_i(DType dtype, int64_t a, int64_t b) {
    return !tn_int_less(dtype, b, a);
}

bool tn_eval_eq(EvalArgs *args) {
    return compare(args, eq_f, eq_i);
}
bool tn_eval_lt(EvalArgs *args) {
    return compare(args, lt_f, tn_int_less);
}
bool tn_eval_le(EvalArgs *args) {
    return compare(args, le_f, le_i);
}
bool tn_eval_and(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] = args->in[0]->i[k] & args->in[1]->i[k];
    }
    return true;
}

bool tn_eval_or(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] = args->in[0]->i[k] | args->in[1]->i[k];
    }
    return true;
}

bool tn_eval_xor(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] = args->in[0]->i[k] ^ args->in[1]->i[k];
    }
    return true;
}

bool tn_eval_not(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] = args->in[0]->i[k] == 0;
    }
    return true;
}

/* ---- bits ---- */

static int64_t bitand_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a & b;
}
static int64_t bitor_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a | b;
}
static int64_t bitxor_i(DType dtype, int64_t a, int64_t b) {
    (void)dtype;
    return a ^ b;
}
static int64_t bitnot_i(DType dtype, int64_t a) {
    (void)dtype;
    return ~a;
}

bool tn_eval_bitand(EvalArgs *args) {
    return binary(args, NULL, bitand_i);
}
bool tn_eval_bitor(EvalArgs *args) {
    return binary(args, NULL, bitor_i);
}
bool tn_eval_bitxor(EvalArgs *args) {
    return binary(args, NULL, bitxor_i);
}
bool tn_eval_bitnot(EvalArgs *args) {
    return unary(args, NULL, bitnot_i);
}

static int64_t dtype_width(DType dtype) {
    return (int64_t)tn_dtype_bytes(dtype) * 8;
}

static int64_t shl_i(DType dtype, int64_t a, int64_t b) {
    return b < 0 || b >= dtype_width(dtype) ? 0 : (int64_t)((uint64_t)a << b);
}
static int64_t shr_i(DType dtype, int64_t a, int64_t b) {
    bool beyond = b < 0 || b >= dtype_width(dtype);
    if (tn_dtype_is_signed(dtype)) {
        return a >> (beyond ? 63 : b);
    }
    return beyond ? 0 : (int64_t)((uint64_t)a >> b);
}

bool tn_eval_shl(EvalArgs *args) {
    return binary(args, NULL, shl_i);
}
bool tn_eval_shr(EvalArgs *args) {
    return binary(args, NULL, shr_i);
}

static uint32_t rotated(uint32_t x, int by) {
    return x << by | x >> (32 - by);
}

/* Threefry-2x32 of 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as
 * 1, 2, 3; 2011), the first word for the counter (x, 0). */
static uint32_t threefry(uint32_t key0, uint32_t key1, uint32_t x) {
    static const int rotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
    const uint32_t keys[3] = {key0, key1, 0x1bd11bdau ^ key0 ^ key1};
    uint32_t y = key1;
    x += key0;
    for (uint32_t round = 0; round < 20; round++) {
        x += y;
        y = rotated(y, rotations[round % 8]) ^ x;
        if (round % 4 == 3) {
            uint32_t turn = round / 4 + 1;
            x += keys[turn % 3];
            y += keys[(turn + 1) % 3] + turn;
        }
    }
    return x;
}

bool tn_eval_random(EvalArgs *args) {
    const RefTensor *const *in = args->in;
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] =
            threefry((uint32_t)in[0]->i[k], (uint32_t)in[1]->i[k], (uint32_t)in[2]->i[k]);
    }
    return true;
}

bool tn_eval_isnan(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] = isnan(args->in[0]->f[k]) != 0;
    }
    return true;
}

bool tn_eval_isinf(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        args->out->i[k] = isinf(args->in[0]->f[k]) != 0;
    }
    return true;
}

/* ---- choice and conversion ---- */

bool tn_eval_stop_gradient(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        tn_ref_move(args->out, k, args->in[0], k);
    }
    return true;
}

bool tn_eval_select(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        const RefTensor *from = args->in[args->in[0]->i[k] != 0 ? 1 : 2];
        tn_ref_move(args->out, k, from, k);
    }
    return true;
}

static double to_float(DType dtype, const RefTensor *in, int64_t k) {
    if (tn_dtype_is_float(in->dtype)) {
        return dtype == TN_F32 ? (double)(float)in->f[k] : in->f[k];
    }
    /* One rounding, straight from the integer. */
    if (in->dtype == TN_U64) {
        uint64_t value = (uint64_t)in->i[k];
        return dtype == TN_F32 ? (double)(float)value : (double)value;
    }
    return dtype == TN_F32 ? (double)(float)in->i[k] : (double)in->i[k];
}

static int64_t saturate(DType dtype, double value) {
    if (isnan(value)) {
        return 0;
    }
    /* Powers of two, exact in double. */
    double least = (double)tn_int_least(dtype);
    double above =
        tn_dtype_is_signed(dtype) ? -least : (double)(uint64_t)tn_int_greatest(dtype) + 1;
    if (value <= least) {
        return tn_int_least(dtype);
    }
    if (value >= above) {
        return tn_int_greatest(dtype);
    }
    return dtype == TN_U64 ? (int64_t)(uint64_t)value : (int64_t)value;
}

static int64_t to_int(DType dtype, const RefTensor *in, int64_t k) {
    bool from_float = tn_dtype_is_float(in->dtype);
    if (dtype == TN_BOOL) {
        return from_float ? in->f[k] != 0 : in->i[k] != 0;
    }
    return from_float ? saturate(dtype, in->f[k]) : tn_int_wrap(dtype, in->i[k]);
}

bool tn_eval_cast(EvalArgs *args) {
    RefTensor *out = args->out;
    for (int64_t k = 0; k < out->count; k++) {
        if (tn_dtype_is_float(out->dtype)) {
            out->f[k] = to_float(out->dtype, args->in[0], k);
        } else {
            out->i[k] = to_int(out->dtype, args->in[0], k);
        }
    }
    return true;
}
