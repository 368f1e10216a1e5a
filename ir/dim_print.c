/* dim_print.c: dimension expressions as text and as C.
 *
 * Text must not depend on ids, which differ between a context and one that parsed its text:
 * terms, factors and the args of min, max and eq are put in order of their own text.
 */
#include "ir/dim_priv.h"

#include <inttypes.h>
#include <string.h>

typedef struct Part {
    const char *text;
    int64_t coef;
    bool atom; /* needs no parentheses as a factor */
} Part;

static const char *text_of(Ctx *ctx, const Dim *d, bool *atom);

/* ---- order ---- */

/* Positive coefficients first, then by text. */
static bool before(const Part *a, const Part *b) {
    bool minus_a = a->coef < 0;
    bool minus_b = b->coef < 0;
    return minus_a != minus_b ? minus_b : strcmp(a->text, b->text) < 0;
}

static void sort_parts(Part *parts, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        Part part = parts[i];
        uint32_t at = i;
        for (; at > 0 && before(&part, &parts[at - 1]); at--) {
            parts[at] = parts[at - 1];
        }
        parts[at] = part;
    }
}

static Part *parts_of(Ctx *ctx, const Dim *const *args, const int64_t *coefs, uint32_t n) {
    Part *parts = TN_NEW_ARRAY(&ctx->scratch, Part, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        parts[i].text = text_of(ctx, args[i], &parts[i].atom);
        parts[i].coef = coefs != NULL ? coefs[i] : 1;
    }
    sort_parts(parts, n);
    return parts;
}

/* ---- pieces ---- */

static bool plain_name(const char *name) {
    static const char *const reserved[] = {"min", "max", "eq", "lt", "select", "overflow"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return false;
        }
    }
    const char *at = name;
    for (; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        if (!letter && !(at > name && *at >= '0' && *at <= '9')) {
            return false;
        }
    }
    return at > name;
}

static void print_symbol(Ctx *ctx, const Dim *d, StrBuf *out) {
    const char *name = tn_dim_symbol_of(ctx, d)->name;
    if (plain_name(name)) {
        tn_str_puts(out, name);
        return;
    }
    tn_str_putc(out, '"');
    tn_str_escape(out, tn_sv(name));
    tn_str_putc(out, '"');
}

static void print_factor(const Part *part, StrBuf *out) {
    tn_str_printf(out, part->atom ? "%s" : "(%s)", part->text);
}

static void print_product(Ctx *ctx, const Dim *d, StrBuf *out) {
    const Part *parts = parts_of(ctx, d->args, NULL, d->n_args);
    for (uint32_t i = 0; i < d->n_args; i++) {
        tn_str_puts(out, i > 0 ? "*" : "");
        print_factor(&parts[i], out);
    }
}

/* A term of a sum without its sign; a bare product or quotient needs no parentheses. */
static void print_scaled(const Part *part, uint64_t size, bool first_minus, StrBuf *out) {
    if (size == 1 && !first_minus) {
        tn_str_puts(out, part->text);
        return;
    }
    tn_str_printf(out, "%s%" PRIu64 "*", first_minus ? "-" : "", size);
    print_factor(part, out);
}

