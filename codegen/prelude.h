/* prelude.h: the types and functions emitted code needs, made on demand.
 *
 * A Prelude gathers text: whoever emits code asks for a type or a function by name and gets
 * its spelling; what it stands on is added first. Asked for in the same order, the text is
 * the same.
 */
#ifndef TN_CODEGEN_PRELUDE_H
#define TN_CODEGEN_PRELUDE_H

#include "base/map.h"
#include "ir/type.h"

/* An element type in one or more lanes. A vector of bool is a mask: integers 0 or -1 of
 * `mask_bytes` each; one bool is 0 or 1. */
typedef struct VType {
    DType dtype;
    int32_t lanes;      /* 1: a scalar; else a power of two */
    int32_t mask_bytes; /* bool vectors: 1, 2, 4 or 8 */
} VType;

typedef struct Prelude {
    Ctx *ctx;
    Map done; /* everything added, by its C name */
    StrBuf types, code;
    bool failed; /* a row is missing: TN_INTERNAL diagnostic added */
} Prelude;

Prelude tn_prelude_new(Ctx *ctx);
/* The whole text: macros, integer types, vector types, functions. */
void tn_prelude_text(const Prelude *prelude, StrBuf *out);

VType tn_vtype(DType dtype, int32_t lanes);
/* Bytes of one lane. */
int32_t tn_vtype_bytes(VType type);
/* The spelling of a type: "float", "tn_f32x16". */
const char *tn_prelude_type(Prelude *prelude, VType type);
/* The spelling of the function `name` of this type: "tn_exp_f32x16". */
const char *tn_prelude_fn(Prelude *prelude, const char *name, VType type);
/* The function that converts `from` to `to`, saturating from float to integer. Neither is
 * bool; lanes agree. */
const char *tn_prelude_cast(Prelude *prelude, VType to, VType from);
/* The functions that convert a mask to another width, or load and store n lanes of memory:
 * "tn_loadn_f32x16" (p, n) and "tn_storen_f32x16" (p, n, x). */
const char *tn_prelude_mask(Prelude *prelude, VType to, VType from);
const char *tn_prelude_part(Prelude *prelude, bool store, VType type);

#endif
