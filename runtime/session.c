/* session.c: one entry of a model with the memory of one run at a time.
 *
 * All memory is got at creation and in plan.c; a run only fills pointer tables that
 * are already there. n_threads is resolved when it is set, so the cores are not counted
 * again at each run.
 */
#include "runtime/rt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const tn_entry_desc *find_entry(const tn_model_desc *desc, const char *name) {
    for (int32_t i = 0; i < desc->n_entries; i++) {
        if (strcmp(desc->entries[i].name, name) == 0) {
            return &desc->entries[i];
        }
    }
    return NULL;
}

/* Adds a name to a list that may be cut. */
static void list_name(char *list, size_t size, const char *name) {
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

static tn_status entry_error(const tn_model_desc *desc, const char *name, ErrorText error) {
    char list[256] = "";
    for (int32_t i = 0; i < desc->n_entries; i++) {
        list_name(list, sizeof list, desc->entries[i].name);
    }
    return tn_rt_fail(error, TN_BAD_INPUT, "no entry '%s'; the model has: %s", name, list);
}

static tn_status hyper_error(tn_session *session, const char *name) {
    const tn_model_desc *desc = session->model->desc;
    char list[256] = "";
    for (int64_t i = 0; i < desc->n_hyper; i++) {
        list_name(list, sizeof list, desc->hyper[i].name);
    }
    return tn_rt_fail(tn_session_text(session), TN_BAD_INPUT,
                      "no hyper-parameter '%s'; the model has: %s", name,
                      desc->n_hyper > 0 ? list : "none");
}

static bool ranks_ok(const tn_io_desc *io, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (io[i].rank < 0 || io[i].rank > TN_MAX_RANK || !io[i].name ||
            (io[i].rank > 0 && !io[i].dims)) {
            return false;
        }
    }
    return true;
}

static void *get(size_t count, size_t size) {
    return calloc(count ? count : 1, size);
}

static bool get_memory(tn_session *session) {
    const tn_model_desc *desc = session->model->desc;
    const tn_entry_desc *entry = session->entry;
    size_t key = tn_plan_key_bytes(entry);
    session->plan = get((size_t)entry->n_plan, sizeof(int64_t));
    session->key = get(key, 1);
    session->new_key = get(key, 1);
    session->symbols.values = get((size_t)desc->n_symbols, sizeof(int64_t));
    session->symbols.owners = get((size_t)desc->n_symbols, sizeof(int32_t));
    session->in = get((size_t)entry->n_inputs, sizeof(void *));
    session->out = get((size_t)entry->n_outputs, sizeof(void *));
    session->hyper = get((size_t)desc->n_hyper, sizeof(double));
    return session->plan && session->key && session->new_key && session->symbols.values &&
           session->symbols.owners && session->in && session->out && session->hyper;
}

static void fill_run(tn_session *session) {
    const tn_model_desc *desc = session->model->desc;
    for (int64_t i = 0; i < desc->n_hyper; i++) {
        session->hyper[i] = desc->hyper[i].value;
    }
    session->run = (tn_run){.in = session->in,
                            .out = session->out,
                            .weights = session->model->weights,
                            .plan = session->plan,
                            .hyper = session->hyper,
                            .barrier = tn_team_barrier,
                            .team = &session->crew.team};
}

