/* dim_priv.h: what the files of the dimension expressions share; nobody else includes it.
 *
 * A linear form (Lin) is `value + sum coef * arg` with terms sorted by id of arg, the shape
 * every constructor works on. Lins live in the scratch arena between mark and reset.
 */
#ifndef TN_IR_DIM_PRIV_H
#define TN_IR_DIM_PRIV_H

#include "ir/dim.h"

/* More parts than this in one expression, or deeper nesting, counts as overflow: it bounds
 * recursion and the cost of walking. */
#define DIM_SIZE_MAX 20000u
#define DIM_DEPTH_MAX 200u
/* A product of sums with more terms stays a product. */
#define DIM_TERMS_MAX 128u

typedef struct DimCell DimCell;
struct DimCell {
    Dim dim;
    DimCell *next; /* same hash */
    uint32_t size; /* of the expression as a tree */
    uint16_t depth;
    bool symbolic; /* holds a symbol other than a loop variable of constant extent */
    bool looped;   /* holds a loop variable */
};

static inline const DimCell *dim_cell(const Dim *d) {
    return (const DimCell *)(const void *)d;
}

typedef struct Term {
    const Dim *arg;
    int64_t coef;
} Term;

typedef struct Lin {
    int64_t value;
    uint32_t n;
    Term *terms;
    bool overflow;
} Lin;

/* ---- dim.c ---- */

/* The absorbing result of anything that left int64 or grew too large. */
const Dim *dim_poison(Ctx *ctx);
/* The unique expression equal to `key`, which need not be in the arena (its args must be). */
const Dim *dim_intern_key(Ctx *ctx, const Dim *key);
/* The unique expression of that kind over exactly these args; ranges are derived. */
const Dim *dim_intern(Ctx *ctx, DimKind kind, const Dim *const *args, uint32_t n);
/* The same over two. */
const Dim *dim_pair(Ctx *ctx, DimKind kind, const Dim *a, const Dim *b);
/* The terms of `d`, in the scratch arena. */
Lin dim_lin(Ctx *ctx, const Dim *d);
/* An empty form with room for `cap` terms. */
Lin dim_lin_new(Ctx *ctx, uint32_t cap);
/* Canonical expression of a form whose terms may be in any order and repeat. */
const Dim *dim_from_terms(Ctx *ctx, Lin *lin);
/* ka * a + kb * b. */
const Dim *dim_combine(Ctx *ctx, const Dim *a, int64_t ka, const Dim *b, int64_t kb);
/* Product of two factors or products, neither SUM nor CONST. */
const Dim *dim_mono_mul(Ctx *ctx, const Dim *a, const Dim *b);
/* The factors of a term's argument: those of a MUL, else itself. */
uint32_t dim_factors(const Dim *const *d, const Dim *const **out);
bool dim_has_factor(const Dim *mono, const Dim *factor);
/* `mono` with one occurrence of `factor` taken away; 1 when nothing is left. */
const Dim *dim_without(Ctx *ctx, const Dim *mono, const Dim *factor);

/* ---- dim_range.c ---- */

typedef struct Range {
    int64_t lo, hi;
} Range;

int64_t dim_floor_div(int64_t a, int64_t b); /* b != 0, not INT64_MIN / -1 */
int64_t dim_floor_mod(int64_t a, int64_t b); /* b != 0 and != -1 */
/* Greatest common divisor, not negative; 1 where it leaves int64. */
int64_t dim_gcd(int64_t a, int64_t b);
Range dim_range_add(Range a, Range b);
Range dim_range_mul(Range a, Range b);
Range dim_range_of(DimKind kind, const Dim *const *args, uint32_t n);

/* ---- dim_sum.c ---- */

/* Joins K*(x % c) with terms in x / c, in place; terms must be sorted and merged. True when
 * something changed (terms are then unsorted). */
bool dim_join_mods(Ctx *ctx, Lin *lin);

/* ---- dim_bound.c ---- */

/* d == coef * atom + rest with `atom` no factor of a term of either; false when it occurs squared.
 * Does not look inside other atoms. */
bool dim_split(Ctx *ctx, const Dim *d, const Dim *atom, const Dim **coef, const Dim **rest);

/* d >= 1 for all symbols, where the loop variables in `where` exist. */
bool dim_positive(Ctx *ctx, const Dim *d, const Dim *where);
/* 0 <= r < x as above. */
bool dim_within(Ctx *ctx, const Dim *r, const Dim *x, const Dim *where);

#endif
