/* move_grad.c: gradients of data movement, and of sources, which have none. */
#include "ir/grad.h"
#include "ir/ops/support.h"

/* Rows whose operands have no cotangents: there are none, or the results are integers. */
static bool no_cotangent(GradRule *rule) {
    (void)rule;
    return true;
}

bool tn_grad_const(GradRule *rule) {
    return no_cotangent(rule);
}

bool tn_grad_iota(GradRule *rule) {
    return no_cotangent(rule);
}

bool tn_grad_dimvec(GradRule *rule) {
    return no_cotangent(rule);
}

bool tn_grad_argmax(GradRule *rule) {
    return no_cotangent(rule);
}

bool tn_grad_argmin(GradRule *rule) {
    return no_cotangent(rule);
}

bool tn_grad_pool_argmax(GradRule *rule) {
    return no_cotangent(rule);
}

bool tn_grad_copy(GradRule *rule) {
    rule->in_ct[0] = rule->out_ct[0];
    return true;
}

/* The part of the cotangent that is the operand's; the rest belongs to the filling. */
bool tn_grad_pad(GradRule *rule) {
    Build *build = &rule->build;
    const Node *node = rule->node;
    const Type *in = &node->in[0]->type, *out = &node->out[0]->type;
    const Attr *lo = tn_node_attr(node, TN_ATTR_lo);
    const Attr *interior = tn_node_attr(node, TN_ATTR_interior);
    int64_t steps[TN_MAX_RANK + 1], all[TN_MAX_RANK + 1];
    for (uint32_t d = 0; d < in->rank; d++) {
        steps[d] = interior->n > 0 ? interior->ints[d] + 1 : 1;
        all[d] = d;
    }
    Value *inner = tn_build_slice(build, rule->out_ct[0], lo->dims, steps, in->dims);
    if (rule->wanted[0]) {
        rule->in_ct[0] = inner;
    }
    if (rule->wanted[1]) {
        Value *total = tn_build_reduce(build, TN_OP_reduce_sum, rule->out_ct[0], all, out->rank);
        Value *own = tn_build_reduce(build, TN_OP_reduce_sum, inner, all, in->rank);
        rule->in_ct[1] = tn_build_map2(build, TN_OP_sub, total, own);
    }
    return inner != NULL;
}

bool tn_grad_concat(GradRule *rule) {
    Build *build = &rule->build;
    Ctx *ctx = build->graph->ctx;
    const Node *node = rule->node;
    int64_t axis = tn_attr_int(node, TN_ATTR_axis), steps[TN_MAX_RANK + 1];
    const Dim *starts[TN_MAX_RANK];
    for (uint32_t d = 0; d < node->out[0]->type.rank; d++) {
        starts[d] = tn_dim_const(ctx, 0);
        steps[d] = 1;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Type *type = &node->in[i]->type;
        if (rule->wanted[i]) {
            rule->in_ct[i] = tn_build_slice(build, rule->out_ct[0], starts, steps, type->dims);
            if (rule->in_ct[i] == NULL) {
                return false;
            }
        }
        starts[axis] = tn_dim_add(ctx, starts[axis], type->dims[axis]);
    }
    return true;
}
