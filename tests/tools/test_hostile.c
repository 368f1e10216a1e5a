/* test_hostile.c: models, inputs and compiled models cut short, changed at random or not there.
 *
 * TENON_HOSTILE_CASES sets the number of random changes, TENON_HOSTILE_SEED the first seed,
 * TENON_HOSTILE_STEP how many bytes lie between cuts of the large files (1: every byte).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tenon/tenon.h"
#include "tests/support/hostile.h"

static const char *network = "examples/fashion_cnn.onnx";

/* ---- models cut short ---- */

/* In this process, for speed: each copy ends where its memory does. */
static void parse_cut(const unsigned char *bytes, size_t size) {
    unsigned char *copy = malloc(size > 0 ? size : 1);
    tn_compiler *compiler = tn_compiler_create();
    tn_graph *graph = NULL;
    assert_non_null(copy);
    assert_non_null(compiler);
    memcpy(copy, bytes, size);
    tn_status status = tn_graph_parse(compiler, copy, size, "cut.onnx", &graph);
    if (status != TN_BAD_INPUT || graph || !strstr(tn_compiler_messages(compiler), "cut.onnx: ")) {
        fail_msg("cut at %zu: status %d: %s", size, (int)status, tn_compiler_messages(compiler));
    }
    tn_compiler_destroy(compiler);
    free(copy);
}

static void small_model_at_every_byte(void **state) {
    (void)state;
    Pb model = hostile_model();
    char what[64];
    for (size_t n = 0; n < model.len; n++) {
        parse_cut(model.data, n);
        if (n % 41 == 0) {
            snprintf(what, sizeof what, "cut at %zu", n);
            hostile_write("m.onnx", model.data, n);
            hostile_run(what, CODE(TN_BAD_INPUT), "compile m.onnx -o m.so");
            hostile_expect(what, "m.onnx: error: ");
        }
    }
    hostile_write_model("m.onnx", &model);
    hostile_run("whole", CODE(TN_OK), "run m.onnx");
}

static void network_cut_short(void **state) {
    (void)state;
    size_t size, step = (size_t)hostile_number("TENON_HOSTILE_STEP", 97);
    unsigned char *bytes = hostile_read(network, &size);
    for (size_t n = 0; n < size; n += step) {
        parse_cut(bytes, n);
    }
    free(bytes);
}

/* ---- changed models ---- */

static void changed_models(void **state) {
    (void)state;
    static const char *const lines[] = {"compile m.onnx -o m.so", "check m.onnx",
                                        "compile m.onnx -O0 -o m.so"};
    long n = hostile_number("TENON_HOSTILE_CASES", 300);
    uint64_t seed = (uint64_t)hostile_number("TENON_HOSTILE_SEED", 1);
    long ended[6] = {0};
    for (long i = 0; i < n; i++) {
        uint64_t random = seed + (uint64_t)i;
        char what[64];
        Pb model = hostile_model();
        hostile_mutate(&model, &random);
        snprintf(what, sizeof what, "TENON_HOSTILE_SEED=%llu", (unsigned long long)seed + i);
        hostile_write_model("m.onnx", &model);
        int code = hostile_run(what, ANY_CODE, lines[i % 3]);
        ended[code]++;
        if (code == TN_OK && i % 3 != 1) {
            hostile_run(what, ANY_CODE | MAY_TAKE_LONG, "run m.so --threads=2");
        }
    }
    assert_true(n < 100 || (ended[TN_OK] > 0 && ended[TN_BAD_INPUT] > 0));
}

/* ---- text ---- */

static size_t text_model(unsigned char **out) {
    Pb model = hostile_model();
    char path[256];
    size_t size;
    hostile_write_model("m.onnx", &model);
    hostile_run("text", CODE(TN_OK), "compile m.onnx -O0 --stop-after=infer -o whole.tn");
    snprintf(path, sizeof path, "%s/whole.tn", hostile_folder);
    *out = hostile_read(path, &size);
    return size;
}

