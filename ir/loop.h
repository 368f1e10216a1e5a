/* loop.h: the loop IR: one kernel is its buffers, a tree of loops, and scalar statements.
 *
 * Meaning (what the interpreter does, whatever the loop kinds say): statements run in
 * order; a FOR runs its body for var = 0 .. extent-1 (not at all when extent <= 0).
 * Loop kinds are promises, not meaning: SERIAL none; UNROLL and VECTOR have a constant
 * trip limit (`lanes`); the iterations of a VECTOR loop are independent: every temp
 * assigned in its body is indexed by its variable or defined (DEF) inside the body, and
 * the bounds of loops inside do not use its variable. PARTITION iterations are independent
 * and may run on any thread; a PARTITION loop stands at the top level of the kernel.
 *
 * A temp is a small register array: its indices are constant after unrolling. A temp is
 * visible from its DEF to the end of the block that holds the DEF (and in nested blocks);
 * a temp indexed by loop variables may be defined in one loop and used in a later sibling
 * loop over the same range: such temps are listed in the kernel and live kernel-wide.
 *
 * Buffers are flat arrays of their dtype with physical dims and dense or given strides;
 * an access names one index per physical dim. All index arithmetic is Dim expressions
 * over loop variables and symbols.
 *
 * Everything is arena-owned and the tree is mutable: rewrites (ir/rewrite.h) change it
 * in place. Expressions are immutable once built and may be shared.
 */
#ifndef TN_IR_LOOP_H
#define TN_IR_LOOP_H

#include "ir/op.h"

typedef enum BufKind {
    BUF_PARAM, /* passed by the caller of the kernel */
    BUF_LOCAL  /* scratch private to each thread, size free of loop variables */
} BufKind;

typedef struct Buf {
    uint32_t id; /* position in kernel->bufs */
    BufKind kind;
    DType dtype;
    uint8_t rank;
    const Dim *dims[TN_MAX_RANK + 4];
    const Dim *strides[TN_MAX_RANK + 4]; /* in elements */
    bool written;         /* some statement stores to it */
    /* LOCAL, a promise of who made it: a turn of a loop that holds all its uses reads only what
     * that turn has written */
    bool set_first;
    const char *name; /* for printing: "b0" */
    const Value *value; /* graph value held, or NULL */
    uint32_t align; /* bytes the start is aligned to (at least the dtype's) */
} Buf;

typedef struct Temp {
    uint32_t id; /* position in kernel->temps */
    DType dtype;
    uint8_t rank;
    int32_t extents[6];
    const char *name;
} Temp;

typedef enum ExprKind {
    EXPR_CONST, /* f (float dtypes) or i */
    EXPR_INDEX, /* the integer `dim`, converted to dtype */
    EXPR_LOAD, /* buf[index...] */
    EXPR_TEMP, /* temp[index...] */
    EXPR_MAP, /* elementwise row `op` over args; args dtypes as the row demands */
    EXPR_GUARD, /* dim != 0 ? args[0] : args[1]; the branch not taken is not evaluated */
    EXPR_DYNLOAD /* buf[index...] where dim `dyn` of the index is the integer args[0],
                    plus index[dyn]; args[0] is already in range */
} ExprKind;

typedef struct Expr Expr;
struct Expr {
    ExprKind kind;
    DType dtype;
    Op op; /* MAP */
    uint8_t n_args; /* MAP, GUARD, DYNLOAD */
    uint8_t n_index; /* LOAD, TEMP, DYNLOAD */
    uint8_t dyn; /* DYNLOAD */
    union {
        double f;
        int64_t i;
        const Dim *dim; /* INDEX, GUARD */
        Buf *buf; /* LOAD, DYNLOAD */
        Temp *temp; /* TEMP */
    };
    const Dim *const *index;
    Expr *const *args;
};

typedef enum StmtKind {
    STMT_FOR,
    STMT_DEF, /* temp[index...] = value (first or repeated assignment) */
    STMT_ACC, /* temp[index...] = op(temp[index...], value), op one of add mul min max */
    STMT_STORE /* buf[index...] = value; with `at`, dim `dyn` of the index is the integer `at`,
                  already in range, plus index[dyn] */
} StmtKind;

typedef enum LoopKind { LOOP_SERIAL, LOOP_PARTITION, LOOP_UNROLL, LOOP_VECTOR } LoopKind;

typedef struct Stmt Stmt;
struct Stmt {
    StmtKind kind;
    Stmt *next; /* following statement of the block */
    /* FOR */
    LoopKind loop;
    const Dim *var; /* a SYM_LOOP symbol, unique in the kernel */
    const Dim *extent; /* may use outer loop variables */
    int32_t lanes; /* UNROLL, VECTOR: extent <= lanes always; VECTOR runs in vectors this wide */
    Stmt *body;
    /* DEF, ACC, STORE */
    Op op; /* ACC */
    Temp *temp;
    Buf *buf;
    uint8_t n_index;
    const Dim *const *index;
    uint8_t dyn; /* STORE with at */
    Expr *at; /* STORE: NULL when the index is known */
    Expr *value;
};

typedef struct Kernel {
    Ctx *ctx;
    const char *name; /* the model's node names, for people; never printed into C code */
    TN_VEC(Buf *) bufs; /* parameters first, in call order */
    TN_VEC(Temp *) temps;
    Stmt *body;
    double flops; /* estimate at the symbols' hints */
    double bytes;
    uint32_t n_names;
} Kernel;

