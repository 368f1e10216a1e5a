/* emit_stmt.c: blocks, loops and assignments. */
#include "codegen/emit.h"

/* ---- blocks ---- */

/* What was loaded before is out of sight in a block that may run any number of times. */
typedef struct Scope {
    size_t loads, loads_base;
} Scope;

static Scope enter_scope(Emit *e, bool hide) {
    Scope scope = {e->loads.len, e->loads_base};
    e->loads_base = hide ? e->loads.len : e->loads_base;
    e->depth++;
    return scope;
}

static void leave_scope(Emit *e, Scope scope) {
    e->loads.len = scope.loads;
    e->loads_base = scope.loads_base;
    e->depth--;
    tn_emit_line(e, "}");
}

static void emit_stmt(Emit *e, Stmt *stmt);

void tn_emit_block(Emit *e, const Stmt *owner, Stmt *body) {
    TempVec *temps = tn_emit_open_temps(e, owner, body);
    StrBuf *out = e->out;
    StrBuf text = tn_str(e->arena);
    e->out = temps != NULL ? &text : out;
    for (Stmt *stmt = body; stmt != NULL && !e->failed; stmt = stmt->next) {
        emit_stmt(e, stmt);
    }
    e->out = out;
    tn_emit_close_temps(e, temps);
    if (text.len > 0) {
        tn_str_write(out, text.data, text.len);
    }
}

/* ---- loops ---- */

static void replace_variable(Emit *e, const Dim *var, int64_t value) {
    const Dim *number = tn_dim_const(e->ctx, value);
    tn_vec_push(e->arena, &e->from, var);
    tn_vec_push(e->arena, &e->to, number);
}

static void restore_variable(Emit *e) {
    e->from.len--;
    e->to.len--;
}

static void emit_unrolled(Emit *e, Stmt *loop) {
    const Dim *extent = tn_emit_resolve(e, loop->extent);
    for (int32_t i = 0; i < tn_emit_plan_of(e, loop->var)->lanes && !e->failed; i++) {
        bool sure = extent->lo > i, never = extent->hi <= i;
        if (never) {
            return;
        }
        Scope scope = {0};
        if (!sure) {
            tn_emit_line(e, "if (%s > %d) {", tn_emit_dim(e, extent), i);
            scope = enter_scope(e, false);
        }
        replace_variable(e, loop->var, i);
        tn_emit_block(e, loop, loop->body);
        restore_variable(e);
        if (!sure) {
            leave_scope(e, scope);
        }
    }
}

static void emit_vector(Emit *e, Stmt *loop) {
    Lanes outer = e->lanes;
    const Dim *extent = tn_emit_resolve(e, loop->extent);
    Lanes lanes = {loop->var, loop->extent, tn_emit_plan_of(e, loop->var)->lanes, NULL};
    bool sure = extent->lo >= 1;
    Scope scope = {0};
    if (extent->kind == DIM_CONST) {
        lanes.count = extent->value == lanes.n ? NULL : tn_emit_dim(e, extent);
    } else {
        lanes.count = tn_emit_name(e, "n");
        tn_emit_line(e, "const int64_t %s = %s;", lanes.count, tn_emit_dim(e, extent));
    }
    if (!sure) {
        tn_emit_line(e, "if (%s > 0) {", lanes.count);
        scope = enter_scope(e, false);
    }
    e->lanes = lanes;
    tn_emit_block(e, loop, loop->body);
    e->lanes = outer;
    if (!sure) {
        leave_scope(e, scope);
    }
}

static void emit_loop(Emit *e, Stmt *loop) {
    const char *name = tn_emit_name(e, "i"), *extent = tn_emit_dim(e, loop->extent);
    if (loop->loop == LOOP_PARTITION) {
        const char *n = tn_emit_name(e, "n");
        tn_emit_line(e, "const int64_t %s = %s, %s_end = %s * (thread + 1) / n_threads;", n, extent,
                     n, n);
        tn_emit_line(e, "for (int64_t %s = %s * thread / n_threads; %s < %s_end; %s++) {", name, n,
                     name, n, name);
    } else {
        tn_emit_line(e, "for (int64_t %s = 0; %s < %s; %s++) {", name, name, extent, name);
    }
    Scope scope = enter_scope(e, true);
    Frame frame;
    tn_emit_open_frame(e, &frame, loop->var);
    tn_emit_plan_of(e, loop->var)->name = name;
    tn_emit_block(e, loop, loop->body);
    tn_emit_plan_of(e, loop->var)->name = NULL;
    tn_emit_close_frame(e);
    leave_scope(e, scope);
}

