/* lex.h: tokens of Tenon's text form, and the pieces every reader of it needs.
 *
 * One token of look-ahead, bytes outside tokens are errors, nothing recurses. White space
 * and comments (from # to the end of the line) separate tokens and mean nothing else.
 * Diagnostics carry file, line, column and the source line.
 */
#ifndef TN_IR_LEX_H
#define TN_IR_LEX_H

#include "ir/dim.h"

typedef enum TokenKind {
    TOKEN_END,
    TOKEN_WORD,   /* letters, digits and _, not starting with a digit */
    TOKEN_NUMBER, /* as written, without sign: 12, 0x1f, 1.5e-3 */
    TOKEN_STRING, /* between quotes; `text` is unescaped */
    TOKEN_MARK    /* one character, or -> => == != <= >= .. ... ** // */
} TokenKind;

typedef struct Token {
    TokenKind kind;
    StrView text;
    size_t start, end; /* byte positions in the input */
    uint32_t line, column;
    bool first_on_line;
} Token;

typedef struct Lexer {
    Ctx *ctx;
    const char *file; /* borrowed; for diagnostics */
    StrView input;
    size_t at;
    uint32_t line;
    size_t line_start;
    Token token; /* the next one, not yet taken */
    size_t last_end; /* where the one taken last ended */
} Lexer;

void tn_lex_init(Lexer *lexer, Ctx *ctx, StrView input, const char *file);
void tn_lex_next(Lexer *lexer);
Loc tn_lex_loc(const Lexer *lexer, const Token *token);

/* Adds a TN_BAD_INPUT diagnostic at `token`; always false. */
bool tn_lex_error(Lexer *lexer, const Token *token, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "expected WHAT, found TOKEN" at the next token; always false. */
bool tn_lex_expected(Lexer *lexer, const char *what);

bool tn_lex_is_mark(const Lexer *lexer, const char *mark);
bool tn_lex_is_word(const Lexer *lexer, const char *word);
/* Takes the token if it is that one. */
bool tn_lex_accept(Lexer *lexer, const char *mark);
bool tn_lex_accept_word(Lexer *lexer, const char *word);
/* As tn_lex_accept with a diagnostic when it is another. */
bool tn_lex_expect(Lexer *lexer, const char *mark);
/* A word or a string. */
bool tn_lex_name(Lexer *lexer, StrView *out);
/* An integer with an optional minus. */
bool tn_lex_int(Lexer *lexer, int64_t *out);
/* An integer in lo..hi. */
bool tn_lex_int_in(Lexer *lexer, int64_t lo, int64_t hi, int64_t *out);
/* A number with an optional minus: also inf, nan and nan(0xBITS), where the bits are those
 * of a float of `bytes` bytes (4 or 8) and *out_bits receives them. */
bool tn_lex_float(Lexer *lexer, size_t bytes, double *out, uint64_t *out_bits);

/* Finds the symbol called `name` or returns NULL. */
typedef const Dim *DimSymbolFn(void *arg, StrView name);
/* A dimension expression as tn_dim_print writes it; NULL after a diagnostic. `symbol` may
 * be NULL: then the context's symbols are looked up. */
const Dim *tn_dim_parse(Lexer *lexer, DimSymbolFn *symbol, void *arg);

#endif
