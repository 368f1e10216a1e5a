/* lower.h: what the rows of the op table need to describe themselves as scalar code.
 *
 * A row gives a formula, not a loop nest: the element of the result at an index
 * (`element`), how one element is reduced (`reduction`), or, where the elements depend on each
 * other, what each turn over a space adds (`sweep`). The lowering pass builds
 * the nest around it, and fusion is nothing but asking for a producer's formula
 * instead of a load.
 */
#ifndef TN_IR_LOWER_H
#define TN_IR_LOWER_H

#include "ir/loop.h"

typedef struct Lower Lower;
struct Lower {
    Ctx *ctx;
    Kernel *kernel;
    /* The element of `value` at logical `index` (rank entries): a load, a temp, or the
     * formula of its producer when that is fused. NULL after a diagnostic. */
    Expr *(*read)(Lower *lower, const Value *value, const Dim *const *index);
    /* As `read` where dim `dyn` of the index is index[dyn] plus the integer `at`, which is
     * already clamped into range. */
    Expr *(*read_at)(Lower *lower, const Value *value, const Dim *const *index, int dyn, Expr *at);
    void *state; /* the lowering pass's own */
};

/* One element as a reduction: for all r in extents (row-major order): acc = op(acc, value),
 * starting from init. Index of the operand elements are expressions over `vars`. */
typedef enum ReduceKind {
    REDUCE_ACC, /* acc = op(acc, value) */
    /* keep `position` of the best `value`: op is max or min; NaN beats numbers; the first element
     * always counts, whatever init; of nothing 0; see arg_last */
    REDUCE_ARG
} ReduceKind;

typedef struct Reduction {
    ReduceKind kind;
    Op op; /* add, mul, min, max */
    DType dtype; /* of acc */
    Expr *init;
    uint8_t rank;
    const Dim *vars[TN_MAX_RANK]; /* fresh loop variables */
    const Dim *extents[TN_MAX_RANK]; /* may use the element's index: clipped windows */
    Expr *value; /* over vars and the element's index */
    Expr *position; /* ARG: i64 */
    bool arg_last; /* ARG: later equals win */
} Reduction;

/* A result made by running over a space in order and storing as it goes. Loops are outermost
 * first: turns of the first `n_free` are independent of each other, those inside run in order
 * (row-major). */
typedef enum SweepKind {
    SWEEP_SCAN, /* acc = start; for each turn: acc = op(acc, value), result[to] = acc */
    /* the result is a copy of operand 0; for each turn: result[to] = op(result[to], value), where
     * dim `dyn` of `to` is the integer `at`, already in range */
    SWEEP_SCATTER
} SweepKind;

typedef struct Sweep {
    SweepKind kind;
    Op op;
    DType dtype; /* of acc and the result */
    uint8_t rank, n_free;
    const Dim *vars[TN_MAX_RANK]; /* fresh loop variables */
    const Dim *extents[TN_MAX_RANK];
    const Dim *to[TN_MAX_RANK]; /* index in the result, over vars */
    Expr *value; /* over vars */
    Expr *start; /* SCAN */
    bool exclusive; /* SCAN: stored before acc takes the value */
    int dyn; /* SCATTER */
    Expr *at; /* SCATTER: i64 */
} Sweep;

#endif
