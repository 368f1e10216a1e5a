/* test_elementwise.c: operators that are one elementwise primitive, and activations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/onnx_case.h"

/* One case a row: columns say more here than the formatter would. */
/* clang-format off */
#define CHECK(...)                                                   \
    do {                                                             \
        const OpCase cases[] = {__VA_ARGS__};                        \
        onnx_check(cases, sizeof cases / sizeof *cases);             \
    } while (0)

static void test_unary(void **state) {
    (void)state;
    CHECK({13, "Abs", NULL, {CASE_T(TN_I32, "3", -2, 0, 5)}, 0, {CASE_T(TN_I32, "3", 2, 0, 5)}, NULL},
          {5, "Abs", "consumed_inputs=[0]", {CASE_T(TN_F32, "2", -2, 1)}, 0, {CASE_T(TN_F32, "2", 2, 1)}, NULL},
          {13, "Ceil", NULL, {CASE_T(TN_F32, "2", -1.5, 1.2)}, 0, {CASE_T(TN_F32, "2", -1, 2)}, NULL},
          {13, "Neg", NULL, {CASE_T(TN_I64, "2", -1, 7)}, 0, {CASE_T(TN_I64, "2", 1, -7)}, NULL},
          {13, "Not", NULL, {CASE_T(TN_BOOL, "2", 0, 1)}, 0, {CASE_T(TN_BOOL, "2", 1, 0)}, NULL},
          {22, "Round", NULL, {CASE_T(TN_F32, "4", 0.5, 1.5, 2.5, -2.5)}, 0, {CASE_T(TN_F32, "4", 0, 2, 2, -2)}, NULL},
          {13, "Reciprocal", NULL, {CASE_T(TN_F32, "2", 4, -0.5)}, 0, {CASE_T(TN_F32, "2", 0.25, -2)}, NULL},
          {13, "Sign", NULL, {CASE_T(TN_F32, "3", -4, 0, 9)}, 0, {CASE_T(TN_F32, "3", -1, 0, 1)}, NULL},
          {13, "IsNaN", NULL, {CASE_T(TN_F32, "2", NAN, 1)}, 0, {CASE_T(TN_BOOL, "2", 1, 0)}, NULL},
          {20, "IsInf", NULL, {CASE_T(TN_F32, "3", INFINITY, -INFINITY, 1)}, 0, {CASE_T(TN_BOOL, "3", 1, 1, 0)}, NULL},
          {20, "IsInf", "detect_positive=0", {CASE_T(TN_F32, "3", INFINITY, -INFINITY, 1)}, 0, {CASE_T(TN_BOOL, "3", 0, 1, 0)}, NULL},
          {20, "IsInf", "detect_negative=0", {CASE_T(TN_F32, "3", INFINITY, -INFINITY, 1)}, 0, {CASE_T(TN_BOOL, "3", 1, 0, 0)}, NULL},
          {20, "IsInf", "detect_negative=0, detect_positive=0", {CASE_T(TN_F32, "2", INFINITY, 1)}, 0, {CASE_T(TN_BOOL, "2", 0, 0)}, NULL},
          {13, "Identity", NULL, {CASE_T(TN_BOOL, "2", 1, 0)}, 0, {CASE_T(TN_BOOL, "2", 1, 0)}, NULL});
}

