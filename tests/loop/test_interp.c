/* test_interp.c: the interpreter against values worked out by hand, and its checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/loop.h"

static int set_up(void **state) {
    static Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    *state = &ctx;
    return 0;
}

static int tear_down(void **state) {
    tn_ctx_free(*state);
    return 0;
}

static const char *diags(Ctx *ctx) {
    StrBuf buf = tn_str(&ctx->arena);
    tn_str_puts(&buf, "");
    tn_diag_print(&ctx->diags, &buf);
    return buf.data;
}

static Kernel *parse(Ctx *ctx, const char *text) {
    Kernel *kernel = tn_kernel_parse(ctx, tn_sv(text), "test");
    if (kernel == NULL || !tn_kernel_verify(kernel)) {
        fail_msg("%s", diags(ctx));
    }
    return kernel;
}

static void run(Ctx *ctx, const char *text, void *const *data) {
    int64_t symbols[8] = {0};
    if (!tn_kernel_interp(parse(ctx, text), data, symbols)) {
        fail_msg("%s", diags(ctx));
    }
}

/* The run must end with a diagnostic that holds `what`. */
static void run_fails(Ctx *ctx, const char *text, void *const *data, const char *what) {
    int64_t symbols[8] = {0};
    assert_false(tn_kernel_interp(parse(ctx, text), data, symbols));
    if (strstr(diags(ctx), what) == NULL) {
        fail_msg("'%s' is not in: %s", what, diags(ctx));
    }
}

/* ---- values ---- */

static void test_product(void **state) {
    float a[] = {1, 2, 3, 4, 5, 6};
    float b[] = {1, 0, 2, -1, 3, 5};
    float c[4] = {0};
    void *data[] = {a, b, c};
    run(*state,
        "kernel \"k\" { param b0: f32[2, 3] param b1: f32[3, 2] param b2: f32[2, 2]\n"
        "temp t0: f32[] for i0 in 2 { for i1 in 2 { t0 = 0:f32 for i2 in 3 {\n"
        "t0 add= mul(b0[i0, i2], b1[i2, i1]) } b2[i0, i1] = t0 } } }",
        data);
    assert_true(c[0] == 14 && c[1] == 13 && c[2] == 32 && c[3] == 25);
}

/* Sums are kept in double: 1e8 + 1 - 1e8 is 1, which f32 would lose. */
static void test_wide_sum(void **state) {
    float a[] = {1e8F, 1, -1e8F};
    float c[1] = {0};
    void *data[] = {a, c};
    run(*state,
        "kernel \"k\" { param b0: f32[3] param b1: f32[] temp t0: f32[] t0 = 0:f32\n"
        "for i0 in 3 { t0 add= b0[i0] } b1 = t0 }",
        data);
    assert_true(c[0] == 1);
}

static void test_integers_wrap(void **state) {
    int8_t a[] = {100, -128};
    int8_t c[3] = {0};
    void *data[] = {a, c};
    run(*state,
        "kernel \"k\" { param b0: i8[2] param b1: i8[3] b1[0] = add(b0[0], b0[0])\n"
        "b1[1] = neg(b0[1]) b1[2] = index:i8(259) }",
        data);
    assert_int_equal(c[0], -56);
    assert_int_equal(c[1], -128);
    assert_int_equal(c[2], 3);
}

static void test_every_dtype(void **state) {
    uint8_t u8[] = {255, 0};
    uint16_t u16[] = {65535, 0};
    uint32_t u32[] = {4294967295u, 0};
    uint64_t u64[] = {UINT64_MAX, 0};
    int16_t i16[] = {-3, 0};
    int32_t i32[] = {-4, 0};
    double f64[] = {0.1, 0};
    void *data[] = {u8, u16, u32, u64, i16, i32, f64};
    run(*state,
        "kernel \"k\" { param b0: u8[2] param b1: u16[2] param b2: u32[2] param b3: u64[2]\n"
        "param b4: i16[2] param b5: i32[2] param b6: f64[2]\n"
        "b0[1] = b0[0] b1[1] = b1[0] b2[1] = b2[0] b3[1] = b3[0] b4[1] = b4[0]\n"
        "b5[1] = b5[0] b6[1] = b6[0] }",
        data);
    assert_int_equal(u8[1], 255);
    assert_int_equal(u16[1], 65535);
    assert_true(u32[1] == 4294967295u && u64[1] == UINT64_MAX && f64[1] == 0.1);
    assert_int_equal(i16[1], -3);
    assert_int_equal(i32[1], -4);
}

/* The branch that is not taken is not evaluated; empty and negative loops do not run. */
static void test_guard_and_empty(void **state) {
    float a[] = {5, 6};
    float c[3] = {-1, -1, -1};
    void *data[] = {a, c};
    run(*state,
        "kernel \"k\" { param b0: f32[2] param b1: f32[3] for i0 in 3 {\n"
        "b1[i0] = guard(lt(0, i0), b0[i0 - 1], 9:f32) }\n"
        "for i1 in 0 { b1[i1 + 7] = 0:f32 } for i2 in 2 { for i3 in i2 - 4 {\n"
        "b1[i3 + 8] = 0:f32 } } }",
        data);
    assert_true(c[0] == 9 && c[1] == 5 && c[2] == 6);
}

