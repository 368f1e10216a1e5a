/* grad_check.c: gradients of graphs held against central differences, in f64. */
#include "tests/support/grad_check.h"

#include <math.h>
#include <string.h>

/* ---- numbers ---- */

static double uniform(GradCheck *check, double lo, double hi) {
    check->random = check->random * 6364136223846793005u + 1442695040888963407u;
    return lo + (hi - lo) * (double)(check->random >> 11) * 0x1p-53;
}

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

static RefTensor new_tensor(Arena *arena, const RefTensor *like) {
    RefTensor tensor = *like;
    tensor.f = TN_NEW_ARRAY(arena, double, (size_t)tensor.count + 1);
    return tensor;
}

static void fill(GradCheck *check, RefTensor *tensor, double lo, double hi) {
    for (int64_t i = 0; i < tensor->count; i++) {
        if (tn_dtype_is_float(tensor->dtype)) {
            tensor->f[i] = uniform(check, lo, hi);
        } else {
            tensor->i[i] = (int64_t)floor(uniform(check, -GRAD_INDEX_MAX, GRAD_INDEX_MAX + 1));
        }
    }
}

/* A tensor of the type with every symbol at its value. */
static RefTensor tensor_of(GradCheck *check, const Type *type, const int64_t *symbols) {
    RefTensor tensor = {.dtype = type->dtype, .rank = type->rank, .count = 1};
    for (uint32_t d = 0; d < type->rank; d++) {
        bool known = tn_dim_eval(type->dims[d], symbols, &tensor.dims[d]);
        tensor.dims[d] = known ? tensor.dims[d] : 0;
        tensor.count *= tensor.dims[d];
    }
    return new_tensor(&check->ctx->arena, &tensor);
}

static double dot(const RefTensor *a, const RefTensor *b) {
    double sum = 0;
    for (int64_t k = 0; k < a->count; k++) {
        sum += a->f[k] * b->f[k];
    }
    return sum;
}

const char *grad_check_messages(Ctx *ctx) {
    StrBuf text = tn_str(&ctx->arena);
    tn_str_puts(&text, "");
    tn_diag_print(&ctx->diags, &text);
    return text.data;
}

/* ---- the gradient graph ---- */

static uint32_t count_nodes(const Graph *graph) {
    uint32_t n = 0;
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        n++;
    }
    return n;
}

/* Appends to the outputs the cotangents of the float inputs among the first `n` for the outputs
 * from `first` on, seeded with the inputs behind the first `n_in`. */
static bool add_cotangents(Graph *graph, size_t first, size_t n_out, size_t n_in, size_t n) {
    Arena *arena = &graph->ctx->arena;
    Value **ys = TN_NEW_ARRAY(arena, Value *, n_out + 1);
    Value **targets = TN_NEW_ARRAY(arena, Value *, n + 1);
    Value **out = TN_NEW_ARRAY(arena, Value *, n + 1);
    size_t n_targets = 0;
    for (size_t i = 0; i < n_out; i++) {
        ys[i] = graph->outputs.data[first + i].value;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_float(graph->inputs.data[i])) {
            targets[n_targets++] = graph->inputs.data[i];
        }
    }
    if (!tn_grad_build(graph, ys, graph->inputs.data + n_in, n_out, targets, n_targets, out)) {
        return false;
    }
    Build end = {.graph = graph};
    for (size_t i = 0; i < n_targets; i++) {
        Value *ct = out[i] != NULL ? out[i] : tn_build_number(&end, &targets[i]->type, 0);
        tn_graph_add_output(graph, "cotangent", ct);
    }
    return tn_graph_verify(graph);
}

static bool build(GradCheck *check, Graph *graph) {
    check->graph = graph;
    check->gradient = tn_graph_clone(graph);
    check->n_in = graph->inputs.len;
    check->n_out = graph->outputs.len;
    for (size_t i = 0; i < check->n_out; i++) {
        tn_graph_add_input(check->gradient, "weight", graph->outputs.data[i].value->type);
    }
    check->n_nodes = count_nodes(check->gradient);
    check->in = TN_NEW_ARRAY(&check->ctx->arena, RefTensor, check->gradient->inputs.len + 1);
    check->differences = TN_NEW_ARRAY(&check->ctx->arena, double *, check->n_in + 1);
    return add_cotangents(check->gradient, 0, check->n_out, check->n_in, check->n_in);
}

