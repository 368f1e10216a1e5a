/* lang_arith.c: operators on numbers, lists and tensors.
 *
 * Numbers known at compile time stay numbers: integers are exact expressions over symbols,
 * anything else is double. A number takes the dtype of the tensor it meets; a weak tensor, a
 * scalar f64 such as the step's number, does the same.
 */
#include <math.h>
#include <string.h>

#include "frontend/lang_eval.h"

static const Val bad = {.kind = VAL_BAD};

const char *tn_lang_op_text(LangOp op) {
    static const char *const text[] = {
        [LANG_ADD] = "+",       [LANG_SUB] = "-", [LANG_MUL] = "*",    [LANG_DIV] = "/",
        [LANG_FLOORDIV] = "//", [LANG_MOD] = "%", [LANG_MATMUL] = "@", [LANG_POW] = "**",
        [LANG_LT] = "<",        [LANG_LE] = "<=", [LANG_GT] = ">",     [LANG_GE] = ">=",
        [LANG_EQ] = "==",       [LANG_NE] = "!=", [LANG_AND] = "and",  [LANG_OR] = "or",
        [LANG_NOT] = "not",     [LANG_NEG] = "-",
    };
    return text[op];
}

/* ---- what dtypes meet in ---- */

/* bool, integer, float. */
static int category(DType dtype) {
    return tn_dtype_is_float(dtype) ? 2 : tn_dtype_is_int(dtype) ? 1 : 0;
}

static bool join(DType *dtype, DType other) {
    if (*dtype == TN_DT_NONE || category(other) > category(*dtype)) {
        *dtype = other;
        return true;
    }
    if (other == *dtype || category(other) < category(*dtype)) {
        return true;
    }
    if (category(other) == 2) {
        return false;
    }
    size_t a = tn_dtype_bytes(*dtype);
    size_t b = tn_dtype_bytes(other);
    bool mixed = tn_dtype_is_signed(*dtype) != tn_dtype_is_signed(other);
    *dtype = mixed ? TN_I64 : a >= b ? *dtype : other;
    return true;
}

/* Joins what numbers and weak tensors demand of a dtype of integers or bool. */
static DType widen(DType dtype, bool fraction, bool integer) {
    if (fraction && category(dtype) < 2) {
        return TN_F32;
    }
    return integer && category(dtype) < 1 ? TN_I64 : dtype;
}

bool tn_lang_meet(Lang *lang, Place place, const Val *v, size_t n, DType *dtype, bool *weak) {
    bool fraction = false;
    bool integer = false;
    *dtype = TN_DT_NONE;
    *weak = false;
    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == VAL_BAD) {
            return false;
        }
        if (v[i].kind == VAL_TENSOR && !v[i].weak) {
            DType had = *dtype;
            if (!join(dtype, v[i].tensor->type.dtype)) {
                tn_lang_error(lang, place, "tensors of %s and %s meet; cast() converts",
                              tn_dtype_text(had), tn_dtype_text(v[i].tensor->type.dtype));
                return false;
            }
        } else if (v[i].kind != VAL_TENSOR && v[i].kind != VAL_BOOL && !tn_val_is_number(v[i])) {
            tn_lang_error(lang, place, "%s is neither a tensor nor a number",
                          tn_val_describe(lang, v[i]));
            return false;
        }
        *weak = *weak || v[i].kind == VAL_TENSOR;
        fraction = fraction || v[i].kind == VAL_FLOAT || (v[i].kind == VAL_TENSOR && v[i].weak);
        integer = integer || v[i].kind == VAL_INT;
    }
    *weak = *weak && *dtype == TN_DT_NONE;
    if (*dtype != TN_DT_NONE) {
        *dtype = widen(*dtype, fraction, integer);
    } else if (*weak) {
        *dtype = TN_F64;
    }
    return true;
}

