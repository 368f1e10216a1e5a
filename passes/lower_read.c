/* lower_read.c: the element of a value inside the kernel being built.
 *
 * In order: what is already known at that index, the formula of a member of the group, a
 * load from memory, the formula of a source or a transparent view.
 */
#include "passes/lower.h"

static Lowering *lowering_of(Lower *lower) {
    return (Lowering *)lower;
}

static bool in_group(const Lowering *lowering, const Value *value) {
    return value->def != NULL && value->def->group == lowering->group->id;
}

static Expr *find_known(const Lowering *lowering, const Value *value, const Dim *const *index) {
    for (size_t i = lowering->known.len; i-- > 0;) {
        const Known *known = &lowering->known.data[i];
        if (known->value == value &&
            tn_dims_equal(value->type.rank, known->index, value->type.rank, index)) {
            return known->expr;
        }
    }
    return NULL;
}

void tn_lower_know(Lowering *lowering, const Value *value, const Dim *const *index, Expr *expr) {
    Arena *arena = &lowering->lower.ctx->scratch;
    const Dim **kept = TN_NEW_ARRAY(arena, const Dim *, value->type.rank + 1u);
    for (uint32_t i = 0; i < value->type.rank; i++) {
        kept[i] = index[i];
    }
    tn_vec_push(arena, &lowering->known, ((Known){value, kept, expr}));
}

Expr *tn_lower_define(Lowering *lowering, const Value *value, const Dim *const *index, Expr *expr) {
    if (expr == NULL || lowering->guarded > 0) {
        return expr;
    }
    if (expr->kind != EXPR_TEMP && expr->kind != EXPR_CONST) {
        Temp *temp = tn_kernel_temp(lowering->kernel, expr->dtype, 0, NULL);
        tn_stmt_append(lowering->block, tn_stmt_def(lowering->kernel, temp, NULL, expr));
        expr = tn_expr_temp(lowering->lower.ctx, temp, NULL);
    }
    tn_lower_know(lowering, value, index, expr);
    return expr;
}

uint64_t tn_lower_place_key(Lowering *lowering, const Value *value) {
    const Dim *offset = lowering->offsets[value->id];
    return (uint64_t)tn_lower_slot(lowering, value)->id << 32 |
           (offset != NULL ? offset->id + 1u : 0);
}

/* The alignment a slot's memory has at an offset, in bytes. */
static uint32_t alignment(Ctx *ctx, const Slot *slot, const Dim *offset, DType dtype) {
    bool ours = slot->kind == SLOT_ARENA || slot->kind == SLOT_WEIGHT || slot->kind == SLOT_STATE;
    bool whole = offset == NULL || tn_dim_is(tn_dim_modc(ctx, offset, 64), 0);
    return ours && whole ? 64 : (uint32_t)tn_dtype_bytes(dtype);
}

Buf *tn_lower_buf(Lowering *lowering, const Value *value) {
    Slot *slot = tn_lower_slot(lowering, value);
    const Dim *offset = lowering->offsets[value->id];
    uint64_t key = tn_lower_place_key(lowering, value);
    Buf *known = tn_map_get_int(&lowering->bufs, key);
    if (known != NULL) {
        return known;
    }
    Ctx *ctx = lowering->lower.ctx;
    const Dim *dims[TN_MAX_RANK + 4];
    int rank = tn_type_phys_dims(ctx, &value->type, dims);
    Buf *buf = tn_kernel_buf(lowering->kernel, BUF_PARAM, value->type.dtype, rank, dims);
    buf->value = value;
    buf->align = alignment(ctx, slot, offset, value->type.dtype);
    tn_vec_push(&ctx->scratch, &lowering->args, slot);
    tn_vec_push(&ctx->scratch, &lowering->arg_offsets, offset);
    *tn_map_put_int(&lowering->bufs, key, NULL) = buf;
    return buf;
}

static Expr *load(Lowering *lowering, const Value *value, const Dim *const *index) {
    const Dim *phys[TN_MAX_RANK + 4];
    Buf *buf = tn_lower_buf(lowering, value);
    tn_type_phys_index(lowering->lower.ctx, &value->type, index, phys);
    return tn_expr_load(lowering->lower.ctx, buf, phys);
}

void tn_lower_store(Lowering *lowering, const Value *value, const Dim *const *index, Expr *expr) {
    const Dim *phys[TN_MAX_RANK + 4];
    Buf *buf = tn_lower_buf(lowering, value);
    buf->written = true;
    tn_type_phys_index(lowering->lower.ctx, &value->type, index, phys);
    tn_stmt_append(lowering->block, tn_stmt_store(lowering->kernel, buf, phys, expr));
}

