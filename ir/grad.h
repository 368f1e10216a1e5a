/* grad.h: reverse-mode differentiation of graphs of primitives.
 *
 * The gradient of a primitive is a field of its row: for maps the derivative by each
 * operand, as text; otherwise a rule tn_grad_<id> that builds primitives. What is built is
 * ordinary graph, so it can be differentiated again. Contributions to one value are summed
 * in the order of its readers in the graph, latest first.
 */
#ifndef TN_IR_GRAD_H
#define TN_IR_GRAD_H

#include "ir/build.h"

/* What a rule works with. Values of integer and bool dtype have no cotangents. */
typedef struct GradRule {
    Build build;           /* new nodes go to the end of the graph, at the node's location */
    const Node *node;
    Value *const *out_ct;  /* per result: its cotangent, of its type; NULL when zero */
    const bool *wanted;    /* per operand: whether its cotangent is of use */
    Value **in_ct;         /* per operand: to be set where wanted; NULL means zero */
} GradRule;

/* Derivatives of each of `targets` of the sum over i of <seeds[i], ys[i]>; `seeds` NULL, or a
 * NULL entry: ones. ys are of a float dtype. `out[i]` has the type of targets[i], or is NULL
 * when no y depends on it. New nodes are appended to the graph. False after diagnostics that
 * name every node on the way that cannot be differentiated. */
bool tn_grad_build(Graph *graph, Value *const *ys, Value *const *seeds, size_t n_ys,
                   Value *const *targets, size_t n_targets, Value **out);

#endif
