/* test_attention.c: training models of attention hold what
 * tests/support/train_check.h says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/train_check.h"

static void hold(void **state) {
    (void)state;
    static const TrainCase cases[] = {
        {"examples/train/transformer.tn", 10},
        {"bench/gpt.tn", 256},
    };
    train_check(cases, sizeof cases / sizeof *cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
