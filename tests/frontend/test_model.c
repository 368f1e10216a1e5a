/* test_model.c: everything around the operators: tensor data in all its forms, external
 * files, names, symbolic dims, functions, and what a faulty model is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/onnx_case.h"

static void put_node(Pb *graph, const char *name, const char *op, const char *in, const char *out,
                     const char *attrs) {
    Pb node = onnx_node(name, op, in, out, attrs);
    pb_message(graph, GRAPH_NODE, &node);
}

static void put_value(Pb *graph, unsigned field, const char *name, int type, const char *dims) {
    Pb value = onnx_value(name, type, dims);
    pb_message(graph, field, &value);
}

/* ---- tensor data ---- */

/* A file of one tensor, read back; expects `size` bytes at `want`. */
static void check_tensor(const Pb *file, DType dtype, const void *want, size_t size) {
    Ctx ctx;
    tn_tensor tensor;
    const char *name;
    tn_ctx_init(&ctx, NULL);
    assert_true(tn_onnx_read_tensor(&ctx, file->data, file->len, "t.pb", &tensor, &name));
    assert_int_equal(tensor.dtype, dtype);
    assert_string_equal(name, "t");
    assert_memory_equal(tensor.data, want, size);
    tn_ctx_free(&ctx);
}

static Pb typed_tensor(int type, int64_t n) {
    Pb tensor = {0};
    pb_int(&tensor, 1, n);
    pb_int(&tensor, 2, type);
    pb_text(&tensor, 8, "t");
    return tensor;
}

/* `values` in the varint field `field`, packed or one by one. */
static void check_varints(int type, unsigned field, DType dtype, const int64_t values[3],
                          const void *want, size_t size) {
    for (int packed = 0; packed < 2; packed++) {
        Pb tensor = typed_tensor(type, 3);
        Pb list = {0};
        for (int i = 0; i < 3; i++) {
            if (packed) {
                pb_varint(&list, (uint64_t)values[i]);
            } else {
                pb_int(&tensor, field, values[i]);
            }
        }
        if (packed) {
            pb_message(&tensor, field, &list);
        }
        check_tensor(&tensor, dtype, want, size);
        pb_free(&tensor);
    }
}

static void test_data_forms(void **state) {
    (void)state;
    const int64_t mixed[] = {-1, 2, 300};
    check_varints(3, 5, TN_I8, mixed, (int8_t[]){-1, 2, 44}, 3);
    check_varints(2, 5, TN_U8, mixed, (uint8_t[]){255, 2, 44}, 3);
    check_varints(5, 5, TN_I16, mixed, (int16_t[]){-1, 2, 300}, 6);
    check_varints(4, 5, TN_U16, mixed, (uint16_t[]){65535, 2, 300}, 6);
    check_varints(6, 5, TN_I32, mixed, (int32_t[]){-1, 2, 300}, 12);
    check_varints(9, 5, TN_BOOL, (int64_t[]){0, 1, 7}, (uint8_t[]){0, 1, 1}, 3);
    check_varints(7, 7, TN_I64, mixed, mixed, 24);
    check_varints(13, 11, TN_U64, mixed, mixed, 24);
    check_varints(12, 11, TN_U32, (int64_t[]){1, 2, 4294967295}, (uint32_t[]){1, 2, 4294967295u},
                  12);
    const float floats[] = {1.5f, -2, 3};
    const double doubles[] = {1.5, -2, 3};
    Pb single = typed_tensor(1, 3);
    for (int i = 0; i < 3; i++) {
        pb_float(&single, 4, floats[i]);
    }
    check_tensor(&single, TN_F32, floats, sizeof floats);
    pb_free(&single);
    Pb packed = typed_tensor(1, 3);
    pb_bytes(&packed, 4, floats, sizeof floats);
    check_tensor(&packed, TN_F32, floats, sizeof floats);
    pb_free(&packed);
    Pb wide = typed_tensor(11, 3);
    pb_bytes(&wide, 10, doubles, sizeof doubles);
    check_tensor(&wide, TN_F64, doubles, sizeof doubles);
    pb_free(&wide);
    Pb truths = typed_tensor(9, 3);
    pb_bytes(&truths, 9, "\2\0\1", 3);
    check_tensor(&truths, TN_BOOL, "\1\0\1", 3);
    pb_free(&truths);
}

