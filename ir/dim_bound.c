/* dim_bound.c: proofs that an expression is never negative.
 *
 * Where intervals do not suffice, the youngest atom of the expression d == c * t + r is
 * replaced by the bound that makes d least: a loop variable by 0 or its extent - 1, x / y by
 * x / y without the floor, x % y by y - 1, and so on. Bounds only hold older atoms, so this
 * ends; a budget keeps hard cases cheap. Facts come from loop variables: a loop that runs
 * has an extent of at least 1, hence so have the factors of that extent.
 */
#include "ir/dim_priv.h"

#define FACTS_MAX 24
#define BUDGET 60
#define NESTED_MAX 2

typedef struct Fact {
    const Dim *dim;
    int64_t lo;
} Fact;

typedef struct Proof {
    Ctx *ctx;
    int budget;
    int walk; /* steps left for collecting facts */
    uint32_t n_facts;
    Fact facts[FACTS_MAX];
} Proof;

/* ---- facts ---- */

static int64_t known_lo(const Proof *p, const Dim *d) {
    int64_t lo = d->lo;
    for (uint32_t i = 0; i < p->n_facts; i++) {
        if (p->facts[i].dim == d && p->facts[i].lo > lo) {
            lo = p->facts[i].lo;
        }
    }
    return lo;
}

static void learn(Proof *p, const Dim *d, int64_t lo);

/* coef * arg >= lo - (all else) for each term with a positive coefficient. */
static void learn_sum(Proof *p, const Dim *d, int64_t lo) {
    for (uint32_t i = 0; i < d->n_args; i++) {
        int64_t coef = d->coefs[i];
        Range rest = {d->value, d->value};
        for (uint32_t j = 0; j < d->n_args; j++) {
            const Dim *arg = d->args[j];
            Range range =
                dim_range_mul((Range){arg->lo, arg->hi}, (Range){d->coefs[j], d->coefs[j]});
            rest = j == i ? rest : dim_range_add(rest, range);
        }
        int64_t need;
        bool finite =
            coef > 0 && rest.hi != INT64_MAX && !__builtin_sub_overflow(lo, rest.hi, &need);
        if (finite && need > 0) {
            learn(p, d->args[i], (need - 1) / coef + 1);
        }
    }
}

static bool all_nonneg(const Dim *d) {
    for (uint32_t i = 0; i < d->n_args; i++) {
        if (d->args[i]->lo < 0) {
            return false;
        }
    }
    return true;
}

/* Records d >= lo (lo >= 1) and what follows for its parts. */
static void learn(Proof *p, const Dim *d, int64_t lo) {
    if (lo <= known_lo(p, d) || p->n_facts == FACTS_MAX) {
        return;
    }
    p->facts[p->n_facts++] = (Fact){d, lo};
    int64_t scaled;
    if (d->kind == DIM_SUM) {
        learn_sum(p, d, lo);
    } else if (d->kind == DIM_MIN || (d->kind == DIM_MUL && all_nonneg(d))) {
        for (uint32_t i = 0; i < d->n_args; i++) {
            learn(p, d->args[i], d->kind == DIM_MIN ? lo : 1);
        }
    } else if (d->kind == DIM_DIV && d->args[1]->kind == DIM_CONST && d->args[1]->value > 0 &&
               !__builtin_mul_overflow(lo, d->args[1]->value, &scaled)) {
        learn(p, d->args[0], scaled);
    }
}

/* Facts of all loop variables in `d`. */
static void learn_loops(Proof *p, const Dim *d) {
    if (!dim_cell(d)->looped || p->walk-- <= 0) {
        return;
    }
    if (d->kind == DIM_SYM) {
        const Dim *extent = tn_dim_symbol_of(p->ctx, d)->extent;
        learn(p, extent, 1);
        learn_loops(p, extent);
    }
    for (uint32_t i = 0; i < d->n_args; i++) {
        learn_loops(p, d->args[i]);
    }
}

/* ---- elimination ---- */

