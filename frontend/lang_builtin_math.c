/* lang_builtin_math.c: reductions, choices, conversions, gradients. */
#include <math.h>

#include "frontend/lang_eval.h"
#include "ir/grad.h"

#define BUILTIN(name, params, function, what) Val tn_builtin_##function(Args *args);
#include "frontend/lang_builtins.def"
#undef BUILTIN

static const Val bad = {.kind = VAL_BAD};

static bool absent(Val v) {
    return v.kind == VAL_ABSENT || v.kind == VAL_NONE;
}

static Call *start(Args *args) {
    return tn_lang_start(args->lang, args->place, args->builtin->name);
}

static Val finish(Args *args, Value *value) {
    return tn_lang_finish(args->lang, args->place, value);
}

static Value *tensor_arg(Args *args, int i, const char *what) {
    return tn_lang_tensor(args->lang, args->place, args->v[i], TN_DT_NONE, what);
}

static bool flag(Args *args, int i, const char *what, bool *out) {
    *out = false;
    return args->v[i].kind == VAL_ABSENT ||
           tn_lang_bool(args->lang, args->place, args->v[i], what, out);
}

/* ---- reductions ---- */

static Val reduce(Args *args, Op op, Val axes, Val keep) {
    Lang *lang = args->lang;
    Value *x = tensor_arg(args, 0, "x");
    uint32_t bits;
    bool keepdims = false;
    if (x == NULL || !tn_lang_axes(lang, args->place, axes, x->type.rank, "axes", &bits) ||
        (keep.kind != VAL_ABSENT &&
         !tn_lang_bool(lang, args->place, keep, "keepdims", &keepdims))) {
        return bad;
    }
    Call *call = start(args);
    bool counts = x->type.dtype == TN_BOOL; /* sums and means of truth values count */
    if (op == TN_OP_COUNT) {
        bool whole = !tn_dtype_is_float(x->type.dtype);
        return finish(
            args, tn_make_mean(call, whole ? tn_make_cast(call, x, TN_F32) : x, bits, keepdims));
    }
    x = counts ? tn_make_cast(call, x, TN_I64) : x;
    Val result = finish(args, tn_make_reduce(call, op, x, bits, keepdims));
    result.weak = result.kind == VAL_TENSOR && args->v[0].kind == VAL_TENSOR && args->v[0].weak;
    return result;
}

Val tn_builtin_reduce(Args *args) {
    return reduce(args, (Op)args->builtin->what, args->v[1], args->v[2]);
}

/* Of a list of numbers. */
static Val list_extreme(Args *args, const List *list, Op op) {
    if (list->n == 0) {
        return tn_lang_error(args->lang, args->place, "%s of an empty list", args->builtin->name);
    }
    Val result = list->items[0];
    for (size_t i = 1; i < list->n; i++) {
        if (!tn_lang_work(args->lang, args->place, 1)) {
            return bad;
        }
        result = tn_lang_map(args->lang, args->place, op, (Val[]){result, list->items[i]}, 2);
    }
    return result;
}

static Val number_extreme(Args *args, Op op, Val a, Val b) {
    Lang *lang = args->lang;
    double x;
    double y;
    bool largest = op == TN_OP_max;
    if (a.kind == VAL_INT && b.kind == VAL_INT) {
        return tn_val_dim(largest ? tn_dim_max(lang->ctx, a.dim, b.dim)
                                  : tn_dim_min(lang->ctx, a.dim, b.dim));
    }
    if (tn_val_known(a, &x) && tn_val_known(b, &y)) {
        return tn_val_float(largest ? fmax(x, y) : fmin(x, y));
    }
    return tn_lang_map(lang, args->place, op, (Val[]){a, b}, 2);
}