static void check_tensor_error(Pb *file, tn_status status, const char *text) {
    Ctx ctx;
    tn_tensor tensor;
    const char *name;
    tn_ctx_init(&ctx, NULL);
    assert_false(tn_onnx_read_tensor(&ctx, file->data, file->len, "t.pb", &tensor, &name));
    StrBuf messages = tn_str(&ctx.arena);
    tn_diag_print(&ctx.diags, &messages);
    assert_int_equal(tn_diag_status(&ctx.diags), status);
    if (strstr(messages.data, text) == NULL) {
        fail_msg("'%s' does not hold '%s'", messages.data, text);
    }
    pb_free(file);
    tn_ctx_free(&ctx);
}

static void test_bad_data(void **state) {
    (void)state;
    Pb few = typed_tensor(1, 3);
    pb_bytes(&few, 9, "12345678901", 11);
    check_tensor_error(&few, TN_BAD_INPUT, "11 bytes of raw_data, its shape asks for 12");
    Pb many = typed_tensor(7, 1);
    pb_int(&many, 7, 1);
    pb_int(&many, 7, 2);
    check_tensor_error(&many, TN_BAD_INPUT, "2 elements in int64_data, its shape asks for 1");
    Pb negative = typed_tensor(1, -1);
    check_tensor_error(&negative, TN_BAD_INPUT, "dimension 0 of tensor 't' is -1");
    /* 2^32 * 2^32 wraps to 0, which would fit no bytes at all. */
    Pb huge = typed_tensor(1, 4294967296);
    pb_int(&huge, 1, 4294967296);
    check_tensor_error(&huge, TN_LIMIT, "more than 2^40 elements");
    Pb deep = typed_tensor(1, 1);
    for (int i = 0; i < 16; i++) {
        pb_int(&deep, 1, 1);
    }
    check_tensor_error(&deep, TN_LIMIT, "17 dimensions, at most 16");
    Pb text = typed_tensor(8, 1);
    check_tensor_error(&text, TN_UNSUPPORTED, "element type string");
    Pb half = typed_tensor(10, 1);
    check_tensor_error(&half, TN_UNSUPPORTED, "element type float16");
    Pb odd = typed_tensor(99, 1);
    check_tensor_error(&odd, TN_UNSUPPORTED, "element type type 99");
    Pb wrong = typed_tensor(1, 1);
    pb_int(&wrong, 4, 1);
    check_tensor_error(&wrong, TN_BAD_INPUT, "unexpected wire type");
    Pb sequence = {0};
    pb_int(&sequence, 2, 1);
    pb_text(&sequence, 3, "");
    check_tensor_error(&sequence, TN_UNSUPPORTED, "a sequence or an optional");
}

/* ---- external data ---- */

typedef struct Folder {
    char path[64];
} Folder;

static int make_folder(void **state) {
    Folder *folder = malloc(sizeof *folder);
    strcpy(folder->path, "/tmp/tenon-test-XXXXXX");
    *state = folder;
    char name[128];
    if (mkdtemp(folder->path) == NULL) {
        return -1;
    }
    snprintf(name, sizeof name, "%s/in", folder->path);
    int failed = mkdir(name, 0700);
    snprintf(name, sizeof name, "%s/in/sub", folder->path);
    failed |= mkdir(name, 0700);
    static const char *const files[] = {"in/data", "in/sub/data", "secret"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s", folder->path, files[i]);
        FILE *file = fopen(name, "wb");
        failed |= fwrite((float[]){1, 2, 3, 4}, 4, 4, file) != 4;
        fclose(file);
    }
    snprintf(name, sizeof name, "%s/in/link", folder->path);
    failed |= symlink("../secret", name);
    snprintf(name, sizeof name, "%s/in/dir", folder->path);
    failed |= symlink("..", name);
    snprintf(name, sizeof name, "%s/in/fifo", folder->path);
    return failed | mkfifo(name, 0600);
}

