/* layout_contract.c: views absorbed by contractions, and the layouts of their operands. */
#include "passes/layout.h"

#include <string.h>

#include "passes/simplify.h"

static void set_ints(Ctx *ctx, Node *node, AttrName name, const int64_t *ints, uint32_t n) {
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        if (node->attrs[i].name == name) {
            node->attrs[i].ints = tn_arena_copy(&ctx->arena, ints, (n + 1) * sizeof *ints);
            node->attrs[i].n = n;
        }
    }
}

static bool absorb_transpose(LayoutPass *pass, Node *node, uint32_t slot) {
    Node *view = node->in[slot]->def;
    const Attr *dims = tn_contract_dims(node, slot);
    int64_t renamed[TN_MAX_RANK + 1];
    if (!tn_contract_renames(node, slot, view, renamed)) {
        return false;
    }
    set_ints(pass->ctx, node, dims->name, renamed, dims->n);
    tn_node_set_input(node, slot, view->in[0]);
    return true;
}

/* How the dims of a reshape's operand make up the dims of its result: for each result dim the
 * range of operand dims whose product it is; false when they do not line up. */
static bool merged_ranges(Ctx *ctx, const Type *from, const Type *to, uint32_t *first,
                          uint32_t *end) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < to->rank; i++) {
        const Dim *product = tn_dim_const(ctx, 1);
        first[i] = at;
        while (at < from->rank && product != to->dims[i]) {
            product = tn_dim_mul(ctx, product, from->dims[at++]);
        }
        if (product != to->dims[i]) {
            return false;
        }
        end[i] = at;
    }
    return at == from->rank;
}

/* The other operand with contracted dim `dim` split into `sizes`. */
static Value *split_dim(LayoutPass *pass, Node *node, uint32_t slot, const Dim *const *dims,
                        uint32_t rank) {
    Value *value = node->in[slot];
    Type type = tn_type_make(value->type.dtype, (uint8_t)rank, dims);
    if (value->def != NULL && tn_node_is_const(value->def) && tn_type_is_static(&type)) {
        return tn_const_new(pass->graph, type, value->def->blob->data, node);
    }
    Attr attr = {.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = rank, .dims = dims};
    Node *view = tn_node_new(pass->graph, TN_OP_reshape, &value, 1, &attr, 1, node->loc, node);
    return view == NULL ? NULL : view->out[0];
}

/* A reshape in front of operand `slot` that merges contracted dims, and what follows. */
typedef struct Merge {
    const Type *from;                                 /* what the reshape reads */
    const Attr *mine, *theirs;                        /* contracted dims of the two operands */
    uint32_t first[TN_MAX_RANK], end[TN_MAX_RANK];    /* dims of `from` by dim of the reshape */
    const Dim *dims[TN_MAX_RANK];                     /* the other operand, split to match */
    uint32_t rank;
    int64_t moved[TN_MAX_RANK];                       /* where its dims start */
} Merge;

/* Free and batch dims must stay single. */
static bool merges_only_contracted(const Merge *merge, uint32_t rank) {
    for (uint32_t i = 0; i < rank; i++) {
        if (!tn_attr_holds(merge->mine, i) && merge->end[i] - merge->first[i] != 1) {
            return false;
        }
    }
    return true;
}

/* The dims of the other operand once its contracted dims are split like the reshape's. */
static bool split_other(Merge *merge, const Type *other) {
    for (uint32_t i = 0; i < other->rank; i++) {
        uint32_t first = 0, pieces = 0;
        merge->moved[i] = merge->rank;
        for (uint32_t k = 0; k < merge->theirs->n; k++) {
            if (merge->theirs->ints[k] == i) {
                first = merge->first[merge->mine->ints[k]];
                pieces = merge->end[merge->mine->ints[k]] - first;
            }
        }
        bool whole = !tn_attr_holds(merge->theirs, i);
        if (merge->rank + (whole ? 1 : pieces) > TN_MAX_RANK) {
            return false;
        }
        if (whole) {
            merge->dims[merge->rank++] = other->dims[i];
        }
        for (uint32_t p = 0; p < pieces; p++) {
            merge->dims[merge->rank++] = merge->from->dims[first + p];
        }
    }
    return true;
}

