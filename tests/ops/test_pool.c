/* test_pool.c: pool_max, pool_sum, pool_argmax, unpool_max. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

/* One pooled dimension. */
static RefTensor pool1(OpTest *t, Op op, RefTensor in, int64_t window, int64_t stride, int64_t lo,
                       int64_t hi, int64_t dilation) {
    return optest_both(t, op, IN_LIST(in),
                       ATTR_LIST(A_LIST(t, window, window), A_LIST(t, strides, stride),
                                 A_LIST(t, pads_lo, lo), A_LIST(t, pads_hi, hi),
                                 A_LIST(t, dilations, dilation)));
}

static void one_dimension(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(5), 1, -2, 3, 4, 0.5);
    RefTensor out = pool1(t, TN_OP_pool_max, in, 2, 1, 0, 0, 1);
    EXPECT_F(&out, D(4), 1, 3, 4, 4);
    out = pool1(t, TN_OP_pool_sum, in, 2, 2, 0, 0, 1);
    EXPECT_F(&out, D(2), -1, 7);
    out = pool1(t, TN_OP_pool_sum, in, 3, 1, 1, 1, 1);
    EXPECT_F(&out, D(5), -1, 2, 5, 7.5, 4.5);
    out = pool1(t, TN_OP_pool_max, in, 2, 1, 0, 0, 3);
    EXPECT_F(&out, D(2), 4, 0.5);
    out = pool1(t, TN_OP_pool_max, in, 3, 2, 2, 2, 2);
    /* Starts -2, 0, 2; taps two apart. */
    EXPECT_F(&out, D(3), 3, 3, 3);
    out = pool1(t, TN_OP_pool_argmax, in, 3, 2, 2, 2, 2);
    EXPECT_I(&out, D(3), 2, 2, 2);
}

/* Padding wider than asked for, as a rounded-up size gives: the last window hangs over. */
static void ceil_windows(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(5), -1, -2, -3, -4, -5);
    RefTensor out = pool1(t, TN_OP_pool_max, in, 2, 2, 0, 1, 1);
    EXPECT_F(&out, D(3), -1, -3, -5);
    /* A window wholly in the padding. */
    out = pool1(t, TN_OP_pool_max, in, 2, 2, 2, 3, 1);
    EXPECT_F(&out, D(5), -INFINITY, -1, -3, -5, -INFINITY);
    out = pool1(t, TN_OP_pool_sum, in, 2, 2, 2, 3, 1);
    EXPECT_F(&out, D(5), 0, -3, -7, -5, 0);
    out = pool1(t, TN_OP_pool_argmax, in, 2, 2, 2, 3, 1);
    EXPECT_I(&out, D(5), 0, 0, 2, 4, 0);
}

static void no_room(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2), 1, 2);
    RefTensor out = pool1(t, TN_OP_pool_max, in, 3, 1, 0, 0, 1);
    EXPECT_F(&out, D(0), 0);
    out = pool1(t, TN_OP_pool_sum, in, 9, 2, 0, 0, 1);
    EXPECT_F(&out, D(0), 0);
    out = pool1(t, TN_OP_pool_sum, T_F(t, D(0), 0), 2, 1, 1, 1, 1);
    EXPECT_F(&out, D(1), 0);
}

static void special_values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(4), 1, NAN, -INFINITY, -INFINITY);
    RefTensor out = pool1(t, TN_OP_pool_max, in, 2, 1, 0, 0, 1);
    EXPECT_F(&out, D(3), NAN, NAN, -INFINITY);
    out = pool1(t, TN_OP_pool_argmax, in, 2, 1, 0, 1, 1);
    EXPECT_I(&out, D(4), 1, 1, 2, 3);
    out = pool1(t, TN_OP_pool_argmax, T_F(t, D(4), 7, 7, 7, 7), 3, 1, 1, 1, 1);
    EXPECT_I(&out, D(4), 0, 0, 1, 2);
    out = pool1(t, TN_OP_pool_max, T_I(t, TN_I8, D(2), -128, -5), 2, 1, 1, 1, 1);
    EXPECT_I(&out, D(3), -128, -5, -5);
    out = pool1(t, TN_OP_pool_sum, T_I(t, TN_U8, D(2), 200, 100), 2, 1, 0, 0, 1);
    EXPECT_I(&out, D(1), 44);
}

