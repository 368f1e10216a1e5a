/* view.c: index maps of one operand: reshape, transpose, expand, slice.
 *
 * Each is a function from the result's index to the operand's; the formula builds it from
 * Dims, the evaluation computes it in plain integers.
 */
#include "ir/ops/support.h"

/* ---- reshape ---- */

bool tn_type_reshape(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    const Attr *dims = tn_node_attr(node, TN_ATTR_dims);
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_ANY) ||
        !tn_op_set_result(graph, node, in->dtype, dims->n, dims->dims)) {
        return false;
    }
    const Type *out = &node->out[0]->type;
    const Dim *from = tn_type_count(graph->ctx, in);
    const Dim *to = tn_type_count(graph->ctx, out);
    return tn_op_require(graph, node, from, to, "%s has %s elements, %s has %s",
                         tn_op_type_text(graph, in), tn_op_dim_text(graph, from),
                         tn_op_type_text(graph, out), tn_op_dim_text(graph, to));
}

bool tn_eval_reshape(EvalArgs *args) {
    if (args->in[0]->count != args->out->count) {
        return tn_eval_error(args, "%lld elements become %lld", (long long)args->in[0]->count,
                             (long long)args->out->count);
    }
    for (int64_t k = 0; k < args->out->count; k++) {
        tn_ref_move(args->out, k, args->in[0], k);
    }
    return true;
}

/* One side of a reshape without its dims of size 1. */
typedef struct Side {
    int n;
    const Dim *dims[TN_MAX_RANK];
    const Dim *index[TN_MAX_RANK];
    int slot[TN_MAX_RANK]; /* which dim of the type */
} Side;

static Side side_of(const Type *type, const Dim *const *index) {
    Side side = {0};
    for (int d = 0; d < type->rank; d++) {
        if (!tn_dim_is(type->dims[d], 1)) {
            side.dims[side.n] = type->dims[d];
            side.index[side.n] = index != NULL ? index[d] : NULL;
            side.slot[side.n++] = d;
        }
    }
    return side;
}

/* The smallest runs in[i..*i_end), out[o..*o_end) of equal size; all that is left when
 * no sizes match. */
static void match_group(Ctx *ctx, const Side *in, const Side *out, int i, int o, int *i_end,
                        int *o_end) {
    for (int total = 2; total <= in->n - i + out->n - o; total++) {
        for (int a = 1; a < total; a++) {
            int b = total - a;
            if (i + a <= in->n && o + b <= out->n &&
                tn_dim_product(ctx, in->dims + i, (size_t)a) ==
                    tn_dim_product(ctx, out->dims + o, (size_t)b)) {
                *i_end = i + a;
                *o_end = o + b;
                return;
            }
        }
    }
    *i_end = in->n;
    *o_end = out->n;
}

/* Indices of in[i..i_end) that name the same element as those of out[o..o_end). */
static void map_group(Ctx *ctx, Side *in, const Side *out, int i, int i_end, int o, int o_end) {
    const Dim *flat = tn_dim_const(ctx, 0);
    for (; o < o_end; o++) {
        flat = tn_dim_add(ctx, tn_dim_mul(ctx, flat, out->dims[o]), out->index[o]);
    }
    for (int d = i_end - 1; d > i; d--) {
        in->index[d] = tn_dim_mod(ctx, flat, in->dims[d]);
        flat = tn_dim_div(ctx, flat, in->dims[d]);
    }
    if (i < i_end) {
        in->index[i] = flat;
    }
}

Expr *tn_lower_reshape(Lower *lower, const Node *node, const Dim *const *index) {
    Ctx *ctx = lower->ctx;
    Side in = side_of(&node->in[0]->type, NULL);
    Side out = side_of(&node->out[0]->type, index);
    int i_end = 0;
    int o_end = 0;
    for (int i = 0, o = 0; i < in.n; i = i_end, o = o_end) {
        match_group(ctx, &in, &out, i, o, &i_end, &o_end);
        map_group(ctx, &in, &out, i, i_end, o, o_end);
    }
    const Dim *from[TN_MAX_RANK] = {NULL};
    for (int d = 0; d < node->in[0]->type.rank; d++) {
        from[d] = tn_dim_const(ctx, 0);
    }
    for (int i = 0; i < in.n; i++) {
        from[in.slot[i]] = in.index[i];
    }
    return lower->read(lower, node->in[0], from);
}

/* ---- transpose ---- */

