/* test_command.c: the tenon command from outside: exit codes, messages, files.
 *
 * Runs the built command on the network of the demo, in a folder of its own. What must not
 * be left behind is looked for in that folder.
 */
#include "tests/tools/command.h"

#include <dirent.h>

#include "tools/args.h"
#include "tools/npy.h"
#include "tools/tensor.h"

static int count_files(void) {
    int n = -2; /* . and .. */
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    unsigned char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void write_npy(const char *name, const tn_tensor *tensor) {
    char header[TN_NPY_HEADER];
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    size_t n = tn_npy_header(tensor, header);
    fwrite(header, 1, n, file);
    fwrite(tensor->data, 1, tn_tensor_bytes(tensor), file);
    assert_int_equal(fclose(file), 0);
}

static void read_npy(const char *name, tn_tensor *out) {
    char error[256] = "";
    size_t size;
    unsigned char *bytes = read_file(in_folder(name), &size);
    assert_int_equal(tn_npy_decode(bytes, size, name, out, error, sizeof error), TN_OK);
    free(bytes);
}

/* Images of that many, seeded. */
static void write_images(const char *name, int64_t n) {
    tn_tensor t = {.dtype = TN_F32, .rank = 4, .dims = {n, 1, 28, 28}};
    assert_true(tn_tensor_alloc(&t));
    tn_tensor_random(&t, 5);
    write_npy(name, &t);
    tn_tensors_free(&t, 1);
}

/* The model with its Softmax renamed to an operator of the same length. */
static void write_unsupported(const char *name) {
    size_t size;
    unsigned char *bytes = read_file(model, &size);
    unsigned char *at = memmem(bytes, size, "Softmax", 7);
    while (at) {
        memcpy(at, "Hardmax", 7);
        at = memmem(at, size - (size_t)(at - bytes), "Softmax", 7);
    }
    write_file(name, bytes, size);
    free(bytes);
}

static void helps(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("--version"), 0);
    expect_text("tenon 0.");
    assert_int_equal(tenon("--help"), 0);
    assert_int_equal(tenon("--help > /dev/full"), TN_IO);
    assert_int_equal(tenon("compile --help > /dev/full"), TN_IO);
    const Command *command;
    for (int i = 0; (command = tn_command_at(i)) != NULL; i++) {
        assert_int_equal(tenon("--help"), 0);
        expect_text(command->name);
        expect_text(command->doc);
        assert_int_equal(tenon("%s --help", command->name), 0);
        for (int k = 0; k < command->n_options; k++) {
            expect_text(tn_opt_row(command->options[k])->spelling);
            expect_text(tn_opt_row(command->options[k])->help);
        }
    }
}

