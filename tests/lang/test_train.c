/* test_train.c: train blocks: what their entries compute, and how state is named and shared.
 *
 * The optimisers are written in the tests, so that every number can be computed here.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lang_run.h"

#define SGD "fn plain(p, g, t, rate=0.1) { return p - rate * g }\n"
#define LINE                                                                                       \
    "model line(x: f64[N]) {\n"                                                                    \
    "  param w: f64 = 3\n"                                                                         \
    "  param b: f64 = -1\n"                                                                        \
    "  return x * w + b\n"                                                                         \
    "}\n"

static RefTensor vector(LangRun *run, int64_t n, const double *values) {
    return lang_tensor(run, TN_F64, 1, &n, values);
}

static void near(double found, double expected) {
    if (!(fabs(found - expected) <= 1e-9 * (1 + fabs(expected)))) {
        fail_msg("%.17g, not %.17g", found, expected);
    }
}

static void has_entries(const LangRun *run, const char *names) {
    StrBuf text = tn_str((Arena *)&run->ctx.arena);
    for (size_t i = 0; i < run->module->entries.len; i++) {
        tn_str_printf(&text, "%s%s", i > 0 ? " " : "", run->module->entries.data[i]->name);
    }
    assert_string_equal(text.data, names);
}

static void has_states(const LangRun *run, const char *names) {
    StrBuf text = tn_str((Arena *)&run->ctx.arena);
    for (size_t i = 0; i < run->module->states.len; i++) {
        tn_str_printf(&text, "%s%s", i > 0 ? " " : "", run->module->states.data[i].name);
    }
    assert_string_equal(text.data, names);
}

/* w, b of y = w x + b after a step of gradient descent on the mean square error. */
static double descend(double *w, double *b, const double *x, const double *t, int n, double rate) {
    double loss = 0;
    double dw = 0;
    double db = 0;
    for (int i = 0; i < n; i++) {
        double e = *w * x[i] + *b - t[i];
        loss += e * e / n;
        dw += 2 * e * x[i] / n;
        db += 2 * e / n;
    }
    *w -= rate * dw;
    *b -= rate * db;
    return loss;
}

static void test_step(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD LINE "train fit(x: f64[N], t: f64[N]) {\n"
                              "  y = line(x)\n"
                              "  loss = mean((y - t) ** 2)\n"
                              "  minimize loss with plain()\n"
                              "  metric worst = max(abs(y - t))\n"
                              "}\n");
    has_entries(&run, "init step eval grad apply infer");
    has_states(&run, "line.w line.b step grad.line.w grad.line.b micro");
    assert_int_equal(run.module->hypers.len, 1);
    assert_string_equal(run.module->hypers.data[0].name, "rate");
    assert_true(run.module->hypers.data[0].value == 0.1);
    double x[] = {1, 2, -3, 0.5};
    double t[] = {1, 0, 2, -2};
    double w = 3;
    double b = -1;
    RefTensor in[] = {vector(&run, 4, x), vector(&run, 4, t)};
    lang_init(&run, 1);
    near(lang_state(&run, "line.w")->f[0], 3);
    for (int i = 0; i < 4; i++) {
        if (i == 2) {
            lang_set_hyper(&run, "rate", 0.01);
        }
        double before = lang_call(&run, "eval", in, 2)[0].f[0];
        RefTensor *out = lang_call(&run, "step", in, 2);
        double loss = descend(&w, &b, x, t, 4, i >= 2 ? 0.01 : 0.1);
        near(out[0].f[0], loss);
        near(before, loss);
        near(lang_state(&run, "line.w")->f[0], w);
        near(lang_state(&run, "line.b")->f[0], b);
        assert_int_equal(lang_state(&run, "step")->i[0], i + 1);
    }
    near(lang_call(&run, "infer", in, 1)[0].f[2], w * x[2] + b);
    const Graph *step = tn_module_entry(run.module, tn_sv("step"));
    assert_string_equal(step->outputs.data[0].name, "loss");
    assert_string_equal(step->outputs.data[1].name, "worst");
    lang_close(&run);
}

