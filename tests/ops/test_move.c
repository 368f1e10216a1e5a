/* test_move.c: copy, pad, concat, gather, scatter_add. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

static void copies(void **state) {
    OpTest *t = *state;
    RefTensor out = optest_both(t, TN_OP_copy, IN_LIST(T_F(t, D(2, 2), 1, NAN, 3, 4)), NO_ATTRS);
    EXPECT_F(&out, D(2, 2), 1, NAN, 3, 4);
}

/* ---- pad ---- */

static void pad_values(void **state) {
    OpTest *t = *state;
    RefTensor in = T_I(t, TN_I32, D(2, 2), 1, 2, 3, 4);
    RefTensor fill = T_I(t, TN_I32, SCALAR, 9);
    RefTensor out = optest_both(t, TN_OP_pad, IN_LIST(in, fill),
                                ATTR_LIST(A_LIST(t, lo, 1, 0), A_LIST(t, hi, 0, 2)));
    EXPECT_I(&out, D(3, 4), 9, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9);
    out =
        optest_both(t, TN_OP_pad, IN_LIST(in, fill),
                    ATTR_LIST(A_LIST(t, lo, 0, 1), A_LIST(t, hi, 0, 0), A_LIST(t, interior, 1, 2)));
    EXPECT_I(&out, D(3, 5), 9, 1, 9, 9, 2, 9, 9, 9, 9, 9, 9, 3, 9, 9, 4);
    out = optest_both(t, TN_OP_pad, IN_LIST(T_F(t, D(0), 0), T_F(t, SCALAR, NAN)),
                      ATTR_LIST(A_LIST(t, lo, 1), A_LIST(t, hi, 1), A_LIST(t, interior, 3)));
    EXPECT_F(&out, D(2), NAN, NAN);
    out = optest_both(t, TN_OP_pad, IN_LIST(in, fill),
                      ATTR_LIST(A_LIST(t, lo, 0, 0), A_LIST(t, hi, 0, 0)));
    EXPECT_I(&out, D(2, 2), 1, 2, 3, 4);
}

static void pad_random(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 100; round++) {
        int64_t dims[3], lo[3], hi[3], interior[3];
        for (int d = 0; d < 3; d++) {
            dims[d] = optest_random(t, 0, 4);
            lo[d] = optest_random(t, 0, 2);
            hi[d] = optest_random(t, 0, 2);
            interior[d] = optest_random(t, 0, 2);
        }
        RefTensor in = optest_random_tensor(t, TN_I16, 3, dims);
        optest_both(t, TN_OP_pad, IN_LIST(in, T_I(t, TN_I16, SCALAR, -1)),
                    ATTR_LIST(optest_ints(t, TN_ATTR_lo, 3, lo), optest_ints(t, TN_ATTR_hi, 3, hi),
                              optest_ints(t, TN_ATTR_interior, 3, interior)));
    }
}

static void pad_symbolic(void **state) {
    OpTest *t = *state;
    const Dim *n[] = {optest_symbol(t, "N", 0)};
    Type type = tn_type_make(TN_F32, 1, n);
    Type scalar = optest_type(t, TN_F32, SCALAR);
    const Dim *less[] = {tn_dim_addc(&t->ctx, n[0], -2)};
    /* N - 2 elements in front: not where N is 1. */
    Value *out = optest_node(
        t, TN_OP_pad, TYPE_LIST(type, scalar),
        ATTR_LIST(optest_dims(TN_ATTR_lo, 1, less), A_LIST(t, hi, 1), A_LIST(t, interior, 1)));
    assert_non_null(out);
    assert_int_equal(t->graph->constraints.len, 1);
    RefTensor in[2] = {T_F(t, D(3), 1, 2, 3), T_F(t, SCALAR, 0)};
    optest_check_formula(t, in);
    RefTensor result;
    assert_true(optest_eval(t, in, &result));
    EXPECT_F(&result, D(7), 0, 1, 0, 2, 0, 3, 0);
    in[0] = T_F(t, D(1), 1);
    assert_false(optest_eval(t, in, &result));
}

