/* Every rule of differentiation against central differences in f64, and the dot test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/grad_cases.h"

enum { SEEDS = 3 };

static void begin(GradCheck *check, Ctx *ctx, const GradCase *test, uint64_t seed) {
    tn_ctx_init(ctx, NULL);
    if (!grad_check_case(check, ctx, test, seed)) {
        fail_msg("%s: %s", test->name, grad_check_messages(ctx));
    }
}

static void test_differences(void **state) {
    const GradCase *test = *state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        Ctx ctx;
        GradCheck check;
        begin(&check, &ctx, test, seed);
        double error = grad_check_error(&check, check.gradient);
        if (!(error >= 0 && error <= 1e-7)) {
            fail_msg("%s, seed %d: error %g%s", test->name, (int)seed, error,
                     grad_check_messages(&ctx));
        }
        tn_ctx_free(&ctx);
    }
}

static void test_dot(void **state) {
    const GradCase *test = *state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        Ctx ctx;
        GradCheck check;
        begin(&check, &ctx, test, seed);
        double error = grad_check_dot(&check);
        if (!(error >= 0 && error <= 1e-12)) {
            fail_msg("%s, seed %d: <u, Jv> and <J'u, v> differ by %g%s", test->name, (int)seed,
                     error, grad_check_messages(&ctx));
        }
        tn_ctx_free(&ctx);
    }
}

/* Where no turn gives anything, no loop without results is left behind. */
static void test_loop_of_nothing(void **state) {
    static const GradCase test = {
        .name = "loop of nothing",
        .text = "graph @f(%x: f64[3,2]) -> (%y) { %y = loop(%x) {trips=[3], carried=0, scanned=1} "
                "do graph @turn(%t: i64, %r: f64[2]) -> (%o) { %o = stop_gradient(%r) } }",
        .lo = -1,
        .hi = 1};
    Ctx ctx;
    GradCheck check;
    (void)state;
    begin(&check, &ctx, &test, 1);
    for (const Node *node = check.gradient->first; node != NULL; node = node->next) {
        assert_true(node->n_out > 0);
    }
    RefTensor *out = grad_check_outputs(&check, check.gradient);
    for (int64_t i = 0; i < 6; i++) {
        assert_true(out[check.n_out].f[i] == 0);
    }
    tn_ctx_free(&ctx);
}

/* A row that no case uses is a row without a test. */
static void test_rows_are_covered(void **state) {
    static const char *const integer_rows[] = {
        "eq",          "lt",     "le",     "isnan",  "isinf",  "and",    "or",           "xor",
        "not",         "bitand", "bitor",  "const",  "bitxor", "bitnot", "argmax",       "argmin",
        "pool_argmax", "iota",   "dimvec", "random", "shl",    "shr",    "stop_gradient"};
    (void)state;
    for (int op = 0; op < TN_OP_COUNT; op++) {
        const char *name = tn_op_info((Op)op)->name;
        char call[64];
        bool covered = false;
        snprintf(call, sizeof call, "= %s(", name);
        for (size_t i = 0; i < grad_n_cases; i++) {
            covered = covered || strstr(grad_cases[i].text, call) != NULL;
        }
        for (size_t i = 0; i < sizeof integer_rows / sizeof *integer_rows; i++) {
            covered = covered || strcmp(name, integer_rows[i]) == 0;
        }
        if (!covered) {
            fail_msg("no case differentiates '%s'", name);
        }
    }
}

int main(void) {
    struct CMUnitTest *tests = calloc(2 * grad_n_cases + 2, sizeof *tests);
    if (tests == NULL) {
        return 1;
    }
    for (size_t i = 0; i < grad_n_cases; i++) {
        const char *name = grad_cases[i].name;
        void *test = (void *)(uintptr_t)&grad_cases[i];
        tests[2 * i] = (struct CMUnitTest){name, test_differences, NULL, NULL, test};
        tests[2 * i + 1] = (struct CMUnitTest){name, test_dot, NULL, NULL, test};
    }
    tests[2 * grad_n_cases] = (struct CMUnitTest)cmocka_unit_test(test_rows_are_covered);
    tests[2 * grad_n_cases + 1] = (struct CMUnitTest)cmocka_unit_test(test_loop_of_nothing);
    int failed = _cmocka_run_group_tests("rules", tests, 2 * grad_n_cases + 2, NULL, NULL);
    free(tests);
    return failed;
}
