/* fix_dims.c: substitution of symbols through a whole graph, node by node. */
#include "frontend/fix_dims.h"

typedef struct Fix {
    Ctx *ctx;
    Graph *to;
    const Dim **symbols, **values;
    size_t n;
    Value **map; /* old value id -> new value */
} Fix;

static const Dim *fix_dim(const Fix *fix, const Dim *dim) {
    return tn_dim_subst(fix->ctx, dim, fix->symbols, fix->values, fix->n);
}

static Type fix_type(const Fix *fix, Type type) {
    for (int i = 0; i < type.rank; i++) {
        type.dims[i] = fix_dim(fix, type.dims[i]);
    }
    return type;
}

static Graph *fix_graph(const Fix *outer, const Graph *graph);

static bool fix_node(const Fix *fix, const Node *node) {
    Arena *arena = &fix->ctx->arena;
    Value **in = TN_NEW_ARRAY(arena, Value *, node->n_in + 1u);
    Attr *attrs = TN_NEW_ARRAY(arena, Attr, node->n_attrs + 1u);
    for (uint32_t i = 0; i < node->n_in; i++) {
        in[i] = fix->map[node->in[i]->id];
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        attrs[i] = node->attrs[i];
        if (attrs[i].kind != ATTR_DIMS) {
            continue;
        }
        const Dim **dims = TN_NEW_ARRAY(arena, const Dim *, attrs[i].n + 1u);
        for (uint32_t d = 0; d < attrs[i].n; d++) {
            dims[d] = fix_dim(fix, attrs[i].dims[d]);
        }
        attrs[i].dims = dims;
    }
    NodeBody body = {node->body != NULL ? fix_graph(fix, node->body) : NULL, node->n_out};
    if (node->body != NULL && body.graph == NULL) {
        return false;
    }
    Node *copy = tn_node_with_body(fix->to, node->op, in, node->n_in, attrs, node->n_attrs, body,
                                   node->loc, NULL);
    for (uint32_t i = 0; copy != NULL && i < node->n_out; i++) {
        copy->blob = node->blob;
        copy->out[i]->name = node->out[i]->name;
        copy->out[i]->type.layout = node->out[i]->type.layout;
        fix->map[node->out[i]->id] = copy->out[i];
    }
    return copy != NULL;
}

static void find_symbols(Fix *fix, const DimBinding *dims, size_t n) {
    fix->symbols = TN_NEW_ARRAY(&fix->ctx->arena, const Dim *, n + 1);
    fix->values = TN_NEW_ARRAY(&fix->ctx->arena, const Dim *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const Dim *symbol = tn_dim_find_symbol(fix->ctx, tn_sv(dims[i].name));
        if (symbol != NULL) {
            fix->symbols[fix->n] = symbol;
            fix->values[fix->n++] = tn_dim_const(fix->ctx, dims[i].value);
        }
    }
}

/* A copy of the graph with the symbols of `outer` replaced. */
static Graph *fix_graph(const Fix *outer, const Graph *graph) {
    Fix fix = *outer;
    fix.to = tn_graph_new(graph->ctx, graph->name);
    fix.map = TN_NEW_ARRAY(&graph->ctx->arena, Value *, graph->n_values + 1u);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Value *input = graph->inputs.data[i];
        fix.map[input->id] = tn_graph_add_source(fix.to, input->name, fix_type(&fix, input->type),
                                                 graph->sources.data[i]);
        fix.to->bound.data[i] = graph->bound.data[i];
    }
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        if (!fix_node(&fix, node)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        const Constraint *c = &graph->constraints.data[i];
        if (!tn_graph_require_eq(fix.to, fix_dim(&fix, c->a), fix_dim(&fix, c->b), (Loc){0},
                                 c->text)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        const GraphOutput *output = &graph->outputs.data[i];
        tn_graph_add_update(fix.to, output->name, fix.map[output->value->id], output->state);
    }
    return fix.to;
}

Graph *tn_graph_fix_dims(const Graph *graph, const DimBinding *dims, size_t n) {
    Fix fix = {.ctx = graph->ctx};
    find_symbols(&fix, dims, n);
    return fix_graph(&fix, graph);
}
