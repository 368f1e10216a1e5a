/* dim_walk.c: questions about and changes to whole expressions.
 *
 * Args are older than their users, so an expression older than a symbol cannot hold it.
 */
#include "ir/dim_priv.h"

#include "base/map.h"

bool tn_dim_uses(const Dim *d, const Dim *sym) {
    if (d->id <= sym->id) {
        return d == sym;
    }
    for (uint32_t i = 0; i < d->n_args; i++) {
        if (tn_dim_uses(d->args[i], sym)) {
            return true;
        }
    }
    return false;
}

bool tn_dim_linear_dim(Ctx *ctx, const Dim *d, const Dim *sym, const Dim **coef, const Dim **rest) {
    return dim_split(ctx, d, sym, coef, rest) && !tn_dim_uses(*coef, sym) &&
           !tn_dim_uses(*rest, sym);
}

bool tn_dim_linear(Ctx *ctx, const Dim *d, const Dim *sym, int64_t *coef, const Dim **rest) {
    const Dim *c;
    if (!tn_dim_linear_dim(ctx, d, sym, &c, rest) || c->kind != DIM_CONST) {
        return false;
    }
    *coef = c->value;
    return true;
}

bool tn_dim_pattern(Ctx *ctx, const Dim *d, const Dim *sym, int32_t n, int64_t *out) {
    const Dim *at = tn_dim_const(ctx, 0), *first = tn_dim_subst(ctx, d, &sym, &at, 1);
    for (int32_t i = 0; i < n; i++) {
        at = tn_dim_const(ctx, i);
        const Dim *gap = tn_dim_sub(ctx, tn_dim_subst(ctx, d, &sym, &at, 1), first);
        if (gap->kind != DIM_CONST) {
            return false;
        }
        out[i] = gap->value;
    }
    return true;
}

/* ---- substitution ---- */

typedef struct Subst {
    Ctx *ctx;
    const Dim *const *from;
    const Dim *const *to;
    size_t n;
    uint32_t oldest; /* smallest id of `from` */
    Map *seen;       /* results by id; NULL for small expressions */
} Subst;

static const Dim *subst(Subst *s, const Dim *d);

static const Dim *subst_sum(Subst *s, const Dim *d) {
    const Dim *sum = tn_dim_const(s->ctx, d->value);
    for (uint32_t i = 0; i < d->n_args; i++) {
        sum = dim_combine(s->ctx, sum, 1, subst(s, d->args[i]), d->coefs[i]);
    }
    return sum;
}

static const Dim *rebuild(Ctx *ctx, DimKind kind, const Dim *a, const Dim *b, const Dim *c) {
    switch (kind) {
    case DIM_MUL:
        return tn_dim_mul(ctx, a, b);
    case DIM_DIV:
        return tn_dim_div(ctx, a, b);
    case DIM_MOD:
        return tn_dim_mod(ctx, a, b);
    case DIM_MIN:
        return tn_dim_min(ctx, a, b);
    case DIM_MAX:
        return tn_dim_max(ctx, a, b);
    case DIM_EQ:
        return tn_dim_eq(ctx, a, b);
    case DIM_LT:
        return tn_dim_lt(ctx, a, b);
    default:
        return tn_dim_select(ctx, a, b, c);
    }
}

static const Dim *subst_parts(Subst *s, const Dim *d) {
    if (d->kind == DIM_SUM) {
        return subst_sum(s, d);
    }
    const Dim *a = subst(s, d->args[0]);
    const Dim *b = subst(s, d->args[1]);
    if (d->kind == DIM_MUL) {
        a = rebuild(s->ctx, DIM_MUL, a, b, NULL);
        for (uint32_t i = 2; i < d->n_args; i++) {
            a = tn_dim_mul(s->ctx, a, subst(s, d->args[i]));
        }
        return a;
    }
    bool same = a == d->args[0] && b == d->args[1];
    const Dim *c = d->n_args > 2 ? subst(s, d->args[2]) : NULL;
    return same && (c == NULL || c == d->args[2]) ? d : rebuild(s->ctx, d->kind, a, b, c);
}

static const Dim *subst(Subst *s, const Dim *d) {
    if (d->id < s->oldest || d->kind == DIM_CONST) {
        return d;
    }
    if (d->kind == DIM_SYM) {
        for (size_t i = 0; i < s->n; i++) {
            if (s->from[i] == d) {
                return s->to[i];
            }
        }
        return d;
    }
    const Dim *known = s->seen != NULL ? tn_map_get_int(s->seen, d->id) : NULL;
    if (known != NULL) {
        return known;
    }
    const Dim *result = subst_parts(s, d);
    if (s->seen != NULL) {
        const void **slot = (const void **)tn_map_put_int(s->seen, d->id, NULL);
        *slot = result;
    }
    return result;
}

