/* nest.c: accesses, strides and small restructurings shared by the loop passes. */
#include "passes/nest.h"

void tn_expr_accesses(Arena *arena, const Expr *expr, AccessVec *out) {
    if (expr->kind == EXPR_LOAD || expr->kind == EXPR_DYNLOAD) {
        tn_vec_push(
            arena, out,
            ((Access){expr->buf, expr->index, expr->n_index, false, expr->kind == EXPR_DYNLOAD}));
    }
    for (uint32_t i = 0; i < expr->n_args; i++) {
        tn_expr_accesses(arena, expr->args[i], out);
    }
}

void tn_nest_accesses(Arena *arena, const Stmt *stmt, AccessVec *out) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            tn_nest_accesses(arena, stmt->body, out);
            continue;
        }
        tn_expr_accesses(arena, stmt->value, out);
        if (stmt->at != NULL) {
            tn_expr_accesses(arena, stmt->at, out);
        }
        if (stmt->kind == STMT_STORE) {
            tn_vec_push(arena, out,
                        ((Access){stmt->buf, stmt->index, stmt->n_index, true, stmt->at != NULL}));
        }
    }
}

const Dim *tn_access_address(Ctx *ctx, const Access *access) {
    const Dim *address = tn_dim_const(ctx, 0);
    for (uint32_t i = 0; i < access->n_index; i++) {
        address =
            tn_dim_add(ctx, address, tn_dim_mul(ctx, access->index[i], access->buf->strides[i]));
    }
    return address;
}

/* `dim` with `var` taken apart into blocks of `lanes` and the lane within, `*lane`. */
static const Dim *in_lanes(Ctx *ctx, const Dim *dim, const Dim *var, int32_t lanes,
                           const Dim **lane) {
    const Symbol *symbol = tn_dim_symbol_of(ctx, var);
    const Dim *width = tn_dim_const(ctx, lanes);
    const Dim *block = tn_dim_loop_var(ctx, "o", tn_dim_ceil_div(ctx, symbol->extent, width));
    *lane = tn_dim_loop_var(ctx, "l", width);
    const Dim *to = tn_dim_add(ctx, tn_dim_mul(ctx, block, width), *lane);
    return tn_dim_subst(ctx, dim, &var, &to, 1);
}

bool tn_access_stride(Ctx *ctx, const Access *access, const Dim *var, int32_t lanes, int64_t *out) {
    const Dim *lane, *rest;
    const Dim *address = in_lanes(ctx, tn_access_address(ctx, access), var, lanes, &lane);
    return tn_dim_linear(ctx, address, lane, out, &rest);
}

enum { PATTERN_MAX = 64 };

bool tn_access_near(Ctx *ctx, const Access *access, const Dim *var, int32_t lanes) {
    int64_t gaps[PATTERN_MAX];
    const Dim *lane;
    const Dim *address = in_lanes(ctx, tn_access_address(ctx, access), var, lanes, &lane);
    bool near = lanes <= PATTERN_MAX && tn_dim_pattern(ctx, address, lane, lanes, gaps);
    for (int32_t i = 0; near && i < lanes; i++) {
        near = gaps[i] >= 0 && gaps[i] < lanes;
    }
    return near;
}

/* Whether a number that index arithmetic gives is one that vectors can follow along `var`. */
static bool is_even(Ctx *ctx, const Dim *dim, const Dim *var, int32_t lanes) {
    int64_t gaps[PATTERN_MAX];
    const Dim *lane, *coef, *rest;
    dim = in_lanes(ctx, dim, var, lanes, &lane);
    return tn_dim_linear_dim(ctx, dim, lane, &coef, &rest) ||
           (lanes <= PATTERN_MAX && tn_dim_pattern(ctx, dim, lane, lanes, gaps));
}

typedef struct Bend {
    Ctx *ctx;
    const Dim *var;
    int32_t lanes;
} Bend;

static bool expr_is_straight(void *arg, Expr *expr) {
    const Bend *bend = arg;
    if (expr->kind == EXPR_INDEX) {
        return is_even(bend->ctx, expr->dim, bend->var, bend->lanes);
    }
    return expr->kind != EXPR_GUARD || !tn_dim_uses(expr->dim, bend->var);
}

static bool stmt_is_straight(void *arg, Stmt *stmt) {
    const Bend *bend = arg;
    return stmt->kind == STMT_FOR ? !tn_dim_uses(stmt->extent, bend->var)
                                  : tn_stmt_exprs(stmt, expr_is_straight, arg);
}

bool tn_nest_index_bends(Ctx *ctx, const Stmt *stmt, const Dim *var, int32_t lanes) {
    Bend bend = {ctx, var, lanes};
    /* The visitor only reads. */
    return !tn_stmt_visit((Stmt *)(uintptr_t)stmt, stmt_is_straight, &bend);
}

static bool expr_index_uses(const Expr *expr, const Dim *var) {
    if ((expr->kind == EXPR_INDEX || expr->kind == EXPR_GUARD) && tn_dim_uses(expr->dim, var)) {
        return true;
    }
    for (uint32_t i = 0; i < expr->n_args; i++) {
        if (expr_index_uses(expr->args[i], var)) {
            return true;
        }
    }
    return false;
}

bool tn_nest_index_uses(const Stmt *stmt, const Dim *var) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR
                ? tn_dim_uses(stmt->extent, var) || tn_nest_index_uses(stmt->body, var)
                : expr_index_uses(stmt->value, var) ||
                      (stmt->at != NULL && expr_index_uses(stmt->at, var))) {
            return true;
        }
    }
    return false;
}

