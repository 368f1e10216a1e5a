/* graph_gen_move.c: views, data movement and sources of the random graphs. */
#include "tests/support/graph_gen_priv.h"

#include <math.h>
#include <string.h>

static Attr dims_attr(AttrName name, uint32_t n, const Dim *const *dims) {
    return (Attr){.name = name, .kind = ATTR_DIMS, .n = n, .dims = dims};
}

static Attr ints_attr(AttrName name, uint32_t n, const int64_t *ints) {
    return (Attr){.name = name, .kind = ATTR_INTS, .n = n, .ints = ints};
}

static Attr int_attr(AttrName name, int64_t value) {
    return (Attr){.name = name, .kind = ATTR_INT, .i = value};
}

/* ---- reshape and transpose ---- */

/* Two neighbouring dims become one. */
static uint32_t merge_dims(Gen *gen, const Type *type, const Dim **dims) {
    uint32_t at = (uint32_t)gen_int(gen, 0, type->rank - 2);
    memcpy(dims, type->dims, type->rank * sizeof *dims);
    dims[at] = tn_dim_mul(gen->ctx, dims[at], dims[at + 1]);
    memmove(dims + at + 1, dims + at + 2, (type->rank - at - 2u) * sizeof *dims);
    return type->rank - 1u;
}

static void insert_dim(const Dim **dims, uint32_t *rank, uint32_t at, const Dim *dim) {
    memmove(dims + at + 1, dims + at, (*rank - at) * sizeof *dims);
    dims[at] = dim;
    *rank += 1;
}

/* A static dim becomes two factors. */
static uint32_t split_dim(Gen *gen, const Type *type, const Dim **dims) {
    uint32_t rank = type->rank;
    memcpy(dims, type->dims, rank * sizeof *dims);
    for (uint32_t i = 0; i < rank; i++) {
        for (int64_t factor = 2; factor <= 4 && tn_dim_is_const(dims[i]); factor++) {
            if (dims[i]->value > factor && dims[i]->value % factor == 0) {
                dims[i] = gen_const_dim(gen, dims[i]->value / factor);
                insert_dim(dims, &rank, i + (gen_chance(gen, 50) ? 1 : 0),
                           gen_const_dim(gen, factor));
                return rank;
            }
        }
    }
    return rank;
}

static uint32_t change_ones(Gen *gen, const Type *type, const Dim **dims) {
    uint32_t rank = 0;
    bool drop = gen_chance(gen, 50);
    for (uint32_t i = 0; i < type->rank; i++) {
        if (!drop || !tn_dim_is(type->dims[i], 1)) {
            dims[rank++] = type->dims[i];
        }
    }
    if (!drop || rank == type->rank) {
        insert_dim(dims, &rank, (uint32_t)gen_int(gen, 0, rank), gen_const_dim(gen, 1));
    }
    return rank;
}

Value *gen_step_reshape(Gen *gen) {
    const Dim *dims[TN_MAX_RANK + 1];
    Value *x = gen_value(gen, gen_wants_any);
    if (x == NULL) {
        return NULL;
    }
    uint32_t rank;
    switch (gen_int(gen, 0, 3)) {
    case 0:
        rank =
            x->type.rank < 2 ? change_ones(gen, &x->type, dims) : merge_dims(gen, &x->type, dims);
        break;
    case 1:
        rank = split_dim(gen, &x->type, dims);
        break;
    case 2:
        dims[0] = tn_type_count(gen->ctx, &x->type);
        rank = 1;
        break;
    default:
        rank = change_ones(gen, &x->type, dims);
        break;
    }
    return rank > GEN_RANK_MAX ? NULL : gen_reshape(gen, x, rank, dims);
}

Value *gen_step_transpose(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_any);
    if (x == NULL) {
        return NULL;
    }
    int64_t perm[TN_MAX_RANK];
    uint32_t rank = x->type.rank;
    for (uint32_t i = 0; i < rank; i++) {
        perm[i] = i;
    }
    for (uint32_t i = rank; i-- > 1;) {
        int64_t other = gen_int(gen, 0, i);
        int64_t kept = perm[i];
        perm[i] = perm[other];
        perm[other] = kept;
    }
    Attr attr = ints_attr(TN_ATTR_perm, rank, perm);
    return gen_node(gen, TN_OP_transpose, &x, 1, &attr, 1, gen_info(gen, x));
}

