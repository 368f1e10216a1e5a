/* test_gradients.c: random graphs differentiated: along random directions against differences,
 * and compiled gradients against the evaluator. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/grad_check.h"
#include "tests/support/graph_compiled.h"
#include "tests/support/graph_sweep.h"

enum { DIFFERENCES_DEFAULT = 2000, COMPILED_DEFAULT = 40 };

/* ---- graphs that can be differentiated ---- */

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

/* A copy of the graph without outputs that have no derivative; NULL when none is left, or when
 * there is nothing to differentiate by. */
static Graph *differentiable(const Graph *graph) {
    Graph *copy = tn_graph_clone(graph);
    size_t n = 0, n_by = 0;
    for (size_t i = 0; i < copy->outputs.len; i++) {
        GraphOutput output = copy->outputs.data[i];
        if (is_float(output.value)) {
            copy->outputs.data[n++] = output;
        } else {
            output.value->is_output = false;
            output.value->n_uses--;
        }
    }
    copy->outputs.len = n;
    for (size_t i = 0; i < copy->inputs.len; i++) {
        n_by += is_float(copy->inputs.data[i]);
    }
    return n > 0 && n_by > 0 ? copy : NULL;
}

/* ---- against differences ---- */

/* Off the multiples of 1/4 that the generator gives, where kinks and ties are. */
static void move_inputs(const Graph *graph, RefTensor *inputs, uint64_t seed) {
    uint64_t random = seed;
    for (size_t i = 0; i < graph->inputs.len; i++) {
        for (int64_t k = 0; k < inputs[i].count && is_float(graph->inputs.data[i]); k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            inputs[i].f[k] += 0.2 * (double)(random >> 11) * 0x1p-53 - 0.1;
        }
    }
}

/* Differences see through it. */
static void let_through(Graph *graph) {
    for (Node *node = graph->first; node != NULL; node = node->next) {
        if (node->op == TN_OP_stop_gradient) {
            tn_value_replace(graph, node->out[0], node->in[0]);
        }
        if (node->body != NULL) {
            let_through(node->body);
        }
    }
}

/* Whether a cast rounds to a step as wide as those of differences. */
static bool has_steps(const Graph *graph) {
    bool steps = false;
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        const Value *to = node->out[0];
        steps = steps || (node->body != NULL && has_steps(node->body)) ||
                (node->op == TN_OP_cast && is_float(node->in[0]) && is_float(to) &&
                 to->type.dtype != TN_F64);
    }
    return steps;
}

static void note_infinite(void *arg, const Value *value, const RefTensor *tensor) {
    bool *finite = arg;
    for (int64_t k = 0; k < tensor->count && is_float(value); k++) {
        *finite = *finite && isfinite(tensor->f[k]);
    }
}

/* Whether every value on the way is finite: 0 times another is no derivative. */
static bool is_finite(Graph *graph, const RefTensor *inputs) {
    bool finite = true;
    Arena *arena = &graph->ctx->arena;
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, graph->outputs.len + 1);
    return tn_eval_graph(graph, inputs, arena, out, note_infinite, &finite) && finite;
}

typedef enum Verdict { EQUAL, DIFFERENT, ROUGH, NOTHING } Verdict;

/* ROUGH: differences say little, as beside a kink, a pole or on the steps of a cast; NOTHING: there
 * is no derivative to ask for. */
static Verdict along_direction(const Graph *original, uint64_t seed, const char **wrong) {
    Ctx *ctx = original->ctx;
    Graph *graph = differentiable(original);
    GradCheck check;
    int64_t *symbols;
    if (graph == NULL) {
        return NOTHING;
    }
    let_through(graph);
    if (has_steps(graph)) {
        return ROUGH;
    }
    RefTensor *inputs = gen_inputs(graph, seed, &ctx->arena);
    move_inputs(graph, inputs, seed);
    if (!tn_eval_symbols(graph, inputs, &ctx->arena, &symbols)) {
        sweep_messages(ctx);
        return NOTHING; /* a cut graph may not take these inputs */
    }
    if (!grad_check_graph(&check, ctx, graph, inputs, seed)) {
        *wrong = sweep_messages(ctx);
        return DIFFERENT;
    }
    double wanted, rough, found = grad_check_along(&check, &wanted, &rough);
    double size = fmax(1, fabs(wanted));
    if (!(rough <= 1e-4 * size) || !is_finite(graph, inputs)) {
        return ROUGH;
    }
    *wrong = tn_arena_printf(&ctx->arena, "the derivative is %.12g, differences say %.12g %s",
                             found, wanted, sweep_messages(ctx));
    return fabs(found - wanted) <= 1e-6 * size + 8 * rough ? EQUAL : DIFFERENT;
}

static const char *check_differences(Graph *graph, uint64_t seed) {
    const char *wrong;
    return along_direction(graph, seed, &wrong) == DIFFERENT ? wrong : NULL;
}

static void test_differences(void **state) {
    (void)state;
    sweep_graphs(check_differences, DIFFERENCES_DEFAULT);
}

static void test_differences_say_much(void **state) {
    (void)state;
    int counts[NOTHING + 1] = {0};
    for (uint64_t seed = 1; seed <= DIFFERENCES_DEFAULT; seed++) {
        Ctx ctx;
        const char *wrong;
        tn_ctx_init(&ctx, NULL);
        DType float_type = seed % 2 == 0 ? TN_F64 : TN_F32;
        Graph *graph = gen_graph(&ctx, (GenOptions){.seed = seed, .float_type = float_type});
        counts[along_direction(graph, seed, &wrong)]++;
        tn_ctx_free(&ctx);
    }
    print_message("%d derivatives compared, %d not\n", counts[EQUAL], counts[ROUGH]);
    assert_true(counts[EQUAL] > DIFFERENCES_DEFAULT * 3 / 4);
    assert_true(counts[ROUGH] < DIFFERENCES_DEFAULT / 7);
}

/* ---- compiled ---- */

static const char *check_compiled(Graph *original, uint64_t seed) {
    Ctx *ctx = original->ctx;
    Graph *graph = differentiable(original);
    GradCheck check;
    if (graph == NULL) {
        return NULL;
    }
    if (!grad_check_graph(&check, ctx, graph, gen_inputs(graph, seed, &ctx->arena), seed)) {
        return sweep_messages(ctx);
    }
    const CompiledSetting setting = {"2", "native"};
    RefTensor *inputs = gen_inputs(check.gradient, seed, &ctx->arena);
    return compiled_check(check.gradient, inputs, &setting, 1);
}

static void test_compiled(void **state) {
    (void)state;
    sweep_graphs(check_compiled, COMPILED_DEFAULT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_differences_say_much),
        cmocka_unit_test(test_compiled),
    };
    cmocka_set_test_filter(getenv("TENON_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