/* A value as tensor of that dtype, other tensors converted. */
static Value *as_tensor(Lang *lang, Place place, Val v, DType dtype) {
    if (v.kind == VAL_TENSOR && v.tensor->type.dtype != dtype) {
        Value *own = tn_lang_tensor(lang, place, v, TN_DT_NONE, "an operand");
        return own != NULL ? tn_make_cast(tn_lang_start(lang, place, "cast"), own, dtype) : NULL;
    }
    if (v.kind == VAL_BOOL && dtype != TN_BOOL) {
        v = tn_val_float(v.truth);
    }
    return tn_lang_tensor(lang, place, v, dtype, "an operand");
}

static Val set_weak(Val v, bool weak) {
    v.weak = v.kind == VAL_TENSOR && weak && v.tensor->type.dtype == TN_F64;
    return v;
}

/* ---- numbers ---- */

typedef double Unary(double x);

static double sign_of(double x) {
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static double rsqrt_of(double x) {
    return 1 / sqrt(x);
}

static double recip_of(double x) {
    return 1 / x;
}

static double sigmoid_of(double x) {
    return 1 / (1 + exp(-x));
}

static double negated(double x) {
    return -x;
}

static const struct {
    Op op;
    Unary *fn;
    bool integral; /* integers give integers */
} unaries[] = {
    {TN_OP_neg, negated, true},     {TN_OP_abs, fabs, true},   {TN_OP_sign, sign_of, true},
    {TN_OP_floor, floor, true},     {TN_OP_ceil, ceil, true},  {TN_OP_round, rint, true},
    {TN_OP_trunc, trunc, true},     {TN_OP_exp, exp, false},   {TN_OP_log, log, false},
    {TN_OP_log1p, log1p, false},    {TN_OP_sqrt, sqrt, false}, {TN_OP_rsqrt, rsqrt_of, false},
    {TN_OP_recip, recip_of, false}, {TN_OP_sin, sin, false},   {TN_OP_cos, cos, false},
    {TN_OP_tanh, tanh, false},      {TN_OP_erf, erf, false},   {TN_OP_sigmoid, sigmoid_of, false},
};

/* A function of one number; false when there is none of the kind. */
static bool number_unary(Lang *lang, Op op, Val a, Val *out) {
    double x;
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) {
        if (unaries[i].op == op && tn_val_known(a, &x)) {
            double y = unaries[i].fn(x);
            bool whole = unaries[i].integral && y == floor(y) && fabs(y) < 9e15;
            *out = whole ? tn_val_int(lang, (int64_t)y) : tn_val_float(y);
            return true;
        }
    }
    return false;
}

static Val divide_dims(Lang *lang, Place place, LangOp op, const Dim *a, const Dim *b, bool *done) {
    Ctx *ctx = lang->ctx;
    *done = true;
    if (tn_dim_is(b, 0)) {
        return tn_lang_error(lang, place, "division by zero");
    }
    if (op == LANG_MOD) {
        return tn_val_dim(tn_dim_mod(ctx, a, b));
    }
    if (op == LANG_FLOORDIV) {
        return tn_val_dim(tn_dim_div(ctx, a, b));
    }
    if (tn_dim_is(tn_dim_mod(ctx, a, b), 0)) {
        return tn_val_dim(tn_dim_div(ctx, a, b));
    }
    *done = false;
    return bad;
}

static const Dim *dim_power(Lang *lang, const Dim *a, const Dim *b) {
    if (!tn_dim_is_const(b) || b->value < 0 || b->value > 64) {
        return NULL;
    }
    const Dim *power = tn_dim_const(lang->ctx, 1);
    for (int64_t i = 0; i < b->value; i++) {
        power = tn_dim_mul(lang->ctx, power, a);
    }
    return power;
}

/* Integers, if the result is one; *done tells. */
static Val integer_op(Lang *lang, Place place, LangOp op, const Dim *a, const Dim *b, bool *done) {
    Ctx *ctx = lang->ctx;
    const Dim *result = NULL;
    if (op == LANG_DIV || op == LANG_FLOORDIV || op == LANG_MOD) {
        return divide_dims(lang, place, op, a, b, done);
    }
    result = op == LANG_ADD   ? tn_dim_add(ctx, a, b)
             : op == LANG_SUB ? tn_dim_sub(ctx, a, b)
             : op == LANG_MUL ? tn_dim_mul(ctx, a, b)
             : op == LANG_POW ? dim_power(lang, a, b)
                              : NULL;
    *done = result != NULL && !result->overflow;
    return *done ? tn_val_dim(result) : bad;
}

