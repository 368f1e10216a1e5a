/* nest.h: questions that schedules ask about a loop nest: accesses and their strides. */
#ifndef TN_PASSES_NEST_H
#define TN_PASSES_NEST_H

#include "ir/rewrite.h"

/* A load or store found in a nest. */
typedef struct Access {
    const Buf *buf;
    const Dim *const *index;
    uint8_t n_index;
    bool store;
    bool dynamic; /* part of the place is computed from data */
} Access;

typedef TN_VEC(Access) AccessVec;
typedef TN_VEC(Stmt *) StmtVec;

/* All accesses in the chain at `stmt`, nested ones included. */
void tn_nest_accesses(Arena *arena, const Stmt *stmt, AccessVec *out);
void tn_expr_accesses(Arena *arena, const Expr *expr, AccessVec *out);
/* Elements between neighbours along `var` when it runs in vectors of `lanes` (blocked layouts
 * are linear within a block); false when the distance varies. */
bool tn_access_stride(Ctx *ctx, const Access *access, const Dim *var, int32_t lanes, int64_t *out);
/* Whether in each vector the elements lie in one fixed pattern, within a vector's length. */
bool tn_access_near(Ctx *ctx, const Access *access, const Dim *var, int32_t lanes);
/* Flat element offset of an access. */
const Dim *tn_access_address(Ctx *ctx, const Access *access);
/* Whether index arithmetic outside of accesses (iota, guards) uses `var`. */
bool tn_nest_index_uses(const Stmt *stmt, const Dim *var);
/* Whether it does in a way that vectors along `var` cannot follow: guards, uneven steps. */
bool tn_nest_index_bends(Ctx *ctx, const Stmt *stmt, const Dim *var, int32_t lanes);

/* The perfectly nested loops from `loop` inwards; the last one's body is not a single FOR. */
StmtVec tn_nest_chain(Arena *arena, Stmt *loop);
/* Joins neighbouring loops of the perfect nest from `loop` wherever every access runs through
 * both as through one. */
void tn_nest_collapse(Kernel *kernel, Arena *arena, Stmt *loop);
/* Loops that run once become their body, everywhere in the kernel. */
void tn_nest_drop_unit_loops(Kernel *kernel);
/* Swaps the loop of `var` inwards until its body is no longer a single FOR (or a swap is
 * refused). Loops are named by variable as swaps may reuse statements. */
void tn_nest_sink(Kernel *kernel, const Dim *var);
/* Swaps the loop of `var` outwards until it encloses the loop of `above`. */
bool tn_nest_raise(Kernel *kernel, const Dim *var, const Dim *above);
/* A top-level loop over several nests becomes one loop for each, where that is legal. */
void tn_nest_distribute(Kernel *kernel);
/* Whether the first statement of a block shares a temp with the others. */
bool tn_nest_hands_on_temps(const Kernel *kernel, const Stmt *first);
bool tn_nest_has_kind(const Stmt *stmt, LoopKind kind);

#endif
