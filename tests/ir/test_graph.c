/* test_graph.c: building and changing graphs, use lists, attributes, and the op table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/op.h"
#include "tests/support/graph_hash.h"

typedef struct World {
    Ctx ctx;
    Graph *graph;
    Value *x, *y;
} World;

static int setup(void **state) {
    static World w;
    tn_ctx_init(&w.ctx, NULL);
    w.graph = tn_graph_new(&w.ctx, "g");
    const Dim *dims[] = {tn_dim_symbol(&w.ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX),
                         tn_dim_const(&w.ctx, 4)};
    w.x = tn_graph_add_input(w.graph, "x", tn_type_make(TN_F32, 2, dims));
    w.y = tn_graph_add_input(w.graph, "y", tn_type_make(TN_F32, 2, dims));
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    tn_ctx_free(&((World *)*state)->ctx);
    return 0;
}

static Value *binary(World *w, Op op, Value *a, Value *b, Node *before) {
    Value *in[] = {a, b};
    Node *node = tn_node_new(w->graph, op, in, 2, NULL, 0, (Loc){0}, before);
    assert_non_null(node);
    return node->out[0];
}

static void test_build(void **state) {
    World *w = *state;
    Value *sum = binary(w, TN_OP_add, w->x, w->y, NULL);
    Value *square = binary(w, TN_OP_mul, sum, sum, NULL);
    tn_graph_add_output(w->graph, "out", square);
    assert_int_equal(sum->n_uses, 2);
    assert_int_equal(square->n_uses, 1);
    assert_true(square->is_output);
    assert_null(square->uses);
    assert_true(tn_type_equal(&sum->type, &w->x->type));
    assert_ptr_equal(w->graph->first, sum->def);
    assert_ptr_equal(w->graph->last, square->def);
    assert_true(tn_graph_verify(w->graph));
}

static void test_insert(void **state) {
    World *w = *state;
    Value *a = binary(w, TN_OP_add, w->x, w->y, NULL);
    Value *c = binary(w, TN_OP_mul, a, a, NULL);
    Value *b = binary(w, TN_OP_sub, a, w->y, c->def);
    Value *first = binary(w, TN_OP_sub, w->x, w->y, a->def);
    const Node *order[] = {first->def, a->def, b->def, c->def};
    const Node *node = w->graph->first;
    for (int i = 0; i < 4; i++, node = node->next) {
        assert_ptr_equal(node, order[i]);
    }
    assert_null(node);
    assert_true(tn_graph_verify(w->graph));
}

static void test_replace_and_remove(void **state) {
    World *w = *state;
    Value *a = binary(w, TN_OP_add, w->x, w->y, NULL);
    Value *b = binary(w, TN_OP_mul, a, a, NULL);
    tn_graph_add_output(w->graph, "a", a);
    tn_graph_add_output(w->graph, "b", b);
    tn_graph_add_output(w->graph, "a again", a);
    tn_value_replace(w->graph, a, a); /* nothing */
    assert_int_equal(a->n_uses, 4);
    tn_value_replace(w->graph, a, w->x);
    assert_int_equal(a->n_uses, 0);
    assert_false(a->is_output);
    assert_true(w->x->is_output);
    assert_int_equal(w->x->n_uses, 5);
    assert_ptr_equal(b->def->in[0], w->x);
    assert_ptr_equal(b->def->in[1], w->x);
    assert_ptr_equal(w->graph->outputs.data[2].value, w->x);
    tn_node_remove(w->graph, a->def);
    assert_int_equal(w->x->n_uses, 4);
    assert_int_equal(w->y->n_uses, 0);
    assert_ptr_equal(w->graph->first, b->def);
    assert_true(tn_graph_verify(w->graph));
    tn_node_set_input(b->def, 1, w->y);
    assert_int_equal(w->y->n_uses, 1);
    assert_true(tn_graph_verify(w->graph));
}

