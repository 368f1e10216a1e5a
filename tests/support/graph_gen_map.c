/* graph_gen_map.c: elementwise steps of the random graphs. */
#include "tests/support/graph_gen_priv.h"

#include <math.h>

static GenInfo rounded(double mag) {
    return (GenInfo){mag, -1};
}

/* ---- smooth functions of floats ---- */

static Value *steep(Gen *gen, Value *x) {
    static const Op ops[] = {TN_OP_log, TN_OP_sqrt, TN_OP_rsqrt, TN_OP_recip};
    Value *positive = gen_positive(gen, x);
    return positive == NULL
               ? NULL
               : gen_map1(gen, GEN_PICK(gen, ops), positive, rounded(gen_info(gen, x).mag + 2));
}

static Value *power(Gen *gen, Value *x) {
    static const double powers[] = {-1, 0, 0.5, 1, 2, 3, -0.5, 1.5};
    double to = GEN_PICK(gen, powers);
    bool whole = to >= 0 && to == rint(to);
    Value *base = gen_tamed(gen, x, 16);
    if (base == NULL) {
        return NULL;
    }
    double mag = fmax(pow(gen_info(gen, base).mag + 1, fabs(to)), 2);
    base = whole ? base : gen_positive(gen, base);
    return base == NULL
               ? NULL
               : gen_map2(gen, TN_OP_pow, base, gen_number_like(gen, base, to), rounded(mag));
}

Value *gen_step_smooth(Gen *gen) {
    static const Op bounded[] = {TN_OP_sin, TN_OP_cos, TN_OP_tanh, TN_OP_erf, TN_OP_sigmoid};
    Value *x = gen_value(gen, gen_wants_float);
    if (x == NULL) {
        return NULL;
    }
    switch (gen_int(gen, 0, 5)) {
    case 0:
        return steep(gen, x);
    case 1:
        return power(gen, x);
    case 2:
        x = gen_tamed(gen, x, 6);
        return x == NULL ? NULL : gen_map1(gen, TN_OP_exp, x, rounded(exp(gen_info(gen, x).mag)));
    case 3: {
        Value *size = gen_map1(gen, TN_OP_abs, x, gen_info(gen, x));
        return size == NULL ? NULL
                            : gen_map1(gen, TN_OP_log1p, size, rounded(gen_info(gen, x).mag));
    }
    default:
        x = gen_tamed(gen, x, 100);
        return x == NULL ? NULL : gen_map1(gen, GEN_PICK(gen, bounded), x, rounded(1));
    }
}

/* ---- arithmetic ---- */

static GenInfo both(GenInfo a, GenInfo b, double mag, int frac) {
    bool exact = a.frac >= 0 && b.frac >= 0;
    return (GenInfo){mag, exact ? frac : -1};
}

static int more(int a, int b) {
    return a > b ? a : b;
}

/* Division of floats by what is not near 0; of integers by anything. */
static Value *divide(Gen *gen, Value *a, Value *b) {
    GenInfo info = gen_info(gen, a);
    if (!gen_is_float(a)) {
        return gen_map2(gen, TN_OP_div, a, b, info);
    }
    if (gen_chance(gen, 30)) {
        return gen_map2(gen, TN_OP_div, a,
                        gen_number_like(gen, a, GEN_PICK(gen, ((double[]){1, 2, 4, 3, -8, 0.5}))),
                        rounded(info.mag * 2));
    }
    Value *divisor = gen_positive(gen, b);
    return gen_map2(gen, TN_OP_div, a, divisor, rounded(info.mag * 2));
}

static Value *unary(Gen *gen, Value *a) {
    static const Op signed_ops[] = {TN_OP_neg, TN_OP_abs};
    return gen_map1(gen, GEN_PICK(gen, signed_ops), a, gen_info(gen, a));
}

Value *gen_step_arithmetic(Gen *gen) {
    Value *a = gen_value(gen, gen_wants_number);
    if (a == NULL) {
        return NULL;
    }
    Value *b = gen_partner(gen, a);
    GenInfo ia = gen_info(gen, a);
    GenInfo ib = gen_info(gen, b);
    if (gen_chance(gen, 30)) {
        Value *swapped = a;
        a = b;
        b = swapped;
    }
    switch (gen_int(gen, 0, 8)) {
    case 0:
    case 1:
        return gen_map2(gen, TN_OP_add, a, b,
                        both(ia, ib, ia.mag + ib.mag, more(ia.frac, ib.frac)));
    case 2:
        return gen_map2(gen, TN_OP_sub, a, b,
                        both(ia, ib, ia.mag + ib.mag, more(ia.frac, ib.frac)));
    case 3:
    case 4:
        return gen_map2(gen, TN_OP_mul, a, b, both(ia, ib, ia.mag * ib.mag, ia.frac + ib.frac));
    case 5:
        return divide(gen, a, b);
    case 6:
        return unary(gen, a);
    case 7:
        return gen_map2(gen, TN_OP_min, a, b,
                        both(ia, ib, fmax(ia.mag, ib.mag), more(ia.frac, ib.frac)));
    default:
        return gen_map2(gen, TN_OP_max, a, b,
                        both(ia, ib, fmax(ia.mag, ib.mag), more(ia.frac, ib.frac)));
    }
}

