/* simplify_view.c: rules for reshape, transpose, expand, slice and copy.
 *
 * Canonical form: an expand stands over an operand without dims of size 1 and takes
 * transposes and reshapes in; there is one view of a kind in a row.
 */
#include <string.h>

#include "passes/simplify.h"

/* ---- reshape ---- */

Value *tn_simplify_reshape_same(Build *build, const Node *node) {
    return tn_simplify_copy_same(build, node);
}

Value *tn_simplify_reshape_reshape(Build *build, const Node *node) {
    const Node *inner = tn_def_of(node->in[0], TN_OP_reshape);
    const Type *to = &node->out[0]->type;
    return inner == NULL ? NULL : tn_build_reshape(build, inner->in[0], to->rank, to->dims);
}

/* Large data of several users would lie in the model twice. */
enum { SHARED_CONST_MAX = 4096 };

Value *tn_simplify_reshape_const(Build *build, const Node *node) {
    const Blob *blob = tn_value_blob(node->in[0]);
    const Type *to = &node->out[0]->type;
    if (blob == NULL || !tn_type_is_static(to) ||
        (node->in[0]->n_uses > 1 && blob->size > SHARED_CONST_MAX)) {
        return NULL;
    }
    Value *value = tn_build_const(build, to, blob->data);
    if (value != NULL) {
        value->def->blob = blob; /* with its source */
    }
    return value;
}

static uint32_t skip_ones(const Type *type, uint32_t i) {
    while (i < type->rank && tn_dim_is(type->dims[i], 1)) {
        i++;
    }
    return i;
}

/* Grows [*a, a_end) and [*b, b_end) from their starts until the products agree; false when
 * they never provably do. */
static bool match_dims(Ctx *ctx, const Type *from, const Type *to, uint32_t *a_end,
                       uint32_t *b_end) {
    uint32_t a = *a_end;
    uint32_t b = *b_end;
    if (a >= from->rank || b >= to->rank) {
        return false;
    }
    const Dim *left = from->dims[a++];
    const Dim *right = to->dims[b++];
    while (left != right) {
        if (a < from->rank && tn_dim_prove_le(ctx, left, right)) {
            left = tn_dim_mul(ctx, left, from->dims[a++]);
        } else if (b < to->rank && tn_dim_prove_le(ctx, right, left)) {
            right = tn_dim_mul(ctx, right, to->dims[b++]);
        } else {
            return false;
        }
    }
    *a_end = a;
    *b_end = b;
    return true;
}

static bool has_zero(const Type *type) {
    for (uint32_t i = 0; i < type->rank; i++) {
        if (type->dims[i]->lo <= 0 && tn_dim_is(type->dims[i], 0)) {
            return true;
        }
    }
    return false;
}

/* Which operand dim of the expand each result dim shows, -1 for repeated ones. */
static void expand_sources(const Node *expand, int64_t *source) {
    const Attr *axes = tn_node_attr(expand, TN_ATTR_axes);
    for (uint32_t i = 0; i < expand->out[0]->type.rank; i++) {
        source[i] = -1;
    }
    for (uint32_t i = 0; i < axes->n; i++) {
        if (!tn_dim_is(expand->in[0]->type.dims[i], 1)) {
            source[axes->ints[i]] = i;
        }
    }
}

/* A group of result dims all repeated, or one dim shown as it is: sets `axes` for those
 * shown. */
static bool place_group(const Node *expand, const int64_t *source, uint32_t a, uint32_t a_end,
                        uint32_t b, uint32_t b_end, int64_t *axes) {
    bool repeated = true;
    for (uint32_t i = a; i < a_end; i++) {
        repeated = repeated && source[i] < 0;
    }
    if (repeated) {
        return true;
    }
    if (a_end != a + 1 || b_end != b + 1 ||
        expand->in[0]->type.dims[source[a]] != expand->out[0]->type.dims[a]) {
        return false;
    }
    axes[source[a]] = b;
    return true;
}

Value *tn_simplify_reshape_expand(Build *build, const Node *node) {
    const Node *expand = tn_def_of(node->in[0], TN_OP_expand);
    if (expand == NULL || has_zero(&node->out[0]->type)) {
        return NULL;
    }
    const Type *from = &expand->out[0]->type;
    const Type *to = &node->out[0]->type;
    const Type *x = &expand->in[0]->type;
    int64_t source[TN_MAX_RANK];
    int64_t axes[TN_MAX_RANK];
    expand_sources(expand, source);
    for (uint32_t i = 0; i < x->rank; i++) {
        if (tn_dim_is(x->dims[i], 1)) {
            return NULL; /* dropped first */
        }
        axes[i] = -1;
    }
    uint32_t a = skip_ones(from, 0);
    uint32_t b = skip_ones(to, 0);
    while (a < from->rank || b < to->rank) {
        uint32_t a_end = a;
        uint32_t b_end = b;
        if (!match_dims(build->graph->ctx, from, to, &a_end, &b_end) ||
            !place_group(expand, source, a, a_end, b, b_end, axes)) {
            return NULL;
        }
        a = skip_ones(from, a_end);
        b = skip_ones(to, b_end);
    }
    for (uint32_t i = 0; i < x->rank; i++) {
        if (axes[i] < 0) {
            return NULL;
        }
    }
    return tn_build_expand(build, expand->in[0], to->rank, to->dims, axes);
}

