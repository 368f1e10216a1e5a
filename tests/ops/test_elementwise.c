/* test_elementwise.c: the MAP rows: types, values, corner cases, formulas. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

/* ---- values ---- */

static RefTensor unary_f(OpTest *t, Op op, double a) {
    return optest_run(t, op, IN_LIST(T_F(t, D(1), a)), NO_ATTRS);
}

static RefTensor binary_f(OpTest *t, Op op, double a, double b) {
    return optest_run(t, op, IN_LIST(T_F(t, D(1), a), T_F(t, D(1), b)), NO_ATTRS);
}

static void expect_unary(OpTest *t, Op op, double a, double expected) {
    RefTensor out = unary_f(t, op, a);
    EXPECT_F(&out, D(1), expected);
}

static void expect_binary(OpTest *t, Op op, double a, double b, double expected) {
    RefTensor out = binary_f(t, op, a, b);
    EXPECT_F(&out, D(1), expected);
}

static void expect_int(OpTest *t, Op op, DType dtype, int64_t a, int64_t b, int64_t expected) {
    RefTensor out =
        optest_run(t, op, IN_LIST(T_I(t, dtype, D(1), a), T_I(t, dtype, D(1), b)), NO_ATTRS);
    EXPECT_I(&out, D(1), expected);
}

static void expect_int1(OpTest *t, Op op, DType dtype, int64_t a, int64_t expected) {
    RefTensor out = optest_run(t, op, IN_LIST(T_I(t, dtype, D(1), a)), NO_ATTRS);
    EXPECT_I(&out, D(1), expected);
}

static void float_arithmetic(void **state) {
    OpTest *t = *state;
    RefTensor out = optest_run(
        t, TN_OP_sub,
        IN_LIST(T_F(t, D(2, 2), 1, 2.5, -3, INFINITY), T_F(t, D(2, 2), 0.5, 4, -3, INFINITY)),
        NO_ATTRS);
    EXPECT_F(&out, D(2, 2), 0.5, -1.5, 0, NAN);
    expect_binary(t, TN_OP_add, 1.25, -3, -1.75);
    expect_binary(t, TN_OP_mul, -1.5, 4, -6);
    expect_binary(t, TN_OP_div, 1, 0, INFINITY);
    expect_binary(t, TN_OP_div, 7, -2, -3.5);
    expect_binary(t, TN_OP_mod, -7, 3, 2);
    expect_binary(t, TN_OP_mod, 7, -3, -2);
    expect_binary(t, TN_OP_mod, 6, 3, 0);
    expect_binary(t, TN_OP_mod, 6, 0, NAN);
    expect_binary(t, TN_OP_rem, -7, 3, -1);
    expect_binary(t, TN_OP_rem, 5.5, -2, 1.5);
    expect_binary(t, TN_OP_pow, 2, -2, 0.25);
    expect_binary(t, TN_OP_pow, -8, 3, -512);
}

static void nan_and_infinity(void **state) {
    OpTest *t = *state;
    expect_binary(t, TN_OP_min, NAN, 1, NAN);
    expect_binary(t, TN_OP_min, 1, NAN, NAN);
    expect_binary(t, TN_OP_max, NAN, 1, NAN);
    expect_binary(t, TN_OP_max, 1, NAN, NAN);
    expect_binary(t, TN_OP_min, -INFINITY, 1, -INFINITY);
    expect_binary(t, TN_OP_max, -1, 3, 3);
    expect_unary(t, TN_OP_sign, NAN, NAN);
    expect_unary(t, TN_OP_sign, -INFINITY, -1);
    expect_unary(t, TN_OP_sign, 0, 0);
    expect_unary(t, TN_OP_abs, -INFINITY, INFINITY);
    expect_unary(t, TN_OP_neg, 3.5, -3.5);
    expect_unary(t, TN_OP_exp, -INFINITY, 0);
    expect_unary(t, TN_OP_log, 0, -INFINITY);
    expect_unary(t, TN_OP_sqrt, -1, NAN);
    expect_unary(t, TN_OP_sigmoid, -INFINITY, 0);
}

