/* parse_dim.c: reads dimension expressions. Recursive descent, of bounded depth. */
#include "ir/lex.h"

enum { DEPTH_MAX = 250 };

typedef struct DimParser {
    Lexer *lexer;
    DimSymbolFn *symbol;
    void *arg;
    int depth;
} DimParser;

typedef const Dim *Binary(Ctx *ctx, const Dim *a, const Dim *b);

static const Dim *parse_sum(DimParser *p);

/* "(a, b, ...)" with `n` parts. */
static bool parse_args(DimParser *p, const Dim **out, int n) {
    for (int i = 0; i < n; i++) {
        if (!tn_lex_expect(p->lexer, i == 0 ? "(" : ",")) {
            return false;
        }
        out[i] = parse_sum(p);
        if (out[i] == NULL) {
            return false;
        }
    }
    return tn_lex_expect(p->lexer, ")");
}

static const Dim *parse_function(DimParser *p, bool *found) {
    static const struct {
        const char *name;
        Binary *make;
    } functions[] = {
        {"min", tn_dim_min}, {"max", tn_dim_max}, {"eq", tn_dim_eq}, {"lt", tn_dim_lt}};
    const Dim *args[3];
    *found = true;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (tn_lex_accept_word(p->lexer, functions[i].name)) {
            return parse_args(p, args, 2) ? functions[i].make(p->lexer->ctx, args[0], args[1])
                                          : NULL;
        }
    }
    if (tn_lex_accept_word(p->lexer, "select")) {
        return parse_args(p, args, 3) ? tn_dim_select(p->lexer->ctx, args[0], args[1], args[2])
                                      : NULL;
    }
    if (tn_lex_accept_word(p->lexer, "overflow")) {
        return tn_dim_addc(p->lexer->ctx, tn_dim_const(p->lexer->ctx, INT64_MAX), 1);
    }
    *found = false;
    return NULL;
}

static const Dim *parse_name(DimParser *p) {
    bool function;
    const Dim *d = parse_function(p, &function);
    if (function) {
        return d;
    }
    Token token = p->lexer->token;
    d = p->symbol != NULL ? p->symbol(p->arg, token.text)
                          : tn_dim_find_symbol(p->lexer->ctx, token.text);
    if (d == NULL) {
        tn_lex_error(p->lexer, &token, "unknown symbol '%.*s'", (int)token.text.len,
                     token.text.data);
        return NULL;
    }
    tn_lex_next(p->lexer);
    return d;
}

static const Dim *parse_atom(DimParser *p) {
    Lexer *lexer = p->lexer;
    int64_t value;
    if (tn_lex_accept(lexer, "(")) {
        const Dim *d = parse_sum(p);
        return d != NULL && tn_lex_expect(lexer, ")") ? d : NULL;
    }
    if (lexer->token.kind == TOKEN_NUMBER || tn_lex_is_mark(lexer, "-")) {
        return tn_lex_int(lexer, &value) ? tn_dim_const(lexer->ctx, value) : NULL;
    }
    if (lexer->token.kind == TOKEN_WORD || lexer->token.kind == TOKEN_STRING) {
        return parse_name(p);
    }
    tn_lex_expected(lexer, "a size");
    return NULL;
}

static const Dim *parse_product(DimParser *p) {
    const Dim *left = parse_atom(p);
    while (left != NULL) {
        Binary *make = tn_lex_is_mark(p->lexer, "*")   ? tn_dim_mul
                       : tn_lex_is_mark(p->lexer, "/") ? tn_dim_div
                       : tn_lex_is_mark(p->lexer, "%") ? tn_dim_mod
                                                       : NULL;
        if (make == NULL) {
            return left;
        }
        tn_lex_next(p->lexer);
        const Dim *right = parse_atom(p);
        left = right != NULL ? make(p->lexer->ctx, left, right) : NULL;
    }
    return NULL;
}

static const Dim *parse_sum(DimParser *p) {
    if (p->depth >= DEPTH_MAX) {
        tn_lex_error(p->lexer, &p->lexer->token, "sizes are nested more than %d deep", DEPTH_MAX);
        return NULL;
    }
    p->depth++;
    const Dim *left = parse_product(p);
    while (left != NULL && (tn_lex_is_mark(p->lexer, "+") || tn_lex_is_mark(p->lexer, "-"))) {
        Binary *make = tn_lex_is_mark(p->lexer, "+") ? tn_dim_add : tn_dim_sub;
        tn_lex_next(p->lexer);
        const Dim *right = parse_product(p);
        left = right != NULL ? make(p->lexer->ctx, left, right) : NULL;
    }
    p->depth--;
    return left;
}

const Dim *tn_dim_parse(Lexer *lexer, DimSymbolFn *symbol, void *arg) {
    DimParser parser = {.lexer = lexer, .symbol = symbol, .arg = arg};
    return parse_sum(&parser);
}
