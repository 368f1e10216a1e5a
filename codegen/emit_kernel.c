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
static void put_symbol(Emit *e, const Dim *dim, StrBuf *out) {
    const Symbol *symbol = tn_dim_symbol_of(e->ctx, dim);
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
    while (at < e->sizes.len && e->sizes.data[at] != dim->sym) {
        at++;
    }
    if (at == e->sizes.len) {
        tn_vec_push(e->arena, &e->sizes, dim->sym);
    }
    tn_str_printf(out, "s%zu", at);
}

static bool uses_lane(const Emit *e, const Dim *dim) {
    if (dim->kind == DIM_SYM) {
        const LoopPlan *plan = tn_emit_plan_of(e, dim);
        return plan != NULL && plan->form == FORM_LANE;
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        if (uses_lane(e, dim->args[i])) {
            return true;
        }
    }
    return false;
}

/* Quotients by sizes are slow, and C compilers do not move them out of loops. */
static bool is_costly(const Emit *e, const Dim *dim) {
    return (dim->kind == DIM_DIV || dim->kind == DIM_MOD) && !tn_dim_is_const(dim->args[1]) &&
           !uses_lane(e, dim);
}

static bool put_part(void *arg, const Dim *part, StrBuf *out);

/* A line that gives the quotient a name, among the first of the frame. */
static const char *define_quotient(Emit *e, Frame *frame, const Dim *dim) {
    const Dim *outer = e->defined;
    StrBuf text = tn_str(e->arena), *out = e->out;
    int depth = e->depth;
    e->defined = dim;
    tn_dim_print_c(dim, put_part, e, &text);
    e->defined = outer;
    const char *name = tn_emit_name(e, "q");
    e->out = &frame->text;
    e->depth = frame->depth;
    tn_emit_line(e, "const int64_t %s = %s;", name, text.data);
    e->out = out;
    e->depth = depth;
    return name;
}

/* The name of a quotient, which is computed where the innermost variable in it gets its value. */
static const char *quotient_name(Emit *e, const Dim *dim) {
    Frame *frame = e->frame;
    while (frame->var != NULL && !tn_dim_uses(dim, frame->var)) {
        frame = frame->outer;
    }
    const char *name = tn_map_get_int(&frame->names, (uintptr_t)dim);
    if (name == NULL) {
        name = define_quotient(e, frame, dim);
        *tn_map_put_int(&frame->names, (uintptr_t)dim, NULL) = (void *)(uintptr_t)name;
    }
    return name;
}

/* Symbols by name, and costly parts by that of a constant. */
static bool put_part(void *arg, const Dim *part, StrBuf *out) {
    Emit *e = arg;
    if (part->kind == DIM_SYM) {
        put_symbol(e, part, out);
        return true;
    }
    if (part == e->defined || !is_costly(e, part)) {
        return false;
    }
    tn_str_puts(out, quotient_name(e, part));
    return true;
}

const char *tn_emit_dim(Emit *e, const Dim *dim) {
    StrBuf out = tn_str(e->arena);
    dim = tn_emit_resolve(e, dim);
    if (dim->overflow) {
        tn_emit_fail(e, TN_LIMIT, "an index expression overflows");
    }
    bool atom = dim->kind == DIM_SYM || (dim->kind == DIM_CONST && dim->value >= 0);
    tn_str_puts(&out, atom ? "" : "(");
    tn_dim_print_c(dim, put_part, e, &out);
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

void tn_emit_open_frame(Emit *e, Frame *frame, const Dim *var) {
    *frame = (Frame){.var = var,
                     .depth = e->depth,
                     .text = tn_str(e->arena),
                     .body = tn_str(e->arena),
                     .names = tn_map(e->arena),
                     .outer = e->frame,
                     .out = e->out};
    e->frame = frame;
    e->out = &frame->body;
}

void tn_emit_close_frame(Emit *e) {
    Frame *frame = e->frame;
    e->out = frame->out;
    e->frame = frame->outer;
    tn_str_write(e->out, frame->text.data != NULL ? frame->text.data : "", frame->text.len);
    tn_str_write(e->out, frame->body.data != NULL ? frame->body.data : "", frame->body.len);
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
    Frame frame;
    tn_emit_open_frame(&e, &frame, NULL);
    declare_locals(&e);
    tn_emit_block(&e, NULL, kernel->body);
    tn_emit_close_frame(&e);
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
