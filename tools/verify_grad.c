/* verify_grad.c: gradients of compiled kernels against central differences of the loss.
 *
 * The loss is evaluated in double precision on the forward graph alone, at parameters moved along
 * random directions of +1 and -1: all parameters at once, then each tensor. What a direction must
 * give is the inner product with the gradient. A tensor that fails is searched by halves for the
 * element that differs most. With several losses a parameter belongs to the one whose differences
 * fit; outputs that do not move at all are no candidates.
 *
 * Differences come from the reference evaluator, and the gradient is what the compiled entry `grad`
 * left in the state. Where that would take too long they come from the twin, a compilation in
 * double precision: its own gradient must fit them, and the entry's gradient must be the twin's
 * but for rounding. How much that is the twin says itself: where single precision sees another
 * side of a kink, so does a twin whose parameters are moved by a few units in the last place.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "ir/op.h"
#include "passes/pass.h"
#include "tools/twin.h"
#include "tools/verify.h"

/* Far enough from rounding (1e-16 / h), near enough not to meet many kinks; one of them fits. */
static const double step_sizes[] = {1e-6, 1e-5, 1e-7, 1e-8, 1e-9, 1e-4, 1e-3, 1e-2};
static const double gradient_floor = 1e-3;
/* What the reference may be asked for: some seconds of its time. */
static const double most_reference_flops = 2e9;
/* Parameters are moved by so much of themselves; gradients in single precision may be off by so
 * many times as much as those that it changes, since every sum rounds, not parameters alone. */
static const double moved_by = 0x1p-22, most_noise = 4;
enum { MAX_LOSSES = 16, N_STEP_SIZES = sizeof step_sizes / sizeof step_sizes[0], NOISE_TRIES = 3 };

/* A parameter that has a gradient. */
typedef struct Parameter {
    const tn_state_desc *var, *grad;
    int64_t count;
    double *values;    /* what losses are evaluated at */
    double *base;      /* its values in the state */
    double *gradient;  /* as compiled: the twin's, if there is one */
    signed char *sign; /* the direction */
    double norm;       /* of the gradient */
    double rounding;   /* with a twin: size of its difference from the entry's gradient */
    double noise;      /* and from the twin's at parameters moved by rounding */
} Parameter;

typedef struct GradCheck {
    const Args *args;
    Subject *subject;
    const char *entry;
    Trial trial;
    Ctx *ctx;
    Graph *forward; /* outputs: the candidates for the loss */
    RefTensor *in;  /* of the reference; NULL: the twin is asked */
    Twin twin;
    Parameter *params;
    size_t n_params;
    uint64_t seed; /* of directions */
    double norm; /* of all gradients */
    double worst;
} GradCheck;

/* Elements lo..hi of one parameter, or all of all (param NULL). */
typedef struct Direction {
    Parameter *param;
    int64_t lo, hi;
} Direction;

/* What moving along a direction shows. */
typedef struct Slope {
    double expected;   /* inner product with the compiled gradient */
    double difference; /* of the loss */
    double error;
    double step; /* that fitted best */
    const char *loss;
} Slope;

/* ---- setting up ---- */

static bool is_loss(const Value *value) {
    return tn_dtype_is_float(value->type.dtype) && tn_type_static_count(&value->type) == 1;
}

/* The entry's graph with just those outputs that may be the loss, and what they need. */
static bool make_forward(GradCheck *g) {
    const Module *module = (const Module *)g->subject->source.module;
    Graph *graph = tn_graph_clone(tn_module_entry(module, tn_sv(g->entry)));
    size_t kept = 0;
    for (size_t i = 0; i < graph->outputs.len; i++) {
        GraphOutput output = graph->outputs.data[i];
        if (output.state < 0 && is_loss(output.value) && kept < MAX_LOSSES) {
            graph->outputs.data[kept++] = output;
        } else {
            output.value->n_uses--;
        }
    }
    graph->outputs.len = kept;
    g->forward = graph;
    return tn_pass_dce(&(Compile){.ctx = g->ctx, .graph = graph});
}

static RefTensor read_input(const GradCheck *g, size_t i) {
    Arena *arena = &g->ctx->arena;
    const Module *module = (const Module *)g->subject->source.module;
    const Type *type = &g->forward->inputs.data[i]->type;
    InputSource source = g->forward->sources.data[i];
    if (source.kind == INPUT_CALLER) {
        const tn_tensor *t = &g->trial.inputs.tensors[i];
        return tn_ref_from_bytes(arena, (DType)t->dtype, t->rank, t->dims, t->data);
    }
    int64_t dims[TN_MAX_RANK] = {0};
    for (uint32_t d = 0; d < type->rank; d++) {
        dims[d] = type->dims[d]->value;
    }
    const void *bytes =
        source.kind == INPUT_STATE
            ? (const void *)(g->subject->state + tn_module_state_offset(module, source.index))
            : (const void *)&module->hypers.data[source.index].value;
    return tn_ref_from_bytes(arena, type->dtype, type->rank, dims, bytes);
}