static void functions(void **state) {
    OpTest *t = *state;
    expect_unary(t, TN_OP_floor, -1.5, -2);
    expect_unary(t, TN_OP_ceil, -1.5, -1);
    expect_unary(t, TN_OP_trunc, -1.75, -1);
    expect_unary(t, TN_OP_round, 2.5, 2);
    expect_unary(t, TN_OP_round, 3.5, 4);
    expect_unary(t, TN_OP_round, -0.5, 0);
    expect_unary(t, TN_OP_exp, 1, 2.718281828459045);
    expect_unary(t, TN_OP_log, 10, 2.302585092994046);
    expect_unary(t, TN_OP_log1p, 1e-10, 9.9999999995e-11);
    expect_unary(t, TN_OP_sqrt, 2, 1.4142135623730951);
    expect_unary(t, TN_OP_rsqrt, 4, 0.5);
    expect_unary(t, TN_OP_recip, 8, 0.125);
    expect_unary(t, TN_OP_sin, 1, 0.8414709848078965);
    expect_unary(t, TN_OP_cos, 1, 0.5403023058681398);
    expect_unary(t, TN_OP_tanh, 0.5, 0.46211715726000973);
    expect_unary(t, TN_OP_erf, 0.5, 0.5204998778130465);
    expect_unary(t, TN_OP_sigmoid, 1, 0.7310585786300049);
}

static void integers_wrap(void **state) {
    OpTest *t = *state;
    expect_int(t, TN_OP_add, TN_I8, 127, 1, -128);
    expect_int(t, TN_OP_add, TN_U8, 255, 1, 0);
    expect_int(t, TN_OP_sub, TN_U16, 0, 1, 65535);
    expect_int(t, TN_OP_mul, TN_I16, 300, 300, 24464);
    expect_int(t, TN_OP_mul, TN_I32, 65536, 65536, 0);
    expect_int(t, TN_OP_add, TN_I32, INT32_MAX, 1, INT32_MIN);
    expect_int(t, TN_OP_sub, TN_U32, 0, 1, 4294967295);
    expect_int(t, TN_OP_add, TN_I64, INT64_MAX, 1, INT64_MIN);
    expect_int(t, TN_OP_mul, TN_I64, INT64_MAX, 2, -2);
    expect_int(t, TN_OP_sub, TN_U64, 0, 1, -1);
    expect_int1(t, TN_OP_neg, TN_I32, INT32_MIN, INT32_MIN);
    expect_int1(t, TN_OP_neg, TN_U8, 1, 255);
    expect_int1(t, TN_OP_abs, TN_I8, -128, -128);
    expect_int1(t, TN_OP_abs, TN_I32, -5, 5);
    expect_int1(t, TN_OP_sign, TN_I64, -5, -1);
    expect_int1(t, TN_OP_sign, TN_U64, -5, 1);
    expect_int1(t, TN_OP_sign, TN_U8, 0, 0);
}

static void integer_division(void **state) {
    OpTest *t = *state;
    expect_int(t, TN_OP_div, TN_I32, -7, 2, -3);
    expect_int(t, TN_OP_div, TN_I32, 7, -1, -7);
    expect_int(t, TN_OP_div, TN_I32, 7, 0, 0);
    expect_int(t, TN_OP_div, TN_I32, INT32_MIN, -1, INT32_MIN);
    expect_int(t, TN_OP_div, TN_I64, INT64_MIN, -1, INT64_MIN);
    expect_int(t, TN_OP_div, TN_U64, -1, 2, INT64_MAX);
    expect_int(t, TN_OP_mod, TN_I32, -7, 3, 2);
    expect_int(t, TN_OP_mod, TN_I32, 7, -3, -2);
    expect_int(t, TN_OP_mod, TN_I32, 7, 0, 0);
    expect_int(t, TN_OP_mod, TN_I64, INT64_MIN, -1, 0);
    expect_int(t, TN_OP_mod, TN_U64, -1, 10, 5);
    expect_int(t, TN_OP_rem, TN_I32, -7, 3, -1);
    expect_int(t, TN_OP_rem, TN_I32, 7, -3, 1);
    expect_int(t, TN_OP_rem, TN_I64, INT64_MIN, -1, 0);
}

static void integer_power(void **state) {
    OpTest *t = *state;
    expect_int(t, TN_OP_pow, TN_I32, 3, 4, 81);
    expect_int(t, TN_OP_pow, TN_I32, -2, 31, INT32_MIN);
    expect_int(t, TN_OP_pow, TN_I32, 2, 32, 0);
    expect_int(t, TN_OP_pow, TN_I64, 7, 0, 1);
    expect_int(t, TN_OP_pow, TN_I64, 2, -1, 0);
    expect_int(t, TN_OP_pow, TN_I64, 1, -5, 1);
    expect_int(t, TN_OP_pow, TN_I64, -1, -5, -1);
    expect_int(t, TN_OP_pow, TN_I64, -1, -4, 1);
    expect_int(t, TN_OP_pow, TN_U8, 2, 7, 128);
}

