/* graph.c: graphs, values and use lists. */
#include <string.h>

#include "ir/op.h"

Graph *tn_graph_new(Ctx *ctx, const char *name) {
    Graph *graph = TN_NEW(&ctx->arena, Graph);
    graph->ctx = ctx;
    graph->name = tn_sv_dup(&ctx->arena, tn_sv(name != NULL ? name : ""));
    tn_dim_const(ctx, 0); /* there is a dim table even when all values are scalars */
    return graph;
}

static Value *value_new(Graph *graph, Node *def, uint32_t out, Type type) {
    Value *value = TN_NEW(&graph->ctx->arena, Value);
    *value = (Value){.id = graph->n_values++, .type = type, .def = def, .out = out};
    return value;
}

Value *tn_graph_add_input(Graph *graph, const char *name, Type type) {
    return tn_graph_add_source(graph, name, type, (InputSource){INPUT_CALLER, 0});
}

Value *tn_graph_add_source(Graph *graph, const char *name, Type type, InputSource source) {
    Value *value = value_new(graph, NULL, (uint32_t)graph->inputs.len, type);
    value->name = name != NULL ? tn_sv_dup(&graph->ctx->arena, tn_sv(name)) : NULL;
    tn_vec_push(&graph->ctx->arena, &graph->inputs, value);
    tn_vec_push(&graph->ctx->arena, &graph->sources, source);
    tn_vec_push(&graph->ctx->arena, &graph->bound, NULL);
    return value;
}

size_t tn_graph_caller_inputs(const Graph *graph) {
    size_t n = 0;
    while (n < graph->inputs.len && graph->sources.data[n].kind == INPUT_CALLER) {
        n++;
    }
    return n;
}

size_t tn_graph_caller_outputs(const Graph *graph) {
    size_t n = 0;
    while (n < graph->outputs.len && graph->outputs.data[n].state < 0) {
        n++;
    }
    return n;
}

bool tn_graph_dim_place(const Graph *graph, const Dim *dim, int32_t *input, int32_t *axis) {
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Type *type = &graph->inputs.data[i]->type;
        for (int32_t d = 0; d < type->rank; d++) {
            if (type->dims[d] == dim) {
                *input = (int32_t)i;
                *axis = d;
                return true;
            }
        }
    }
    return false;
}

Value *tn_graph_old_state(const Graph *graph, const Value *value) {
    int32_t state = -1;
    for (size_t i = graph->outputs.len; i-- > 0 && state < 0;) {
        state = graph->outputs.data[i].value == value ? graph->outputs.data[i].state : -1;
    }
    for (size_t i = tn_graph_caller_inputs(graph); i < graph->inputs.len && state >= 0; i++) {
        InputSource source = graph->sources.data[i];
        if (source.kind == INPUT_STATE && source.index == state) {
            return graph->inputs.data[i];
        }
    }
    return NULL;
}

void tn_graph_add_output(Graph *graph, const char *name, Value *value) {
    tn_graph_add_update(graph, name, value, -1);
}

void tn_graph_add_update(Graph *graph, const char *name, Value *value, int32_t state) {
    GraphOutput output = {tn_sv_dup(&graph->ctx->arena, tn_sv(name != NULL ? name : "")), value,
                          state};
    tn_vec_push(&graph->ctx->arena, &graph->outputs, output);
    value->is_output = true;
    value->n_uses++;
}

bool tn_graph_require_eq(Graph *graph, const Dim *a, const Dim *b, Loc loc, const char *text) {
    if (a == b) {
        return true;
    }
    Ctx *ctx = graph->ctx;
    if (tn_dim_is(tn_dim_eq(ctx, a, b), 0)) {
        StrBuf dims = tn_str(&ctx->arena);
        tn_dim_print(ctx, a, &dims);
        tn_str_puts(&dims, " against ");
        tn_dim_print(ctx, b, &dims);
        return tn_diag(&ctx->diags, TN_BAD_INPUT, loc, "%s: %s", text, dims.data);
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        const Constraint *known = &graph->constraints.data[i];
        if ((known->a == a && known->b == b) || (known->a == b && known->b == a)) {
            return true;
        }
    }
    tn_vec_push(&ctx->arena, &graph->constraints, ((Constraint){a, b, text}));
    return true;
}

/* ---- uses ---- */

static void link_use(Value *value, Use *use) {
    use->prev = NULL;
    use->next = value->uses;
    if (value->uses != NULL) {
        value->uses->prev = use;
    }
    value->uses = use;
    value->n_uses++;
}

static void unlink_use(Value *value, Use *use) {
    if (use->prev != NULL) {
        use->prev->next = use->next;
    } else {
        value->uses = use->next;
    }
    if (use->next != NULL) {
        use->next->prev = use->prev;
    }
    value->n_uses--;
}