static void test_binary(void **state) {
    (void)state;
    CHECK({13, "Add", NULL, {CASE_T(TN_F32, "2,3", 1, 2, 3, 4, 5, 6), CASE_T(TN_F32, "3", 10, 20, 30)}, 0, {CASE_T(TN_F32, "2,3", 11, 22, 33, 14, 25, 36)}, NULL},
          {13, "Sub", NULL, {CASE_T(TN_I64, "2,1", 10, 20), CASE_T(TN_I64, "1,3", 1, 2, 3)}, 0, {CASE_T(TN_I64, "2,3", 9, 8, 7, 19, 18, 17)}, NULL},
          {14, "Div", NULL, {CASE_T(TN_I32, "4", 7, -7, 7, -7), CASE_T(TN_I32, "4", 2, 2, -2, -2)}, 0, {CASE_T(TN_I32, "4", 3, -3, -3, 3)}, NULL},
          {13, "Mul", NULL, {CASE_T(TN_F32, "", 3), CASE_T(TN_F32, "2", 1, 2)}, 0, {CASE_T(TN_F32, "2", 3, 6)}, NULL},
          {13, "Greater", NULL, {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_F32, "3", 2, 2, 2)}, 0, {CASE_T(TN_BOOL, "3", 0, 0, 1)}, NULL},
          {16, "GreaterOrEqual", NULL, {CASE_T(TN_F32, "3", 1, 2, NAN), CASE_T(TN_F32, "3", 2, 2, 2)}, 0, {CASE_T(TN_BOOL, "3", 0, 1, 0)}, NULL},
          {16, "LessOrEqual", NULL, {CASE_T(TN_I64, "3", 1, 2, 3), CASE_T(TN_I64, "3", 2, 2, 2)}, 0, {CASE_T(TN_BOOL, "3", 1, 1, 0)}, NULL},
          {19, "Equal", NULL, {CASE_T(TN_BOOL, "2", 1, 0), CASE_T(TN_BOOL, "2", 1, 1)}, 0, {CASE_T(TN_BOOL, "2", 1, 0)}, NULL},
          {7, "Xor", NULL, {CASE_T(TN_BOOL, "4", 0, 0, 1, 1), CASE_T(TN_BOOL, "4", 0, 1, 0, 1)}, 0, {CASE_T(TN_BOOL, "4", 0, 1, 1, 0)}, NULL},
          {16, "Where", NULL, {CASE_T(TN_BOOL, "2,1", 1, 0), CASE_T(TN_I64, "2", 1, 2), CASE_T(TN_I64, "", 9)}, 0, {CASE_T(TN_I64, "2,2", 1, 2, 9, 9)}, NULL});
}

static void test_bitwise(void **state) {
    (void)state;
    CHECK({18, "BitwiseAnd", NULL, {CASE_T(TN_I32, "2,1", 12, -1), CASE_T(TN_I32, "2", 10, 7)}, 0, {CASE_T(TN_I32, "2,2", 8, 4, 10, 7)}, NULL},
          {18, "BitwiseOr", NULL, {CASE_T(TN_U8, "2", 240, 1), CASE_T(TN_U8, "2", 15, 1)}, 0, {CASE_T(TN_U8, "2", 255, 1)}, NULL},
          {18, "BitwiseXor", NULL, {CASE_T(TN_I64, "2", -1, 5), CASE_T(TN_I64, "", 3)}, 0, {CASE_T(TN_I64, "2", -4, 6)}, NULL},
          {11, "BitShift", "direction=\"LEFT\"", {CASE_T(TN_U8, "3", 16, 4, 255), CASE_T(TN_U8, "3", 1, 8, 7)}, 0, {CASE_T(TN_U8, "3", 32, 0, 128)}, NULL},
          {11, "BitShift", "direction=\"RIGHT\"", {CASE_T(TN_U32, "2", 4294967295, 6), CASE_T(TN_U32, "", 31)}, 0, {CASE_T(TN_U32, "2", 1, 0)}, NULL},
          {18, "BitwiseNot", NULL, {CASE_T(TN_U16, "2", 0, 65534)}, 0, {CASE_T(TN_U16, "2", 65535, 1)}, NULL});
}

static void test_legacy_broadcast(void **state) {
    (void)state;
    CHECK({6, "Add", "broadcast=1, axis=0", {CASE_T(TN_F32, "2,3", 1, 2, 3, 4, 5, 6), CASE_T(TN_F32, "2", 10, 20)}, 0, {CASE_T(TN_F32, "2,3", 11, 12, 13, 24, 25, 26)}, NULL},
          {6, "Mul", "broadcast=1", {CASE_T(TN_F32, "2,2", 1, 2, 3, 4), CASE_T(TN_F32, "2", 10, 20)}, 0, {CASE_T(TN_F32, "2,2", 10, 40, 30, 80)}, NULL},
          {6, "Greater", "broadcast=1, axis=0", {CASE_T(TN_F32, "2,2", 1, 2, 3, 4), CASE_T(TN_F32, "2", 1, 3)}, 0, {CASE_T(TN_BOOL, "2,2", 0, 1, 0, 1)}, NULL},
          {6, "Sub", "broadcast=1, axis=1", {CASE_T(TN_F32, "1,2,2", 1, 2, 3, 4), CASE_T(TN_F32, "2", 1, 2)}, 0, {CASE_T(TN_F32, "1,2,2", 0, 1, 1, 2)}, NULL},
          {6, "PRelu", NULL, {CASE_T(TN_F32, "1,2,2", -1, 1, -1, 1), CASE_T(TN_F32, "2", 10, 20)}, 0, {CASE_T(TN_F32, "1,2,2", -10, 1, -20, 1)}, NULL},
          {9, "PRelu", NULL, {CASE_T(TN_F32, "2,2", -1, 1, -1, -1), CASE_T(TN_F32, "2", 10, 20)}, 0, {CASE_T(TN_F32, "2,2", -10, 1, -10, -20)}, NULL});
}

