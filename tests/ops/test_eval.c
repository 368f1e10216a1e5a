/* test_eval.c: the driver of the reference evaluation: symbols, constraints, whole graphs. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/optest.h"

static void expect_message(OpTest *t, tn_status status, const char *text) {
    assert_true(t->ctx.diags.items.len > 0);
    const Diag *diag = &t->ctx.diags.items.data[0];
    if (strstr(diag->text, text) == NULL) {
        fail_msg("message is: %s\nexpected: %s", diag->text, text);
    }
    assert_int_equal(diag->status, status);
    t->ctx.diags.items.len = 0;
}

static Value *node1(OpTest *t, Op op, Value *a, const Attr *attr) {
    Node *node = tn_node_new(t->graph, op, &a, 1, attr, attr != NULL, (Loc){0}, NULL);
    assert_non_null(node);
    return node->out[0];
}

static Value *node2(OpTest *t, Op op, Value *a, Value *b) {
    Node *node = tn_node_new(t->graph, op, (Value *[]){a, b}, 2, NULL, 0, (Loc){0}, NULL);
    assert_non_null(node);
    return node->out[0];
}

static void count_seen(void *arg, const Value *value, const RefTensor *tensor) {
    assert_int_equal(value->type.dtype, tensor->dtype);
    (*(int *)arg)++;
}

/* (x + 2) * x and x itself come out; something nobody uses is computed and dropped. */
static void small_graph(void **state) {
    OpTest *t = *state;
    t->graph = tn_graph_new(&t->ctx, "test");
    Type type = optest_type(t, TN_F32, D(3));
    const float twos[] = {2, 2, 2};
    Value *x = tn_graph_add_input(t->graph, "x", type);
    Value *c = tn_const_new(t->graph, type, twos, NULL);
    Value *product = node2(t, TN_OP_mul, node2(t, TN_OP_add, x, c), x);
    node1(t, TN_OP_exp, product, NULL);
    tn_graph_add_output(t->graph, "y", product);
    tn_graph_add_output(t->graph, "x", x);
    tn_graph_add_output(t->graph, "c", c);
    RefTensor in = T_F(t, D(3), 1, -1, 4);
    RefTensor out[3];
    int seen = 0;
    assert_true(tn_eval_graph(t->graph, &in, &t->ctx.arena, out, count_seen, &seen));
    EXPECT_F(&out[0], D(3), 3, -1, 24);
    EXPECT_F(&out[1], D(3), 1, -1, 4);
    EXPECT_F(&out[2], D(3), 2, 2, 2);
    assert_int_equal(seen, 4);
}

/* Nothing is rounded between nodes; bytes are. */
static void widest_type(void **state) {
    OpTest *t = *state;
    t->graph = tn_graph_new(&t->ctx, "test");
    Type type = optest_type(t, TN_F32, D(1));
    Value *x = tn_graph_add_input(t->graph, "x", type);
    Value *third = node1(t, TN_OP_recip, x, NULL);
    tn_graph_add_output(t->graph, "y", third);
    RefTensor in = T_F(t, D(1), 3);
    RefTensor out;
    assert_true(optest_eval(t, &in, &out));
    assert_true(out.f[0] == 1.0 / 3.0);
    float bytes;
    tn_ref_to_bytes(&out, &bytes);
    assert_true(bytes == 1.0f / 3.0f);
}

static void empty_input(void **state) {
    OpTest *t = *state;
    assert_non_null(optest_node(t, TN_OP_neg, TYPE_LIST(optest_type(t, TN_F32, D(0))), NO_ATTRS));
    RefTensor in = {.dtype = TN_F32, .rank = 1};
    RefTensor out;
    assert_true(optest_eval(t, &in, &out));
    assert_int_equal(out.count, 0);
}

static void wrong_inputs(void **state) {
    OpTest *t = *state;
    const Dim *n = optest_symbol(t, "N", 1);
    const Dim *twice = tn_dim_mulc(&t->ctx, n, 2);
    Type a = tn_type_make(TN_F32, 2, (const Dim *[]){n, tn_dim_const(&t->ctx, 2)});
    Type b = tn_type_make(TN_F32, 1, (const Dim *[]){twice});
    t->graph = tn_graph_new(&t->ctx, "test");
    tn_graph_add_output(t->graph, "a", tn_graph_add_input(t->graph, "left", a));
    tn_graph_add_input(t->graph, "right", b);
    RefTensor good = T_F(t, D(2, 2), 1, 2, 3, 4);
    RefTensor out;
    RefTensor in[2] = {good, T_F(t, D(4), 1, 2, 3, 4)};
    assert_true(optest_eval(t, in, &out));
    in[1] = T_F(t, D(3), 1, 2, 3);
    assert_false(optest_eval(t, in, &out));
    expect_message(t, TN_BAD_INPUT, "input 1 'right': dimension 0 is 3, expected 2*N = 4");
    in[0] = T_F(t, D(2, 3), 1, 2, 3, 4, 5, 6);
    assert_false(optest_eval(t, in, &out));
    expect_message(t, TN_BAD_INPUT, "input 0 'left': dimension 1 is 3, expected 2");
    in[0] = T_F(t, D(0, 2), 0);
    assert_false(optest_eval(t, in, &out));
    expect_message(t, TN_BAD_INPUT, "input 0 'left': N is 0, outside 1..");
    in[0] = T_F(t, D(2), 1, 2);
    assert_false(optest_eval(t, in, &out));
    expect_message(t, TN_BAD_INPUT, "input 0 'left': 1 dimensions, expected 2");
    in[0] = T_I(t, TN_I32, D(2, 2), 1, 2, 3, 4);
    assert_false(optest_eval(t, in, &out));
    expect_message(t, TN_BAD_INPUT, "input 0 'left': elements are i32, expected f32");
}

