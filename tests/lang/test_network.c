/* test_network.c: training of graphs that say nothing of training. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/lang.h"
#include "tests/support/lang_run.h"

static const char graph_text[] =
    "graph @line(%in0 \"a picture\": f64[N,2]) -> (%y \"scores\", %h) {\n"
    "  %w = const() {to=f64, dims=[2,3]} : f64[2,3] \"fc.weight\" = [1, 2, 3, 4, 5, 6]\n"
    "  %b = const() {to=f64, dims=[3]} : f64[3] \"fc.bias\" = [1, 0, -1]\n"
    "  %m = const() {to=f64, dims=[3]} : f64[3] \"bn.running_mean\" = [1, 1, 1]\n"
    "  %h = contract(%in0, %w) {lhs_contract=[1], rhs_contract=[0]}\n"
    "  %wide = expand(%b) {dims=[N,3], axes=[1]}\n"
    "  %s = add(%h, %wide)\n"
    "  %mw = expand(%m) {dims=[N,3], axes=[1]}\n"
    "  %k = const() {to=f64, dims=[]} : f64[] \"scale\" = 1\n"
    "  %ks = expand(%k) {dims=[N,3], axes=[]}\n"
    "  %d = sub(%s, %mw)\n"
    "  %y = mul(%d, %ks)\n"
    "}\n";

static bool open_graph(LangRun *run, const TrainOptions *options) {
    memset(run, 0, sizeof *run);
    tn_ctx_init(&run->ctx, NULL);
    Graph *graph = tn_graph_parse_text(&run->ctx, tn_sv(graph_text), "line.tn");
    assert_non_null(graph);
    run->module = tn_lang_train_graph(&run->ctx, graph, options);
    lang_ready(run);
    return run->module != NULL;
}

/* One step of gradient descent on the mean square error, done by hand. */
static void test_step(void **state) {
    (void)state;
    LangRun run;
    TrainOptions options = {.loss = "mean_squared_error", .optimizer = "sgd(rate=0.5)"};
    if (!open_graph(&run, &options)) {
        fail_msg("%s", run.text.data);
    }
    static const char *const entries[] = {"init", "step", "eval", "grad", "apply", "infer"};
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(run.module->entries.data[i]->name, entries[i]);
    }
    const Graph *step = tn_module_entry(run.module, tn_sv("step"));
    assert_string_equal(step->inputs.data[0]->name, "a picture");
    assert_string_equal(step->inputs.data[1]->name, "target");
    const Graph *infer = tn_module_entry(run.module, tn_sv("infer"));
    assert_string_equal(infer->outputs.data[0].name, "scores");
    assert_int_equal(run.module->states.data[0].role, TN_STATE_PARAM);
    assert_string_equal(run.module->states.data[0].name, "fc.weight");
    assert_string_equal(run.module->states.data[1].name, "fc.bias");
    assert_int_equal(run.module->states.data[2].role, TN_STATE_COUNTER);

    double x[] = {1, -1, 0.5, 2};
    double t[] = {0, 1, 2, 3, 4, 5};
    double w[] = {1, 2, 3, 4, 5, 6};
    double b[] = {1, 0, -1};
    RefTensor in[] = {lang_tensor(&run, TN_F64, 2, (int64_t[]){2, 2}, x),
                      lang_tensor(&run, TN_F64, 2, (int64_t[]){2, 3}, t)};
    lang_init(&run, 5);
    RefTensor *y = lang_call(&run, "infer", in, 1);
    assert_int_equal(tn_graph_caller_outputs(infer), 2);
    double loss = 0;
    double dw[6] = {0};
    double db[3] = {0};
    for (int n = 0; n < 2; n++) {
        for (int k = 0; k < 3; k++) {
            double p = x[n * 2] * w[k] + x[n * 2 + 1] * w[3 + k] + b[k] - 1;
            double e = p - t[n * 3 + k];
            assert_true(fabs(y[0].f[n * 3 + k] - p) < 1e-12);
            loss += e * e / 6;
            dw[k] += 2 * e * x[n * 2] / 6;
            dw[3 + k] += 2 * e * x[n * 2 + 1] / 6;
            db[k] += 2 * e / 6;
        }
    }
    RefTensor *out = lang_call(&run, "step", in, 2);
    assert_true(fabs(out[0].f[0] - loss) < 1e-12);
    for (int i = 0; i < 6; i++) {
        assert_true(fabs(lang_state(&run, "fc.weight")->f[i] - (w[i] - 0.5 * dw[i])) < 1e-12);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(fabs(lang_state(&run, "fc.bias")->f[i] - (b[i] - 0.5 * db[i])) < 1e-12);
    }
    lang_close(&run);
}

