/* verify.c: checks the invariants of a graph (see ir.h). What it finds is our bug, TN_INTERNAL.
 *
 * It trusts no pointer more than it must: values are looked up by id in a table filled in the
 * order of definition before anything of them is believed.
 */
#include <inttypes.h>
#include <string.h>

#include "ir/op.h"

typedef struct Verifier {
    Graph *graph;
    Ctx *ctx;
    const Value **values; /* by id; NULL: not defined (yet) */
    const Node **nodes;   /* by id */
    uint32_t *counted;    /* uses found, by value id */
    uint64_t *symbols;    /* bit set: symbols that some input gives */
    bool ok;
} Verifier;

static void wrong(Verifier *v, const Node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool verify_graph(Graph *graph, const uint64_t *outer);

static void wrong(Verifier *v, const Node *node, const char *format, ...) {
    StrBuf text = tn_str(&v->ctx->arena);
    va_list args;
    if (node != NULL && (unsigned)node->op < TN_OP_COUNT) {
        tn_str_printf(&text, "node %" PRIu32 " (%s): ", node->id, tn_op_info(node->op)->name);
    }
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    tn_diag(&v->ctx->diags, TN_INTERNAL, node != NULL ? node->loc : (Loc){0}, "graph '%s': %s",
            v->graph->name, text.data);
    v->ok = false;
}

/* ---- symbols and types ---- */

static bool is_given(const Verifier *v, uint32_t symbol) {
    return (v->symbols[symbol / 64] >> (symbol % 64) & 1) != 0;
}

static void give(Verifier *v, uint32_t symbol) {
    v->symbols[symbol / 64] |= (uint64_t)1 << symbol % 64;
}

/* Symbols that stand alone as an input's dim, or are an element of an integer input. */
static void find_given(Verifier *v) {
    const Graph *graph = v->graph;
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Type *type = &graph->inputs.data[i]->type;
        for (uint32_t d = 0; d < type->rank && d < TN_MAX_RANK; d++) {
            if (type->dims[d] != NULL && type->dims[d]->kind == DIM_SYM) {
                give(v, type->dims[d]->sym);
            }
        }
    }
    for (uint32_t s = 0; s < v->ctx->dims->symbols.len; s++) {
        const Symbol *symbol = &v->ctx->dims->symbols.data[s];
        bool element = symbol->kind == SYM_INPUT_ELEM && symbol->input >= 0 &&
                       (size_t)symbol->input < graph->inputs.len &&
                       !tn_dtype_is_float(graph->inputs.data[symbol->input]->type.dtype);
        if (element || symbol->kind == SYM_COUNT) {
            give(v, s);
        }
    }
}

static void check_dim(Verifier *v, const Node *node, const Dim *d) {
    if (d->overflow) {
        wrong(v, node, "a size leaves 64 bits");
    } else if (d->kind == DIM_SYM && !is_given(v, d->sym)) {
        const Symbol *symbol = tn_dim_symbol_of(v->ctx, d);
        wrong(v, node, "no input gives the %s '%s'",
              symbol->kind == SYM_LOOP ? "loop variable" : "symbol", symbol->name);
    }
    for (uint32_t i = 0; i < d->n_args && v->ok; i++) {
        check_dim(v, node, d->args[i]);
    }
}

static void check_layout(Verifier *v, const Node *node, const Type *type) {
    const Layout *layout = type->layout;
    if (layout->n_parts > TN_MAX_RANK + 4) {
        wrong(v, node, "a layout of %d parts", layout->n_parts);
        return;
    }
    for (uint32_t i = 0; i < layout->n_parts; i++) {
        const LayoutPart *part = &layout->parts[i];
        if (part->dim >= type->rank || part->div < 1 || part->mod < 0) {
            wrong(v, node, "layout part %" PRIu32 " is %d/%d%%%d", i, part->dim, part->div,
                  part->mod);
        }
    }
}

static void check_type(Verifier *v, const Node *node, const Value *value) {
    const Type *type = &value->type;
    if (tn_dtype_bytes(type->dtype) == 0 || type->rank > TN_MAX_RANK) {
        wrong(v, node, "value %" PRIu32 " has element type %d and rank %d", value->id,
              (int)type->dtype, type->rank);
        return;
    }
    for (uint32_t i = 0; i < type->rank; i++) {
        if (type->dims[i] == NULL) {
            wrong(v, node, "dim %" PRIu32 " of value %" PRIu32 " is missing", i, value->id);
        } else {
            check_dim(v, node, type->dims[i]);
        }
    }
    if (type->layout != NULL) {
        check_layout(v, node, type);
    }
}

/* ---- definitions ---- */

static void define(Verifier *v, const Node *node, const Value *value) {
    if (value->id >= v->graph->n_values) {
        wrong(v, node, "value id %" PRIu32 " of %" PRIu32, value->id, v->graph->n_values);
    } else if (v->values[value->id] != NULL) {
        wrong(v, node, "value %" PRIu32 " is defined twice", value->id);
    } else {
        v->values[value->id] = value;
        check_type(v, node, value);
    }
}