Expr *tn_lower_formula(Lowering *lowering, const Value *value, const Dim *const *index) {
    const Node *node = value->def;
    bool guarded = tn_node_has(node, TRAIT_GUARDED);
    lowering->guarded += guarded;
    Expr *expr = tn_op_info(node->op)->element(&lowering->lower, node, index);
    lowering->guarded -= guarded;
    return expr;
}

/* A member used by several members of the group, so worth a temp. */
static bool shared_in_group(const Lowering *lowering, const Value *value) {
    uint32_t n = lowering->slots[value->id] != NULL;
    for (const Use *use = value->uses; use != NULL; use = use->next) {
        n += use->user->group == lowering->group->id || tn_node_is_transparent(use->user);
    }
    return n > 1;
}

/* The place of `index` among the reduced dims of a row group; false when another row is meant. */
static bool stage_index(const Lowering *lowering, const Value *value, const Dim *const *index,
                        const Dim **out) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < value->type.rank; i++) {
        if (lowering->group->reduced[i]) {
            out[n++] = index[i];
        } else if (index[i] != lowering->full_index[i]) {
            return false;
        }
    }
    return true;
}

/* A value of the inner loops that later stages need again: the first stage keeps it in
 * thread-private memory. NULL when it is not such a value. */
static Expr *read_staged(Lowering *lowering, const Value *value, const Dim *const *index) {
    Buf *buf = tn_map_get_int(&lowering->staged, value->id);
    const Dim *at[TN_MAX_RANK];
    if (buf == NULL || lowering->guarded > 0 || !stage_index(lowering, value, index, at)) {
        return NULL;
    }
    if (!buf->written) {
        Expr *expr = tn_lower_formula(lowering, value, index);
        if (expr == NULL) {
            return NULL;
        }
        buf->written = true;
        tn_stmt_append(lowering->block, tn_stmt_store(lowering->kernel, buf, at, expr));
    }
    return tn_expr_load(lowering->lower.ctx, buf, at);
}

static Expr *read_member(Lowering *lowering, const Value *value, const Dim *const *index) {
    Expr *staged = read_staged(lowering, value, index);
    if (staged != NULL) {
        return staged;
    }
    if (tn_node_class(value->def) == OPC_REDUCE) {
        tn_diag(&lowering->lower.ctx->diags, TN_INTERNAL, value->def->loc,
                "lower: a reduction is read at an index its kernel does not have");
        return NULL;
    }
    Expr *expr = tn_lower_formula(lowering, value, index);
    return expr != NULL && shared_in_group(lowering, value)
               ? tn_lower_define(lowering, value, index, expr)
               : expr;
}

/* Constants of one repeated element need no memory, unless a schedule counts on its layout. */
static Expr *read_source(Lowering *lowering, const Value *value, const Dim *const *index) {
    double splat;
    if (tn_node_is_const(value->def)) {
        if (value->type.layout == NULL && tn_value_splat(value, &splat)) {
            return tn_expr_number(lowering->lower.ctx, value->type.dtype, splat);
        }
        return load(lowering, value, index);
    }
    return tn_lower_formula(lowering, value, index);
}

Expr *tn_lower_read(Lower *lower, const Value *value, const Dim *const *index) {
    Lowering *lowering = lowering_of(lower);
    Expr *known = find_known(lowering, value, index);
    if (known != NULL) {
        return known;
    }
    if (in_group(lowering, value)) {
        return read_member(lowering, value, index);
    }
    if (lowering->turn != NULL && value == lowering->graph->inputs.data[0]) {
        return tn_expr_index(lower->ctx, TN_I64, lowering->turn);
    }
    if (value->def == NULL || value->def->group >= 0) {
        return load(lowering, value, index);
    }
    if (tn_node_class(value->def) == OPC_SOURCE) {
        return read_source(lowering, value, index);
    }
    return tn_lower_formula(lowering, value, index);
}

Expr *tn_lower_read_at(Lower *lower, const Value *value, const Dim *const *index, int dyn,
                       Expr *at) {
    Lowering *lowering = lowering_of(lower);
    const Dim *phys[TN_MAX_RANK + 4];
    bool in_memory =
        lowering->slots[value->id] != NULL || (value->def != NULL && tn_node_is_const(value->def));
    if (!in_memory || value->type.layout != NULL) {
        tn_diag(&lower->ctx->diags, TN_INTERNAL, value->def ? value->def->loc : (Loc){0},
                "lower: a computed index into a value that is not in plain memory");
        return NULL;
    }
    Buf *buf = tn_lower_buf(lowering, value);
    tn_type_phys_index(lower->ctx, &value->type, index, phys);
    return tn_expr_dynload(lower->ctx, buf, phys, dyn, at);
}
