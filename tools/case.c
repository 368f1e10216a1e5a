/* case.c: one case: model.onnx and test_data_set_*, each with input_*.pb and output_*.pb.
 *
 * Small inputs are bound when the model is compiled, for models whose shapes depend on
 * values; a later data set that the compiled model refuses gets a compilation of its
 * own. The tolerances are the suite's: rtol 1e-3, atol 1e-7, unless data.json has others.
 * Of that file two numbers are wanted, so it is searched for them, not parsed.
 */
#include "tools/case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/inputs.h"
#include "tools/tensor.h"

enum { MAX_TENSORS = 256, PATH_BYTES = 4096, BIND_ELEMENTS = 64 };

/* input_0.pb, input_1.pb, ... or the outputs. */
typedef struct Series {
    tn_tensor items[MAX_TENSORS];
    char *names[MAX_TENSORS];
    int32_t n;
} Series;

typedef struct DataSet {
    Series in, want;
    tn_tensor got[MAX_TENSORS];
} DataSet;

typedef struct Case {
    const Args *args;
    const char *dir;
    char *reason;
    double rtol, atol;
    tn_compiler *compiler;
    tn_graph *graph;
    tn_model *model;
    int compiled_for; /* the data set that was bound */
} Case;

static CaseResult because(const Case *c, CaseResult result, const char *text) {
    snprintf(c->reason, CASE_REASON, "%.*s", (int)strcspn(text, "\n"), text);
    return result;
}

/* The first message that is an error, without the path before it. */
static CaseResult compiler_says(const Case *c, tn_status status) {
    const char *text = tn_compiler_messages(c->compiler), *error = strstr(text, "error: ");
    CaseResult result = status == TN_UNSUPPORTED ? CASE_UNSUPPORTED : CASE_FAIL;
    return because(c, result, error ? error + 7 : text);
}

static double number_after(const char *text, const char *key, double fallback) {
    const char *at = strstr(text, key);
    at = at ? strchr(at, ':') : NULL;
    if (!at) {
        return fallback;
    }
    char *end;
    double value = strtod(at + 1, &end);
    return end != at + 1 && isfinite(value) && value >= 0 ? value : fallback;
}

static void read_tolerances(Case *c) {
    char path[PATH_BYTES], text[4096];
    c->rtol = 1e-3;
    c->atol = 1e-7;
    snprintf(path, sizeof path, "%s/data.json", c->dir);
    FILE *file = tn_tool_open(path);
    if (!file) {
        return;
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    c->rtol = number_after(text, "\"rtol\"", c->rtol);
    c->atol = number_after(text, "\"atol\"", c->atol);
}

static bool set_exists(const Case *c, int set) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/test_data_set_%d", c->dir, set);
    return access(path, F_OK) == 0;
}

/* Reads PREFIX_0.pb, PREFIX_1.pb, ... while there are such files. */
static tn_status read_series(const Case *c, int set, const char *prefix, Series *out) {
    for (out->n = 0; out->n < MAX_TENSORS; out->n++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/test_data_set_%d/%s_%d.pb", c->dir, set, prefix,
                 (int)out->n);
        if (access(path, F_OK) != 0) {
            break;
        }
        tn_status status =
            tn_pb_read(path, &out->items[out->n], &out->names[out->n], c->reason, CASE_REASON);
        if (status != TN_OK) {
            return status;
        }
    }
    return TN_OK;
}

static void free_series(Series *series) {
    tn_tensors_free(series->items, series->n);
    for (int32_t i = 0; i < series->n; i++) {
        free(series->names[i]);
    }
    series->n = 0;
}

static void close_model(Case *c) {
    tn_model_close(c->model);
    tn_compiler_destroy(c->compiler);
    c->model = NULL;
    c->compiler = NULL;
}

static void bind_small(const Case *c, const Series *in) {
    for (int32_t i = 0; i < in->n; i++) {
        if (in->names[i][0] != '\0' && tn_tensor_count(&in->items[i]) <= BIND_ELEMENTS) {
            tn_compiler_bind(c->compiler, in->names[i], &in->items[i]);
        }
    }
}

/* Compiles the model; `in` may be NULL. */
static CaseResult compile(Case *c, int set, const Series *in) {
    char path[PATH_BYTES];
    tn_status status;
    close_model(c);
    c->compiled_for = set;
    c->compiler = tn_tool_compiler(c->args, &status);
    if (!c->compiler) {
        return because(c, CASE_FAIL, "the compiler refuses its options");
    }
    if (in) {
        bind_small(c, in);
    }
    snprintf(path, sizeof path, "%s/model.onnx", c->dir);
    status = tn_graph_load(c->compiler, path, &c->graph);
    if (status == TN_OK) {
        status = tn_compile_jit(c->compiler, c->graph, &c->model);
    }
    return status == TN_OK ? CASE_OK : compiler_says(c, status);
}

