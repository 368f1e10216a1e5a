/* test_sweeps.c: prefix sums, scatters, unpooling, random bits and conditions, compiled at every
 * level for every target this machine can run.
 *
 * Results must be those of the reference evaluator: inputs are small multiples of 1/4, so that
 * every sum is exact. They must be equal in every bit at any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/target.h"
#include "tenon/tenon.h"

enum { MAX_IO = 4 };

/* Keeps x or negates it, so that numbers stay small. */
#define CHANGE_OF(rows)                                                                            \
    "graph @then(%z: i64, %x: f32[" rows ",37], %c: bool, %w: f32[37,37]) -> (%m) { "              \
    "%p = contract(%x, %w) {lhs_contract=[1], rhs_contract=[0]} %l = lt(%p, %x) %n = neg(%x) "     \
    "%m = select(%l, %x, %n) }"
#define CHANGE CHANGE_OF("N")
#define CHANGE_40 CHANGE_OF("40")

static const int32_t thread_counts[] = {1, 2, 5};

typedef struct Case {
    const char *name, *text;
    int64_t n; /* value of the symbol N, if there is one */
} Case;

#define POOL(window, stride, lo, hi, dilation)                                                     \
    "window=[1,1," #window "," #window "], strides=[1,1," #stride "," #stride                      \
    "], pads_lo=[0,0," #lo "," #lo "], pads_hi=[0,0," #hi "," #hi "], dilations=[1,1," #dilation   \
    "," #dilation "]"
#define UNPOOL(in, out, attributes)                                                                \
    "graph @g(%x: f32[2,3," #in "," #in "], %g: f32[2,3," #out "," #out "]) -> (%y) { "            \
    "%at = pool_argmax(%x) {" attributes "} %y = unpool_max(%g, %at) {dims=[2,3," #in "," #in      \
    "], " attributes "} }"

