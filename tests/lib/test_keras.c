/* test_keras.c: the text library in Keras's semantics against numbers that Keras computed
 * (tests/lib/reference_keras.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/lib_case.h"

#define FILE_TEST(name)                                                                            \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        lib_check_file("tests/lib/data/keras_" #name ".txt");                                      \
    }
FILE_TEST(optimizers)
FILE_TEST(global_norm)
FILE_TEST(schedules)
FILE_TEST(losses)
FILE_TEST(layers)
FILE_TEST(batch_norm)
FILE_TEST(recurrent)
FILE_TEST(attention)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizers), cmocka_unit_test(global_norm), cmocka_unit_test(schedules),
        cmocka_unit_test(losses),     cmocka_unit_test(layers),      cmocka_unit_test(batch_norm),
        cmocka_unit_test(recurrent),  cmocka_unit_test(attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
