/* ops_elementwise.c: operators that are one elementwise primitive, or a choice of one. */
#include <math.h>

#include "frontend/compose.h"

bool tn_import_map1(Call *call) {
    call->out[0] = tn_make_map1(call, (Op)call->row->param, call->in[0]);
    return call->out[0] != NULL;
}

bool tn_import_identity(Call *call) {
    call->out[0] = call->in[0];
    return true;
}

/* ---- two operands ---- */

/* Before opset 7 there is no NumPy broadcasting: with `broadcast` the second operand lies
 * against the dims of the first from `axis` on (by default its last ones). */
static Value *legacy_operand(Call *call, const Value *a, Value *b) {
    bool broadcast = tn_call_int(call, "broadcast", 0) != 0;
    int rank = a->type.rank;
    if (call->opset >= 7 || (!broadcast && rank == b->type.rank)) {
        return b;
    }
    int rank_b = b->type.rank;
    if (!broadcast || rank_b > rank) {
        tn_call_error(call, "operands of ranks %d and %d need the attribute 'broadcast'", rank,
                      rank_b);
        return NULL;
    }
    int axis = rank - rank_b;
    if (tn_call_has(call, "axis") && rank_b > 0 &&
        !tn_call_axis(call, tn_call_int(call, "axis", 0), rank, &axis)) {
        return NULL;
    }
    if (axis + rank_b > rank) {
        tn_call_error(call, "%d dimensions from axis %d do not fit rank %d", rank_b, axis, rank);
        return NULL;
    }
    uint32_t trailing = ((1u << (rank - axis)) - 1) & ~((1u << rank_b) - 1);
    return tn_make_unsqueeze(call, b, trailing);
}

bool tn_import_binary(Call *call) {
    Value *b = legacy_operand(call, call->in[0], call->in[1]);
    call->out[0] = tn_make_map2(call, (Op)call->row->param, call->in[0], b);
    return call->out[0] != NULL;
}

bool tn_import_binary_swapped(Call *call) {
    Value *b = legacy_operand(call, call->in[0], call->in[1]);
    call->out[0] = tn_make_map2(call, (Op)call->row->param, b, call->in[0]);
    return call->out[0] != NULL;
}

bool tn_import_shift(Call *call) {
    StrView direction = tn_call_text(call, "direction", "");
    bool left = tn_sv_eq(direction, TN_SV("LEFT"));
    if (!left && !tn_sv_eq(direction, TN_SV("RIGHT"))) {
        return tn_call_error(call, "direction is '%.*s', expected LEFT or RIGHT",
                             (int)direction.len, direction.data);
    }
    call->out[0] = tn_make_map2(call, left ? TN_OP_shl : TN_OP_shr, call->in[0], call->in[1]);
    return call->out[0] != NULL;
}

/* The dtype a power is computed in: the base's, unless that would lose the exponent. */
static DType power_dtype(DType base, DType exponent) {
    if (base == exponent) {
        return base;
    }
    if (tn_dtype_is_float(base) || tn_dtype_is_float(exponent)) {
        bool both = tn_dtype_is_float(base) && tn_dtype_is_float(exponent);
        return both || !tn_dtype_is_float(base) ? TN_F64 : base;
    }
    return base == TN_U64 ? TN_U64 : TN_I64;
}

bool tn_import_pow(Call *call) {
    Value *a = call->in[0];
    Value *b = legacy_operand(call, a, call->in[1]);
    double exponent;
    if (b == NULL) {
        return false;
    }
    if (tn_value_splat(b, &exponent) && exponent == 2 && b->type.rank <= a->type.rank &&
        tn_dim_is(tn_type_count(call->ctx, &b->type), 1)) {
        call->out[0] = tn_make_map2(call, TN_OP_mul, a, a);
        return call->out[0] != NULL;
    }
    DType dtype = power_dtype(a->type.dtype, b->type.dtype);
    Value *power =
        tn_make_map2(call, TN_OP_pow, tn_make_cast(call, a, dtype), tn_make_cast(call, b, dtype));
    call->out[0] = tn_make_cast(call, power, a->type.dtype);
    return call->out[0] != NULL;
}

/* ---- any number of operands ---- */

static Value *fold(Call *call, Op op) {
    Value *result = call->in[0];
    for (size_t i = 1; i < call->n_in; i++) {
        if (call->in[i] == NULL) {
            tn_call_error(call, "input %zu is missing", i);
            return NULL;
        }
        result = tn_make_map2(call, op, result, call->in[i]);
    }
    return result;
}

bool tn_import_variadic(Call *call) {
    call->out[0] = fold(call, (Op)call->row->param);
    return call->out[0] != NULL;
}

bool tn_import_mean(Call *call) {
    Value *sum = fold(call, TN_OP_add);
    bool alone = call->n_in == 1;
    call->out[0] = alone ? sum : tn_make_map2_num(call, TN_OP_div, sum, (double)call->n_in);
    return call->out[0] != NULL;
}

