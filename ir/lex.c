/* lex.c: tokens of Tenon's text form. */
#include "ir/lex.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SNIPPET_MAX = 200, NUMBER_MAX = 64 };

/* ---- diagnostics ---- */

Loc tn_lex_loc(const Lexer *lexer, const Token *token) {
    return (Loc){.file = lexer->file, .line = token->line, .column = token->column};
}

/* The line that holds `token`, for a caret under it. */
static const char *snippet(const Lexer *lexer, const Token *token) {
    size_t start = token->start - (token->column - 1);
    size_t end = token->start;
    while (end < lexer->input.len && lexer->input.data[end] != '\n' && end - start < SNIPPET_MAX) {
        end++;
    }
    if (token->column > SNIPPET_MAX) {
        return NULL;
    }
    return tn_sv_dup(&lexer->ctx->arena, (StrView){lexer->input.data + start, end - start});
}

bool tn_lex_error(Lexer *lexer, const Token *token, const char *format, ...) {
    StrBuf text = tn_str(&lexer->ctx->arena);
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    DiagList *diags = &lexer->ctx->diags;
    size_t had = diags->items.len;
    tn_diag(diags, TN_BAD_INPUT, tn_lex_loc(lexer, token), "%s", text.data);
    if (diags->items.len > had) {
        diags->items.data[had].snippet = snippet(lexer, token);
    }
    return false;
}

bool tn_lex_expected(Lexer *lexer, const char *what) {
    const Token *token = &lexer->token;
    if (token->kind == TOKEN_END) {
        return tn_lex_error(lexer, token, "expected %s, found the end of the text", what);
    }
    int len = token->text.len > NUMBER_MAX ? NUMBER_MAX : (int)token->text.len;
    return tn_lex_error(lexer, token, "expected %s, found '%.*s'", what, len, token->text.data);
}

/* ---- tokens ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int hex_digit(char c) {
    if (is_digit(c)) {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character `ahead` of the position, NUL past the end. */
static char peek(const Lexer *lexer, size_t ahead) {
    return ahead < lexer->input.len - lexer->at ? lexer->input.data[lexer->at + ahead] : '\0';
}

static bool at_end(const Lexer *lexer) {
    return lexer->at >= lexer->input.len;
}

/* True when a line began on the way. */
static bool skip_space(Lexer *lexer) {
    bool fresh = lexer->at == 0;
    bool comment = false;
    for (; !at_end(lexer); lexer->at++) {
        char c = peek(lexer, 0);
        if (c == '\n') {
            lexer->line++;
            lexer->line_start = lexer->at + 1;
            fresh = true;
            comment = false;
        } else if (c == '#') {
            comment = true;
        } else if (!comment && c != ' ' && c != '\t' && c != '\r') {
            break;
        }
    }
    return fresh;
}

/* After a backslash; appends what it stands for. */
static void read_escape(Lexer *lexer, StrBuf *out) {
    char c = peek(lexer, 0);
    int high = hex_digit(peek(lexer, 1));
    int low = high >= 0 ? hex_digit(peek(lexer, 2)) : -1;
    lexer->at++;
    if (c == 'x' && low >= 0) {
        tn_str_putc(out, (char)(high * 16 + low));
        lexer->at += 2;
    } else {
        tn_str_putc(out, c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
    }
}

static void read_string(Lexer *lexer) {
    StrBuf buf = tn_str(&lexer->ctx->arena);
    tn_str_puts(&buf, "");
    lexer->token.kind = TOKEN_STRING;
    lexer->at++;
    while (!at_end(lexer) && peek(lexer, 0) != '"' && peek(lexer, 0) != '\n') {
        char c = peek(lexer, 0);
        lexer->at++;
        if (c == '\\' && !at_end(lexer)) {
            read_escape(lexer, &buf);
        } else {
            tn_str_putc(&buf, c);
        }
    }
    lexer->token.text = (StrView){buf.data, buf.len};
    if (peek(lexer, 0) == '"') {
        lexer->at++;
    } else {
        tn_lex_error(lexer, &lexer->token, "this string does not end on its line");
    }
}

/* Digits and letters, a fraction, a signed exponent; not the dots of a range. */
static void read_number(Lexer *lexer) {
    bool hex = peek(lexer, 0) == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X');
    lexer->token.kind = TOKEN_NUMBER;
    for (char last = '\0'; !at_end(lexer); lexer->at++) {
        char c = peek(lexer, 0);
        bool exponent = last == 'p' || last == 'P' || (!hex && (last == 'e' || last == 'E'));
        bool part = is_digit(c) || is_letter(c) || (c == '.' && peek(lexer, 1) != '.') ||
                    ((c == '-' || c == '+') && exponent);
        if (!part) {
            break;
        }
        last = c;
    }
}

static void read_mark(Lexer *lexer) {
    static const char *const pairs[] = {"->", "==", "..", "=>", "!=", "<=", ">=", "**", "//"};
    size_t len = 1;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && len == 1; i++) {
        len += peek(lexer, 0) == pairs[i][0] && peek(lexer, 1) == pairs[i][1];
    }
    bool dots = len == 2 && peek(lexer, 0) == '.' && peek(lexer, 2) == '.';
    lexer->token.kind = TOKEN_MARK;
    lexer->at += dots ? 3 : len;
}

