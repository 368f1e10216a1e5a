/* loopnode.h: the parts of a `loop` or `if` node; see ir/ops/loop.c and ir/ops/if.c for what they
 * mean. An `if` is a loop of one turn or none. */
#ifndef TN_IR_LOOPNODE_H
#define TN_IR_LOOPNODE_H

#include "ir/ir.h"

typedef struct LoopShape {
    Graph *body;
    const Dim *trips;
    uint32_t carried;   /* operands 0.., body inputs 1.., body outputs 0.., results 0.. */
    uint32_t scanned;   /* the operands after these */
    uint32_t invariant; /* the rest of the operands */
    uint32_t stacked;   /* body outputs and results after the carried ones */
    bool reverse;
    Value *condition;   /* of `if`: the first invariant; NULL: none */
} LoopShape;

LoopShape tn_loop_shape(const Node *node);
/* A further stacked result of the loop: `value` of its body at every turn. */
Value *tn_loop_add_stacked(Graph *graph, Node *node, Value *value);
/* A further invariant; returns the body's input. */
Value *tn_loop_add_invariant(Graph *graph, Node *node, Value *value);
/* Without operand `i`, scanned or invariant, whose input the body does not use. */
void tn_loop_drop_operand(Graph *graph, Node *node, uint32_t i);
/* Without result `i`, a stacked one that nothing uses. */
void tn_loop_drop_stacked(Node *node, uint32_t i);
/* A tensor's type without dim 0. */
Type tn_loop_slice_type(const Type *type);
/* Appends (or inserts before `before`) a loop over `body`, whose inputs and outputs say how many
 * operands and results there are. Operands: carried, scanned, invariant. NULL after a
 * diagnostic. */
Node *tn_loop_new(Graph *graph, Graph *body, Value *const *in, uint32_t n_in, const Dim *trips,
                  uint32_t carried, uint32_t scanned, bool reverse, Loc loc, Node *before);
/* The same for an `if`: carried, condition, invariant. */
Node *tn_if_new(Graph *graph, Graph *body, Value *const *in, uint32_t n_in, uint32_t carried,
                Loc loc, Node *before);

#endif
