/* dim_logic.c: min, max, comparisons and choice.
 *
 * Canonical forms: min and max are left-nested over distinct, mutually undecided args sorted
 * by id; a comparison has its positive terms on one side and the negative ones, negated, on
 * the other, divided by their common factor; a choice asks a condition that is 0 or 1.
 */
#include "ir/dim_priv.h"

#define CHAIN_MAX 16u

static bool is_bool(const Dim *d) {
    return d->lo >= 0 && d->hi <= 1;
}

/* ---- min and max ---- */

typedef struct Chain {
    uint32_t n;
    const Dim *args[CHAIN_MAX];
} Chain;

/* Whether `a` decides against `b`: min(a, b) or max(a, b) is a. */
static bool beats(Ctx *ctx, DimKind kind, const Dim *a, const Dim *b) {
    return kind == DIM_MIN ? tn_dim_prove_le(ctx, a, b) : tn_dim_prove_le(ctx, b, a);
}

/* max(x, y) inside a min of x is x, and the other way round. */
static bool absorbed(DimKind kind, const Dim *outer, const Dim *d) {
    DimKind other = kind == DIM_MIN ? DIM_MAX : DIM_MIN;
    while (d->kind == other) {
        if (d->args[1] == outer || d->args[0] == outer) {
            return true;
        }
        d = d->args[0];
    }
    return false;
}

static void chain_remove(Chain *chain, uint32_t at) {
    for (chain->n--; at < chain->n; at++) {
        chain->args[at] = chain->args[at + 1];
    }
}

static bool chain_add(Ctx *ctx, DimKind kind, Chain *chain, const Dim *d) {
    for (uint32_t i = chain->n; i-- > 0;) {
        const Dim *old = chain->args[i];
        if (beats(ctx, kind, old, d) || absorbed(kind, old, d)) {
            return true;
        }
        if (beats(ctx, kind, d, old) || absorbed(kind, d, old)) {
            chain_remove(chain, i);
        }
    }
    if (chain->n == CHAIN_MAX) {
        return false;
    }
    uint32_t at = chain->n++;
    for (; at > 0 && chain->args[at - 1]->id > d->id; at--) {
        chain->args[at] = chain->args[at - 1];
    }
    chain->args[at] = d;
    return true;
}

static bool chain_flatten(Ctx *ctx, DimKind kind, Chain *chain, const Dim *d) {
    while (d->kind == kind) {
        if (!chain_flatten(ctx, kind, chain, d->args[1])) {
            return false;
        }
        d = d->args[0];
    }
    return chain_add(ctx, kind, chain, d);
}