static void test_dynload(void **state) {
    float a[] = {1, 2, 3, 4, 5, 6};
    int64_t at[] = {1, 0};
    float c[4] = {0};
    void *data[] = {a, at, c};
    run(*state,
        "kernel \"k\" { param b0: f32[3, 2] param b1: i64[2] param b2: f32[2, 2]\n"
        "for i0 in 2 { for i1 in 2 { b2[i0, i1] = b0[i0 @ b1[i0], i1] } } }",
        data);
    assert_true(c[0] == 3 && c[1] == 4 && c[2] == 3 && c[3] == 4);
}

static void test_computed_store(void **state) {
    float a[] = {1, 2, 3, 4, 5, 6};
    int64_t at[] = {2, 0, 2};
    float c[6] = {10, 20, 30, 40, 50, 60};
    void *data[] = {a, at, c};
    run(*state,
        "kernel \"k\" { param b0: f32[3, 2] param b1: i64[3] param b2: f32[3, 2]\n"
        "for i0 in 3 { for i1 in 2 {\n"
        "b2[0 @ b1[i0], i1] = add(b2[0 @ b1[i0], i1], b0[i0, i1]) } } }",
        data);
    const float expected[] = {13, 24, 30, 40, 56, 68};
    assert_memory_equal(c, expected, sizeof c);
    at[1] = 3;
    run_fails(*state,
              "kernel \"k\" { param b0: f32[3, 2] param b1: i64[3] param b2: f32[3, 2]\n"
              "for i0 in 3 { b2[0 @ b1[i0], 0] = 1:f32 } }",
              data, "index 0 of b2 is 3, not below 3");
}

static void test_strides(void **state) {
    float a[] = {1, 2, 3, 4, 5, 6};
    float c[2] = {0};
    void *data[] = {a, c};
    run(*state,
        "kernel \"k\" { param b0: f32[2, 2] strides [1, 4] param b1: f32[2]\n"
        "for i0 in 2 { b1[i0] = b0[i0, 1] } }",
        data);
    assert_true(c[0] == 5 && c[1] == 6);
}

static void test_symbols(void **state) {
    Ctx *ctx = *state;
    float c[4] = {0};
    void *data[] = {c};
    Kernel *kernel = parse(ctx, "kernel \"k\" { symbol N dim 0.. param b0: f32[N]\n"
                                "for i0 in N { b0[i0] = index:f32(N - i0) } }");
    int64_t symbols[1] = {3}; /* N was made first; the kernel's loops need no values */
    assert_true(tn_kernel_interp(kernel, data, symbols));
    assert_true(c[0] == 3 && c[1] == 2 && c[2] == 1 && c[3] == 0);
}

/* ---- checks ---- */

static void test_bounds(void **state) {
    float a[4] = {0};
    void *data[] = {a};
    run_fails(*state, "kernel \"k\" { param b0: f32[2, 2] for i0 in 3 { b0[0, i0] = 1:f32 } }",
              data, "index 1 of b0 is 2, not below 2");
}

static void test_negative_index(void **state) {
    float a[4] = {0};
    void *data[] = {a};
    run_fails(*state, "kernel \"k\" { param b0: f32[4] for i0 in 3 { b0[i0] = b0[i0 - 1] } }", data,
              "index 0 of b0 is -1");
}

static void test_unwritten_temp(void **state) {
    float a[4] = {0};
    void *data[] = {a};
    run_fails(*state,
              "kernel \"k\" { param b0: f32[4] temp t0: f32[4] for i0 in 3 { t0[i0] = 0:f32 }\n"
              "for i1 in 4 { b0[i1] = t0[i1] } }",
              data, "element 3 of t0 is read before it is written");
}

static void test_unwritten_local(void **state) {
    float a[4] = {0};
    void *data[] = {a, NULL};
    run_fails(*state,
              "kernel \"k\" { param b0: f32[4] local b1: f32[4] b1[1] = 2:f32\n"
              "b0[0] = b1[1] b0[1] = b1[2] }",
              data, "element 2 of b1 is read before it is written");
    assert_true(a[0] == 2);
}

static void test_lanes(void **state) {
    Ctx *ctx = *state;
    float a[8] = {0};
    void *data[] = {a};
    Kernel *kernel =
        parse(ctx, "kernel \"k\" { param b0: f32[8] for i0 in 4 vector 4 { b0[i0] = 1:f32 } }");
    int64_t symbols[8] = {0};
    kernel->body->extent = tn_dim_const(ctx, 5);
    assert_false(tn_kernel_interp(kernel, data, symbols));
    assert_non_null(strstr(diags(ctx), "a loop of 4 lanes runs 5 times"));
}

static void test_index_overflow(void **state) {
    float a[1] = {0};
    void *data[] = {a};
    run_fails(*state,
              "kernel \"k\" { param b0: f32[1] for i0 in 3 {\n"
              "b0[0] = index:f32(i0 * 9223372036854775807) } }",
              data, "overflows");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_product, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wide_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_integers_wrap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_dtype, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_guard_and_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dynload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_computed_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_symbols, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_negative_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritten_temp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unwritten_local, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lanes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_index_overflow, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("interp", tests, NULL, NULL);
}
