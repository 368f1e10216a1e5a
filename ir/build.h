/* build.h: making nodes, in graph passes and in the rules of the op table.
 *
 * Every function returns the new node's result, or the operand itself where nothing would
 * change, or NULL after a diagnostic when a type rule refuses (a bug of the caller).
 * A rewrite keeps the meaning, so what it builds demands nothing new: constraints that
 * type rules note on the way are dropped, those of the original nodes stay.
 */
#ifndef TN_IR_BUILD_H
#define TN_IR_BUILD_H

#include "ir/op.h"

typedef struct Build {
    Graph *graph;
    Node *before; /* new nodes stand before this one */
    Loc loc;
} Build;

/* Nodes built stand before `node` and take its location. */
Build tn_build_at(Graph *graph, Node *node);

Attr tn_attr_of_int(AttrName name, int64_t value);
Attr tn_attr_of_dtype(AttrName name, DType dtype);
/* Lists are borrowed until a node is made of them. */
Attr tn_attr_of_ints(AttrName name, const int64_t *ints, uint32_t n);
Attr tn_attr_of_dims(AttrName name, const Dim *const *dims, uint32_t n);

Value *tn_build_node(Build *build, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                     uint32_t n_attrs);
/* A node like `node`, attributes included, over other operands. */
Value *tn_build_like(Build *build, const Node *node, Value *const *in, uint32_t n_in);
Value *tn_build_map1(Build *build, Op op, Value *a);
Value *tn_build_map2(Build *build, Op op, Value *a, Value *b);
Value *tn_build_reshape(Build *build, Value *x, uint32_t rank, const Dim *const *dims);
Value *tn_build_transpose(Build *build, Value *x, const int64_t *perm);
Value *tn_build_expand(Build *build, Value *x, uint32_t rank, const Dim *const *dims,
                       const int64_t *axes);
Value *tn_build_slice(Build *build, Value *x, const Dim *const *starts, const int64_t *steps,
                      const Dim *const *dims);
/* Zeros around the value and `interior` between neighbours of each dim; lo and hi not negative. */
Value *tn_build_pad(Build *build, Value *x, const Dim *const *lo, const Dim *const *hi,
                    const int64_t *interior);
/* Elements interior + 1 apart among zeros in a tensor of dims `total`, the first at lo; what
 * falls outside, lo being negative or the rest too long, is left out. */
Value *tn_build_place(Build *build, Value *x, const Dim *const *lo, const int64_t *interior,
                      const Dim *const *total);
Value *tn_build_reduce(Build *build, Op op, Value *x, const int64_t *axes, uint32_t n);
/* A constant over borrowed row-major bytes. */
Value *tn_build_const(Build *build, const Type *type, const void *bytes);
/* A scalar constant; the value is rounded to the dtype. */
Value *tn_build_scalar(Build *build, DType dtype, double value);
/* `scalar` (rank 0) repeated to the dims of `type`. */
Value *tn_build_splat(Build *build, const Type *type, Value *scalar);
/* The number repeated to the type's dims. */
Value *tn_build_number(Build *build, const Type *type, double value);

#endif
