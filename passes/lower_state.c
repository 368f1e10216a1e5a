/* lower_state.c: new values of state variables: written in place, or apart and copied at the end.
 *
 * A new value goes straight into its variable when nobody reads the old value afterwards:
 * kernels that read it come earlier, and the kernel that writes it reads the old value only at
 * the element it is about to write. Otherwise the new value gets memory of its own and a copy
 * is the last step.
 */
#include "passes/lower.h"

static bool read_after(const Value *old, int32_t writer) {
    for (const Use *use = old->uses; use != NULL; use = use->next) {
        const Node *user = use->user;
        if (tn_node_is_transparent(user) ? read_after(user->out[0], writer)
                                         : user->group > writer) {
            return true;
        }
    }
    return false;
}

bool tn_lower_in_place(const Graph *graph, const Value *value) {
    const Value *old = tn_graph_old_state(graph, value);
    return old == NULL || !read_after(old, value->def->group);
}

/* ---- the kernel that writes ---- */

/* Loads of one buffer; those at `index` apart. */
typedef struct Loads {
    const Buf *buf;
    const Stmt *store; /* NULL: any */
    uint32_t n, same;
} Loads;

/* Whether what is loaded is what the statement stores to. */
static bool is_place_of(const Expr *expr, const Stmt *store) {
    bool computed = expr->kind == EXPR_DYNLOAD;
    return tn_dims_equal(expr->n_index, expr->index, store->n_index, store->index) &&
           (computed ? store->at == expr->args[0] && store->dyn == expr->dyn : store->at == NULL);
}

static bool count_load(void *arg, Expr *expr) {
    Loads *loads = arg;
    if ((expr->kind == EXPR_LOAD || expr->kind == EXPR_DYNLOAD) && expr->buf == loads->buf) {
        loads->n++;
        loads->same += loads->store != NULL && is_place_of(expr, loads->store);
    }
    return true;
}

static bool count_in_stmt(void *arg, Stmt *stmt) {
    return tn_stmt_exprs(stmt, count_load, arg);
}

/* The block that stores to `buf`, and where in it; false when there is not just one store. */
typedef struct Store {
    const Buf *buf;
    Stmt *block, *stmt;
    uint32_t n;
} Store;

static void find_store(Store *store, Stmt *block) {
    for (Stmt *stmt = block; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FOR) {
            find_store(store, stmt->body);
        } else if (stmt->kind == STMT_STORE && stmt->buf == store->buf) {
            store->block = block;
            store->stmt = stmt;
            store->n++;
        }
    }
}

static bool buf_is_safe(const Kernel *kernel, const Buf *buf) {
    Loads all = {.buf = buf};
    Store store = {.buf = buf};
    tn_stmt_visit(kernel->body, count_in_stmt, &all);
    find_store(&store, kernel->body);
    if (all.n == 0 || store.n == 0) {
        return true;
    }
    Loads before = {.buf = buf, .store = store.stmt};
    for (Stmt *stmt = store.block; store.n == 1 && stmt != NULL; stmt = stmt->next) {
        tn_stmt_exprs(stmt, count_load, &before);
        if (stmt == store.stmt) {
            break;
        }
    }
    return store.n == 1 && before.same == all.n;
}

bool tn_lower_keep_apart(Lowering *lowering) {
    bool changed = false;
    for (size_t i = 0; i < lowering->group->nodes.len; i++) {
        const Value *value = lowering->group->nodes.data[i]->out[0];
        Slot *slot = lowering->slots[value->id];
        if (slot == NULL || slot->kind != SLOT_STATE) {
            continue;
        }
        const Buf *buf = tn_map_get_int(&lowering->bufs, tn_lower_place_key(lowering, value));
        if (buf != NULL && !buf_is_safe(lowering->kernel, buf)) {
            tn_lower_put_apart(lowering, value, slot);
            changed = true;
        }
    }
    return changed;
}

/* ---- values apart ---- */

void tn_lower_put_apart(Lowering *lowering, const Value *value, Slot *state) {
    lowering->slots[value->id] =
        tn_program_slot(lowering->program, SLOT_ARENA, 0, value, state->bytes);
    tn_vec_push(&lowering->lower.ctx->arena, &lowering->apart, ((Apart){value, state}));
}

Kernel *tn_lower_copy_kernel(Ctx *ctx, const Value *value) {
    Kernel *kernel = tn_kernel_new(ctx, value->name != NULL ? value->name : "update");
    const Type *type = &value->type;
    const Dim *index[TN_MAX_RANK];
    Buf *from = tn_kernel_buf(kernel, BUF_PARAM, type->dtype, type->rank, type->dims);
    Buf *to = tn_kernel_buf(kernel, BUF_PARAM, type->dtype, type->rank, type->dims);
    Stmt **block = &kernel->body;
    for (uint32_t i = 0; i < type->rank; i++) {
        Stmt *loop = tn_stmt_for(kernel, "i", type->dims[i]);
        tn_stmt_append(block, loop);
        index[i] = loop->var;
        block = &loop->body;
    }
    from->align = to->align = 64;
    to->written = true;
    tn_stmt_append(block, tn_stmt_store(kernel, to, index, tn_expr_load(ctx, from, index)));
    return kernel;
}