static CaseResult compare(const Case *c, const DataSet *set) {
    for (int32_t i = 0; i < set->want.n; i++) {
        const tn_tensor *got = &set->got[i], *want = &set->want.items[i];
        const char *name = tn_graph_output_name(c->graph, i);
        char a[256], b[256], place[256];
        int64_t at;
        tn_tensor_type_text(got, a, sizeof a);
        tn_tensor_type_text(want, b, sizeof b);
        if (!tn_tensor_same_shape(got, want)) {
            snprintf(c->reason, CASE_REASON, "output '%.99s' is %s, expected %s", name, a, b);
            return CASE_FAIL;
        }
        if (!tn_tensor_close(got, want, c->rtol, c->atol, &at)) {
            tn_tensor_place(want, at, place, sizeof place);
            snprintf(c->reason, CASE_REASON, "output '%.99s' %s at %s is %.9g, expected %.9g", name,
                     b, place, tn_tensor_get(got, at), tn_tensor_get(want, at));
            return CASE_FAIL;
        }
    }
    return CASE_OK;
}

/* Plans and runs; `*status` is the session's, for a second try with other bindings. */
static CaseResult run_session(const Case *c, tn_session *session, DataSet *set, tn_status *status) {
    int32_t n = set->want.n;
    *status = tn_session_plan(session, set->in.items, set->in.n, set->got, n);
    if (*status != TN_OK) {
        return because(c, CASE_FAIL, tn_session_error(session));
    }
    for (int32_t i = 0; i < n; i++) {
        if (!tn_tensor_alloc(&set->got[i])) {
            return because(c, CASE_FAIL, "no memory for the outputs");
        }
    }
    *status = tn_session_run(session, set->in.items, set->in.n, set->got, n);
    return *status == TN_OK ? compare(c, set) : because(c, CASE_FAIL, tn_session_error(session));
}

static CaseResult run_set(const Case *c, DataSet *set, tn_status *status) {
    char error[CASE_REASON];
    tn_session *session;
    int32_t n_threads;
    tn_tool_threads(c->args, &n_threads);
    *status = tn_session_create(c->model, NULL, &session, error, sizeof error);
    if (*status != TN_OK) {
        return because(c, CASE_FAIL, error);
    }
    tn_session_set_threads(session, n_threads > 0 ? n_threads : 1);
    CaseResult result = run_session(c, session, set, status);
    tn_tensors_free(set->got, set->want.n);
    tn_session_destroy(session);
    return result;
}

/* Tensors of a kind we do not read: what matters more is what the model itself says. */
static CaseResult data_unreadable(Case *c, tn_status status) {
    char said[CASE_REASON];
    snprintf(said, sizeof said, "%s", c->reason);
    CaseResult result = compile(c, -1, NULL);
    if (result == CASE_OK) {
        result = because(c, status == TN_UNSUPPORTED ? CASE_UNSUPPORTED : CASE_FAIL, said);
    }
    return result;
}

static CaseResult try_set(Case *c, int number, DataSet *set) {
    tn_status status = read_series(c, number, "input", &set->in);
    if (status == TN_OK) {
        status = read_series(c, number, "output", &set->want);
    }
    if (status != TN_OK) {
        return data_unreadable(c, status);
    }
    CaseResult result = c->model ? CASE_OK : compile(c, number, &set->in);
    if (result != CASE_OK) {
        return result;
    }
    result = run_set(c, set, &status);
    if (status == TN_BAD_INPUT && c->compiled_for != number) {
        result = compile(c, number, &set->in);
        if (result == CASE_OK) {
            result = run_set(c, set, &status);
        }
    }
    return result;
}

CaseResult tn_case_run(const Args *args, const char *dir, char *reason) {
    Case c = {.args = args, .dir = dir, .reason = reason};
    DataSet *set = calloc(1, sizeof *set);
    reason[0] = '\0';
    if (!set) {
        return because(&c, CASE_FAIL, "out of memory");
    }
    read_tolerances(&c);
    CaseResult result = set_exists(&c, 0) ? CASE_OK : because(&c, CASE_FAIL, "no test_data_set_0");
    for (int number = 0; result == CASE_OK && set_exists(&c, number); number++) {
        result = try_set(&c, number, set);
        free_series(&set->in);
        free_series(&set->want);
    }
    close_model(&c);
    free(set);
    return result;
}
