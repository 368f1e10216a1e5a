/* run.c: tenon run: one run of an entry; outputs to files, or a line about each. */
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

static tn_status write_outputs(const Args *args, const Runner *runner) {
    int at = 0;
    const char *text, *path = NULL;
    tn_status status = TN_OK;
    while (status == TN_OK && (text = tn_args_next(args, OPT_OUTPUT, &at)) != NULL) {
        int32_t i = output_named(runner->entry, text, &path);
        status = tn_tensor_write(path, &runner->outputs[i]);
    }
    if (tn_args_has(args, OPT_OUTPUT)) {
        return status;
    }
    for (int32_t i = 0; i < runner->entry->n_outputs; i++) {
        tn_tensor_print(runner->entry->outputs[i].name, &runner->outputs[i]);
    }
    return status;
}

static tn_status run_once(const Args *args, const Subject *subject, Runner *runner,
                          Inputs *inputs) {
    const char *state = tn_args_get(args, OPT_STATE);
    bool init = strcmp(runner->entry->name, "init") == 0;
    tn_status status = init ? tn_inputs_seed(inputs, args) : tn_inputs_make(inputs, args, 0);
    if (status == TN_OK) {
        status = tn_runner_plan(runner, inputs);
    }
    if (status == TN_OK) {
        status = tn_runner_run(runner, inputs);
    }
    if (status == TN_OK) {
        status = write_outputs(args, runner);
    }
    return status == TN_OK && state ? tn_state_save(state, subject) : status;
}

tn_status tn_cmd_run(const Args *args) {
    const char *path = tn_tool_model_name(args);
    if (!path) {
        return TN_USAGE;
    }
    Subject subject;
    Runner runner = {0};
    Inputs inputs = {0};
    tn_status status = tn_subject_open(args, path, &subject);
    if (status == TN_OK) {
        status = tn_subject_init(args, &subject);
    }
    if (status == TN_OK) {
        status = tn_runner_open(args, &subject, NULL, &runner);
    }
    if (status == TN_OK) {
        status = check_outputs(args, runner.entry);
    }
    if (status == TN_OK) {
        status = tn_inputs_of_entry(subject.desc, runner.entry, &inputs);
    }
    if (status == TN_OK) {
        status = run_once(args, &subject, &runner, &inputs);
    }
    tn_inputs_free(&inputs);
    tn_runner_free(&runner);
    tn_subject_free(&subject);
    return status;
}
