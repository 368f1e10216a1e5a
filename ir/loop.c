/* loop.c: building blocks of the loop IR: kernels, expressions, statements, copies.
 *
 * Everything lives in the context's arena. Expressions are immutable and may share parts,
 * so every walk over them remembers what it has seen in a small direct-mapped cache: a
 * lost entry costs a second visit, never a wrong answer, and shared parts stay shared.
 * A loop's extent is the declared extent of its variable; who narrows a loop gives it a
 * fresh variable, so that the ranges the dimension prover uses are those that run.
 */
#include "ir/loop.h"

#include <string.h>

enum { LINE_BYTES = 64 };

/* ---- kernels ---- */

Kernel *tn_kernel_new(Ctx *ctx, const char *name) {
    Kernel *kernel = TN_NEW(&ctx->arena, Kernel);
    kernel->ctx = ctx;
    kernel->name = name != NULL ? name : "";
    return kernel;
}

static void set_dense_strides(Ctx *ctx, Buf *buf) {
    const Dim *stride = tn_dim_const(ctx, 1);
    for (int d = buf->rank - 1; d >= 0; d--) {
        buf->strides[d] = stride;
        stride = tn_dim_mul(ctx, stride, buf->dims[d]);
    }
}

Buf *tn_kernel_buf(Kernel *kernel, BufKind kind, DType dtype, int rank, const Dim *const *dims) {
    Arena *arena = &kernel->ctx->arena;
    Buf *buf = TN_NEW(arena, Buf);
    buf->id = (uint32_t)kernel->bufs.len;
    buf->kind = kind;
    buf->dtype = dtype;
    buf->rank = (uint8_t)rank;
    for (int d = 0; d < rank; d++) {
        buf->dims[d] = dims[d];
    }
    set_dense_strides(kernel->ctx, buf);
    buf->name = tn_arena_printf(arena, "b%u", (unsigned)buf->id);
    buf->align = (uint32_t)tn_dtype_bytes(dtype);
    tn_vec_push(arena, &kernel->bufs, buf);
    return buf;
}

const Dim *tn_buf_local_bytes(Ctx *ctx, const Buf *buf) {
    const Dim *line = tn_dim_const(ctx, LINE_BYTES);
    const Dim *count = tn_dim_product(ctx, buf->dims, buf->rank);
    const Dim *bytes = tn_dim_mulc(ctx, count, (int64_t)tn_dtype_bytes(buf->dtype));
    return tn_dim_mul(ctx, tn_dim_ceil_div(ctx, bytes, line), line);
}

const Dim *tn_kernel_local_bytes(const Kernel *kernel) {
    const Dim *sum = tn_dim_const(kernel->ctx, 0);
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        if (kernel->bufs.data[i]->kind == BUF_LOCAL) {
            sum =
                tn_dim_add(kernel->ctx, sum, tn_buf_local_bytes(kernel->ctx, kernel->bufs.data[i]));
        }
    }
    return sum;
}

Temp *tn_kernel_temp(Kernel *kernel, DType dtype, int rank, const int32_t *extents) {
    Arena *arena = &kernel->ctx->arena;
    Temp *temp = TN_NEW(arena, Temp);
    temp->id = (uint32_t)kernel->temps.len;
    temp->dtype = dtype;
    temp->rank = (uint8_t)rank;
    for (int d = 0; d < rank; d++) {
        temp->extents[d] = extents[d];
    }
    temp->name = tn_arena_printf(arena, "t%u", (unsigned)temp->id);
    tn_vec_push(arena, &kernel->temps, temp);
    return temp;
}

/* ---- expressions ---- */

static Expr *expr_new(Ctx *ctx, ExprKind kind, DType dtype) {
    Expr *expr = TN_NEW(&ctx->arena, Expr);
    expr->kind = kind;
    expr->dtype = dtype;
    return expr;
}

static const Dim *const *copy_index(Ctx *ctx, const Dim *const *index, size_t n) {
    if (n == 0) {
        return NULL;
    }
    return tn_arena_copy(&ctx->arena, index, n * sizeof(*index));
}

static Expr *const *copy_args(Ctx *ctx, Expr *const *args, size_t n) {
    return tn_arena_copy(&ctx->arena, args, n * sizeof(*args));
}