/* grad and apply make the same step; over two micro-batches, that of their mean. */
static void test_accumulate(void **state) {
    (void)state;
    static const char source[] =
        "fn heavy(p, g, t, rate=0.1, decay=0.5) {\n"
        "  state m = zeros_like(p)\n"
        "  update m = m * decay + g\n"
        "  return p - rate * m / t\n"
        "}\n" LINE "train fit(x: f64[N], t: f64[N]) {\n"
        "  loss = mean((line(x) - t) ** 2)\n"
        "  minimize loss with heavy(decay=hyper(0.25)) clip_global_norm=4\n"
        "}\n";
    LangRun a;
    LangRun b;
    lang_start(&a, source);
    lang_start(&b, source);
    lang_init(&a, 1);
    lang_init(&b, 1);
    double x[] = {1, 2, -3, 0.5};
    double t[] = {1, 0, 2, -2};
    for (int i = 0; i < 3; i++) {
        RefTensor whole[] = {vector(&a, 4, x), vector(&a, 4, t)};
        RefTensor first[] = {vector(&b, 2, x), vector(&b, 2, t)};
        RefTensor second[] = {vector(&b, 2, x + 2), vector(&b, 2, t + 2)};
        lang_call(&a, "step", whole, 2);
        if (i == 1) {
            lang_call(&b, "grad", whole, 2);
        } else {
            lang_call(&b, "grad", first, 2);
            lang_call(&b, "grad", second, 2);
            assert_int_equal(lang_state(&b, "micro")->i[0], 2);
        }
        lang_call(&b, "apply", NULL, 0);
        assert_int_equal(lang_state(&b, "micro")->i[0], 0);
        near(lang_state(&b, "grad.line.w")->f[0], 0);
        static const char *const names[] = {"line.w", "line.b", "heavy.m.line.w", "heavy.m.line.b"};
        for (int k = 0; k < 4; k++) {
            near(lang_state(&b, names[k])->f[0], lang_state(&a, names[k])->f[0]);
        }
        assert_int_equal(lang_state(&b, "step")->i[0], i + 1);
    }
    double norm = 0;
    for (int k = 0; k < 2; k++) { /* clipped at least once */
        double m = lang_state(&a, k == 0 ? "heavy.m.line.w" : "heavy.m.line.b")->f[0];
        norm += m * m;
    }
    assert_true(norm > 0 && norm < 4 * 4 * 2);
    assert_int_equal(a.module->hypers.len, 2);
    lang_close(&a);
    lang_close(&b);
}

/* Two players: each loss trains its own model, both at the old parameters. */
static void test_two_losses(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD "fn scale(x) { param s: f64 = 2\n return x * s }\n"
                         "model maker(z: f64[N]) { return scale(z) }\n"
                         "model judge(x: f64[N]) { return scale(x) + scale(x) ** 2 }\n"
                         "train game(z: f64[N]) {\n"
                         "  fake = maker(z)\n"
                         "  d = mean(judge(stop_gradient(fake)))\n"
                         "  g = mean(judge(fake))\n"
                         "  minimize d over judge with plain(rate=0.5)\n"
                         "  minimize g over maker with plain(0.25)\n"
                         "}\n");
    has_states(&run, "maker.scale.s judge.scale.s judge.scale_1.s step "
                     "grad.judge.scale.s grad.judge.scale_1.s grad.maker.scale.s micro");
    has_entries(&run, "init step eval grad apply infer infer.judge");
    assert_string_equal(run.module->hypers.data[0].name, "rate");
    assert_string_equal(run.module->hypers.data[1].name, "rate_1");
    double z[] = {1, 3};
    RefTensor in = vector(&run, 2, z);
    lang_init(&run, 1);
    RefTensor *out = lang_call(&run, "step", &in, 1);
    /* x = 2 z; judge = a x + (b x)^2 with a = b = 2 */
    near(out[0].f[0], (4 + 16 + 12 + 144) / 2.0);
    near(out[1].f[0], out[0].f[0]);
    double da = (2 + 6) / 2.0;
    double db = (2 * 2 * 4 + 2 * 2 * 36) / 2.0;
    double ds = (2 * 1 + 2 * 4 * 2 * 1 + 2 * 3 + 2 * 4 * 6 * 3) / 2.0;
    near(lang_state(&run, "judge.scale.s")->f[0], 2 - 0.5 * da);
    near(lang_state(&run, "judge.scale_1.s")->f[0], 2 - 0.5 * db);
    near(lang_state(&run, "maker.scale.s")->f[0], 2 - 0.25 * ds);
    lang_close(&run);
}

