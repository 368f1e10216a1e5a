/* diag.h: errors are values: a list of diagnostics kept in the context.
 *
 * Whoever meets a problem adds a diagnostic and returns false or NULL; the
 * public entry point reports the list and returns the status of its first error.
 * Text must say what was found, what was expected and, where there is one, a
 * way out. Names that come from a model are escaped by the caller-facing
 * printer, so they may be passed as they are.
 */
#ifndef TN_BASE_DIAG_H
#define TN_BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "tenon/runtime.h" /* tn_status */

/* Where something comes from. All fields optional. */
typedef struct Loc {
    const char *file;  /* path as the user gave it; borrowed from the context */
    uint32_t line;     /* 1-based text position, 0 when unknown */
    uint32_t column;
    const char *node;  /* the model's own node name */
    const char *op;    /* operator, e.g. "Resize-13" */
    uint64_t offset;   /* byte offset in a binary file */
    bool has_offset;
} Loc;

typedef struct Diag {
    tn_status status;   /* TN_OK for a note or warning */
    Loc loc;
    const char *text;   /* without trailing newline */
    const char *snippet; /* source line for a caret, or NULL */
} Diag;

typedef struct DiagList {
    Arena *arena; /* borrowed */
    TN_VEC(Diag) items;
    uint32_t dropped; /* beyond TN_DIAG_MAX */
} DiagList;

#define TN_DIAG_MAX 200

/* Adds a diagnostic; always returns false, so `return tn_diag(...)` reads well. */
bool tn_diag(DiagList *list, tn_status status, Loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The status of the first error in the list, TN_OK when there is none. */
tn_status tn_diag_status(const DiagList *list);
/* Compiler style: "model.onnx: error: node 'x' (Resize-13): text", one a line, names escaped. */
void tn_diag_print(const DiagList *list, StrBuf *out);

#endif
