/* ops_shape.c: operators that only change dims, and those that read them.
 *
 * A shape operand is a list of dimension expressions (tn_call_dims): numbers, arithmetic on
 * the dims of inputs, or symbols for elements of an integer input that arrive at run time.
 * Only of the last kind an element may turn out to be one of Reshape's special values.
 */
#include <string.h>

#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

/* The list of an input or, in old opsets, of an attribute; `given` tells whether there is one. */
static bool list_of(Call *call, size_t input, const char *attr, int64_t *out, size_t *n,
                    bool *given) {
    Value *value = tn_call_in(call, input);
    *n = 0;
    *given = value != NULL || tn_call_has(call, attr);
    if (value != NULL) {
        return tn_call_ints(call, value, attr, out, TN_MAX_RANK, n);
    }
    const int64_t *list = tn_call_int_list(call, attr, n);
    if (*n > TN_MAX_RANK) {
        return tn_call_error(call, "attribute '%s' has %zu elements, at most %d are possible", attr,
                             *n, TN_MAX_RANK);
    }
    if (*n > 0) {
        memcpy(out, list, *n * sizeof *out);
    }
    return true;
}

/* ---- reshape ---- */

/* Whether a run-time element occurs in `dim`. */
static bool has_element(Call *call, const Dim *dim) {
    if (dim->kind == DIM_SYM) {
        return tn_dim_symbol_of(call->ctx, dim)->kind == SYM_INPUT_ELEM;
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        if (has_element(call, dim->args[i])) {
            return true;
        }
    }
    return false;
}

typedef struct Target {
    const Dim *asked[TN_MAX_RANK]; /* as the operand says */
    const Dim *size[TN_MAX_RANK];  /* after copying for 0; NULL where asked is the number -1 */
    bool maybe_rest[TN_MAX_RANK];  /* may be -1, which only the run can tell */
    size_t n;
} Target;

static bool may_be(const Dim *dim, int64_t value) {
    return dim->lo <= value && value <= dim->hi;
}

/* One entry of the target: 0 copies the operand's dim unless `allow_zero`. */
static bool resolve_entry(Call *call, const Value *x, bool allow_zero, Target *t, size_t i) {
    Ctx *ctx = call->ctx;
    const Dim *asked = t->asked[i];
    bool copies = !allow_zero && i < x->type.rank;
    t->size[i] = asked;
    if (tn_dim_is_const(asked)) {
        if (asked->value < -1) {
            return tn_call_error(call, "the shape has %lld at position %zu",
                                 (long long)asked->value, i);
        }
        if (asked->value == 0 && !allow_zero && !copies) {
            return tn_call_error(call, "the shape copies dimension %zu of an operand of rank %d", i,
                                 x->type.rank);
        }
        t->size[i] = asked->value == -1            ? NULL
                     : asked->value == 0 && copies ? x->type.dims[i]
                                                   : asked;
        return true;
    }
    if (!has_element(call, asked)) {
        return true;
    }
    if (copies && may_be(asked, 0)) {
        const Dim *zero = tn_dim_eq(ctx, asked, tn_make_int(call, 0));
        t->size[i] = tn_dim_select(ctx, zero, x->type.dims[i], asked);
    }
    t->maybe_rest[i] = may_be(asked, -1);
    return true;
}

/* What is left for entry `i` when it is -1. */
static const Dim *rest_for(Call *call, const Value *x, const Target *t, size_t i) {
    Ctx *ctx = call->ctx;
    const Dim *others[TN_MAX_RANK];
    size_t n = 0;
    for (size_t k = 0; k < t->n; k++) {
        if (k == i || t->size[k] == NULL) {
            continue;
        }
        others[n] = t->size[k];
        if (t->maybe_rest[k]) {
            const Dim *rest = tn_dim_eq(ctx, t->asked[k], tn_make_int(call, -1));
            others[n] = tn_dim_select(ctx, rest, tn_make_int(call, 1), t->size[k]);
        }
        n++;
    }
    return tn_make_quotient(call, x->type.dims, x->type.rank, others, n);
}

static bool resolve(Call *call, const Value *x, bool allow_zero, Target *t, Shape *out) {
    size_t rests = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!resolve_entry(call, x, allow_zero, t, i)) {
            return false;
        }
        rests += t->size[i] == NULL;
    }
    if (rests > 1) {
        return tn_call_error(call, "the shape has more than one -1");
    }
    out->rank = (int)t->n;
    for (size_t i = 0; i < t->n; i++) {
        const Dim *size = t->size[i] == NULL ? rest_for(call, x, t, i) : t->size[i];
        if (t->maybe_rest[i]) {
            const Dim *rest = tn_dim_eq(call->ctx, t->asked[i], tn_make_int(call, -1));
            size = tn_dim_select(call->ctx, rest, rest_for(call, x, t, i), size);
        }
        out->dims[i] = tn_make_size(call, size, "shape");
        if (out->dims[i] == NULL) {
            return false;
        }
    }
    return true;
}