static double *copy_elements(const GradCheck *g, const tn_tensor *tensor) {
    int64_t n = tn_tensor_count(tensor);
    double *out = TN_NEW_ARRAY(&g->ctx->arena, double, (size_t)n + 1);
    for (int64_t k = 0; k < n; k++) {
        out[k] = tn_tensor_get(tensor, k);
    }
    return out;
}

static void add_parameter(GradCheck *g, size_t input) {
    const tn_model_desc *desc = g->subject->desc;
    int32_t index = g->forward->sources.data[input].index;
    const tn_state_desc *var = &desc->state[index];
    const tn_state_desc *grad = tn_state_gradient(desc, g->entry, var);
    Parameter *p = &g->params[g->n_params];
    if (var->role != TN_STATE_PARAM || !grad) {
        return;
    }
    tn_tensor value = tn_state_tensor(var, g->subject->state);
    tn_tensor gradient = tn_state_tensor(grad, g->trial.got);
    int64_t n = tn_tensor_count(&gradient);
    if (n == 0 || tn_tensor_count(&value) != n) {
        return;
    }
    *p = (Parameter){.var = var, .grad = grad, .count = n};
    p->base = copy_elements(g, &value);
    p->values = g->in ? g->in[input].f : tn_twin_values(&g->twin, index);
    p->gradient =
        g->in ? copy_elements(g, &gradient) : tn_twin_values(&g->twin, grad - desc->state);
    p->sign = TN_NEW_ARRAY(&g->ctx->arena, signed char, (size_t)n);
    for (int64_t k = 0; k < n; k++) {
        p->norm += p->gradient[k] * p->gradient[k];
    }
    g->norm += p->norm;
    p->norm = sqrt(p->norm);
    g->n_params++;
}

/* Signs that depend on --seed alone. */
static void draw_signs(GradCheck *g, uint64_t seed) {
    for (size_t i = 0; i < g->n_params; i++) {
        for (int64_t k = 0; k < g->params[i].count; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            g->params[i].sign[k] = seed >> 62 & 1 ? 1 : -1;
        }
    }
}

static tn_status set_up(void *arg) {
    GradCheck *g = arg;
    int64_t seed;
    size_t n = g->forward->inputs.len;
    if (!tn_args_int(g->args, OPT_SEED, 1, 0, INT64_MAX, &seed)) {
        return TN_USAGE;
    }
    g->in = g->twin.module ? NULL : TN_NEW_ARRAY(&g->ctx->arena, RefTensor, n + 1);
    g->params = TN_NEW_ARRAY(&g->ctx->arena, Parameter, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (g->in) {
            g->in[i] = read_input(g, i);
        }
        if (g->forward->sources.data[i].kind == INPUT_STATE) {
            add_parameter(g, i);
        }
    }
    g->norm = sqrt(g->norm);
    g->seed = (uint64_t)seed;
    draw_signs(g, g->seed);
    return TN_OK;
}

static size_t count_gradients(const GradCheck *g) {
    const tn_model_desc *desc = g->subject->desc;
    size_t n = 0;
    for (int32_t i = 0; i < desc->n_state; i++) {
        n += tn_state_derived(&desc->state[i], g->entry) != NULL;
    }
    return n;
}

/* The forward graph, and where the reference would take too long the twin. */
static tn_status choose(void *arg) {
    GradCheck *g = arg;
    double evaluations = 2.0 * (double)count_gradients(g);
    if (!make_forward(g)) {
        return TN_INTERNAL;
    }
    if (evaluations * tn_entry_flops(g->trial.runner.entry) > most_reference_flops) {
        const Module *module = (const Module *)g->subject->source.module;
        tn_twin_make(module, g->entry, g->forward, &g->twin);
    }
    return TN_OK;
}

/* ---- differences ---- */

static bool losses_at(GradCheck *g, double *losses) {
    if (!g->in) {
        return tn_twin_losses(&g->twin, losses) == TN_OK;
    }
    Arena *arena = &g->ctx->scratch;
    ArenaMark mark = tn_arena_mark(arena);
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, MAX_LOSSES);
    bool ok = tn_eval_graph(g->forward, g->in, arena, out, NULL, NULL);
    for (size_t i = 0; ok && i < g->forward->outputs.len; i++) {
        losses[i] = out[i].f[0];
    }
    tn_arena_reset(arena, mark);
    return ok;
}

