/* depend.c: accesses of a nest and proofs that they stay apart. See ir/depend.h. */
#include "ir/depend.h"

#include "ir/rewrite.h"

/* ---- links ---- */

static Stmt **find_link(Stmt **link, const Stmt *stmt) {
    for (; *link != NULL; link = &(*link)->next) {
        if (*link == stmt) {
            return link;
        }
        Stmt **inside = (*link)->kind == STMT_FOR ? find_link(&(*link)->body, stmt) : NULL;
        if (inside != NULL) {
            return inside;
        }
    }
    return NULL;
}

Stmt **tn_dep_link(Kernel *kernel, const Stmt *stmt) {
    return find_link(&kernel->body, stmt);
}

bool tn_dep_contains(Stmt *chain, const Stmt *stmt) {
    return find_link(&chain, stmt) != NULL;
}

static bool is_other(void *arg, Expr *expr) {
    switch (expr->kind) {
    case EXPR_LOAD:
    case EXPR_DYNLOAD:
        return expr->buf != arg;
    case EXPR_TEMP:
        return expr->temp != arg;
    default:
        return true;
    }
}

bool tn_dep_refers(Stmt *chain, const void *object, const Stmt *a, const Stmt *b) {
    /* The visitor's argument is only compared. */
    void *arg = (void *)(uintptr_t)object;
    for (; chain != NULL; chain = chain->next) {
        if (chain == a || chain == b) {
            continue;
        }
        if (chain->kind == STMT_FOR) {
            if (tn_dep_refers(chain->body, object, a, b)) {
                return true;
            }
        } else if (chain->buf == object || chain->temp == object ||
                   !tn_stmt_exprs(chain, is_other, arg)) {
            return true;
        }
    }
    return false;
}

bool tn_dep_in_vector(Kernel *kernel, const Stmt *loop) {
    while ((loop = tn_loop_parent(kernel, loop)) != NULL) {
        if (loop->loop == LOOP_VECTOR) {
            return true;
        }
    }
    return false;
}

/* ---- accesses ---- */

typedef struct Collect {
    Arena *arena;
    DepVec *out;
    TN_VEC(Stmt *) loops;
    DepAccess current; /* what every access of the statement shares */
} Collect;

static void add_access(Collect *collect, DepAccess access) {
    tn_vec_push(collect->arena, collect->out, access);
}

static bool collect_read(void *arg, Expr *expr) {
    Collect *collect = arg;
    if (expr->kind != EXPR_LOAD && expr->kind != EXPR_DYNLOAD && expr->kind != EXPR_TEMP) {
        return true;
    }
    DepAccess access = collect->current;
    if (expr->kind == EXPR_TEMP) {
        access.object = access.temp = expr->temp;
    } else {
        access.object = access.buf = expr->buf;
    }
    access.index = expr->index;
    access.n_index = expr->n_index;
    access.dyn = expr->kind == EXPR_DYNLOAD ? (int8_t)expr->dyn : (int8_t)-1;
    access.reads = true;
    add_access(collect, access);
    return true;
}

static void collect_write(Collect *collect, const Stmt *stmt) {
    DepAccess access = collect->current;
    access.buf = stmt->buf;
    access.temp = stmt->temp;
    access.object = stmt->kind == STMT_STORE ? (const void *)stmt->buf : stmt->temp;
    access.index = stmt->index;
    access.n_index = stmt->n_index;
    access.dyn = stmt->at != NULL ? (int8_t)stmt->dyn : (int8_t)-1;
    access.writes = true;
    access.acc = access.reads = stmt->kind == STMT_ACC;
    access.op = stmt->op;
    add_access(collect, access);
}

static void collect_chain(Collect *collect, Stmt *stmt, bool top) {
    for (uint32_t at = 0; stmt != NULL; stmt = stmt->next, at++) {
        if (top) {
            collect->current.top = at;
        }
        if (stmt->kind == STMT_FOR) {
            tn_vec_push(collect->arena, &collect->loops, stmt);
            collect_chain(collect, stmt->body, false);
            collect->loops.len--;
            continue;
        }
        collect->current.stmt = stmt;
        collect->current.order++;
        collect->current.n_loops = (uint32_t)collect->loops.len;
        collect->current.loops = collect->loops.len == 0
                                     ? NULL
                                     : tn_arena_copy(collect->arena, collect->loops.data,
                                                     collect->loops.len * sizeof(Stmt *));
        tn_stmt_exprs(stmt, collect_read, collect);
        collect_write(collect, stmt);
    }
}

void tn_dep_accesses(Kernel *kernel, Stmt *chain, DepVec *out) {
    Collect collect = {.arena = &kernel->ctx->scratch, .out = out};
    collect_chain(&collect, chain, true);
}