static void test_attributes(void **state) {
    World *w = *state;
    Attr axis = {.name = TN_ATTR_axis, .kind = ATTR_INT, .i = 1};
    Node *node = tn_node_new(w->graph, TN_OP_argmax, &w->x, 1, &axis, 1, (Loc){0}, NULL);
    assert_non_null(node);
    assert_int_equal(node->n_attrs, 2);
    assert_int_equal(tn_attr_int(node, TN_ATTR_axis), 1);
    assert_int_equal(tn_attr_int(node, TN_ATTR_last), 0); /* the default */
    assert_null(tn_node_attr(node, TN_ATTR_perm));
    /* Lists belong to the context, whatever becomes of the caller's. */
    int64_t perm[] = {1, 0};
    Attr list = {.name = TN_ATTR_perm, .kind = ATTR_INTS, .n = 2, .ints = perm};
    node = tn_node_new(w->graph, TN_OP_transpose, &w->x, 1, &list, 1, (Loc){0}, NULL);
    perm[0] = 9;
    assert_int_equal(tn_node_attr(node, TN_ATTR_perm)->ints[0], 1);
}

static void refused(World *w, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                    uint32_t n_attrs, const char *message) {
    uint32_t uses = w->x->n_uses;
    Node *last = w->graph->last;
    w->ctx.diags.items.len = 0;
    Loc loc = {.node = "culprit"};
    assert_null(tn_node_new(w->graph, op, in, n_in, attrs, n_attrs, loc, NULL));
    assert_int_equal(w->ctx.diags.items.len, 1);
    assert_non_null(strstr(w->ctx.diags.items.data[0].text, message));
    assert_string_equal(w->ctx.diags.items.data[0].loc.node, "culprit");
    /* and nothing is left of it */
    assert_int_equal(w->x->n_uses, uses);
    assert_ptr_equal(w->graph->last, last);
}

static void test_refusals(void **state) {
    World *w = *state;
    Attr axis = {.name = TN_ATTR_axis, .kind = ATTR_INT, .i = 1};
    Attr wrong = {.name = TN_ATTR_axis, .kind = ATTR_INTS};
    Attr far = {.name = TN_ATTR_axis, .kind = ATTR_INT, .i = 2};
    refused(w, TN_OP_add, &w->x, 1, NULL, 0, "add takes 2 operands, 1 given");
    refused(w, TN_OP_concat, NULL, 0, NULL, 0, "concat takes 1 to 65535 operands, 0 given");
    refused(w, TN_OP_concat, NULL, 0, &axis, 1, "concat takes");
    refused(w, TN_OP_argmax, &w->x, 1, NULL, 0, "argmax needs the attribute 'axis'");
    refused(w, TN_OP_neg, &w->x, 1, &axis, 1, "neg has no attribute 'axis'");
    refused(w, TN_OP_argmax, &w->x, 1, &wrong, 1, "attribute 'axis' has the wrong kind");
    refused(w, TN_OP_argmax, &w->x, 1, &far, 1, "argmax");
}

static void test_require(void **state) {
    World *w = *state;
    Ctx *ctx = &w->ctx;
    const Dim *n = w->x->type.dims[0];
    const Dim *m = tn_dim_symbol(ctx, TN_SV("M"), SYM_INPUT_DIM, 0, INT64_MAX);
    assert_true(tn_graph_require_eq(w->graph, n, n, (Loc){0}, "same"));
    assert_int_equal(w->graph->constraints.len, 0);
    assert_true(tn_graph_require_eq(w->graph, n, m, (Loc){0}, "rows"));
    assert_true(tn_graph_require_eq(w->graph, m, n, (Loc){0}, "rows again"));
    assert_int_equal(w->graph->constraints.len, 1);
    assert_string_equal(w->graph->constraints.data[0].text, "rows");
    assert_false(tn_graph_require_eq(w->graph, n, tn_dim_addc(ctx, n, 1), (Loc){0}, "never"));
    assert_int_equal(ctx->diags.items.data[0].status, TN_BAD_INPUT);
    assert_non_null(strstr(ctx->diags.items.data[0].text, "never: N against N + 1"));
}

static Value *constant(World *w, DType dtype, int64_t n, const void *data) {
    const Dim *dim = tn_dim_const(&w->ctx, n);
    return tn_const_new(w->graph, tn_type_make(dtype, 1, &dim), data, w->graph->first);
}

