/* test_source.c: const, iota, dimvec. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

static Value *new_const(OpTest *t, Type type, const void *data) {
    t->graph = tn_graph_new(&t->ctx, "test");
    Value *value = tn_const_new(t->graph, type, data, NULL);
    if (value != NULL) {
        t->node = value->def;
        tn_graph_add_output(t->graph, "out", value);
    }
    return value;
}

static void constants(void **state) {
    OpTest *t = *state;
    RefTensor out;
    const float floats[] = {1.5f, -2, 0.1f, INFINITY};
    assert_non_null(new_const(t, optest_type(t, TN_F32, D(2, 2)), floats));
    assert_true(optest_eval(t, NULL, &out));
    EXPECT_F(&out, D(2, 2), 1.5, -2, (double)0.1f, INFINITY);
    const int8_t bytes[] = {-128, 127, -1};
    assert_non_null(new_const(t, optest_type(t, TN_I8, D(3)), bytes));
    assert_true(optest_eval(t, NULL, &out));
    EXPECT_I(&out, D(3), -128, 127, -1);
    assert_non_null(new_const(t, optest_type(t, TN_U8, D(3)), bytes));
    assert_true(optest_eval(t, NULL, &out));
    EXPECT_I(&out, D(3), 128, 127, 255);
    const uint32_t wide[] = {4294967295u};
    assert_non_null(new_const(t, optest_type(t, TN_U32, SCALAR), wide));
    assert_true(optest_eval(t, NULL, &out));
    EXPECT_I(&out, SCALAR, 4294967295);
    const unsigned char truth[] = {0, 1, 7};
    assert_non_null(new_const(t, optest_type(t, TN_BOOL, D(3)), truth));
    assert_true(optest_eval(t, NULL, &out));
    EXPECT_I(&out, D(3), 0, 1, 1);
    assert_non_null(new_const(t, optest_type(t, TN_F32, D(0, 2)), floats));
    assert_true(optest_eval(t, NULL, &out));
    EXPECT_F(&out, D(0, 2), 0);
}

/* Only data of one repeated value has a formula. */
static void constant_formulas(void **state) {
    OpTest *t = *state;
    const int32_t same[] = {-7, -7, -7, -7};
    assert_non_null(new_const(t, optest_type(t, TN_I32, D(2, 2)), same));
    optest_check_formula(t, NULL);
    const double one[] = {0.1};
    assert_non_null(new_const(t, optest_type(t, TN_F64, SCALAR), one));
    optest_check_formula(t, NULL);
}

static void bytes_round_trip(void **state) {
    OpTest *t = *state;
    const uint64_t words[] = {0, UINT64_MAX, 1ull << 63};
    RefTensor tensor = tn_ref_from_bytes(&t->ctx.arena, TN_U64, 1, I(3), words);
    EXPECT_I(&tensor, D(3), 0, -1, INT64_MIN);
    uint64_t back[3];
    tn_ref_to_bytes(&tensor, back);
    assert_memory_equal(back, words, sizeof words);
    RefTensor wide = optest_floats(t, TN_F32, D(2), F(0.1, 1e300));
    float narrow[2];
    tn_ref_to_bytes(&wide, narrow);
    assert_true(narrow[0] == 0.1f);
    assert_true(isinf(narrow[1]));
    RefTensor small = optest_integers(t, TN_I16, D(2), I(-2, 258));
    unsigned char four[4];
    tn_ref_to_bytes(&small, four);
    assert_memory_equal(four, ((unsigned char[]){0xfe, 0xff, 0x02, 0x01}), 4);
}

static void counting(void **state) {
    OpTest *t = *state;
    RefTensor out = optest_both(t, TN_OP_iota, 0, NULL,
                                ATTR_LIST(A_TO(TN_I32), A_LIST(t, dims, 2, 3), A_INT(axis, 1)));
    EXPECT_I(&out, D(2, 3), 0, 1, 2, 0, 1, 2);
    out = optest_both(t, TN_OP_iota, 0, NULL, ATTR_LIST(A_TO(TN_F32), A_LIST(t, dims, 2, 3)));
    EXPECT_F(&out, D(2, 3), 0, 0, 0, 1, 1, 1);
    out = optest_run(t, TN_OP_iota, 0, NULL, ATTR_LIST(A_TO(TN_U8), A_LIST(t, dims, 300)));
    assert_int_equal(out.i[255], 255);
    assert_int_equal(out.i[256], 0);
    optest_check_formula(t, NULL);
}

static void dimension_vectors(void **state) {
    OpTest *t = *state;
    Ctx *ctx = &t->ctx;
    const Dim *n = optest_symbol(t, "N", 0);
    const Dim *values[] = {n, tn_dim_const(ctx, -3), tn_dim_mul(ctx, n, n), tn_dim_const(ctx, 9)};
    t->graph = tn_graph_new(ctx, "test");
    Type type = tn_type_make(TN_F32, 1, &n);
    tn_graph_add_input(t->graph, "x", type);
    Attr attr = optest_dims(TN_ATTR_values, 4, values);
    t->node = tn_node_new(t->graph, TN_OP_dimvec, NULL, 0, &attr, 1, (Loc){0}, NULL);
    assert_non_null(t->node);
    assert_int_equal(t->node->out[0]->type.dtype, TN_I64);
    tn_graph_add_output(t->graph, "out", t->node->out[0]);
    RefTensor in[1] = {T_F(t, D(3), 0, 0, 0)};
    RefTensor out;
    assert_true(optest_eval(t, in, &out));
    EXPECT_I(&out, D(4), 3, -3, 9, 9);
    optest_check_formula(t, in);
}

static void empty_dimension_vector(void **state) {
    OpTest *t = *state;
    RefTensor out = optest_both(t, TN_OP_dimvec, 0, NULL, ATTR_LIST(A_NONE(t, values)));
    EXPECT_I(&out, D(0), 0);
}

static void checks(void **state) {
    OpTest *t = *state;
    optest_refused(t, TN_BAD_INPUT, "iota: axis is 2, outside 0..1", TN_OP_iota, 0, NULL,
                   ATTR_LIST(A_TO(TN_I32), A_LIST(t, dims, 2, 3), A_INT(axis, 2)));
    optest_refused(t, TN_BAD_INPUT, "elements of bool, expected a number type", TN_OP_iota, 0, NULL,
                   ATTR_LIST(A_TO(TN_BOOL), A_LIST(t, dims, 2), A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "a scalar has no axis", TN_OP_iota, 0, NULL,
                   ATTR_LIST(A_TO(TN_I32), A_NONE(t, dims), A_INT(axis, 0)));
    optest_refused(t, TN_BAD_INPUT, "elements of f32, expected an integer type", TN_OP_dimvec, 0,
                   NULL, ATTR_LIST(A_TO(TN_F32), A_LIST(t, values, 2)));
    const Dim *n[] = {optest_symbol(t, "N", 0)};
    optest_refused(t, TN_BAD_INPUT, "const: dimension 0 is N, expected a number", TN_OP_const, 0,
                   NULL, ATTR_LIST(A_TO(TN_F32), optest_dims(TN_ATTR_dims, 1, n)));
    optest_refused(t, TN_LIMIT, "limit of 2^40", TN_OP_iota, 0, NULL,
                   ATTR_LIST(A_TO(TN_I32), A_LIST(t, dims, INT64_MAX, 2)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(constants, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(constant_formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(bytes_round_trip, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(counting, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(dimension_vectors, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(empty_dimension_vector, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