void tn_node_set_input(Node *node, uint32_t slot, Value *value) {
    Use *use = &node->in_uses[slot];
    if (node->in[slot] != NULL) {
        unlink_use(node->in[slot], use);
    }
    node->in[slot] = value;
    use->user = node;
    use->slot = slot;
    link_use(value, use);
}

void tn_value_replace(Graph *graph, Value *from, Value *to) {
    if (from == to) {
        return;
    }
    while (from->uses != NULL) {
        tn_node_set_input(from->uses->user, from->uses->slot, to);
    }
    for (size_t i = 0; i < graph->outputs.len && from->is_output; i++) {
        if (graph->outputs.data[i].value == from) {
            graph->outputs.data[i].value = to;
            to->is_output = true;
            to->n_uses++;
            from->n_uses--;
        }
    }
    from->is_output = false;
}

/* ---- nodes ---- */

static void link_node(Graph *graph, Node *node, Node *before) {
    node->next = before;
    node->prev = before != NULL ? before->prev : graph->last;
    *(node->prev != NULL ? &node->prev->next : &graph->first) = node;
    *(before != NULL ? &before->prev : &graph->last) = node;
}

static void unlink_node(Graph *graph, Node *node) {
    *(node->prev != NULL ? &node->prev->next : &graph->first) = node->next;
    *(node->next != NULL ? &node->next->prev : &graph->last) = node->prev;
}

void tn_node_remove(Graph *graph, Node *node) {
    for (uint32_t i = 0; i < node->n_in; i++) {
        unlink_use(node->in[i], &node->in_uses[i]);
    }
    unlink_node(graph, node);
    node->n_in = 0;
}

static bool default_attr(Graph *graph, const OpInfo *info, const AttrSchema *schema, Loc loc,
                         Attr *out) {
    *out = (Attr){.name = schema->name, .kind = tn_attr_kind(schema->name)};
    switch (schema->how) {
    case DEF_REQ:
        return tn_diag(&graph->ctx->diags, TN_BAD_INPUT, loc, "%s needs the attribute '%s'",
                       info->name, tn_attr_text(schema->name));
    case DEF_INT:
        out->i = schema->value;
        break;
    case DEF_DTYPE:
        out->dtype = (DType)schema->value;
        break;
    case DEF_EMPTY:
        break;
    }
    return true;
}

/* Owned by the context whatever the caller passed. */
static Attr keep_attr(Ctx *ctx, const Attr *attr) {
    Attr kept = *attr;
    if (attr->kind == ATTR_INTS) {
        kept.ints = tn_arena_copy(&ctx->arena, attr->ints, attr->n * sizeof *attr->ints);
    } else if (attr->kind == ATTR_DIMS) {
        kept.dims = tn_arena_copy(&ctx->arena, attr->dims, attr->n * sizeof *attr->dims);
    }
    return kept;
}

static const Attr *find_attr(const Attr *attrs, uint32_t n, AttrName name) {
    for (uint32_t i = 0; i < n; i++) {
        if (attrs[i].name == name) {
            return &attrs[i];
        }
    }
    return NULL;
}

static bool set_attrs(Graph *graph, Node *node, const Attr *attrs, uint32_t n_attrs) {
    const OpInfo *info = tn_op_info(node->op);
    DiagList *diags = &graph->ctx->diags;
    for (uint32_t i = 0; i < n_attrs; i++) {
        bool known = false;
        for (uint32_t k = 0; k < info->n_attrs; k++) {
            known = known || info->attrs[k].name == attrs[i].name;
        }
        if (!known) {
            return tn_diag(diags, TN_BAD_INPUT, node->loc, "%s has no attribute '%s'", info->name,
                           tn_attr_text(attrs[i].name));
        }
    }
    node->n_attrs = info->n_attrs;
    node->attrs = TN_NEW_ARRAY(&graph->ctx->arena, Attr, info->n_attrs + 1u);
    for (uint32_t i = 0; i < info->n_attrs; i++) {
        const Attr *given = find_attr(attrs, n_attrs, info->attrs[i].name);
        if (given == NULL) {
            if (!default_attr(graph, info, &info->attrs[i], node->loc, &node->attrs[i])) {
                return false;
            }
        } else if (given->kind != tn_attr_kind(given->name)) {
            return tn_diag(diags, TN_BAD_INPUT, node->loc, "%s: attribute '%s' has the wrong kind",
                           info->name, tn_attr_text(given->name));
        } else {
            node->attrs[i] = keep_attr(graph->ctx, given);
        }
    }
    return true;
}