static void test_pow(void **state) {
    (void)state;
    CHECK({15, "Pow", NULL, {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_F32, "", 2)}, 0, {CASE_T(TN_F32, "3", 1, 4, 9)}, NULL},
          {15, "Pow", NULL, {CASE_T(TN_F32, "2", 4, 9), CASE_T(TN_I64, "2", 1, 2)}, 0, {CASE_T(TN_F32, "2", 4, 81)}, NULL},
          {15, "Pow", NULL, {CASE_T(TN_I32, "2", 4, 9), CASE_T(TN_F32, "1", 0.5)}, 0, {CASE_T(TN_I32, "2", 2, 3)}, NULL},
          {15, "Pow", NULL, {CASE_T(TN_I32, "2", -2, 3), CASE_T(TN_I64, "2", 3, 4)}, 0, {CASE_T(TN_I32, "2", -8, 81)}, NULL},
          {15, "Pow", NULL, {CASE_T(TN_F32, "1", 3), CASE_T(TN_F32, "2", 2, 2)}, 0, {CASE_T(TN_F32, "2", 9, 9)}, NULL});
}

static void test_variadic(void **state) {
    (void)state;
    CHECK({13, "Max", NULL, {CASE_T(TN_F32, "2", 1, 5), CASE_T(TN_F32, "2", 3, 2), CASE_T(TN_F32, "", 2)}, 0, {CASE_T(TN_F32, "2", 3, 5)}, NULL},
          {13, "Min", NULL, {CASE_T(TN_I64, "2", 1, 5)}, 0, {CASE_T(TN_I64, "2", 1, 5)}, NULL},
          {13, "Sum", NULL, {CASE_T(TN_F32, "2", 1, 5), CASE_T(TN_F32, "2,1", 3, 2)}, 0, {CASE_T(TN_F32, "2,2", 4, 8, 3, 7)}, NULL},
          {13, "Mean", NULL, {CASE_T(TN_F32, "2", 1, 5), CASE_T(TN_F32, "2", 3, 2)}, 0, {CASE_T(TN_F32, "2", 2, 3.5)}, NULL});
}

static void test_clip(void **state) {
    (void)state;
    CHECK({13, "Clip", NULL, {CASE_T(TN_F32, "3", -5, 0, 5), CASE_T(TN_F32, "", -1), CASE_T(TN_F32, "", 2)}, 0, {CASE_T(TN_F32, "3", -1, 0, 2)}, NULL},
          {13, "Clip", NULL, {CASE_T(TN_I32, "3", -5, 0, 5), {0}, CASE_T(TN_I32, "", 2)}, 3, {CASE_T(TN_I32, "3", -5, 0, 2)}, NULL},
          {13, "Clip", NULL, {CASE_T(TN_F32, "2", -5, 5), CASE_T(TN_F32, "", 2), CASE_T(TN_F32, "", 1)}, 0, {CASE_T(TN_F32, "2", 1, 1)}, NULL},
          {6, "Clip", "min=-1.0, max=1.0", {CASE_T(TN_F32, "3", -5, 0, 5)}, 0, {CASE_T(TN_F32, "3", -1, 0, 1)}, NULL},
          {6, "Clip", "min=0.0", {CASE_T(TN_F32, "2", -5, INFINITY)}, 0, {CASE_T(TN_F32, "2", 0, 3.4028234663852886e38)}, NULL},
          {1, "Clip", "min=0.0", {CASE_T(TN_F32, "2", -5, INFINITY)}, 0, {CASE_T(TN_F32, "2", 0, INFINITY)}, NULL});
}

static void test_cast(void **state) {
    (void)state;
    CHECK({13, "Cast", "to=7", {CASE_T(TN_F32, "3", 1.9, -1.9, 0)}, 0, {CASE_T(TN_I64, "3", 1, -1, 0)}, NULL},
          {13, "Cast", "to=9", {CASE_T(TN_F32, "3", 0.5, -1, 0)}, 0, {CASE_T(TN_BOOL, "3", 1, 1, 0)}, NULL},
          {13, "Cast", "to=1", {CASE_T(TN_BOOL, "2", 1, 0)}, 0, {CASE_T(TN_F32, "2", 1, 0)}, NULL},
          {1, "Cast", "to=\"INT32\"", {CASE_T(TN_F32, "2", 2.5, 3)}, 0, {CASE_T(TN_I32, "2", 2, 3)}, NULL});
}

