/* verify_train.c: all entries of a model that trains, against the reference evaluator.
 *
 * Both sides run each entry on copies of one state, and what they leave there is compared
 * variable by variable. An optimiser divides by the size of a gradient, so where that is no
 * more than rounding (the bias before a normalisation) the update is noise on both sides.
 * Therefore elements whose gradient is tiny against the largest of the model are left out
 * after an update, and errors of gradients and moments count against a hundredth of that
 * largest one at least. Where a number is so close to the kink of a ReLU that single and double
 * precision see different sides, gradients differ by more than rounding: an entry that fails is
 * tried on other inputs and parameters, as a wrong kernel is wrong there too.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/verify.h"

static const double noise_level = 1e-3, gradient_floor = 1e-2;
enum { ROWS_SHOWN = 5, STEPS = 2, TRIES = 3 };

/* ---- one trial ---- */

static const char *entry_text(const Trial *t, int32_t i) {
    return t->runner.entry->outputs[i].name;
}

static tn_status get_memory(Trial *t) {
    t->got = tn_state_create(t->subject->model);
    t->want = tn_state_create(t->subject->model);
    t->n_outputs = t->runner.entry->n_outputs;
    t->reference = calloc((size_t)t->n_outputs + 1, sizeof *t->reference);
    return t->got && t->want && t->reference ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
}

static tn_status make_inputs(Trial *t) {
    tn_status status = tn_inputs_of_entry(t->subject->desc, t->runner.entry, &t->inputs);
    if (status != TN_OK) {
        return status;
    }
    t->inputs.turn = t->turn;
    return tn_name_ends(t->runner.entry->name, "init") ? tn_inputs_seed(&t->inputs, t->args)
                                                       : tn_inputs_make(&t->inputs, t->args, 0);
}

tn_status tn_trial_reference(Trial *t) {
    const Source *source = &t->subject->source;
    tn_tool_progress("evaluating %s by the reference ...", t->runner.entry->name);
    tn_status status = tn_module_evaluate(source->compiler, source->module, t->runner.entry->name,
                                          t->inputs.tensors, t->inputs.n, t->want, NULL,
                                          t->reference, t->n_outputs);
    tn_tool_progress(NULL);
    if (status != TN_OK) {
        tn_tool_messages(source->compiler);
    }
    return status;
}

tn_status tn_trial_compiled(Trial *t, const Args *args, const Subject *subject, const char *entry,
                            const unsigned char *state, int turn) {
    *t = (Trial){.args = args, .subject = subject, .turn = turn};
    tn_status status = tn_runner_open(args, subject, entry, &t->runner);
    if (status == TN_OK) {
        status = get_memory(t);
    }
    if (status == TN_OK) {
        status = make_inputs(t);
    }
    if (status != TN_OK) {
        return status;
    }
    memcpy(t->got, state, (size_t)subject->desc->state_bytes);
    memcpy(t->want, state, (size_t)subject->desc->state_bytes);
    tn_session_set_state(t->runner.session, t->got);
    status = tn_runner_plan(&t->runner, &t->inputs);
    return status == TN_OK ? tn_runner_run(&t->runner, &t->inputs) : status;
}

tn_status tn_trial_run(Trial *t, const Args *args, const Subject *subject, const char *entry,
                       const unsigned char *state, int turn) {
    tn_status status = tn_trial_compiled(t, args, subject, entry, state, turn);
    return status == TN_OK ? tn_trial_reference(t) : status;
}

void tn_trial_free(Trial *t) {
    tn_tensors_free(t->reference, t->n_outputs);
    free(t->reference);
    tn_state_destroy(t->got);
    tn_state_destroy(t->want);
    tn_inputs_free(&t->inputs);
    tn_runner_free(&t->runner);
    *t = (Trial){0};
}

/* ---- names ---- */

bool tn_name_ends(const char *name, const char *part) {
    size_t n = strlen(name), k = strlen(part);
    return n >= k && strcmp(name + n - k, part) == 0 && (n == k || name[n - k - 1] == '.');
}

