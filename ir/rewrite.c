/* rewrite.c: rewrites of the loops themselves: split, cut, swap, fuse, jam, and the kinds.
 *
 * Each checks first and changes afterwards, so a refusal leaves the kernel as it was. The
 * order of iterations is kept by all but swap, which lets sums change their order.
 */
#include "ir/rewrite.h"

#include "ir/depend.h"

/* Iterations of an unrolled loop: emitted code is bounded. */
#define UNROLL_MAX 1024
#define LANES_MAX 1024

/* ---- helpers ---- */

static Stmt *find_parent(Stmt *chain, Stmt *parent, const Stmt *stmt) {
    for (; chain != NULL; chain = chain->next) {
        if (chain == stmt) {
            return parent;
        }
        if (chain->kind == STMT_FOR && tn_dep_contains(chain->body, stmt)) {
            return find_parent(chain->body, chain, stmt);
        }
    }
    return NULL;
}

Stmt *tn_loop_parent(Kernel *kernel, const Stmt *stmt) {
    return find_parent(kernel->body, NULL, stmt);
}

typedef struct Find {
    StmtVisitFn *match;
    void *arg;
    Stmt *found;
} Find;

static bool differs(void *arg, Stmt *stmt) {
    Find *find = arg;
    if (!find->match(find->arg, stmt)) {
        return true;
    }
    find->found = stmt;
    return false;
}

Stmt *tn_stmt_find(Stmt *chain, StmtVisitFn *match, void *arg) {
    Find find = {match, arg, NULL};
    tn_stmt_visit(chain, differs, &find);
    return find.found;
}

static bool runs_over(void *arg, Stmt *stmt) {
    return stmt->kind == STMT_FOR && stmt->var == arg;
}

Stmt *tn_loop_by_var(Kernel *kernel, const Dim *var) {
    return tn_stmt_find(kernel->body, runs_over, (void *)(uintptr_t)var);
}

Stmt *tn_loop_only_child(const Stmt *loop) {
    Stmt *body = loop->body;
    return body != NULL && body->kind == STMT_FOR && body->next == NULL ? body : NULL;
}

/* The number of iterations: extents below zero run as often as zero. */
static const Dim *trip_count(Ctx *ctx, const Stmt *loop) {
    return loop->extent->lo >= 0 ? loop->extent
                                 : tn_dim_max(ctx, loop->extent, tn_dim_const(ctx, 0));
}

static bool is_limited(const Stmt *loop) {
    return loop->loop == LOOP_UNROLL || loop->loop == LOOP_VECTOR;
}

static const char *loop_name(Kernel *kernel, const Stmt *loop) {
    return tn_dim_symbol_of(kernel->ctx, loop->var)->name;
}

/* Gives the loop a fresh variable over `extent` and its body `value` in place of the old. */
static void rename_var(Kernel *kernel, Stmt *loop, const Dim *extent) {
    const Dim *old = loop->var;
    loop->var = tn_kernel_loop_var(kernel, loop_name(kernel, loop), extent);
    loop->extent = extent;
    tn_stmt_subst(kernel, loop->body, &old, &loop->var, 1);
}

/* ---- copies of a body ---- */

typedef struct Renaming {
    Kernel *kernel;
    Temp **to; /* by temp id; NULL keeps the temp */
} Renaming;

static Expr *rename_read(void *arg, Expr *expr) {
    const Renaming *renaming = arg;
    if (expr->kind != EXPR_TEMP || renaming->to[expr->temp->id] == NULL) {
        return expr;
    }
    return tn_expr_temp(renaming->kernel->ctx, renaming->to[expr->temp->id], expr->index);
}

static bool rename_write(void *arg, Stmt *stmt) {
    const Renaming *renaming = arg;
    if (stmt->temp != NULL && renaming->to[stmt->temp->id] != NULL) {
        stmt->temp = renaming->to[stmt->temp->id];
    }
    return true;
}

/* A copy of the loop's body in which temps private to an iteration are other temps, so that
 * later rewrites of the two copies do not meet. */
static Stmt *copy_body(Kernel *kernel, const Stmt *loop) {
    Arena *scratch = &kernel->ctx->scratch;
    DepVec all = {0};
    tn_dep_accesses(kernel, loop->body, &all);
    size_t n_temps = kernel->temps.len;
    Renaming renaming = {kernel, TN_NEW_ARRAY(scratch, Temp *, n_temps)};
    for (size_t i = 0; i < all.len; i++) {
        const Temp *temp = all.data[i].temp;
        if (temp != NULL && renaming.to[temp->id] == NULL &&
            tn_dep_private(kernel, loop, &all, temp)) {
            renaming.to[temp->id] = tn_kernel_temp(kernel, temp->dtype, temp->rank, temp->extents);
        }
    }
    Stmt *copy = tn_stmt_clone(kernel, loop->body);
    tn_stmt_rewrite(kernel, copy, rename_read, &renaming);
    tn_stmt_visit(copy, rename_write, &renaming);
    return copy;
}

