/* test_dim.c: dimension expressions against brute force, and their canonical forms. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ir/dim.h"

enum { N_SYMS = 6, MAX_NODES = 40 };

/* An expression as it was asked for, evaluated with no simplification at all. */
typedef struct Tree {
    int op; /* -1 constant, -2 symbol, else index in ops */
    int64_t value;
    int a, b, c;
    const Dim *dim;
} Tree;

typedef struct World {
    Ctx ctx;
    const Dim *syms[N_SYMS];
    uint64_t seed;
    Tree trees[MAX_NODES];
    int n;
} World;

static uint64_t draw(World *w, uint64_t below) {
    w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (w->seed >> 33) % below;
}

enum { ADD, SUB, MUL, DIV, MOD, MIN, MAX, EQ, LT, SELECT, N_OPS };

static int64_t floor_div(int64_t a, int64_t b) {
    if (b == 0) {
        return 0;
    }
    int64_t q = a / b;
    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t apply(int op, int64_t a, int64_t b, int64_t c) {
    switch (op) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case DIV:
        return floor_div(a, b);
    case MOD:
        return b == 0 ? 0 : a - floor_div(a, b) * b;
    case MIN:
        return a < b ? a : b;
    case MAX:
        return a > b ? a : b;
    case EQ:
        return a == b;
    case LT:
        return a < b;
    default:
        return a != 0 ? b : c;
    }
}

static const Dim *build(Ctx *ctx, int op, const Dim *a, const Dim *b, const Dim *c) {
    const Dim *(*const make[])(Ctx *, const Dim *, const Dim *) = {
        tn_dim_add, tn_dim_sub, tn_dim_mul, tn_dim_div, tn_dim_mod,
        tn_dim_min, tn_dim_max, tn_dim_eq,  tn_dim_lt};
    return op == SELECT ? tn_dim_select(ctx, a, b, c) : make[op](ctx, a, b);
}

/* Symbols: N, M >= 0, K >= 1, S of any sign, and loops i < N, j < M (in N's loop), k < 16. */
static void world_init(World *w, uint64_t seed) {
    tn_ctx_init(&w->ctx, NULL);
    w->seed = seed * 7919 + 1;
    w->syms[0] = tn_dim_symbol(&w->ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX);
    w->syms[1] = tn_dim_symbol(&w->ctx, TN_SV("M"), SYM_INPUT_DIM, seed % 2 == 0 ? 0 : 1, 9);
    w->syms[2] = tn_dim_symbol(&w->ctx, TN_SV("S"), SYM_INPUT_ELEM, -4, 4);
    w->syms[3] = tn_dim_loop_var(&w->ctx, "i", w->syms[0]);
    w->syms[4] = tn_dim_loop_var(&w->ctx, "j", w->syms[1]);
    w->syms[5] = tn_dim_loop_var(&w->ctx, "k", tn_dim_const(&w->ctx, 16));
    w->n = 0;
}

static int64_t small_const(World *w) {
    static const int64_t choice[] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 16, 32, -1, -2, -3, -8};
    return choice[draw(w, sizeof choice / sizeof *choice)];
}

static void add_tree(World *w, Tree tree) {
    w->trees[w->n++] = tree;
}

static void grow(World *w) {
    Ctx *ctx = &w->ctx;
    for (int i = 0; i < N_SYMS; i++) {
        add_tree(w, (Tree){.op = -2, .value = i, .dim = w->syms[i]});
    }
    for (int i = 0; i < 4; i++) {
        int64_t value = small_const(w);
        add_tree(w, (Tree){.op = -1, .value = value, .dim = tn_dim_const(ctx, value)});
    }
    while (w->n < MAX_NODES) {
        static const int weights[] = {ADD, ADD, ADD, SUB, SUB, MUL, MUL, MUL, DIV,
                                      DIV, DIV, MOD, MOD, MIN, MAX, EQ,  LT,  SELECT};
        Tree t = {.op = weights[draw(w, sizeof weights / sizeof *weights)]};
        t.a = (int)draw(w, (uint64_t)w->n);
        t.b = (int)draw(w, (uint64_t)w->n);
        t.c = (int)draw(w, (uint64_t)w->n);
        t.dim = build(ctx, t.op, w->trees[t.a].dim, w->trees[t.b].dim, w->trees[t.c].dim);
        add_tree(w, t);
    }
}

