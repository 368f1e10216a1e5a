/* test_dense.c: training models of dense layers and embeddings hold what
 * tests/support/train_check.h says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/train_check.h"

static void hold(void **state) {
    (void)state;
    static const TrainCase cases[] = {
        {"examples/train/autoencoder.tn", 2},
        {"examples/train/embedding.tn", 200},
        {"examples/train/mlp.tn", 10},
        {"examples/train/softmax_regression.tn", 10},
        {"examples/train/tree.tn", 2},
        {"examples/train/vae.tn", 2},
        {"bench/mlp.tn", 10},
    };
    train_check(cases, sizeof cases / sizeof *cases);
}

/* The list of what an object wants is not always empty. */
static void symbols_are_found(void **state) {
    (void)state;
    char names[1 << 16];
    assert_true(train_foreign_symbols("/proc/self/exe", names, sizeof names) > 10);
    assert_non_null(strstr(names, "malloc"));
    assert_non_null(strstr(names, "libc.so"));
    assert_int_equal(train_foreign_symbols("README.md", names, sizeof names), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(symbols_are_found), cmocka_unit_test(hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