/* ---- transpose ---- */

/* Whether the list is 0, 1, 2, ... */
static bool counts_up(const Attr *list) {
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->ints[i] != i) {
            return false;
        }
    }
    return true;
}

Value *tn_simplify_transpose_same(Build *build, const Node *node) {
    (void)build;
    return counts_up(tn_node_attr(node, TN_ATTR_perm)) ? node->in[0] : NULL;
}

Value *tn_simplify_transpose_transpose(Build *build, const Node *node) {
    const Node *inner = tn_def_of(node->in[0], TN_OP_transpose);
    if (inner == NULL) {
        return NULL;
    }
    const Attr *outer_perm = tn_node_attr(node, TN_ATTR_perm);
    const Attr *inner_perm = tn_node_attr(inner, TN_ATTR_perm);
    int64_t perm[TN_MAX_RANK];
    for (uint32_t i = 0; i < outer_perm->n; i++) {
        perm[i] = inner_perm->ints[outer_perm->ints[i]];
    }
    return tn_build_transpose(build, inner->in[0], perm);
}

Value *tn_simplify_transpose_ones(Build *build, const Node *node) {
    const Attr *perm = tn_node_attr(node, TN_ATTR_perm);
    const Type *to = &node->out[0]->type;
    int64_t last = -1;
    for (uint32_t i = 0; i < perm->n; i++) {
        if (tn_dim_is(to->dims[i], 1)) {
            continue;
        }
        if (perm->ints[i] < last) {
            return NULL;
        }
        last = perm->ints[i];
    }
    return tn_build_reshape(build, node->in[0], to->rank, to->dims);
}

Value *tn_simplify_transpose_expand(Build *build, const Node *node) {
    const Node *expand = tn_def_of(node->in[0], TN_OP_expand);
    if (expand == NULL) {
        return NULL;
    }
    const Attr *perm = tn_node_attr(node, TN_ATTR_perm);
    const Attr *inner = tn_node_attr(expand, TN_ATTR_axes);
    const Type *to = &node->out[0]->type;
    int64_t place[TN_MAX_RANK];
    int64_t axes[TN_MAX_RANK];
    for (uint32_t i = 0; i < perm->n; i++) {
        place[perm->ints[i]] = i;
    }
    for (uint32_t i = 0; i < inner->n; i++) {
        axes[i] = place[inner->ints[i]];
    }
    return tn_build_expand(build, expand->in[0], to->rank, to->dims, axes);
}

/* Maps each dim of `wide` that is not 1 to its dim of `narrow`; false unless `narrow` is
 * `wide` without dims of size 1. */
static bool adds_ones(const Type *narrow, const Type *wide, int64_t *place) {
    uint32_t d = 0;
    for (uint32_t i = 0; i < wide->rank; i++) {
        place[i] = -1;
        if (tn_dim_is(wide->dims[i], 1)) {
            continue;
        }
        if (d >= narrow->rank || narrow->dims[d] != wide->dims[i]) {
            return false;
        }
        place[i] = d++;
    }
    return d == narrow->rank;
}

Value *tn_simplify_transpose_reshape(Build *build, const Node *node) {
    const Node *reshape = tn_def_of(node->in[0], TN_OP_reshape);
    int64_t place[TN_MAX_RANK];
    if (reshape == NULL || !adds_ones(&reshape->in[0]->type, &reshape->out[0]->type, place)) {
        return NULL;
    }
    const Attr *outer = tn_node_attr(node, TN_ATTR_perm);
    const Type *to = &node->out[0]->type;
    int64_t perm[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < outer->n; i++) {
        if (place[outer->ints[i]] >= 0) {
            perm[n++] = place[outer->ints[i]];
        }
    }
    return tn_build_reshape(build, tn_build_transpose(build, reshape->in[0], perm), to->rank,
                            to->dims);
}

/* ---- expand ---- */

Value *tn_simplify_expand_same(Build *build, const Node *node) {
    return counts_up(tn_node_attr(node, TN_ATTR_axes)) ? tn_simplify_copy_same(build, node) : NULL;
}