/* Values of the symbols within their ranges; false when a loop would not run. */
static bool draw_values(World *w, int64_t *values) {
    values[0] = (int64_t)draw(w, 40);
    values[1] = (int64_t)draw(w, 10);
    values[1] = values[1] < w->syms[1]->lo ? w->syms[1]->lo : values[1];
    values[2] = (int64_t)draw(w, 9) - 4;
    values[5] = (int64_t)draw(w, 16);
    if (values[0] == 0 || values[1] == 0) {
        return false;
    }
    values[3] = (int64_t)draw(w, (uint64_t)values[0]);
    values[4] = (int64_t)draw(w, (uint64_t)values[1]);
    return true;
}

/* Trees may be too large to evaluate; `ok` tells. */
static void evaluate(const World *w, const int64_t *values, int64_t *out, bool *ok) {
    for (int i = 0; i < w->n; i++) {
        const Tree *t = &w->trees[i];
        ok[i] = true;
        if (t->op == -1) {
            out[i] = t->value;
        } else if (t->op == -2) {
            out[i] = values[t->value];
        } else {
            ok[i] = ok[t->a] && ok[t->b] && (t->op != SELECT || ok[t->c]);
            out[i] = ok[i] ? apply(t->op, out[t->a], out[t->b], ok[t->c] ? out[t->c] : 0) : 0;
            ok[i] = ok[i] && out[i] < ((int64_t)1 << 30) && out[i] > -((int64_t)1 << 30);
        }
    }
}

static void explain(World *w, int i, const int64_t *values, int64_t expected, int64_t found) {
    StrBuf text = tn_str(&w->ctx.arena);
    const Tree *t = &w->trees[i];
    if (t->op >= 0) {
        tn_str_printf(&text, "op %d of ", t->op);
        tn_dim_print(&w->ctx, w->trees[t->a].dim, &text);
        tn_str_puts(&text, "  and  ");
        tn_dim_print(&w->ctx, w->trees[t->b].dim, &text);
        tn_str_puts(&text, "  gives  ");
    }
    tn_dim_print(&w->ctx, t->dim, &text);
    for (int s = 0; s < N_SYMS; s++) {
        tn_str_printf(&text, " %s=%" PRId64, tn_dim_symbol_of(&w->ctx, w->syms[s])->name,
                      values[s]);
    }
    fail_msg("%s: expected %" PRId64 ", found %" PRId64, text.data, expected, found);
}

static void check_world(World *w, const int64_t *values, bool loops) {
    int64_t expected[MAX_NODES];
    bool ok[MAX_NODES];
    evaluate(w, values, expected, ok);
    for (int i = 0; i < w->n; i++) {
        const Dim *d = w->trees[i].dim;
        bool usable = loops || !(tn_dim_uses(d, w->syms[3]) || tn_dim_uses(d, w->syms[4]));
        int64_t found = 0;
        if (!ok[i] || d->overflow || !usable || !tn_dim_eval(d, values, &found)) {
            continue;
        }
        if (found != expected[i] || found < d->lo || found > d->hi) {
            explain(w, i, values, expected[i], found);
        }
    }
}

static void test_random_values(void **state) {
    (void)state;
    static World w;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        world_init(&w, seed);
        grow(&w);
        for (int round = 0; round < 30; round++) {
            int64_t values[N_SYMS] = {0};
            if (draw_values(&w, values)) {
                check_world(&w, values, true);
            }
        }
        tn_ctx_free(&w.ctx);
    }
}

/* Without loops, sizes of 0 must come out right too. */
static void test_random_sizes(void **state) {
    (void)state;
    static World w;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        world_init(&w, seed);
        w.syms[3] = tn_dim_symbol(&w.ctx, TN_SV("P"), SYM_INPUT_DIM, 0, INT64_MAX);
        w.syms[4] = tn_dim_symbol(&w.ctx, TN_SV("Q"), SYM_INPUT_DIM, 0, 3);
        /* Loop variables i, j, k hold numbers 3..5 of the table; P and Q follow. */
        grow(&w);
        for (int round = 0; round < 30; round++) {
            int64_t values[8] = {(int64_t)draw(&w, 12),    (int64_t)draw(&w, 9) + w.syms[1]->lo,
                                 (int64_t)draw(&w, 9) - 4, (int64_t)draw(&w, 7),
                                 (int64_t)draw(&w, 4),     (int64_t)draw(&w, 16)};
            values[6] = values[3];
            values[7] = values[4];
            check_world(&w, values, true);
        }
        tn_ctx_free(&w.ctx);
    }
}

