/* loop_print.c: the text form of a kernel.
 *
 *   kernel "fc1" {
 *     symbol N dim 1..
 *     param b0: f32[N, 64]
 *     local b1: f32[16] strides [1] align 64
 *     temp t0: f32[4, 16]
 *     for n0 in N partition {
 *       t0[0, n0 % 4] = 0:f32
 *       t0[0, n0 % 4] add= mul(b0[n0, 0], index:f32(n0))
 *       b1[0] = guard(lt(n0, 3), t0[0, 0], cast:f32(1:i32))
 *     }
 *   }
 *
 * Parts of a commutative index expression are ordered by their text, not by when they were
 * made, so that the text does not change when it is parsed and printed again. A name in
 * quotes is never a loop variable's; those are words that end in a digit.
 */
#include "ir/loop.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Printer {
    const Kernel *kernel;
    Ctx *ctx;
    StrBuf *out;
} Printer;

/* ---- index expressions ---- */

typedef enum Level { LEVEL_SUM, LEVEL_PRODUCT, LEVEL_ATOM } Level;

static const char *dim_text(Ctx *ctx, const Dim *dim, Level level);

static bool is_word(const char *name) {
    static const char *const taken[] = {"min", "max", "eq", "lt", "select", "inf", "nan"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strcmp(name, taken[i]) == 0) {
            return false;
        }
    }
    for (const char *at = name; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        if (!letter && (at == name || *at < '0' || *at > '9')) {
            return false;
        }
    }
    return name[0] != '\0';
}

static const char *symbol_text(Ctx *ctx, const Symbol *symbol) {
    size_t len = strlen(symbol->name);
    bool digit = len > 0 && symbol->name[len - 1] >= '0' && symbol->name[len - 1] <= '9';
    if (is_word(symbol->name) && (symbol->kind == SYM_LOOP || !digit)) {
        return symbol->name;
    }
    StrBuf buf = tn_str(&ctx->scratch);
    tn_str_putc(&buf, '"');
    tn_str_escape(&buf, tn_sv(symbol->name));
    tn_str_putc(&buf, '"');
    return buf.data;
}

/* Insertion sort: there are few, and their order must depend on nothing but the text. */
static void sort_texts(const char **texts, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        const char *text = texts[i];
        uint32_t at = i;
        for (; at > 0 && strcmp(texts[at - 1], text) > 0; at--) {
            texts[at] = texts[at - 1];
        }
        texts[at] = text;
    }
}

static const char *term_text(Ctx *ctx, const Dim *arg, int64_t coef) {
    if (coef == 1) {
        return dim_text(ctx, arg, LEVEL_PRODUCT);
    }
    return tn_arena_printf(&ctx->scratch, "%s * %" PRId64, dim_text(ctx, arg, LEVEL_PRODUCT), coef);
}

static const char *sum_text(Ctx *ctx, const Dim *dim) {
    StrBuf buf = tn_str(&ctx->scratch);
    const char **texts = TN_NEW_ARRAY(&ctx->scratch, const char *, dim->n_args);
    for (uint32_t i = 0; i < dim->n_args; i++) {
        texts[i] = term_text(ctx, dim->args[i], dim->coefs[i]);
    }
    sort_texts(texts, dim->n_args);
    for (uint32_t i = 0; i < dim->n_args; i++) {
        tn_str_printf(&buf, "%s%s", i > 0 ? " + " : "", texts[i]);
    }
    if (dim->value < 0 && dim->value != INT64_MIN) {
        tn_str_printf(&buf, " - %" PRId64, -dim->value);
    } else if (dim->value != 0) {
        tn_str_printf(&buf, " + %" PRId64, dim->value);
    }
    return buf.data;
}

static uint32_t count_parts(const Dim *dim, DimKind chain) {
    if (dim->kind != chain) {
        return 1;
    }
    return count_parts(dim->args[0], chain) + count_parts(dim->args[1], chain);
}

static void chain_texts(Ctx *ctx, const Dim *dim, DimKind chain, const char **out, uint32_t *n) {
    if (dim->kind != chain) {
        out[(*n)++] = dim_text(ctx, dim, LEVEL_SUM);
        return;
    }
    chain_texts(ctx, dim->args[0], chain, out, n);
    chain_texts(ctx, dim->args[1], chain, out, n);
}

