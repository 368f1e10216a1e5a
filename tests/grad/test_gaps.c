/* test_gaps.c: what cannot be differentiated says so by name, all at once; what does not depend
 * on a target has no derivative. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/grad_check.h"

typedef struct Gaps {
    Ctx ctx;
    Graph *graph;
    Value *out;
} Gaps;

static void begin(Gaps *gaps, const char *text) {
    tn_ctx_init(&gaps->ctx, NULL);
    gaps->out = NULL;
    gaps->graph = tn_graph_parse_text(&gaps->ctx, tn_sv(text), "gaps.tn");
    if (gaps->graph == NULL) {
        fail_msg("%s", grad_check_messages(&gaps->ctx));
    }
}

/* The first output by input `target`. */
static bool differentiate(Gaps *gaps, size_t target) {
    Value *y = gaps->graph->outputs.data[0].value;
    return tn_grad_build(gaps->graph, &y, NULL, 1, &gaps->graph->inputs.data[target], 1,
                         &gaps->out);
}

/* Nodes get the names that a model would have given them. */
static void name_nodes(Graph *graph, const char *const *names) {
    for (Node *node = graph->first; node != NULL; node = node->next) {
        node->loc.node = *names++;
    }
}

/* ---- grouped convolutions of as many dims as a value can have have no gradient ---- */

enum { SPATIAL = TN_MAX_RANK - 2 };

/* "[first,one,one,..]" */
static void put_list(StrBuf *text, const char *first, const char *one) {
    tn_str_printf(text, "[%s%s", first, one);
    for (int i = 1; i < SPATIAL; i++) {
        tn_str_printf(text, ",%s", one);
    }
    tn_str_puts(text, "]");
}

static void put_type(StrBuf *text, const char *first) {
    tn_str_puts(text, "f64");
    put_list(text, first, "1");
}

static void put_conv(StrBuf *text, const char *result, const char *x) {
    static const char *const lists[][2] = {{"strides", "1"},
                                           {"pads_lo", "0"},
                                           {"pads_hi", "0"},
                                           {"dilations", "1"},
                                           {"in_dilations", "1"}};
    tn_str_printf(text, " %s = conv(%s, %%w) {", result, x);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        tn_str_printf(text, "%s=", lists[i][0]);
        put_list(text, "", lists[i][1]);
        tn_str_puts(text, ", ");
    }
    tn_str_puts(text, "groups=2}");
}

static void put_inputs(StrBuf *text) {
    tn_str_puts(text, "%x: ");
    put_type(text, "1,2,");
    tn_str_puts(text, ", %w: ");
    put_type(text, "2,1,");
    tn_str_puts(text, ")");
}

/* Two behind each other, and one that the first output does not depend on. */
static const char *const chain_names[] = {"first", "between", "second", "aside"};

static void begin_chain(Gaps *gaps) {
    Arena arena;
    tn_arena_init(&arena, NULL);
    StrBuf text = tn_str(&arena);
    tn_str_puts(&text, "graph @t(");
    put_inputs(&text);
    tn_str_puts(&text, " -> (%y, %z) {");
    put_conv(&text, "%a", "%x");
    tn_str_puts(&text, " %b = tanh(%a)");
    put_conv(&text, "%y", "%b");
    put_conv(&text, "%z", "%x");
    tn_str_puts(&text, " }");
    begin(gaps, text.data);
    name_nodes(gaps->graph, chain_names);
    tn_arena_free(&arena);
}

static void test_all_gaps_by_name(void **state) {
    (void)state;
    Gaps gaps;
    begin_chain(&gaps);
    assert_false(differentiate(&gaps, 0));
    const char *messages = grad_check_messages(&gaps.ctx);
    assert_int_equal(gaps.ctx.diags.items.len, 2);
    assert_int_equal(tn_diag_status(&gaps.ctx.diags), TN_UNSUPPORTED);
    assert_non_null(strstr(messages, "'first'"));
    assert_non_null(strstr(messages, "'second'"));
    assert_non_null(strstr(messages, "the gradient of a grouped convolution with 16 dimensions"));
    assert_null(strstr(messages, "'aside'"));
    tn_ctx_free(&gaps.ctx);
}

static void test_gap_inside_a_loop(void **state) {
    (void)state;
    Gaps gaps;
    Arena arena;
    tn_arena_init(&arena, NULL);
    StrBuf text = tn_str(&arena);
    tn_str_puts(&text, "graph @t(");
    put_inputs(&text);
    tn_str_puts(&text, " -> (%y) { %y = loop(%x, %w) {trips=[3], carried=1} do graph @turn(%t: "
                       "i64, ");
    put_inputs(&text);
    tn_str_puts(&text, " -> (%n) { %p = tanh(%x)");
    put_conv(&text, "%n", "%p");
    tn_str_puts(&text, " } }");
    begin(&gaps, text.data);
    gaps.graph->first->body->first->next->loc.node = "inside";
    assert_false(differentiate(&gaps, 0));
    assert_int_equal(gaps.ctx.diags.items.len, 1);
    assert_non_null(strstr(grad_check_messages(&gaps.ctx), "'inside'"));
    tn_ctx_free(&gaps.ctx);
    tn_arena_free(&arena);
}

/* ---- what has no derivative at all ---- */

static void test_integers_have_no_gradient(void **state) {
    (void)state;
    Gaps gaps;
    begin(&gaps, "graph @t(%x: f64[3]) -> (%y) { %y = cast(%x) {to=i64} }");
    assert_false(differentiate(&gaps, 0));
    assert_int_equal(tn_diag_status(&gaps.ctx.diags), TN_BAD_INPUT);
    assert_non_null(strstr(grad_check_messages(&gaps.ctx), "a value of type i64 has no gradient"));
    tn_ctx_free(&gaps.ctx);
}

/* No path at all, a path through integers, and a path that a row of the table cuts. */
static void test_targets_out_of_reach(void **state) {
    static const char *const texts[] = {
        "graph @t(%x: f64[3], %z: f64[3]) -> (%y) { %y = tanh(%z) }",
        "graph @t(%x: f64[3], %z: f64[3]) -> (%y) { %i = cast(%x) {to=i64} %f = cast(%i) {to=f64} "
        "%y = mul(%f, %z) }",
        "graph @t(%x: f64[3], %z: f64[3]) -> (%y) { %f = stop_gradient(%x) %y = mul(%f, %z) }",
        "graph @t(%x: f64[3], %z: f64[3]) -> (%y) { %f = floor(%x) %y = mul(%f, %z) }",
        "graph @t(%x: f64[3], %z: f64[3]) -> (%y) { %c = lt(%x, %z) %n = neg(%z) %y = select(%c, "
        "%z, %n) }",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Gaps gaps;
        begin(&gaps, texts[i]);
        assert_true(differentiate(&gaps, 0));
        assert_null(gaps.out);
        assert_true(differentiate(&gaps, 1));
        assert_non_null(gaps.out);
        assert_int_equal(gaps.ctx.diags.items.len, 0);
        tn_ctx_free(&gaps.ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_gaps_by_name),
        cmocka_unit_test(test_gap_inside_a_loop),
        cmocka_unit_test(test_integers_have_no_gradient),
        cmocka_unit_test(test_targets_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