/* Puts the parameters of a direction at `h` along it; 0 puts them back. */
static void move(const GradCheck *g, const Direction *d, double h) {
    for (size_t i = 0; i < g->n_params; i++) {
        const Parameter *p = &g->params[i];
        int64_t lo = d->param ? d->lo : 0, hi = d->param ? d->hi : p->count;
        for (int64_t k = lo; (!d->param || d->param == p) && k < hi; k++) {
            p->values[k] = p->base[k] + h * p->sign[k];
        }
    }
}

static double inner_product(const GradCheck *g, const Direction *d) {
    double sum = 0;
    for (size_t i = 0; i < g->n_params; i++) {
        const Parameter *p = &g->params[i];
        int64_t lo = d->param ? d->lo : 0, hi = d->param ? d->hi : p->count;
        for (int64_t k = lo; (!d->param || d->param == p) && k < hi; k++) {
            sum += p->gradient[k] * p->sign[k];
        }
    }
    return sum;
}

/* Differences for each candidate; false after diagnostics. */
static bool differences(GradCheck *g, const Direction *d, double h, double *out) {
    double up[MAX_LOSSES], down[MAX_LOSSES];
    move(g, d, h);
    bool ok = losses_at(g, up);
    move(g, d, -h);
    ok = ok && losses_at(g, down);
    move(g, d, 0);
    for (size_t i = 0; ok && i < g->forward->outputs.len; i++) {
        out[i] = (up[i] - down[i]) / (2 * h);
    }
    return ok;
}

static double slope_error(const GradCheck *g, const Direction *d, double expected,
                          double difference) {
    double scale = d->param ? fmax(d->param->norm, gradient_floor * g->norm) : g->norm;
    scale = fmax(scale, fabs(difference));
    double error = scale > 0 ? fabs(expected - difference) / scale : 0;
    return isfinite(error) ? error : INFINITY;
}

/* The loss that fits, at one step size. */
static bool measure_at(GradCheck *g, const Direction *d, double h, Slope *best) {
    double found[MAX_LOSSES] = {0};
    if (!differences(g, d, h, found)) {
        return false;
    }
    bool moves = false;
    for (size_t i = 0; i < g->forward->outputs.len; i++) {
        moves = moves || found[i] != 0;
    }
    for (size_t i = 0; i < g->forward->outputs.len; i++) {
        double error = slope_error(g, d, best->expected, found[i]);
        if ((found[i] != 0 || !moves) && error < best->error) {
            best->error = error;
            best->difference = found[i];
            best->step = h;
            best->loss = g->forward->outputs.data[i].name;
        }
    }
    return true;
}

static Slope no_slope(const GradCheck *g, const Direction *d) {
    return (Slope){
        .expected = inner_product(g, d), .error = INFINITY, .step = step_sizes[0], .loss = ""};
}

/* Over the step sizes, until one fits. */
static bool measure(GradCheck *g, const Direction *d, Slope *out) {
    *out = no_slope(g, d);
    bool ok = true;
    for (int i = 0; ok && i < N_STEP_SIZES && !(out->error <= tn_tolerance / 10); i++) {
        ok = measure_at(g, d, step_sizes[i], out);
    }
    return ok;
}

/* ---- reporting ---- */

static void print_slope(const Slope *slope, const char *name, const char *type) {
    printf("  %-9.3g ", slope->error);
    tn_tool_show(stdout, name);
    printf("%s%s: %.9g, difference of ", *type ? " " : "", type, slope->expected);
    tn_tool_show(stdout, slope->loss);
    printf(" %.9g\n", slope->difference);
}

/* Halves the range that holds the larger part of the error until one element is left; by the step
 * that `out` says fitted best. */
static bool search(GradCheck *g, Parameter *p, Slope *out, int64_t *where) {
    Direction d = {p, 0, p->count};
    double h = out->step;
    while (d.hi - d.lo > 1) {
        Direction left = {p, d.lo, d.lo + (d.hi - d.lo) / 2};
        Direction right = {p, left.hi, d.hi};
        Slope a = no_slope(g, &left), b = no_slope(g, &right);
        if (!measure_at(g, &left, h, &a) || !measure_at(g, &right, h, &b)) {
            return false;
        }
        d = a.error > b.error ? left : right;
    }
    *where = d.lo;
    return measure(g, &d, out);
}

