/* test_passes.c: random graphs through the text form and through every graph pass.
 *
 * For each seed: printing and parsing is the identity; each graph pass alone, and all of
 * them in order, leave a valid graph with the same results; simplifying twice is
 * simplifying once. TENON_RANDOM_PASS names the one pass to run alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "passes/simplify.h"
#include "tests/support/graph_hash.h"
#include "tests/support/graph_sweep.h"

enum { GRAPHS_DEFAULT = 2000 };

/* ---- what must hold of one graph ---- */

static const char *check_text(Graph *graph, uint64_t seed) {
    (void)seed;
    Ctx *ctx = graph->ctx;
    const char *text = sweep_text(graph);
    Graph *again = tn_graph_parse_text(ctx, tn_sv(text), "printed");
    if (again == NULL) {
        return tn_arena_printf(&ctx->arena, "does not parse back: %s", sweep_messages(ctx));
    }
    if (graph_hash(again) != graph_hash(graph)) {
        return "the parsed graph has another hash";
    }
    const char *text_again = sweep_text(again);
    return strcmp(text, text_again) == 0
               ? NULL
               : tn_arena_printf(&ctx->arena, "prints differently after parsing:\n%s", text_again);
}

/* Runs the passes on a copy; the index of `only`, or all graph passes when NULL. */
static Graph *after_passes(Graph *graph, const Pass *only) {
    Compile compile = {.ctx = graph->ctx,
                       .options = {.opt_level = 3,
                                   .target = tn_target_by_name(TN_SV("x86-64-v3")),
                                   .threads = 1,
                                   .verify_each = true},
                       .graph = tn_graph_clone(graph)};
    const Pass *pass;
    for (uint32_t i = 0; (pass = tn_pass_at(i)) != NULL; i++) {
        bool runs = only == NULL ? pass->level == PASS_GRAPH : pass == only;
        if (runs && !tn_pass_run(&compile, pass)) {
            return NULL;
        }
    }
    return compile.graph;
}

static const char *compare_results(Graph *graph, Graph *after, uint64_t seed) {
    Ctx *ctx = graph->ctx;
    RefTensor *inputs = gen_inputs(graph, seed, &ctx->arena);
    RefTensor *found = TN_NEW_ARRAY(&ctx->arena, RefTensor, graph->outputs.len + 1);
    GenOutputs expected;
    if (!gen_eval(graph, inputs, &ctx->arena, &expected)) {
        sweep_messages(ctx);
        return NULL; /* a cut graph may not take these inputs */
    }
    if (!tn_eval_graph(after, inputs, &ctx->arena, found, NULL, NULL)) {
        return tn_arena_printf(&ctx->arena, "does not evaluate: %s", sweep_messages(ctx));
    }
    double relative = sweep_tolerance(graph, 2e-6, 1e-11);
    for (size_t i = 0; i < graph->outputs.len; i++) {
        const char *difference = gen_compare(&expected, i, &found[i], relative, &ctx->arena);
        if (difference != NULL) {
            return tn_arena_printf(&ctx->arena, "output %zu: %s; graph after:\n%s", i, difference,
                                   sweep_text(after));
        }
    }
    return NULL;
}

static const char *check_pass(Graph *graph, const Pass *pass, uint64_t seed) {
    Ctx *ctx = graph->ctx;
    Graph *after = after_passes(graph, pass);
    const char *wrong = after == NULL || ctx->diags.items.len > 0
                            ? sweep_messages(ctx)
                            : compare_results(graph, after, seed);
    return wrong == NULL ? NULL
                         : tn_arena_printf(&ctx->arena, "pass '%s': %s",
                                           pass == NULL ? "all" : pass->name, wrong);
}

static const char *check_each_pass(Graph *graph, uint64_t seed) {
    const char *only = getenv("TENON_RANDOM_PASS");
    const Pass *pass;
    for (uint32_t i = 0; (pass = tn_pass_at(i)) != NULL && pass->level == PASS_GRAPH; i++) {
        bool runs = only == NULL || strcmp(only, pass->name) == 0;
        const char *wrong = runs ? check_pass(graph, pass, seed) : NULL;
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}

static const char *check_all_passes(Graph *graph, uint64_t seed) {
    return check_pass(graph, NULL, seed);
}

/* On one graph, not on copies: operands are ordered by ids, which copying changes. */
static const char *check_rest(Graph *graph, uint64_t seed) {
    (void)seed;
    Graph *after = after_passes(graph, tn_pass_by_name(TN_SV("simplify")));
    if (after == NULL) {
        return sweep_messages(graph->ctx);
    }
    const char *text = sweep_text(after);
    if (!tn_simplify_graph(after)) {
        return sweep_messages(graph->ctx);
    }
    const char *again = sweep_text(after);
    return strcmp(text, again) == 0
               ? NULL
               : tn_arena_printf(&graph->ctx->arena, "not at rest:\n%s\nbecomes\n%s", text, again);
}

static const char *check_evaluates(Graph *graph, uint64_t seed) {
    Arena *arena = &graph->ctx->arena;
    GenOutputs outputs;
    bool ok = gen_eval(graph, gen_inputs(graph, seed, arena), arena, &outputs);
    return ok ? NULL : sweep_messages(graph->ctx);
}

static void test_graphs_evaluate(void **state) {
    (void)state;
    sweep_graphs(check_evaluates, GRAPHS_DEFAULT);
}

static void test_text_round_trip(void **state) {
    (void)state;
    sweep_graphs(check_text, GRAPHS_DEFAULT);
}

static void test_each_pass_keeps_results(void **state) {
    (void)state;
    sweep_graphs(check_each_pass, GRAPHS_DEFAULT);
}

static void test_all_passes_keep_results(void **state) {
    (void)state;
    sweep_graphs(check_all_passes, GRAPHS_DEFAULT);
}

static void test_simplify_comes_to_rest(void **state) {
    (void)state;
    sweep_graphs(check_rest, GRAPHS_DEFAULT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graphs_evaluate),
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_each_pass_keeps_results),
        cmocka_unit_test(test_all_passes_keep_results),
        cmocka_unit_test(test_simplify_comes_to_rest),
    };
    cmocka_set_test_filter(getenv("TENON_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