Expr *tn_expr_const_f(Ctx *ctx, DType dtype, double value) {
    Expr *expr = expr_new(ctx, EXPR_CONST, dtype);
    expr->f = value;
    return expr;
}

Expr *tn_expr_const_i(Ctx *ctx, DType dtype, int64_t value) {
    Expr *expr = expr_new(ctx, EXPR_CONST, dtype);
    expr->i = value;
    return expr;
}

Expr *tn_expr_number(Ctx *ctx, DType dtype, double value) {
    return tn_dtype_is_float(dtype) ? tn_expr_const_f(ctx, dtype, value)
                                    : tn_expr_const_i(ctx, dtype, (int64_t)value);
}

Expr *tn_expr_index(Ctx *ctx, DType dtype, const Dim *dim) {
    /* The variable of a loop that runs once is known, too. */
    if (dim->lo == dim->hi) {
        return tn_dtype_is_float(dtype) ? tn_expr_const_f(ctx, dtype, (double)dim->lo)
                                        : tn_expr_const_i(ctx, dtype, dim->lo);
    }
    Expr *expr = expr_new(ctx, EXPR_INDEX, dtype);
    expr->dim = dim;
    return expr;
}

Expr *tn_expr_load(Ctx *ctx, Buf *buf, const Dim *const *index) {
    Expr *expr = expr_new(ctx, EXPR_LOAD, buf->dtype);
    expr->buf = buf;
    expr->n_index = buf->rank;
    expr->index = copy_index(ctx, index, buf->rank);
    return expr;
}

Expr *tn_expr_temp(Ctx *ctx, Temp *temp, const Dim *const *index) {
    Expr *expr = expr_new(ctx, EXPR_TEMP, temp->dtype);
    expr->temp = temp;
    expr->n_index = temp->rank;
    expr->index = copy_index(ctx, index, temp->rank);
    return expr;
}

static DType map_dtype(const OpInfo *info, DType to, Expr *const *args, int n_args) {
    if (info->result == RESULT_BOOL) {
        return TN_BOOL;
    }
    return info->result == RESULT_TO ? to : args[n_args - 1]->dtype;
}

/* The one-element tensor an integer constant is. */
static RefTensor const_tensor(const Expr *expr, int64_t *cell) {
    RefTensor tensor = {.dtype = expr->dtype, .count = 1};
    *cell = expr->i;
    tensor.i = cell;
    return tensor;
}

/* The constant that an integer or bool function of integer constants is, or NULL. Floats are
 * left alone: compile-time rounding would differ from that of the fused region. */
static Expr *fold_map(Ctx *ctx, Op op, DType dtype, Expr *const *args, int n_args) {
    RefTensor tensors[3];
    int64_t cells[3];
    const RefTensor *in[3];
    if (tn_dtype_is_float(dtype) || n_args > 3) {
        return NULL;
    }
    for (int i = 0; i < n_args; i++) {
        if (args[i]->kind != EXPR_CONST || tn_dtype_is_float(args[i]->dtype)) {
            return NULL;
        }
        tensors[i] = const_tensor(args[i], &cells[i]);
        in[i] = &tensors[i];
    }
    int64_t result = 0;
    RefTensor out = {.dtype = dtype, .count = 1};
    out.i = &result;
    Node node = {.op = op};
    EvalArgs eval = {.ctx = ctx, .node = &node, .in = in, .out = &out};
    return tn_op_info(op)->eval(&eval) ? tn_expr_const_i(ctx, dtype, result) : NULL;
}

Expr *tn_expr_map(Ctx *ctx, Op op, DType to, Expr *const *args, int n_args) {
    DType dtype = map_dtype(tn_op_info(op), to, args, n_args);
    if ((op == TN_OP_cast && args[0]->dtype == dtype) || op == TN_OP_stop_gradient) {
        return args[0];
    }
    if (op == TN_OP_select && args[0]->kind == EXPR_CONST) {
        return args[0]->i != 0 ? args[1] : args[2];
    }
    Expr *folded = fold_map(ctx, op, dtype, args, n_args);
    if (folded != NULL) {
        return folded;
    }
    Expr *expr = expr_new(ctx, EXPR_MAP, dtype);
    expr->op = op;
    expr->n_args = (uint8_t)n_args;
    expr->args = copy_args(ctx, args, (size_t)n_args);
    return expr;
}

