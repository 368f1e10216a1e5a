/* graph_fault.c: faults planted into graphs, one at a time.
 *
 * A kind of fault is a function of a node and the number of a choice, which plants it, refuses
 * it and leaves the graph as it was, or says that there are no more choices.
 */
#include "tests/support/graph_fault.h"

#include <string.h>

typedef enum Outcome { PLANTED, REFUSED, ENDED } Outcome;

/* A node and the graph it is in: the outer one, or a body. */
typedef struct Site {
    Graph *graph;
    Node *node;
} Site;

typedef Outcome FaultFn(Site site, uint32_t choice);

/* ---- what is no fault ---- */

static bool is_number(const Value *value, double wanted) {
    double number;
    return tn_value_splat(value, &number) && number == wanted;
}

/* The same value, or the same number everywhere. */
static bool is_alike(const Value *a, const Value *b) {
    double x, y;
    return a == b || (tn_value_splat(a, &x) && tn_value_splat(b, &y) && x == y);
}

static bool is_commutative(Op op) {
    static const Op ops[] = {TN_OP_add,   TN_OP_mul,    TN_OP_min, TN_OP_max,
                             TN_OP_eq,    TN_OP_and,    TN_OP_or,  TN_OP_bitand,
                             TN_OP_bitor, TN_OP_bitxor, TN_OP_xor};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (ops[i] == op) {
            return true;
        }
    }
    return false;
}

/* ---- putting something else in a node's place ---- */

static Build behind(Site site) {
    return (Build){.graph = site.graph, .before = site.node->next, .loc = site.node->loc};
}

/* What the result is computed into takes the result's place. */
static Outcome after_result(Site site, Value *result, Value *changed) {
    Node *reader = changed->def;
    uint32_t slot = reader->in[0] == result ? 0 : 1;
    tn_value_replace(site.graph, result, changed);
    tn_node_set_input(reader, slot, result);
    return PLANTED;
}

/* A node with these operands and attributes takes the place of the site's. */
static Outcome instead(Site site, Op op, Value *const *in, const Attr *attrs) {
    const Node *node = site.node;
    Ctx *ctx = site.graph->ctx;
    size_t n_constraints = site.graph->constraints.len;
    NodeBody body = {node->body, node->n_out};
    Node *made = tn_node_with_body(site.graph, op, in, node->n_in, attrs, node->n_attrs, body,
                                   node->loc, node->next);
    bool fits = made != NULL && site.graph->constraints.len == n_constraints;
    ctx->diags.items.len = 0;
    site.graph->constraints.len = n_constraints;
    for (uint32_t i = 0; i < node->n_out && fits; i++) {
        fits = tn_type_same_shape(&made->out[i]->type, &node->out[i]->type);
    }
    if (!fits) {
        if (made != NULL) {
            tn_node_remove(site.graph, made);
        }
        return REFUSED;
    }
    made->blob = node->blob;
    for (uint32_t i = 0; i < node->n_out; i++) {
        tn_value_replace(site.graph, node->out[i], made->out[i]);
    }
    return PLANTED;
}

/* ---- kinds ---- */

static Outcome change_float(Site site, Value *result, uint32_t how) {
    enum { PLUS_ONE = 3 };
    Build build = behind(site);
    if (how != PLUS_ONE && is_number(result, 0)) {
        return REFUSED;
    }
    switch (how) {
    case 0:
        return after_result(site, result, tn_build_map1(&build, TN_OP_neg, result));
    case 1:
        tn_value_replace(site.graph, result, tn_build_number(&build, &result->type, 0));
        return PLANTED;
    case 2: {
        Value *two = tn_build_number(&build, &result->type, 2);
        return after_result(site, result, tn_build_map2(&build, TN_OP_mul, result, two));
    }
    default: {
        Value *one = tn_build_number(&build, &result->type, 1);
        return after_result(site, result, tn_build_map2(&build, TN_OP_add, result, one));
    }
    }
}

static Outcome change_int(Site site, Value *result, uint32_t how) {
    Build build = behind(site);
    if (result->type.dtype == TN_BOOL) {
        return how > 0 ? REFUSED
                       : after_result(site, result, tn_build_map1(&build, TN_OP_not, result));
    }
    if (how > 1) {
        return REFUSED;
    }
    Value *one = tn_build_number(&build, &result->type, 1);
    return after_result(site, result,
                        tn_build_map2(&build, how == 0 ? TN_OP_add : TN_OP_sub, result, one));
}

