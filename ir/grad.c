/* grad.c: the walk of reverse-mode differentiation; rules are fields of the op table.
 *
 * Nodes are visited from the last to the first. A value's cotangent is complete when its
 * definition is reached, since all readers stand behind it. Only values that depend on a
 * target and lead to a y are given cotangents.
 */
#include "ir/grad.h"

#include "ir/grad_map.h"

typedef struct Walk {
    Graph *graph;
    Arena *arena;
    uint32_t n_values; /* when the walk began: rules make more */
    bool *depends;     /* by value id: a float that depends on a target through floats */
    Value **ct;        /* by value id: the cotangent so far, NULL for zero */
    bool failed;
} Walk;

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

static void find_dependents(Walk *walk, Value *const *targets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        walk->depends[targets[i]->id] = is_float(targets[i]);
    }
    for (const Node *node = walk->graph->first; node != NULL; node = node->next) {
        bool any = false;
        for (uint32_t i = 0; i < node->n_in; i++) {
            any = any || walk->depends[node->in[i]->id];
        }
        for (uint32_t i = 0; i < node->n_out && any; i++) {
            bool *depends = &walk->depends[node->out[i]->id];
            *depends = *depends || is_float(node->out[i]);
        }
    }
}

static Build build_for(const Walk *walk, const Node *node) {
    return (Build){.graph = walk->graph, .loc = node != NULL ? node->loc : (Loc){0}};
}

static void contribute(Walk *walk, Build *build, const Value *value, Value *ct) {
    Value **sum = &walk->ct[value->id];
    *sum = *sum == NULL ? ct : tn_build_map2(build, TN_OP_add, *sum, ct);
}

static bool seed(Walk *walk, Value *const *ys, Value *const *seeds, size_t n) {
    for (size_t i = 0; i < n; i++) {
        Build build = build_for(walk, ys[i]->def);
        if (!is_float(ys[i])) {
            return tn_diag(&walk->graph->ctx->diags, TN_BAD_INPUT, build.loc,
                           "a value of type %s has no gradient", tn_dtype_text(ys[i]->type.dtype));
        }
        Value *given = seeds != NULL ? seeds[i] : NULL;
        if (walk->depends[ys[i]->id]) {
            contribute(walk, &build, ys[i],
                       given != NULL ? given : tn_build_number(&build, &ys[i]->type, 1));
        }
    }
    return true;
}

/* False after any diagnostic. Where there is no gradient zeros take its place, so that the walk
 * finds all such nodes. */
static bool apply_rule(GradRule *rule) {
    const Node *node = rule->node;
    const OpInfo *info = tn_op_info(node->op);
    DiagList *diags = &rule->build.graph->ctx->diags;
    size_t n_diags = diags->items.len + diags->dropped;
    bool ok = info->derivatives != NULL ? tn_grad_map(rule) : info->grad(rule);
    ok = ok && diags->items.len + diags->dropped == n_diags;
    for (uint32_t i = 0; i < node->n_in && !ok; i++) {
        if (rule->wanted[i]) {
            rule->in_ct[i] = tn_build_number(&rule->build, &node->in[i]->type, 0);
        }
    }
    return ok;
}

/* Applies the node's rule when some result has a cotangent. */
static void visit(Walk *walk, const Node *node) {
    uint32_t n_in = node->n_in, n_out = node->n_out;
    Value **out_ct = TN_NEW_ARRAY(walk->arena, Value *, n_out + 1u);
    Value **in_ct = TN_NEW_ARRAY(walk->arena, Value *, n_in + 1u);
    bool *wanted = TN_NEW_ARRAY(walk->arena, bool, n_in + 1u);
    bool reached = false, asked = false;
    for (uint32_t i = 0; i < n_out; i++) {
        out_ct[i] = node->out[i]->id < walk->n_values ? walk->ct[node->out[i]->id] : NULL;
        reached = reached || out_ct[i] != NULL;
    }
    for (uint32_t i = 0; i < n_in; i++) {
        wanted[i] = walk->depends[node->in[i]->id];
        asked = asked || wanted[i];
    }
    if (!reached || !asked) {
        return;
    }
    GradRule rule = {build_for(walk, node), node, out_ct, wanted, in_ct};
    walk->failed = !apply_rule(&rule) || walk->failed;
    for (uint32_t i = 0; i < n_in; i++) {
        if (wanted[i] && in_ct[i] != NULL) {
            contribute(walk, &rule.build, node->in[i], in_ct[i]);
        }
    }
}

bool tn_grad_build(Graph *graph, Value *const *ys, Value *const *seeds, size_t n_ys,
                   Value *const *targets, size_t n_targets, Value **out) {
    Walk walk = {.graph = graph, .arena = &graph->ctx->arena, .n_values = graph->n_values};
    walk.depends = TN_NEW_ARRAY(walk.arena, bool, graph->n_values + 1u);
    walk.ct = TN_NEW_ARRAY(walk.arena, Value *, graph->n_values + 1u);
    find_dependents(&walk, targets, n_targets);
    const Node *last = graph->last;
    if (!seed(&walk, ys, seeds, n_ys)) {
        return false;
    }
    for (const Node *node = last; node != NULL; node = node->prev) {
        visit(&walk, node);
    }
    for (size_t i = 0; i < n_targets; i++) {
        out[i] = walk.ct[targets[i]->id];
    }
    return !walk.failed;
}