/* max(a, b) of each element, max(x), max(x, axes=...) over dimensions, max(list). */
Val tn_builtin_extreme(Args *args) {
    Op op = (Op)args->builtin->what;
    Val b = args->v[1];
    if (b.kind == VAL_LIST) {
        return reduce(args, op == TN_OP_max ? TN_OP_reduce_max : TN_OP_reduce_min, b, args->v[3]);
    }
    if (!absent(b)) {
        return number_extreme(args, op, args->v[0], b);
    }
    if (args->v[0].kind == VAL_LIST) {
        return list_extreme(args, args->v[0].list, op);
    }
    return reduce(args, op == TN_OP_max ? TN_OP_reduce_max : TN_OP_reduce_min, args->v[2],
                  args->v[3]);
}

Val tn_builtin_arg_extreme(Args *args) {
    Lang *lang = args->lang;
    Value *x = tensor_arg(args, 0, "x");
    bool keepdims;
    if (x == NULL || !flag(args, 2, "keepdims", &keepdims)) {
        return bad;
    }
    int axis = x->type.rank - 1;
    if (x->type.rank == 0) {
        return tn_lang_error(lang, args->place, "%s of a scalar", args->builtin->name);
    }
    if (!absent(args->v[1]) &&
        !tn_lang_axis(lang, args->place, args->v[1], x->type.rank, "axis", &axis)) {
        return bad;
    }
    Call *call = start(args);
    Attr attr = tn_make_attr_int(TN_ATTR_axis, axis);
    Value *result = tn_make_node(call, (Op)args->builtin->what, &x, 1, &attr, 1);
    return finish(args, keepdims ? tn_make_unsqueeze(call, result, 1u << axis) : result);
}

/* ---- elementwise ---- */

Val tn_builtin_where(Args *args) {
    Val cond = args->v[0];
    if (cond.kind == VAL_BOOL) {
        return args->v[cond.truth ? 1 : 2];
    }
    return tn_lang_map(args->lang, args->place, TN_OP_select, args->v, 3);
}

Val tn_builtin_cast(Args *args) {
    Lang *lang = args->lang;
    DType dtype;
    Val v = args->v[0];
    if (!tn_lang_dtype(lang, args->place, args->v[1], "dtype", &dtype)) {
        return bad;
    }
    if (v.kind == VAL_FLOAT && !tn_dtype_is_float(dtype)) {
        v.number = trunc(v.number);
    }
    if (v.kind != VAL_TENSOR) {
        Value *tensor = tn_lang_tensor(lang, args->place, v, dtype, "the value");
        return tensor != NULL ? tn_val_tensor(lang, tensor) : bad;
    }
    Value *x = tensor_arg(args, 0, "x");
    if (x == NULL) {
        return bad;
    }
    Val result = finish(args, tn_make_cast(start(args), x, dtype));
    result.weak = result.kind == VAL_TENSOR && v.weak && dtype == TN_F64;
    return result;
}

Val tn_builtin_matmul(Args *args) {
    return tn_lang_binary(args->lang, args->place, LANG_MATMUL, args->v[0], args->v[1]);
}

/* ---- picking ---- */

Val tn_builtin_gather(Args *args) {
    Lang *lang = args->lang;
    Value *x = tensor_arg(args, 0, "x");
    Value *indices = tensor_arg(args, 1, "the indices");
    int axis = 0;
    int64_t batch = 0;
    if (x == NULL || indices == NULL ||
        (!absent(args->v[2]) &&
         !tn_lang_axis(lang, args->place, args->v[2], x->type.rank, "axis", &axis)) ||
        (!absent(args->v[3]) && !tn_lang_int(lang, args->place, args->v[3], "batch", &batch))) {
        return bad;
    }
    Value *in[] = {x, indices};
    Attr attrs[] = {tn_make_attr_int(TN_ATTR_axis, axis), tn_make_attr_int(TN_ATTR_batch, batch)};
    return finish(args, tn_make_node(start(args), TN_OP_gather, in, 2, attrs, 2));
}