static void integer_order(void **state) {
    OpTest *t = *state;
    expect_int(t, TN_OP_min, TN_I64, -1, 1, -1);
    expect_int(t, TN_OP_min, TN_U64, -1, 1, 1);
    expect_int(t, TN_OP_max, TN_U64, -1, 1, -1);
    expect_int(t, TN_OP_lt, TN_I64, -1, 1, 1);
    expect_int(t, TN_OP_lt, TN_U64, -1, 1, 0);
    expect_int(t, TN_OP_le, TN_U64, -1, -1, 1);
    expect_int(t, TN_OP_le, TN_I32, 2, 1, 0);
    expect_int(t, TN_OP_eq, TN_BOOL, 1, 1, 1);
    expect_int(t, TN_OP_lt, TN_BOOL, 0, 1, 1);
}

static void bits(void **state) {
    OpTest *t = *state;
    expect_int(t, TN_OP_bitand, TN_I8, -4, 7, 4);
    expect_int(t, TN_OP_bitor, TN_I8, -4, 1, -3);
    expect_int(t, TN_OP_bitor, TN_U8, 0xf0, 0x0f, 0xff);
    expect_int(t, TN_OP_bitxor, TN_I32, -1, 0x0f, -16);
    expect_int(t, TN_OP_bitxor, TN_U64, -1, 1, -2);
    expect_int1(t, TN_OP_bitnot, TN_U8, 0x0f, 0xf0);
    expect_int1(t, TN_OP_bitnot, TN_U16, 0, 0xffff);
    expect_int1(t, TN_OP_bitnot, TN_I64, 0, -1);
    Type f = optest_type(t, TN_F32, D(1));
    optest_refused(t, TN_BAD_INPUT, "bitand", TN_OP_bitand, TYPE_LIST(f, f), NO_ATTRS);
}

static void shifts(void **state) {
    OpTest *t = *state;
    RefTensor a = T_I(t, TN_U8, D(6), 1, 3, 255, 200, 77, 129);
    RefTensor by = T_I(t, TN_U8, D(6), 7, 0, 4, 8, 255, 1);
    RefTensor out = optest_both(t, TN_OP_shl, IN_LIST(a, by), NO_ATTRS);
    EXPECT_I(&out, D(6), 128, 3, 240, 0, 0, 2);
    out = optest_both(t, TN_OP_shr, IN_LIST(a, by), NO_ATTRS);
    EXPECT_I(&out, D(6), 0, 3, 15, 0, 0, 64);
    a = T_I(t, TN_I32, D(6), -8, -8, 9, INT32_MIN, -1, 5);
    by = T_I(t, TN_I32, D(6), 2, 32, 3, 31, -1, -1);
    out = optest_both(t, TN_OP_shl, IN_LIST(a, by), NO_ATTRS);
    EXPECT_I(&out, D(6), -32, 0, 72, 0, 0, 0);
    out = optest_both(t, TN_OP_shr, IN_LIST(a, by), NO_ATTRS);
    EXPECT_I(&out, D(6), -2, -1, 1, -1, -1, 0);
    a = T_I(t, TN_U64, D(2), -1, INT64_MIN);
    out = optest_both(t, TN_OP_shr, IN_LIST(a, T_I(t, TN_U64, D(2), 63, -1)), NO_ATTRS);
    EXPECT_I(&out, D(2), 1, 0);
    out = optest_both(t, TN_OP_shl, IN_LIST(a, T_I(t, TN_U64, D(2), 63, 0)), NO_ATTRS);
    EXPECT_I(&out, D(2), INT64_MIN, INT64_MIN);
}

/* Checked against another implementation that gives the published answers of Random123 for
 * the keys and counters (0, 0), (all ones, all ones) and the digits of pi. */