bool grad_check_graph(GradCheck *check, Ctx *ctx, Graph *graph, const RefTensor *inputs,
                      uint64_t seed) {
    *check = (GradCheck){.ctx = ctx, .random = seed};
    int64_t *symbols;
    if (!build(check, graph) || !tn_eval_symbols(graph, inputs, &ctx->arena, &symbols)) {
        return false;
    }
    memcpy(check->in, inputs, check->n_in * sizeof *inputs);
    for (size_t i = check->n_in; i < check->gradient->inputs.len; i++) {
        check->in[i] = tensor_of(check, &check->gradient->inputs.data[i]->type, symbols);
        fill(check, &check->in[i], -1, 1);
    }
    return true;
}

/* The sizes of the case, by number of symbol. */
static int64_t *symbols_of(Ctx *ctx, const GradCase *test) {
    size_t n = ctx->dims->symbols.len, met = 0;
    int64_t *symbols = TN_NEW_ARRAY(&ctx->arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (ctx->dims->symbols.data[i].kind == SYM_INPUT_DIM && met < GRAD_SYMBOLS) {
            symbols[i] = test->sizes[met++];
        }
    }
    return symbols;
}

bool grad_check_case(GradCheck *check, Ctx *ctx, const GradCase *test, uint64_t seed) {
    StrView text = {test->text, strlen(test->text)};
    Graph *graph = tn_graph_parse_text(ctx, text, test->name);
    if (graph == NULL) {
        return false;
    }
    *check = (GradCheck){.ctx = ctx, .random = seed};
    RefTensor *inputs = TN_NEW_ARRAY(&ctx->arena, RefTensor, graph->inputs.len + 1);
    const int64_t *symbols = symbols_of(ctx, test);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        inputs[i] = tensor_of(check, &graph->inputs.data[i]->type, symbols);
        fill(check, &inputs[i], test->lo, test->hi);
    }
    return grad_check_graph(check, ctx, graph, inputs, check->random);
}

GradCheck grad_check_again(const GradCheck *check, const GradCase *test, uint64_t seed) {
    GradCheck again = *check;
    Arena *arena = &check->ctx->arena;
    size_t n = check->gradient->inputs.len;
    again.random = seed;
    again.in = TN_NEW_ARRAY(arena, RefTensor, n + 1);
    again.differences = TN_NEW_ARRAY(arena, double *, check->n_in + 1);
    for (size_t i = 0; i < n; i++) {
        bool is_weight = i >= check->n_in;
        again.in[i] = new_tensor(arena, &check->in[i]);
        fill(&again, &again.in[i], is_weight ? -1 : test->lo, is_weight ? 1 : test->hi);
    }
    return again;
}

/* ---- central differences ---- */

/* The weighted sum of the outputs; NaN after a diagnostic. */
static double scalar_of(GradCheck *check) {
    Arena *arena = &check->ctx->scratch;
    ArenaMark mark = tn_arena_mark(arena);
    RefTensor *out = TN_NEW_ARRAY(arena, RefTensor, check->n_out + 1);
    double sum = NAN;
    if (tn_eval_graph(check->graph, check->in, arena, out, NULL, NULL)) {
        sum = 0;
        for (size_t i = 0; i < check->n_out; i++) {
            sum += dot(&out[i], &check->in[check->n_in + i]);
        }
    }
    tn_arena_reset(arena, mark);
    return sum;
}

static double difference(GradCheck *check, double *x) {
    double kept = *x, h = 1e-5 * fmax(fabs(kept), 1);
    *x = kept + h;
    double after = scalar_of(check);
    *x = kept - h;
    double before = scalar_of(check);
    *x = kept;
    return (after - before) / (2 * h);
}

static const double *differences_of(GradCheck *check, size_t input) {
    double **found = &check->differences[input];
    RefTensor *x = &check->in[input];
    if (*found == NULL) {
        *found = TN_NEW_ARRAY(&check->ctx->arena, double, (size_t)x->count + 1);
        for (int64_t k = 0; k < x->count; k++) {
            (*found)[k] = difference(check, &x->f[k]);
        }
    }
    return *found;
}

/* Not a number where either is not. */
static double error_of(const double *found, const double *wanted, int64_t n) {
    double worst = 0, largest = 1;
    for (int64_t k = 0; k < n; k++) {
        double error = fabs(found[k] - wanted[k]);
        largest = fmax(largest, fabs(wanted[k]));
        worst = error > worst || isnan(error) ? error : worst;
    }
    return worst / largest;
}

RefTensor *grad_check_outputs(GradCheck *check, Graph *gradient) {
    RefTensor *out = TN_NEW_ARRAY(&check->ctx->arena, RefTensor, gradient->outputs.len + 1);
    bool ok = tn_eval_graph(gradient, check->in, &check->ctx->arena, out, NULL, NULL);
    return ok ? out : NULL;
}

