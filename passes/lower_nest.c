/* lower_nest.c: the loop nest of a group, straight from the formulas of its rows.
 *
 * The nests are naive and complete: root loops, then in order the reductions and formulas
 * of the group, then stores. Everything about speed is left to the loop passes.
 */
#include <string.h>

#include "passes/lower.h"

static Ctx *ctx_of(Lowering *lowering) {
    return lowering->lower.ctx;
}

/* Opens a FOR in the current block; statements then go into its body. One turn needs no loop. */
static const Dim *open_loop(Lowering *lowering, const char *name, const Dim *extent) {
    if (tn_dim_is(extent, 1)) {
        return tn_dim_const(ctx_of(lowering), 0);
    }
    Stmt *loop = tn_stmt_for(lowering->kernel, name, extent);
    tn_stmt_append(lowering->block, loop);
    lowering->block = &loop->body;
    return loop->var;
}

static void open_root(Lowering *lowering, uint32_t rank, const Dim *const *dims,
                      const Dim **index) {
    for (uint32_t i = 0; i < rank; i++) {
        index[i] = open_loop(lowering, "i", dims[i]);
    }
}

/* ---- which members have an index in the open block ---- */

static bool used_in_place(const Lowering *lowering, const Value *value) {
    if (value->is_output || lowering->slots[value->id] != NULL) {
        return true;
    }
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        const Node *user = use->user;
        if (user->group != lowering->group->id) {
            continue;
        }
        OpClass cls = tn_node_class(user);
        if (cls == OPC_REDUCE ||
            ((cls == OPC_MAP || cls == OPC_VIEW) && !lowering->inner[user->out[0]->id])) {
            return true;
        }
    }
    return false;
}

static void find_inner(Lowering *lowering) {
    for (size_t i = lowering->group->nodes.len; i-- > 0;) {
        const Value *out = lowering->group->nodes.data[i]->out[0];
        lowering->inner[out->id] = !used_in_place(lowering, out);
    }
}

static void set_pos(Lowering *lowering, const Value *value, const Dim *const *index) {
    lowering->pos[value->id] =
        tn_arena_copy(&ctx_of(lowering)->scratch, index, (TN_MAX_RANK) * sizeof *index);
}

/* An index for a member that is stored but whose operands have none: from the first value on the
 * way back, through maps and views that only move elements, that has the dims of the space. */
static bool place_by_chain(Ctx *ctx, const Node *node, uint32_t rank, const Dim *const *dims,
                           const Dim *const *index, const Dim **at) {
    const Type *type = &node->out[0]->type;
    if (tn_dims_equal(type->rank, type->dims, rank, dims)) {
        memcpy(at, index, rank * sizeof *at);
        return true;
    }
    bool view = tn_node_class(node) == OPC_VIEW && tn_node_has(node, TRAIT_BIJECTIVE);
    for (uint32_t i = 0; i < node->n_in && (view || tn_node_class(node) == OPC_MAP); i++) {
        const Dim *from[TN_MAX_RANK] = {0};
        const Node *def = node->in[i]->def;
        if (def == NULL || def->group != node->group ||
            !place_by_chain(ctx, def, rank, dims, index, from)) {
            continue;
        }
        if (view) {
            tn_view_forward(ctx, node, from, at);
        } else {
            memcpy(at, from, type->rank * sizeof *at);
        }
        return true;
    }
    return false;
}

/* The index of a member given that of its operands, or of its dims being those of the space. */
static void place_member(Lowering *lowering, const Node *node, uint32_t rank,
                         const Dim *const *dims, const Dim *const *index) {
    const Value *out = node->out[0];
    const Dim *at[TN_MAX_RANK] = {0};
    if (lowering->pos[out->id] != NULL) {
        return;
    }
    if (tn_node_class(node) == OPC_VIEW && tn_node_has(node, TRAIT_BIJECTIVE) &&
        lowering->pos[node->in[0]->id] != NULL && node->in[0]->def != NULL &&
        node->in[0]->def->group == node->group) {
        tn_view_forward(ctx_of(lowering), node, lowering->pos[node->in[0]->id], at);
        set_pos(lowering, out, at);
        return;
    }
    for (uint32_t i = 0; i < node->n_in && tn_node_class(node) == OPC_MAP; i++) {
        const Value *in = node->in[i];
        if (in->def != NULL && in->def->group == node->group && lowering->pos[in->id] != NULL &&
            in->type.rank == out->type.rank) {
            set_pos(lowering, out, lowering->pos[in->id]);
            return;
        }
    }
    /* Behind a product a formula that is not stored may be read through a transpose whose dims
     * are the root's by chance: it is computed where it is read. */
    bool product = lowering->group->form == GROUP_REDUCE && !lowering->group->rows;
    if (!lowering->inner[out->id] && !(product && lowering->slots[out->id] == NULL) &&
        tn_dims_equal(out->type.rank, out->type.dims, rank, dims)) {
        set_pos(lowering, out, index);
    } else if (product && lowering->slots[out->id] != NULL &&
               place_by_chain(ctx_of(lowering), node, rank, dims, index, at)) {
        set_pos(lowering, out, at);
    }
}

