/* test_compute.c: reductions, normalisations, products, convolutions and poolings. */
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

#define SIX 1, 2, 3, 4, 5, 6
#define X23 CASE_T(TN_F32, "2,3", SIX)
#define NINE 1, 2, 3, 4, 5, 6, 7, 8, 9
#define X33 CASE_T(TN_F32, "1,1,3,3", NINE)

static void test_reduce(void **state) {
    (void)state;
    CHECK({13, "ReduceSum", NULL, {X23, CASE_GIVEN(TN_I64, "1", 1)}, 0, {CASE_T(TN_F32, "2,1", 6, 15)}, NULL},
          {13, "ReduceSum", "noop_with_empty_axes=1", {X23}, 0, {X23}, NULL},
          {13, "ReduceSum", "keepdims=0", {X23}, 0, {CASE_T(TN_F32, "", 21)}, NULL},
          {18, "ReduceMean", "keepdims=0", {X23, CASE_GIVEN(TN_I64, "1", -2)}, 0, {CASE_T(TN_F32, "3", 2.5, 3.5, 4.5)}, NULL},
          {11, "ReduceMax", "axes=[0]", {X23}, 0, {CASE_T(TN_F32, "1,3", 4, 5, 6)}, NULL},
          {20, "ReduceMax", NULL, {CASE_T(TN_BOOL, "2", 0, 1)}, 0, {CASE_T(TN_BOOL, "1", 1)}, NULL},
          {20, "ReduceMin", NULL, {CASE_T(TN_BOOL, "2", 0, 1)}, 0, {CASE_T(TN_BOOL, "1", 0)}, NULL},
          {13, "ReduceProd", "axes=[1]", {CASE_T(TN_I32, "2,2", 1, 2, 3, 4)}, 0, {CASE_T(TN_I32, "2,1", 2, 12)}, NULL},
          {18, "ReduceL1", NULL, {CASE_T(TN_F32, "3", -1, 2, -3)}, 0, {CASE_T(TN_F32, "1", 6)}, NULL},
          {18, "ReduceL2", NULL, {CASE_T(TN_F32, "2", -3, 4)}, 0, {CASE_T(TN_F32, "1", 5)}, NULL},
          {18, "ReduceSumSquare", "noop_with_empty_axes=1", {CASE_T(TN_F32, "2", -3, 4)}, 0, {CASE_T(TN_F32, "2", 9, 16)}, NULL},
          {18, "ReduceLogSum", NULL, {CASE_T(TN_F32, "2", 1, 1)}, 0, {CASE_T(TN_F32, "1", 0.6931472)}, NULL},
          {18, "ReduceLogSumExp", NULL, {CASE_T(TN_F32, "2", 1000, 1000)}, 0, {CASE_T(TN_F32, "1", 1000.6931472)}, NULL},
          {18, "ReduceLogSumExp", NULL, {CASE_T(TN_F32, "2", -INFINITY, -INFINITY)}, 0, {CASE_T(TN_F32, "1", -INFINITY)}, NULL},
          {13, "ArgMax", "axis=1", {CASE_T(TN_F32, "2,3", 1, 3, 3, 2, 1, 0)}, 0, {CASE_T(TN_I64, "2,1", 1, 0)}, NULL},
          {13, "ArgMax", "axis=-1, keepdims=0, select_last_index=1", {CASE_T(TN_F32, "2,3", 1, 3, 3, 2, 1, 0)}, 0, {CASE_T(TN_I64, "2", 2, 0)}, NULL},
          {13, "ArgMin", NULL, {CASE_T(TN_F32, "2,2", 1, 3, 0, 4)}, 0, {CASE_T(TN_I64, "1,2", 1, 0)}, NULL});
}

static void test_softmax(void **state) {
    (void)state;
    const double third = 1.0 / 3;
    CHECK({13, "Softmax", NULL, {CASE_T(TN_F32, "2,2", 0, 0, 1000, 1000)}, 0, {CASE_T(TN_F32, "2,2", 0.5, 0.5, 0.5, 0.5)}, NULL},
          {13, "Softmax", "axis=0", {CASE_T(TN_F32, "3,1", 7, 7, 7)}, 0, {CASE_T(TN_F32, "3,1", third, third, third)}, NULL},
          {11, "Softmax", NULL, {CASE_T(TN_F32, "1,2,2", 5, 5, 5, 5)}, 0, {CASE_T(TN_F32, "1,2,2", 0.25, 0.25, 0.25, 0.25)}, NULL},
          {13, "LogSoftmax", NULL, {CASE_T(TN_F32, "2", 1000, 1000)}, 0, {CASE_T(TN_F32, "2", -0.6931472, -0.6931472)}, NULL});
}