static void test_names(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD "fn leaf(x) { param w: f64[2] = 1\n return x * w }\n"
                         "fn plainfn(x) { return x + 1 }\n"
                         "fn _helper(x) { return leaf(x) }\n"
                         "fn pair(x) { return leaf(_helper(plainfn(x)), name=\"last\") }\n"
                         "model m(x: f64[N,2]) {\n"
                         "  for i in range(2) { param r: f64 = i\n x = x + r }\n"
                         "  x = pair(pair(x), name=\"second\")\n"
                         "  x = leaf(x, name=\"tied\") + leaf(x, name=\"tied\")\n"
                         "  return leaf(x) * sum(map([1, 2], fn(v) => sum(leaf(x)) * v))\n"
                         "}\n"
                         "fn map(list, f) { r = []\n for v in list { r = r + [f(v)] }\n"
                         "  return stack(r) }\n"
                         "train t(x: f64[N,2]) {\n"
                         "  param own: f64 = 5\n"
                         "  minimize sum(m(x)) + own with plain\n"
                         "}\n");
    has_states(&run, "t.own m.r m.r_1 m.pair.leaf.w m.pair.last.w m.second.leaf.w m.second.last.w "
                     "m.tied.w m.leaf.w m.map.leaf.w m.map.leaf_1.w step grad.t.own grad.m.r "
                     "grad.m.r_1 grad.m.pair.leaf.w grad.m.pair.last.w grad.m.second.leaf.w "
                     "grad.m.second.last.w grad.m.tied.w grad.m.leaf.w grad.m.map.leaf.w "
                     "grad.m.map.leaf_1.w micro");
    lang_close(&run);
}

/* A buffer is updated while training alone, once after another when its model runs twice. */
static void test_buffers(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD "model m(x: f64[N]) {\n"
                         "  param w: f64 = 1\n"
                         "  buffer seen: f64 = 10\n"
                         "  y = if training then x - mean(x) else x - seen\n"
                         "  update seen = seen * 0.5 + mean(x)\n"
                         "  return y * w\n"
                         "}\n"
                         "train t(x: f64[N], y: f64[N]) {\n"
                         "  minimize sum(m(x) ** 2) + sum(m(y)) with plain(0)\n"
                         "}\n");
    double x[] = {1, 3};
    double y[] = {4, 8};
    RefTensor in[] = {vector(&run, 2, x), vector(&run, 2, y)};
    lang_init(&run, 1);
    RefTensor *out = lang_call(&run, "eval", in, 2);
    near(out[0].f[0], 81 + 49 + (4 - 10) + (8 - 10));
    near(lang_state(&run, "m.seen")->f[0], 10);
    out = lang_call(&run, "step", in, 2);
    near(out[0].f[0], 2);
    near(lang_state(&run, "m.seen")->f[0], (10 * 0.5 + 2) * 0.5 + 6);
    near(lang_call(&run, "infer", in, 1)[0].f[0], 1 - 9.5);
    assert_int_equal(run.module->states.data[1].role, TN_STATE_BUFFER);
    lang_close(&run);
}