static void pad_checks(void **state) {
    OpTest *t = *state;
    Type f2 = optest_type(t, TN_F32, D(2));
    Type scalar = optest_type(t, TN_F32, SCALAR);
    optest_refused(t, TN_BAD_INPUT, "lo[0] is -1, which is negative", TN_OP_pad,
                   TYPE_LIST(f2, scalar), ATTR_LIST(A_LIST(t, lo, -1), A_LIST(t, hi, 0)));
    optest_refused(t, TN_BAD_INPUT, "hi has 2 entries, expected 1", TN_OP_pad,
                   TYPE_LIST(f2, scalar), ATTR_LIST(A_LIST(t, lo, 1), A_LIST(t, hi, 0, 0)));
    optest_refused(t, TN_BAD_INPUT, "operand 1 is f32[2], expected a scalar", TN_OP_pad,
                   TYPE_LIST(f2, f2), ATTR_LIST(A_LIST(t, lo, 1), A_LIST(t, hi, 0)));
    optest_refused(t, TN_BAD_INPUT, "operand 1 has elements of i32", TN_OP_pad,
                   TYPE_LIST(f2, optest_type(t, TN_I32, SCALAR)),
                   ATTR_LIST(A_LIST(t, lo, 1), A_LIST(t, hi, 0)));
    optest_refused(t, TN_BAD_INPUT, "interior[0] is -2, expected at least 0", TN_OP_pad,
                   TYPE_LIST(f2, scalar),
                   ATTR_LIST(A_LIST(t, lo, 1), A_LIST(t, hi, 0), A_LIST(t, interior, -2)));
}

/* ---- concat ---- */

static void concat_values(void **state) {
    OpTest *t = *state;
    RefTensor a = T_I(t, TN_I32, D(2, 1), 1, 2);
    RefTensor b = T_I(t, TN_I32, D(2, 2), 3, 4, 5, 6);
    RefTensor none = T_I(t, TN_I32, D(2, 0), 0);
    RefTensor out =
        optest_both(t, TN_OP_concat, IN_LIST(none, a, none, b, none), ATTR_LIST(A_INT(axis, 1)));
    EXPECT_I(&out, D(2, 3), 1, 3, 4, 2, 5, 6);
    out = optest_both(t, TN_OP_concat, IN_LIST(b, b), ATTR_LIST(A_INT(axis, 0)));
    EXPECT_I(&out, D(4, 2), 3, 4, 5, 6, 3, 4, 5, 6);
    out = optest_both(t, TN_OP_concat, IN_LIST(a), ATTR_LIST(A_INT(axis, 0)));
    EXPECT_I(&out, D(2, 1), 1, 2);
    out = optest_both(t, TN_OP_concat, IN_LIST(none, none), ATTR_LIST(A_INT(axis, 1)));
    EXPECT_I(&out, D(2, 0), 0);
}

static void concat_symbolic(void **state) {
    OpTest *t = *state;
    const Dim *n[] = {optest_symbol(t, "N", 0)};
    const Dim *m[] = {optest_symbol(t, "M", 0)};
    Type a = tn_type_make(TN_F32, 1, n);
    Type b = tn_type_make(TN_F32, 1, m);
    Value *out = optest_node(t, TN_OP_concat, TYPE_LIST(a, b, a), ATTR_LIST(A_INT(axis, 0)));
    assert_non_null(out);
    assert_ptr_equal(out->type.dims[0], tn_dim_add(&t->ctx, tn_dim_mulc(&t->ctx, n[0], 2), m[0]));
    RefTensor in[3] = {T_F(t, D(2), 1, 2), T_F(t, D(1), 3), T_F(t, D(2), 4, 5)};
    optest_check_formula(t, in);
    RefTensor result;
    assert_true(optest_eval(t, in, &result));
    EXPECT_F(&result, D(5), 1, 2, 3, 4, 5);
    in[1] = T_F(t, D(0), 0);
    optest_check_formula(t, in);
}

