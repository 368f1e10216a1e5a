/* test_reduce.c: reductions over axes, argmax, argmin. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

static RefTensor reduce(OpTest *t, Op op, RefTensor in, Attr axes) {
    return optest_both(t, op, IN_LIST(in), ATTR_LIST(axes));
}

static void sums(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2, 3), 1, 2, 3, 10, 20, 30);
    RefTensor out = reduce(t, TN_OP_reduce_sum, in, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), 6, 60);
    out = reduce(t, TN_OP_reduce_sum, in, A_LIST(t, axes, 0));
    EXPECT_F(&out, D(3), 11, 22, 33);
    out = reduce(t, TN_OP_reduce_sum, in, A_LIST(t, axes, 1, 0));
    EXPECT_F(&out, SCALAR, 66);
    out = reduce(t, TN_OP_reduce_sum, in, A_NONE(t, axes));
    EXPECT_F(&out, D(2, 3), 1, 2, 3, 10, 20, 30);
    out = reduce(t, TN_OP_reduce_prod, in, A_LIST(t, axes, 0));
    EXPECT_F(&out, D(3), 10, 40, 90);
    RefTensor cube = optest_random_tensor(t, TN_I32, 3, I(2, 3, 4));
    out = reduce(t, TN_OP_reduce_sum, cube, A_LIST(t, axes, 2, 0));
    int64_t middle = 0;
    for (int k = 0; k < 24; k++) {
        middle += k / 4 % 3 == 1 ? cube.i[k] : 0;
    }
    assert_int_equal(out.i[1], middle);
}

static void integer_reductions_wrap(void **state) {
    OpTest *t = *state;
    RefTensor out =
        reduce(t, TN_OP_reduce_sum, T_I(t, TN_I8, D(3), 100, 100, 100), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, 44);
    out = reduce(t, TN_OP_reduce_prod, T_I(t, TN_U8, D(2), 100, 100), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, 16);
    out = reduce(t, TN_OP_reduce_sum, T_I(t, TN_I64, D(2), INT64_MAX, 1), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, INT64_MIN);
    out = reduce(t, TN_OP_reduce_max, T_I(t, TN_U64, D(2), -1, 1), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, -1);
    out = reduce(t, TN_OP_reduce_min, T_I(t, TN_I16, D(3), -5, 7, -6), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, -6);
}

static void nan_wins(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2, 3), 1, NAN, 3, -INFINITY, 5, 2);
    RefTensor out = reduce(t, TN_OP_reduce_max, in, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), NAN, 5);
    out = reduce(t, TN_OP_reduce_min, in, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), NAN, -INFINITY);
}

static void nothing(void **state) {
    OpTest *t = *state;
    RefTensor none = T_F(t, D(2, 0), 0);
    RefTensor out = reduce(t, TN_OP_reduce_sum, none, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), 0, 0);
    out = reduce(t, TN_OP_reduce_prod, none, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), 1, 1);
    out = reduce(t, TN_OP_reduce_max, none, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), -INFINITY, -INFINITY);
    out = reduce(t, TN_OP_reduce_min, none, A_LIST(t, axes, 1));
    EXPECT_F(&out, D(2), INFINITY, INFINITY);
    out = reduce(t, TN_OP_reduce_sum, none, A_LIST(t, axes, 0));
    EXPECT_F(&out, D(0), 0);
    out = reduce(t, TN_OP_reduce_max, T_I(t, TN_I32, D(0), 0), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, INT32_MIN);
    out = reduce(t, TN_OP_reduce_min, T_I(t, TN_I8, D(0), 0), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, 127);
    out = reduce(t, TN_OP_reduce_max, T_I(t, TN_U64, D(0), 0), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, 0);
    out = reduce(t, TN_OP_reduce_min, T_I(t, TN_U64, D(0), 0), A_LIST(t, axes, 0));
    EXPECT_I(&out, SCALAR, -1);
    out = optest_both(t, TN_OP_argmax, IN_LIST(none), ATTR_LIST(A_INT(axis, 1)));
    EXPECT_I(&out, D(2), 0, 0);
}

static RefTensor arg(OpTest *t, Op op, RefTensor in, int64_t axis, int64_t last) {
    return optest_both(t, op, IN_LIST(in), ATTR_LIST(A_INT(axis, axis), A_INT(last, last)));
}

static void positions(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2, 4), 1, 5, 5, 0, 7, -2, -2, 7);
    RefTensor out = arg(t, TN_OP_argmax, in, 1, 0);
    assert_int_equal(out.dtype, TN_I64);
    EXPECT_I(&out, D(2), 1, 0);
    out = arg(t, TN_OP_argmax, in, 1, 1);
    EXPECT_I(&out, D(2), 2, 3);
    out = arg(t, TN_OP_argmin, in, 1, 0);
    EXPECT_I(&out, D(2), 3, 1);
    out = arg(t, TN_OP_argmin, in, 1, 1);
    EXPECT_I(&out, D(2), 3, 2);
    out = arg(t, TN_OP_argmax, in, 0, 0);
    EXPECT_I(&out, D(4), 1, 0, 0, 1);
    RefTensor least = T_F(t, D(3), -INFINITY, -INFINITY, -INFINITY);
    out = arg(t, TN_OP_argmax, least, 0, 0);
    EXPECT_I(&out, SCALAR, 0);
    out = arg(t, TN_OP_argmax, least, 0, 1);
    EXPECT_I(&out, SCALAR, 2);
    RefTensor nans = T_F(t, D(4), 9, NAN, 10, NAN);
    out = arg(t, TN_OP_argmax, nans, 0, 0);
    EXPECT_I(&out, SCALAR, 1);
    out = arg(t, TN_OP_argmin, nans, 0, 1);
    EXPECT_I(&out, SCALAR, 3);
    out = arg(t, TN_OP_argmax, T_I(t, TN_U64, D(3), 1, -1, 2), 0, 0);
    EXPECT_I(&out, SCALAR, 1);
    out = arg(t, TN_OP_argmin, T_I(t, TN_I64, D(3), INT64_MIN, INT64_MIN, 0), 0, 1);
    EXPECT_I(&out, SCALAR, 1);
}

static void random_formulas(void **state) {
    OpTest *t = *state;
    const Op ops[] = {TN_OP_reduce_sum, TN_OP_reduce_prod, TN_OP_reduce_max, TN_OP_reduce_min};
    for (int round = 0; round < 100; round++) {
        int64_t dims[3] = {optest_random(t, 0, 3), optest_random(t, 1, 4), optest_random(t, 1, 4)};
        DType dtype = round % 2 == 0 ? TN_F32 : TN_I16;
        RefTensor in = optest_random_tensor(t, dtype, 3, dims);
        int64_t axes[2] = {optest_random(t, 0, 2), 0};
        axes[1] = (axes[0] + optest_random(t, 1, 2)) % 3;
        uint32_t n = (uint32_t)optest_random(t, 0, 2);
        reduce(t, ops[round % 4], in, optest_ints(t, TN_ATTR_axes, n, axes));
        arg(t, round % 3 == 0 ? TN_OP_argmax : TN_OP_argmin, in, axes[0], round % 5 == 0);
    }
}

static void symbolic(void **state) {
    OpTest *t = *state;
    const Dim *dims[] = {optest_symbol(t, "N", 0), optest_symbol(t, "S", 0)};
    Type type = tn_type_make(TN_F32, 2, dims);
    Value *out = optest_node(t, TN_OP_reduce_sum, TYPE_LIST(type), ATTR_LIST(A_LIST(t, axes, 0)));
    assert_ptr_equal(out->type.dims[0], dims[1]);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6)});
    optest_check_formula(t, (RefTensor[]){T_F(t, D(0, 2), 0)});
}

static void checks(void **state) {
    OpTest *t = *state;
    Type f23 = optest_type(t, TN_F32, D(2, 3));
    optest_refused(t, TN_BAD_INPUT, "reduce_sum: axes[0] is 2, outside 0..1", TN_OP_reduce_sum,
                   TYPE_LIST(f23), ATTR_LIST(A_LIST(t, axes, 2)));
    optest_refused(t, TN_BAD_INPUT, "axes names dimension 1 twice", TN_OP_reduce_max,
                   TYPE_LIST(f23), ATTR_LIST(A_LIST(t, axes, 1, 1)));
    optest_refused(t, TN_BAD_INPUT, "operand 0 is bool[2], expected a number type",
                   TN_OP_reduce_max, TYPE_LIST(optest_type(t, TN_BOOL, D(2))),
                   ATTR_LIST(A_LIST(t, axes, 0)));
    optest_refused(t, TN_BAD_INPUT, "argmax: axis is 2, outside 0..1", TN_OP_argmax, TYPE_LIST(f23),
                   ATTR_LIST(A_INT(axis, 2)));
    optest_refused(t, TN_BAD_INPUT, "last is 2, outside 0..1", TN_OP_argmin, TYPE_LIST(f23),
                   ATTR_LIST(A_INT(axis, 0), A_INT(last, 2)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integer_reductions_wrap, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(nan_wins, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(nothing, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(positions, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
