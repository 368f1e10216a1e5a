/* onnx_tensor.c: the forms tensor data takes in ONNX, all turned into row-major bytes.
 *
 * raw_data, external data and a single packed list of a fixed-width type already are such
 * bytes (ONNX is little-endian, and so is every target) and stay where they are. Numbers
 * stored as varints are unpacked into the arena.
 */
#include "frontend/onnx_tensor.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/external.h"
#include "frontend/wire.h"

/* TensorProto's field for elements of `dtype` that are not raw. */
typedef struct DataField {
    uint32_t number;
    WireType type;
    const char *name;
} DataField;

static DataField data_field(DType dtype) {
    switch (dtype) {
    case TN_F32:
        return (DataField){4, WIRE_FIXED32, "float_data"};
    case TN_F64:
        return (DataField){10, WIRE_FIXED64, "double_data"};
    case TN_I64:
        return (DataField){7, WIRE_VARINT, "int64_data"};
    case TN_U32:
    case TN_U64:
        return (DataField){11, WIRE_VARINT, "uint64_data"};
    default:
        return (DataField){5, WIRE_VARINT, "int32_data"};
    }
}

DType tn_onnx_dtype(Ctx *ctx, int64_t data_type, Loc loc, const char *what) {
    DType dtype = (DType)data_type;
    bool native = data_type > 0 && data_type <= TN_BF16;
    if (native && (tn_dtype_is_float(dtype) || tn_dtype_is_int(dtype) || dtype == TN_BOOL)) {
        return dtype;
    }
    if (data_type == 0) {
        tn_diag(&ctx->diags, TN_BAD_INPUT, loc, "%s has no element type", what);
    } else {
        tn_diag(&ctx->diags, TN_UNSUPPORTED, loc, "%s has element type %s, which is not supported",
                what, tn_onnx_type_text(ctx, data_type));
    }
    return TN_DT_NONE;
}

/* ---- what every form shares ---- */

static const char *label(const TensorSource *source, const OnnxTensor *tensor) {
    return tn_sv_dup(&source->ctx->arena, tensor->name);
}

static bool fail(const TensorSource *source, const OnnxTensor *tensor, Loc loc, tn_status status,
                 const char *text) {
    return tn_diag(&source->ctx->diags, status, loc, "tensor '%s' %s", label(source, tensor), text);
}

/* Dims and element count; products are checked against overflow. */
static bool read_shape(const TensorSource *source, const OnnxTensor *tensor, Loc loc,
                       tn_tensor *out, uint64_t *count) {
    Ctx *ctx = source->ctx;
    if (tensor->n_dims > TN_MAX_RANK) {
        return tn_diag(&ctx->diags, TN_LIMIT, loc,
                       "tensor '%s' has %zu dimensions, at most %d "
                       "are possible",
                       label(source, tensor), tensor->n_dims, TN_MAX_RANK);
    }
    bool empty = false;
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] < 0) {
            return tn_diag(&ctx->diags, TN_BAD_INPUT, loc, "dimension %zu of tensor '%s' is %lld",
                           i, label(source, tensor), (long long)tensor->dims[i]);
        }
        out->dims[i] = tensor->dims[i];
        empty = empty || tensor->dims[i] == 0;
    }
    out->rank = (int32_t)tensor->n_dims;
    *count = empty ? 0 : 1;
    for (size_t i = 0; i < tensor->n_dims && !empty; i++) {
        if (__builtin_mul_overflow(*count, (uint64_t)tensor->dims[i], count) ||
            *count > ((uint64_t)1 << 40)) {
            return fail(source, tensor, loc, TN_LIMIT, "has more than 2^40 elements");
        }
    }
    return true;
}

static bool check_size(const TensorSource *source, const OnnxTensor *tensor, Loc loc,
                       const char *form, uint64_t found, uint64_t expected) {
    if (found == expected) {
        return true;
    }
    return tn_diag(&source->ctx->diags, TN_BAD_INPUT, loc,
                   "tensor '%s' has %llu bytes of %s, its shape asks for %llu",
                   label(source, tensor), (unsigned long long)found, form,
                   (unsigned long long)expected);
}