static const Case cases[] = {
    {"embedding",
     "graph @g(%base: f32[50,100], %at: i64[300], %u: f32[300,100]) -> (%y) { "
     "%y = scatter_add(%base, %at, %u) {axis=0} }",
     0},
    {"embedding gradient",
     "graph @g(%at: i32[7,13], %u: f32[7,13,67]) -> (%y) { %z = const() {to=f32, dims=[]} = 0 "
     "%base = expand(%z) {dims=[33,67], axes=[]} %v = mul(%u, %u) "
     "%y = scatter_add(%base, %at, %v) {axis=0} }",
     0},
    {"any number of rows",
     "graph @g(%base: f32[N,40], %at: i64[N], %u: f32[N,40]) -> (%y, %z) { "
     "%y = scatter_add(%base, %at, %u) {axis=0} %z = neg(%y) }",
     70},
    {"classes",
     "graph @g(%base: f32[64,10], %at: i64[64], %u: f32[64]) -> (%y) { "
     "%y = scatter_add(%base, %at, %u) {axis=1, batch=1} }",
     0},
    {"inner axis",
     "graph @g(%base: i32[5,9,33], %at: u8[5,40], %u: i32[5,40,33]) -> (%y) { "
     "%y = scatter_add(%base, %at, %u) {axis=1, batch=1} }",
     0},
    {"last axis",
     "graph @g(%base: f64[30,9], %at: i64[300], %u: f64[30,300]) -> (%y) { "
     "%y = scatter_add(%base, %at, %u) {axis=1} }",
     0},
    {"single elements",
     "graph @g(%base: f32[9], %at: i64[3000], %u: f32[3000]) -> (%y) { "
     "%y = scatter_add(%base, %at, %u) {axis=0} }",
     0},
    {"in a loop",
     "graph @g(%base: f32[20,30], %at: i64[6,4], %u: f32[6,4,30]) -> (%y) { "
     "%y = loop(%base, %at, %u) {trips=[6], carried=1, scanned=2} do "
     "graph @turn(%t: i64, %b: f32[20,30], %i: i64[4], %v: f32[4,30]) -> (%n) { "
     "%n = scatter_add(%b, %i, %v) {axis=0} } }",
     0},
    {"behind a condition",
     "graph @g(%c: bool, %d: bool, %x: f32[N,37], %w: f32[37,37]) -> (%y, %z) { "
     "%a = if(%x, %c, %w) {carried=1} do " CHANGE " %y = neg(%a) "
     "%z = if(%y, %d, %w) {carried=1} do " CHANGE " }",
     70},
    {"behind a condition in a loop",
     "graph @g(%x: f32[40,37], %c: bool[6], %w: f32[37,37]) -> (%y) { "
     "%y = loop(%x, %c, %w) {trips=[6], carried=1, scanned=1} do "
     "graph @turn(%t: i64, %x: f32[40,37], %c: bool, %w: f32[37,37]) -> (%n) { "
     "%a = if(%x, %c, %w) {carried=1} do " CHANGE_40 " %n = neg(%a) } }",
     0},
    {"prefix sums along the rows",
     "graph @g(%x: f32[40,67]) -> (%y, %z) { "
     "%y = cumsum(%x) {axis=1} "
     "%z = cumsum(%x) {axis=1, exclusive=1, reverse=1} }",
     0},
    {"prefix sums across the rows",
     "graph @g(%x: f32[N,31,37]) -> (%y, %z) { %a = mul(%x, %x) %y = cumsum(%a) {axis=1, "
     "reverse=1} %z = cumsum(%x) {axis=0, exclusive=1} }",
     11},
    {"prefix sums of integers",
     "graph @g(%x: i8[300,5], %u: u64[3,70]) -> (%y, %z) { "
     "%y = cumsum(%x) {axis=0} %z = cumsum(%u) {axis=0} }",
     0},
    {"side by side", UNPOOL(28, 14, POOL(2, 2, 0, 0, 1)), 0},
    {"side by side with a rest", UNPOOL(15, 7, POOL(2, 2, 0, 0, 1)), 0},
    {"overlapping", UNPOOL(17, 9, POOL(3, 2, 1, 1, 1)), 0},
    {"apart", UNPOOL(17, 6, POOL(2, 3, 0, 0, 1)), 0},
    {"wide", UNPOOL(34, 16, POOL(4, 2, 0, 0, 1)), 0},
    {"dilated", UNPOOL(13, 5, POOL(3, 2, 0, 0, 2)), 0},
    {"windows of padding", UNPOOL(5, 5, POOL(2, 2, 2, 3, 1)), 0},
    {"random bits",
     "graph @g(%k: u32[2]) -> (%y, %z) { %i = iota() {to=u32, dims=[67,53], axis=0} "
     "%j = iota() {to=u32, dims=[67,53], axis=1} "
     "%0 = slice(%k) {starts=[0], steps=[1], dims=[1]} "
     "%1 = slice(%k) {starts=[1], steps=[1], dims=[1]} "
     "%a = expand(%0) {dims=[67,53], axes=[1]} "
     "%b = expand(%1) {dims=[67,53], axes=[1]} %n = mul(%i, %j) "
     "%y = random(%a, %b, %n) %s = shr(%y, %j) %z = shl(%s, %i) }",
     0},
    {"shifts",
     "graph @g(%x: i16[77], %n: i16[77], %u: u8[77], %m: u8[77]) -> (%a, %b, %c, %d) { "
     "%a = shl(%x, %n) %b = shr(%x, %n) %c = shl(%u, %m) %d = shr(%u, %m) }",
     0},
};

/* ---- tensors ---- */

