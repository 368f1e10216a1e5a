/* build_graph.c: a two-layer perceptron written with the C builder, compiled and run.
 *
 * It learns nothing: its weights are set so that it computes the exclusive or of its two
 * inputs, for any number of rows at once.
 */
#include <stdio.h>

#include "tenon/tenon.h"

/* h = relu(x W1 + b1): the sum of the inputs, and the sum less one.
 * y = h W2: the sum less twice the overlap. */
static tn_graph *build(tn_compiler *compiler) {
    static const float w1[2][2] = {{1, 1}, {1, 1}}, b1[2] = {0, -1}, w2[2][1] = {{1}, {-2}};
    tn_graph *graph = tn_graph_create(compiler, "xor");
    tn_value *x = tn_input(graph, "x", TN_F32, 2, (const int64_t[]){-1, 2},
                           (const char *const[]){"rows", NULL});
    tn_value *first = tn_constant(graph, TN_F32, 2, (const int64_t[]){2, 2}, w1);
    tn_value *bias = tn_constant(graph, TN_F32, 1, (const int64_t[]){2}, b1);
    tn_value *second = tn_constant(graph, TN_F32, 2, (const int64_t[]){2, 1}, w2);
    tn_value *hidden = tn_relu(graph, tn_add(graph, tn_matmul(graph, x, first), bias));
    tn_output(graph, "y", tn_matmul(graph, hidden, second));
    return graph;
}

static int run(const tn_model *model) {
    char error[512];
    float x[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, y[4] = {0};
    tn_tensor input = {.data = x, .dtype = TN_F32, .rank = 2, .dims = {4, 2}};
    tn_tensor output = {.data = y, .dtype = TN_F32, .rank = 2, .dims = {4, 1}};
    tn_session *session;
    if (tn_session_create(model, NULL, &session, error, sizeof error) != TN_OK) {
        fprintf(stderr, "build_graph: %s\n", error);
        return 1;
    }
    int bad = tn_session_run(session, &input, 1, &output, 1) != TN_OK;
    if (bad) {
        fprintf(stderr, "build_graph: %s\n", tn_session_error(session));
    }
    for (int i = 0; i < 4 && !bad; i++) {
        printf("%g xor %g = %g\n", (double)x[i][0], (double)x[i][1], (double)y[i]);
    }
    tn_session_destroy(session);
    return bad;
}

int main(void) {
    tn_compiler *compiler = tn_compiler_create();
    tn_model *model = NULL;
    if (!compiler) {
        return 1;
    }
    if (tn_compile_jit(compiler, build(compiler), &model) != TN_OK) {
        fputs(tn_compiler_messages(compiler), stderr);
    }
    tn_compiler_destroy(compiler);
    if (!model) {
        return 1;
    }
    int bad = run(model);
    tn_model_close(model);
    return bad;
}
