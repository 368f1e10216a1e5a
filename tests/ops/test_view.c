/* test_view.c: reshape, transpose, expand, slice. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ir/lower.h"
#include "tests/support/optest.h"

/* ---- reshape ---- */

static void reshape_values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6);
    RefTensor out = optest_both(t, TN_OP_reshape, IN_LIST(in), ATTR_LIST(A_LIST(t, dims, 3, 1, 2)));
    EXPECT_F(&out, D(3, 1, 2), 1, 2, 3, 4, 5, 6);
    out = optest_both(t, TN_OP_reshape, IN_LIST(T_F(t, D(1, 1), 9)), ATTR_LIST(A_NONE(t, dims)));
    EXPECT_F(&out, SCALAR, 9);
    out = optest_both(t, TN_OP_reshape, IN_LIST(T_F(t, D(0, 3), 0)),
                      ATTR_LIST(A_LIST(t, dims, 5, 0)));
    EXPECT_F(&out, D(5, 0), 0);
}

/* A random shape, regrouped: the same product in random dims with ones thrown in. */
static void reshape_random(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 200; round++) {
        int64_t from[12], to[12];
        int n_from = 0, n_to = 0;
        int64_t from_size = 1, to_size = 1;
        for (int f = 0; f < 4; f++) {
            int64_t factor = optest_random(t, 1, 4);
            from_size *= factor;
            to_size *= factor;
            if (optest_random(t, 0, 1) != 0) {
                from[n_from++] = from_size;
                from_size = 1;
            }
            if (optest_random(t, 0, 1) != 0) {
                to[n_to++] = to_size;
                to_size = 1;
            }
            if (optest_random(t, 0, 3) == 0) {
                to[n_to++] = 1;
            }
        }
        from[n_from++] = from_size;
        to[n_to++] = to_size;
        RefTensor in = optest_random_tensor(t, TN_I32, n_from, from);
        optest_both(t, TN_OP_reshape, IN_LIST(in), 1,
                    (Attr[]){optest_ints(t, TN_ATTR_dims, (uint32_t)n_to, to)});
    }
}

/* Shapes whose grouping is not by common factors: all dims are mixed. */
static void reshape_coprime(void **state) {
    OpTest *t = *state;
    RefTensor in = optest_random_tensor(t, TN_I32, 3, I(4, 3, 5));
    optest_both(t, TN_OP_reshape, IN_LIST(in), ATTR_LIST(A_LIST(t, dims, 5, 3, 4)));
    optest_both(t, TN_OP_reshape, IN_LIST(in), ATTR_LIST(A_LIST(t, dims, 6, 10)));
}

/* What tn_lower_reshape asks its operand for. */
static const Dim *asked[TN_MAX_RANK];

static Expr *record(Lower *lower, const Value *value, const Dim *const *index) {
    for (int d = 0; d < value->type.rank; d++) {
        asked[d] = index[d];
    }
    return tn_expr_const_f(lower->ctx, TN_F32, 0);
}

/* Dims a reshape leaves alone keep their index, symbolic ones too. */
static void reshape_keeps_dims(void **state) {
    OpTest *t = *state;
    Ctx *ctx = &t->ctx;
    const Dim *n = optest_symbol(t, "N", 1);
    const Dim *s = optest_symbol(t, "S", 1);
    const Dim *c4 = tn_dim_const(ctx, 4), *c3 = tn_dim_const(ctx, 3);
    const Dim *from[] = {tn_dim_mul(ctx, n, s), tn_dim_const(ctx, 12), tn_dim_const(ctx, 1)};
    const Dim *to[] = {n, s, c4, c3};
    Type type = tn_type_make(TN_F32, 3, from);
    Value *out =
        optest_node(t, TN_OP_reshape, TYPE_LIST(type), ATTR_LIST(optest_dims(TN_ATTR_dims, 4, to)));
    assert_non_null(out);
    assert_int_equal(t->graph->constraints.len, 0);
    const Dim *index[4];
    for (int d = 0; d < 4; d++) {
        index[d] = tn_dim_loop_var(ctx, "i", to[d]);
    }
    Lower lower = {.ctx = ctx, .read = record};
    assert_non_null(tn_op_info(TN_OP_reshape)->element(&lower, t->node, index));
    assert_ptr_equal(asked[0], tn_dim_add(ctx, tn_dim_mul(ctx, index[0], s), index[1]));
    assert_ptr_equal(asked[1], tn_dim_add(ctx, tn_dim_mulc(ctx, index[2], 3), index[3]));
    assert_ptr_equal(asked[2], tn_dim_const(ctx, 0));
}