/* ---- expand and slice ---- */

/* New dims between the old ones, dims of size 1 repeated, and at times in another order. */
Value *gen_step_expand(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_any);
    if (x == NULL) {
        return NULL;
    }
    const Dim *dims[2 * TN_MAX_RANK];
    int64_t axes[TN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->type.rank; i++) {
        if (gen_chance(gen, 25)) {
            dims[n++] = gen_any_dim(gen);
        }
        bool one = tn_dim_is(x->type.dims[i], 1);
        axes[i] = n;
        dims[n++] = one && gen_chance(gen, 70) ? gen_any_dim(gen) : x->type.dims[i];
    }
    if (gen_chance(gen, 30)) {
        dims[n++] = gen_any_dim(gen);
    }
    if (x->type.rank >= 2 && gen_chance(gen, 15)) {
        const Dim *dim = dims[axes[0]];
        dims[axes[0]] = dims[axes[1]];
        dims[axes[1]] = dim;
        int64_t axis = axes[0];
        axes[0] = axes[1];
        axes[1] = axis;
    }
    return n > GEN_RANK_MAX ? NULL : gen_expand(gen, x, n, dims, axes);
}

/* A box of one dim that provably fits. */
static void cut_dim(Gen *gen, const Dim *size, const Dim **start, int64_t *step,
                    const Dim **count) {
    Ctx *ctx = gen->ctx;
    *start = gen_const_dim(gen, 0);
    *step = 1;
    *count = size;
    if (gen_chance(gen, 35)) {
        return;
    }
    if (!tn_dim_is_const(size)) {
        if (gen_chance(gen, 50)) {
            *start = tn_dim_addc(ctx, size, -1);
            *step = -1;
        }
        return;
    }
    if (size->value == 0) {
        return;
    }
    int64_t first = gen_int(gen, 0, size->value - 1);
    int64_t room = size->value - 1 - first;
    *step = gen_int(gen, 1, 3);
    if (gen_chance(gen, 30)) {
        *step = -*step;
        room = first;
    }
    int64_t most = room / (*step < 0 ? -*step : *step) + 1;
    *start = gen_const_dim(gen, first);
    *count = gen_const_dim(gen, gen_chance(gen, 3) ? 0 : gen_int(gen, (most + 1) / 2, most));
}

static Value *slice_of(Gen *gen, Value *x, const Dim *const *starts, const int64_t *steps,
                       const Dim *const *dims) {
    uint32_t rank = x->type.rank;
    Attr attrs[3] = {dims_attr(TN_ATTR_starts, rank, starts), ints_attr(TN_ATTR_steps, rank, steps),
                     dims_attr(TN_ATTR_dims, rank, dims)};
    return gen_node(gen, TN_OP_slice, &x, 1, attrs, 3, gen_info(gen, x));
}

Value *gen_step_slice(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_any);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    const Dim *starts[TN_MAX_RANK];
    const Dim *dims[TN_MAX_RANK];
    int64_t steps[TN_MAX_RANK];
    for (uint32_t i = 0; i < x->type.rank; i++) {
        cut_dim(gen, x->type.dims[i], &starts[i], &steps[i], &dims[i]);
    }
    return slice_of(gen, x, starts, steps, dims);
}

/* ---- pad and concat ---- */

/* The scalar to pad with: a constant, or now and then a scalar value of the graph. */
static Value *filling(Gen *gen, const Value *x) {
    if (gen_chance(gen, 50)) {
        return gen_scalar(gen, x->type.dtype, 0);
    }
    for (size_t i = gen->values.len; i-- > 0 && gen_chance(gen, 80);) {
        Value *value = gen->values.data[i];
        if (value->type.rank == 0 && value->type.dtype == x->type.dtype) {
            return value;
        }
    }
    return gen_const(gen, x->type.dtype, 0, NULL);
}

