/* test_conv.c: convolution against hand-computed values and a sum over all pairs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ir/lower.h"
#include "tests/support/optest.h"

/* One spatial dimension's attributes. */
typedef struct Conv1 {
    int64_t stride, lo, hi, dilation, in_dilation, groups;
} Conv1;

static RefTensor conv1(OpTest *t, RefTensor x, RefTensor w, Conv1 c) {
    return optest_both(t, TN_OP_conv, IN_LIST(x, w),
                       ATTR_LIST(A_LIST(t, strides, c.stride), A_LIST(t, pads_lo, c.lo),
                                 A_LIST(t, pads_hi, c.hi), A_LIST(t, dilations, c.dilation),
                                 A_LIST(t, in_dilations, c.in_dilation), A_INT(groups, c.groups)));
}

static void one_dimension(void **state) {
    OpTest *t = *state;
    RefTensor x = T_F(t, D(1, 1, 5), 1, 2, 3, 4, 5);
    RefTensor w = T_F(t, D(1, 1, 3), 1, 10, 100);
    RefTensor out = conv1(t, x, w, (Conv1){1, 0, 0, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 3), 321, 432, 543);
    out = conv1(t, x, w, (Conv1){2, 1, 1, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 3), 210, 432, 54);
    out = conv1(t, x, w, (Conv1){1, 0, 0, 2, 1, 1});
    EXPECT_F(&out, D(1, 1, 1), 531);
    out = conv1(t, x, w, (Conv1){1, -1, 0, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 2), 432, 543);
    out = conv1(t, x, w, (Conv1){1, 0, -1, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 2), 321, 432);
    out = conv1(t, x, w, (Conv1){1, 2, -2, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 3), 100, 210, 321);
    /* 1 0 2 0 3 0 4 0 5 with one zero on either side */
    out = conv1(t, x, w, (Conv1){1, 1, 1, 1, 2, 1});
    EXPECT_F(&out, D(1, 1, 9), 10, 201, 20, 302, 30, 403, 40, 504, 50);
    out = conv1(t, x, T_F(t, D(1, 1, 6), 1, 1, 1, 1, 1, 1), (Conv1){1, 0, 0, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 0), 0);
}

static void channels_and_groups(void **state) {
    OpTest *t = *state;
    RefTensor x = T_F(t, D(1, 2, 2), 1, 2, 10, 20);
    RefTensor out = conv1(t, x, T_F(t, D(2, 2, 1), 1, 1, 2, -1), (Conv1){1, 0, 0, 1, 1, 1});
    EXPECT_F(&out, D(1, 2, 2), 11, 22, -8, -16);
    out = conv1(t, x, T_F(t, D(4, 1, 1), 1, 2, 3, 4), (Conv1){1, 0, 0, 1, 1, 2});
    EXPECT_F(&out, D(1, 4, 2), 1, 2, 2, 4, 30, 60, 40, 80);
    RefTensor none = T_F(t, D(0, 2, 2), 0);
    out = conv1(t, none, T_F(t, D(4, 1, 1), 1, 2, 3, 4), (Conv1){1, 0, 0, 1, 1, 2});
    EXPECT_F(&out, D(0, 4, 2), 0);
    RefTensor no_channels = T_F(t, D(1, 0, 2), 0);
    out = conv1(t, no_channels, T_F(t, D(1, 0, 1), 0), (Conv1){1, 0, 0, 1, 1, 1});
    EXPECT_F(&out, D(1, 1, 2), 0, 0);
}