static double float_op(LangOp op, double a, double b) {
    switch (op) {
    case LANG_ADD:
        return a + b;
    case LANG_SUB:
        return a - b;
    case LANG_MUL:
        return a * b;
    case LANG_DIV:
        return a / b;
    case LANG_FLOORDIV:
        return floor(a / b);
    case LANG_MOD:
        return a - b * floor(a / b);
    default:
        return pow(a, b);
    }
}

const Dim *tn_lang_truth(Lang *lang, LangOp op, const Dim *a, const Dim *b, bool *negate) {
    Ctx *ctx = lang->ctx;
    *negate = op == LANG_GE || op == LANG_LE || op == LANG_NE;
    return op == LANG_EQ || op == LANG_NE   ? tn_dim_eq(ctx, a, b)
           : op == LANG_GT || op == LANG_LE ? tn_dim_lt(ctx, b, a)
                                            : tn_dim_lt(ctx, a, b);
}

/* Comparison of integers; undecided symbolic ones are a mistake. */
static Val compare_dims(Lang *lang, Place place, LangOp op, const Dim *a, const Dim *b) {
    Ctx *ctx = lang->ctx;
    bool negate;
    const Dim *truth = tn_lang_truth(lang, op, a, b, &negate);
    if (!tn_dim_is_const(truth) && lang->lenient) {
        return tn_val_bool(false);
    }
    if (!tn_dim_is_const(truth)) {
        StrBuf text = tn_str(&ctx->scratch);
        tn_dim_print(ctx, a, &text);
        tn_str_printf(&text, " %s ", tn_lang_op_text(op));
        tn_dim_print(ctx, b, &text);
        return tn_lang_error(lang, place, "whether %s is not known at compile time", text.data);
    }
    return tn_val_bool((truth->value != 0) != negate);
}

static bool compare_floats(LangOp op, double a, double b) {
    switch (op) {
    case LANG_LT:
        return a < b;
    case LANG_LE:
        return a <= b;
    case LANG_GT:
        return a > b;
    case LANG_GE:
        return a >= b;
    case LANG_EQ:
        return a == b;
    default:
        return a != b;
    }
}

bool tn_lang_compares(LangOp op) {
    return op >= LANG_LT && op <= LANG_NE;
}

/* Two numbers; *done is false when only a tensor can hold the result. */
static Val number_op(Lang *lang, Place place, LangOp op, Val a, Val b, bool *done) {
    double x;
    double y;
    *done = true;
    if (a.kind == VAL_INT && b.kind == VAL_INT) {
        if (tn_lang_compares(op)) {
            return compare_dims(lang, place, op, a.dim, b.dim);
        }
        Val whole = integer_op(lang, place, op, a.dim, b.dim, done);
        if (*done) {
            return whole;
        }
    }
    *done = tn_val_known(a, &x) && tn_val_known(b, &y);
    if (!*done) {
        return bad;
    }
    if (tn_lang_compares(op)) {
        return tn_val_bool(compare_floats(op, x, y));
    }
    if ((op == LANG_DIV || op == LANG_FLOORDIV || op == LANG_MOD) && y == 0) {
        return tn_lang_error(lang, place, "division by zero");
    }
    return tn_val_float(float_op(op, x, y));
}

/* ---- tensors ---- */

