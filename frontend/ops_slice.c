/* ops_slice.c: operators that take parts of tensors or put something around them. */
#include <string.h>

#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

/* ---- slice ---- */

static const Dim *clamp(Call *call, const Dim *x, const Dim *lo, const Dim *hi) {
    return tn_dim_min(call->ctx, tn_dim_max(call->ctx, x, lo), hi);
}

/* A position counted from the start. Numbers at the ends of int32 or int64 mean "as far as
 * possible" in exported models; a dim never reaches them. */
static const Dim *from_start(Call *call, const Dim *at, const Dim *size) {
    Ctx *ctx = call->ctx;
    const int64_t far = INT32_MAX;
    if (tn_dim_is_const(at) && (at->value >= far || at->value <= -far)) {
        return at->value > 0 ? size : tn_make_int(call, -1);
    }
    if (at->lo < -((int64_t)1 << 50) || at->hi > (int64_t)1 << 50) {
        at = clamp(call, at, tn_make_int(call, -far), tn_make_int(call, far));
    }
    if (at->lo >= 0) {
        return at;
    }
    const Dim *wrapped = tn_dim_add(ctx, at, size);
    const Dim *negative = tn_dim_lt(ctx, at, tn_make_int(call, 0));
    return tn_dim_select(ctx, negative, wrapped, at);
}

static Value *slice_axis(Call *call, Value *x, int axis, const Dim *start, const Dim *end,
                         int64_t step) {
    Ctx *ctx = call->ctx;
    if (x == NULL) {
        return NULL;
    }
    if (step == 0 || step < -INT32_MAX) {
        step = step == 0 ? 0 : -INT32_MAX;
    }
    step = step > INT32_MAX ? INT32_MAX : step;
    if (step == 0) {
        tn_call_error(call, "the step along axis %d is 0", axis);
        return NULL;
    }
    const Dim *size = x->type.dims[axis];
    const Dim *zero = tn_make_int(call, 0);
    const Dim *low = step > 0 ? zero : tn_make_int(call, -1);
    const Dim *high = step > 0 ? size : tn_dim_addc(ctx, size, -1);
    start = clamp(call, from_start(call, start, size), zero, high);
    end = clamp(call, from_start(call, end, size), low, high);
    const Dim *span = step > 0 ? tn_dim_sub(ctx, end, start) : tn_dim_sub(ctx, start, end);
    const Dim *stride = tn_make_int(call, step > 0 ? step : -step);
    const Dim *count = tn_dim_max(ctx, tn_dim_ceil_div(ctx, span, stride), zero);
    return tn_make_slice(call, x, axis, start, count, step);
}

typedef struct SliceSpec {
    const Dim *starts[TN_MAX_RANK], *ends[TN_MAX_RANK];
    int64_t axes[TN_MAX_RANK], steps[TN_MAX_RANK];
    size_t n;
} SliceSpec;

static bool slice(Call *call, const SliceSpec *spec) {
    Value *x = call->in[0];
    uint32_t seen;
    if (!tn_call_axes(call, spec->axes, spec->n, x->type.rank, &seen)) {
        return false;
    }
    for (size_t i = 0; i < spec->n; i++) {
        int64_t at = spec->axes[i];
        int axis = (int)(at < 0 ? at + call->in[0]->type.rank : at);
        x = slice_axis(call, x, axis, spec->starts[i], spec->ends[i], spec->steps[i]);
    }
    return done(call, x);
}

/* Lists of one length, or absent. */
static bool check_lengths(Call *call, const char *what, size_t found, size_t expected) {
    return found == expected ||
           tn_call_error(call, "'%s' has %zu entries, 'starts' %zu", what, found, expected);
}

bool tn_import_slice_attrs(Call *call) {
    size_t n_ends;
    size_t n_axes;
    SliceSpec spec;
    const int64_t *starts = tn_call_int_list(call, "starts", &spec.n);
    const int64_t *ends = tn_call_int_list(call, "ends", &n_ends);
    const int64_t *axes = tn_call_int_list(call, "axes", &n_axes);
    bool listed = tn_call_has(call, "axes");
    if (!check_lengths(call, "ends", n_ends, spec.n) ||
        !check_lengths(call, "axes", listed ? n_axes : spec.n, spec.n)) {
        return false;
    }
    if (spec.n > TN_MAX_RANK) {
        return tn_call_error(call, "%zu axes, at most %d are possible", spec.n, TN_MAX_RANK);
    }
    for (size_t i = 0; i < spec.n; i++) {
        spec.starts[i] = tn_make_int(call, starts[i]);
        spec.ends[i] = tn_make_int(call, ends[i]);
        spec.axes[i] = listed ? axes[i] : (int64_t)i;
        spec.steps[i] = 1;
    }
    return slice(call, &spec);
}

/* The optional integers of an input, or what goes without it. */
static bool ints_or(Call *call, size_t input, const char *what, size_t n, bool count_up,
                    int64_t *out) {
    Value *value = tn_call_in(call, input);
    size_t found = n;
    for (size_t i = 0; i < n; i++) {
        out[i] = count_up ? (int64_t)i : 1;
    }
    return value == NULL || (tn_call_ints(call, value, what, out, TN_MAX_RANK, &found) &&
                             check_lengths(call, what, found, n));
}