static void two_dimensions(void **state) {
    OpTest *t = *state;
    RefTensor x = T_F(t, D(1, 1, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    RefTensor w = T_F(t, D(1, 1, 2, 2), 1, 2, 3, 4);
    RefTensor out = optest_both(t, TN_OP_conv, IN_LIST(x, w),
                                ATTR_LIST(A_LIST(t, strides, 1, 2), A_LIST(t, pads_lo, 0, 1),
                                          A_LIST(t, pads_hi, 1, 0), A_LIST(t, dilations, 1, 1),
                                          A_LIST(t, in_dilations, 1, 1)));
    EXPECT_F(&out, D(1, 1, 3, 2), 2 * 1 + 4 * 4, 1 * 2 + 2 * 3 + 3 * 5 + 4 * 6, 2 * 4 + 4 * 7,
             1 * 5 + 2 * 6 + 3 * 8 + 4 * 9, 2 * 7, 1 * 8 + 2 * 9);
}

static void integers_wrap(void **state) {
    OpTest *t = *state;
    RefTensor out = conv1(t, T_I(t, TN_U8, D(1, 1, 2), 200, 100), T_I(t, TN_U8, D(1, 1, 2), 2, 3),
                          (Conv1){1, 0, 0, 1, 1, 1});
    EXPECT_I(&out, D(1, 1, 1), 188);
}

/* The definition as one sum: each pair of a data element and a tap lands on one position. */
static int64_t scattered(const RefTensor *x, const RefTensor *w, Conv1 c, int64_t n, int64_t f,
                         int64_t position) {
    int64_t depth = w->dims[1], per_group = w->dims[0] / c.groups, sum = 0;
    for (int64_t d = 0; d < depth; d++) {
        for (int64_t i = 0; i < x->dims[2]; i++) {
            for (int64_t k = 0; k < w->dims[2]; k++) {
                int64_t channel = f / per_group * depth + d;
                if (c.lo + i * c.in_dilation - k * c.dilation == position * c.stride) {
                    sum += x->i[(n * x->dims[1] + channel) * x->dims[2] + i] *
                           w->i[(f * depth + d) * w->dims[2] + k];
                }
            }
        }
    }
    return sum;
}

static void random_one_dimension(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 200; round++) {
        Conv1 c = {optest_random(t, 1, 3), optest_random(t, -2, 3), optest_random(t, -2, 3),
                   optest_random(t, 1, 3), optest_random(t, 1, 3),  optest_random(t, 1, 3)};
        int64_t depth = optest_random(t, 1, 2), filters = optest_random(t, 1, 2) * c.groups;
        int64_t x_dims[] = {2, depth * c.groups, optest_random(t, 0, 7)};
        int64_t w_dims[] = {filters, depth, optest_random(t, 1, 3)};
        int64_t length = x_dims[2] == 0 ? 0 : (x_dims[2] - 1) * c.in_dilation + 1;
        if (length + c.lo + c.hi < 0) {
            continue;
        }
        RefTensor x = optest_random_tensor(t, TN_I32, 3, x_dims);
        RefTensor w = optest_random_tensor(t, TN_I32, 3, w_dims);
        RefTensor out = conv1(t, x, w, c);
        for (int64_t k = 0; k < out.count; k++) {
            int64_t n = k / (filters * out.dims[2]), f = k / out.dims[2] % filters;
            assert_int_equal(out.i[k], scattered(&x, &w, c, n, f, k % out.dims[2]));
        }
    }
}

static void random_formulas(void **state) {
    OpTest *t = *state;
    for (int round = 0; round < 60; round++) {
        int64_t list[5][3], x_dims[5] = {1, 2}, w_dims[5] = {2, 2};
        uint32_t n = (uint32_t)optest_random(t, 1, 3);
        for (uint32_t d = 0; d < n; d++) {
            list[0][d] = optest_random(t, 1, 2);
            list[1][d] = optest_random(t, -1, 2);
            list[2][d] = optest_random(t, -1, 2);
            list[3][d] = optest_random(t, 1, 2);
            list[4][d] = optest_random(t, 1, 2);
            x_dims[d + 2] = optest_random(t, 2, 4);
            w_dims[d + 2] = optest_random(t, 1, 3);
        }
        RefTensor x = optest_random_tensor(t, TN_F32, (int)n + 2, x_dims);
        RefTensor w = optest_random_tensor(t, TN_F32, (int)n + 2, w_dims);
        optest_both(t, TN_OP_conv, IN_LIST(x, w),
                    ATTR_LIST(optest_ints(t, TN_ATTR_strides, n, list[0]),
                              optest_ints(t, TN_ATTR_pads_lo, n, list[1]),
                              optest_ints(t, TN_ATTR_pads_hi, n, list[2]),
                              optest_ints(t, TN_ATTR_dilations, n, list[3]),
                              optest_ints(t, TN_ATTR_in_dilations, n, list[4])));
    }
}

static void symbolic(void **state) {
    OpTest *t = *state;
    Ctx *ctx = &t->ctx;
    const Dim *n = optest_symbol(t, "N", 0), *h = optest_symbol(t, "H", 1);
    Type x = tn_type_make(TN_F32, 3, (const Dim *[]){n, tn_dim_const(ctx, 1), h});
    Type w = optest_type(t, TN_F32, D(1, 1, 3));
    Value *out =
        optest_node(t, TN_OP_conv, TYPE_LIST(x, w),
                    ATTR_LIST(A_LIST(t, strides, 1), A_LIST(t, pads_lo, 1), A_LIST(t, pads_hi, 1),
                              A_LIST(t, dilations, 1), A_LIST(t, in_dilations, 1)));
    assert_ptr_equal(out->type.dims[0], n);
    assert_ptr_equal(out->type.dims[2], h);
    RefTensor in[2] = {T_F(t, D(2, 1, 2), 1, 2, 3, 4), T_F(t, D(1, 1, 3), 1, 10, 100)};
    optest_check_formula(t, in);
    in[0] = T_F(t, D(1, 1, 5), 1, 2, 3, 4, 5);
    optest_check_formula(t, in);
}

static Expr *read_zero(Lower *lower, const Value *value, const Dim *const *index) {
    (void)index;
    return tn_expr_temp(lower->ctx, tn_kernel_temp(lower->kernel, value->type.dtype, 0, NULL),
                        NULL);
}

static ExprKind data_kind(OpTest *t) {
    Lower lower = {.ctx = &t->ctx, .kernel = tn_kernel_new(&t->ctx, "test"), .read = read_zero};
    const Dim *zero = tn_dim_const(&t->ctx, 0);
    const Dim *index[] = {zero, zero, tn_dim_loop_var(&t->ctx, "i", tn_dim_const(&t->ctx, 5))};
    Reduction reduction;
    assert_true(tn_op_info(TN_OP_conv)->reduction(&lower, t->node, index, &reduction));
    return reduction.value->args[0]->kind;
}

/* A border of zeros as wide as the padding makes the tests of the index needless. */
static void halo(void **state) {
    OpTest *t = *state;
    Type x = optest_type(t, TN_F32, D(1, 1, 5));
    Layout layout = {.n_parts = 3, .parts = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}}};
    x.layout = &layout;
    assert_non_null(
        optest_node(t, TN_OP_conv, TYPE_LIST(x, optest_type(t, TN_F32, D(1, 1, 3))),
                    ATTR_LIST(A_LIST(t, strides, 1), A_LIST(t, pads_lo, 1), A_LIST(t, pads_hi, 1),
                              A_LIST(t, dilations, 1), A_LIST(t, in_dilations, 1))));
    assert_int_equal(data_kind(t), EXPR_GUARD);
    layout.halo_lo[2] = 1;
    assert_int_equal(data_kind(t), EXPR_GUARD);
    layout.halo_hi[2] = 1;
    assert_int_equal(data_kind(t), EXPR_TEMP);
}

