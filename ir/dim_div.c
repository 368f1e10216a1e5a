/* dim_div.c: floor division and modulo.
 *
 * Both split the dividend into a multiple of the divisor and a rest, cancel common factors,
 * and drop rests proved to lie in 0..divisor-1. x / 0 and x % 0 are 0, so a rule that is
 * only true for a divisor other than 0 needs that proved: by bounds, or because a loop
 * variable in the dividend has the divisor as a factor of its extent (the loop runs, so the
 * extent is at least 1).
 */
#include "ir/dim_priv.h"

static bool non_zero(Ctx *ctx, const Dim *d, const Dim *where) {
    return d->lo >= 1 || d->hi <= -1 || dim_positive(ctx, d, where);
}

/* A form cut in two by divisibility: whole is already divided. */
typedef struct Cut {
    const Dim *whole, *rest;
} Cut;

/* ---- constant divisors ---- */

/* a == whole * c + rest, the constant of rest in 0..c-1: terms go to one side, those that c divides
 * to the whole, or when `apart` to both, which leaves coefficients below c. */
static Cut cut_const(Ctx *ctx, const Dim *a, int64_t c, bool apart) {
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Lin in = dim_lin(ctx, a);
    Lin whole = dim_lin_new(ctx, in.n);
    Lin rest = dim_lin_new(ctx, in.n);
    whole.value = dim_floor_div(in.value, c);
    rest.value = dim_floor_mod(in.value, c);
    for (uint32_t i = 0; i < in.n; i++) {
        int64_t coef = in.terms[i].coef;
        int64_t left = apart || coef % c == 0 ? coef % c : coef;
        whole.terms[whole.n++] = (Term){in.terms[i].arg, (coef - left) / c};
        rest.terms[rest.n++] = (Term){in.terms[i].arg, left};
    }
    Cut cut = {dim_from_terms(ctx, &whole), dim_from_terms(ctx, &rest)};
    tn_arena_reset(&ctx->scratch, mark);
    return cut;
}

/* A g > 1 with a == g * whole + rest, 0 <= rest < g, g dividing c; 1 when there is none. */
static int64_t common_const(Ctx *ctx, const Dim *a, int64_t c, Cut *out) {
    uint32_t n = a->kind == DIM_SUM ? a->n_args : 0;
    int64_t all = c;
    for (uint32_t i = 0; i < n; i++) {
        all = dim_gcd(all, a->coefs[i]);
    }
    for (uint32_t i = 0; i <= n; i++) {
        int64_t g = i == 0 ? all : dim_gcd(c, a->coefs[i - 1]);
        if (g <= 1 || n == 0) {
            continue;
        }
        *out = cut_const(ctx, a, g, false);
        if (!out->whole->overflow && out->rest->lo >= 0 && out->rest->hi < g &&
            out->whole->kind != DIM_CONST) {
            return g;
        }
    }
    return 1;
}

/* The only term of `a` when that is 1 * (an expression of `kind`) + constant. */
static const Dim *sole_term(const Dim *a, DimKind kind, int64_t *constant) {
    *constant = a->kind == DIM_SUM ? a->value : 0;
    const Dim *term = a->kind == DIM_SUM && a->n_args == 1 && a->coefs[0] == 1 ? a->args[0] : a;
    return term->kind == kind ? term : NULL;
}

/* r / c for a form already reduced by cut_const. */
static const Dim *div_reduced(Ctx *ctx, const Dim *r, int64_t c) {
    Cut cut;
    int64_t k;
    int64_t scaled;
    int64_t g = common_const(ctx, r, c, &cut);
    if (g > 1) {
        return tn_dim_divc(ctx, cut.whole, c / g);
    }
    const Dim *inner = sole_term(r, DIM_DIV, &k);
    if (inner != NULL && k == 0) {
        return tn_dim_div(ctx, inner->args[0], tn_dim_mulc(ctx, inner->args[1], c));
    }
    if (inner != NULL && inner->args[1]->kind == DIM_CONST && inner->args[1]->value > 0 &&
        !__builtin_mul_overflow(k, inner->args[1]->value, &scaled) &&
        !__builtin_mul_overflow(c, inner->args[1]->value, &c)) {
        return tn_dim_divc(ctx, tn_dim_addc(ctx, inner->args[0], scaled), c);
    }
    inner = sole_term(r, DIM_MOD, &k);
    if (inner != NULL && k == 0 && inner->args[1]->kind == DIM_CONST && inner->args[1]->value > 0 &&
        inner->args[1]->value % c == 0) {
        return tn_dim_modc(ctx, tn_dim_divc(ctx, inner->args[0], c), inner->args[1]->value / c);
    }
    return dim_pair(ctx, DIM_DIV, r, tn_dim_const(ctx, c));
}