static void test_splat(void **state) {
    World *w = *state;
    static const float equal[] = {2.5f, 2.5f, 2.5f};
    static const float mixed[] = {2.5f, 2.5f, 2};
    static const float zeros[] = {0.0f, -0.0f};
    static const int8_t ints[] = {-3, -3};
    double value = 0;
    Value *a = constant(w, TN_F32, 3, equal);
    assert_true(tn_value_splat(a, &value));
    assert_true(value == 2.5);
    assert_false(tn_value_splat(constant(w, TN_F32, 3, mixed), &value));
    assert_false(tn_value_splat(constant(w, TN_F32, 2, zeros), &value)); /* 0 and -0 differ */
    assert_false(tn_value_splat(constant(w, TN_F32, 0, equal), &value));
    assert_false(tn_value_splat(w->x, &value));
    assert_true(tn_value_splat(constant(w, TN_I8, 2, ints), &value));
    assert_true(value == -3);
    const Dim *dims[] = {w->x->type.dims[0], tn_dim_const(&w->ctx, 3)};
    int64_t axes[] = {1};
    Attr attrs[] = {{.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = 2, .dims = dims},
                    {.name = TN_ATTR_axes, .kind = ATTR_INTS, .n = 1, .ints = axes}};
    Node *expand = tn_node_new(w->graph, TN_OP_expand, &a, 1, attrs, 2, (Loc){0}, NULL);
    assert_true(tn_value_splat(expand->out[0], &value));
    assert_true(value == 2.5);
}

static void test_clone(void **state) {
    World *w = *state;
    Value *sum = binary(w, TN_OP_add, w->x, w->y, NULL);
    sum->name = "sum";
    Value *square = binary(w, TN_OP_mul, sum, sum, NULL);
    square->def->group = 3;
    tn_graph_add_output(w->graph, "out", square);
    const Dim *m = tn_dim_const(&w->ctx, 3);
    tn_graph_require_eq(w->graph, w->x->type.dims[0], m, (Loc){0}, "three");
    Graph *copy = tn_graph_clone(w->graph);
    assert_true(tn_graph_verify(copy));
    assert_int_equal(graph_hash(copy), graph_hash(w->graph));
    StrBuf a = tn_str(&w->ctx.arena);
    StrBuf b = tn_str(&w->ctx.arena);
    tn_graph_print(w->graph, false, &a);
    tn_graph_print(copy, false, &b);
    assert_string_equal(a.data, b.data);
    /* They share nothing that changes. */
    tn_value_replace(copy, copy->outputs.data[0].value, copy->inputs.data[0]);
    assert_ptr_equal(w->graph->outputs.data[0].value, square);
    assert_true(tn_graph_verify(w->graph));
    assert_true(tn_graph_verify(copy));
}

/* ---- the table ---- */

static void test_table(void **state) {
    (void)state;
    for (int op = 0; op < TN_OP_COUNT; op++) {
        const OpInfo *info = tn_op_info((Op)op);
        assert_int_equal(tn_op_by_name(tn_sv(info->name)), op);
        assert_true(strlen(info->doc) > 1);
        assert_non_null(info->type);
        assert_non_null(info->eval);
        bool loop = info->cls == OPC_LOOP, sweep = info->cls == OPC_SWEEP;
        assert_int_equal(info->n_out, loop ? -1 : 1);
        assert_true((info->element != NULL) == (info->cls != OPC_REDUCE && !sweep && !loop));
        assert_true((info->reduction != NULL) == (info->cls == OPC_REDUCE));
        assert_true((info->sweep != NULL) == sweep);
        for (uint32_t i = 0; i < info->n_attrs; i++) {
            assert_true(info->attrs[i].name < TN_ATTR_COUNT);
        }
        if (info->cls == OPC_MAP) {
            assert_true((info->domain == DOMAIN_FLOAT) == (info->c_int[0] == '\0'));
            assert_true((info->result == RESULT_TO) == (info->n_attrs == 1));
        }
    }
    assert_int_equal(tn_op_by_name(TN_SV("nothing")), TN_OP_COUNT);
    assert_int_equal(tn_op_info(TN_OP_conv)->n_attrs, 6);
    assert_int_equal(tn_op_info(TN_OP_conv)->attrs[5].how, DEF_INT);
    assert_int_equal(tn_op_info(TN_OP_conv)->attrs[5].value, 1);
    assert_int_equal(tn_op_info(TN_OP_copy)->n_attrs, 0);
    for (int attr = 0; attr < TN_ATTR_COUNT; attr++) {
        assert_int_equal(tn_attr_by_name(tn_sv(tn_attr_text((AttrName)attr))), attr);
    }
    assert_int_equal(tn_attr_by_name(TN_SV("nothing")), TN_ATTR_COUNT);
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_world(test_build),      in_world(test_insert),   in_world(test_replace_and_remove),
        in_world(test_attributes), in_world(test_refusals), in_world(test_require),
        in_world(test_splat),      in_world(test_clone),    cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