/* `slope` is what the whole tensor gave. */
static bool locate(GradCheck *g, Parameter *p, Slope slope) {
    int64_t where;
    char place[256];
    tn_tool_progress("looking for the place in %s ...", p->var->name);
    bool ok = search(g, p, &slope, &where);
    tn_tool_progress(NULL);
    if (ok) {
        tn_tensor shape = tn_state_tensor(p->var, g->subject->state);
        tn_tensor_place(&shape, where, place, sizeof place);
        tn_tensor reference = tn_state_tensor(p->grad, g->in ? g->trial.want : g->trial.got);
        printf("            worst at %s: gradient %.9g, %s %.9g, difference of ", place,
               slope.expected * p->sign[where], g->in ? "by the reference" : "in single precision",
               tn_tensor_get(&reference, where));
        tn_tool_show(stdout, slope.loss);
        printf(" %.9g\n", slope.difference * p->sign[where]);
    }
    return ok;
}

static double against_norm(const GradCheck *g, const Parameter *p, double size) {
    double error = size > 0 ? size / fmax(p->norm, gradient_floor * g->norm) : 0;
    return isfinite(size) && isfinite(error) ? error : INFINITY;
}

static bool is_rounding(const GradCheck *g, const Parameter *p) {
    return against_norm(g, p, p->rounding) <= tn_tolerance || p->rounding <= most_noise * p->noise;
}

static void print_rounding(GradCheck *g, const Parameter *p, int64_t where) {
    double error = against_norm(g, p, p->rounding);
    bool forgiven = error > tn_tolerance && is_rounding(g, p);
    g->worst = forgiven ? g->worst : fmax(g->worst, error);
    printf("  %-9.3g   by single precision", error);
    if (error > tn_tolerance) {
        printf("; %.3g by moving parameters as much", against_norm(g, p, p->noise));
    }
    printf("\n");
    if (!is_rounding(g, p)) {
        char place[256];
        tn_tensor got = tn_state_tensor(p->grad, g->trial.got);
        tn_tensor_place(&got, where, place, sizeof place);
        printf("            worst at %s: gradient %.9g, in double precision %.9g\n", place,
               tn_tensor_get(&got, where), p->gradient[where]);
    }
}

/* Size of the difference of a gradient from the twin's, and where it is largest. */
static double distance(const Parameter *p, const tn_tensor *other, int64_t *where) {
    double sum = 0, most = -1;
    for (int64_t k = 0; k < p->count; k++) {
        double difference = fabs(tn_tensor_get(other, k) - p->gradient[k]);
        sum += difference * difference;
        if (!(difference <= most)) {
            most = difference;
            *where = k;
        }
    }
    return sqrt(sum);
}

static int64_t measure_rounding(const GradCheck *g, Parameter *p) {
    int64_t where = 0;
    tn_tensor got = tn_state_tensor(p->grad, g->trial.got);
    p->rounding = distance(p, &got, &where);
    return where;
}

/* The twin's gradients at parameters moved by some units of single precision. */
static bool move_by_rounding(GradCheck *g, uint64_t seed) {
    draw_signs(g, seed);
    for (size_t i = 0; i < g->n_params; i++) {
        const Parameter *p = &g->params[i];
        for (int64_t k = 0; k < p->count; k++) {
            p->values[k] = p->base[k] * (1 + p->sign[k] * moved_by);
        }
    }
    bool ok = tn_twin_gradients(&g->twin, g->args, g->subject) == TN_OK;
    for (size_t i = 0; ok && i < g->n_params; i++) {
        Parameter *p = &g->params[i];
        int64_t where;
        tn_tensor moved = tn_state_tensor(
            &g->twin.subject.desc->state[p->grad - g->subject->desc->state], g->twin.subject.state);
        p->noise = fmax(p->noise, distance(p, &moved, &where));
    }
    return ok;
}

/* Only where something must be told from a mistake: gradients of the twin are copied first. */
static bool measure_noise(GradCheck *g) {
    bool needed = false;
    for (size_t i = 0; i < g->n_params; i++) {
        measure_rounding(g, &g->params[i]);
        needed = needed || !is_rounding(g, &g->params[i]);
    }
    for (size_t i = 0; needed && i < g->n_params; i++) {
        Parameter *p = &g->params[i];
        p->gradient =
            tn_arena_copy(&g->ctx->arena, p->gradient, (size_t)p->count * sizeof *p->gradient);
    }
    bool ok = true;
    for (uint64_t i = 0; needed && ok && i < NOISE_TRIES; i++) {
        ok = move_by_rounding(g, i + 1);
    }
    Direction all = {NULL, 0, 0};
    draw_signs(g, g->seed);
    move(g, &all, 0);
    return ok;
}

