/* test_verify.c: every invariant of a graph, broken one at a time, is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/op.h"

static const char text[] = "graph @g(%x: f32[N,4], %k: i64[2]) -> (%s \"s\") {\n"
                           "  %c = const() : f32[4] = [1, 2, 3, 4]\n"
                           "  %e = expand(%c) {dims=[N,4], axes=[1]}\n"
                           "  %a = add(%x, %e)\n"
                           "  %m = mul(%a, %a)\n"
                           "  %s = reduce_sum(%m) {axes=[1]}\n"
                           "}\n";

enum { CONST, EXPAND, ADD, MUL, SUM, N_NODES };

typedef struct Broken {
    Ctx ctx;
    Graph *graph;
    Node *nodes[N_NODES];
} Broken;

static int setup(void **state) {
    static Broken b;
    tn_ctx_init(&b.ctx, NULL);
    b.graph = tn_graph_parse_text(&b.ctx, tn_sv(text), "t.tn");
    assert_non_null(b.graph);
    int n = 0;
    for (Node *node = b.graph->first; node != NULL; node = node->next) {
        b.nodes[n++] = node;
    }
    assert_int_equal(n, N_NODES);
    *state = &b;
    return 0;
}

static int teardown(void **state) {
    tn_ctx_free(&((Broken *)*state)->ctx);
    return 0;
}

static void expect(Broken *b, const char *message) {
    assert_false(tn_graph_verify(b->graph));
    const DiagList *diags = &b->ctx.diags;
    for (size_t i = 0; i < diags->items.len; i++) {
        assert_int_equal(diags->items.data[i].status, TN_INTERNAL);
        if (strstr(diags->items.data[i].text, message) != NULL) {
            return;
        }
    }
    fail_msg("said '%s', not '%s'", diags->items.len > 0 ? diags->items.data[0].text : "nothing",
             message);
}

static Broken *good(void **state) {
    Broken *b = *state;
    assert_true(tn_graph_verify(b->graph));
    assert_int_equal(b->ctx.diags.items.len, 0);
    assert_int_equal(b->graph->constraints.len, 0);
    return b;
}

static void test_order(void **state) {
    Broken *b = good(state);
    /* mul before the add it uses */
    Node *add = b->nodes[ADD];
    Node *mul = b->nodes[MUL];
    b->nodes[EXPAND]->next = mul;
    mul->prev = b->nodes[EXPAND];
    mul->next = add;
    add->prev = mul;
    add->next = b->nodes[SUM];
    b->nodes[SUM]->prev = add;
    expect(b, "operand 0 is not defined before this node");
}

static void test_chain(void **state) {
    Broken *b = good(state);
    b->nodes[MUL]->prev = b->nodes[CONST];
    expect(b, "the chain of nodes is broken here");
}

static void test_last(void **state) {
    Broken *b = good(state);
    b->graph->last = b->nodes[MUL];
    expect(b, "not the graph's last");
}

static void test_op(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->op = TN_OP_COUNT;
    expect(b, "there is no primitive");
}

static void test_arity(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->op = TN_OP_neg;
    expect(b, "2 operands and 1 results, its row has 1 and 1");
}

static void test_node_id(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->id = b->nodes[MUL]->id;
    expect(b, "its id is taken");
}

static void test_node_id_range(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->id = b->graph->n_nodes;
    expect(b, "its id is too large");
}

static void test_value_id(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->out[0]->id = b->nodes[CONST]->out[0]->id;
    expect(b, "is defined twice");
}

static void test_value_id_range(void **state) {
    Broken *b = good(state);
    b->nodes[SUM]->out[0]->id = 1000;
    expect(b, "value id 1000");
}

static void test_result_place(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->out[0]->def = b->nodes[MUL];
    expect(b, "result 0 does not know its place");
}

static void test_input_place(void **state) {
    Broken *b = good(state);
    b->graph->inputs.data[1]->out = 0;
    expect(b, "input 1 does not know its place");
}

static void test_use_user(void **state) {
    Broken *b = good(state);
    b->nodes[MUL]->in_uses[1].slot = 0;
    expect(b, "the use of operand 1 belongs to another place");
}

static void test_use_list(void **state) {
    Broken *b = good(state);
    /* Swapping the operand without the use lists. */
    b->nodes[ADD]->in[1] = b->nodes[ADD]->in[0];
    expect(b, "the use of operand 1 is not in its value's list");
}

static void test_use_count(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->out[0]->n_uses = 3;
    expect(b, "counts 3 uses, 2 are there");
}

static void test_stale_use(void **state) {
    Broken *b = good(state);
    Use stale = {.user = b->nodes[SUM], .next = b->nodes[MUL]->out[0]->uses};
    b->nodes[MUL]->out[0]->uses->prev = &stale;
    b->nodes[MUL]->out[0]->uses = &stale;
    expect(b, "lists uses by nodes that are gone");
}

static void test_dead_user(void **state) {
    Broken *b = good(state);
    /* A node cut out of the chain without giving up its operands. */
    Value *sum = b->nodes[SUM]->out[0];
    Node *gone = tn_node_new(b->graph, TN_OP_neg, &sum, 1, NULL, 0, (Loc){0}, NULL);
    b->graph->last = gone->prev;
    gone->prev->next = NULL;
    expect(b, "counts 2 uses, 1 are there");
}

static void test_output_mark(void **state) {
    Broken *b = good(state);
    b->nodes[SUM]->out[0]->is_output = false;
    expect(b, "output 0 is not marked as one");
}

