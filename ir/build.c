/* build.c: making nodes inside graph passes. */
#include "ir/build.h"

#include <string.h>

Build tn_build_at(Graph *graph, Node *node) {
    return (Build){.graph = graph, .before = node, .loc = node->loc};
}

/* ---- attributes ---- */

Attr tn_attr_of_int(AttrName name, int64_t value) {
    return (Attr){.name = name, .kind = ATTR_INT, .i = value};
}

Attr tn_attr_of_dtype(AttrName name, DType dtype) {
    return (Attr){.name = name, .kind = ATTR_DTYPE, .dtype = dtype};
}

Attr tn_attr_of_ints(AttrName name, const int64_t *ints, uint32_t n) {
    return (Attr){.name = name, .kind = ATTR_INTS, .n = n, .ints = ints};
}

Attr tn_attr_of_dims(AttrName name, const Dim *const *dims, uint32_t n) {
    return (Attr){.name = name, .kind = ATTR_DIMS, .n = n, .dims = dims};
}

/* ---- nodes ---- */

Value *tn_build_node(Build *build, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                     uint32_t n_attrs) {
    for (uint32_t i = 0; i < n_in; i++) {
        if (in[i] == NULL) {
            return NULL;
        }
    }
    size_t n_constraints = build->graph->constraints.len;
    Node *node = tn_node_new(build->graph, op, in, n_in, attrs, n_attrs, build->loc, build->before);
    build->graph->constraints.len = n_constraints;
    return node == NULL ? NULL : node->out[0];
}

Value *tn_build_like(Build *build, const Node *node, Value *const *in, uint32_t n_in) {
    return tn_build_node(build, node->op, in, n_in, node->attrs, node->n_attrs);
}

Value *tn_build_map1(Build *build, Op op, Value *a) {
    return tn_build_node(build, op, &a, 1, NULL, 0);
}

Value *tn_build_map2(Build *build, Op op, Value *a, Value *b) {
    return tn_build_node(build, op, (Value *[]){a, b}, 2, NULL, 0);
}

static bool has_dims(const Value *x, uint32_t rank, const Dim *const *dims) {
    return x != NULL && x->type.rank == rank &&
           (rank == 0 || memcmp(x->type.dims, dims, rank * sizeof *dims) == 0);
}

Value *tn_build_reshape(Build *build, Value *x, uint32_t rank, const Dim *const *dims) {
    if (has_dims(x, rank, dims)) {
        return x;
    }
    Attr attr = tn_attr_of_dims(TN_ATTR_dims, dims, rank);
    return tn_build_node(build, TN_OP_reshape, &x, 1, &attr, 1);
}

Value *tn_build_transpose(Build *build, Value *x, const int64_t *perm) {
    uint32_t in_place = 0;
    while (x != NULL && in_place < x->type.rank && perm[in_place] == in_place) {
        in_place++;
    }
    if (x == NULL || in_place == x->type.rank) {
        return x;
    }
    Attr attr = tn_attr_of_ints(TN_ATTR_perm, perm, x->type.rank);
    return tn_build_node(build, TN_OP_transpose, &x, 1, &attr, 1);
}

Value *tn_build_expand(Build *build, Value *x, uint32_t rank, const Dim *const *dims,
                       const int64_t *axes) {
    if (x == NULL) {
        return NULL;
    }
    bool in_place = has_dims(x, rank, dims);
    for (uint32_t i = 0; i < x->type.rank; i++) {
        in_place = in_place && axes[i] == i;
    }
    if (in_place) {
        return x;
    }
    Attr attrs[2] = {tn_attr_of_dims(TN_ATTR_dims, dims, rank),
                     tn_attr_of_ints(TN_ATTR_axes, axes, x->type.rank)};
    return tn_build_node(build, TN_OP_expand, &x, 1, attrs, 2);
}

Value *tn_build_slice(Build *build, Value *x, const Dim *const *starts, const int64_t *steps,
                      const Dim *const *dims) {
    if (x == NULL) {
        return NULL;
    }
    bool whole = has_dims(x, x->type.rank, dims);
    for (uint32_t i = 0; i < x->type.rank; i++) {
        whole = whole && tn_dim_is(starts[i], 0) && steps[i] == 1;
    }
    if (whole) {
        return x;
    }
    Attr attrs[3] = {tn_attr_of_dims(TN_ATTR_starts, starts, x->type.rank),
                     tn_attr_of_ints(TN_ATTR_steps, steps, x->type.rank),
                     tn_attr_of_dims(TN_ATTR_dims, dims, x->type.rank)};
    return tn_build_node(build, TN_OP_slice, &x, 1, attrs, 3);
}

