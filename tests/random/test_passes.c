/* test_passes.c: random graphs through the text form and through every graph pass.
 *
 * For each seed: printing and parsing is the identity; each graph pass alone, and all of
 * them in order, leave a valid graph with the same results; simplifying twice is
 * simplifying once. TENON_RANDOM_GRAPHS sets the number of seeds, TENON_RANDOM_SEED the
 * first, TENON_RANDOM_PASS the one pass to run alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "passes/simplify.h"
#include "tests/support/graph_gen.h"

enum { GRAPHS_DEFAULT = 2000 };

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static const char *text_of(const Graph *graph) {
    StrBuf text = tn_str(&graph->ctx->arena);
    tn_graph_print(graph, false, &text);
    return text.data;
}

/* Cuts and diagnostics of earlier tries must not colour the next. */
static const char *messages(Ctx *ctx) {
    StrBuf text = tn_str(&ctx->arena);
    tn_diag_print(&ctx->diags, &text);
    ctx->diags.items.len = 0;
    return text.data;
}

/* ---- what must hold of one graph ---- */

/* NULL when the property holds, else what does not. */
typedef const char *Property(Graph *graph, uint64_t seed);

static const char *check_text(Graph *graph, uint64_t seed) {
    (void)seed;
    Ctx *ctx = graph->ctx;
    const char *text = text_of(graph);
    Graph *again = tn_graph_parse_text(ctx, tn_sv(text), "printed");
    if (again == NULL) {
        return tn_arena_printf(&ctx->arena, "does not parse back: %s", messages(ctx));
    }
    if (tn_graph_hash(again) != tn_graph_hash(graph)) {
        return "the parsed graph has another hash";
    }
    const char *text_again = text_of(again);
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

static bool has_f32(const Graph *graph) {
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        if (node->out[0]->type.dtype == TN_F32) {
            return true;
        }
    }
    return false;
}

static const char *compare_results(Graph *graph, Graph *after, uint64_t seed) {
    Ctx *ctx = graph->ctx;
    RefTensor *inputs = gen_inputs(graph, seed, &ctx->arena);
    RefTensor *found = TN_NEW_ARRAY(&ctx->arena, RefTensor, graph->outputs.len + 1);
    GenOutputs expected;
    if (!gen_eval(graph, inputs, &ctx->arena, &expected)) {
        messages(ctx);
        return NULL; /* a cut graph may not take these inputs */
    }
    if (!tn_eval_graph(after, inputs, &ctx->arena, found, NULL, NULL)) {
        return tn_arena_printf(&ctx->arena, "does not evaluate: %s", messages(ctx));
    }
    double relative = has_f32(graph) ? 2e-6 : 1e-11;
    for (size_t i = 0; i < graph->outputs.len; i++) {
        const char *difference = gen_compare(&expected, i, &found[i], relative, &ctx->arena);
        if (difference != NULL) {
            return tn_arena_printf(&ctx->arena, "output %zu: %s; graph after:\n%s", i, difference,
                                   text_of(after));
        }
    }
    return NULL;
}

static const char *check_pass(Graph *graph, const Pass *pass, uint64_t seed) {
    Ctx *ctx = graph->ctx;
    Graph *after = after_passes(graph, pass);
    const char *wrong = after == NULL || ctx->diags.items.len > 0
                            ? messages(ctx)
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
        return messages(graph->ctx);
    }
    const char *text = text_of(after);
    if (!tn_simplify_graph(after)) {
        return messages(graph->ctx);
    }
    const char *again = text_of(after);
    return strcmp(text, again) == 0
               ? NULL
               : tn_arena_printf(&graph->ctx->arena, "not at rest:\n%s\nbecomes\n%s", text, again);
}

/* ---- all seeds ---- */

typedef struct Failing {
    Property *property;
    uint64_t seed;
} Failing;

static bool still_fails(void *arg, Graph *graph) {
    const Failing *failing = arg;
    return failing->property(graph, failing->seed) != NULL;
}

static void fail_with(Graph *graph, Property *property, uint64_t seed) {
    Graph *small = gen_shrink(graph, still_fails, &(Failing){property, seed});
    const char *wrong = property(small, seed);
    fail_msg("seed %llu: %s\nwith the graph\n%s", (unsigned long long)seed,
             wrong != NULL ? wrong : "(differs only unshrunk)", text_of(small));
}

static void check_seed(Property *property, uint64_t seed) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    DType float_type = seed % 2 == 0 ? TN_F64 : TN_F32;
    Graph *graph = gen_graph(&ctx, (GenOptions){.seed = seed, .float_type = float_type});
    if (ctx.diags.items.len > 0 || !tn_graph_verify(graph)) {
        fail_msg("seed %llu: the generator made an invalid graph: %s", (unsigned long long)seed,
                 messages(&ctx));
    }
    if (property(graph, seed) != NULL) {
        fail_with(graph, property, seed);
    }
    tn_ctx_free(&ctx);
}

static void check_seeds(Property *property) {
    uint64_t first = from_environment("TENON_RANDOM_SEED", 1);
    uint64_t n = from_environment("TENON_RANDOM_GRAPHS", GRAPHS_DEFAULT);
    for (uint64_t seed = first; seed < first + n; seed++) {
        check_seed(property, seed);
    }
}

static const char *check_evaluates(Graph *graph, uint64_t seed) {
    Arena *arena = &graph->ctx->arena;
    GenOutputs outputs;
    bool ok = gen_eval(graph, gen_inputs(graph, seed, arena), arena, &outputs);
    return ok ? NULL : messages(graph->ctx);
}

static void test_graphs_evaluate(void **state) {
    (void)state;
    check_seeds(check_evaluates);
}

static void test_text_round_trip(void **state) {
    (void)state;
    check_seeds(check_text);
}

static void test_each_pass_keeps_results(void **state) {
    (void)state;
    check_seeds(check_each_pass);
}

static void test_all_passes_keep_results(void **state) {
    (void)state;
    check_seeds(check_all_passes);
}

static void test_simplify_comes_to_rest(void **state) {
    (void)state;
    check_seeds(check_rest);
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
