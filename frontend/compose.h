/* compose.h: the small language importers write compositions of primitives in.
 *
 * Every function appends nodes at the call's location and returns the value, or NULL after
 * a diagnostic; a NULL operand gives NULL at once, so compositions need no checks between.
 * Broadcasting follows NumPy: dimensions of size 1 repeat, others must be equal; what cannot
 * be proved about symbolic ones is recorded as a constraint of the graph.
 */
#ifndef TN_FRONTEND_COMPOSE_H
#define TN_FRONTEND_COMPOSE_H

#include "frontend/call.h"

/* Dims of a value being composed. */
typedef struct Shape {
    int rank;
    const Dim *dims[TN_MAX_RANK];
} Shape;

Shape tn_shape_of(const Value *value);
/* Number of elements. */
const Dim *tn_shape_count(Call *call, const Shape *shape);
/* "[N,3,4]" in the scratch arena. */
const char *tn_shape_text(Call *call, const Shape *shape);
/* What both broadcast to; false after a diagnostic. */
bool tn_shape_broadcast(Call *call, const Shape *a, const Shape *b, Shape *out);
/* Demands a == b; false after a diagnostic when it is disproved. */
bool tn_make_require(Call *call, const Dim *a, const Dim *b, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* `size` as a dimension: demanded not to be negative. NULL after a diagnostic. */
const Dim *tn_make_size(Call *call, const Dim *size, const char *what);
/* The product of `num` over the product of `den`, common factors cancelled. */
const Dim *tn_make_quotient(Call *call, const Dim *const *num, size_t n_num, const Dim *const *den,
                            size_t n_den);
const Dim *tn_make_int(Call *call, int64_t value);

/* ---- sources ---- */
Value *tn_make_scalar(Call *call, DType dtype, double value);
Value *tn_make_scalar_int(Call *call, DType dtype, int64_t value);
/* A scalar holding a dimension expression. */
Value *tn_make_scalar_dim(Call *call, DType dtype, const Dim *value);
/* Data of static shape, copied. */
Value *tn_make_const(Call *call, DType dtype, const Shape *shape, const void *data);
Value *tn_make_iota(Call *call, DType dtype, const Shape *shape, int axis);
/* i64 vector of expressions. */
Value *tn_make_dimvec(Call *call, const Dim *const *values, size_t n);

/* ---- elementwise ---- */
Value *tn_make_map1(Call *call, Op op, Value *a);
Value *tn_make_map2(Call *call, Op op, Value *a, Value *b);
Value *tn_make_select(Call *call, Value *cond, Value *a, Value *b);
Value *tn_make_cast(Call *call, Value *a, DType dtype);
/* With the number as second (or first) operand, in the other operand's dtype. */
Value *tn_make_map2_num(Call *call, Op op, Value *a, double b);
Value *tn_make_num_map2(Call *call, Op op, double a, Value *b);

/* ---- views ---- */
Value *tn_make_reshape(Call *call, Value *a, const Shape *shape);
Value *tn_make_transpose(Call *call, Value *a, const int64_t *perm);
/* NumPy broadcast to `shape`. */
Value *tn_make_expand(Call *call, Value *a, const Shape *shape);
/* Repeats only: dim i of `a` becomes dim axes[i]. */
Value *tn_make_expand_axes(Call *call, Value *a, const Shape *shape, const int64_t *axes);
/* A scalar (or one-element value) repeated. */
Value *tn_make_fill(Call *call, Value *scalar, const Shape *shape);
/* Inserts dims of size 1 at the places of the result whose bits are set. */
Value *tn_make_unsqueeze(Call *call, Value *a, uint32_t axes);
/* Drops dims, which must be 1. */
Value *tn_make_squeeze(Call *call, Value *a, uint32_t axes);
/* A value of one element as rank 0. */
Value *tn_make_to_scalar(Call *call, Value *a);
/* Dims [lo,hi) flattened into one (of size 1 when there are none). */
Value *tn_make_flatten(Call *call, Value *a, int lo, int hi);
/* `count` elements of one axis. */
Value *tn_make_slice(Call *call, Value *a, int axis, const Dim *start, const Dim *count,
                     int64_t step);
/* The same elements under dims known to be equal though not provably so. */
Value *tn_make_assume(Call *call, Value *a, const Shape *shape);
/* Reshapes a per-channel vector for an operand of that rank: [C] to [1,C,1,...]. */
Value *tn_make_channels(Call *call, Value *vector, int rank, int axis);

/* ---- the rest ---- */
/* op is a reduce_ primitive; axes are bits. */
Value *tn_make_reduce(Call *call, Op op, Value *a, uint32_t axes, bool keepdims);
Value *tn_make_mean(Call *call, Value *a, uint32_t axes, bool keepdims);
/* Elements reduced over the axes. */
const Dim *tn_make_reduced_count(Call *call, const Value *a, uint32_t axes);
Value *tn_make_concat(Call *call, Value *const *values, size_t n, int axis);
Value *tn_make_gather(Call *call, Value *data, Value *indices, int axis);
Value *tn_make_pad(Call *call, Value *a, Value *fill, const Dim *const *lo, const Dim *const *hi);
/* A node of any primitive with one result. */
Value *tn_make_node(Call *call, Op op, Value *const *in, size_t n, const Attr *attrs,
                    size_t n_attrs);
Attr tn_make_attr_int(AttrName name, int64_t value);
/* The lists are borrowed until the node is made. */
Attr tn_make_attr_ints(AttrName name, const int64_t *ints, size_t n);
Attr tn_make_attr_dims(AttrName name, const Dim *const *dims, size_t n);

#endif
