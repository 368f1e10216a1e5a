/* loop_verify.c: checks that a kernel keeps the rules of ir/loop.h.
 *
 * One walk in text order keeps the loops that are open. What is wrong is said once per
 * place; a violation is a mistake of a pass, never of the user.
 */
#include "base/map.h"
#include "ir/loop.h"

typedef struct Verify {
    Kernel *kernel;
    TN_VEC(const Stmt *) open; /* loops around the current place, outermost first */
    Map vars;                  /* variables of all loops seen */
    bool *defined;             /* by temp: some DEF stands before */
    bool ok;
} Verify;

static void complain(Verify *verify, const char *what, const char *name) {
    verify->ok = false;
    tn_diag(&verify->kernel->ctx->diags, TN_INTERNAL, (Loc){0}, "kernel '%s': %s%s%s",
            verify->kernel->name, name, name[0] != '\0' ? " " : "", what);
}

static const char *var_name(Verify *verify, const Dim *var) {
    return tn_dim_symbol_of(verify->kernel->ctx, var)->name;
}

/* ---- index expressions ---- */

static bool is_open(const Verify *verify, const Dim *var) {
    for (size_t i = 0; i < verify->open.len; i++) {
        if (verify->open.data[i]->var == var) {
            return true;
        }
    }
    return false;
}

static void check_scope(Verify *verify, const Dim *dim) {
    if (dim->kind == DIM_SYM && tn_dim_symbol_of(verify->kernel->ctx, dim)->kind == SYM_LOOP &&
        !is_open(verify, dim)) {
        complain(verify, "is used outside of its loop", var_name(verify, dim));
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        check_scope(verify, dim->args[i]);
    }
}

static void check_dim(Verify *verify, const Dim *dim) {
    if (dim == NULL) {
        complain(verify, "an index expression is missing", "");
    } else if (dim->overflow) {
        complain(verify, "an index expression overflows", "");
    } else {
        check_scope(verify, dim);
    }
}

static void check_index(Verify *verify, const char *name, const Dim *const *index, int n,
                        int rank) {
    if (n != rank) {
        complain(verify, "is accessed with another number of indices than it has dims", name);
        return;
    }
    for (int d = 0; d < n; d++) {
        check_dim(verify, index[d]);
    }
}

/* ---- buffers and temps ---- */

static bool owns_buf(const Verify *verify, const Buf *buf) {
    return buf != NULL && buf->id < verify->kernel->bufs.len &&
           verify->kernel->bufs.data[buf->id] == buf;
}

static bool owns_temp(const Verify *verify, const Temp *temp) {
    return temp != NULL && temp->id < verify->kernel->temps.len &&
           verify->kernel->temps.data[temp->id] == temp;
}

static void check_buf(Verify *verify, const Buf *buf) {
    if (!owns_buf(verify, buf)) {
        complain(verify, "is not at its place in the kernel's buffers", buf->name);
    }
    for (int d = 0; d < buf->rank; d++) {
        check_dim(verify, buf->dims[d]);
        check_dim(verify, buf->strides[d]);
    }
}

static void check_temp(Verify *verify, const Temp *temp) {
    if (!owns_temp(verify, temp)) {
        complain(verify, "is not at its place in the kernel's temps", temp->name);
    }
    for (int d = 0; d < temp->rank; d++) {
        if (temp->extents[d] < 1) {
            complain(verify, "has an extent below 1", temp->name);
        }
    }
}

/* ---- expressions ---- */

static void check_buf_access(Verify *verify, const Buf *buf, const Dim *const *index, int n) {
    if (!owns_buf(verify, buf)) {
        complain(verify, "a buffer of another kernel is accessed", "");
    } else {
        check_index(verify, buf->name, index, n, buf->rank);
    }
}

static void check_temp_access(Verify *verify, const Temp *temp, const Dim *const *index, int n) {
    if (!owns_temp(verify, temp)) {
        complain(verify, "a temp of another kernel is accessed", "");
    } else {
        check_index(verify, temp->name, index, n, temp->rank);
    }
}