static void two_dimensions(void **state) {
    OpTest *t = *state;
    RefTensor in =
        T_F(t, D(1, 2, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -2, -3, -4, -5, -6, -7, -8, -9);
    RefTensor out =
        optest_both(t, TN_OP_pool_max, IN_LIST(in),
                    ATTR_LIST(A_LIST(t, window, 1, 1, 2, 2), A_LIST(t, strides, 1, 1, 1, 2),
                              A_LIST(t, pads_lo, 0, 0, 0, 1), A_LIST(t, pads_hi, 0, 0, 0, 0),
                              A_LIST(t, dilations, 1, 1, 1, 1)));
    EXPECT_F(&out, D(1, 2, 2, 2), 4, 6, 7, 9, -1, -2, -4, -5);
    out = optest_both(t, TN_OP_pool_argmax, IN_LIST(in),
                      ATTR_LIST(A_LIST(t, window, 1, 1, 2, 2), A_LIST(t, strides, 1, 1, 1, 2),
                                A_LIST(t, pads_lo, 0, 0, 0, 1), A_LIST(t, pads_hi, 0, 0, 0, 0),
                                A_LIST(t, dilations, 1, 1, 1, 1)));
    EXPECT_I(&out, D(1, 2, 2, 2), 3, 5, 6, 8, 9, 10, 12, 13);
}

static void random_formulas(void **state) {
    OpTest *t = *state;
    const Op ops[] = {TN_OP_pool_max, TN_OP_pool_sum, TN_OP_pool_argmax};
    const DType dtypes[] = {TN_F32, TN_I8, TN_F64, TN_I32};
    for (int round = 0; round < 300; round++) {
        int64_t dims[2], list[5][2];
        for (int d = 0; d < 2; d++) {
            dims[d] = optest_random(t, 0, 7);
            list[0][d] = optest_random(t, 1, 4);
            list[1][d] = optest_random(t, 1, 3);
            list[2][d] = optest_random(t, 0, 4);
            list[3][d] = optest_random(t, 0, 4);
            list[4][d] = optest_random(t, 1, 3);
        }
        RefTensor in = optest_random_tensor(t, dtypes[round % 4], 2, dims);
        optest_both(t, ops[round % 3], IN_LIST(in),
                    ATTR_LIST(optest_ints(t, TN_ATTR_window, 2, list[0]),
                              optest_ints(t, TN_ATTR_strides, 2, list[1]),
                              optest_ints(t, TN_ATTR_pads_lo, 2, list[2]),
                              optest_ints(t, TN_ATTR_pads_hi, 2, list[3]),
                              optest_ints(t, TN_ATTR_dilations, 2, list[4])));
    }
}

/* ---- unpool_max ---- */

static RefTensor unpool1(OpTest *t, RefTensor in, RefTensor at, int64_t dim, int64_t window,
                         int64_t stride, int64_t lo, int64_t hi, int64_t dilation) {
    return optest_both(t, TN_OP_unpool_max, IN_LIST(in, at),
                       ATTR_LIST(A_LIST(t, dims, dim), A_LIST(t, window, window),
                                 A_LIST(t, strides, stride), A_LIST(t, pads_lo, lo),
                                 A_LIST(t, pads_hi, hi), A_LIST(t, dilations, dilation)));
}

static void unpool_values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2), 3, 5);
    RefTensor out = unpool1(t, in, T_I(t, TN_I64, D(2), 1, 2), 5, 2, 2, 0, 0, 1);
    EXPECT_F(&out, D(5), 0, 3, 5, 0, 0);
    in = T_F(t, D(4), 1, 2, 4, 8);
    /* Windows that overlap: 2 and 4 meet. */
    out = unpool1(t, in, T_I(t, TN_I64, D(4), 0, 2, 2, 4), 5, 2, 1, 0, 0, 1);
    EXPECT_F(&out, D(5), 1, 0, 6, 0, 8);
    /* An entry that is no tap of its window counts for nothing, a window of padding neither. */
    out = unpool1(t, in, T_I(t, TN_I64, D(4), 3, 1, 4, -1), 5, 2, 1, 0, 0, 1);
    EXPECT_F(&out, D(5), 0, 2, 0, 0, 0);
    in = T_F(t, D(5), 1, 2, 4, 8, 16);
    out = unpool1(t, in, T_I(t, TN_I64, D(5), 0, 0, 2, 4, 0), 5, 2, 2, 2, 3, 1);
    EXPECT_F(&out, D(5), 2, 0, 4, 0, 8);
    out = unpool1(t, T_F(t, D(3), 1, 2, 4), T_I(t, TN_I64, D(3), 2, 2, 2), 5, 3, 2, 2, 2, 2);
    EXPECT_F(&out, D(5), 0, 0, 7, 0, 0);
}

