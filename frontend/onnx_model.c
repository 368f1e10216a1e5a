/* onnx_model.c: table-driven decoding of ONNX messages.
 *
 * Each message is a table of fields: number, kind, where it goes. One routine walks a
 * message twice: first to count its lists, so that they are allocated once and exactly,
 * then to fill them. Fields that no row names are skipped. Depth is bounded by the tables,
 * which contain no cycle.
 */
#include "frontend/onnx_model.h"

#include <string.h>

#include "frontend/wire.h"

typedef enum FieldKind {
    KIND_INT,     /* int64_t */
    KIND_FLOAT,   /* float */
    KIND_TEXT,    /* StrView */
    KIND_MESSAGE, /* const T *, at most once */
    KIND_NOTE,    /* only the flag */
    KIND_INTS,    /* lists: a pointer and a count */
    KIND_FLOATS,
    KIND_TEXTS,
    KIND_MESSAGES
} FieldKind;

typedef struct Message Message;

typedef struct Field {
    uint32_t number;
    FieldKind kind;
    size_t offset;          /* of the value or the list's pointer */
    size_t extra;           /* of the list's count or of a bool "was present"; 0 is none */
    const Message *message; /* MESSAGE, MESSAGES */
    const char *name;
} Field;

struct Message {
    const char *name;
    size_t size;
    const Field *fields;
    size_t n_fields;
    size_t body; /* offset of a StrView of the whole message; 0 is none */
};