Expr *tn_expr_map1(Ctx *ctx, Op op, Expr *a) {
    return tn_expr_map(ctx, op, TN_DT_NONE, &a, 1);
}

Expr *tn_expr_map2(Ctx *ctx, Op op, Expr *a, Expr *b) {
    Expr *args[2] = {a, b};
    return tn_expr_map(ctx, op, TN_DT_NONE, args, 2);
}

Expr *tn_expr_guard(Ctx *ctx, const Dim *cond, Expr *then, Expr *otherwise) {
    if (cond->lo == cond->hi) {
        return cond->lo != 0 ? then : otherwise;
    }
    Expr *args[2] = {then, otherwise};
    Expr *expr = expr_new(ctx, EXPR_GUARD, then->dtype);
    expr->dim = cond;
    expr->n_args = 2;
    expr->args = copy_args(ctx, args, 2);
    return expr;
}

Expr *tn_expr_dynload(Ctx *ctx, Buf *buf, const Dim *const *index, int dyn, Expr *at) {
    Expr *expr = expr_new(ctx, EXPR_DYNLOAD, buf->dtype);
    expr->buf = buf;
    expr->n_index = buf->rank;
    expr->index = copy_index(ctx, index, buf->rank);
    expr->dyn = (uint8_t)dyn;
    expr->n_args = 1;
    expr->args = copy_args(ctx, &at, 1);
    return expr;
}

/* ---- walking expressions ---- */

enum { SEEN_SLOTS = 256 };

typedef struct Seen {
    const Expr *from[SEEN_SLOTS];
    Expr *to[SEEN_SLOTS];
} Seen;

static size_t seen_slot(const Expr *expr) {
    uint64_t bits = (uint64_t)(uintptr_t)expr >> 4;
    return (size_t)((bits * 0x9e3779b97f4a7c15ull) >> 56);
}

static bool expr_dims_use(const Expr *expr, const Dim *sym) {
    if ((expr->kind == EXPR_INDEX || expr->kind == EXPR_GUARD) && tn_dim_uses(expr->dim, sym)) {
        return true;
    }
    for (int d = 0; d < expr->n_index; d++) {
        if (tn_dim_uses(expr->index[d], sym)) {
            return true;
        }
    }
    return false;
}

typedef struct Visit {
    Seen seen;
    ExprVisitFn *fn;
    void *arg;
} Visit;

static bool visit_expr(Visit *visit, Expr *expr) {
    size_t slot = seen_slot(expr);
    if (visit->seen.from[slot] == expr) {
        return true;
    }
    if (!visit->fn(visit->arg, expr)) {
        return false;
    }
    for (int i = 0; i < expr->n_args; i++) {
        if (!visit_expr(visit, expr->args[i])) {
            return false;
        }
    }
    visit->seen.from[slot] = expr;
    return true;
}

bool tn_expr_visit(Expr *expr, ExprVisitFn *fn, void *arg) {
    Visit visit;
    memset(visit.seen.from, 0, sizeof visit.seen.from);
    visit.fn = fn;
    visit.arg = arg;
    return visit_expr(&visit, expr);
}

static bool lacks_sym(void *arg, Expr *expr) {
    return !expr_dims_use(expr, arg);
}

bool tn_expr_uses(const Expr *expr, const Dim *sym) {
    /* The visitor only reads; its type is shared with visitors that collect parts. */
    return !tn_expr_visit((Expr *)(uintptr_t)expr, lacks_sym, (void *)(uintptr_t)sym);
}

/* ---- rewriting expressions ---- */

typedef struct Remap {
    Seen seen;
    Ctx *ctx;
    const Dim *const *from; /* loop variables to replace */
    const Dim *const *to;
    size_t n;
    ExprRewriteFn *fn; /* applied to every rebuilt part, or NULL */
    void *arg;
} Remap;

static void remap_init(Remap *remap, Ctx *ctx) {
    memset(remap->seen.from, 0, sizeof remap->seen.from);
    remap->ctx = ctx;
    remap->n = 0;
    remap->fn = NULL;
}