static void test_options(void **state) {
    (void)state;
    static const struct {
        const char *options;
        double loss, dw, db; /* of loss = 3 w - 4 b at w = 3, b = -1 */
    } cases[] = {
        {"", 13, 3, -4},
        {"clip_value=3.5", 13, 3, -3.5},
        {"clip_norm=2", 13, 2, -2},
        {"clip_global_norm=1", 13, 0.6, -0.8},
        {"clip_global_norm=50", 13, 3, -4},
        {"l2=0.5", 13 + 0.5 * 10, 3 + 3, -4 - 1},
        {"l1=2", 13 + 2 * 4, 3 + 2, -4 - 2},
        {"l1=hyper(2) clip_value=1", 13 + 2 * 4, 1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char source[1024];
        LangRun run;
        snprintf(source, sizeof source,
                 SGD LINE "train fit(x: f64[N]) {\n y = line(x)\n"
                          "  minimize sum(y[0:1]) - sum(y[1:2]) with plain(rate=1) %s\n}\n",
                 cases[i].options);
        lang_start(&run, source);
        RefTensor in = vector(&run, 2, (double[]){4, 1});
        lang_init(&run, 1);
        (void)lang_call(&run, "step", &in, 1);
        lang_close(&run);
        snprintf(source, sizeof source,
                 SGD "train fit(x: f64[N]) {\n param w: f64 = 3\n param b: f64 = -1\n"
                     "  loss = 3 * w - 4 * b + 0 * sum(x)\n"
                     "  minimize loss with plain(rate=1) %s\n}\n",
                 cases[i].options);
        lang_start(&run, source);
        in = vector(&run, 2, (double[]){4, 1});
        lang_init(&run, 1);
        near(lang_call(&run, "eval", &in, 1)[0].f[0], cases[i].loss);
        near(lang_call(&run, "step", &in, 1)[0].f[0], cases[i].loss);
        near(lang_state(&run, "fit.w")->f[0], 3 - cases[i].dw);
        near(lang_state(&run, "fit.b")->f[0], -1 - cases[i].db);
        lang_close(&run);
    }
}

/* Several blocks have entries, counters and rates of their own. */
static void test_blocks(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD LINE
               "train a(x: f64[N]) { minimize sum(line(x)) over \"*.w\" with plain(0.5) }\n"
               "train b(x: f64[N]) { minimize sum(line(x)) over \"line.b\", line with "
               "plain(step_count) }\n");
    has_entries(&run, "init a.step a.eval a.grad a.apply b.step b.eval b.grad b.apply infer");
    assert_int_equal(run.module->hypers.len, 1);
    assert_string_equal(run.module->hypers.data[0].name, "a.rate");
    RefTensor in = vector(&run, 2, (double[]){4, 1});
    lang_init(&run, 1);
    lang_call(&run, "a.step", &in, 1);
    near(lang_state(&run, "line.w")->f[0], 3 - 2.5);
    near(lang_state(&run, "line.b")->f[0], -1);
    lang_call(&run, "b.step", &in, 1); /* the rate is the steps taken: 0, 1 */
    near(lang_state(&run, "line.b")->f[0], -1);
    lang_call(&run, "b.step", &in, 1);
    near(lang_state(&run, "line.b")->f[0], -1 - 2);
    near(lang_state(&run, "line.w")->f[0], 0.5 - 5);
    assert_int_equal(lang_state(&run, "a.step")->i[0], 1);
    assert_int_equal(lang_state(&run, "b.step")->i[0], 2);
    lang_close(&run);
}

/* Masks differ by operator and step, repeat with the seed; no randomness in eval. */
static void test_random(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run,
               SGD "fn noisy(x) { return if training then x + random_uniform(x.shape) else x }\n"
                   "model m(x: f32[N,50]) {\n"
                   "  param w: f32[50] = fn(shape, dtype) => random_normal(shape, dtype=dtype)\n"
                   "  param v: f32[50] = fn(shape) => random_uniform(shape)\n"
                   "  return noisy(x) * w * 0, noisy(x)\n"
                   "}\n"
                   "train t(x: f32[N,50]) {\n"
                   "  a, b = m(x)\n"
                   "  minimize sum(a) with plain\n"
                   "  metric first = a + noisy(x)\n"
                   "  metric second = b\n"
                   "}\n");
    assert_non_null(strstr(run.text.data, "no path to a loss"));
    assert_non_null(strstr(run.text.data, "no loss reaches parameter 'm.v'"));
    double zeros[50] = {0};
    RefTensor in = lang_tensor(&run, TN_F32, 2, (int64_t[]){1, 50}, zeros);
    double seen[6][50];
    for (int round = 0; round < 2; round++) {
        lang_init(&run, 77);
        for (int step = 0; step < 2; step++) {
            RefTensor *out = lang_call(&run, step == 0 && round == 0 ? "grad" : "step", &in, 1);
            if (step == 0 && round == 0) { /* grad draws what step would draw, and only once */
                RefTensor *again = lang_call(&run, "grad", &in, 1);
                RefTensor *taken = lang_call(&run, "step", &in, 1);
                assert_memory_equal(out[1].f, taken[1].f, 50 * sizeof(double));
                assert_memory_not_equal(out[1].f, again[1].f, 50 * sizeof(double));
                out = taken;
            }
            for (int k = 0; k < 2; k++) {
                for (int i = 0; i < 50; i++) {
                    double v = out[1 + k].f[i];
                    assert_true(v >= 0 && v < 1);
                    assert_true(round == 0 || seen[step * 2 + k][i] == v);
                    seen[step * 2 + k][i] = v;
                }
            }
        }
    }
    for (int a = 0; a < 4; a++) {
        for (int b = a + 1; b < 4; b++) {
            assert_memory_not_equal(seen[a], seen[b], sizeof seen[a]);
        }
    }
    double w = lang_state(&run, "m.w")->f[0];
    assert_true(w != lang_state(&run, "m.v")->f[0]);
    near(lang_call(&run, "eval", &in, 1)[1].f[7], 0);
    lang_init(&run, 78);
    assert_true(w != lang_state(&run, "m.w")->f[0]);
    lang_close(&run);
}

