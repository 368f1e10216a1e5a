/* test_hand.c: the text library where numbers are known without a reference: far out, at kinks,
 * lints and refusals; and what is random: rates, moments, bounds, determinism. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lib_case.h"

static void cases(void **state) {
    (void)state;
    lib_check_file("tests/lib/data/hand.txt");
}

static LibModel *open_good(const char *what, const char *source) {
    LibModel *model = lib_open(what, source);
    if (model->module == NULL) {
        fail_msg("%s: %s", what, lib_messages(model));
    }
    return model;
}

typedef struct Moments {
    double mean, deviation, low, high;
} Moments;

static Moments moments(const RefTensor *tensor) {
    Moments m = {.low = INFINITY, .high = -INFINITY};
    for (int64_t i = 0; i < tensor->count; i++) {
        m.mean += tensor->f[i] / (double)tensor->count;
        m.low = fmin(m.low, tensor->f[i]);
        m.high = fmax(m.high, tensor->f[i]);
    }
    for (int64_t i = 0; i < tensor->count; i++) {
        double d = tensor->f[i] - m.mean;
        m.deviation += d * d / (double)tensor->count;
    }
    m.deviation = sqrt(m.deviation);
    return m;
}

typedef struct Start {
    const char *init, *type;
    double mean, deviation, low, high; /* bounds that are nearly reached when `tight` */
    bool tight;
} Start;

/* Kernels [200, 100] have fans 200 and 100, [40, 50, 3, 3] have 450 and 360. */
static const Start starts[] = {
    {"zeros", "f64[200,100]", 0, 0, 0, 0, true},
    {"ones", "f64[200,100]", 1, 0, 1, 1, true},
    {"filled(2.5)", "f64[200,100]", 2.5, 0, 2.5, 2.5, true},
    {"uniform()", "f64[200,100]", 0, 0.1 / 3.4641016, -0.05, 0.05, true},
    {"uniform(1, 3)", "f64[200,100]", 2, 2 / 3.4641016, 1, 3, true},
    {"normal(0.5, 2)", "f64[200,100]", 0.5, 2, -12, 13, false},
    {"truncated_normal(1, 0.5)", "f64[200,100]", 1, 0.5 * 0.87962566, 0, 2, true},
    {"glorot_uniform", "f64[200,100]", 0, 0.0816497, -0.1414214, 0.1414214, true},
    {"glorot_uniform", "f64[40,50,3,3]", 0, 0.0496904, -0.0860663, 0.0860663, true},
    {"glorot_normal", "f64[200,100]", 0, 0.0816497, -0.185647, 0.185647, true},
    {"he_uniform", "f64[200,100]", 0, 0.1, -0.1732051, 0.1732051, true},
    {"he_normal", "f64[200,100]", 0, 0.1, -0.2273695, 0.2273695, true},
    {"lecun_uniform", "f64[40,50,3,3]", 0, 0.0471405, -0.0816497, 0.0816497, true},
    {"lecun_normal", "f64[200,100]", 0, 0.0707107, -0.160774, 0.160774, true},
    {"torch_uniform", "f64[200,100]", 0, 0.0408248, -0.0707107, 0.0707107, true},
    {"fan_uniform(25)", "f64[200,100]", 0, 0.4 / 3.4641016, -0.2, 0.2, true},
    {"variance_scaling(2, \"fan_out\", \"normal\")", "f64[200,100]", 0, 0.1414214, -1, 1, false},
};

/* One element of a tensor of this type, as an index in brackets. */
static const char *first_element(const char *type) {
    int commas = 0;
    for (const char *at = type; *at != '\0'; at++) {
        commas += *at == ',';
    }
    return commas == 1 ? "0, 0" : "0, 0, 0, 0";
}

static void check_start(const Start *start) {
    char source[400];
    snprintf(source, sizeof source,
             "model m(x: f64[1]) {\n  param w: %s = %s\n  return x + w[%s]\n}\n"
             "train t(x: f64[1]) {\n  loss = sum(m(x))\n  minimize loss with sgd()\n}\n",
             start->type, start->init, first_element(start->type));
    LibModel *model = open_good(start->init, source);
    lib_init(model, 7);
    const RefTensor *w = lib_state(model, "m.w");
    Moments m = moments(w);
    double range = start->high - start->low, n = (double)w->count;
    double sigma = start->deviation / sqrt(n);
    bool good = fabs(m.mean - start->mean) <= 4 * sigma + 1e-12 &&
                fabs(m.deviation - start->deviation) <= 0.03 * start->deviation + 1e-12 &&
                m.low >= start->low - 1e-5 && m.high <= start->high + 1e-5 &&
                (!start->tight ||
                 (m.low <= start->low + 0.02 * range && m.high >= start->high - 0.02 * range));
    if (!good) {
        fail_msg("%s: mean %g, deviation %g, %g..%g", start->init, m.mean, m.deviation, m.low,
                 m.high);
    }
    lib_close(model);
}