Value *gen_step_pad(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_any);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    Value *fill = filling(gen, x);
    if (fill == NULL) {
        return NULL;
    }
    uint32_t rank = x->type.rank;
    const Dim *lo[TN_MAX_RANK];
    const Dim *hi[TN_MAX_RANK];
    int64_t interior[TN_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        bool pads = gen_chance(gen, 50);
        lo[i] = gen_const_dim(gen, pads ? gen_int(gen, 0, 3) : 0);
        hi[i] = gen_const_dim(gen, pads ? gen_int(gen, 0, 3) : 0);
        interior[i] = gen_chance(gen, 10) ? gen_int(gen, 0, 2) : 0;
    }
    GenInfo info = gen_info(gen, x);
    GenInfo other = gen_info(gen, fill);
    bool exact = info.frac >= 0 && other.frac >= 0;
    info.mag = fmax(info.mag, other.mag);
    info.frac = !exact ? -1 : info.frac > other.frac ? info.frac : other.frac;
    Attr attrs[3] = {dims_attr(TN_ATTR_lo, rank, lo), dims_attr(TN_ATTR_hi, rank, hi),
                     ints_attr(TN_ATTR_interior, rank, interior)};
    return gen_node(gen, TN_OP_pad, (Value *[]){x, fill}, 2, attrs, gen_chance(gen, 40) ? 3 : 2,
                    info);
}

/* Whether `b` can follow `a` along `axis`. */
static bool fits_behind(const Type *a, const Type *b, int64_t axis) {
    bool fits = a->rank == b->rank && a->dtype == b->dtype;
    for (uint32_t i = 0; i < a->rank && fits; i++) {
        fits = i == axis || a->dims[i] == b->dims[i];
    }
    return fits;
}

/* Both halves of a value along a static axis, at times in the wrong order. */
static uint32_t halves(Gen *gen, Value *x, int64_t axis, Value **out) {
    const Dim *size = x->type.dims[axis];
    if (!tn_dim_is_const(size) || size->value < 2) {
        return 0;
    }
    int64_t cut = gen_int(gen, 1, size->value - 1);
    bool swap = gen_chance(gen, 30);
    for (int half = 0; half < 2; half++) {
        const Dim *starts[TN_MAX_RANK];
        const Dim *dims[TN_MAX_RANK];
        int64_t steps[TN_MAX_RANK];
        for (uint32_t i = 0; i < x->type.rank; i++) {
            starts[i] = gen_const_dim(gen, i == axis && half == 1 ? cut : 0);
            dims[i] = x->type.dims[i];
            steps[i] = 1;
        }
        dims[axis] = gen_const_dim(gen, half == 0 ? cut : size->value - cut);
        Value *piece = slice_of(gen, x, starts, steps, dims);
        if (piece == NULL) {
            return 0;
        }
        out[swap ? 1 - half : half] = piece;
    }
    return 2;
}

Value *gen_step_concat(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_any);
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    int64_t axis = gen_int(gen, 0, x->type.rank - 1);
    Value *in[8] = {x};
    uint32_t n = gen_chance(gen, 25) ? halves(gen, x, axis, in) : 0;
    n = n == 0 ? 1 : n;
    GenInfo info = gen_info(gen, x);
    for (size_t i = gen->values.len; i-- > 0 && n < 4;) {
        Value *value = gen->values.data[i];
        if (fits_behind(&x->type, &value->type, axis) && gen_chance(gen, 40)) {
            GenInfo other = gen_info(gen, value);
            bool exact = info.frac >= 0 && other.frac >= 0;
            info.mag = fmax(info.mag, other.mag);
            info.frac = !exact ? -1 : info.frac > other.frac ? info.frac : other.frac;
            in[n++] = value;
        }
    }
    Attr attr = int_attr(TN_ATTR_axis, axis);
    return gen_node(gen, TN_OP_concat, in, n, &attr, 1, info);
}

/* ---- gather ---- */

/* Indices all over the place, evenly spaced, or a value computed in the graph. */
static Value *indices(Gen *gen, const Dim *size) {
    Value *computed = gen_chance(gen, 35) ? gen_value(gen, gen_wants_int) : NULL;
    if (computed != NULL && computed->type.rank <= 2) {
        return computed;
    }
    int64_t dims[2] = {gen_int(gen, 1, 5), gen_int(gen, 1, 4)};
    uint32_t rank = (uint32_t)gen_int(gen, 0, 2);
    if (rank != 1 || gen_chance(gen, 60)) {
        return gen_const(gen, gen_chance(gen, 50) ? TN_I64 : TN_I32, rank, dims);
    }
    const Dim *length = gen_const_dim(gen, 1 + gen_int(gen, 0, gen_size(gen, size) - 1));
    Attr attrs[2] = {{.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = TN_I64},
                     dims_attr(TN_ATTR_dims, 1, &length)};
    return gen_node(gen, TN_OP_iota, NULL, 0, attrs, 2, (GenInfo){(double)length->value, 0});
}

