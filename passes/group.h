/* group.h: a kernel-to-be: the nodes that the fuse pass gave one group number.
 *
 * A group has a root space, the loops every member shares:
 * - POINTWISE: the dims of its results; all members are formulas over them;
 * - REDUCE: the dims of its reductions' results. Members are reductions over the same
 *   axes of the same full dims (a row group: softmax, layer norm), or one windowed
 *   reduction (contraction, convolution, pooling), and formulas in the root space, or in the
 *   full space of a row group;
 * - SWEEP: one sweep, and formulas that its turns read;
 * - CONCAT: one copying nest per operand.
 *
 * Sources, and views that nothing forces into memory, belong to no group (-1): their
 * readers use their formulas.
 */
#ifndef TN_PASSES_GROUP_H
#define TN_PASSES_GROUP_H

#include "ir/lower.h"
#include "ir/traits.h"

typedef enum GroupForm { GROUP_POINTWISE, GROUP_REDUCE, GROUP_SWEEP, GROUP_CONCAT } GroupForm;

typedef TN_VEC(Node *) NodeVec;

typedef struct Group {
    int32_t id;
    GroupForm form;
    NodeVec nodes;      /* topological order */
    const Node *anchor; /* the first reduction, or the sweep; else NULL */
    bool rows;          /* REDUCE of the row kind: has a full space */
    uint8_t rank;       /* root space */
    const Dim *dims[TN_MAX_RANK];
    uint8_t full_rank;  /* rows: dims of the reductions' operand */
    const Dim *full[TN_MAX_RANK];
    bool reduced[TN_MAX_RANK]; /* rows: which full dims the reductions run over */
    /* fusion: a variable for each root dim (0 for dims of one), and for each full dim */
    const Dim *vars[TN_MAX_RANK];
    const Dim *full_vars[TN_MAX_RANK];
} Group;

/* Fills form, anchor and spaces from nodes[0..] (dims of the first result otherwise). */
void tn_group_describe(Group *group);
/* Whether `node`, a reduction, runs over the same axes of the same dims as the row group. */
bool tn_group_same_rows(const Group *group, const Node *node);
/* All groups of the graph by number; nodes in order. */
typedef TN_VEC(Group) GroupVec;
GroupVec tn_groups_collect(const Graph *graph, Arena *arena);

static inline bool tn_dims_equal(uint32_t na, const Dim *const *a, uint32_t nb,
                                 const Dim *const *b) {
    if (na != nb) {
        return false;
    }
    for (uint32_t i = 0; i < na; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}
/* A view that no group holds: its readers use its formula. */
static inline bool tn_node_is_transparent(const Node *node) {
    return node->group < 0 && tn_node_class(node) == OPC_VIEW;
}
/* Whether operand `slot` of `node` must lie in memory. */
bool tn_operand_needs_buffer(const Node *node, uint32_t slot);
/* The index at which the chain of transparent views from `value` reads its base, when `value`
 * is read at `index`; returns the base, or NULL when a view is not a plain index map. */
const Value *tn_view_base(Ctx *ctx, const Value *value, const Dim *const *index, const Dim **out);

#endif