bool tn_dep_conflict(const DepAccess *a, const DepAccess *b) {
    return a->object == b->object && (a->writes || b->writes);
}

bool tn_dep_sum(const DepAccess *a, const DepAccess *b) {
    return a->acc && b->acc && a->object == b->object && a->op == b->op;
}

/* ---- coverage ---- */

/* The loops around a write that are not around the read: they have run completely when
 * the read executes. */
static uint32_t common_loops(const DepAccess *write, const DepAccess *read) {
    uint32_t n = 0;
    while (n < write->n_loops && n < read->n_loops && write->loops[n] == read->loops[n]) {
        n++;
    }
    return n;
}

static bool uses_loops(const Dim *dim, const DepAccess *access, uint32_t from) {
    for (uint32_t i = from; i < access->n_loops; i++) {
        if (tn_dim_uses(dim, access->loops[i]->var)) {
            return true;
        }
    }
    return false;
}

static bool in_range(Ctx *ctx, const Dim *dim, const Dim *extent) {
    if (dim->kind == DIM_SYM && tn_dim_symbol_of(ctx, dim)->extent == extent) {
        return true;
    }
    return tn_dim_prove_le(ctx, tn_dim_const(ctx, 0), dim) && tn_dim_prove_lt(ctx, dim, extent);
}

/* Whether index `d` of the write takes the value of the read's for some iteration of one of
 * its own loops; `used` marks the loops that have been given a value. */
static bool covers_dim(Ctx *ctx, const DepAccess *write, const DepAccess *read, uint32_t common,
                       int d, bool *used) {
    const Dim *target = read->index[d];
    if (!uses_loops(write->index[d], write, common)) {
        return write->index[d] == target;
    }
    for (uint32_t i = common; i < write->n_loops; i++) {
        int64_t coef = 0;
        const Dim *rest = NULL;
        const Stmt *loop = write->loops[i];
        if (!used[i] && tn_dim_uses(write->index[d], loop->var) &&
            tn_dim_linear(ctx, write->index[d], loop->var, &coef, &rest) && coef == 1 &&
            !uses_loops(rest, write, common) && !uses_loops(loop->extent, write, common)) {
            used[i] = true;
            return in_range(ctx, tn_dim_sub(ctx, target, rest), loop->extent);
        }
    }
    return false;
}

enum { MAX_LOOPS = 64 };

/* Every index of the write is fixed or one of its own loops' variable. */
static bool covers_by_range(Ctx *ctx, const DepAccess *write, const DepAccess *read,
                            uint32_t common) {
    bool used[MAX_LOOPS] = {false};
    for (int d = 0; d < write->n_index; d++) {
        if (!covers_dim(ctx, write, read, common, d, used)) {
            return false;
        }
    }
    for (uint32_t i = common; i < write->n_loops; i++) {
        if (!used[i] && !tn_dim_prove_lt(ctx, tn_dim_const(ctx, 0), write->loops[i]->extent)) {
            return false;
        }
    }
    return true;
}

/* The loops of the write and some loops of the read, in order, have the same extents, and
 * the write's index is the read's when their variables are exchanged. */
static bool covers_by_shape(Ctx *ctx, const DepAccess *write, const DepAccess *read,
                            uint32_t common) {
    const Dim *from[MAX_LOOPS];
    const Dim *to[MAX_LOOPS];
    size_t n = 0;
    uint32_t r = common;
    for (uint32_t w = common; w < write->n_loops; w++) {
        const Dim *extent = tn_dim_subst(ctx, write->loops[w]->extent, from, to, n);
        while (r < read->n_loops && read->loops[r]->extent != extent) {
            r++;
        }
        if (r == read->n_loops) {
            return false;
        }
        from[n] = write->loops[w]->var;
        to[n++] = read->loops[r++]->var;
    }
    for (int d = 0; d < write->n_index; d++) {
        if (tn_dim_subst(ctx, write->index[d], from, to, n) != read->index[d]) {
            return false;
        }
    }
    return true;
}

static bool covers(Ctx *ctx, const DepAccess *write, const DepAccess *read) {
    if (write->acc || !write->writes || write->order >= read->order || read->dyn >= 0 ||
        write->dyn >= 0 || write->n_loops > MAX_LOOPS) {
        return false;
    }
    uint32_t common = common_loops(write, read);
    return covers_by_range(ctx, write, read, common) || covers_by_shape(ctx, write, read, common);
}

static bool has_cover(Ctx *ctx, const DepVec *all, const DepAccess *read, uint32_t first) {
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *write = &all->data[i];
        if (write->object == read->object && write->top >= first && covers(ctx, write, read)) {
            return true;
        }
    }
    return false;
}

