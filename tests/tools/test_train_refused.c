/* test_train_refused.c: training that makes no sense is refused by the command, for models in the
 * language and for ONNX models: the exit code, what is wrong and where, and no file is left. */
#include "tests/tools/command.h"

#include <dirent.h>

#include "tenon/runtime.h"
#include "tests/support/onnx_write.h"

/* ---- the models ---- */

/* x [N,3] -> scores [N,2] by "head.weight", others [N,2] by "side.weight". */
static void write_network(void) {
    static const float weight[6] = {1, -1, 0.5F, 2, 0, 1};
    static const int64_t dims[2] = {3, 2};
    Pb graph = {0};
    Pb parts[] = {onnx_node("m", "MatMul", "x head.weight", "scores", NULL),
                  onnx_node("s", "MatMul", "x side.weight", "others", NULL),
                  onnx_tensor("head.weight", 1, 2, dims, weight, sizeof weight),
                  onnx_tensor("side.weight", 1, 2, dims, weight, sizeof weight),
                  onnx_value("x", 1, "N,3"),
                  onnx_value("scores", 1, "N,2"),
                  onnx_value("others", 1, "N,2")};
    static const unsigned fields[] = {
        1, 1, GRAPH_INIT, GRAPH_INIT, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_OUTPUT};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        pb_message(&graph, fields[i], &parts[i]);
    }
    pb_text(&graph, GRAPH_NAME, "two");
    Pb whole = onnx_model(&graph, 8, 13);
    write_file("two.onnx", whole.data, whole.len);
    pb_free(&whole);
}

#define MODELS                                                                                     \
    "model m(x: f32[N,3]) { return dense(x, 2) }\n"                                                \
    "model other(x: f32[N,3]) { return dense(x, 2) }\n"

/* ---- the checks ---- */

