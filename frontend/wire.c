/* wire.c: the protobuf wire format, field by field.
 *
 * All reads go through `take`, which is the only place that moves `at`.
 */
#include "frontend/wire.h"

enum { VARINT_MAX_BYTES = 10 };

Wire tn_wire_make(const void *base, StrView body) {
    const unsigned char *at = (const unsigned char *)body.data;
    return (Wire){.base = base, .at = at, .end = body.len == 0 ? at : at + body.len};
}

static uint64_t offset_of(const Wire *wire, const unsigned char *at) {
    return at == NULL || wire->base == NULL ? 0 : (uint64_t)(at - wire->base);
}

static bool fail(Wire *wire, const unsigned char *at, const char *text) {
    if (wire->error == NULL) {
        wire->error = text;
        wire->error_at = offset_of(wire, at);
    }
    wire->at = wire->end;
    return false;
}

/* The next `n` bytes, or NULL after a failure. */
static const unsigned char *take(Wire *wire, uint64_t n, const char *text) {
    const unsigned char *from = wire->at;
    if (n > (uint64_t)(wire->end - wire->at)) {
        fail(wire, from, text);
        return NULL;
    }
    wire->at = n == 0 ? from : from + n;
    return from;
}

bool tn_wire_varint(Wire *wire, uint64_t *out) {
    const unsigned char *start = wire->at;
    uint64_t value = 0;
    for (int i = 0; i < VARINT_MAX_BYTES; i++) {
        const unsigned char *byte = take(wire, 1, "the data ends inside a number");
        if (byte == NULL) {
            return false;
        }
        if (i == VARINT_MAX_BYTES - 1 && *byte > 1) {
            return fail(wire, start, "a number has more than 64 bits");
        }
        value |= (uint64_t)(*byte & 0x7f) << (7 * i);
        if ((*byte & 0x80) == 0) {
            *out = value;
            return true;
        }
    }
    return fail(wire, start, "a number has more than 64 bits");
}

static bool fixed(Wire *wire, int n, uint64_t *out) {
    const unsigned char *bytes = take(wire, (uint64_t)n, "the data ends inside a number");
    if (bytes == NULL) {
        return false;
    }
    uint64_t value = 0;
    for (int i = n - 1; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    *out = value;
    return true;
}

bool tn_wire_fixed32(Wire *wire, uint64_t *out) {
    return fixed(wire, 4, out);
}

bool tn_wire_fixed64(Wire *wire, uint64_t *out) {
    return fixed(wire, 8, out);
}

static bool bytes_field(Wire *wire, StrView *out) {
    uint64_t len;
    const unsigned char *start = wire->at;
    if (!tn_wire_varint(wire, &len)) {
        return false;
    }
    if (len > (uint64_t)(wire->end - wire->at)) {
        return fail(wire, start, "a length reaches past the end of its message");
    }
    const unsigned char *bytes = take(wire, len, "");
    *out = (StrView){(const char *)bytes, (size_t)len};
    return true;
}

static bool payload(Wire *wire, WireField *out, unsigned type, const unsigned char *start) {
    switch (type) {
    case WIRE_VARINT:
        return tn_wire_varint(wire, &out->value);
    case WIRE_FIXED64:
        return tn_wire_fixed64(wire, &out->value);
    case WIRE_BYTES:
        return bytes_field(wire, &out->bytes);
    case WIRE_FIXED32:
        return tn_wire_fixed32(wire, &out->value);
    case 3:
    case 4:
        return fail(wire, start, "a protobuf group, which ONNX does not use");
    default:
        return fail(wire, start, "an unknown protobuf wire type");
    }
}

bool tn_wire_next(Wire *wire, WireField *out) {
    if (wire->error != NULL || wire->at == wire->end) {
        return false;
    }
    const unsigned char *start = wire->at;
    uint64_t tag;
    if (!tn_wire_varint(wire, &tag)) {
        return false;
    }
    if (tag > UINT32_MAX || tag >> 3 == 0) {
        return fail(wire, start, "an impossible protobuf field number");
    }
    *out = (WireField){.number = (uint32_t)(tag >> 3), .at = offset_of(wire, start)};
    out->type = (WireType)(tag & 7);
    return payload(wire, out, (unsigned)(tag & 7), start);
}

bool tn_wire_count(Wire *wire, WireType type, StrView packed, size_t *out) {
    const unsigned char *bytes = (const unsigned char *)packed.data;
    if (type != WIRE_VARINT) {
        size_t size = type == WIRE_FIXED32 ? 4 : 8;
        *out = packed.len / size;
        return packed.len % size == 0 || fail(wire, bytes, "a packed list ends inside an element");
    }
    size_t n = 0;
    for (size_t i = 0; i < packed.len; i++) {
        n += (bytes[i] & 0x80) == 0;
    }
    *out = n;
    return packed.len == 0 || (bytes[packed.len - 1] & 0x80) == 0 ||
           fail(wire, bytes, "a packed list ends inside an element");
}