const Dim *tn_dim_divc(Ctx *ctx, const Dim *a, int64_t b) {
    if (a->overflow) {
        return a;
    }
    if (b == 0) {
        return tn_dim_const(ctx, 0);
    }
    if (a->kind == DIM_CONST) {
        return a->value == INT64_MIN && b == -1 ? dim_poison(ctx)
                                                : tn_dim_const(ctx, dim_floor_div(a->value, b));
    }
    if (b < 0) {
        return b == INT64_MIN ? dim_pair(ctx, DIM_DIV, a, tn_dim_const(ctx, b))
                              : tn_dim_divc(ctx, tn_dim_mulc(ctx, a, -1), -b);
    }
    Cut cut = b == 1 ? (Cut){a, tn_dim_const(ctx, 0)} : cut_const(ctx, a, b, true);
    if (cut.rest->kind == DIM_CONST || (cut.rest->lo >= 0 && cut.rest->hi < b)) {
        return cut.whole;
    }
    return tn_dim_add(ctx, cut.whole, div_reduced(ctx, cut.rest, b));
}

/* Terms K * (x % m) become K * x where that changes nothing modulo c. */
static const Dim *open_mods(Ctx *ctx, const Dim *a, int64_t c) {
    uint32_t n = a->kind == DIM_SUM ? a->n_args : 1;
    for (uint32_t i = 0; i < n; i++) {
        const Dim *arg = a->kind == DIM_SUM ? a->args[i] : a;
        int64_t coef = a->kind == DIM_SUM ? a->coefs[i] : 1;
        int64_t period;
        if (arg->kind == DIM_MOD && arg->args[1]->kind == DIM_CONST &&
            !__builtin_mul_overflow(coef, arg->args[1]->value, &period) && period % c == 0) {
            const Dim *rest = dim_combine(ctx, a, 1, arg, -coef);
            return open_mods(ctx, dim_combine(ctx, rest, 1, arg->args[0], coef), c);
        }
    }
    return a;
}

/* r % c for a form already reduced by cut_const. */
static const Dim *mod_reduced(Ctx *ctx, const Dim *r, int64_t c) {
    Cut cut;
    bool bounded = r->lo != INT64_MIN && r->hi != INT64_MAX;
    int64_t shift;
    if (bounded && dim_floor_div(r->lo, c) == dim_floor_div(r->hi, c) &&
        !__builtin_mul_overflow(dim_floor_div(r->lo, c), c, &shift) && shift != INT64_MIN) {
        return tn_dim_addc(ctx, r, -shift);
    }
    int64_t g = common_const(ctx, r, c, &cut);
    if (g > 1) {
        const Dim *whole = tn_dim_modc(ctx, cut.whole, c / g);
        return dim_combine(ctx, whole, g, cut.rest, 1);
    }
    return dim_pair(ctx, DIM_MOD, r, tn_dim_const(ctx, c));
}

const Dim *tn_dim_modc(Ctx *ctx, const Dim *a, int64_t b) {
    if (a->overflow) {
        return a;
    }
    if (b == 0 || b == 1 || b == -1) {
        return tn_dim_const(ctx, 0);
    }
    if (a->kind == DIM_CONST) {
        return tn_dim_const(ctx, dim_floor_mod(a->value, b));
    }
    if (b == INT64_MIN) {
        return dim_pair(ctx, DIM_MOD, a, tn_dim_const(ctx, b));
    }
    if (b < 0) {
        return tn_dim_mulc(ctx, tn_dim_modc(ctx, tn_dim_mulc(ctx, a, -1), -b), -1);
    }
    const Dim *opened = open_mods(ctx, a, b);
    return mod_reduced(ctx, cut_const(ctx, opened->overflow ? a : opened, b, true).rest, b);
}

/* ---- symbolic divisors ---- */

/* What one term of the dividend holds of the divisor's leading term: `t` = q * lead, or NULL. */
static const Dim *term_quotient(Ctx *ctx, const Term *t, const Dim *lead, int64_t lead_coef) {
    const Dim *const *f;
    uint32_t n = dim_factors(&lead, &f);
    const Dim *rest = t->arg;
    for (uint32_t i = 0; i < n; i++) {
        if (rest->kind == DIM_CONST || !dim_has_factor(rest, f[i])) {
            return NULL;
        }
        rest = dim_without(ctx, rest, f[i]);
    }
    if (lead_coef == 0 || (lead_coef == -1 && t->coef == INT64_MIN) || t->coef / lead_coef == 0) {
        return NULL;
    }
    return tn_dim_mulc(ctx, rest, t->coef / lead_coef);
}

