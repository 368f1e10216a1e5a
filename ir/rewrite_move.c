/* rewrite_move.c: rewrites that move data and values: staging, hoisting, copy propagation.
 */
#include "ir/depend.h"
#include "ir/rewrite.h"

#include <string.h>

static bool in_bounds(Ctx *ctx, const Buf *buf, const Dim *const *index, int d) {
    return tn_dim_prove_le(ctx, tn_dim_const(ctx, 0), index[d]) &&
           tn_dim_prove_lt(ctx, index[d], buf->dims[d]);
}

static bool all_in_bounds(Ctx *ctx, const Buf *buf, const Dim *const *index) {
    for (int d = 0; d < buf->rank; d++) {
        if (!in_bounds(ctx, buf, index, d)) {
            return false;
        }
    }
    return true;
}

static bool surely_runs(Ctx *ctx, const Stmt *loop) {
    return tn_dim_prove_lt(ctx, tn_dim_const(ctx, 0), loop->extent);
}

/* ---- stage ---- */

typedef struct Stage {
    Kernel *kernel;
    Stmt *loop;
    Buf *buf;
    Buf *local;
    const Dim *const *vars;
    int n_vars;
    const Dim *const *index; /* of every read */
    const Dim *fresh[TN_MAX_RANK]; /* variables of the filling nest */
} Stage;

static bool is_not_load_of(void *arg, Expr *expr) {
    return (expr->kind != EXPR_LOAD && expr->kind != EXPR_DYNLOAD) || expr->buf != arg;
}

static bool is_guard_without(void *arg, Expr *expr) {
    return expr->kind != EXPR_GUARD || (tn_expr_visit(expr->args[0], is_not_load_of, arg) &&
                                        tn_expr_visit(expr->args[1], is_not_load_of, arg));
}

static bool is_free_of_guarded(void *arg, Stmt *stmt) {
    return tn_stmt_exprs(stmt, is_guard_without, arg);
}

static bool is_listed(const Stage *stage, const Dim *var) {
    for (int i = 0; i < stage->n_vars; i++) {
        if (stage->vars[i] == var) {
            return true;
        }
    }
    return false;
}

static bool index_uses(const Stage *stage, const Dim *var) {
    for (int d = 0; d < stage->buf->rank; d++) {
        if (tn_dim_uses(stage->index[d], var)) {
            return true;
        }
    }
    return false;
}

/* The reads agree, nothing writes, and no read is conditional. */
static bool find_index(Stage *stage, const DepVec *all) {
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *access = &all->data[i];
        if (access->object != stage->buf) {
            continue;
        }
        if (access->writes || access->dyn >= 0) {
            return false;
        }
        if (stage->index == NULL) {
            stage->index = access->index;
        } else if (memcmp(stage->index, access->index, access->n_index * sizeof(Dim *)) != 0) {
            return false;
        }
    }
    return stage->index != NULL && tn_stmt_visit(stage->loop->body, is_free_of_guarded, stage->buf);
}

/* Whether a read at this place is the only user of the loops around it that are not listed. */
static bool path_allows(const Stage *stage, const DepAccess *access, bool *runs) {
    Ctx *ctx = stage->kernel->ctx;
    int listed = 0;
    for (uint32_t i = 0; i <= access->n_loops; i++) {
        const Stmt *loop = i == access->n_loops ? stage->loop : access->loops[i];
        if (is_listed(stage, loop->var)) {
            listed++;
        } else if (index_uses(stage, loop->var)) {
            return false;
        } else {
            *runs = *runs && surely_runs(ctx, loop);
        }
    }
    return listed == stage->n_vars;
}

/* The listed loops are around every read, no other inner variable is in the index, and the
 * elements can be read before it is known that the loops in between run. */
static bool check_reads(const Stage *stage, const DepVec *all) {
    bool safe = all_in_bounds(stage->kernel->ctx, stage->buf, stage->index);
    for (size_t i = 0; i < all->len; i++) {
        bool runs = true;
        if (all->data[i].object == stage->buf) {
            if (!path_allows(stage, &all->data[i], &runs)) {
                return false;
            }
            safe = safe || runs;
        }
    }
    return safe;
}

static bool uses_loop_var(Ctx *ctx, const Dim *dim) {
    if (dim->kind == DIM_SYM) {
        return tn_dim_symbol_of(ctx, dim)->kind == SYM_LOOP;
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        if (uses_loop_var(ctx, dim->args[i])) {
            return true;
        }
    }
    return false;
}