static void wrong_usage(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char *const lines[][2] = {
        {"", "Usage: tenon"},
        {"compil x", "unknown command 'compil'"},
        {"compile", "no model given"},
        {"compile a b", "more than one model"},
        {"compile x.onnx --runs=3", "unknown option '--runs=3'; see tenon compile --help"},
        {"compile x.onnx -o", "option '-o' needs a value"},
        {"compile x.onnx -O9", "'9' is not a level from 0 to 3"},
        {"compile x.onnx -march=z80", "'z80' is not one of native"},
        {"compile x.onnx --dim N", "'N' is not NAME=SIZE"},
        {"compile x.onnx --emit=exe", "unknown kind 'exe'"},
        {"compile x.onnx -o x.exe", "not clear from its suffix"},
        {"compile x.onnx --stop-after=lunch", "'lunch' is not a pass"},
        {"compile - -o x.exe", "not clear from its suffix"},
        {"compile - --emit=so", "needs -o OUT"},
        {"bench x.so --runs=0", "'0' is not a whole number in 1.."},
        {"test", "no case found"},
        {"test x --jobs=many", "'many' is not a whole number"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(tenon("%s", lines[i][0]), TN_USAGE);
        expect_text(lines[i][1]);
    }
    assert_int_equal(count_files(), 0);
}

static void bad_models(void **state) {
    (void)state;
    NEEDS_COMMAND;
    write_file("noise.onnx", "\xff\xfe this is no model", 20);
    write_unsupported("hard.onnx");
    assert_int_equal(mkdir(in_folder("dir.onnx"), 0700), 0);
    static const char *const commands[] = {"compile -o out.so", "run", "verify", "check", "bench"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        assert_int_equal(tenon("%s missing.onnx", commands[i]), TN_IO);
        expect_text("missing.onnx: error: ");
        expect_text("No such file");
        assert_int_equal(tenon("%s dir.onnx", commands[i]), TN_IO);
        expect_text("dir.onnx: error: ");
        assert_int_equal(tenon("%s noise.onnx", commands[i]), TN_BAD_INPUT);
        expect_text("noise.onnx: error: ");
        assert_int_equal(tenon("%s hard.onnx", commands[i]), TN_UNSUPPORTED);
        expect_text("(Hardmax-13)");
    }
    assert_int_equal(tenon("run missing.so"), TN_IO);
    expect_text("missing.so: cannot open");
    write_file("text.so", "not a model", 11);
    assert_int_equal(tenon("run text.so"), TN_BAD_INPUT);
    expect_text("text.so: not a Tenon model");
    assert_int_equal(count_files(), 4);
}

static void compiles_every_kind(void **state) {
    (void)state;
    NEEDS_COMMAND;
    static const char *const names[] = {"m.so", "m.a", "m.o",     "m.c",
                                        "m.ll", "m.s", "m.loops", "m.tn"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(tenon("compile '%s' -o %s", model, names[i]), 0);
        assert_string_equal(said, "");
        assert_true(exists(names[i]));
    }
    assert_true(exists("m.h"));
    assert_int_equal(tenon("compile '%s'", model), 0);
    assert_true(exists("fashion_cnn.so"));
    assert_int_equal(tenon("compile '%s' --emit=graph -o -", model), 0);
    expect_text("graph @");
    /* A .tn file is a model like any other; so is standard input. */
    assert_int_equal(tenon("compile m.tn --emit=graph -o again.tn"), 0);
    assert_int_equal(tenon("compile - -o stdin.so < m.tn"), 0);
    size_t a, b;
    unsigned char *first = read_file(in_folder("m.tn"), &a);
    unsigned char *second = read_file(in_folder("again.tn"), &b);
    assert_true(a == b && memcmp(first, second, a) == 0);
    free(first);
    free(second);
    assert_int_equal(tenon("compile '%s' -o nowhere/m.so", model), TN_IO);
    expect_text("nowhere/m"); /* the library or its header, whichever is written first */
}

/* All files of a compilation or none, and never in the place of the model. */
static void writes_all_or_nothing(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(mkdir(in_folder("m.h"), 0700), 0);
    assert_int_equal(mkdir(in_folder("c.weights"), 0700), 0);
    static const char *const names[] = {"m.so", "m.a", "m.o", "m.c", "c.c"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(tenon("compile '%s' -o %s", model, names[i]), TN_IO);
        expect_text(i < 4 ? "m.h: error: " : "c.weights: error: ");
        assert_int_equal(count_files(), 2);
    }
    assert_int_equal(tenon("compile '%s' --emit=c -o x.h", model), TN_USAGE);
    expect_text("x.h: error: this is the name of the .h file that is written beside it");
    assert_int_equal(tenon("compile '%s' --emit=c -o x.weights", model), TN_USAGE);
    expect_text("the .weights file");
    assert_int_equal(tenon("compile '%s' -o /dev/full --emit=so", model), TN_IO);
    expect_text("No space left");
    static const char net[] = "model net(x: f32[N]) { return relu(x) }\n";
    write_file("net.tn", net, sizeof net - 1);
    assert_int_equal(tenon("compile net.tn --emit=graph"), TN_USAGE);
    expect_text("'net.tn' is the model itself");
    assert_int_equal(tenon("compile net.tn --emit=c -o ./net.tn"), TN_USAGE);
    assert_int_equal(tenon("check net.tn"), 0);
    assert_int_equal(count_files(), 3);
}

static void runs_the_same_either_way(void **state) {
    (void)state;
    NEEDS_COMMAND;
    write_images("x.npy", 3);
    assert_int_equal(tenon("compile '%s' -o m.so", model), 0);
    assert_int_equal(tenon("run '%s' --input image=x.npy --output probabilities=a.npy", model), 0);
    assert_string_equal(said, "");
    assert_int_equal(tenon("run m.so --threads=5 --input image=x.npy "
                           "--output probabilities=b.npy"),
                     0);
    tn_tensor a, b;
    read_npy("a.npy", &a);
    read_npy("b.npy", &b);
    assert_true(tn_tensor_same_shape(&a, &b));
    assert_int_equal(a.dims[0], 3);
    assert_int_equal(a.dims[1], 10);
    assert_memory_equal(a.data, b.data, tn_tensor_bytes(&a));
    for (int64_t i = 0; i < 3; i++) {
        double sum = 0;
        for (int64_t k = 0; k < 10; k++) {
            sum += tn_tensor_get(&a, i * 10 + k);
        }
        assert_true(sum > 0.9999 && sum < 1.0001);
    }
    tn_tensors_free(&a, 1);
    tn_tensors_free(&b, 1);
    assert_int_equal(tenon("run m.so"), 0);
    expect_text("probabilities: f32[1,10]");
    assert_int_equal(tenon("run m.so --dim N=4"), 0);
    expect_text("probabilities: f32[4,10]");
}

static void refuses_wrong_inputs(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("compile '%s' -o m.so", model), 0);
    tn_tensor small = {.dtype = TN_F32, .rank = 4, .dims = {1, 1, 27, 28}};
    tn_tensor whole = {.dtype = TN_I64, .rank = 4, .dims = {1, 1, 28, 28}};
    assert_true(tn_tensor_alloc(&small) && tn_tensor_alloc(&whole));
    tn_tensor_random(&small, 1);
    tn_tensor_random(&whole, 1);
    write_npy("small.npy", &small);
    write_npy("whole.npy", &whole);
    tn_tensors_free(&small, 1);
    tn_tensors_free(&whole, 1);
    write_file("noise.npy", "noise", 5);
    int before = count_files();
    assert_int_equal(tenon("run m.so --input image=small.npy"), TN_BAD_INPUT);
    expect_text("input 'image': dims [1, 1, 27, 28], expected [N, 1, 28, 28]");
    assert_int_equal(tenon("run m.so --input image=whole.npy"), TN_BAD_INPUT);
    expect_text("input 'image': element type i64, expected f32");
    assert_int_equal(tenon("run m.so --input picture=small.npy"), TN_BAD_INPUT);
    expect_text("option '--input': no input for 'picture=small.npy'; expected NAME=SRC, the "
                "model has: image");
    assert_int_equal(tenon("run m.so --output y=y.npy"), TN_BAD_INPUT);
    expect_text("no output for 'y=y.npy'; expected NAME=FILE, the model has: probabilities");
    assert_int_equal(tenon("run m.so --input image"), TN_BAD_INPUT);
    expect_text("no input for 'image'; expected NAME=SRC");
    assert_int_equal(tenon("run m.so --dim M=4"), TN_USAGE);
    expect_text("'--dim': no symbolic dimension for 'M=4'; expected NAME=N, the model has: N");
    assert_int_equal(tenon("bench m.so -O3"), TN_USAGE);
    expect_text("option '-O' is for compiling, and 'm.so' is compiled");
    assert_int_equal(tenon("run m.so --loss mean_squared_error"), TN_USAGE);
    expect_text("'--loss' is for compiling");
    static const char *const commands[] = {"compile -o out.so", "verify", "summary", "check"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        assert_int_equal(tenon("%s m.so", commands[i]), TN_BAD_INPUT);
        expect_text("'m.so' is compiled code; this takes the model it was made of");
    }
    assert_int_equal(tenon("run m.so --input image=noise.npy"), TN_BAD_INPUT);
    expect_text("noise.npy: not a NumPy file");
    assert_int_equal(tenon("run m.so --input image=none.npy"), TN_IO);
    expect_text("none.npy: cannot open");
    assert_int_equal(tenon("run m.so --input image=x.txt"), TN_USAGE);
    expect_text("'x.txt' is neither FILE.npy, FILE.pb nor 'random'");
    assert_int_equal(tenon("run m.so --output probabilities=none/y.npy"), TN_IO);
    expect_text("none/y.npy: cannot write");
    assert_int_equal(tenon("run m.so --output probabilities=/dev/full"), TN_IO);
    expect_text("/dev/full: cannot write: No space left");
    assert_int_equal(count_files(), before);
}

