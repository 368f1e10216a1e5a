/* subject.c: a model ready to run. */
#include "tools/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tensor.h"

bool tn_is_compiled(const char *path) {
    size_t n = strlen(path);
    return (n > 3 && strcmp(path + n - 3, ".so") == 0) || tn_tool_is_elf(path);
}

tn_status tn_subject_compile(const Source *source, Subject *out) {
    double start = tn_tool_ms();
    tn_tool_progress("compiling ...");
    tn_status status = tn_module_compile_jit(source->compiler, source->module, &out->model);
    tn_tool_progress(NULL);
    out->compile_ms = tn_tool_ms() - start;
    tn_tool_messages(source->compiler);
    out->desc = tn_model_describe(out->model);
    return status;
}

/* What runs one entry needs that and, to have a state, init. */
static tn_status narrow(const Args *args, const Source *source) {
    const char *entry = tn_source_entry(args, source);
    bool starts = tn_source_trains(source) && tn_module_entry_graph(source->module, "init");
    char *entries;
    if (!entry) {
        return TN_BAD_INPUT;
    }
    if (asprintf(&entries, "%s%s", starts ? "init," : "", entry) < 0) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    bool ok = tn_compiler_set(source->compiler, "entries", entries);
    free(entries);
    tn_tool_messages(source->compiler);
    return ok ? TN_OK : TN_USAGE;
}

static const char *symbol_at(const void *desc, int32_t i) {
    return ((const tn_model_desc *)desc)->symbol_names[i];
}

/* What a compiled model cannot heed any more, or does not know. */
static tn_status check_options(const Args *args, const char *path, const tn_model_desc *desc) {
    static const OptId compiling[] = {OPT_OPT,       OPT_MARCH,  OPT_TRAIN_MEMORY, OPT_LOSS,
                                      OPT_OPTIMIZER, OPT_TARGET, OPT_TRAINABLE};
    Names symbols = {desc->n_symbols, symbol_at, desc};
    const char *text, *value;
    for (size_t i = 0; i < sizeof compiling / sizeof *compiling; i++) {
        if (tn_args_has(args, compiling[i])) {
            return tn_tool_error(TN_USAGE, "option '%s' is for compiling, and '%s' is compiled",
                                 tn_opt_row(compiling[i])->spelling, path);
        }
    }
    for (int at = 0; (text = tn_args_next(args, OPT_DIM, &at)) != NULL;) {
        if (tn_tool_named(&symbols, text, &value) < 0) {
            return tn_tool_unnamed(TN_USAGE, &symbols, OPT_DIM, "symbolic dimension", text);
        }
    }
    return TN_OK;
}

static tn_status open_compiled(const Args *args, const char *path, Subject *out) {
    char error[1024];
    tn_status status = tn_model_open(path, &out->model, error, sizeof error);
    out->desc = tn_model_describe(out->model);
    return status == TN_OK ? check_options(args, path, out->desc)
                           : tn_tool_error(status, "%s", error);
}

tn_status tn_subject_open(const Args *args, const char *path, Subject *out) {
    *out = (Subject){0};
    if (tn_is_compiled(path)) {
        return open_compiled(args, path, out);
    }
    double start = tn_tool_ms();
    tn_status status = tn_source_open(args, path, &out->source);
    double load_ms = tn_tool_ms() - start;
    if (status == TN_OK) {
        status = narrow(args, &out->source);
    }
    if (status == TN_OK) {
        status = tn_subject_compile(&out->source, out);
    }
    out->compile_ms += load_ms;
    return status;
}

void tn_subject_free(Subject *subject) {
    tn_state_destroy(subject->state);
    tn_model_close(subject->model);
    tn_source_free(&subject->source);
    *subject = (Subject){0};
}

tn_tensor tn_state_tensor(const tn_state_desc *var, const unsigned char *state) {
    tn_tensor out = {
        .data = (void *)(uintptr_t)(state + var->offset), .dtype = var->dtype, .rank = var->rank};
    for (int32_t d = 0; d < var->rank; d++) {
        out.dims[d] = var->dims[d];
    }
    return out;
}

double tn_entry_flops(const tn_entry_desc *entry) {
    double flops = 0;
    for (int32_t k = 0; entry->kernel_flops && k < entry->n_kernels; k++) {
        flops += entry->kernel_flops[k];
    }
    return flops;
}

