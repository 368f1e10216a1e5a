/* ops_pool.c: pooling.
 *
 * The average is a sum of each window divided by how many of its taps count. That number is
 * a product over the spatial dims, so it is counted along each dim by itself: in closed form
 * when sizes are known, else by pooling a vector of ones.
 */
#include <math.h>
#include <string.h>

#include "frontend/window.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

/* ---- average ---- */

/* What counts along spatial dim `i`: a stretch that starts `before` elements before the
 * operand and is `length` long. Padding is part of it only if `include_pad`, an overhang of
 * ceil_mode never. */
static void counted(Call *call, const Window *w, int i, bool include_pad, const Dim **before,
                    const Dim **length) {
    Ctx *ctx = call->ctx;
    const Dim *hi = tn_dim_min(ctx, w->hi[i], w->reach[i]);
    const Dim *zero = tn_make_int(call, 0);
    *before = include_pad ? w->lo[i] : zero;
    *length = include_pad ? tn_dim_add(ctx, w->in[i], tn_dim_add(ctx, w->lo[i], hi)) : w->in[i];
}

/* Taps of window `at` that count, in numbers. */
static int64_t count_taps(const Window *w, int i, int64_t at, int64_t before, int64_t length) {
    int64_t n = 0;
    for (int64_t t = 0; t < w->size[i]; t++) {
        int64_t from = at * w->stride[i] + t * w->dilation[i] - w->lo[i]->value + before;
        n += from >= 0 && from < length;
    }
    return n;
}

enum { MAX_COUNTED = 1 << 16 };

/* Counts of the `windows` windows along a dim of known size; NULL when the pooling form
 * must do. A count that is the same everywhere becomes a scalar. */
static Value *closed_counts(Call *call, const Window *w, int i, const Dim *before,
                            const Dim *length, const Dim *windows, DType dtype) {
    if (!tn_dim_is_const(length) || !tn_dim_is_const(w->lo[i]) || !tn_dim_is_const(before) ||
        !tn_dim_is_const(windows) || windows->value * w->size[i] > MAX_COUNTED) {
        return NULL;
    }
    int64_t n = windows->value;
    RefTensor counts = {.dtype = dtype, .count = n, .rank = 1};
    counts.f = TN_NEW_ARRAY(&call->ctx->scratch, double, (size_t)n + 1);
    bool uniform = true;
    for (int64_t k = 0; k < n; k++) {
        counts.f[k] = (double)count_taps(w, i, k, before->value, length->value);
        uniform = uniform && counts.f[k] == counts.f[0];
    }
    if (uniform) {
        return tn_make_scalar(call, dtype, n > 0 ? counts.f[0] : 1);
    }
    Shape shape = {.rank = 1, .dims = {windows}};
    void *bytes = tn_arena_array(&call->ctx->scratch, (size_t)n + 1, 8, 8);
    tn_ref_to_bytes(&counts, bytes);
    return tn_make_const(call, dtype, &shape, bytes);
}

static Value *pooled_counts(Call *call, const Window *w, int i, const Dim *before,
                            const Dim *length, DType dtype) {
    Ctx *ctx = call->ctx;
    Window line = {.n = 1,
                   .size = {w->size[i]},
                   .stride = {w->stride[i]},
                   .dilation = {w->dilation[i]},
                   .in = {length}};
    const Dim *all = tn_dim_add(ctx, w->in[i], tn_dim_add(ctx, w->lo[i], w->reach[i]));
    line.lo[0] = tn_dim_sub(ctx, w->lo[i], before);
    line.reach[0] = tn_dim_sub(ctx, tn_dim_sub(ctx, all, length), line.lo[0]);
    line.hi[0] = line.reach[0];
    Shape shape = {.rank = 1, .dims = {length}};
    Value *ones = tn_make_fill(call, tn_make_scalar(call, dtype, 1), &shape);
    return tn_make_pool(call, TN_OP_pool_sum, ones, &line, tn_make_scalar(call, dtype, 0));
}

/* How many taps of each window count, in a shape that broadcasts against `sum`. */
static Value *window_counts(Call *call, const Window *w, const Value *sum, bool include_pad) {
    DType dtype = sum->type.dtype;
    Value *product = NULL;
    for (int i = 0; i < w->n; i++) {
        const Dim *before;
        const Dim *length;
        counted(call, w, i, include_pad, &before, &length);
        const Dim *windows = sum->type.dims[2 + i];
        Value *count = closed_counts(call, w, i, before, length, windows, dtype);
        if (count == NULL) {
            count = pooled_counts(call, w, i, before, length, dtype);
        }
        if (count != NULL && count->type.rank == 1) {
            count = tn_make_channels(call, count, w->n, i);
        }
        product = i == 0 ? count : tn_make_map2(call, TN_OP_mul, product, count);
    }
    return product;
}

