/* compose.c: building blocks of operator importers.
 *
 * Broadcasting is explicit in the graph: every elementwise node gets operands of equal dims.
 * When two symbolic dims are only demanded to be equal, `assume` retypes one operand by a
 * slice that starts at 0, so that both carry the better known expression.
 */
#include "frontend/compose.h"

#include <stdarg.h>
#include <string.h>

/* ---- shapes ---- */

Shape tn_shape_of(const Value *value) {
    Shape shape = {.rank = value->type.rank};
    memcpy(shape.dims, value->type.dims, sizeof shape.dims);
    return shape;
}

const Dim *tn_shape_count(Call *call, const Shape *shape) {
    return tn_dim_product(call->ctx, shape->dims, (size_t)shape->rank);
}

const char *tn_shape_text(Call *call, const Shape *shape) {
    StrBuf text = tn_str(&call->ctx->scratch);
    tn_str_putc(&text, '[');
    for (int i = 0; i < shape->rank; i++) {
        tn_str_puts(&text, i > 0 ? "," : "");
        tn_dim_print(call->ctx, shape->dims[i], &text);
    }
    tn_str_putc(&text, ']');
    return text.data;
}

bool tn_make_require(Call *call, const Dim *a, const Dim *b, const char *format, ...) {
    if (a == b) {
        return true;
    }
    StrBuf text = tn_str(&call->ctx->arena);
    bool disproved = tn_dim_is(tn_dim_eq(call->ctx, a, b), 0);
    if (!disproved && call->loc.op != NULL) {
        /* What a run may report later has no location of its own. */
        tn_str_printf(&text, "%s '%s': ", call->loc.op, call->loc.node ? call->loc.node : "");
    }
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    return tn_graph_require_eq(call->graph, a, b, call->loc, text.data);
}

/* Of two dims demanded equal, the one that says more: a number, else a symbol. */
static const Dim *better(const Dim *a, const Dim *b) {
    if (tn_dim_is_const(a) || tn_dim_is_const(b)) {
        return tn_dim_is_const(a) ? a : b;
    }
    return b->kind == DIM_SYM && a->kind != DIM_SYM ? b : a;
}

static const Dim *dim_from_end(const Shape *shape, int i) {
    return i < shape->rank ? shape->dims[shape->rank - 1 - i] : NULL;
}

bool tn_shape_broadcast(Call *call, const Shape *a, const Shape *b, Shape *out) {
    Shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < result.rank; i++) {
        const Dim *da = dim_from_end(a, i);
        const Dim *db = dim_from_end(b, i);
        const Dim **slot = &result.dims[result.rank - 1 - i];
        if (da == NULL || (db != NULL && tn_dim_is(da, 1))) {
            *slot = db;
        } else if (db == NULL || tn_dim_is(db, 1) || da == db) {
            *slot = da;
        } else {
            *slot = better(da, db);
            if (!tn_make_require(call, da, db, "shapes %s and %s do not broadcast",
                                 tn_shape_text(call, a), tn_shape_text(call, b))) {
                return false;
            }
        }
    }
    *out = result;
    return true;
}

const Dim *tn_make_int(Call *call, int64_t value) {
    return tn_dim_const(call->ctx, value);
}

const Dim *tn_make_size(Call *call, const Dim *size, const char *what) {
    if (size->lo >= 0) {
        return size;
    }
    const Dim *clipped = tn_dim_max(call->ctx, size, tn_make_int(call, 0));
    StrBuf text = tn_str(&call->ctx->scratch);
    tn_dim_print(call->ctx, size, &text);
    if (!tn_make_require(call, size, clipped, "%s: the size %s is negative", what, text.data)) {
        return NULL;
    }
    return clipped;
}

/* Splits a dim into a constant and other factors, appended to `out`. A constant that wraps
 * gives a wrong quotient, which the element count of the reshape then refuses. */
static void factors(const Dim *dim, int64_t *constant, const Dim **out, size_t *n, size_t max) {
    if (tn_dim_is_const(dim)) {
        *constant = (int64_t)((uint64_t)*constant * (uint64_t)dim->value);
        return;
    }
    if (dim->kind == DIM_SUM && dim->n_args == 1 && dim->value == 0) {
        *constant = (int64_t)((uint64_t)*constant * (uint64_t)dim->coefs[0]);
        dim = dim->args[0];
    }
    if (dim->kind == DIM_MUL && *n + dim->n_args <= max) {
        for (uint32_t i = 0; i < dim->n_args; i++) {
            out[(*n)++] = dim->args[i];
        }
    } else {
        out[(*n)++] = dim;
    }
}