/* A loop that joins the lanes of a vector: by halves instead of one by one. */
static bool emit_fold(Emit *e, const Stmt *loop) {
    const Stmt *acc = loop->body;
    if (loop->loop == LOOP_PARTITION || acc == NULL || acc->kind != STMT_ACC || acc->next != NULL ||
        acc->value->kind != EXPR_TEMP || !tn_dtype_is_float(acc->temp->dtype) ||
        e->lanes.var != NULL) {
        return false;
    }
    const Temp *temp = acc->value->temp;
    const char *lanes = tn_emit_all_lanes(e, temp, acc->value->index, loop->var);
    bool moves = temp == acc->temp;
    for (int d = 0; d < acc->n_index; d++) {
        moves = moves || tn_dim_uses(acc->index[d], loop->var);
    }
    if (lanes == NULL || moves || !tn_dim_is(loop->extent, e->reps[temp->id]->lanes)) {
        return false;
    }
    const char *fold = tn_emit_text(e, "fold_%s", tn_op_info(acc->op)->name);
    fold = tn_prelude_fn(e->prelude, fold, tn_vtype(temp->dtype, e->reps[temp->id]->lanes));
    const Val args[] = {tn_emit_read_temp(e, acc->temp, acc->index),
                        {tn_emit_text(e, "%s(%s)", fold, lanes), tn_vtype(temp->dtype, 1)}};
    tn_emit_assign(e, acc->temp, acc->index, tn_val_map(e, acc->op, temp->dtype, args, 2));
    return true;
}

static bool stores_result(void *arg, Stmt *stmt) {
    (void)arg;
    return stmt->kind != STMT_STORE || stmt->buf->kind != BUF_PARAM;
}

/* Whether the loop is written as one that shares its turns out; a single turn is not. */
static bool is_partition(const Emit *e, const Stmt *stmt) {
    return stmt->kind == STMT_FOR && stmt->loop == LOOP_PARTITION &&
           tn_emit_plan_of(e, stmt->var)->form != FORM_CONST;
}

/* Work outside of partitioned loops is done once, by the first thread. */
static bool is_shared_work(const Emit *e, Stmt *stmt) {
    if (e->depth != 1 || e->from.len > 0 || is_partition(e, stmt)) {
        return false;
    }
    Stmt *next = stmt->next;
    stmt->next = NULL; /* this statement alone */
    bool stores = !tn_stmt_visit(stmt, stores_result, NULL);
    stmt->next = next;
    return stores;
}

/* ---- statements ---- */

static void emit_acc(Emit *e, Stmt *stmt) {
    Val value = tn_emit_value(e, stmt->value, NULL);
    Val old = tn_emit_read_temp(e, stmt->temp, stmt->index);
    if (old.text == NULL) {
        tn_emit_fail(e, TN_INTERNAL, "an accumulator cannot be read as a vector");
        return;
    }
    const Val args[] = {old, value};
    tn_emit_assign(e, stmt->temp, stmt->index, tn_val_map(e, stmt->op, stmt->temp->dtype, args, 2));
}

static void emit_plain(Emit *e, Stmt *stmt) {
    if (stmt->kind == STMT_ACC) {
        emit_acc(e, stmt);
    } else if (stmt->kind == STMT_DEF) {
        tn_emit_assign(e, stmt->temp, stmt->index, tn_emit_value(e, stmt->value, NULL));
    } else {
        tn_emit_store(e, stmt);
    }
}

static void emit_kind(Emit *e, Stmt *stmt) {
    if (stmt->kind != STMT_FOR) {
        emit_plain(e, stmt);
        return;
    }
    /* A loop that never runs may hold indices out of any range. */
    bool never = tn_emit_resolve(e, stmt->extent)->hi <= 0;
    if (never || emit_fold(e, stmt)) {
        return;
    }
    if (tn_emit_plan_of(e, stmt->var)->form == FORM_CONST) {
        emit_unrolled(e, stmt);
    } else if (tn_emit_plan_of(e, stmt->var)->form == FORM_LANE) {
        emit_vector(e, stmt);
    } else {
        emit_loop(e, stmt);
    }
}

static void emit_stmt(Emit *e, Stmt *stmt) {
    if (!is_shared_work(e, stmt)) {
        emit_kind(e, stmt);
        return;
    }
    tn_emit_line(e, "if (thread == 0) {");
    Scope scope = enter_scope(e, false);
    emit_kind(e, stmt);
    leave_scope(e, scope);
}