static void test_cumsum(void **state) {
    (void)state;
    CHECK({14, "CumSum", NULL, {X23, CASE_GIVEN(TN_I64, "", 1)}, 0, {CASE_T(TN_F32, "2,3", 1, 3, 6, 4, 9, 15)}, NULL},
          {11, "CumSum", "reverse=1", {X23, CASE_GIVEN(TN_I32, "", -2)}, 0, {CASE_T(TN_F32, "2,3", 5, 7, 9, 4, 5, 6)}, NULL},
          {14, "CumSum", "exclusive=1, reverse=1", {X23, CASE_GIVEN(TN_I64, "1", -1)}, 0, {CASE_T(TN_F32, "2,3", 5, 3, 0, 11, 6, 0)}, NULL});
}

static void test_norm(void **state) {
    (void)state;
    const double d = 1 / sqrt(0.25 + 0.01);
    CHECK({17, "LayerNormalization", "epsilon=0.01", {CASE_T(TN_F32, "2,2", 1, 2, 4, 3), CASE_T(TN_F32, "2", 1, 10), CASE_T(TN_F32, "2", 0, 5)}, 0, {CASE_T(TN_F32, "2,2", -0.5 * d, 5 * d + 5, 0.5 * d, -5 * d + 5), CASE_T(TN_F32, "2,1", 1.5, 3.5), CASE_T(TN_F32, "2,1", d, d)}, NULL},
          {15, "BatchNormalization", "epsilon=0.0", {CASE_T(TN_F32, "1,2,2", 1, 2, 3, 4), CASE_T(TN_F32, "2", 2, 3), CASE_T(TN_F32, "2", 10, 20), CASE_T(TN_F32, "2", 1, 3), CASE_T(TN_F32, "2", 4, 0.25)}, 0, {CASE_T(TN_F32, "1,2,2", 10, 11, 20, 26)}, NULL},
          {8, "BatchNormalization", "epsilon=0.0, spatial=0", {CASE_T(TN_F32, "1,1,2", 1, 2), CASE_T(TN_F32, "1,2", 2, 3), CASE_T(TN_F32, "1,2", 10, 20), CASE_T(TN_F32, "1,2", 0, 3), CASE_T(TN_F32, "1,2", 4, 0.25)}, 0, {CASE_T(TN_F32, "1,1,2", 11, 14)}, NULL},
          {15, "BatchNormalization", "epsilon=0.0, training_mode=1, momentum=0.5", {CASE_T(TN_F32, "2,1,2", 1, 3, 1, 3), CASE_T(TN_F32, "1", 2), CASE_T(TN_F32, "1", 5), CASE_T(TN_F32, "1", 10), CASE_T(TN_F32, "1", 20)}, 0, {CASE_T(TN_F32, "2,1,2", 3, 7, 3, 7), CASE_T(TN_F32, "1", 6), CASE_T(TN_F32, "1", 10.5)}, NULL},
          {13, "LRN", "size=2, alpha=2.0, beta=1.0, bias=1.0", {CASE_T(TN_F32, "1,3,1", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,3,1", 1.0 / 6, 2.0 / 14, 3.0 / 10)}, NULL},
          {13, "LRN", "size=3, alpha=3.0, beta=0.5, bias=2.0", {CASE_T(TN_F32, "1,3,1", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,3,1", 0.3779645, 0.5, 0.7745967)}, NULL});
}

static void test_matmul(void **state) {
    (void)state;
    CHECK({13, "MatMul", NULL, {X23, CASE_T(TN_F32, "3,2", SIX)}, 0, {CASE_T(TN_F32, "2,2", 22, 28, 49, 64)}, NULL},
          {13, "MatMul", NULL, {CASE_T(TN_I32, "3", 1, 2, 3), CASE_T(TN_I32, "3", 4, 5, 6)}, 0, {CASE_T(TN_I32, "", 32)}, NULL},
          {13, "MatMul", NULL, {CASE_T(TN_F32, "2", 1, 2), X23}, 0, {CASE_T(TN_F32, "3", 9, 12, 15)}, NULL},
          {13, "MatMul", NULL, {X23, CASE_T(TN_F32, "3", 1, 0, 1)}, 0, {CASE_T(TN_F32, "2", 4, 10)}, NULL},
          {13, "MatMul", NULL, {CASE_T(TN_F32, "2,1,1,3", SIX), CASE_T(TN_F32, "1,2,3,1", SIX)}, 0, {CASE_T(TN_F32, "2,2,1,1", 14, 32, 32, 77)}, NULL},
          {13, "MatMul", NULL, {CASE_T(TN_F32, "1,3", 1, 1, 1), CASE_T(TN_F32, "2,3,1", SIX)}, 0, {CASE_T(TN_F32, "2,1,1", 6, 15)}, NULL},
          {13, "Gemm", "transA=1, alpha=2.0, beta=0.5", {CASE_T(TN_F32, "3,2", SIX), CASE_T(TN_F32, "3,1", 1, 1, 1), CASE_T(TN_F32, "1", 4)}, 0, {CASE_T(TN_F32, "2,1", 20, 26)}, NULL},
          {13, "Gemm", "transB=1", {X23, CASE_T(TN_F32, "1,3", 1, 0, 1)}, 0, {CASE_T(TN_F32, "2,1", 4, 10)}, NULL},
          {6, "Gemm", "broadcast=1", {X23, CASE_T(TN_F32, "3,2", 1, 0, 0, 1, 1, 1), CASE_T(TN_F32, "2", 10, 20)}, 0, {CASE_T(TN_F32, "2,2", 14, 25, 20, 31)}, NULL});
}

/* Sums of windows of ones are easily counted. */
static void test_conv(void **state) {
    (void)state;
    const char *weights_open = "symbolic weights need kernel_shape";
    CHECK({11, "Conv", "kernel_shape=[2,2]", {X33, CASE_T(TN_F32, "1,1,2,2", 1, 1, 1, 1), CASE_T(TN_F32, "1", 100)}, 0, {CASE_T(TN_F32, "1,1,2,2", 112, 116, 124, 128)}, NULL},
          {11, "Conv", "kernel_shape=[2,2], auto_pad=\"SAME_UPPER\"", {X33, CASE_T(TN_F32, "1,1,2,2", 1, 1, 1, 1)}, 0, {CASE_T(TN_F32, "1,1,3,3", 12, 16, 9, 24, 28, 15, 15, 17, 9)}, NULL},
          {11, "Conv", "kernel_shape=[2,2], auto_pad=\"SAME_LOWER\", strides=[2,2]", {X33, CASE_T(TN_F32, "1,1,2,2", 1, 1, 1, 1)}, 0, {CASE_T(TN_F32, "1,1,2,2", 1, 5, 11, 28)}, NULL},
          {11, "Conv", "pads=[1,0], strides=[2]", {CASE_T(TN_F32, "1,1,4", 1, 2, 3, 4), CASE_T(TN_F32, "1,1,2", 1, 10)}, 0, {CASE_T(TN_F32, "1,1,2", 10, 32)}, weights_open},
          {11, "Conv", "group=2", {CASE_T(TN_F32, "1,2,2", 1, 2, 3, 4), CASE_T(TN_F32, "2,1,1", 10, 100)}, 0, {CASE_T(TN_F32, "1,2,2", 10, 20, 300, 400)}, NULL},
          {11, "Conv", "dilations=[2]", {CASE_T(TN_F32, "1,1,3", 1, 2, 4), CASE_T(TN_F32, "1,1,2", 1, 1)}, 0, {CASE_T(TN_F32, "1,1,1", 5)}, weights_open},
          {11, "Conv", "kernel_shape=[1,1,2]", {CASE_T(TN_F32, "1,1,1,1,3", 1, 2, 4), CASE_T(TN_F32, "1,1,1,1,2", 1, 1)}, 0, {CASE_T(TN_F32, "1,1,1,1,2", 3, 6)}, NULL});
}

static void test_max_pool(void **state) {
    (void)state;
    const char *padded = "positions in an operand padded at run time";
    CHECK({12, "MaxPool", "kernel_shape=[2,2]", {X33}, 0, {CASE_T(TN_F32, "1,1,2,2", 5, 6, 8, 9), CASE_T(TN_I64, "1,1,2,2", 4, 5, 7, 8)}, NULL},
          {12, "MaxPool", "kernel_shape=[2,2], storage_order=1", {X33}, 0, {CASE_T(TN_F32, "1,1,2,2", 5, 6, 8, 9), CASE_T(TN_I64, "1,1,2,2", 4, 7, 5, 8)}, NULL},
          {12, "MaxPool", "kernel_shape=[2,2], strides=[2,2], ceil_mode=1", {X33}, 0, {CASE_T(TN_F32, "1,1,2,2", 5, 6, 8, 9)}, NULL},
          {12, "MaxPool", "kernel_shape=[2], strides=[2], ceil_mode=1", {CASE_T(TN_F32, "1,1,3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,1,2", 2, 3), CASE_T(TN_I64, "1,1,2", 1, 2)}, padded},
          {12, "MaxPool", "kernel_shape=[1], strides=[2], pads=[0,1], ceil_mode=1", {CASE_T(TN_F32, "1,1,3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,1,2", 1, 3)}, NULL},
          {12, "MaxPool", "kernel_shape=[2], auto_pad=\"SAME_UPPER\", strides=[2]", {CASE_T(TN_F32, "1,1,3", -1, -2, -3)}, 0, {CASE_T(TN_F32, "1,1,2", -1, -3)}, NULL},
          {12, "MaxPool", "kernel_shape=[2], dilations=[2]", {CASE_T(TN_F32, "1,1,4", 4, 2, 3, 5)}, 0, {CASE_T(TN_F32, "1,1,2", 4, 5)}, NULL},
          {12, "GlobalMaxPool", NULL, {X33}, 0, {CASE_T(TN_F32, "1,1,1,1", 9)}, NULL});
}

static void test_average_pool(void **state) {
    (void)state;
    CHECK({19, "AveragePool", "kernel_shape=[2,2]", {X33}, 0, {CASE_T(TN_F32, "1,1,2,2", 3, 4, 6, 7)}, NULL},
          {19, "AveragePool", "kernel_shape=[2,2], pads=[1,1,0,0]", {X33}, 0, {CASE_T(TN_F32, "1,1,3,3", 1, 1.5, 2.5, 2.5, 3, 4, 5.5, 6, 7)}, NULL},
          {19, "AveragePool", "kernel_shape=[2,2], pads=[1,1,0,0], count_include_pad=1", {X33}, 0, {CASE_T(TN_F32, "1,1,3,3", 0.25, 0.75, 1.25, 1.25, 3, 4, 2.75, 6, 7)}, NULL},
          {19, "AveragePool", "kernel_shape=[2], strides=[2], ceil_mode=1", {CASE_T(TN_F32, "1,1,3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,1,2", 1.5, 3)}, NULL},
          {19, "AveragePool", "kernel_shape=[3], strides=[2], pads=[0,1], ceil_mode=1, count_include_pad=1", {CASE_T(TN_F32, "1,1,3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,1,2", 2, 1.5)}, NULL},
          {19, "AveragePool", "kernel_shape=[2], dilations=[2], pads=[1,1]", {CASE_T(TN_F32, "1,1,3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,1,3", 2, 2, 2)}, NULL},
          {19, "AveragePool", "kernel_shape=[2], auto_pad=\"SAME_LOWER\", strides=[2]", {CASE_T(TN_F32, "1,1,3", 1, 2, 3)}, 0, {CASE_T(TN_F32, "1,1,2", 1, 2.5)}, NULL},
          {19, "GlobalAveragePool", NULL, {X33}, 0, {CASE_T(TN_F32, "1,1,1,1", 5)}, NULL});
}

/* clang-format on */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduce),   cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_cumsum),   cmocka_unit_test(test_norm),
        cmocka_unit_test(test_matmul),   cmocka_unit_test(test_conv),
        cmocka_unit_test(test_max_pool), cmocka_unit_test(test_average_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
