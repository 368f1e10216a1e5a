/* emit_kernel.c: one kernel as a C function without a name, and the small tools the other
 * files print with.
 */
#include <stdarg.h>
#include <string.h>

#include "codegen/emit.h"

enum { MAX_STATEMENTS = 6000 };

bool tn_emit_fail(Emit *e, tn_status status, const char *what) {
    if (!e->failed) {
        e->failed = true;
        tn_diag(&e->ctx->diags, status, (Loc){0}, "kernel '%s': %s", e->kernel->name, what);
    }
    return false;
}

void tn_emit_line(Emit *e, const char *format, ...) {
    if (++e->n_statements > MAX_STATEMENTS) {
        tn_emit_fail(e, TN_LIMIT, "it is too large to compile as one function");
        return;
    }
    for (int i = 0; i < e->depth; i++) {
        tn_str_puts(e->out, "    ");
    }
    va_list args;
    va_start(args, format);
    tn_str_vprintf(e->out, format, args);
    va_end(args);
    tn_str_putc(e->out, '\n');
}

char *tn_emit_text(Emit *e, const char *format, ...) {
    StrBuf out = tn_str(e->arena);
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&out, format, args);
    va_end(args);
    return out.data;
}

const char *tn_emit_name(Emit *e, const char *prefix) {
    return tn_emit_text(e, "%s%u", prefix, e->n_names++);
}

/* ---- dimensions ---- */

const Dim *tn_emit_resolve(Emit *e, const Dim *dim) {
    return e->from.len == 0 ? dim
                            : tn_dim_subst(e->ctx, dim, e->from.data, e->to.data, e->from.len);
}

/* Sizes are parameters s0, s1, ... in the order of their first use. */
static void put_symbol(void *arg, const Symbol *symbol, uint32_t number, StrBuf *out) {
    Emit *e = arg;
    if (symbol->kind == SYM_LOOP) {
        const LoopPlan *plan = tn_emit_plan_of(e, symbol->dim);
        bool open = plan != NULL && plan->name != NULL;
        if (!open) {
            tn_emit_fail(e, TN_INTERNAL, "a loop variable is used outside its loop");
        }
        tn_str_puts(out, open ? plan->name : "0");
        return;
    }
    size_t at = 0;
    while (at < e->sizes.len && e->sizes.data[at] != number) {
        at++;
    }
    if (at == e->sizes.len) {
        tn_vec_push(e->arena, &e->sizes, number);
    }
    tn_str_printf(out, "s%zu", at);
}

const char *tn_emit_dim(Emit *e, const Dim *dim) {
    StrBuf out = tn_str(e->arena);
    dim = tn_emit_resolve(e, dim);
    if (dim->overflow) {
        tn_emit_fail(e, TN_LIMIT, "an index expression overflows");
    }
    bool atom = dim->kind == DIM_SYM || (dim->kind == DIM_CONST && dim->value >= 0);
    tn_str_puts(&out, atom ? "" : "(");
    tn_dim_print_c(e->ctx, dim, put_symbol, e, &out);
    tn_str_puts(&out, atom ? "" : ")");
    return out.data;
}

bool tn_emit_uses_lanes(const Emit *e, const Dim *dim) {
    return e->lanes.var != NULL && tn_dim_uses(dim, e->lanes.var);
}

const Dim *tn_emit_position(Emit *e, const Buf *buf, const Dim *const *index) {
    const Dim *at = tn_dim_const(e->ctx, 0);
    for (int d = 0; d < buf->rank; d++) {
        const Dim *part = tn_dim_mul(e->ctx, tn_emit_resolve(e, index[d]), buf->strides[d]);
        at = tn_dim_add(e->ctx, at, part);
    }
    return at;
}

/* ---- the function ---- */

static void declare_locals(Emit *e) {
    const Dim *at = tn_dim_const(e->ctx, 0);
    for (size_t i = 0; i < e->kernel->bufs.len; i++) {
        const Buf *buf = e->kernel->bufs.data[i];
        if (buf->kind != BUF_LOCAL) {
            continue;
        }
        const char *type = tn_dtype_c(buf->dtype);
        tn_emit_line(e, "%s *restrict const b%zu = (%s *)(scratch + %s);", type, i, type,
                     tn_emit_dim(e, at));
        tn_emit_line(e, "(void)b%zu;", i);
        at = tn_dim_add(e->ctx, at, tn_buf_local_bytes(e->ctx, buf));
    }
}

static void put_signature(Emit *e, StrBuf *out) {
    tn_str_puts(out, "(int32_t thread, int32_t n_threads");
    for (size_t i = 0; i < e->kernel->bufs.len; i++) {
        const Buf *buf = e->kernel->bufs.data[i];
        if (buf->kind == BUF_PARAM) {
            bool shared = e->shared != NULL && e->shared[i];
            tn_str_printf(out, ", %s%s *%sb%zu", buf->written ? "" : "const ",
                          tn_dtype_c(buf->dtype), shared ? "" : "restrict ", i);
        }
    }
    for (size_t i = 0; i < e->sizes.len; i++) {
        tn_str_printf(out, ", int64_t s%zu", i);
    }
    tn_str_puts(out, ", unsigned char *scratch)\n{\n");
    tn_str_puts(out, "    (void)thread, (void)n_threads, (void)scratch;\n");
    for (size_t i = 0; i < e->kernel->bufs.len; i++) {
        if (e->kernel->bufs.data[i]->kind == BUF_PARAM && !e->buf_used[i]) {
            tn_str_printf(out, "    (void)b%zu;\n", i);
        }
    }
}

static void set_up(Emit *e) {
    e->loops = tn_map(e->arena);
    e->reps = TN_NEW_ARRAY(e->arena, TempRep *, e->kernel->temps.len + 1);
    e->buf_used = TN_NEW_ARRAY(e->arena, bool, e->kernel->bufs.len + 1);
    e->homes = tn_map(e->arena);
}

const char *tn_emit_kernel(Ctx *ctx, Prelude *prelude, Kernel *kernel, const bool *shared,
                           const uint32_t **sizes, size_t *n_sizes) {
    StrBuf body = tn_str(&ctx->scratch);
    Emit e = {.ctx = ctx,
              .arena = &ctx->scratch,
              .kernel = kernel,
              .prelude = prelude,
              .shared = shared,
              .out = &body,
              .depth = 1,
              .lanes = {.n = 1}};
    set_up(&e);
    if (!tn_emit_plan_loops(&e)) {
        return NULL;
    }
    tn_emit_plan_homes(&e);
    declare_locals(&e);
    tn_emit_block(&e, NULL, kernel->body);
    if (e.failed || prelude->failed) {
        return NULL;
    }
    StrBuf out = tn_str(&ctx->arena);
    put_signature(&e, &out);
    tn_str_write(&out, body.data != NULL ? body.data : "", body.len);
    tn_str_puts(&out, "}\n");
    *sizes = tn_arena_copy(&ctx->arena, e.sizes.data, e.sizes.len * sizeof *e.sizes.data);
    *n_sizes = e.sizes.len;
    return out.data;
}