Value *tn_simplify_expand_splat(Build *build, const Node *node) {
    Value *x = node->in[0];
    if (x->type.rank == 0 || (x->def != NULL && x->def->op == TN_OP_expand)) {
        return NULL; /* two expands become one by another rule */
    }
    Value *scalar = tn_splat_scalar(build, x);
    return scalar == NULL ? NULL : tn_build_splat(build, &node->out[0]->type, scalar);
}

Value *tn_simplify_expand_ones(Build *build, const Node *node) {
    const Type *from = &node->in[0]->type;
    const Attr *axes = tn_node_attr(node, TN_ATTR_axes);
    const Dim *dims[TN_MAX_RANK];
    int64_t kept[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->rank; i++) {
        if (!tn_dim_is(from->dims[i], 1)) {
            kept[n] = axes->ints[i];
            dims[n++] = from->dims[i];
        }
    }
    if (n == from->rank) {
        return NULL;
    }
    const Type *to = &node->out[0]->type;
    return tn_build_expand(build, tn_build_reshape(build, node->in[0], n, dims), to->rank, to->dims,
                           kept);
}

Value *tn_simplify_expand_view(Build *build, const Node *node) {
    const Type *from = &node->in[0]->type;
    const Type *to = &node->out[0]->type;
    int64_t source[TN_MAX_RANK];
    expand_sources(node, source);
    int64_t perm[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < to->rank; i++) {
        if (tn_dim_is(to->dims[i], 1) && source[i] < 0) {
            continue;
        }
        if (source[i] < 0 || from->dims[source[i]] != to->dims[i]) {
            return NULL;
        }
        perm[n++] = source[i];
    }
    if (n != from->rank) {
        return NULL; /* operand dims of size 1 are dropped first */
    }
    return tn_build_reshape(build, tn_build_transpose(build, node->in[0], perm), to->rank,
                            to->dims);
}

Value *tn_simplify_expand_expand(Build *build, const Node *node) {
    const Node *inner = tn_def_of(node->in[0], TN_OP_expand);
    if (inner == NULL) {
        return NULL;
    }
    const Attr *first = tn_node_attr(inner, TN_ATTR_axes);
    const Attr *second = tn_node_attr(node, TN_ATTR_axes);
    const Type *to = &node->out[0]->type;
    int64_t axes[TN_MAX_RANK];
    for (uint32_t i = 0; i < first->n; i++) {
        axes[i] = second->ints[first->ints[i]];
    }
    return tn_build_expand(build, inner->in[0], to->rank, to->dims, axes);
}

Value *tn_simplify_expand_transpose(Build *build, const Node *node) {
    const Node *inner = tn_def_of(node->in[0], TN_OP_transpose);
    if (inner == NULL) {
        return NULL;
    }
    const Attr *perm = tn_node_attr(inner, TN_ATTR_perm);
    const Attr *outer = tn_node_attr(node, TN_ATTR_axes);
    const Type *to = &node->out[0]->type;
    int64_t axes[TN_MAX_RANK];
    for (uint32_t i = 0; i < perm->n; i++) {
        axes[perm->ints[i]] = outer->ints[i];
    }
    return tn_build_expand(build, inner->in[0], to->rank, to->dims, axes);
}

/* ---- slice and copy ---- */

/* The three lists of a slice, to be changed. */
typedef struct Box {
    uint32_t rank;
    const Dim *starts[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK];
    const Dim *dims[TN_MAX_RANK];
} Box;

static Box box_of(const Node *slice) {
    Box box = {.rank = slice->out[0]->type.rank};
    for (uint32_t i = 0; i < box.rank; i++) {
        box.starts[i] = tn_node_attr(slice, TN_ATTR_starts)->dims[i];
        box.steps[i] = tn_node_attr(slice, TN_ATTR_steps)->ints[i];
        box.dims[i] = slice->out[0]->type.dims[i];
    }
    return box;
}

static Value *build_box(Build *build, Value *x, const Box *box) {
    return tn_build_slice(build, x, box->starts, box->steps, box->dims);
}

static bool takes_all(const Box *box, uint32_t i, const Dim *size) {
    return tn_dim_is(box->starts[i], 0) && box->steps[i] == 1 && box->dims[i] == size;
}

Value *tn_simplify_slice_all(Build *build, const Node *node) {
    (void)build;
    Box box = box_of(node);
    for (uint32_t i = 0; i < box.rank; i++) {
        if (!takes_all(&box, i, node->in[0]->type.dims[i])) {
            return NULL;
        }
    }
    return node->in[0];
}

Value *tn_simplify_slice_step(Build *build, const Node *node) {
    Box box = box_of(node);
    bool changed = false;
    for (uint32_t i = 0; i < box.rank; i++) {
        if (tn_dim_is(box.dims[i], 1) && box.steps[i] != 1) {
            box.steps[i] = 1;
            changed = true;
        }
    }
    return changed ? build_box(build, node->in[0], &box) : NULL;
}

