/* ops_conv.c: convolution. */
#include "frontend/window.h"

static Value *conv(Call *call, Value *x, Value *weights, const Window *w, int64_t groups) {
    int64_t lo[TN_MAX_RANK], hi[TN_MAX_RANK], ones[TN_MAX_RANK];
    size_t n = (size_t)w->n;
    for (size_t i = 0; i < n; i++) {
        lo[i] = w->lo[i]->value;
        hi[i] = w->hi[i]->value;
        ones[i] = 1;
    }
    Value *in[] = {x, weights};
    Attr attrs[] = {tn_make_attr_ints(TN_ATTR_strides, w->stride, n),
                    tn_make_attr_ints(TN_ATTR_pads_lo, lo, n),
                    tn_make_attr_ints(TN_ATTR_pads_hi, hi, n),
                    tn_make_attr_ints(TN_ATTR_dilations, w->dilation, n),
                    tn_make_attr_ints(TN_ATTR_in_dilations, ones, n),
                    tn_make_attr_int(TN_ATTR_groups, groups)};
    return tn_make_node(call, TN_OP_conv, in, 2, attrs, 6);
}

/* Taps of each spatial dim: the dims of the weights. What they leave open 'kernel_shape' must
 * tell, and is demanded at run time. */
static Value *fix_kernel(Call *call, const Value *x, Value *weights, int64_t *out) {
    Shape shape = tn_shape_of(weights);
    size_t n;
    const int64_t *kernel = tn_call_int_list(call, "kernel_shape", &n);
    if (shape.rank != x->type.rank) {
        tn_call_error(call, "the weights have rank %d, the operand %d", shape.rank, x->type.rank);
        return NULL;
    }
    for (int i = 2; i < shape.rank; i++) {
        const Dim *size = shape.dims[i];
        if (!tn_dim_is_const(size) && (size_t)i - 2 < n) {
            shape.dims[i] = tn_make_int(call, kernel[i - 2]);
            if (!tn_make_require(call, size, shape.dims[i],
                                 "the weights differ from 'kernel_shape'")) {
                return NULL;
            }
        } else if (!tn_dim_is_const(size)) {
            tn_call_unsupported(call,
                                "without 'kernel_shape' the weights' dimension %d must be "
                                "known at compile time",
                                i);
            return NULL;
        }
        out[i - 2] = shape.dims[i]->value;
    }
    return tn_make_assume(call, weights, &shape);
}

bool tn_import_conv(Call *call) {
    Value *x = call->in[0];
    Value *bias = tn_call_in(call, 2);
    int64_t size[TN_MAX_RANK];
    Window window;
    Value *weights = fix_kernel(call, x, call->in[1], size);
    if (weights == NULL || !tn_window_read(call, x, size, &window)) {
        return false;
    }
    int64_t groups = tn_call_int(call, "group", 1);
    Value *zero = tn_make_scalar_int(call, x->type.dtype, 0);
    Value *y = conv(call, tn_make_padded(call, x, &window, zero), weights, &window, groups);
    if (bias != NULL && y != NULL) {
        y = tn_make_map2(call, TN_OP_add, y, tn_make_channels(call, bias, y->type.rank, 1));
    }
    call->out[0] = y;
    return y != NULL;
}