/* Truth values other than 0 and 1 become 1, in a copy. */
static const void *clean_bools(const TensorSource *source, StrView bytes) {
    size_t i = 0;
    while (i < bytes.len && (unsigned char)bytes.data[i] <= 1) {
        i++;
    }
    if (i == bytes.len) {
        return bytes.data;
    }
    char *copy = tn_arena_copy(&source->ctx->arena, bytes.data, bytes.len);
    for (; i < bytes.len; i++) {
        copy[i] = copy[i] != 0;
    }
    return copy;
}

static bool take_bytes(const TensorSource *source, const OnnxTensor *tensor, Loc loc,
                       const char *form, StrView bytes, uint64_t count, tn_tensor *out) {
    uint64_t expected = count * tn_dtype_bytes((DType)out->dtype);
    if (!check_size(source, tensor, loc, form, bytes.len, expected)) {
        return false;
    }
    const void *data = out->dtype == TN_BOOL ? clean_bools(source, bytes) : bytes.data;
    out->data = (void *)(uintptr_t)(bytes.len > 0 ? data : "");
    return true;
}

/* ---- typed lists ---- */

/* Stores the low bytes of `value`, as any integer type takes them. */
static void store(unsigned char *to, DType dtype, uint64_t value) {
    size_t size = tn_dtype_bytes(dtype);
    value = dtype == TN_BOOL ? value != 0 : value;
    for (size_t b = 0; b < size; b++) {
        to[b] = (unsigned char)(value >> (8 * b));
    }
}

/* Walks the data field's occurrences: `packed` gets the only one when it is packed, and
 * `n` the number of elements in all. */
static bool count_elements(Wire wire, DataField field, StrView *packed, uint64_t *n,
                           const char **problem) {
    WireField got;
    size_t pieces = 0;
    *n = 0;
    while (tn_wire_next(&wire, &got)) {
        size_t here = 1;
        if (got.number != field.number) {
            continue;
        }
        if (got.type == WIRE_BYTES && !tn_wire_count(&wire, field.type, got.bytes, &here)) {
            break;
        }
        if (got.type != WIRE_BYTES && got.type != field.type) {
            *problem = "has elements of an unexpected wire type";
            return false;
        }
        *packed = pieces++ == 0 && got.type == WIRE_BYTES ? got.bytes : (StrView){NULL, 0};
        *n += here;
    }
    *problem = wire.error;
    return wire.error == NULL;
}

static bool next_element(Wire *wire, WireType type, uint64_t *out) {
    switch (type) {
    case WIRE_FIXED32:
        return tn_wire_fixed32(wire, out);
    case WIRE_FIXED64:
        return tn_wire_fixed64(wire, out);
    default:
        return tn_wire_varint(wire, out);
    }
}

/* Second walk, after count_elements accepted the first. */
static bool unpack(Wire wire, DataField field, DType dtype, unsigned char *to) {
    size_t size = tn_dtype_bytes(dtype);
    WireField got;
    while (tn_wire_next(&wire, &got)) {
        if (got.number != field.number) {
            continue;
        }
        if (got.type != WIRE_BYTES) {
            store(to, dtype, got.value);
            to += size;
            continue;
        }
        Wire list = tn_wire_make(wire.base, got.bytes);
        uint64_t value;
        while (list.at != list.end) {
            if (!next_element(&list, field.type, &value)) {
                return false;
            }
            store(to, dtype, value);
            to += size;
        }
    }
    return true;
}

static bool take_list(const TensorSource *source, const OnnxTensor *tensor, Loc loc, uint64_t count,
                      tn_tensor *out) {
    DType dtype = (DType)out->dtype;
    DataField field = data_field(dtype);
    Wire wire = tn_wire_make(source->base, tensor->body);
    StrView packed = {NULL, 0};
    const char *problem = NULL;
    uint64_t n = 0;
    if (!count_elements(wire, field, &packed, &n, &problem)) {
        return fail(source, tensor, loc, TN_BAD_INPUT, problem);
    }
    if (n != count) {
        return tn_diag(&source->ctx->diags, TN_BAD_INPUT, loc,
                       "tensor '%s' has %llu elements in %s, its shape asks for %llu",
                       label(source, tensor), (unsigned long long)n, field.name,
                       (unsigned long long)count);
    }
    if (packed.data != NULL && field.type != WIRE_VARINT) {
        return take_bytes(source, tensor, loc, field.name, packed, count, out);
    }
    size_t size = tn_dtype_bytes(dtype);
    out->data = tn_arena_array(&source->ctx->arena, count > 0 ? count : 1, size, 8);
    return unpack(wire, field, dtype, out->data) ||
           fail(source, tensor, loc, TN_BAD_INPUT, "has a malformed list of elements");
}