enum { MAX_FACTORS = 4 * TN_MAX_RANK };

typedef struct Factors {
    int64_t constant;
    const Dim *dims[MAX_FACTORS + TN_MAX_RANK];
    size_t n;
} Factors;

static Factors factors_of(const Dim *const *dims, size_t n) {
    Factors f = {.constant = 1};
    for (size_t i = 0; i < n; i++) {
        factors(dims[i], &f.constant, f.dims, &f.n, MAX_FACTORS);
    }
    return f;
}

/* Removes from both what occurs in both. */
static void cancel(Factors *a, Factors *b) {
    for (size_t i = 0; i < a->n;) {
        size_t k = 0;
        while (k < b->n && b->dims[k] != a->dims[i]) {
            k++;
        }
        if (k < b->n) {
            b->dims[k] = b->dims[--b->n];
            a->dims[i] = a->dims[--a->n];
        } else {
            i++;
        }
    }
}

const Dim *tn_make_quotient(Call *call, const Dim *const *num, size_t n_num, const Dim *const *den,
                            size_t n_den) {
    Ctx *ctx = call->ctx;
    Factors a = factors_of(num, n_num);
    Factors b = factors_of(den, n_den);
    cancel(&a, &b);
    if (b.constant > 0 && a.constant % b.constant == 0) {
        a.constant /= b.constant;
        b.constant = 1;
    }
    const Dim *top = tn_dim_mulc(ctx, tn_dim_product(ctx, a.dims, a.n), a.constant);
    const Dim *bottom = tn_dim_mulc(ctx, tn_dim_product(ctx, b.dims, b.n), b.constant);
    return tn_dim_div(ctx, top, bottom);
}

/* ---- nodes ---- */

Attr tn_make_attr_int(AttrName name, int64_t value) {
    return (Attr){.name = name, .kind = ATTR_INT, .i = value};
}

static Attr attr_dtype(DType dtype) {
    return (Attr){.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = dtype};
}

Attr tn_make_attr_ints(AttrName name, const int64_t *ints, size_t n) {
    return (Attr){.name = name, .kind = ATTR_INTS, .n = (uint32_t)n, .ints = ints};
}

Attr tn_make_attr_dims(AttrName name, const Dim *const *dims, size_t n) {
    return (Attr){.name = name, .kind = ATTR_DIMS, .n = (uint32_t)n, .dims = dims};
}

static Attr attr_shape(const Shape *shape) {
    return tn_make_attr_dims(TN_ATTR_dims, shape->dims, (size_t)shape->rank);
}

Value *tn_make_node(Call *call, Op op, Value *const *in, size_t n, const Attr *attrs,
                    size_t n_attrs) {
    for (size_t i = 0; i < n; i++) {
        if (in[i] == NULL) {
            return NULL;
        }
    }
    Node *node =
        tn_node_new(call->graph, op, in, (uint32_t)n, attrs, (uint32_t)n_attrs, call->loc, NULL);
    return node != NULL ? node->out[0] : NULL;
}

/* ---- sources ---- */

Value *tn_make_const(Call *call, DType dtype, const Shape *shape, const void *data) {
    Type type = tn_type_make(dtype, (uint8_t)shape->rank, shape->dims);
    int64_t count = tn_type_static_count(&type);
    if (count < 0) {
        tn_call_error(call, "a constant of shape %s is too large", tn_shape_text(call, shape));
        return NULL;
    }
    size_t size = (size_t)count * tn_dtype_bytes(dtype);
    void *copy = tn_arena_alloc(&call->ctx->arena, size > 0 ? size : 1, 16);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return tn_const_new(call->graph, type, copy, NULL);
}

static Value *scalar_from(Call *call, const RefTensor *value) {
    unsigned char bytes[8];
    Shape shape = {.rank = 0};
    tn_ref_to_bytes(value, bytes);
    return tn_make_const(call, value->dtype, &shape, bytes);
}

Value *tn_make_scalar(Call *call, DType dtype, double value) {
    double f = value;
    bool fits = value > -9e18 && value < 9e18;
    int64_t i = fits ? (int64_t)value : value > 0 ? INT64_MAX : value < 0 ? INT64_MIN : 0;
    RefTensor tensor = {.dtype = dtype, .count = 1};
    if (tn_dtype_is_float(dtype)) {
        tensor.f = &f;
    } else {
        tensor.i = &i;
    }
    return scalar_from(call, &tensor);
}