static bool is_defined(const Verifier *v, const Value *value) {
    return value != NULL && value->id < v->graph->n_values && v->values[value->id] == value;
}

static void check_inputs(Verifier *v) {
    const Graph *graph = v->graph;
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Value *input = graph->inputs.data[i];
        if (input->def != NULL || input->out != i) {
            wrong(v, NULL, "input %zu does not know its place", i);
        }
        define(v, NULL, input);
        const Blob *bound = i < graph->bound.len ? graph->bound.data[i] : NULL;
        int64_t count = v->ok ? tn_type_static_count(&input->type) : 0;
        if (bound != NULL && v->ok &&
            (count < 0 || bound->size != (size_t)count * tn_dtype_bytes(input->type.dtype))) {
            wrong(v, NULL, "input %zu is bound to %zu bytes", i, bound->size);
        }
    }
}

/* ---- nodes ---- */

static void check_operand(Verifier *v, const Node *node, uint32_t slot) {
    const Value *value = node->in[slot];
    const Use *use = &node->in_uses[slot];
    if (!is_defined(v, value)) {
        wrong(v, node, "operand %" PRIu32 " is not defined before this node", slot);
    } else if (use->user != node || use->slot != slot) {
        wrong(v, node, "the use of operand %" PRIu32 " belongs to another place", slot);
    } else if (use->prev == NULL ? value->uses != use : use->prev->next != use) {
        wrong(v, node, "the use of operand %" PRIu32 " is not in its value's list", slot);
    } else {
        v->counted[value->id]++;
    }
}

static void check_attrs(Verifier *v, const Node *node) {
    const OpInfo *info = tn_op_info(node->op);
    if (node->n_attrs != info->n_attrs) {
        wrong(v, node, "%d attributes, its row has %d", node->n_attrs, info->n_attrs);
        return;
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        const Attr *attr = &node->attrs[i];
        if (attr->name != info->attrs[i].name || attr->kind != tn_attr_kind(attr->name)) {
            wrong(v, node, "attribute %" PRIu32 " is not '%s' as its row says", i,
                  tn_attr_text(info->attrs[i].name));
        } else if ((attr->kind == ATTR_INTS && attr->n > 0 && attr->ints == NULL) ||
                   (attr->kind == ATTR_DIMS && attr->n > 0 && attr->dims == NULL)) {
            wrong(v, node, "attribute '%s' has no data", tn_attr_text(attr->name));
        }
    }
}

static void check_blob(Verifier *v, const Node *node) {
    if (!tn_node_is_const(node)) {
        if (node->blob != NULL) {
            wrong(v, node, "has data but is no constant");
        }
        return;
    }
    const Type *type = &node->out[0]->type;
    int64_t count = tn_type_static_count(type);
    if (node->blob == NULL || count < 0 ||
        node->blob->size != (size_t)count * tn_dtype_bytes(type->dtype)) {
        wrong(v, node, "%zu bytes of data for %" PRId64 " elements of %s",
              node->blob != NULL ? node->blob->size : (size_t)0, count, tn_dtype_text(type->dtype));
    }
}

static void compare_type(Verifier *v, const Node *node, uint32_t i, const Type *expected) {
    if (!tn_type_same_shape(expected, &node->out[i]->type)) {
        StrBuf text = tn_str(&v->ctx->arena);
        tn_type_print(v->ctx, &node->out[i]->type, &text);
        tn_str_puts(&text, ", its rule says ");
        tn_type_print(v->ctx, expected, &text);
        wrong(v, node, "result %" PRIu32 " is %s", i, text.data);
    }
}

/* Runs the row's type rule on a copy of the node; what it demands at run time and says in
 * diagnostics does not stay. */
static void check_rule(Verifier *v, const Node *node) {
    Graph *graph = v->graph;
    DiagList *diags = &v->ctx->diags;
    Node copy = *node;
    Value *results = TN_NEW_ARRAY(&v->ctx->scratch, Value, node->n_out + 1u);
    Value **out = TN_NEW_ARRAY(&v->ctx->scratch, Value *, node->n_out + 1u);
    for (uint32_t i = 0; i < node->n_out; i++) {
        results[i] = *node->out[i];
        results[i].def = &copy;
        out[i] = &results[i];
    }
    copy.out = out;
    size_t n_constraints = graph->constraints.len;
    size_t n_diags = diags->items.len;
    bool fits = tn_op_info(node->op)->type(graph, &copy);
    graph->constraints.len = n_constraints;
    const char *said = diags->items.len > n_diags ? diags->items.data[n_diags].text : "";
    diags->items.len = n_diags;
    if (!fits) {
        wrong(v, node, "its rule refuses it: %s", said);
    }
    for (uint32_t i = 0; i < node->n_out && fits; i++) {
        compare_type(v, node, i, &results[i].type);
    }
}