static int remove_folder(void **state) {
    Folder *folder = *state;
    static const char *const names[] = {"in/data", "in/sub/data", "secret", "in/link", "in/dir",
                                        "in/fifo", "in/sub",      "in",     ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s/%s", folder->path, names[i]);
        remove(name);
    }
    free(folder);
    return 0;
}

/* A model whose output is the external tensor w f32[2]. */
static Pb external_model(const char *location, size_t location_len, const char *offset,
                         const char *length) {
    Pb tensor = {0};
    pb_int(&tensor, 1, 2);
    pb_int(&tensor, 2, 1);
    pb_text(&tensor, 8, "w");
    pb_int(&tensor, 14, 1);
    const char *const keys[] = {"location", "offset", "length"};
    const char *const values[] = {location, offset, length};
    for (int i = 0; i < 3; i++) {
        if (values[i] != NULL) {
            Pb entry = {0};
            pb_text(&entry, 1, keys[i]);
            pb_bytes(&entry, 2, values[i], i == 0 ? location_len : strlen(values[i]));
            pb_message(&tensor, 13, &entry);
        }
    }
    Pb graph = {0};
    pb_message(&graph, GRAPH_INIT, &tensor);
    put_node(&graph, "n", "Identity", "w", "y", NULL);
    put_value(&graph, GRAPH_OUTPUT, "y", 1, NULL);
    return onnx_model(&graph, 8, 13);
}

static void check_external(const Folder *folder, FileMaps *maps, const char *location,
                           const char *offset, float first) {
    Ctx ctx;
    const char *messages;
    char dir[128];
    RefTensor out;
    snprintf(dir, sizeof dir, "%s/in", folder->path);
    FrontendOptions options = {.dir = dir, .maps = maps};
    Pb model = external_model(location, strlen(location), offset, NULL);
    tn_ctx_init(&ctx, NULL);
    Graph *graph = onnx_import(&ctx, &model, &options, &messages);
    if (graph == NULL) {
        fail_msg("%s", messages);
    }
    assert_true(tn_eval_graph(graph, NULL, &ctx.arena, &out, NULL, NULL));
    assert_true(out.f[0] == (double)first);
    tn_ctx_free(&ctx);
    pb_free(&model);
}

static void test_external(void **state) {
    FileMaps maps = {0};
    check_external(*state, NULL, "data", NULL, 1);
    check_external(*state, NULL, "sub/data", "8", 3);
    check_external(*state, &maps, "data", "4", 2);
    check_external(*state, &maps, "data", "8", 3);
    assert_int_equal(maps.n, 1);
    tn_file_maps_free(&maps);
}