static const Dim *remap_dim(Remap *remap, const Dim *dim) {
    return remap->n == 0 ? dim : tn_dim_subst(remap->ctx, dim, remap->from, remap->to, remap->n);
}

/* Fills `out`; whether anything differs. */
static bool remap_index(Remap *remap, const Dim *const *index, size_t n, const Dim **out) {
    bool changed = false;
    for (size_t d = 0; d < n; d++) {
        out[d] = remap_dim(remap, index[d]);
        changed |= out[d] != index[d];
    }
    return changed;
}

static Expr *rebuild(Ctx *ctx, Expr *expr, const Dim *dim, const Dim *const *index,
                     Expr *const *args) {
    switch (expr->kind) {
    case EXPR_INDEX:
        return tn_expr_index(ctx, expr->dtype, dim);
    case EXPR_LOAD:
        return tn_expr_load(ctx, expr->buf, index);
    case EXPR_TEMP:
        return tn_expr_temp(ctx, expr->temp, index);
    case EXPR_MAP:
        return tn_expr_map(ctx, expr->op, expr->dtype, args, expr->n_args);
    case EXPR_GUARD:
        return tn_expr_guard(ctx, dim, args[0], args[1]);
    case EXPR_DYNLOAD:
        return tn_expr_dynload(ctx, expr->buf, index, expr->dyn, args[0]);
    case EXPR_CONST:
    default:
        return expr;
    }
}

/* A folded parent is one of its parts, which have been rewritten already. */
static bool is_arg(const Expr *result, Expr *const *args, int n) {
    for (int i = 0; i < n; i++) {
        if (args[i] == result) {
            return true;
        }
    }
    return false;
}

static Expr *remap_expr(Remap *remap, Expr *expr) {
    size_t slot = seen_slot(expr);
    if (remap->seen.from[slot] == expr) {
        return remap->seen.to[slot];
    }
    const Dim *index[TN_MAX_RANK + 4];
    Expr *args[8] = {NULL};
    const Dim *dim = NULL;
    bool changed = remap_index(remap, expr->index, expr->n_index, index);
    if (expr->kind == EXPR_INDEX || expr->kind == EXPR_GUARD) {
        dim = remap_dim(remap, expr->dim);
        changed |= dim != expr->dim;
    }
    for (int i = 0; i < expr->n_args; i++) {
        args[i] = remap_expr(remap, expr->args[i]);
        changed |= args[i] != expr->args[i];
    }
    Expr *result = changed ? rebuild(remap->ctx, expr, dim, index, args) : expr;
    if (remap->fn != NULL && !is_arg(result, args, expr->n_args)) {
        result = remap->fn(remap->arg, result);
    }
    remap->seen.from[slot] = expr;
    remap->seen.to[slot] = result;
    return result;
}

Expr *tn_expr_rewrite(Ctx *ctx, Expr *expr, ExprRewriteFn *fn, void *arg) {
    Remap remap;
    remap_init(&remap, ctx);
    remap.fn = fn;
    remap.arg = arg;
    return remap_expr(&remap, expr);
}

/* ---- statements ---- */

static Stmt *stmt_new(Kernel *kernel, StmtKind kind) {
    Stmt *stmt = TN_NEW(&kernel->ctx->arena, Stmt);
    stmt->kind = kind;
    return stmt;
}

/* "m", "m12" -> "m": the part of a loop name that says what it is. */
static size_t stem_length(const char *name) {
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] >= '0' && name[len - 1] <= '9') {
        len--;
    }
    return len;
}

const Dim *tn_kernel_loop_var(Kernel *kernel, const char *name, const Dim *extent) {
    const char *stem = name != NULL && name[0] != '\0' ? name : "i";
    char *fresh = tn_arena_printf(&kernel->ctx->arena, "%.*s%u", (int)stem_length(stem), stem,
                                  (unsigned)kernel->n_names++);
    return tn_dim_loop_var(kernel->ctx, fresh, extent);
}

Stmt *tn_stmt_for(Kernel *kernel, const char *name, const Dim *extent) {
    Stmt *stmt = stmt_new(kernel, STMT_FOR);
    stmt->var = tn_kernel_loop_var(kernel, name, extent);
    stmt->extent = extent;
    return stmt;
}