static const Dim *youngest_atom(const Dim *d) {
    const Dim *best = NULL;
    uint32_t n = d->kind == DIM_SUM ? d->n_args : 1;
    for (uint32_t i = 0; i < n; i++) {
        const Dim *const *f;
        uint32_t n_factors = dim_factors(d->kind == DIM_SUM ? &d->args[i] : &d, &f);
        for (uint32_t j = 0; j < n_factors; j++) {
            best = best == NULL || f[j]->id > best->id ? f[j] : best;
        }
    }
    return best;
}

bool dim_split(Ctx *ctx, const Dim *d, const Dim *atom, const Dim **coef, const Dim **rest) {
    const Dim *taken = tn_dim_const(ctx, 0);
    const Dim *c = taken;
    uint32_t n = d->kind == DIM_SUM ? d->n_args : 1;
    for (uint32_t i = 0; i < n; i++) {
        const Dim *arg = d->kind == DIM_SUM ? d->args[i] : d;
        int64_t k = d->kind == DIM_SUM ? d->coefs[i] : 1;
        if (arg->kind == DIM_CONST || !dim_has_factor(arg, atom)) {
            continue;
        }
        const Dim *without = dim_without(ctx, arg, atom);
        if (without->kind != DIM_CONST && dim_has_factor(without, atom)) {
            return false;
        }
        c = dim_combine(ctx, c, 1, without, k);
        taken = dim_combine(ctx, taken, 1, arg, k);
    }
    *coef = c;
    *rest = tn_dim_sub(ctx, d, taken);
    return !c->overflow && !(*rest)->overflow;
}

static bool nonneg(Proof *p, const Dim *d);

static const Dim *neg(Ctx *ctx, const Dim *d) {
    return tn_dim_mulc(ctx, d, -1);
}

/* c * at + r >= 0. */
static bool nonneg_at(Proof *p, const Dim *c, const Dim *at, const Dim *r) {
    return nonneg(p, tn_dim_add(p->ctx, tn_dim_mul(p->ctx, c, at), r));
}

static bool nonneg_at_const(Proof *p, const Dim *c, int64_t at, const Dim *r) {
    return at != INT64_MIN && at != INT64_MAX && nonneg_at(p, c, tn_dim_const(p->ctx, at), r);
}

static bool positive(Proof *p, const Dim *d) {
    return known_lo(p, d) >= 1 || (d->hi >= 1 && nonneg(p, tn_dim_addc(p->ctx, d, -1)));
}

/* y * r + c * x + y - 1 >= 0, which is r + c * t >= 0 for integers when y * t >= x. */
static bool nonneg_scaled(Proof *p, const Dim *c, const Dim *x, const Dim *y, const Dim *r) {
    Ctx *ctx = p->ctx;
    const Dim *sum = tn_dim_add(ctx, tn_dim_mul(ctx, y, r), tn_dim_mul(ctx, c, x));
    return nonneg(p, tn_dim_addc(ctx, tn_dim_add(ctx, sum, y), -1));
}

/* For c >= 0: d is least where the atom is. */
static bool nonneg_low(Proof *p, const Dim *c, const Dim *t, const Dim *r) {
    Ctx *ctx = p->ctx;
    const Dim *const *a = t->args;
    switch (t->kind) {
    case DIM_MIN:
        return nonneg_at(p, c, a[0], r) && nonneg_at(p, c, a[1], r);
    case DIM_MAX:
        return nonneg_at(p, c, a[0], r) || nonneg_at(p, c, a[1], r);
    case DIM_SELECT:
        return nonneg_at(p, c, a[1], r) && nonneg_at(p, c, a[2], r);
    case DIM_DIV:
        if (nonneg_at_const(p, c, known_lo(p, t), r)) {
            return true;
        }
        return positive(p, a[1]) &&
               nonneg_scaled(p, c, tn_dim_addc(ctx, tn_dim_sub(ctx, a[0], a[1]), 1), a[1], r);
    default:
        return nonneg_at_const(p, c, known_lo(p, t), r);
    }
}

