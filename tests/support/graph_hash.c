/* graph_hash.c: see graph_hash.h. Sums and products are hashed by adding up their parts, as the
 * order of the parts follows ids.
 */
#include "tests/support/graph_hash.h"

#include <string.h>

#include "base/map.h"

typedef struct Hasher {
    const Graph *graph;
    Ctx *ctx;
    Map dims;         /* hash by id of the dim */
    uint32_t *numbers; /* by value id, in order of definition */
    uint32_t n_numbered;
    uint64_t hash;
} Hasher;

static uint64_t mix(uint64_t hash, uint64_t word) {
    return tn_hash(hash, &word, sizeof word);
}

static void add(Hasher *h, uint64_t word) {
    h->hash = mix(h->hash, word);
}

/* ---- dims ---- */

static uint64_t symbol_hash(Hasher *h, const Dim *d) {
    const Symbol *symbol = tn_dim_symbol_of(h->ctx, d);
    uint64_t hash = mix(mix(TN_HASH_SEED, symbol->kind), (uint64_t)d->lo);
    hash = mix(hash, (uint64_t)d->hi);
    hash = mix(mix(hash, (uint64_t)symbol->input), (uint64_t)symbol->index);
    /* A symbol without a place has nothing but its name. */
    return symbol->input < 0 ? tn_hash(hash, symbol->name, strlen(symbol->name)) : hash;
}

static uint64_t dim_hash(Hasher *h, const Dim *d);

static uint64_t compound_hash(Hasher *h, const Dim *d) {
    bool ordered =
        d->kind == DIM_DIV || d->kind == DIM_MOD || d->kind == DIM_LT || d->kind == DIM_SELECT;
    uint64_t hash = mix(mix(TN_HASH_SEED, d->kind), (uint64_t)d->value);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < d->n_args; i++) {
        uint64_t part = dim_hash(h, d->args[i]);
        part = d->coefs != NULL ? mix(part, (uint64_t)d->coefs[i]) : part;
        /* Chains of min and max nest by id: their links count as parts of one. */
        bool link = d->kind == d->args[i]->kind && (d->kind == DIM_MIN || d->kind == DIM_MAX);
        sum += link ? part - hash : mix(part, 0);
        hash = ordered ? mix(hash, part) : hash;
    }
    return ordered ? hash : hash + sum;
}

static uint64_t dim_hash(Hasher *h, const Dim *d) {
    if (d->kind == DIM_CONST) {
        return mix(mix(TN_HASH_SEED, d->overflow), (uint64_t)d->value);
    }
    if (d->kind == DIM_SYM) {
        return symbol_hash(h, d);
    }
    uint64_t *known = tn_map_get_int(&h->dims, d->id);
    if (known == NULL) {
        known = TN_NEW(&h->ctx->scratch, uint64_t);
        *known = compound_hash(h, d);
        *tn_map_put_int(&h->dims, d->id, NULL) = known;
    }
    return *known;
}

static void add_dims(Hasher *h, const Dim *const *dims, uint32_t n) {
    add(h, n);
    for (uint32_t i = 0; i < n; i++) {
        add(h, dim_hash(h, dims[i]));
    }
}

/* ---- types, attributes, data ---- */

static void add_type(Hasher *h, const Type *type) {
    add(h, type->dtype);
    add_dims(h, type->dims, type->rank);
    const Layout *layout = type->layout;
    add(h, layout != NULL ? 1u + layout->n_parts : 0u);
    for (uint32_t i = 0; layout != NULL && i < layout->n_parts; i++) {
        add(h, layout->parts[i].dim);
        add(h, (uint64_t)layout->parts[i].div);
        add(h, (uint64_t)layout->parts[i].mod);
    }
    for (uint32_t d = 0; layout != NULL && d < type->rank; d++) {
        add(h, (uint64_t)layout->halo_lo[d]);
        add(h, (uint64_t)layout->halo_hi[d]);
    }
}

static void add_attr(Hasher *h, const Attr *attr) {
    add(h, attr->name);
    switch (attr->kind) {
    case ATTR_INT:
        add(h, (uint64_t)attr->i);
        break;
    case ATTR_DTYPE:
        add(h, attr->dtype);
        break;
    case ATTR_INTS:
        add(h, attr->n);
        for (uint32_t i = 0; i < attr->n; i++) {
            add(h, (uint64_t)attr->ints[i]);
        }
        break;
    case ATTR_DIMS:
        add_dims(h, attr->dims, attr->n);
        break;
    }
}

static void add_blob(Hasher *h, const Blob *blob) {
    add(h, blob != NULL ? blob->size + 1 : 0);
    if (blob != NULL) {
        h->hash = tn_hash(h->hash, blob->data, blob->size);
    }
}

/* ---- graph ---- */

static void add_node(Hasher *h, const Node *node) {
    add(h, node->op);
    add(h, (uint64_t)node->group);
    add(h, node->n_in);
    for (uint32_t i = 0; i < node->n_in; i++) {
        add(h, h->numbers[node->in[i]->id]);
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        add_attr(h, &node->attrs[i]);
    }
    add_blob(h, node->blob);
    add(h, node->body != NULL ? graph_hash(node->body) : 0);
    for (uint32_t i = 0; i < node->n_out; i++) {
        h->numbers[node->out[i]->id] = h->n_numbered++;
        add_type(h, &node->out[i]->type);
    }
}

static void add_graph(Hasher *h) {
    const Graph *graph = h->graph;
    add(h, graph->inputs.len);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        h->numbers[graph->inputs.data[i]->id] = h->n_numbered++;
        add_type(h, &graph->inputs.data[i]->type);
        add(h, graph->sources.data[i].kind);
        add(h, (uint64_t)graph->sources.data[i].index);
        add_blob(h, i < graph->bound.len ? graph->bound.data[i] : NULL);
    }
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        add_node(h, node);
    }
    add(h, graph->outputs.len);
    for (size_t i = 0; i < graph->outputs.len; i++) {
        add(h, h->numbers[graph->outputs.data[i].value->id]);
        add(h, (uint64_t)graph->outputs.data[i].state);
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        add(h, dim_hash(h, graph->constraints.data[i].a));
        add(h, dim_hash(h, graph->constraints.data[i].b));
    }
}

uint64_t graph_hash(const Graph *graph) {
    Ctx *ctx = graph->ctx;
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Hasher hasher = {.graph = graph, .ctx = ctx, .hash = TN_HASH_SEED};
    hasher.dims = tn_map(&ctx->scratch);
    hasher.numbers = TN_NEW_ARRAY(&ctx->scratch, uint32_t, graph->n_values + 1u);
    add_graph(&hasher);
    tn_arena_reset(&ctx->scratch, mark);
    return hasher.hash;
}