static void text_cut_short(void **state) {
    (void)state;
    unsigned char *text;
    char what[64];
    size_t size = text_model(&text);
    size_t step = hostile_number("TENON_HOSTILE_STEP", 97) == 1 ? 1 : 61;
    while (size > 0 && text[size - 1] != '}') {
        size--;
    }
    for (size_t n = 0; n < size; n += step) {
        snprintf(what, sizeof what, "text cut at %zu", n);
        hostile_write("m.tn", text, n);
        hostile_run(what, CODE(TN_BAD_INPUT), "check m.tn");
        hostile_expect(what, "m.tn:");
    }
    free(text);
}

static void change_text(unsigned char *text, size_t size, uint64_t *random) {
    static const char bytes[] = "0123456789-{}[](),=:%\"@# \n\tNx\\\xff*/+";
    for (size_t n = 1 + hostile_random(random, 3); n > 0; n--) {
        size_t at = hostile_random(random, size), from = hostile_random(random, size);
        size_t room = size - (at > from ? at : from), len = 1 + hostile_random(random, 12);
        if (hostile_random(random, 2) == 0) {
            text[at] = (unsigned char)bytes[hostile_random(random, sizeof bytes - 1)];
        } else {
            memmove(text + at, text + from, len < room ? len : room);
        }
    }
}

static void changed_text(void **state) {
    (void)state;
    unsigned char *text;
    size_t size = text_model(&text);
    long n = hostile_number("TENON_HOSTILE_CASES", 300);
    uint64_t seed = (uint64_t)hostile_number("TENON_HOSTILE_SEED", 1);
    unsigned char *copy = malloc(size);
    assert_non_null(copy);
    for (long i = 0; i < n; i++) {
        uint64_t random = seed + (uint64_t)i;
        char what[64];
        memcpy(copy, text, size);
        change_text(copy, size, &random);
        snprintf(what, sizeof what, "text, TENON_HOSTILE_SEED=%llu", (unsigned long long)seed + i);
        hostile_write("m.tn", copy, size);
        hostile_run(what, i % 4 == 0 ? ANY_CODE | MAY_TAKE_LONG : ANY_CODE,
                    i % 4 == 0 ? "run m.tn" : "check m.tn");
    }
    free(copy);
    free(text);
}

/* ---- compiled models ---- */

static void compiled_cut_short(void **state) {
    (void)state;
    char path[256], what[64];
    Pb model = hostile_model();
    size_t size;
    hostile_write_model("m.onnx", &model);
    hostile_run("compile", CODE(TN_OK), "compile m.onnx -o whole.so");
    snprintf(path, sizeof path, "%s/whole.so", hostile_folder);
    unsigned char *bytes = hostile_read(path, &size);
    size_t step = hostile_number("TENON_HOSTILE_STEP", 97) == 1 ? 1 : size / 60 + 1;
    for (size_t n = 0; n < size; n += n < 80 ? 8 : step) {
        snprintf(what, sizeof what, "library cut at %zu of %zu", n, size);
        hostile_write("m.so", bytes, n);
        hostile_run(what, CODE(TN_BAD_INPUT), "run m.so");
        hostile_expect(what, "m.so: not a Tenon model");
    }
    free(bytes);
}

/* ---- files that are none ---- */

