/* test_onnx.c: the text library in ONNX's semantics against ONNX's reference operators
 * (tests/lib/reference_onnx.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/lib_case.h"

static void operators(void **state) {
    (void)state;
    lib_check_file("tests/lib/data/onnx.txt");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(operators)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
