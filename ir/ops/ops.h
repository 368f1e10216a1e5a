/* ops.h: the functions of every row of ops.def, declared from the table itself.
 *
 * A row without one of its functions does not link. MAP rows share one type rule and
 * one formula. The op table (ir/op.c) and the families in this folder include this
 * header; nobody else does.
 */
#ifndef TN_IR_OPS_OPS_H
#define TN_IR_OPS_OPS_H

#include "ir/lower.h"
#include "ir/op.h"

typedef Expr *ElementFn(Lower *lower, const Node *node, const Dim *const *index);
typedef bool ReductionFn(Lower *lower, const Node *node, const Dim *const *index, Reduction *out);
typedef bool SweepFn(Lower *lower, const Node *node, Sweep *out);

TypeFn tn_type_map;
ElementFn tn_lower_map;

/* The kind of formula each class of rows has. */
#define TN_FORMULA_SOURCE ElementFn
#define TN_FORMULA_VIEW ElementFn
#define TN_FORMULA_INDEX ElementFn
#define TN_FORMULA_REDUCE ReductionFn
#define TN_FORMULA_SWEEP SweepFn
#define TN_FORMULA_LOOP ElementFn

#define MAP(id, arity, domain, result, c_float, c_int, grad, doc) EvalFn tn_eval_##id;
#define OP(id, n_in, n_out, cls, attrs, doc)                                                       \
    TypeFn tn_type_##id;                                                                           \
    EvalFn tn_eval_##id;                                                                           \
    GradFn tn_grad_##id;                                                                           \
    TN_FORMULA_##cls tn_lower_##id;
#include "ir/ops.def"
#undef MAP
#undef OP

#endif