static void reshape_checks(void **state) {
    OpTest *t = *state;
    Type f23 = optest_type(t, TN_F32, D(2, 3));
    optest_refused(t, TN_BAD_INPUT, "f32[2,3] has 6 elements, f32[4] has 4", TN_OP_reshape,
                   TYPE_LIST(f23), ATTR_LIST(A_LIST(t, dims, 4)));
    optest_refused(t, TN_BAD_INPUT, "result dimension 0 would be -1, which is negative",
                   TN_OP_reshape, TYPE_LIST(f23), ATTR_LIST(A_LIST(t, dims, -1, -6)));
    const Dim *n[] = {optest_symbol(t, "N", 0)};
    Type symbolic = tn_type_make(TN_F32, 1, n);
    assert_non_null(
        optest_node(t, TN_OP_reshape, TYPE_LIST(symbolic), ATTR_LIST(A_LIST(t, dims, 2, 3))));
    assert_int_equal(t->graph->constraints.len, 1);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(6), 1, 2, 3, 4, 5, 6)});
    RefTensor out;
    assert_false(optest_eval(t, (RefTensor[]){T_F(t, D(5), 1, 2, 3, 4, 5)}, &out));
}

/* ---- transpose ---- */

static void transpose_values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_I(t, TN_I64, D(2, 1, 3), 1, 2, 3, 4, 5, 6);
    RefTensor out =
        optest_both(t, TN_OP_transpose, IN_LIST(in), ATTR_LIST(A_LIST(t, perm, 2, 0, 1)));
    EXPECT_I(&out, D(3, 2, 1), 1, 4, 2, 5, 3, 6);
    in = optest_random_tensor(t, TN_F32, 4, I(2, 3, 4, 5));
    out = optest_both(t, TN_OP_transpose, IN_LIST(in), ATTR_LIST(A_LIST(t, perm, 3, 1, 0, 2)));
    /* Element (4,2,1,3) of the result is (1,2,3,4) of the operand. */
    assert_true(out.f[((4 * 3 + 2) * 2 + 1) * 4 + 3] == in.f[((1 * 3 + 2) * 4 + 3) * 5 + 4]);
    out = optest_both(t, TN_OP_transpose, IN_LIST(T_F(t, SCALAR, 3)), ATTR_LIST(A_NONE(t, perm)));
    EXPECT_F(&out, SCALAR, 3);
}

static void transpose_checks(void **state) {
    OpTest *t = *state;
    Type f23 = optest_type(t, TN_F32, D(2, 3));
    optest_refused(t, TN_BAD_INPUT, "perm has 1 entries, expected 2", TN_OP_transpose,
                   TYPE_LIST(f23), ATTR_LIST(A_LIST(t, perm, 0)));
    optest_refused(t, TN_BAD_INPUT, "perm[1] is 2, outside 0..1", TN_OP_transpose, TYPE_LIST(f23),
                   ATTR_LIST(A_LIST(t, perm, 0, 2)));
    optest_refused(t, TN_BAD_INPUT, "perm[0] is -1, outside 0..1", TN_OP_transpose, TYPE_LIST(f23),
                   ATTR_LIST(A_LIST(t, perm, -1, 0)));
    optest_refused(t, TN_BAD_INPUT, "perm names dimension 1 twice", TN_OP_transpose, TYPE_LIST(f23),
                   ATTR_LIST(A_LIST(t, perm, 1, 1)));
}

/* ---- expand ---- */