void tn_lex_next(Lexer *lexer) {
    lexer->last_end = lexer->token.end;
    bool fresh = skip_space(lexer);
    Token *token = &lexer->token;
    *token = (Token){.kind = TOKEN_END,
                     .start = lexer->at,
                     .line = lexer->line,
                     .column = (uint32_t)(lexer->at - lexer->line_start) + 1,
                     .first_on_line = fresh};
    char c = peek(lexer, 0);
    if (!at_end(lexer) && c == '"') {
        read_string(lexer);
    } else if (!at_end(lexer)) {
        if (is_digit(c)) {
            read_number(lexer);
        } else if (is_letter(c)) {
            token->kind = TOKEN_WORD;
            while (is_letter(peek(lexer, 0)) || is_digit(peek(lexer, 0))) {
                lexer->at++;
            }
        } else {
            read_mark(lexer);
        }
        token->text = (StrView){lexer->input.data + token->start, lexer->at - token->start};
    }
    token->end = lexer->at;
}

void tn_lex_init(Lexer *lexer, Ctx *ctx, StrView input, const char *file) {
    *lexer = (Lexer){.ctx = ctx, .file = file, .input = input, .line = 1};
    tn_lex_next(lexer);
}

/* ---- taking tokens ---- */

bool tn_lex_is_mark(const Lexer *lexer, const char *mark) {
    return lexer->token.kind == TOKEN_MARK && tn_sv_is(lexer->token.text, mark);
}

bool tn_lex_is_word(const Lexer *lexer, const char *word) {
    return lexer->token.kind == TOKEN_WORD && tn_sv_is(lexer->token.text, word);
}

bool tn_lex_accept(Lexer *lexer, const char *mark) {
    bool found = tn_lex_is_mark(lexer, mark);
    if (found) {
        tn_lex_next(lexer);
    }
    return found;
}

bool tn_lex_accept_word(Lexer *lexer, const char *word) {
    bool found = tn_lex_is_word(lexer, word);
    if (found) {
        tn_lex_next(lexer);
    }
    return found;
}

bool tn_lex_expect(Lexer *lexer, const char *mark) {
    char what[8];
    snprintf(what, sizeof what, "'%s'", mark);
    return tn_lex_accept(lexer, mark) || tn_lex_expected(lexer, what);
}

bool tn_lex_name(Lexer *lexer, StrView *out) {
    if (lexer->token.kind != TOKEN_WORD && lexer->token.kind != TOKEN_STRING) {
        return tn_lex_expected(lexer, "a name");
    }
    *out = lexer->token.text;
    tn_lex_next(lexer);
    return true;
}

/* The number token, with a sign, NUL-terminated. */
static bool number_text(Lexer *lexer, bool negative, char *out) {
    size_t len = lexer->token.text.len;
    if (lexer->token.kind != TOKEN_NUMBER || len > NUMBER_MAX - 2) {
        return false;
    }
    out[0] = negative ? '-' : '+';
    memcpy(out + 1, lexer->token.text.data, len);
    out[len + 1] = '\0';
    return true;
}

/* Hexadecimal integers are bit patterns, so that all of u64 can be written. */
bool tn_lex_int(Lexer *lexer, int64_t *out) {
    char text[NUMBER_MAX];
    char *end = NULL;
    bool negative = tn_lex_accept(lexer, "-");
    if (!number_text(lexer, negative, text)) {
        return tn_lex_expected(lexer, "an integer");
    }
    bool hex = text[1] == '0' && (text[2] == 'x' || text[2] == 'X');
    errno = 0;
    *out = hex ? (int64_t)strtoull(text, &end, 16) : strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0) {
        return tn_lex_expected(lexer, errno != 0 ? "an integer of 64 bits" : "an integer");
    }
    tn_lex_next(lexer);
    return true;
}

bool tn_lex_int_in(Lexer *lexer, int64_t lo, int64_t hi, int64_t *out) {
    Token token = lexer->token;
    if (!tn_lex_int(lexer, out)) {
        return false;
    }
    if (*out < lo || *out > hi) {
        return tn_lex_error(lexer, &token, "%" PRId64 " is outside %" PRId64 "..%" PRId64, *out, lo,
                            hi);
    }
    return true;
}

/* After the word nan: its bits in parentheses, if given. */
static bool read_nan(Lexer *lexer, size_t bytes, double *out, uint64_t *bits) {
    int64_t given;
    *bits = bytes == 4 ? 0x7fc00000u : 0x7ff8000000000000u;
    memcpy(out, &(uint64_t){0x7ff8000000000000u}, sizeof *out);
    if (!tn_lex_accept(lexer, "(")) {
        return true;
    }
    if (!tn_lex_int(lexer, &given)) {
        return false;
    }
    *bits = (uint64_t)given;
    return tn_lex_expect(lexer, ")");
}

bool tn_lex_float(Lexer *lexer, size_t bytes, double *out, uint64_t *out_bits) {
    char text[NUMBER_MAX];
    char *end = NULL;
    bool negative = tn_lex_accept(lexer, "-");
    if (!negative && tn_lex_accept_word(lexer, "nan")) {
        return read_nan(lexer, bytes, out, out_bits);
    }
    if (tn_lex_accept_word(lexer, "inf")) {
        *out = negative ? -(double)INFINITY : (double)INFINITY;
    } else {
        if (!number_text(lexer, negative, text)) {
            return tn_lex_expected(lexer, "a number");
        }
        *out = bytes == 4 ? (double)strtof(text, &end) : strtod(text, &end);
        if (*end != '\0') {
            return tn_lex_expected(lexer, "a number");
        }
        tn_lex_next(lexer);
    }
    float narrow = (float)*out;
    uint32_t narrow_bits;
    memcpy(&narrow_bits, &narrow, sizeof narrow);
    memcpy(out_bits, out, sizeof *out);
    *out_bits = bytes == 4 ? narrow_bits : *out_bits;
    return true;
}
