/* rewrite_expand.c: rewrites that give every iteration a temp of its own: distribution of
 * a loop over its body, partial accumulators, and the shape of temps.
 */
#include "ir/depend.h"
#include "ir/rewrite.h"

#include <math.h>

/* ---- temps with one more dim ---- */

typedef struct Expand {
    Ctx *ctx;
    const Temp *temp;
    const Dim *var;
} Expand;

static void prefix_index(const Dim *var, const Dim *const *index, size_t n, const Dim **out) {
    out[0] = var;
    for (size_t d = 0; d < n; d++) {
        out[d + 1] = index[d];
    }
}

static Expr *expand_read(void *arg, Expr *expr) {
    const Expand *expand = arg;
    if (expr->kind != EXPR_TEMP || expr->temp != expand->temp ||
        expr->n_index == expr->temp->rank) {
        return expr;
    }
    const Dim *index[TN_TEMP_RANK];
    prefix_index(expand->var, expr->index, expr->n_index, index);
    return tn_expr_temp(expand->ctx, expr->temp, index);
}

static bool expand_write(void *arg, Stmt *stmt) {
    const Expand *expand = arg;
    if (stmt->temp == expand->temp && stmt->n_index < stmt->temp->rank) {
        const Dim *index[TN_TEMP_RANK];
        prefix_index(expand->var, stmt->index, stmt->n_index, index);
        stmt->n_index = stmt->temp->rank;
        stmt->index = tn_arena_copy(&expand->ctx->arena, index, stmt->n_index * sizeof *index);
    }
    return true;
}

static int64_t temp_count(const Temp *temp) {
    int64_t count = 1;
    for (int d = 0; d < temp->rank; d++) {
        count *= temp->extents[d];
    }
    return count;
}

/* The most iterations a loop can have, as far as is known. */
static int64_t most_iterations(const Stmt *loop) {
    bool limited = loop->loop == LOOP_UNROLL || loop->loop == LOOP_VECTOR;
    return limited && loop->lanes < loop->extent->hi ? loop->lanes : loop->extent->hi;
}

static bool can_expand(const Temp *temp, int64_t extent) {
    return temp->rank < TN_TEMP_RANK && extent >= 1 && extent <= TN_TEMP_MAX / temp_count(temp);
}

/* Every access in the chain gets `var` in front of its index. */
static void expand_temp(Kernel *kernel, Stmt *chain, Temp *temp, const Dim *var, int64_t extent) {
    for (int d = temp->rank; d > 0; d--) {
        temp->extents[d] = temp->extents[d - 1];
    }
    temp->extents[0] = (int32_t)extent;
    temp->rank++;
    Expand expand = {kernel->ctx, temp, var};
    tn_stmt_rewrite(kernel, chain, expand_read, &expand);
    tn_stmt_visit(chain, expand_write, &expand);
}

/* ---- fission ---- */

typedef TN_VEC(Temp *) TempVec;

/* Whether both parts of the body write the object before they read it, each for itself. */
static bool private_to_parts(Kernel *kernel, const Stmt *loop, const DepVec *all, uint32_t split,
                             const DepAccess *access) {
    bool owned = access->temp != NULL || access->buf->kind == BUF_LOCAL;
    return owned && !tn_dep_refers(kernel->body, access->object, loop, NULL) &&
           tn_dep_covered(kernel, all, access->object, 0, split) &&
           tn_dep_covered(kernel, all, access->object, split + 1, UINT32_MAX);
}

static void add_once(Arena *arena, TempVec *temps, Temp *temp) {
    for (size_t i = 0; i < temps->len; i++) {
        if (temps->data[i] == temp) {
            return;
        }
    }
    tn_vec_push(arena, temps, temp);
}

/* Decides what to do about an object that iterations share: nothing, a dim more, or refuse. */
static bool settle(Kernel *kernel, const Stmt *loop, const DepVec *all, uint32_t split,
                   const DepAccess *access, TempVec *crossing) {
    if (private_to_parts(kernel, loop, all, split, access)) {
        return true;
    }
    if (access->temp == NULL || !can_expand(access->temp, most_iterations(loop)) ||
        !tn_dep_private(kernel, loop, all, access->object)) {
        return false;
    }
    add_once(&kernel->ctx->scratch, crossing, kernel->temps.data[access->temp->id]);
    return true;
}

/* Statements up to number `split` of the body run for all iterations before the others do:
 * legal when nothing the second part touches is touched by the first in a later iteration. */
