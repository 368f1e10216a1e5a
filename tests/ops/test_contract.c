/* test_contract.c: the general dot product. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

static RefTensor contract(OpTest *t, RefTensor a, RefTensor b, Attr lhs, Attr rhs, int64_t batch) {
    return optest_both(t, TN_OP_contract, IN_LIST(a, b), ATTR_LIST(A_INT(batch, batch), lhs, rhs));
}

#define LHS(...) A_LIST(t, lhs_contract, __VA_ARGS__)
#define RHS(...) A_LIST(t, rhs_contract, __VA_ARGS__)

static void matrices(void **state) {
    OpTest *t = *state;
    RefTensor a = T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6);
    RefTensor b = T_F(t, D(3, 2), 7, 8, 9, 10, 11, 12);
    RefTensor out = contract(t, a, b, LHS(1), RHS(0), 0);
    EXPECT_F(&out, D(2, 2), 58, 64, 139, 154);
    out = contract(t, b, a, LHS(0), RHS(1), 0);
    EXPECT_F(&out, D(2, 2), 58, 139, 64, 154);
    RefTensor v = T_F(t, D(3), 1, 0, -1);
    out = contract(t, a, v, LHS(1), RHS(0), 0);
    EXPECT_F(&out, D(2), -2, -2);
    out = contract(t, v, v, LHS(0), RHS(0), 0);
    EXPECT_F(&out, SCALAR, 2);
    out = contract(t, v, T_F(t, D(2), 2, 3), A_NONE(t, lhs_contract), A_NONE(t, rhs_contract), 0);
    EXPECT_F(&out, D(3, 2), 2, 3, 0, 0, -2, -3);
}

static void batches(void **state) {
    OpTest *t = *state;
    RefTensor a = T_I(t, TN_I32, D(2, 1, 2), 1, 2, 3, 4);
    RefTensor b = T_I(t, TN_I32, D(2, 2, 2), 1, 0, 0, 1, 5, 6, 7, 8);
    RefTensor out = contract(t, a, b, LHS(2), RHS(1), 1);
    EXPECT_I(&out, D(2, 1, 2), 1, 2, 43, 50);
    out = contract(t, a, b, LHS(2), RHS(2), 1);
    EXPECT_I(&out, D(2, 1, 2), 1, 2, 39, 53);
    out = contract(t, T_I(t, TN_I32, D(3), 1, 2, 3), T_I(t, TN_I32, D(3), 4, 5, 6),
                   A_NONE(t, lhs_contract), A_NONE(t, rhs_contract), 1);
    EXPECT_I(&out, D(3), 4, 10, 18);
}

static void several_dims(void **state) {
    OpTest *t = *state;
    /* Both dims of a 2x2 against those of another, the second pair crossed. */
    RefTensor a = T_F(t, D(2, 2), 1, 2, 3, 4);
    RefTensor b = T_F(t, D(2, 2), 10, 20, 30, 40);
    RefTensor out = contract(t, a, b, LHS(0, 1), RHS(0, 1), 0);
    EXPECT_F(&out, SCALAR, 300);
    out = contract(t, a, b, LHS(0, 1), RHS(1, 0), 0);
    EXPECT_F(&out, SCALAR, 290);
}

static void nothing_summed(void **state) {
    OpTest *t = *state;
    RefTensor out = contract(t, T_F(t, D(2, 0), 0), T_F(t, D(0, 3), 0), LHS(1), RHS(0), 0);
    EXPECT_F(&out, D(2, 3), 0, 0, 0, 0, 0, 0);
    out = contract(t, T_F(t, D(0, 2), 0), T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6), LHS(1), RHS(0), 0);
    EXPECT_F(&out, D(0, 3), 0);
    RefTensor nan = T_F(t, D(1, 1), NAN);
    out = contract(t, nan, T_F(t, D(1, 1), 0), LHS(1), RHS(0), 0);
    EXPECT_F(&out, D(1, 1), NAN);
}

static void integers_wrap(void **state) {
    OpTest *t = *state;
    RefTensor a = T_I(t, TN_I8, D(1, 2), 100, 100);
    RefTensor out = contract(t, a, T_I(t, TN_I8, D(2, 1), 2, 3), LHS(1), RHS(0), 0);
    EXPECT_I(&out, D(1, 1), -12);
    RefTensor b = T_I(t, TN_U64, D(1), -1);
    out = contract(t, b, b, LHS(0), RHS(0), 0);
    EXPECT_I(&out, SCALAR, 1);
}