static void concat_checks(void **state) {
    OpTest *t = *state;
    Type f23 = optest_type(t, TN_F32, D(2, 3));
    Type f33 = optest_type(t, TN_F32, D(3, 3));
    optest_refused(t, TN_BAD_INPUT, "operand 1 is f32[3,3]: dimension 0 differs", TN_OP_concat,
                   TYPE_LIST(f23, f33), ATTR_LIST(A_INT(axis, 1)));
    optest_refused(t, TN_BAD_INPUT, "axis is 2, outside 0..1", TN_OP_concat, TYPE_LIST(f23, f23),
                   ATTR_LIST(A_INT(axis, 2)));
    optest_refused(t, TN_BAD_INPUT, "ranks differ", TN_OP_concat,
                   TYPE_LIST(f23, optest_type(t, TN_F32, D(2))), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "operand 1 has elements of i32", TN_OP_concat,
                   TYPE_LIST(f23, optest_type(t, TN_I32, D(2, 3))), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "0 given", TN_OP_concat, 0, NULL, ATTR_LIST(A_INT(axis, 0)));
}

/* ---- gather ---- */

static void gather_values(void **state) {
    OpTest *t = *state;
    RefTensor data = T_F(t, D(3, 2), 0, 1, 10, 11, 20, 21);
    RefTensor at = T_I(t, TN_I64, D(2, 2), 2, -1, 0, -3);
    RefTensor out = optest_both(t, TN_OP_gather, IN_LIST(data, at), ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(2, 2, 2), 20, 21, 20, 21, 0, 1, 0, 1);
    out = optest_both(t, TN_OP_gather, IN_LIST(data, T_I(t, TN_I32, D(3), 1, 1, 0)),
                      ATTR_LIST(A_INT(axis, 1)));
    EXPECT_F(&out, D(3, 3), 1, 1, 0, 11, 11, 10, 21, 21, 20);
    out = optest_both(t, TN_OP_gather, IN_LIST(data, T_I(t, TN_I64, SCALAR, 1)),
                      ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(2), 10, 11);
    /* Out of range is clamped, on either side and whatever the width. */
    out = optest_both(t, TN_OP_gather,
                      IN_LIST(data, T_I(t, TN_I64, D(4), 99, -99, INT64_MIN, INT64_MAX)),
                      ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(4, 2), 20, 21, 0, 1, 0, 1, 20, 21);
    out = optest_both(t, TN_OP_gather, IN_LIST(data, T_I(t, TN_U8, D(2), 255, 1)),
                      ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(2, 2), 20, 21, 10, 11);
    out = optest_both(t, TN_OP_gather, IN_LIST(data, T_I(t, TN_U64, D(2), -1, 0)),
                      ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(2, 2), 20, 21, 0, 1);
}

static void gather_batches(void **state) {
    OpTest *t = *state;
    RefTensor data = T_I(t, TN_I32, D(2, 3), 0, 1, 2, 10, 11, 12);
    RefTensor at = T_I(t, TN_I64, D(2, 2), 2, 0, 1, 1);
    RefTensor out =
        optest_both(t, TN_OP_gather, IN_LIST(data, at), ATTR_LIST(A_INT(axis, 1), A_INT(batch, 1)));
    EXPECT_I(&out, D(2, 2), 2, 0, 11, 11);
    /* batch = axis = rank of the indices: one element each. */
    out = optest_both(t, TN_OP_gather, IN_LIST(data, T_I(t, TN_I64, D(2), -1, 0)),
                      ATTR_LIST(A_INT(axis, 1), A_INT(batch, 1)));
    EXPECT_I(&out, D(2), 2, 10);
    RefTensor cube = optest_random_tensor(t, TN_I32, 4, I(2, 3, 4, 2));
    RefTensor many = T_I(t, TN_I64, D(2, 3), 0, 1, 2, 3, -1, -2);
    out = optest_both(t, TN_OP_gather, IN_LIST(cube, many),
                      ATTR_LIST(A_INT(axis, 2), A_INT(batch, 1)));
    /* Result [2,3,3,2]: element (1,2,0,1) is cube (1,2,3,1). */
    assert_int_equal(out.i[((1 * 3 + 2) * 3 + 0) * 2 + 1], cube.i[((1 * 3 + 2) * 4 + 3) * 2 + 1]);
}