static Stmt *assign_temp(Kernel *kernel, StmtKind kind, Temp *temp, const Dim *const *index,
                         Expr *value) {
    Stmt *stmt = stmt_new(kernel, kind);
    stmt->temp = temp;
    stmt->n_index = temp->rank;
    stmt->index = copy_index(kernel->ctx, index, temp->rank);
    stmt->value = value;
    return stmt;
}

Stmt *tn_stmt_def(Kernel *kernel, Temp *temp, const Dim *const *index, Expr *value) {
    return assign_temp(kernel, STMT_DEF, temp, index, value);
}

Stmt *tn_stmt_acc(Kernel *kernel, Temp *temp, const Dim *const *index, Op op, Expr *value) {
    Stmt *stmt = assign_temp(kernel, STMT_ACC, temp, index, value);
    stmt->op = op;
    return stmt;
}

Stmt *tn_stmt_store(Kernel *kernel, Buf *buf, const Dim *const *index, Expr *value) {
    Stmt *stmt = stmt_new(kernel, STMT_STORE);
    stmt->buf = buf;
    stmt->n_index = buf->rank;
    stmt->index = copy_index(kernel->ctx, index, buf->rank);
    stmt->value = value;
    buf->written = true;
    return stmt;
}

Stmt *tn_stmt_store_at(Kernel *kernel, Buf *buf, const Dim *const *index, int dyn, Expr *at,
                       Expr *value) {
    Stmt *stmt = tn_stmt_store(kernel, buf, index, value);
    stmt->dyn = (uint8_t)dyn;
    stmt->at = at;
    return stmt;
}

void tn_stmt_append(Stmt **block, Stmt *stmt) {
    while (*block != NULL) {
        block = &(*block)->next;
    }
    *block = stmt;
}

/* ---- walking and rewriting statements ---- */

bool tn_stmt_visit(Stmt *stmt, StmtVisitFn *fn, void *arg) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (!fn(arg, stmt)) {
            return false;
        }
        if (stmt->kind == STMT_FOR && !tn_stmt_visit(stmt->body, fn, arg)) {
            return false;
        }
    }
    return true;
}

bool tn_stmt_exprs(const Stmt *stmt, ExprVisitFn *fn, void *arg) {
    return stmt->kind == STMT_FOR || (tn_expr_visit(stmt->value, fn, arg) &&
                                      (stmt->at == NULL || tn_expr_visit(stmt->at, fn, arg)));
}

static void remap_stmt(Remap *remap, Stmt *stmt) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            remap_stmt(remap, stmt->body);
            continue;
        }
        const Dim *index[TN_MAX_RANK + 4];
        if (remap_index(remap, stmt->index, stmt->n_index, index)) {
            stmt->index = copy_index(remap->ctx, index, stmt->n_index);
        }
        stmt->value = remap_expr(remap, stmt->value);
        stmt->at = stmt->at != NULL ? remap_expr(remap, stmt->at) : NULL;
    }
}

void tn_stmt_rewrite(Kernel *kernel, Stmt *stmt, ExprRewriteFn *fn, void *arg) {
    Remap remap;
    remap_init(&remap, kernel->ctx);
    remap.fn = fn;
    remap.arg = arg;
    remap_stmt(&remap, stmt);
}

typedef TN_VEC(const Dim *) DimVec;

/* `extent`, known not to exceed the lanes of an UNROLL or VECTOR loop, in a form that shows it. */
static const Dim *clip(Ctx *ctx, const Stmt *loop, const Dim *extent) {
    bool limited = loop->loop == LOOP_UNROLL || loop->loop == LOOP_VECTOR;
    return limited && extent->hi > loop->lanes
               ? tn_dim_min(ctx, extent, tn_dim_const(ctx, loop->lanes))
               : extent;
}

/* Replaces extents too. A loop whose extent changes gets a fresh variable over the new
 * range, added to the substitution, so bodies are simplified under the range they run. */
