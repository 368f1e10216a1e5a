/* ctx.h: the compiler's context: one per compilation, never shared by threads.
 *
 * Everything the compiler allocates lives in one of the two arenas: `arena`
 * until the context ends, `scratch` until the current pass ends.
 */
#ifndef TN_BASE_CTX_H
#define TN_BASE_CTX_H

#include "base/arena.h"
#include "base/diag.h"

struct DimTable; /* ir/dim.h */

typedef struct Ctx {
    Arena arena;
    Arena scratch;
    DiagList diags;
    struct DimTable *dims; /* all dimension expressions, hash-consed; owned by `arena` */
} Ctx;

/* `on_oom` is where allocation failure jumps to (borrowed, may be NULL). */
void tn_ctx_init(Ctx *ctx, jmp_buf *on_oom);
void tn_ctx_free(Ctx *ctx);

#endif