static uint64_t size_of(int64_t v) {
    return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

static void print_sum(Ctx *ctx, const Dim *d, StrBuf *out) {
    const Part *parts = parts_of(ctx, d->args, d->coefs, d->n_args);
    bool constant_first = parts[0].coef < 0 && d->value > 0;
    if (constant_first) {
        tn_str_printf(out, "%" PRId64, d->value);
    }
    for (uint32_t i = 0; i < d->n_args; i++) {
        bool minus = parts[i].coef < 0;
        bool first = i == 0 && !constant_first;
        tn_str_puts(out, first ? "" : minus ? " - " : " + ");
        print_scaled(&parts[i], size_of(parts[i].coef), first && minus, out);
    }
    if (d->value != 0 && !constant_first) {
        tn_str_printf(out, " %c %" PRIu64, d->value < 0 ? '-' : '+', size_of(d->value));
    }
}

static const char *const function_names[] = {
    [DIM_MIN] = "min", [DIM_MAX] = "max", [DIM_EQ] = "eq", [DIM_LT] = "lt", [DIM_SELECT] = "select",
};

static void print_call(Ctx *ctx, const Dim *d, StrBuf *out) {
    bool atom;
    tn_str_printf(out, "%s(", function_names[d->kind]);
    if (d->kind == DIM_EQ) {
        const Part *parts = parts_of(ctx, d->args, NULL, 2);
        tn_str_printf(out, "%s, %s)", parts[0].text, parts[1].text);
        return;
    }
    for (uint32_t i = 0; i < d->n_args; i++) {
        tn_str_printf(out, "%s%s", i > 0 ? ", " : "", text_of(ctx, d->args[i], &atom));
    }
    tn_str_putc(out, ')');
}

/* Chains nest to the left: min(min(a, b), c). */
static void print_chain(Ctx *ctx, const Dim *d, StrBuf *out) {
    uint32_t n = 1;
    for (const Dim *at = d; at->kind == d->kind; at = at->args[0]) {
        n++;
    }
    const Dim **args = TN_NEW_ARRAY(&ctx->scratch, const Dim *, n);
    uint32_t i = n;
    const Dim *at = d;
    for (; at->kind == d->kind; at = at->args[0]) {
        args[--i] = at->args[1];
    }
    args[0] = at;
    const Part *parts = parts_of(ctx, args, NULL, n);
    for (i = 1; i < n; i++) {
        tn_str_printf(out, "%s(", function_names[d->kind]);
    }
    tn_str_puts(out, parts[0].text);
    for (i = 1; i < n; i++) {
        tn_str_printf(out, ", %s)", parts[i].text);
    }
}

static void print_quotient(Ctx *ctx, const Dim *d, StrBuf *out) {
    for (uint32_t i = 0; i < 2; i++) {
        Part part = {.coef = 1};
        part.text = text_of(ctx, d->args[i], &part.atom);
        tn_str_puts(out, i == 0 ? "" : d->kind == DIM_DIV ? "/" : "%");
        print_factor(&part, out);
    }
}

static void print_any(Ctx *ctx, const Dim *d, StrBuf *out) {
    switch (d->kind) {
    case DIM_CONST:
        if (d->overflow) {
            tn_str_puts(out, "overflow");
        } else {
            tn_str_printf(out, "%" PRId64, d->value);
        }
        return;
    case DIM_SYM:
        print_symbol(ctx, d, out);
        return;
    case DIM_SUM:
        print_sum(ctx, d, out);
        return;
    case DIM_MUL:
        print_product(ctx, d, out);
        return;
    case DIM_DIV:
    case DIM_MOD:
        print_quotient(ctx, d, out);
        return;
    case DIM_MIN:
    case DIM_MAX:
        print_chain(ctx, d, out);
        return;
    default:
        print_call(ctx, d, out);
    }
}

/* In the scratch arena. */
static const char *text_of(Ctx *ctx, const Dim *d, bool *atom) {
    StrBuf buf = tn_str(&ctx->scratch);
    print_any(ctx, d, &buf);
    *atom = d->kind != DIM_SUM && d->kind != DIM_MUL && d->kind != DIM_DIV && d->kind != DIM_MOD;
    return buf.data;
}

void tn_dim_print(Ctx *ctx, const Dim *d, StrBuf *out) {
    if (out->arena == &ctx->scratch) {
        print_any(ctx, d, out);
        return;
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    print_any(ctx, d, out);
    tn_arena_reset(&ctx->scratch, mark);
}

/* ---- C ---- */

typedef struct CPrinter {
    DimPartFn *part;
    void *arg;
    StrBuf *out;
} CPrinter;

static void c_dim(CPrinter *p, const Dim *d, bool nested);

/* INT64_MIN has no literal. */
static void c_const(CPrinter *p, int64_t value) {
    if (value == INT64_MIN) {
        tn_str_puts(p->out, "(-9223372036854775807 - 1)");
    } else {
        tn_str_printf(p->out, value < 0 ? "(%" PRId64 ")" : "%" PRId64, value);
    }
}

static void c_term(CPrinter *p, const Dim *arg, int64_t coef) {
    if (coef != 1) {
        c_const(p, coef);
        tn_str_puts(p->out, " * ");
    }
    c_dim(p, arg, true);
}

static void c_sum(CPrinter *p, const Dim *d) {
    for (uint32_t i = 0; i < d->n_args; i++) {
        bool minus = i > 0 && d->coefs[i] < 0 && d->coefs[i] != INT64_MIN;
        tn_str_puts(p->out, i == 0 ? "" : minus ? " - " : " + ");
        c_term(p, d->args[i], minus ? -d->coefs[i] : d->coefs[i]);
    }
    if (d->value != 0) {
        bool minus = d->value < 0 && d->value != INT64_MIN;
        tn_str_puts(p->out, minus ? " - " : " + ");
        c_const(p, minus ? -d->value : d->value);
    }
}

static void c_binary(CPrinter *p, const Dim *d, const char *op) {
    for (uint32_t i = 0; i < d->n_args; i++) {
        tn_str_puts(p->out, i > 0 ? op : "");
        c_dim(p, d->args[i], true);
    }
}

static void c_call(CPrinter *p, const Dim *d, const char *name) {
    tn_str_printf(p->out, "%s(", name);
    for (uint32_t i = 0; i < d->n_args; i++) {
        tn_str_puts(p->out, i > 0 ? ", " : "");
        c_dim(p, d->args[i], false);
    }
    tn_str_putc(p->out, ')');
}

/* Truncating C division is floor division here, and the divisor is not 0. */
static void c_quotient(CPrinter *p, const Dim *d) {
    bool plain = d->args[0]->lo >= 0 && d->args[1]->lo >= 1;
    bool div = d->kind == DIM_DIV;
    if (plain) {
        c_binary(p, d, div ? " / " : " % ");
    } else {
        c_call(p, d, div ? "tn_fdiv" : "tn_fmod");
    }
}

static void c_select(CPrinter *p, const Dim *d) {
    c_dim(p, d->args[0], true);
    tn_str_puts(p->out, " ? ");
    c_dim(p, d->args[1], true);
    tn_str_puts(p->out, " : ");
    c_dim(p, d->args[2], true);
}

static void c_compound(CPrinter *p, const Dim *d) {
    switch (d->kind) {
    case DIM_SUM:
        c_sum(p, d);
        return;
    case DIM_MUL:
        c_binary(p, d, " * ");
        return;
    case DIM_DIV:
    case DIM_MOD:
        c_quotient(p, d);
        return;
    case DIM_MIN:
    case DIM_MAX:
        c_call(p, d, d->kind == DIM_MIN ? "tn_imin" : "tn_imax");
        return;
    case DIM_EQ:
    case DIM_LT:
        c_binary(p, d, d->kind == DIM_EQ ? " == " : " < ");
        return;
    default:
        c_select(p, d);
    }
}

static void c_dim(CPrinter *p, const Dim *d, bool nested) {
    if (d->kind == DIM_CONST) {
        c_const(p, d->value);
    } else if (!p->part(p->arg, d, p->out)) {
        /* A comparison is an int in C; in arithmetic it must not narrow the rest. */
        bool truth = d->kind == DIM_EQ || d->kind == DIM_LT;
        tn_str_puts(p->out, nested && truth ? "(int64_t)" : "");
        tn_str_puts(p->out, nested ? "(" : "");
        c_compound(p, d);
        tn_str_puts(p->out, nested ? ")" : "");
    }
}

void tn_dim_print_c(const Dim *d, DimPartFn *part, void *arg, StrBuf *out) {
    CPrinter printer = {part, arg, out};
    c_dim(&printer, d, false);
}