/* ---- reductions ---- */

static void open_reduction(Lowering *lowering, const Reduction *red) {
    for (uint32_t i = 0; i < red->rank; i++) {
        Stmt *loop = tn_stmt_for(lowering->kernel, "r", red->extents[i]);
        loop->var = red->vars[i];
        tn_stmt_append(lowering->block, loop);
        lowering->block = &loop->body;
    }
}

static Expr *temp_value(Lowering *lowering, Temp *temp) {
    return tn_expr_temp(ctx_of(lowering), temp, NULL);
}

static Temp *new_temp(Lowering *lowering, DType dtype, Expr *init) {
    Temp *temp = tn_kernel_temp(lowering->kernel, dtype, 0, NULL);
    tn_stmt_append(lowering->block, tn_stmt_def(lowering->kernel, temp, NULL, init));
    return temp;
}

/* value beats best: strictly, or equal when the last wins; NaN beats all but NaN; the first
 * element of all beats the initial position -1. */
static Expr *beats(Lowering *lowering, const Reduction *red, Expr *value, Expr *best, Expr *at) {
    Ctx *ctx = ctx_of(lowering);
    Op less = red->arg_last ? TN_OP_le : TN_OP_lt;
    Expr *better = red->op == TN_OP_max ? tn_expr_map2(ctx, less, best, value)
                                        : tn_expr_map2(ctx, less, value, best);
    if (tn_dtype_is_float(value->dtype)) {
        Expr *old = tn_expr_map1(ctx, TN_OP_isnan, best);
        Expr *fresh = tn_expr_map1(ctx, TN_OP_isnan, value);
        if (!red->arg_last) {
            fresh = tn_expr_map2(ctx, TN_OP_and, fresh, tn_expr_map1(ctx, TN_OP_not, old));
        }
        better = tn_expr_map2(ctx, TN_OP_or, better, fresh);
    }
    Expr *none = tn_expr_map2(ctx, TN_OP_lt, at, tn_expr_const_i(ctx, TN_I64, 0));
    return tn_expr_map2(ctx, TN_OP_or, better, none);
}

static void update_best(Lowering *lowering, const Reduction *red, Temp *best, Temp *at) {
    Ctx *ctx = ctx_of(lowering);
    Kernel *kernel = lowering->kernel;
    Temp *value = new_temp(lowering, red->dtype, red->value);
    Temp *wins = new_temp(lowering, TN_BOOL,
                          beats(lowering, red, temp_value(lowering, value),
                                temp_value(lowering, best), temp_value(lowering, at)));
    Expr *pick_at[] = {temp_value(lowering, wins), red->position, temp_value(lowering, at)};
    Expr *pick[] = {temp_value(lowering, wins), temp_value(lowering, value),
                    temp_value(lowering, best)};
    tn_stmt_append(
        lowering->block,
        tn_stmt_def(kernel, at, NULL, tn_expr_map(ctx, TN_OP_select, TN_I64, pick_at, 3)));
    tn_stmt_append(
        lowering->block,
        tn_stmt_def(kernel, best, NULL, tn_expr_map(ctx, TN_OP_select, red->dtype, pick, 3)));
}

/* Nothing to choose from: the first position. */
static Expr *arg_result(Lowering *lowering, Temp *at) {
    Ctx *ctx = ctx_of(lowering);
    Expr *zero = tn_expr_const_i(ctx, TN_I64, 0);
    return tn_expr_map2(ctx, TN_OP_max, temp_value(lowering, at), zero);
}

