/* test_kernel.c: emitted kernels against the interpreter: every kind of loop, temp, load and
 * store by itself, every length of a masked tail, and random nests with random schedules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/rewrite.h"
#include "tests/support/kernel_run.h"
#include "tests/support/nestgen.h"

typedef struct Case {
    const char *name, *text;
} Case;

#define N_SYMBOL "symbol N dim 0..100 "

static const Case cases[] = {
    {"copy", "param b0: f32[40] param b1: f32[40] for i0 in 40 { b1[i0] = b0[i0] }"},
    {"partition",
     N_SYMBOL "param b0: f32[N, 3] param b1: f32[N, 3] "
              "for i0 in N partition { for j1 in 3 { b1[i0, j1] = neg(b0[i0, j1]) } }"},
    {"top level store",
     "param b0: f32[4] param b1: f32[2] b1[0] = b0[3] b1[1] = mul(b0[1], b0[2])"},
    {"reduction",
     N_SYMBOL "param b0: f32[N, 7] param b1: f32[N] temp t0: f32[] "
              "for i0 in N { t0 = 0:f32 for j1 in 7 { t0 add= b0[i0, j1] } b1[i0] = t0 }"},
    {"temp array", "param b0: f32[9] param b1: f32[9] temp t0: f32[9] "
                   "for i0 in 9 { t0[i0] = b0[i0] } for i1 in 9 { b1[i1] = t0[8 - i1] }"},
    {"vector",
     "param b0: f32[64] param b1: f32[64] "
     "for i0 in 4 { for l1 in 16 vector 16 { b1[16 * i0 + l1] = mul(b0[16 * i0 + l1], 3:f32) } }"},
    {"part of a vector", N_SYMBOL "param b0: f32[N] param b1: f32[N] for i0 in (N + 15) / 16 { "
                                  "for l1 in min(16, N - 16 * i0) vector 16 { b1[16 * i0 + l1] = "
                                  "sub(b0[16 * i0 + l1], 1:f32) } }"},
    {"tile", "param b0: f32[6, 10] param b1: f32[10, 32] param b2: f32[6, 32] temp t0: f32[3, 32] "
             "for o0 in 2 { for m1 in 3 unroll 3 { for v2 in 2 unroll 2 { for l3 in 16 vector 16 { "
             "t0[m1, 16 * v2 + l3] = 0:f32 } } } for k4 in 10 { for m5 in 3 unroll 3 { for v6 in 2 "
             "unroll 2 { "
             "for l7 in 16 vector 16 { t0[m5, 16 * v6 + l7] add= mul(b0[3 * o0 + m5, k4], b1[k4, "
             "16 * v6 + l7]) } } } } "
             "for m8 in 3 unroll 3 { for v9 in 2 unroll 2 { for l10 in 16 vector 16 { "
             "b2[3 * o0 + m8, 16 * v9 + l10] = max(t0[m8, 16 * v9 + l10], 0:f32) } } } }"},
    {"partial sums, part of the last",
     N_SYMBOL "param b0: f32[N] param b1: f32[1] temp t0: f32[16] temp t1: f32[] "
              "for l0 in 16 vector 16 { t0[l0] = 1:f32 } "
              "for o1 in (N + 15) / 16 { for l2 in min(16, N - 16 * o1) vector 16 { t0[l2] add= "
              "exp(b0[16 * o1 + l2]) } } "
              "t1 = 0:f32 for l3 in 16 { t1 add= t0[l3] } b1[0] = t1"},
    {"single lanes", "param b0: f32[16] param b1: f32[2] temp t0: f32[16] "
                     "for l0 in 16 vector 16 { t0[l0] = b0[l0] } b1[0] = t0[3] t0[5] = 7:f32 "
                     "b1[1] = add(t0[5], t0[15])"},
    {"lane-private temps",
     "param b0: f32[4, 16] param b1: f32[16] temp t0: f32[] temp t1: f32[4] "
     "for l0 in 16 vector 16 { t0 = 0:f32 for k1 in 4 { t1[k1] = b0[k1, l0] } "
     "for k2 in 4 { t0 add= t1[3 - k2] } b1[l0] = t0 }"},
    {"main and tail share a temp",
     N_SYMBOL "param b0: f32[N] param b1: f32[N] temp t0: f32[] "
              "for o0 in N / 8 { for l1 in 8 vector 8 { t0 = mul(b0[8 * o0 + l1], 2:f32) b1[8 * o0 "
              "+ l1] = t0 } } "
              "for r2 in N % 8 { t0 = mul(b0[N - N % 8 + r2], 2:f32) b1[N - N % 8 + r2] = t0 }"},
    {"unrolled by size",
     N_SYMBOL "param b0: f32[N] param b1: f32[N] temp t0: f32[5] "
              "for o0 in (N + 4) / 5 { for u1 in min(5, N - 5 * o0) unroll 5 { "
              "t0[u1] = b0[5 * o0 + u1] } for u2 in min(5, N - 5 * o0) unroll 5 { "
              "b1[5 * o0 + u2] = abs(t0[u2]) } }"},
    {"spaced loads",
     "param b0: f32[64] param b1: f32[16] for l0 in 16 vector 16 { b1[l0] = b0[4 * l0 + 1] }"},
    {"spaced by size", N_SYMBOL "param b0: f32[16, N + 1] param b1: f32[11] "
                                "for l0 in 11 vector 16 { b1[l0] = b0[l0, N] }"},
    {"backwards",
     "param b0: f32[16] param b1: f32[16] for l0 in 16 vector 16 { b1[15 - l0] = b0[15 - l0] }"},
    {"bent index", "param b0: f32[40] param b1: f32[16] for l0 in 13 vector 16 { b1[l0] = b0[l0 * "
                   "3 / 2 + l0 % 3] }"},
    {"scattered stores", "param b0: f32[16] param b1: f32[40] for i0 in 40 { b1[i0] = 0:f32 } "
                         "for l1 in 16 vector 16 { b1[l1 * 2 + l1 / 8] = b0[l1] }"},
    {"invariant in lanes",
     "param b0: f32[5] param b1: f32[5, 16] for i0 in 5 { for l1 in 16 vector 16 { "
     "b1[i0, l1] = add(b0[i0], index:f32(l1 + i0)) } }"},
    {"guard",
     N_SYMBOL "param b0: f32[N] param b1: f32[N + 4] for i0 in N + 4 { "
              "b1[i0] = guard(lt(i0, 2), 0:f32, guard(lt(i0, N + 2), b0[i0 - 2], 9:f32)) }"},
    {"guard by lane", N_SYMBOL
     "param b0: f32[N] param b1: f32[N + 16] for o0 in (N + 31) / 16 { for l1 in min(16, N + 16 - "
     "16 * o0) vector 16 { "
     "b1[16 * o0 + l1] = guard(lt(16 * o0 + l1, N), mul(b0[16 * o0 + l1], 2:f32), -1:f32) } }"},
    {"two-sided guard by lane",
     N_SYMBOL "param b0: f32[N] param b1: f32[N + 4] for o0 in (N + 19) / 16 { for l1 in min(16, N "
              "+ 4 - 16 * o0) vector 16 { "
              "b1[16 * o0 + l1] = guard(lt(16 * o0 + l1, 2), 5:f32, guard(lt(16 * o0 + l1, N + 2), "
              "b0[16 * o0 + l1 - 2], 6:f32)) } }"},
    {"guard over a temp", "param b0: f32[16] param b1: f32[16] temp t0: f32[16] temp t1: f32[] "
                          "for l0 in 16 vector 16 { t0[l0] = b0[l0] t1 = 2:f32 "
                          "b1[l0] = guard(eq(l0 % 3, 1), mul(t0[l0], t1), b0[15 - l0]) }"},
    {"gather", "param b0: f32[20, 8] param b1: i64[5] param b2: f32[5, 8] for i0 in 5 { for l1 in "
               "8 vector 8 { "
               "b2[i0, l1] = b0[2 @ max(min(b1[i0], 9:i64), -2:i64), l1] } }"},
    {"gather by lane",
     "param b0: f32[20] param b1: i64[16] param b2: f32[16] for l1 in 16 vector 16 { "
     "b2[l1] = b0[2 @ max(min(b1[l1], 9:i64), -2:i64)] }"},
    {"scatter",
     N_SYMBOL "param b0: f32[20, 24] param b1: i64[9] param b2: f32[9, 24] for i0 in 9 { "
              "for o1 in 2 { for l2 in 8 vector 8 { "
              "b0[2 @ max(min(b1[i0], 9:i64), -2:i64), 8 * o1 + l2] = add("
              "b0[2 @ max(min(b1[i0], 9:i64), -2:i64), 8 * o1 + l2], b2[i0, 8 * o1 + l2]) } } "
              "for l3 in min(7, N) vector 8 { b0[2 @ max(min(b1[i0], 9:i64), -2:i64), 16 + l3] = "
              "mul(b0[2 @ max(min(b1[i0], 9:i64), -2:i64), 16 + l3], b2[i0, 16 + l3]) } }"},
    {"scatter by lane",
     "param b0: f32[20, 16] param b1: i64[16] param b2: f32[16] for l1 in 16 vector 16 { "
     "b0[2 @ max(min(b1[l1], 9:i64), -2:i64), l1] = b2[l1] } for l2 in 11 vector 16 { "
     "b0[2 @ max(min(b1[3], 9:i64), -2:i64), 15 - l2] = 2:f32 }"},
    {"scatter, singly", "param b0: f32[20] param b1: i32[9] param b2: bool[20] for i0 in 9 { "
                        "b0[2 @ max(min(b1[i0], 9:i32), -2:i32)] = 3:f32 "
                        "b2[2 @ max(min(b1[i0], 9:i32), -2:i32)] = lt(b1[i0], 1:i32) }"},
    {"scatter of bools",
     "param b0: i64[3] param b1: bool[9, 16] param b2: f32[16] for i0 in 3 { for l1 in 16 vector "
     "16 { b1[4 @ max(min(b0[i0], 4:i64), -4:i64), l1] = lt(b2[l1], 1:f32) } }"},
    {"bools",
     "param b0: bool[16] param b1: f32[16] param b2: bool[16] temp t0: bool[16] "
     "for l0 in 16 vector 16 { t0[l0] = and(lt(b1[l0], 1:f32), b0[l0]) } for l1 in 16 vector 16 { "
     "b2[l1] = or(t0[l1], eq(b1[l1], 2:f32)) b1[l1] = select(not(t0[l1]), b1[l1], "
     "cast:f32(b0[l1])) }"},
    {"bools, singly",
     "param b0: bool[7] param b1: bool[7] temp t0: bool[7] for i0 in 7 { t0[i0] = not(b0[i0]) } "
     "for i1 in 7 { b1[i1] = xor(t0[i1], b0[6 - i1]) }"},
    {"one lane of bools",
     "param b0: bool[16] param b1: bool[3] temp t0: bool[16] "
     "for l0 in 16 vector 16 { t0[l0] = not(b0[l0]) } b1[0] = t0[2] t0[4] = b0[1] b1[1] = t0[4] "
     "b1[2] = t0[5]"},
    {"mixed widths", "param b0: f32[11] param b1: i64[11] param b2: f64[11] param b3: i32[11] for "
                     "l0 in 11 vector 16 { "
                     "b2[l0] = mul(cast:f64(b0[l0]), cast:f64(b1[l0])) b3[l0] = "
                     "cast:i32(add(b0[l0], cast:f32(b1[l0]))) "
                     "b1[l0] = select(lt(b0[l0], 0:f32), b1[l0], cast:i64(b0[l0])) }"},
    {"masks of two widths",
     "param b0: f32[16] param b1: f64[16] param b2: bool[16] for l0 in 16 vector 16 { "
     "b2[l0] = xor(lt(b0[l0], 1:f32), lt(b1[l0], 2:f64)) }"},
    {"small integers",
     "param b0: u8[16] param b1: i8[16] param b2: i16[16] for l0 in 16 vector 16 { "
     "b2[l0] = mul(cast:i16(b0[l0]), cast:i16(b1[l0])) b1[l0] = cast:i8(b0[l0]) b0[l0] = "
     "add(b0[l0], 250:u8) }"},
    {"small integers, singly", "param b0: u8[9] param b1: i8[9] param b2: i16[9] for i0 in 9 { "
                               "b2[i0] = mul(cast:i16(b0[i0]), 30000:i16) b1[i0] = neg(b1[i0]) "
                               "b0[i0] = sub(b0[i0], 250:u8) }"},
    {"integer division",
     "param b0: i32[16] param b1: i32[16] param b2: i32[3, 16] for l0 in 16 vector 16 { "
     "b2[0, l0] = div(b0[l0], b1[l0]) b2[1, l0] = mod(b0[l0], b1[l0]) b2[2, l0] = rem(b0[l0], "
     "b1[l0]) }"},
    {"stores seen by loads",
     "param b0: f32[20] for i0 in 16 { b0[i0 + 1] = add(b0[i0], b0[i0 + 1]) "
     "b0[i0 + 2] = add(b0[i0 + 1], b0[i0]) }"},
    {"stores seen when unrolled",
     "param b0: f32[20] for i0 in 16 unroll 16 { b0[i0 + 1] = add(b0[i0], b0[i0 + 1]) }"},
    {"locals",
     N_SYMBOL "param b0: f32[N, 5] param b1: f32[N, 5] local b2: f32[5] local b3: i64[N + 1] "
              "for i0 in N { for j1 in 5 { b2[j1] = b0[i0, j1] } b3[i0] = index:i64(i0 * i0) "
              "for j2 in 5 { b1[i0, j2] = add(b2[4 - j2], cast:f32(b3[i0])) } }"},
    {"strides",
     "param b0: f32[4, 4] strides [1, 4] param b1: f32[4, 4] for i0 in 4 { for l1 in 4 vector 4 { "
     "b1[i0, l1] = b0[i0, l1] } }"},
    {"indices",
     N_SYMBOL "param b0: i64[16] param b1: f32[16] param b2: i32[16] for l0 in 16 vector 16 { "
              "b0[l0] = index:i64(N * 3 - l0 * 5) b1[l0] = index:f32((l0 + N) / 3) b2[l0] = "
              "index:i32(l0 * l0 % 7) }"},
    {"wide vectors",
     "param b0: f32[64] param b1: f32[64] param b2: f32[1] temp t0: f32[64] temp t1: f32[] "
     "for l0 in 64 vector 64 { t0[l0] = 0:f32 } for k1 in 3 { for l2 in 64 vector 64 { t0[l2] add= "
     "b0[l2] } } "
     "t1 = 0:f32 for l3 in 64 unroll 64 { t1 add= t0[l3] } b2[0] = t1 "
     "for l4 in 61 vector 64 { b1[l4] = t0[l4] }"},
    {"three lanes",
     "param b0: f32[3] param b1: f32[3] for l0 in 3 vector 3 { b1[l0] = mul(b0[l0], b0[l0]) }"},
    {"extremes",
     "param b0: f32[16] param b1: f32[16] temp t0: f32[16] for l0 in 16 vector 16 { t0[l0] = "
     "-inf:f32 } "
     "for k1 in 4 { for l2 in 16 vector 16 { t0[l2] max= mul(b0[l2], index:f32(k1 - 2)) } } "
     "for l3 in 16 vector 16 { b1[l3] = t0[l3] }"},
    {"quotients of lanes by a size",
     N_SYMBOL "param b0: f32[N + 18, N + 18] param b1: f32[3, 16] for i0 in 3 { for l1 in 16 "
              "vector 16 { b1[i0, l1] = b0[(i0 + l1) / (N + 1), (i0 + l1) % (N + 1)] } }"},
    {"guard of a memoised load", "param b0: f32[4] param b1: f32[8] for i0 in 8 unroll 8 { "
                                 "b1[i0] = guard(lt(i0, 4), b0[min(i0, 3)], 0:f32) }"},
};

static void check_text(const char *text, int64_t n, uint64_t seed) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    const char *whole = tn_arena_printf(&ctx.arena, "kernel \"k\" { %s }", text);
    Kernel *kernel = tn_kernel_parse(&ctx, tn_sv(whole), "test");
    if (kernel == NULL) {
        StrBuf out = tn_str(&ctx.arena);
        tn_diag_print(&ctx.diags, &out);
        fail_msg("%s\n%s", out.data, whole);
    }
    int64_t *symbols = TN_NEW_ARRAY(&ctx.arena, int64_t, ctx.dims->symbols.len + 1);
    for (size_t i = 0; i < ctx.dims->symbols.len; i++) {
        symbols[i] = n;
    }
    kernel_run_check(kernel, symbols, seed);
    tn_ctx_free(&ctx);
}

static void test_cases(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool sized = strstr(cases[i].text, "symbol N") != NULL;
        for (int64_t n = 0; n < (sized ? 3 : 1); n++) {
            static const int64_t sizes[] = {21, 1, 0};
            check_text(cases[i].text, sizes[n], i + 1);
        }
    }
}

/* ---- every tail ---- */