Value *tn_make_scalar_int(Call *call, DType dtype, int64_t value) {
    if (tn_dtype_is_float(dtype)) {
        return tn_make_scalar(call, dtype, (double)value);
    }
    RefTensor tensor = {.dtype = dtype, .count = 1, .i = &value};
    return scalar_from(call, &tensor);
}

Value *tn_make_dimvec(Call *call, const Dim *const *values, size_t n) {
    Attr attrs[] = {attr_dtype(TN_I64), tn_make_attr_dims(TN_ATTR_values, values, n)};
    return tn_make_node(call, TN_OP_dimvec, NULL, 0, attrs, 2);
}

Value *tn_make_scalar_dim(Call *call, DType dtype, const Dim *value) {
    if (tn_dim_is_const(value)) {
        return tn_make_scalar_int(call, dtype, value->value);
    }
    return tn_make_cast(call, tn_make_to_scalar(call, tn_make_dimvec(call, &value, 1)), dtype);
}

Value *tn_make_iota(Call *call, DType dtype, const Shape *shape, int axis) {
    Attr attrs[] = {attr_dtype(dtype), attr_shape(shape), tn_make_attr_int(TN_ATTR_axis, axis)};
    return tn_make_node(call, TN_OP_iota, NULL, 0, attrs, 3);
}

/* ---- elementwise ---- */

Value *tn_make_map1(Call *call, Op op, Value *a) {
    return tn_make_node(call, op, &a, 1, NULL, 0);
}

Value *tn_make_map2(Call *call, Op op, Value *a, Value *b) {
    if (a == NULL || b == NULL) {
        return NULL;
    }
    Shape sa = tn_shape_of(a);
    Shape sb = tn_shape_of(b);
    Shape shape;
    if (!tn_shape_broadcast(call, &sa, &sb, &shape)) {
        return NULL;
    }
    Value *in[] = {tn_make_expand(call, a, &shape), tn_make_expand(call, b, &shape)};
    return tn_make_node(call, op, in, 2, NULL, 0);
}

Value *tn_make_select(Call *call, Value *cond, Value *a, Value *b) {
    if (cond == NULL || a == NULL || b == NULL) {
        return NULL;
    }
    Shape shape = tn_shape_of(cond);
    Shape sa = tn_shape_of(a);
    Shape sb = tn_shape_of(b);
    if (!tn_shape_broadcast(call, &shape, &sa, &shape) ||
        !tn_shape_broadcast(call, &shape, &sb, &shape)) {
        return NULL;
    }
    Value *in[] = {tn_make_expand(call, cond, &shape), tn_make_expand(call, a, &shape),
                   tn_make_expand(call, b, &shape)};
    return tn_make_node(call, TN_OP_select, in, 3, NULL, 0);
}

Value *tn_make_cast(Call *call, Value *a, DType dtype) {
    if (a == NULL || a->type.dtype == dtype) {
        return a;
    }
    Attr to = attr_dtype(dtype);
    return tn_make_node(call, TN_OP_cast, &a, 1, &to, 1);
}

Value *tn_make_map2_num(Call *call, Op op, Value *a, double b) {
    return a == NULL ? NULL : tn_make_map2(call, op, a, tn_make_scalar(call, a->type.dtype, b));
}

Value *tn_make_num_map2(Call *call, Op op, double a, Value *b) {
    return b == NULL ? NULL : tn_make_map2(call, op, tn_make_scalar(call, b->type.dtype, a), b);
}

/* ---- views ---- */

static bool same_shape(const Value *a, const Shape *shape) {
    return a->type.rank == shape->rank &&
           memcmp(a->type.dims, shape->dims, (size_t)shape->rank * sizeof *shape->dims) == 0;
}

Value *tn_make_reshape(Call *call, Value *a, const Shape *shape) {
    if (a == NULL || same_shape(a, shape)) {
        return a;
    }
    Attr dims = attr_shape(shape);
    return tn_make_node(call, TN_OP_reshape, &a, 1, &dims, 1);
}

