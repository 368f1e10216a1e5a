/* dim_sum.c: linear forms: addition, multiplication, and the joining of x / c with x % c.
 */
#include "ir/dim_priv.h"

#include <string.h>

#include "base/map.h"

/* ---- forms ---- */

Lin dim_lin_new(Ctx *ctx, uint32_t cap) {
    return (Lin){.terms = TN_NEW_ARRAY(&ctx->scratch, Term, cap)};
}

Lin dim_lin(Ctx *ctx, const Dim *d) {
    if (d->kind == DIM_CONST) {
        return (Lin){.value = d->value, .overflow = d->overflow};
    }
    Lin lin = dim_lin_new(ctx, d->kind == DIM_SUM ? d->n_args : 1);
    if (d->kind != DIM_SUM) {
        lin.terms[lin.n++] = (Term){d, 1};
        return lin;
    }
    lin.value = d->value;
    for (; lin.n < d->n_args; lin.n++) {
        lin.terms[lin.n] = (Term){d->args[lin.n], d->coefs[lin.n]};
    }
    return lin;
}

static int64_t mul_or_flag(int64_t a, int64_t b, bool *overflow) {
    int64_t out = 0;
    *overflow = __builtin_mul_overflow(a, b, &out) || *overflow;
    return out;
}

static int64_t add_or_flag(int64_t a, int64_t b, bool *overflow) {
    int64_t out = 0;
    *overflow = __builtin_add_overflow(a, b, &out) || *overflow;
    return out;
}

/* ---- canonical expression of a form ---- */

static bool is_sorted(const Lin *lin) {
    for (uint32_t i = 1; i < lin->n; i++) {
        if (lin->terms[i - 1].arg->id >= lin->terms[i].arg->id) {
            return false;
        }
    }
    return true;
}

/* Bottom-up merge sort: stable, no recursion. */
static void sort_terms(Ctx *ctx, Lin *lin) {
    Term *from = lin->terms;
    Term *to = TN_NEW_ARRAY(&ctx->scratch, Term, lin->n);
    for (uint32_t width = 1; width < lin->n; width *= 2) {
        for (uint32_t at = 0; at < lin->n; at += 2 * width) {
            uint32_t mid = at + width < lin->n ? at + width : lin->n;
            uint32_t end = at + 2 * width < lin->n ? at + 2 * width : lin->n;
            for (uint32_t i = at, j = mid, k = at; k < end; k++) {
                bool left = j >= end || (i < mid && from[i].arg->id <= from[j].arg->id);
                to[k] = left ? from[i++] : from[j++];
            }
        }
        Term *swap = from;
        from = to;
        to = swap;
    }
    lin->terms = from;
}

static void merge_terms(Lin *lin) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < lin->n; i++) {
        if (n > 0 && lin->terms[n - 1].arg == lin->terms[i].arg) {
            Term *last = &lin->terms[n - 1];
            last->coef = add_or_flag(last->coef, lin->terms[i].coef, &lin->overflow);
        } else {
            lin->terms[n++] = lin->terms[i];
        }
        n -= lin->terms[n - 1].coef == 0;
    }
    lin->n = n;
}

static void normalise(Ctx *ctx, Lin *lin) {
    if (!is_sorted(lin)) {
        sort_terms(ctx, lin);
    }
    merge_terms(lin);
}

static const Dim *sum_of(Ctx *ctx, const Lin *lin) {
    Dim key = {.kind = DIM_SUM, .value = lin->value, .n_args = lin->n};
    const Dim **args = TN_NEW_ARRAY(&ctx->scratch, const Dim *, lin->n);
    int64_t *coefs = TN_NEW_ARRAY(&ctx->scratch, int64_t, lin->n);
    const Dim *base = tn_dim_const(ctx, lin->value);
    Range range = {base->lo, base->hi};
    for (uint32_t i = 0; i < lin->n; i++) {
        const Dim *arg = lin->terms[i].arg;
        int64_t coef = lin->terms[i].coef;
        args[i] = arg;
        coefs[i] = coef;
        range = dim_range_add(range, dim_range_mul((Range){arg->lo, arg->hi}, (Range){coef, coef}));
    }
    if (range.lo == range.hi) {
        return tn_dim_const(ctx, range.lo);
    }
    key.args = args;
    key.coefs = coefs;
    key.lo = range.lo;
    key.hi = range.hi;
    return dim_intern_key(ctx, &key);
}

