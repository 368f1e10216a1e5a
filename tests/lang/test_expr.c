/* test_expr.c: expressions and statements of model source, on the reference evaluator. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lang_run.h"

/* The first output of `model m(x: f64[2,3], y: f64[3], k: i32[2]) { BODY }` with x = 1..6,
 * y = 10, 20, 30, k = 2, 0. */
static RefTensor evaluate(LangRun *run, const char *body) {
    char source[4096];
    snprintf(source, sizeof source, "model m(x: f64[2,3], y: f64[3], k: i32[2]) {\n%s\n}\n", body);
    lang_start(run, source);
    RefTensor in[] = {
        lang_tensor(run, TN_F64, 2, (int64_t[]){2, 3}, (double[]){1, 2, 3, 4, 5, 6}),
        lang_tensor(run, TN_F64, 1, (int64_t[]){3}, (double[]){10, 20, 30}),
        lang_tensor(run, TN_I32, 1, (int64_t[]){2}, (double[]){2, 0}),
    };
    return lang_call(run, "infer", in, 3)[0];
}

typedef struct Case {
    const char *body;
    int rank;
    int64_t dims[4];
    double values[12];
} Case;

static void check(const Case *c) {
    LangRun run;
    RefTensor out = evaluate(&run, c->body);
    int64_t count = 1;
    if (out.rank != c->rank) {
        fail_msg("%s: rank %d", c->body, out.rank);
    }
    for (int i = 0; i < c->rank; i++) {
        if (out.dims[i] != c->dims[i]) {
            fail_msg("%s: dimension %d is %d", c->body, i, (int)out.dims[i]);
        }
        count *= c->dims[i];
    }
    for (int64_t i = 0; i < count; i++) {
        double found = lang_get(&out, i);
        if (!(fabs(found - c->values[i]) <= 1e-9 * (1 + fabs(c->values[i])))) {
            fail_msg("%s: element %d is %.17g, not %.17g", c->body, (int)i, found, c->values[i]);
        }
    }
    lang_close(&run);
}

static void check_all(const Case *cases, size_t n) {
    for (size_t i = 0; i < n; i++) {
        check(&cases[i]);
    }
}

#define CHECK(cases) check_all(cases, sizeof(cases) / sizeof *(cases))

static void test_arithmetic(void **state) {
    (void)state;
    static const Case cases[] = {
        {"return x + y", 2, {2, 3}, {11, 22, 33, 14, 25, 36}},
        {"return 1 + 2 * y - y / 10", 1, {3}, {20, 39, 58}},
        {"return -x[0] ** 2", 1, {3}, {-1, -4, -9}},
        {"return 2 ** 3 ** 2 + 0 * y", 1, {3}, {512, 512, 512}},
        {"return y // 7", 1, {3}, {1, 2, 4}},
        {"return y % 7", 1, {3}, {3, 6, 2}},
        {"return k // 2 + k % 2", 1, {2}, {1, 0}},
        {"return k / 4", 1, {2}, {0.5, 0}},
        {"return (-k) // 4", 1, {2}, {-1, 0}},
        {"return x @ y", 1, {2}, {140, 320}},
        {"return y @ transpose(x)", 1, {2}, {140, 320}},
        {"return y ** 0.5 * y ** -0.5", 1, {3}, {1, 1, 1}},
        {"return k + y[0:2]", 1, {2}, {12, 20}},
        {"return k * 0.5", 1, {2}, {1, 0}},
        {"return full([2], 7 / 2)", 1, {2}, {3.5, 3.5}},
        {"return full([2], 6 / 2, dtype=i32)", 1, {2}, {3, 3}},
        {"return full([1], 7 // 2 + 7 % 4 - -7 // 2, dtype=f64)", 1, {1}, {10}},
        {"return full([1], sqrt(16) + abs(-3) + max(2, 5) + min(1.5, 2) + round(2.5))",
         1,
         {1},
         {4 + 3 + 5 + 1.5 + 2}},
        {"return max(x, 3)", 2, {2, 3}, {3, 3, 3, 4, 5, 6}},
        {"return max(x, y / 6)", 2, {2, 3}, {10.0 / 6, 20.0 / 6, 5, 4, 5, 6}},
        {"return x < 3", 2, {2, 3}, {1, 1, 0, 0, 0, 0}},
        {"return (x >= 3) and not (x == 5)", 2, {2, 3}, {0, 0, 1, 1, 0, 1}},
        {"return (x > 5) or (x != x)", 2, {2, 3}, {0, 0, 0, 0, 0, 1}},
        {"return where(x > 3, x, -1)", 2, {2, 3}, {-1, -1, -1, 4, 5, 6}},
        {"return exp(log(y)) + tanh(0 * y)", 1, {3}, {10, 20, 30}},
        {"return select(x > 3, x, 0 * x)", 2, {2, 3}, {0, 0, 0, 4, 5, 6}},
        {"return cast(x > 3, i64) * 2", 2, {2, 3}, {0, 0, 0, 2, 2, 2}},
        {"return cast(2.75, i32) + k", 1, {2}, {4, 2}},
    };
    CHECK(cases);
}

