/* support.h: what the families of primitives share: checks for type rules, walks over
 * reference tensors for evaluation, and index helpers for formulas.
 *
 * Checks return false after adding a diagnostic that opens with the op's name. Private
 * to ir/ops and ir/eval.c.
 */
#ifndef TN_IR_OPS_SUPPORT_H
#define TN_IR_OPS_SUPPORT_H

#include "ir/ops/ops.h"

/* More elements than this in one value are refused (TN_LIMIT). */
#define TN_COUNT_MAX ((int64_t)1 << 40)

/* ---- type rules ---- */

/* Adds "<op>: <text>" as TN_BAD_INPUT at the node; always false. */
bool tn_op_error(Graph *graph, const Node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Text of a dimension or type, in the scratch arena. */
const char *tn_op_dim_text(Graph *graph, const Dim *dim);
const char *tn_op_type_text(Graph *graph, const Type *type);
/* Whether elements of `dtype` can be computed with at all. */
bool tn_op_dtype_known(DType dtype);
/* The element type of operand `slot` is in `domain`. */
bool tn_op_check_domain(Graph *graph, const Node *node, uint32_t slot, MapDomain domain);
/* Operand `slot` has the element type of operand `as`. */
bool tn_op_check_same_dtype(Graph *graph, const Node *node, uint32_t slot, uint32_t as);
/* Every entry of the list attribute is in 0..rank-1 and none occurs twice; sets
 * seen[entry] (rank entries, cleared first). */
bool tn_op_check_axes(Graph *graph, const Node *node, AttrName name, int rank, bool *seen);
/* The integer attribute is in lo..hi. */
bool tn_op_check_int(Graph *graph, const Node *node, AttrName name, int64_t lo, int64_t hi);
/* The list attribute has `n` entries. */
bool tn_op_check_len(Graph *graph, const Node *node, AttrName name, uint32_t n);
/* The list attribute has `n` entries, none below `lo` or above 2^31. */
bool tn_op_check_ints(Graph *graph, const Node *node, AttrName name, uint32_t n, int64_t lo);
/* For the type rules of primitives with a body (loop.c): its counts of inputs and outputs and the
 * turn; a type in the body against the one outside; what the body requires of its symbols. */
bool tn_body_check(Graph *graph, const Node *node);
bool tn_body_check_type(Graph *graph, const Node *node, const char *what, uint32_t i,
                        const Type *found, const Type *expected);
bool tn_body_adopt_constraints(Graph *graph, const Node *node);
/* Demands a == b: proved, disproved (diagnostic) or recorded for run time. The text says what
 * is wrong when they differ. */
bool tn_op_require(Graph *graph, const Node *node, const Dim *a, const Dim *b, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));
/* Operand `slot` has the rank and, but for dimension `except` (-1: none), the sizes of
 * operand 0. */
bool tn_op_check_same_dims(Graph *graph, const Node *node, uint32_t slot, int except);
/* Sets the type of result 0 after checking it: at most TN_MAX_RANK dims, none negative,
 * no overflow, at most TN_COUNT_MAX elements. Keeps the layout the value had. */
bool tn_op_set_result(Graph *graph, Node *node, DType dtype, uint32_t rank, const Dim *const *dims);

/* ---- windows, common to pool and conv: one dimension ---- */

/* Number of windows of `window` taps, `dilation` apart, at `stride`, over `size` elements
 * (`in_dilation` apart) with lo and hi added around them. Never negative. */
const Dim *tn_window_count(Ctx *ctx, const Dim *size, const Dim *window, int64_t stride, int64_t lo,
                           int64_t hi, int64_t dilation, int64_t in_dilation);

/* ---- evaluation ---- */

/* Adds "<op>: <text>" as TN_BAD_INPUT at the node; always false. */
bool tn_eval_error(EvalArgs *args, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The dimension at the run's symbols. */
bool tn_eval_dim(EvalArgs *args, const Dim *dim, int64_t *out);
/* All dimensions of a DIMS attribute; `out` has TN_MAX_RANK entries at least. */
bool tn_eval_dims(EvalArgs *args, AttrName name, int64_t *out);
/* Working memory, freed by the caller; NULL after a diagnostic. */
void *tn_eval_scratch(EvalArgs *args, int64_t count, size_t size);
/* Steps `index` in row-major order; false (and all zero again) after the last. */
bool tn_index_next(int rank, const int64_t *dims, int64_t *index);
/* Row-major position of `index` in the tensor. */
int64_t tn_ref_offset(const RefTensor *tensor, const int64_t *index);
/* out[to] = in[from], same class of dtype. */
void tn_ref_move(RefTensor *out, int64_t to, const RefTensor *in, int64_t from);
/* The value as the dtype holds it: cut to its width, then sign- or zero-extended. */
int64_t tn_int_wrap(DType dtype, int64_t value);
/* Wraps every element of an integer tensor; others stay. */
void tn_ref_wrap_all(RefTensor *tensor);
/* Least and greatest value of an integer dtype (u64 as its bit pattern). */
int64_t tn_int_least(DType dtype);
int64_t tn_int_greatest(DType dtype);
/* a < b as values of an integer dtype. */
bool tn_int_less(DType dtype, int64_t a, int64_t b);
/* The smaller or larger, NaN if either is. */
double tn_float_min(double a, double b);
double tn_float_max(double a, double b);

/* Every element becomes `f` or, for integers, `i`. */
void tn_ref_fill(RefTensor *tensor, double f, int64_t i);
/* out[to] = op(out[to], in[from]); op is add, mul, min or max. */
void tn_ref_combine(RefTensor *out, int64_t to, Op op, const RefTensor *in, int64_t from);
/* Whether element `at` takes the place of the earlier element `best` in an argmax (op max) or
 * argmin (op min): NaN beats numbers, among equals the later wins if `last`. */
bool tn_ref_better(const RefTensor *in, Op op, bool last, int64_t at, int64_t best);

/* ---- formulas ---- */

/* The start of a max or min reduction: -inf / +inf, or the least / greatest integer. */
Expr *tn_lower_extreme(Ctx *ctx, DType dtype, bool least);
/* Adds a loop of `extent` to the reduction and returns its variable. */
const Dim *tn_reduction_loop(Lower *lower, Reduction *reduction, const char *name,
                             const Dim *extent);

#endif
