/* rewrite.h: schedule rewrites: each takes a kernel to a kernel with the same meaning.
 *
 * They know nothing of operators. Each checks that it is legal and returns NULL / false,
 * changing nothing, when it cannot prove so. `loop` is always a STMT_FOR inside the
 * kernel. Results are equal up to the order of floating-point sums where a rewrite says so.
 *
 * A Stmt keeps its identity: after a swap the pointers still name the same loops, in other
 * places. A loop whose range changes gets a fresh variable. Temps that only one iteration
 * uses are told apart when a body is copied. Temps have at most TN_TEMP_RANK dims and
 * TN_TEMP_MAX elements; what would need more is refused.
 *
 * A register tile: for m, n { DEF acc; FOR k { ACC acc }; STORE } becomes, by two splits and
 * a swap, (mo, no, mi, nv, lane); tn_loop_fission of lane, nv and mi on both sides of the k loop
 * turns acc into acc[mi][nv][lane]; tn_loop_raise moves k outwards over the three.
 */
#ifndef TN_IR_REWRITE_H
#define TN_IR_REWRITE_H

#include "ir/loop.h"

enum { TN_TEMP_RANK = 6, TN_TEMP_MAX = 1 << 14 };

typedef enum SplitTail {
    SPLIT_EXACT, /* legal only when factor divides the extent (proved) */
    SPLIT_MIN,   /* inner extent is min(factor, extent - outer * factor) */
    SPLIT_PEEL   /* whole tiles in one nest, the remainder in a second copy behind it */
} SplitTail;

/* for v in E  ->  for o in ceil(E/f) { for i in f }, v = o*f + i. Returns the inner loop
 * (the outer is `loop` itself, kept in place). With PEEL `*tail` (may be NULL) receives the
 * remainder's loop, extent E - floor(E/f)*f, or NULL when that is proved zero. */
Stmt *tn_loop_split(Kernel *kernel, Stmt *loop, int64_t factor, SplitTail tail, Stmt **rest);
/* Splits the range: [0, at) stays in `loop`, [at, extent) becomes a copy behind it, returned.
 * Neither split nor cut takes an UNROLL or VECTOR loop. */
Stmt *tn_loop_cut(Kernel *kernel, Stmt *loop, const Dim *at);
/* Swaps `loop` with the single loop that is its whole body. Legal when the inner extent does
 * not use loop's variable and iterations commute (no temp or buffer dependence carried
 * except ACC with an associative op; reorders sums). */
bool tn_loop_swap(Kernel *kernel, Stmt *loop);
/* Moves `loop` outwards over `levels` loops, each having the next as its whole body: repeated
 * swaps, all or none. */
bool tn_loop_raise(Kernel *kernel, Stmt *loop, int levels);
/* Distributes: body statements up to and including `last` stay, the rest moves to a copy of
 * the loop behind it (returned). Temps that cross get a dimension for the loop's variable,
 * whose extent must then be constant (or lanes). */
Stmt *tn_loop_fission(Kernel *kernel, Stmt *loop, Stmt *last);
/* Joins `loop` and the loop right behind it, same extent: the second body follows the first
 * in every iteration. Legal when no element read by the second is written by a later
 * iteration of the first. */
bool tn_loop_jam(Kernel *kernel, Stmt *loop);
/* for a in A { for b in B }  ->  for v in A*B, a = v/B, b = v%B. The inner loop must be the
 * whole body and B free of a. */
bool tn_loop_fuse(Kernel *kernel, Stmt *loop);
/* Whether the loop's iterations are proved independent: every buffer element written in one
 * iteration is not touched by another, and no temp carries a value between them. */
bool tn_loop_independent(Kernel *kernel, const Stmt *loop);
/* Kind changes, checked. lanes: the constant upper bound of the extent. */
bool tn_loop_unroll(Kernel *kernel, Stmt *loop);
bool tn_loop_vectorize(Kernel *kernel, Stmt *loop, int32_t lanes);
bool tn_loop_partition(Kernel *kernel, Stmt *loop);
/* for k in K { acc = op(acc, x) }, after definitions of private temps at most, acc free of k  ->
 * `lanes` partial accumulators (a temp array indexed by the inner of k = o*lanes + i), combined
 * after the loop in fixed order. They are set before and combined after the outermost of the loops
 * around that do nothing but this reduction. Reorders sums. Returns the inner loop, ready to
 * vectorise; the loops that set and combine run over constant `lanes`. */
Stmt *tn_loop_partial(Kernel *kernel, Stmt *loop, int32_t lanes);
/* Copies the elements of `buf` that `loop`'s body reads into a local buffer filled before
 * the loop, laid out in the order given by `vars` (loop variables inside `loop`, outermost
 * first); all reads of buf in the body must use the same index expressions, free of other
 * inner variables and outside of guards. Returns the filling nest's first loop. */
Stmt *tn_loop_stage(Kernel *kernel, Stmt *loop, Buf *buf, const Dim *const *vars, int n_vars);
/* Moves DEFs of the loop's body whose value does not depend on the loop in front of it. False
 * when there was none. */
bool tn_loop_hoist(Kernel *kernel, Stmt *loop);

/* Dim `dim` of the temp becomes two, the inner one of `factor` (which divides it): index e
 * becomes e / factor, e % factor. */
bool tn_temp_split(Kernel *kernel, Temp *temp, int dim, int32_t factor);
/* Temps that only name a constant, an index or another temp are replaced by that, and temps
 * that nobody reads disappear with their statements. False when there was none. */
bool tn_kernel_copy_prop(Kernel *kernel);

/* Helpers. */
Stmt *tn_loop_parent(Kernel *kernel, const Stmt *stmt); /* enclosing FOR or NULL */
Stmt *tn_loop_by_var(Kernel *kernel, const Dim *var);
/* The loop that is the whole body of `loop`, or NULL. */
Stmt *tn_loop_only_child(const Stmt *loop);
/* The first statement of the chain, loops before their bodies, for which `match` is true. */
Stmt *tn_stmt_find(Stmt *chain, StmtVisitFn *match, void *arg);

#endif