/* ---- external data ---- */

/* A decimal number without sign; false when it is something else. */
static bool parse_number(StrView text, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)((unsigned char)text.data[i]) - '0';
        if (digit > 9 || __builtin_mul_overflow(*out, (uint64_t)10, out) ||
            __builtin_add_overflow(*out, (uint64_t)digit, out)) {
            return false;
        }
    }
    return text.len > 0;
}

static bool take_external(const TensorSource *source, const OnnxTensor *tensor, Loc loc,
                          uint64_t count, tn_tensor *out) {
    uint64_t expected = count * tn_dtype_bytes((DType)out->dtype);
    ExternalRange range = {.length = expected};
    for (size_t i = 0; i < tensor->n_external; i++) {
        const OnnxEntry *entry = &tensor->external[i];
        uint64_t number = 0;
        bool offset = tn_sv_is(entry->key, "offset");
        bool length = tn_sv_is(entry->key, "length");
        if ((offset || length) && !parse_number(entry->value, &number)) {
            return fail(source, tensor, loc, TN_BAD_INPUT,
                        "has external data whose offset or length is not a number");
        }
        range.offset = offset ? number : range.offset;
        range.length = length ? number : range.length;
        range.location = tn_sv_is(entry->key, "location") ? entry->value : range.location;
    }
    StrView bytes = {NULL, 0};
    return check_size(source, tensor, loc, "external data", range.length, expected) &&
           tn_external_read(source->ctx, source->dir, source->maps, &range, loc, &bytes) &&
           take_bytes(source, tensor, loc, "external data", bytes, count, out);
}

bool tn_onnx_tensor_read(const TensorSource *source, const OnnxTensor *tensor, Loc loc,
                         tn_tensor *out) {
    const char *what = tn_arena_printf(&source->ctx->scratch, "tensor '%s'", label(source, tensor));
    uint64_t count = 0;
    *out = (tn_tensor){.dtype = (int32_t)tn_onnx_dtype(source->ctx, tensor->data_type, loc, what)};
    if (out->dtype == TN_DT_NONE || !read_shape(source, tensor, loc, out, &count)) {
        return false;
    }
    if (tensor->has_segment) {
        return fail(source, tensor, loc, TN_UNSUPPORTED, "is stored in segments");
    }
    if (tensor->data_location == 1) {
        return take_external(source, tensor, loc, count, out);
    }
    if (tensor->has_raw) {
        return take_bytes(source, tensor, loc, "raw_data", tensor->raw_data, count, out);
    }
    return take_list(source, tensor, loc, count, out);
}

/* ---- files of one tensor ---- */

bool tn_onnx_read_tensor(Ctx *ctx, const void *bytes, size_t size, const char *file, tn_tensor *out,
                         const char **name) {
    Loc loc = {.file = file};
    /* SequenceProto and OptionalProto hold their values in field 3, TensorProto nothing. */
    Wire wire = tn_wire_make(bytes, (StrView){bytes, size});
    WireField got;
    while (tn_wire_next(&wire, &got)) {
        if (got.number == 3) {
            return tn_diag(&ctx->diags, TN_UNSUPPORTED, loc,
                           "the file holds a sequence or an optional, not a tensor");
        }
    }
    const OnnxTensor *tensor = tn_onnx_decode_tensor(ctx, bytes, size, file);
    if (tensor == NULL) {
        return false;
    }
    TensorSource source = {.ctx = ctx, .base = bytes};
    *name = tn_sv_dup(&ctx->arena, tensor->name);
    return tn_onnx_tensor_read(&source, tensor, loc, out);
}
