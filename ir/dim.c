/* dim.c: the table of dimension expressions: interning, symbols, sums and products.
 *
 * Every expression passes through intern(), which keeps one copy of each; ids are given in
 * creation order and args are always older than what uses them. Sums are linear forms with
 * merged coefficients; products are distributed over sums, so that equal polynomials are
 * the same pointer. Whatever leaves int64 becomes one absorbing expression (dim_poison).
 */
#include "ir/dim_priv.h"

#include <string.h>

#include "base/map.h"

static DimTable *table_of(Ctx *ctx) {
    if (ctx->dims == NULL) {
        ctx->dims = TN_NEW(&ctx->arena, DimTable);
        ctx->dims->interned = TN_NEW(&ctx->arena, Map);
        *ctx->dims->interned = tn_map(&ctx->arena);
        ctx->dims->names = TN_NEW(&ctx->arena, Map);
        *ctx->dims->names = tn_map(&ctx->arena);
    }
    return ctx->dims;
}

/* ---- interning ---- */

static uint64_t hash_dim(const Dim *d) {
    uint64_t hash = tn_hash_word(TN_HASH_SEED, (uint64_t)d->kind * 2 + d->overflow);
    hash = tn_hash_word(hash, (uint64_t)d->value);
    hash = tn_hash_word(hash, d->sym);
    for (uint32_t i = 0; i < d->n_args; i++) {
        hash = tn_hash_word(hash, d->args[i]->id);
        if (d->coefs != NULL) {
            hash = tn_hash_word(hash, (uint64_t)d->coefs[i]);
        }
    }
    return hash;
}

static bool same_dim(const Dim *a, const Dim *b) {
    bool same = a->kind == b->kind && a->value == b->value && a->sym == b->sym &&
                a->overflow == b->overflow && a->n_args == b->n_args;
    for (uint32_t i = 0; same && i < a->n_args; i++) {
        same = a->args[i] == b->args[i] && (a->coefs == NULL || a->coefs[i] == b->coefs[i]);
    }
    return same;
}

/* Size, depth and flags from the args. */
static void measure(const DimTable *table, DimCell *cell) {
    const Dim *d = &cell->dim;
    cell->size = 1;
    for (uint32_t i = 0; i < d->n_args; i++) {
        const DimCell *arg = dim_cell(d->args[i]);
        cell->size += arg->size;
        cell->depth = arg->depth + 1 > cell->depth ? (uint16_t)(arg->depth + 1) : cell->depth;
        cell->symbolic = cell->symbolic || arg->symbolic;
        cell->looped = cell->looped || arg->looped;
    }
    if (d->kind == DIM_SYM) {
        const Symbol *symbol = &table->symbols.data[d->sym];
        cell->looped = symbol->kind == SYM_LOOP;
        cell->symbolic = !cell->looped || symbol->extent->kind != DIM_CONST;
    }
}

/* NULL for an expression that is too large. */
static const Dim *insert(Ctx *ctx, const Dim *key, void **slot) {
    DimTable *table = ctx->dims;
    DimCell *cell = TN_NEW(&ctx->arena, DimCell);
    cell->dim = *key;
    if (key->n_args > 0) {
        cell->dim.args = tn_arena_copy(&ctx->arena, key->args, key->n_args * sizeof *key->args);
    }
    if (key->coefs != NULL) {
        cell->dim.coefs = tn_arena_copy(&ctx->arena, key->coefs, key->n_args * sizeof *key->coefs);
    }
    measure(table, cell);
    if (cell->size > DIM_SIZE_MAX || cell->depth > DIM_DEPTH_MAX) {
        return NULL;
    }
    cell->dim.id = table->n_dims++;
    cell->next = *slot;
    *slot = cell;
    return &cell->dim;
}

/* `key` need not be in the arena; its args must be. */
const Dim *dim_intern_key(Ctx *ctx, const Dim *key) {
    DimTable *table = table_of(ctx);
    void **slot = tn_map_put_int(table->interned, hash_dim(key), NULL);
    for (const DimCell *cell = *slot; cell != NULL; cell = cell->next) {
        if (same_dim(&cell->dim, key)) {
            return &cell->dim;
        }
    }
    const Dim *made = insert(ctx, key, slot);
    return made != NULL ? made : dim_poison(ctx);
}

const Dim *dim_poison(Ctx *ctx) {
    Dim key = {
        .kind = DIM_CONST, .value = INT64_MAX, .lo = INT64_MIN, .hi = INT64_MAX, .overflow = true};
    return dim_intern_key(ctx, &key);
}

const Dim *tn_dim_const(Ctx *ctx, int64_t value) {
    Dim key = {.kind = DIM_CONST,
               .value = value,
               .lo = value == INT64_MAX ? INT64_MAX - 1 : value,
               .hi = value == INT64_MIN ? INT64_MIN + 1 : value};
    return dim_intern_key(ctx, &key);
}