static void random_bits(void **state) {
    OpTest *t = *state;
    RefTensor key0 = T_I(t, TN_U32, D(6), 0, 0xffffffff, 0x13198a2e, 1, 0, 0xdeadbeef);
    RefTensor key1 = T_I(t, TN_U32, D(6), 0, 0xffffffff, 0x03707344, 2, 0, 0x12345678);
    RefTensor at = T_I(t, TN_U32, D(6), 0, 0xffffffff, 0x243f6a88, 3, 1, 0x80000000);
    RefTensor out = optest_both(t, TN_OP_random, IN_LIST(key0, key1, at), NO_ATTRS);
    EXPECT_I(&out, D(6), 0x6b200159, 179615050, 2966300554, 2392469163, 1351547692, 1259098864);
    Type i32 = optest_type(t, TN_I32, D(2));
    optest_refused(t, TN_BAD_INPUT, "operand 0 is i32[2], expected u32", TN_OP_random,
                   TYPE_LIST(i32, i32, i32), NO_ATTRS);
}

static void stopped_gradient(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(3), 1, NAN, -INFINITY);
    RefTensor out = optest_both(t, TN_OP_stop_gradient, IN_LIST(in), NO_ATTRS);
    EXPECT_F(&out, D(3), 1, NAN, -INFINITY);
    out = optest_both(t, TN_OP_stop_gradient, IN_LIST(T_I(t, TN_BOOL, D(2), 1, 0)), NO_ATTRS);
    EXPECT_I(&out, D(2), 1, 0);
}

static void comparison_and_logic(void **state) {
    OpTest *t = *state;
    RefTensor a = T_F(t, D(4), 1, NAN, -INFINITY, 0);
    RefTensor b = T_F(t, D(4), 1, NAN, 0, -0.0);
    RefTensor out = optest_run(t, TN_OP_eq, IN_LIST(a, b), NO_ATTRS);
    assert_int_equal(out.dtype, TN_BOOL);
    EXPECT_I(&out, D(4), 1, 0, 0, 1);
    out = optest_run(t, TN_OP_lt, IN_LIST(a, b), NO_ATTRS);
    EXPECT_I(&out, D(4), 0, 0, 1, 0);
    out = optest_run(t, TN_OP_le, IN_LIST(a, b), NO_ATTRS);
    EXPECT_I(&out, D(4), 1, 0, 1, 1);
    out = optest_run(t, TN_OP_isnan, IN_LIST(a), NO_ATTRS);
    EXPECT_I(&out, D(4), 0, 1, 0, 0);
    out = optest_run(t, TN_OP_isinf, IN_LIST(a), NO_ATTRS);
    EXPECT_I(&out, D(4), 0, 0, 1, 0);
    RefTensor p = T_I(t, TN_BOOL, D(4), 0, 0, 1, 1);
    RefTensor q = T_I(t, TN_BOOL, D(4), 0, 1, 0, 1);
    out = optest_run(t, TN_OP_and, IN_LIST(p, q), NO_ATTRS);
    EXPECT_I(&out, D(4), 0, 0, 0, 1);
    out = optest_run(t, TN_OP_or, IN_LIST(p, q), NO_ATTRS);
    EXPECT_I(&out, D(4), 0, 1, 1, 1);
    out = optest_run(t, TN_OP_xor, IN_LIST(p, q), NO_ATTRS);
    EXPECT_I(&out, D(4), 0, 1, 1, 0);
    out = optest_run(t, TN_OP_not, IN_LIST(p), NO_ATTRS);
    EXPECT_I(&out, D(4), 1, 1, 0, 0);
}

static void choice(void **state) {
    OpTest *t = *state;
    RefTensor c = T_I(t, TN_BOOL, D(3), 1, 0, 1);
    RefTensor out = optest_run(
        t, TN_OP_select, IN_LIST(c, T_F(t, D(3), 1, NAN, 3), T_F(t, D(3), NAN, 5, 6)), NO_ATTRS);
    EXPECT_F(&out, D(3), 1, 5, 3);
    RefTensor i = T_I(t, TN_I32, D(3), 7, 8, 9);
    out = optest_run(t, TN_OP_select, IN_LIST(c, i, T_I(t, TN_I32, D(3), -7, -8, -9)), NO_ATTRS);
    EXPECT_I(&out, D(3), 7, -8, 9);
}

static RefTensor cast(OpTest *t, RefTensor in, DType to) {
    return optest_run(t, TN_OP_cast, IN_LIST(in), ATTR_LIST(A_TO(to)));
}