/* Extent of the filling loop `i`: over the filling nest's own variables, free of others. */
static const Dim *fill_extent(Stage *stage, int i) {
    Ctx *ctx = stage->kernel->ctx;
    Stmt *loop = tn_loop_by_var(stage->kernel, stage->vars[i]);
    Stmt *inner = loop;
    for (; inner != NULL && inner != stage->loop; inner = tn_loop_parent(stage->kernel, inner)) {
        const Stmt *up = tn_loop_parent(stage->kernel, inner);
        if (up == NULL) {
            return NULL;
        }
        bool earlier = false;
        for (int k = 0; k < i; k++) {
            earlier = earlier || stage->vars[k] == up->var;
        }
        if (!earlier && tn_dim_uses(loop->extent, up->var)) {
            return NULL;
        }
    }
    return loop == NULL ? NULL
                        : tn_dim_subst(ctx, loop->extent, stage->vars, stage->fresh, (size_t)i);
}

/* The nest around the copying store, or NULL (then only unreachable names were made). */
static Stmt *build_fill(Stage *stage) {
    Kernel *kernel = stage->kernel;
    Ctx *ctx = kernel->ctx;
    const Dim *sizes[TN_MAX_RANK];
    const Dim *index[TN_MAX_RANK + 4];
    Stmt *first = NULL;
    Stmt **hole = &first;
    for (int i = 0; i < stage->n_vars; i++) {
        const Dim *extent = fill_extent(stage, i);
        if (extent == NULL || (uses_loop_var(ctx, extent) && extent->hi == INT64_MAX)) {
            return NULL;
        }
        sizes[i] = uses_loop_var(ctx, extent) ? tn_dim_const(ctx, extent->hi) : extent;
        *hole = tn_stmt_for(kernel, tn_dim_symbol_of(ctx, stage->vars[i])->name, extent);
        stage->fresh[i] = (*hole)->var;
        hole = &(*hole)->body;
    }
    for (int d = 0; d < stage->buf->rank; d++) {
        index[d] =
            tn_dim_subst(ctx, stage->index[d], stage->vars, stage->fresh, (size_t)stage->n_vars);
    }
    stage->local = tn_kernel_buf(kernel, BUF_LOCAL, stage->buf->dtype, stage->n_vars, sizes);
    *hole = tn_stmt_store(kernel, stage->local, stage->fresh, tn_expr_load(ctx, stage->buf, index));
    return first;
}

static Expr *read_local(void *arg, Expr *expr) {
    const Stage *stage = arg;
    return expr->kind == EXPR_LOAD && expr->buf == stage->buf
               ? tn_expr_load(stage->kernel->ctx, stage->local, stage->vars)
               : expr;
}

Stmt *tn_loop_stage(Kernel *kernel, Stmt *loop, Buf *buf, const Dim *const *vars, int n_vars) {
    if (n_vars < 1 || n_vars > TN_MAX_RANK || loop->loop == LOOP_PARTITION ||
        tn_dep_in_vector(kernel, loop)) {
        return NULL;
    }
    Stage stage = {.kernel = kernel, .loop = loop, .buf = buf, .vars = vars, .n_vars = n_vars};
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    DepVec all = {0};
    Stmt *fill = NULL;
    tn_dep_accesses(kernel, loop->body, &all);
    if (find_index(&stage, &all) && check_reads(&stage, &all)) {
        fill = build_fill(&stage);
    }
    if (fill != NULL) {
        *tn_dep_link(kernel, loop) = fill;
        fill->next = loop;
        tn_stmt_rewrite(kernel, loop->body, read_local, &stage);
    }
    tn_arena_reset(&kernel->ctx->scratch, mark);
    return fill;
}

/* ---- hoist ---- */

typedef struct Hoist {
    Ctx *ctx;
    const Stmt *loop;
    const DepVec *all; /* accesses of the body */
    bool runs;         /* the loop surely runs at least once */
} Hoist;

static bool is_written(const DepVec *all, const void *object) {
    for (size_t i = 0; i < all->len; i++) {
        if (all->data[i].object == object && all->data[i].writes) {
            return true;
        }
    }
    return false;
}

/* Whether this part of a value is the same in front of the loop. */
static bool is_invariant(void *arg, Expr *expr) {
    const Hoist *hoist = arg;
    switch (expr->kind) {
    case EXPR_TEMP:
        return !is_written(hoist->all, expr->temp);
    case EXPR_DYNLOAD:
        return hoist->runs && !is_written(hoist->all, expr->buf);
    case EXPR_LOAD:
        return !is_written(hoist->all, expr->buf) &&
               (hoist->runs || all_in_bounds(hoist->ctx, expr->buf, expr->index));
    default:
        return true;
    }
}

static size_t count_writes(const DepVec *all, const void *object) {
    size_t n = 0;
    for (size_t i = 0; i < all->len; i++) {
        n += all->data[i].object == object && all->data[i].writes;
    }
    return n;
}