bool tn_import_slice(Call *call) {
    SliceSpec spec;
    size_t n_ends;
    return tn_call_dims(call, call->in[1], "starts", spec.starts, TN_MAX_RANK, &spec.n) &&
           tn_call_dims(call, call->in[2], "ends", spec.ends, TN_MAX_RANK, &n_ends) &&
           check_lengths(call, "ends", n_ends, spec.n) &&
           ints_or(call, 3, "axes", spec.n, true, spec.axes) &&
           ints_or(call, 4, "steps", spec.n, false, spec.steps) && slice(call, &spec);
}

/* ---- split ---- */

/* Sizes of equal parts, the last one smaller where the opset allows. */
static bool equal_parts(Call *call, const Dim *size, bool ragged, const Dim **out) {
    Ctx *ctx = call->ctx;
    int64_t n = (int64_t)call->n_out;
    const Dim *parts = tn_make_int(call, n);
    if (!ragged &&
        !tn_make_require(call, tn_dim_modc(ctx, size, n), tn_make_int(call, 0),
                         "the dimension cannot be split into %lld equal parts", (long long)n)) {
        return false;
    }
    const Dim *part = ragged ? tn_dim_ceil_div(ctx, size, parts) : tn_dim_divc(ctx, size, n);
    const Dim *left = size;
    for (int64_t i = 0; i + 1 < n; i++) {
        out[i] = part;
        left = tn_dim_sub(ctx, left, part);
    }
    out[n - 1] = ragged ? tn_make_size(call, left, "split") : part;
    return out[n - 1] != NULL;
}

/* Sizes of the parts as the input or attribute lists them; `*given` tells whether it does. */
static bool listed_parts(Call *call, const Dim **out, size_t max, bool *given) {
    Value *value = tn_call_in(call, 1);
    size_t n = call->n_out;
    *given = value != NULL || tn_call_has(call, "split");
    if (value != NULL) {
        if (!tn_call_dims(call, value, "split", out, max, &n)) {
            return false;
        }
    } else if (*given) {
        const int64_t *list = tn_call_int_list(call, "split", &n);
        for (size_t i = 0; i < n && i < max; i++) {
            out[i] = tn_make_int(call, list[i]);
        }
    }
    return n == call->n_out ||
           tn_call_error(call, "'split' has %zu entries for %zu outputs", n, call->n_out);
}

bool tn_import_split(Call *call) {
    Value *x = call->in[0];
    const Dim **parts = TN_NEW_ARRAY(&call->ctx->scratch, const Dim *, call->n_out);
    int axis;
    bool given;
    if (!tn_call_axis(call, tn_call_int(call, "axis", 0), x->type.rank, &axis) ||
        !listed_parts(call, parts, call->n_out, &given)) {
        return false;
    }
    int64_t asked = tn_call_int(call, "num_outputs", (int64_t)call->n_out);
    if (asked != (int64_t)call->n_out) {
        return tn_call_error(call, "'num_outputs' is %lld, the node has %zu", (long long)asked,
                             call->n_out);
    }
    bool ragged = tn_call_has(call, "num_outputs");
    if (!given && !equal_parts(call, x->type.dims[axis], ragged, parts)) {
        return false;
    }
    const Dim *at = tn_make_int(call, 0);
    for (size_t i = 0; i < call->n_out; i++) {
        const Dim *part = tn_make_size(call, parts[i], "split");
        call->out[i] = tn_make_slice(call, x, axis, at, part, 1);
        if (call->out[i] == NULL) {
            return false;
        }
        at = tn_dim_add(call->ctx, at, part);
    }
    return tn_make_require(call, at, x->type.dims[axis], "the parts do not add up to dimension %d",
                           axis);
}

/* ---- gather ---- */

/* A constant scalar index is a view. */
bool tn_import_gather(Call *call) {
    Value *x = call->in[0];
    Value *at = call->in[1];
    int axis;
    if (!tn_call_axis(call, tn_call_int(call, "axis", 0), x->type.rank, &axis)) {
        return false;
    }
    const RefTensor *known =
        at->type.rank == 0 && tn_dtype_is_int(at->type.dtype) ? tn_call_known(call, at) : NULL;
    if (known == NULL) {
        return done(call, tn_make_gather(call, x, at, axis));
    }
    const Dim *index = tn_make_int(call, known->i[0]);
    index = known->i[0] < 0 ? tn_dim_add(call->ctx, x->type.dims[axis], index) : index;
    x = tn_make_slice(call, x, axis, index, tn_make_int(call, 1), 1);
    return done(call, tn_make_squeeze(call, x, 1u << axis));
}

/* ---- triangles ---- */

/* Keeps column - row >= k, or <= k of the lower one. */
bool tn_import_trilu(Call *call) {
    Value *x = call->in[0];
    int rank = x->type.rank;
    if (rank < 2) {
        return tn_call_error(call, "the operand has rank %d, expected at least 2", rank);
    }
    Shape matrix = {.rank = 2, .dims = {x->type.dims[rank - 2], x->type.dims[rank - 1]}};
    Value *row = tn_make_iota(call, TN_I64, &matrix, 0);
    Value *column = tn_make_iota(call, TN_I64, &matrix, 1);
    if (tn_call_in(call, 1) != NULL) {
        row = tn_make_map2(call, TN_OP_add, row, tn_make_to_scalar(call, call->in[1]));
    }
    bool upper = tn_call_int(call, "upper", 1) != 0;
    Value *keep = upper ? tn_make_map2(call, TN_OP_le, row, column)
                        : tn_make_map2(call, TN_OP_le, column, row);
    Value *zero = tn_make_scalar_int(call, x->type.dtype, 0);
    return done(call, tn_make_select(call, keep, x, zero));
}