/* The node over operands broadcast to one shape. */
static Value *broadcast_node(Call *call, Op op, Value **in, size_t n) {
    Shape shape = {.rank = 0};
    for (size_t i = 0; i < n; i++) {
        Shape own = tn_shape_of(in[i]);
        if (!tn_shape_broadcast(call, &shape, &own, &shape)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < n; i++) {
        in[i] = tn_make_expand(call, in[i], &shape);
    }
    return tn_make_node(call, op, in, n, NULL, 0);
}

Val tn_lang_map(Lang *lang, Place place, Op op, const Val *v, size_t n) {
    const OpInfo *info = tn_op_info(op);
    DType dtype;
    bool weak;
    Val number;
    size_t from = op == TN_OP_select ? 1 : 0;
    if (!tn_lang_meet(lang, place, v + from, n - from, &dtype, &weak)) {
        return bad;
    }
    if (n == 1 && number_unary(lang, op, v[0], &number)) {
        return number;
    }
    Value *in[3] = {NULL};
    if (dtype == TN_DT_NONE) { /* numbers alone */
        weak = info->domain != DOMAIN_BOOL && v[n - 1].kind != VAL_BOOL;
        dtype = weak ? TN_F64 : TN_BOOL;
    } else if (info->domain == DOMAIN_FLOAT && !tn_dtype_is_float(dtype)) {
        dtype = TN_F32;
    }
    for (size_t i = 0; i < n; i++) {
        bool cond = i < from;
        in[i] = cond ? tn_lang_tensor(lang, place, v[i], TN_BOOL, "the condition")
                     : as_tensor(lang, place, v[i], dtype);
        if (in[i] == NULL) {
            return bad;
        }
    }
    Call *call = tn_lang_start(lang, place, info->name);
    Value *result = broadcast_node(call, op, in, n);
    return set_weak(tn_lang_finish(lang, place, result), weak);
}

static Val map2(Lang *lang, Place place, Op op, Val a, Val b) {
    return tn_lang_map(lang, place, op, (Val[]){a, b}, 2);
}

static Val map1(Lang *lang, Place place, Op op, Val a) {
    return tn_lang_map(lang, place, op, &a, 1);
}

static bool is_int_tensor(Val v) {
    return v.kind == VAL_TENSOR && !tn_dtype_is_float(v.tensor->type.dtype);
}

/* Whether the operands meet in integers. */
static bool meets_in_integers(Val a, Val b) {
    bool int_a = is_int_tensor(a) || a.kind == VAL_INT || a.kind == VAL_BOOL;
    bool int_b = is_int_tensor(b) || b.kind == VAL_INT || b.kind == VAL_BOOL;
    return int_a && int_b;
}

static Val divided(Lang *lang, Place place, LangOp op, Val a, Val b) {
    bool integers = meets_in_integers(a, b) && (a.kind == VAL_TENSOR || b.kind == VAL_TENSOR);
    if (op == LANG_MOD) {
        return map2(lang, place, TN_OP_mod, a, b);
    }
    if (op == LANG_FLOORDIV && integers) {
        Val whole = map2(lang, place, TN_OP_sub, a, map2(lang, place, TN_OP_mod, a, b));
        return map2(lang, place, TN_OP_div, whole, b);
    }
    if (op == LANG_FLOORDIV) {
        return map1(lang, place, TN_OP_floor, map2(lang, place, TN_OP_div, a, b));
    }
    if (integers) { /* a true quotient */
        Value *left = as_tensor(lang, place, a, TN_F32);
        Value *right = as_tensor(lang, place, b, TN_F32);
        if (left == NULL || right == NULL) {
            return bad;
        }
        a = tn_val_tensor(lang, left);
        b = tn_val_tensor(lang, right);
    }
    return map2(lang, place, TN_OP_div, a, b);
}

static Val power(Lang *lang, Place place, Val a, Val b) {
    double y;
    bool known = tn_val_known(b, &y) && a.kind == VAL_TENSOR;
    if (known && y == 1) {
        return a;
    }
    if (known && (y == 2 || y == 3)) {
        Val square = map2(lang, place, TN_OP_mul, a, a);
        return y == 2 ? square : map2(lang, place, TN_OP_mul, square, a);
    }
    if (known && !is_int_tensor(a) && (y == 0.5 || y == -0.5 || y == -1)) {
        return map1(lang, place, y == 0.5 ? TN_OP_sqrt : y == -1 ? TN_OP_recip : TN_OP_rsqrt, a);
    }
    return map2(lang, place, TN_OP_pow, a, b);
}

static Val matmul(Lang *lang, Place place, Val a, Val b) {
    DType dtype;
    bool weak;
    bool known;
    if (!tn_lang_meet(lang, place, (Val[]){a, b}, 2, &dtype, &weak)) {
        return bad;
    }
    if (a.kind != VAL_TENSOR || b.kind != VAL_TENSOR) {
        return tn_lang_error(lang, place, "@ multiplies tensors, found %s",
                             tn_val_describe(lang, a.kind != VAL_TENSOR ? a : b));
    }
    Value *in[] = {as_tensor(lang, place, a, dtype), as_tensor(lang, place, b, dtype)};
    Value *out = NULL;
    if (in[0] == NULL || in[1] == NULL) {
        return bad;
    }
    Call *call = tn_lang_start(lang, place, "matmul");
    call->row = tn_op_row(TN_SV("MatMul"), TN_OPSET_MAX, &known);
    call->in = in;
    call->n_in = 2;
    call->out = &out;
    call->n_out = 1;
    return tn_lang_finish(lang, place, tn_call_run(call) ? out : NULL);
}

static Val tensor_op(Lang *lang, Place place, LangOp op, Val a, Val b) {
    switch (op) {
    case LANG_ADD:
        return map2(lang, place, TN_OP_add, a, b);
    case LANG_SUB:
        return map2(lang, place, TN_OP_sub, a, b);
    case LANG_MUL:
        return map2(lang, place, TN_OP_mul, a, b);
    case LANG_DIV:
    case LANG_FLOORDIV:
    case LANG_MOD:
        return divided(lang, place, op, a, b);
    case LANG_POW:
        return power(lang, place, a, b);
    case LANG_MATMUL:
        return matmul(lang, place, a, b);
    case LANG_LT:
        return map2(lang, place, TN_OP_lt, a, b);
    case LANG_LE:
        return map2(lang, place, TN_OP_le, a, b);
    case LANG_GT:
        return map2(lang, place, TN_OP_lt, b, a);
    case LANG_GE:
        return map2(lang, place, TN_OP_le, b, a);
    case LANG_EQ:
        return map2(lang, place, TN_OP_eq, a, b);
    case LANG_NE:
        return map1(lang, place, TN_OP_not, map2(lang, place, TN_OP_eq, a, b));
    case LANG_AND:
        return map2(lang, place, TN_OP_and, a, b);
    case LANG_OR:
        return map2(lang, place, TN_OP_or, a, b);
    case LANG_NOT:
        return map1(lang, place, TN_OP_not, a);
    case LANG_NEG:
        return map1(lang, place, TN_OP_neg, a);
    }
    return bad;
}

/* ---- lists and texts ---- */

static Val repeat_list(Lang *lang, Place place, const List *list, Val times) {
    int64_t n;
    if (!tn_lang_int(lang, place, times, "how often a list is repeated", &n)) {
        return bad;
    }
    if (n < 0 || (list->n > 0 && (uint64_t)n > LANG_LIST_MAX / list->n) ||
        !tn_lang_work(lang, place, list->n * (size_t)n)) {
        return tn_lang_error(lang, place, "a list has at most %d entries", LANG_LIST_MAX);
    }
    Val *items = TN_NEW_ARRAY(&lang->ctx->arena, Val, list->n * (size_t)n + 1);
    for (size_t i = 0; i < list->n * (size_t)n; i++) {
        items[i] = list->items[i % list->n];
    }
    return tn_val_list(lang, items, list->n * (size_t)n);
}

static Val join_lists(Lang *lang, Place place, const List *a, const List *b) {
    if (a->n + b->n > LANG_LIST_MAX) {
        return tn_lang_error(lang, place, "a list has at most %d entries", LANG_LIST_MAX);
    }
    if (!tn_lang_work(lang, place, a->n + b->n)) {
        return bad;
    }
    Val *items = TN_NEW_ARRAY(&lang->ctx->arena, Val, a->n + b->n + 1);
    for (size_t i = 0; i < a->n + b->n; i++) {
        items[i] = i < a->n ? a->items[i] : b->items[i - a->n];
    }
    return tn_val_list(lang, items, a->n + b->n);
}

static Val join_texts(Lang *lang, Place place, StrView a, StrView b) {
    if (a.len + b.len > LANG_TEXT_MAX) {
        return tn_lang_error(lang, place, "a text has at most %d bytes", LANG_TEXT_MAX);
    }
    StrBuf text = tn_str(&lang->ctx->arena);
    tn_str_puts(&text, "");
    tn_str_write(&text, a.data, a.len);
    tn_str_write(&text, b.data, b.len);
    return tn_val_text((StrView){text.data, text.len});
}

/* ---- operators ---- */

static bool is_operand(Val v) {
    return v.kind == VAL_TENSOR || tn_val_is_number(v);
}

static Val refuse(Lang *lang, Place place, LangOp op, Val a, Val b) {
    const char *left = tn_val_describe(lang, a);
    return tn_lang_error(lang, place, "'%s' between %s and %s", tn_lang_op_text(op), left,
                         tn_val_describe(lang, b));
}

/* + and * of lists and texts, comparison of values that are no numbers, and, or. */
static Val other_op(Lang *lang, Place place, LangOp op, Val a, Val b) {
    if (op == LANG_ADD && a.kind == VAL_LIST && b.kind == VAL_LIST) {
        return join_lists(lang, place, a.list, b.list);
    }
    if (op == LANG_MUL && a.kind == VAL_LIST && b.kind == VAL_INT) {
        return repeat_list(lang, place, a.list, b);
    }
    if (op == LANG_ADD && a.kind == VAL_STRING && b.kind == VAL_STRING) {
        return join_texts(lang, place, a.text, b.text);
    }
    bool tensors = a.kind == VAL_TENSOR || b.kind == VAL_TENSOR;
    bool bools = a.kind == VAL_BOOL && b.kind == VAL_BOOL;
    if ((op == LANG_AND || op == LANG_OR) && bools) {
        return tn_val_bool(op == LANG_AND ? a.truth && b.truth : a.truth || b.truth);
    }
    bool mixed =
        tensors && (is_operand(a) || a.kind == VAL_BOOL) && (is_operand(b) || b.kind == VAL_BOOL);
    if (mixed) {
        return tensor_op(lang, place, op, a, b);
    }
    if (op == LANG_EQ || op == LANG_NE) {
        return tn_val_bool(tn_val_equal(a, b) == (op == LANG_EQ));
    }
    return refuse(lang, place, op, a, b);
}

Val tn_lang_binary(Lang *lang, Place place, LangOp op, Val a, Val b) {
    if (a.kind == VAL_BAD || b.kind == VAL_BAD) {
        return bad;
    }
    if (!is_operand(a) || !is_operand(b) || op == LANG_AND || op == LANG_OR) {
        return other_op(lang, place, op, a, b);
    }
    if (a.kind != VAL_TENSOR && b.kind != VAL_TENSOR && op != LANG_MATMUL) {
        bool done;
        Val result = number_op(lang, place, op, a, b, &done);
        if (done) {
            return result;
        }
    }
    return tensor_op(lang, place, op, a, b);
}

Val tn_lang_unary(Lang *lang, Place place, LangOp op, Val a) {
    if (a.kind == VAL_BAD) {
        return bad;
    }
    if (op == LANG_NOT && a.kind == VAL_BOOL) {
        return tn_val_bool(!a.truth);
    }
    if (op == LANG_NEG && a.kind == VAL_INT) {
        return tn_val_dim(tn_dim_mulc(lang->ctx, a.dim, -1));
    }
    if (!is_operand(a) || (op == LANG_NOT && a.kind != VAL_TENSOR)) {
        return tn_lang_error(lang, place, "'%s' of %s", tn_lang_op_text(op),
                             tn_val_describe(lang, a));
    }
    return tensor_op(lang, place, op, a, a);
}