bool tn_import_reshape(Call *call) {
    Value *x = call->in[0];
    Target target = {.n = 0};
    Shape shape;
    if (call->opset < 5) {
        size_t n;
        const int64_t *list = tn_call_int_list(call, "shape", &n);
        if (n > TN_MAX_RANK) {
            return tn_call_error(call, "%zu dimensions, at most %d are possible", n, TN_MAX_RANK);
        }
        for (target.n = 0; target.n < n; target.n++) {
            target.asked[target.n] = tn_make_int(call, list[target.n]);
        }
    } else if (!tn_call_dims(call, call->in[1], "shape", target.asked, TN_MAX_RANK, &target.n)) {
        return false;
    }
    bool allow_zero = tn_call_int(call, "allowzero", 0) != 0;
    return resolve(call, x, allow_zero, &target, &shape) &&
           done(call, tn_make_reshape(call, x, &shape));
}

bool tn_import_flatten(Call *call) {
    Value *x = call->in[0];
    int rank = x->type.rank;
    int64_t axis = tn_call_int(call, "axis", 1);
    if (axis < -rank || axis > rank) {
        return tn_call_error(call, "axis %lld is outside %d..%d", (long long)axis, -rank, rank);
    }
    size_t split = (size_t)(axis < 0 ? axis + rank : axis);
    Shape shape = {.rank = 2};
    shape.dims[0] = tn_dim_product(call->ctx, x->type.dims, split);
    shape.dims[1] = tn_dim_product(call->ctx, x->type.dims + split, (size_t)rank - split);
    return done(call, tn_make_reshape(call, x, &shape));
}

/* ---- squeeze and unsqueeze ---- */

/* Without axes all dims of size 1 go; the result's rank must not depend on the run. */
static bool unit_axes(Call *call, const Value *x, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < x->type.rank; i++) {
        const Dim *dim = x->type.dims[i];
        if (!tn_dim_is_const(dim) && may_be(dim, 1)) {
            return tn_call_unsupported(call,
                                       "without 'axes' the rank of the result depends on "
                                       "dimension %d, which is not known at compile time",
                                       i);
        }
        *out |= tn_dim_is(dim, 1) ? 1u << i : 0;
    }
    return true;
}

bool tn_import_squeeze(Call *call) {
    Value *x = call->in[0];
    int64_t list[TN_MAX_RANK];
    size_t n;
    bool given;
    uint32_t axes;
    if (!list_of(call, 1, "axes", list, &n, &given)) {
        return false;
    }
    bool ok = given ? tn_call_axes(call, list, n, x->type.rank, &axes) : unit_axes(call, x, &axes);
    return ok && done(call, tn_make_squeeze(call, x, axes));
}

bool tn_import_unsqueeze(Call *call) {
    Value *x = call->in[0];
    int64_t list[TN_MAX_RANK];
    size_t n;
    bool given;
    uint32_t axes;
    if (!list_of(call, 1, "axes", list, &n, &given)) {
        return false;
    }
    if (!given) {
        return tn_call_error(call, "attribute 'axes' is missing");
    }
    if (x->type.rank + n > TN_MAX_RANK) {
        return tn_call_error(call, "the result would have more than %d dimensions", TN_MAX_RANK);
    }
    return tn_call_axes(call, list, n, x->type.rank + (int)n, &axes) &&
           done(call, tn_make_unsqueeze(call, x, axes));
}

/* ---- transpose and concat ---- */

bool tn_import_transpose(Call *call) {
    Value *x = call->in[0];
    size_t rank = x->type.rank;
    size_t n;
    const int64_t *perm = tn_call_int_list(call, "perm", &n);
    int64_t order[TN_MAX_RANK];
    uint32_t seen;
    if (!tn_call_has(call, "perm")) {
        for (size_t i = 0; i < rank; i++) {
            order[i] = (int64_t)(rank - 1 - i);
        }
        return done(call, tn_make_transpose(call, x, order));
    }
    if (n != rank) {
        return tn_call_error(call, "'perm' has %zu entries for an operand of rank %zu", n, rank);
    }
    if (!tn_call_axes(call, perm, n, (int)rank, &seen)) {
        return false;
    }
    for (size_t i = 0; i < rank; i++) {
        order[i] = perm[i] < 0 ? perm[i] + (int64_t)rank : perm[i];
    }
    return done(call, tn_make_transpose(call, x, order));
}

bool tn_import_concat(Call *call) {
    int axis;
    if (call->opset >= 4 && !tn_call_has(call, "axis")) {
        return tn_call_error(call, "attribute 'axis' is missing");
    }
    for (size_t i = 0; i < call->n_in; i++) {
        if (call->in[i] == NULL) {
            return tn_call_error(call, "input %zu is missing", i);
        }
    }
    return tn_call_axis(call, tn_call_int(call, "axis", 1), call->in[0]->type.rank, &axis) &&
           done(call, tn_make_concat(call, call->in, call->n_in, axis));
}

/* ---- expand and tile ---- */