static void test_external_refused(void **state) {
    const Folder *folder = *state;
    static const struct {
        const char *location;
        size_t len;
        const char *offset, *length;
        tn_status status;
        const char *text;
    } cases[] = {
        {"../secret", 9, NULL, NULL, TN_BAD_INPUT, "'..' component"},
        {"sub/../../secret", 16, NULL, NULL, TN_BAD_INPUT, "'..' component"},
        {"/etc/passwd", 11, NULL, NULL, TN_BAD_INPUT, "is absolute"},
        {"", 0, NULL, NULL, TN_BAD_INPUT, "is empty"},
        {".", 1, NULL, NULL, TN_BAD_INPUT, "'.' or"},
        {"sub//data", 9, NULL, NULL, TN_BAD_INPUT, "empty"},
        {"data/", 5, NULL, NULL, TN_IO, "Not a directory"},
        {"data\0x", 6, NULL, NULL, TN_BAD_INPUT, "NUL"},
        {"link", 4, NULL, NULL, TN_BAD_INPUT, "symbolic link"},
        {"dir/secret", 10, NULL, NULL, TN_IO, "cannot read"},
        {"fifo", 4, NULL, NULL, TN_BAD_INPUT, "not a regular file"},
        {"sub", 3, NULL, NULL, TN_BAD_INPUT, "not a regular file"},
        {"none", 4, NULL, NULL, TN_IO, "No such file"},
        {"data", 4, "9", NULL, TN_BAD_INPUT, "reach past the end"},
        {"data", 4, "17", NULL, TN_BAD_INPUT, "past the end"},
        {"data", 4, "18446744073709551615", NULL, TN_BAD_INPUT, "past the end"},
        {"data", 4, "18446744073709551616", NULL, TN_BAD_INPUT, "not a number"},
        {"data", 4, "-1", NULL, TN_BAD_INPUT, "not a number"},
        {"data", 4, "", NULL, TN_BAD_INPUT, "not a number"},
        {"data", 4, NULL, "12", TN_BAD_INPUT, "12 bytes of external data"},
    };
    char dir[128];
    snprintf(dir, sizeof dir, "%s/in", folder->path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FileMaps maps = {0};
        FrontendOptions options = {.dir = dir, .maps = i % 2 == 0 ? &maps : NULL};
        Pb model =
            external_model(cases[i].location, cases[i].len, cases[i].offset, cases[i].length);
        onnx_check_error(&model, &options, cases[i].status, cases[i].text);
        tn_file_maps_free(&maps);
    }
    Pb model = external_model("data", 4, NULL, NULL);
    onnx_check_error(&model, NULL, TN_BAD_INPUT, "from memory");
}

/* ---- names ---- */

static void test_names(void **state) {
    (void)state;
    Pb unknown = {0};
    put_node(&unknown, "a", "Relu", "q", "y", NULL);
    put_value(&unknown, GRAPH_OUTPUT, "y", 1, NULL);
    onnx_check_graph_error(&unknown, TN_BAD_INPUT, "node 'a' (Relu-13): input 'q' is not defined");
    Pb order = {0};
    put_value(&order, GRAPH_INPUT, "x", 1, "2");
    put_node(&order, "a", "Relu", "m", "y", NULL);
    put_node(&order, "b", "Relu", "x", "m", NULL);
    put_value(&order, GRAPH_OUTPUT, "y", 1, NULL);
    onnx_check_graph_error(&order, TN_BAD_INPUT, "must be in topological order");
    Pb again = {0};
    put_value(&again, GRAPH_INPUT, "x", 1, "2");
    put_node(&again, "a", "Relu", "x", "x", NULL);
    put_value(&again, GRAPH_OUTPUT, "x", 1, NULL);
    onnx_check_graph_error(&again, TN_BAD_INPUT, "'x' is already defined");
    Pb inputs = {0};
    put_value(&inputs, GRAPH_INPUT, "x", 1, "2");
    put_value(&inputs, GRAPH_INPUT, "x", 1, "2");
    put_value(&inputs, GRAPH_OUTPUT, "x", 1, NULL);
    onnx_check_graph_error(&inputs, TN_BAD_INPUT, "input 1 occurs twice");
    Pb output = {0};
    put_value(&output, GRAPH_OUTPUT, "y", 1, NULL);
    onnx_check_graph_error(&output, TN_BAD_INPUT, "output 'y' is not defined by any node");
    Pb none = {0};
    put_value(&none, GRAPH_INPUT, "x", 1, "2");
    onnx_check_graph_error(&none, TN_BAD_INPUT, "no outputs");
}