Value *tn_make_transpose(Call *call, Value *a, const int64_t *perm) {
    if (a == NULL) {
        return NULL;
    }
    bool identity = true;
    for (int i = 0; i < a->type.rank; i++) {
        identity = identity && perm[i] == i;
    }
    Attr attr = tn_make_attr_ints(TN_ATTR_perm, perm, a->type.rank);
    return identity ? a : tn_make_node(call, TN_OP_transpose, &a, 1, &attr, 1);
}

static Value *slice_node(Call *call, Value *a, const Dim *const *starts, const int64_t *steps,
                         const Shape *shape) {
    size_t n = (size_t)shape->rank;
    Attr attrs[] = {tn_make_attr_dims(TN_ATTR_starts, starts, n),
                    tn_make_attr_ints(TN_ATTR_steps, steps, n), attr_shape(shape)};
    return tn_make_node(call, TN_OP_slice, &a, 1, attrs, 3);
}

Value *tn_make_slice(Call *call, Value *a, int axis, const Dim *start, const Dim *count,
                     int64_t step) {
    if (a == NULL || start == NULL || count == NULL) {
        return NULL;
    }
    Shape shape = tn_shape_of(a);
    if (tn_dim_is(start, 0) && step == 1 && count == shape.dims[axis]) {
        return a;
    }
    const Dim *starts[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) {
        starts[i] = i == axis ? start : tn_make_int(call, 0);
        steps[i] = i == axis ? step : 1;
    }
    shape.dims[axis] = count;
    return slice_node(call, a, starts, steps, &shape);
}

Value *tn_make_assume(Call *call, Value *a, const Shape *shape) {
    if (a == NULL || same_shape(a, shape)) {
        return a;
    }
    const Dim *starts[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK];
    for (int i = 0; i < shape->rank; i++) {
        starts[i] = tn_make_int(call, 0);
        steps[i] = 1;
    }
    return slice_node(call, a, starts, steps, shape);
}

Value *tn_make_expand_axes(Call *call, Value *a, const Shape *shape, const int64_t *axes) {
    if (a == NULL) {
        return NULL;
    }
    Attr attrs[] = {attr_shape(shape), tn_make_attr_ints(TN_ATTR_axes, axes, a->type.rank)};
    return tn_make_node(call, TN_OP_expand, &a, 1, attrs, 2);
}

Value *tn_make_expand(Call *call, Value *a, const Shape *shape) {
    if (a == NULL || same_shape(a, shape)) {
        return a;
    }
    int rank = a->type.rank;
    if (rank > shape->rank) {
        Shape from = tn_shape_of(a);
        tn_call_error(call, "shape %s does not broadcast to %s", tn_shape_text(call, &from),
                      tn_shape_text(call, shape));
        return NULL;
    }
    Shape from = tn_shape_of(a);
    Shape assumed = from;
    int64_t axes[TN_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        axes[i] = shape->rank - rank + i;
        const Dim *to = shape->dims[axes[i]];
        if (tn_dim_is(from.dims[i], 1) || from.dims[i] == to) {
            continue;
        }
        assumed.dims[i] = to;
        if (!tn_make_require(call, from.dims[i], to, "shape %s does not broadcast to %s",
                             tn_shape_text(call, &from), tn_shape_text(call, shape))) {
            return NULL;
        }
    }
    a = tn_make_assume(call, a, &assumed);
    return a == NULL || same_shape(a, shape) ? a : tn_make_expand_axes(call, a, shape, axes);
}

Value *tn_make_fill(Call *call, Value *scalar, const Shape *shape) {
    return tn_make_expand(call, tn_make_to_scalar(call, scalar), shape);
}

Value *tn_make_unsqueeze(Call *call, Value *a, uint32_t axes) {
    if (a == NULL) {
        return NULL;
    }
    Shape shape = {.rank = a->type.rank + __builtin_popcount(axes)};
    if (shape.rank > TN_MAX_RANK) {
        tn_diag(&call->ctx->diags, TN_LIMIT, call->loc, "%d dimensions, at most %d are possible",
                shape.rank, TN_MAX_RANK);
        return NULL;
    }
    for (int i = 0, from = 0; i < shape.rank; i++) {
        bool added = (axes >> i & 1) != 0;
        shape.dims[i] = added ? tn_make_int(call, 1) : a->type.dims[from++];
    }
    return tn_make_reshape(call, a, &shape);
}

