/* window.c: geometry of windows.
 *
 * Padding is kept as dimension expressions: with auto_pad SAME or ceil_mode it depends on
 * the operand's size, which may be symbolic. The primitives take numbers only, so padding
 * that is not a number becomes a pad primitive in front of them.
 */
#include "frontend/window.h"

#include <string.h>

typedef enum AutoPad { PAD_EXPLICIT, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER } AutoPad;

/* ---- reading ---- */

/* One entry per spatial dim, `otherwise` when the attribute is absent. */
static bool read_list(Call *call, const char *attr, int n, int64_t otherwise, int64_t *out) {
    size_t found;
    const int64_t *list = tn_call_int_list(call, attr, &found);
    for (int i = 0; i < n; i++) {
        out[i] = otherwise;
    }
    if (!tn_call_has(call, attr) || found == 0) {
        return true;
    }
    if (found != (size_t)n) {
        return tn_call_error(call, "'%s' has %zu entries for %d spatial dimensions", attr, found,
                             n);
    }
    for (int i = 0; i < n; i++) {
        if (list[i] < 1 || list[i] > INT32_MAX) {
            return tn_call_error(call, "'%s' has the entry %lld, expected 1 to 2^31", attr,
                                 (long long)list[i]);
        }
        out[i] = list[i];
    }
    return true;
}

static bool read_size(Call *call, const int64_t *size, Window *w) {
    if (size == NULL && !tn_call_has(call, "kernel_shape")) {
        return tn_call_error(call, "attribute 'kernel_shape' is missing");
    }
    if (!read_list(call, "kernel_shape", w->n, 0, w->size)) {
        return false;
    }
    for (int i = 0; i < w->n && size != NULL; i++) {
        if (w->size[i] != 0 && w->size[i] != size[i]) {
            return tn_call_error(call,
                                 "'kernel_shape' has %lld at position %d, the weights have %lld",
                                 (long long)w->size[i], i, (long long)size[i]);
        }
        w->size[i] = size[i];
    }
    return true;
}

