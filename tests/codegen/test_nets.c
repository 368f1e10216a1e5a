/* test_nets.c: small networks with a symbolic batch, compiled once and run at several sizes
 * with several numbers of threads.
 *
 * Results must be near the reference evaluator's, and equal in every bit at any number of
 * threads; two compilations must give files that are equal in every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ir/target.h"
#include "tenon/tenon.h"

enum { MAX_IO = 2 };

static const int64_t batches[] = {1, 3, 0, 7};
static const int32_t thread_counts[] = {1, 2, 5, 16};

#define LENGTH(array) ((int32_t)(sizeof(array) / sizeof *(array)))

/* ---- networks ---- */

/* In -1..1, a function of `seed`. */
static float *random_floats(size_t n, uint32_t seed) {
    float *data = malloc(n * sizeof *data + 1);
    assert_non_null(data);
    uint32_t state = seed * 2654435761u + 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (float)(int32_t)(state >> 8) / 8388608.0f - 1;
    }
    return data;
}

/* A weight of up to four dims (0 ends them), scaled to keep the values of a layer near one. */
static tn_value *weight(tn_graph *graph, uint32_t seed, const int64_t dims[4], float scale) {
    int32_t rank = 0;
    size_t n = 1;
    while (rank < 4 && dims[rank] > 0) {
        n *= (size_t)dims[rank++];
    }
    float *data = random_floats(n, seed);
    for (size_t i = 0; i < n; i++) {
        data[i] *= scale;
    }
    tn_value *value = tn_constant(graph, TN_F32, rank, dims, data);
    free(data);
    return value;
}

#define W(seed, scale, ...) weight(graph, seed, (const int64_t[4]){__VA_ARGS__}, scale)
#define APPLY(op, attributes, ...)                                                                 \
    tn_apply(graph, op, (tn_value *[]){__VA_ARGS__},                                               \
             (int32_t)(sizeof((tn_value *[]){__VA_ARGS__}) / sizeof(tn_value *)), attributes)

static tn_value *batch_input(tn_graph *graph, int32_t rank, const int64_t *dims) {
    return tn_input(graph, "x", TN_F32, rank, dims, (const char *const[]){"N", NULL, NULL, NULL});
}

/* Dense, depthwise, strided and 1x1 convolutions, a skip, pooling, a classifier. */
static void build_conv(tn_graph *graph) {
    tn_value *x = batch_input(graph, 4, (const int64_t[]){-1, 3, 19, 17});
    tn_value *a = APPLY("Conv", "pads=[1,1,1,1]", x, W(1, 0.3f, 20, 3, 3, 3), W(2, 1, 20));
    a = tn_relu(graph, a);
    tn_value *b = APPLY("Conv", "pads=[1,1,1,1], group=20", a, W(3, 0.5f, 20, 1, 3, 3));
    b = APPLY("Clip", "", b, tn_scalar(graph, TN_F32, 0), tn_scalar(graph, TN_F32, 6));
    b = APPLY("Conv", "", b, W(4, 0.3f, 20, 20, 1, 1), W(5, 1, 20));
    tn_value *c = tn_add(graph, a, b);
    c = APPLY("MaxPool", "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]", c);
    c = APPLY("Conv", "strides=[2,2], pads=[2,2,2,2]", c, W(6, 0.1f, 37, 20, 5, 5));
    tn_output(graph, "features", c);
    c = APPLY("Flatten", "", APPLY("GlobalAveragePool", "", tn_relu(graph, c)));
    c = APPLY("Gemm", "transB=1", c, W(7, 0.3f, 11, 37), W(8, 1, 11));
    tn_output(graph, "y", tn_softmax(graph, c, -1));
}

/* One head, [N, 13, 24] to the same. */
static tn_value *attention(tn_graph *graph, tn_value *x, uint32_t seed) {
    tn_value *q = tn_matmul(graph, x, W(seed, 0.3f, 24, 8));
    tn_value *k = tn_matmul(graph, x, W(seed + 1, 0.3f, 24, 8));
    tn_value *v = tn_matmul(graph, x, W(seed + 2, 0.3f, 24, 24));
    tn_value *scores = tn_matmul(graph, q, tn_transpose(graph, k, (const int32_t[]){0, 2, 1}));
    scores = tn_mul(graph, scores, tn_scalar(graph, TN_F32, 0.35355338));
    return tn_matmul(graph, tn_softmax(graph, scores, -1), v);
}