/* Indices into an axis of `x` and the attributes to go with them; NULL when there are none. */
static Value *places(Gen *gen, const Value *x, Attr *attrs) {
    if (x == NULL || x->type.rank == 0) {
        return NULL;
    }
    int64_t axis = gen_int(gen, 0, x->type.rank - 1);
    Value *at = x->type.dims[axis]->lo < 1 ? NULL : indices(gen, x->type.dims[axis]);
    int64_t batch = 0;
    while (at != NULL && batch < axis && batch < at->type.rank &&
           x->type.dims[batch] == at->type.dims[batch] && gen_chance(gen, 70)) {
        batch++;
    }
    attrs[0] = int_attr(TN_ATTR_axis, axis);
    attrs[1] = int_attr(TN_ATTR_batch, batch);
    return at;
}

Value *gen_step_gather(Gen *gen) {
    Attr attrs[2];
    Value *x = gen_value(gen, gen_wants_any), *at = places(gen, x, attrs);
    return at == NULL
               ? NULL
               : gen_node(gen, TN_OP_gather, (Value *[]){x, at}, 2, attrs, 2, gen_info(gen, x));
}

/* What is added is of the type that a gather at the same places has. */
Value *gen_step_scatter(Gen *gen) {
    Attr attrs[2];
    Value *x = gen_value(gen, gen_wants_number), *at = places(gen, x, attrs);
    Value *taken =
        at == NULL ? NULL
                   : gen_node(gen, TN_OP_gather, (Value *[]){x, at}, 2, attrs, 2, gen_info(gen, x));
    Value *added = taken == NULL ? NULL : gen_partner(gen, taken);
    if (added == NULL) {
        return NULL;
    }
    GenInfo base = gen_info(gen, x), info = gen_info(gen, added);
    bool exact = base.frac >= 0 && info.frac >= 0;
    info.mag = base.mag + info.mag * (double)gen_count(gen, &at->type);
    info.frac = !exact ? -1 : base.frac > info.frac ? base.frac : info.frac;
    return gen_node(gen, TN_OP_scatter_add, (Value *[]){x, at, added}, 3, attrs, 2, info);
}

/* ---- sources and copy ---- */

static Value *dim_vector(Gen *gen) {
    const Dim *values[4];
    uint32_t n = (uint32_t)gen_int(gen, 1, 4);
    for (uint32_t i = 0; i < n; i++) {
        values[i] = tn_dim_addc(gen->ctx, gen_any_dim(gen), gen_int(gen, -2, 2));
    }
    Attr attrs[2] = {
        {.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = gen_chance(gen, 50) ? TN_I64 : TN_I32},
        dims_attr(TN_ATTR_values, n, values)};
    return gen_node(gen, TN_OP_dimvec, NULL, 0, attrs, 2, (GenInfo){64, 0});
}

Value *gen_step_source(Gen *gen) {
    static const DType dtypes[] = {TN_I64, TN_I32, TN_F32, TN_F64, TN_U8};
    if (gen_chance(gen, 40)) {
        return dim_vector(gen);
    }
    const Dim *dims[3];
    uint32_t rank = (uint32_t)gen_int(gen, 1, 3);
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = gen_any_dim(gen);
    }
    Attr attrs[3] = {{.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = GEN_PICK(gen, dtypes)},
                     dims_attr(TN_ATTR_dims, rank, dims),
                     int_attr(TN_ATTR_axis, gen_int(gen, 0, rank - 1))};
    return gen_node(gen, TN_OP_iota, NULL, 0, attrs, 3, (GenInfo){64, 0});
}

Value *gen_step_copy(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_any);
    return x == NULL ? NULL : gen_node(gen, TN_OP_copy, &x, 1, NULL, 0, gen_info(gen, x));
}
