/* test_math.c: the elementwise functions of the prelude against libm in wider arithmetic.
 *
 * Every function is computed by a vector loop and by a scalar one over dense samples of its
 * whole range and over special values: both must give the same bits, special values those
 * of C99, and the rest lie within a bound in units of the last place.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/kernel_run.h"

enum { SAMPLES = 50000 };

typedef long double Reference(long double a, long double b);

typedef struct Row {
    const char *name;
    int arity;
    Reference *reference;
    double lo, hi;         /* dense samples, evenly spaced */
    double ulp_f32, ulp_f64;
} Row;

static long double r_exp(long double a, long double b) {
    return (void)b, expl(a);
}
static long double r_log(long double a, long double b) {
    return (void)b, logl(a);
}
static long double r_log1p(long double a, long double b) {
    return (void)b, log1pl(a);
}
static long double r_tanh(long double a, long double b) {
    return (void)b, tanhl(a);
}
static long double r_erf(long double a, long double b) {
    return (void)b, erfl(a);
}
static long double r_sin(long double a, long double b) {
    return (void)b, sinl(a);
}
static long double r_cos(long double a, long double b) {
    return (void)b, cosl(a);
}
static long double r_sqrt(long double a, long double b) {
    return (void)b, sqrtl(a);
}
static long double r_rsqrt(long double a, long double b) {
    return (void)b, 1 / sqrtl(a);
}
static long double r_sigmoid(long double a, long double b) {
    return (void)b, 1 / (1 + expl(-a));
}
static long double r_floor(long double a, long double b) {
    return (void)b, floorl(a);
}
static long double r_ceil(long double a, long double b) {
    return (void)b, ceill(a);
}
static long double r_trunc(long double a, long double b) {
    return (void)b, truncl(a);
}
static long double r_round(long double a, long double b) {
    return (void)b, rintl(a);
}
static long double r_abs(long double a, long double b) {
    return (void)b, fabsl(a);
}
static long double r_recip(long double a, long double b) {
    return (void)b, 1 / a;
}
static long double r_neg(long double a, long double b) {
    return (void)b, -a;
}
static long double r_sign(long double a, long double b) {
    return (void)b, isnan(a) ? a : (long double)((a > 0) - (a < 0));
}
static long double r_pow(long double a, long double b) {
    return powl(a, b);
}
static long double r_rem(long double a, long double b) {
    return fmodl(a, b);
}
static long double r_mod(long double a, long double b) {
    long double rest = fmodl(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
static long double r_min(long double a, long double b) {
    return isnan(a) || isnan(b) ? (long double)NAN : fminl(a, b);
}
static long double r_max(long double a, long double b) {
    return isnan(a) || isnan(b) ? (long double)NAN : fmaxl(a, b);
}
static long double r_div(long double a, long double b) {
    return a / b;
}

static const Row rows[] = {
    {"exp", 1, r_exp, -110, 95, 2, 2},
    {"exp", 1, r_exp, -750, 715, 2, 2},
    {"log", 1, r_log, 0, 3, 2, 2},
    {"log", 1, r_log, 0, 1e9, 2, 2},
    {"log1p", 1, r_log1p, -1, 1, 3, 3},
    {"log1p", 1, r_log1p, -0.001, 0.001, 3, 3},
    {"tanh", 1, r_tanh, -12, 12, 8, 4},
    {"tanh", 1, r_tanh, -0.01, 0.01, 8, 4},
    {"erf", 1, r_erf, -7, 7, 8, 4},
    {"erf", 1, r_erf, -0.01, 0.01, 8, 4},
    {"sin", 1, r_sin, -10, 10, 1, 2},
    {"sin", 1, r_sin, -1e7, 1e7, 1, 3},
    {"cos", 1, r_cos, -10, 10, 1, 2},
    {"cos", 1, r_cos, -1e15, 1e15, 1, 3},
    {"sqrt", 1, r_sqrt, 0, 100, 0.51, 0.51},
    {"rsqrt", 1, r_rsqrt, 0, 100, 1.6, 1.6},
    {"sigmoid", 1, r_sigmoid, -80, 80, 4, 4},
    {"floor", 1, r_floor, -20, 20, 0, 0},
    {"ceil", 1, r_ceil, -20, 20, 0, 0},
    {"trunc", 1, r_trunc, -20, 20, 0, 0},
    {"round", 1, r_round, -20, 20, 0, 0},
    {"abs", 1, r_abs, -5, 5, 0, 0},
    {"neg", 1, r_neg, -5, 5, 0, 0},
    {"sign", 1, r_sign, -5, 5, 0, 0},
    {"recip", 1, r_recip, -5, 5, 0.51, 0.51},
    {"pow", 2, r_pow, -20, 20, 1, 12},
    {"pow", 2, r_pow, 0, 3, 1, 12},
    {"rem", 2, r_rem, -1e6, 1e6, 0, 0},
    {"mod", 2, r_mod, -1e3, 1e3, 0.51, 0.51},
    {"min", 2, r_min, -5, 5, 0, 0},
    {"max", 2, r_max, -5, 5, 0, 0},
    {"div", 2, r_div, -5, 5, 0.51, 0.51},
};

static const double specials[] = {0.0,
                                  -0.0,
                                  1.0,
                                  -1.0,
                                  0.5,
                                  -0.5,
                                  1.5,
                                  -1.5,
                                  2.0,
                                  -2.0,
                                  2.5,
                                  3.0,
                                  -3.0,
                                  10.0,
                                  1e-3,
                                  1e3,
                                  8388607.5,
                                  8388608.0,
                                  1e10,
                                  -1e10,
                                  1e30,
                                  -1e30,
                                  3e38,
                                  1e-30,
                                  1e-38,
                                  1e-42,
                                  -1e-42,
                                  1e300,
                                  1e-300,
                                  1e-310,
                                  5e-324,
                                  88.7,
                                  88.8,
                                  -87.3,
                                  -103.9,
                                  -104.1,
                                  709.7,
                                  709.8,
                                  -745.1,
                                  -745.2,
                                  0.1,
                                  123456789.0,
                                  3.14159265,
                                  3.141592653589793,
                                  1e15,
                                  1e22,
                                  1e200,
                                  9007199254740993.0,
                                  4503599627370497.5,
                                  -7.0,
                                  0.3333,
                                  INFINITY,
                                  -INFINITY,
                                  NAN};
enum { SPECIALS = sizeof specials / sizeof *specials };

/* ---- samples ---- */

static void put(void *data, DType dtype, size_t i, double value) {
    float narrow = (float)value;
    memcpy((unsigned char *)data + i * tn_dtype_bytes(dtype),
           dtype == TN_F32 ? (const void *)&narrow : (const void *)&value, tn_dtype_bytes(dtype));
}

static double get(const void *data, DType dtype, size_t i) {
    float narrow = 0;
    double wide = 0;
    if (dtype == TN_F32) {
        memcpy(&narrow, (const unsigned char *)data + i * 4, 4);
        return (double)narrow;
    }
    memcpy(&wide, (const unsigned char *)data + i * 8, 8);
    return wide;
}

/* The special values (all pairs of them), then the range evenly. */
static size_t fill(const Row *row, DType dtype, void *a, void *b) {
    size_t n = 0;
    for (size_t i = 0; i < SPECIALS; i++) {
        for (size_t k = 0; k < (row->arity == 2 ? SPECIALS : 1); k++, n++) {
            put(a, dtype, n, specials[i]);
            put(b, dtype, n, specials[k]);
        }
    }
    for (size_t i = 0; n < SAMPLES; i++, n++) {
        double at = (double)i / (SAMPLES - 1), other = fmod((double)i * 0.61803398874989485, 1);
        put(a, dtype, n, row->lo + (row->hi - row->lo) * at);
        put(b, dtype, n, row->lo + (row->hi - row->lo) * other);
    }
    return n;
}

/* ---- checking ---- */

/* Distance in units of the last place of the result's type. */
static double ulps(DType dtype, long double expected, double found) {
    if (isnan(expected) || isnan(found)) {
        return isnan(expected) && isnan(found) ? 0 : INFINITY;
    }
    double rounded = dtype == TN_F32 ? (double)(float)expected : (double)expected;
    if (rounded == found || (isinf(rounded) && isinf(found) && (rounded > 0) == (found > 0))) {
        return 0;
    }
    if (isinf(found) || isinf(rounded)) {
        /* The last finite number and infinity are neighbours. */
        double most = dtype == TN_F32 ? (double)FLT_MAX : DBL_MAX;
        return fabs(isinf(found) ? rounded : found) >= most * 0.9999999 ? 1 : INFINITY;
    }
    int exponent;
    frexp(rounded, &exponent);
    int least = dtype == TN_F32 ? -125 : -1021, digits = dtype == TN_F32 ? 24 : 53;
    exponent = rounded == 0 || exponent < least ? least : exponent;
    return (double)(fabsl(expected - (long double)found) / ldexpl(1, exponent - digits));
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check(const Row *row, DType dtype, const char *target, const void *a, const void *b,
                  const void *vector, const void *scalar, size_t n) {
    double bound = dtype == TN_F32 ? row->ulp_f32 : row->ulp_f64, worst = 0;
    for (size_t i = 0; i < n; i++) {
        double x = get(a, dtype, i), y = get(b, dtype, i);
        double v = get(vector, dtype, i), s = get(scalar, dtype, i);
        if (bits_of(v) != bits_of(s) && !(isnan(v) && isnan(s))) {
            fail_msg("%s %s %s(%.17g, %.17g): a vector gives %.17g, a scalar %.17g", target,
                     tn_dtype_text(dtype), row->name, x, y, v, s);
        }
        long double expected = row->reference((long double)x, (long double)y);
        double off = ulps(dtype, expected, v);
        worst = off > worst ? off : worst;
        if (off > bound) {
            fail_msg("%s %s %s(%.17g, %.17g) = %.17g, expected %.17Lg: off by %g ulp", target,
                     tn_dtype_text(dtype), row->name, x, y, v, expected, off);
        }
    }
    if (getenv("TENON_VERBOSE") != NULL) {
        print_message("%s %s %s: %.2f ulp\n", target, tn_dtype_text(dtype), row->name, worst);
    }
}

static Kernel *make_kernel(Ctx *ctx, const Row *row, DType dtype, int lanes) {
    const char *t = tn_dtype_text(dtype);
    const char *single = row->arity == 2 ? ", b1[i2]" : "";
    const char *text = tn_arena_printf(
        &ctx->arena,
        "kernel \"math\" { param b0: %s[%d] param b1: %s[%d] param b2: %s[%d] param b3: %s[%d] "
        "for i0 in %d { for l1 in %d vector %d { b2[%d * i0 + l1] = %s(b0[%d * i0 + l1]%s) } } "
        "for i2 in %d { b3[i2] = %s(b0[i2]%s) } }",
        t, SAMPLES, t, SAMPLES, t, SAMPLES, t, SAMPLES, SAMPLES / lanes, lanes, lanes, lanes,
        row->name, lanes,
        row->arity == 2 ? tn_arena_printf(&ctx->arena, ", b1[%d * i0 + l1]", lanes) : "", SAMPLES,
        row->name, single);
    Kernel *kernel = tn_kernel_parse(ctx, tn_sv(text), "test");
    assert_non_null(kernel);
    return kernel;
}

static void check_row(const Row *row, DType dtype, const Target *target) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    int lanes = target->vector_bytes / (int)tn_dtype_bytes(dtype);
    Kernel *kernel = make_kernel(&ctx, row, dtype, lanes);
    KernelCode code = kernel_run_compile(kernel, target);
    KernelData data = kernel_run_data(kernel, NULL, 1);
    size_t n = fill(row, dtype, data.data[0], data.data[1]);
    kernel_run_call(&code, &data, NULL, 1);
    check(row, dtype, target->name, data.data[0], data.data[1], data.data[2], data.data[3], n);
    kernel_run_free(&data);
    kernel_run_close(&code);
    tn_ctx_free(&ctx);
}

static void test_rows(void **state) {
    (void)state;
    for (uint32_t t = 0; kernel_run_target(t) != NULL; t++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            check_row(&rows[i], TN_F32, kernel_run_target(t));
            check_row(&rows[i], TN_F64, kernel_run_target(t));
        }
    }
}

/* ---- conversions ---- */

/* Special values to every type, by vector and by scalar, against the interpreter. */
static void check_cast(DType from, DType to, const Target *target) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    const char *f = tn_dtype_text(from), *t = tn_dtype_text(to);
    Kernel *kernel =
        tn_kernel_parse(&ctx,
                        tn_sv(tn_arena_printf(
                            &ctx.arena,
                            "kernel \"cast\" { param b0: %s[%d] param b1: %s[%d] param b2: %s[%d] "
                            "for i0 in %d { for l1 in 16 vector 16 { b1[16 * i0 + l1] = "
                            "cast:%s(b0[16 * i0 + l1]) } } "
                            "for i2 in %d { b2[i2] = cast:%s(b0[i2]) } }",
                            f, SPECIALS, t, SPECIALS, t, SPECIALS, SPECIALS / 16, t, SPECIALS, t)),
                        "test");
    assert_non_null(kernel);
    KernelCode code = kernel_run_compile(kernel, target);
    KernelData expected = kernel_run_data(kernel, NULL, 1),
               found = kernel_run_data(kernel, NULL, 1);
    for (size_t i = 0; i < SPECIALS; i++) {
        if (tn_dtype_is_float(from)) {
            put(expected.data[0], from, i, specials[i]);
            put(found.data[0], from, i, specials[i]);
        }
    }
    assert_true(tn_kernel_interp(kernel, expected.data, NULL));
    kernel_run_call(&code, &found, NULL, 1);
    for (size_t b = 1; b <= 2; b++) {
        for (size_t i = 0; i < SPECIALS && !tn_dtype_is_float(to); i++) {
            size_t size = tn_dtype_bytes(to);
            if (memcmp((char *)expected.data[b] + i * size, (char *)found.data[b] + i * size,
                       size) != 0) {
                fail_msg("%s: %s to %s of %g differs (b%zu)\n%s", target->name, f, t,
                         tn_dtype_is_float(from) ? specials[i] : 0.0, b, code.source);
            }
        }
        for (size_t i = 0; i < SPECIALS && tn_dtype_is_float(to); i++) {
            assert_true(ulps(to, (long double)get(expected.data[b], to, i),
                             get(found.data[b], to, i)) == 0);
        }
    }
    kernel_run_free(&expected);
    kernel_run_free(&found);
    kernel_run_close(&code);
    tn_ctx_free(&ctx);
}

static void test_casts(void **state) {
    static const DType dtypes[] = {TN_F32, TN_F64, TN_I8,  TN_I16, TN_I32, TN_I64,
                                   TN_U8,  TN_U16, TN_U32, TN_U64, TN_BOOL};
    (void)state;
    for (uint32_t t = 0; kernel_run_target(t) != NULL; t++) {
        for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
            for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++) {
                if (i < 2 || t == 0) {
                    check_cast(dtypes[i], dtypes[k], kernel_run_target(t));
                }
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_casts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