static void test_index(void **state) {
    (void)state;
    static const Case cases[] = {
        {"return x[0]", 1, {3}, {1, 2, 3}},
        {"return x[-1, 0]", 0, {0}, {4}},
        {"return x[:, 1:3]", 2, {2, 2}, {2, 3, 5, 6}},
        {"return x[:, -1]", 1, {2}, {3, 6}},
        {"return x[..., 0]", 1, {2}, {1, 4}},
        {"return x[1, ::-1]", 1, {3}, {6, 5, 4}},
        {"return x[:, ::2]", 2, {2, 2}, {1, 3, 4, 6}},
        {"return x[:, 2:0:-1]", 2, {2, 2}, {3, 2, 6, 5}},
        {"return x[:, 1:100]", 2, {2, 2}, {2, 3, 5, 6}},
        {"return x[:, -2:]", 2, {2, 2}, {2, 3, 5, 6}},
        {"return x[:, 2:1]", 2, {2, 0}, {0}},
        {"return y[none, :]", 2, {1, 3}, {10, 20, 30}},
        {"return y[k]", 1, {2}, {30, 10}},
        {"return x[:, k]", 2, {2, 2}, {3, 1, 6, 4}},
        {"return x[k[1]]", 1, {3}, {1, 2, 3}},
        {"a = [1, 2, 3, 4][1:-1]\n return y[0] * (a[0] + a[-1] + len(a))", 0, {0}, {70}},
    };
    CHECK(cases);
}

static void test_shapes(void **state) {
    (void)state;
    static const Case cases[] = {
        {"return reshape(x, [3, -1])", 2, {3, 2}, {1, 2, 3, 4, 5, 6}},
        {"return reshape(x, [6])", 1, {6}, {1, 2, 3, 4, 5, 6}},
        {"return transpose(x, [1, 0])", 2, {3, 2}, {1, 4, 2, 5, 3, 6}},
        {"return squeeze(expand_dims(y, 0), 0) + squeeze(expand_dims(y, -1))",
         1,
         {3},
         {20, 40, 60}},
        {"return sum(expand_dims(y, [0, -1]) * expand_dims(x, 1), 0)",
         2,
         {3, 3},
         {50, 70, 90, 100, 140, 180, 150, 210, 270}},
        {"return broadcast_to(y, x.shape)", 2, {2, 3}, {10, 20, 30, 10, 20, 30}},
        {"return concat([x, x[:, 0:1]], axis=1)", 2, {2, 4}, {1, 2, 3, 1, 4, 5, 6, 4}},
        {"return stack([y, -y])", 2, {2, 3}, {10, 20, 30, -10, -20, -30}},
        {"a, b, c = split(x, 3, axis=1)\n return a + c", 2, {2, 1}, {4, 10}},
        {"a, b = split(x, [1, 2], axis=-1)\n return b", 2, {2, 2}, {2, 3, 5, 6}},
        {"return pad(y, [[1, 0]], value=7)", 1, {4}, {7, 10, 20, 30}},
        {"return sum(x)", 0, {0}, {21}},
        {"return mean(x, axes=1)", 1, {2}, {2, 5}},
        {"return sum(x, axes=[0], keepdims=true)", 2, {1, 3}, {5, 7, 9}},
        {"return prod(x, 0) + max(x, axes=0) - min(x, axes=0)", 1, {3}, {7, 13, 21}},
        {"return max(x)", 0, {0}, {6}},
        {"return sum(x > 2)", 0, {0}, {4}},
        {"return mean(x > 3)", 0, {0}, {0.5}},
        {"return mean(k)", 0, {0}, {1}},
        {"return argmax(x)", 1, {2}, {2, 2}},
        {"return argmin(x, axis=0)", 1, {3}, {0, 0, 0}},
        {"return one_hot(k, 3)", 2, {2, 3}, {0, 0, 1, 1, 0, 0}},
        {"return gather(y, k, axis=0)", 1, {2}, {30, 10}},
        {"return constant([[1, 2], [3, 4.5]])", 2, {2, 2}, {1, 2, 3, 4.5}},
        {"return constant([1, 2], dtype=f64) + zeros([2], dtype=f64)", 1, {2}, {1, 2}},
        {"return zeros_like(k) + ones_like(k)", 1, {2}, {1, 1}},
        {"return y * x.rank + x.shape[1] + x.size", 1, {3}, {29, 49, 69}},
        {"return if x.dtype == f64 then y else x[0]", 1, {3}, {10, 20, 30}},
        {"return iota(dims=[3], to=f64) + y", 1, {3}, {10, 21, 32}},
        {"return reduce_sum(x, axes=[1])", 1, {2}, {6, 15}},
    };
    CHECK(cases);
}