static bool can_part(Kernel *kernel, const Stmt *loop, uint32_t split, TempVec *crossing) {
    DepVec all = {0};
    DepInstance later;
    tn_dep_accesses(kernel, loop->body, &all);
    tn_dep_instance_later(kernel, &later, loop);
    for (size_t i = 0; i < all.len; i++) {
        for (size_t k = 0; k < all.len; k++) {
            const DepAccess *a = &all.data[i];
            const DepAccess *b = &all.data[k];
            if (a->top <= split && b->top > split && tn_dep_conflict(a, b) &&
                !tn_dep_apart(kernel->ctx, b, NULL, a, &later) &&
                !settle(kernel, loop, &all, split, a, crossing)) {
                return false;
            }
        }
    }
    return true;
}

static Stmt *part(Kernel *kernel, Stmt *loop, Stmt *last, const TempVec *crossing) {
    for (size_t i = 0; i < crossing->len; i++) {
        expand_temp(kernel, loop->body, crossing->data[i], loop->var, most_iterations(loop));
    }
    const char *name = tn_dim_symbol_of(kernel->ctx, loop->var)->name;
    Stmt *copy = tn_stmt_for(kernel, name, loop->extent);
    copy->loop = loop->loop;
    copy->lanes = loop->lanes;
    copy->body = last->next;
    last->next = NULL;
    tn_stmt_subst(kernel, copy->body, &loop->var, &copy->var, 1);
    copy->next = loop->next;
    loop->next = copy;
    return copy;
}

Stmt *tn_loop_fission(Kernel *kernel, Stmt *loop, Stmt *last) {
    uint32_t split = 0;
    const Stmt *stmt = loop->body;
    for (; stmt != NULL && stmt != last; stmt = stmt->next) {
        split++;
    }
    if (stmt == NULL || last->next == NULL) {
        return NULL;
    }
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    TempVec crossing = {0};
    Stmt *copy = NULL;
    bool legal = can_part(kernel, loop, split, &crossing);
    for (size_t i = 0; i < crossing.len; i++) {
        /* Threads share no temps. */
        legal = legal && loop->loop != LOOP_PARTITION;
    }
    if (legal) {
        copy = part(kernel, loop, last, &crossing);
    }
    tn_arena_reset(&kernel->ctx->scratch, mark);
    return copy;
}

/* ---- partial accumulators ---- */

/* What changes nothing when accumulated: -0 for float sums, where +0 would turn -0 into +0. */
static Expr *identity(Ctx *ctx, Op op, DType dtype) {
    bool is_float = tn_dtype_is_float(dtype);
    int bits = (int)(8 * tn_dtype_bytes(dtype));
    bool is_signed = tn_dtype_is_signed(dtype);
    int64_t greatest = dtype == TN_BOOL ? 1
                       : is_signed      ? (int64_t)(UINT64_MAX >> (65 - bits))
                                        : (int64_t)(UINT64_MAX >> (64 - bits));
    switch (op) {
    case TN_OP_add:
        return tn_expr_number(ctx, dtype, -0.0);
    case TN_OP_mul:
        return tn_expr_number(ctx, dtype, 1);
    case TN_OP_min:
        return is_float ? tn_expr_const_f(ctx, dtype, INFINITY)
                        : tn_expr_const_i(ctx, dtype, greatest);
    case TN_OP_max:
        return is_float    ? tn_expr_const_f(ctx, dtype, -INFINITY)
               : is_signed ? tn_expr_const_i(ctx, dtype, -greatest - 1)
                           : tn_expr_const_i(ctx, dtype, 0);
    default:
        return NULL;
    }
}

static bool index_uses(const Stmt *stmt, const Dim *var) {
    for (int d = 0; d < stmt->n_index; d++) {
        if (tn_dim_uses(stmt->index[d], var)) {
            return true;
        }
    }
    return false;
}

static bool reads_temp(Expr *value, const Temp *temp) {
    Stmt probe = {.kind = STMT_DEF, .value = value};
    return tn_dep_refers(&probe, temp, NULL, NULL);
}

/* The outermost loop around `loop` that does nothing but accumulate into the same element. */
static Stmt *whole_reduction(Kernel *kernel, Stmt *loop, const Stmt *acc) {
    for (;;) {
        Stmt *parent = tn_loop_parent(kernel, loop);
        if (parent == NULL || tn_loop_only_child(parent) != loop || index_uses(acc, parent->var) ||
            parent->loop == LOOP_PARTITION || parent->loop == LOOP_VECTOR) {
            return loop;
        }
        loop = parent;
    }
}

/* for i in lanes { temp[i] = value } or { target op= temp[i] } */
static Stmt *lane_loop(Kernel *kernel, int32_t lanes, Temp *temp, Expr *init, const Stmt *acc) {
    Ctx *ctx = kernel->ctx;
    Stmt *loop = tn_stmt_for(kernel, "lane", tn_dim_const(ctx, lanes));
    if (init != NULL) {
        loop->body = tn_stmt_def(kernel, temp, &loop->var, init);
    } else {
        Expr *value = tn_expr_temp(ctx, temp, &loop->var);
        loop->body = tn_stmt_acc(kernel, acc->temp, acc->index, acc->op, value);
    }
    return loop;
}