bool tn_dep_covered(Kernel *kernel, const DepVec *all, const void *object, uint32_t first,
                    uint32_t last) {
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *read = &all->data[i];
        if (read->object == object && read->reads && read->top >= first && read->top <= last &&
            !has_cover(kernel->ctx, all, read, first)) {
            return false;
        }
    }
    return true;
}

/* Some access of the object, or NULL. */
static const DepAccess *access_of(const void *object, const DepVec *all) {
    for (size_t i = 0; i < all->len; i++) {
        if (all->data[i].object == object) {
            return &all->data[i];
        }
    }
    return NULL;
}

bool tn_dep_private(Kernel *kernel, const Stmt *loop, const DepVec *all, const void *object) {
    const DepAccess *access = access_of(object, all);
    const Buf *buf = access != NULL ? access->buf : NULL;
    bool owned = access != NULL && (buf == NULL || buf->kind == BUF_LOCAL);
    bool promised = buf != NULL && buf->set_first;
    return owned && !tn_dep_refers(kernel->body, object, loop, NULL) &&
           (promised || tn_dep_covered(kernel, all, object, 0, UINT32_MAX));
}

/* ---- instances ---- */

static void rename_loops(Kernel *kernel, DepInstance *instance, const Stmt *stmt, bool fresh) {
    Ctx *ctx = kernel->ctx;
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind != STMT_FOR) {
            continue;
        }
        const Dim *extent = tn_dim_subst(ctx, stmt->extent, instance->from.data, instance->to.data,
                                         instance->from.len);
        if (fresh || extent != stmt->extent) {
            const char *name = tn_dim_symbol_of(ctx, stmt->var)->name;
            tn_vec_push(&ctx->scratch, &instance->from, stmt->var);
            tn_vec_push(&ctx->scratch, &instance->to, tn_dim_loop_var(ctx, name, extent));
        }
        rename_loops(kernel, instance, stmt->body, fresh);
    }
}

void tn_dep_instance_init(Kernel *kernel, DepInstance *instance, const Stmt *chain,
                          const Dim *const *from, const Dim *const *to, size_t n, bool fresh) {
    *instance = (DepInstance){0};
    for (size_t i = 0; i < n; i++) {
        tn_vec_push(&kernel->ctx->scratch, &instance->from, from[i]);
        tn_vec_push(&kernel->ctx->scratch, &instance->to, to[i]);
    }
    rename_loops(kernel, instance, chain, fresh);
}

void tn_dep_instance_later(Kernel *kernel, DepInstance *instance, const Stmt *loop) {
    Ctx *ctx = kernel->ctx;
    const Dim *gap = tn_dim_loop_var(ctx, "z", tn_dim_addc(ctx, loop->extent, -1));
    const Dim *later = tn_dim_addc(ctx, tn_dim_add(ctx, loop->var, gap), 1);
    tn_dep_instance_init(kernel, instance, loop->body, &loop->var, &later, 1, true);
}

static const Dim *at_instance(Ctx *ctx, const Dim *dim, const DepInstance *instance) {
    if (instance == NULL) {
        return dim;
    }
    return tn_dim_subst(ctx, dim, instance->from.data, instance->to.data, instance->from.len);
}

static bool dims_apart(Ctx *ctx, const Dim *a, const DepInstance *ia, const Dim *b,
                       const DepInstance *ib) {
    const Dim *x = at_instance(ctx, a, ia);
    const Dim *y = at_instance(ctx, b, ib);
    return tn_dim_prove_lt(ctx, x, y) || tn_dim_prove_lt(ctx, y, x);
}

static const Dim *object_dim(Ctx *ctx, const DepAccess *access, int d) {
    return access->buf != NULL ? access->buf->dims[d] : tn_dim_const(ctx, access->temp->extents[d]);
}

/* Row-major addresses over the trailing dims: quotients and remainders of one variable
 * join to the variable again. */
static bool addresses_apart(Ctx *ctx, const DepAccess *a, const DepInstance *ia, const DepAccess *b,
                            const DepInstance *ib) {
    const Dim *x = tn_dim_const(ctx, 0);
    const Dim *y = x;
    const Dim *stride = tn_dim_const(ctx, 1);
    for (int d = a->n_index - 1; d >= 0; d--) {
        x = tn_dim_add(ctx, x, tn_dim_mul(ctx, a->index[d], stride));
        y = tn_dim_add(ctx, y, tn_dim_mul(ctx, b->index[d], stride));
        stride = tn_dim_mul(ctx, stride, object_dim(ctx, a, d));
        if (d < a->n_index - 1 && dims_apart(ctx, x, ia, y, ib)) {
            return true;
        }
    }
    return false;
}