double grad_check_error(GradCheck *check, Graph *gradient) {
    const RefTensor *out = grad_check_outputs(check, gradient);
    if (out == NULL) {
        return -1;
    }
    const RefTensor *ct = out + check->n_out;
    double worst = 0;
    for (size_t i = 0; i < check->n_in; i++) {
        if (is_float(gradient->inputs.data[i])) {
            double error = error_of(ct->f, differences_of(check, i), ct->count);
            worst = error > worst || isnan(error) ? error : worst;
            ct++;
        }
    }
    return worst;
}

/* ---- second derivatives, directions ---- */

/* The gradient graph without the outputs of the graph itself. */
static Graph *cotangents_alone(const GradCheck *check) {
    Graph *graph = tn_graph_clone(check->gradient);
    for (size_t i = 0; i < check->n_out; i++) {
        graph->outputs.data[i].value->n_uses--;
    }
    graph->outputs.len -= check->n_out;
    memmove(graph->outputs.data, graph->outputs.data + check->n_out,
            graph->outputs.len * sizeof *graph->outputs.data);
    for (uint32_t v = 0; v < graph->inputs.len; v++) {
        graph->inputs.data[v]->is_output = false;
    }
    for (Node *node = graph->first; node != NULL; node = node->next) {
        for (uint32_t i = 0; i < node->n_out; i++) {
            node->out[i]->is_output = false;
        }
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        graph->outputs.data[i].value->is_output = true;
    }
    return graph;
}

double grad_check_second_error(GradCheck *check) {
    GradCheck second;
    Graph *graph = cotangents_alone(check);
    bool ok = grad_check_graph(&second, check->ctx, graph, check->in, check->random + 1);
    return ok ? grad_check_error(&second, second.gradient) : -1;
}

double grad_check_dot(GradCheck *check) {
    GradCheck linear;
    Graph *graph = cotangents_alone(check);
    if (!grad_check_graph(&linear, check->ctx, graph, check->in, check->random + 1)) {
        return -1;
    }
    /* The weights of `linear` are v, and its gradient by u, which stands last, is J v. */
    const RefTensor *out = grad_check_outputs(&linear, linear.gradient);
    if (out == NULL) {
        return -1;
    }
    const RefTensor *tangent = out + linear.gradient->outputs.len - check->n_out;
    double left = 0, right = 0, size = 1;
    for (size_t i = 0; i < check->n_out; i++) {
        left += dot(&check->in[check->n_in + i], &tangent[i]);
    }
    for (size_t i = 0; i < linear.n_out; i++) {
        const RefTensor *v = &linear.in[linear.n_in + i];
        right += dot(&out[i], v);
        size = fmax(size, sqrt(dot(&out[i], &out[i]) * dot(v, v)));
    }
    return fabs(left - right) / size;
}

/* The scalar at the inputs moved by `step` along the directions. */
static double scalar_along(GradCheck *check, const RefTensor *along, double step) {
    RefTensor *kept = check->in;
    size_t n = check->gradient->inputs.len;
    check->in = tn_arena_copy(&check->ctx->arena, kept, (n + 1) * sizeof *kept);
    for (size_t i = 0; i < check->n_in; i++) {
        if (is_float(check->graph->inputs.data[i])) {
            check->in[i] = new_tensor(&check->ctx->arena, &kept[i]);
            for (int64_t k = 0; k < kept[i].count; k++) {
                check->in[i].f[k] = kept[i].f[k] + step * along[i].f[k];
            }
        }
    }
    double scalar = scalar_of(check);
    check->in = kept;
    return scalar;
}

static double difference_along(GradCheck *check, const RefTensor *along, double h) {
    return (scalar_along(check, along, h) - scalar_along(check, along, -h)) / (2 * h);
}

double grad_check_along(GradCheck *check, double *wanted, double *rough) {
    RefTensor *along = TN_NEW_ARRAY(&check->ctx->arena, RefTensor, check->n_in + 1);
    const RefTensor *out = grad_check_outputs(check, check->gradient);
    if (out == NULL) {
        return NAN;
    }
    const RefTensor *ct = out + check->n_out;
    double found = 0;
    for (size_t i = 0; i < check->n_in; i++) {
        if (is_float(check->graph->inputs.data[i])) {
            along[i] = new_tensor(&check->ctx->arena, &check->in[i]);
            fill(check, &along[i], -1, 1);
            found += dot(ct++, &along[i]);
        }
    }
    double wide = difference_along(check, along, 2e-6);
    *wanted = difference_along(check, along, 1e-6);
    *rough = fabs(wide - *wanted);
    return found;
}
