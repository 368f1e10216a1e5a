/* plan.c: sizes for the inputs at hand, worked out once and kept while they last.
 *
 * The key of a plan is everything the model's plan function may look at: the number of
 * threads, the dims of every input, and the values of small integer inputs (they may
 * decide shapes). Inputs with an equal key reuse the plan and the arena.
 */
#include "runtime/rt.h"

#include <stdlib.h>
#include <string.h>

size_t tn_plan_key_bytes(const tn_entry_desc *entry) {
    size_t bytes = sizeof(int64_t);
    for (int32_t i = 0; i < entry->n_inputs; i++) {
        bytes += (size_t)entry->inputs[i].rank * sizeof(int64_t) +
                 RT_CONTENT_MAX * tn_dtype_size(entry->inputs[i].dtype);
    }
    return bytes;
}

static unsigned char *put(unsigned char *to, const void *bytes, size_t size) {
    if (size > 0) {
        memcpy(to, bytes, size);
    }
    return to + size;
}

/* Writes the key of checked inputs; returns its length. */
static size_t make_key(unsigned char *key, const tn_tensor *inputs, int32_t n_inputs,
                       int64_t n_threads) {
    unsigned char *to = put(key, &n_threads, sizeof n_threads);
    for (int32_t i = 0; i < n_inputs; i++) {
        const tn_tensor *t = &inputs[i];
        to = put(to, t->dims, (size_t)t->rank * sizeof t->dims[0]);
        if (tn_decides_shapes(t)) {
            to = put(to, t->data, (size_t)tn_tensor_count(t) * tn_dtype_size(t->dtype));
        }
    }
    return (size_t)(to - key);
}

static tn_status grow_arena(tn_session *session, int64_t bytes) {
    ErrorText error = tn_session_text(session);
    if (bytes < 0) {
        return tn_rt_fail(error, TN_LIMIT, "the memory needed does not fit 64 bits");
    }
    if ((uint64_t)bytes <= session->arena_capacity && session->arena) {
        return TN_OK;
    }
    free(session->arena);
    session->arena_capacity = 0;
    session->arena = tn_region_get((uint64_t)bytes, &session->arena_capacity);
    if (!session->arena) {
        return tn_rt_fail(error, TN_LIMIT, "cannot get %lld bytes of scratch memory",
                          (long long)bytes);
    }
    return TN_OK;
}

static tn_status check_plan(tn_session *session) {
    ErrorText error = tn_session_text(session);
    const int64_t *plan = session->plan;
    if (plan[1] != session->n_outdims) {
        return tn_rt_fail(error, TN_INTERNAL,
                          "the model planned %lld dims for its outputs, "
                          "expected %d",
                          (long long)plan[1], (int)session->n_outdims);
    }
    for (int32_t i = 0; i < session->n_outdims; i++) {
        if (plan[2 + i] < 0) {
            return tn_rt_fail(error, TN_LIMIT, "a dimension of an output does not fit 64 bits");
        }
    }
    return grow_arena(session, plan[0]);
}

static tn_status make_plan(tn_session *session, const tn_tensor *inputs, int32_t n_threads) {
    const tn_entry_desc *entry = session->entry;
    int32_t failed = entry->plan(inputs, n_threads, session->plan);
    if (failed > 0 && failed <= entry->n_checks) {
        return tn_rt_fail(tn_session_text(session), TN_BAD_INPUT, "%s", entry->checks[failed - 1]);
    }
    if (failed != 0) {
        return tn_rt_fail(tn_session_text(session), TN_LIMIT,
                          "sizes of these inputs do not fit 64 bits");
    }
    tn_status status = check_plan(session);
    if (status == TN_OK) {
        tn_crew_prepare(&session->crew, n_threads);
    }
    return status;
}

tn_status tn_plan_update(tn_session *session, const tn_tensor *inputs, int32_t n_inputs) {
    tn_status status = tn_check_inputs(session->model->desc, session->entry, inputs, n_inputs,
                                       session->symbols, tn_session_text(session));
    if (status != TN_OK) {
        return status;
    }
    int32_t n_threads = session->n_threads;
    size_t size = make_key(session->new_key, inputs, n_inputs, n_threads);
    if (session->planned && size == session->key_size &&
        memcmp(session->key, session->new_key, size) == 0) {
        return TN_OK;
    }
    session->planned = false;
    status = make_plan(session, inputs, n_threads);
    if (status != TN_OK) {
        return status;
    }
    unsigned char *old = session->key;
    session->key = session->new_key;
    session->new_key = old;
    session->key_size = size;
    session->planned = true;
    return TN_OK;
}
