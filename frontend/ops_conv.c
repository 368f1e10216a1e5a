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

/* Taps of each spatial dim: the dims of the weights, which must be numbers. */
static bool kernel_size(Call *call, const Value *x, const Value *weights, int64_t *out) {
    if (weights->type.rank != x->type.rank) {
        return tn_call_error(call, "the weights have rank %d, the operand %d", weights->type.rank,
                             x->type.rank);
    }
    for (int i = 2; i < weights->type.rank; i++) {
        const Dim *size = weights->type.dims[i];
        if (!tn_dim_is_const(size)) {
            return tn_call_unsupported(call, "weights whose dimension %d is not known at compile "
                                       "time are not supported", i);
        }
        out[i - 2] = size->value;
    }
    return true;
}

bool tn_import_conv(Call *call) {
    Value *x = call->in[0];
    Value *weights = call->in[1];
    Value *bias = tn_call_in(call, 2);
    int64_t size[TN_MAX_RANK];
    Window window;
    if (!kernel_size(call, x, weights, size) || !tn_window_read(call, x, size, &window)) {
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