/* Windows that lie in the operand whole, wherever they are, have all their taps. */
static bool all_taps_count(const Window *w, bool include_pad) {
    for (int i = 0; i < w->n; i++) {
        bool padded = !tn_dim_is(w->lo[i], 0) || !tn_dim_is(w->reach[i], 0);
        if (padded && !(include_pad && w->reach[i] == w->hi[i])) {
            return false;
        }
    }
    return true;
}

bool tn_import_average_pool(Call *call) {
    Value *x = call->in[0];
    Window w;
    bool include_pad = tn_call_int(call, "count_include_pad", 0) != 0;
    if (!tn_dtype_is_float(x->type.dtype)) {
        return tn_call_error(call, "the operand is %s, expected a floating-point type",
                             tn_dtype_text(x->type.dtype));
    }
    if (!tn_window_read(call, x, NULL, &w)) {
        return false;
    }
    Value *zero = tn_make_scalar(call, x->type.dtype, 0);
    Value *sum = tn_make_pool(call, TN_OP_pool_sum, x, &w, zero);
    if (sum == NULL) {
        return false;
    }
    double taps = 1;
    for (int i = 0; i < w.n; i++) {
        taps *= (double)w.size[i];
    }
    Value *count = all_taps_count(&w, include_pad) ? tn_make_scalar(call, x->type.dtype, taps)
                                                   : window_counts(call, &w, sum, include_pad);
    return done(call, tn_make_map2(call, TN_OP_div, sum, count));
}

/* ---- maximum ---- */

/* Row-major positions of the whole operand become column-major ones within its spatial dims. */
static Value *column_major(Call *call, Value *at, const Value *x) {
    Ctx *ctx = call->ctx;
    int rank = x->type.rank;
    const Dim *plane = tn_dim_product(ctx, x->type.dims + 2, (size_t)rank - 2);
    Value *size = tn_make_scalar_dim(call, TN_I64, plane);
    Value *rest = tn_make_map2(call, TN_OP_rem, at, size);
    Value *result = tn_make_map2(call, TN_OP_sub, at, rest);
    const Dim *row = plane; /* elements of one step along dim d, row-major */
    const Dim *column = tn_make_int(call, 1);
    for (int d = 2; d < rank; d++) {
        row = tn_make_quotient(call, &row, 1, &x->type.dims[d], 1);
        Value *step = tn_make_scalar_dim(call, TN_I64, row);
        Value *index = tn_make_map2(call, TN_OP_div, rest, step);
        rest = tn_make_map2(call, TN_OP_rem, rest, step);
        Value *place =
            tn_make_map2(call, TN_OP_mul, index, tn_make_scalar_dim(call, TN_I64, column));
        result = tn_make_map2(call, TN_OP_add, result, place);
        column = tn_dim_mul(ctx, column, x->type.dims[d]);
    }
    return result;
}

static Value *least(Call *call, DType dtype) {
    if (tn_dtype_is_float(dtype)) {
        return tn_make_scalar(call, dtype, -(double)INFINITY);
    }
    int bits = (int)tn_dtype_bytes(dtype) * 8;
    return tn_make_scalar_int(call, dtype,
                              tn_dtype_is_signed(dtype) ? INT64_MIN >> (64 - bits) : 0);
}

bool tn_import_max_pool(Call *call) {
    Value *x = call->in[0];
    Window w;
    if (!tn_window_read(call, x, NULL, &w)) {
        return false;
    }
    if (call->n_out > 1) {
        if (!tn_window_is_static(&w)) {
            return tn_call_unsupported(call, "'Indices' with padding that depends on sizes known "
                                             "only at run time are not supported");
        }
        Value *at = tn_make_pool(call, TN_OP_pool_argmax, x, &w, NULL);
        bool columns = tn_call_int(call, "storage_order", 0) != 0;
        call->out[1] = columns ? column_major(call, at, x) : at;
        if (call->out[1] == NULL) {
            return false;
        }
    }
    return done(call, tn_make_pool(call, TN_OP_pool_max, x, &w, least(call, x->type.dtype)));
}

/* ---- over everything ---- */

/* param 0: the mean, 1: the maximum. */
bool tn_import_global_pool(Call *call) {
    Value *x = call->in[0];
    int rank = x->type.rank;
    if (rank < 2) {
        return tn_call_error(call, "the operand has rank %d, expected at least 2", rank);
    }
    uint32_t axes = ((1u << rank) - 1) & ~3u;
    return done(call, call->row->param == 0
                          ? tn_make_mean(call, x, axes, true)
                          : tn_make_reduce(call, TN_OP_reduce_max, x, axes, true));
}
