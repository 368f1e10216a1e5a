/* tensor.h: tensors in the tool's own memory: making, filling, comparing, printing them. */
#ifndef TN_TOOLS_TENSOR_H
#define TN_TOOLS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "tenon/runtime.h"

/* Gets 64-byte aligned memory for dtype and dims already set; false when that cannot be. */
bool tn_tensor_alloc(tn_tensor *tensor);
void tn_tensors_free(tn_tensor *tensors, int32_t n);
size_t tn_tensor_bytes(const tn_tensor *tensor);
/* Fills with numbers that only depend on `seed`: floats in -1..1, integers in 0..99. */
void tn_tensor_random(tn_tensor *tensor, uint64_t seed);
/* The same with integers below `limit`. */
void tn_tensor_random_below(tn_tensor *tensor, uint64_t seed, uint64_t limit);
double tn_tensor_get(const tn_tensor *tensor, int64_t index);
/* "f32[1,10]". */
void tn_tensor_type_text(const tn_tensor *tensor, char *text, size_t size);
/* Type, range and the first elements, on one line of standard output. */
void tn_tensor_print(const char *name, const tn_tensor *tensor);

/* How far `got` is from `want`. */
typedef struct TensorDiff {
    double error;  /* largest difference divided by the largest magnitude of `want` */
    int64_t where; /* flat index of the largest difference, -1 when equal */
    double got, want;
} TensorDiff;

/* Both of one shape. NaN equals NaN and an infinity itself; against anything else they
 * are an infinite error. */
TensorDiff tn_tensor_diff(const tn_tensor *got, const tn_tensor *want);
/* The same divided by `floor` where that is more than the largest magnitude. */
TensorDiff tn_tensor_diff_above(const tn_tensor *got, const tn_tensor *want, double floor);
bool tn_tensor_same_shape(const tn_tensor *a, const tn_tensor *b);
/* Whether |got - want| <= atol + rtol |want| for floats and equality for the rest holds
 * everywhere; `*where` is the first place where not. */
bool tn_tensor_close(const tn_tensor *got, const tn_tensor *want, double rtol, double atol,
                     int64_t *where);
/* "[2, 0, 5]", the position of a flat index. */
void tn_tensor_place(const tn_tensor *tensor, int64_t index, char *text, size_t size);

#endif