static void contract_pieces(LayoutPass *pass, Node *node, uint32_t slot, const Merge *merge) {
    int64_t mine[TN_MAX_RANK + 1], theirs[TN_MAX_RANK + 1];
    uint32_t n = 0;
    for (uint32_t k = 0; k < merge->mine->n; k++) {
        uint32_t dim = (uint32_t)merge->mine->ints[k];
        for (uint32_t p = merge->first[dim]; p < merge->end[dim]; p++) {
            mine[n] = p;
            theirs[n++] = merge->moved[merge->theirs->ints[k]] + (p - merge->first[dim]);
        }
    }
    set_ints(pass->ctx, node, tn_contract_dims(node, slot)->name, mine, n);
    set_ints(pass->ctx, node, tn_contract_dims(node, 1 - slot)->name, theirs, n);
}

/* contract(reshape(x)) where the reshape merges contracted dims: contract them one by one,
 * with the other operand's dim split to match. */
static bool absorb_reshape(LayoutPass *pass, Node *node, uint32_t slot) {
    Node *view = node->in[slot]->def;
    const Type *to = &view->out[0]->type;
    Merge merge = {.from = &view->in[0]->type,
                   .mine = tn_contract_dims(node, slot),
                   .theirs = tn_contract_dims(node, 1 - slot)};
    if (!merged_ranges(pass->ctx, merge.from, to, merge.first, merge.end) ||
        !merges_only_contracted(&merge, to->rank) ||
        !split_other(&merge, &node->in[1 - slot]->type)) {
        return false;
    }
    Value *split = split_dim(pass, node, 1 - slot, merge.dims, merge.rank);
    if (split == NULL) {
        return false;
    }
    contract_pieces(pass, node, slot, &merge);
    tn_node_set_input(node, slot, view->in[0]);
    tn_node_set_input(node, 1 - slot, split);
    return true;
}

static bool absorb_one(LayoutPass *pass, Node *node, uint32_t slot) {
    Node *view = node->in[slot]->def;
    if (view == NULL || (view->op != TN_OP_reshape && view->op != TN_OP_transpose)) {
        return false;
    }
    bool done = view->op == TN_OP_transpose ? absorb_transpose(pass, node, slot)
                                            : slot == 0 && absorb_reshape(pass, node, slot);
    if (done && view->out[0]->n_uses == 0) {
        tn_node_remove(pass->graph, view);
    }
    return done;
}

bool tn_layout_absorb_views(LayoutPass *pass) {
    for (Node *node = pass->graph->first; node != NULL; node = node->next) {
        if (node->op != TN_OP_contract) {
            continue;
        }
        for (uint32_t slot = 0; slot < 2; slot++) {
            while (absorb_one(pass, node, slot)) {
            }
        }
    }
    return true;
}

/* ---- layouts ---- */

