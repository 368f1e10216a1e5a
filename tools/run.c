/* run.c: tenon run: one run of an entry; outputs to files, or a line about each. */
#include <stdio.h>
#include <string.h>

#include "tools/subject.h"
#include "tools/tensor.h"

static const char *output_at(const void *entry, int32_t i) {
    return ((const tn_entry_desc *)entry)->outputs[i].name;
}

static Names output_names(const tn_entry_desc *entry) {
    return (Names){entry->n_outputs, output_at, entry};
}

/* Before anything runs: a misspelt output should not cost a run. */
static tn_status check_outputs(const Args *args, const tn_entry_desc *entry) {
    int at = 0;
    const char *text, *path;
    Names names = output_names(entry);
    while ((text = tn_args_next(args, OPT_OUTPUT, &at)) != NULL) {
        if (tn_tool_named(&names, text, &path) < 0) {
            return tn_tool_unnamed(TN_BAD_INPUT, &names, OPT_OUTPUT, "output", text);
        }
    }
    return TN_OK;
}

static tn_status write_outputs(const Args *args, const Runner *runner) {
    int at = 0;
    const char *text, *path = NULL;
    tn_status status = TN_OK;
    Names names = output_names(runner->entry);
    while (status == TN_OK && (text = tn_args_next(args, OPT_OUTPUT, &at)) != NULL) {
        int32_t i = tn_tool_named(&names, text, &path);
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