/* A copy of `loop` behind it over [start, start + extent). */
static Stmt *copy_behind(Kernel *kernel, Stmt *loop, const Dim *start, const Dim *extent) {
    Stmt *copy = tn_stmt_for(kernel, loop_name(kernel, loop), extent);
    copy->loop = loop->loop;
    copy->body = copy_body(kernel, loop);
    const Dim *value = tn_dim_add(kernel->ctx, start, copy->var);
    tn_stmt_subst(kernel, copy->body, &loop->var, &value, 1);
    copy->next = loop->next;
    loop->next = copy;
    return copy;
}

/* ---- split and cut ---- */

/* Puts an inner loop of `extent` into `loop`, which then runs over `outer`. */
static Stmt *put_inner(Kernel *kernel, Stmt *loop, const Dim *outer, int64_t factor, bool clipped) {
    Ctx *ctx = kernel->ctx;
    const Dim *old = loop->var;
    const Dim *count = trip_count(ctx, loop);
    loop->var = tn_kernel_loop_var(kernel, loop_name(kernel, loop), outer);
    loop->extent = outer;
    const Dim *base = tn_dim_mulc(ctx, loop->var, factor);
    const Dim *extent = tn_dim_const(ctx, factor);
    if (clipped) {
        extent = tn_dim_min(ctx, extent, tn_dim_sub(ctx, count, base));
    }
    Stmt *inner = tn_stmt_for(kernel, loop_name(kernel, loop), extent);
    const Dim *value = tn_dim_add(ctx, base, inner->var);
    inner->body = loop->body;
    loop->body = inner;
    tn_stmt_subst(kernel, inner->body, &old, &value, 1);
    return inner;
}

