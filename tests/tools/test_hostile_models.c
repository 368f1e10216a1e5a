/* test_hostile_models.c: models made to do harm: paths, names, sizes, nesting, structure.
 *
 * Each is a case of a class of faults that other tools have had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tenon/tenon.h"
#include "tests/support/hostile.h"

/* A graph from its parts, which are freed: node, initializer and so on by field number. */
typedef struct Part {
    unsigned field;
    Pb pb;
} Part;

#define NODE(op, in, out, attrs) {GRAPH_NODE, onnx_node("n", op, in, out, attrs)}
#define INPUT(name, dims) {GRAPH_INPUT, onnx_value(name, 1, dims)}
#define OUTPUT(name) {GRAPH_OUTPUT, onnx_value(name, 1, NULL)}
#define MODEL(...) model_of((Part[]){__VA_ARGS__}, sizeof((Part[]){__VA_ARGS__}) / sizeof(Part))

static Pb model_of(Part *parts, size_t n) {
    Pb graph = {0};
    for (size_t i = 0; i < n; i++) {
        pb_message(&graph, parts[i].field, &parts[i].pb);
    }
    return onnx_model(&graph, 8, 13);
}

static Part integers(const char *name, int64_t n, const int64_t *data) {
    return (Part){GRAPH_INIT, onnx_tensor(name, 7, 1, &n, data, (size_t)n * sizeof *data)};
}

/* Writes m.onnx, and runs a command on it. */
static void try_model(const char *what, Pb model, unsigned codes, const char *command,
                      const char *said) {
    hostile_write_model("m.onnx", &model);
    hostile_run(what, codes, command);
    hostile_expect(what, said);
}

/* ---- structure ---- */

static void structure(void **state) {
    (void)state;
    const unsigned bad = CODE(TN_BAD_INPUT);
    const char *line = "compile m.onnx -o m.so";
    try_model("cycle",
              MODEL(NODE("Add", "x b", "a", NULL), NODE("Relu", "a", "b", NULL), INPUT("x", "N"),
                    OUTPUT("b")),
              bad, line, "'b'");
    try_model("own input", MODEL(NODE("Add", "x a", "a", NULL), INPUT("x", "N"), OUTPUT("a")), bad,
              line, "'a'");
    try_model("order",
              MODEL(NODE("Relu", "b", "a", NULL), NODE("Relu", "x", "b", NULL), INPUT("x", "N"),
                    OUTPUT("a")),
              bad, line, "'b'");
    try_model("twice",
              MODEL(NODE("Relu", "x", "a", NULL), NODE("Abs", "x", "a", NULL), INPUT("x", "N"),
                    OUTPUT("a")),
              bad, line, "'a'");
    try_model("shadow", MODEL(NODE("Relu", "x", "x", NULL), INPUT("x", "N"), OUTPUT("x")), bad,
              line, "'x'");
    try_model("inputs",
              MODEL(NODE("Relu", "x", "a", NULL), INPUT("x", "N"), INPUT("x", "N"), OUTPUT("a")),
              bad, line, "twice");
    try_model("undefined", MODEL(NODE("Relu", "z", "a", NULL), INPUT("x", "N"), OUTPUT("a")), bad,
              line, "'z'");
    try_model("no outputs", MODEL(NODE("Relu", "x", "a", NULL), INPUT("x", "N")), bad, line,
              "no outputs");
    try_model("unknown output", MODEL(NODE("Relu", "x", "a", NULL), INPUT("x", "N"), OUTPUT("q")),
              bad, line, "output 'q'");
    try_model("operator", MODEL(NODE("Hardmax", "x", "a", NULL), INPUT("x", "N,4"), OUTPUT("a")),
              CODE(TN_UNSUPPORTED), line, "Hardmax");
    try_model("no operator", MODEL(NODE("Nonsense", "x", "a", NULL), INPUT("x", "N"), OUTPUT("a")),
              CODE(TN_UNSUPPORTED) | bad, line, "Nonsense");
    try_model("passed through", MODEL(INPUT("x", "N,4"), OUTPUT("x")), CODE(TN_OK), "run m.onnx",
              "x: f32[1,4]");
}

/* ---- names ---- */

static const char *const names[] = {
    "a*/b",        "\"q\"",       "x\ny",      "?\?/",     "\xe2\x80\xaertl",
    "int",         "\x1b[31mred", "%n%s%s%d",  "a/../b",   "$(touch z)",
    ";touch z",    "`touch z`",   "\\",        "\xff\xfe", "--help",
    "-o",          "=",           "a=b",       "main",     "model",
    "\302\2332J",  "//",          "/*",        "#include", "\\\n",
    "model_model", "\x7f",        "../../etc",
};