static void test_types(void **state) {
    (void)state;
    Pb shapeless = {0};
    put_value(&shapeless, GRAPH_INPUT, "x", 1, NULL);
    put_value(&shapeless, GRAPH_OUTPUT, "x", 1, NULL);
    onnx_check_graph_error(&shapeless, TN_UNSUPPORTED, "input 'x' has no shape");
    Pb half = {0};
    put_value(&half, GRAPH_INPUT, "x", 16, "2");
    put_value(&half, GRAPH_OUTPUT, "x", 16, "2");
    onnx_check_graph_error(&half, TN_UNSUPPORTED, "input 'x' has element type bfloat16");
    Pb rank = {0};
    put_value(&rank, GRAPH_INPUT, "x", 1, "2");
    put_value(&rank, GRAPH_OUTPUT, "x", 1, "2,1");
    onnx_check_graph_error(&rank, TN_BAD_INPUT,
                           "declared with 2 dimensions, its nodes give f32[2]");
    Pb size = {0};
    put_value(&size, GRAPH_INPUT, "x", 1, "2");
    put_value(&size, GRAPH_OUTPUT, "x", 1, "3");
    onnx_check_graph_error(&size, TN_BAD_INPUT, "declared with 3 as dimension 0");
    Pb type = {0};
    put_value(&type, GRAPH_INPUT, "x", 1, "2");
    put_value(&type, GRAPH_OUTPUT, "x", 7, "2");
    onnx_check_graph_error(&type, TN_BAD_INPUT, "declared as int64, its nodes give f32[2]");
}

/* Before IR version 4 initializers are inputs as well. */
static void test_old_inputs(void **state) {
    (void)state;
    Ctx ctx;
    const char *messages;
    const int64_t two = 2;
    Pb graph = {0};
    put_value(&graph, GRAPH_INPUT, "w", 1, "2");
    put_value(&graph, GRAPH_INPUT, "x", 1, "2");
    Pb tensor = onnx_tensor("w", 1, 1, &two, (float[]){1, 2}, 8);
    pb_message(&graph, GRAPH_INIT, &tensor);
    put_node(&graph, "n", "Add", "x w", "y", NULL);
    put_value(&graph, GRAPH_OUTPUT, "y", 1, "2");
    Pb model = onnx_model(&graph, 3, 7);
    tn_ctx_init(&ctx, NULL);
    Graph *imported = onnx_import(&ctx, &model, NULL, &messages);
    assert_non_null(imported);
    assert_int_equal(imported->inputs.len, 1);
    assert_string_equal(imported->inputs.data[0]->name, "x");
    tn_ctx_free(&ctx);
    pb_free(&model);
}

/* ---- all problems at once ---- */

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text != 0; text++) {
        n += *text == '\n';
    }
    return n;
}

/* Two unknown operators, one of an unknown domain and a wrong attribute make four messages;
 * what hangs on their results makes none. */
static void test_all_problems(void **state) {
    (void)state;
    Ctx ctx;
    const char *messages;
    Pb graph = {0};
    put_value(&graph, GRAPH_INPUT, "x", 1, "2,2");
    put_node(&graph, "one", "Resize", "x", "a", NULL);
    put_node(&graph, "two", "NonZero", "a", "b", NULL);
    Pb contrib = onnx_node("three", "FusedGelu", "x", "c", NULL);
    pb_text(&contrib, 7, "com.microsoft");
    pb_message(&graph, GRAPH_NODE, &contrib);
    put_node(&graph, "fine", "Add", "a c", "d", NULL);
    put_node(&graph, "four", "Relu", "x", "e", "slope=1");
    put_node(&graph, "alsofine", "Concat", "e d", "y", "axis=0");
    put_value(&graph, GRAPH_OUTPUT, "y", 1, NULL);
    Pb model = onnx_model(&graph, 8, 13);
    tn_ctx_init(&ctx, NULL);
    assert_null(onnx_import(&ctx, &model, NULL, &messages));
    assert_int_equal(count_lines(messages), 4);
    assert_non_null(strstr(messages, "node 'one' (Resize-13): operator 'Resize' (opset 13)"));
    assert_non_null(strstr(messages, "node 'two' (NonZero-13)"));
    assert_non_null(strstr(messages, "operator 'FusedGelu' of domain 'com.microsoft'"));
    assert_non_null(strstr(messages, "node 'four' (Relu-13): attribute 'slope' is unknown"));
    tn_ctx_free(&ctx);
    pb_free(&model);
}