const Dim *dim_from_terms(Ctx *ctx, Lin *lin) {
    normalise(ctx, lin);
    while (!lin->overflow && dim_join_mods(ctx, lin)) {
        normalise(ctx, lin);
    }
    if (lin->overflow) {
        return dim_poison(ctx);
    }
    if (lin->n == 0) {
        return tn_dim_const(ctx, lin->value);
    }
    if (lin->n == 1 && lin->value == 0 && lin->terms[0].coef == 1) {
        return lin->terms[0].arg;
    }
    return sum_of(ctx, lin);
}

static void append_scaled(Lin *out, const Lin *in, int64_t k) {
    out->value = add_or_flag(out->value, mul_or_flag(in->value, k, &out->overflow), &out->overflow);
    for (uint32_t i = 0; i < in->n; i++) {
        int64_t coef = mul_or_flag(in->terms[i].coef, k, &out->overflow);
        out->terms[out->n++] = (Term){in->terms[i].arg, coef};
    }
}

const Dim *dim_combine(Ctx *ctx, const Dim *a, int64_t ka, const Dim *b, int64_t kb) {
    if (a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Lin la = dim_lin(ctx, a);
    Lin lb = dim_lin(ctx, b);
    Lin out = dim_lin_new(ctx, la.n + lb.n);
    append_scaled(&out, &la, ka);
    append_scaled(&out, &lb, kb);
    const Dim *sum = dim_from_terms(ctx, &out);
    tn_arena_reset(&ctx->scratch, mark);
    return sum;
}

/* ---- x / c with x % c ---- */

static const Term *find_term(const Lin *lin, const Dim *arg) {
    uint32_t lo = 0;
    uint32_t hi = lin->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (lin->terms[mid].arg == arg) {
            return &lin->terms[mid];
        }
        if (lin->terms[mid].arg->id < arg->id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/* The first factor of that kind. */
static const Dim *factor_of(const Dim *mono, DimKind kind) {
    const Dim *const *f;
    uint32_t n = dim_factors(&mono, &f);
    for (uint32_t i = 0; i < n; i++) {
        if (f[i]->kind == kind) {
            return f[i];
        }
    }
    return NULL;
}

/* All terms of `part` are in the form with exactly these coefficients. */
static bool holds_all(Ctx *ctx, const Lin *lin, const Dim *part) {
    Lin terms = dim_lin(ctx, part);
    for (uint32_t i = 0; i < terms.n; i++) {
        const Term *term = find_term(lin, terms.terms[i].arg);
        if (term == NULL || term->coef != terms.terms[i].coef) {
            return false;
        }
    }
    return terms.n > 0;
}

/* lin += k * d. */
static void add_into(Ctx *ctx, Lin *lin, const Dim *d, int64_t k) {
    Lin terms = dim_lin(ctx, d);
    Lin grown = dim_lin_new(ctx, lin->n + terms.n);
    append_scaled(&grown, lin, 1);
    append_scaled(&grown, &terms, k);
    grown.overflow = grown.overflow || lin->overflow || d->overflow;
    *lin = grown;
}

/* K * (x % c) with the terms of K * c * (x / c) beside it is K * x. */
static bool join_mod(Ctx *ctx, Lin *lin, const Term *term) {
    const Dim *mod = factor_of(term->arg, DIM_MOD);
    if (mod == NULL) {
        return false;
    }
    const Dim *scale = tn_dim_mulc(ctx, dim_without(ctx, term->arg, mod), term->coef);
    const Dim *quotient = tn_dim_div(ctx, mod->args[0], mod->args[1]);
    const Dim *whole = tn_dim_mul(ctx, scale, tn_dim_mul(ctx, mod->args[1], quotient));
    if (whole->overflow || !holds_all(ctx, lin, whole)) {
        return false;
    }
    const Dim *joined = tn_dim_mul(ctx, scale, mod->args[0]);
    add_into(ctx, lin, whole, -1);
    add_into(ctx, lin, tn_dim_mul(ctx, scale, mod), -1);
    add_into(ctx, lin, joined, 1);
    return true;
}

/* K * x beside -K * c * (x / c), c a constant, is K * (x % c). */
static bool join_div(Ctx *ctx, Lin *lin, const Term *term) {
    const Dim *div = factor_of(term->arg, DIM_DIV);
    if (div == NULL || div->args[1]->kind != DIM_CONST || term->coef % div->args[1]->value != 0) {
        return false;
    }
    int64_t k = -(term->coef / div->args[1]->value);
    const Dim *scale = tn_dim_mulc(ctx, dim_without(ctx, term->arg, div), k);
    const Dim *whole = tn_dim_mul(ctx, scale, div->args[0]);
    if (whole->overflow || !holds_all(ctx, lin, whole)) {
        return false;
    }
    const Dim *rest = tn_dim_mul(ctx, scale, tn_dim_mod(ctx, div->args[0], div->args[1]));
    const Dim *taken = tn_dim_mulc(ctx, term->arg, term->coef);
    add_into(ctx, lin, whole, -1);
    add_into(ctx, lin, taken, -1);
    add_into(ctx, lin, rest, 1);
    return true;
}

bool dim_join_mods(Ctx *ctx, Lin *lin) {
    for (uint32_t i = 0; i < lin->n && lin->n > 1; i++) {
        Term term = lin->terms[i];
        if (term.arg->kind != DIM_SYM && (join_mod(ctx, lin, &term) || join_div(ctx, lin, &term))) {
            return true;
        }
    }
    return false;
}

/* ---- arithmetic ---- */

const Dim *tn_dim_add(Ctx *ctx, const Dim *a, const Dim *b) {
    return dim_combine(ctx, a, 1, b, 1);
}
const Dim *tn_dim_sub(Ctx *ctx, const Dim *a, const Dim *b) {
    return dim_combine(ctx, a, 1, b, -1);
}

const Dim *tn_dim_mulc(Ctx *ctx, const Dim *a, int64_t b) {
    return dim_combine(ctx, a, b, tn_dim_const(ctx, 0), 1);
}

const Dim *tn_dim_addc(Ctx *ctx, const Dim *a, int64_t b) {
    return dim_combine(ctx, a, 1, tn_dim_const(ctx, b), 1);
}

/* Every term of `a` times every term of `b`. */
static const Dim *distribute(Ctx *ctx, const Lin *a, const Lin *b) {
    Lin out = dim_lin_new(ctx, (a->n + 1) * (b->n + 1));
    append_scaled(&out, a, b->value);
    append_scaled(&out, b, a->value);
    out.value = mul_or_flag(a->value, b->value, &out.overflow);
    for (uint32_t i = 0; i < a->n; i++) {
        for (uint32_t j = 0; j < b->n; j++) {
            const Dim *mono = dim_mono_mul(ctx, a->terms[i].arg, b->terms[j].arg);
            int64_t coef = mul_or_flag(a->terms[i].coef, b->terms[j].coef, &out.overflow);
            if (mono->kind == DIM_CONST) {
                out.overflow = out.overflow || mono->overflow;
                coef = mul_or_flag(coef, mono->value, &out.overflow);
                out.value = add_or_flag(out.value, coef, &out.overflow);
            } else {
                out.terms[out.n++] = (Term){mono, coef};
            }
        }
    }
    return dim_from_terms(ctx, &out);
}

const Dim *tn_dim_mul(Ctx *ctx, const Dim *a, const Dim *b) {
    if (a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    if (a->kind == DIM_CONST || b->kind == DIM_CONST) {
        return a->kind == DIM_CONST ? tn_dim_mulc(ctx, b, a->value) : tn_dim_mulc(ctx, a, b->value);
    }
    if (a->kind != DIM_SUM && b->kind != DIM_SUM) {
        return dim_mono_mul(ctx, a, b);
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Lin la = dim_lin(ctx, a);
    Lin lb = dim_lin(ctx, b);
    bool small = (la.n + 1) * (lb.n + 1) <= DIM_TERMS_MAX;
    const Dim *product = small ? distribute(ctx, &la, &lb) : dim_mono_mul(ctx, a, b);
    tn_arena_reset(&ctx->scratch, mark);
    return product;
}

const Dim *tn_dim_product(Ctx *ctx, const Dim *const *dims, size_t n) {
    const Dim *product = tn_dim_const(ctx, 1);
    for (size_t i = 0; i < n; i++) {
        product = tn_dim_mul(ctx, product, dims[i]);
    }
    return product;
}