/* A node that is not yet part of the graph. */
static Node *node_alloc(Graph *graph, Op op, uint32_t n_in, NodeBody body, Loc loc) {
    Arena *arena = &graph->ctx->arena;
    Node *node = TN_NEW(arena, Node);
    *node = (Node){.id = graph->n_nodes++,
                   .op = op,
                   .n_in = (uint16_t)n_in,
                   .n_out = (uint16_t)body.n_out,
                   .body = body.graph,
                   .group = -1,
                   .loc = loc};
    node->in = TN_NEW_ARRAY(arena, Value *, n_in + 1u);
    node->in_uses = TN_NEW_ARRAY(arena, Use, n_in + 1u);
    node->out = TN_NEW_ARRAY(arena, Value *, node->n_out + 1u);
    for (uint32_t i = 0; i < node->n_out; i++) {
        node->out[i] = value_new(graph, node, i, (Type){0});
    }
    return node;
}

Node *tn_node_new(Graph *graph, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                  uint32_t n_attrs, Loc loc, Node *before) {
    int8_t n_out = tn_op_info(op)->n_out;
    NodeBody none = {NULL, n_out > 0 ? (uint32_t)n_out : 0};
    return tn_node_with_body(graph, op, in, n_in, attrs, n_attrs, none, loc, before);
}

static bool check_count(Graph *graph, const OpInfo *info, uint32_t n_in, bool some, Loc loc) {
    DiagList *diags = &graph->ctx->diags;
    if (info->n_in >= 0) {
        return n_in == (uint32_t)info->n_in ||
               tn_diag(diags, TN_BAD_INPUT, loc, "%s takes %d operands, %u given", info->name,
                       info->n_in, n_in);
    }
    return (n_in >= some && n_in <= UINT16_MAX) ||
           tn_diag(diags, TN_BAD_INPUT, loc, "%s takes %d to %d operands, %u given", info->name,
                   some, UINT16_MAX, n_in);
}

Node *tn_node_with_body(Graph *graph, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                        uint32_t n_attrs, NodeBody body, Loc loc, Node *before) {
    const OpInfo *info = tn_op_info(op);
    if (!check_count(graph, info, n_in, body.graph == NULL, loc)) {
        return NULL;
    }
    Node *node = node_alloc(graph, op, n_in, body, loc);
    /* Operands are seen by the type rule before they count as uses. */
    for (uint32_t i = 0; i < n_in; i++) {
        node->in[i] = in[i];
    }
    if (!set_attrs(graph, node, attrs, n_attrs) || !info->type(graph, node)) {
        return NULL;
    }
    for (uint32_t i = 0; i < n_in; i++) {
        Value *value = node->in[i];
        node->in[i] = NULL;
        tn_node_set_input(node, i, value);
    }
    link_node(graph, node, before);
    return node;
}

Value *tn_const_new(Graph *graph, Type type, const void *data, const Node *before) {
    Ctx *ctx = graph->ctx;
    Attr attrs[] = {{.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = type.dtype},
                    {.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = type.rank, .dims = type.dims}};
    Node *node =
        tn_node_new(graph, TN_OP_const, NULL, 0, attrs, 2, (Loc){0}, (Node *)(uintptr_t)before);
    if (node == NULL) {
        return NULL;
    }
    Blob *blob = TN_NEW(&ctx->arena, Blob);
    int64_t count = tn_type_static_count(&type);
    *blob = (Blob){data, (size_t)(count > 0 ? count : 0) * tn_dtype_bytes(type.dtype), NULL};
    node->blob = blob;
    return node->out[0];
}

/* ---- attributes and constants ---- */

const Attr *tn_node_attr(const Node *node, AttrName name) {
    return find_attr(node->attrs, node->n_attrs, name);
}

int64_t tn_attr_int(const Node *node, AttrName name) {
    return tn_node_attr(node, name)->i;
}

bool tn_attr_holds(const Attr *list, int64_t entry) {
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->ints[i] == entry) {
            return true;
        }
    }
    return false;
}

const Attr *tn_contract_dims(const Node *node, uint32_t slot) {
    return tn_node_attr(node, slot == 0 ? TN_ATTR_lhs_contract : TN_ATTR_rhs_contract);
}

bool tn_node_is_const(const Node *node) {
    return node->op == TN_OP_const;
}

/* All elements have the bytes of the first. */
static bool blob_is_uniform(const Blob *blob, size_t size) {
    const char *bytes = blob->data;
    return blob->size >= size &&
           (blob->size == size || memcmp(bytes, bytes + size, blob->size - size) == 0);
}