/* ---- canonical forms ---- */

typedef struct Shapes {
    Ctx ctx;
    const Dim *n, *h, *w, *c;      /* sizes, 0 allowed */
    const Dim *in, *ih, *iw, *ic;  /* loops over them */
    const Dim *k7, *k16;           /* loops of 7 and 16 */
} Shapes;

static const Dim *size_symbol(Ctx *ctx, const char *name) {
    return tn_dim_symbol(ctx, tn_sv(name), SYM_INPUT_DIM, 0, INT64_MAX);
}

static int setup(void **state) {
    static Shapes s;
    memset(&s, 0, sizeof s);
    tn_ctx_init(&s.ctx, NULL);
    s.n = size_symbol(&s.ctx, "N");
    s.h = size_symbol(&s.ctx, "H");
    s.w = size_symbol(&s.ctx, "W");
    s.c = size_symbol(&s.ctx, "C");
    s.in = tn_dim_loop_var(&s.ctx, "n", s.n);
    s.ih = tn_dim_loop_var(&s.ctx, "h", s.h);
    s.iw = tn_dim_loop_var(&s.ctx, "w", s.w);
    s.ic = tn_dim_loop_var(&s.ctx, "c", s.c);
    s.k7 = tn_dim_loop_var(&s.ctx, "r", tn_dim_const(&s.ctx, 7));
    s.k16 = tn_dim_loop_var(&s.ctx, "q", tn_dim_const(&s.ctx, 16));
    *state = &s;
    return 0;
}

static int teardown(void **state) {
    tn_ctx_free(&((Shapes *)*state)->ctx);
    return 0;
}

#define assert_same(s, a, b) same_dims(&(s)->ctx, (a), (b), __LINE__)

static void same_dims(Ctx *ctx, const Dim *found, const Dim *expected, int line) {
    if (found == expected) {
        return;
    }
    StrBuf text = tn_str(&ctx->arena);
    tn_dim_print(ctx, found, &text);
    tn_str_puts(&text, " is not ");
    tn_dim_print(ctx, expected, &text);
    fail_msg("line %d: %s", line, text.data);
}

static void test_sums(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *sum = tn_dim_add(x, s->n, s->h);
    assert_same(s, tn_dim_add(x, s->h, s->n), sum);
    assert_same(s, tn_dim_sub(x, sum, s->n), s->h);
    assert_same(s, tn_dim_sub(x, sum, sum), tn_dim_const(x, 0));
    assert_same(s, tn_dim_addc(x, tn_dim_addc(x, s->n, 5), -5), s->n);
    /* (n + 1) * h == n * h + h */
    const Dim *product = tn_dim_mul(x, tn_dim_addc(x, s->n, 1), s->h);
    assert_same(s, product, tn_dim_add(x, tn_dim_mul(x, s->h, s->n), s->h));
    assert_same(s, tn_dim_mul(x, tn_dim_mul(x, s->n, s->h), s->w),
                tn_dim_mul(x, s->n, tn_dim_mul(x, s->w, s->h)));
    const Dim *all[] = {s->n, s->h, s->w};
    assert_same(s, tn_dim_product(x, all, 3), tn_dim_mul(x, s->w, tn_dim_mul(x, s->n, s->h)));
    assert_same(s, tn_dim_product(x, all, 0), tn_dim_const(x, 1));
    /* (n - h) * (n + h) == n*n - h*h */
    assert_same(s, tn_dim_mul(x, tn_dim_sub(x, s->n, s->h), sum),
                tn_dim_sub(x, tn_dim_mul(x, s->n, s->n), tn_dim_mul(x, s->h, s->h)));
}