static void check_temp_read(Verify *verify, const Expr *expr) {
    check_temp_access(verify, expr->temp, expr->index, expr->n_index);
    if (owns_temp(verify, expr->temp) && !verify->defined[expr->temp->id]) {
        complain(verify, "is read before any definition", expr->temp->name);
    }
}

static void check_map(Verify *verify, const Expr *expr) {
    if (expr->op >= TN_OP_COUNT || tn_op_info(expr->op)->cls != OPC_MAP) {
        complain(verify, "an expression applies an operation that is not elementwise", "");
        return;
    }
    const OpInfo *info = tn_op_info(expr->op);
    if ((int)expr->n_args != info->n_in) {
        complain(verify, "has the wrong number of operands", info->name);
        return;
    }
    for (int i = expr->op == TN_OP_select ? 1 : 0; i < expr->n_args; i++) {
        if (expr->args[i]->dtype != expr->args[expr->n_args - 1]->dtype) {
            complain(verify, "has operands of different element types", info->name);
        }
    }
}

static bool check_part(void *arg, Expr *expr) {
    Verify *verify = arg;
    switch (expr->kind) {
    case EXPR_CONST:
        break;
    case EXPR_INDEX:
        check_dim(verify, expr->dim);
        break;
    case EXPR_LOAD:
        check_buf_access(verify, expr->buf, expr->index, expr->n_index);
        break;
    case EXPR_TEMP:
        check_temp_read(verify, expr);
        break;
    case EXPR_MAP:
        check_map(verify, expr);
        break;
    case EXPR_GUARD:
        check_dim(verify, expr->dim);
        if (expr->n_args != 2 || expr->args[0]->dtype != expr->args[1]->dtype) {
            complain(verify, "a guard needs two branches of one element type", "");
        }
        break;
    case EXPR_DYNLOAD:
        check_buf_access(verify, expr->buf, expr->index, expr->n_index);
        if (expr->dyn >= expr->n_index || !tn_dtype_is_int(expr->args[0]->dtype)) {
            complain(verify, "a computed index needs an integer and a dim", "");
        }
        break;
    }
    return true;
}

/* ---- statements ---- */

static void check_chain(Verify *verify, Stmt *stmt);

static const Stmt *vector_around(const Verify *verify) {
    for (size_t i = verify->open.len; i > 0; i--) {
        if (verify->open.data[i - 1]->loop == LOOP_VECTOR) {
            return verify->open.data[i - 1];
        }
    }
    return NULL;
}

static void check_kind(Verify *verify, const Stmt *stmt, const char *name) {
    const Stmt *vector = vector_around(verify);
    bool limited = stmt->loop == LOOP_UNROLL || stmt->loop == LOOP_VECTOR;
    const Dim *lanes = tn_dim_const(verify->kernel->ctx, stmt->lanes);
    if (limited &&
        (stmt->lanes < 1 || !tn_dim_prove_le(verify->kernel->ctx, stmt->extent, lanes))) {
        complain(verify, "may run more often than it has lanes", name);
    }
    if (stmt->loop == LOOP_PARTITION && verify->open.len > 0) {
        complain(verify, "is partitioned but not at the top level", name);
    }
    if (vector != NULL && stmt->loop == LOOP_VECTOR) {
        complain(verify, "is a vector loop inside a vector loop", name);
    }
    if (vector != NULL && tn_dim_uses(stmt->extent, vector->var)) {
        complain(verify, "has an extent that differs between the lanes around it", name);
    }
}

/* The prover relies on a variable staying below its declared extent. */
static void check_var(Verify *verify, const Stmt *stmt) {
    Ctx *ctx = verify->kernel->ctx;
    const Symbol *symbol = tn_dim_symbol_of(ctx, stmt->var);
    bool added = false;
    tn_map_put_int(&verify->vars, stmt->var->sym, &added);
    if (symbol->kind != SYM_LOOP) {
        complain(verify, "is not a loop variable", symbol->name);
    } else if (!added) {
        complain(verify, "is the variable of two loops", symbol->name);
    } else if (symbol->extent != stmt->extent &&
               !tn_dim_prove_le(ctx, stmt->extent, symbol->extent)) {
        complain(verify, "may run past its variable's declared range", symbol->name);
    }
}