static bool read_auto_pad(Call *call, AutoPad *out) {
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    StrView text = tn_call_text(call, "auto_pad", "NOTSET");
    for (int i = 0; i < 4; i++) {
        if (tn_sv_is(text, names[i])) {
            *out = (AutoPad)i;
            return true;
        }
    }
    if (text.len == 0) {
        *out = PAD_EXPLICIT;
        return true;
    }
    return tn_call_error(call,
                         "'auto_pad' is '%s', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                         tn_sv_dup(&call->ctx->scratch, text));
}

/* Elements from the first to the last tap. */
static int64_t extent(const Window *w, int i) {
    return (w->size[i] - 1) * w->dilation[i] + 1;
}

/* As many windows as ceil(in / stride): what is missing is added, half on each side. */
static void pad_same(Call *call, AutoPad mode, Window *w, int i) {
    Ctx *ctx = call->ctx;
    const Dim *windows = tn_dim_ceil_div(ctx, w->in[i], tn_make_int(call, w->stride[i]));
    const Dim *need = tn_dim_mulc(ctx, tn_dim_addc(ctx, windows, -1), w->stride[i]);
    need = tn_dim_sub(ctx, tn_dim_addc(ctx, need, extent(w, i)), w->in[i]);
    need = tn_dim_max(ctx, need, tn_make_int(call, 0));
    const Dim *small = tn_dim_divc(ctx, need, 2);
    const Dim *large = tn_dim_sub(ctx, need, small);
    w->lo[i] = mode == PAD_SAME_UPPER ? small : large;
    w->hi[i] = mode == PAD_SAME_UPPER ? large : small;
}

static bool read_pads(Call *call, Window *w) {
    AutoPad mode = PAD_EXPLICIT;
    size_t n;
    const int64_t *pads = tn_call_int_list(call, "pads", &n);
    if (!read_auto_pad(call, &mode)) {
        return false;
    }
    bool explicit = mode == PAD_EXPLICIT && n > 0;
    if (explicit && n != 2 * (size_t)w->n) {
        return tn_call_error(call, "'pads' has %zu entries for %d spatial dimensions", n, w->n);
    }
    for (size_t i = 0; i < n && explicit; i++) {
        if (pads[i] < 0 || pads[i] > INT32_MAX) {
            return tn_call_error(call, "'pads' has the entry %lld, expected 0 to 2^31",
                                 (long long)pads[i]);
        }
    }
    for (int i = 0; i < w->n; i++) {
        w->lo[i] = tn_make_int(call, explicit ? pads[i] : 0);
        w->hi[i] = tn_make_int(call, explicit ? pads[w->n + i] : 0);
        if (mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER) {
            pad_same(call, mode, w, i);
        }
        w->reach[i] = w->hi[i];
    }
    return true;
}

/* Rounds the number of windows up, then drops the last one if it would start beyond the
 * operand and its left padding. */
static const Dim *ceil_reach(Call *call, const Window *w, int i) {
    Ctx *ctx = call->ctx;
    int64_t stride = w->stride[i];
    const Dim *left = tn_dim_add(ctx, w->in[i], w->lo[i]);
    const Dim *room = tn_dim_addc(ctx, tn_dim_add(ctx, left, w->hi[i]), -extent(w, i));
    const Dim *last = tn_dim_ceil_div(ctx, room, tn_make_int(call, stride));
    const Dim *beyond = tn_dim_lt(ctx, tn_dim_addc(ctx, left, -1), tn_dim_mulc(ctx, last, stride));
    last = tn_dim_sub(ctx, last, beyond);
    const Dim *end = tn_dim_addc(ctx, tn_dim_mulc(ctx, last, stride), extent(w, i));
    return tn_dim_max(ctx, tn_dim_sub(ctx, end, left), tn_make_int(call, 0));
}

bool tn_window_read(Call *call, const Value *x, const int64_t *size, Window *out) {
    *out = (Window){.n = x->type.rank - 2};
    if (out->n < 1) {
        return tn_call_error(call, "the operand has rank %d, expected at least 3", x->type.rank);
    }
    memcpy(out->in, x->type.dims + 2, (size_t)out->n * sizeof *out->in);
    if (!read_size(call, size, out) || !read_list(call, "strides", out->n, 1, out->stride) ||
        !read_list(call, "dilations", out->n, 1, out->dilation) || !read_pads(call, out)) {
        return false;
    }
    bool up = tn_call_int(call, "ceil_mode", 0) != 0 && !call->failed;
    for (int i = 0; i < out->n && up; i++) {
        out->reach[i] = ceil_reach(call, out, i);
    }
    return true;
}

/* ---- applying ---- */

bool tn_window_is_static(const Window *window) {
    for (int i = 0; i < window->n; i++) {
        if (!tn_dim_is_const(window->lo[i]) || !tn_dim_is_const(window->reach[i])) {
            return false;
        }
    }
    return true;
}

Value *tn_make_padded(Call *call, Value *x, Window *window, Value *fill) {
    if (x == NULL || tn_window_is_static(window)) {
        return x;
    }
    const Dim *lo[TN_MAX_RANK];
    const Dim *hi[TN_MAX_RANK];
    const Dim *zero = tn_make_int(call, 0);
    int before = x->type.rank - window->n;
    for (int i = 0; i < x->type.rank; i++) {
        lo[i] = i < before ? zero : window->lo[i - before];
        hi[i] = i < before ? zero : window->reach[i - before];
    }
    x = tn_make_pad(call, x, fill, lo, hi);
    for (int i = 0; i < window->n && x != NULL; i++) {
        window->in[i] = x->type.dims[before + i];
        window->lo[i] = window->hi[i] = window->reach[i] = zero;
    }
    return x;
}

Value *tn_make_pool(Call *call, Op op, Value *x, const Window *window, Value *fill) {
    Window w = *window;
    x = tn_make_padded(call, x, &w, fill);
    if (x == NULL) {
        return NULL;
    }
    size_t rank = x->type.rank;
    int64_t lists[5][TN_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        int k = (int)i - (int)(rank - (size_t)w.n);
        lists[0][i] = k < 0 ? 1 : w.size[k];
        lists[1][i] = k < 0 ? 1 : w.stride[k];
        lists[2][i] = k < 0 ? 0 : w.lo[k]->value;
        lists[3][i] = k < 0 ? 0 : w.reach[k]->value;
        lists[4][i] = k < 0 ? 1 : w.dilation[k];
    }
    static const AttrName names[] = {TN_ATTR_window, TN_ATTR_strides, TN_ATTR_pads_lo,
                                     TN_ATTR_pads_hi, TN_ATTR_dilations};
    Attr attrs[5];
    for (size_t i = 0; i < 5; i++) {
        attrs[i] = tn_make_attr_ints(names[i], lists[i], rank);
    }
    return tn_make_node(call, op, &x, 1, attrs, 5);
}