static void verifies(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("verify '%s' --sizes N=1,2,3 --threads=2", model), 0);
    expect_text("image f32[3,1,28,28]");
    expect_text("ok: worst error");
    assert_int_equal(tenon("verify '%s' --each-node -O0", model), 0);
    expect_text("worst of ");
    assert_int_equal(tenon("verify '%s' --sizes M=1", model), TN_USAGE);
    expect_text("'M=1'");
    assert_int_equal(tenon("verify '%s' --sizes N=1,,2", model), TN_USAGE);
    assert_string_equal(said, "tenon: error: option '--sizes': 'N=1,,2' is not NAME=A,B\n");
}

static void checks(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("check '%s'", model), 0);
    expect_text("MaxPool                       2 yes");
    expect_text("34826");
    assert_int_equal(tenon("check '%s' --nodes", model), 0);
    expect_text("Gemm");
    write_unsupported("hard.onnx");
    assert_int_equal(tenon("check hard.onnx"), TN_UNSUPPORTED);
    expect_text("Hardmax                       1 NO");
    expect_text("MaxPool                       2 yes");
}

static void benches(void **state) {
    (void)state;
    NEEDS_COMMAND;
    assert_int_equal(tenon("compile '%s' -o m.so", model), 0);
    assert_int_equal(tenon("bench m.so --json --runs=3 --per-kernel"), 0);
    static const char *const keys[] = {"min_ms",       "median_ms", "gflops",
                                       "compile_ms",   "load_ms",   "arena_bytes",
                                       "weight_bytes", "kernels",   "per_kernel"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        expect_text(keys[i]);
    }
    expect_text("{\"model\": ");
    assert_int_equal(said[strlen(said) - 2], '}');
    assert_int_equal(tenon("bench '%s' --runs=2 --dim N=2 --per-kernel", model), 0);
    expect_text("GFLOP/s");
    expect_text("total");
}