static bool lower_reduction(Lowering *lowering, const Node *node, const Dim *const *index) {
    Stmt *inside = NULL, **outer = lowering->block;
    size_t mark = lowering->known.len;
    bool guarded = tn_node_has(node, TRAIT_GUARDED);
    Reduction red = {0};
    lowering->block = &inside;
    lowering->guarded += guarded;
    bool ok = tn_op_info(node->op)->reduction(&lowering->lower, node, index, &red);
    lowering->guarded -= guarded;
    lowering->block = outer;
    if (!ok) {
        return false;
    }
    bool arg = red.kind == REDUCE_ARG;
    Temp *acc = new_temp(lowering, red.dtype, red.init);
    Temp *at =
        arg ? new_temp(lowering, TN_I64, tn_expr_const_i(ctx_of(lowering), TN_I64, -1)) : NULL;
    open_reduction(lowering, &red);
    tn_stmt_append(lowering->block, inside);
    if (arg) {
        update_best(lowering, &red, acc, at);
    } else {
        tn_stmt_append(lowering->block,
                       tn_stmt_acc(lowering->kernel, acc, NULL, red.op, red.value));
    }
    lowering->block = outer;
    lowering->known.len = mark;
    Expr *result = arg ? arg_result(lowering, at) : temp_value(lowering, acc);
    tn_lower_know(lowering, node->out[0], index, result);
    set_pos(lowering, node->out[0], index);
    return true;
}

/* ---- stores ---- */

static bool store_member(Lowering *lowering, const Value *value) {
    Expr *expr = tn_lower_read(&lowering->lower, value, lowering->pos[value->id]);
    if (expr == NULL) {
        return false;
    }
    tn_lower_store(lowering, value, lowering->pos[value->id], expr);
    return true;
}

/* The element of a member at its index, known from now on. */
static bool compute_member(Lowering *lowering, const Node *node) {
    const Value *out = node->out[0];
    const Dim *const *index = lowering->pos[out->id];
    if (tn_node_class(node) == OPC_VIEW && node->in[0]->def != NULL &&
        node->in[0]->def->group == node->group && lowering->pos[node->in[0]->id] != NULL) {
        Expr *expr = tn_lower_read(&lowering->lower, node->in[0], lowering->pos[node->in[0]->id]);
        if (expr != NULL) {
            tn_lower_know(lowering, out, index, expr);
        }
        return expr != NULL;
    }
    return tn_lower_read(&lowering->lower, out, index) != NULL;
}

static bool no_index(Lowering *lowering, const Node *node) {
    return tn_diag(&ctx_of(lowering)->diags, TN_INTERNAL, node->loc,
                   "lower: %s %u has no place in the loops of its kernel",
                   tn_op_info(node->op)->name, node->out[0]->id);
}

/* What is stored must have an index. */
static bool all_placed(Lowering *lowering) {
    const Group *group = lowering->group;
    bool placed = true;
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        uint32_t id = node->out[0]->id;
        if (lowering->slots[id] != NULL && lowering->pos[id] == NULL) {
            placed = no_index(lowering, node);
        }
    }
    return placed;
}

/* Computes members that have an index, in order, and stores those that lie in memory. */
static bool store_members(Lowering *lowering, bool eager) {
    const Group *group = lowering->group;
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        const Value *out = node->out[0];
        if (lowering->pos[out->id] == NULL) {
            continue;
        }
        bool stored = lowering->slots[out->id] != NULL;
        if ((stored || eager || tn_node_class(node) == OPC_VIEW) &&
            !compute_member(lowering, node)) {
            return false;
        }
        if (stored && !store_member(lowering, out)) {
            return false;
        }
    }
    return true;
}

static bool lower_pointwise(Lowering *lowering) {
    const Group *group = lowering->group;
    const Node *root = NULL;
    for (size_t i = 0; i < group->nodes.len && root == NULL; i++) {
        if (!lowering->inner[group->nodes.data[i]->out[0]->id]) {
            root = group->nodes.data[i];
        }
    }
    const Type *type = &root->out[0]->type;
    const Dim *index[TN_MAX_RANK] = {0};
    open_root(lowering, type->rank, type->dims, index);
    for (size_t i = 0; i < group->nodes.len; i++) {
        place_member(lowering, group->nodes.data[i], type->rank, type->dims, index);
    }
    return all_placed(lowering) && store_members(lowering, false);
}

/* ---- row groups ---- */

/* Which of the group's loops over the full space need a value: one is told by the number of
 * its reduction's result + 1, or is that of the stores. */
enum { LOOPS_NONE = 0, LOOPS_STORES = -1, LOOPS_SEVERAL = -2 };

