/* simplify_reduce.c: rules for reductions, pooling, contraction and convolution. */
#include <math.h>
#include <string.h>

#include "passes/simplify.h"

/* ---- reductions ---- */

Value *tn_simplify_reduce_ones(Build *build, const Node *node) {
    const Attr *axes = tn_node_attr(node, TN_ATTR_axes);
    const Type *from = &node->in[0]->type;
    const Type *to = &node->out[0]->type;
    int64_t kept[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < axes->n; i++) {
        if (!tn_dim_is(from->dims[axes->ints[i]], 1)) {
            kept[n++] = axes->ints[i];
        }
    }
    if (n == axes->n && n > 0) {
        return NULL;
    }
    Value *x = n == 0 ? node->in[0] : tn_build_reduce(build, node->op, node->in[0], kept, n);
    return tn_build_reshape(build, x, to->rank, to->dims);
}

Value *tn_simplify_arg_one(Build *build, const Node *node) {
    int64_t axis = tn_attr_int(node, TN_ATTR_axis);
    return tn_dim_is(node->in[0]->type.dims[axis], 1)
               ? tn_build_number(build, &node->out[0]->type, 0)
               : NULL;
}

/* ---- pooling ---- */

static int64_t list_at(const Node *node, AttrName name, uint32_t i) {
    return tn_node_attr(node, name)->ints[i];
}

static bool has_no_pads(const Node *node, uint32_t i) {
    return list_at(node, TN_ATTR_pads_lo, i) == 0 && list_at(node, TN_ATTR_pads_hi, i) == 0;
}

Value *tn_simplify_pool_one(Build *build, const Node *node) {
    const Type *to = &node->out[0]->type;
    const Dim *starts[TN_MAX_RANK];
    for (uint32_t i = 0; i < to->rank; i++) {
        if (list_at(node, TN_ATTR_window, i) != 1 || !has_no_pads(node, i)) {
            return NULL;
        }
        starts[i] = tn_dim_const(build->graph->ctx, 0);
    }
    return tn_build_slice(build, node->in[0], starts, tn_node_attr(node, TN_ATTR_strides)->ints,
                          to->dims);
}

Value *tn_simplify_pool_all(Build *build, const Node *node) {
    const Type *from = &node->in[0]->type;
    const Type *to = &node->out[0]->type;
    int64_t axes[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < to->rank; i++) {
        int64_t window = list_at(node, TN_ATTR_window, i);
        if (!has_no_pads(node, i)) {
            return NULL;
        }
        if (window == 1 && list_at(node, TN_ATTR_strides, i) == 1) {
            continue;
        }
        if (!tn_dim_is(from->dims[i], window) || list_at(node, TN_ATTR_dilations, i) != 1) {
            return NULL;
        }
        axes[n++] = i;
    }
    Op op = node->op == TN_OP_pool_max ? TN_OP_reduce_max : TN_OP_reduce_sum;
    return n == 0 ? NULL
                  : tn_build_reshape(build, tn_build_reduce(build, op, node->in[0], axes, n),
                                     to->rank, to->dims);
}

/* ---- padding taken in ---- */

/* Amounts of the pad's dims from `first` on, as plain numbers; false if one is not, if there
 * is interior padding, or a dim before `first` is padded. */
static bool pad_amounts(const Node *pad, AttrName name, uint32_t first, int64_t *out) {
    const Attr *amounts = tn_node_attr(pad, name);
    for (uint32_t i = 0; i < amounts->n; i++) {
        if (!tn_dim_is_const(amounts->dims[i]) || amounts->dims[i]->value > INT32_MAX ||
            (i < first && amounts->dims[i]->value != 0)) {
            return false;
        }
        if (i >= first) {
            out[i - first] = amounts->dims[i]->value;
        }
    }
    const Attr *interior = tn_node_attr(pad, TN_ATTR_interior);
    for (uint32_t i = 0; i < interior->n; i++) {
        if (interior->ints[i] != 0) {
            return false;
        }
    }
    return true;
}

/* `node` over the pad's operand with the pad's amounts, times `scale`, in its own lists. */
static Value *take_pad(Build *build, const Node *node, const Node *pad, uint32_t first,
                       const int64_t *scale) {
    Ctx *ctx = build->graph->ctx;
    int64_t amounts[2][TN_MAX_RANK];
    static const AttrName from[2] = {TN_ATTR_lo, TN_ATTR_hi};
    static const AttrName to[2] = {TN_ATTR_pads_lo, TN_ATTR_pads_hi};
    Attr *attrs = tn_arena_copy(&ctx->scratch, node->attrs, node->n_attrs * sizeof *attrs);
    for (uint32_t side = 0; side < 2; side++) {
        const Attr *own = tn_node_attr(node, to[side]);
        if (!pad_amounts(pad, from[side], first, amounts[side])) {
            return NULL;
        }
        for (uint32_t i = 0; i < own->n; i++) {
            amounts[side][i] = amounts[side][i] * (scale == NULL ? 1 : scale[i]) + own->ints[i];
            if (amounts[side][i] > INT32_MAX) {
                return NULL;
            }
        }
        attrs[own - node->attrs] = tn_attr_of_ints(to[side], amounts[side], own->n);
    }
    Value *in[2] = {pad->in[0], node->n_in > 1 ? node->in[1] : NULL};
    return tn_build_node(build, node->op, in, node->n_in, attrs, node->n_attrs);
}