static void initialisers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        check_start(&starts[i]);
    }
}

/* Rows (or columns, when they are fewer) of an orthogonal parameter times one another. */
static void check_orthogonal(int64_t rows, int64_t columns) {
    char source[300];
    snprintf(
        source, sizeof source,
        "model m(x: f64[1]) {\n  param w: f64[%d,%d] = orthogonal(2)\n  return x + w[0, 0]\n}\n"
        "train t(x: f64[1]) {\n  loss = sum(m(x))\n  minimize loss with sgd()\n}\n",
        (int)rows, (int)columns);
    LibModel *model = open_good("orthogonal", source);
    lib_init(model, 3);
    const double *w = lib_state(model, "m.w")->f;
    bool wide = rows <= columns;
    int64_t n = wide ? rows : columns, length = wide ? columns : rows;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double dot = 0;
            for (int64_t k = 0; k < length; k++) {
                dot += wide ? w[i * columns + k] * w[j * columns + k]
                            : w[k * columns + i] * w[k * columns + j];
            }
            assert_true(fabs(dot - (i == j ? 4.0 : 0.0)) < 1e-9);
        }
    }
    lib_close(model);
}

static void orthogonal(void **state) {
    (void)state;
    check_orthogonal(12, 12);
    check_orthogonal(6, 24);
    check_orthogonal(15, 4);
}

/* Two parameters of a model draw different numbers; a seed gives the same ones again. */
static void seeds(void **state) {
    (void)state;
    const char *source =
        "model m(x: f64[1,3]) {\n  return dense(dense(x, 3), 3)\n}\n"
        "train t(x: f64[1,3]) {\n  loss = sum(m(x))\n  minimize loss with sgd()\n}\n";
    double first[9];
    for (int round = 0; round < 3; round++) {
        LibModel *model = open_good("seeds", source);
        lib_init(model, round == 2 ? 6 : 5);
        const double *a = lib_state(model, "m.dense.kernel")->f;
        const double *b = lib_state(model, "m.dense_1.kernel")->f;
        assert_memory_not_equal(a, b, sizeof first);
        if (round == 0) {
            memcpy(first, a, sizeof first);
        }
        for (size_t i = 0; round == 1 && i < sizeof first / sizeof *first; i++) {
            assert_true(first[i] == a[i]);
        }
        if (round == 2) {
            assert_memory_not_equal(first, a, sizeof first);
        }
        lib_close(model);
    }
}

/* Dropout with its rate within 3 deviations, survivors scaled, and another mask each step. */
static void dropout_rate(void **state) {
    (void)state;
    enum { N = 20000 };
    const double n = N;
    LibModel *model = open_good(
        "dropout",
        "model m(x: f64[20000]) {\n  return dropout(x, 0.3)\n}\n"
        "train t(x: f64[20000]) {\n  param p: f64[] = ones\n  y = m(x)\n  loss = p * mean(y)\n"
        "  minimize loss with sgd()\n  metric zeros = mean(cast(y == 0, f64))\n"
        "  metric top = max(y)\n  metric hash = sum(y * x)\n}\n");
    static double x[N];
    for (int i = 0; i < N; i++) {
        x[i] = 1;
    }
    lib_input(model, "x", 1, (int64_t[]){N}, x);
    double sums[2];
    for (int step = 0; step < 2; step++) {
        lib_run(model, "step");
        double rate = lib_number(lib_output(model, "zeros"), 0);
        assert_true(fabs(rate - 0.3) < 3 * sqrt(0.3 * 0.7 / n));
        assert_true(fabs(lib_number(lib_output(model, "top"), 0) - 1 / 0.7) < 1e-12);
        sums[step] = lib_number(lib_output(model, "hash"), 0);
    }
    assert_true(sums[0] != sums[1]);
    lib_run(model, "eval");
    assert_true(lib_number(lib_output(model, "zeros"), 0) == 0);
    lib_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases), cmocka_unit_test(initialisers), cmocka_unit_test(orthogonal),
        cmocka_unit_test(seeds), cmocka_unit_test(dropout_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