static int64_t dot(const RefTensor *a, const RefTensor *b) {
    int64_t sum = 0;
    assert_int_equal(a->count, b->count);
    for (int64_t k = 0; k < a->count; k++) {
        sum += a->i[k] * b->i[k];
    }
    return sum;
}

/* The values of windows that have elements, the others 0. */
static void clear_padding(RefTensor *pooled) {
    for (int64_t k = 0; k < pooled->count; k++) {
        pooled->i[k] = pooled->i[k] == INT64_MIN ? 0 : pooled->i[k];
    }
}

/* <pool_max(x), y> is <x, unpool_max(y)> at the places of the largest. */
static void unpool_is_transpose(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 300; round++) {
        int64_t dims[2], list[5][2];
        for (int d = 0; d < 2; d++) {
            dims[d] = optest_random(t, 1, 7);
            list[0][d] = optest_random(t, 1, 4);
            list[1][d] = optest_random(t, 1, 3);
            list[2][d] = optest_random(t, 0, round % 2 == 0 ? 4 : list[0][d] - 1);
            list[3][d] = optest_random(t, 0, round % 2 == 0 ? 4 : list[0][d] - 1);
            list[4][d] = optest_random(t, 1, 3);
        }
        Attr attrs[6] = {optest_ints(t, TN_ATTR_window, 2, list[0]),
                         optest_ints(t, TN_ATTR_strides, 2, list[1]),
                         optest_ints(t, TN_ATTR_pads_lo, 2, list[2]),
                         optest_ints(t, TN_ATTR_pads_hi, 2, list[3]),
                         optest_ints(t, TN_ATTR_dilations, 2, list[4]),
                         optest_ints(t, TN_ATTR_dims, 2, dims)};
        RefTensor x = optest_random_tensor(t, TN_I64, 2, dims);
        RefTensor pooled = optest_both(t, TN_OP_pool_max, IN_LIST(x), 5, attrs);
        RefTensor at = optest_both(t, TN_OP_pool_argmax, IN_LIST(x), 5, attrs);
        RefTensor y = optest_random_tensor(t, TN_I64, 2, pooled.dims);
        RefTensor put = optest_both(t, TN_OP_unpool_max, IN_LIST(y, at), 6, attrs);
        clear_padding(&pooled);
        assert_int_equal(dot(&pooled, &y), dot(&x, &put));
        /* And with entries that no pooling would make. */
        RefTensor any = optest_random_tensor(t, TN_I64, 2, pooled.dims);
        optest_both(t, TN_OP_unpool_max, IN_LIST(y, any), 6, attrs);
    }
}