/* index -> position -> index, over symbolic sizes. */
static void test_flatten(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *flat = tn_dim_add(x, tn_dim_mul(x, s->in, s->h), s->ih);
    flat = tn_dim_add(x, tn_dim_mul(x, flat, s->w), s->iw);
    const Dim *plane = tn_dim_mul(x, s->h, s->w);
    assert_same(s, tn_dim_div(x, flat, plane), s->in);
    assert_same(s, tn_dim_mod(x, flat, s->w), s->iw);
    assert_same(s, tn_dim_mod(x, tn_dim_div(x, flat, s->w), s->h), s->ih);
    assert_same(s, tn_dim_div(x, tn_dim_mod(x, flat, plane), s->w), s->ih);
    assert_same(s, tn_dim_div(x, tn_dim_div(x, flat, s->w), s->h), s->in);
    const Dim *total = tn_dim_mul(x, plane, s->n);
    assert_same(s, tn_dim_lt(x, flat, total), tn_dim_const(x, 1));
    assert_same(s, tn_dim_div(x, flat, total), tn_dim_const(x, 0));
    assert_same(s, tn_dim_mod(x, flat, total), flat);
    assert_true(tn_dim_prove_lt(x, flat, total));
    assert_false(tn_dim_prove_lt(x, total, flat));
    assert_false(tn_dim_prove_lt(x, s->in, s->h));
}

/* The same over sizes that are sums. */
static void test_flatten_sums(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *h1 = tn_dim_addc(x, s->h, 1), *w2 = tn_dim_addc(x, tn_dim_divc(x, s->w, 2), 2);
    const Dim *i = tn_dim_loop_var(x, "i", h1), *j = tn_dim_loop_var(x, "j", w2);
    const Dim *flat = tn_dim_add(x, tn_dim_mul(x, s->in, h1), i);
    flat = tn_dim_add(x, tn_dim_mul(x, flat, w2), j);
    assert_same(s, tn_dim_mod(x, flat, w2), j);
    assert_same(s, tn_dim_div(x, flat, tn_dim_mul(x, h1, w2)), s->in);
    assert_same(s, tn_dim_mod(x, tn_dim_div(x, flat, w2), h1), i);
}

static void test_division(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *mixed = tn_dim_add(x, tn_dim_mulc(x, s->n, 16), s->k16);
    assert_same(s, tn_dim_divc(x, mixed, 16), s->n);
    assert_same(s, tn_dim_modc(x, mixed, 16), s->k16);
    assert_same(s, tn_dim_divc(x, mixed, 32), tn_dim_divc(x, s->n, 2));
    assert_same(s, tn_dim_modc(x, mixed, 8), tn_dim_modc(x, s->k16, 8));
    assert_same(s, tn_dim_modc(x, mixed, 32),
                tn_dim_add(x, tn_dim_mulc(x, tn_dim_modc(x, s->n, 2), 16), s->k16));
    assert_same(s, tn_dim_divc(x, tn_dim_divc(x, s->n, 3), 5), tn_dim_divc(x, s->n, 15));
    assert_same(s, tn_dim_divc(x, tn_dim_modc(x, s->n, 48), 16),
                tn_dim_modc(x, tn_dim_divc(x, s->n, 16), 3));
    assert_same(s, tn_dim_modc(x, tn_dim_modc(x, s->n, 48), 16), tn_dim_modc(x, s->n, 16));
    /* n / 16 * 16 + n % 16 == n and n - n / 16 * 16 == n % 16 */
    const Dim *down = tn_dim_mulc(x, tn_dim_divc(x, s->n, 16), 16);
    assert_same(s, tn_dim_add(x, down, tn_dim_modc(x, s->n, 16)), s->n);
    assert_same(s, tn_dim_sub(x, s->n, down), tn_dim_modc(x, s->n, 16));
    assert_same(s, tn_dim_ceil_div(x, tn_dim_mulc(x, s->n, 16), tn_dim_const(x, 16)), s->n);
    /* Convolution sizes: (h + 2*1 - 3) / 2 + 1 == (h + 1) / 2, and twice that. */
    const Dim *half = tn_dim_addc(x, tn_dim_divc(x, tn_dim_addc(x, s->h, -1), 2), 1);
    assert_same(s, half, tn_dim_divc(x, tn_dim_addc(x, s->h, 1), 2));
    assert_same(s, tn_dim_divc(x, tn_dim_addc(x, half, 1), 2),
                tn_dim_divc(x, tn_dim_addc(x, s->h, 3), 4));
}

