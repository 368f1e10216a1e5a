/* lower.h: state of the lowering pass, shared by its parts.
 *
 * lower.c makes slots and drives the groups; lower_read.c answers what the element of a
 * value is inside the kernel being built; lower_nest.c builds the nests of each group form.
 */
#ifndef TN_PASSES_LOWER_H
#define TN_PASSES_LOWER_H

#include "base/map.h"
#include "passes/group.h"
#include "passes/pass.h"

/* An expression known for `value` at `index` while its block is open. */
typedef struct Known {
    const Value *value;
    const Dim *const *index;
    Expr *expr;
} Known;

/* A new value of a state variable that is copied into it at the end. */
typedef struct Apart {
    const Value *value;
    Slot *state;
} Apart;

typedef struct Lowering {
    Lower lower; /* first: callbacks get &lowering->lower */
    Compile *compile;
    Program *program;
    Graph *graph;        /* the entry's, or a loop's body */
    int32_t home;        /* number of the loop around, or -1 */
    const Dim *turn;     /* the body's first input; NULL outside of loops */
    double trips;        /* how often all of it runs, an estimate */
    Slot **slots;        /* by value id; NULL for values that are not in memory */
    const Dim **offsets; /* by value id: bytes from the slot's start; NULL: none */
    /* the kernel being built */
    const Group *group;
    Kernel *kernel;
    TN_VEC(Apart) apart;
    Map bufs;            /* slot and offset -> Buf */
    TN_VEC(Slot *) args;
    TN_VEC(const Dim *) arg_offsets;
    TN_VEC(Known) known;
    Stmt **block;        /* where statements go */
    int guarded;         /* > 0: inside a formula that tests its index: define no temps */
    const Dim *const **pos; /* by value id: the index of a member in the open block, or NULL */
    bool *inner;         /* by value id: members read only through views */
    int32_t *loops;      /* by value id: which loops of a row group need a member */
    Map staged;          /* value id -> local Buf over the reduced dims */
    const Node *scatter; /* the kernel adds to a result that starts as this node's operand 0 */
    const Dim *full_index[TN_MAX_RANK]; /* rows: root index at the dims that stay, else NULL */
} Lowering;

/* ---- lower.c ---- */
/* A lowering of a graph into a program, with nothing done yet. */
Lowering *tn_lowering_new(Compile *compile, Program *program, Graph *graph);
/* Slots for what the graph's groups pass along, and their kernels as steps. */
bool tn_lower_graph(Lowering *lowering);
/* Bytes a value takes, rounded up to whole slots. */
const Dim *tn_lower_slot_bytes(Ctx *ctx, const Type *type);
/* Where a value in memory lies; weight slots are made here, packed in the value's layout. */
Slot *tn_lower_slot(Lowering *lowering, const Value *value);

/* ---- lower_read.c ---- */
Expr *tn_lower_read(Lower *lower, const Value *value, const Dim *const *index);
Expr *tn_lower_read_at(Lower *lower, const Value *value, const Dim *const *index, int dyn,
                       Expr *at);
/* The kernel's buffer for a value in memory, added as a parameter on first use. */
Buf *tn_lower_buf(Lowering *lowering, const Value *value);
/* The key of a value's memory in lowering->bufs. */
uint64_t tn_lower_place_key(Lowering *lowering, const Value *value);
/* STORE of `expr` as element `index` of `value`. */
void tn_lower_store(Lowering *lowering, const Value *value, const Dim *const *index, Expr *expr);
/* Gives `expr` a temp in the open block (unless inside a guarded formula) and remembers it. */
Expr *tn_lower_define(Lowering *lowering, const Value *value, const Dim *const *index, Expr *expr);
void tn_lower_know(Lowering *lowering, const Value *value, const Dim *const *index, Expr *expr);
/* The formula of a member, whatever is known. */
Expr *tn_lower_formula(Lowering *lowering, const Value *value, const Dim *const *index);

/* ---- lower_state.c ---- */
/* Whether every kernel that reads the old value of the variable, of which `value` is the new
 * one, comes no later than the one that writes it. */
bool tn_lower_in_place(const Graph *graph, const Value *value);
/* After a kernel is built: puts apart what it may not write in place; true when there was any:
 * the kernel must be built anew. */
bool tn_lower_keep_apart(Lowering *lowering);
/* Gives `value` memory of its own, to be copied to `state` at the end. */
void tn_lower_put_apart(Lowering *lowering, const Value *value, Slot *state);
/* A kernel that copies its first parameter to its second. */
Kernel *tn_lower_copy_kernel(Ctx *ctx, const Value *value);

/* ---- lower_loop.c ---- */
bool tn_lower_loop_node(Lowering *outer, const Node *node);

/* ---- lower_nest.c ---- */
bool tn_lower_group(Lowering *lowering);
/* The nest that makes the result of lowering->scatter its operand 0. */
bool tn_lower_start(Lowering *lowering);

#endif
