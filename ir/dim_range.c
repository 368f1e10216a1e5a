/* dim_range.c: interval arithmetic on the bounds of dimension expressions.
 *
 * INT64_MIN as a lower and INT64_MAX as an upper bound mean "none". A lower bound is never
 * INT64_MAX and an upper never INT64_MIN, so that no infinity meets its opposite.
 */
#include "ir/dim_priv.h"

#define NEG_INF INT64_MIN
#define POS_INF INT64_MAX

int64_t dim_floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

int64_t dim_floor_mod(int64_t a, int64_t b) {
    int64_t r = a % b;
    return r + (r != 0 && (r < 0) != (b < 0) ? b : 0);
}

int64_t dim_gcd(int64_t a, int64_t b) {
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    uint64_t y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y != 0) {
        uint64_t t = x % y;
        x = y;
        y = t;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

static bool infinite(int64_t v) {
    return v == NEG_INF || v == POS_INF;
}

static int64_t add_sat(int64_t a, int64_t b) {
    int64_t sum;
    if (infinite(a) || infinite(b)) {
        return infinite(a) ? a : b;
    }
    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? NEG_INF : POS_INF;
    }
    return sum;
}

static int64_t mul_sat(int64_t a, int64_t b) {
    int64_t product;
    if (a == 0 || b == 0) {
        return 0;
    }
    if (infinite(a) || infinite(b) || __builtin_mul_overflow(a, b, &product)) {
        return (a < 0) != (b < 0) ? NEG_INF : POS_INF;
    }
    return product;
}

/* Floor of a / b for b != 0; x / infinity goes to 0 or, below it, -1. */
static int64_t div_sat(int64_t a, int64_t b) {
    if (infinite(b)) {
        return infinite(a) ? ((a < 0) != (b < 0) ? NEG_INF : POS_INF)
                           : ((a < 0) != (b < 0) && a != 0 ? -1 : 0);
    }
    if (infinite(a)) {
        return (a < 0) != (b < 0) ? NEG_INF : POS_INF;
    }
    return dim_floor_div(a, b);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t greatest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static Range sane(int64_t lo, int64_t hi) {
    return (Range){lo == POS_INF ? POS_INF - 1 : lo, hi == NEG_INF ? NEG_INF + 1 : hi};
}

Range dim_range_add(Range a, Range b) {
    return sane(add_sat(a.lo, b.lo), add_sat(a.hi, b.hi));
}

static Range corners(Range a, Range b, int64_t (*op)(int64_t, int64_t)) {
    int64_t v[4] = {op(a.lo, b.lo), op(a.lo, b.hi), op(a.hi, b.lo), op(a.hi, b.hi)};
    return sane(least(least(v[0], v[1]), least(v[2], v[3])),
                greatest(greatest(v[0], v[1]), greatest(v[2], v[3])));
}

Range dim_range_mul(Range a, Range b) {
    return corners(a, b, mul_sat);
}

/* The range of x / y over the part of y in lo..hi, which does not hold 0. */
static Range div_part(Range x, int64_t lo, int64_t hi) {
    return corners(x, (Range){lo, hi}, div_sat);
}

static Range join(Range a, Range b) {
    return (Range){least(a.lo, b.lo), greatest(a.hi, b.hi)};
}

static Range range_div(Range x, Range y) {
    Range out = {0, 0};
    bool any = false;
    if (y.hi >= 1) {
        out = div_part(x, greatest(y.lo, 1), y.hi);
        any = true;
    }
    if (y.lo <= -1) {
        Range below = div_part(x, y.lo, least(y.hi, -1));
        out = any ? join(out, below) : below;
    }
    bool zero = y.lo <= 0 && y.hi >= 0;
    return zero ? join(out, (Range){0, 0}) : out;
}

static Range range_mod(Range x, Range y) {
    int64_t hi = y.hi > 0 ? (y.hi == POS_INF ? POS_INF : y.hi - 1) : 0;
    int64_t lo = y.lo < 0 ? (y.lo == NEG_INF ? NEG_INF : y.lo + 1) : 0;
    if (x.lo >= 0 && y.lo >= 0) {
        hi = least(hi, x.hi);
    }
    return (Range){lo, hi};
}

static Range range_eq(Range a, Range b) {
    bool apart = a.hi < b.lo || b.hi < a.lo;
    bool same = a.lo == a.hi && b.lo == b.hi && a.lo == b.lo;
    return (Range){same, !apart};
}

static Range range_lt(Range a, Range b) {
    return (Range){a.hi < b.lo, a.lo < b.hi};
}

static Range of(const Dim *d) {
    return (Range){d->lo, d->hi};
}

Range dim_range_of(DimKind kind, const Dim *const *args, uint32_t n) {
    Range a = of(args[0]);
    Range b = n > 1 ? of(args[1]) : a;
    switch (kind) {
    case DIM_MUL:
        for (uint32_t i = 1; i < n; i++) {
            a = dim_range_mul(a, of(args[i]));
        }
        return a;
    case DIM_DIV:
        return range_div(a, b);
    case DIM_MOD:
        return range_mod(a, b);
    case DIM_MIN:
        return (Range){least(a.lo, b.lo), least(a.hi, b.hi)};
    case DIM_MAX:
        return (Range){greatest(a.lo, b.lo), greatest(a.hi, b.hi)};
    case DIM_EQ:
        return range_eq(a, b);
    case DIM_LT:
        return range_lt(a, b);
    case DIM_SELECT:
        return join(b, of(args[2]));
    default:
        return (Range){NEG_INF, POS_INF};
    }
}