static void check_loop(Verify *verify, Stmt *stmt) {
    if (stmt->var == NULL || stmt->var->kind != DIM_SYM || stmt->extent == NULL ||
        stmt->body == NULL) {
        complain(verify, "a loop lacks its variable, extent or body", "");
        return;
    }
    check_dim(verify, stmt->extent);
    check_var(verify, stmt);
    check_kind(verify, stmt, var_name(verify, stmt->var));
    tn_vec_push(&verify->kernel->ctx->scratch, &verify->open, stmt);
    check_chain(verify, stmt->body);
    verify->open.len--;
}

static bool defines_other(void *arg, Stmt *stmt) {
    return stmt->kind != STMT_DEF || stmt->temp != arg;
}

/* Lanes may not share what they assign: indexed by the lane or defined in the body. */
static void check_lanes(Verify *verify, const Stmt *stmt) {
    const Stmt *vector = vector_around(verify);
    /* A loop that runs once shares nothing, and its variable may have become 0. */
    if (vector == NULL || stmt->kind == STMT_STORE || vector->var->hi == 0) {
        return;
    }
    for (int d = 0; d < stmt->n_index; d++) {
        if (tn_dim_uses(stmt->index[d], vector->var)) {
            return;
        }
    }
    if (tn_stmt_visit(vector->body, defines_other, stmt->temp)) {
        complain(verify, "is shared by the lanes that assign it", stmt->temp->name);
    }
}

static bool accumulates(Op op) {
    return op == TN_OP_add || op == TN_OP_mul || op == TN_OP_min || op == TN_OP_max;
}

static void check_temp_write(Verify *verify, const Stmt *stmt) {
    check_temp_access(verify, stmt->temp, stmt->index, stmt->n_index);
    if (!owns_temp(verify, stmt->temp)) {
        return;
    }
    check_lanes(verify, stmt);
    if (stmt->kind == STMT_DEF) {
        verify->defined[stmt->temp->id] = true;
    } else if (!accumulates(stmt->op)) {
        complain(verify, "is accumulated with something else than add, mul, min or max",
                 stmt->temp->name);
    } else if (!verify->defined[stmt->temp->id]) {
        complain(verify, "is accumulated into before any definition", stmt->temp->name);
    }
}

static void check_assignment(Verify *verify, Stmt *stmt) {
    DType dtype = TN_DT_NONE;
    tn_stmt_exprs(stmt, check_part, verify);
    if (stmt->at != NULL && (stmt->kind != STMT_STORE || stmt->dyn >= stmt->n_index ||
                             !tn_dtype_is_int(stmt->at->dtype))) {
        complain(verify, "a computed index needs an integer and a dim of a buffer", "");
    }
    if (stmt->kind == STMT_STORE) {
        check_buf_access(verify, stmt->buf, stmt->index, stmt->n_index);
        if (owns_buf(verify, stmt->buf) && !stmt->buf->written) {
            complain(verify, "is stored to but not marked as written", stmt->buf->name);
        }
        dtype = stmt->buf != NULL ? stmt->buf->dtype : dtype;
    } else {
        check_temp_write(verify, stmt);
        dtype = stmt->temp != NULL ? stmt->temp->dtype : dtype;
    }
    if (stmt->value->dtype != dtype) {
        complain(verify, "a value has another element type than its place", "");
    }
}

static void check_chain(Verify *verify, Stmt *stmt) {
    for (; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            check_loop(verify, stmt);
        } else {
            check_assignment(verify, stmt);
        }
    }
}

bool tn_kernel_verify(Kernel *kernel) {
    Arena *scratch = &kernel->ctx->scratch;
    ArenaMark mark = tn_arena_mark(scratch);
    Verify verify = {.kernel = kernel,
                     .vars = tn_map(scratch),
                     .defined = TN_NEW_ARRAY(scratch, bool, kernel->temps.len),
                     .ok = true};
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        check_buf(&verify, kernel->bufs.data[i]);
    }
    for (size_t i = 0; i < kernel->temps.len; i++) {
        check_temp(&verify, kernel->temps.data[i]);
    }
    check_chain(&verify, kernel->body);
    tn_arena_reset(scratch, mark);
    return verify.ok;
}