/* A dimension given by an element of an integer input. */
static void element_symbols(void **state) {
    OpTest *t = *state;
    t->graph = tn_graph_new(&t->ctx, "test");
    Value *shape = tn_graph_add_input(t->graph, "shape", optest_type(t, TN_I64, D(2)));
    size_t count;
    const Dim *const *content = tn_value_content(t->graph, shape, &count);
    assert_non_null(content);
    assert_int_equal(count, 2);
    const Dim *one = tn_dim_const(&t->ctx, 1);
    const Dim *size = tn_dim_max(&t->ctx, content[1], one);
    Attr attrs[] = {A_TO(TN_I32), optest_dims(TN_ATTR_dims, 1, &size)};
    Node *node = tn_node_new(t->graph, TN_OP_iota, NULL, 0, attrs, 2, (Loc){0}, NULL);
    tn_graph_add_output(t->graph, "y", node->out[0]);
    RefTensor in = T_I(t, TN_I64, D(2), 7, 3);
    RefTensor out;
    assert_true(optest_eval(t, &in, &out));
    EXPECT_I(&out, D(3), 0, 1, 2);
    in = T_I(t, TN_I64, D(2), 7, -3);
    assert_true(optest_eval(t, &in, &out));
    EXPECT_I(&out, D(1), 0);
    in = T_I(t, TN_I64, D(2), 7, (int64_t)1 << 50);
    assert_false(optest_eval(t, &in, &out));
    expect_message(t, TN_LIMIT, "more than 2^40 elements");
}

static void bound_inputs(void **state) {
    OpTest *t = *state;
    assert_non_null(optest_node(t, TN_OP_neg, TYPE_LIST(optest_type(t, TN_I32, D(2))), NO_ATTRS));
    const int32_t fixed[] = {5, -6};
    const Blob blob = {.data = fixed, .size = sizeof fixed};
    t->graph->bound.data[0] = &blob;
    RefTensor in = T_I(t, TN_I32, D(2), 5, -6);
    RefTensor out;
    assert_true(optest_eval(t, &in, &out));
    in.i[1] = 6;
    assert_false(optest_eval(t, &in, &out));
    expect_message(t, TN_BAD_INPUT, "input 0 'in0': differs from the value");
}

static void constraints(void **state) {
    OpTest *t = *state;
    const Dim *n[] = {optest_symbol(t, "N", 0)};
    Type type = tn_type_make(TN_F32, 1, n);
    assert_non_null(optest_node(t, TN_OP_neg, TYPE_LIST(type), NO_ATTRS));
    const Dim *even = tn_dim_modc(&t->ctx, n[0], 2);
    assert_true(
        tn_graph_require_eq(t->graph, even, tn_dim_const(&t->ctx, 0), (Loc){0}, "N must be even"));
    RefTensor out;
    assert_true(optest_eval(t, (RefTensor[]){T_F(t, D(2), 1, 2)}, &out));
    assert_false(optest_eval(t, (RefTensor[]){T_F(t, D(1), 1)}, &out));
    expect_message(t, TN_BAD_INPUT, "N must be even (1 and 0)");
}

/* A dimension that is fine as text and overflows at the sizes of a run. */
static void sizes_overflow(void **state) {
    OpTest *t = *state;
    const Dim *n = optest_symbol(t, "N", 0);
    Type type = tn_type_make(TN_F32, 1, &n);
    const Dim *power = tn_dim_const(&t->ctx, 1);
    for (int i = 0; i < 8; i++) {
        power = tn_dim_mul(&t->ctx, power, n);
    }
    t->graph = tn_graph_new(&t->ctx, "test");
    tn_graph_add_input(t->graph, "x", type);
    Attr attrs[] = {A_TO(TN_I32), optest_dims(TN_ATTR_dims, 1, &power)};
    Node *node = tn_node_new(t->graph, TN_OP_iota, NULL, 0, attrs, 2, (Loc){0}, NULL);
    assert_non_null(node);
    tn_graph_add_output(t->graph, "y", node->out[0]);
    RefTensor in = optest_random_tensor(t, TN_F32, 1, I(1000));
    RefTensor out;
    assert_false(optest_eval(t, &in, &out));
    expect_message(t, TN_LIMIT, "dimension 0 overflows");
    in = T_F(t, D(2), 1, 2);
    assert_true(optest_eval(t, &in, &out));
    assert_int_equal(out.count, 256);
}

static void single_node(void **state) {
    OpTest *t = *state;
    Type type = optest_type(t, TN_I32, D(2));
    assert_non_null(optest_node(t, TN_OP_add, TYPE_LIST(type, type), NO_ATTRS));
    RefTensor a = T_I(t, TN_I32, D(2), 1, 2);
    RefTensor b = T_I(t, TN_I32, D(2), INT32_MAX, 3);
    const RefTensor *in[2] = {&a, &b};
    RefTensor out;
    assert_true(tn_eval_node(&t->ctx, t->node, in, NULL, &t->ctx.arena, &out));
    EXPECT_I(&out, D(2), INT32_MIN, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_graph, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(widest_type, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(empty_input, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(wrong_inputs, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(element_symbols, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(bound_inputs, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(constraints, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(sizes_overflow, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(single_node, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