/* Coefficient of `arg` (NULL: the constant) in a form. */
static int64_t coef_in(const Lin *lin, const Dim *arg) {
    if (arg == NULL) {
        return lin->value;
    }
    for (uint32_t i = 0; i < lin->n; i++) {
        if (lin->terms[i].arg == arg) {
            return lin->terms[i].coef;
        }
    }
    return 0;
}

static bool covers(int64_t whole, int64_t part) {
    return part == 0 || (part > 0 ? whole >= part : whole <= part);
}

/* Every term of `part` is in `lin`, with the same sign and at least as much of it. */
static bool covers_all(Ctx *ctx, const Lin *lin, const Dim *part) {
    Lin terms = dim_lin(ctx, part);
    for (uint32_t i = 0; i < terms.n; i++) {
        if (!covers(coef_in(lin, terms.terms[i].arg), terms.terms[i].coef)) {
            return false;
        }
    }
    return covers(lin->value, terms.value);
}

/* The term of most factors, the one with the largest id among equals. */
static uint32_t leading(const Lin *b) {
    uint32_t best = 0;
    uint32_t best_degree = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const Dim *const *f;
        uint32_t degree = dim_factors(&b->terms[i].arg, &f);
        if (degree >= best_degree) {
            best = i;
            best_degree = degree;
        }
    }
    return best;
}

/* a == whole * b + rest, taking from `a` only multiples of `b` that it visibly holds. */
static Cut cut_symbolic(Ctx *ctx, const Dim *a, const Dim *b) {
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Cut cut = {tn_dim_const(ctx, 0), a};
    Lin divisor = dim_lin(ctx, b);
    Term lead = divisor.terms[leading(&divisor)];
    bool progress = true;
    for (int round = 0; round < 64 && progress; round++) {
        Lin form = dim_lin(ctx, cut.rest);
        progress = false;
        for (uint32_t i = 0; i < form.n && !progress; i++) {
            const Dim *q = term_quotient(ctx, &form.terms[i], lead.arg, lead.coef);
            const Dim *part = q != NULL ? tn_dim_mul(ctx, q, b) : NULL;
            progress = part != NULL && !part->overflow && covers_all(ctx, &form, part);
            if (progress) {
                cut.whole = tn_dim_add(ctx, cut.whole, q);
                cut.rest = tn_dim_sub(ctx, cut.rest, part);
            }
        }
    }
    tn_arena_reset(&ctx->scratch, mark);
    if (cut.whole->overflow || cut.rest->overflow) {
        return (Cut){tn_dim_const(ctx, 0), a};
    }
    return cut;
}

/* The terms of `a` that hold `factor`, without it, and the others. */
static Cut cut_factor(Ctx *ctx, const Dim *a, const Dim *factor) {
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    Lin in = dim_lin(ctx, a);
    const Dim *whole = tn_dim_const(ctx, 0);
    Lin rest = dim_lin_new(ctx, in.n);
    rest.value = in.value;
    for (uint32_t i = 0; i < in.n; i++) {
        const Term *term = &in.terms[i];
        if (dim_has_factor(term->arg, factor)) {
            const Dim *part = tn_dim_mulc(ctx, dim_without(ctx, term->arg, factor), term->coef);
            whole = tn_dim_add(ctx, whole, part);
        } else {
            rest.terms[rest.n++] = *term;
        }
    }
    Cut cut = {whole, dim_from_terms(ctx, &rest)};
    tn_arena_reset(&ctx->scratch, mark);
    return cut;
}

/* A divisor that is one product: `coef` times `mono`. */
static bool single_product(const Dim *b, const Dim **mono, int64_t *coef) {
    bool scaled = b->kind == DIM_SUM && b->n_args == 1 && b->value == 0;
    *mono = scaled ? b->args[0] : b;
    *coef = scaled ? b->coefs[0] : 1;
    return b->kind != DIM_SUM || scaled;
}

/* A factor f of `b` with a == f * whole + rest, 0 <= rest < f; `left` becomes b / f. */
static const Dim *common_factor(Ctx *ctx, const Dim *a, const Dim *b, const Dim *where, Cut *cut,
                                const Dim **left) {
    const Dim *mono;
    const Dim *const *f;
    int64_t coef;
    if (!single_product(b, &mono, &coef)) {
        return NULL;
    }
    uint32_t n = dim_factors(&mono, &f);
    for (uint32_t i = 0; i < n; i++) {
        *cut = cut_factor(ctx, a, f[i]);
        *left = tn_dim_mulc(ctx, dim_without(ctx, mono, f[i]), coef);
        bool rest = !tn_dim_is(cut->rest, 0);
        if (!tn_dim_is(cut->whole, 0) && !cut->whole->overflow &&
            (!rest || ((*left)->lo >= 0 && dim_within(ctx, cut->rest, f[i], where)))) {
            return f[i];
        }
    }
    int64_t g = coef > 1 ? common_const(ctx, a, coef, cut) : 1;
    if (g > 1) {
        *left = tn_dim_mulc(ctx, mono, coef / g);
        return (*left)->lo >= 0 ? tn_dim_const(ctx, g) : NULL;
    }
    return NULL;
}

