/* wire.h: a bounded reader of the protobuf wire format over borrowed bytes.
 *
 * Nothing is copied and nothing is allocated. A Wire walks the fields of one message;
 * every length is checked against the end of that message before it is used. The first
 * problem stops the walk for good and leaves a text and a byte offset behind. Groups
 * (wire types 3 and 4), which ONNX never uses, are refused.
 */
#ifndef TN_FRONTEND_WIRE_H
#define TN_FRONTEND_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef enum WireType {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5
} WireType;

typedef struct Wire {
    const unsigned char *base; /* start of the file: offsets count from here */
    const unsigned char *at, *end;
    const char *error;         /* NULL while all is well; static text */
    uint64_t error_at;         /* byte offset of the problem */
} Wire;

typedef struct WireField {
    uint32_t number;
    WireType type;
    uint64_t value; /* VARINT, FIXED32, FIXED64 */
    StrView bytes;  /* BYTES */
    uint64_t at;    /* byte offset of the field's tag */
} WireField;

/* A reader of `body`, which lies in the file that starts at `base`. */
Wire tn_wire_make(const void *base, StrView body);
/* The next field; false at the end or on a problem (then wire->error is set). */
bool tn_wire_next(Wire *wire, WireField *out);
/* The next bare varint or fixed-width word of a packed list. */
bool tn_wire_varint(Wire *wire, uint64_t *out);
bool tn_wire_fixed32(Wire *wire, uint64_t *out);
bool tn_wire_fixed64(Wire *wire, uint64_t *out);
/* How many elements a packed list of `type` holds; false (with the problem in `wire`)
 * when the bytes do not end with an element. `wire` is only used for its file. */
bool tn_wire_count(Wire *wire, WireType type, StrView packed, size_t *out);

#endif