static const DType tail_dtypes[] = {TN_F32, TN_F64, TN_I64, TN_I32, TN_I16, TN_U8, TN_BOOL};

/* One kernel for all lengths: copies N of 64 lanes. */
static void check_tails(DType dtype, int lanes) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    const char *text =
        tn_arena_printf(&ctx.arena,
                        "kernel \"tail\" { symbol N dim 0..64 param b0: %s[N] param b1: %s[N] "
                        "for l0 in N vector %d { b1[l0] = b0[l0] } }",
                        tn_dtype_text(dtype), tn_dtype_text(dtype), lanes);
    Kernel *kernel = tn_kernel_parse(&ctx, tn_sv(text), "test");
    assert_non_null(kernel);
    int64_t *symbols = TN_NEW_ARRAY(&ctx.arena, int64_t, ctx.dims->symbols.len + 1);
    for (uint32_t t = 0; kernel_run_target(t) != NULL; t++) {
        KernelCode code = kernel_run_compile(kernel, kernel_run_target(t));
        for (int64_t n = 0; n <= lanes; n++) {
            for (size_t i = 0; i < ctx.dims->symbols.len; i++) {
                symbols[i] = n;
            }
            KernelData data = kernel_run_data(kernel, symbols, (uint64_t)n + 7);
            kernel_run_call(&code, &data, symbols, 1);
            assert_memory_equal(data.data[0], data.data[1], data.bytes[0]);
            kernel_run_free(&data);
        }
        kernel_run_close(&code);
    }
    tn_ctx_free(&ctx);
}