static void conversion(void **state) {
    OpTest *t = *state;
    RefTensor f = T_F(t, D(6), -1.9, 2.9, NAN, 1e30, -1e30, 300);
    RefTensor out = cast(t, f, TN_I32);
    assert_int_equal(out.dtype, TN_I32);
    EXPECT_I(&out, D(6), -1, 2, 0, INT32_MAX, INT32_MIN, 300);
    out = cast(t, f, TN_U8);
    EXPECT_I(&out, D(6), 0, 2, 0, 255, 0, 255);
    out = cast(t, f, TN_I64);
    EXPECT_I(&out, D(6), -1, 2, 0, INT64_MAX, INT64_MIN, 300);
    out = cast(t, f, TN_U64);
    EXPECT_I(&out, D(6), 0, 2, 0, -1, 0, 300);
    out = cast(t, T_F(t, D(4), 0, NAN, -0.0, 0.25), TN_BOOL);
    EXPECT_I(&out, D(4), 0, 1, 0, 1);
    out = cast(t, T_I(t, TN_I64, D(3), 300, -1, INT64_MIN), TN_U8);
    EXPECT_I(&out, D(3), 44, 255, 0);
    out = cast(t, T_I(t, TN_I32, D(2), 200, -200), TN_I8);
    EXPECT_I(&out, D(2), -56, 56);
    out = cast(t, T_I(t, TN_I64, D(2), 7, 0), TN_BOOL);
    EXPECT_I(&out, D(2), 1, 0);
    out = cast(t, T_I(t, TN_U64, D(1), -1), TN_F64);
    EXPECT_F(&out, D(1), 18446744073709551616.0);
    /* 2^24 + 1 has no f32; 2^53 + 1 no f64; 0.1 rounds to the nearest f32. */
    out = cast(t, T_I(t, TN_I64, D(1), 16777217), TN_F32);
    EXPECT_F(&out, D(1), 16777216);
    out = cast(t, optest_floats(t, TN_F64, D(1), F(0.1)), TN_F32);
    assert_true(out.f[0] == 0.100000001490116119384765625);
}

static void no_elements(void **state) {
    OpTest *t = *state;
    RefTensor out =
        optest_both(t, TN_OP_add, IN_LIST(T_F(t, D(0, 3), 0), T_F(t, D(0, 3), 0)), NO_ATTRS);
    EXPECT_F(&out, D(0, 3), 0);
    out = optest_both(t, TN_OP_neg, IN_LIST(T_F(t, SCALAR, 2)), NO_ATTRS);
    EXPECT_F(&out, SCALAR, -2);
}

/* ---- types ---- */

static void refusals(void **state) {
    OpTest *t = *state;
    Type f23 = optest_type(t, TN_F32, D(2, 3));
    Type f24 = optest_type(t, TN_F32, D(2, 4));
    Type f3 = optest_type(t, TN_F32, D(3));
    Type i23 = optest_type(t, TN_I32, D(2, 3));
    Type b23 = optest_type(t, TN_BOOL, D(2, 3));
    optest_refused(t, TN_BAD_INPUT, "add: operand 0 has elements of f32, operand 1 of i32",
                   TN_OP_add, TYPE_LIST(f23, i23), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "ranks differ", TN_OP_mul, TYPE_LIST(f23, f3), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "f32[2,4]: dimension 1 differs", TN_OP_mul, TYPE_LIST(f23, f24),
                   NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "exp: operand 0 is i32[2,3], expected a floating-point type",
                   TN_OP_exp, TYPE_LIST(i23), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "operand 0 is f32[2,3], expected bool", TN_OP_and,
                   TYPE_LIST(f23, b23), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "operand 0 is bool[2,3], expected a number type", TN_OP_add,
                   TYPE_LIST(b23, b23), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "operand 0 is f32[2,3], expected bool", TN_OP_select,
                   TYPE_LIST(f23, f23, f23), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "operand 1 has elements of i32, operand 2 of f32", TN_OP_select,
                   TYPE_LIST(b23, i23, f23), NO_ATTRS);
    optest_refused(t, TN_BAD_INPUT, "cast: cannot convert", TN_OP_cast, TYPE_LIST(f23),
                   ATTR_LIST(A_TO(TN_STRING)));
}

static void symbolic_dims(void **state) {
    OpTest *t = *state;
    const Dim *n[] = {optest_symbol(t, "N", 0)};
    const Dim *m[] = {optest_symbol(t, "M", 0)};
    Type a = tn_type_make(TN_F32, 1, n);
    Type b = tn_type_make(TN_F32, 1, m);
    Value *out = optest_node(t, TN_OP_add, TYPE_LIST(a, a), NO_ATTRS);
    assert_non_null(out);
    assert_ptr_equal(out->type.dims[0], n[0]);
    assert_int_equal(t->graph->constraints.len, 0);
    assert_non_null(optest_node(t, TN_OP_add, TYPE_LIST(a, b), NO_ATTRS));
    assert_int_equal(t->graph->constraints.len, 1);
    RefTensor in[2] = {T_F(t, D(2), 1, 2), T_F(t, D(2), 3, 4)};
    optest_check_formula(t, in);
    RefTensor result;
    in[1] = T_F(t, D(3), 1, 2, 3);
    assert_false(optest_eval(t, in, &result));
    assert_non_null(strstr(t->ctx.diags.items.data[0].text, "dimension 0 differs (2 and 3)"));
}