static void test_dropout(void **state) {
    (void)state;
    CHECK({13, "Dropout", NULL, {CASE_T(TN_F32, "2", 1, 2), CASE_T(TN_F32, "", 0.5)}, 0, {CASE_T(TN_F32, "2", 1, 2), CASE_T(TN_BOOL, "2", 1, 1)}, NULL},
          {13, "Dropout", NULL, {CASE_T(TN_F32, "2", 1, 2), CASE_GIVEN(TN_F32, "", 0), CASE_GIVEN(TN_BOOL, "", 1)}, 0, {CASE_T(TN_F32, "2", 1, 2)}, NULL},
          {7, "Dropout", "ratio=0.3", {CASE_T(TN_F32, "2", 1, 2)}, 0, {CASE_T(TN_F32, "2", 1, 2)}, NULL},
          {6, "Dropout", "is_test=1", {CASE_T(TN_F32, "2", 1, 2)}, 0, {CASE_T(TN_F32, "2", 1, 2)}, NULL});
}

/* Values from the definitions, by a calculator. */
static void test_activations(void **state) {
    (void)state;
    CHECK({14, "Relu", NULL, {CASE_T(TN_F32, "3", -1, 2, NAN)}, 0, {CASE_T(TN_F32, "3", 0, 2, NAN)}, NULL},
          {16, "LeakyRelu", "alpha=0.5", {CASE_T(TN_F32, "2", -2, 2)}, 0, {CASE_T(TN_F32, "2", -1, 2)}, NULL},
          {22, "Elu", "alpha=2.0", {CASE_T(TN_F32, "2", -1, 2)}, 0, {CASE_T(TN_F32, "2", -1.2642411, 2)}, NULL},
          {12, "Celu", "alpha=2.0", {CASE_T(TN_F32, "2", -1, 2)}, 0, {CASE_T(TN_F32, "2", -0.7869387, 2)}, NULL},
          {22, "Selu", "alpha=2.0, gamma=3.0", {CASE_T(TN_F32, "2", -1, 2)}, 0, {CASE_T(TN_F32, "2", -3.7927234, 6)}, NULL},
          {22, "HardSigmoid", NULL, {CASE_T(TN_F32, "3", -9, 1, 9)}, 0, {CASE_T(TN_F32, "3", 0, 0.7, 1)}, NULL},
          {22, "HardSwish", NULL, {CASE_T(TN_F32, "3", -9, 1, 9)}, 0, {CASE_T(TN_F32, "3", 0, 0.6666667, 9)}, NULL},
          {20, "Gelu", NULL, {CASE_T(TN_F32, "2", 1, -2)}, 0, {CASE_T(TN_F32, "2", 0.8413447, -0.0455003)}, NULL},
          {20, "Gelu", "approximate=\"tanh\"", {CASE_T(TN_F32, "2", 1, -2)}, 0, {CASE_T(TN_F32, "2", 0.8411920, -0.0454023)}, NULL},
          {22, "Softplus", NULL, {CASE_T(TN_F32, "3", 0, 100, -100)}, 0, {CASE_T(TN_F32, "3", 0.6931472, 100, 0)}, NULL},
          {22, "Mish", NULL, {CASE_T(TN_F32, "2", 1, 100)}, 0, {CASE_T(TN_F32, "2", 0.8650984, 100)}, NULL},
          {22, "Softsign", NULL, {CASE_T(TN_F32, "2", 1, -3)}, 0, {CASE_T(TN_F32, "2", 0.5, -0.75)}, NULL},
          {24, "Swish", "alpha=2.0", {CASE_T(TN_F32, "1", 1)}, 0, {CASE_T(TN_F32, "1", 0.8807971)}, NULL},
          {22, "ThresholdedRelu", "alpha=2.0", {CASE_T(TN_F32, "3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "3", 0, 0, 3)}, NULL});
}

/* clang-format on */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),       cmocka_unit_test(test_binary),
        cmocka_unit_test(test_pow),         cmocka_unit_test(test_legacy_broadcast),
        cmocka_unit_test(test_variadic),    cmocka_unit_test(test_clip),
        cmocka_unit_test(test_cast),        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_activations), cmocka_unit_test(test_bitwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
