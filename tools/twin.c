/* twin.c: an entry and its forward part in double precision, compiled.
 *
 * The reference evaluator is exact but takes minutes for what kernels do in a moment. Kernels in
 * double precision are exact enough to take differences of, and gradients made by the same
 * graph in double precision tell what rounding alone does to those in single precision.
 */
#include "tools/twin.h"

#include <stdlib.h>
#include <string.h>

#include "tools/tensor.h"

void tn_twin_make(const Module *module, const char *entry, const Graph *forward, Twin *out) {
    Arena *arena = &module->ctx->arena;
    Module *wide = tn_module_clone(module);
    Graph *losses = tn_graph_clone(forward);
    losses->name = tn_arena_printf(arena, "%s.loss", entry);
    wide->entries.len = 0;
    tn_vec_push(arena, &wide->entries, tn_graph_clone(tn_module_entry(module, tn_sv(entry))));
    tn_vec_push(arena, &wide->entries, losses);
    tn_module_widen(wide);
    *out = (Twin){.module = wide};
}

/* Elements of one tensor into another of the same shape, whose floats may be wider. */
static void widen_tensor(const tn_tensor *from, const tn_tensor *to) {
    if (from->dtype == to->dtype) {
        memcpy(to->data, from->data, tn_tensor_bytes(to));
        return;
    }
    double *out = to->data;
    for (int64_t i = 0, n = tn_tensor_count(from); i < n; i++) {
        out[i] = tn_tensor_get(from, i);
    }
}

static tn_status widen_inputs(Twin *twin, const Inputs *inputs) {
    twin->inputs.tensors = calloc((size_t)inputs->n + 1, sizeof *twin->inputs.tensors);
    if (!twin->inputs.tensors) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    for (; twin->inputs.n < inputs->n; twin->inputs.n++) {
        const tn_tensor *from = &inputs->tensors[twin->inputs.n];
        tn_tensor *to = &twin->inputs.tensors[twin->inputs.n];
        *to = *from;
        to->dtype = from->dtype == TN_F32 ? TN_F64 : from->dtype;
        if (!tn_tensor_alloc(to)) {
            return tn_tool_error(TN_LIMIT, "out of memory");
        }
        widen_tensor(from, to);
    }
    return TN_OK;
}

/* Variables of one role from the model's state. */
static void widen_state(const Twin *twin, const Subject *of, int role) {
    for (int32_t i = 0; i < of->desc->n_state; i++) {
        if (of->desc->state[i].role == role) {
            tn_tensor from = tn_state_tensor(&of->desc->state[i], of->state);
            tn_tensor to = tn_state_tensor(&twin->subject.desc->state[i], twin->subject.state);
            widen_tensor(&from, &to);
        }
    }
}

static tn_status compile(Twin *twin, const Subject *of) {
    twin->subject.source =
        (Source){.compiler = of->source.compiler, .module = (tn_module *)twin->module};
    tn_status status = tn_subject_compile(&twin->subject.source, &twin->subject);
    if (status == TN_OK) {
        twin->subject.state = tn_state_create(twin->subject.model);
    }
    return status != TN_OK || twin->subject.state
               ? status
               : tn_tool_error(TN_LIMIT, "no memory for a state in double precision");
}

tn_status tn_twin_gradients(Twin *twin, const Args *args, const Subject *of) {
    Runner runner;
    widen_state(twin, of, TN_STATE_GRAD);
    tn_status status =
        tn_runner_open(args, &twin->subject, tn_module_entry_of(twin->module, 0), &runner);
    if (status == TN_OK) {
        status = tn_runner_plan(&runner, &twin->inputs);
    }
    if (status == TN_OK) {
        status = tn_runner_run(&runner, &twin->inputs);
    }
    tn_runner_free(&runner);
    widen_state(twin, of, TN_STATE_BUFFER);
    widen_state(twin, of, TN_STATE_COUNTER);
    return status;
}

tn_status tn_twin_open(Twin *twin, const Args *args, const Subject *of, const Inputs *inputs) {
    tn_status status = widen_inputs(twin, inputs);
    if (status == TN_OK) {
        status = compile(twin, of);
    }
    if (status != TN_OK) {
        return status;
    }
    for (int role = TN_STATE_PARAM; role <= TN_STATE_COUNTER; role++) {
        widen_state(twin, of, role);
    }
    status = tn_twin_gradients(twin, args, of);
    if (status == TN_OK) {
        status = tn_runner_open(args, &twin->subject, tn_module_entry_of(twin->module, 1),
                                &twin->losses);
    }
    return status == TN_OK ? tn_runner_plan(&twin->losses, &twin->inputs) : status;
}

void tn_twin_free(Twin *twin) {
    tn_runner_free(&twin->losses);
    tn_tensors_free(twin->inputs.tensors, twin->inputs.n);
    free(twin->inputs.tensors);
    twin->subject.source = (Source){0}; /* the model's */
    tn_subject_free(&twin->subject);
    *twin = (Twin){0};
}

double *tn_twin_values(const Twin *twin, int64_t variable) {
    return (double *)(void *)(twin->subject.state + twin->subject.desc->state[variable].offset);
}

tn_status tn_twin_losses(Twin *twin, double *losses) {
    tn_status status = tn_runner_run(&twin->losses, &twin->inputs);
    for (int32_t i = 0; status == TN_OK && i < twin->losses.entry->n_outputs; i++) {
        losses[i] = tn_tensor_get(&twin->losses.outputs[i], 0);
    }
    return status;
}