static void gather_checks(void **state) {
    OpTest *t = *state;
    Type f32_23 = optest_type(t, TN_F32, D(2, 3));
    Type i3 = optest_type(t, TN_I64, D(3));
    optest_refused(t, TN_BAD_INPUT, "operand 1 is f32[2,3], expected an integer type", TN_OP_gather,
                   TYPE_LIST(f32_23, f32_23), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "axis is -1, outside 0..1", TN_OP_gather, TYPE_LIST(f32_23, i3),
                   ATTR_LIST(A_INT(axis, -1)));
    optest_refused(t, TN_BAD_INPUT, "batch is 1, outside 0..0", TN_OP_gather, TYPE_LIST(f32_23, i3),
                   ATTR_LIST(A_INT(axis, 0), A_INT(batch, 1)));
    optest_refused(t, TN_BAD_INPUT, "batch dimension 0 is 2 in operand 0, 3 in operand 1",
                   TN_OP_gather, TYPE_LIST(f32_23, i3), ATTR_LIST(A_INT(axis, 1), A_INT(batch, 1)));
    optest_refused(t, TN_BAD_INPUT, "3 indices into a dimension of size 0", TN_OP_gather,
                   TYPE_LIST(optest_type(t, TN_F32, D(0)), i3), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "axis is 0, outside 0..-1", TN_OP_gather,
                   TYPE_LIST(optest_type(t, TN_F32, SCALAR), i3), ATTR_LIST(A_INT(axis, 0)));
    RefTensor out = optest_both(t, TN_OP_gather, IN_LIST(T_F(t, D(0), 0), T_I(t, TN_I64, D(0), 0)),
                                ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(0), 0);
}

/* ---- scatter_add ---- */

