/* ops_reduce.c: reductions, arg-reductions and prefix sums. */
#include <string.h>

#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

/* The axes of input 1 or of the attribute. Without any the reduction is over all axes, or
 * with `noop_with_empty_axes` over none. */
static bool reduce_axes(Call *call, uint32_t *out) {
    int rank = call->in[0]->type.rank;
    int64_t list[TN_MAX_RANK];
    size_t n = 0;
    if (tn_call_in(call, 1) != NULL) {
        if (!tn_call_ints(call, call->in[1], "axes", list, TN_MAX_RANK, &n)) {
            return false;
        }
    } else {
        const int64_t *axes = tn_call_int_list(call, "axes", &n);
        if (n > TN_MAX_RANK) {
            return tn_call_error(call, "%zu axes for an operand of rank %d", n, rank);
        }
        if (n > 0) {
            memcpy(list, axes, n * sizeof *list);
        }
    }
    if (n == 0) {
        bool none = tn_call_int(call, "noop_with_empty_axes", 0) != 0;
        *out = none ? 0 : (1u << rank) - 1;
        return true;
    }
    return tn_call_axes(call, list, n, rank, out);
}

/* ---- forms ---- */

/* Truth values are reduced as bytes: the least one is false, the greatest true. */
static Value *extreme(Call *call, Op op, Value *x, uint32_t axes, bool keep) {
    bool truth = x->type.dtype == TN_BOOL;
    x = truth ? tn_make_cast(call, x, TN_U8) : x;
    x = tn_make_reduce(call, op, x, axes, keep);
    return truth ? tn_make_cast(call, x, TN_BOOL) : x;
}

static Value *sum_square(Call *call, Value *x, uint32_t axes, bool keep) {
    return tn_make_reduce(call, TN_OP_reduce_sum, tn_make_map2(call, TN_OP_mul, x, x), axes, keep);
}

/* A form that needs a float function: integers go through f64. */
static Value *through_float(Call *call, Value *x, uint32_t axes, bool keep, ReduceForm form) {
    DType dtype = x->type.dtype;
    x = tn_dtype_is_float(dtype) ? x : tn_make_cast(call, x, TN_F64);
    if (form == REDUCE_L2) {
        x = tn_make_map1(call, TN_OP_sqrt, sum_square(call, x, axes, keep));
    } else {
        x = tn_make_map1(call, TN_OP_log, tn_make_reduce(call, TN_OP_reduce_sum, x, axes, keep));
    }
    return tn_make_cast(call, x, dtype);
}

/* log(sum(exp(x))) = m + log(sum(exp(x - m))), where m is the maximum unless infinite. */
static Value *log_sum_exp(Call *call, Value *x, uint32_t axes, bool keep) {
    DType dtype = x->type.dtype;
    x = tn_dtype_is_float(dtype) ? x : tn_make_cast(call, x, TN_F64);
    Value *most = tn_make_reduce(call, TN_OP_reduce_max, x, axes, true);
    Value *infinite = tn_make_map1(call, TN_OP_isinf, most);
    Value *zero = x != NULL ? tn_make_scalar(call, x->type.dtype, 0) : NULL;
    most = tn_make_select(call, infinite, zero, most);
    Value *grown = tn_make_map1(call, TN_OP_exp, tn_make_map2(call, TN_OP_sub, x, most));
    Value *sum = tn_make_reduce(call, TN_OP_reduce_sum, grown, axes, keep);
    most = keep ? most : tn_make_squeeze(call, most, axes);
    Value *result = tn_make_map2(call, TN_OP_add, most, tn_make_map1(call, TN_OP_log, sum));
    return tn_make_cast(call, result, dtype);
}

static Value *reduce(Call *call, ReduceForm form, uint32_t axes, bool keep) {
    Value *x = call->in[0];
    switch (form) {
    case REDUCE_SUM:
        return tn_make_reduce(call, TN_OP_reduce_sum, x, axes, keep);
    case REDUCE_MEAN:
        return tn_make_mean(call, x, axes, keep);
    case REDUCE_MAX:
        return extreme(call, TN_OP_reduce_max, x, axes, keep);
    case REDUCE_MIN:
        return extreme(call, TN_OP_reduce_min, x, axes, keep);
    case REDUCE_PROD:
        return tn_make_reduce(call, TN_OP_reduce_prod, x, axes, keep);
    case REDUCE_L1:
        return tn_make_reduce(call, TN_OP_reduce_sum, tn_make_map1(call, TN_OP_abs, x), axes, keep);
    case REDUCE_SUM_SQUARE:
        return sum_square(call, x, axes, keep);
    case REDUCE_LOG_SUM_EXP:
        return log_sum_exp(call, x, axes, keep);
    case REDUCE_L2:
    case REDUCE_LOG_SUM:
        break;
    }
    return through_float(call, x, axes, keep, form);
}

bool tn_import_reduce(Call *call) {
    uint32_t axes;
    bool keep = tn_call_int(call, "keepdims", 1) != 0;
    return reduce_axes(call, &axes) &&
           done(call, reduce(call, (ReduceForm)call->row->param, axes, keep));
}

/* ---- arg-reductions ---- */

bool tn_import_arg(Call *call) {
    int axis;
    bool keep = tn_call_int(call, "keepdims", 1) != 0;
    if (!tn_call_axis(call, tn_call_int(call, "axis", 0), call->in[0]->type.rank, &axis)) {
        return false;
    }
    int64_t last = tn_call_int(call, "select_last_index", 0) != 0;
    Attr attrs[] = {tn_make_attr_int(TN_ATTR_axis, axis), tn_make_attr_int(TN_ATTR_last, last)};
    Value *at = tn_make_node(call, (Op)call->row->param, call->in, 1, attrs, 2);
    return done(call, keep ? tn_make_unsqueeze(call, at, 1u << axis) : at);
}

bool tn_import_cumsum(Call *call) {
    int64_t given[1];
    size_t n = 0;
    int axis;
    if (!tn_call_ints(call, call->in[1], "axis", given, 1, &n)) {
        return false;
    }
    if (n != 1) {
        return tn_call_error(call, "%zu axes, expected one", n);
    }
    if (!tn_call_axis(call, given[0], call->in[0]->type.rank, &axis)) {
        return false;
    }
    Attr attrs[] = {
        tn_make_attr_int(TN_ATTR_axis, axis),
        tn_make_attr_int(TN_ATTR_exclusive, tn_call_int(call, "exclusive", 0) != 0),
        tn_make_attr_int(TN_ATTR_reverse, tn_call_int(call, "reverse", 0) != 0),
    };
    return done(call, tn_make_node(call, TN_OP_cumsum, call->in, 1, attrs, 3));
}