/* ---- functions that jump, of exact values ---- */

static Value *rounding(Gen *gen, Value *a) {
    static const Op ops[] = {TN_OP_floor, TN_OP_ceil, TN_OP_round, TN_OP_trunc, TN_OP_sign};
    GenInfo info = gen_info(gen, a);
    Op op = gen_is_float(a) ? GEN_PICK(gen, ops) : TN_OP_sign;
    return gen_map1(gen, op, a, (GenInfo){info.mag + 1, 0});
}

static Value *flip_bits(Gen *gen, Value *a, Value *b) {
    static const Op ops[] = {TN_OP_bitand, TN_OP_bitor, TN_OP_bitxor, TN_OP_shl, TN_OP_shr};
    GenInfo info = {HUGE_VAL, 0};
    return gen_chance(gen, 25) ? gen_map1(gen, TN_OP_bitnot, a, info)
                               : gen_map2(gen, GEN_PICK(gen, ops), a, b, info);
}

Value *gen_step_exact(Gen *gen) {
    static const Op remainders[] = {TN_OP_mod, TN_OP_rem};
    Value *a = gen_value(gen, gen_wants_exact);
    if (a == NULL || gen_chance(gen, 40)) {
        return a == NULL ? NULL : rounding(gen, a);
    }
    Value *b = gen_partner(gen, a);
    GenInfo ia = gen_info(gen, a);
    GenInfo ib = gen_info(gen, b);
    if (!gen_is_float(a) && gen_chance(gen, 30)) {
        return gen_map2(gen, TN_OP_pow, a, b, (GenInfo){HUGE_VAL, 0});
    }
    if (!gen_is_float(a) && gen_chance(gen, 30)) {
        return flip_bits(gen, a, b);
    }
    if (ib.frac < 0) {
        return NULL;
    }
    return gen_map2(gen, GEN_PICK(gen, remainders), a, b,
                    (GenInfo){fmax(ia.mag, ib.mag), more(ia.frac, ib.frac)});
}

Value *gen_step_compare(Gen *gen) {
    static const Op ops[] = {TN_OP_eq, TN_OP_lt, TN_OP_le};
    static const Op tests[] = {TN_OP_isnan, TN_OP_isinf};
    Value *a = gen_value(gen, gen_chance(gen, 90) ? gen_wants_exact : gen_wants_bool);
    if (gen_chance(gen, 15)) {
        a = gen_value(gen, gen_wants_float);
        return a == NULL ? NULL : gen_map1(gen, GEN_PICK(gen, tests), a, (GenInfo){1, 0});
    }
    if (a == NULL) {
        return NULL;
    }
    Value *b = gen_partner(gen, a);
    return gen_is_exact(gen, b) ? gen_map2(gen, GEN_PICK(gen, ops), a, b, (GenInfo){1, 0}) : NULL;
}

Value *gen_step_logic(Gen *gen) {
    static const Op ops[] = {TN_OP_and, TN_OP_or, TN_OP_xor};
    Value *a = gen_value(gen, gen_wants_bool);
    if (a == NULL) {
        return NULL;
    }
    return gen_chance(gen, 25)
               ? gen_map1(gen, TN_OP_not, a, (GenInfo){1, 0})
               : gen_map2(gen, GEN_PICK(gen, ops), a, gen_partner(gen, a), (GenInfo){1, 0});
}

/* A condition over the dims of `like`: an existing one broadcast, or a new comparison. */
static Value *condition_for(Gen *gen, Value *like) {
    for (size_t i = gen->values.len; i-- > 0;) {
        Value *value = gen->values.data[i];
        Type as = like->type;
        as.dtype = TN_BOOL;
        if (tn_type_same_shape(&value->type, &as)) {
            return value;
        }
    }
    if (gen_is_exact(gen, like)) {
        return gen_map2(gen, TN_OP_lt, like, gen_number_like(gen, like, 1), (GenInfo){1, 0});
    }
    Value *scalar = gen_const(gen, TN_BOOL, 0, NULL);
    return like->type.rank == 0 ? scalar
                                : gen_expand(gen, scalar, like->type.rank, like->type.dims, NULL);
}

