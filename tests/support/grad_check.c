#include "tests/support/grad_check.h"

#include <math.h>
#include <string.h>

typedef struct Check {
    Ctx *ctx;
    const GradCase *test;
    uint64_t random;
    Graph *graph;     /* the case */
    Graph *gradient; /* its inputs, then a weight per output; gives a cotangent per float input */
    RefTensor *in; /* of the gradient graph */
    size_t n_in, n_out;
} Check;

static double uniform(Check *check) {
    check->random = check->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(check->random >> 11) * 0x1p-53;
}

static RefTensor tensor_of(Check *check, const Type *type, double lo, double hi) {
    Arena *arena = &check->ctx->arena;
    RefTensor tensor = {.dtype = type->dtype, .rank = type->rank, .count = 1};
    for (uint32_t d = 0; d < type->rank; d++) {
        tensor.dims[d] = type->dims[d]->value;
        tensor.count *= tensor.dims[d];
    }
    tensor.f = TN_NEW_ARRAY(arena, double, (size_t)tensor.count + 1);
    for (int64_t i = 0; i < tensor.count; i++) {
        double u = uniform(check);
        if (tn_dtype_is_float(type->dtype)) {
            tensor.f[i] = lo + (hi - lo) * u;
        } else {
            tensor.i[i] = (int64_t)(u * (double)check->test->n);
        }
    }
    return tensor;
}

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

static bool build(Check *check) {
    Ctx *ctx = check->ctx;
    StrView text = {check->test->text, strlen(check->test->text)};
    check->graph = tn_graph_parse_text(ctx, text, check->test->name);
    if (check->graph == NULL) {
        return false;
    }
    Graph *graph = check->gradient = tn_graph_clone(check->graph);
    check->n_in = graph->inputs.len;
    check->n_out = graph->outputs.len;
    Value **ys = TN_NEW_ARRAY(&ctx->arena, Value *, check->n_out + 1);
    Value **seeds = TN_NEW_ARRAY(&ctx->arena, Value *, check->n_out + 1);
    Value **out = TN_NEW_ARRAY(&ctx->arena, Value *, check->n_in + 1);
    Value **targets = TN_NEW_ARRAY(&ctx->arena, Value *, check->n_in + 1);
    size_t n_targets = 0;
    for (size_t i = 0; i < check->n_out; i++) {
        ys[i] = graph->outputs.data[i].value;
        seeds[i] = tn_graph_add_input(graph, "weight", ys[i]->type);
    }
    for (size_t i = 0; i < check->n_in; i++) {
        if (is_float(graph->inputs.data[i])) {
            targets[n_targets++] = graph->inputs.data[i];
        }
    }
    if (!tn_grad_build(graph, ys, seeds, check->n_out, targets, n_targets, out)) {
        return false;
    }
    Build end = {.graph = graph};
    for (size_t i = 0; i < n_targets; i++) {
        Value *ct = out[i] != NULL ? out[i] : tn_build_number(&end, &targets[i]->type, 0);
        tn_graph_add_output(graph, "cotangent", ct);
    }
    return true;
}

static void fill(Check *check) {
    size_t n = check->n_in + check->n_out;
    check->in = TN_NEW_ARRAY(&check->ctx->arena, RefTensor, n + 1);
    for (size_t i = 0; i < n; i++) {
        bool weight = i >= check->n_in;
        check->in[i] = tensor_of(check, &check->gradient->inputs.data[i]->type,
                                 weight ? -1 : check->test->lo, weight ? 1 : check->test->hi);
    }
}

/* The weighted sum of the outputs; NaN after a diagnostic. */
static double scalar_of(Check *check) {
    Arena *arena = &check->ctx->scratch;
    ArenaMark mark = tn_arena_mark(arena);
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, check->n_out + 1);
    double sum = NAN;
    if (tn_eval_graph(check->graph, check->in, arena, out, NULL, NULL)) {
        sum = 0;
        for (size_t i = 0; i < check->n_out; i++) {
            for (int64_t k = 0; k < out[i].count; k++) {
                sum += out[i].f[k] * check->in[check->n_in + i].f[k];
            }
        }
    }
    tn_arena_reset(arena, mark);
    return sum;
}

static double derivative(Check *check, double *x) {
    double kept = *x, h = 1e-5 * (fabs(kept) > 1 ? fabs(kept) : 1);
    *x = kept + h;
    double after = scalar_of(check);
    *x = kept - h;
    double before = scalar_of(check);
    *x = kept;
    return (after - before) / (2 * h);
}

