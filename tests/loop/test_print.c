/* test_print.c: the text form of kernels: what it looks like, what it holds, and where its
 * mistakes are said to be. Random nests go through it in test_rewrite.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/loop.h"

static const char *print(Ctx *ctx, const Kernel *kernel) {
    StrBuf buf = tn_str(&ctx->arena);
    tn_kernel_print(kernel, &buf);
    return buf.data;
}

static const char *diags(Ctx *ctx) {
    StrBuf buf = tn_str(&ctx->arena);
    tn_str_puts(&buf, "");
    tn_diag_print(&ctx->diags, &buf);
    return buf.data;
}

/* Everything the text form has, as it is printed. */
static const char whole[] =
    "kernel \"a \\\"b\\\"\" {\n"
    "  flops 1500\n"
    "  bytes 0.5\n"
    "  symbol N dim 1..64\n"
    "  symbol \"seq 2\" elem ..\n"
    "  symbol C count 0..\n"
    "  param b0: f32[N, 64]\n"
    "  param b1: i64[C]\n"
    "  local b2: f32[16] strides [2] align 64\n"
    "  temp t0: f32[4, 16]\n"
    "  temp t1: bool[]\n"
    "  t1 = 1:bool\n"
    "  for n0 in N partition {\n"
    "    for j1 in min(4, N * -1 + n0 + 9) unroll 4 {\n"
    "      for l2 in 16 vector 16 {\n"
    "        t0[j1, l2] = -0:f32\n"
    "        t0[j1, l2] add= mul(b0[n0, j1 * 16 + l2], index:f32((n0 + 1) / 2 - 3))\n"
    "        t0[j1, l2] max= select(t1, inf:f32, 0.1:f32)\n"
    "      }\n"
    "    }\n"
    "    b2[n0 % 16] = guard(lt(n0, \"seq 2\"), b0[n0 @ b1[0], 0], cast:f32(b1[eq(C, n0)]))\n"
    "    b2[n0 / 2 @ b1[0]] = 2:f32\n"
    "  }\n"
    "}\n";

/* In a context that has never seen these symbols. */
static void test_round_trip(void **state) {
    Ctx ctx;
    (void)state;
    tn_ctx_init(&ctx, NULL);
    Kernel *kernel = tn_kernel_parse(&ctx, tn_sv(whole), "whole");
    if (kernel == NULL) {
        fail_msg("%s", diags(&ctx));
    }
    assert_string_equal(print(&ctx, kernel), whole);
    assert_string_equal(kernel->name, "a \"b\"");
    assert_int_equal(kernel->bufs.data[2]->align, 64);
    assert_true(kernel->bufs.data[2]->written && !kernel->bufs.data[0]->written);
    assert_int_equal(kernel->body->next->loop, LOOP_PARTITION);
    assert_int_equal(kernel->body->next->body->lanes, 4);
    tn_ctx_free(&ctx);
}

/* The same text whatever was made first. */
static void test_order(void **state) {
    Ctx ctx;
    (void)state;
    tn_ctx_init(&ctx, NULL);
    const Dim *b = tn_dim_symbol(&ctx, TN_SV("B"), SYM_INPUT_DIM, 0, 100);
    const Dim *a = tn_dim_symbol(&ctx, TN_SV("A"), SYM_INPUT_DIM, 0, 100);
    Kernel *kernel = tn_kernel_new(&ctx, "order");
    const Dim *dims[] = {tn_dim_add(&ctx, b, a), tn_dim_mul(&ctx, b, a), tn_dim_min(&ctx, b, a)};
    tn_kernel_buf(kernel, BUF_PARAM, TN_F32, 3, dims);
    assert_non_null(strstr(print(&ctx, kernel), "f32[A + B, A * B, min(A, B)]"));
    tn_ctx_free(&ctx);
}

/* Fresh loops after a parse do not repeat its names. */
static void test_names(void **state) {
    Ctx ctx;
    (void)state;
    tn_ctx_init(&ctx, NULL);
    const char *text = "kernel \"k\" { param b0: f32[9] for i7 in 9 { b0[i7] = 0:f32 } }";
    Kernel *kernel = tn_kernel_parse(&ctx, tn_sv(text), "names");
    assert_non_null(kernel);
    const Dim *var = tn_kernel_loop_var(kernel, "i7", tn_dim_const(&ctx, 2));
    assert_string_equal(tn_dim_symbol_of(&ctx, var)->name, "i8");
    tn_ctx_free(&ctx);
}

/* ---- mistakes ---- */

typedef struct Mistake {
    const char *text;
    uint32_t line, column;
    const char *message;
} Mistake;