static bool has_entry(const tn_model_desc *desc, const char *name) {
    for (int32_t i = 0; i < desc->n_entries; i++) {
        if (strcmp(desc->entries[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* All of init's inputs are the seed. */
static tn_status run_init(const Args *args, const Subject *subject) {
    Runner init = {0};
    Inputs inputs = {0};
    tn_status status = tn_runner_open(args, subject, "init", &init);
    if (status == TN_OK) {
        status = tn_inputs_of_entry(subject->desc, init.entry, &inputs);
    }
    if (status == TN_OK) {
        status = tn_inputs_seed(&inputs, args);
    }
    if (status == TN_OK) {
        status = tn_runner_plan(&init, &inputs);
    }
    if (status == TN_OK) {
        status = tn_runner_run(&init, &inputs);
    }
    tn_inputs_free(&inputs);
    tn_runner_free(&init);
    return status;
}

tn_status tn_subject_init(const Args *args, Subject *subject) {
    if (subject->desc->state_bytes == 0) {
        return !tn_args_has(args, OPT_STATE)
                   ? TN_OK
                   : tn_tool_error(TN_USAGE, "option '--state': the model keeps no state");
    }
    subject->state = tn_state_create(subject->model);
    if (!subject->state) {
        return tn_tool_error(TN_LIMIT, "cannot get %llu bytes for the state",
                             (unsigned long long)subject->desc->state_bytes);
    }
    const char *path = tn_args_get(args, OPT_STATE);
    if (path && access(path, F_OK) == 0) {
        return tn_state_load(path, subject);
    }
    return has_entry(subject->desc, "init") ? run_init(args, subject) : TN_OK;
}

/* "NAME=VALUE" of --hyper. */
static tn_status set_hyper(Runner *runner, const char *text) {
    char name[256], *end;
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text || equals - text >= (ptrdiff_t)sizeof name) {
        return tn_tool_error(TN_USAGE, "option '--hyper': '%s' is not NAME=VALUE", text);
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    double value = strtod(equals + 1, &end);
    if (end == equals + 1 || *end != '\0') {
        return tn_tool_error(TN_USAGE, "option '--hyper': '%s' is not a number", equals + 1);
    }
    tn_status status = tn_session_set_hyper(runner->session, name, value);
    return status == TN_OK ? status
                           : tn_tool_error(status, "%s", tn_session_error(runner->session));
}

static tn_status set_hypers(const Args *args, Runner *runner) {
    int at = 0;
    const char *text;
    tn_status status = TN_OK;
    while (status == TN_OK && (text = tn_args_next(args, OPT_HYPER, &at)) != NULL) {
        status = set_hyper(runner, text);
    }
    return status;
}

tn_status tn_runner_open(const Args *args, const Subject *subject, const char *entry, Runner *out) {
    char error[1024];
    int32_t n_threads;
    const char *asked = tn_args_get(args, OPT_ENTRY);
    const char *name = asked ? asked : tn_args_has(args, OPT_STEP) ? "step" : "infer";
    *out = (Runner){0};
    if (!tn_tool_threads(args, &n_threads)) {
        return TN_USAGE;
    }
    name = entry ? entry : name;
    tn_status status = tn_session_create(subject->model, name, &out->session, error, sizeof error);
    if (status != TN_OK) {
        return tn_tool_error(status, "%s", error);
    }
    tn_session_set_threads(out->session, n_threads);
    tn_session_set_state(out->session, subject->state);
    for (int32_t i = 0; i < subject->desc->n_entries && !out->entry; i++) {
        if (strcmp(subject->desc->entries[i].name, name) == 0) {
            out->entry = &subject->desc->entries[i];
        }
    }
    out->outputs = calloc((size_t)out->entry->n_outputs + 1, sizeof *out->outputs);
    return out->outputs ? set_hypers(args, out) : tn_tool_error(TN_LIMIT, "out of memory");
}

void tn_runner_free(Runner *runner) {
    if (runner->entry) {
        tn_tensors_free(runner->outputs, runner->entry->n_outputs);
    }
    free(runner->outputs);
    tn_session_destroy(runner->session);
    *runner = (Runner){0};
}

tn_status tn_runner_plan(Runner *runner, const Inputs *inputs) {
    int32_t n = runner->entry->n_outputs;
    tn_tensors_free(runner->outputs, n);
    tn_status status =
        tn_session_plan(runner->session, inputs->tensors, inputs->n, runner->outputs, n);
    if (status != TN_OK) {
        return tn_tool_error(status, "%s", tn_session_error(runner->session));
    }
    for (int32_t i = 0; i < n; i++) {
        if (!tn_tensor_alloc(&runner->outputs[i])) {
            return tn_tool_error(TN_LIMIT, "output '%s': no memory for its data",
                                 runner->entry->outputs[i].name);
        }
    }
    return TN_OK;
}

tn_status tn_runner_run(Runner *runner, const Inputs *inputs) {
    tn_status status = tn_session_run(runner->session, inputs->tensors, inputs->n, runner->outputs,
                                      runner->entry->n_outputs);
    return status == TN_OK ? status
                           : tn_tool_error(status, "%s", tn_session_error(runner->session));
}