/* Random roles of dims against a sum written out over single elements. */
static void random_formulas(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 100; round++) {
        int64_t b = optest_random(t, 1, 3), m = optest_random(t, 0, 4);
        int64_t k = optest_random(t, 0, 4), n = optest_random(t, 1, 4);
        bool swap_l = optest_random(t, 0, 1) != 0, swap_r = optest_random(t, 0, 1) != 0;
        int64_t l_dims[3] = {b, swap_l ? k : m, swap_l ? m : k};
        int64_t r_dims[3] = {b, swap_r ? n : k, swap_r ? k : n};
        RefTensor l = optest_random_tensor(t, TN_I32, 3, l_dims);
        RefTensor r = optest_random_tensor(t, TN_I32, 3, r_dims);
        RefTensor out = contract(t, l, r, LHS(swap_l ? 1 : 2), RHS(swap_r ? 2 : 1), 1);
        for (int64_t i = 0; i < b * m * n; i++) {
            int64_t at_b = i / (m * n), at_m = i / n % m, at_n = i % n, sum = 0;
            for (int64_t j = 0; j < k; j++) {
                int64_t in_l = at_b * m * k + (swap_l ? j * m + at_m : at_m * k + j);
                int64_t in_r = at_b * n * k + (swap_r ? at_n * k + j : j * n + at_n);
                sum += l.i[in_l] * r.i[in_r];
            }
            assert_int_equal(out.i[i], sum);
        }
    }
}

static void symbolic(void **state) {
    OpTest *t = *state;
    const Dim *n = optest_symbol(t, "N", 0), *k = optest_symbol(t, "K", 0);
    const Dim *j = optest_symbol(t, "J", 0), *two = tn_dim_const(&t->ctx, 2);
    Type a = tn_type_make(TN_F32, 2, (const Dim *[]){n, k});
    Type b = tn_type_make(TN_F32, 2, (const Dim *[]){k, two});
    Type c = tn_type_make(TN_F32, 2, (const Dim *[]){j, two});
    Value *out = optest_node(t, TN_OP_contract, TYPE_LIST(a, b), ATTR_LIST(LHS(1), RHS(0)));
    assert_ptr_equal(out->type.dims[0], n);
    assert_int_equal(t->graph->constraints.len, 0);
    RefTensor in[2] = {T_F(t, D(1, 3), 1, 2, 3), T_F(t, D(3, 2), 1, 2, 3, 4, 5, 6)};
    optest_check_formula(t, in);
    assert_non_null(optest_node(t, TN_OP_contract, TYPE_LIST(a, c), ATTR_LIST(LHS(1), RHS(0))));
    assert_int_equal(t->graph->constraints.len, 1);
    RefTensor result;
    assert_true(optest_eval(t, in, &result));
    EXPECT_F(&result, D(1, 2), 22, 28);
    in[1] = T_F(t, D(2, 2), 1, 2, 3, 4);
    assert_false(optest_eval(t, in, &result));
    assert_non_null(strstr(t->ctx.diags.items.data[0].text, "contracted dimension 1"));
}

static void checks(void **state) {
    OpTest *t = *state;
    Type a = optest_type(t, TN_F32, D(2, 3));
    Type b = optest_type(t, TN_F32, D(4, 2));
    optest_refused(t, TN_BAD_INPUT, "contracted dimension 1 of f32[2,3] and 0 of f32[4,2] differ",
                   TN_OP_contract, TYPE_LIST(a, b), ATTR_LIST(LHS(1), RHS(0)));
    optest_refused(t, TN_BAD_INPUT, "batch dimension 0 of f32[2,3] and 0 of f32[4,2] differ",
                   TN_OP_contract, TYPE_LIST(a, b), ATTR_LIST(A_INT(batch, 1), LHS(1), RHS(1)));
    optest_refused(t, TN_BAD_INPUT, "batch is 3, outside 0..2", TN_OP_contract, TYPE_LIST(a, b),
                   ATTR_LIST(A_INT(batch, 3), LHS(1), RHS(1)));
    optest_refused(t, TN_BAD_INPUT, "rhs_contract has 2 entries, expected 1", TN_OP_contract,
                   TYPE_LIST(a, b), ATTR_LIST(LHS(0), RHS(1, 0)));
    optest_refused(t, TN_BAD_INPUT, "lhs_contract names dimension 0, one of the 1 batch ones",
                   TN_OP_contract, TYPE_LIST(a, a), ATTR_LIST(A_INT(batch, 1), LHS(0), RHS(0)));
    optest_refused(t, TN_BAD_INPUT, "rhs_contract[0] is 2, outside 0..1", TN_OP_contract,
                   TYPE_LIST(a, b), ATTR_LIST(LHS(0), RHS(2)));
    optest_refused(t, TN_BAD_INPUT, "operand 1 has elements of f64", TN_OP_contract,
                   TYPE_LIST(a, optest_type(t, TN_F64, D(3))), ATTR_LIST(LHS(1), RHS(0)));
    int64_t nine[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, -1};
    Type wide = optest_type(t, TN_F32, nine);
    optest_refused(t, TN_LIMIT, "18 dimensions, at most 16", TN_OP_contract, TYPE_LIST(wide, wide),
                   ATTR_LIST(A_NONE(t, lhs_contract), A_NONE(t, rhs_contract)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matrices, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(batches, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(several_dims, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(nothing_summed, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integers_wrap, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