static bool check_parameter(GradCheck *g, Parameter *p) {
    Direction d = {p, 0, p->count};
    Slope slope;
    char type[256];
    tn_tensor shape = tn_state_tensor(p->var, g->subject->state);
    tn_tensor_type_text(&shape, type, sizeof type);
    tn_tool_progress("differences along %s ...", p->var->name);
    bool ok = measure(g, &d, &slope);
    tn_tool_progress(NULL);
    if (!ok) {
        return false;
    }
    g->worst = fmax(g->worst, slope.error);
    print_slope(&slope, p->var->name, type);
    if (!g->in) {
        print_rounding(g, p, measure_rounding(g, p));
    }
    return slope.error <= tn_tolerance || locate(g, p, slope);
}

/* All parameters at once says something only where one loss has them all. */
static bool check_together(GradCheck *g) {
    Slope slope;
    Direction all = {NULL, 0, 0};
    if (g->forward->outputs.len != 1 || g->n_params < 2) {
        return true;
    }
    bool ok = measure(g, &all, &slope);
    if (ok) {
        g->worst = fmax(g->worst, slope.error);
        print_slope(&slope, "all parameters together", "");
    }
    return ok;
}

static tn_status check_all(void *arg) {
    GradCheck *g = arg;
    printf("  error     along random signs: by the gradient, by differences in double precision\n");
    bool ok = (g->in || measure_noise(g)) && check_together(g);
    for (size_t i = 0; ok && i < g->n_params; i++) {
        ok = check_parameter(g, &g->params[i]);
    }
    if (!ok) {
        tn_tool_messages(g->subject->source.compiler);
        return TN_INTERNAL;
    }
    return TN_OK;
}

/* Whether the entry gives new values to sums of gradients. */
static bool leaves_gradients(const Subject *subject, const char *entry) {
    const Module *module = (const Module *)subject->source.module;
    const Graph *graph = tn_module_entry(module, tn_sv(entry));
    for (size_t i = 0; i < graph->outputs.len; i++) {
        int32_t state = graph->outputs.data[i].state;
        if (state >= 0 && module->states.data[state].role == TN_STATE_GRAD) {
            return true;
        }
    }
    return false;
}

/* The entry as compiled, and what it is compared with. */
static tn_status prepare(GradCheck *g) {
    tn_compiler *compiler = g->subject->source.compiler;
    Trial *trial = &g->trial;
    tn_status status =
        tn_trial_compiled(trial, g->args, g->subject, g->entry, g->subject->state, 0);
    if (status == TN_OK) {
        g->ctx = tn_compiler_ctx(compiler);
        status = tn_tool_armed(compiler, choose, g);
    }
    if (status == TN_OK) {
        status = g->twin.module ? tn_twin_open(&g->twin, g->args, g->subject, &trial->inputs)
                                : tn_trial_reference(trial);
    }
    return status == TN_OK ? tn_tool_armed(compiler, set_up, g) : status;
}

static tn_status check_entry(GradCheck *g) {
    if (!leaves_gradients(g->subject, g->entry)) {
        return tn_tool_error(TN_BAD_INPUT, "entry '%s' leaves no gradients of parameters",
                             g->entry);
    }
    tn_status status = prepare(g);
    if (status == TN_OK) {
        tn_tool_show(stdout, g->entry);
        printf(", %zu of %zu gradients: ", g->n_params, count_gradients(g));
        tn_verify_sizes(&g->trial.inputs);
        status = tn_tool_armed(g->subject->source.compiler, check_all, g);
    }
    tn_twin_free(&g->twin);
    tn_trial_free(&g->trial);
    return status;
}

tn_status tn_verify_grad(const Args *args, Subject *subject, double *worst) {
    const tn_model_desc *desc = subject->desc;
    const char *only = tn_args_get(args, OPT_ENTRY);
    tn_status status = TN_OK;
    bool found = false;
    for (int32_t i = 0; i < desc->n_entries && status == TN_OK; i++) {
        const char *entry = desc->entries[i].name;
        if (only ? strcmp(only, entry) == 0 : tn_name_ends(entry, "grad")) {
            GradCheck g = {.args = args, .subject = subject, .entry = entry};
            status = check_entry(&g);
            *worst = fmax(*worst, g.worst);
            found = true;
        }
    }
    return status != TN_OK || found
               ? status
               : tn_tool_error(TN_BAD_INPUT, "the model has no entry '%s'", only ? only : "grad");
}