static void scatter_values(void **state) {
    OpTest *t = *state;
    RefTensor base = T_F(t, D(3, 2), 0, 1, 10, 11, 20, 21);
    RefTensor at = T_I(t, TN_I64, D(2, 2), 2, -1, 0, -3);
    RefTensor added = T_F(t, D(2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    RefTensor out =
        optest_both(t, TN_OP_scatter_add, IN_LIST(base, at, added), ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(3, 2), 12, 15, 10, 11, 24, 27);
    added = T_F(t, D(3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    out = optest_both(t, TN_OP_scatter_add, IN_LIST(base, T_I(t, TN_I32, D(3), 1, 1, 0), added),
                      ATTR_LIST(A_INT(axis, 1)));
    EXPECT_F(&out, D(3, 2), 3, 4, 16, 20, 29, 36);
    out = optest_both(t, TN_OP_scatter_add,
                      IN_LIST(base, T_I(t, TN_I64, SCALAR, 1), T_F(t, D(2), 0.5, INFINITY)),
                      ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(3, 2), 0, 1, 10.5, INFINITY, 20, 21);
    /* Out of range is clamped, as gather does it. */
    RefTensor wild = T_I(t, TN_I64, D(4), 99, -99, INT64_MIN, INT64_MAX);
    out =
        optest_both(t, TN_OP_scatter_add,
                    IN_LIST(T_I(t, TN_U8, D(3), 1, 2, 3), wild, T_I(t, TN_U8, D(4), 1, 2, 4, 253)),
                    ATTR_LIST(A_INT(axis, 0)));
    EXPECT_I(&out, D(3), 7, 2, 1);
    out = optest_both(t, TN_OP_scatter_add,
                      IN_LIST(base, T_I(t, TN_I64, D(0), 0), T_F(t, D(0, 2), 0)),
                      ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(3, 2), 0, 1, 10, 11, 20, 21);
}

/* In the order of the indices: 1e16 + 1 is 1e16 in double. */
static void scatter_order(void **state) {
    OpTest *t = *state;
    RefTensor zero = optest_floats(t, TN_F64, D(1), F(0));
    RefTensor at = T_I(t, TN_I64, D(3), 0, 0, 0);
    RefTensor added = optest_floats(t, TN_F64, D(3), F(1e16, 1, -1e16));
    RefTensor out =
        optest_both(t, TN_OP_scatter_add, IN_LIST(zero, at, added), ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(1), 0);
    added = optest_floats(t, TN_F64, D(3), F(1e16, -1e16, 1));
    out = optest_both(t, TN_OP_scatter_add, IN_LIST(zero, at, added), ATTR_LIST(A_INT(axis, 0)));
    EXPECT_F(&out, D(1), 1);
}

static int64_t dot(const RefTensor *a, const RefTensor *b) {
    int64_t sum = 0;
    assert_int_equal(a->count, b->count);
    for (int64_t k = 0; k < a->count; k++) {
        sum += a->i[k] * b->i[k];
    }
    return sum;
}

/* <gather(x), y> is <x, scatter_add(0, y)>. */
static void scatter_is_transpose(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 150; round++) {
        int64_t dims[4], at_dims[3];
        for (int d = 0; d < 4; d++) {
            dims[d] = optest_random(t, 1, 4);
        }
        int64_t axis = optest_random(t, 0, 3), batch = optest_random(t, 0, axis < 2 ? axis : 2);
        int at_rank = (int)optest_random(t, batch, 3);
        for (int d = 0; d < at_rank; d++) {
            at_dims[d] = d < batch ? dims[d] : optest_random(t, 0, 3);
        }
        RefTensor x = optest_random_tensor(t, TN_I64, 4, dims);
        RefTensor at = optest_random_tensor(t, TN_I32, at_rank, at_dims);
        RefTensor taken = optest_both(t, TN_OP_gather, IN_LIST(x, at),
                                      ATTR_LIST(A_INT(axis, axis), A_INT(batch, batch)));
        RefTensor y = optest_random_tensor(t, TN_I64, taken.rank, taken.dims);
        RefTensor zero = optest_random_tensor(t, TN_I64, 4, dims);
        memset(zero.i, 0, (size_t)zero.count * sizeof *zero.i);
        RefTensor put = optest_both(t, TN_OP_scatter_add, IN_LIST(zero, at, y),
                                    ATTR_LIST(A_INT(axis, axis), A_INT(batch, batch)));
        assert_int_equal(dot(&taken, &y), dot(&x, &put));
    }
}

static void scatter_symbolic(void **state) {
    OpTest *t = *state;
    const Dim *n = optest_symbol(t, "N", 1), *m = optest_symbol(t, "M", 0);
    Type base = tn_type_make(TN_F32, 1, &n), at = tn_type_make(TN_I64, 1, &m);
    Type added = tn_type_make(TN_F32, 1, &m);
    Value *out =
        optest_node(t, TN_OP_scatter_add, TYPE_LIST(base, at, added), ATTR_LIST(A_INT(axis, 0)));
    assert_ptr_equal(out->type.dims[0], n);
    optest_check_formula(
        t, (RefTensor[]){T_F(t, D(2), 1, 5), T_I(t, TN_I64, D(3), 1, 1, 0), T_F(t, D(3), 3, 4, 8)});
}

static void scatter_checks(void **state) {
    OpTest *t = *state;
    Type f32_23 = optest_type(t, TN_F32, D(2, 3));
    Type i3 = optest_type(t, TN_I64, D(3));
    optest_refused(t, TN_BAD_INPUT, "operand 1 is f32[2,3], expected an integer type",
                   TN_OP_scatter_add, TYPE_LIST(f32_23, f32_23, f32_23), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "operand 2 has 1 dimensions, expected 2", TN_OP_scatter_add,
                   TYPE_LIST(f32_23, i3, optest_type(t, TN_F32, D(3))), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "dimension 0 of operand 2 is 2, expected 3", TN_OP_scatter_add,
                   TYPE_LIST(f32_23, i3, f32_23), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "axis is 2, outside 0..1", TN_OP_scatter_add,
                   TYPE_LIST(f32_23, i3, f32_23), ATTR_LIST(A_INT(axis, 2)));
    optest_refused(t, TN_BAD_INPUT, "operand 2 has elements of i64", TN_OP_scatter_add,
                   TYPE_LIST(f32_23, i3, i3), ATTR_LIST(A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "3 indices into a dimension of size 0", TN_OP_scatter_add,
                   TYPE_LIST(optest_type(t, TN_F32, D(0)), i3, optest_type(t, TN_F32, D(3))),
                   ATTR_LIST(A_INT(axis, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(pad_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(pad_random, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(pad_symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(pad_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(concat_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(concat_symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(concat_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(gather_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(gather_batches, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(gather_checks, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(scatter_values, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(scatter_order, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(scatter_is_transpose, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(scatter_symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(scatter_checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