static void make_odd_files(void) {
    char path[256];
    static const char *const names[] = {"folder", "folder.npy", "folder.so", "folder.pb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", hostile_folder, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    static const char *const pipes[] = {"pipe", "pipe.npy", "pipe.so", "pipe.pb"};
    for (size_t i = 0; i < sizeof pipes / sizeof *pipes; i++) {
        snprintf(path, sizeof path, "%s/%s", hostile_folder, pipes[i]);
        assert_int_equal(mkfifo(path, 0600), 0);
    }
    snprintf(path, sizeof path, "%s/loop", hostile_folder);
    assert_int_equal(symlink("loop", path), 0);
    hostile_write("empty", "", 0);
    hostile_write("empty.so", "", 0);
    hostile_write("empty.npy", "", 0);
    hostile_write("empty.pb", "", 0);
}

static void no_model(void **state) {
    (void)state;
    static const char *const commands[] = {"check", "run", "verify", "bench", "compile -o out.so"};
    static const char *const names[] = {"missing", "none/m.onnx", "folder",   "pipe",
                                        "loop",    "empty/m",     "/dev/zero"};
    char line[256];
    make_odd_files();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            snprintf(line, sizeof line, "%s %s", commands[i], names[k]);
            hostile_run(names[k], CODE(TN_IO), line);
            hostile_expect(line, names[k]);
        }
        snprintf(line, sizeof line, "%s empty", commands[i]);
        hostile_run("empty", CODE(TN_BAD_INPUT), line);
        hostile_expect(line, "the file is empty");
    }
    static const char *const libraries[] = {"missing.so", "folder.so", "pipe.so"};
    for (size_t k = 0; k < sizeof libraries / sizeof *libraries; k++) {
        snprintf(line, sizeof line, "run %s", libraries[k]);
        hostile_run(libraries[k], CODE(TN_IO), line);
    }
    hostile_run("empty.so", CODE(TN_BAD_INPUT), "run empty.so");
}

static void no_input_or_output(void **state) {
    (void)state;
    Pb model = hostile_model();
    static const char *const names[] = {"missing.npy", "folder.npy", "pipe.npy",
                                        "missing.pb",  "folder.pb",  "pipe.pb"};
    char line[256];
    make_odd_files();
    hostile_write_model("m.onnx", &model);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(line, sizeof line, "run m.onnx --input x=%s", names[k]);
        hostile_run(names[k], CODE(TN_IO), line);
        hostile_expect(line, names[k]);
    }
    hostile_run("npy", CODE(TN_BAD_INPUT), "run m.onnx --input x=empty.npy");
    hostile_run("pb", CODE(TN_BAD_INPUT), "run m.onnx --input x=empty.pb");
    hostile_run("out", CODE(TN_IO), "run m.onnx --output y=folder.npy");
    hostile_run("out", CODE(TN_IO), "run m.onnx --output y=/dev/full");
    static const char *const kinds[] = {"so", "a", "o", "c", "ll", "s", "loops", "tn"};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        snprintf(line, sizeof line, "compile m.onnx -o none/m.%s", kinds[k]);
        hostile_run(kinds[k], CODE(TN_IO), line);
        hostile_expect(line, "none/m");
        snprintf(line, sizeof line, "compile m.onnx --emit=%s -o folder",
                 kinds[k][0] == 'o'   ? "obj"
                 : kinds[k][0] == 'a' ? "lib"
                                      : kinds[k]);
        if (strcmp(kinds[k], "ll") != 0 && strcmp(kinds[k], "s") != 0 &&
            strcmp(kinds[k], "tn") != 0) {
            hostile_run(kinds[k], CODE(TN_IO), line);
        }
    }
}

/* ---- tensors that do not fit ---- */

