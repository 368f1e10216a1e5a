/* traits.h: traits of primitives that decide how they form kernels; rows in traits.def. */
#ifndef TN_IR_TRAITS_H
#define TN_IR_TRAITS_H

#include "ir/op.h"

enum {
    TRAIT_COSTLY = 1 << 0,
    TRAIT_PRODUCT = 1 << 1,
    TRAIT_WINDOWED = 1 << 2,
    TRAIT_GUARDED = 1 << 3,
    TRAIT_BUFFER0 = 1 << 4,
    TRAIT_BIJECTIVE = 1 << 5,
    TRAIT_OWNKERNEL = 1 << 6
};

/* TRAIT_ bits of a primitive. */
uint32_t tn_op_traits(Op op);
static inline bool tn_node_has(const Node *node, uint32_t trait) {
    return (tn_op_traits(node->op) & trait) != 0;
}
static inline OpClass tn_node_class(const Node *node) {
    return tn_op_info(node->op)->cls;
}

/* Where the element at `index` of a BIJECTIVE view's operand goes in its result: the
 * inverse of the row's `element`. */
void tn_view_forward(Ctx *ctx, const Node *view, const Dim *const *index, const Dim **out);

#endif
