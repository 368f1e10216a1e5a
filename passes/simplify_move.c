/* simplify_move.c: rules for data movement: pad, concat, gather, dimvec, and any movement of
 * a splat. */
#include <string.h>

#include "passes/simplify.h"

/* ---- splats ---- */

static bool is_single(const Type *type) {
    for (uint32_t i = 0; i < type->rank; i++) {
        if (!tn_dim_is(type->dims[i], 1)) {
            return false;
        }
    }
    return true;
}

/* Operands whose elements appear in the result: all but the indices of a gather. */
static uint32_t moved_operands(const Node *node) {
    return node->op == TN_OP_gather ? 1 : node->n_in;
}

/* A gather needs an element to take. */
static bool takes_something(const Node *node) {
    return node->op != TN_OP_gather ||
           node->in[0]->type.dims[tn_attr_int(node, TN_ATTR_axis)]->lo > 0;
}

/* A single element stays a constant of its shape: it is the canonical form. */
Value *tn_simplify_move_splat(Build *build, const Node *node) {
    double first;
    if (is_single(&node->out[0]->type) || !takes_something(node) ||
        !tn_value_splat(node->in[0], &first)) {
        return NULL;
    }
    for (uint32_t i = 1; i < moved_operands(node); i++) {
        if (!tn_value_is_number(node->in[i], first)) {
            return NULL;
        }
    }
    Value *scalar = tn_splat_scalar(build, node->in[0]);
    return scalar == NULL ? NULL : tn_build_splat(build, &node->out[0]->type, scalar);
}

/* ---- pad ---- */

static bool all_zero_dims(const Attr *list) {
    for (uint32_t i = 0; i < list->n; i++) {
        if (!tn_dim_is(list->dims[i], 0)) {
            return false;
        }
    }
    return true;
}

static bool all_zero_ints(const Attr *list) {
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->ints[i] != 0) {
            return false;
        }
    }
    return true;
}

Value *tn_simplify_pad_nothing(Build *build, const Node *node) {
    (void)build;
    bool nothing = all_zero_dims(tn_node_attr(node, TN_ATTR_lo)) &&
                   all_zero_dims(tn_node_attr(node, TN_ATTR_hi)) &&
                   all_zero_ints(tn_node_attr(node, TN_ATTR_interior));
    return nothing ? node->in[0] : NULL;
}

/* Whether two scalars are the same value or the same constant. */
static bool same_scalar(const Value *a, const Value *b) {
    double number;
    return a == b || (tn_value_splat(a, &number) && tn_value_is_number(b, number));
}

Value *tn_simplify_pad_pad(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    const Node *inner = tn_def_of(node->in[0], TN_OP_pad);
    if (inner == NULL || !same_scalar(inner->in[1], node->in[1]) ||
        !all_zero_ints(tn_node_attr(inner, TN_ATTR_interior)) ||
        !all_zero_ints(tn_node_attr(node, TN_ATTR_interior))) {
        return NULL;
    }
    const Dim *lo[TN_MAX_RANK];
    const Dim *hi[TN_MAX_RANK];
    uint32_t rank = node->out[0]->type.rank;
    for (uint32_t i = 0; i < rank; i++) {
        lo[i] = tn_dim_add(ctx, tn_node_attr(inner, TN_ATTR_lo)->dims[i],
                           tn_node_attr(node, TN_ATTR_lo)->dims[i]);
        hi[i] = tn_dim_add(ctx, tn_node_attr(inner, TN_ATTR_hi)->dims[i],
                           tn_node_attr(node, TN_ATTR_hi)->dims[i]);
    }
    Attr attrs[2] = {tn_attr_of_dims(TN_ATTR_lo, lo, rank), tn_attr_of_dims(TN_ATTR_hi, hi, rank)};
    return tn_build_node(build, TN_OP_pad, (Value *[]){inner->in[0], node->in[1]}, 2, attrs, 2);
}

/* A value inside zeros, read here alone; NULL when it is something else. */
static const Node *inside_zeros(const Value *value) {
    const Node *pad = tn_def_of(value, TN_OP_pad);
    bool plain = pad != NULL && value->n_uses == 1 && tn_value_is_number(pad->in[1], 0) &&
                 all_zero_ints(tn_node_attr(pad, TN_ATTR_interior));
    return plain ? pad : NULL;
}

/* The axis along which `b` starts where `a` ends, all else being equal; -1 when there is none. */
static int32_t follows_along(Ctx *ctx, const Node *a, const Node *b) {
    int32_t axis = -1;
    for (uint32_t i = 0; i < a->out[0]->type.rank; i++) {
        const Dim *lo[] = {tn_node_attr(a, TN_ATTR_lo)->dims[i],
                           tn_node_attr(b, TN_ATTR_lo)->dims[i]};
        const Dim *size[] = {a->in[0]->type.dims[i], b->in[0]->type.dims[i]};
        if (lo[0] == lo[1] && size[0] == size[1]) {
            continue;
        }
        if (axis >= 0 || tn_dim_add(ctx, lo[0], size[0]) != lo[1]) {
            return -1;
        }
        axis = (int32_t)i;
    }
    return axis;
}

