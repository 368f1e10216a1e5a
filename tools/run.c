/* run.c: tenon run: one run of a model; outputs to files, or a line about each. */
#include <stdio.h>
#include <string.h>

#include "tools/subject.h"
#include "tools/tensor.h"

/* The output that "NAME=FILE" is for; `*path` is the rest. -1 when there is none. */
static int32_t output_named(const tn_entry_desc *entry, const char *text, const char **path) {
    for (int32_t i = 0; i < entry->n_outputs; i++) {
        size_t n = strlen(entry->outputs[i].name);
        if (strncmp(text, entry->outputs[i].name, n) == 0 && text[n] == '=') {
            *path = text + n + 1;
            return i;
        }
    }
    return -1;
}

/* Before anything runs: a misspelt output should not cost a run. */
static tn_status check_outputs(const Args *args, const tn_entry_desc *entry) {
    int at = 0;
    const char *text, *path;
    while ((text = tn_args_next(args, OPT_OUTPUT, &at)) != NULL) {
        if (output_named(entry, text, &path) >= 0) {
            continue;
        }
        char names[512] = "";
        for (int32_t i = 0; i < entry->n_outputs; i++) {
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                     entry->outputs[i].name);
        }
        return tn_tool_error(TN_BAD_INPUT, "no output for '%s'; the model has: %s", text, names);
    }
    return TN_OK;
}

static tn_status write_outputs(const Args *args, const Subject *subject) {
    int at = 0;
    const char *text, *path = NULL;
    tn_status status = TN_OK;
    while (status == TN_OK && (text = tn_args_next(args, OPT_OUTPUT, &at)) != NULL) {
        int32_t i = output_named(subject->entry, text, &path);
        status = tn_tensor_write(path, &subject->outputs[i]);
    }
    if (tn_args_has(args, OPT_OUTPUT)) {
        return status;
    }
    for (int32_t i = 0; i < subject->entry->n_outputs; i++) {
        tn_tensor_print(subject->entry->outputs[i].name, &subject->outputs[i]);
    }
    return status;
}

tn_status tn_cmd_run(const Args *args) {
    const char *path = tn_tool_model_name(args);
    if (!path) {
        return TN_USAGE;
    }
    Subject subject;
    Inputs inputs = {0};
    tn_status status = tn_subject_open(args, path, &subject);
    if (status == TN_OK) {
        status = check_outputs(args, subject.entry);
    }
    if (status == TN_OK) {
        status = tn_inputs_of_entry(subject.desc, subject.entry, &inputs);
    }
    if (status == TN_OK) {
        status = tn_inputs_make(&inputs, args, 0);
    }
    if (status == TN_OK) {
        status = tn_subject_plan(&subject, &inputs);
    }
    if (status == TN_OK) {
        status = tn_subject_run(&subject, &inputs);
    }
    if (status == TN_OK) {
        status = write_outputs(args, &subject);
    }
    tn_inputs_free(&inputs);
    tn_subject_free(&subject);
    return status;
}