/* Attention, norms and a feed-forward layer. */
static void build_attention(tn_graph *graph) {
    tn_value *x = batch_input(graph, 3, (const int64_t[]){-1, 13, 24});
    tn_value *a = APPLY("LayerNormalization", "", x, W(11, 1, 24), W(12, 1, 24));
    a = tn_add(graph, x, attention(graph, a, 13));
    tn_output(graph, "attended", a);
    tn_value *b = APPLY("LayerNormalization", "", a, W(16, 1, 24), W(17, 1, 24));
    b = tn_add(graph, tn_matmul(graph, b, W(18, 0.3f, 24, 50)), W(19, 1, 50));
    b = APPLY("Gelu", "", b);
    tn_output(graph, "y", tn_add(graph, a, tn_matmul(graph, b, W(20, 0.2f, 50, 24))));
}

/* Softmax along an inner axis, and sums over everything, whose order threads must not change. */
static void build_softmax(tn_graph *graph) {
    tn_value *x = batch_input(graph, 3, (const int64_t[]){-1, 33, 41});
    tn_value *axis = tn_constant(graph, TN_I64, 1, (const int64_t[]){1}, (const int64_t[]){0});
    tn_output(graph, "y", tn_softmax(graph, tn_mul(graph, x, tn_scalar(graph, TN_F32, 3)), 1));
    tn_value *total = APPLY("ReduceSum", "keepdims=0", APPLY("Exp", "", x));
    tn_output(graph, "sums", tn_add(graph, APPLY("ReduceSum", "", x, axis), total));
}

typedef void Build(tn_graph *graph);

/* ---- one model at one size ---- */

typedef struct Net {
    tn_compiler *compiler;
    tn_graph *graph;
    tn_tensor input;
    tn_tensor expected[MAX_IO];
    int32_t n_outputs;
} Net;

