/* test_mutations.c: the other tests of differentiation notice every fault in a rule.
 *
 * Faults are planted, one at a time, into the nodes that differentiation built. A fault is
 * caught when central differences or an exact point contradict the gradient, or when it cannot
 * be evaluated. What is not caught must be no fault: the same numbers at all inputs tried.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/grad_cases.h"
#include "tests/support/grad_points.h"
#include "tests/support/graph_fault.h"

enum { SEEDS = 3, POINTS = 4 };

typedef struct Trial {
    const GradCase *test;
    GradCheck checks[SEEDS];
    const RefTensor *sound[SEEDS]; /* outputs of the gradient without a fault */
    const GradPoint *points[POINTS];
    size_t n_points;
    GradCheck at_point;
} Trial;

typedef struct Tally {
    int planted, caught, equal, missed;
} Tally;

static void begin(Trial *trial, Ctx *ctx, const GradCase *test) {
    *trial = (Trial){.test = test};
    if (!grad_check_case(&trial->checks[0], ctx, test, 1)) {
        fail_msg("%s: %s", test->name, grad_check_messages(ctx));
    }
    for (uint64_t i = 0; i < SEEDS; i++) {
        trial->checks[i] = grad_check_again(&trial->checks[0], test, i + 1);
        trial->sound[i] = grad_check_outputs(&trial->checks[i], trial->checks[i].gradient);
    }
    trial->at_point = grad_check_again(&trial->checks[0], test, 1);
    for (size_t i = 0; i < grad_n_points; i++) {
        if (strcmp(grad_points[i].graph, test->name) == 0) {
            assert_true(trial->n_points < POINTS);
            trial->points[trial->n_points++] = &grad_points[i];
        }
    }
}

static bool is_caught(Trial *trial, Graph *mutant) {
    bool caught = false;
    for (size_t i = 0; i < SEEDS && !caught; i++) {
        double error = grad_check_error(&trial->checks[i], mutant);
        caught = !(error >= 0 && error <= 1e-6);
    }
    for (size_t i = 0; i < trial->n_points && !caught; i++) {
        caught = !grad_point_holds(trial->points[i], &trial->at_point, mutant);
    }
    return caught;
}

static bool is_same(const RefTensor *a, const RefTensor *b) {
    bool same = true;
    for (int64_t k = 0; k < a->count; k++) {
        same = same && fabs(a->f[k] - b->f[k]) <= 1e-12 * fmax(1, fabs(a->f[k]));
    }
    return same;
}

/* Whether the mutant gives the numbers of the sound gradient. */
static bool is_equal(Trial *trial, Graph *mutant) {
    bool same = true;
    for (size_t i = 0; i < SEEDS && same; i++) {
        GradCheck *check = &trial->checks[i];
        const RefTensor *out = grad_check_outputs(check, mutant);
        for (size_t k = check->n_out; k < mutant->outputs.len && same; k++) {
            same = is_same(&trial->sound[i][k], &out[k]);
        }
    }
    return same;
}

static void judge(Trial *trial, const Fault *fault, Tally *tally) {
    Ctx *ctx = fault->graph->ctx;
    tally->planted++;
    if (is_caught(trial, fault->graph)) {
        tally->caught++;
    } else if (is_equal(trial, fault->graph)) {
        tally->equal++;
        if (getenv("TENON_SHOW") != NULL) {
            print_message("%s: same numbers with %s at %s\n", trial->test->name, fault->what,
                          tn_op_info(fault->node->op)->name);
        }
    } else {
        tally->missed++;
        StrBuf text = tn_str(&ctx->arena);
        tn_graph_print(fault->graph, false, &text);
        print_error("%s: no test notices %s at %s:\n%s\n", trial->test->name, fault->what,
                    tn_op_info(fault->node->op)->name, text.data);
    }
    ctx->diags.items.len = 0;
}

/* Whether gradients do not vanish for the sizes: a softmax of one, a sum of nothing. */
static bool is_telling(const Trial *trial) {
    const GradCheck *check = &trial->checks[0];
    bool telling = true;
    for (size_t i = 0; i < check->gradient->inputs.len; i++) {
        for (uint32_t d = 0; d < check->in[i].rank; d++) {
            telling = telling && check->in[i].dims[d] > 0;
        }
    }
    for (size_t i = 0; i < GRAD_SYMBOLS; i++) {
        telling = telling && trial->test->sizes[i] != 1;
    }
    return telling;
}

static void plant_all(const GradCase *test, Tally *tally) {
    Ctx ctx;
    Trial trial;
    tn_ctx_init(&ctx, NULL);
    begin(&trial, &ctx, test);
    Faults faults = fault_begin(trial.checks[0].gradient, trial.checks[0].n_nodes);
    Fault fault;
    while (is_telling(&trial) && fault_next(&faults, &fault)) {
        judge(&trial, &fault, tally);
    }
    tn_ctx_free(&ctx);
}

static void test_every_fault_is_caught(void **state) {
    (void)state;
    Tally tally = {0};
    for (size_t i = 0; i < grad_n_cases; i++) {
        plant_all(&grad_cases[i], &tally);
    }
    print_message("%d faults: %d caught, %d that change no number\n", tally.planted, tally.caught,
                  tally.equal);
    assert_int_equal(tally.missed, 0);
    assert_true(tally.planted > 10000);
    assert_true(tally.equal * 14 < tally.planted);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_fault_is_caught)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