static void refuse(OpTest *t, const char *text, Type x, Type w, Conv1 c) {
    optest_refused(t, TN_BAD_INPUT, text, TN_OP_conv, TYPE_LIST(x, w),
                   ATTR_LIST(A_LIST(t, strides, c.stride), A_LIST(t, pads_lo, c.lo),
                             A_LIST(t, pads_hi, c.hi), A_LIST(t, dilations, c.dilation),
                             A_LIST(t, in_dilations, c.in_dilation), A_INT(groups, c.groups)));
}

static void checks(void **state) {
    OpTest *t = *state;
    Type x = optest_type(t, TN_F32, D(1, 4, 5));
    Type w = optest_type(t, TN_F32, D(3, 2, 3));
    refuse(t, "operand 0 has 4 channels, the weights 2 in each of 1 groups", x, w,
           (Conv1){1, 0, 0, 1, 1, 1});
    refuse(t, "3 filters do not divide into 2 groups", x, w, (Conv1){1, 0, 0, 1, 1, 2});
    refuse(t, "groups is 0", x, w, (Conv1){1, 0, 0, 1, 1, 0});
    refuse(t, "strides[0] is 0, expected at least 1", x, w, (Conv1){0, 0, 0, 1, 1, 1});
    refuse(t, "dilations[0] is -1, expected at least 1", x, w, (Conv1){1, 0, 0, -1, 1, 1});
    refuse(t, "in_dilations[0] is 0, expected at least 1", x, w, (Conv1){1, 0, 0, 1, 0, 1});
    refuse(t, "ranks differ", x, optest_type(t, TN_F32, D(3, 4, 3, 3)), (Conv1){1, 0, 0, 1, 1, 1});
    refuse(t, "expected [N,C,spatial...]", optest_type(t, TN_F32, D(1, 4)),
           optest_type(t, TN_F32, D(3, 4)), (Conv1){1, 0, 0, 1, 1, 1});
    optest_refused(t, TN_BAD_INPUT, "pads_lo has 2 entries, expected 1", TN_OP_conv,
                   TYPE_LIST(x, optest_type(t, TN_F32, D(3, 4, 3))),
                   ATTR_LIST(A_LIST(t, strides, 1), A_LIST(t, pads_lo, 0, 0), A_LIST(t, pads_hi, 0),
                             A_LIST(t, dilations, 1), A_LIST(t, in_dilations, 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_dimension, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(channels_and_groups, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(two_dimensions, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(integers_wrap, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_one_dimension, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(random_formulas, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(symbolic, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(halo, optest_set_up, optest_tear_down),
        cmocka_unit_test_setup_teardown(checks, optest_set_up, optest_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