static size_t bytes_of(const tn_tensor *tensor) {
    return (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
}

/* Floats are multiples of 1/4 in -2..2, integers in -40..40 or 0..80. */
static void fill(tn_tensor *tensor, uint32_t seed) {
    uint32_t state = seed * 2654435761u + 12345;
    tensor->data = malloc(bytes_of(tensor) + 1);
    assert_non_null(tensor->data);
    for (int64_t i = 0; i < tn_tensor_count(tensor); i++) {
        state = state * 1664525u + 1013904223u;
        int64_t number = (int64_t)(state >> 16) % 81 - 40, fifth = number / 5;
        unsigned char *at =
            (unsigned char *)tensor->data + (size_t)i * tn_dtype_size(tensor->dtype);
        if (tensor->dtype == TN_F32) {
            *(float *)(void *)at = (float)fifth / 4;
        } else if (tensor->dtype == TN_F64) {
            *(double *)(void *)at = (double)fifth / 4;
        } else {
            bool is_unsigned = tensor->dtype == TN_U8 || tensor->dtype == TN_U32;
            number += is_unsigned ? 40 : 0;
            number &= tensor->dtype == TN_BOOL ? 1 : -1;
            memcpy(at, &number, tn_dtype_size(tensor->dtype));
        }
    }
}

static void free_all(tn_tensor *tensors) {
    for (int i = 0; i < MAX_IO; i++) {
        free(tensors[i].data);
    }
}

/* ---- one case ---- */

typedef struct Trial {
    const Case *test;
    tn_tensor inputs[MAX_IO], expected[MAX_IO];
    int32_t n_in, n_out;
} Trial;

static tn_graph *read_graph(tn_compiler *compiler, const Case *test) {
    tn_graph *graph = NULL;
    if (tn_graph_parse(compiler, test->text, strlen(test->text), test->name, &graph) != TN_OK) {
        fail_msg("%s: %s", test->name, tn_compiler_messages(compiler));
    }
    return graph;
}

static void set_up(Trial *trial, const Case *test) {
    *trial = (Trial){.test = test};
    tn_compiler *compiler = tn_compiler_create();
    tn_graph *graph = read_graph(compiler, test);
    trial->n_in = tn_graph_input_count(graph);
    trial->n_out = tn_graph_output_count(graph);
    for (int32_t i = 0; i < trial->n_in; i++) {
        tn_tensor *input = &trial->inputs[i];
        tn_graph_input_type(graph, i, input);
        for (int32_t d = 0; d < input->rank; d++) {
            input->dims[d] = input->dims[d] < 0 ? test->n : input->dims[d];
        }
        fill(input, (uint32_t)i + 7);
    }
    if (tn_evaluate(compiler, graph, trial->inputs, trial->n_in, trial->expected, trial->n_out) !=
        TN_OK) {
        fail_msg("%s: %s", test->name, tn_compiler_messages(compiler));
    }
    tn_compiler_destroy(compiler);
}

static void run(const Trial *trial, const tn_model *model, int32_t threads, const char *how) {
    char error[512] = "";
    tn_session *session;
    tn_tensor found[MAX_IO] = {0};
    assert_int_equal(tn_session_create(model, NULL, &session, error, sizeof error), TN_OK);
    tn_session_set_threads(session, threads);
    assert_int_equal(tn_session_plan(session, trial->inputs, trial->n_in, found, trial->n_out),
                     TN_OK);
    for (int32_t i = 0; i < trial->n_out; i++) {
        found[i].data = malloc(bytes_of(&found[i]) + 1);
        memset(found[i].data, 0xa5, bytes_of(&found[i]));
    }
    assert_int_equal(tn_session_run(session, trial->inputs, trial->n_in, found, trial->n_out),
                     TN_OK);
    for (int32_t i = 0; i < trial->n_out; i++) {
        assert_int_equal(bytes_of(&found[i]), bytes_of(&trial->expected[i]));
        if (memcmp(found[i].data, trial->expected[i].data, bytes_of(&found[i])) != 0) {
            fail_msg("%s, %s, %d threads: output %d differs", trial->test->name, how, threads, i);
        }
    }
    free_all(found);
    tn_session_destroy(session);
}

static void compile_and_run(const Trial *trial, const char *level, const char *march) {
    tn_compiler *compiler = tn_compiler_create();
    tn_model *model = NULL;
    assert_true(tn_compiler_set(compiler, "opt", level) &&
                tn_compiler_set(compiler, "march", march) &&
                tn_compiler_set(compiler, "verify-each", "1"));
    tn_graph *graph = read_graph(compiler, trial->test);
    if (tn_compile_jit(compiler, graph, &model) != TN_OK) {
        fail_msg("%s at -O%s for %s: %s", trial->test->name, level, march,
                 tn_compiler_messages(compiler));
    }
    for (size_t i = 0; i < sizeof thread_counts / sizeof *thread_counts; i++) {
        run(trial, model, thread_counts[i], march);
    }
    tn_model_close(model);
    tn_compiler_destroy(compiler);
}

static void check_case(void **state) {
    Trial trial;
    set_up(&trial, *state);
    const Target *target;
    for (uint32_t i = 0; (target = tn_target_at(i)) != NULL; i++) {
        if ((target->features & ~tn_cpu_features()) == 0) {
            compile_and_run(&trial, "2", target->name);
        }
    }
    for (const char *level = "0\0001\0003\0"; *level != '\0'; level += 2) {
        compile_and_run(&trial, level, "native");
    }
    free_all(trial.inputs);
    free_all(trial.expected);
}

int main(void) {
    enum { N = sizeof cases / sizeof *cases };
    struct CMUnitTest tests[N];
    for (size_t i = 0; i < N; i++) {
        tests[i] = (struct CMUnitTest){cases[i].name, check_case, NULL, NULL,
                                       (void *)(uintptr_t)&cases[i]};
    }
    return cmocka_run_group_tests_name("sweeps", tests, NULL, NULL);
}