static void test_operator_errors(void **state) {
    (void)state;
    static const struct {
        int opset;
        const char *op, *inputs, *attrs;
        tn_status status;
        const char *text;
    } cases[] = {
        {13, "Gelu", "x", NULL, TN_BAD_INPUT, "'Gelu' does not exist in opset 13"},
        {13, "Add", "x", NULL, TN_BAD_INPUT, "input 1 is missing"},
        {13, "Relu", "x x", NULL, TN_BAD_INPUT, "2 inputs, expected at most 1"},
        {13, "Softmax", "x", "axis=2", TN_BAD_INPUT, "axis 2 is outside -2..1"},
        {13, "Softmax", "x", "axis=1.5", TN_BAD_INPUT, "'axis' is a float, expected an int"},
        {13, "Softmax", "x", "axis=1, axis=1", TN_BAD_INPUT, "'axis' occurs twice"},
        {13, "Add", "x z", NULL, TN_BAD_INPUT, "shapes [2,3] and [4] do not broadcast"},
        {13, "MatMul", "x x", NULL, TN_BAD_INPUT, "3"},
        {13, "Reshape", "x k", NULL, TN_BAD_INPUT, "6"},
        {13, "Transpose", "x", "perm=[0,0]", TN_BAD_INPUT, "axis 0 occurs twice"},
        {13, "ReduceSum", "x i", NULL, TN_UNSUPPORTED,
         "'axes' decides a shape and depends on input 'i'"},
        {13, "Cast", "x", "to=10", TN_UNSUPPORTED, "element type float16"},
        {13, "Dropout", "x - t", NULL, TN_UNSUPPORTED, "training mode"},
        {13, "Concat", "x x", NULL, TN_BAD_INPUT, "'axis' is missing"},
        {13, "Split", "x", "axis=1", TN_BAD_INPUT, "2 equal parts"},
        {13, "MaxPool", "x", "kernel_shape=[2]", TN_BAD_INPUT, "rank 2, expected at least 3"},
        {13, "Pad", "x k", "mode=\"wrap\"", TN_BAD_INPUT, "2 axes"},
        {29, "Relu", "x", NULL, TN_UNSUPPORTED, "opset 29 of ai.onnx; the newest known is 28"},
    };
    const int64_t one = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Pb graph = {0};
        put_value(&graph, GRAPH_INPUT, "x", 1, "2,3");
        put_value(&graph, GRAPH_INPUT, "z", 1, "4");
        put_value(&graph, GRAPH_INPUT, "i", 7, "1");
        Pb constant = onnx_tensor("k", 7, 1, &one, (int64_t[]){5}, 8);
        pb_message(&graph, GRAPH_INIT, &constant);
        Pb truth = onnx_tensor("t", 9, 0, NULL, "\1", 1);
        pb_message(&graph, GRAPH_INIT, &truth);
        bool split = strcmp(cases[i].op, "Split") == 0;
        put_node(&graph, "n", cases[i].op, cases[i].inputs, split ? "y w" : "y", cases[i].attrs);
        put_value(&graph, GRAPH_OUTPUT, "y", 1, NULL);
        Pb model = onnx_model(&graph, 8, cases[i].opset);
        onnx_check_error(&model, NULL, cases[i].status, cases[i].text);
    }
}

/* ---- symbolic dims ---- */

static Graph *import_dims(Ctx *ctx, const char *dims, const FrontendOptions *options) {
    const char *messages;
    Pb graph = {0};
    put_value(&graph, GRAPH_INPUT, "x:0", 1, dims);
    put_node(&graph, "n", "Relu", "x:0", "y", NULL);
    put_value(&graph, GRAPH_OUTPUT, "y", 1, NULL);
    Pb model = onnx_model(&graph, 8, 13);
    Graph *imported = onnx_import(ctx, &model, options, &messages);
    pb_free(&model);
    return imported;
}