static void test_choices(void **state) {
    (void)state;
    LangRun run;
    const char *const bias[] = {"*.bias"};
    TrainOptions options = {.loss = "sparse_categorical_crossentropy(reduction=\"sum\")",
                            .optimizer = "adam",
                            .trainable = bias,
                            .n_trainable = 1};
    assert_true(open_graph(&run, &options));
    assert_string_equal(run.module->states.data[0].name, "fc.bias");
    assert_int_equal(run.module->states.data[1].role, TN_STATE_COUNTER);
    const Graph *step = tn_module_entry(run.module, tn_sv("step"));
    assert_int_equal(step->inputs.data[1]->type.dtype, TN_I64);
    assert_int_equal(step->inputs.data[1]->type.rank, 1);
    RefTensor in[] = {lang_tensor(&run, TN_F64, 2, (int64_t[]){1, 2}, (double[]){0, 0}),
                      lang_tensor(&run, TN_I64, 1, (int64_t[]){1}, (double[]){1})};
    lang_init(&run, 5);
    /* logits 0, -1, -2 */
    double expected = 1 + log(1 + exp(-1.0) + exp(-2.0));
    assert_true(fabs(lang_call(&run, "eval", in, 2)[0].f[0] - expected) < 1e-12);
    lang_close(&run);
}

/* A single number is trained when it is asked for, and not otherwise: see test_step. */
static void test_scalar(void **state) {
    (void)state;
    LangRun run;
    const char *const scale[] = {"scale"};
    TrainOptions options = {
        .loss = "mse", .optimizer = "sgd", .trainable = scale, .n_trainable = 1};
    assert_true(open_graph(&run, &options));
    assert_string_equal(run.module->states.data[0].name, "scale");
    assert_int_equal(run.module->states.data[1].role, TN_STATE_COUNTER);
    lang_close(&run);
}

static void test_mistakes(void **state) {
    (void)state;
    const char *const none[] = {"nothing*"};
    static const struct {
        const char *loss, *optimizer, *target, *text;
        bool none;
    } cases[] = {
        {"mse", "adam", NULL, "no constant of the model is to be trained; there are: fc.weight",
         true},
        {"mss", "adam", NULL, "there is nothing called 'mss'", false},
        {"mse(", "adam", NULL, "loss and optimizer:4:", false},
        {"mse", "adm", NULL, "there is nothing called 'adm'", false},
        {"mse", "adam(speed=1)", NULL, "adam has no parameter 'speed'", false},
        {"mse", "adam", "f64[", "loss and optimizer:1:", false},
        {"mse(reduction=\"none\")", "adam", NULL, "the loss is a tensor f64[N]", false},
        {"mse", "adam", "i64[N,7]", "a target of shape [N,7] for predictions of shape [N,3]",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        LangRun run;
        TrainOptions options = {.loss = cases[i].loss,
                                .optimizer = cases[i].optimizer,
                                .target = cases[i].target,
                                .trainable = none,
                                .n_trainable = cases[i].none};
        bool ok = open_graph(&run, &options);
        if (ok || strstr(run.text.data, cases[i].text) == NULL) {
            fail_msg("%s\nfound: %s\nexpected: %s", cases[i].loss, run.text.data, cases[i].text);
        }
        lang_close(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_scalar),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
