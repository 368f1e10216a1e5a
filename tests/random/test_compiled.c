/* test_compiled.c: random graphs compiled into this process against the evaluator: at -O0 for
 * the oldest processor and at -O3 for one this machine has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ir/target.h"
#include "tenon/tenon.h"
#include "tests/support/graph_compiled.h"
#include "tests/support/graph_sweep.h"

/* About half a minute. */
enum { GRAPHS_DEFAULT = 60 };

/* The targets this machine can run, taken in turn. */
static const char *target_for(uint64_t seed) {
    const char *names[8];
    uint64_t n = 0;
    const Target *target;
    for (uint32_t i = 0; (target = tn_target_at(i)) != NULL && n < 8; i++) {
        if ((target->features & ~tn_cpu_features()) == 0) {
            names[n++] = target->name;
        }
    }
    return n == 0 ? "native" : names[seed / 2 % n];
}

static const char *check_compiled(Graph *graph, uint64_t seed) {
    const CompiledSetting settings[] = {{"0", "x86-64-v2"}, {"3", target_for(seed)}};
    return compiled_check(graph, gen_inputs(graph, seed, &graph->ctx->arena), settings, 2);
}

static void test_compiled_graphs(void **state) {
    (void)state;
    sweep_graphs(check_compiled, GRAPHS_DEFAULT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_compiled_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