enum { MAX_PIECES = 4 * TN_MAX_RANK };

/* The largest factor of a variable part of a sum; 1 when there is none. */
static int64_t largest_factor(const Dim *dim) {
    int64_t most = 1;
    for (uint32_t i = 0; dim->kind == DIM_SUM && i < dim->n_args; i++) {
        most = dim->coefs[i] > most ? dim->coefs[i] : most;
    }
    return most;
}

/* Indices of two accesses of one object in pieces: x becomes x / c and x % c as long as something
 * in `a` has a factor c. Indices differ exactly where some piece of them does, and a piece
 * is simpler: of 3 i + j / 3 with j < 9 they are i and j / 3. */
static void split_indices(Ctx *ctx, DepAccess *a, DepAccess *b) {
    const Dim **x = TN_NEW_ARRAY(&ctx->scratch, const Dim *, MAX_PIECES);
    const Dim **y = TN_NEW_ARRAY(&ctx->scratch, const Dim *, MAX_PIECES);
    uint8_t n = a->n_index;
    for (uint8_t d = 0; d < n; d++) {
        x[d] = a->index[d];
        y[d] = b->index[d];
    }
    for (uint8_t d = 0; d < n && n < MAX_PIECES;) {
        int64_t factor = largest_factor(x[d]);
        if (factor == 1) {
            d++;
            continue;
        }
        x[n] = tn_dim_divc(ctx, x[d], factor);
        y[n++] = tn_dim_divc(ctx, y[d], factor);
        x[d] = tn_dim_modc(ctx, x[d], factor);
        y[d] = tn_dim_modc(ctx, y[d], factor);
    }
    a->index = x;
    b->index = y;
    a->n_index = b->n_index = n;
}

/* An index x % c joined with another one that is x / c gives x again, wherever the two stand:
 * accesses whose joined indices differ, differ. */
static bool joined_apart(Ctx *ctx, const DepAccess *a, const DepInstance *ia, const DepAccess *b,
                         const DepInstance *ib) {
    for (int d = 0; d < a->n_index; d++) {
        if (a->index[d]->kind != DIM_MOD) {
            continue;
        }
        const Dim *factor = a->index[d]->args[1];
        for (int e = 0; e < a->n_index; e++) {
            const Dim *x = tn_dim_add(ctx, tn_dim_mul(ctx, a->index[e], factor), a->index[d]);
            const Dim *y = tn_dim_add(ctx, tn_dim_mul(ctx, b->index[e], factor), b->index[d]);
            if (e != d && dims_apart(ctx, x, ia, y, ib)) {
                return true;
            }
        }
    }
    return false;
}

static bool any_apart(Ctx *ctx, const DepAccess *a, const DepInstance *ia, const DepAccess *b,
                      const DepInstance *ib) {
    for (int d = 0; d < a->n_index; d++) {
        if (d != a->dyn && d != b->dyn && dims_apart(ctx, a->index[d], ia, b->index[d], ib)) {
            return true;
        }
    }
    return false;
}

static bool pieces_apart(Ctx *ctx, const DepAccess *a, const DepInstance *ia, const DepAccess *b,
                         const DepInstance *ib) {
    DepAccess x = *a, y = *b;
    split_indices(ctx, &x, &y);
    return (x.n_index > a->n_index && any_apart(ctx, &x, ia, &y, ib)) ||
           joined_apart(ctx, &x, ia, &y, ib);
}

bool tn_dep_apart(Ctx *ctx, const DepAccess *a, const DepInstance *ia, const DepAccess *b,
                  const DepInstance *ib) {
    return any_apart(ctx, a, ia, b, ib) ||
           (a->dyn < 0 && b->dyn < 0 &&
            (addresses_apart(ctx, a, ia, b, ib) || pieces_apart(ctx, a, ia, b, ib)));
}

/* Whether `access` is free of meetings with any access in a later iteration. */
static bool stays_apart(Kernel *kernel, const DepVec *all, const DepAccess *access,
                        const DepInstance *later) {
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *other = &all->data[i];
        if (tn_dep_conflict(access, other) &&
            !tn_dep_apart(kernel->ctx, access, NULL, other, later)) {
            return false;
        }
    }
    return true;
}

bool tn_dep_independent(Kernel *kernel, const Stmt *loop) {
    DepVec all = {0};
    DepInstance later;
    tn_dep_accesses(kernel, loop->body, &all);
    tn_dep_instance_later(kernel, &later, loop);
    for (size_t i = 0; i < all.len; i++) {
        if (!stays_apart(kernel, &all, &all.data[i], &later) &&
            !tn_dep_private(kernel, loop, &all, all.data[i].object)) {
            return false;
        }
    }
    return true;
}