/* Either side may be 1 and repeat. */
static const Dim *expanded_dim(Call *call, const Dim *have, const Dim *ask) {
    Ctx *ctx = call->ctx;
    const Dim *one = tn_make_int(call, 1);
    if (have == ask || tn_dim_is(ask, 1)) {
        return have;
    }
    if (tn_dim_is(have, 1)) {
        return tn_make_size(call, ask, "shape");
    }
    if (tn_dim_is_const(have)) {
        const Dim *asked = tn_dim_select(ctx, tn_dim_eq(ctx, ask, one), have, ask);
        return tn_make_require(call, asked, have, "a dimension cannot be expanded") ? have : NULL;
    }
    if (tn_dim_is_const(ask)) {
        return ask; /* the expansion itself checks that the operand has 1 or as many */
    }
    return tn_make_size(call, tn_dim_select(ctx, tn_dim_eq(ctx, ask, one), have, ask), "shape");
}

bool tn_import_expand(Call *call) {
    Value *x = call->in[0];
    const Dim *asked[TN_MAX_RANK];
    size_t n;
    if (!tn_call_dims(call, call->in[1], "shape", asked, TN_MAX_RANK, &n)) {
        return false;
    }
    int rank = x->type.rank;
    Shape shape = {.rank = (int)n > rank ? (int)n : rank};
    int64_t axes[TN_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) {
        int have = i - (shape.rank - rank);
        int ask = i - (shape.rank - (int)n);
        if (have >= 0) {
            axes[have] = i;
        }
        shape.dims[i] = ask < 0    ? x->type.dims[have]
                        : have < 0 ? tn_make_size(call, asked[ask], "shape")
                                   : expanded_dim(call, x->type.dims[have], asked[ask]);
        if (shape.dims[i] == NULL) {
            return false;
        }
    }
    return done(call, tn_make_expand_axes(call, x, &shape, axes));
}

/* One axis repeated as a whole: [a,b,c] to [a,n,b,c] to [a,n*b,c]. */
static Value *tile(Call *call, Value *x, int axis, const Dim *times) {
    times = tn_make_size(call, times, "repeats");
    if (x == NULL || times == NULL || tn_dim_is(times, 1)) {
        return times == NULL ? NULL : x;
    }
    Shape shape = tn_shape_of(x);
    if (shape.rank == TN_MAX_RANK) {
        tn_call_unsupported(call, "tiling needs one dimension more than the %d possible",
                            TN_MAX_RANK);
        return NULL;
    }
    int64_t axes[TN_MAX_RANK];
    Shape wide = {.rank = shape.rank + 1};
    for (int i = 0; i < shape.rank; i++) {
        axes[i] = i < axis ? i : i + 1;
        wide.dims[axes[i]] = shape.dims[i];
    }
    wide.dims[axis] = times;
    shape.dims[axis] = tn_dim_mul(call->ctx, shape.dims[axis], times);
    return tn_make_reshape(call, tn_make_expand_axes(call, x, &wide, axes), &shape);
}

bool tn_import_tile(Call *call) {
    Value *x = call->in[0];
    const Dim *times[TN_MAX_RANK];
    size_t n;
    if (!tn_call_dims(call, call->in[1], "repeats", times, TN_MAX_RANK, &n)) {
        return false;
    }
    if (n != x->type.rank) {
        return tn_call_error(call, "'repeats' has %zu entries for an operand of rank %d", n,
                             x->type.rank);
    }
    for (size_t i = 0; i < n; i++) {
        x = tile(call, x, (int)i, times[i]);
    }
    return done(call, x);
}

/* Opset 1: a number of tiles along one axis, both inputs. */
bool tn_import_tile_axis(Call *call) {
    int64_t at;
    size_t n;
    int axis;
    const Dim *times = tn_call_dim(call, call->in[1], "tiles");
    if (times == NULL || !tn_call_ints(call, call->in[2], "axis", &at, 1, &n)) {
        return false;
    }
    if (n != 1) {
        return tn_call_error(call, "'axis' has %zu elements, expected one", n);
    }
    return tn_call_axis(call, at, call->in[0]->type.rank, &axis) &&
           done(call, tile(call, call->in[0], axis, times));
}

/* ---- reading dims ---- */

static int clamp_position(int64_t at, int rank) {
    at = at < 0 ? at + rank : at;
    return at < 0 ? 0 : at > rank ? rank : (int)at;
}

bool tn_import_shape(Call *call) {
    const Type *type = &call->in[0]->type;
    int start = clamp_position(tn_call_int(call, "start", 0), type->rank);
    int end = clamp_position(tn_call_int(call, "end", type->rank), type->rank);
    size_t n = end > start ? (size_t)(end - start) : 0;
    return done(call, tn_make_dimvec(call, type->dims + start, n));
}

bool tn_import_size(Call *call) {
    const Dim *count = tn_type_count(call->ctx, &call->in[0]->type);
    return done(call, tn_make_scalar_dim(call, TN_I64, count));
}