Stmt *tn_loop_split(Kernel *kernel, Stmt *loop, int64_t factor, SplitTail tail, Stmt **rest) {
    Ctx *ctx = kernel->ctx;
    if (rest != NULL) {
        *rest = NULL;
    }
    if (factor < 1 || factor > INT32_MAX || is_limited(loop)) {
        return NULL;
    }
    const Dim *count = trip_count(ctx, loop);
    const Dim *left = tn_dim_modc(ctx, count, factor);
    bool exact = tn_dim_is(left, 0);
    if (tail == SPLIT_EXACT && !exact) {
        return NULL;
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim *whole = tn_dim_divc(ctx, count, factor);
    if (tail == SPLIT_PEEL && !exact) {
        Stmt *copy = copy_behind(kernel, loop, tn_dim_mulc(ctx, whole, factor), left);
        if (rest != NULL) {
            *rest = copy;
        }
    }
    bool clipped = tail == SPLIT_MIN && !exact;
    if (clipped) {
        whole = tn_dim_ceil_div(ctx, count, tn_dim_const(ctx, factor));
    }
    Stmt *inner = put_inner(kernel, loop, whole, factor, clipped);
    tn_arena_reset(&ctx->scratch, mark);
    return inner;
}

Stmt *tn_loop_cut(Kernel *kernel, Stmt *loop, const Dim *at) {
    Ctx *ctx = kernel->ctx;
    const Dim *zero = tn_dim_const(ctx, 0);
    if (tn_dim_uses(at, loop->var) || is_limited(loop)) {
        return NULL;
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim *count = trip_count(ctx, loop);
    at = tn_dim_prove_le(ctx, zero, at) ? at : tn_dim_max(ctx, at, zero);
    at = tn_dim_prove_le(ctx, at, count) ? at : tn_dim_min(ctx, at, count);
    Stmt *copy = copy_behind(kernel, loop, at, tn_dim_sub(ctx, count, at));
    rename_var(kernel, loop, at);
    tn_arena_reset(&ctx->scratch, mark);
    return copy;
}

/* ---- swap ---- */

/* `var` some steps further on. */
static const Dim *further(Ctx *ctx, const Stmt *loop) {
    const Dim *gap = tn_dim_loop_var(ctx, "z", tn_dim_addc(ctx, loop->extent, -1));
    return tn_dim_addc(ctx, tn_dim_add(ctx, loop->var, gap), 1);
}

/* Whether no two iterations that change their order meet: (o, i + more) runs before
 * (o + more, i) now and behind it after the swap. */
static bool can_swap(Kernel *kernel, const Stmt *outer, const Stmt *inner) {
    Ctx *ctx = kernel->ctx;
    DepVec all = {0};
    DepInstance first, second;
    const Dim *later_inner = further(ctx, inner);
    const Dim *later_outer = further(ctx, outer);
    tn_dep_accesses(kernel, inner->body, &all);
    tn_dep_instance_init(kernel, &first, inner->body, &inner->var, &later_inner, 1, false);
    tn_dep_instance_init(kernel, &second, inner->body, &outer->var, &later_outer, 1, true);
    for (size_t i = 0; i < all.len; i++) {
        for (size_t k = 0; k < all.len; k++) {
            const DepAccess *a = &all.data[i];
            const DepAccess *b = &all.data[k];
            if (tn_dep_conflict(a, b) && !tn_dep_sum(a, b) &&
                !tn_dep_apart(ctx, a, &first, b, &second) &&
                !tn_dep_private(kernel, inner, &all, a->object)) {
                return false;
            }
        }
    }
    return true;
}

/* Exchanges the places of `outer` and the loop that is its body. */
static void exchange(Kernel *kernel, Stmt *outer, Stmt *inner) {
    *tn_dep_link(kernel, outer) = inner;
    inner->next = outer->next;
    outer->next = NULL;
    outer->body = inner->body;
    inner->body = outer;
}

bool tn_loop_swap(Kernel *kernel, Stmt *loop) {
    Stmt *inner = tn_loop_only_child(loop);
    if (inner == NULL || tn_dim_uses(inner->extent, loop->var) || loop->loop == LOOP_PARTITION ||
        inner->loop == LOOP_PARTITION) {
        return false;
    }
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    bool legal = can_swap(kernel, loop, inner);
    if (legal) {
        exchange(kernel, loop, inner);
        /* A vector loop now holds a loop: it must be independent over all of that. */
        if (inner->loop == LOOP_VECTOR && !tn_dep_independent(kernel, inner)) {
            exchange(kernel, inner, loop);
            legal = false;
        }
    }
    tn_arena_reset(&kernel->ctx->scratch, mark);
    return legal;
}

bool tn_loop_raise(Kernel *kernel, Stmt *loop, int levels) {
    for (int done = 0; done < levels; done++) {
        Stmt *parent = tn_loop_parent(kernel, loop);
        if (parent == NULL || parent->body != loop || !tn_loop_swap(kernel, parent)) {
            for (; done > 0; done--) {
                exchange(kernel, loop, loop->body);
            }
            return false;
        }
    }
    return true;
}

/* ---- fuse and jam ---- */

bool tn_loop_fuse(Kernel *kernel, Stmt *loop) {
    Ctx *ctx = kernel->ctx;
    Stmt *inner = tn_loop_only_child(loop);
    if (inner == NULL || tn_dim_uses(inner->extent, loop->var) || loop->loop != LOOP_SERIAL ||
        inner->loop != LOOP_SERIAL) {
        return false;
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim *width = trip_count(ctx, inner);
    const Dim *from[2] = {loop->var, inner->var};
    loop->extent = tn_dim_mul(ctx, trip_count(ctx, loop), width);
    loop->var = tn_kernel_loop_var(kernel, loop_name(kernel, loop), loop->extent);
    const Dim *to[2] = {tn_dim_div(ctx, loop->var, width), tn_dim_mod(ctx, loop->var, width)};
    loop->body = inner->body;
    tn_stmt_subst(kernel, loop->body, from, to, 2);
    tn_arena_reset(&ctx->scratch, mark);
    return true;
}

/* Each of the two loops writes the object before it reads it in every iteration, and nobody
 * else refers to it. */
static bool private_to_both(Kernel *kernel, const Stmt *first, const Stmt *second, const DepVec *a,
                            const DepVec *b, const DepAccess *access) {
    bool owned = access->temp != NULL || access->buf->kind == BUF_LOCAL;
    return owned && !tn_dep_refers(kernel->body, access->object, first, second) &&
           tn_dep_covered(kernel, a, access->object, 0, UINT32_MAX) &&
           tn_dep_covered(kernel, b, access->object, 0, UINT32_MAX);
}

static bool can_jam(Kernel *kernel, const Stmt *loop, const Stmt *second) {
    Ctx *ctx = kernel->ctx;
    DepVec first_all = {0};
    DepVec second_all = {0};
    DepInstance now, later, second_later;
    bool free_order = loop->loop == LOOP_PARTITION || loop->loop == LOOP_VECTOR;
    const Dim *next = further(ctx, loop);
    tn_dep_accesses(kernel, loop->body, &first_all);
    tn_dep_accesses(kernel, second->body, &second_all);
    tn_dep_instance_init(kernel, &now, second->body, &second->var, &loop->var, 1, true);
    tn_dep_instance_init(kernel, &later, loop->body, &loop->var, &next, 1, true);
    tn_dep_instance_init(kernel, &second_later, second->body, &second->var, &next, 1, true);
    for (size_t i = 0; i < first_all.len; i++) {
        for (size_t k = 0; k < second_all.len; k++) {
            const DepAccess *a = &first_all.data[i];
            const DepAccess *b = &second_all.data[k];
            bool apart = !tn_dep_conflict(a, b) ||
                         (tn_dep_apart(ctx, b, &now, a, &later) &&
                          (!free_order || tn_dep_apart(ctx, a, NULL, b, &second_later)));
            if (!apart && !private_to_both(kernel, loop, second, &first_all, &second_all, a)) {
                return false;
            }
        }
    }
    return true;
}

bool tn_loop_jam(Kernel *kernel, Stmt *loop) {
    Stmt *second = loop->next;
    if (second == NULL || second->kind != STMT_FOR || second->extent != loop->extent ||
        second->loop != loop->loop || second->lanes != loop->lanes) {
        return false;
    }
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    bool legal = can_jam(kernel, loop, second);
    if (legal) {
        tn_stmt_subst(kernel, second->body, &second->var, &loop->var, 1);
        tn_stmt_append(&loop->body, second->body);
        loop->next = second->next;
    }
    tn_arena_reset(&kernel->ctx->scratch, mark);
    return legal;
}

/* ---- kinds ---- */

bool tn_loop_unroll(Kernel *kernel, Stmt *loop) {
    (void)kernel;
    if (loop->loop != LOOP_SERIAL || loop->extent->hi > UNROLL_MAX) {
        return false;
    }
    loop->loop = LOOP_UNROLL;
    loop->lanes = loop->extent->hi < 1 ? 1 : (int32_t)loop->extent->hi;
    return true;
}

/* A loop that cannot be inside a vector loop over `arg`. */
static bool vectorizes(void *arg, Stmt *stmt) {
    return stmt->kind != STMT_FOR || (stmt->loop != LOOP_VECTOR && !tn_dim_uses(stmt->extent, arg));
}

bool tn_loop_independent(Kernel *kernel, const Stmt *loop) {
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    bool independent = tn_dep_independent(kernel, loop);
    tn_arena_reset(&kernel->ctx->scratch, mark);
    return independent;
}

bool tn_loop_vectorize(Kernel *kernel, Stmt *loop, int32_t lanes) {
    if (loop->loop != LOOP_SERIAL || lanes < 1 || lanes > LANES_MAX ||
        !tn_dim_prove_le(kernel->ctx, loop->extent, tn_dim_const(kernel->ctx, lanes)) ||
        tn_dep_in_vector(kernel, loop) ||
        !tn_stmt_visit(loop->body, vectorizes, (void *)(uintptr_t)loop->var) ||
        !tn_loop_independent(kernel, loop)) {
        return false;
    }
    loop->loop = LOOP_VECTOR;
    loop->lanes = lanes;
    return true;
}

/* Temps and locals belong to a thread: an iteration may read only its own. */
static bool owns_its_temps(Kernel *kernel, const Stmt *loop) {
    DepVec all = {0};
    tn_dep_accesses(kernel, loop->body, &all);
    for (size_t i = 0; i < all.len; i++) {
        const DepAccess *access = &all.data[i];
        bool owned = access->temp != NULL || access->buf->kind == BUF_LOCAL;
        if (owned && !tn_dep_private(kernel, loop, &all, access->object)) {
            return false;
        }
    }
    return true;
}

bool tn_loop_partition(Kernel *kernel, Stmt *loop) {
    if (loop->loop != LOOP_SERIAL || tn_loop_parent(kernel, loop) != NULL) {
        return false;
    }
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    bool legal = owns_its_temps(kernel, loop) && tn_dep_independent(kernel, loop);
    tn_arena_reset(&kernel->ctx->scratch, mark);
    if (legal) {
        loop->loop = LOOP_PARTITION;
    }
    return legal;
}