bool tn_type_transpose(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    const Attr *perm = tn_node_attr(node, TN_ATTR_perm);
    bool seen[TN_MAX_RANK];
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_ANY) ||
        !tn_op_check_len(graph, node, TN_ATTR_perm, in->rank) ||
        !tn_op_check_axes(graph, node, TN_ATTR_perm, in->rank, seen)) {
        return false;
    }
    const Dim *dims[TN_MAX_RANK];
    for (int d = 0; d < in->rank; d++) {
        dims[d] = in->dims[perm->ints[d]];
    }
    return tn_op_set_result(graph, node, in->dtype, in->rank, dims);
}

bool tn_eval_transpose(EvalArgs *args) {
    const Attr *perm = tn_node_attr(args->node, TN_ATTR_perm);
    RefTensor *out = args->out;
    int64_t index[TN_MAX_RANK] = {0};
    int64_t from[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < out->count; k++) {
        for (int d = 0; d < out->rank; d++) {
            from[perm->ints[d]] = index[d];
        }
        tn_ref_move(out, k, args->in[0], tn_ref_offset(args->in[0], from));
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

Expr *tn_lower_transpose(Lower *lower, const Node *node, const Dim *const *index) {
    const Attr *perm = tn_node_attr(node, TN_ATTR_perm);
    const Dim *from[TN_MAX_RANK] = {NULL};
    for (uint32_t d = 0; d < perm->n; d++) {
        from[perm->ints[d]] = index[d];
    }
    return lower->read(lower, node->in[0], from);
}

/* ---- expand ---- */

/* Operand dim `d` is `to`, or 1 and repeated. */
static bool check_repeat(Graph *graph, const Node *node, int d, const Dim *to) {
    Ctx *ctx = graph->ctx;
    const Dim *size = node->in[0]->type.dims[d];
    if (size == to || tn_dim_is(size, 1)) {
        return true;
    }
    const Dim *one = tn_dim_eq(ctx, size, tn_dim_const(ctx, 1));
    return tn_op_require(graph, node, tn_dim_select(ctx, one, to, size), to,
                         "operand dimension %d is %s, expected 1 or %s", d,
                         tn_op_dim_text(graph, size), tn_op_dim_text(graph, to));
}

bool tn_type_expand(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    const Attr *dims = tn_node_attr(node, TN_ATTR_dims);
    const Attr *axes = tn_node_attr(node, TN_ATTR_axes);
    bool seen[TN_MAX_RANK];
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_ANY) ||
        !tn_op_set_result(graph, node, in->dtype, dims->n, dims->dims) ||
        !tn_op_check_len(graph, node, TN_ATTR_axes, in->rank) ||
        !tn_op_check_axes(graph, node, TN_ATTR_axes, (int)dims->n, seen)) {
        return false;
    }
    for (int d = 0; d < in->rank; d++) {
        if (!check_repeat(graph, node, d, dims->dims[axes->ints[d]])) {
            return false;
        }
    }
    return true;
}