/* For c <= 0: d is least where the atom is greatest. */
static bool nonneg_high(Proof *p, const Dim *c, const Dim *t, const Dim *r) {
    Ctx *ctx = p->ctx;
    const Dim *const *a = t->args;
    switch (t->kind) {
    case DIM_MIN:
        return nonneg_at(p, c, a[0], r) || nonneg_at(p, c, a[1], r);
    case DIM_MAX:
        return nonneg_at(p, c, a[0], r) && nonneg_at(p, c, a[1], r);
    case DIM_SELECT:
        return nonneg_at(p, c, a[1], r) && nonneg_at(p, c, a[2], r);
    case DIM_DIV:
        return positive(p, a[1]) && nonneg_scaled(p, c, a[0], a[1], r);
    case DIM_MOD:
        if (positive(p, a[1]) && nonneg_at(p, c, tn_dim_addc(ctx, a[1], -1), r)) {
            return true;
        }
        return nonneg_at_const(p, c, t->hi, r);
    case DIM_SYM:
        if (tn_dim_symbol_of(ctx, t)->kind == SYM_LOOP) {
            return nonneg_at(p, c, tn_dim_addc(ctx, tn_dim_symbol_of(ctx, t)->extent, -1), r);
        }
        return nonneg_at_const(p, c, t->hi, r);
    default:
        return nonneg_at_const(p, c, t->hi, r);
    }
}

static bool nonneg(Proof *p, const Dim *d) {
    if (d->overflow || d->hi < 0 || d->lo >= 0) {
        return !d->overflow && d->lo >= 0;
    }
    if (known_lo(p, d) >= 0) {
        return true;
    }
    const Dim *c;
    const Dim *r;
    const Dim *atom = youngest_atom(d);
    if (p->budget-- <= 0 || !dim_split(p->ctx, d, atom, &c, &r)) {
        return false;
    }
    if (c->lo >= 0 || nonneg(p, c)) {
        return nonneg_low(p, c, atom, r);
    }
    if (c->hi <= 0 || nonneg(p, neg(p->ctx, c))) {
        return nonneg_high(p, c, atom, r);
    }
    return atom->kind == DIM_SYM && nonneg_low(p, c, atom, r) && nonneg_high(p, c, atom, r);
}

/* ---- entries ---- */

/* d >= 0, where the loop variables in `where` and `more` exist. */
static bool prove(Ctx *ctx, const Dim *d, const Dim *where, const Dim *more) {
    if (d->lo >= 0 || d->hi < 0 || d->overflow) {
        return d->lo >= 0 && !d->overflow;
    }
    if (!dim_cell(d)->symbolic || ctx->dims->proving >= NESTED_MAX) {
        return false;
    }
    Proof proof = {.ctx = ctx, .budget = BUDGET, .walk = 200};
    ctx->dims->proving++;
    learn_loops(&proof, d);
    learn_loops(&proof, where);
    learn_loops(&proof, more);
    bool proved = nonneg(&proof, d);
    ctx->dims->proving--;
    return proved;
}

bool dim_positive(Ctx *ctx, const Dim *d, const Dim *where) {
    return d->lo >= 1 || (d->hi >= 1 && prove(ctx, tn_dim_addc(ctx, d, -1), where, d));
}

bool dim_within(Ctx *ctx, const Dim *r, const Dim *x, const Dim *where) {
    if (r->hi < 0 || r->lo >= x->hi || !(r->lo >= 0 || prove(ctx, r, where, x))) {
        return false;
    }
    return r->hi < x->lo || prove(ctx, tn_dim_addc(ctx, tn_dim_sub(ctx, x, r), -1), where, r);
}

/* b - a >= least, where the loop variables of both exist. */
static bool prove_apart(Ctx *ctx, const Dim *a, const Dim *b, int64_t least) {
    if (a->overflow || b->overflow) {
        return false;
    }
    return prove(ctx, tn_dim_addc(ctx, tn_dim_sub(ctx, b, a), -least), a, b);
}

bool tn_dim_prove_lt(Ctx *ctx, const Dim *a, const Dim *b) {
    return prove_apart(ctx, a, b, 1);
}
bool tn_dim_prove_le(Ctx *ctx, const Dim *a, const Dim *b) {
    return prove_apart(ctx, a, b, 0);
}
