/* view_grad.c: gradients of views: each is the transpose of an index map. */
#include "ir/grad.h"
#include "ir/ops/support.h"

bool tn_grad_reshape(GradRule *rule) {
    const Type *type = &rule->node->in[0]->type;
    rule->in_ct[0] = tn_build_reshape(&rule->build, rule->out_ct[0], type->rank, type->dims);
    return rule->in_ct[0] != NULL;
}

bool tn_grad_transpose(GradRule *rule) {
    const Attr *perm = tn_node_attr(rule->node, TN_ATTR_perm);
    int64_t inverse[TN_MAX_RANK + 1];
    for (uint32_t i = 0; i < perm->n; i++) {
        inverse[perm->ints[i]] = i;
    }
    rule->in_ct[0] = tn_build_transpose(&rule->build, rule->out_ct[0], inverse);
    return rule->in_ct[0] != NULL;
}

/* Sums over the dims that repeat; what is left is in the result's order. */
bool tn_grad_expand(GradRule *rule) {
    const Node *node = rule->node;
    const Type *in = &node->in[0]->type, *out = &node->out[0]->type;
    const Attr *axes = tn_node_attr(node, TN_ATTR_axes);
    bool kept[TN_MAX_RANK] = {false}; /* by result dim */
    int64_t summed[TN_MAX_RANK + 1], place[TN_MAX_RANK], perm[TN_MAX_RANK + 1];
    uint32_t n_summed = 0, n = 0;
    for (uint32_t i = 0; i < axes->n; i++) {
        kept[axes->ints[i]] = in->dims[i] == out->dims[axes->ints[i]] || !tn_dim_is(in->dims[i], 1);
    }
    for (uint32_t d = 0; d < out->rank; d++) {
        if (!kept[d]) {
            summed[n_summed++] = d;
        }
        place[d] = (int64_t)d - n_summed;
    }
    Value *ct = rule->out_ct[0];
    if (n_summed > 0) {
        ct = tn_build_reduce(&rule->build, TN_OP_reduce_sum, ct, summed, n_summed);
    }
    for (uint32_t i = 0; i < axes->n; i++) {
        if (kept[axes->ints[i]]) {
            perm[n++] = place[axes->ints[i]];
        }
    }
    ct = tn_build_transpose(&rule->build, ct, perm);
    rule->in_ct[0] = tn_build_reshape(&rule->build, ct, in->rank, in->dims);
    return rule->in_ct[0] != NULL;
}

/* Elements go back to their places among zeros; a step backwards turns them round first. */
bool tn_grad_slice(GradRule *rule) {
    Build *build = &rule->build;
    Ctx *ctx = build->graph->ctx;
    const Node *node = rule->node;
    const Type *in = &node->in[0]->type, *out = &node->out[0]->type;
    const Attr *starts = tn_node_attr(node, TN_ATTR_starts);
    const Attr *steps = tn_node_attr(node, TN_ATTR_steps);
    const Dim *first[TN_MAX_RANK], *lo[TN_MAX_RANK], *hi[TN_MAX_RANK];
    int64_t turn[TN_MAX_RANK + 1], interior[TN_MAX_RANK + 1];
    bool turned = false;
    for (uint32_t d = 0; d < in->rank; d++) {
        int64_t step = steps->ints[d], apart = step < 0 ? -step : step;
        const Dim *last = tn_dim_addc(ctx, out->dims[d], -1);
        turned = turned || step < 0;
        turn[d] = step < 0 ? -1 : 1;
        first[d] = step < 0 ? tn_dim_max(ctx, last, tn_dim_const(ctx, 0)) : tn_dim_const(ctx, 0);
        interior[d] = apart > 0 ? apart - 1 : 0;
        const Dim *span = tn_dim_addc(ctx, tn_dim_mulc(ctx, last, interior[d] + 1), 1);
        if (interior[d] > 0) {
            span = tn_dim_max(ctx, span, tn_dim_const(ctx, 0));
        }
        lo[d] = starts->dims[d];
        if (step < 0) { /* the last element taken; of none, any place that is there */
            lo[d] = tn_dim_add(ctx, lo[d], tn_dim_mulc(ctx, last, step));
            lo[d] = tn_dim_min(ctx, lo[d], tn_dim_sub(ctx, in->dims[d], span));
            lo[d] = tn_dim_max(ctx, lo[d], tn_dim_const(ctx, 0));
        }
        hi[d] = tn_dim_sub(ctx, tn_dim_sub(ctx, in->dims[d], lo[d]), span);
    }
    Value *ct = rule->out_ct[0];
    if (turned) {
        ct = tn_build_slice(build, ct, first, turn, out->dims);
    }
    rule->in_ct[0] = tn_build_pad(build, ct, lo, hi, interior);
    return rule->in_ct[0] != NULL;
}