static Value *concat_pads(Build *build, const Node *a, const Node *b, int32_t axis) {
    Attr along = tn_attr_of_int(TN_ATTR_axis, axis);
    Value *both = tn_build_node(build, TN_OP_concat, (Value *[]){a->in[0], b->in[0]}, 2, &along, 1);
    Attr attrs[2] = {*tn_node_attr(a, TN_ATTR_lo), *tn_node_attr(b, TN_ATTR_hi)};
    return tn_build_node(build, TN_OP_pad, (Value *[]){both, a->in[1]}, 2, attrs, 2);
}

/* The gradient of a split is such a sum. */
Value *tn_simplify_add_pads(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    const Node *a = inside_zeros(node->in[0]);
    const Node *b = inside_zeros(node->in[1]);
    if (a == NULL || b == NULL) {
        return NULL;
    }
    int32_t axis = follows_along(ctx, a, b);
    if (axis >= 0) {
        return concat_pads(build, a, b, axis);
    }
    axis = follows_along(ctx, b, a);
    return axis >= 0 ? concat_pads(build, b, a, axis) : NULL;
}

/* ---- concat ---- */

/* Bounds what one rule application copies, so that chains stay linear. */
enum { CONCAT_MAX = 256 };

Value *tn_simplify_concat_one(Build *build, const Node *node) {
    (void)build;
    return node->n_in == 1 ? node->in[0] : NULL;
}

static Value *concat_of(Build *build, const Node *node, Value *const *in, uint32_t n) {
    return n == 1 ? in[0] : tn_build_like(build, node, in, n);
}

Value *tn_simplify_concat_empty(Build *build, const Node *node) {
    int64_t axis = tn_attr_int(node, TN_ATTR_axis);
    Value **in = TN_NEW_ARRAY(&build->graph->ctx->scratch, Value *, node->n_in);
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (!tn_dim_is(node->in[i]->type.dims[axis], 0)) {
            in[n++] = node->in[i];
        }
    }
    return n == node->n_in || n == 0 ? NULL : concat_of(build, node, in, n);
}

static const Node *inner_concat(const Node *node, const Value *value) {
    const Node *inner = tn_def_of(value, TN_OP_concat);
    bool joins = inner != NULL && value->n_uses == 1 &&
                 tn_attr_int(inner, TN_ATTR_axis) == tn_attr_int(node, TN_ATTR_axis);
    return joins ? inner : NULL;
}

Value *tn_simplify_concat_concat(Build *build, const Node *node) {
    uint32_t n = 0;
    bool found = false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Node *inner = inner_concat(node, node->in[i]);
        n += inner != NULL ? inner->n_in : 1u;
        found = found || inner != NULL;
    }
    if (!found || n > CONCAT_MAX) {
        return NULL;
    }
    Value *in[CONCAT_MAX];
    n = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Node *inner = inner_concat(node, node->in[i]);
        if (inner == NULL) {
            in[n++] = node->in[i];
            continue;
        }
        memcpy(in + n, inner->in, inner->n_in * sizeof *in);
        n += inner->n_in;
    }
    return tn_build_like(build, node, in, n);
}

/* The slice that is `a` followed by `b` along `axis`, or NULL. */
static Value *join_slices(Build *build, const Value *a, const Value *b, uint32_t axis) {
    Ctx *ctx = build->graph->ctx;
    const Node *first = tn_def_of(a, TN_OP_slice);
    const Node *second = tn_def_of(b, TN_OP_slice);
    if (first == NULL || second == NULL || first->in[0] != second->in[0]) {
        return NULL;
    }
    const Dim *const *starts = tn_node_attr(first, TN_ATTR_starts)->dims;
    const Dim *const *next = tn_node_attr(second, TN_ATTR_starts)->dims;
    const int64_t *steps = tn_node_attr(first, TN_ATTR_steps)->ints;
    const int64_t *next_steps = tn_node_attr(second, TN_ATTR_steps)->ints;
    const Dim *dims[TN_MAX_RANK];
    for (uint32_t i = 0; i < a->type.rank; i++) {
        const Dim *end = tn_dim_add(ctx, starts[i], tn_dim_mulc(ctx, a->type.dims[i], steps[i]));
        dims[i] = a->type.dims[i];
        if (steps[i] != next_steps[i] || next[i] != (i == axis ? end : starts[i])) {
            return NULL;
        }
    }
    dims[axis] = tn_dim_add(ctx, dims[axis], b->type.dims[axis]);
    return tn_build_slice(build, first->in[0], starts, steps, dims);
}

Value *tn_simplify_concat_slices(Build *build, const Node *node) {
    uint32_t axis = (uint32_t)tn_attr_int(node, TN_ATTR_axis);
    Value **in = TN_NEW_ARRAY(&build->graph->ctx->scratch, Value *, node->n_in);
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        Value *joined = n == 0 ? NULL : join_slices(build, in[n - 1], node->in[i], axis);
        in[n - (joined != NULL)] = joined != NULL ? joined : node->in[i];
        n += joined == NULL;
    }
    return n == node->n_in ? NULL : concat_of(build, node, in, n);
}