bool tn_eval_expand(EvalArgs *args) {
    const Attr *axes = tn_node_attr(args->node, TN_ATTR_axes);
    const RefTensor *in = args->in[0];
    RefTensor *out = args->out;
    for (int d = 0; d < in->rank; d++) {
        if (in->dims[d] != 1 && in->dims[d] != out->dims[axes->ints[d]]) {
            return tn_eval_error(args, "operand dimension %d is %lld, expected 1 or %lld", d,
                                 (long long)in->dims[d], (long long)out->dims[axes->ints[d]]);
        }
    }
    int64_t index[TN_MAX_RANK] = {0};
    int64_t from[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < out->count; k++) {
        for (int d = 0; d < in->rank; d++) {
            from[d] = in->dims[d] == 1 ? 0 : index[axes->ints[d]];
        }
        tn_ref_move(out, k, in, tn_ref_offset(in, from));
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

Expr *tn_lower_expand(Lower *lower, const Node *node, const Dim *const *index) {
    Ctx *ctx = lower->ctx;
    const Type *in = &node->in[0]->type;
    const Type *out = &node->out[0]->type;
    const Attr *axes = tn_node_attr(node, TN_ATTR_axes);
    const Dim *zero = tn_dim_const(ctx, 0);
    const Dim *from[TN_MAX_RANK] = {NULL};
    for (int d = 0; d < in->rank; d++) {
        int64_t axis = axes->ints[d];
        const Dim *one = tn_dim_eq(ctx, in->dims[d], tn_dim_const(ctx, 1));
        bool same = in->dims[d] == out->dims[axis] && !tn_dim_is(in->dims[d], 1);
        from[d] = same ? index[axis] : tn_dim_select(ctx, one, zero, index[axis]);
    }
    return lower->read(lower, node->in[0], from);
}

/* ---- slice ---- */

/* The elements start, start + step, ... of one dimension all exist. */
static bool check_box(Graph *graph, const Node *node, int d, const Dim *start, int64_t step,
                      const Dim *count) {
    Ctx *ctx = graph->ctx;
    const Dim *size = node->in[0]->type.dims[d];
    const Dim *last = tn_dim_add(ctx, start, tn_dim_mulc(ctx, tn_dim_addc(ctx, count, -1), step));
    const Dim *low = step > 0 ? start : last;
    const Dim *high = step > 0 ? last : start;
    const Dim *zero = tn_dim_const(ctx, 0);
    if (tn_dim_is(count, 0) ||
        (tn_dim_prove_le(ctx, zero, low) && tn_dim_prove_lt(ctx, high, size))) {
        return true;
    }
    const Dim *inside =
        tn_dim_mul(ctx, tn_dim_lt(ctx, tn_dim_const(ctx, -1), low), tn_dim_lt(ctx, high, size));
    const Dim *one = tn_dim_const(ctx, 1);
    const Dim *fits = tn_dim_select(ctx, tn_dim_lt(ctx, zero, count), inside, one);
    return tn_op_require(graph, node, fits, one,
                         "%s elements from %s in steps of %lld leave dimension %d of size %s",
                         tn_op_dim_text(graph, count), tn_op_dim_text(graph, start),
                         (long long)step, d, tn_op_dim_text(graph, size));
}

bool tn_type_slice(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    const Attr *starts = tn_node_attr(node, TN_ATTR_starts);
    const Attr *steps = tn_node_attr(node, TN_ATTR_steps);
    const Attr *dims = tn_node_attr(node, TN_ATTR_dims);
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_ANY) ||
        !tn_op_check_len(graph, node, TN_ATTR_starts, in->rank) ||
        !tn_op_check_len(graph, node, TN_ATTR_steps, in->rank) ||
        !tn_op_check_len(graph, node, TN_ATTR_dims, in->rank) ||
        !tn_op_set_result(graph, node, in->dtype, dims->n, dims->dims)) {
        return false;
    }
    for (int d = 0; d < in->rank; d++) {
        int64_t step = steps->ints[d];
        if (step == 0 || step > TN_COUNT_MAX || step < -TN_COUNT_MAX) {
            return tn_op_error(graph, node, "steps[%d] is %lld, expected 1..2^40 or -2^40..-1", d,
                               (long long)step);
        }
        if (!check_box(graph, node, d, starts->dims[d], step, dims->dims[d])) {
            return false;
        }
    }
    return true;
}

bool tn_eval_slice(EvalArgs *args) {
    const RefTensor *in = args->in[0];
    RefTensor *out = args->out;
    const Attr *steps = tn_node_attr(args->node, TN_ATTR_steps);
    int64_t starts[TN_MAX_RANK] = {0};
    if (!tn_eval_dims(args, TN_ATTR_starts, starts)) {
        return false;
    }
    int64_t index[TN_MAX_RANK] = {0};
    int64_t from[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < out->count; k++) {
        for (int d = 0; d < out->rank; d++) {
            from[d] = starts[d] + index[d] * steps->ints[d];
            if (from[d] < 0 || from[d] >= in->dims[d]) {
                return tn_eval_error(args, "element %lld of dimension %d, which has %lld",
                                     (long long)from[d], d, (long long)in->dims[d]);
            }
        }
        tn_ref_move(out, k, in, tn_ref_offset(in, from));
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

Expr *tn_lower_slice(Lower *lower, const Node *node, const Dim *const *index) {
    Ctx *ctx = lower->ctx;
    const Attr *starts = tn_node_attr(node, TN_ATTR_starts);
    const Attr *steps = tn_node_attr(node, TN_ATTR_steps);
    const Dim *from[TN_MAX_RANK] = {NULL};
    for (uint32_t d = 0; d < steps->n; d++) {
        from[d] = tn_dim_add(ctx, starts->dims[d], tn_dim_mulc(ctx, index[d], steps->ints[d]));
    }
    return lower->read(lower, node->in[0], from);
}