Value *tn_simplify_pool_pad(Build *build, const Node *node) {
    const Node *pad = tn_def_of(node->in[0], TN_OP_pad);
    bool is_max = node->op == TN_OP_pool_max;
    if (pad == NULL || (is_max && !tn_dtype_is_float(node->in[0]->type.dtype)) ||
        !tn_value_is_number(pad->in[1], is_max ? -HUGE_VAL : 0.0)) {
        return NULL;
    }
    return take_pad(build, node, pad, 0, NULL);
}

/* Zero times a weight is left out, so no weight may be infinite or NaN. */
static bool all_finite(const Value *weights) {
    const Blob *blob = tn_value_blob(weights);
    if (blob == NULL || !tn_dtype_is_float(weights->type.dtype)) {
        return false;
    }
    size_t size = tn_dtype_bytes(weights->type.dtype);
    const unsigned char *bytes = blob->data;
    for (size_t at = 0; at + size <= blob->size; at += size) {
        float single;
        double value;
        if (weights->type.dtype == TN_F32) {
            memcpy(&single, bytes + at, sizeof single);
            value = (double)single;
        } else {
            memcpy(&value, bytes + at, sizeof value);
        }
        if (!isfinite(value)) {
            return false;
        }
    }
    return true;
}

Value *tn_simplify_conv_pad(Build *build, const Node *node) {
    const Node *pad = tn_def_of(node->in[0], TN_OP_pad);
    if (pad == NULL || !tn_value_is_number(pad->in[1], 0.0) || !all_finite(node->in[1])) {
        return NULL;
    }
    return take_pad(build, node, pad, 2, tn_node_attr(node, TN_ATTR_in_dilations)->ints);
}

/* ---- contraction ---- */

bool tn_contract_renames(const Node *node, uint32_t slot, const Node *transpose, int64_t *renamed) {
    const Attr *perm = tn_node_attr(transpose, TN_ATTR_perm);
    const Attr *summed = tn_contract_dims(node, slot);
    int64_t batch = tn_attr_int(node, TN_ATTR_batch), last = -1;
    for (uint32_t i = 0; i < perm->n; i++) {
        if (tn_attr_holds(summed, i)) {
            continue;
        }
        if ((i < batch && perm->ints[i] != i) || perm->ints[i] < last) {
            return false;
        }
        last = perm->ints[i];
    }
    for (uint32_t i = 0; i < summed->n; i++) {
        renamed[i] = perm->ints[summed->ints[i]];
    }
    return true;
}

/* The contraction with operand `side` read before its transpose; NULL if the result would
 * differ. */
static Value *untransposed(Build *build, const Node *node, uint32_t side) {
    const Node *transpose = tn_def_of(node->in[side], TN_OP_transpose);
    int64_t mapped[TN_MAX_RANK];
    if (transpose == NULL || !tn_contract_renames(node, side, transpose, mapped)) {
        return NULL;
    }
    Ctx *ctx = build->graph->ctx;
    const Attr *summed = tn_contract_dims(node, side);
    Attr *attrs = tn_arena_copy(&ctx->scratch, node->attrs, node->n_attrs * sizeof *attrs);
    attrs[summed - node->attrs] = tn_attr_of_ints(summed->name, mapped, summed->n);
    Value *in[2] = {node->in[0], node->in[1]};
    in[side] = transpose->in[0];
    return tn_build_node(build, node->op, in, 2, attrs, node->n_attrs);
}

Value *tn_simplify_contract_transpose(Build *build, const Node *node) {
    Value *left = untransposed(build, node, 0);
    return left != NULL ? left : untransposed(build, node, 1);
}

/* Dims of an expand's operand that are shown, in result positions; how many leading result
 * dims are neither repeated nor moved goes to `*kept`. False when a shown dim of the first
 * `batch` stands behind a repeated one. */
static bool kept_batch(const Node *expand, int64_t batch, int64_t *kept) {
    const Attr *axes = tn_node_attr(expand, TN_ATTR_axes);
    const Type *from = &expand->in[0]->type;
    const Type *to = &expand->out[0]->type;
    *kept = 0;
    while (*kept < batch && *kept < axes->n && axes->ints[*kept] == *kept &&
           from->dims[*kept] == to->dims[*kept]) {
        *kept += 1;
    }
    for (uint32_t i = (uint32_t)*kept; i < axes->n; i++) {
        bool shown = from->dims[i] == to->dims[axes->ints[i]];
        if (axes->ints[i] < batch || !shown || (i > *kept && axes->ints[i] < axes->ints[i - 1])) {
            return false;
        }
    }
    return true;
}

/* Every dim behind the batch must be the operand's own, or the rows would not be copies. */
Value *tn_simplify_contract_batch(Build *build, const Node *node) {
    const Node *expand = tn_def_of(node->in[1], TN_OP_expand);
    int64_t batch = tn_attr_int(node, TN_ATTR_batch);
    int64_t kept;
    if (expand == NULL || batch == 0 || !kept_batch(expand, batch, &kept) || kept == batch) {
        return NULL;
    }
    const Type *from = &expand->in[0]->type;
    const Type *to = &expand->out[0]->type;
    const Attr *summed = tn_node_attr(node, TN_ATTR_rhs_contract);
    if (from->rank - kept != to->rank - batch) {
        return NULL;
    }
    int64_t mapped[TN_MAX_RANK];
    for (uint32_t i = 0; i < summed->n; i++) {
        mapped[i] = summed->ints[i] - batch + kept;
    }
    Attr attrs[3] = {tn_attr_of_int(TN_ATTR_batch, kept), *tn_node_attr(node, TN_ATTR_lhs_contract),
                     tn_attr_of_ints(TN_ATTR_rhs_contract, mapped, summed->n)};
    return tn_build_node(build, node->op, (Value *[]){node->in[0], expand->in[0]}, 2, attrs, 3);
}
