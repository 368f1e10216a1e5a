/* run_so.c: opens a compiled model and runs it once. Links libtenon_rt only.
 *
 *   tenon compile model.onnx -o model.so
 *   run_so model.so [input.npy ...]
 *
 * Inputs without a file are zeros; symbolic dimensions are 1.
 */
#include <stdio.h>
#include <stdlib.h>

#include "npy.h"
#include "tenon/runtime.h"

enum { MAX_TENSORS = 32 };

static int fail(const char *text) {
    fprintf(stderr, "run_so: %s\n", text);
    return 1;
}

/* Memory for a tensor whose dtype and dims are set. */
static int get_memory(tn_tensor *tensor) {
    size_t bytes = (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
    tensor->data = calloc(bytes > 0 ? bytes : 1, 1);
    return tensor->data ? 0 : -1;
}

static int make_input(const tn_io_desc *io, const char *path, tn_tensor *tensor) {
    *tensor = (tn_tensor){.dtype = io->dtype, .rank = io->rank};
    for (int i = 0; i < io->rank; i++) {
        tensor->dims[i] = io->dims[i] < 0 ? 1 : io->dims[i];
    }
    if (get_memory(tensor) != 0) {
        return fail("out of memory");
    }
    if (path && npy_load(path, tensor) != 0) {
        fprintf(stderr, "run_so: %s: not an array of the size of input '%s'\n", path, io->name);
        return 1;
    }
    return 0;
}

static void print_output(const tn_io_desc *io, const tn_tensor *tensor) {
    int64_t count = tn_tensor_count(tensor);
    printf("%s: %s[", io->name, tn_dtype_name(tensor->dtype));
    for (int i = 0; i < tensor->rank; i++) {
        printf(i ? ",%lld" : "%lld", (long long)tensor->dims[i]);
    }
    printf("]");
    for (int64_t i = 0; tensor->dtype == TN_F32 && i < count && i < 10; i++) {
        printf(" %g", (double)((const float *)tensor->data)[i]);
    }
    printf(count > 10 ? " ...\n" : "\n");
}

static int run(tn_session *session, const tn_entry_desc *entry, int argc, char **argv) {
    tn_tensor inputs[MAX_TENSORS] = {{0}}, outputs[MAX_TENSORS] = {{0}};
    int bad = 0;
    for (int i = 0; i < entry->n_inputs && !bad; i++) {
        bad = make_input(&entry->inputs[i], i < argc ? argv[i] : NULL, &inputs[i]);
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
        print_output(&entry->outputs[i], &outputs[i]);
    }
    for (int i = 0; i < MAX_TENSORS; i++) {
        free(inputs[i].data);
        free(outputs[i].data);
    }
    return bad;
}

int main(int argc, char **argv) {
    char error[512];
    tn_model *model;
    tn_session *session;
    if (argc < 2) {
        return fail("usage: run_so MODEL.so [INPUT.npy ...]");
    }
    if (tn_model_open(argv[1], &model, error, sizeof error) != TN_OK) {
        return fail(error);
    }
    const tn_entry_desc *entry = &tn_model_describe(model)->entries[0];
    int bad = 1;
    if (entry->n_inputs > MAX_TENSORS || entry->n_outputs > MAX_TENSORS) {
        fail("too many inputs or outputs for this example");
    } else if (tn_session_create(model, entry->name, &session, error, sizeof error) != TN_OK) {
        fail(error);
    } else {
        bad = run(session, entry, argc - 2, argv + 2);
        tn_session_destroy(session);
    }
    tn_model_close(model);
    return bad;
}