static size_t bytes_of(const tn_tensor *tensor) {
    return (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
}

static void free_tensors(tn_tensor *tensors) {
    for (size_t i = 0; i < MAX_IO; i++) {
        free(tensors[i].data);
    }
}

static void run_threads(const Net *net, const tn_model *model, int32_t threads,
                        tn_tensor *outputs) {
    char error[512] = "";
    tn_session *session;
    if (tn_session_create(model, NULL, &session, error, sizeof error) != TN_OK) {
        fail_msg("%s", error);
    }
    tn_session_set_threads(session, threads);
    if (tn_session_plan(session, &net->input, 1, outputs, net->n_outputs) != TN_OK) {
        fail_msg("%s", tn_session_error(session));
    }
    for (int32_t i = 0; i < net->n_outputs; i++) {
        outputs[i].data = malloc(bytes_of(&outputs[i]) + 1);
        memset(outputs[i].data, 0xa5, bytes_of(&outputs[i]));
    }
    if (tn_session_run(session, &net->input, 1, outputs, net->n_outputs) != TN_OK) {
        fail_msg("%s", tn_session_error(session));
    }
    tn_session_destroy(session);
}

/* The largest difference against the largest expected magnitude. */
static void check_near(const tn_tensor *found, const tn_tensor *wanted) {
    assert_int_equal(found->rank, wanted->rank);
    assert_memory_equal(found->dims, wanted->dims, (size_t)wanted->rank * sizeof *wanted->dims);
    const float *a = found->data, *b = wanted->data;
    float worst = 0, largest = 0;
    for (int64_t i = 0; i < tn_tensor_count(wanted); i++) {
        float error = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
        float size = b[i] < 0 ? -b[i] : b[i];
        assert_true(error >= 0); /* not NaN */
        worst = error > worst ? error : worst;
        largest = size > largest ? size : largest;
    }
    if (worst > 2e-5f * largest) {
        fail_msg("off by %g of %g", (double)worst, (double)largest);
    }
}

static void check_threads(const Net *net, const tn_model *model) {
    tn_tensor first[MAX_IO] = {{0}};
    run_threads(net, model, thread_counts[0], first);
    for (int32_t i = 0; i < net->n_outputs; i++) {
        check_near(&first[i], &net->expected[i]);
    }
    for (int32_t t = 1; t < LENGTH(thread_counts); t++) {
        tn_tensor other[MAX_IO] = {{0}};
        run_threads(net, model, thread_counts[t], other);
        for (int32_t i = 0; i < net->n_outputs; i++) {
            if (memcmp(first[i].data, other[i].data, bytes_of(&first[i])) != 0) {
                fail_msg("output %d differs in bits with %d threads", i, thread_counts[t]);
            }
        }
        free_tensors(other);
    }
    free_tensors(first);
}

/* ---- compiling ---- */

static Net make_net(Build *build, const char *level, const char *march) {
    Net net = {.compiler = tn_compiler_create()};
    assert_non_null(net.compiler);
    assert_true(tn_compiler_set(net.compiler, "opt", level));
    assert_true(tn_compiler_set(net.compiler, "march", march));
    net.graph = tn_graph_create(net.compiler, "net");
    build(net.graph);
    net.n_outputs = tn_graph_output_count(net.graph);
    return net;
}

static void check_ok(const Net *net, tn_status status) {
    if (status != TN_OK) {
        fail_msg("%s", tn_compiler_messages(net->compiler));
    }
}

static void check_batch(Net *net, const tn_model *model, int64_t batch) {
    tn_graph_input_type(net->graph, 0, &net->input);
    net->input.dims[0] = batch;
    net->input.data = random_floats((size_t)tn_tensor_count(&net->input), 99);
    check_ok(net,
             tn_evaluate(net->compiler, net->graph, &net->input, 1, net->expected, net->n_outputs));
    check_threads(net, model);
    free(net->input.data);
    free_tensors(net->expected);
}

static void check_level(Build *build, const char *level, const char *march) {
    Net net = make_net(build, level, march);
    tn_model *model = NULL;
    check_ok(&net, tn_compile_jit(net.compiler, net.graph, &model));
    for (int32_t i = 0; i < LENGTH(batches); i++) {
        check_batch(&net, model, batches[i]);
    }
    tn_model_close(model);
    tn_compiler_destroy(net.compiler);
}

static void check_net(Build *build) {
    const Target *target;
    check_level(build, "0", "native");
    for (uint32_t i = 0; (target = tn_target_at(i)) != NULL; i++) {
        if ((target->features & ~tn_cpu_features()) == 0) {
            check_level(build, i % 2 == 0 ? "2" : "3", target->name);
        }
    }
}

static void test_conv(void **state) {
    (void)state;
    check_net(build_conv);
}

static void test_attention(void **state) {
    (void)state;
    check_net(build_attention);
}

static void test_softmax(void **state) {
    (void)state;
    check_net(build_softmax);
}

/* ---- the same file twice ---- */

static char *compile_to_bytes(Build *build, const char *path, size_t *size) {
    Net net = make_net(build, "3", "native");
    check_ok(&net, tn_compile_file(net.compiler, net.graph, TN_EMIT_SO, path));
    tn_compiler_destroy(net.compiler);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 22);
    *size = fread(bytes, 1, 1 << 22, file);
    fclose(file);
    return bytes;
}

static void test_same_bytes(void **state) {
    (void)state;
    char folder[] = "/tmp/tenon-nets-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/net.so", folder);
    Build *builds[] = {build_conv, build_attention, build_softmax};
    for (int32_t i = 0; i < LENGTH(builds); i++) {
        size_t one_size, other_size;
        char *one = compile_to_bytes(builds[i], path, &one_size);
        char *other = compile_to_bytes(builds[i], path, &other_size);
        assert_true(one_size > 4096 && one_size < 1 << 22);
        assert_int_equal(one_size, other_size);
        assert_memory_equal(one, other, one_size);
        free(one);
        free(other);
    }
    unlink(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
