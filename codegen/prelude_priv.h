/* prelude_priv.h: what the files that write the prelude share. */
#ifndef TN_CODEGEN_PRELUDE_PRIV_H
#define TN_CODEGEN_PRELUDE_PRIV_H

#include "codegen/prelude.h"

/* "f32x16", "b8x16" for masks, in the context's arena. */
const char *tn_vtype_suffix(Prelude *prelude, VType type);
/* The signed or unsigned integers as wide as the type's lanes. */
VType tn_vtype_integer(VType type, bool is_signed);
VType tn_vtype_element(VType type);
/* Marks the C name as added; false when it was already. */
bool tn_prelude_add(Prelude *prelude, const char *name);
/* Appends C text, with line breaks and indentation put in. */
void tn_prelude_pretty(StrBuf *out, const char *text);

#endif