StmtVec tn_nest_chain(Arena *arena, Stmt *loop) {
    StmtVec chain = {0};
    for (Stmt *at = loop; at != NULL; at = tn_loop_only_child(at)) {
        tn_vec_push(arena, &chain, at);
    }
    return chain;
}

/* Whether all accesses see (outer, inner) as the digits of one index. */
static bool runs_on(Kernel *kernel, Arena *arena, const Stmt *outer, const Stmt *inner) {
    AccessVec all = {0};
    Ctx *ctx = kernel->ctx;
    tn_nest_accesses(arena, inner->body, &all);
    for (size_t i = 0; i < all.len; i++) {
        const Dim *address = tn_access_address(ctx, &all.data[i]);
        const Dim *a, *b, *rest;
        if (!tn_dim_linear_dim(ctx, address, outer->var, &a, &rest) ||
            !tn_dim_linear_dim(ctx, address, inner->var, &b, &rest) ||
            a != tn_dim_mul(ctx, b, inner->extent)) {
            return false;
        }
    }
    return !tn_nest_index_uses(inner->body, outer->var) &&
           !tn_nest_index_uses(inner->body, inner->var);
}

void tn_nest_collapse(Kernel *kernel, Arena *arena, Stmt *loop) {
    StmtVec chain = tn_nest_chain(arena, loop);
    for (size_t i = chain.len; i-- > 1;) {
        if (runs_on(kernel, arena, chain.data[i - 1], chain.data[i])) {
            tn_loop_fuse(kernel, chain.data[i - 1]);
        }
    }
}

static void drop_unit_loops(Kernel *kernel, Stmt **link) {
    while (*link != NULL) {
        Stmt *stmt = *link;
        if (stmt->kind == STMT_FOR && tn_dim_is(stmt->extent, 1)) {
            const Dim *zero = tn_dim_const(kernel->ctx, 0);
            tn_stmt_subst(kernel, stmt->body, &stmt->var, &zero, 1);
            Stmt *next = stmt->next;
            *link = stmt->body;
            tn_stmt_append(link, next);
            continue;
        }
        if (stmt->kind == STMT_FOR) {
            drop_unit_loops(kernel, &stmt->body);
        }
        link = &stmt->next;
    }
}

void tn_nest_drop_unit_loops(Kernel *kernel) {
    drop_unit_loops(kernel, &kernel->body);
}

void tn_nest_sink(Kernel *kernel, const Dim *var) {
    Stmt *loop = tn_loop_by_var(kernel, var);
    while (loop != NULL && tn_loop_only_child(loop) != NULL && tn_loop_swap(kernel, loop)) {
        loop = tn_loop_by_var(kernel, var);
    }
}

bool tn_nest_raise(Kernel *kernel, const Dim *var, const Dim *above) {
    Stmt *loop = tn_loop_by_var(kernel, var);
    while (loop != NULL && loop->body != NULL) {
        Stmt *parent = tn_loop_parent(kernel, loop);
        if (parent == NULL || tn_loop_only_child(parent) != loop) {
            return false;
        }
        bool last = parent->var == above;
        if (!tn_loop_swap(kernel, parent)) {
            return false;
        }
        if (last) {
            return true;
        }
        loop = tn_loop_by_var(kernel, var);
    }
    return false;
}

/* Temps that a statement refers to, and whether others do. */
typedef struct Handed {
    bool *touched; /* by temp id */
    bool others;   /* the statement has been seen */
} Handed;

/* False for a temp of the statement that another one refers to. */
static bool is_not_handed(const Handed *handed, const Temp *temp) {
    bool *touched = &handed->touched[temp->id];
    *touched = *touched || !handed->others;
    return !handed->others || !*touched;
}

static bool expr_is_apart(void *arg, Expr *expr) {
    return expr->kind != EXPR_TEMP || is_not_handed(arg, expr->temp);
}

static bool stmt_is_apart(void *arg, Stmt *stmt) {
    return (stmt->temp == NULL || is_not_handed(arg, stmt->temp)) &&
           tn_stmt_exprs(stmt, expr_is_apart, arg);
}

bool tn_nest_hands_on_temps(const Kernel *kernel, const Stmt *first) {
    Arena *scratch = &kernel->ctx->scratch;
    ArenaMark mark = tn_arena_mark(scratch);
    Handed handed = {.touched = TN_NEW_ARRAY(scratch, bool, kernel->temps.len + 1)};
    Stmt alone = *first;
    alone.next = NULL;
    tn_stmt_visit(&alone, stmt_is_apart, &handed);
    handed.others = true;
    bool apart = tn_stmt_visit(first->next, stmt_is_apart, &handed);
    tn_arena_reset(scratch, mark);
    return !apart;
}

void tn_nest_distribute(Kernel *kernel) {
    for (Stmt *loop = kernel->body; loop != NULL; loop = loop->next) {
        while (loop->kind == STMT_FOR && loop->loop == LOOP_SERIAL && loop->body != NULL &&
               loop->body->next != NULL && loop->body->kind == STMT_FOR &&
               !tn_nest_hands_on_temps(kernel, loop->body) &&
               tn_loop_fission(kernel, loop, loop->body) != NULL) {
        }
    }
}

bool tn_nest_has_kind(const Stmt *stmt, LoopKind kind) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR && (stmt->loop == kind || tn_nest_has_kind(stmt->body, kind))) {
            return true;
        }
    }
    return false;
}