/* Differences of one input, relative to its largest derivative. */
static double input_error(Check *check, const RefTensor *x, const RefTensor *ct) {
    double worst = 0, largest = 1;
    for (int64_t k = 0; k < x->count; k++) {
        double wanted = derivative(check, &x->f[k]);
        double error = fabs(ct->f[k] - wanted);
        largest = fabs(wanted) > largest ? fabs(wanted) : largest;
        worst = error > worst || isnan(error) ? error : worst;
    }
    return worst / largest;
}

static bool set_up(Check *check) {
    if (!build(check)) {
        return false;
    }
    fill(check);
    return true;
}

double grad_check_error(Ctx *ctx, const GradCase *test, uint64_t seed, GradChangeFn *change,
                        void *arg) {
    Check check = {.ctx = ctx, .test = test, .random = seed};
    if (!set_up(&check)) {
        return -1;
    }
    if (change != NULL) {
        change(arg, check.gradient);
    }
    RefTensor *out =
        TN_NEW_ARRAY(&ctx->arena, RefTensor, check.gradient->outputs.len + check.n_in + 1);
    if (!tn_graph_verify(check.gradient) ||
        !tn_eval_graph(check.gradient, check.in, &ctx->arena, out, NULL, NULL)) {
        return -1;
    }
    double worst = 0;
    for (size_t i = 0, k = check.n_out; i < check.n_in; i++) {
        if (is_float(check.gradient->inputs.data[i])) {
            double error = input_error(&check, &check.in[i], &out[k++]);
            worst = error > worst || isnan(error) ? error : worst;
        }
    }
    return worst;
}

static double dot(const RefTensor *a, const RefTensor *b) {
    double sum = 0;
    for (int64_t k = 0; k < a->count; k++) {
        sum += a->f[k] * b->f[k];
    }
    return sum;
}

double grad_check_dot(Ctx *ctx, const GradCase *test, uint64_t seed) {
    Check check = {.ctx = ctx, .test = test, .random = seed};
    if (!set_up(&check)) {
        return -1;
    }
    /* J' u is linear in u, so its derivative by u, seeded with v, is J v. */
    Graph *graph = check.gradient;
    size_t n_cts = graph->outputs.len - check.n_out;
    Value **ys = TN_NEW_ARRAY(&ctx->arena, Value *, n_cts + 1);
    Value **seeds = TN_NEW_ARRAY(&ctx->arena, Value *, n_cts + 1);
    Value **out = TN_NEW_ARRAY(&ctx->arena, Value *, check.n_out + 1);
    RefTensor *in = TN_NEW_ARRAY(&ctx->arena, RefTensor, check.n_in + check.n_out + n_cts + 1);
    memcpy(in, check.in, (check.n_in + check.n_out) * sizeof *in);
    for (size_t i = 0; i < n_cts; i++) {
        ys[i] = graph->outputs.data[check.n_out + i].value;
        seeds[i] = tn_graph_add_input(graph, "direction", ys[i]->type);
        in[check.n_in + check.n_out + i] = tensor_of(&check, &ys[i]->type, -1, 1);
    }
    if (!tn_grad_build(graph, ys, seeds, n_cts, graph->inputs.data + check.n_in, check.n_out,
                       out)) {
        return -1;
    }
    Build end = {.graph = graph};
    for (size_t i = 0; i < check.n_out; i++) {
        const Type *type = &graph->inputs.data[check.n_in + i]->type;
        tn_graph_add_output(graph, "tangent",
                            out[i] != NULL ? out[i] : tn_build_number(&end, type, 0));
    }
    RefTensor *results = TN_NEW_ARRAY(&ctx->arena, RefTensor, graph->outputs.len + 1);
    if (!tn_eval_graph(graph, in, &ctx->arena, results, NULL, NULL)) {
        return -1;
    }
    double left = 0, right = 0, size = 1e-300;
    for (size_t i = 0; i < check.n_out; i++) {
        left += dot(&in[check.n_in + i], &results[check.n_out + n_cts + i]);
    }
    for (size_t i = 0; i < n_cts; i++) {
        const RefTensor *ct = &results[check.n_out + i], *v = &in[check.n_in + check.n_out + i];
        right += dot(ct, v);
        size += sqrt(dot(ct, ct) * dot(v, v));
    }
    return fabs(left - right) / (size > 1 ? size : 1);
}