static void check_input_text(const char *dims, const FrontendOptions *options, const char *want) {
    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    Graph *graph = import_dims(&ctx, dims, options);
    assert_non_null(graph);
    StrBuf text = tn_str(&ctx.arena);
    tn_type_print(&ctx, &graph->inputs.data[0]->type, &text);
    assert_string_equal(text.data, want);
    tn_ctx_free(&ctx);
}

static void test_dim_names(void **state) {
    (void)state;
    check_input_text("N,3,N", NULL, "f32[N,3,N]");
    check_input_text("?,-1", NULL, "f32[x_0_0,x_0_1]");
    check_input_text("batch size,+n,a-b,a_b", NULL, "f32[batch_size,d_n,a_b,a_b_2]");
    check_input_text("max,in0_1", NULL, "f32[max_,in0_1_]");
    FrontendOptions options = {.dims = (DimBinding[]){{"N", 4}, {"a b", 7}}, .n_dims = 2};
    check_input_text("N,a b,M", &options, "f32[4,7,M]");
}

static void test_dim_binding_errors(void **state) {
    (void)state;
    Ctx ctx;
    FrontendOptions options = {.dims = (DimBinding[]){{"K", 4}, {"N", -1}}, .n_dims = 2};
    tn_ctx_init(&ctx, NULL);
    assert_null(import_dims(&ctx, "N,M", &options));
    StrBuf text = tn_str(&ctx.arena);
    tn_diag_print(&ctx.diags, &text);
    assert_int_equal(tn_diag_status(&ctx.diags), TN_USAGE);
    assert_non_null(strstr(text.data, "no input has a dimension named 'K'; there are: N, M"));
    assert_non_null(strstr(text.data, "dimension 'N' cannot be -1"));
    tn_ctx_free(&ctx);
}

/* The same for a graph read as text. */
static void test_text_dims(void **state) {
    (void)state;
    static const char text[] = "# a comment first\n"
                               "sym N = input(0, 0) in 0..100\n"
                               "graph @g(%0 \"x\": f32[N,2]) -> (%1 \"y\") {\n"
                               "  %1 = reshape(%0) {dims=[2*N]} : f32[2*N]\n"
                               "}\n";
    Ctx ctx;
    DimBinding dim = {"N", 3};
    FrontendOptions options = {.dims = &dim, .n_dims = 1};
    tn_ctx_init(&ctx, NULL);
    Graph *graph = tn_frontend_import(&ctx, text, sizeof text - 1, "g.tn", &options);
    assert_non_null(graph);
    assert_true(tn_dim_is(graph->outputs.data[0].value->type.dims[0], 6));
    dim.name = "M";
    assert_null(tn_frontend_import(&ctx, text, sizeof text - 1, "g.tn", &options));
    assert_int_equal(tn_diag_status(&ctx.diags), TN_USAGE);
    tn_ctx_free(&ctx);
}

/* ---- values given at compile time ---- */

static void test_bindings(void **state) {
    (void)state;
    Ctx ctx;
    const char *messages;
    int64_t axes = 1;
    Binding binding = {"axes", {.data = &axes, .dtype = TN_I64, .rank = 1, .dims = {1}}};
    FrontendOptions options = {.bindings = &binding, .n_bindings = 1};
    Pb graph = {0};
    put_value(&graph, GRAPH_INPUT, "x", 1, "2,3");
    put_value(&graph, GRAPH_INPUT, "axes", 7, "1");
    put_node(&graph, "n", "ReduceSum", "x axes", "y", NULL);
    put_value(&graph, GRAPH_OUTPUT, "y", 1, "2,1");
    Pb model = onnx_model(&graph, 8, 13);
    tn_ctx_init(&ctx, NULL);
    Graph *imported = onnx_import(&ctx, &model, &options, &messages);
    assert_non_null(imported);
    assert_null(imported->bound.data[0]);
    assert_non_null(imported->bound.data[1]);
    assert_memory_equal(imported->bound.data[1]->data, &axes, sizeof axes);
    tn_ctx_free(&ctx);
    pb_free(&model);
}