static void expand_values(void **state) {
    OpTest *t = *state;
    RefTensor out = optest_both(t, TN_OP_expand, IN_LIST(T_F(t, D(3), 1, 2, 3)),
                                ATTR_LIST(A_LIST(t, dims, 2, 3), A_LIST(t, axes, 1)));
    EXPECT_F(&out, D(2, 3), 1, 2, 3, 1, 2, 3);
    out = optest_both(t, TN_OP_expand, IN_LIST(T_F(t, D(3), 1, 2, 3)),
                      ATTR_LIST(A_LIST(t, dims, 3, 2), A_LIST(t, axes, 0)));
    EXPECT_F(&out, D(3, 2), 1, 1, 2, 2, 3, 3);
    out = optest_both(t, TN_OP_expand, IN_LIST(T_F(t, D(1, 2), 1, 2)),
                      ATTR_LIST(A_LIST(t, dims, 2, 2), A_LIST(t, axes, 0, 1)));
    EXPECT_F(&out, D(2, 2), 1, 2, 1, 2);
    /* Axes out of order transpose. */
    out = optest_both(t, TN_OP_expand, IN_LIST(T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6)),
                      ATTR_LIST(A_LIST(t, dims, 3, 1, 2), A_LIST(t, axes, 2, 0)));
    EXPECT_F(&out, D(3, 1, 2), 1, 4, 2, 5, 3, 6);
    out = optest_both(t, TN_OP_expand, IN_LIST(T_F(t, SCALAR, 5)),
                      ATTR_LIST(A_LIST(t, dims, 2, 0), A_NONE(t, axes)));
    EXPECT_F(&out, D(2, 0), 0);
}

static void expand_symbolic(void **state) {
    OpTest *t = *state;
    const Dim *n[] = {optest_symbol(t, "N", 1)};
    Type type = tn_type_make(TN_F32, 1, n);
    assert_non_null(optest_node(t, TN_OP_expand, TYPE_LIST(type),
                                ATTR_LIST(A_LIST(t, dims, 2, 3), A_LIST(t, axes, 1))));
    assert_int_equal(t->graph->constraints.len, 1);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(1), 7)});
    optest_check_formula(t, (RefTensor[]){T_F(t, D(3), 7, 8, 9)});
    RefTensor out;
    assert_false(optest_eval(t, (RefTensor[]){T_F(t, D(2), 7, 8)}, &out));
}

static void expand_checks(void **state) {
    OpTest *t = *state;
    Type f2 = optest_type(t, TN_F32, D(2));
    optest_refused(t, TN_BAD_INPUT, "operand dimension 0 is 2, expected 1 or 3", TN_OP_expand,
                   TYPE_LIST(f2), ATTR_LIST(A_LIST(t, dims, 3), A_LIST(t, axes, 0)));
    optest_refused(t, TN_BAD_INPUT, "axes[0] is 1, outside 0..0", TN_OP_expand, TYPE_LIST(f2),
                   ATTR_LIST(A_LIST(t, dims, 2), A_LIST(t, axes, 1)));
    optest_refused(t, TN_BAD_INPUT, "axes has 2 entries, expected 1", TN_OP_expand, TYPE_LIST(f2),
                   ATTR_LIST(A_LIST(t, dims, 2, 2), A_LIST(t, axes, 0, 1)));
    optest_refused(t, TN_LIMIT, "more elements than the limit of 2^40", TN_OP_expand, TYPE_LIST(f2),
                   ATTR_LIST(A_LIST(t, dims, 2, 1 << 20, 1 << 20), A_LIST(t, axes, 0)));
    int64_t ones[17] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2};
    optest_refused(t, TN_LIMIT, "17 dimensions, at most 16", TN_OP_expand, TYPE_LIST(f2),
                   ATTR_LIST(optest_ints(t, TN_ATTR_dims, 17, ones), A_LIST(t, axes, 16)));
}

/* ---- slice ---- */

static void slice_values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_I(t, TN_I32, D(3, 4), 0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23);
    RefTensor out = optest_both(
        t, TN_OP_slice, IN_LIST(in),
        ATTR_LIST(A_LIST(t, starts, 2, 1), A_LIST(t, steps, -1, 2), A_LIST(t, dims, 3, 2)));
    EXPECT_I(&out, D(3, 2), 21, 23, 11, 13, 1, 3);
    out = optest_both(
        t, TN_OP_slice, IN_LIST(in),
        ATTR_LIST(A_LIST(t, starts, 1, 3), A_LIST(t, steps, 1, -3), A_LIST(t, dims, 1, 2)));
    EXPECT_I(&out, D(1, 2), 13, 10);
    /* Nothing taken: the start may lie anywhere. */
    out = optest_both(
        t, TN_OP_slice, IN_LIST(in),
        ATTR_LIST(A_LIST(t, starts, 3, 99), A_LIST(t, steps, 1, 1), A_LIST(t, dims, 0, 0)));
    EXPECT_I(&out, D(0, 0), 0);
}

