/* test_scan.c: cumsum. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

static RefTensor sums(OpTest *t, RefTensor in, int64_t axis, int64_t exclusive, int64_t reverse) {
    return optest_both(
        t, TN_OP_cumsum, IN_LIST(in),
        ATTR_LIST(A_INT(axis, axis), A_INT(exclusive, exclusive), A_INT(reverse, reverse)));
}

static void values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6);
    RefTensor out = sums(t, in, 1, 0, 0);
    EXPECT_F(&out, D(2, 3), 1, 3, 6, 4, 9, 15);
    out = sums(t, in, 1, 1, 0);
    EXPECT_F(&out, D(2, 3), 0, 1, 3, 0, 4, 9);
    out = sums(t, in, 1, 0, 1);
    EXPECT_F(&out, D(2, 3), 6, 5, 3, 15, 11, 6);
    out = sums(t, in, 1, 1, 1);
    EXPECT_F(&out, D(2, 3), 5, 3, 0, 11, 6, 0);
    out = sums(t, in, 0, 0, 0);
    EXPECT_F(&out, D(2, 3), 1, 2, 3, 5, 7, 9);
    out = sums(t, in, 0, 1, 1);
    EXPECT_F(&out, D(2, 3), 4, 5, 6, 0, 0, 0);
}

static void special_values(void **state) {
    OpTest *t = *state;
    RefTensor out = sums(t, T_F(t, D(4), 1, INFINITY, -INFINITY, 2), 0, 0, 0);
    EXPECT_F(&out, D(4), 1, INFINITY, NAN, NAN);
    out = sums(t, T_I(t, TN_U8, D(3), 200, 100, 255), 0, 0, 0);
    EXPECT_I(&out, D(3), 200, 44, 43);
    out = sums(t, T_F(t, D(2, 0), 0), 1, 0, 0);
    EXPECT_F(&out, D(2, 0), 0);
    out = sums(t, T_F(t, D(0, 2), 0), 1, 1, 1);
    EXPECT_F(&out, D(0, 2), 0);
    out = sums(t, T_F(t, D(1), 7), 0, 1, 0);
    EXPECT_F(&out, D(1), 0);
}

static void random_formulas(void **state) {
    OpTest *t = *state;
    const DType dtypes[] = {TN_F32, TN_I8, TN_F64, TN_U64};
    for (int round = 0; round < 200; round++) {
        int64_t dims[3];
        for (int d = 0; d < 3; d++) {
            dims[d] = optest_random(t, 0, 5);
        }
        RefTensor in = optest_random_tensor(t, dtypes[round % 4], 3, dims);
        sums(t, in, optest_random(t, 0, 2), optest_random(t, 0, 1), optest_random(t, 0, 1));
    }
}

static void symbolic(void **state) {
    OpTest *t = *state;
    const Dim *dims[] = {optest_symbol(t, "N", 0), optest_symbol(t, "M", 0)};
    Type type = tn_type_make(TN_F32, 2, dims);
    Value *out =
        optest_node(t, TN_OP_cumsum, TYPE_LIST(type), ATTR_LIST(A_INT(axis, 1), A_INT(reverse, 1)));
    assert_ptr_equal(out->type.dims[1], dims[1]);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(2, 2), 1, 5, 3, 2)});
    optest_check_formula(t, (RefTensor[]){T_F(t, D(1, 0), 1)});
}

static void checks(void **state) {
    OpTest *t = *state;
    Type type = optest_type(t, TN_F32, D(4, 2));
    optest_refused(t, TN_BAD_INPUT, "cumsum: axis is 2, outside 0..1", TN_OP_cumsum,
                   TYPE_LIST(type), ATTR_LIST(A_INT(axis, 2)));
    optest_refused(t, TN_BAD_INPUT, "reverse is 2, outside 0..1", TN_OP_cumsum, TYPE_LIST(type),
                   ATTR_LIST(A_INT(axis, 0), A_INT(reverse, 2)));
    optest_refused(t, TN_BAD_INPUT, "exclusive is -1, outside 0..1", TN_OP_cumsum, TYPE_LIST(type),
                   ATTR_LIST(A_INT(axis, 0), A_INT(exclusive, -1)));
    optest_refused(t, TN_BAD_INPUT, "operand 0 is bool[4], expected a number type", TN_OP_cumsum,
                   TYPE_LIST(optest_type(t, TN_BOOL, D(4))), ATTR_LIST(A_INT(axis, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(special_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