size_t tn_entry_block(const char *entry) {
    const char *dot = strrchr(entry, '.');
    return dot ? (size_t)(dot - entry) + 1 : 0;
}

bool tn_entry_sibling(const tn_model_desc *desc, const char *entry, const char *part, char *name,
                      size_t size) {
    snprintf(name, size, "%.*s%s", (int)tn_entry_block(entry), entry, part);
    for (int32_t i = 0; i < desc->n_entries; i++) {
        if (strcmp(desc->entries[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *tn_state_derived(const tn_state_desc *grad, const char *entry) {
    size_t block = tn_entry_block(entry);
    if (grad->role != TN_STATE_GRAD || strncmp(grad->name, entry, block) != 0) {
        return NULL;
    }
    const char *part = grad->name + block, *dot = strchr(part, '.');
    return dot && strncmp(part, "grad", 4) == 0 && (part + 4 == dot || part[4] == '_') ? dot + 1
                                                                                       : NULL;
}

/* Whether `var` is the parameter or a variable that the block's optimiser keeps for it. */
static bool belongs_to(const tn_state_desc *var, const char *entry, const char *param) {
    return var->role == TN_STATE_PARAM
               ? strcmp(var->name, param) == 0
               : var->role == TN_STATE_OPTIMIZER &&
                     strncmp(var->name, entry, tn_entry_block(entry)) == 0 &&
                     tn_name_ends(var->name, param);
}

const tn_state_desc *tn_state_gradient(const tn_model_desc *desc, const char *entry,
                                       const tn_state_desc *var) {
    const tn_state_desc *best = NULL;
    size_t length = 0;
    for (int32_t i = 0; i < desc->n_state; i++) {
        const char *param = tn_state_derived(&desc->state[i], entry);
        if (param && belongs_to(var, entry, param) && strlen(param) > length) {
            best = &desc->state[i];
            length = strlen(param);
        }
    }
    return best;
}

/* ---- comparing states ---- */

/* Gradients by the reference at the state that an update started from. */
typedef struct Noise {
    const char *entry;    /* that took them */
    unsigned char *state; /* NULL: unknown */
    double most;          /* the largest magnitude of all */
} Noise;

static double magnitude(const tn_tensor *tensor) {
    double most = 0;
    for (int64_t i = 0, n = tn_tensor_count(tensor); i < n; i++) {
        double value = fabs(tn_tensor_get(tensor, i));
        most = isfinite(value) && value > most ? value : most;
    }
    return most;
}

static double largest_gradient(const tn_model_desc *desc, const unsigned char *state) {
    double most = 0;
    for (int32_t i = 0; i < desc->n_state; i++) {
        if (desc->state[i].role == TN_STATE_GRAD) {
            tn_tensor tensor = tn_state_tensor(&desc->state[i], state);
            double value = magnitude(&tensor);
            most = value > most ? value : most;
        }
    }
    return most;
}

/* Makes elements of `got` whose gradient is noise those of `want`. */
static void forgive_noise(const tn_tensor *got, const tn_tensor *want, const tn_tensor *gradient,
                          double level) {
    int64_t n = tn_tensor_count(want);
    size_t size = tn_dtype_size(want->dtype);
    for (int64_t i = 0; i < n && tn_tensor_count(gradient) == n; i++) {
        if (fabs(tn_tensor_get(gradient, i)) <= level) {
            memcpy((char *)got->data + (size_t)i * size,
                   (const char *)want->data + (size_t)i * size, size);
        }
    }
}

/* What errors of a moment count against when its gradients are small. */
static double moment_floor(const tn_tensor *want, const tn_tensor *gradient, double most) {
    double least = gradient_floor * most, here = magnitude(gradient);
    return here > 0 && here < least ? magnitude(want) * least / here : 0;
}

static TensorDiff variable_diff(const Trial *t, const tn_state_desc *var, const Noise *noise) {
    const tn_model_desc *desc = t->subject->desc;
    tn_tensor got = tn_state_tensor(var, t->got), want = tn_state_tensor(var, t->want);
    const tn_state_desc *grad = noise->state ? tn_state_gradient(desc, noise->entry, var) : NULL;
    double floor = 0;
    if (var->role == TN_STATE_GRAD) {
        floor = gradient_floor * largest_gradient(desc, t->want);
    } else if (grad) {
        tn_tensor gradient = tn_state_tensor(grad, noise->state);
        forgive_noise(&got, &want, &gradient, noise_level * noise->most);
        floor = var->role == TN_STATE_OPTIMIZER ? moment_floor(&want, &gradient, noise->most) : 0;
    }
    return tn_tensor_diff_above(&got, &want, floor);
}

static double compare_outputs(const Trial *t) {
    double worst = 0;
    for (int32_t i = 0; i < t->n_outputs; i++) {
        const tn_tensor *got = &t->runner.outputs[i], *want = &t->reference[i];
        Compared row = {.name = entry_text(t, i), .what = "output", .shape = *want};
        row.shape.data = NULL;
        row.diff = tn_tensor_same_shape(got, want) ? tn_tensor_diff(got, want)
                                                   : (TensorDiff){.error = INFINITY, .where = -1};
        tn_compared_print(&row);
        worst = fmax(worst, row.diff.error);
    }
    return worst;
}

static const char *role_text(int32_t role) {
    static const char *const names[] = {"parameter", "buffer", "optimiser", "gradient", "counter"};
    return names[role];
}

/* All variables; the worst few are shown, and how many there were. */
static tn_status compare_states(const Trial *t, const Noise *noise, double *worst) {
    const tn_model_desc *desc = t->subject->desc;
    Compared *rows = calloc((size_t)desc->n_state + 1, sizeof *rows);
    int32_t n = 0;
    if (!rows) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    for (int32_t i = 0; i < desc->n_state; i++) {
        const tn_state_desc *var = &desc->state[i];
        TensorDiff diff = variable_diff(t, var, noise);
        if (diff.where >= 0) {
            rows[n] =
                (Compared){var->name, role_text(var->role), diff, tn_state_tensor(var, t->want)};
            rows[n++].shape.data = NULL;
        }
    }
    qsort(rows, (size_t)n, sizeof *rows, tn_compared_order);
    for (int32_t i = 0; i < n && i < ROWS_SHOWN; i++) {
        tn_compared_print(&rows[i]);
    }
    printf("  state: %d of %d variables have the same bits\n", (int)(desc->n_state - n),
           (int)desc->n_state);
    *worst = n > 0 ? fmax(*worst, rows[0].diff.error) : *worst;
    free(rows);
    return TN_OK;
}

/* ---- the entries ---- */

typedef struct Training {
    const Args *args;
    Subject *subject;
    unsigned char *state; /* what the next entry starts from */
    int turn;             /* number of the try */
    double error;         /* the largest of this try */
} Training;

/* Compares `entry` on v->state, which becomes what the compiled entry left. */
static tn_status check_entry(Training *v, const char *entry, const Noise *noise) {
    Trial trial;
    tn_status status = tn_trial_run(&trial, v->args, v->subject, entry, v->state, v->turn);
    if (status == TN_OK) {
        tn_tool_show(stdout, entry);
        printf(": ");
        tn_verify_sizes(&trial.inputs);
        v->error = fmax(v->error, compare_outputs(&trial));
        memcpy(v->state, trial.got, (size_t)v->subject->desc->state_bytes);
        status = compare_states(&trial, noise, &v->error);
    }
    tn_trial_free(&trial);
    return status;
}

/* Steps one after the other; before each the gradients are taken by the reference. */
static tn_status check_steps(Training *v, const char *entry) {
    char grad[512];
    const tn_model_desc *desc = v->subject->desc;
    bool has_grad = tn_entry_sibling(desc, entry, "grad", grad, sizeof grad);
    tn_status status = TN_OK;
    for (int i = 0; i < STEPS && status == TN_OK; i++) {
        Trial before = {0};
        Noise noise = {0};
        if (has_grad) {
            status = tn_trial_run(&before, v->args, v->subject, grad, v->state, v->turn);
        }
        if (has_grad && status == TN_OK) {
            noise = (Noise){grad, before.want, largest_gradient(desc, before.want)};
        }
        status = status == TN_OK ? check_entry(v, entry, &noise) : status;
        tn_trial_free(&before);
    }
    return status;
}

/* Two micro-batches, then their update. */
static tn_status check_accumulation(Training *v, const char *entry) {
    char apply[512];
    const Noise none = {0};
    tn_status status = check_entry(v, entry, &none);
    if (status == TN_OK) {
        status = check_entry(v, entry, &none);
    }
    if (status == TN_OK &&
        tn_entry_sibling(v->subject->desc, entry, "apply", apply, sizeof apply)) {
        status = check_entry(v, apply, &none);
    }
    return status;
}

/* Every entry starts from the initialised state, of another seed at each try; but `init` itself
 * from zeros. */
static tn_status start_state(Training *v, const char *entry) {
    char init[512];
    size_t bytes = (size_t)v->subject->desc->state_bytes;
    bool has_init = tn_entry_sibling(v->subject->desc, "", "init", init, sizeof init);
    memcpy(v->state, v->subject->state, bytes);
    if (tn_name_ends(entry, "init")) {
        memset(v->state, 0, bytes);
    }
    if (v->turn == 0 || !has_init) {
        return TN_OK;
    }
    Trial trial;
    tn_status status = tn_trial_run(&trial, v->args, v->subject, init, v->state, v->turn);
    if (status == TN_OK) {
        memcpy(v->state, trial.got, bytes);
    }
    tn_trial_free(&trial);
    return status;
}

static tn_status check_once(Training *v, const char *entry) {
    const Noise none = {0};
    tn_status status = start_state(v, entry);
    v->error = 0;
    if (status != TN_OK) {
        return status;
    }
    return tn_name_ends(entry, "step")   ? check_steps(v, entry)
           : tn_name_ends(entry, "grad") ? check_accumulation(v, entry)
                                         : check_entry(v, entry, &none);
}

/* The error of the best try. */
static tn_status check_one(Training *v, const char *entry, double *worst) {
    double best = INFINITY;
    tn_status status = TN_OK;
    bool derives = tn_name_ends(entry, "step") || tn_name_ends(entry, "grad");
    for (v->turn = 0; status == TN_OK && v->turn < TRIES; v->turn++) {
        if (v->turn > 0) {
            printf("again on other inputs, as a kink may lie close to these:\n");
        }
        status = check_once(v, entry);
        best = fmin(best, v->error);
        if (best <= tn_tolerance || !derives) {
            break;
        }
    }
    *worst = fmax(*worst, best);
    return status;
}

tn_status tn_verify_train(const Args *args, Subject *subject, double *worst) {
    Training v = {.args = args, .subject = subject, .state = tn_state_create(subject->model)};
    const tn_model_desc *desc = subject->desc;
    const char *only = tn_args_get(args, OPT_ENTRY);
    tn_status status = v.state ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
    if (status == TN_OK && only && !tn_source_entry(args, &subject->source)) {
        status = TN_BAD_INPUT;
    }
    for (int32_t i = 0; i < desc->n_entries && status == TN_OK; i++) {
        char grad[512];
        const char *entry = desc->entries[i].name;
        /* `apply` is done behind `grad`. */
        bool later = !only && tn_name_ends(entry, "apply") &&
                     tn_entry_sibling(desc, entry, "grad", grad, sizeof grad);
        if (only ? strcmp(only, entry) == 0 : !later) {
            status = check_one(&v, entry, worst);
        }
    }
    tn_state_destroy(v.state);
    return status;
}
