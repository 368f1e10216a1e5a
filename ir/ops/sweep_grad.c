/* sweep_grad.c: gradients of rows that put slices, maxima and sums in their places: gather and
 * scatter_add, pool_max and unpool_max, each other's transpose, and cumsum.
 */
#include "ir/grad.h"
#include "ir/ops/support.h"

static const Attr *attr_of(const GradRule *rule, AttrName name) {
    return tn_node_attr(rule->node, name);
}

/* gather(x, operand 1) as the rule's node has its axis and batch. */
static Value *gather_like(GradRule *rule, Value *x) {
    const Attr attrs[] = {*attr_of(rule, TN_ATTR_axis), *attr_of(rule, TN_ATTR_batch)};
    Value *in[] = {x, rule->node->in[1]};
    return tn_build_node(&rule->build, TN_OP_gather, in, 2, attrs, 2);
}

bool tn_grad_gather(GradRule *rule) {
    const Attr attrs[] = {*attr_of(rule, TN_ATTR_axis), *attr_of(rule, TN_ATTR_batch)};
    Value *zeros = tn_build_number(&rule->build, &rule->node->in[0]->type, 0);
    Value *in[] = {zeros, rule->node->in[1], rule->out_ct[0]};
    rule->in_ct[0] = tn_build_node(&rule->build, TN_OP_scatter_add, in, 3, attrs, 2);
    return rule->in_ct[0] != NULL;
}

bool tn_grad_scatter_add(GradRule *rule) {
    rule->in_ct[0] = rule->out_ct[0];
    if (rule->wanted[2]) {
        rule->in_ct[2] = gather_like(rule, rule->out_ct[0]);
    }
    return !rule->wanted[2] || rule->in_ct[2] != NULL;
}

bool tn_grad_cumsum(GradRule *rule) {
    const Attr attrs[] = {*attr_of(rule, TN_ATTR_axis), *attr_of(rule, TN_ATTR_exclusive),
                          tn_attr_of_int(TN_ATTR_reverse, attr_of(rule, TN_ATTR_reverse)->i == 0)};
    rule->in_ct[0] = tn_build_node(&rule->build, TN_OP_cumsum, &rule->out_ct[0], 1, attrs, 3);
    return rule->in_ct[0] != NULL;
}

/* ---- windows ---- */

enum { N_WINDOW_ATTRS = 5 };

static void window_attrs(const GradRule *rule, Attr *out) {
    static const AttrName names[N_WINDOW_ATTRS] = {TN_ATTR_window, TN_ATTR_strides, TN_ATTR_pads_lo,
                                                   TN_ATTR_pads_hi, TN_ATTR_dilations};
    for (int i = 0; i < N_WINDOW_ATTRS; i++) {
        out[i] = *attr_of(rule, names[i]);
    }
}

/* Each window's cotangent goes to the element that is its largest. */
bool tn_grad_pool_max(GradRule *rule) {
    Value *x = rule->node->in[0];
    Attr attrs[N_WINDOW_ATTRS + 1];
    window_attrs(rule, attrs);
    attrs[N_WINDOW_ATTRS] = tn_attr_of_dims(TN_ATTR_dims, x->type.dims, x->type.rank);
    Value *at = tn_build_node(&rule->build, TN_OP_pool_argmax, &x, 1, attrs, N_WINDOW_ATTRS);
    Value *in[] = {rule->out_ct[0], at};
    rule->in_ct[0] = at == NULL ? NULL
                                : tn_build_node(&rule->build, TN_OP_unpool_max, in, 2, attrs,
                                                N_WINDOW_ATTRS + 1);
    return rule->in_ct[0] != NULL;
}

/* Whether a window may have no element at all. */
static bool may_be_padding(const GradRule *rule) {
    const Attr *window = attr_of(rule, TN_ATTR_window);
    bool may = false;
    for (uint32_t d = 0; d < window->n; d++) {
        may = may || attr_of(rule, TN_ATTR_pads_lo)->ints[d] >= window->ints[d] ||
              attr_of(rule, TN_ATTR_pads_hi)->ints[d] >= window->ints[d] ||
              attr_of(rule, TN_ATTR_dilations)->ints[d] > 1;
    }
    return may;
}

/* Zero for windows of padding, whose entry in operand 1 says nothing. */
static Value *without_padding(GradRule *rule, Value *value) {
    Build *build = &rule->build;
    Attr attrs[N_WINDOW_ATTRS];
    window_attrs(rule, attrs);
    Value *ones = tn_build_number(build, &rule->node->out[0]->type, 1);
    Value *taps = tn_build_node(build, TN_OP_pool_sum, &ones, 1, attrs, N_WINDOW_ATTRS);
    if (taps == NULL) {
        return NULL;
    }
    Value *zero = tn_build_number(build, &value->type, 0);
    Value *in[] = {tn_build_map2(build, TN_OP_lt, zero, taps), value, zero};
    return tn_build_node(build, TN_OP_select, in, 3, NULL, 0);
}

/* Each window takes the element it gave its value to. */
bool tn_grad_unpool_max(GradRule *rule) {
    Build *build = &rule->build;
    Ctx *ctx = build->graph->ctx;
    const Dim *count = tn_type_count(ctx, &rule->node->out[0]->type);
    Value *in[] = {tn_build_reshape(build, rule->out_ct[0], 1, &count), rule->node->in[1]};
    const Attr attrs[] = {tn_attr_of_int(TN_ATTR_axis, 0), tn_attr_of_int(TN_ATTR_batch, 0)};
    Value *taken = in[0] == NULL ? NULL : tn_build_node(build, TN_OP_gather, in, 2, attrs, 2);
    bool bare = taken != NULL && may_be_padding(rule);
    rule->in_ct[0] = bare ? without_padding(rule, taken) : taken;
    return rule->in_ct[0] != NULL;
}