static Outcome change_result(Site site, uint32_t choice) {
    enum { WAYS = 4 };
    if (choice >= WAYS * (uint32_t)site.node->n_out) {
        return ENDED;
    }
    Value *result = site.node->out[choice / WAYS];
    bool is_float = tn_dtype_is_float(result->type.dtype);
    return is_float ? change_float(site, result, choice % WAYS)
                    : change_int(site, result, choice % WAYS);
}

static Outcome drop_node(Site site, uint32_t choice) {
    const Node *node = site.node;
    uint32_t operand = choice / (node->n_out + 1u), out = choice % (node->n_out + 1u);
    if (operand >= node->n_in) {
        return ENDED;
    }
    if (out == node->n_out ||
        !tn_type_same_shape(&node->in[operand]->type, &node->out[out]->type)) {
        return REFUSED;
    }
    tn_value_replace(site.graph, node->out[out], node->in[operand]);
    return PLANTED;
}

static Outcome swap_operands(Site site, uint32_t choice) {
    Node *node = site.node;
    uint32_t i = choice / (node->n_in + 1u), j = choice % (node->n_in + 1u);
    if (i >= node->n_in) {
        return ENDED;
    }
    if (j <= i || j >= node->n_in || is_alike(node->in[i], node->in[j]) ||
        is_commutative(node->op)) {
        return REFUSED;
    }
    Value **in = tn_arena_copy(&site.graph->ctx->arena, node->in, node->n_in * sizeof *in);
    in[i] = node->in[j];
    in[j] = node->in[i];
    return instead(site, node->op, in, node->attrs);
}

static bool has_attrs_of(const OpInfo *info, const Node *node) {
    bool same = info->n_attrs == node->n_attrs;
    for (uint32_t i = 0; i < node->n_attrs && same; i++) {
        same = info->attrs[i].name == node->attrs[i].name;
    }
    return same;
}

static Outcome change_op(Site site, uint32_t choice) {
    const Node *node = site.node;
    if (choice >= TN_OP_COUNT || node->body != NULL) {
        return ENDED;
    }
    const OpInfo *info = tn_op_info((Op)choice);
    bool alike = (Op)choice != node->op && (uint32_t)info->n_in == node->n_in &&
                 (uint32_t)info->n_out == node->n_out && has_attrs_of(info, node);
    return alike ? instead(site, (Op)choice, node->in, node->attrs) : REFUSED;
}

/* ---- attributes ---- */

enum { ENTRIES = 64 };

/* A number in the attributes. */
typedef struct Entry {
    uint32_t attr, at;
} Entry;

static uint32_t list_entries(const Node *node, Entry *out) {
    uint32_t n = 0;
    for (uint32_t a = 0; a < node->n_attrs; a++) {
        AttrKind kind = node->attrs[a].kind;
        uint32_t len = kind == ATTR_INT                         ? 1
                       : kind == ATTR_INTS || kind == ATTR_DIMS ? node->attrs[a].n
                                                                : 0;
        for (uint32_t i = 0; i < len && n < ENTRIES; i++) {
            out[n++] = (Entry){a, i};
        }
    }
    return n;
}

static void shift(Ctx *ctx, Attr *attrs, Entry entry, int64_t by) {
    Attr *attr = &attrs[entry.attr];
    if (attr->kind == ATTR_INT) {
        attr->i += by;
    } else if (attr->kind == ATTR_INTS) {
        int64_t *ints = tn_arena_copy(&ctx->arena, attr->ints, attr->n * sizeof *ints);
        ints[entry.at] += by;
        attr->ints = ints;
    } else {
        const Dim **dims = tn_arena_copy(&ctx->arena, attr->dims, attr->n * sizeof *dims);
        dims[entry.at] = tn_dim_addc(ctx, dims[entry.at], by);
        attr->dims = dims;
    }
}

static bool swap_entries(Ctx *ctx, Attr *attrs, Entry a, Entry b) {
    Attr *attr = &attrs[a.attr];
    if (attr->kind != ATTR_INTS || attr->ints[a.at] == attr->ints[b.at]) {
        return false;
    }
    int64_t apart = attr->ints[b.at] - attr->ints[a.at];
    shift(ctx, attrs, a, apart);
    shift(ctx, attrs, b, -apart);
    return true;
}

