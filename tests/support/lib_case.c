/* lib_case.c: models in the model language on the reference evaluator. */
#include "tests/support/lib_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *lib_messages(LibModel *model) {
    StrBuf text = tn_str(&model->ctx.arena);
    tn_diag_print(&model->ctx.diags, &text);
    return text.data != NULL ? text.data : "";
}

LibModel *lib_open(const char *what, const char *source) {
    LibModel *model = calloc(1, sizeof *model);
    assert_non_null(model);
    tn_ctx_init(&model->ctx, NULL);
    model->what = what;
    FrontendOptions options = {0};
    model->module =
        tn_frontend_import_module(&model->ctx, source, strlen(source), "case.tn", &options);
    if (model->module == NULL) {
        return model;
    }
    const Module *module = model->module;
    model->state = TN_NEW_ARRAY(&model->ctx.arena, RefTensor, module->states.len + 1);
    model->hyper = TN_NEW_ARRAY(&model->ctx.arena, double, module->hypers.len + 1);
    for (size_t i = 0; i < module->hypers.len; i++) {
        model->hyper[i] = module->hypers.data[i].value;
    }
    return model;
}

void lib_close(LibModel *model) {
    tn_ctx_free(&model->ctx);
    free(model);
}

double lib_number(const RefTensor *tensor, int64_t i) {
    return tn_dtype_is_float(tensor->dtype) ? tensor->f[i] : (double)tensor->i[i];
}

static RefTensor new_tensor(LibModel *model, DType dtype, int rank, const int64_t *dims,
                            const double *values) {
    RefTensor tensor = {.dtype = dtype, .rank = (uint8_t)rank, .count = 1};
    for (int d = 0; d < rank; d++) {
        tensor.dims[d] = dims[d];
        tensor.count *= dims[d];
    }
    tensor.f = TN_NEW_ARRAY(&model->ctx.arena, double, (size_t)tensor.count + 1);
    for (int64_t i = 0; i < tensor.count; i++) {
        if (tn_dtype_is_float(dtype)) {
            tensor.f[i] = values[i];
        } else {
            tensor.i[i] = (int64_t)values[i];
        }
    }
    return tensor;
}

static size_t state_index(LibModel *model, const char *name) {
    StrBuf known = tn_str(&model->ctx.arena);
    for (size_t i = 0; i < model->module->states.len; i++) {
        if (strcmp(model->module->states.data[i].name, name) == 0) {
            return i;
        }
        tn_str_printf(&known, " %s", model->module->states.data[i].name);
    }
    fail_msg("%s: no variable %s among%s", model->what, name, known.data);
    return 0;
}

void lib_set_state(LibModel *model, const char *name, int rank, const int64_t *dims,
                   const double *values) {
    lib_init(model, 1);
    size_t i = state_index(model, name);
    const Type *type = &model->module->states.data[i].type;
    RefTensor tensor = new_tensor(model, type->dtype, rank, dims, values);
    if (tn_type_static_count(type) != tensor.count || type->rank != rank) {
        fail_msg("%s: %s has rank %d and %lld elements", model->what, name, type->rank,
                 (long long)tn_type_static_count(type));
    }
    model->state[i] = tensor;
}

const RefTensor *lib_state(LibModel *model, const char *name) {
    return &model->state[state_index(model, name)];
}

void lib_hyper(LibModel *model, const char *name, double value) {
    for (size_t i = 0; i < model->module->hypers.len; i++) {
        if (strcmp(model->module->hypers.data[i].name, name) == 0) {
            model->hyper[i] = value;
            return;
        }
    }
    fail_msg("%s: no hyper-parameter %s", model->what, name);
}

void lib_input(LibModel *model, const char *name, int rank, const int64_t *dims,
               const double *values) {
    size_t i = 0;
    while (i < model->n_in && strcmp(model->in[i].name, name) != 0) {
        i++;
    }
    assert_true(i < LIB_INPUTS_MAX);
    model->n_in = i == model->n_in ? i + 1 : model->n_in;
    model->in[i].name = tn_arena_copy(&model->ctx.arena, name, strlen(name) + 1);
    model->in[i].tensor = new_tensor(model, TN_F64, rank, dims, values);
}

static RefTensor caller_input(LibModel *model, const Value *value) {
    for (size_t i = 0; i < model->n_in; i++) {
        if (strcmp(model->in[i].name, value->name) == 0) {
            const RefTensor *given = &model->in[i].tensor;
            return new_tensor(model, value->type.dtype, given->rank, given->dims, given->f);
        }
    }
    fail_msg("%s: input %s is not given", model->what, value->name);
    return (RefTensor){0};
}

static RefTensor entry_input(LibModel *model, const Graph *graph, size_t i) {
    InputSource source = graph->sources.data[i];
    if (source.kind == INPUT_STATE) {
        if (model->state[source.index].f == NULL) {
            fail_msg("%s: %s was never set", model->what,
                     model->module->states.data[source.index].name);
        }
        return model->state[source.index];
    }
    if (source.kind == INPUT_HYPER) {
        return new_tensor(model, TN_F64, 0, NULL, &model->hyper[source.index]);
    }
    return caller_input(model, graph->inputs.data[i]);
}

static void run_entry(LibModel *model, const char *entry) {
    Graph *graph = tn_module_entry(model->module, tn_sv(entry));
    if (graph == NULL) {
        fail_msg("%s: no entry %s", model->what, entry);
        return;
    }
    Arena *arena = &model->ctx.arena;
    RefTensor *in = TN_NEW_ARRAY(arena, RefTensor, graph->inputs.len + 1);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        in[i] = entry_input(model, graph, i);
    }
    model->out = TN_NEW_ARRAY(arena, RefTensor, graph->outputs.len + 1);
    if (!tn_eval_graph(graph, in, arena, model->out, NULL, NULL)) {
        fail_msg("%s: entry %s: %s", model->what, entry, lib_messages(model));
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        int32_t state = graph->outputs.data[i].state;
        if (state >= 0) {
            model->state[state] = model->out[i];
        }
    }
    model->ran = graph;
}

void lib_init(LibModel *model, int64_t seed) {
    if (model->ready) {
        return;
    }
    model->ready = true;
    if (tn_module_entry(model->module, tn_sv("init")) != NULL) {
        double number = (double)seed;
        lib_input(model, "seed", 0, NULL, &number);
        run_entry(model, "init");
    }
}

void lib_run(LibModel *model, const char *entry) {
    lib_init(model, 1);
    run_entry(model, entry);
}

const RefTensor *lib_output(LibModel *model, const char *name) {
    const Graph *graph = model->ran;
    size_t n = tn_graph_caller_outputs(graph);
    char *end = NULL;
    unsigned long at = strtoul(name, &end, 10);
    if (end != name && *end == '\0' && at < n) {
        return &model->out[at];
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(graph->outputs.data[i].name, name) == 0) {
            return &model->out[i];
        }
    }
    fail_msg("%s: no output %s", model->what, name);
    return NULL;
}