static void test_zero_divisors(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *zero = tn_dim_const(x, 0);
    assert_same(s, tn_dim_div(x, s->n, zero), zero);
    assert_same(s, tn_dim_mod(x, s->n, zero), zero);
    /* n / n is 0 for n = 0, unless a loop over n runs. */
    assert_int_equal(tn_dim_div(x, s->n, s->n)->kind, DIM_DIV);
    assert_same(s, tn_dim_mod(x, s->n, s->n), zero);
    const Dim *run = tn_dim_add(x, tn_dim_mul(x, s->h, s->n), s->in);
    assert_same(s, tn_dim_div(x, run, s->n), s->h);
}

static void test_min_max(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *n3 = tn_dim_addc(x, s->n, 3);
    assert_same(s, tn_dim_min(x, s->n, n3), s->n);
    assert_same(s, tn_dim_max(x, n3, s->n), n3);
    assert_same(s, tn_dim_min(x, s->in, s->n), s->in);
    assert_same(s, tn_dim_max(x, s->n, tn_dim_const(x, -1)), s->n);
    const Dim *ab = tn_dim_min(x, s->n, s->h), *bc = tn_dim_min(x, s->h, s->w);
    assert_same(s, tn_dim_min(x, ab, s->w), tn_dim_min(x, s->n, bc));
    assert_same(s, tn_dim_min(x, ab, ab), ab);
    assert_same(s, tn_dim_max(x, ab, s->n), s->n);
    assert_same(s, tn_dim_min(x, ab, n3), ab);
    /* The tail of a split: min(16, n - 16*o) for o in 0..ceil(n/16)-1. */
    const Dim *o = tn_dim_loop_var(x, "o", tn_dim_ceil_div(x, s->n, tn_dim_const(x, 16)));
    const Dim *left = tn_dim_sub(x, s->n, tn_dim_mulc(x, o, 16));
    const Dim *extent = tn_dim_min(x, tn_dim_const(x, 16), left);
    const Dim *i = tn_dim_loop_var(x, "i", extent);
    assert_true(tn_dim_prove_lt(x, tn_dim_add(x, tn_dim_mulc(x, o, 16), i), s->n));
    assert_true(tn_dim_prove_le(x, tn_dim_const(x, 1), left));
    assert_int_equal(i->hi, 15);
}

static void test_conditions(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *one = tn_dim_const(x, 1), *zero = tn_dim_const(x, 0);
    assert_same(s, tn_dim_lt(x, s->in, s->n), one);
    assert_same(s, tn_dim_lt(x, s->n, s->in), zero);
    const Dim *less = tn_dim_lt(x, s->k16, s->n);
    assert_same(s, tn_dim_lt(x, tn_dim_addc(x, s->k16, 4), tn_dim_addc(x, s->n, 4)), less);
    assert_same(s, tn_dim_lt(x, tn_dim_mulc(x, s->k16, 3), tn_dim_mulc(x, s->n, 3)), less);
    assert_same(s, tn_dim_eq(x, s->n, s->h), tn_dim_eq(x, s->h, s->n));
    assert_same(
        s, tn_dim_eq(x, tn_dim_mulc(x, s->n, 2), tn_dim_addc(x, tn_dim_mulc(x, s->h, 2), 1)), zero);
    assert_same(s, tn_dim_eq(x, s->n, tn_dim_const(x, -1)), zero);
    assert_same(s, tn_dim_select(x, less, s->h, s->h), s->h);
    assert_same(s, tn_dim_select(x, less, one, zero), less);
    assert_same(s, tn_dim_eq(x, tn_dim_eq(x, less, zero), zero), less);
    assert_same(s, tn_dim_select(x, tn_dim_sub(x, one, less), s->h, s->w),
                tn_dim_select(x, less, s->w, s->h));
    assert_same(s, tn_dim_select(x, tn_dim_lt(x, s->n, s->h), s->n, s->h),
                tn_dim_min(x, s->n, s->h));
}