/* ---- tenon test ---- */

static size_t put_varint(unsigned char *out, uint64_t value) {
    size_t n = 0;
    for (; value > 127; value >>= 7) {
        out[n++] = (unsigned char)(value | 128);
    }
    out[n++] = (unsigned char)value;
    return n;
}

/* A TensorProto: dims (1), data_type (2), raw_data (9). */
static void write_pb(const char *name, const tn_tensor *tensor) {
    size_t bytes = tn_tensor_bytes(tensor), n = 0;
    unsigned char *out = malloc(bytes + 256);
    assert_non_null(out);
    for (int32_t i = 0; i < tensor->rank; i++) {
        out[n++] = 1 << 3;
        n += put_varint(out + n, (uint64_t)tensor->dims[i]);
    }
    out[n++] = 2 << 3;
    n += put_varint(out + n, (uint64_t)tensor->dtype);
    out[n++] = 9 << 3 | 2;
    n += put_varint(out + n, bytes);
    memcpy(out + n, tensor->data, bytes);
    write_file(name, out, n + bytes);
    free(out);
}

/* Folders cases/NAME with a model, an input, and an output off by `off` somewhere. */
static void make_case(const char *name, const char *from, const tn_tensor *in, const tn_tensor *out,
                      float off, const char *json) {
    char path[512];
    size_t size;
    snprintf(path, sizeof path, "cases/%s", name);
    assert_int_equal(mkdir(in_folder(path), 0700), 0);
    snprintf(path, sizeof path, "cases/%s/test_data_set_0", name);
    assert_int_equal(mkdir(in_folder(path), 0700), 0);
    unsigned char *bytes = read_file(from, &size);
    snprintf(path, sizeof path, "cases/%s/model.onnx", name);
    write_file(path, bytes, size);
    free(bytes);
    snprintf(path, sizeof path, "cases/%s/test_data_set_0/input_0.pb", name);
    write_pb(path, in);
    ((float *)out->data)[7] += off;
    snprintf(path, sizeof path, "cases/%s/test_data_set_0/output_0.pb", name);
    write_pb(path, out);
    ((float *)out->data)[7] -= off;
    if (json) {
        snprintf(path, sizeof path, "cases/%s/data.json", name);
        write_file(path, json, strlen(json));
    }
}

