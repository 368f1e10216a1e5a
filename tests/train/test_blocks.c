/* test_blocks.c: training models of residual and branching blocks hold what
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
        {"examples/train/inception.tn", 10},
        {"examples/train/resnet.tn", 10},
    };
    train_check(cases, sizeof cases / sizeof *cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