bool tn_import_where(Call *call) {
    call->out[0] = tn_make_select(call, call->in[0], call->in[1], call->in[2]);
    return call->out[0] != NULL;
}

/* ---- limits and tests ---- */

/* Where the limits cross, the upper one wins. */
static bool clip(Call *call, Value *low, Value *high) {
    Value *x = call->in[0];
    x = low != NULL ? tn_make_map2(call, TN_OP_max, x, tn_make_to_scalar(call, low)) : x;
    x = high != NULL ? tn_make_map2(call, TN_OP_min, x, tn_make_to_scalar(call, high)) : x;
    call->out[0] = x;
    return x != NULL;
}

bool tn_import_clip(Call *call) {
    return clip(call, tn_call_in(call, 1), tn_call_in(call, 2));
}

/* param 1: limits that are not given are those of float32. */
bool tn_import_clip_attrs(Call *call) {
    DType dtype = call->in[0]->type.dtype;
    const double most = 3.4028234663852886e38;
    bool always = call->row->param != 0;
    Value *low = NULL;
    Value *high = NULL;
    if (always || tn_call_has(call, "min")) {
        low = tn_make_scalar(call, dtype, tn_call_float(call, "min", -most));
    }
    if (always || tn_call_has(call, "max")) {
        high = tn_make_scalar(call, dtype, tn_call_float(call, "max", most));
    }
    return clip(call, low, high);
}

bool tn_import_is_inf(Call *call) {
    bool negative = tn_call_int(call, "detect_negative", 1) != 0;
    bool positive = tn_call_int(call, "detect_positive", 1) != 0;
    Value *x = call->in[0];
    Value *inf = tn_make_map1(call, TN_OP_isinf, x);
    if (negative != positive) {
        inf = tn_make_map2_num(call, TN_OP_eq, x, positive ? (double)INFINITY : -(double)INFINITY);
    } else if (!negative) {
        inf = tn_make_map2(call, TN_OP_and, inf, tn_make_scalar_int(call, TN_BOOL, 0));
    }
    call->out[0] = inf;
    return inf != NULL;
}

/* ---- conversion ---- */

/* Cast named its type before opset 6. */
static int64_t named_type(StrView name) {
    static const char *const names[] = {"",        "FLOAT",  "UINT8",  "INT8",   "UINT16",
                                        "INT16",   "INT32",  "INT64",  "STRING", "BOOL",
                                        "FLOAT16", "DOUBLE", "UINT32", "UINT64"};
    for (size_t i = 1; i < sizeof names / sizeof *names; i++) {
        if (tn_sv_is(name, names[i])) {
            return (int64_t)i;
        }
    }
    return 0;
}

bool tn_import_cast(Call *call) {
    if (!tn_call_has(call, "to")) {
        return tn_call_error(call, "attribute 'to' is missing");
    }
    int64_t type =
        call->opset < 6 ? named_type(tn_call_text(call, "to", "")) : tn_call_int(call, "to", 0);
    if (call->failed) {
        return false;
    }
    DType dtype = tn_onnx_dtype(call->ctx, type, call->loc, "the result");
    call->out[0] = dtype != TN_DT_NONE ? tn_make_cast(call, call->in[0], dtype) : NULL;
    return call->out[0] != NULL;
}

/* ---- dropout, which does nothing in inference ---- */

/* Whether the node drops anything; `*out` is only set on success. */
static bool is_training(Call *call, bool *out) {
    *out = call->opset < 7 && tn_call_int(call, "is_test", 0) == 0;
    double ratio = tn_call_float(call, "ratio", 0.5);
    if (call->opset >= 12 && tn_call_in(call, 2) != NULL) {
        const RefTensor *mode = tn_call_need(call, call->in[2], "training_mode");
        if (mode == NULL) {
            return false;
        }
        *out = mode->dtype == TN_BOOL && mode->count == 1 && mode->i[0] != 0;
    }
    if (*out && call->opset >= 12 && tn_call_in(call, 1) != NULL) {
        const RefTensor *given = tn_call_need(call, call->in[1], "ratio");
        if (given == NULL) {
            return false;
        }
        ratio = tn_dtype_is_float(given->dtype) && given->count == 1 ? given->f[0] : ratio;
    }
    *out = *out && ratio != 0;
    return true;
}

bool tn_import_dropout(Call *call) {
    bool training;
    if (!is_training(call, &training)) {
        return false;
    }
    if (training) {
        return tn_call_unsupported(call, "Dropout in training mode is not supported");
    }
    Value *x = call->in[0];
    call->out[0] = x;
    if (call->n_out > 1) {
        Shape shape = tn_shape_of(x);
        DType dtype = call->opset < 10 ? x->type.dtype : TN_BOOL;
        call->out[1] = tn_make_fill(call, tn_make_scalar_int(call, dtype, 1), &shape);
        return call->out[1] != NULL;
    }
    return true;
}