static Pb named_model(const char *name) {
    Pb graph = {0}, node = {0}, second = {0};
    char output[256];
    snprintf(output, sizeof output, "%s o", name);
    pb_text(&node, 1, name);
    pb_text(&node, 2, "t");
    pb_text(&node, 3, name);
    pb_text(&node, 4, "Relu");
    pb_text(&second, 1, "t");
    pb_text(&second, 2, output);
    pb_text(&second, 3, name);
    pb_text(&second, 4, "Exp");
    Pb input = onnx_value(name, 1, "N,4"), result = onnx_value(output, 1, NULL);
    pb_message(&graph, GRAPH_NODE, &node);
    pb_message(&graph, GRAPH_NODE, &second);
    pb_text(&graph, GRAPH_NAME, name);
    pb_message(&graph, GRAPH_INPUT, &input);
    pb_message(&graph, GRAPH_OUTPUT, &result);
    return onnx_model(&graph, 8, 13);
}

static void hostile_names(void **state) {
    (void)state;
    static const char *const lines[] = {"run m.onnx",
                                        "verify m.onnx",
                                        "check m.onnx",
                                        "bench m.onnx --runs=1 --per-kernel",
                                        "compile m.onnx -o - --emit=loops",
                                        "compile m.onnx -o m.c",
                                        "run m.onnx --input q=random"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
            Pb model = named_model(names[i]);
            hostile_write_model("m.onnx", &model);
            bool wrong = strstr(lines[k], "q=random") != NULL;
            hostile_run(names[i], CODE(wrong ? TN_BAD_INPUT : TN_OK), lines[k]);
        }
        char path[256];
        snprintf(path, sizeof path, "%s/z", hostile_folder);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void long_names(void **state) {
    (void)state;
    enum { LENGTH = 200000 };
    char *name = malloc(LENGTH + 1);
    assert_non_null(name);
    memset(name, 'x', LENGTH);
    name[LENGTH] = 0;
    try_model("long operator", MODEL(NODE(name, "x", "a", NULL), INPUT("x", "N"), OUTPUT("a")),
              CODE(TN_UNSUPPORTED) | CODE(TN_BAD_INPUT), "check m.onnx", "xxx");
    try_model("long input", MODEL(NODE("Relu", name, "a", NULL), INPUT(name, "N"), OUTPUT("a")),
              CODE(TN_OK), "run m.onnx", "a: f32[1]");
    free(name);
}

/* ---- sizes ---- */

static void bombs(void **state) {
    (void)state;
    static const struct {
        int64_t n, dims[4];
    } shapes[] = {{1, {1ll << 40}},
                  {2, {1ll << 31, 1ll << 31}},
                  {2, {1ll << 33, 1ll << 33}},
                  {4, {1 << 16, 1 << 16, 1 << 16, 1 << 16}},
                  {1, {INT64_MAX}},
                  {2, {INT64_MAX, INT64_MAX}},
                  {1, {INT64_MIN}},
                  {1, {-7}}};
    static const char *const ops[] = {"Expand", "Tile", "Reshape", "ConstantOfShape"};
    static const char *const ends[] = {"Shape", "Size", "ReduceSum", "Relu", "Softmax"};
    char what[128];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (size_t k = 0; k < sizeof ops / sizeof *ops * (sizeof ends / sizeof *ends); k++) {
            const char *op = ops[k % 4], *end = ends[k / 4];
            bool alone = strcmp(op, "ConstantOfShape") == 0;
            Pb model = MODEL({GRAPH_NODE, onnx_node("n", op, alone ? "s" : "x s", "y", NULL)},
                             NODE(end, "y", "z", NULL), integers("s", shapes[i].n, shapes[i].dims),
                             INPUT("x", shapes[i].n == 1   ? "1"
                                        : shapes[i].n == 2 ? "1,1"
                                                           : "1,1,1,1"),
                             {GRAPH_OUTPUT, onnx_value("z", 0, NULL)});
            snprintf(what, sizeof what, "%s of shape %zu, %s", op, i, end);
            try_model(what, model, ANY_CODE, k % 2 ? "check m.onnx" : "compile m.onnx -o m.so", "");
        }
    }
}

static void huge_inputs(void **state) {
    (void)state;
    static const char *const dims[] = {"1099511627776",
                                       "2147483648,2147483648",
                                       "4294967296,4294967296,4294967296",
                                       "9223372036854775807",
                                       "9223372036854775807,9223372036854775807",
                                       "4294967296,0,4294967296",
                                       "-1,-1",
                                       "-9223372036854775808",
                                       "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"};
    static const char *const ops[] = {"Relu", "Softmax", "Flatten", "ReduceSum"};
    char what[128];
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
            snprintf(what, sizeof what, "%s of %s", ops[k], dims[i]);
            bool known = dims[i][0] != '-' && !strchr(dims[i], ',');
            try_model(what, MODEL(NODE(ops[k], "x", "y", NULL), INPUT("x", dims[i]), OUTPUT("y")),
                      ANY_CODE | MAY_TAKE_LONG, known ? "run m.onnx" : "compile m.onnx -o m.so",
                      "");
        }
    }
}