static void test_tails(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof tail_dtypes / sizeof *tail_dtypes; i++) {
        check_tails(tail_dtypes[i], 8);
        check_tails(tail_dtypes[i], 16);
    }
    check_tails(TN_F32, 64);
    check_tails(TN_F32, 4);
    check_tails(TN_U8, 64);
}

/* ---- random nests ---- */

enum { NESTS = 40 };

/* A few random changes of loop kinds, each checked by the rewrite itself. */
static void schedule(NestTest *test) {
    for (int i = 0; i < 4; i++) {
        Stmt *loop = nest_random_loop(test, test->kernel);
        if (loop == NULL) {
            return;
        }
        int64_t what = nest_random(test, 0, 3);
        int64_t factor = (int64_t)1 << nest_random(test, 1, 4);
        if (what == 0) {
            tn_loop_partition(test->kernel, loop);
        } else {
            SplitTail tail = what == 1 ? SPLIT_MIN : SPLIT_PEEL;
            Stmt *inner = tn_loop_split(test->kernel, loop, factor, tail, NULL);
            if (inner != NULL && what == 3) {
                tn_loop_unroll(test->kernel, inner);
            } else if (inner != NULL) {
                tn_loop_vectorize(test->kernel, inner, (int32_t)factor);
            }
        }
    }
}