static const Dim *extreme(Ctx *ctx, DimKind kind, const Dim *a, const Dim *b) {
    Chain chain = {0};
    if (a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    if (!chain_flatten(ctx, kind, &chain, a) || !chain_flatten(ctx, kind, &chain, b)) {
        return a->id <= b->id ? dim_pair(ctx, kind, a, b) : dim_pair(ctx, kind, b, a);
    }
    const Dim *result = chain.args[0];
    for (uint32_t i = 1; i < chain.n; i++) {
        result = dim_pair(ctx, kind, result, chain.args[i]);
    }
    return result;
}

const Dim *tn_dim_min(Ctx *ctx, const Dim *a, const Dim *b) {
    return extreme(ctx, DIM_MIN, a, b);
}
const Dim *tn_dim_max(Ctx *ctx, const Dim *a, const Dim *b) {
    return extreme(ctx, DIM_MAX, a, b);
}

/* ---- comparisons ---- */

/* Whether the form is x or -x, a constant aside, with x 0 or 1. */
static bool is_sole_bool(const Lin *lin) {
    return lin->n == 1 && is_bool(lin->terms[0].arg) &&
           (lin->terms[0].coef == 1 || lin->terms[0].coef == -1);
}

/* The greatest common divisor of the coefficients (not the constant), at least 1. */
static int64_t common_coef(const Lin *lin) {
    int64_t g = 0;
    for (uint32_t i = 0; i < lin->n; i++) {
        g = dim_gcd(g, lin->terms[i].coef);
    }
    return g > 0 ? g : 1;
}

static void divide_coefs(Lin *lin, int64_t g) {
    for (uint32_t i = 0; i < lin->n; i++) {
        lin->terms[i].coef /= g;
    }
}

/* lin == plus - minus, both without negative coefficients. */
static bool sides(Ctx *ctx, const Lin *lin, const Dim **plus, const Dim **minus) {
    Lin p = dim_lin_new(ctx, lin->n);
    Lin m = dim_lin_new(ctx, lin->n);
    if (lin->value == INT64_MIN) {
        return false;
    }
    p.value = lin->value > 0 ? lin->value : 0;
    m.value = lin->value < 0 ? -lin->value : 0;
    for (uint32_t i = 0; i < lin->n; i++) {
        Term term = lin->terms[i];
        if (term.coef == INT64_MIN) {
            return false;
        }
        if (term.coef > 0) {
            p.terms[p.n++] = term;
        } else {
            m.terms[m.n++] = (Term){term.arg, -term.coef};
        }
    }
    *plus = dim_from_terms(ctx, &p);
    *minus = dim_from_terms(ctx, &m);
    return true;
}

/* 0 < diff, with diff == b - a undecided. */
static const Dim *less_node(Ctx *ctx, const Dim *a, const Dim *b, const Dim *diff) {
    Lin lin = dim_lin(ctx, diff);
    int64_t g = common_coef(&lin);
    const Dim *plus = b;
    const Dim *minus = a;
    if (lin.value != INT64_MIN) {
        lin.value = -dim_floor_div(-lin.value, g);
        divide_coefs(&lin, g);
    }
    if (!sides(ctx, &lin, &plus, &minus)) {
        return dim_pair(ctx, DIM_LT, a, b);
    }
    if (is_sole_bool(&lin)) {
        return lin.terms[0].coef > 0 ? lin.terms[0].arg
                                     : tn_dim_addc(ctx, tn_dim_mulc(ctx, lin.terms[0].arg, -1), 1);
    }
    return dim_pair(ctx, DIM_LT, minus, plus);
}

const Dim *tn_dim_lt(Ctx *ctx, const Dim *a, const Dim *b) {
    const Dim *diff = tn_dim_sub(ctx, b, a);
    if (diff->overflow) {
        return a->overflow || b->overflow ? dim_poison(ctx) : dim_pair(ctx, DIM_LT, a, b);
    }
    if (diff->lo >= 1 || tn_dim_prove_lt(ctx, a, b)) {
        return tn_dim_const(ctx, 1);
    }
    if (diff->hi <= 0 || tn_dim_prove_le(ctx, b, a)) {
        return tn_dim_const(ctx, 0);
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim *less = less_node(ctx, a, b, diff);
    tn_arena_reset(&ctx->scratch, mark);
    return less;
}

/* diff == 0, undecided by bounds. */
static const Dim *equal_node(Ctx *ctx, const Dim *a, const Dim *b, const Dim *diff) {
    Lin lin = dim_lin(ctx, diff);
    int64_t g = common_coef(&lin);
    const Dim *plus = NULL;
    const Dim *minus = NULL;
    if (lin.value != INT64_MIN && lin.value % g != 0) {
        return tn_dim_const(ctx, 0);
    }
    if (lin.value != INT64_MIN) {
        lin.value /= g;
        divide_coefs(&lin, g);
    }
    if (!sides(ctx, &lin, &plus, &minus)) {
        return a->id <= b->id ? dim_pair(ctx, DIM_EQ, a, b) : dim_pair(ctx, DIM_EQ, b, a);
    }
    if (is_sole_bool(&lin)) {
        bool zero = lin.value == 0;
        const Dim *arg = lin.terms[0].arg;
        return zero ? tn_dim_addc(ctx, tn_dim_mulc(ctx, arg, -1), 1) : arg;
    }
    bool swap = minus->kind != DIM_CONST && (plus->kind == DIM_CONST || minus->id < plus->id);
    return swap ? dim_pair(ctx, DIM_EQ, minus, plus) : dim_pair(ctx, DIM_EQ, plus, minus);
}

const Dim *tn_dim_eq(Ctx *ctx, const Dim *a, const Dim *b) {
    const Dim *diff = tn_dim_sub(ctx, a, b);
    if (a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    if (diff->overflow) {
        return a->id <= b->id ? dim_pair(ctx, DIM_EQ, a, b) : dim_pair(ctx, DIM_EQ, b, a);
    }
    if (diff->kind == DIM_CONST) {
        return tn_dim_const(ctx, diff->value == 0);
    }
    if (diff->lo > 0 || diff->hi < 0 || tn_dim_prove_lt(ctx, a, b) || tn_dim_prove_lt(ctx, b, a)) {
        return tn_dim_const(ctx, 0);
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim *equal = equal_node(ctx, a, b, diff);
    tn_arena_reset(&ctx->scratch, mark);
    return equal;
}

/* ---- choice ---- */

/* The 0-or-1 expression x where `d` is 1 - x. */
static const Dim *negated(const Dim *d) {
    bool shape = d->kind == DIM_SUM && d->n_args == 1 && d->value == 1 && d->coefs[0] == -1;
    return shape && is_bool(d->args[0]) ? d->args[0] : NULL;
}

static const Dim *select_bool(Ctx *ctx, const Dim *cond, const Dim *a, const Dim *b) {
    if (tn_dim_is(a, 1) && tn_dim_is(b, 0)) {
        return cond;
    }
    if (tn_dim_is(a, 0) && tn_dim_is(b, 1)) {
        return tn_dim_addc(ctx, tn_dim_mulc(ctx, cond, -1), 1);
    }
    if (cond->kind == DIM_LT && cond->args[0] == a && cond->args[1] == b) {
        return tn_dim_min(ctx, a, b);
    }
    if (cond->kind == DIM_LT && cond->args[0] == b && cond->args[1] == a) {
        return tn_dim_max(ctx, a, b);
    }
    const Dim *args[3] = {cond, a, b};
    return dim_intern(ctx, DIM_SELECT, args, 3);
}

const Dim *tn_dim_select(Ctx *ctx, const Dim *cond, const Dim *a, const Dim *b) {
    if (cond->overflow || a->overflow || b->overflow) {
        return dim_poison(ctx);
    }
    if (a == b || cond->lo > 0 || cond->hi < 0) {
        return a;
    }
    if (tn_dim_is(cond, 0)) {
        return b;
    }
    if (!is_bool(cond)) {
        return tn_dim_select(ctx, tn_dim_eq(ctx, cond, tn_dim_const(ctx, 0)), b, a);
    }
    const Dim *inverse = negated(cond);
    return inverse != NULL ? select_bool(ctx, inverse, b, a) : select_bool(ctx, cond, a, b);
}
