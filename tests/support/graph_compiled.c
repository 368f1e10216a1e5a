/* graph_compiled.c: graphs compiled into this process against the evaluator. */
#include "tests/support/graph_compiled.h"

#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"
#include "tests/support/graph_sweep.h"

static const int32_t thread_counts[] = {1, 2, 5};
enum { RUNS = sizeof thread_counts / sizeof *thread_counts };

/* One graph with inputs and expected outputs. */
typedef struct Trial {
    Graph *graph;
    Arena *arena;
    const char *text;
    const RefTensor *inputs;
    GenOutputs expected;
    double tolerance;
} Trial;

/* ---- tensors ---- */

static size_t bytes_of(const tn_tensor *tensor) {
    int64_t count = tn_tensor_count(tensor);
    return (size_t)(count > 0 ? count : 0) * tn_dtype_size(tensor->dtype);
}

static tn_tensor tensor_of(const RefTensor *ref) {
    tn_tensor tensor = {.dtype = (int32_t)ref->dtype, .rank = ref->rank};
    memcpy(tensor.dims, ref->dims, sizeof tensor.dims);
    tensor.data = malloc(bytes_of(&tensor));
    tn_ref_to_bytes(ref, tensor.data);
    return tensor;
}

static void free_tensors(tn_tensor *tensors, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(tensors[i].data);
    }
}

/* ---- one run ---- */

/* Plans and runs with `threads` into fresh memory; NULL or what went wrong. */
static const char *run_model(const Trial *trial, const tn_model *model, int32_t threads,
                             const tn_tensor *inputs, tn_tensor *outputs) {
    char error[512] = "";
    tn_session *session;
    int32_t n_in = (int32_t)trial->graph->inputs.len;
    int32_t n_out = (int32_t)trial->graph->outputs.len;
    if (tn_session_create(model, NULL, &session, error, sizeof error) != TN_OK) {
        return tn_arena_printf(trial->arena, "no session: %s", error);
    }
    tn_session_set_threads(session, threads);
    bool ok = tn_session_plan(session, inputs, n_in, outputs, n_out) == TN_OK;
    for (int32_t i = 0; i < n_out && ok; i++) {
        outputs[i].data = malloc(bytes_of(&outputs[i]));
        memset(outputs[i].data, 0xa5, bytes_of(&outputs[i]));
    }
    ok = ok && tn_session_run(session, inputs, n_in, outputs, n_out) == TN_OK;
    const char *wrong =
        ok ? NULL : tn_arena_printf(trial->arena, "does not run: %s", tn_session_error(session));
    tn_session_destroy(session);
    return wrong;
}

static const char *compare_outputs(const Trial *trial, const tn_tensor *outputs) {
    for (size_t i = 0; i < trial->expected.n; i++) {
        RefTensor found = tn_ref_from_bytes(trial->arena, (DType)outputs[i].dtype, outputs[i].rank,
                                            outputs[i].dims, outputs[i].data);
        const char *difference =
            gen_compare(&trial->expected, i, &found, trial->tolerance, trial->arena);
        if (difference != NULL) {
            return tn_arena_printf(trial->arena, "output %zu: %s", i, difference);
        }
    }
    return NULL;
}

static const char *compare_bits(const Trial *trial, const tn_tensor *one, const tn_tensor *other,
                                int32_t threads) {
    for (size_t i = 0; i < trial->expected.n; i++) {
        if (memcmp(one[i].data, other[i].data, bytes_of(&one[i])) != 0) {
            return tn_arena_printf(trial->arena, "output %zu differs in bits with %d threads", i,
                                   threads);
        }
    }
    return NULL;
}

static const char *check_runs(const Trial *trial, const tn_model *model) {
    size_t n_in = trial->graph->inputs.len;
    size_t n_out = trial->graph->outputs.len;
    tn_tensor *inputs = TN_NEW_ARRAY(trial->arena, tn_tensor, n_in + 1);
    tn_tensor *outputs = TN_NEW_ARRAY(trial->arena, tn_tensor, RUNS * n_out + 1);
    for (size_t i = 0; i < n_in; i++) {
        inputs[i] = tensor_of(&trial->inputs[i]);
    }
    const char *wrong = NULL;
    for (size_t r = 0; r < RUNS && wrong == NULL; r++) {
        tn_tensor *found = outputs + r * n_out;
        wrong = run_model(trial, model, thread_counts[r], inputs, found);
        if (wrong == NULL) {
            wrong = r == 0 ? compare_outputs(trial, found)
                           : compare_bits(trial, outputs, found, thread_counts[r]);
        }
    }
    free_tensors(inputs, n_in);
    free_tensors(outputs, RUNS * n_out);
    return wrong;
}

/* ---- one compilation ---- */

static const char *check_level(const Trial *trial, const char *level, const char *march) {
    tn_compiler *compiler = tn_compiler_create();
    if (compiler == NULL) {
        return "no compiler";
    }
    tn_graph *graph = NULL;
    tn_model *model = NULL;
    bool ok =
        tn_compiler_set(compiler, "opt", level) && tn_compiler_set(compiler, "march", march) &&
        tn_compiler_set(compiler, "verify-each", "1") &&
        tn_graph_parse(compiler, trial->text, strlen(trial->text), "random.tn", &graph) == TN_OK &&
        tn_compile_jit(compiler, graph, &model) == TN_OK;
    const char *wrong =
        ok ? check_runs(trial, model)
           : tn_arena_printf(trial->arena, "does not compile: %s", tn_compiler_messages(compiler));
    if (model != NULL) {
        tn_model_close(model);
    }
    tn_compiler_destroy(compiler);
    return wrong == NULL ? NULL
                         : tn_arena_printf(trial->arena, "at -O%s for %s: %s", level, march, wrong);
}

const char *compiled_check(Graph *graph, const RefTensor *inputs, const CompiledSetting *settings,
                           size_t n) {
    Trial trial = {.graph = graph,
                   .arena = &graph->ctx->arena,
                   .text = sweep_text(graph),
                   .inputs = inputs,
                   .tolerance = sweep_tolerance(graph, 2e-5, 1e-9)};
    if (!gen_eval(graph, trial.inputs, trial.arena, &trial.expected)) {
        sweep_messages(graph->ctx);
        return NULL; /* a cut graph may not take these inputs */
    }
    const char *wrong = NULL;
    for (size_t i = 0; i < n && wrong == NULL; i++) {
        wrong = check_level(&trial, settings[i].level, settings[i].march);
    }
    return wrong;
}
