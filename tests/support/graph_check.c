/* graph_check.c: evaluating, comparing and shrinking random graphs. */
#include "tests/support/graph_gen.h"

#include <math.h>

/* ---- evaluation ---- */

/* Small multiples of a power of two are exact however they are computed. */
static bool is_dyadic(double value) {
    return fabs(value) < 0x1p20 && ldexp(value, 20) == rint(ldexp(value, 20));
}

/* A number in -1..1 that differs from element to element. */
static double noise(uint64_t value, int64_t element) {
    uint64_t z = (value << 32 ^ (uint64_t)element) * 0x9e3779b97f4a7c15ull + 1;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    return (double)(z >> 40) * 0x1p-23 - 1;
}

/* Errors of the size that computing in the value's dtype makes, in the place of the doubles. */
static void disturb(void *arg, const Value *value, const RefTensor *tensor) {
    (void)arg;
    double unit = value->type.dtype == TN_F32 ? 0x1p-24 : 0x1p-53;
    for (int64_t i = 0; tn_dtype_is_float(value->type.dtype) && i < tensor->count; i++) {
        if (!is_dyadic(tensor->f[i])) {
            tensor->f[i] *= 1 + 2 * unit * noise(value->id, i);
        }
    }
}

bool gen_eval(Graph *graph, const RefTensor *inputs, Arena *arena, GenOutputs *out) {
    out->n = graph->outputs.len;
    out->exact = TN_NEW_ARRAY(arena, RefTensor, out->n + 1);
    out->disturbed = TN_NEW_ARRAY(arena, RefTensor, out->n + 1);
    return tn_eval_graph(graph, inputs, arena, out->exact, NULL, NULL) &&
           tn_eval_graph(graph, inputs, arena, out->disturbed, disturb, NULL);
}

/* ---- comparison ---- */

static const double sensitivity_factor = 64;

static double tolerance_of(const RefTensor *exact, const RefTensor *disturbed, double relative) {
    double most = 0;
    double sensitive = 0;
    for (int64_t i = 0; i < exact->count; i++) {
        if (isfinite(exact->f[i])) {
            most = fmax(most, fabs(exact->f[i]));
            sensitive = fmax(sensitive, fabs(exact->f[i] - disturbed->f[i]));
        }
    }
    double least = exact->dtype == TN_F32 ? 0x1p-126 : 0x1p-1022; /* less may be lost */
    return relative * most + sensitivity_factor * sensitive + least;
}

static bool same_float(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b);
    }
    return a == b || (isfinite(a) && isfinite(b) && fabs(a - b) <= tolerance);
}

static const char *shape_difference(const RefTensor *a, const RefTensor *b, Arena *arena) {
    if (a->dtype != b->dtype || a->rank != b->rank) {
        return tn_arena_printf(arena, "dtype %d rank %d against %d and %d", (int)a->dtype, a->rank,
                               (int)b->dtype, b->rank);
    }
    for (int d = 0; d < a->rank; d++) {
        if (a->dims[d] != b->dims[d]) {
            return tn_arena_printf(arena, "dimension %d is %lld against %lld", d,
                                   (long long)a->dims[d], (long long)b->dims[d]);
        }
    }
    return NULL;
}

const char *gen_compare(const GenOutputs *expected, size_t i, const RefTensor *found,
                        double relative, Arena *arena) {
    const RefTensor *exact = &expected->exact[i];
    const char *shape = shape_difference(exact, found, arena);
    if (shape != NULL) {
        return shape;
    }
    bool is_float = tn_dtype_is_float(exact->dtype);
    double tolerance = is_float ? tolerance_of(exact, &expected->disturbed[i], relative) : 0;
    for (int64_t k = 0; k < exact->count; k++) {
        if (is_float && !same_float(exact->f[k], found->f[k], tolerance)) {
            return tn_arena_printf(arena, "element %lld is %.17g, expected %.17g within %.3g",
                                   (long long)k, found->f[k], exact->f[k], tolerance);
        }
        if (!is_float && exact->i[k] != found->i[k]) {
            return tn_arena_printf(arena, "element %lld is %lld, expected %lld", (long long)k,
                                   (long long)found->i[k], (long long)exact->i[k]);
        }
    }
    return NULL;
}

/* ---- shrinking ---- */

static void drop_unused(Graph *graph) {
    for (Node *node = graph->last, *prev; node != NULL; node = prev) {
        prev = node->prev;
        uint32_t uses = 0;
        for (uint32_t i = 0; i < node->n_out; i++) {
            uses += node->out[i]->n_uses;
        }
        if (uses == 0) {
            tn_node_remove(graph, node);
        }
    }
}

static uint32_t count_nodes(const Graph *graph) {
    uint32_t n = 0;
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        n++;
    }
    return n;
}

/* A copy with output `only` alone. */
static Graph *with_output(const Graph *graph, size_t only) {
    Graph *copy = tn_graph_clone(graph);
    GraphOutput kept = copy->outputs.data[only];
    for (size_t i = 0; i < copy->outputs.len; i++) {
        copy->outputs.data[i].value->n_uses--;
        copy->outputs.data[i].value->is_output = false;
    }
    copy->outputs.len = 0;
    tn_graph_add_output(copy, kept.name, kept.value);
    drop_unused(copy);
    return copy;
}

/* A copy where the result of the node at `position` is an input. */
static Graph *with_cut(const Graph *graph, uint32_t position) {
    Graph *copy = tn_graph_clone(graph);
    Node *node = copy->first;
    while (position-- > 0) {
        node = node->next;
    }
    StrBuf name = tn_str(&graph->ctx->arena);
    tn_str_printf(&name, "cut%zu", copy->inputs.len);
    Value *input = tn_graph_add_input(copy, name.data, node->out[0]->type);
    tn_value_replace(copy, node->out[0], input);
    drop_unused(copy);
    return copy;
}

/* Tries every cut, later nodes first; NULL when none still fails. */
static Graph *smaller(Graph *graph, GenFails *fails, void *arg) {
    for (uint32_t i = count_nodes(graph); i-- > 0;) {
        Graph *cut = with_cut(graph, i);
        if (count_nodes(cut) < count_nodes(graph) && fails(arg, cut)) {
            return cut;
        }
    }
    return NULL;
}

Graph *gen_shrink(Graph *graph, GenFails *fails, void *arg) {
    for (size_t i = 0; i < graph->outputs.len && graph->outputs.len > 1; i++) {
        Graph *one = with_output(graph, i);
        if (fails(arg, one)) {
            graph = one;
            break;
        }
    }
    Graph *next;
    while ((next = smaller(graph, fails, arg)) != NULL) {
        graph = next;
    }
    return graph;
}