Kernel *tn_kernel_new(Ctx *ctx, const char *name);
/* Adds a buffer with dense strides over `dims`. */
Buf *tn_kernel_buf(Kernel *kernel, BufKind kind, DType dtype, int rank, const Dim *const *dims);
/* Bytes of a local buffer, a multiple of a cache line; and of all of a kernel. */
const Dim *tn_buf_local_bytes(Ctx *ctx, const Buf *buf);
const Dim *tn_kernel_local_bytes(const Kernel *kernel);
Temp *tn_kernel_temp(Kernel *kernel, DType dtype, int rank, const int32_t *extents);
Kernel *tn_kernel_clone(const Kernel *kernel); /* shares nothing mutable */

Expr *tn_expr_const_f(Ctx *ctx, DType dtype, double value);
Expr *tn_expr_const_i(Ctx *ctx, DType dtype, int64_t value);
/* 0, 1 and the like in any dtype. */
Expr *tn_expr_number(Ctx *ctx, DType dtype, double value);
Expr *tn_expr_index(Ctx *ctx, DType dtype, const Dim *dim);
Expr *tn_expr_load(Ctx *ctx, Buf *buf, const Dim *const *index);
Expr *tn_expr_temp(Ctx *ctx, Temp *temp, const Dim *const *index);
/* dtype of the result follows the op's row; `to` only for cast. Folds constants of
 * select and trivial arithmetic (x*1, x+0 are NOT folded: -0 and NaN). */
Expr *tn_expr_map(Ctx *ctx, Op op, DType to, Expr *const *args, int n_args);
Expr *tn_expr_map1(Ctx *ctx, Op op, Expr *a);
Expr *tn_expr_map2(Ctx *ctx, Op op, Expr *a, Expr *b);
/* Folds when `cond` is constant. */
Expr *tn_expr_guard(Ctx *ctx, const Dim *cond, Expr *then, Expr *otherwise);
Expr *tn_expr_dynload(Ctx *ctx, Buf *buf, const Dim *const *index, int dyn, Expr *at);
bool tn_expr_uses(const Expr *expr, const Dim *sym);
/* Calls `fn` for every part of the expression, outermost first (shared parts at least once);
 * stops at and returns the first false. */
typedef bool ExprVisitFn(void *arg, Expr *expr);
bool tn_expr_visit(Expr *expr, ExprVisitFn *fn, void *arg);
/* The expression with every part replaced by what `fn` makes of it, innermost first. */
typedef Expr *ExprRewriteFn(void *arg, Expr *expr);
Expr *tn_expr_rewrite(Ctx *ctx, Expr *expr, ExprRewriteFn *fn, void *arg);

/* A fresh loop variable named like `name` with a number no other loop of the kernel has. */
const Dim *tn_kernel_loop_var(Kernel *kernel, const char *name, const Dim *extent);
Stmt *tn_stmt_for(Kernel *kernel, const char *name, const Dim *extent); /* serial, fresh variable */
Stmt *tn_stmt_def(Kernel *kernel, Temp *temp, const Dim *const *index, Expr *value);
Stmt *tn_stmt_acc(Kernel *kernel, Temp *temp, const Dim *const *index, Op op, Expr *value);
Stmt *tn_stmt_store(Kernel *kernel, Buf *buf, const Dim *const *index, Expr *value);
Stmt *tn_stmt_store_at(Kernel *kernel, Buf *buf, const Dim *const *index, int dyn, Expr *at,
                       Expr *value);
/* Appends `stmt` (a chain) at the end of the chain at `*block`. */
void tn_stmt_append(Stmt **block, Stmt *stmt);
/* Deep copy of a chain with fresh loop variables for every FOR inside. */
Stmt *tn_stmt_clone(Kernel *kernel, const Stmt *stmt);
/* Substitutes loop variables in a chain in place, extents included. A loop whose extent
 * changes gets a fresh variable: extents and variables' ranges always agree. */
void tn_stmt_subst(Kernel *kernel, Stmt *stmt, const Dim *const *from, const Dim *const *to,
                   size_t n);
/* Calls `fn` for every statement of a chain, loops before their bodies; stops at and returns
 * the first false. */
typedef bool StmtVisitFn(void *arg, Stmt *stmt);
bool tn_stmt_visit(Stmt *stmt, StmtVisitFn *fn, void *arg);
/* tn_expr_visit on what the statement itself computes: nothing for a FOR. */
bool tn_stmt_exprs(const Stmt *stmt, ExprVisitFn *fn, void *arg);
/* tn_expr_rewrite on every value and computed index of a chain, in place. */
void tn_stmt_rewrite(Kernel *kernel, Stmt *stmt, ExprRewriteFn *fn, void *arg);

/* Structure and promises: buffers and temps belong to the kernel, index counts fit, loop
 * variables are in scope and unique, VECTOR and UNROLL limits hold. Diagnostics TN_INTERNAL. */
bool tn_kernel_verify(Kernel *kernel);
/* Text; parse(print(k)) means the same and prints the same, but for nested min and max that
 * simplify further when they are made anew. */
void tn_kernel_print(const Kernel *kernel, StrBuf *out);
Kernel *tn_kernel_parse(Ctx *ctx, StrView text, const char *file);

/* ---- interpreter (ir/interp.c) ---- */

/* Runs the kernel with bufs[i]'s elements at data[i] (in the buffer's own dtype) and
 * symbol values. Locals are allocated inside. Every access is bounds-checked against the
 * buffer's dims: a violation adds a diagnostic and returns false. Reading a temp or a
 * local before writing it is an error too. Accumulators are kept in double for float dtypes. */
bool tn_kernel_interp(Kernel *kernel, void *const *data, const int64_t *symbols);

#endif