const Dim *dim_intern(Ctx *ctx, DimKind kind, const Dim *const *args, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (args[i]->overflow) {
            return dim_poison(ctx);
        }
    }
    Range range = dim_range_of(kind, args, n);
    if (range.lo == range.hi) {
        return tn_dim_const(ctx, range.lo);
    }
    Dim key = {.kind = kind, .n_args = n, .args = args, .lo = range.lo, .hi = range.hi};
    return dim_intern_key(ctx, &key);
}

const Dim *dim_pair(Ctx *ctx, DimKind kind, const Dim *a, const Dim *b) {
    const Dim *args[2] = {a, b};
    return dim_intern(ctx, kind, args, 2);
}

/* ---- symbols ---- */

static const Dim *new_symbol(Ctx *ctx, const char *name, SymKind kind, int64_t lo, int64_t hi,
                             const Dim *extent) {
    DimTable *table = table_of(ctx);
    int64_t hint = lo > 1 ? lo : hi < 1 ? hi : 1;
    Symbol symbol = {name, kind, -1, -1, extent, hint, NULL};
    uint32_t number = (uint32_t)table->symbols.len;
    tn_vec_push(&ctx->arena, &table->symbols, symbol);
    Dim key = {.kind = DIM_SYM, .sym = number, .lo = lo, .hi = hi};
    const Dim *dim = dim_intern_key(ctx, &key);
    table->symbols.data[number].dim = dim;
    return dim;
}

const Dim *tn_dim_symbol(Ctx *ctx, StrView name, SymKind kind, int64_t lo, int64_t hi) {
    DimTable *table = table_of(ctx);
    Dim *known = tn_map_get_str(table->names, name);
    if (known != NULL) {
        return known;
    }
    lo = lo == INT64_MAX ? INT64_MAX - 1 : lo;
    hi = hi < lo ? lo : hi;
    char *copy = tn_sv_dup(&ctx->arena, name);
    const Dim *dim = new_symbol(ctx, copy, kind, lo, hi, NULL);
    void **slot = tn_map_put_str(table->names, (StrView){copy, name.len}, NULL);
    memcpy(slot, &dim, sizeof dim);
    return dim;
}

const Dim *tn_dim_loop_var(Ctx *ctx, const char *name, const Dim *extent) {
    int64_t hi = extent->hi == INT64_MAX ? INT64_MAX : extent->hi > 0 ? extent->hi - 1 : 0;
    return new_symbol(ctx, tn_sv_dup(&ctx->arena, tn_sv(name)), SYM_LOOP, 0, hi, extent);
}

Symbol *tn_dim_symbol_of(Ctx *ctx, const Dim *sym) {
    return &table_of(ctx)->symbols.data[sym->sym];
}

const Dim *tn_dim_find_symbol(Ctx *ctx, StrView name) {
    return tn_map_get_str(table_of(ctx)->names, name);
}

/* ---- products of atoms ---- */

uint32_t dim_factors(const Dim *const *d, const Dim *const **out) {
    if ((*d)->kind == DIM_MUL) {
        *out = (*d)->args;
        return (*d)->n_args;
    }
    *out = d;
    return 1;
}

const Dim *dim_mono_mul(Ctx *ctx, const Dim *a, const Dim *b) {
    const Dim *const *fa;
    const Dim *const *fb;
    uint32_t na = dim_factors(&a, &fa);
    uint32_t nb = dim_factors(&b, &fb);
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim **args = TN_NEW_ARRAY(&ctx->scratch, const Dim *, na + nb);
    for (uint32_t i = 0, j = 0; i < na || j < nb;) {
        bool left = j >= nb || (i < na && fa[i]->id <= fb[j]->id);
        args[i + j] = left ? fa[i] : fb[j];
        i += left;
        j += !left;
    }
    const Dim *product = dim_intern(ctx, DIM_MUL, args, na + nb);
    tn_arena_reset(&ctx->scratch, mark);
    return product;
}

bool dim_has_factor(const Dim *mono, const Dim *factor) {
    const Dim *const *f;
    uint32_t n = dim_factors(&mono, &f);
    for (uint32_t i = 0; i < n; i++) {
        if (f[i] == factor) {
            return true;
        }
    }
    return false;
}

const Dim *dim_without(Ctx *ctx, const Dim *mono, const Dim *factor) {
    if (mono == factor) {
        return tn_dim_const(ctx, 1);
    }
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    const Dim **args = TN_NEW_ARRAY(&ctx->scratch, const Dim *, mono->n_args);
    uint32_t n = 0;
    bool taken = false;
    for (uint32_t i = 0; i < mono->n_args; i++) {
        bool take = !taken && mono->args[i] == factor;
        taken = taken || take;
        if (!take) {
            args[n++] = mono->args[i];
        }
    }
    const Dim *rest = n == 1 ? args[0] : dim_intern(ctx, DIM_MUL, args, n);
    tn_arena_reset(&ctx->scratch, mark);
    return rest;
}
