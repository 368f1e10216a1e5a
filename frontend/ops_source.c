/* ops_source.c: operators that make values: constants, fills and ranges. */
#include <math.h>
#include <string.h>

#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

Value *tn_tensor_const(Import *import, const OnnxTensor *tensor, Loc loc) {
    tn_tensor data;
    const Dim *dims[TN_MAX_RANK];
    if (!tn_onnx_tensor_read(&import->source, tensor, loc, &data)) {
        return NULL;
    }
    for (int i = 0; i < data.rank; i++) {
        dims[i] = tn_dim_const(import->ctx, data.dims[i]);
    }
    Type type = tn_type_make((DType)data.dtype, (uint8_t)data.rank, dims);
    return tn_const_new(import->graph, type, data.data, NULL);
}

/* ---- Constant ---- */

static Value *int_constant(Call *call) {
    size_t n;
    int64_t one = tn_call_int(call, "value_int", 0);
    const int64_t *list = tn_call_int_list(call, "value_ints", &n);
    Shape shape = {.rank = tn_call_has(call, "value_int") ? 0 : 1};
    shape.dims[0] = tn_make_int(call, (int64_t)n);
    return tn_make_const(call, TN_I64, &shape, shape.rank == 0 ? &one : list);
}

static Value *float_constant(Call *call) {
    size_t n;
    float one = (float)tn_call_float(call, "value_float", 0);
    const float *list = tn_call_float_list(call, "value_floats", &n);
    Shape shape = {.rank = tn_call_has(call, "value_float") ? 0 : 1};
    shape.dims[0] = tn_make_int(call, (int64_t)n);
    return tn_make_const(call, TN_F32, &shape, shape.rank == 0 ? &one : list);
}

bool tn_import_constant(Call *call) {
    if (call->n_attrs != 1) {
        return tn_call_error(call, "%zu attributes, expected one that holds the value",
                             call->n_attrs);
    }
    StrView name = call->attrs[0].name;
    if (tn_sv_is(name, "value")) {
        const OnnxTensor *tensor = tn_call_tensor(call, "value");
        return tensor != NULL ? done(call, tn_tensor_const(call->import, tensor, call->loc))
                              : tn_call_error(call, "attribute 'value' holds no tensor");
    }
    if (tn_sv_is(name, "value_int") || tn_sv_is(name, "value_ints")) {
        return done(call, int_constant(call));
    }
    if (tn_sv_is(name, "value_float") || tn_sv_is(name, "value_floats")) {
        return done(call, float_constant(call));
    }
    return tn_call_unsupported(call, tn_sv_is(name, "sparse_value")
                                         ? "sparse constants are not supported"
                                         : "constants of type string are not supported");
}

bool tn_import_constant_of_shape(Call *call) {
    Shape shape;
    size_t rank;
    const OnnxTensor *tensor = tn_call_tensor(call, "value");
    if (!tn_call_dims(call, call->in[0], "input", shape.dims, TN_MAX_RANK, &rank)) {
        return false;
    }
    shape.rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        shape.dims[i] = tn_make_size(call, shape.dims[i], "input");
        if (shape.dims[i] == NULL) {
            return false;
        }
    }
    Value *value = tensor != NULL ? tn_tensor_const(call->import, tensor, call->loc)
                                  : tn_make_scalar(call, TN_F32, 0);
    return done(call, tn_make_fill(call, value, &shape));
}

/* ---- Range ---- */

static const Dim *int_range_size(Call *call) {
    Ctx *ctx = call->ctx;
    static const char *const names[] = {"start", "limit", "delta"};
    const Dim *of[3];
    for (int i = 0; i < 3; i++) {
        of[i] = tn_call_dim(call, call->in[i], names[i]);
        if (of[i] == NULL) {
            return NULL;
        }
    }
    if (tn_dim_is(of[2], 0)) {
        tn_call_error(call, "'delta' is 0");
        return NULL;
    }
    /* ceil(a / b) is -floor(-a / b), whatever the sign of b. */
    const Dim *back = tn_dim_div(ctx, tn_dim_sub(ctx, of[0], of[1]), of[2]);
    const Dim *count = tn_dim_mulc(ctx, back, -1);
    return tn_dim_max(ctx, count, tn_make_int(call, 0));
}

/* The number of elements of a float range cannot be left to the run. */
static const Dim *float_range_size(Call *call) {
    static const char *const names[] = {"start", "limit", "delta"};
    double of[3];
    for (int i = 0; i < 3; i++) {
        const RefTensor *known = tn_call_need(call, call->in[i], names[i]);
        if (known == NULL) {
            return NULL;
        }
        if (known->count != 1) {
            tn_call_error(call, "'%s' is not a scalar", names[i]);
            return NULL;
        }
        of[i] = known->f[0];
    }
    double count = ceil((of[1] - of[0]) / of[2]);
    if (isnan(count) || count > 0x1p40) {
        tn_call_error(call, "a range from %g to %g in steps of %g", of[0], of[1], of[2]);
        return NULL;
    }
    return tn_make_int(call, count > 0 ? (int64_t)count : 0);
}

bool tn_import_range(Call *call) {
    DType dtype = call->in[0]->type.dtype;
    if (call->in[1]->type.dtype != dtype || call->in[2]->type.dtype != dtype) {
        return tn_call_error(call, "start, limit and delta differ in type");
    }
    const Dim *count = tn_dtype_is_float(dtype) ? float_range_size(call) : int_range_size(call);
    if (count == NULL) {
        return false;
    }
    Shape shape = {.rank = 1, .dims = {count}};
    Value *steps = tn_make_map2(call, TN_OP_mul, tn_make_iota(call, dtype, &shape, 0),
                                tn_make_to_scalar(call, call->in[2]));
    return done(call, tn_make_map2(call, TN_OP_add, steps, tn_make_to_scalar(call, call->in[0])));
}