static tn_status make_session(const tn_model *model, const tn_entry_desc *entry, tn_session **out,
                              ErrorText error) {
    int64_t n_outdims = 0;
    if (!ranks_ok(entry->inputs, entry->n_inputs) || !ranks_ok(entry->outputs, entry->n_outputs)) {
        return tn_rt_fail(error, TN_BAD_INPUT, "entry '%s': damaged description", entry->name);
    }
    for (int32_t i = 0; i < entry->n_outputs; i++) {
        n_outdims += entry->outputs[i].rank;
    }
    if (n_outdims > entry->n_plan - 2) {
        return tn_rt_fail(error, TN_BAD_INPUT, "entry '%s': damaged description", entry->name);
    }
    /* The team inside is aligned to cache lines. */
    tn_session *session = aligned_alloc(_Alignof(tn_session), sizeof *session);
    if (!session) {
        return tn_rt_fail(error, TN_LIMIT, "out of memory");
    }
    memset(session, 0, sizeof *session);
    session->model = model;
    session->entry = entry;
    session->n_outdims = (int32_t)n_outdims;
    tn_crew_init(&session->crew);
    tn_session_set_threads(session, 0);
    if (!get_memory(session)) {
        tn_session_destroy(session);
        return tn_rt_fail(error, TN_LIMIT, "out of memory");
    }
    fill_run(session);
    *out = session;
    return TN_OK;
}

tn_status tn_session_create(const tn_model *model, const char *entry, tn_session **out, char *error,
                            size_t error_size) {
    ErrorText text = {error, error_size};
    tn_rt_fail(text, TN_OK, "%s", "");
    if (!model || !out) {
        return tn_rt_fail(text, TN_USAGE, "tn_session_create: no model, or no place");
    }
    *out = NULL;
    const char *name = entry ? entry : "infer";
    const tn_entry_desc *found = find_entry(model->desc, name);
    return found ? make_session(model, found, out, text) : entry_error(model->desc, name, text);
}

void tn_session_destroy(tn_session *session) {
    if (!session) {
        return;
    }
    tn_crew_free(&session->crew);
    free(session->plan);
    free(session->key);
    free(session->new_key);
    free(session->symbols.values);
    free(session->symbols.owners);
    free(session->in);
    free(session->out);
    free(session->arena);
    free(session->hyper);
    free(session);
}

void tn_session_set_threads(tn_session *session, int32_t n_threads) {
    if (n_threads <= 0) {
        n_threads = tn_cpu_cores();
    }
    session->n_threads = n_threads > RT_MAX_THREADS ? RT_MAX_THREADS : n_threads;
}

int32_t tn_session_threads(const tn_session *session) {
    return session->n_threads;
}

void tn_session_set_pool(tn_session *session, const tn_thread_pool *pool) {
    session->crew.callers = pool ? *pool : (tn_thread_pool){0};
    session->planned = false; /* the next plan prepares the threads anew */
}

void tn_session_set_state(tn_session *session, void *state) {
    session->run.state = state;
}

tn_status tn_session_set_hyper(tn_session *session, const char *name, double value) {
    const tn_model_desc *desc = session->model->desc;
    session->error[0] = '\0';
    for (int64_t i = 0; name && i < desc->n_hyper; i++) {
        if (strcmp(desc->hyper[i].name, name) == 0) {
            session->hyper[i] = value;
            return TN_OK;
        }
    }
    return hyper_error(session, name ? name : "");
}

tn_status tn_session_plan(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                          tn_tensor *outputs, int32_t n_outputs) {
    session->error[0] = '\0';
    tn_status status = tn_plan_update(session, inputs, n_inputs);
    if (status != TN_OK) {
        return status;
    }
    const tn_entry_desc *entry = session->entry;
    if (n_outputs != entry->n_outputs || (n_outputs > 0 && !outputs)) {
        return tn_rt_fail(tn_session_text(session), TN_BAD_INPUT,
                          "room for %d outputs given, the model has %d", (int)n_outputs,
                          (int)entry->n_outputs);
    }
    const int64_t *dims = session->plan + 2;
    for (int32_t i = 0; i < n_outputs; i++) {
        outputs[i].dtype = entry->outputs[i].dtype;
        outputs[i].rank = entry->outputs[i].rank;
        for (int32_t d = 0; d < outputs[i].rank; d++) {
            outputs[i].dims[d] = *dims++;
        }
    }
    return TN_OK;
}