static int32_t join_loops(int32_t a, int32_t b) {
    return a == LOOPS_NONE || a == b ? b : b == LOOPS_NONE ? a : LOOPS_SEVERAL;
}

/* From what is noted of the readers, which stand behind the value. */
static int32_t loops_needing(const Lowering *lowering, const Value *value) {
    int32_t loops = lowering->slots[value->id] != NULL ? LOOPS_STORES : LOOPS_NONE;
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        const Node *user = use->user;
        if (user->group == lowering->group->id) {
            int32_t id = (int32_t)user->out[0]->id;
            bool reduces = tn_node_class(user) == OPC_REDUCE;
            loops = join_loops(loops, reduces ? id + 1 : lowering->loops[id]);
        }
    }
    return loops;
}

/* Whether the value is costly and several loops need it. */
static bool is_worth_staging(const Lowering *lowering, const Node *node) {
    const Group *group = lowering->group;
    const Value *out = node->out[0];
    return tn_node_has(node, TRAIT_COSTLY) && !lowering->inner[out->id] &&
           tn_dims_equal(out->type.rank, out->type.dims, group->full_rank, group->full) &&
           lowering->loops[out->id] == LOOPS_SEVERAL;
}

/* Thread-private memory for the row of a value. */
static Buf *staging_buf(Lowering *lowering, DType dtype) {
    const Group *group = lowering->group;
    const Dim *dims[TN_MAX_RANK];
    int rank = 0;
    for (uint32_t i = 0; i < group->full_rank; i++) {
        if (group->reduced[i]) {
            dims[rank++] = group->full[i];
        }
    }
    Buf *buf = tn_kernel_buf(lowering->kernel, BUF_LOCAL, dtype, rank, dims);
    buf->align = 64;
    buf->set_first = true;
    return buf;
}

static void plan_staging(Lowering *lowering) {
    const NodeVec *nodes = &lowering->group->nodes;
    for (size_t i = nodes->len; i-- > 0;) {
        const Value *out = nodes->data[i]->out[0];
        lowering->loops[out->id] = loops_needing(lowering, out);
    }
    for (size_t i = 0; i < nodes->len; i++) {
        const Value *out = nodes->data[i]->out[0];
        if (is_worth_staging(lowering, nodes->data[i])) {
            *tn_map_put_int(&lowering->staged, out->id, NULL) =
                staging_buf(lowering, out->type.dtype);
        }
    }
}

static void full_index(const Group *group, const Dim *const *root, const Dim *const *reduced,
                       const Dim **out) {
    uint32_t kept = 0, at = 0;
    for (uint32_t i = 0; i < group->full_rank; i++) {
        out[i] = group->reduced[i] ? reduced[at++] : root[kept++];
    }
}

/* Members that have no index among the root loops have one in the full space. */
static bool is_full_member(const Lowering *lowering, const Node *node) {
    return tn_node_class(node) != OPC_REDUCE && lowering->pos[node->out[0]->id] == NULL &&
           !lowering->inner[node->out[0]->id];
}

/* The inner loops that store results of the full space. */
static bool store_full(Lowering *lowering, const Dim *const *root) {
    const Group *group = lowering->group;
    const Dim *vars[TN_MAX_RANK] = {0};
    bool any = false;
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        any = any || (is_full_member(lowering, node) && lowering->slots[node->out[0]->id] != NULL);
    }
    if (!any) {
        return true;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < group->full_rank; i++) {
        if (group->reduced[i]) {
            vars[n++] = open_loop(lowering, "j", group->full[i]);
        }
    }
    const Dim *index[TN_MAX_RANK] = {0};
    full_index(group, root, vars, index);
    bool *member = TN_NEW_ARRAY(&ctx_of(lowering)->scratch, bool, group->nodes.len + 1);
    for (size_t i = 0; i < group->nodes.len; i++) {
        member[i] = is_full_member(lowering, group->nodes.data[i]);
    }
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        if (!member[i]) {
            continue;
        }
        place_member(lowering, node, group->full_rank, group->full, index);
        const Value *out = node->out[0];
        if (lowering->slots[out->id] != NULL && lowering->pos[out->id] == NULL) {
            return no_index(lowering, node);
        }
        if (lowering->pos[out->id] != NULL &&
            (lowering->slots[out->id] != NULL || tn_node_class(node) == OPC_VIEW) &&
            !compute_member(lowering, node)) {
            return false;
        }
        if (lowering->slots[out->id] != NULL && !store_member(lowering, out)) {
            return false;
        }
    }
    return true;
}