static void renew_loops(Kernel *kernel, Stmt *stmt, DimVec *from, DimVec *to, bool always) {
    Arena *scratch = &kernel->ctx->scratch;
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind != STMT_FOR) {
            continue;
        }
        const Dim *extent =
            tn_dim_subst(kernel->ctx, stmt->extent, from->data, to->data, from->len);
        extent = clip(kernel->ctx, stmt, extent);
        if (always || extent != stmt->extent) {
            const Dim *var =
                tn_kernel_loop_var(kernel, tn_dim_symbol_of(kernel->ctx, stmt->var)->name, extent);
            tn_vec_push(scratch, from, stmt->var);
            tn_vec_push(scratch, to, var);
            stmt->var = var;
            stmt->extent = extent;
        }
        renew_loops(kernel, stmt->body, from, to, always);
    }
}

static void subst_chain(Kernel *kernel, Stmt *stmt, const Dim *const *from, const Dim *const *to,
                        size_t n, bool renew_all) {
    Arena *scratch = &kernel->ctx->scratch;
    DimVec all_from = {0};
    DimVec all_to = {0};
    for (size_t i = 0; i < n; i++) {
        tn_vec_push(scratch, &all_from, from[i]);
        tn_vec_push(scratch, &all_to, to[i]);
    }
    renew_loops(kernel, stmt, &all_from, &all_to, renew_all);
    Remap remap;
    remap_init(&remap, kernel->ctx);
    remap.from = all_from.data;
    remap.to = all_to.data;
    remap.n = all_from.len;
    remap_stmt(&remap, stmt);
}

void tn_stmt_subst(Kernel *kernel, Stmt *stmt, const Dim *const *from, const Dim *const *to,
                   size_t n) {
    subst_chain(kernel, stmt, from, to, n, false);
}

static Stmt *copy_chain(Ctx *ctx, const Stmt *stmt) {
    Stmt *first = NULL;
    Stmt **link = &first;
    for (; stmt != NULL; stmt = stmt->next) {
        Stmt *copy = tn_arena_copy(&ctx->arena, stmt, sizeof *stmt);
        copy->body = copy_chain(ctx, stmt->body);
        copy->next = NULL;
        *link = copy;
        link = &copy->next;
    }
    return first;
}

Stmt *tn_stmt_clone(Kernel *kernel, const Stmt *stmt) {
    Stmt *copy = copy_chain(kernel->ctx, stmt);
    subst_chain(kernel, copy, NULL, NULL, 0, true);
    return copy;
}

/* ---- copying a kernel ---- */

static Expr *move_to_kernel(void *arg, Expr *expr) {
    const Kernel *kernel = arg;
    Ctx *ctx = kernel->ctx;
    switch (expr->kind) {
    case EXPR_LOAD:
        return tn_expr_load(ctx, kernel->bufs.data[expr->buf->id], expr->index);
    case EXPR_DYNLOAD:
        return tn_expr_dynload(ctx, kernel->bufs.data[expr->buf->id], expr->index, expr->dyn,
                               expr->args[0]);
    case EXPR_TEMP:
        return tn_expr_temp(ctx, kernel->temps.data[expr->temp->id], expr->index);
    default:
        return expr;
    }
}

static bool move_target(void *arg, Stmt *stmt) {
    const Kernel *kernel = arg;
    if (stmt->kind == STMT_STORE) {
        stmt->buf = kernel->bufs.data[stmt->buf->id];
    } else if (stmt->kind != STMT_FOR) {
        stmt->temp = kernel->temps.data[stmt->temp->id];
    }
    return true;
}

Kernel *tn_kernel_clone(const Kernel *kernel) {
    Ctx *ctx = kernel->ctx;
    Arena *arena = &ctx->arena;
    Kernel *copy = tn_arena_copy(arena, kernel, sizeof *kernel);
    memset(&copy->bufs, 0, sizeof copy->bufs);
    memset(&copy->temps, 0, sizeof copy->temps);
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        Buf *buf = tn_arena_copy(arena, kernel->bufs.data[i], sizeof(Buf));
        tn_vec_push(arena, &copy->bufs, buf);
    }
    for (size_t i = 0; i < kernel->temps.len; i++) {
        Temp *temp = tn_arena_copy(arena, kernel->temps.data[i], sizeof(Temp));
        tn_vec_push(arena, &copy->temps, temp);
    }
    copy->body = copy_chain(ctx, kernel->body);
    tn_stmt_rewrite(copy, copy->body, move_to_kernel, copy);
    tn_stmt_visit(copy->body, move_target, copy);
    return copy;
}
