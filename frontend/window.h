/* window.h: the geometry that convolutions and poolings share: kernel, strides, dilations
 * and padding of each spatial dim, however the operator states them. */
#ifndef TN_FRONTEND_WINDOW_H
#define TN_FRONTEND_WINDOW_H

#include "frontend/compose.h"

typedef struct Window {
    int n;                                        /* spatial dims */
    int64_t size[TN_MAX_RANK];                    /* taps */
    int64_t stride[TN_MAX_RANK], dilation[TN_MAX_RANK];
    const Dim *in[TN_MAX_RANK];                   /* size of the operand */
    const Dim *lo[TN_MAX_RANK], *hi[TN_MAX_RANK]; /* padding as the operator means it */
    /* Padding that makes the primitives, which round down, give the right number of windows;
     * it differs from `hi` where ceil_mode adds an overhang. */
    const Dim *reach[TN_MAX_RANK];
} Window;

/* Reads the attributes of a node over `x` [N,C,spatial...]; `size` holds the taps of each
 * spatial dim, or is NULL to take them from 'kernel_shape'. */
bool tn_window_read(Call *call, const Value *x, const int64_t *size, Window *out);
/* Whether all padding is known at compile time. */
bool tn_window_is_static(const Window *window);
/* One pooling of `x`, whose last dims are the window's; padding that is not static is put
 * around `x` with `fill` first. */
Value *tn_make_pool(Call *call, Op op, Value *x, const Window *window, Value *fill);
/* `x` with padding that is not static put around it, which is then 0 in the window. */
Value *tn_make_padded(Call *call, Value *x, Window *window, Value *fill);

#endif
