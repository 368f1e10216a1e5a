/* jit.c: compiles a model from a file and runs it in this process.
 *
 *   jit model.onnx
 *
 * Every input is filled with 0.5 (floats) or 1; symbolic dimensions are 1.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tenon/tenon.h"

enum { MAX_TENSORS = 32 };

static int fail(const char *text) {
    fprintf(stderr, "jit: %s\n", text);
    return 1;
}

static int get_memory(tn_tensor *tensor) {
    size_t bytes = (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
    tensor->data = calloc(bytes > 0 ? bytes : 1, 1);
    return tensor->data ? 0 : fail("out of memory");
}

static int make_input(const tn_io_desc *io, tn_tensor *tensor) {
    *tensor = (tn_tensor){.dtype = io->dtype, .rank = io->rank};
    for (int i = 0; i < io->rank; i++) {
        tensor->dims[i] = io->dims[i] < 0 ? 1 : io->dims[i];
    }
    if (get_memory(tensor) != 0) {
        return 1;
    }
    int64_t count = tn_tensor_count(tensor);
    size_t size = tn_dtype_size(tensor->dtype);
    for (int64_t i = 0; i < count; i++) {
        if (tensor->dtype == TN_F32) {
            ((float *)tensor->data)[i] = 0.5f;
        } else {
            ((unsigned char *)tensor->data)[(size_t)i * size] = 1; /* little-endian */
        }
    }
    return 0;
}

static int run(const tn_model *model) {
    char error[512];
    tn_session *session;
    const tn_entry_desc *entry = &tn_model_describe(model)->entries[0];
    tn_tensor inputs[MAX_TENSORS] = {{0}}, outputs[MAX_TENSORS] = {{0}};
    if (entry->n_inputs > MAX_TENSORS || entry->n_outputs > MAX_TENSORS) {
        return fail("too many inputs or outputs for this example");
    }
    if (tn_session_create(model, entry->name, &session, error, sizeof error) != TN_OK) {
        return fail(error);
    }
    int bad = 0;
    for (int i = 0; i < entry->n_inputs && !bad; i++) {
        bad = make_input(&entry->inputs[i], &inputs[i]);
    }
    if (!bad && tn_session_plan(session, inputs, entry->n_inputs, outputs, entry->n_outputs)) {
        bad = fail(tn_session_error(session));
    }
    for (int i = 0; i < entry->n_outputs && !bad; i++) {
        bad = get_memory(&outputs[i]);
    }
    if (!bad && tn_session_run(session, inputs, entry->n_inputs, outputs, entry->n_outputs)) {
        bad = fail(tn_session_error(session));
    }
    for (int i = 0; i < entry->n_outputs && !bad; i++) {
        printf("%s: %lld elements of %s, the first %g\n", entry->outputs[i].name,
               (long long)tn_tensor_count(&outputs[i]), tn_dtype_name(outputs[i].dtype),
               outputs[i].dtype == TN_F32 ? (double)*(const float *)outputs[i].data : 0.0);
    }
    for (int i = 0; i < MAX_TENSORS; i++) {
        free(inputs[i].data);
        free(outputs[i].data);
    }
    tn_session_destroy(session);
    return bad;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return fail("usage: jit MODEL.onnx");
    }
    tn_compiler *compiler = tn_compiler_create();
    tn_graph *graph;
    tn_model *model;
    if (!compiler) {
        return fail("out of memory");
    }
    int bad = 0;
    if (tn_graph_load(compiler, argv[1], &graph) != TN_OK ||
        tn_compile_jit(compiler, graph, &model) != TN_OK) {
        fputs(tn_compiler_messages(compiler), stderr);
        bad = 1;
    }
    tn_compiler_destroy(compiler); /* the model lives on without it */
    if (bad) {
        return bad;
    }
    bad = run(model);
    tn_model_close(model);
    return bad;
}