/* A value of the root space gets a temp: the inner loops read it over and over. */
static bool keep_row_value(Lowering *lowering, const Node *node) {
    const Value *out = node->out[0];
    if (!compute_member(lowering, node)) {
        return false;
    }
    Expr *expr = tn_lower_read(&lowering->lower, out, lowering->pos[out->id]);
    return expr != NULL && tn_lower_define(lowering, out, lowering->pos[out->id], expr) != NULL;
}

static bool lower_rows(Lowering *lowering, const Dim *const *root) {
    const Group *group = lowering->group;
    const Dim *none[TN_MAX_RANK] = {0};
    full_index(group, root, none, lowering->full_index);
    plan_staging(lowering);
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        if (tn_node_class(node) == OPC_REDUCE) {
            if (!lower_reduction(lowering, node, root)) {
                return false;
            }
            continue;
        }
        place_member(lowering, node, group->rank, group->dims, root);
        if (lowering->pos[node->out[0]->id] != NULL && !keep_row_value(lowering, node)) {
            return false;
        }
    }
    if (!store_members(lowering, false)) {
        return false;
    }
    return store_full(lowering, root);
}

static bool lower_reduce(Lowering *lowering) {
    const Group *group = lowering->group;
    const Dim *root[TN_MAX_RANK] = {0};
    open_root(lowering, group->rank, group->dims, root);
    if (group->rows) {
        return lower_rows(lowering, root);
    }
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Node *node = group->nodes.data[i];
        if (tn_node_class(node) == OPC_REDUCE && !lower_reduction(lowering, node, root)) {
            return false;
        }
    }
    for (size_t i = 0; i < group->nodes.len; i++) {
        place_member(lowering, group->nodes.data[i], group->rank, group->dims, root);
    }
    return all_placed(lowering) && store_members(lowering, false);
}

/* ---- sweeps ---- */

static void open_turns(Lowering *lowering, const Sweep *sweep, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        Stmt *loop = tn_stmt_for(lowering->kernel, "s", sweep->extents[i]);
        loop->var = sweep->vars[i];
        tn_stmt_append(lowering->block, loop);
        lowering->block = &loop->body;
    }
}

static void take_value(Lowering *lowering, const Sweep *sweep, Temp *acc) {
    tn_stmt_append(lowering->block,
                   tn_stmt_acc(lowering->kernel, acc, NULL, sweep->op, sweep->value));
}

static void scan_turn(Lowering *lowering, const Value *out, const Sweep *sweep, Temp *acc) {
    if (!sweep->exclusive) {
        take_value(lowering, sweep, acc);
    }
    tn_lower_store(lowering, out, sweep->to, temp_value(lowering, acc));
    if (sweep->exclusive) {
        take_value(lowering, sweep, acc);
    }
}

static void scatter_turn(Lowering *lowering, const Value *out, const Sweep *sweep) {
    Ctx *ctx = ctx_of(lowering);
    Buf *buf = tn_lower_buf(lowering, out);
    Expr *old = tn_expr_dynload(ctx, buf, sweep->to, sweep->dyn, sweep->at);
    Expr *sum = tn_expr_map2(ctx, sweep->op, old, sweep->value);
    tn_stmt_append(lowering->block,
                   tn_stmt_store_at(lowering->kernel, buf, sweep->to, sweep->dyn, sweep->at, sum));
}

static bool lower_sweep(Lowering *lowering) {
    const Node *node = lowering->group->anchor;
    Stmt *inside = NULL, **outer = lowering->block;
    Sweep sweep = {0};
    lowering->block = &inside;
    if (!tn_op_info(node->op)->sweep(&lowering->lower, node, &sweep)) {
        return false;
    }
    lowering->block = outer;
    open_turns(lowering, &sweep, 0, sweep.n_free);
    bool scan = sweep.kind == SWEEP_SCAN;
    Temp *acc = scan ? new_temp(lowering, sweep.dtype, sweep.start) : NULL;
    open_turns(lowering, &sweep, sweep.n_free, sweep.rank);
    tn_stmt_append(lowering->block, inside);
    if (scan) {
        scan_turn(lowering, node->out[0], &sweep, acc);
    } else {
        scatter_turn(lowering, node->out[0], &sweep);
        lowering->scatter = node;
    }
    return true;
}