Value *tn_build_pad(Build *build, Value *x, const Dim *const *lo, const Dim *const *hi,
                    const int64_t *interior) {
    if (x == NULL) {
        return NULL;
    }
    uint32_t rank = x->type.rank;
    bool same = true;
    for (uint32_t d = 0; d < rank; d++) {
        same = same && tn_dim_is(lo[d], 0) && tn_dim_is(hi[d], 0) && interior[d] == 0;
    }
    if (same) {
        return x;
    }
    Attr attrs[] = {tn_attr_of_dims(TN_ATTR_lo, lo, rank), tn_attr_of_dims(TN_ATTR_hi, hi, rank),
                    tn_attr_of_ints(TN_ATTR_interior, interior, rank)};
    Value *zero = tn_build_scalar(build, x->type.dtype, 0);
    return tn_build_node(build, TN_OP_pad, (Value *[]){x, zero}, 2, attrs, 3);
}

Value *tn_build_place(Build *build, Value *x, const Dim *const *lo, const int64_t *interior,
                      const Dim *const *total) {
    Ctx *ctx = build->graph->ctx;
    const Dim *zero = tn_dim_const(ctx, 0);
    const Dim *before[TN_MAX_RANK], *after[TN_MAX_RANK], *starts[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK + 1];
    bool cut = false;
    for (uint32_t d = 0; x != NULL && d < x->type.rank; d++) {
        /* as pad counts it, so that what is added cancels */
        const Dim *gaps = tn_dim_max(ctx, tn_dim_addc(ctx, x->type.dims[d], -1), zero);
        const Dim *span = tn_dim_add(ctx, x->type.dims[d], tn_dim_mulc(ctx, gaps, interior[d]));
        before[d] = tn_dim_max(ctx, lo[d], zero);
        starts[d] = tn_dim_max(ctx, tn_dim_mulc(ctx, lo[d], -1), zero);
        /* what the slice below is to find behind its start */
        const Dim *needed = tn_dim_add(ctx, starts[d], total[d]);
        after[d] = tn_dim_max(ctx, tn_dim_sub(ctx, tn_dim_sub(ctx, needed, before[d]), span), zero);
        const Dim *whole = tn_dim_add(ctx, tn_dim_add(ctx, before[d], span), after[d]);
        cut = cut || whole != total[d];
        steps[d] = 1;
    }
    Value *padded = tn_build_pad(build, x, before, after, interior);
    return cut ? tn_build_slice(build, padded, starts, steps, total) : padded;
}

Value *tn_build_reduce(Build *build, Op op, Value *x, const int64_t *axes, uint32_t n) {
    Attr attr = tn_attr_of_ints(TN_ATTR_axes, axes, n);
    return tn_build_node(build, op, &x, 1, &attr, 1);
}

/* ---- constants ---- */

Value *tn_build_const(Build *build, const Type *type, const void *bytes) {
    return tn_const_new(build->graph, *type, bytes, build->before);
}

Value *tn_build_scalar(Build *build, DType dtype, double value) {
    Ctx *ctx = build->graph->ctx;
    bool is_float = tn_dtype_is_float(dtype);
    int64_t whole = is_float ? 0 : (int64_t)value;
    RefTensor tensor = {.dtype = dtype, .count = 1};
    if (is_float) {
        tensor.f = &value;
    } else {
        tensor.i = &whole;
    }
    void *bytes = tn_arena_alloc(&ctx->arena, tn_dtype_bytes(dtype), 8);
    tn_ref_to_bytes(&tensor, bytes);
    Type type = tn_type_scalar(dtype);
    return tn_build_const(build, &type, bytes);
}

Value *tn_build_splat(Build *build, const Type *type, Value *scalar) {
    return tn_build_expand(build, scalar, type->rank, type->dims, NULL);
}

Value *tn_build_number(Build *build, const Type *type, double value) {
    return tn_build_splat(build, type, tn_build_scalar(build, type->dtype, value));
}