static const Mistake mistakes[] = {
    {"", 1, 1, "expected 'kernel', found the end"},
    {"kernel x", 1, 8, "expected the kernel's name in quotes, found 'x'"},
    {"kernel \"k", 1, 8, "this string does not end"},
    {"kernel \"k\" {\n  param b1: f32[2]\n}", 2, 9, "expected 'b0', found 'b1'"},
    {"kernel \"k\" {\n  param b0: f99[2]\n}", 2, 13, "expected an element type, found 'f99'"},
    {"kernel \"k\" {\n  param b0: f32[N]\n}", 2, 17,
     "'N' is neither a loop variable in scope nor a declared symbol"},
    {"kernel \"k\" { temp t0: f32[0] }", 1, 27, "0 is outside 1..1048576"},
    {"kernel \"k\" { temp t0: f32[1, 1, 1, 1, 1, 1, 1] }", 1, 45,
     "a temp has at most 6 dimensions"},
    {"kernel \"k\" { param b0: f32[2]\nb0[0] = 1:f64 }", 2, 15,
     "the value is f64, its place is f32"},
    {"kernel \"k\" { param b0: f32[2]\nb0[0] = foo(1:f32) }", 2, 9,
     "expected an expression, found 'foo'"},
    {"kernel \"k\" { param b0: f32[2]\nb0[0] = reduce_sum(1:f32) }", 2, 9,
     "expected an expression, found 'reduce_sum'"},
    {"kernel \"k\" { param b0: f32[2]\nb0[0] = add(1:f32, 1:i32) }", 2, 25,
     "operands are f32 and i32"},
    {"kernel \"k\" { param b0: f32[2]\nb0[0] = b0[1, 2] }", 2, 13, "expected ']', found ','"},
    {"kernel \"k\" { param b0: f32[2]\nfor i0 in 2 { b0[i0] = 1:f32 }\nb0[i0] = 1:f32 }", 3, 4,
     "'i0' is neither a loop variable in scope nor a declared symbol"},
    {"kernel \"k\" { param b0: f32[2]\nfor i0 in 2 vector 0 { b0[i0] = 1:f32 } }", 2, 20,
     "0 is outside 1..2147483647"},
    {"kernel \"k\" { param b0: f32[2] temp t0: f32[] t0 sub= 1:f32 }", 1, 49,
     "expected add, mul, min, max or '=', found 'sub'"},
    {"kernel \"k\" { param b0: f32[2]\nb0[0 @ b0[1]] = 1:f32 }", 2, 15,
     "a computed index must be an integer"},
    {"kernel \"k\" { param b0: f32[99999999999999999999] }", 1, 28, "expected an integer"},
    {"kernel \"k\" { param b0: f32[2] } x", 1, 33, "expected the end, found 'x'"},
};

static void test_mistakes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        Ctx ctx;
        const Mistake *mistake = &mistakes[i];
        tn_ctx_init(&ctx, NULL);
        assert_null(tn_kernel_parse(&ctx, tn_sv(mistake->text), "bad"));
        assert_int_equal(ctx.diags.items.len, 1);
        const Diag *diag = &ctx.diags.items.data[0];
        if (strstr(diag->text, mistake->message) == NULL) {
            fail_msg("mistake %zu: %s", i, diag->text);
        }
        assert_string_equal(diag->loc.file, "bad");
        assert_int_equal(diag->loc.line, mistake->line);
        assert_int_equal(diag->loc.column, mistake->column);
        assert_int_equal(diag->status, TN_BAD_INPUT);
        tn_ctx_free(&ctx);
    }
}

/* Every prefix of a text, and the text with any byte changed, is read or refused. */
static void test_damaged(void **state) {
    static const char bytes[] = "(]9x\"@\n";
    char text[sizeof whole];
    (void)state;
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        Ctx ctx;
        tn_ctx_init(&ctx, NULL);
        if (at < sizeof whole - 2) {
            assert_null(tn_kernel_parse(&ctx, (StrView){whole, at}, "cut"));
        }
        memcpy(text, whole, sizeof whole);
        text[at] = bytes[at % (sizeof bytes - 1)];
        Kernel *kernel = tn_kernel_parse(&ctx, tn_sv(text), "changed");
        if (kernel != NULL) {
            print(&ctx, kernel);
        }
        tn_ctx_free(&ctx);
    }
}

static void test_deep(void **state) {
    Ctx ctx;
    (void)state;
    tn_ctx_init(&ctx, NULL);
    StrBuf text = tn_str(&ctx.arena);
    tn_str_puts(&text, "kernel \"k\" { param b0: f32[");
    for (int i = 0; i < 100000; i++) {
        tn_str_putc(&text, '(');
    }
    assert_null(tn_kernel_parse(&ctx, tn_sv(text.data), "deep"));
    assert_non_null(strstr(diags(&ctx), "nested too deeply"));
    tn_ctx_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_order),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