static tn_status check_state(tn_session *session) {
    const unsigned char *state = session->run.state;
    uint64_t bytes = session->model->desc->state_bytes;
    if (bytes > 0 && !state) {
        return tn_rt_fail(tn_session_text(session), TN_USAGE,
                          "the model keeps %llu bytes of state: give the session one "
                          "(tn_state_create, tn_session_set_state) before it runs",
                          (unsigned long long)bytes);
    }
    if (bytes > 0 && (uintptr_t)state % RT_ALIGN != 0) {
        return tn_rt_fail(tn_session_text(session), TN_USAGE,
                          "the state must be aligned to %d bytes", RT_ALIGN);
    }
    return TN_OK;
}

/* Everything before the threads start: plan, checks, pointer tables. */
static tn_status ready(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                       const tn_tensor *outputs, int32_t n_outputs) {
    session->error[0] = '\0';
    tn_status status = check_state(session);
    if (status == TN_OK) {
        status = tn_plan_update(session, inputs, n_inputs);
    }
    if (status == TN_OK) {
        status = tn_check_outputs(session->entry, outputs, n_outputs, session->plan + 2,
                                  tn_session_text(session));
    }
    for (int32_t i = 0; i < n_inputs && status == TN_OK; i++) {
        session->in[i] = inputs[i].data;
        if (!inputs[i].data && tn_tensor_count(&inputs[i]) > 0) {
            status = tn_rt_fail(tn_session_text(session), TN_BAD_INPUT, "input '%s': no data",
                                session->entry->inputs[i].name);
        }
    }
    for (int32_t i = 0; i < n_outputs && status == TN_OK; i++) {
        session->out[i] = outputs[i].data;
    }
    session->run.arena = session->arena;
    return status;
}

static void run_body(void *arg, int32_t thread, int32_t n_threads) {
    const tn_session *session = arg;
    session->entry->run(&session->run, thread, n_threads);
}

tn_status tn_session_run(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                         const tn_tensor *outputs, int32_t n_outputs) {
    tn_status status = ready(session, inputs, n_inputs, outputs, n_outputs);
    if (status == TN_OK) {
        tn_crew_run(&session->crew, session->n_threads, run_body, session);
    }
    return status;
}

typedef struct ProfileJob {
    tn_session *session;
    double *ms;
} ProfileJob;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Thread 0 holds the watch. A kernel lasts from one meeting of all threads to the next: were
 * it timed from where thread 0 begins, the others could be done by then. */
static void profile_body(void *arg, int32_t thread, int32_t n_threads) {
    ProfileJob *job = arg;
    tn_session *session = job->session;
    tn_team_barrier(&session->crew.team);
    double last = thread == 0 ? now_ms() : 0;
    for (int32_t k = 0; k < session->entry->n_kernels; k++) {
        session->entry->run_kernel(&session->run, k, thread, n_threads);
        tn_team_barrier(&session->crew.team);
        if (thread == 0) {
            double now = now_ms();
            job->ms[k] = now - last;
            last = now;
        }
    }
}

tn_status tn_session_profile(tn_session *session, const tn_tensor *inputs, int32_t n_inputs,
                             const tn_tensor *outputs, int32_t n_outputs, double *ms) {
    tn_status status = ready(session, inputs, n_inputs, outputs, n_outputs);
    if (status == TN_OK && (!session->entry->run_kernel || !ms)) {
        status = tn_rt_fail(tn_session_text(session), TN_UNSUPPORTED,
                            "this model was compiled without per-kernel timing");
    }
    ProfileJob job = {session, ms};
    if (status == TN_OK) {
        tn_crew_run(&session->crew, session->n_threads, profile_body, &job);
    }
    return status;
}

const char *tn_session_error(const tn_session *session) {
    return session->error;
}

size_t tn_session_arena_bytes(const tn_session *session) {
    return session->planned && session->plan[0] > 0 ? (size_t)session->plan[0] : 0;
}