/* ---- gather ---- */

/* Longer lists of indices are not looked at. */
enum { RUN_MAX = 4096 };

static bool known_indices(Build *build, const Value *at, RefTensor *out) {
    const Blob *blob = tn_value_blob(at);
    int64_t count = tn_type_static_count(&at->type);
    if (blob == NULL || at->type.rank > 1 || count < 1 || count > RUN_MAX ||
        at->type.dtype == TN_U64) {
        return false; /* u64 counts beyond i64 */
    }
    *out = tn_ref_from_bytes(&build->graph->ctx->scratch, at->type.dtype, 1, &count, blob->data);
    return true;
}

/* The element that index `at` means in a dim of `size`, or NULL unless it provably exists. */
static const Dim *taken_element(Ctx *ctx, int64_t at, const Dim *size) {
    const Dim *element = tn_dim_const(ctx, at);
    if (at < 0) {
        element = tn_dim_add(ctx, size, element);
    }
    bool exists =
        tn_dim_prove_le(ctx, tn_dim_const(ctx, 0), element) && tn_dim_prove_lt(ctx, element, size);
    return exists ? element : NULL;
}

/* Elements start, start + step, ... of dim `axis`. */
static Value *slice_axis(Build *build, Value *x, uint32_t axis, const Dim *start, int64_t step,
                         int64_t count) {
    Ctx *ctx = build->graph->ctx;
    const Dim *starts[TN_MAX_RANK];
    const Dim *dims[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK];
    for (uint32_t i = 0; i < x->type.rank; i++) {
        starts[i] = i == axis ? start : tn_dim_const(ctx, 0);
        steps[i] = i == axis ? step : 1;
        dims[i] = i == axis ? tn_dim_const(ctx, count) : x->type.dims[i];
    }
    return tn_build_slice(build, x, starts, steps, dims);
}

Value *tn_simplify_gather_scalar(Build *build, const Node *node) {
    RefTensor at;
    if (node->in[1]->type.rank != 0 || tn_attr_int(node, TN_ATTR_batch) != 0 ||
        !known_indices(build, node->in[1], &at)) {
        return NULL;
    }
    uint32_t axis = (uint32_t)tn_attr_int(node, TN_ATTR_axis);
    const Dim *element = taken_element(build->graph->ctx, at.i[0], node->in[0]->type.dims[axis]);
    const Type *to = &node->out[0]->type;
    return element == NULL
               ? NULL
               : tn_build_reshape(build, slice_axis(build, node->in[0], axis, element, 1, 1),
                                  to->rank, to->dims);
}

Value *tn_simplify_gather_run(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    RefTensor at;
    if (node->in[1]->type.rank != 1 || tn_attr_int(node, TN_ATTR_batch) != 0 ||
        !known_indices(build, node->in[1], &at)) {
        return NULL;
    }
    uint32_t axis = (uint32_t)tn_attr_int(node, TN_ATTR_axis);
    const Dim *size = node->in[0]->type.dims[axis];
    const Dim *start = taken_element(ctx, at.i[0], size);
    int64_t step = 1;
    for (int64_t i = 0; i < at.count && start != NULL; i++) {
        const Dim *here = taken_element(ctx, at.i[i], size);
        const Dim *offset = here == NULL ? NULL : tn_dim_sub(ctx, here, start);
        if (i == 1 && offset != NULL && tn_dim_is_const(offset)) {
            step = offset->value;
        }
        if (offset == NULL || step == 0 || !tn_dim_is(offset, i * step)) {
            return NULL;
        }
    }
    return start == NULL ? NULL : slice_axis(build, node->in[0], axis, start, step, at.count);
}

/* ---- dimvec ---- */

static bool all_numbers(const Attr *list) {
    for (uint32_t i = 0; i < list->n; i++) {
        if (!tn_dim_is_const(list->dims[i]) || list->dims[i]->overflow) {
            return false;
        }
    }
    return true;
}

Value *tn_simplify_dimvec_const(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    const Attr *values = tn_node_attr(node, TN_ATTR_values);
    const Type *type = &node->out[0]->type;
    if (!all_numbers(values)) {
        return NULL;
    }
    RefTensor tensor = {.dtype = type->dtype, .rank = 1, .count = values->n};
    tensor.dims[0] = values->n;
    tensor.i = TN_NEW_ARRAY(&ctx->scratch, int64_t, values->n + 1u);
    for (uint32_t i = 0; i < values->n; i++) {
        tensor.i[i] = values->dims[i]->value;
    }
    void *bytes = tn_arena_array(&ctx->arena, values->n + 1u, tn_dtype_bytes(type->dtype), 8);
    tn_ref_to_bytes(&tensor, bytes);
    return tn_build_const(build, type, bytes);
}
