/* subject.c: a model ready to run. */
#include "tools/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tensor.h"

bool tn_is_compiled(const char *path) {
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".so") == 0) {
        return true;
    }
    if (strcmp(path, "-") == 0) {
        return false;
    }
    FILE *file = tn_tool_open(path);
    char magic[4] = "";
    size_t got = file ? fread(magic, 1, sizeof magic, file) : 0;
    if (file) {
        fclose(file);
    }
    return got == sizeof magic && memcmp(magic,
                                         "\x7f"
                                         "ELF",
                                         4) == 0;
}

static tn_status open_session(const Args *args, Subject *out) {
    char error[1024];
    int32_t n_threads;
    if (!tn_tool_threads(args, &n_threads)) {
        return TN_USAGE;
    }
    tn_status status = tn_session_create(out->model, NULL, &out->session, error, sizeof error);
    if (status != TN_OK) {
        return tn_tool_error(status, "%s", error);
    }
    tn_session_set_threads(out->session, n_threads);
    out->desc = tn_model_describe(out->model);
    for (int32_t i = 0; i < out->desc->n_entries; i++) {
        if (strcmp(out->desc->entries[i].name, "infer") == 0) {
            out->entry = &out->desc->entries[i];
        }
    }
    out->outputs = calloc((size_t)out->entry->n_outputs + 1, sizeof *out->outputs);
    return out->outputs ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
}

tn_status tn_subject_compile(const Args *args, const Source *source, Subject *out) {
    double start = tn_tool_ms();
    tn_tool_progress("compiling ...");
    tn_status status = tn_compile_jit(source->compiler, source->graph, &out->model);
    tn_tool_progress(NULL);
    out->compile_ms = tn_tool_ms() - start;
    tn_tool_messages(source->compiler);
    return status == TN_OK ? open_session(args, out) : status;
}

tn_status tn_subject_open(const Args *args, const char *path, Subject *out) {
    *out = (Subject){0};
    if (tn_is_compiled(path)) {
        char error[1024];
        tn_status status = tn_model_open(path, &out->model, error, sizeof error);
        return status == TN_OK ? open_session(args, out) : tn_tool_error(status, "%s", error);
    }
    double start = tn_tool_ms();
    tn_status status = tn_source_open(args, path, &out->source);
    double load_ms = tn_tool_ms() - start;
    if (status == TN_OK) {
        status = tn_subject_compile(args, &out->source, out);
    }
    out->compile_ms += load_ms;
    return status;
}

void tn_subject_free(Subject *subject) {
    if (subject->entry) {
        tn_tensors_free(subject->outputs, subject->entry->n_outputs);
    }
    free(subject->outputs);
    tn_session_destroy(subject->session);
    tn_model_close(subject->model);
    tn_source_free(&subject->source);
    *subject = (Subject){0};
}

tn_status tn_subject_plan(Subject *subject, const Inputs *inputs) {
    int32_t n = subject->entry->n_outputs;
    tn_tensors_free(subject->outputs, n);
    tn_status status =
        tn_session_plan(subject->session, inputs->tensors, inputs->n, subject->outputs, n);
    if (status != TN_OK) {
        return tn_tool_error(status, "%s", tn_session_error(subject->session));
    }
    for (int32_t i = 0; i < n; i++) {
        if (!tn_tensor_alloc(&subject->outputs[i])) {
            return tn_tool_error(TN_LIMIT, "output '%s': no memory for its data",
                                 subject->entry->outputs[i].name);
        }
    }
    return TN_OK;
}

tn_status tn_subject_run(Subject *subject, const Inputs *inputs) {
    tn_status status = tn_session_run(subject->session, inputs->tensors, inputs->n,
                                      subject->outputs, subject->entry->n_outputs);
    return status == TN_OK ? status
                           : tn_tool_error(status, "%s", tn_session_error(subject->session));
}
