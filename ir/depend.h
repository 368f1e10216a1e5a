/* depend.h: what the schedule rewrites ask about a nest: links, accesses and whether two of
 * them can touch the same element. Private to ir/rewrite*.c.
 *
 * A dependence test compares one access in two instances of a loop body. An instance is a
 * substitution of loop variables: the later iteration of `v` is `v + 1 + z` with a fresh
 * z >= 0, and every loop inside runs over a variable of its own. Two instances are apart
 * when the prover shows their indices different in some dim, or their flattened
 * addresses, or pieces of the indices, as they are or x / c and x % c joined to x. Whatever is
 * not proved counts as a meeting. Working memory is scratch.
 */
#ifndef TN_IR_DEPEND_H
#define TN_IR_DEPEND_H

#include "ir/loop.h"

typedef TN_VEC(const Dim *) DimVec;

/* One read or write of a buffer or temp inside a chain of statements. */
typedef struct DepAccess {
    Stmt *stmt;
    uint32_t order;      /* of the statement, in text order */
    uint32_t top;        /* which statement of the chain it is in */
    Stmt *const *loops;  /* loops of the chain around it, outermost first */
    uint32_t n_loops;
    const void *object;  /* the Buf or Temp */
    const Buf *buf;      /* NULL for a temp */
    const Temp *temp;    /* NULL for a buffer */
    const Dim *const *index;
    uint8_t n_index;
    int8_t dyn;          /* dim whose index is not known, or -1 */
    bool reads, writes;  /* an ACC does both */
    bool acc;
    Op op;               /* ACC */
} DepAccess;

typedef TN_VEC(DepAccess) DepVec;

typedef struct DepInstance {
    DimVec from, to;
} DepInstance;

/* ---- links ---- */

/* The pointer that points at `stmt`, or NULL when it is not in the kernel. */
Stmt **tn_dep_link(Kernel *kernel, const Stmt *stmt);
/* Whether `stmt` is in the chain or in a loop of it. */
bool tn_dep_contains(Stmt *chain, const Stmt *stmt);
/* Whether the chain refers to the object outside of the loops `a` and `b` (may be NULL). */
bool tn_dep_refers(Stmt *chain, const void *object, const Stmt *a, const Stmt *b);

/* Whether a loop around this one runs in vectors. */
bool tn_dep_in_vector(Kernel *kernel, const Stmt *loop);

/* ---- accesses ---- */

void tn_dep_accesses(Kernel *kernel, Stmt *chain, DepVec *out);
/* Same object, at least one writes. */
bool tn_dep_conflict(const DepAccess *a, const DepAccess *b);
/* Both accumulate into the same temp with the same operation: their order is free. */
bool tn_dep_sum(const DepAccess *a, const DepAccess *b);
/* Whether every read of the object by statements first..last of the chain sees what an
 * earlier statement among them has written in the same execution of the chain. */
bool tn_dep_covered(Kernel *kernel, const DepVec *all, const void *object, uint32_t first,
                    uint32_t last);
/* Whether an object is written before it is read in every iteration of `loop` and referred to
 * nowhere else: each iteration may have its own. `all` are the accesses of the body. */
bool tn_dep_private(Kernel *kernel, const Stmt *loop, const DepVec *all, const void *object);

/* ---- instances ---- */

/* Substitution `from` -> `to`, where the loops of `chain` get fresh variables: all of them, or
 * only those whose extents change. */
void tn_dep_instance_init(Kernel *kernel, DepInstance *instance, const Stmt *chain,
                          const Dim *const *from, const Dim *const *to, size_t n, bool fresh);
/* An iteration of `loop` later than the one written with its own variables. */
void tn_dep_instance_later(Kernel *kernel, DepInstance *instance, const Stmt *loop);
/* Proved to touch different elements. */
bool tn_dep_apart(Ctx *ctx, const DepAccess *a, const DepInstance *ia, const DepAccess *b,
                  const DepInstance *ib);
/* Whether iterations of the loop are proved independent, temps and locals private to an
 * iteration aside. */
bool tn_dep_independent(Kernel *kernel, const Stmt *loop);

#endif