/* 1 where the index along the new last dimension is the element, else 0. */
Val tn_builtin_one_hot(Args *args) {
    Lang *lang = args->lang;
    Value *indices = tensor_arg(args, 0, "the indices");
    DType dtype = TN_F32;
    const Dim *depth = tn_lang_dim(lang, args->place, args->v[1], "the depth");
    if (indices == NULL || depth == NULL ||
        (!absent(args->v[2]) && !tn_lang_dtype(lang, args->place, args->v[2], "dtype", &dtype))) {
        return bad;
    }
    Shape shape = tn_shape_of(indices);
    if (shape.rank == TN_MAX_RANK || !tn_dtype_is_int(indices->type.dtype)) {
        return tn_lang_error(lang, args->place, "one_hot of %s", tn_val_describe(lang, args->v[0]));
    }
    shape.dims[shape.rank++] = depth;
    Call *call = start(args);
    Value *wide = tn_make_unsqueeze(call, indices, 1u << (shape.rank - 1));
    Value *index = tn_make_iota(call, indices->type.dtype, &shape, shape.rank - 1);
    return finish(args, tn_make_cast(call, tn_make_map2(call, TN_OP_eq, wide, index), dtype));
}

/* ---- gradients ---- */

/* The derivative of the sum of y by each x; zeros where y does not depend on it. */
Val tn_builtin_grad(Args *args) {
    Lang *lang = args->lang;
    Arena *arena = &lang->ctx->arena;
    Value *y = tensor_arg(args, 0, "y");
    bool list = args->v[1].kind == VAL_LIST;
    const Val *xs = list ? args->v[1].list->items : &args->v[1];
    size_t n = list ? args->v[1].list->n : 1;
    Value **targets = TN_NEW_ARRAY(arena, Value *, n + 1);
    Value **out = TN_NEW_ARRAY(arena, Value *, n + 1);
    Val *results = TN_NEW_ARRAY(arena, Val, n + 1);
    if (y == NULL) {
        return bad;
    }
    if (!tn_dtype_is_float(y->type.dtype)) {
        return tn_lang_error(lang, args->place, "grad of %s, expected floats",
                             tn_val_describe(lang, args->v[0]));
    }
    for (size_t i = 0; i < n; i++) {
        targets[i] = tn_lang_tensor(lang, args->place, xs[i], TN_DT_NONE, "an x of grad");
        if (targets[i] == NULL) {
            return bad;
        }
        if (!tn_dtype_is_float(targets[i]->type.dtype)) {
            return tn_lang_error(lang, args->place, "grad by %s, expected floats",
                                 tn_val_describe(lang, xs[i]));
        }
    }
    Call *call = start(args);
    if (!tn_grad_build(call->graph, &y, NULL, 1, targets, n, out)) {
        return finish(args, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        Shape shape = tn_shape_of(targets[i]);
        Value *zero =
            out[i] != NULL
                ? out[i]
                : tn_make_fill(call, tn_make_scalar(call, targets[i]->type.dtype, 0), &shape);
        results[i] = finish(args, zero);
    }
    return list ? tn_val_list(lang, results, n) : results[0];
}

/* ---- hyper-parameters ---- */

Val tn_builtin_hyper(Args *args) {
    Lang *lang = args->lang;
    StrView name;
    double value;
    if (absent(args->v[1])) {
        name = tn_sv(lang->hyper_name != NULL ? lang->hyper_name : "");
    } else if (!tn_lang_string(lang, args->place, args->v[1], "the name", &name)) {
        return bad;
    }
    if (!tn_lang_number(lang, args->place, args->v[0], "a hyper-parameter's value", &value)) {
        return bad;
    }
    if (name.len == 0) {
        return tn_lang_error(lang, args->place,
                             "a hyper-parameter needs a name: hyper(%g, "
                             "name=\"...\")",
                             value);
    }
    return tn_lang_hyper(lang, tn_hyper_number(lang, tn_sv_dup(&lang->ctx->arena, name), value));
}