/* A gradient penalty: the gradient of a gradient. */
static void test_grad(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD "train t(x: f64[N]) {\n"
                         "  param w: f64 = 2\n"
                         "  y = sum(x ** 3 * w)\n"
                         "  slope = grad(y, x)\n"
                         "  a, b = grad(y * 2, [w, x])\n"
                         "  minimize sum(slope ** 2) with plain(0.01)\n"
                         "  metric slope2 = b + slope * 0\n"
                         "  metric by_w = a\n"
                         "}\n");
    RefTensor in = vector(&run, 2, (double[]){1, -2});
    lang_init(&run, 1);
    RefTensor *out = lang_call(&run, "step", &in, 1);
    near(out[0].f[0], 6 * 6 + 24 * 24);
    near(out[1].f[1], 48);
    near(out[2].f[0], 2 * (1 - 8));
    near(lang_state(&run, "t.w")->f[0], 2 - 0.01 * 2 * (2 * 9 + 2 * 144));
    lang_close(&run);
}

/* The printed module is the module. */
static void test_text(void **state) {
    (void)state;
    LangRun run;
    lang_start(&run, SGD LINE "train fit(x: f64[N], t: f64[N]) {\n"
                              "  loss = mean((line(x) - t) ** 2)\n"
                              "  minimize loss with plain()\n"
                              "}\n");
    StrBuf first = tn_str(&run.ctx.arena);
    StrBuf second = tn_str(&run.ctx.arena);
    Ctx other;
    tn_ctx_init(&other, NULL);
    tn_module_print(run.module, false, &first);
    Module *again = tn_module_parse_text(&other, (StrView){first.data, first.len}, "again");
    StrBuf text = tn_str(&run.ctx.arena);
    tn_str_puts(&text, "");
    tn_diag_print(&other.diags, &text);
    assert_string_equal(text.data, "");
    assert_non_null(again);
    tn_module_print(again, false, &second);
    assert_string_equal(first.data, second.data);
    tn_ctx_free(&other);
    lang_close(&run);
}

/* The gradient of what a loop only reads, however many ways lead through its body. */
static void test_many_ways(void **state) {
    (void)state;
    LangRun run;
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    StrBuf source = tn_str(&ctx.arena);
    tn_str_puts(&source, "model m(x: f64[T,2], w: f64[]) {\n"
                         "  h = loop(h = 0 * w; x_t in x) {\n"
                         "    a0 = w + w\n");
    for (int i = 0; i < 39; i++) {
        tn_str_printf(&source, "    a%d = a%d + a%d\n", i + 1, i, i);
    }
    tn_str_puts(&source, "    next h = h + sum(x_t * a39)\n  }\n  return grad(h, w)\n}\n");
    lang_start(&run, source.data);
    RefTensor in[] = {lang_tensor(&run, TN_F64, 2, (int64_t[]){3, 2}, (double[]){1, 2, 3, 4, 5, 6}),
                      lang_scalar(&run, TN_F64, 0.5)};
    near(lang_call(&run, "infer", in, 2)[0].f[0], 21 * 0x1p40);
    lang_close(&run);
    tn_ctx_free(&ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),       cmocka_unit_test(test_accumulate),
        cmocka_unit_test(test_two_losses), cmocka_unit_test(test_names),
        cmocka_unit_test(test_buffers),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_blocks),     cmocka_unit_test(test_random),
        cmocka_unit_test(test_grad),       cmocka_unit_test(test_text),
        cmocka_unit_test(test_many_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