static void test_statements(void **state) {
    (void)state;
    static const Case cases[] = {
        {"a = 0\n for i in range(4) { a = a + i }\n return y[0] * a", 0, {0}, {60}},
        {"a = 0\n for i in range(5, 1, -2) { a = a * 10 + i }\n return y[0] * a", 0, {0}, {530}},
        {"for i in range(3) {\n if i == 1 { x = x * 10 } else if i == 2 { x = x + 1 } else {}\n}\n"
         "return x[0]",
         1,
         {3},
         {11, 21, 31}},
        {"for a, b in zip([1, 2], [3, 4]) { y = y * a + b }\n return y", 1, {3}, {30, 50, 70}},
        {"for i, v in enumerate([5, 6]) { y = y + i * v }\n return y", 1, {3}, {16, 26, 36}},
        {"f = fn(a, b=2) => a * b\n return f(y) + f(y, 3) + f(b=1, a=y)", 1, {3}, {60, 120, 180}},
        {"n = 3\n f = fn(a) => a * n\n n = 100\n return f(y)", 1, {3}, {30, 60, 90}},
        {"f = fn(a) {\n if a.rank == 1 { return a }\n return a[0] }\n return f(x) + f(y)",
         1,
         {3},
         {11, 22, 33}},
        {"a, b = (y, 2)\n a, b = b, a\n return a * b", 1, {3}, {20, 40, 60}},
        {"t = \"a{1 + 1}b\" + \"c\"\n assert t == \"a2bc\", \"{t}\"\n return y",
         1,
         {3},
         {10, 20, 30}},
        {"l = [1, *[2, 3], 4] + [5] * 2\n return y[0] * len(l) + max(l)", 0, {0}, {65}},
        {"a = 2 # comment\n b = (a +\n 3) *\n 2\n return y * b", 1, {3}, {100, 200, 300}},
        {"if not (1 > 2) and (none == none or undefined) { return y }\n return x",
         1,
         {3},
         {10, 20, 30}},
        {"return y; x = 1", 1, {3}, {10, 20, 30}},
        {"assert kind(x) == \"tensor\" and kind(3) == \"number\" and kind([]) == \"list\"\n"
         "assert kind(none) == \"none\" and kind(relu) == \"function\" and kind(\"\") == "
         "\"string\"\n"
         "return y",
         1,
         {3},
         {10, 20, 30}},
        {"p, q = loop(p = y[0], q = 0 * y; r in x) {\n next p = p + sum(r)\n next q = r * p\n}\n"
         "return q + p",
         1,
         {3},
         {4 * 16 + 31, 5 * 16 + 31, 6 * 16 + 31}},
    };
    CHECK(cases);
}