static void test_linear(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    int64_t coef;
    const Dim *c, *rest;
    const Dim *d = tn_dim_add(x, tn_dim_mulc(x, s->iw, 3), tn_dim_mul(x, s->ih, s->w));
    assert_true(tn_dim_linear(x, d, s->iw, &coef, &rest));
    assert_int_equal(coef, 3);
    assert_same(s, rest, tn_dim_mul(x, s->ih, s->w));
    assert_false(tn_dim_linear(x, d, s->ih, &coef, &rest));
    assert_true(tn_dim_linear_dim(x, d, s->ih, &c, &rest));
    assert_same(s, c, s->w);
    assert_true(tn_dim_linear(x, d, s->ic, &coef, &rest));
    assert_int_equal(coef, 0);
    assert_false(tn_dim_linear_dim(x, tn_dim_modc(x, s->in, 4), s->in, &c, &rest));
    assert_false(tn_dim_linear_dim(x, tn_dim_mul(x, s->in, s->in), s->in, &c, &rest));
    const Dim *both = tn_dim_add(x, s->in, tn_dim_divc(x, s->in, 3));
    assert_false(tn_dim_linear(x, both, s->in, &coef, &rest));
    assert_true(tn_dim_uses(both, s->in));
    assert_false(tn_dim_uses(both, s->n));
}

static void test_subst(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *o = tn_dim_loop_var(x, "o", s->h);
    const Dim *from[] = {s->in, s->ih}, *to[] = {s->ih, s->in};
    const Dim *d = tn_dim_sub(x, s->in, tn_dim_mulc(x, s->ih, 2));
    assert_same(s, tn_dim_subst(x, d, from, to, 2), tn_dim_sub(x, s->ih, tn_dim_mulc(x, s->in, 2)));
    const Dim *split = tn_dim_add(x, tn_dim_mulc(x, o, 16), s->k16);
    const Dim *block = tn_dim_add(x, tn_dim_divc(x, s->in, 16), tn_dim_modc(x, s->in, 16));
    assert_same(s, tn_dim_subst(x, block, from, &split, 1), tn_dim_add(x, o, s->k16));
}

static void test_overflow(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    const Dim *big = tn_dim_const(x, INT64_MAX);
    int64_t value;
    assert_false(big->overflow);
    const Dim *sum = tn_dim_addc(x, big, 1);
    assert_true(sum->overflow);
    assert_false(tn_dim_eval(sum, NULL, &value));
    assert_true(tn_dim_mul(x, s->n, sum)->overflow);
    assert_true(tn_dim_min(x, s->n, sum)->overflow);
    assert_true(tn_dim_mulc(x, tn_dim_mulc(x, s->n, INT64_MAX), 2)->overflow);
    assert_true(tn_dim_divc(x, tn_dim_const(x, INT64_MIN), -1)->overflow);
    assert_same(s, tn_dim_modc(x, tn_dim_const(x, INT64_MIN), -1), tn_dim_const(x, 0));
    int64_t values[] = {INT64_MAX, 2};
    assert_false(tn_dim_eval(tn_dim_mul(x, s->n, s->h), values, &value));
    assert_int_equal(tn_dim_mul(x, s->n, s->h)->hi, INT64_MAX);
}

/* Repeated squaring of a sum would have 2^k terms: it must end in a flag, not in a hang. */
static void test_growth(void **state) {
    Shapes *s = *state;
    const Dim *d = tn_dim_add(&s->ctx, tn_dim_add(&s->ctx, s->n, s->h), s->w);
    for (int i = 0; i < 40 && !d->overflow; i++) {
        d = tn_dim_mul(&s->ctx, d, tn_dim_addc(&s->ctx, d, 1));
    }
    assert_true(d->overflow);
    d = s->n;
    for (int i = 0; i < 1000 && !d->overflow; i++) {
        d = tn_dim_modc(&s->ctx, tn_dim_max(&s->ctx, s->h, tn_dim_mul(&s->ctx, d, d)), 97 + i);
    }
    assert_true(d->overflow);
}

static void test_hints(void **state) {
    Shapes *s = *state;
    tn_dim_symbol_of(&s->ctx, s->n)->hint = 10;
    assert_int_equal(tn_dim_hint(&s->ctx, tn_dim_mulc(&s->ctx, s->n, 3)), 30);
    assert_int_equal(tn_dim_hint(&s->ctx, s->in), 5);
    assert_int_equal(tn_dim_hint(&s->ctx, s->h), 1);
}

static void test_symbols(void **state) {
    Shapes *s = *state;
    assert_ptr_equal(size_symbol(&s->ctx, "N"), s->n);
    assert_ptr_equal(tn_dim_find_symbol(&s->ctx, TN_SV("H")), s->h);
    assert_null(tn_dim_find_symbol(&s->ctx, TN_SV("h"))); /* a loop variable */
    const Dim *other = tn_dim_loop_var(&s->ctx, "n", s->n);
    assert_ptr_not_equal(other, s->in);
}