/* The ACC that ends the body, after nothing but definitions of temps private to an iteration
 * and other than its own; NULL when the body is anything else. */
static Stmt *sole_acc(Kernel *kernel, const Stmt *loop) {
    DepVec all = {0};
    Stmt *acc = loop->body;
    tn_dep_accesses(kernel, loop->body, &all);
    while (acc != NULL && acc->kind == STMT_DEF && tn_dep_private(kernel, loop, &all, acc->temp)) {
        acc = acc->next;
    }
    bool last = acc != NULL && acc->kind == STMT_ACC && acc->next == NULL;
    for (const Stmt *def = loop->body; last && def != acc; def = def->next) {
        last = def->temp != acc->temp && !reads_temp(def->value, acc->temp);
    }
    return last && !reads_temp(acc->value, acc->temp) ? acc : NULL;
}

Stmt *tn_loop_partial(Kernel *kernel, Stmt *loop, int32_t lanes) {
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    Stmt *acc = sole_acc(kernel, loop);
    tn_arena_reset(&kernel->ctx->scratch, mark);
    if (acc == NULL || lanes < 1 || lanes > TN_TEMP_MAX || loop->loop != LOOP_SERIAL ||
        index_uses(acc, loop->var)) {
        return NULL;
    }
    Expr *init = identity(kernel->ctx, acc->op, acc->temp->dtype);
    Stmt *inner = init == NULL ? NULL : tn_loop_split(kernel, loop, lanes, SPLIT_MIN, NULL);
    if (inner == NULL) {
        return NULL;
    }
    Stmt *whole = whole_reduction(kernel, loop, acc);
    Temp *temp = tn_kernel_temp(kernel, acc->temp->dtype, 1, &lanes);
    Stmt *before = lane_loop(kernel, lanes, temp, init, NULL);
    Stmt *after = lane_loop(kernel, lanes, temp, NULL, acc);
    *tn_dep_link(kernel, whole) = before;
    before->next = whole;
    after->next = whole->next;
    whole->next = after;
    Stmt *partial = tn_stmt_acc(kernel, temp, &inner->var, acc->op, acc->value);
    if (inner->body == acc) {
        inner->body = partial;
    } else {
        Stmt *def = inner->body;
        while (def->next != acc) {
            def = def->next;
        }
        def->next = partial;
    }
    return inner;
}

/* ---- the shape of temps ---- */

typedef struct Fold {
    Ctx *ctx;
    const Temp *temp;
    int dim;
    int64_t factor;
} Fold;

/* index ... e ...  ->  ... e / factor, e % factor ... */
static void fold_index(const Fold *fold, const Dim *const *index, size_t n, const Dim **out) {
    for (size_t d = 0, to = 0; d < n; d++) {
        if (d == (size_t)fold->dim) {
            out[to++] = tn_dim_divc(fold->ctx, index[d], fold->factor);
            out[to++] = tn_dim_modc(fold->ctx, index[d], fold->factor);
        } else {
            out[to++] = index[d];
        }
    }
}

static Expr *fold_read(void *arg, Expr *expr) {
    const Fold *fold = arg;
    if (expr->kind != EXPR_TEMP || expr->temp != fold->temp || expr->n_index == expr->temp->rank) {
        return expr;
    }
    const Dim *index[TN_TEMP_RANK];
    fold_index(fold, expr->index, expr->n_index, index);
    return tn_expr_temp(fold->ctx, expr->temp, index);
}

static bool fold_write(void *arg, Stmt *stmt) {
    const Fold *fold = arg;
    if (stmt->temp == fold->temp && stmt->n_index < stmt->temp->rank) {
        const Dim *index[TN_TEMP_RANK];
        fold_index(fold, stmt->index, stmt->n_index, index);
        stmt->n_index = stmt->temp->rank;
        stmt->index = tn_arena_copy(&fold->ctx->arena, index, stmt->n_index * sizeof *index);
    }
    return true;
}

bool tn_temp_split(Kernel *kernel, Temp *temp, int dim, int32_t factor) {
    if (dim < 0 || dim >= temp->rank || temp->rank >= TN_TEMP_RANK || factor < 1 ||
        temp->extents[dim] % factor != 0) {
        return false;
    }
    for (int d = temp->rank; d > dim + 1; d--) {
        temp->extents[d] = temp->extents[d - 1];
    }
    temp->extents[dim + 1] = factor;
    temp->extents[dim] /= factor;
    temp->rank++;
    Fold fold = {kernel->ctx, temp, dim, factor};
    tn_stmt_rewrite(kernel, kernel->body, fold_read, &fold);
    tn_stmt_visit(kernel->body, fold_write, &fold);
    return true;
}
