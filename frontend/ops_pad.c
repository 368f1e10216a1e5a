/* ops_pad.c: padding in all modes.
 *
 * Negative amounts crop. A constant border is the pad primitive around a slice; the other
 * modes gather along each axis by an index computed from the position: edge clamps it,
 * reflect folds it with the period 2 * (size - 1), wrap takes it modulo the size.
 */
#include "frontend/compose.h"

typedef struct Amounts {
    const Dim *lo[TN_MAX_RANK], *hi[TN_MAX_RANK];
} Amounts;

/* ---- a constant border ---- */

static Value *pad_constant(Call *call, Value *x, Value *fill, const Amounts *amounts) {
    Ctx *ctx = call->ctx;
    const Dim *zero = tn_make_int(call, 0);
    Amounts added;
    for (int i = 0; i < call->in[0]->type.rank && x != NULL; i++) {
        const Dim *crop_lo = tn_dim_max(ctx, tn_dim_mulc(ctx, amounts->lo[i], -1), zero);
        const Dim *crop_hi = tn_dim_max(ctx, tn_dim_mulc(ctx, amounts->hi[i], -1), zero);
        const Dim *count = tn_dim_sub(ctx, x->type.dims[i], tn_dim_add(ctx, crop_lo, crop_hi));
        x = tn_make_slice(call, x, i, crop_lo, tn_make_size(call, count, "pads"), 1);
        added.lo[i] = tn_dim_max(ctx, amounts->lo[i], zero);
        added.hi[i] = tn_dim_max(ctx, amounts->hi[i], zero);
    }
    return tn_make_pad(call, x, fill, added.lo, added.hi);
}

/* ---- borders made of the operand ---- */

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP, PAD_UNKNOWN } PadMode;

static Value *pad_axis(Call *call, Value *x, int axis, const Dim *lo, const Dim *hi, PadMode mode) {
    Ctx *ctx = call->ctx;
    if (x == NULL || (tn_dim_is(lo, 0) && tn_dim_is(hi, 0))) {
        return x;
    }
    const Dim *size = x->type.dims[axis];
    const Dim *total = tn_dim_add(ctx, size, tn_dim_add(ctx, lo, hi));
    Shape line = {.rank = 1, .dims = {tn_make_size(call, total, "pads")}};
    if (line.dims[0] == NULL) {
        return NULL;
    }
    Value *at = tn_make_map2(call, TN_OP_sub, tn_make_iota(call, TN_I64, &line, 0),
                             tn_make_scalar_dim(call, TN_I64, lo));
    const Dim *last = tn_dim_addc(ctx, size, -1);
    const Dim *period = mode == PAD_WRAP ? size : tn_dim_mulc(ctx, last, 2);
    if (mode == PAD_EDGE) {
        at = tn_make_map2_num(call, TN_OP_max, at, 0);
        at = tn_make_map2(call, TN_OP_min, at, tn_make_scalar_dim(call, TN_I64, last));
    } else {
        Value *turn = tn_make_scalar_dim(call, TN_I64, period);
        at = tn_make_map2(call, TN_OP_mod, at, turn);
        Value *back = mode == PAD_REFLECT ? tn_make_map2(call, TN_OP_sub, turn, at) : at;
        at = mode == PAD_REFLECT ? tn_make_map2(call, TN_OP_min, at, back) : at;
    }
    return tn_make_gather(call, x, at, axis);
}

static PadMode mode_of(StrView text) {
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
    for (int i = 0; i < PAD_UNKNOWN; i++) {
        if (tn_sv_is(text, names[i])) {
            return (PadMode)i;
        }
    }
    return PAD_UNKNOWN;
}

static bool pad(Call *call, const Amounts *amounts, Value *fill) {
    Value *x = call->in[0];
    StrView text = tn_call_text(call, "mode", "constant");
    PadMode mode = mode_of(text);
    if (mode == PAD_UNKNOWN || (mode == PAD_WRAP && call->opset < 19)) {
        return tn_call_error(call,
                             "mode '%s' is unknown in opset %d; expected constant, reflect, "
                             "edge or (from opset 19) wrap",
                             tn_sv_dup(&call->ctx->scratch, text), call->opset);
    }
    if (mode == PAD_CONSTANT) {
        x = pad_constant(call, x, fill, amounts);
    }
    for (int i = 0; i < call->in[0]->type.rank && mode != PAD_CONSTANT; i++) {
        x = pad_axis(call, x, i, amounts->lo[i], amounts->hi[i], mode);
    }
    call->out[0] = x;
    return x != NULL;
}

/* ---- the two forms of the operator ---- */

static void no_padding(Call *call, Amounts *out) {
    for (int i = 0; i < TN_MAX_RANK; i++) {
        out->lo[i] = out->hi[i] = tn_make_int(call, 0);
    }
}

bool tn_import_pad_attrs(Call *call) {
    const Value *x = call->in[0];
    size_t rank = x->type.rank;
    size_t n;
    const int64_t *pads = tn_call_int_list(call, call->opset < 2 ? "paddings" : "pads", &n);
    Amounts amounts;
    if (n != 2 * rank) {
        return tn_call_error(call, "%zu paddings for an operand of rank %zu", n, rank);
    }
    no_padding(call, &amounts);
    for (size_t i = 0; i < rank; i++) {
        amounts.lo[i] = tn_make_int(call, pads[i]);
        amounts.hi[i] = tn_make_int(call, pads[rank + i]);
    }
    double value = tn_call_float(call, "value", 0);
    return pad(call, &amounts, tn_make_scalar(call, x->type.dtype, value));
}

/* The axes that the amounts are for: all, or those of input 3. */
static bool pad_axes(Call *call, int64_t *out, size_t *n) {
    int rank = call->in[0]->type.rank;
    uint32_t seen;
    *n = (size_t)rank;
    for (int i = 0; i < rank; i++) {
        out[i] = i;
    }
    if (tn_call_in(call, 3) != NULL &&
        (!tn_call_ints(call, call->in[3], "axes", out, TN_MAX_RANK, n) ||
         !tn_call_axes(call, out, *n, rank, &seen))) {
        return false;
    }
    for (size_t i = 0; i < *n; i++) {
        out[i] += out[i] < 0 ? rank : 0;
    }
    return true;
}

bool tn_import_pad(Call *call) {
    const Value *x = call->in[0];
    const Dim *pads[2 * TN_MAX_RANK];
    int64_t axes[TN_MAX_RANK];
    size_t n_pads;
    size_t n;
    Amounts amounts;
    if (!pad_axes(call, axes, &n) ||
        !tn_call_dims(call, call->in[1], "pads", pads, 2 * TN_MAX_RANK, &n_pads)) {
        return false;
    }
    if (n_pads != 2 * n) {
        return tn_call_error(call, "'pads' has %zu entries for %zu axes", n_pads, n);
    }
    no_padding(call, &amounts);
    for (size_t i = 0; i < n; i++) {
        amounts.lo[axes[i]] = pads[i];
        amounts.hi[axes[i]] = pads[n + i];
    }
    Value *fill = tn_call_in(call, 2) != NULL ? tn_make_to_scalar(call, call->in[2])
                                              : tn_make_scalar_int(call, x->type.dtype, 0);
    return pad(call, &amounts, fill);
}