Value *tn_make_squeeze(Call *call, Value *a, uint32_t axes) {
    if (a == NULL) {
        return NULL;
    }
    Shape shape = {.rank = 0};
    for (int i = 0; i < a->type.rank; i++) {
        if ((axes >> i & 1) == 0) {
            shape.dims[shape.rank++] = a->type.dims[i];
        } else if (!tn_make_require(call, a->type.dims[i], tn_make_int(call, 1),
                                    "dimension %d to be dropped is not 1", i)) {
            return NULL;
        }
    }
    return tn_make_reshape(call, a, &shape);
}

Value *tn_make_to_scalar(Call *call, Value *a) {
    Shape shape = {.rank = 0};
    return tn_make_reshape(call, a, &shape);
}

Value *tn_make_flatten(Call *call, Value *a, int lo, int hi) {
    if (a == NULL) {
        return NULL;
    }
    Shape shape = {.rank = 0};
    for (int i = 0; i < lo; i++) {
        shape.dims[shape.rank++] = a->type.dims[i];
    }
    shape.dims[shape.rank++] = tn_dim_product(call->ctx, a->type.dims + lo, (size_t)(hi - lo));
    for (int i = hi; i < a->type.rank; i++) {
        shape.dims[shape.rank++] = a->type.dims[i];
    }
    return tn_make_reshape(call, a, &shape);
}

Value *tn_make_channels(Call *call, Value *vector, int rank, int axis) {
    if (vector == NULL) {
        return NULL;
    }
    Shape shape = {.rank = rank - axis};
    for (int i = 0; i < shape.rank; i++) {
        shape.dims[i] = tn_make_int(call, 1);
    }
    shape.dims[0] = tn_type_count(call->ctx, &vector->type);
    return tn_make_reshape(call, vector, &shape);
}

/* ---- the rest ---- */

Value *tn_make_reduce(Call *call, Op op, Value *a, uint32_t axes, bool keepdims) {
    if (a == NULL || axes == 0) {
        return a;
    }
    int64_t list[TN_MAX_RANK];
    size_t n = 0;
    for (int i = 0; i < a->type.rank; i++) {
        if ((axes >> i & 1) != 0) {
            list[n++] = i;
        }
    }
    Attr attr = tn_make_attr_ints(TN_ATTR_axes, list, n);
    Value *reduced = tn_make_node(call, op, &a, 1, &attr, 1);
    return keepdims ? tn_make_unsqueeze(call, reduced, axes) : reduced;
}

const Dim *tn_make_reduced_count(Call *call, const Value *a, uint32_t axes) {
    const Dim *count = tn_make_int(call, 1);
    for (int i = 0; i < a->type.rank; i++) {
        if ((axes >> i & 1) != 0) {
            count = tn_dim_mul(call->ctx, count, a->type.dims[i]);
        }
    }
    return count;
}

Value *tn_make_mean(Call *call, Value *a, uint32_t axes, bool keepdims) {
    if (a == NULL) {
        return NULL;
    }
    const Dim *count = tn_make_reduced_count(call, a, axes);
    return tn_make_map2(call, TN_OP_div, tn_make_reduce(call, TN_OP_reduce_sum, a, axes, keepdims),
                        tn_make_scalar_dim(call, a->type.dtype, count));
}

Value *tn_make_concat(Call *call, Value *const *values, size_t n, int axis) {
    Attr attr = tn_make_attr_int(TN_ATTR_axis, axis);
    return n == 1 ? values[0] : tn_make_node(call, TN_OP_concat, values, n, &attr, 1);
}

Value *tn_make_gather(Call *call, Value *data, Value *indices, int axis) {
    Value *in[] = {data, indices};
    Attr attr = tn_make_attr_int(TN_ATTR_axis, axis);
    return tn_make_node(call, TN_OP_gather, in, 2, &attr, 1);
}

Value *tn_make_pad(Call *call, Value *a, Value *fill, const Dim *const *lo, const Dim *const *hi) {
    if (a == NULL || fill == NULL) {
        return NULL;
    }
    size_t n = a->type.rank;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        any = any || !tn_dim_is(lo[i], 0) || !tn_dim_is(hi[i], 0);
    }
    if (!any) {
        return a;
    }
    Value *in[] = {a, fill};
    Attr attrs[] = {tn_make_attr_dims(TN_ATTR_lo, lo, n), tn_make_attr_dims(TN_ATTR_hi, hi, n)};
    return tn_make_node(call, TN_OP_pad, in, 2, attrs, 2);
}