static const char *join_texts(Ctx *ctx, const char **texts, uint32_t n, const char *with) {
    StrBuf buf = tn_str(&ctx->scratch);
    for (uint32_t i = 0; i < n; i++) {
        tn_str_printf(&buf, "%s%s", i > 0 ? with : "", texts[i]);
    }
    return buf.data;
}

/* min(a, min(b, c)) is min(a, b, c), in the order of their texts. */
static const char *extreme_text(Ctx *ctx, const char *name, const Dim *dim) {
    const char **texts = TN_NEW_ARRAY(&ctx->scratch, const char *, count_parts(dim, dim->kind));
    uint32_t n = 0;
    chain_texts(ctx, dim, dim->kind, texts, &n);
    sort_texts(texts, n);
    return tn_arena_printf(&ctx->scratch, "%s(%s)", name, join_texts(ctx, texts, n, ", "));
}

static const char *joined_text(Ctx *ctx, const Dim *dim, const char *with, Level level,
                               bool sorted) {
    const char **texts = TN_NEW_ARRAY(&ctx->scratch, const char *, dim->n_args);
    for (uint32_t i = 0; i < dim->n_args; i++) {
        texts[i] = dim_text(ctx, dim->args[i], level);
    }
    if (sorted) {
        sort_texts(texts, dim->n_args);
    }
    return join_texts(ctx, texts, dim->n_args, with);
}

static const char *call_text(Ctx *ctx, const char *name, const Dim *dim, bool sorted) {
    return tn_arena_printf(&ctx->scratch, "%s(%s)", name,
                           joined_text(ctx, dim, ", ", LEVEL_SUM, sorted));
}

/* The text and how tightly it binds. */
static const char *bare_text(Ctx *ctx, const Dim *dim, Level *level) {
    *level = LEVEL_ATOM;
    switch (dim->kind) {
    case DIM_CONST:
        return tn_arena_printf(&ctx->scratch, "%" PRId64, dim->value);
    case DIM_SYM:
        return symbol_text(ctx, tn_dim_symbol_of(ctx, dim));
    case DIM_SUM:
        *level = LEVEL_SUM;
        return sum_text(ctx, dim);
    case DIM_MUL:
        *level = LEVEL_PRODUCT;
        return joined_text(ctx, dim, " * ", LEVEL_ATOM, true);
    case DIM_DIV:
        *level = LEVEL_PRODUCT;
        return joined_text(ctx, dim, " / ", LEVEL_ATOM, false);
    case DIM_MOD:
        *level = LEVEL_PRODUCT;
        return joined_text(ctx, dim, " % ", LEVEL_ATOM, false);
    case DIM_MIN:
        return extreme_text(ctx, "min", dim);
    case DIM_MAX:
        return extreme_text(ctx, "max", dim);
    case DIM_EQ:
        return call_text(ctx, "eq", dim, true);
    case DIM_LT:
        return call_text(ctx, "lt", dim, false);
    case DIM_SELECT:
        return call_text(ctx, "select", dim, false);
    }
    return "";
}

/* A term `x / 4` keeps its parentheses in `(x / 4) * 3`: products associate to the left. */
static const char *dim_text(Ctx *ctx, const Dim *dim, Level level) {
    Level own = LEVEL_ATOM;
    const char *text = bare_text(ctx, dim, &own);
    return own < level ? tn_arena_printf(&ctx->scratch, "(%s)", text) : text;
}

static void put_dim(Printer *printer, const Dim *dim) {
    tn_str_puts(printer->out, dim_text(printer->ctx, dim, LEVEL_SUM));
}

static void put_dims(Printer *printer, const Dim *const *dims, size_t n) {
    tn_str_putc(printer->out, '[');
    for (size_t d = 0; d < n; d++) {
        tn_str_puts(printer->out, d > 0 ? ", " : "");
        put_dim(printer, dims[d]);
    }
    tn_str_putc(printer->out, ']');
}

/* ---- expressions ---- */