/* One entry up or down, or of two that belong together one up and the other down, or both
 * exchanged. */
static Outcome change_attrs(Site site, uint32_t choice) {
    Entry entries[ENTRIES];
    Ctx *ctx = site.graph->ctx;
    const Node *node = site.node;
    uint32_t n = list_entries(node, entries), mode = choice % 3, pair = choice / 3;
    if (n == 0 || pair >= n * n) {
        return ENDED;
    }
    Entry a = entries[pair / n], b = entries[pair % n];
    bool same = pair / n == pair % n;
    bool related = a.attr == b.attr || a.at == b.at;
    Attr *attrs = tn_arena_copy(&ctx->arena, node->attrs, (node->n_attrs + 1u) * sizeof *attrs);
    if (!related || (mode == 2 && (same || a.attr != b.attr || a.at > b.at)) ||
        (mode == 1 && !same)) {
        return REFUSED;
    }
    if (mode == 2) {
        return swap_entries(ctx, attrs, a, b) ? instead(site, node->op, node->in, attrs) : REFUSED;
    }
    shift(ctx, attrs, a, mode == 0 ? 1 : -1);
    if (!same) {
        shift(ctx, attrs, b, -1);
    }
    return instead(site, node->op, node->in, attrs);
}

/* ---- another value ---- */

/* Value `at` of those defined in front of the node, or NULL. */
static Value *value_at(Site site, uint32_t at) {
    if (at < site.graph->inputs.len) {
        return site.graph->inputs.data[at];
    }
    at -= (uint32_t)site.graph->inputs.len;
    for (Node *node = site.graph->first; node != site.node; node = node->next) {
        if (at < node->n_out) {
            return node->out[at];
        }
        at -= node->n_out;
    }
    return NULL;
}

static Outcome change_operand(Site site, uint32_t choice) {
    Node *node = site.node;
    Value *other = node->n_in > 0 ? value_at(site, choice / node->n_in) : NULL;
    if (other == NULL) {
        return ENDED;
    }
    uint32_t slot = choice % node->n_in;
    if (is_alike(other, node->in[slot]) ||
        !tn_type_same_shape(&other->type, &node->in[slot]->type)) {
        return REFUSED;
    }
    tn_node_set_input(node, slot, other);
    return PLANTED;
}

/* ---- one after another ---- */

typedef struct Kind {
    const char *name;
    FaultFn *plant;
} Kind;

static const Kind kinds[] = {
    {"its result changed", change_result}, {"an operand in its place", drop_node},
    {"operands swapped", swap_operands},   {"another operation", change_op},
    {"attributes changed", change_attrs},  {"another operand", change_operand},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* Node `*at` in the walk that goes through a node's body behind it. */
static bool find_site(Graph *graph, uint32_t n_kept, uint32_t *at, Site *out) {
    Node *node = graph->first;
    for (uint32_t i = 0; i < n_kept; i++) {
        node = node->next;
    }
    for (; node != NULL; node = node->next) {
        if ((*at)-- == 0) {
            *out = (Site){graph, node};
            return true;
        }
        if (node->body != NULL && find_site(node->body, 0, at, out)) {
            return true;
        }
    }
    return false;
}

Faults fault_begin(const Graph *graph, uint32_t n_kept) {
    return (Faults){.graph = graph, .n_kept = n_kept};
}

/* The kind after this one, or the node after this one. */
static void advance(Faults *faults) {
    faults->choice = 0;
    faults->kind++;
    if (faults->kind == KINDS) {
        faults->kind = 0;
        faults->node++;
    }
}

bool fault_next(Faults *faults, Fault *out) {
    for (;;) {
        Site site;
        uint32_t at = faults->node;
        faults->copy = faults->copy != NULL ? faults->copy : tn_graph_clone(faults->graph);
        if (!find_site(faults->copy, faults->n_kept, &at, &site)) {
            return false;
        }
        const Kind *kind = &kinds[faults->kind];
        Outcome outcome = kind->plant(site, faults->choice++);
        if (outcome == PLANTED) {
            *out = (Fault){faults->copy, site.node, kind->name};
            faults->copy = NULL;
            return true;
        }
        if (outcome == ENDED) {
            advance(faults);
        }
    }
}
