/* test_program.c: random graphs lowered to loops, at every -O level and target, run on the
 * loop interpreter against the reference evaluator.
 *
 * It proves layout, fusion, lowering, tiling, vectorisation and memory planning without any
 * emitted code. TENON_RANDOM_GRAPHS sets the number of seeds, TENON_RANDOM_SEED the first,
 * TENON_RANDOM_STOP the last pass run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "tests/support/graph_gen.h"

enum { GRAPHS_DEFAULT = 300, LEVELS = 3 };

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static const char *messages(Ctx *ctx) {
    StrBuf text = tn_str(&ctx->arena);
    tn_diag_print(&ctx->diags, &text);
    ctx->diags.items.len = 0;
    return text.data != NULL ? text.data : "";
}

/* Inputs as bytes of their own dtype, results likewise. */
static bool interpret(Program *program, const RefTensor *inputs, const int64_t *symbols,
                      const GenOutputs *expected, RefTensor *found) {
    const Graph *graph = program->graph;
    Arena *arena = &program->ctx->arena;
    void **in = TN_NEW_ARRAY(arena, void *, graph->inputs.len + 1);
    void **out = TN_NEW_ARRAY(arena, void *, graph->outputs.len + 1);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        in[i] = tn_arena_alloc(arena, (size_t)inputs[i].count * 8 + 8, 64);
        tn_ref_to_bytes(&inputs[i], in[i]);
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        out[i] = tn_arena_alloc(arena, (size_t)expected->exact[i].count * 8 + 8, 64);
    }
    if (!tn_program_interp(program, in, out, symbols)) {
        return false;
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        const RefTensor *like = &expected->exact[i];
        found[i] = tn_ref_from_bytes(arena, like->dtype, like->rank, like->dims, out[i]);
    }
    return true;
}

typedef struct Setting {
    int level;
    const Target *target;
    uint64_t seed;
} Setting;

/* NULL when compiled loops and the evaluator agree, else what differs. */
static const char *compare(Graph *graph, const Setting *setting) {
    Ctx *ctx = graph->ctx;
    GenOutputs expected;
    int64_t *symbols;
    RefTensor *inputs = gen_inputs(graph, setting->seed, &ctx->arena);
    if (!gen_eval(graph, inputs, &ctx->arena, &expected) ||
        !tn_eval_symbols(graph, inputs, &ctx->arena, &symbols)) {
        messages(ctx);
        return NULL; /* a cut graph may not take these inputs */
    }
    size_t n_symbols = ctx->dims->symbols.len;
    Compile compile = {.ctx = ctx,
                       .options = {.opt_level = setting->level,
                                   .target = setting->target,
                                   .stop_after = getenv("TENON_RANDOM_STOP"),
                                   .verify_each = true},
                       .graph = tn_graph_clone(graph)};
    if (!tn_passes_run(&compile)) {
        return messages(ctx);
    }
    /* Loop variables made meanwhile are symbols too; their values come from the loops. */
    int64_t *all = TN_NEW_ARRAY(&ctx->arena, int64_t, ctx->dims->symbols.len + 1);
    memcpy(all, symbols, n_symbols * sizeof *all);
    RefTensor *found = TN_NEW_ARRAY(&ctx->arena, RefTensor, graph->outputs.len + 1);
    if (!interpret(compile.program, inputs, all, &expected, found)) {
        return messages(ctx);
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        const char *difference = gen_compare(&expected, i, &found[i], 2e-5, &ctx->arena);
        if (difference != NULL) {
            return tn_arena_printf(&ctx->arena, "output %zu: %s", i, difference);
        }
    }
    return NULL;
}

static bool still_fails(void *arg, Graph *graph) {
    return compare(graph, arg) != NULL;
}

static void report(Graph *graph, Setting *setting, const char *wrong) {
    Ctx *ctx = graph->ctx;
    Graph *small = gen_shrink(graph, still_fails, setting);
    StrBuf text = tn_str(&ctx->arena);
    tn_graph_print(small, false, &text);
    print_error("seed %llu -O%d %s: %s\nsmallest graph:\n%s\nwhich says: %s\n",
                (unsigned long long)setting->seed, setting->level, setting->target->name, wrong,
                text.data, compare(small, setting));
}

/* Each seed at one level and one target, all combinations in turn. */
static bool check_seed(uint64_t seed) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Setting setting = {.seed = seed, .level = (int)(seed % LEVELS)};
    setting.target = tn_target_at((uint32_t)(seed / LEVELS % 3));
    Graph *graph =
        gen_graph(&ctx, (GenOptions){.seed = seed, .float_type = seed % 5 ? TN_F32 : TN_F64});
    const char *wrong = compare(graph, &setting);
    if (wrong != NULL) {
        report(graph, &setting, wrong);
    }
    tn_ctx_free(&ctx);
    return wrong == NULL;
}

static void test_random_programs(void **state) {
    (void)state;
    uint64_t first = from_environment("TENON_RANDOM_SEED", 1);
    uint64_t n = from_environment("TENON_RANDOM_GRAPHS", GRAPHS_DEFAULT);
    uint64_t failed = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        failed += !check_seed(seed);
    }
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