Value *tn_simplify_slice_slice(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    const Node *slice = tn_def_of(node->in[0], TN_OP_slice);
    if (slice == NULL) {
        return NULL;
    }
    Box inner = box_of(slice);
    Box box = box_of(node);
    for (uint32_t i = 0; i < box.rank; i++) {
        const Dim *start = tn_dim_mulc(ctx, box.starts[i], inner.steps[i]);
        box.starts[i] = tn_dim_add(ctx, start, inner.starts[i]);
        if (box.starts[i]->overflow ||
            __builtin_mul_overflow(box.steps[i], inner.steps[i], &box.steps[i]) ||
            box.steps[i] > INT32_MAX || box.steps[i] < -INT32_MAX) {
            return NULL;
        }
    }
    return build_box(build, slice->in[0], &box);
}

/* Cuts operand dims that are shown as they are; a repeated dim just repeats less. */
Value *tn_simplify_slice_expand(Build *build, const Node *node) {
    const Node *expand = tn_def_of(node->in[0], TN_OP_expand);
    if (expand == NULL) {
        return NULL;
    }
    const Attr *axes = tn_node_attr(expand, TN_ATTR_axes);
    const Type *from = &expand->in[0]->type;
    const Type *to = &node->out[0]->type;
    Box box = box_of(node);
    Box inner = {.rank = from->rank};
    for (uint32_t i = 0; i < from->rank; i++) {
        int64_t axis = axes->ints[i];
        bool one = tn_dim_is(from->dims[i], 1);
        if (!one && from->dims[i] != expand->out[0]->type.dims[axis]) {
            return NULL; /* repeated or not: known only at run time */
        }
        inner.starts[i] = one ? tn_dim_const(build->graph->ctx, 0) : box.starts[axis];
        inner.steps[i] = one ? 1 : box.steps[axis];
        inner.dims[i] = one ? from->dims[i] : box.dims[axis];
    }
    return tn_build_expand(build, build_box(build, expand->in[0], &inner), to->rank, to->dims,
                           axes->ints);
}

/* Whether the elements that `box` takes in dim `i` provably lie in [lo, hi). */
static bool lies_within(Ctx *ctx, const Box *box, uint32_t i, const Dim *lo, const Dim *hi) {
    const Dim *steps = tn_dim_mulc(ctx, tn_dim_addc(ctx, box->dims[i], -1), box->steps[i]);
    const Dim *last = tn_dim_add(ctx, box->starts[i], steps);
    const Dim *least = box->steps[i] > 0 ? box->starts[i] : last;
    const Dim *most = box->steps[i] > 0 ? last : box->starts[i];
    return tn_dim_prove_le(ctx, lo, least) && tn_dim_prove_lt(ctx, most, hi);
}

Value *tn_simplify_slice_concat(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    const Node *concat = tn_def_of(node->in[0], TN_OP_concat);
    if (concat == NULL) {
        return NULL;
    }
    Box box = box_of(node);
    uint32_t axis = (uint32_t)tn_attr_int(concat, TN_ATTR_axis);
    const Dim *lo = tn_dim_const(ctx, 0);
    for (uint32_t i = 0; i < concat->n_in; i++) {
        const Dim *hi = tn_dim_add(ctx, lo, concat->in[i]->type.dims[axis]);
        if (lies_within(ctx, &box, axis, lo, hi)) {
            box.starts[axis] = tn_dim_sub(ctx, box.starts[axis], lo);
            return build_box(build, concat->in[i], &box);
        }
        lo = hi;
    }
    return NULL;
}

Value *tn_simplify_slice_pad(Build *build, const Node *node) {
    Ctx *ctx = build->graph->ctx;
    const Node *pad = tn_def_of(node->in[0], TN_OP_pad);
    if (pad == NULL || tn_node_attr(pad, TN_ATTR_interior)->n != 0) {
        return NULL;
    }
    Box box = box_of(node);
    for (uint32_t i = 0; i < box.rank; i++) {
        const Dim *lo = tn_node_attr(pad, TN_ATTR_lo)->dims[i];
        const Dim *hi = tn_dim_add(ctx, lo, pad->in[0]->type.dims[i]);
        if (!lies_within(ctx, &box, i, lo, hi)) {
            return NULL;
        }
        box.starts[i] = tn_dim_sub(ctx, box.starts[i], lo);
    }
    return build_box(build, pad->in[0], &box);
}

Value *tn_simplify_copy_same(Build *build, const Node *node) {
    (void)build;
    return tn_type_equal(&node->in[0]->type, &node->out[0]->type) ? node->in[0] : NULL;
}