/* (x / y) / b and (x % (b * m)) / b. */
static const Dim *div_nested(Ctx *ctx, const Dim *a, const Dim *b) {
    if (a->kind == DIM_DIV && b->lo >= 0) {
        return tn_dim_div(ctx, a->args[0], tn_dim_mul(ctx, a->args[1], b));
    }
    if (a->kind == DIM_MOD && b->lo >= 0 && a->args[1]->kind != DIM_CONST) {
        Cut cut = cut_symbolic(ctx, a->args[1], b);
        if (tn_dim_is(cut.rest, 0) && cut.whole->lo >= 0) {
            return tn_dim_mod(ctx, tn_dim_div(ctx, a->args[0], b), cut.whole);
        }
    }
    return NULL;
}

/* What is known while dividing: loop variables of `where` exist; the divisor is not 0. */
typedef struct Known {
    const Dim *where;
    bool nonzero;
} Known;

static const Dim *div_core(Ctx *ctx, const Dim *a, const Dim *b, Known known);

static const Dim *div_symbolic(Ctx *ctx, const Dim *a, const Dim *b, Known known) {
    if (dim_within(ctx, a, b, known.where)) {
        return tn_dim_const(ctx, 0);
    }
    Cut cut = cut_symbolic(ctx, a, b);
    known.nonzero = known.nonzero || non_zero(ctx, b, known.where);
    if (!tn_dim_is(cut.whole, 0) && known.nonzero) {
        return tn_dim_add(ctx, cut.whole, div_core(ctx, cut.rest, b, known));
    }
    const Dim *left;
    const Dim *factor = common_factor(ctx, a, b, known.where, &cut, &left);
    if (factor != NULL && (known.nonzero || non_zero(ctx, factor, known.where))) {
        return div_core(ctx, cut.whole, left, known);
    }
    const Dim *nested = div_nested(ctx, a, b);
    return nested != NULL ? nested : dim_pair(ctx, DIM_DIV, a, b);
}

static const Dim *div_core(Ctx *ctx, const Dim *a, const Dim *b, Known known) {
    if (a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    if (b->kind == DIM_CONST) {
        return tn_dim_divc(ctx, a, b->value);
    }
    return tn_dim_is(a, 0) ? a : div_symbolic(ctx, a, b, known);
}

const Dim *tn_dim_div(Ctx *ctx, const Dim *a, const Dim *b) {
    return div_core(ctx, a, b, (Known){a, false});
}

const Dim *tn_dim_ceil_div(Ctx *ctx, const Dim *a, const Dim *b) {
    return tn_dim_div(ctx, tn_dim_addc(ctx, tn_dim_add(ctx, a, b), -1), b);
}

/* (x % m) % b where b divides m. */
static const Dim *mod_nested(Ctx *ctx, const Dim *a, const Dim *b, const Dim *where) {
    if (a->kind != DIM_MOD || a->args[1]->kind == DIM_CONST) {
        return NULL;
    }
    Cut cut = cut_symbolic(ctx, a->args[1], b);
    bool fits = tn_dim_is(cut.rest, 0) && non_zero(ctx, a->args[1], where);
    return fits ? tn_dim_mod(ctx, a->args[0], b) : NULL;
}

static const Dim *mod_symbolic(Ctx *ctx, const Dim *a, const Dim *b) {
    const Dim *rest = cut_symbolic(ctx, a, b).rest;
    if (tn_dim_is(rest, 0) || dim_within(ctx, rest, b, a)) {
        return rest;
    }
    Cut cut;
    const Dim *left;
    const Dim *factor = common_factor(ctx, rest, b, a, &cut, &left);
    if (factor != NULL && (tn_dim_is(cut.rest, 0) || non_zero(ctx, left, a))) {
        const Dim *whole = tn_dim_mul(ctx, factor, tn_dim_mod(ctx, cut.whole, left));
        return tn_dim_add(ctx, whole, cut.rest);
    }
    const Dim *nested = mod_nested(ctx, rest, b, a);
    return nested != NULL ? nested : dim_pair(ctx, DIM_MOD, rest, b);
}

const Dim *tn_dim_mod(Ctx *ctx, const Dim *a, const Dim *b) {
    if (a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    if (b->kind == DIM_CONST) {
        return tn_dim_modc(ctx, a, b->value);
    }
    return mod_symbolic(ctx, a, b);
}