static void test_random(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= NESTS; seed++) {
        NestTest test;
        int64_t sizes[NEST_SIZES];
        nest_set_up(&test, (NestStyle)(seed % 5), seed);
        schedule(&test);
        nest_random_sizes(&test, test.kernel, sizes);
        size_t n = test.ctx.dims->symbols.len;
        int64_t *symbols = TN_NEW_ARRAY(&test.ctx.arena, int64_t, n + 1);
        for (int i = 0; i < NEST_SIZES; i++) {
            symbols[test.sizes[i]->sym] = sizes[i];
        }
        kernel_run_check(test.kernel, symbols, seed);
        nest_tear_down(&test);
    }
}

/* ---- text ---- */

static const char *emit(Ctx *ctx, const char *text) {
    Kernel *kernel = tn_kernel_parse(ctx, tn_sv(text), "test");
    assert_non_null(kernel);
    const Target *target = tn_target_at(0);
    return kernel_run_compile(kernel, target).source;
}

/* Kernels that differ in names only give the same text, and no name gets into it. */
static void test_no_names(void **state) {
    (void)state;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    const char *a = emit(&ctx, "kernel \"secret\" { symbol rows dim 0.. param b0: f32[rows] "
                               "for i3 in rows { b0[i3] = 1:f32 } }");
    const char *b = emit(&ctx, "kernel \"other\" { symbol columns dim 0.. param b0: f32[columns] "
                               "for k7 in columns { b0[k7] = 1:f32 } }");
    assert_string_equal(a, b);
    assert_null(strstr(a, "secret"));
    assert_null(strstr(a, "rows"));
    tn_ctx_free(&ctx);
}

/* A quotient by a size is computed once a turn of the loop whose variable it uses, outside of the
 * loops inside. */
static void test_quotients(void **state) {
    (void)state;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    const char *text =
        emit(&ctx, "kernel \"k\" { symbol N dim 0.. param b0: f32[5, 7, N] param b1: f32[5, 7, N] "
                   "for i0 in 5 * N { for k1 in 7 { b1[i0 / N, k1, i0 % N] = "
                   "neg(b0[i0 / N, k1, i0 % N]) } } }");
    const char *outer = strstr(text, "for (int64_t i"),
               *inner = strstr(outer + 1, "for (int64_t i");
    const char *quotient = strstr(text, "= tn_fdiv(i"), *rest = strstr(text, "= tn_fmod(i");
    assert_non_null(inner);
    assert_true(outer < quotient && quotient < inner);
    assert_true(outer < rest && rest < inner);
    assert_null(strstr(quotient + sizeof "= ", "tn_fdiv("));
    assert_null(strstr(rest + sizeof "= ", "tn_fmod("));
    tn_ctx_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),     cmocka_unit_test(test_tails),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_no_names),
        cmocka_unit_test(test_quotients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