bool tn_lower_start(Lowering *lowering) {
    const Node *node = lowering->scatter;
    const Type *type = &node->out[0]->type;
    const Dim *index[TN_MAX_RANK] = {0};
    lowering->block = &lowering->kernel->body;
    open_root(lowering, type->rank, type->dims, index);
    Expr *expr = tn_lower_read(&lowering->lower, node->in[0], index);
    if (expr != NULL) {
        tn_lower_store(lowering, node->out[0], index, expr);
    }
    return expr != NULL;
}

/* ---- concat ---- */

/* One nest per operand, side by side in the result. */
static bool lower_concat(Lowering *lowering) {
    const Group *group = lowering->group;
    const Node *node = group->nodes.data[group->nodes.len - 1];
    Ctx *ctx = ctx_of(lowering);
    int64_t axis = tn_attr_int(node, TN_ATTR_axis);
    const Dim *offset = tn_dim_const(ctx, 0);
    Stmt **top = lowering->block;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Type *type = &node->in[i]->type;
        const Dim *index[TN_MAX_RANK] = {0};
        size_t mark = lowering->known.len;
        lowering->block = top;
        open_root(lowering, type->rank, type->dims, index);
        Expr *expr = tn_lower_read(&lowering->lower, node->in[i], index);
        if (expr == NULL) {
            return false;
        }
        index[axis] = tn_dim_add(ctx, index[axis], offset);
        tn_lower_store(lowering, node->out[0], index, expr);
        offset = tn_dim_add(ctx, offset, type->dims[axis]);
        lowering->known.len = mark;
    }
    return true;
}

/* ---- halos ---- */

/* Zeros in one side of one dim's halo; dims before `dim` with a halo run over their inside
 * only, so no element is written twice. */
static void fill_side(Lowering *lowering, Buf *buf, const Layout *layout, uint32_t part,
                      const Dim *from, int32_t count) {
    Ctx *ctx = ctx_of(lowering);
    const Dim *index[TN_MAX_RANK + 4];
    lowering->block = &lowering->kernel->body;
    for (uint32_t i = 0; i < buf->rank; i++) {
        const LayoutPart *at = &layout->parts[i];
        int32_t lo = i < part ? layout->halo_lo[at->dim] : 0;
        int32_t hi = i < part ? layout->halo_hi[at->dim] : 0;
        if (i == part) {
            index[i] = tn_dim_add(ctx, from, open_loop(lowering, "h", tn_dim_const(ctx, count)));
        } else {
            const Dim *extent = tn_dim_addc(ctx, buf->dims[i], -(int64_t)lo - hi);
            index[i] = tn_dim_addc(ctx, open_loop(lowering, "h", extent), lo);
        }
    }
    tn_stmt_append(lowering->block,
                   tn_stmt_store(lowering->kernel, buf, index, tn_expr_number(ctx, buf->dtype, 0)));
}

/* The borders of zeros around results: readers count on them. */
static void fill_halos(Lowering *lowering) {
    const Group *group = lowering->group;
    Ctx *ctx = ctx_of(lowering);
    for (size_t i = 0; i < group->nodes.len; i++) {
        const Value *out = group->nodes.data[i]->out[0];
        const Layout *layout = out->type.layout;
        if (layout == NULL || lowering->slots[out->id] == NULL) {
            continue;
        }
        Buf *buf = tn_lower_buf(lowering, out);
        for (uint32_t part = 0; part < layout->n_parts; part++) {
            uint8_t dim = layout->parts[part].dim;
            int32_t lo = layout->halo_lo[dim], hi = layout->halo_hi[dim];
            if (lo > 0) {
                fill_side(lowering, buf, layout, part, tn_dim_const(ctx, 0), lo);
            }
            if (hi > 0) {
                fill_side(lowering, buf, layout, part, tn_dim_addc(ctx, buf->dims[part], -hi), hi);
            }
        }
    }
}

bool tn_lower_group(Lowering *lowering) {
    find_inner(lowering);
    lowering->block = &lowering->kernel->body;
    bool ok = lowering->group->form == GROUP_CONCAT   ? lower_concat(lowering)
              : lowering->group->form == GROUP_REDUCE ? lower_reduce(lowering)
              : lowering->group->form == GROUP_SWEEP  ? lower_sweep(lowering)
                                                      : lower_pointwise(lowering);
    if (ok) {
        fill_halos(lowering);
    }
    return ok;
}