bool tn_value_splat(const Value *value, double *out) {
    while (value->def != NULL &&
           (value->def->op == TN_OP_expand || value->def->op == TN_OP_reshape)) {
        value = value->def->in[0];
    }
    if (value->def == NULL || !tn_node_is_const(value->def)) {
        return false;
    }
    const Blob *blob = value->def->blob;
    if (!blob_is_uniform(blob, tn_dtype_bytes(value->type.dtype))) {
        return false;
    }
    int64_t whole = 0;
    RefTensor first = {.dtype = value->type.dtype, .count = 1};
    bool is_float = tn_dtype_is_float(first.dtype);
    if (is_float) {
        first.f = out;
    } else {
        first.i = &whole;
    }
    tn_ref_read_bytes(&first, blob->data);
    *out = is_float ? *out : (double)whole;
    return is_float || (*out < 0x1p63 && (int64_t)*out == whole);
}

/* ---- copies ---- */

Node *tn_node_clone(Graph *to, const Node *node, Value **map) {
    NodeBody body = {node->body != NULL ? tn_graph_clone(node->body) : NULL, node->n_out};
    Node *copy = node_alloc(to, node->op, node->n_in, body, node->loc);
    copy->attrs =
        tn_arena_copy(&to->ctx->arena, node->attrs, (node->n_attrs + 1u) * sizeof *node->attrs);
    copy->n_attrs = node->n_attrs;
    copy->blob = node->blob;
    copy->group = node->group;
    for (uint32_t i = 0; i < node->n_in; i++) {
        tn_node_set_input(copy, i, map[node->in[i]->id]);
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        copy->out[i]->type = node->out[i]->type;
        copy->out[i]->name = node->out[i]->name;
        map[node->out[i]->id] = copy->out[i];
    }
    link_node(to, copy, NULL);
    return copy;
}

Value *tn_node_add_result(Graph *graph, Node *node, Type type) {
    Value **out = TN_NEW_ARRAY(&graph->ctx->arena, Value *, node->n_out + 2u);
    memcpy(out, node->out, node->n_out * sizeof *out);
    out[node->n_out] = value_new(graph, node, node->n_out, type);
    node->out = out;
    node->n_out++;
    return out[node->n_out - 1];
}

void tn_node_drop_result(Node *node, uint32_t slot) {
    for (uint32_t i = slot; i + 1 < node->n_out; i++) {
        node->out[i] = node->out[i + 1];
        node->out[i]->out = i;
    }
    node->n_out--;
}

/* Gives the node these operands. Uses are linked by address: all are made anew. */
static void set_operands(Graph *graph, Node *node, Value *const *in, uint32_t n) {
    Arena *arena = &graph->ctx->arena;
    for (uint32_t i = 0; i < node->n_in; i++) {
        unlink_use(node->in[i], &node->in_uses[i]);
    }
    node->n_in = (uint16_t)n;
    node->in = TN_NEW_ARRAY(arena, Value *, n + 1u);
    node->in_uses = TN_NEW_ARRAY(arena, Use, n + 1u);
    for (uint32_t i = 0; i < n; i++) {
        tn_node_set_input(node, i, in[i]);
    }
}

void tn_node_add_operand(Graph *graph, Node *node, Value *value) {
    Value **in = TN_NEW_ARRAY(&graph->ctx->scratch, Value *, node->n_in + 1u);
    memcpy(in, node->in, node->n_in * sizeof *in);
    in[node->n_in] = value;
    set_operands(graph, node, in, node->n_in + 1u);
}

void tn_node_drop_operand(Graph *graph, Node *node, uint32_t slot) {
    Value **in = TN_NEW_ARRAY(&graph->ctx->scratch, Value *, node->n_in + 1u);
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (i != slot) {
            in[n++] = node->in[i];
        }
    }
    set_operands(graph, node, in, n);
}

void tn_node_move(Graph *graph, Node *node, Node *before) {
    unlink_node(graph, node);
    link_node(graph, node, before);
}

Graph *tn_graph_clone(const Graph *graph) {
    Ctx *ctx = graph->ctx;
    Graph *copy = tn_graph_new(ctx, graph->name);
    Value **map = TN_NEW_ARRAY(&ctx->arena, Value *, graph->n_values + 1u);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Value *input = graph->inputs.data[i];
        map[input->id] =
            tn_graph_add_source(copy, input->name, input->type, graph->sources.data[i]);
        copy->bound.data[i] = graph->bound.data[i];
    }
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        tn_node_clone(copy, node, map);
    }
    for (size_t i = 0; i < graph->outputs.len; i++) {
        const GraphOutput *output = &graph->outputs.data[i];
        tn_graph_add_update(copy, output->name, map[output->value->id], output->state);
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        tn_vec_push(&ctx->arena, &copy->constraints, graph->constraints.data[i]);
    }
    return copy;
}