Value *gen_step_select(Gen *gen) {
    Value *a = gen_value(gen, gen_wants_any);
    if (a == NULL) {
        return NULL;
    }
    Value *condition = condition_for(gen, a);
    Value *b = gen_partner(gen, a);
    GenInfo ia = gen_info(gen, a);
    GenInfo ib = gen_info(gen, b);
    return gen_node(gen, TN_OP_select, (Value *[]){condition, a, b}, 3, NULL, 0,
                    both(ia, ib, fmax(ia.mag, ib.mag), more(ia.frac, ib.frac)));
}

/* ---- cast ---- */

/* Of the same value, what graphs for training have in places. */
static Value *stopped(Gen *gen, Value *x) {
    return gen_map1(gen, TN_OP_stop_gradient, x, gen_info(gen, x));
}

static Value *cast_to(Gen *gen, Value *a, DType to) {
    GenInfo info = gen_info(gen, a);
    bool jumps = gen_is_float(a) && !tn_dtype_is_float(to);
    bool inexact = !gen_is_float(a) && tn_dtype_is_float(to) && info.mag > 0x1p20;
    if ((jumps && info.frac < 0) || inexact) {
        return NULL;
    }
    if (jumps) {
        info.frac = 0;
        info.mag += 1;
    }
    if (!gen_is_float(a) && !tn_dtype_is_float(to)) {
        info.mag = HUGE_VAL; /* negative numbers become large unsigned ones */
    }
    Attr attr = {.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = to};
    return gen_node(gen, TN_OP_cast, &a, 1, &attr, 1, info);
}

/* Often there and further, or back. */
Value *gen_step_cast(Gen *gen) {
    static const DType dtypes[] = {TN_F32, TN_F64, TN_F32, TN_I32, TN_I64, TN_BOOL,
                                   TN_I8,  TN_U8,  TN_I16, TN_U16, TN_U32, TN_U64};
    Value *x = gen_value(gen, gen_wants_any);
    x = x != NULL && gen_chance(gen, 10) ? stopped(gen, x) : x;
    for (int times = gen_chance(gen, 40) ? 2 : 1; x != NULL && times > 0; times--) {
        x = cast_to(gen, x, gen_chance(gen, 40) ? gen->float_type : GEN_PICK(gen, dtypes));
    }
    return x;
}

/* ---- random numbers ---- */

static Value *number_u32(Gen *gen, const Value *like, double number) {
    Type type = like->type;
    type.dtype = TN_U32;
    const Value as = {.type = type};
    return gen_number_like(gen, &as, number);
}

/* Counters: integers of the graph, or the index along an axis. */
static Value *counters(Gen *gen) {
    Value *x = gen_value(gen, gen_wants_int);
    if (x != NULL && gen_chance(gen, 60)) {
        return cast_to(gen, x, TN_U32);
    }
    const Dim *dims[2] = {gen_any_dim(gen), gen_any_dim(gen)};
    Attr attrs[3] = {{.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = TN_U32},
                     {.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = 2, .dims = dims},
                     {.name = TN_ATTR_axis, .kind = ATTR_INT, .i = gen_int(gen, 0, 1)}};
    return gen_node(gen, TN_OP_iota, NULL, 0, attrs, 3, (GenInfo){64, 0});
}

/* Uniform numbers from the upper 24 bits, all of them exact. */
Value *gen_step_random(Gen *gen) {
    Value *at = counters(gen);
    if (at == NULL || at->type.dtype != TN_U32) {
        return NULL;
    }
    Value *in[3] = {number_u32(gen, at, (double)gen_int(gen, 0, UINT32_MAX)),
                    number_u32(gen, at, (double)gen_int(gen, 0, 3)), at};
    if (in[0] == NULL || in[1] == NULL) {
        return NULL;
    }
    Value *bits = gen_node(gen, TN_OP_random, in, 3, NULL, 0, (GenInfo){HUGE_VAL, 0});
    Value *by = bits == NULL ? NULL : number_u32(gen, bits, 8);
    Value *upper = by == NULL ? NULL : gen_map2(gen, TN_OP_shr, bits, by, (GenInfo){0x1p20, 0});
    Value *number = upper == NULL ? NULL : cast_to(gen, upper, gen->float_type);
    Value *unit = number == NULL ? NULL : gen_number_like(gen, number, 0x1p-24);
    return unit == NULL ? NULL : gen_map2(gen, TN_OP_mul, number, unit, (GenInfo){1, -1});
}
