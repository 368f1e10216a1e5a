/* dim.h: integer expressions over named symbols: dimensions, loop extents, indices.
 *
 * A Dim is immutable and hash-consed in its context: two Dims are equal exactly
 * when their pointers are. Constructors canonicalise, so `a + b - a` *is* `b`,
 * and they use the proved range of each symbol, so `(16*i + j) / 16` is `i` when
 * 0 <= j < 16. Arithmetic is exact in int64 and never wraps: what has a constant
 * beyond it is one absorbing Dim, flagged `overflow`, which the verifier reports.
 * Division is floor division; `x / 0` and `x % 0` are 0 by definition.
 *
 * Symbols: a model input's dimension, an element of a small integer input, the round
 * of a program's loop, or a loop variable. Loop variables carry the extent they run to,
 * which may itself be symbolic.
 */
#ifndef TN_IR_DIM_H
#define TN_IR_DIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"

typedef enum DimKind {
    DIM_CONST,  /* value */
    DIM_SYM,    /* sym */
    DIM_SUM,    /* value + sum of coef[i] * arg[i], args not CONST or SUM, sorted by id */
    DIM_MUL,    /* product of two or more non-constant args, sorted by id */
    DIM_DIV,    /* floor(arg[0] / arg[1]) */
    DIM_MOD,    /* arg[0] - floor(arg[0] / arg[1]) * arg[1] */
    DIM_MIN,    /* of two args */
    DIM_MAX,
    DIM_EQ,     /* 1 if arg[0] == arg[1] else 0 */
    DIM_LT,     /* 1 if arg[0] < arg[1] else 0 */
    DIM_SELECT  /* arg[0] != 0 ? arg[1] : arg[2] */
} DimKind;

typedef struct Dim Dim;
struct Dim {
    DimKind kind;
    uint32_t id;         /* creation order within the context: the sort key */
    int64_t value;       /* CONST, SUM */
    uint32_t sym;        /* SYM: index in DimTable.symbols */
    uint32_t n_args;
    const Dim *const *args;
    const int64_t *coefs; /* SUM */
    int64_t lo, hi;      /* proved bounds; INT64_MIN / INT64_MAX when unbounded */
    bool overflow;       /* a constant in here left int64 */
};

typedef enum SymKind {
    SYM_INPUT_DIM,  /* dimension `index` of graph input `input` */
    SYM_INPUT_ELEM, /* element `index` (flat) of the integer graph input `input` */
    SYM_COUNT,      /* counted by the program: the round of one of its loops */
    SYM_LOOP        /* a loop variable */
} SymKind;

typedef struct Symbol {
    const char *name;  /* owned by the context, unique except for loop variables */
    SymKind kind;
    int32_t input, index;
    const Dim *extent; /* SYM_LOOP: 0 <= symbol < extent */
    int64_t hint;      /* a likely value, for cost estimates */
    const Dim *dim;    /* the DIM_SYM expression */
} Symbol;

typedef struct DimTable DimTable;
struct DimTable {
    TN_VEC(Symbol) symbols;
    /* the rest is private to dim*.c */
    struct Map *interned;
    struct Map *names; /* symbols but loop variables, by name */
    uint32_t n_dims;
    uint32_t proving; /* proofs under way, nested */
};

const Dim *tn_dim_const(Ctx *ctx, int64_t value);
/* Returns the symbol named `name`, created with the given kind and range if new. */
const Dim *tn_dim_symbol(Ctx *ctx, StrView name, SymKind kind, int64_t lo, int64_t hi);
/* A fresh loop variable over 0..extent-1; `name` is only for printing. */
const Dim *tn_dim_loop_var(Ctx *ctx, const char *name, const Dim *extent);
Symbol *tn_dim_symbol_of(Ctx *ctx, const Dim *sym);
/* The symbol of that name (not a loop variable), or NULL. */
const Dim *tn_dim_find_symbol(Ctx *ctx, StrView name);

const Dim *tn_dim_add(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_sub(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_mul(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_div(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_mod(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_ceil_div(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_min(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_max(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_eq(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_lt(Ctx *ctx, const Dim *a, const Dim *b);
const Dim *tn_dim_select(Ctx *ctx, const Dim *cond, const Dim *a, const Dim *b);
/* Shorthands with a constant right side. */
const Dim *tn_dim_addc(Ctx *ctx, const Dim *a, int64_t b);
const Dim *tn_dim_mulc(Ctx *ctx, const Dim *a, int64_t b);
const Dim *tn_dim_divc(Ctx *ctx, const Dim *a, int64_t b);
const Dim *tn_dim_modc(Ctx *ctx, const Dim *a, int64_t b);
/* Product of all; 1 for none. */
const Dim *tn_dim_product(Ctx *ctx, const Dim *const *dims, size_t n);

static inline bool tn_dim_is(const Dim *d, int64_t value) {
    return d->kind == DIM_CONST && d->value == value;
}
static inline bool tn_dim_is_const(const Dim *d) {
    return d->kind == DIM_CONST;
}
/* True only when proved for every value of the symbols. */
bool tn_dim_prove_lt(Ctx *ctx, const Dim *a, const Dim *b);
bool tn_dim_prove_le(Ctx *ctx, const Dim *a, const Dim *b);
/* Whether `sym` (a DIM_SYM) occurs in `d`. */
bool tn_dim_uses(const Dim *d, const Dim *sym);
/* The coefficient c and rest r with d == c * sym + r and `sym` not in r; false when not linear. */
bool tn_dim_linear(Ctx *ctx, const Dim *d, const Dim *sym, int64_t *coef, const Dim **rest);
/* As tn_dim_linear where the coefficient may be any Dim free of `sym`. */
bool tn_dim_linear_dim(Ctx *ctx, const Dim *d, const Dim *sym, const Dim **coef, const Dim **rest);
/* How far `d` at sym = 0 .. n-1 is from `d` at sym = 0, into out[0 .. n-1]; false when that is
 * not the same whatever the other symbols are. */
bool tn_dim_pattern(Ctx *ctx, const Dim *d, const Dim *sym, int32_t n, int64_t *out);
/* `d` with each from[i] (DIM_SYM) replaced by to[i], re-canonicalised. */
const Dim *tn_dim_subst(Ctx *ctx, const Dim *d, const Dim *const *from, const Dim *const *to,
                        size_t n);
/* The value with every symbol s at values[s]; false on overflow. */
bool tn_dim_eval(const Dim *d, const int64_t *values, int64_t *out);
/* The value with every symbol at its hint (loop variables at half their extent). */
int64_t tn_dim_hint(Ctx *ctx, const Dim *d);

/* Text: sums and products with the usual precedence, floor division `/`, `%`,
 * min(a,b), max(a,b), eq(a,b), lt(a,b), select(c,a,b). Parses back to the same Dim. */
void tn_dim_print(Ctx *ctx, const Dim *d, StrBuf *out);
/* The same expression in C. `part` prints a symbol, and may print other parts as well, such as
 * those that have a name already; else it returns false. Floor division
 * and modulo print as plain / and % when operands are proved non-negative and the divisor
 * positive, else through tn_fdiv / tn_fmod of the emitted prelude; min and max through its
 * tn_imin / tn_imax (all four over int64_t, as symbols are). */
typedef bool DimPartFn(void *arg, const Dim *part, StrBuf *out);
void tn_dim_print_c(const Dim *d, DimPartFn *part, void *arg, StrBuf *out);

#endif