static int count_files(void) {
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int n = 0;
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* Compiles in two ways, which must be refused and leave nothing. */
static void refused(const char *arguments, int code, const char *text) {
    static const char *const outputs[] = {"out.so", "out.c"};
    for (int i = 0; i < 2; i++) {
        int before = count_files();
        int found = tenon("compile %s -o %s", arguments, outputs[i]);
        if (found != code || strstr(said, text) == NULL) {
            fail_msg("%s: exit code %d, not %d, or '%s' is not in: %s", arguments, found, code,
                     text, said);
        }
        assert_int_equal(count_files(), before);
    }
}

static void refuses_in_source(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const struct {
        const char *block, *text;
    } cases[] = {
        {"(x: f32[N,3], y: f32[N,2]) {\n  loss = (m(x) - y) ** 2\n  minimize loss with sgd()\n}",
         "bad.tn:5:3: error: the loss is a tensor f32[N,2], expected one float; mean() or sum() "
         "makes it one\n"
         "      minimize loss with sgd()\n"
         "      ^\n"},
        {"(x: f32[N,3]) {\n  minimize argmax(sum(m(x), axes=0)) with sgd()\n}",
         "bad.tn:4:3: error: the loss is a tensor i64[], expected one float; cast() makes it one"},
        {"(x: f32[N,3]) {\n  y = other(x)\n  minimize mean(m(x)) over m, other with sgd()\n}",
         "bad.tn:5:3: error: the loss does not reach parameter 'other.dense.kernel'"},
        {"(x: f32[N,3]) {\n  minimize mean(m(x)) over \"m.dens.*\" with sgd()\n}",
         "bad.tn:4:28: error: no parameter of this step is meant by the text \"m.dens.*\""},
        {"(x: f32[N,3]) {\n  minimize mean(stop_gradient(m(x))) with sgd()\n}",
         "bad.tn:4:3: error: the loss depends on no parameter"},
        {"(x: f32[N,3], y: f32[N,4]) {\n  minimize mse(m(x), y) with sgd()\n}",
         "bad.tn:4:12: error: mse: a target of shape [N,4] for predictions of shape [N,2]\n"
         "      minimize mse(m(x), y) with sgd()\n"
         "               ^\n"},
        {"(x: f32[N,3], y: f32[N]) {\n  minimize mse(m(x), y) with sgd()\n}",
         "bad.tn:4:12: error: mse: a target of shape [N] for predictions of shape [N,2]"},
        {"(x: f32[N,3], y: f32[N,1]) {\n  minimize binary_crossentropy(m(x), y) with sgd()\n}",
         "a target of shape [N,1] for predictions of shape [N,2]"},
        {"(x: f32[N,3], y: i64[N,2]) {\n"
         "  minimize sparse_categorical_crossentropy(m(x), y) with sgd()\n}",
         "bad.tn:4:12: error: sparse_categorical_crossentropy: labels of shape [N,2] for "
         "predictions"},
        {"(x: f32[N,4]) {\n  minimize mean(m(x)) with sgd()\n}",
         "bad.tn:4:17: error: argument 'x' is f32[N,4], expected f32[N,3]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char source[1024];
        int n = snprintf(source, sizeof source, MODELS "train t%s\n", cases[i].block);
        write_file("bad.tn", source, (size_t)n);
        refused("bad.tn", TN_BAD_INPUT, cases[i].text);
    }
}

static void refuses_for_onnx(void **state) {
    (void)state;
    NEEDS_COMMAND;
    write_network();
    static const struct {
        const char *options;
        int code;
        const char *text;
    } cases[] = {
        {"--loss 'mse(reduction=\"none\", semantics=\"torch\")'", TN_BAD_INPUT,
         "4:3: error: the loss is a tensor f32[N,2], expected one float"},
        {"--loss mse --trainable 'side.*'", TN_BAD_INPUT,
         "the loss does not reach parameter 'side.weight'"},
        {"--loss mse --trainable '*'", TN_BAD_INPUT,
         "the loss does not reach parameter 'side.weight'"},
        {"--loss mse --trainable 'tail.*'", TN_USAGE,
         "no constant of the model is to be trained; there are: head.weight, side.weight"},
        {"--loss mse --target 'f32[N,4]'", TN_BAD_INPUT,
         "3:10: error: mse: a target of shape [N,4] for predictions of shape [N,2]"},
        {"--loss mse --target 'f32[N]'", TN_BAD_INPUT, "a target of shape [N] for predictions"},
        {"--loss mse --target 'f32[N'", TN_BAD_INPUT, "expected ',' or ']'"},
        {"--loss mse --optimizer 'adam(lr=1)'", TN_BAD_INPUT, "it takes p g t rate"},
        {"--loss mse --optimizer 'relu'", TN_BAD_INPUT, "an optimiser is a function of"},
        {"--loss relu", TN_BAD_INPUT, "relu takes 1 arguments, found 2"},
        {"--loss 'mse('", TN_BAD_INPUT, "4:"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512];
        snprintf(line, sizeof line, "two.onnx %s", cases[i].options);
        refused(line, cases[i].code, cases[i].text);
    }
    /* as it is, the other output's weight is left alone, with a note */
    assert_int_equal(tenon("compile two.onnx --loss mse -o good.so"), 0);
    expect_text("note: no loss reaches parameter 'side.weight': it will not be trained");
    assert_int_equal(tenon("compile two.onnx --loss mse --trainable 'head.*' -o good.so"), 0);
    assert_string_equal(said, "");
    assert_true(exists("good.so"));
}

/* Every entry that does not fit says what it would need; the greatest figure is met by all. */
static void refuses_memory(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char source[] =
        "model m(x: f32[N,64]) { return dense(dense(x, 200, activation=tanh), 2) }\n"
        "train t(x: f32[N,64], y: f32[N,2]) { minimize mse(m(x), y) with adam() }\n";
    write_file("wide.tn", source, sizeof source - 1);
    refused("wide.tn --dim N=40 --train-memory=128", TN_LIMIT, "error: entry 'step': ");
    unsigned long greatest = 0;
    int lines = 0;
    for (const char *at = said; (at = strstr(at, "128 bytes allowed, at least ")) != NULL;) {
        at += strlen("128 bytes allowed, at least ");
        unsigned long figure = strtoul(at, NULL, 10);
        greatest = figure > greatest ? figure : greatest;
        lines++;
    }
    assert_non_null(strstr(said, "error: entry 'grad': "));
    assert_true(lines >= 2 && greatest > 128);
    assert_int_equal(tenon("compile wide.tn --dim N=40 --train-memory=%lu -o wide.so", greatest),
                     0);
    refused("wide.tn --train-memory=1M", TN_USAGE, "fix symbolic dimensions with --dim");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(refuses_in_source, empty_folder),
        cmocka_unit_test_setup(refuses_for_onnx, empty_folder),
        cmocka_unit_test_setup(refuses_memory, empty_folder),
    };
    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