static void test_output_value(void **state) {
    Broken *b = good(state);
    Graph *copy = tn_graph_clone(b->graph);
    b->graph->outputs.data[0].value = copy->outputs.data[0].value;
    expect(b, "output 0 is not a value of the graph");
}

static void test_attr_count(void **state) {
    Broken *b = good(state);
    b->nodes[SUM]->n_attrs = 0;
    expect(b, "0 attributes, its row has 1");
}

static void test_attr_name(void **state) {
    Broken *b = good(state);
    b->nodes[SUM]->attrs[0].name = TN_ATTR_axis;
    expect(b, "attribute 0 is not 'axes' as its row says");
}

static void test_attr_kind(void **state) {
    Broken *b = good(state);
    b->nodes[SUM]->attrs[0].kind = ATTR_INT;
    expect(b, "attribute 0 is not 'axes' as its row says");
}

static void test_attr_value(void **state) {
    Broken *b = good(state);
    static const int64_t axes[] = {7};
    b->nodes[SUM]->attrs[0].ints = axes;
    expect(b, "its rule refuses it");
}

static void test_result_type(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->out[0]->type.dims[1] = tn_dim_const(&b->ctx, 5);
    expect(b, "result 0 is f32[N,5], its rule says f32[N,4]");
}

static void test_result_dtype(void **state) {
    Broken *b = good(state);
    b->nodes[SUM]->out[0]->type.dtype = TN_F64;
    expect(b, "result 0 is f64[N], its rule says f32[N]");
}

static void test_no_dtype(void **state) {
    Broken *b = good(state);
    b->graph->inputs.data[1]->type.dtype = TN_STRING;
    expect(b, "has element type 8");
}

static void test_missing_dim(void **state) {
    Broken *b = good(state);
    b->graph->inputs.data[1]->type.dims[0] = NULL;
    expect(b, "dim 0 of value 1 is missing");
}

static void test_overflow(void **state) {
    Broken *b = good(state);
    const Dim *big = tn_dim_const(&b->ctx, INT64_MAX);
    b->graph->inputs.data[1]->type.dims[0] = tn_dim_addc(&b->ctx, big, 1);
    expect(b, "a size leaves 64 bits");
}

static void test_unknown_symbol(void **state) {
    Broken *b = good(state);
    const Dim *stray = tn_dim_symbol(&b->ctx, TN_SV("stray"), SYM_INPUT_DIM, 0, 9);
    b->graph->inputs.data[1]->type.dims[0] = tn_dim_mulc(&b->ctx, stray, 2);
    expect(b, "no input gives the symbol 'stray'");
}

static void test_loop_symbol(void **state) {
    Broken *b = good(state);
    const Dim *i = tn_dim_loop_var(&b->ctx, "i", tn_dim_const(&b->ctx, 4));
    b->graph->inputs.data[1]->type.dims[0] = tn_dim_addc(&b->ctx, i, 1);
    expect(b, "no input gives the loop variable 'i'");
}

static void test_constraint(void **state) {
    Broken *b = good(state);
    const Dim *stray = tn_dim_symbol(&b->ctx, TN_SV("stray"), SYM_INPUT_DIM, 0, 9);
    assert_true(tn_graph_require_eq(b->graph, stray, tn_dim_const(&b->ctx, 3), (Loc){0}, "x"));
    expect(b, "no input gives the symbol 'stray'");
}

static void test_layout(void **state) {
    Broken *b = good(state);
    static const Layout layout = {.n_parts = 2, .parts = {{0, 1, 0}, {2, 1, 0}}};
    b->nodes[ADD]->out[0]->type.layout = &layout;
    expect(b, "layout part 1 is 2/1%0");
}

static void test_blob_size(void **state) {
    Broken *b = good(state);
    static const Blob blob = {"12345678", 8, NULL};
    b->nodes[CONST]->blob = &blob;
    expect(b, "8 bytes of data for 4 elements of f32");
}

static void test_blob_missing(void **state) {
    Broken *b = good(state);
    b->nodes[CONST]->blob = NULL;
    expect(b, "0 bytes of data");
}

static void test_blob_misplaced(void **state) {
    Broken *b = good(state);
    b->nodes[ADD]->blob = b->nodes[CONST]->blob;
    expect(b, "has data but is no constant");
}

static void test_bound_size(void **state) {
    Broken *b = good(state);
    b->graph->bound.data[1] = b->nodes[CONST]->blob;
    assert_true(tn_graph_verify(b->graph)); /* 16 bytes are right for i64[2] */
    static const Blob blob = {"1234", 4, NULL};
    b->graph->bound.data[1] = &blob;
    expect(b, "input 1 is bound to 4 bytes");
}

#define broken(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        broken(test_order),          broken(test_chain),
        broken(test_last),           broken(test_op),
        broken(test_arity),          broken(test_node_id),
        broken(test_node_id_range),  broken(test_value_id),
        broken(test_value_id_range), broken(test_result_place),
        broken(test_input_place),    broken(test_use_user),
        broken(test_use_list),       broken(test_use_count),
        broken(test_stale_use),      broken(test_dead_user),
        broken(test_output_mark),    broken(test_output_value),
        broken(test_attr_count),     broken(test_attr_name),
        broken(test_attr_kind),      broken(test_attr_value),
        broken(test_result_type),    broken(test_result_dtype),
        broken(test_no_dtype),       broken(test_missing_dim),
        broken(test_overflow),       broken(test_unknown_symbol),
        broken(test_loop_symbol),    broken(test_constraint),
        broken(test_layout),         broken(test_blob_size),
        broken(test_blob_missing),   broken(test_blob_misplaced),
        broken(test_bound_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