/* ---- functions ---- */

/* Twice(x) = x * k + x, k an attribute with a default of 2; body in opset 13. */
static Pb twice_function(const char *calls) {
    Pb function = {0};
    Pb constant = onnx_node("c", "Constant", "", "k", NULL);
    Pb attr = {0};
    pb_text(&attr, 1, "value_float");
    pb_text(&attr, 21, "factor");
    pb_int(&attr, 20, 1);
    pb_message(&constant, 5, &attr);
    Pb factor = {0};
    pb_text(&factor, 1, "factor");
    pb_float(&factor, 2, 2);
    pb_int(&factor, 20, 1);
    Pb product = onnx_node("m", calls, "x k", "p", NULL);
    if (strcmp(calls, "Mul") != 0) {
        pb_text(&product, 7, "my");
    }
    Pb sum = onnx_node("s", "Add", "p x", "y", NULL);
    Pb opset = {0};
    pb_int(&opset, 2, 13);
    pb_text(&function, 1, "Twice");
    pb_text(&function, 10, "my");
    pb_text(&function, 4, "x");
    pb_text(&function, 5, "y");
    pb_message(&function, 7, &constant);
    pb_message(&function, 7, &product);
    pb_message(&function, 7, &sum);
    pb_message(&function, 9, &opset);
    pb_message(&function, 11, &factor);
    return function;
}

static Pb function_model(const char *attrs, const char *calls) {
    Pb graph = {0};
    put_value(&graph, GRAPH_INPUT, "x", 1, "2");
    Pb node = onnx_node("call", "Twice", "x", "y", attrs);
    pb_text(&node, 7, "my");
    pb_message(&graph, GRAPH_NODE, &node);
    put_value(&graph, GRAPH_OUTPUT, "y", 1, "2");
    Pb model = onnx_model(&graph, 8, 13);
    Pb function = twice_function(calls);
    pb_message(&model, 25, &function);
    return model;
}

static void check_function(const char *attrs, double first) {
    Ctx ctx;
    const char *messages;
    RefTensor in = {.dtype = TN_F32, .rank = 1, .dims = {2}, .count = 2, .f = (double[]){1, 10}};
    RefTensor out;
    Pb model = function_model(attrs, "Mul");
    tn_ctx_init(&ctx, NULL);
    Graph *graph = onnx_import(&ctx, &model, NULL, &messages);
    if (graph == NULL) {
        fail_msg("%s", messages);
    }
    assert_true(tn_eval_graph(graph, &in, &ctx.arena, &out, NULL, NULL));
    assert_true(out.f[0] == first && out.f[1] == 10 * first);
    assert_string_equal(graph->outputs.data[0].value->def->loc.node, "call/s");
    tn_ctx_free(&ctx);
    pb_free(&model);
}

static void test_functions(void **state) {
    (void)state;
    check_function(NULL, 3);
    check_function("factor=4.0", 5);
    Pb cyclic = function_model(NULL, "Twice");
    onnx_check_error(&cyclic, NULL, TN_BAD_INPUT, "calls itself");
    Pb defined = function_model(NULL, "Mul");
    Pb function = twice_function("Mul");
    pb_message(&defined, 25, &function);
    onnx_check_error(&defined, NULL, TN_BAD_INPUT, "function 'Twice' is defined twice");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_forms),
        cmocka_unit_test(test_bad_data),
        cmocka_unit_test_setup_teardown(test_external, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_external_refused, make_folder, remove_folder),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_old_inputs),
        cmocka_unit_test(test_all_problems),
        cmocka_unit_test(test_operator_errors),
        cmocka_unit_test(test_dim_names),
        cmocka_unit_test(test_dim_binding_errors),
        cmocka_unit_test(test_text_dims),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