static bool can_hoist(Kernel *kernel, const Stmt *loop, const Stmt *stmt) {
    DepVec all = {0};
    if (stmt->kind != STMT_DEF || tn_expr_uses(stmt->value, loop->var)) {
        return false;
    }
    for (int d = 0; d < stmt->n_index; d++) {
        if (tn_dim_uses(stmt->index[d], loop->var)) {
            return false;
        }
    }
    tn_dep_accesses(kernel, loop->body, &all);
    Hoist hoist = {kernel->ctx, loop, &all, surely_runs(kernel->ctx, loop)};
    return count_writes(&all, stmt->temp) == 1 && tn_dep_private(kernel, loop, &all, stmt->temp) &&
           tn_expr_visit(stmt->value, is_invariant, &hoist);
}

bool tn_loop_hoist(Kernel *kernel, Stmt *loop) {
    bool any = false;
    if (loop->loop == LOOP_PARTITION) {
        return false;
    }
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    Stmt **link = &loop->body;
    while (*link != NULL) {
        Stmt *stmt = *link;
        if (stmt->next == NULL && link == &loop->body) {
            break; /* a loop keeps a body */
        }
        if (!can_hoist(kernel, loop, stmt)) {
            link = &stmt->next;
            continue;
        }
        *link = stmt->next;
        *tn_dep_link(kernel, loop) = stmt;
        stmt->next = loop;
        any = true;
    }
    tn_arena_reset(&kernel->ctx->scratch, mark);
    return any;
}

/* ---- copy propagation ---- */

static const DepAccess *only_write(const DepVec *all, const Temp *temp) {
    const DepAccess *found = NULL;
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *access = &all->data[i];
        if (access->temp == temp && access->writes) {
            if (found != NULL) {
                return NULL;
            }
            found = access;
        }
    }
    return found;
}

/* A value that costs nothing to repeat and is the same wherever the temp is read. */
static bool is_name(const DepVec *all, const DepAccess *def) {
    const Expr *value = def->stmt->value;
    if (def->acc) {
        return false;
    }
    if (value->kind == EXPR_TEMP) {
        const DepAccess *source = only_write(all, value->temp);
        return source != NULL && !source->acc && source->order < def->order;
    }
    return value->kind == EXPR_CONST || value->kind == EXPR_INDEX;
}

/* The read sees the definition of the same iteration: it stands behind it, in loops that the
 * definition is in too. */
static bool sees(const DepAccess *def, const DepAccess *read) {
    if (def->order >= read->order || def->n_loops > read->n_loops) {
        return false;
    }
    for (uint32_t i = 0; i < def->n_loops; i++) {
        if (def->loops[i] != read->loops[i]) {
            return false;
        }
    }
    for (int d = 0; d < def->n_index; d++) {
        if (def->index[d] != read->index[d]) {
            return false;
        }
    }
    return true;
}

static bool all_see(const DepVec *all, const DepAccess *def) {
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *access = &all->data[i];
        if (access->temp == def->temp && access->reads && !sees(def, access)) {
            return false;
        }
    }
    return true;
}

static Expr *read_value(void *arg, Expr *expr) {
    const Stmt *def = arg;
    return expr->kind == EXPR_TEMP && expr->temp == def->temp ? def->value : expr;
}

/* Removes assignments of the temp and loops that are empty then. */
static void drop_writes(Stmt **link, const Temp *temp) {
    while (*link != NULL) {
        Stmt *stmt = *link;
        if (stmt->kind == STMT_FOR) {
            drop_writes(&stmt->body, temp);
        }
        bool dead = stmt->kind == STMT_FOR ? stmt->body == NULL : stmt->temp == temp;
        if (dead) {
            *link = stmt->next;
        } else {
            link = &stmt->next;
        }
    }
}

/* Whether anybody but the temp's own assignments reads it. */
static bool is_read(const DepVec *all, const Temp *temp) {
    for (size_t i = 0; i < all->len; i++) {
        const DepAccess *access = &all->data[i];
        if (access->temp == temp && access->reads && access->stmt->temp != temp) {
            return true;
        }
    }
    return false;
}

static bool propagate_temp(Kernel *kernel, const Temp *temp) {
    DepVec all = {0};
    tn_dep_accesses(kernel, kernel->body, &all);
    if (count_writes(&all, temp) == 0) {
        return false;
    }
    const DepAccess *def = only_write(&all, temp);
    if (is_read(&all, temp)) {
        if (def == NULL || !is_name(&all, def) || !all_see(&all, def)) {
            return false;
        }
        tn_stmt_rewrite(kernel, kernel->body, read_value, def->stmt);
    }
    drop_writes(&kernel->body, temp);
    return true;
}

bool tn_kernel_copy_prop(Kernel *kernel) {
    bool any = false;
    for (size_t i = 0; i < kernel->temps.len; i++) {
        ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
        any = propagate_temp(kernel, kernel->temps.data[i]) || any;
        tn_arena_reset(&kernel->ctx->scratch, mark);
    }
    return any;
}
