/* state.c: the state region of a model that trains, and its hyper-parameters' table.
 *
 * The table is what a file says, so nothing in it is trusted: variables must be tensors of
 * known types that lie one after the other inside the region, under names of their own.
 */
#include "runtime/rt.h"

#include <stdlib.h>
#include <string.h>

static tn_status damaged(ErrorText error, const char *what, const char *kind, int64_t index,
                         const char *why) {
    return tn_rt_fail(error, TN_BAD_INPUT, "%s: damaged describing table: %s %lld %s", what, kind,
                      (long long)index, why);
}

/* Bytes of the variable, -1 when its type makes no sense. */
static int64_t variable_bytes(const tn_state_desc *var) {
    int64_t bytes = (int64_t)tn_dtype_size(var->dtype);
    if (bytes == 0 || var->rank < 0 || var->rank > TN_MAX_RANK || (var->rank > 0 && !var->dims)) {
        return -1;
    }
    for (int32_t i = 0; i < var->rank; i++) {
        if (var->dims[i] < 0 || __builtin_mul_overflow(bytes, var->dims[i], &bytes)) {
            return -1;
        }
    }
    return bytes;
}

/* Variables come in the order of their offsets; `*end` is where the last one ended. */
static const char *variable_wrong(const tn_model_desc *desc, const tn_state_desc *var,
                                  uint64_t *end) {
    int64_t bytes = variable_bytes(var);
    if (!var->name || !*var->name) {
        return "has no name";
    }
    if (bytes < 0) {
        return "is no tensor";
    }
    if (var->role < TN_STATE_PARAM || var->role > TN_STATE_COUNTER) {
        return "has an unknown role";
    }
    if (var->offset % RT_ALIGN != 0) {
        return "is not aligned to 64 bytes";
    }
    if (var->offset > desc->state_bytes || (uint64_t)bytes > desc->state_bytes - var->offset) {
        return "reaches past the end of the state";
    }
    if (var->offset < *end) {
        return "lies over the one before it";
    }
    *end = var->offset + (uint64_t)bytes;
    return NULL;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts `names` to see whether two are the same. */
static tn_status names_check(const char **names, size_t n, const char *what, ErrorText error) {
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return tn_rt_fail(error, TN_BAD_INPUT,
                              "%s: damaged describing table: two variables are named '%s'", what,
                              names[i]);
        }
    }
    return TN_OK;
}

static tn_status variables_check(const tn_model_desc *desc, const char **names, const char *what,
                                 ErrorText error) {
    uint64_t end = 0;
    for (int32_t i = 0; i < desc->n_state; i++) {
        const char *wrong = variable_wrong(desc, &desc->state[i], &end);
        if (wrong) {
            return damaged(error, what, "state variable", i, wrong);
        }
        names[i] = desc->state[i].name;
    }
    return names_check(names, (size_t)desc->n_state, what, error);
}

static tn_status hypers_check(const tn_model_desc *desc, const char **names, const char *what,
                              ErrorText error) {
    for (int64_t i = 0; i < desc->n_hyper; i++) {
        if (!desc->hyper[i].name || !*desc->hyper[i].name) {
            return damaged(error, what, "hyper-parameter", i, "has no name");
        }
        names[i] = desc->hyper[i].name;
    }
    return names_check(names, (size_t)desc->n_hyper, what, error);
}

tn_status tn_state_check(const tn_model_desc *desc, const char *what, ErrorText error) {
    if (desc->n_state < 0 || (desc->n_state > 0 && !desc->state) || desc->n_hyper < 0 ||
        desc->n_hyper > RT_MAX_HYPER || (desc->n_hyper > 0 && !desc->hyper)) {
        return tn_rt_fail(error, TN_BAD_INPUT, "%s: damaged describing table", what);
    }
    size_t n = (size_t)(desc->n_state > desc->n_hyper ? desc->n_state : desc->n_hyper);
    const char **names = calloc(n + 1, sizeof *names);
    if (!names) {
        return tn_rt_fail(error, TN_LIMIT, "%s: out of memory", what);
    }
    tn_status status = variables_check(desc, names, what, error);
    if (status == TN_OK) {
        status = hypers_check(desc, names, what, error);
    }
    free(names);
    return status;
}

void *tn_state_create(const tn_model *model) {
    size_t size;
    void *state = model ? tn_region_get(model->desc->state_bytes, &size) : NULL;
    if (state) {
        memset(state, 0, size);
    }
    return state;
}

void tn_state_destroy(void *state) {
    free(state);
}

tn_status tn_state_find(const tn_model *model, void *state, const char *name, tn_tensor *out) {
    if (!model || !state || !name || !out) {
        return TN_USAGE;
    }
    const tn_model_desc *desc = model->desc;
    for (int32_t i = 0; i < desc->n_state; i++) {
        const tn_state_desc *var = &desc->state[i];
        if (strcmp(var->name, name) == 0) {
            *out = (tn_tensor){.data = (unsigned char *)state + var->offset,
                               .dtype = var->dtype,
                               .rank = var->rank};
            for (int32_t d = 0; d < var->rank; d++) {
                out->dims[d] = var->dims[d];
            }
            return TN_OK;
        }
    }
    *out = (tn_tensor){0};
    return TN_BAD_INPUT;
}
