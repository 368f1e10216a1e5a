/* ctx.c: setting up and tearing down a compiler context. */
#include "base/ctx.h"

void tn_ctx_init(Ctx *ctx, jmp_buf *on_oom) {
    *ctx = (Ctx){0};
    tn_arena_init(&ctx->arena, on_oom);
    tn_arena_init(&ctx->scratch, on_oom);
    ctx->diags.arena = &ctx->arena;
}

void tn_ctx_free(Ctx *ctx) {
    tn_arena_free(&ctx->scratch);
    tn_arena_free(&ctx->arena);
    *ctx = (Ctx){0};
}
