/* symbols.c: from a model's dimension names to symbols. */
#include "frontend/symbols.h"

#include <string.h>

/* Sizes beyond this are not tensors; the bound keeps products of dims provably in range. */
enum { SIZE_MAX_DIM = INT32_MAX };

Symbols tn_symbols(Ctx *ctx, const FrontendOptions *options) {
    return (Symbols){.ctx = ctx,
                     .options = options,
                     .by_name = tn_map(&ctx->arena),
                     .used = tn_map(&ctx->arena)};
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Words of the dimension grammar, and names of input elements (in0_3). */
static bool is_reserved(const char *name) {
    static const char *const words[] = {"min", "max", "eq", "lt", "select", "inf", "nan"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(name, words[i]) == 0) {
            return true;
        }
    }
    if (strncmp(name, "in", 2) != 0 || !is_digit(name[2])) {
        return false;
    }
    size_t at = 2 + strspn(name + 2, "0123456789");
    return name[at] == '_' && name[at + 1] != 0 &&
           name[at + 1 + strspn(name + at + 1, "0123456789")] == 0;
}

/* Letters, digits and underscores, at most 64, not starting with a digit. */
static char *identifier(Ctx *ctx, StrView name) {
    StrBuf text = tn_str(&ctx->arena);
    if (name.len == 0 || !(is_letter(name.data[0]) || name.data[0] > 0x7e)) {
        tn_str_putc(&text, 'd');
    }
    for (size_t i = 0; i < name.len && i < 64; i++) {
        char c = name.data[i];
        tn_str_putc(&text, is_letter(c) || is_digit(c) ? c : '_');
    }
    if (is_reserved(text.data)) {
        tn_str_putc(&text, '_');
    }
    return text.data;
}

/* Whether `name` cannot be had: this import has it, or it means something else. */
static bool taken(const Symbols *symbols, const char *name) {
    const Dim *known = tn_dim_find_symbol(symbols->ctx, tn_sv(name));
    return tn_map_get_str(&symbols->used, tn_sv(name)) != NULL ||
           (known != NULL && tn_dim_symbol_of(symbols->ctx, known)->kind != SYM_INPUT_DIM);
}

/* Different names of the model may look the same as identifiers; they get numbers. */
static const char *unique_name(Symbols *symbols, const char *base) {
    Arena *arena = &symbols->ctx->arena;
    void **next = tn_map_put_str(&symbols->used, tn_sv(base), NULL);
    uintptr_t number = *next != NULL ? (uintptr_t)*next : 2;
    bool free_base = *next == NULL && !taken(symbols, base);
    const char *name = base;
    while (!free_base && (name == base || taken(symbols, name))) {
        name = tn_arena_printf(arena, "%s_%zu", base, (size_t)number++);
    }
    *tn_map_put_str(&symbols->used, tn_sv(base), NULL) = (void *)number;
    *tn_map_put_str(&symbols->used, tn_sv(name), NULL) = (void *)number;
    return name;
}

static const Dim *new_symbol(Symbols *symbols, StrView name, int input, int axis) {
    Ctx *ctx = symbols->ctx;
    const char *unique = unique_name(symbols, identifier(ctx, name));
    const Dim *dim = tn_dim_symbol(ctx, tn_sv(unique), SYM_INPUT_DIM, 0, SIZE_MAX_DIM);
    Symbol *symbol = tn_dim_symbol_of(ctx, dim);
    symbol->input = input;
    symbol->index = axis;
    return dim;
}

static const Dim *fixed_by_user(const Symbols *symbols, StrView name) {
    const FrontendOptions *options = symbols->options;
    for (size_t i = 0; options != NULL && i < options->n_dims; i++) {
        if (tn_sv_is(name, options->dims[i].name)) {
            return tn_dim_const(symbols->ctx, options->dims[i].value);
        }
    }
    return NULL;
}

const Dim *tn_symbols_named(Symbols *symbols, StrView name, int input, int axis) {
    bool added;
    void **slot = tn_map_put_str(&symbols->by_name, name, &added);
    if (!added) {
        return *slot;
    }
    *slot = NULL;
    const Dim *dim = fixed_by_user(symbols, name);
    dim = dim != NULL ? dim : new_symbol(symbols, name, input, axis);
    *tn_map_put_str(&symbols->by_name, name, NULL) = (void *)(uintptr_t)dim;
    tn_vec_push(&symbols->ctx->arena, &symbols->names, tn_sv_dup(&symbols->ctx->arena, name));
    return dim;
}

const Dim *tn_symbols_fresh(Symbols *symbols, const char *input_name, int input, int axis) {
    Ctx *ctx = symbols->ctx;
    const char *base = identifier(ctx, tn_sv(input_name));
    const char *name = tn_arena_printf(&ctx->arena, "%s_%d", base, axis);
    for (int i = 2; tn_map_get_str(&symbols->by_name, tn_sv(name)) != NULL; i++) {
        name = tn_arena_printf(&ctx->arena, "%s_%d_%d", base, axis, i);
    }
    return tn_symbols_named(symbols, tn_sv(name), input, axis);
}

bool tn_symbols_check(Symbols *symbols, const char *file) {
    const FrontendOptions *options = symbols->options;
    bool ok = true;
    for (size_t i = 0; options != NULL && i < options->n_dims; i++) {
        const DimBinding *dim = &options->dims[i];
        StrBuf names = tn_str(&symbols->ctx->scratch);
        bool found = false;
        for (size_t k = 0; k < symbols->names.len; k++) {
            found = found || strcmp(symbols->names.data[k], dim->name) == 0;
            tn_str_printf(&names, "%s%s", k > 0 ? ", " : "", symbols->names.data[k]);
        }
        if (dim->value < 0 || dim->value > SIZE_MAX_DIM) {
            ok = tn_diag(&symbols->ctx->diags, TN_USAGE, (Loc){.file = file},
                         "dimension '%s' cannot be %lld", dim->name, (long long)dim->value);
        } else if (!found) {
            ok = tn_diag(&symbols->ctx->diags, TN_USAGE, (Loc){.file = file},
                         "no input has a dimension named '%s'; there are: %s", dim->name,
                         names.len > 0 ? names.data : "(none)");
        }
    }
    return ok;
}