/* A loop, forwards and backwards, that captures and stacks. */
static void test_loop(void **state) {
    (void)state;
    static const Case cases[] = {
        {"a, b = loop(a = 0 * y; r in x) {\n next a = a + r * y\n yield a, a\n}[0:2]\n return b",
         2,
         {2, 3},
         {0, 0, 0, 10, 40, 90}},
        {"a, b = loop(a = 0 * y; r in x; reverse=true) { next a = a + r\n yield a }\n return b",
         2,
         {2, 3},
         {4, 5, 6, 0, 0, 0}},
        {"return loop(a = y; ; trips=3) { next a = a * 2 }", 1, {3}, {80, 160, 240}},
        {"return loop(a = y; ; when=sum(y) > 59) { next a = a * sum(x) }", 1, {3}, {210, 420, 630}},
        {"return loop(a = y; ; when=sum(y) > 60) { next a = a * sum(x) }", 1, {3}, {10, 20, 30}},
        {"return loop(; r in x) { yield sum(loop(c = y[0]; v in r) { next c = c + v * y[1] }) }",
         1,
         {2},
         {130, 310}},
    };
    CHECK(cases);
}

static void test_functions(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, "fn twice(f, x) { return f(f(x)) }\n"
                     "fn power(x, n) { return if n == 0 then 1 else x * power(x, n - 1) }\n"
                     "fn checked(x: f32[B,4], k: f32) { return x * k + B }\n"
                     "fn relu(x) { return x * 100 }\n"
                     "model m(x: f32[N,4]) {\n"
                     "  a = twice(fn(v) => v + 1, x)\n"
                     "  return checked(power(a, 3), 2) + relu(x), N * 2 + x[0, 0]\n"
                     "}\n");
    double values[] = {0, 1, 2, 3, 4, 5, 6, 7};
    RefTensor in = lang_tensor(&run, TN_F32, 2, (int64_t[]){2, 4}, values);
    RefTensor *out = lang_call(&run, "infer", &in, 1);
    for (int i = 0; i < 8; i++) {
        double a = values[i] + 2;
        assert_true(fabs(out[0].f[i] - (2 * a * a * a + 2 + 100 * values[i])) < 1e-6);
    }
    assert_true(out[1].rank == 0 && out[1].f[0] == 4);
    assert_int_equal(run.module->entries.len, 1);
    lang_close(&run);
}

/* What the run says of x [4]; "" when it gives its output. */
static const char *run_four(const char *condition) {
    LangRun run;
    static char text[512];
    char source[512];
    snprintf(source, sizeof source,
             "model m(x: f64[N]) {\n  assert %s, \"no {x.shape}\"\n  return x\n}\n", condition);
    lang_start(&run, source);
    RefTensor x = lang_tensor(&run, TN_F64, 1, (int64_t[]){4}, (double[]){1, 2, 3, 4}), out;
    *text = '\0';
    if (!tn_eval_graph(tn_module_entry(run.module, tn_sv("infer")), &x, &run.ctx.arena, &out, NULL,
                       NULL)) {
        StrBuf said = tn_str(&run.ctx.arena);
        tn_diag_print(&run.ctx.diags, &said);
        snprintf(text, sizeof text, "%s", said.data);
    }
    lang_close(&run);
    return text;
}

/* What cannot be decided of a size is held against the inputs of each run. */
static void test_demands(void **state) {
    (void)state;
    static const char *const hold[] = {"N == 4", "4 == N", "N != 5", "N < 5",     "5 > N",
                                       "N <= 4", "N >= 4", "4 >= N", "2 * N > 7", "N // 2 == 2"};
    static const char *const fail[] = {"N == 5", "N != 4", "N < 4",     "4 > N",
                                       "N <= 3", "N >= 5", "2 * N > 8", "N // 2 == 3"};
    for (size_t i = 0; i < sizeof hold / sizeof *hold; i++) {
        assert_string_equal(run_four(hold[i]), "");
    }
    for (size_t i = 0; i < sizeof fail / sizeof *fail; i++) {
        assert_non_null(strstr(run_four(fail[i]), "no [N]"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_index),
        cmocka_unit_test(test_shapes),     cmocka_unit_test(test_statements),
        cmocka_unit_test(test_loop),       cmocka_unit_test(test_functions),
        cmocka_unit_test(test_demands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