static void huge_elements(void **state) {
    (void)state;
    static const int64_t lies[][2] = {{1ll << 40, 1}, {1ll << 62, 4}, {INT64_MAX, INT64_MAX},
                                      {-1, -4},       {3, 1},         {1ll << 32, 1ll << 32}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        Pb tensor = onnx_tensor("w", 1, 2, lies[i], "12345678", 8);
        try_model("lying dims",
                  MODEL({GRAPH_INIT, tensor}, NODE("Relu", "w", "y", NULL), OUTPUT("y")),
                  CODE(TN_BAD_INPUT) | CODE(TN_LIMIT), "compile m.onnx -o m.so", "'w'");
    }
}

/* ---- external data ---- */

static Pb external(const char *location, size_t length, const char *offset, const char *size) {
    const char *const keys[] = {"location", "offset", "length"};
    const char *const values[] = {location, offset, size};
    const size_t lengths[] = {length, offset ? strlen(offset) : 0, size ? strlen(size) : 0};
    Pb tensor = {0};
    pb_int(&tensor, 1, 2);
    pb_int(&tensor, 2, 1);
    pb_text(&tensor, 8, "w");
    for (size_t i = 0; i < 3; i++) {
        if (values[i]) {
            Pb entry = {0};
            pb_text(&entry, 1, keys[i]);
            pb_bytes(&entry, 2, values[i], lengths[i]);
            pb_message(&tensor, 13, &entry);
        }
    }
    pb_int(&tensor, 14, 1);
    return MODEL({GRAPH_INIT, tensor}, NODE("Add", "x w", "y", NULL), INPUT("x", "2"), OUTPUT("y"));
}

static void make_secrets(void) {
    char path[256], secret[256];
    hostile_write("secret", "SECRET12", 8);
    snprintf(path, sizeof path, "%s/in", hostile_folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/in/sub", hostile_folder);
    assert_int_equal(mkdir(path, 0700), 0);
    hostile_write("in/good", "\0\0\x80\x3f\0\0\0\x40", 8);
    hostile_write("in/sub/good", "\0\0\x80\x3f\0\0\0\x40", 8);
    snprintf(secret, sizeof secret, "%s/secret", hostile_folder);
    snprintf(path, sizeof path, "%s/in/link", hostile_folder);
    assert_int_equal(symlink(secret, path), 0);
    snprintf(path, sizeof path, "%s/in/up", hostile_folder);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof path, "%s/in/pipe", hostile_folder);
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void external_data(void **state) {
    (void)state;
    static const struct {
        const char *location, *offset, *length;
        unsigned codes;
    } cases[] = {
        {"good", NULL, NULL, CODE(TN_OK)},
        {"sub/good", "0", "8", CODE(TN_OK)},
        {"../secret", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"sub/../../secret", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"sub/../good", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"./good", NULL, NULL, CODE(TN_BAD_INPUT)},
        {".//good", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"good/", NULL, NULL, CODE(TN_BAD_INPUT) | CODE(TN_IO)},
        {"", NULL, NULL, CODE(TN_BAD_INPUT)},
        {".", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"..", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"/etc/passwd", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"/proc/self/mem", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"link", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"up/secret", NULL, NULL, CODE(TN_BAD_INPUT) | CODE(TN_IO)},
        {"pipe", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"sub", NULL, NULL, CODE(TN_BAD_INPUT)},
        {"missing", NULL, NULL, CODE(TN_IO)},
        {"good", "1", NULL, CODE(TN_BAD_INPUT)},
        {"good", "8", NULL, CODE(TN_BAD_INPUT)},
        {"good", "9", NULL, CODE(TN_BAD_INPUT)},
        {"good", "-1", NULL, CODE(TN_BAD_INPUT)},
        {"good", "18446744073709551615", NULL, CODE(TN_BAD_INPUT)},
        {"good", "18446744073709551616", NULL, CODE(TN_BAD_INPUT)},
        {"good", "0", "7", CODE(TN_BAD_INPUT)},
        {"good", "0", "9", CODE(TN_BAD_INPUT)},
        {"good", "0", "-8", CODE(TN_BAD_INPUT)},
        {"good", "x", "8", CODE(TN_BAD_INPUT)},
    };
    make_secrets();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *at = cases[i].location;
        Pb model = external(at, strlen(at), cases[i].offset, cases[i].length);
        hostile_write_model("in/m.onnx", &model);
        hostile_run(at, cases[i].codes, "compile in/m.onnx --emit=graph -o -");
        if (strstr(hostile_said(), "SECRET")) {
            fail_msg("%s: the secret got out: %s", at, hostile_said());
        }
    }
    Pb model = external("good\0/../../secret", 18, NULL, NULL);
    hostile_write_model("in/m.onnx", &model);
    hostile_run("NUL", CODE(TN_BAD_INPUT), "check in/m.onnx");
    hostile_expect("NUL", "holds a NUL byte");
}