/* The shortest decimal that reads back as the same double. */
static void put_float(StrBuf *out, double value) {
    char text[40] = "";
    if (!isfinite(value)) {
        tn_str_puts(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    bool whole = fabs(value) < 1e15 && value == rint(value);
    if (whole) {
        snprintf(text, sizeof text, "%.0f", value);
    }
    for (int digits = 1; !whole && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    tn_str_puts(out, text);
}

static void put_const(Printer *printer, const Expr *expr) {
    if (tn_dtype_is_float(expr->dtype)) {
        put_float(printer->out, expr->f);
    } else {
        tn_str_printf(printer->out, "%" PRId64, expr->i);
    }
    tn_str_printf(printer->out, ":%s", tn_dtype_text(expr->dtype));
}

static void put_place(Printer *printer, char letter, uint32_t id, const Dim *const *index,
                      size_t n) {
    tn_str_printf(printer->out, "%c%u", letter, (unsigned)id);
    if (n > 0) {
        put_dims(printer, index, n);
    }
}

static void put_expr(Printer *printer, const Expr *expr);

/* A place of which dim `dyn` is computed. */
static void put_computed(Printer *printer, const Buf *buf, const Dim *const *index, int dyn,
                         const Expr *at) {
    tn_str_printf(printer->out, "b%u[", (unsigned)buf->id);
    for (int d = 0; d < buf->rank; d++) {
        tn_str_puts(printer->out, d > 0 ? ", " : "");
        put_dim(printer, index[d]);
        if (d == dyn) {
            tn_str_puts(printer->out, " @ ");
            put_expr(printer, at);
        }
    }
    tn_str_putc(printer->out, ']');
}

static void put_args(Printer *printer, const Expr *expr) {
    for (int i = 0; i < expr->n_args; i++) {
        tn_str_puts(printer->out, i > 0 ? ", " : "");
        put_expr(printer, expr->args[i]);
    }
    tn_str_putc(printer->out, ')');
}

static void put_map(Printer *printer, const Expr *expr) {
    const OpInfo *info = tn_op_info(expr->op);
    tn_str_puts(printer->out, info->name);
    if (info->result == RESULT_TO) {
        tn_str_printf(printer->out, ":%s", tn_dtype_text(expr->dtype));
    }
    tn_str_putc(printer->out, '(');
    put_args(printer, expr);
}

static void put_expr(Printer *printer, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_CONST:
        put_const(printer, expr);
        break;
    case EXPR_INDEX:
        tn_str_printf(printer->out, "index:%s(", tn_dtype_text(expr->dtype));
        put_dim(printer, expr->dim);
        tn_str_putc(printer->out, ')');
        break;
    case EXPR_LOAD:
        put_place(printer, 'b', expr->buf->id, expr->index, expr->n_index);
        break;
    case EXPR_TEMP:
        put_place(printer, 't', expr->temp->id, expr->index, expr->n_index);
        break;
    case EXPR_MAP:
        put_map(printer, expr);
        break;
    case EXPR_GUARD:
        tn_str_puts(printer->out, "guard(");
        put_dim(printer, expr->dim);
        tn_str_puts(printer->out, ", ");
        put_args(printer, expr);
        break;
    case EXPR_DYNLOAD:
        put_computed(printer, expr->buf, expr->index, expr->dyn, expr->args[0]);
        break;
    }
}

/* ---- statements ---- */

static void put_loop_kind(Printer *printer, const Stmt *stmt) {
    switch (stmt->loop) {
    case LOOP_SERIAL:
        break;
    case LOOP_PARTITION:
        tn_str_puts(printer->out, " partition");
        break;
    case LOOP_UNROLL:
        tn_str_printf(printer->out, " unroll %d", (int)stmt->lanes);
        break;
    case LOOP_VECTOR:
        tn_str_printf(printer->out, " vector %d", (int)stmt->lanes);
        break;
    }
}

static void put_chain(Printer *printer, const Stmt *stmt, int depth);

static void put_loop(Printer *printer, const Stmt *stmt, int depth) {
    tn_str_printf(printer->out, "for %s in ",
                  symbol_text(printer->ctx, tn_dim_symbol_of(printer->ctx, stmt->var)));
    put_dim(printer, stmt->extent);
    put_loop_kind(printer, stmt);
    tn_str_puts(printer->out, " {\n");
    put_chain(printer, stmt->body, depth + 1);
    tn_str_printf(printer->out, "%*s}\n", 2 * depth, "");
}

static void put_assignment(Printer *printer, const Stmt *stmt) {
    bool store = stmt->kind == STMT_STORE;
    if (stmt->at != NULL) {
        put_computed(printer, stmt->buf, stmt->index, stmt->dyn, stmt->at);
    } else {
        put_place(printer, store ? 'b' : 't', store ? stmt->buf->id : stmt->temp->id, stmt->index,
                  stmt->n_index);
    }
    if (stmt->kind == STMT_ACC) {
        tn_str_printf(printer->out, " %s= ", tn_op_info(stmt->op)->name);
    } else {
        tn_str_puts(printer->out, " = ");
    }
    put_expr(printer, stmt->value);
    tn_str_putc(printer->out, '\n');
}

static void put_chain(Printer *printer, const Stmt *stmt, int depth) {
    for (; stmt != NULL; stmt = stmt->next) {
        tn_str_printf(printer->out, "%*s", 2 * depth, "");
        if (stmt->kind == STMT_FOR) {
            put_loop(printer, stmt, depth);
        } else {
            put_assignment(printer, stmt);
        }
    }
}

/* ---- declarations ---- */

typedef struct Used {
    Ctx *ctx;
    bool *symbols;
} Used;

static void use_dim(Used *used, const Dim *dim) {
    if (dim->kind == DIM_SYM) {
        used->symbols[dim->sym] = true;
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        use_dim(used, dim->args[i]);
    }
}

static bool use_expr(void *arg, Expr *expr) {
    for (int d = 0; d < expr->n_index; d++) {
        use_dim(arg, expr->index[d]);
    }
    if (expr->kind == EXPR_INDEX || expr->kind == EXPR_GUARD) {
        use_dim(arg, expr->dim);
    }
    return true;
}

static bool use_stmt(void *arg, Stmt *stmt) {
    if (stmt->kind == STMT_FOR) {
        use_dim(arg, stmt->extent);
        return true;
    }
    for (int d = 0; d < stmt->n_index; d++) {
        use_dim(arg, stmt->index[d]);
    }
    return tn_stmt_exprs(stmt, use_expr, arg);
}

static void put_symbol(Printer *printer, const Symbol *symbol) {
    static const char *const kinds[] = {
        [SYM_INPUT_DIM] = "dim", [SYM_INPUT_ELEM] = "elem", [SYM_COUNT] = "count"};
    tn_str_printf(printer->out, "  symbol %s %s ", symbol_text(printer->ctx, symbol),
                  kinds[symbol->kind]);
    if (symbol->dim->lo != INT64_MIN) {
        tn_str_printf(printer->out, "%" PRId64, symbol->dim->lo);
    }
    tn_str_puts(printer->out, "..");
    if (symbol->dim->hi != INT64_MAX) {
        tn_str_printf(printer->out, "%" PRId64, symbol->dim->hi);
    }
    tn_str_putc(printer->out, '\n');
}

/* Symbols of the model that occur, in table order. */
static void put_symbols(Printer *printer) {
    const DimTable *table = printer->ctx->dims;
    size_t n = table->symbols.len;
    Used used = {printer->ctx, TN_NEW_ARRAY(&printer->ctx->scratch, bool, n)};
    for (size_t i = 0; i < printer->kernel->bufs.len; i++) {
        const Buf *buf = printer->kernel->bufs.data[i];
        for (int d = 0; d < buf->rank; d++) {
            use_dim(&used, buf->dims[d]);
            use_dim(&used, buf->strides[d]);
        }
    }
    tn_stmt_visit(printer->kernel->body, use_stmt, &used);
    for (size_t s = 0; s < n; s++) {
        if (used.symbols[s] && table->symbols.data[s].kind != SYM_LOOP) {
            put_symbol(printer, &table->symbols.data[s]);
        }
    }
}

static bool is_dense(Ctx *ctx, const Buf *buf) {
    const Dim *stride = tn_dim_const(ctx, 1);
    for (int d = buf->rank - 1; d >= 0; d--) {
        if (buf->strides[d] != stride) {
            return false;
        }
        stride = tn_dim_mul(ctx, stride, buf->dims[d]);
    }
    return true;
}

static void put_buf(Printer *printer, const Buf *buf) {
    tn_str_printf(printer->out, "  %s b%u: %s", buf->kind == BUF_PARAM ? "param" : "local",
                  (unsigned)buf->id, tn_dtype_text(buf->dtype));
    put_dims(printer, buf->dims, buf->rank);
    if (!is_dense(printer->ctx, buf)) {
        tn_str_puts(printer->out, " strides ");
        put_dims(printer, buf->strides, buf->rank);
    }
    if (buf->align != tn_dtype_bytes(buf->dtype)) {
        tn_str_printf(printer->out, " align %u", (unsigned)buf->align);
    }
    tn_str_putc(printer->out, '\n');
}

static void put_temp(Printer *printer, const Temp *temp) {
    tn_str_printf(printer->out, "  temp t%u: %s[", (unsigned)temp->id, tn_dtype_text(temp->dtype));
    for (int d = 0; d < temp->rank; d++) {
        tn_str_printf(printer->out, "%s%d", d > 0 ? ", " : "", (int)temp->extents[d]);
    }
    tn_str_puts(printer->out, "]\n");
}

static void put_cost(Printer *printer, const char *what, double value) {
    if (value != 0) {
        tn_str_printf(printer->out, "  %s ", what);
        put_float(printer->out, value);
        tn_str_putc(printer->out, '\n');
    }
}

typedef TN_VEC(const Dim *) DimVec;

typedef struct Fixed {
    Ctx *ctx;
    DimVec vars, zeros;
} Fixed;

static bool add_fixed(void *arg, Stmt *stmt) {
    Fixed *fixed = arg;
    if (stmt->kind == STMT_FOR && stmt->var->lo == stmt->var->hi) {
        tn_vec_push(&fixed->ctx->scratch, &fixed->vars, stmt->var);
        tn_vec_push(&fixed->ctx->scratch, &fixed->zeros, tn_dim_const(fixed->ctx, 0));
    }
    return true;
}

/* The kernel with 0 for the variable of every loop that runs once at most. Whether an
 * expression is simplified with that knowledge depends on how it was made; the text must not. */
static const Kernel *without_fixed(const Kernel *kernel) {
    for (size_t before = SIZE_MAX;;) {
        Fixed fixed = {.ctx = kernel->ctx};
        tn_stmt_visit(kernel->body, add_fixed, &fixed);
        if (fixed.vars.len == before || fixed.vars.len == 0) {
            return kernel;
        }
        before = fixed.vars.len;
        Kernel *copy = tn_kernel_clone(kernel);
        tn_stmt_subst(copy, copy->body, fixed.vars.data, fixed.zeros.data, before);
        kernel = copy;
    }
}

void tn_kernel_print(const Kernel *kernel, StrBuf *out) {
    ArenaMark mark = tn_arena_mark(&kernel->ctx->scratch);
    /* `out` may itself grow in the scratch arena: collect in the long-lived one. */
    StrBuf text = tn_str(&kernel->ctx->arena);
    kernel = without_fixed(kernel);
    Printer printer = {kernel, kernel->ctx, &text};
    tn_str_puts(&text, "kernel \"");
    tn_str_escape(&text, tn_sv(kernel->name));
    tn_str_puts(&text, "\" {\n");
    put_cost(&printer, "flops", kernel->flops);
    put_cost(&printer, "bytes", kernel->bytes);
    put_symbols(&printer);
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        put_buf(&printer, kernel->bufs.data[i]);
    }
    for (size_t i = 0; i < kernel->temps.len; i++) {
        put_temp(&printer, kernel->temps.data[i]);
    }
    put_chain(&printer, kernel->body, 1);
    tn_str_puts(&text, "}\n");
    tn_arena_reset(&kernel->ctx->scratch, mark);
    tn_str_write(out, text.data, text.len);
}