const Dim *tn_dim_subst(Ctx *ctx, const Dim *d, const Dim *const *from, const Dim *const *to,
                        size_t n) {
    if (n == 0 || d->kind == DIM_CONST) {
        return d;
    }
    Subst s = {ctx, from, to, n, from[0]->id, NULL};
    for (size_t i = 1; i < n; i++) {
        s.oldest = from[i]->id < s.oldest ? from[i]->id : s.oldest;
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Map seen = tn_map(&ctx->scratch);
    s.seen = dim_cell(d)->size > 64 ? &seen : NULL;
    const Dim *result = subst(&s, d);
    tn_arena_reset(&ctx->scratch, mark);
    return result;
}

/* ---- evaluation ---- */

static bool eval_sum(const Dim *d, const int64_t *values, int64_t *out) {
    int64_t sum = d->value;
    for (uint32_t i = 0; i < d->n_args; i++) {
        int64_t v;
        if (!tn_dim_eval(d->args[i], values, &v) || __builtin_mul_overflow(v, d->coefs[i], &v) ||
            __builtin_add_overflow(sum, v, &sum)) {
            return false;
        }
    }
    *out = sum;
    return true;
}

static bool eval_mul(const Dim *d, const int64_t *values, int64_t *out) {
    int64_t product = 1;
    for (uint32_t i = 0; i < d->n_args; i++) {
        int64_t v;
        if (!tn_dim_eval(d->args[i], values, &v) || __builtin_mul_overflow(product, v, &product)) {
            return false;
        }
    }
    *out = product;
    return true;
}

static bool eval_pair(DimKind kind, int64_t a, int64_t b, int64_t *out) {
    switch (kind) {
    case DIM_DIV:
        *out = b == 0 || (b == -1 && a == INT64_MIN) ? 0 : dim_floor_div(a, b);
        return !(b == -1 && a == INT64_MIN);
    case DIM_MOD:
        *out = b == 0 || b == -1 ? 0 : dim_floor_mod(a, b);
        return true;
    case DIM_MIN:
        *out = a < b ? a : b;
        return true;
    case DIM_MAX:
        *out = a > b ? a : b;
        return true;
    case DIM_EQ:
        *out = a == b;
        return true;
    default:
        *out = a < b;
        return true;
    }
}

bool tn_dim_eval(const Dim *d, const int64_t *values, int64_t *out) {
    int64_t a;
    int64_t b;
    switch (d->kind) {
    case DIM_CONST:
        *out = d->value;
        return !d->overflow;
    case DIM_SYM:
        *out = values[d->sym];
        return true;
    case DIM_SUM:
        return eval_sum(d, values, out);
    case DIM_MUL:
        return eval_mul(d, values, out);
    case DIM_SELECT:
        return tn_dim_eval(d->args[0], values, &a) &&
               tn_dim_eval(d->args[a != 0 ? 1 : 2], values, out);
    default:
        return tn_dim_eval(d->args[0], values, &a) && tn_dim_eval(d->args[1], values, &b) &&
               eval_pair(d->kind, a, b, out);
    }
}

/* ---- hints ---- */

static int64_t sat_add(int64_t a, int64_t b) {
    int64_t out;
    return __builtin_add_overflow(a, b, &out) ? (a < 0 ? INT64_MIN : INT64_MAX) : out;
}

static int64_t sat_mul(int64_t a, int64_t b) {
    int64_t out;
    return __builtin_mul_overflow(a, b, &out) ? ((a < 0) != (b < 0) ? INT64_MIN : INT64_MAX) : out;
}

static int64_t hint_symbol(Ctx *ctx, const Dim *d) {
    const Symbol *symbol = tn_dim_symbol_of(ctx, d);
    return symbol->kind == SYM_LOOP ? tn_dim_hint(ctx, symbol->extent) / 2 : symbol->hint;
}

int64_t tn_dim_hint(Ctx *ctx, const Dim *d) {
    if (d->kind == DIM_CONST || d->kind == DIM_SYM) {
        return d->kind == DIM_CONST ? d->value : hint_symbol(ctx, d);
    }
    if (d->kind == DIM_SELECT) {
        return tn_dim_hint(ctx, d->args[tn_dim_hint(ctx, d->args[0]) != 0 ? 1 : 2]);
    }
    if (d->kind != DIM_SUM && d->kind != DIM_MUL) {
        int64_t out = 0;
        eval_pair(d->kind, tn_dim_hint(ctx, d->args[0]), tn_dim_hint(ctx, d->args[1]), &out);
        return out;
    }
    int64_t out = d->kind == DIM_SUM ? d->value : 1;
    for (uint32_t i = 0; i < d->n_args; i++) {
        int64_t v = tn_dim_hint(ctx, d->args[i]);
        out = d->kind == DIM_SUM ? sat_add(out, sat_mul(v, d->coefs[i])) : sat_mul(out, v);
    }
    return out;
}
