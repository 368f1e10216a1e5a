/* test_runner.c: the pass table and its runner: order, levels, dumps, stops, times, checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "tests/support/graph_hash.h"

static const char source[] = "graph @g(%0 \"x\": f32[2]) -> (%3 \"y\") {\n"
                             "  %1 = neg(%0) : f32[2]\n"
                             "  %2 = neg(%1) : f32[2]\n"
                             "  %3 = exp(%2) : f32[2]\n"
                             "}\n";

typedef struct Fixture {
    Ctx ctx;
    StrBuf dump;
    Compile compile;
} Fixture;

static int set_up(void **state) {
    Fixture *f = test_calloc(1, sizeof *f);
    tn_ctx_init(&f->ctx, NULL);
    f->dump = tn_str(&f->ctx.arena);
    tn_str_puts(&f->dump, "");
    f->compile = (Compile){
        .ctx = &f->ctx,
        .options = {.opt_level = 2, .target = tn_target_by_name(TN_SV("x86-64-v3")), .threads = 1},
        .graph = tn_graph_parse_text(&f->ctx, tn_sv(source), "source"),
        .dump = &f->dump};
    assert_non_null(f->compile.graph);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    Fixture *f = *state;
    tn_ctx_free(&f->ctx);
    test_free(f);
    return 0;
}

static uint32_t count_nodes(const Graph *graph) {
    uint32_t n = 0;
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        n++;
    }
    return n;
}

/* ---- the table ---- */

static void test_table_is_in_order(void **state) {
    (void)state;
    bool loops = false;
    const Pass *pass;
    for (uint32_t i = 0; (pass = tn_pass_at(i)) != NULL; i++) {
        assert_ptr_equal(tn_pass_by_name(tn_sv(pass->name)), pass);
        assert_true(strlen(pass->doc) > 0);
        assert_false(loops && pass->level == PASS_GRAPH);
        loops = pass->level == PASS_LOOP;
    }
    assert_string_equal(tn_pass_at(0)->name, "infer");
    assert_null(tn_pass_by_name(TN_SV("inf")));
    assert_null(tn_pass_by_name(TN_SV("all")));
}

/* ---- dumps and stops ---- */

static void test_dump_shows_the_graph(void **state) {
    Fixture *f = *state;
    f->compile.options.dump_after = "simplify";
    f->compile.options.stop_after = "simplify";
    assert_true(tn_passes_run(&f->compile));
    assert_string_equal(f->dump.data, "# after simplify\n"
                                      "graph @g(%0 \"x\": f32[2]) -> (%1 \"y\") {\n"
                                      "  %1 = exp(%0) : f32[2]\n"
                                      "}\n");
}

static void test_dump_parses_back(void **state) {
    Fixture *f = *state;
    f->compile.options.dump_after = "simplify";
    f->compile.options.stop_after = "simplify";
    assert_true(tn_passes_run(&f->compile));
    Graph *again = tn_graph_parse_text(&f->ctx, tn_sv(f->dump.data), "dump");
    assert_non_null(again);
    assert_true(graph_hash(again) == graph_hash(f->compile.graph));
}

static void test_dump_all_tells_what_is_unchanged(void **state) {
    Fixture *f = *state;
    f->compile.options.dump_after = "all";
    f->compile.options.stop_after = "dce";
    assert_true(tn_passes_run(&f->compile));
    assert_non_null(strstr(f->dump.data, "# after infer (unchanged)\n"));
    assert_non_null(strstr(f->dump.data, "# after simplify\ngraph"));
    assert_non_null(strstr(f->dump.data, "# after dce (unchanged)\n"));
    assert_null(strstr(f->dump.data, "# after fuse"));
}

static void test_stop_leaves_the_rest(void **state) {
    Fixture *f = *state;
    f->compile.options.stop_after = "infer";
    assert_true(tn_passes_run(&f->compile));
    assert_int_equal(count_nodes(f->compile.graph), 3);
    assert_null(f->compile.program);
    assert_string_equal(f->dump.data, "");
}

static void test_levels_leave_passes_out(void **state) {
    Fixture *f = *state;
    f->compile.options.opt_level = 0;
    f->compile.options.dump_after = "bnfold";
    f->compile.options.stop_after = "bnfold";
    assert_true(tn_passes_run(&f->compile));
    assert_string_equal(f->dump.data, "# after bnfold (not run at -O0)\n");
}

static void test_unknown_names_are_refused(void **state) {
    Fixture *f = *state;
    f->compile.options.dump_after = "simplfy";
    assert_false(tn_passes_run(&f->compile));
    assert_int_equal(tn_diag_status(&f->ctx.diags), TN_USAGE);
    const char *text = f->ctx.diags.items.data[0].text;
    assert_non_null(strstr(text, "no pass 'simplfy'"));
    assert_non_null(strstr(text, "infer, simplify, fold"));
    f->compile.options.dump_after = NULL;
    f->compile.options.stop_after = "all";
    assert_false(tn_passes_run(&f->compile));
}

/* ---- times and checks ---- */

static void test_times_are_listed(void **state) {
    Fixture *f = *state;
    f->compile.options.time_passes = true;
    f->compile.options.stop_after = "simplify";
    assert_true(tn_passes_run(&f->compile));
    assert_non_null(strstr(f->dump.data, "# time infer"));
    assert_non_null(strstr(f->dump.data, "# time simplify"));
    assert_non_null(strstr(f->dump.data, "# time total"));
}

/* A result whose type is not what its row gives. */
static bool break_graph(Compile *compile) {
    compile->graph->last->out[0]->type.dtype = TN_I8;
    return true;
}

static void test_checks_name_the_pass(void **state) {
    Fixture *f = *state;
    const Pass broken = {.name = "broken", .level = PASS_GRAPH, .run = break_graph};
    f->compile.options.verify_each = true;
    assert_false(tn_pass_run(&f->compile, &broken));
    assert_int_equal(tn_diag_status(&f->ctx.diags), TN_INTERNAL);
    const Diag *last = &f->ctx.diags.items.data[f->ctx.diags.items.len - 1];
    assert_non_null(strstr(last->text, "pass 'broken' left an invalid graph"));
}

static bool use_scratch(Compile *compile) {
    return tn_arena_alloc(&compile->ctx->scratch, 100000, 8) != NULL;
}

static void test_scratch_is_released(void **state) {
    Fixture *f = *state;
    const Pass hungry = {.name = "hungry", .level = PASS_GRAPH, .run = use_scratch};
    assert_true(tn_pass_run(&f->compile, &hungry));
    size_t total = f->ctx.scratch.total;
    for (int i = 0; i < 100; i++) {
        assert_true(tn_pass_run(&f->compile, &hungry));
    }
    assert_true(f->ctx.scratch.total <= total + 1000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_in_order),
        cmocka_unit_test_setup_teardown(test_dump_shows_the_graph, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dump_parses_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dump_all_tells_what_is_unchanged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_leaves_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_levels_leave_passes_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_names_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_times_are_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checks_name_the_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scratch_is_released, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