#define MESSAGE(id, T, body, fields)                                                               \
    static const Message id = {#T, sizeof(Onnx##T), fields, sizeof fields / sizeof *fields, body}
#define ONE(number, kind, T, member)                                                               \
    {number, KIND_##kind, offsetof(Onnx##T, member), 0, NULL, #member}
#define HAS(number, kind, T, member, flag)                                                         \
    {number, KIND_##kind, offsetof(Onnx##T, member), offsetof(Onnx##T, flag), NULL, #member}
#define NOTE(number, T, flag)                                                                      \
    {number, KIND_NOTE, offsetof(Onnx##T, flag), offsetof(Onnx##T, flag), NULL, #flag}
#define SUB(number, T, member, message)                                                            \
    {number, KIND_MESSAGE, offsetof(Onnx##T, member), 0, &message, #member}
#define LIST(number, kind, T, member)                                                              \
    {number, KIND_##kind, offsetof(Onnx##T, member), offsetof(Onnx##T, n_##member), NULL, #member}
#define SUBS(number, T, member, message)                                                           \
    {number,   KIND_MESSAGES, offsetof(Onnx##T, member), offsetof(Onnx##T, n_##member),            \
     &message, #member}

static const Field entry_fields[] = {ONE(1, TEXT, Entry, key), ONE(2, TEXT, Entry, value)};
MESSAGE(entry_message, Entry, 0, entry_fields);

static const Field tensor_fields[] = {
    LIST(1, INTS, Tensor, dims),
    ONE(2, INT, Tensor, data_type),
    NOTE(3, Tensor, has_segment),
    ONE(8, TEXT, Tensor, name),
    HAS(9, TEXT, Tensor, raw_data, has_raw),
    SUBS(13, Tensor, external, entry_message),
    ONE(14, INT, Tensor, data_location),
};
MESSAGE(tensor_message, Tensor, offsetof(OnnxTensor, body), tensor_fields);

static const Field attr_fields[] = {
    ONE(1, TEXT, Attr, name),      HAS(2, FLOAT, Attr, f, has_f),   HAS(3, INT, Attr, i, has_i),
    HAS(4, TEXT, Attr, s, has_s),  SUB(5, Attr, t, tensor_message), NOTE(6, Attr, has_graph),
    LIST(7, FLOATS, Attr, floats), LIST(8, INTS, Attr, ints),       LIST(9, TEXTS, Attr, strings),
    NOTE(11, Attr, has_graph),     ONE(20, INT, Attr, type),        ONE(21, TEXT, Attr, ref),
    NOTE(22, Attr, has_sparse),
};
MESSAGE(attr_message, Attr, 0, attr_fields);

static const Field node_fields[] = {
    LIST(1, TEXTS, Node, inputs), LIST(2, TEXTS, Node, outputs),      ONE(3, TEXT, Node, name),
    ONE(4, TEXT, Node, op),       SUBS(5, Node, attrs, attr_message), ONE(7, TEXT, Node, domain),
    ONE(8, TEXT, Node, overload),
};
MESSAGE(node_message, Node, 0, node_fields);

static const Field dim_fields[] = {
    HAS(1, INT, Dim, value, has_value),
    ONE(2, TEXT, Dim, param),
};
MESSAGE(dim_message, Dim, 0, dim_fields);

static const Field shape_fields[] = {SUBS(1, Shape, dims, dim_message)};
MESSAGE(shape_message, Shape, 0, shape_fields);

static const Field tensor_type_fields[] = {
    ONE(1, INT, TensorType, elem_type),
    SUB(2, TensorType, shape, shape_message),
};
MESSAGE(tensor_type_message, TensorType, 0, tensor_type_fields);

static const Field type_fields[] = {
    SUB(1, Type, tensor, tensor_type_message),
    NOTE(4, Type, is_sequence),
    NOTE(5, Type, is_map),
    NOTE(7, Type, is_opaque),
    NOTE(8, Type, is_sparse),
    NOTE(9, Type, is_optional),
};
MESSAGE(type_message, Type, 0, type_fields);

static const Field value_info_fields[] = {
    ONE(1, TEXT, ValueInfo, name),
    SUB(2, ValueInfo, type, type_message),
};
MESSAGE(value_info_message, ValueInfo, 0, value_info_fields);

static const Field opset_fields[] = {ONE(1, TEXT, Opset, domain), ONE(2, INT, Opset, version)};
MESSAGE(opset_message, Opset, 0, opset_fields);

static const Field graph_fields[] = {
    SUBS(1, Graph, nodes, node_message),          ONE(2, TEXT, Graph, name),
    SUBS(5, Graph, initializers, tensor_message), SUBS(11, Graph, inputs, value_info_message),
    SUBS(12, Graph, outputs, value_info_message), NOTE(15, Graph, has_sparse),
};
MESSAGE(graph_message, Graph, 0, graph_fields);

static const Field function_fields[] = {
    ONE(1, TEXT, Function, name),           LIST(4, TEXTS, Function, inputs),
    LIST(5, TEXTS, Function, outputs),      LIST(6, TEXTS, Function, attrs),
    SUBS(7, Function, nodes, node_message), SUBS(9, Function, opsets, opset_message),
    ONE(10, TEXT, Function, domain),        SUBS(11, Function, defaults, attr_message),
    ONE(13, TEXT, Function, overload),
};
MESSAGE(function_message, Function, 0, function_fields);

static const Field model_fields[] = {
    ONE(1, INT, Model, ir_version),
    SUB(7, Model, graph, graph_message),
    SUBS(8, Model, opsets, opset_message),
    SUBS(25, Model, functions, function_message),
};
MESSAGE(model_message, Model, 0, model_fields);

/* ---- the walk ---- */

enum { MAX_FIELDS = 16 };

typedef struct Decoder {
    Ctx *ctx;
    const char *file;
    const unsigned char *base;
    size_t budget; /* bytes that may still be allocated */
} Decoder;

static Loc loc_at(const Decoder *d, uint64_t at) {
    return (Loc){.file = d->file, .offset = at, .has_offset = true};
}

static bool fail_field(Decoder *d, const Message *message, const Field *field, uint64_t at,
                       const char *text) {
    return tn_diag(&d->ctx->diags, TN_BAD_INPUT, loc_at(d, at), "malformed %s: '%s' %s",
                   message->name, field->name, text);
}

static bool fail_wire(Decoder *d, const Wire *wire, const char *what) {
    return tn_diag(&d->ctx->diags, TN_BAD_INPUT, loc_at(d, wire->error_at), "malformed %s: %s",
                   what, wire->error);
}

static void *allocate(Decoder *d, size_t n, size_t size, uint64_t at) {
    if (n > d->budget / size) {
        tn_diag(&d->ctx->diags, TN_LIMIT, loc_at(d, at),
                "the description unpacks to more than 64 MB and four times the size of the file");
        return NULL;
    }
    d->budget -= n * size;
    return tn_arena_array(&d->ctx->arena, n, size, _Alignof(max_align_t));
}

static const Field *field_of(const Message *message, uint32_t number) {
    for (size_t i = 0; i < message->n_fields; i++) {
        if (message->fields[i].number == number) {
            return &message->fields[i];
        }
    }
    return NULL;
}

static WireType wire_type_of(FieldKind kind) {
    switch (kind) {
    case KIND_INT:
    case KIND_INTS:
        return WIRE_VARINT;
    case KIND_FLOAT:
    case KIND_FLOATS:
        return WIRE_FIXED32;
    default:
        return WIRE_BYTES;
    }
}

static bool is_list(FieldKind kind) {
    return kind >= KIND_INTS;
}

static bool is_packed(const Field *field, const WireField *got) {
    return (field->kind == KIND_INTS || field->kind == KIND_FLOATS) && got->type == WIRE_BYTES;
}

static bool check_type(Decoder *d, const Message *message, const Field *field,
                       const WireField *got) {
    if (got->type == wire_type_of(field->kind) || is_packed(field, got)) {
        return true;
    }
    return fail_field(d, message, field, got->at, "has an unexpected wire type");
}

/* First walk: checks the wire types and counts the elements of each list. */
static bool count_fields(Decoder *d, const Message *message, StrView body, size_t *counts) {
    Wire wire = tn_wire_make(d->base, body);
    WireField got;
    while (tn_wire_next(&wire, &got)) {
        const Field *field = field_of(message, got.number);
        if (field == NULL) {
            continue;
        }
        size_t n = 1;
        if (!check_type(d, message, field, &got)) {
            return false;
        }
        if (is_packed(field, &got) &&
            !tn_wire_count(&wire, wire_type_of(field->kind), got.bytes, &n)) {
            break;
        }
        counts[field - message->fields] += n;
    }
    return wire.error == NULL || fail_wire(d, &wire, message->name);
}

static size_t element_size(const Field *field) {
    switch (field->kind) {
    case KIND_INTS:
        return sizeof(int64_t);
    case KIND_FLOATS:
        return sizeof(float);
    case KIND_TEXTS:
        return sizeof(StrView);
    default:
        return field->message->size;
    }
}

static bool allocate_lists(Decoder *d, const Message *message, char *out, const size_t *counts,
                           uint64_t at) {
    for (size_t i = 0; i < message->n_fields; i++) {
        const Field *field = &message->fields[i];
        if (field->kind == KIND_MESSAGE && counts[i] > 1) {
            return fail_field(d, message, field, at, "occurs twice");
        }
        if (!is_list(field->kind) || counts[i] == 0) {
            continue;
        }
        void *items = allocate(d, counts[i], element_size(field), at);
        if (items == NULL) {
            return false;
        }
        memcpy(out + field->offset, &items, sizeof items);
    }
    return true;
}

static float float_of(uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static bool decode(Decoder *d, const Message *message, StrView body, uint64_t at, char *out);

static bool store_message(Decoder *d, const Field *field, const WireField *got, char *slot) {
    char *item = allocate(d, 1, field->message->size, got->at);
    if (item == NULL || !decode(d, field->message, got->bytes, got->at, item)) {
        return false;
    }
    memcpy(slot, &item, sizeof item);
    return true;
}

/* Element `n` of the list whose storage is `items`. */
static bool store_element(Decoder *d, const Field *field, const WireField *got, char *items,
                          size_t n) {
    char *slot = items + n * element_size(field);
    if (field->kind == KIND_INTS) {
        memcpy(slot, &got->value, sizeof(int64_t));
    } else if (field->kind == KIND_FLOATS) {
        float value = float_of(got->value);
        memcpy(slot, &value, sizeof value);
    } else if (field->kind == KIND_TEXTS) {
        memcpy(slot, &got->bytes, sizeof got->bytes);
    } else {
        return decode(d, field->message, got->bytes, got->at, slot);
    }
    return true;
}

static bool store_list(Decoder *d, const Field *field, const WireField *got, char *out) {
    char *items;
    size_t n;
    memcpy(&items, out + field->offset, sizeof items);
    memcpy(&n, out + field->extra, sizeof n);
    if (!is_packed(field, got)) {
        if (!store_element(d, field, got, items, n++)) {
            return false;
        }
    } else {
        Wire wire = tn_wire_make(d->base, got->bytes);
        WireField element = *got;
        while (wire.at != wire.end) {
            bool ok = field->kind == KIND_INTS ? tn_wire_varint(&wire, &element.value)
                                               : tn_wire_fixed32(&wire, &element.value);
            if (!ok) {
                return fail_wire(d, &wire, field->name);
            }
            store_element(d, field, &element, items, n++);
        }
    }
    memcpy(out + field->extra, &n, sizeof n);
    return true;
}

static bool store_field(Decoder *d, const Field *field, const WireField *got, char *out) {
    if (is_list(field->kind)) {
        return store_list(d, field, got, out);
    }
    if (field->extra != 0) {
        bool present = true;
        memcpy(out + field->extra, &present, sizeof present);
    }
    float value;
    switch (field->kind) {
    case KIND_INT:
        memcpy(out + field->offset, &got->value, sizeof(int64_t));
        return true;
    case KIND_FLOAT:
        value = float_of(got->value);
        memcpy(out + field->offset, &value, sizeof value);
        return true;
    case KIND_TEXT:
        memcpy(out + field->offset, &got->bytes, sizeof got->bytes);
        return true;
    case KIND_MESSAGE:
        return store_message(d, field, got, out + field->offset);
    default:
        return true;
    }
}

static bool decode(Decoder *d, const Message *message, StrView body, uint64_t at, char *out) {
    size_t counts[MAX_FIELDS] = {0};
    memcpy(out, &at, sizeof at);
    if (message->body != 0) {
        memcpy(out + message->body, &body, sizeof body);
    }
    if (!count_fields(d, message, body, counts) || !allocate_lists(d, message, out, counts, at)) {
        return false;
    }
    Wire wire = tn_wire_make(d->base, body);
    WireField got;
    while (tn_wire_next(&wire, &got)) {
        const Field *field = field_of(message, got.number);
        if (field != NULL && !store_field(d, field, &got, out)) {
            return false;
        }
    }
    return true;
}

static void *decode_file(Ctx *ctx, const Message *message, const void *bytes, size_t size,
                         const char *file) {
    size_t budget = (size_t)64 << 20;
    budget = size > (SIZE_MAX - budget) / 4 ? SIZE_MAX : budget + 4 * size;
    Decoder d = {.ctx = ctx, .file = file, .base = bytes, .budget = budget};
    char *out = allocate(&d, 1, message->size, 0);
    if (out == NULL || !decode(&d, message, (StrView){bytes, size}, 0, out)) {
        return NULL;
    }
    return out;
}

const OnnxModel *tn_onnx_decode_model(Ctx *ctx, const void *bytes, size_t size, const char *file) {
    return decode_file(ctx, &model_message, bytes, size, file);
}

const OnnxTensor *tn_onnx_decode_tensor(Ctx *ctx, const void *bytes, size_t size,
                                        const char *file) {
    return decode_file(ctx, &tensor_message, bytes, size, file);
}

const char *tn_onnx_type_text(Ctx *ctx, int64_t data_type) {
    static const char *const names[] = {
        "undefined",      "float32",  "uint8",        "int8",           "uint16",
        "int16",          "int32",    "int64",        "string",         "bool",
        "float16",        "float64",  "uint32",       "uint64",         "complex64",
        "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
        "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
        "uint2",          "int2"};
    if (data_type >= 0 && (size_t)data_type < sizeof names / sizeof *names) {
        return names[data_type];
    }
    return tn_arena_printf(&ctx->arena, "type %lld", (long long)data_type);
}
