/* reduce_grad.c: gradients of reductions over axes, and of window reductions. */
#include "ir/grad.h"
#include "ir/ops/support.h"

/* A value of the reduction's result repeated over the reduced axes. */
static Value *spread(GradRule *rule, Value *value) {
    const Type *in = &rule->node->in[0]->type;
    const Attr *axes = tn_node_attr(rule->node, TN_ATTR_axes);
    int64_t kept[TN_MAX_RANK + 1];
    uint32_t n = 0;
    for (uint32_t d = 0; d < in->rank; d++) {
        bool reduced = false;
        for (uint32_t i = 0; i < axes->n; i++) {
            reduced = reduced || axes->ints[i] == d;
        }
        if (!reduced) {
            kept[n++] = d;
        }
    }
    return tn_build_expand(&rule->build, value, in->rank, in->dims, kept);
}

static Value *reduce_like(GradRule *rule, Op op, Value *value) {
    const Attr *axes = tn_node_attr(rule->node, TN_ATTR_axes);
    return tn_build_reduce(&rule->build, op, value, axes->ints, axes->n);
}

static Value *select3(GradRule *rule, Value *cond, Value *a, Value *b) {
    return tn_build_node(&rule->build, TN_OP_select, (Value *[]){cond, a, b}, 3, NULL, 0);
}

bool tn_grad_reduce_sum(GradRule *rule) {
    rule->in_ct[0] = spread(rule, rule->out_ct[0]);
    return rule->in_ct[0] != NULL;
}

/* The product of the others: P / x where no factor is zero; with one zero it is the product of
 * the rest at that place and zero elsewhere; with more it is zero. P leaves zeros out. */
bool tn_grad_reduce_prod(GradRule *rule) {
    Build *build = &rule->build;
    Value *x = rule->node->in[0];
    const Type *type = &x->type, *small = &rule->node->out[0]->type;
    Value *zero = tn_build_number(build, type, 0), *one = tn_build_number(build, type, 1);
    Value *is_zero = tn_build_map2(build, TN_OP_eq, x, zero);
    Value *rest = reduce_like(rule, TN_OP_reduce_prod, select3(rule, is_zero, one, x));
    Value *zeros = reduce_like(rule, TN_OP_reduce_sum, select3(rule, is_zero, one, zero));
    Value *few = tn_build_map2(build, TN_OP_lt, zeros, tn_build_number(build, small, 1));
    Value *single = tn_build_map2(build, TN_OP_eq, zeros, tn_build_number(build, small, 1));
    Value *nothing = tn_build_number(build, small, 0);
    Value *at_zero = spread(rule, select3(rule, single, rest, nothing));
    Value *elsewhere = spread(rule, select3(rule, few, rest, nothing));
    Value *others = tn_build_map2(build, TN_OP_div, elsewhere, select3(rule, is_zero, one, x));
    Value *product = select3(rule, is_zero, at_zero, others);
    rule->in_ct[0] = tn_build_map2(build, TN_OP_mul, spread(rule, rule->out_ct[0]), product);
    return rule->in_ct[0] != NULL;
}

/* Elements equal to the extreme share its cotangent equally. */
static bool extreme(GradRule *rule) {
    Build *build = &rule->build;
    Value *x = rule->node->in[0], *y = rule->node->out[0];
    Value *zero = tn_build_number(build, &x->type, 0), *one = tn_build_number(build, &x->type, 1);
    Value *best = tn_build_map2(build, TN_OP_eq, x, spread(rule, y));
    Value *count = reduce_like(rule, TN_OP_reduce_sum, select3(rule, best, one, zero));
    Value *share = tn_build_map2(build, TN_OP_div, rule->out_ct[0], count);
    rule->in_ct[0] = select3(rule, best, spread(rule, share), zero);
    return rule->in_ct[0] != NULL;
}

bool tn_grad_reduce_max(GradRule *rule) {
    return extreme(rule);
}

bool tn_grad_reduce_min(GradRule *rule) {
    return extreme(rule);
}

/* Each element sums the cotangents of the windows that cover it: a sum over the same window,
 * turned round, of the cotangents put as far apart as the windows are. */
bool tn_grad_pool_sum(GradRule *rule) {
    Build *build = &rule->build;
    Ctx *ctx = build->graph->ctx;
    const Node *node = rule->node;
    const Type *in = &node->in[0]->type;
    const Attr *window = tn_node_attr(node, TN_ATTR_window);
    const Attr *strides = tn_node_attr(node, TN_ATTR_strides);
    const Attr *pads = tn_node_attr(node, TN_ATTR_pads_lo);
    const Attr *dilations = tn_node_attr(node, TN_ATTR_dilations);
    const Dim *lo[TN_MAX_RANK], *total[TN_MAX_RANK];
    int64_t interior[TN_MAX_RANK + 1], one[TN_MAX_RANK + 1], none[TN_MAX_RANK + 1];
    for (uint32_t d = 0; d < in->rank; d++) {
        int64_t reach = (window->ints[d] - 1) * dilations->ints[d];
        lo[d] = tn_dim_const(ctx, reach - pads->ints[d]);
        total[d] = tn_dim_addc(ctx, in->dims[d], reach);
        interior[d] = strides->ints[d] - 1;
        one[d] = 1;
        none[d] = 0;
    }
    Value *apart = tn_build_place(build, rule->out_ct[0], lo, interior, total);
    Attr attrs[] = {*window, tn_attr_of_ints(TN_ATTR_strides, one, in->rank),
                    tn_attr_of_ints(TN_ATTR_pads_lo, none, in->rank),
                    tn_attr_of_ints(TN_ATTR_pads_hi, none, in->rank), *dilations};
    rule->in_ct[0] = tn_build_node(build, TN_OP_pool_sum, &apart, 1, attrs, 5);
    return rule->in_ct[0] != NULL;
}