/* ---- formulas ---- */

/* Every row on every dtype it takes, over random small shapes. */
static void check_row(OpTest *t, Op op, DType dtype) {
    const OpInfo *info = tn_op_info(op);
    int64_t dims[2] = {optest_random(t, 1, 5), optest_random(t, 1, 5)};
    RefTensor in[3];
    for (int i = 0; i < info->n_in; i++) {
        bool condition = op == TN_OP_select && i == 0;
        in[i] = optest_random_tensor(t, condition ? TN_BOOL : dtype, 2, dims);
    }
    optest_both(t, op, (uint32_t)info->n_in, in, NO_ATTRS);
}

static bool takes(MapDomain domain, DType dtype) {
    bool is_float = tn_dtype_is_float(dtype);
    bool is_int = tn_dtype_is_int(dtype);
    return domain == DOMAIN_ANY || (domain == DOMAIN_NUM && (is_float || is_int)) ||
           (domain == DOMAIN_FLOAT && is_float) || (domain == DOMAIN_INT && is_int) ||
           (domain == DOMAIN_U32 && dtype == TN_U32) || (domain == DOMAIN_BOOL && dtype == TN_BOOL);
}

static const DType all_dtypes[] = {TN_F32, TN_F64, TN_I8,  TN_I16, TN_I32, TN_I64,
                                   TN_U8,  TN_U16, TN_U32, TN_U64, TN_BOOL};
enum { N_DTYPES = sizeof all_dtypes / sizeof all_dtypes[0] };

static void formulas(void **state) {
    OpTest *t = *state;
    int checked = 0;
    for (Op op = 0; op < TN_OP_COUNT; op++) {
        const OpInfo *info = tn_op_info(op);
        for (int d = 0; d < N_DTYPES && info->cls == OPC_MAP && op != TN_OP_cast; d++) {
            if (takes(info->domain, all_dtypes[d])) {
                check_row(t, op, all_dtypes[d]);
                checked++;
            }
        }
    }
    assert_true(checked > 150);
    for (int from = 0; from < N_DTYPES; from++) {
        for (int to = 0; to < N_DTYPES; to++) {
            RefTensor in = optest_random_tensor(t, all_dtypes[from], 1, I(7));
            optest_both(t, TN_OP_cast, IN_LIST(in), ATTR_LIST(A_TO(all_dtypes[to])));
        }
    }
}

/* Both sides of every corner the documentation of the rows names. */
static void corner_formulas(void **state) {
    OpTest *t = *state;
    const Op ops[] = {TN_OP_div, TN_OP_mod, TN_OP_rem, TN_OP_min, TN_OP_max, TN_OP_pow};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        RefTensor a = T_I(t, TN_I32, D(5), INT32_MIN, -7, 7, 0, -1);
        RefTensor b = T_I(t, TN_I32, D(5), -1, 0, -3, 5, -3);
        optest_both(t, ops[i], IN_LIST(a, b), NO_ATTRS);
        RefTensor c = T_F(t, D(5), NAN, -7, 7, INFINITY, 0);
        RefTensor d = T_F(t, D(5), 1, 0, NAN, 5, -3);
        optest_both(t, ops[i], IN_LIST(c, d), NO_ATTRS);
    }
    for (int d = 0; d < N_DTYPES; d++) {
        RefTensor wild = T_F(t, D(6), NAN, 1e30, -1e30, -0.75, 127.5, 0);
        optest_both(t, TN_OP_cast, IN_LIST(wild), ATTR_LIST(A_TO(all_dtypes[d])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(float_arithmetic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(nan_and_infinity, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(functions, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integers_wrap, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integer_division, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integer_power, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integer_order, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(bits, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(shifts, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_bits, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(stopped_gradient, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(comparison_and_logic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(choice, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(conversion, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(no_elements, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(refusals, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(symbolic_dims, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(corner_formulas, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