static bool check_shape(Verifier *v, const Node *node) {
    if ((unsigned)node->op >= TN_OP_COUNT) {
        wrong(v, node, "there is no primitive %d", (int)node->op);
        return false;
    }
    const OpInfo *info = tn_op_info(node->op);
    bool loop = info->cls == OPC_LOOP;
    if (loop != (node->body != NULL)) {
        wrong(v, node, loop ? "it has no body" : "it has a body");
        return false;
    }
    if ((info->n_in >= 0 ? node->n_in != info->n_in : node->n_in == 0 && !loop) ||
        (!loop && node->n_out != info->n_out)) {
        wrong(v, node, "%d operands and %d results, its row has %d and %d", node->n_in, node->n_out,
              info->n_in, info->n_out);
        return false;
    }
    return true;
}

static void check_node(Verifier *v, const Node *node) {
    if (node->id >= v->graph->n_nodes || v->nodes[node->id] != NULL) {
        wrong(v, node, "its id is %s", node->id < v->graph->n_nodes ? "taken" : "too large");
        return;
    }
    v->nodes[node->id] = node;
    if (!check_shape(v, node)) {
        return;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        check_operand(v, node, i);
    }
    check_attrs(v, node);
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i]->def != node || node->out[i]->out != i) {
            wrong(v, node, "result %" PRIu32 " does not know its place", i);
        }
        define(v, node, node->out[i]);
    }
    if (v->ok && node->body != NULL && !verify_graph(node->body, v->symbols)) {
        wrong(v, node, "its body is invalid");
    }
    if (v->ok) {
        check_blob(v, node);
        check_rule(v, node);
    }
}

/* The chain is sound both ways and ends where the graph says. */
static void check_nodes(Verifier *v) {
    const Node *last = NULL;
    uint32_t n = 0;
    for (const Node *node = v->graph->first; node != NULL; node = node->next) {
        if (node->prev != last || n++ >= v->graph->n_nodes) {
            wrong(v, node, "the chain of nodes is broken here");
            return;
        }
        check_node(v, node);
        last = node;
    }
    if (v->graph->last != last) {
        wrong(v, last, "is the last of the chain but not the graph's last");
    }
}

/* ---- outputs and uses ---- */

static void check_outputs(Verifier *v) {
    for (size_t i = 0; i < v->graph->outputs.len; i++) {
        const Value *value = v->graph->outputs.data[i].value;
        if (!is_defined(v, value)) {
            wrong(v, NULL, "output %zu is not a value of the graph", i);
            continue;
        }
        if (!value->is_output) {
            wrong(v, NULL, "output %zu is not marked as one", i);
        }
        v->counted[value->id]++;
    }
}

static void check_uses(Verifier *v) {
    for (uint32_t id = 0; id < v->graph->n_values; id++) {
        const Value *value = v->values[id];
        if (value == NULL) {
            continue;
        }
        if (value->n_uses != v->counted[id]) {
            wrong(v, value->def, "value %" PRIu32 " counts %" PRIu32 " uses, %" PRIu32 " are there",
                  id, value->n_uses, v->counted[id]);
        }
        uint32_t listed = 0;
        for (const Use *use = value->uses; use != NULL && listed <= value->n_uses;
             use = use->next) {
            listed++;
        }
        if (listed > v->counted[id]) {
            wrong(v, value->def, "value %" PRIu32 " lists uses by nodes that are gone", id);
        }
    }
}

static void check_constraints(Verifier *v) {
    for (size_t i = 0; i < v->graph->constraints.len && v->ok; i++) {
        check_dim(v, NULL, v->graph->constraints.data[i].a);
        check_dim(v, NULL, v->graph->constraints.data[i].b);
    }
}

/* `outer`: the symbols given to the graph around this body, or NULL. */
static bool verify_graph(Graph *graph, const uint64_t *outer) {
    Ctx *ctx = graph->ctx;
    Verifier v = {.graph = graph, .ctx = ctx, .ok = true};
    (void)tn_dim_const(ctx, 0); /* so that there is a table of symbols */
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    v.values = TN_NEW_ARRAY(&ctx->scratch, const Value *, graph->n_values + 1u);
    v.nodes = TN_NEW_ARRAY(&ctx->scratch, const Node *, graph->n_nodes + 1u);
    v.counted = TN_NEW_ARRAY(&ctx->scratch, uint32_t, graph->n_values + 1u);
    v.symbols = TN_NEW_ARRAY(&ctx->scratch, uint64_t, ctx->dims->symbols.len / 64 + 1);
    if (outer != NULL) {
        memcpy(v.symbols, outer, (ctx->dims->symbols.len / 64 + 1) * sizeof *outer);
    } else {
        find_given(&v);
    }
    check_inputs(&v);
    check_nodes(&v);
    check_outputs(&v);
    if (v.ok) {
        check_uses(&v);
        check_constraints(&v);
    }
    tn_arena_reset(&ctx->scratch, mark);
    return v.ok;
}

bool tn_graph_verify(Graph *graph) {
    return verify_graph(graph, NULL);
}