static bool last_free_dim(const Node *node, uint32_t slot, uint32_t *out) {
    const Attr *dims = tn_contract_dims(node, slot);
    int64_t batch = tn_attr_int(node, TN_ATTR_batch);
    for (uint32_t i = node->in[slot]->type.rank; i-- > (uint32_t)batch;) {
        if (!tn_attr_holds(dims, i)) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Panels of whole vectors of the last free dim, contracted dims running down each panel. */
static Layout *panel_layout(LayoutPass *pass, const Node *node, uint32_t free_dim) {
    const Type *rhs = &node->in[1]->type, *out = &node->out[0]->type;
    const Attr *dims = tn_contract_dims(node, 1);
    const Target *target = pass->compile->options.target;
    int64_t rows = out->rank > 1 ? tn_dim_hint(pass->ctx, out->dims[out->rank - 2]) : 1;
    int32_t panel = tn_tile_lanes(target, rhs->dtype) *
                    tn_tile_panel_vectors(target, rhs->dtype, rows,
                                          tn_dim_hint(pass->ctx, rhs->dims[free_dim]));
    LayoutPart parts[TN_MAX_RANK + 4];
    uint32_t n = 0;
    for (uint8_t i = 0; i < rhs->rank; i++) {
        if (i != free_dim && !tn_attr_holds(dims, i)) {
            parts[n++] = (LayoutPart){i, 1, 0};
        }
    }
    parts[n++] = (LayoutPart){(uint8_t)free_dim, panel, 0};
    for (uint32_t i = 0; i < dims->n; i++) {
        parts[n++] = (LayoutPart){(uint8_t)dims->ints[i], 1, 0};
    }
    parts[n++] = (LayoutPart){(uint8_t)free_dim, 1, panel};
    return tn_layout_new(pass->ctx, parts, n);
}

/* The dim of the base value that runs with the free dim of an operand read through views;
 * false when it does not run with a single one. */
static bool base_dim(LayoutPass *pass, Node *node, uint32_t free_dim, Value **base, uint32_t *out) {
    const Dim *vars[TN_MAX_RANK], *at[TN_MAX_RANK];
    Value *value = node->in[1];
    for (uint32_t i = 0; i < value->type.rank; i++) {
        vars[i] = tn_dim_loop_var(pass->ctx, "p", value->type.dims[i]);
    }
    *base = (Value *)(uintptr_t)tn_view_base(pass->ctx, value, vars, at);
    if (*base == NULL || (*base)->type.layout != NULL) {
        return false;
    }
    for (uint32_t i = 0; i < (*base)->type.rank; i++) {
        int64_t coef;
        const Dim *rest;
        if (tn_dim_uses(at[i], vars[free_dim])) {
            *out = i;
            return tn_dim_linear(pass->ctx, at[i], vars[free_dim], &coef, &rest) && coef == 1;
        }
    }
    return false;
}

/* Whether one operand alone reads the value, directly or through views. */
static bool is_read_once(const Value *value) {
    while (value->n_uses == 1 && value->uses != NULL && tn_node_is_transparent(value->uses->user)) {
        value = value->uses->user->out[0];
    }
    return value->n_uses == 1;
}

/* The order of `value`'s dims in memory with `dim` last. */
static Layout *dim_last(LayoutPass *pass, const Value *value, uint32_t dim) {
    LayoutPart parts[TN_MAX_RANK + 4];
    uint32_t n = 0;
    for (uint8_t i = 0; i < value->type.rank; i++) {
        if (i != dim) {
            parts[n++] = (LayoutPart){i, 1, 0};
        }
    }
    parts[n++] = (LayoutPart){(uint8_t)dim, 1, 0};
    return tn_layout_new(pass->ctx, parts, n);
}

/* An intermediate that is read along another dim than its last is written that way; where
 * others read it too, or it is not ours, a copy in panels is. */
static bool turn_operand(LayoutPass *pass, Node *node, uint32_t free_dim) {
    Value *base;
    uint32_t dim;
    if (!base_dim(pass, node, free_dim, &base, &dim) || dim + 1u == base->type.rank) {
        return true;
    }
    if (tn_layout_is_free(base) && is_read_once(base)) {
        base->type.layout = dim_last(pass, base, dim);
        return true;
    }
    Value *rhs = node->in[1];
    Node *copy = tn_node_new(pass->graph, TN_OP_copy, &rhs, 1, NULL, 0, node->loc, node);
    if (copy == NULL) {
        return false;
    }
    copy->out[0]->type.layout = panel_layout(pass, node, free_dim);
    tn_node_set_input(node, 1, copy->out[0]);
    return true;
}

bool tn_layout_contractions(LayoutPass *pass) {
    for (Node *node = pass->graph->first; node != NULL; node = node->next) {
        uint32_t free_dim;
        if (node->op != TN_OP_contract || !last_free_dim(node, 1, &free_dim) ||
            !tn_dtype_is_float(node->in[1]->type.dtype)) {
            continue;
        }
        const Value *rhs = node->in[1];
        if (rhs->def != NULL && tn_node_is_const(rhs->def)) {
            if (tn_dim_hint(pass->ctx, rhs->type.dims[free_dim]) > 1) {
                tn_layout_set_weight(pass, node, 1, panel_layout(pass, node, free_dim));
            }
        } else if (!turn_operand(pass, node, free_dim)) {
            return false;
        }
    }
    return true;
}