static void unpool_checks(void **state) {
    OpTest *t = *state;
    Type f2 = optest_type(t, TN_F32, D(2)), i2 = optest_type(t, TN_I64, D(2));
    Attr attrs[] = {A_LIST(t, dims, 4),    A_LIST(t, window, 2),  A_LIST(t, strides, 2),
                    A_LIST(t, pads_lo, 0), A_LIST(t, pads_hi, 0), A_LIST(t, dilations, 1)};
    assert_non_null(optest_node(t, TN_OP_unpool_max, TYPE_LIST(f2, i2), 6, attrs));
    optest_refused(t, TN_BAD_INPUT, "operand 1 is i32[2], expected i64", TN_OP_unpool_max,
                   TYPE_LIST(f2, optest_type(t, TN_I32, D(2))), 6, attrs);
    optest_refused(t, TN_BAD_INPUT, "operand 1 is i64[3]: dimension 0 differs", TN_OP_unpool_max,
                   TYPE_LIST(f2, optest_type(t, TN_I64, D(3))), 6, attrs);
    attrs[0] = A_LIST(t, dims, 6);
    optest_refused(t, TN_BAD_INPUT, "dimension 0 has 3 windows over 6 elements, operand 0 has 2",
                   TN_OP_unpool_max, TYPE_LIST(f2, i2), 6, attrs);
    attrs[0] = A_LIST(t, dims, 4, 4);
    optest_refused(t, TN_BAD_INPUT, "dims has 2 entries, expected 1", TN_OP_unpool_max,
                   TYPE_LIST(f2, i2), 6, attrs);
}

static void symbolic(void **state) {
    OpTest *t = *state;
    const Dim *n[] = {optest_symbol(t, "N", 1)};
    Type type = tn_type_make(TN_F32, 1, n);
    Value *out =
        optest_node(t, TN_OP_pool_max, TYPE_LIST(type),
                    ATTR_LIST(A_LIST(t, window, 3), A_LIST(t, strides, 1), A_LIST(t, pads_lo, 1),
                              A_LIST(t, pads_hi, 1), A_LIST(t, dilations, 1)));
    assert_ptr_equal(out->type.dims[0], n[0]);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(5), 1, 5, 3, 2, 4)});
    optest_check_formula(t, (RefTensor[]){T_F(t, D(1), 1)});
}

static void refuse(OpTest *t, const char *text, int64_t window, int64_t stride, int64_t lo,
                   int64_t hi, int64_t dilation) {
    optest_refused(t, TN_BAD_INPUT, text, TN_OP_pool_max, TYPE_LIST(optest_type(t, TN_F32, D(4))),
                   ATTR_LIST(A_LIST(t, window, window), A_LIST(t, strides, stride),
                             A_LIST(t, pads_lo, lo), A_LIST(t, pads_hi, hi),
                             A_LIST(t, dilations, dilation)));
}

static void checks(void **state) {
    OpTest *t = *state;
    refuse(t, "pool_max: window[0] is 0, expected at least 1", 0, 1, 0, 0, 1);
    refuse(t, "strides[0] is 0, expected at least 1", 1, 0, 0, 0, 1);
    refuse(t, "pads_lo[0] is -1, expected at least 0", 1, 1, -1, 0, 1);
    refuse(t, "pads_hi[0] is -2, expected at least 0", 1, 1, 0, -2, 1);
    refuse(t, "dilations[0] is 0, expected at least 1", 1, 1, 0, 0, 0);
    optest_refused(t, TN_BAD_INPUT, "window has 1 entries, expected 2", TN_OP_pool_sum,
                   TYPE_LIST(optest_type(t, TN_F32, D(4, 4))),
                   ATTR_LIST(A_LIST(t, window, 2), A_LIST(t, strides, 1, 1),
                             A_LIST(t, pads_lo, 0, 0), A_LIST(t, pads_hi, 0, 0),
                             A_LIST(t, dilations, 1, 1)));
    optest_refused(t, TN_LIMIT, "window[0] is 4294967296, more than 2^31", TN_OP_pool_sum,
                   TYPE_LIST(optest_type(t, TN_F32, D(4))),
                   ATTR_LIST(A_LIST(t, window, (int64_t)1 << 32), A_LIST(t, strides, 1),
                             A_LIST(t, pads_lo, 0), A_LIST(t, pads_hi, 0),
                             A_LIST(t, dilations, 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_dimension, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(ceil_windows, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(no_room, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(special_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(two_dimensions, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(unpool_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(unpool_is_transpose, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(unpool_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