/* ---- depth and number ---- */

/* Messages within messages by the same field, `depth` deep. */
static Pb nested(unsigned field, int depth, Pb inner) {
    for (int i = 0; i < depth; i++) {
        Pb outer = {0};
        pb_message(&outer, field, &inner);
        inner = outer;
    }
    return inner;
}

/* If nodes within branches of If nodes. */
static Pb nested_branches(int depth) {
    Pb graph = {0}, output = onnx_value("y", 1, NULL);
    pb_message(&graph, GRAPH_OUTPUT, &output);
    for (int i = 0; i < depth; i++) {
        Pb node = onnx_node("n", "If", "x", "y", NULL), attr = {0};
        pb_text(&attr, 1, "then_branch");
        pb_int(&attr, 20, 5);
        pb_message(&attr, 6, &graph);
        pb_message(&node, 5, &attr);
        pb_message(&graph, GRAPH_NODE, &node);
    }
    return onnx_model(&graph, 8, 13);
}

static void deep_models(void **state) {
    (void)state;
    static const unsigned types[] = {1, 4, 5, 8, 9};
    const unsigned codes = CODE(TN_BAD_INPUT) | CODE(TN_UNSUPPORTED) | CODE(TN_LIMIT);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        Pb type = nested(types[i], 3000, (Pb){0}), value = {0};
        pb_text(&value, 1, "x");
        pb_message(&value, 2, &type);
        try_model("nested type",
                  MODEL({GRAPH_INPUT, value}, NODE("Relu", "x", "y", NULL), OUTPUT("y")), codes,
                  "check m.onnx", "m.onnx: error: ");
    }
    try_model("nested graphs", nested_branches(2000), codes, "check m.onnx", "m.onnx: error: ");
}

/* An operation on itself doubles what a naive walk visits; so do chains of additions. */
static void many_nodes(void **state) {
    (void)state;
    enum { NODES = 2000 };
    static const char *const ops[] = {"Add", "Mul", "Concat", "Max", "Reshape"};
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        Pb graph = {0}, input = onnx_value("v0", 1, "N,4");
        int n = strcmp(ops[k], "Concat") == 0 ? 40 : strcmp(ops[k], "Reshape") == 0 ? 0 : NODES;
        for (int i = 0; i < n; i++) {
            char in[64], out[32];
            snprintf(in, sizeof in, "v%d v%d", i, i);
            snprintf(out, sizeof out, "v%d", i + 1);
            Pb node = onnx_node(out, ops[k], in, out, n == 40 ? "axis=1" : NULL);
            pb_message(&graph, GRAPH_NODE, &node);
        }
        char last[32];
        snprintf(last, sizeof last, "v%d", n);
        Pb output = onnx_value(last, 1, NULL);
        pb_message(&graph, GRAPH_INPUT, &input);
        pb_message(&graph, GRAPH_OUTPUT, &output);
        try_model(ops[k], onnx_model(&graph, 8, 13), ANY_CODE, "compile m.onnx -o m.so", "");
    }
}

static void deep_text(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    static const char *const starts[] = {
        "graph @g(%x: f32[", "graph @g(%x: f32[N]) -> (%y) { %y = ", "graph @g(%x: f32[N",
        "sym N = ", "graph @g("};
    static const char fills[] = "([{-\"+*,";
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (size_t k = 0; k < sizeof fills - 1; k++) {
            Pb text = {0};
            pb_raw(&text, starts[i], strlen(starts[i]));
            for (int n = 0; n < DEPTH; n++) {
                pb_raw(&text, &fills[k], 1);
            }
            hostile_write_model("m.tn", &text);
            hostile_run(starts[i], CODE(TN_BAD_INPUT) | CODE(TN_LIMIT), "check m.tn");
            hostile_expect(starts[i], "m.tn:");
        }
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, hostile_set_up, hostile_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(structure),     IN_FOLDER(hostile_names), IN_FOLDER(long_names),
        IN_FOLDER(bombs),         IN_FOLDER(huge_inputs),   IN_FOLDER(huge_elements),
        IN_FOLDER(external_data), IN_FOLDER(deep_models),   IN_FOLDER(many_nodes),
        IN_FOLDER(deep_text),
    };
    return cmocka_run_group_tests_name("hostile models", tests, NULL, NULL);
}