static void tests_cases(void **state) {
    (void)state;
    NEEDS_COMMAND;
    tn_tensor in, out;
    write_images("x.npy", 2);
    assert_int_equal(tenon("run '%s' --input image=x.npy --output probabilities=y.npy", model), 0);
    read_npy("x.npy", &in);
    read_npy("y.npy", &out);
    write_unsupported("hard.onnx");
    write_file("noise.onnx", "noise", 5);
    assert_int_equal(mkdir(in_folder("cases"), 0700), 0);
    make_case("a_right", model, &in, &out, 0, NULL);
    make_case("b_wrong", model, &in, &out, 0.5f, NULL);
    make_case("c_loose", model, &in, &out, 0.5f, "{\"rtol\": 0.001, \"atol\": 1.5}");
    make_case("d_hard", in_folder("hard.onnx"), &in, &out, 0, NULL);
    make_case("e_noise", in_folder("noise.onnx"), &in, &out, 0, NULL);
    out.dims[0] = 1;
    make_case("f_shape", model, &in, &out, 0, NULL);
    out.dims[0] = 2;
    assert_int_equal(tenon("test cases --jobs=3"), TN_USAGE);
    expect_text("ok a_right\nfail b_wrong: output 'probabilities' f32[2,10] at [0, 7] is ");
    expect_text("\nok c_loose\nunsupported d_hard: ");
    expect_text("(Hardmax-13)");
    expect_text("\nfail e_noise: ");
    expect_text("\nfail f_shape: output 'probabilities' is f32[2,10], expected f32[1,10]\n");
    expect_text("\n2 passed, 4 failed\n");
    write_file("list.txt", "a_right\n# a comment\nc_loose\n", 28);
    assert_int_equal(tenon("test --list list.txt --root cases -O0"), 0);
    expect_text("ok a_right\nok c_loose\n2 passed, 0 failed\n");
    write_file("list.txt", "no_such\n", 8);
    assert_int_equal(tenon("test --list list.txt --root cases"), TN_BAD_INPUT);
    expect_text("no case 'cases/no_such'");
    assert_int_equal(tenon("test --list cases"), TN_IO);
    expect_text("cases: cannot read: Is a directory");
    tn_tensors_free(&in, 1);
    tn_tensors_free(&out, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(helps, empty_folder),
        cmocka_unit_test_setup(wrong_usage, empty_folder),
        cmocka_unit_test_setup(bad_models, empty_folder),
        cmocka_unit_test_setup(compiles_every_kind, empty_folder),
        cmocka_unit_test_setup(writes_all_or_nothing, empty_folder),
        cmocka_unit_test_setup(runs_the_same_either_way, empty_folder),
        cmocka_unit_test_setup(refuses_wrong_inputs, empty_folder),
        cmocka_unit_test_setup(verifies, empty_folder),
        cmocka_unit_test_setup(checks, empty_folder),
        cmocka_unit_test_setup(benches, empty_folder),
        cmocka_unit_test_setup(tests_cases, empty_folder),
    };
    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