/* ---- text ---- */

static void check_text(Shapes *s, const Dim *d, const char *expected) {
    StrBuf text = tn_str(&s->ctx.arena);
    tn_dim_print(&s->ctx, d, &text);
    assert_string_equal(text.data, expected);
}

static void test_text(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    check_text(s, tn_dim_const(x, INT64_MIN), "-9223372036854775808");
    check_text(s, tn_dim_addc(x, tn_dim_sub(x, s->n, tn_dim_mulc(x, s->h, 2)), -3), "N - 2*H - 3");
    check_text(s, tn_dim_sub(x, tn_dim_const(x, 4), s->n), "4 - N");
    check_text(s, tn_dim_mulc(x, s->n, -1), "-1*N");
    check_text(s, tn_dim_mulc(x, tn_dim_mul(x, s->w, s->h), 2), "2*(H*W)");
    check_text(s, tn_dim_divc(x, tn_dim_addc(x, s->w, 1), 2), "(W + 1)/2");
    check_text(s, tn_dim_add(x, tn_dim_modc(x, s->w, 3), s->c), "C + W%3");
    check_text(s, tn_dim_min(x, s->w, tn_dim_min(x, s->h, s->c)), "min(min(C, H), W)");
    check_text(s, tn_dim_select(x, tn_dim_lt(x, s->n, s->h), s->w, s->c), "select(lt(N, H), W, C)");
    check_text(s, size_symbol(x, "batch size"), "\"batch size\"");
    check_text(s, size_symbol(x, "min"), "\"min\"");
}

/* Symbols by name, and what is divided by H as if it had one. */
static bool c_part(void *arg, const Dim *part, StrBuf *out) {
    Shapes *s = arg;
    if (part->kind == DIM_SYM) {
        tn_str_printf(out, "s_%s", tn_dim_symbol_of(&s->ctx, part)->name);
    } else if (part->kind == DIM_DIV && part->args[1] == s->h) {
        tn_str_puts(out, "by_H");
    } else {
        return false;
    }
    return true;
}

static void check_c(Shapes *s, const Dim *d, const char *expected) {
    StrBuf text = tn_str(&s->ctx.arena);
    tn_dim_print_c(d, c_part, s, &text);
    assert_string_equal(text.data, expected);
}

static void test_c(void **state) {
    Shapes *s = *state;
    Ctx *x = &s->ctx;
    check_c(s, tn_dim_addc(x, tn_dim_mulc(x, s->n, -3), 4), "(-3) * s_N + 4");
    check_c(s, tn_dim_divc(x, s->n, 4), "s_N / 4");
    check_c(s, tn_dim_divc(x, tn_dim_addc(x, s->n, -7), 4), "((s_N + 1) / 4) - 2");
    check_c(s, tn_dim_divc(x, tn_dim_sub(x, s->n, s->h), 4), "tn_fdiv(s_N - s_H, 4)");
    check_c(s, tn_dim_mod(x, s->n, s->h), "tn_fmod(s_N, s_H)");
    check_c(s, tn_dim_div(x, s->n, s->h), "by_H");
    check_c(s, tn_dim_addc(x, tn_dim_mulc(x, tn_dim_div(x, s->n, s->h), 2), 1), "2 * by_H + 1");
    check_c(s, tn_dim_min(x, s->n, s->h), "tn_imin(s_N, s_H)");
    check_c(s, tn_dim_lt(x, s->n, s->h), "s_N < s_H");
    check_c(s, tn_dim_const(x, INT64_MIN), "(-9223372036854775807 - 1)");
}

#define with_shapes(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_values),
        cmocka_unit_test(test_random_sizes),
        with_shapes(test_sums),
        with_shapes(test_flatten),
        with_shapes(test_flatten_sums),
        with_shapes(test_division),
        with_shapes(test_zero_divisors),
        with_shapes(test_min_max),
        with_shapes(test_conditions),
        with_shapes(test_linear),
        with_shapes(test_subst),
        with_shapes(test_overflow),
        with_shapes(test_growth),
        with_shapes(test_hints),
        with_shapes(test_symbols),
        with_shapes(test_text),
        with_shapes(test_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