/* A NumPy file with this header and so many bytes of data. */
static void write_npy(const char *name, const char *descr, const char *shape, size_t bytes) {
    char header[512];
    Pb file = {0};
    int n = snprintf(header, sizeof header,
                     "{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape);
    pb_raw(&file, "\x93NUMPY\x01\x00", 8);
    pb_raw(&file, (unsigned char[]){(unsigned char)n, (unsigned char)(n >> 8)}, 2);
    pb_raw(&file, header, (size_t)n);
    for (size_t i = 0; i < bytes; i++) {
        pb_raw(&file, "", 1);
    }
    hostile_write_model(name, &file);
}

static void wrong_tensors(void **state) {
    (void)state;
    static const struct {
        const char *descr, *shape;
        size_t bytes;
        unsigned codes;
        const char *said;
    } cases[] = {
        {"<f4", "(1, 2, 8, 8)", 512, CODE(TN_OK), ""},
        {"<f4", "(0, 2, 8, 8)", 0, CODE(TN_OK), ""},
        {"<f4", "(1, 2, 8, 7)", 448, CODE(TN_BAD_INPUT), "input 'x': dims [1, 2, 8, 7]"},
        {"<f4", "(2, 8, 8)", 512, CODE(TN_BAD_INPUT), "input 'x': "},
        {"<f4", "()", 4, CODE(TN_BAD_INPUT), "input 'x': "},
        {"<f4", "(1, 1, 2, 8, 8)", 512, CODE(TN_BAD_INPUT), "input 'x': "},
        {"<f8", "(1, 2, 8, 8)", 1024, CODE(TN_BAD_INPUT), "element type f64, expected f32"},
        {">f4", "(1, 2, 8, 8)", 512, CODE(TN_UNSUPPORTED), "x.npy: element type '>f4'"},
        {"|O", "(1, 2, 8, 8)", 512, CODE(TN_UNSUPPORTED), "x.npy: element type '|O'"},
        {"<f4", "(1, 2, 8, 8)", 511, CODE(TN_BAD_INPUT), "x.npy: cut short"},
        {"<f4", "(-1, 2, 8, 8)", 512, CODE(TN_BAD_INPUT), "x.npy: malformed 'shape'"},
        {"<f4", "(1, 2, 8, 8", 512, CODE(TN_BAD_INPUT), "x.npy: malformed 'shape'"},
        {"<f4", "(4294967296, 4294967296, 8, 8)", 512, CODE(TN_LIMIT), "x.npy: "},
        {"<f4", "(99999999999999999999, 2, 8, 8)", 512, CODE(TN_BAD_INPUT) | CODE(TN_LIMIT),
         "x.npy: "},
        {"<f4", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)", 4, CODE(TN_LIMIT), "x.npy: more than 16"},
        {"<f4", "(0, 4611686018427387904, 8, 8)", 0, CODE(TN_BAD_INPUT) | CODE(TN_LIMIT), "x"},
    };
    Pb model = hostile_model();
    hostile_write_model("m.onnx", &model);
    hostile_run("compile", CODE(TN_OK), "compile m.onnx -o m.so");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_npy("x.npy", cases[i].descr, cases[i].shape, cases[i].bytes);
        hostile_run(cases[i].shape, cases[i].codes, "run m.so --input x=x.npy");
        hostile_expect(cases[i].shape, cases[i].said);
    }
}

/* Numbers of a tensor file replaced by others. */
static void changed_tensors(void **state) {
    (void)state;
    Pb model = hostile_model();
    hostile_write_model("m.onnx", &model);
    hostile_run("compile", CODE(TN_OK), "compile m.onnx -o m.so");
    for (uint64_t seed = 1; seed <= 100; seed++) {
        static const float data[128] = {1};
        char what[64];
        uint64_t random = seed;
        Pb tensor = onnx_tensor("x", 1, 4, (const int64_t[]){1, 2, 8, 8}, data, sizeof data);
        hostile_mutate(&tensor, &random);
        hostile_write_model("x.pb", &tensor);
        snprintf(what, sizeof what, "tensor, seed %llu", (unsigned long long)seed);
        hostile_run(what, ANY_CODE, "run m.so --input x=x.pb");
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, hostile_set_up, hostile_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(small_model_at_every_byte),
        cmocka_unit_test(network_cut_short),
        IN_FOLDER(changed_models),
        IN_FOLDER(text_cut_short),
        IN_FOLDER(changed_text),
        IN_FOLDER(compiled_cut_short),
        IN_FOLDER(no_model),
        IN_FOLDER(no_input_or_output),
        IN_FOLDER(wrong_tensors),
        IN_FOLDER(changed_tensors),
    };
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
