/* simplify.h: the rules of the simplify pass, declared from simplify.def.
 *
 * A rule looks at one node and returns the value that is to stand for its result, or NULL
 * when it does not apply. It may make nodes through `build`; it changes none.
 */
#ifndef TN_PASSES_SIMPLIFY_H
#define TN_PASSES_SIMPLIFY_H

#include "ir/build.h"

typedef Value *SimplifyFn(Build *build, const Node *node);

#define RULE(op, name, doc) SimplifyFn tn_simplify_##name;
#define RULE_MAPS(name, doc) SimplifyFn tn_simplify_##name;
#include "passes/simplify.def"
#undef RULE
#undef RULE_MAPS

/* Rewrites the graph until no rule applies; false after a diagnostic. */
bool tn_simplify_graph(Graph *graph);
/* Name of rule `index` for tests; NULL past the end. */
const char *tn_simplify_rule_name(uint32_t index);

/* The node of `op` that defines `value`, or NULL. */
static inline const Node *tn_def_of(const Value *value, Op op) {
    return value->def != NULL && value->def->op == op ? value->def : NULL;
}
/* Whether `value` is one number everywhere, of the same sign too. */
bool tn_value_is_number(const Value *value, double number);
/* The one element of a splat as a scalar constant. NULL when `value` is no splat. */
Value *tn_splat_scalar(Build *build, const Value *value);
/* Whether a contraction may read what the transpose in front of operand `slot` reads: one that
 * keeps batch dims in front and free dims in order only renames dims. `renamed` receives what the
 * contracted ones are then. */
bool tn_contract_renames(const Node *node, uint32_t slot, const Node *transpose, int64_t *renamed);
/* Bytes of a constant, NULL when `value` is none. */
const Blob *tn_value_blob(const Value *value);

#endif
