/* lang_run.c: see lang_run.h. */
#include "tests/support/lang_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/lang.h"

static RefTensor zeros(Arena *arena, const Type *type) {
    RefTensor tensor = {.dtype = type->dtype, .rank = type->rank, .count = 1};
    for (int i = 0; i < type->rank; i++) {
        tensor.dims[i] = type->dims[i]->value;
        tensor.count *= tensor.dims[i];
    }
    tensor.i = TN_NEW_ARRAY(arena, int64_t, (size_t)tensor.count + 1);
    return tensor;
}

void lang_open(LangRun *run, const char *source) {
    memset(run, 0, sizeof *run);
    tn_ctx_init(&run->ctx, NULL);
    run->module = tn_lang_import(&run->ctx, source, strlen(source), "model.tn", NULL);
    lang_ready(run);
}

void lang_ready(LangRun *run) {
    Arena *arena = &run->ctx.arena;
    run->text = tn_str(arena);
    tn_str_puts(&run->text, "");
    tn_diag_print(&run->ctx.diags, &run->text);
    if (run->module == NULL) {
        return;
    }
    size_t n = run->module->states.len;
    run->state = TN_NEW_ARRAY(arena, RefTensor, n + 1);
    for (size_t i = 0; i < n; i++) {
        run->state[i] = zeros(arena, &run->module->states.data[i].type);
    }
    run->hyper = TN_NEW_ARRAY(arena, double, run->module->hypers.len + 1);
    for (size_t i = 0; i < run->module->hypers.len; i++) {
        run->hyper[i] = run->module->hypers.data[i].value;
    }
}

void lang_start(LangRun *run, const char *source) {
    lang_open(run, source);
    if (run->module == NULL) {
        fail_msg("%s", run->text.data);
    }
}

void lang_close(LangRun *run) {
    tn_ctx_free(&run->ctx);
}

RefTensor lang_tensor(LangRun *run, DType dtype, int rank, const int64_t *dims,
                      const double *values) {
    RefTensor tensor = {.dtype = dtype, .rank = (uint8_t)rank, .count = 1};
    for (int i = 0; i < rank; i++) {
        tensor.dims[i] = dims[i];
        tensor.count *= dims[i];
    }
    tensor.f = TN_NEW_ARRAY(&run->ctx.arena, double, (size_t)tensor.count + 1);
    for (int64_t i = 0; i < tensor.count; i++) {
        if (tn_dtype_is_float(dtype)) {
            tensor.f[i] = values[i];
        } else {
            tensor.i[i] = (int64_t)values[i];
        }
    }
    return tensor;
}

RefTensor lang_scalar(LangRun *run, DType dtype, double value) {
    return lang_tensor(run, dtype, 0, NULL, &value);
}

RefTensor *lang_call(LangRun *run, const char *entry, const RefTensor *inputs, size_t n) {
    Arena *arena = &run->ctx.arena;
    Graph *graph = tn_module_entry(run->module, tn_sv(entry));
    if (graph == NULL) {
        fail_msg("no entry '%s'", entry);
    }
    assert_int_equal(tn_graph_caller_inputs(graph), n);
    RefTensor *all = TN_NEW_ARRAY(arena, RefTensor, graph->inputs.len + 1);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        InputSource source = graph->sources.data[i];
        all[i] = source.kind == INPUT_CALLER  ? inputs[i]
                 : source.kind == INPUT_STATE ? run->state[source.index]
                                              : lang_scalar(run, TN_F64, run->hyper[source.index]);
    }
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, graph->outputs.len + 1);
    if (!tn_eval_graph(graph, all, arena, out, NULL, NULL)) {
        StrBuf text = tn_str(arena);
        tn_diag_print(&run->ctx.diags, &text);
        fail_msg("%s", text.data);
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        if (graph->outputs.data[i].state >= 0) {
            run->state[graph->outputs.data[i].state] = out[i];
        }
    }
    return out;
}

void lang_init(LangRun *run, int64_t seed) {
    RefTensor in = lang_scalar(run, TN_I64, (double)seed);
    lang_call(run, "init", &in, 1);
}

RefTensor *lang_state(LangRun *run, const char *name) {
    for (size_t i = 0; i < run->module->states.len; i++) {
        if (strcmp(run->module->states.data[i].name, name) == 0) {
            return &run->state[i];
        }
    }
    for (size_t i = 0; i < run->module->states.len; i++) {
        print_message("there is %s\n", run->module->states.data[i].name);
    }
    fail_msg("no variable '%s'", name);
    return NULL;
}

double lang_get(const RefTensor *tensor, int64_t i) {
    return tn_dtype_is_float(tensor->dtype) ? tensor->f[i] : (double)tensor->i[i];
}

void lang_set_hyper(LangRun *run, const char *name, double value) {
    for (size_t i = 0; i < run->module->hypers.len; i++) {
        if (strcmp(run->module->hypers.data[i].name, name) == 0) {
            run->hyper[i] = value;
            return;
        }
    }
    fail_msg("no hyper-parameter '%s'", name);
}