static void slice_symbolic(void **state) {
    OpTest *t = *state;
    Ctx *ctx = &t->ctx;
    const Dim *n[] = {optest_symbol(t, "N", 2)};
    Type type = tn_type_make(TN_F32, 1, n);
    const Dim *last[] = {tn_dim_addc(ctx, n[0], -1)};
    /* Backwards over everything: proved to fit. */
    assert_non_null(optest_node(t, TN_OP_slice, TYPE_LIST(type),
                                ATTR_LIST(optest_dims(TN_ATTR_starts, 1, last),
                                          A_LIST(t, steps, -1), optest_dims(TN_ATTR_dims, 1, n))));
    assert_int_equal(t->graph->constraints.len, 0);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(4), 1, 2, 3, 4)});
    RefTensor out;
    assert_true(optest_eval(t, (RefTensor[]){T_F(t, D(4), 1, 2, 3, 4)}, &out));
    EXPECT_F(&out, D(4), 4, 3, 2, 1);
    /* Three elements from 1: only where there are four. */
    assert_non_null(
        optest_node(t, TN_OP_slice, TYPE_LIST(type),
                    ATTR_LIST(A_LIST(t, starts, 1), A_LIST(t, steps, 1), A_LIST(t, dims, 3))));
    assert_int_equal(t->graph->constraints.len, 1);
    optest_check_formula(t, (RefTensor[]){T_F(t, D(4), 1, 2, 3, 4)});
    assert_false(optest_eval(t, (RefTensor[]){T_F(t, D(3), 1, 2, 3)}, &out));
    assert_non_null(strstr(t->ctx.diags.items.data[0].text, "leave dimension 0 of size N"));
}

static void slice_checks(void **state) {
    OpTest *t = *state;
    Type f3 = optest_type(t, TN_F32, D(3));
    optest_refused(t, TN_BAD_INPUT, "steps[0] is 0", TN_OP_slice, TYPE_LIST(f3),
                   ATTR_LIST(A_LIST(t, starts, 0), A_LIST(t, steps, 0), A_LIST(t, dims, 1)));
    optest_refused(t, TN_BAD_INPUT, "leave dimension 0 of size 3", TN_OP_slice, TYPE_LIST(f3),
                   ATTR_LIST(A_LIST(t, starts, 1), A_LIST(t, steps, 1), A_LIST(t, dims, 3)));
    optest_refused(t, TN_BAD_INPUT, "leave dimension 0", TN_OP_slice, TYPE_LIST(f3),
                   ATTR_LIST(A_LIST(t, starts, -1), A_LIST(t, steps, 1), A_LIST(t, dims, 2)));
    optest_refused(t, TN_BAD_INPUT, "leave dimension 0", TN_OP_slice, TYPE_LIST(f3),
                   ATTR_LIST(A_LIST(t, starts, 1), A_LIST(t, steps, -1), A_LIST(t, dims, 3)));
    optest_refused(t, TN_BAD_INPUT, "starts has 2 entries, expected 1", TN_OP_slice, TYPE_LIST(f3),
                   ATTR_LIST(A_LIST(t, starts, 0, 0), A_LIST(t, steps, 1), A_LIST(t, dims, 3)));
    optest_refused(t, TN_BAD_INPUT, "dims has 0 entries, expected 1", TN_OP_slice, TYPE_LIST(f3),
                   ATTR_LIST(A_LIST(t, starts, 0), A_LIST(t, steps, 1), A_NONE(t, dims)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reshape_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(reshape_random, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(reshape_coprime, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(reshape_keeps_dims, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(reshape_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(transpose_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(transpose_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(expand_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(expand_symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(expand_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(slice_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(slice_symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(slice_checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
