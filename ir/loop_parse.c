/* loop_parse.c: reads the text form of a kernel (see loop_print.c).
 *
 * Recursive descent over a one-token look-ahead. The first mistake ends the parse with a
 * diagnostic at its line and column; nothing is guessed. Nesting is bounded.
 */
#include "ir/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 200, TEMP_EXTENT_MAX = 1 << 20 };

typedef enum TokenKind { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_MARK } TokenKind;

typedef struct Token {
    TokenKind kind;
    StrView text; /* STRING: unescaped; MARK: one or two characters */
    uint32_t line, column;
} Token;

typedef struct Scope {
    StrView name;
    const Dim *var;
} Scope;

typedef struct Parser {
    Ctx *ctx;
    Kernel *kernel;
    const char *file;
    const char *at, *end;
    uint32_t line;
    const char *line_start;
    Token token;
    TN_VEC(Scope) scope;
    int depth;
    bool failed;
} Parser;

/* ---- diagnostics ---- */

static const char *token_text(const Parser *parser) {
    if (parser->token.kind == TOKEN_END) {
        return "the end";
    }
    return tn_arena_printf(&parser->ctx->arena, "'%.*s'", (int)parser->token.text.len,
                           parser->token.text.data);
}

static bool complain(Parser *parser, const char *text) {
    if (!parser->failed) {
        Loc loc = {
            .file = parser->file, .line = parser->token.line, .column = parser->token.column};
        tn_diag(&parser->ctx->diags, TN_BAD_INPUT, loc, "%s", text);
    }
    parser->failed = true;
    return false;
}

static bool expected(Parser *parser, const char *what) {
    return complain(parser, tn_arena_printf(&parser->ctx->arena, "expected %s, found %s", what,
                                            token_text(parser)));
}

/* ---- tokens ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void skip_space(Parser *parser) {
    for (; parser->at < parser->end; parser->at++) {
        if (*parser->at == '\n') {
            parser->line++;
            parser->line_start = parser->at + 1;
        } else if (*parser->at == '#') {
            while (parser->at + 1 < parser->end && parser->at[1] != '\n') {
                parser->at++;
            }
        } else if (*parser->at != ' ' && *parser->at != '\t' && *parser->at != '\r') {
            return;
        }
    }
}

static int hex_value(char c) {
    if (is_digit(c)) {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The character an escape stands for; advances past it. */
static char unescape(Parser *parser) {
    char c = *parser->at++;
    if (c == 'x' && parser->end - parser->at >= 2 && hex_value(parser->at[0]) >= 0 &&
        hex_value(parser->at[1]) >= 0) {
        c = (char)(hex_value(parser->at[0]) * 16 + hex_value(parser->at[1]));
        parser->at += 2;
        return c;
    }
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

static void read_string(Parser *parser) {
    StrBuf buf = tn_str(&parser->ctx->arena);
    tn_str_puts(&buf, "");
    parser->at++;
    while (parser->at < parser->end && *parser->at != '"' && *parser->at != '\n') {
        char c = *parser->at++;
        tn_str_putc(&buf, c == '\\' && parser->at < parser->end ? unescape(parser) : c);
    }
    parser->token.kind = TOKEN_STRING;
    parser->token.text = (StrView){buf.data, buf.len};
    if (parser->at >= parser->end || *parser->at != '"') {
        complain(parser, "this string does not end");
        return;
    }
    parser->at++;
}

/* Digits, a fraction, an exponent. A '.' before another '.' belongs to a range. */
static void read_number(Parser *parser) {
    const char *at = parser->at;
    while (at < parser->end) {
        bool sign = (*at == '-' || *at == '+') && (at[-1] == 'e' || at[-1] == 'E');
        bool range = *at == '.' && at + 1 < parser->end && at[1] == '.';
        if (range || !(is_digit(*at) || *at == '.' || *at == 'e' || *at == 'E' || sign)) {
            break;
        }
        at++;
    }
    parser->token.kind = TOKEN_NUMBER;
    parser->token.text = (StrView){parser->at, (size_t)(at - parser->at)};
    parser->at = at;
}

static void next(Parser *parser) {
    skip_space(parser);
    const char *start = parser->at;
    parser->token = (Token){.line = parser->line,
                            .column = (uint32_t)(start - parser->line_start) + 1,
                            .text = {start, 0}};
    if (start >= parser->end) {
        return;
    }
    if (*start == '"') {
        read_string(parser);
    } else if (is_digit(*start)) {
        read_number(parser);
    } else if (is_letter(*start)) {
        while (parser->at < parser->end && (is_letter(*parser->at) || is_digit(*parser->at))) {
            parser->at++;
        }
        parser->token.kind = TOKEN_WORD;
        parser->token.text.len = (size_t)(parser->at - start);
    } else {
        bool range = *start == '.' && start + 1 < parser->end && start[1] == '.';
        parser->at += range ? 2 : 1;
        parser->token.kind = TOKEN_MARK;
        parser->token.text.len = range ? 2 : 1;
    }
}

static bool is_mark(const Parser *parser, const char *mark) {
    return parser->token.kind == TOKEN_MARK && tn_sv_is(parser->token.text, mark);
}

static bool is_name(const Parser *parser, const char *word) {
    return parser->token.kind == TOKEN_WORD && tn_sv_is(parser->token.text, word);
}

static bool accept(Parser *parser, const char *mark) {
    bool found = is_mark(parser, mark);
    if (found) {
        next(parser);
    }
    return found;
}

static bool accept_word(Parser *parser, const char *word) {
    bool found = is_name(parser, word);
    if (found) {
        next(parser);
    }
    return found;
}

static bool expect(Parser *parser, const char *mark) {
    return accept(parser, mark) ||
           expected(parser, tn_arena_printf(&parser->ctx->arena, "'%s'", mark));
}

static bool enter(Parser *parser) {
    return ++parser->depth <= DEPTH_MAX || complain(parser, "nested too deeply");
}

/* An integer, perhaps signed. */
static bool parse_int(Parser *parser, int64_t *out) {
    char text[32] = "-";
    bool negative = accept(parser, "-");
    size_t len = parser->token.text.len;
    if (parser->token.kind != TOKEN_NUMBER || len > sizeof text - 2) {
        return expected(parser, "an integer");
    }
    memcpy(text + 1, parser->token.text.data, len);
    text[len + 1] = '\0';
    char *end = NULL;
    errno = 0;
    *out = strtoll(negative ? text : text + 1, &end, 10);
    if (errno != 0 || *end != '\0') {
        return expected(parser, "an integer");
    }
    next(parser);
    return true;
}

static bool parse_int_in(Parser *parser, int64_t lo, int64_t hi, int64_t *out) {
    Token start = parser->token;
    if (!parse_int(parser, out)) {
        return false;
    }
    if (*out < lo || *out > hi) {
        parser->token = start;
        return complain(parser, tn_arena_printf(&parser->ctx->arena,
                                                "%" PRId64 " is outside %" PRId64 "..%" PRId64,
                                                *out, lo, hi));
    }
    return true;
}

static bool parse_float(Parser *parser, double *out) {
    bool negative = accept(parser, "-");
    const char *text = tn_sv_dup(&parser->ctx->arena, parser->token.text);
    char *end = NULL;
    bool number =
        parser->token.kind == TOKEN_NUMBER || is_name(parser, "inf") || is_name(parser, "nan");
    *out = strtod(text, &end);
    if (!number || *end != '\0') {
        return expected(parser, "a number");
    }
    *out = negative ? -*out : *out;
    next(parser);
    return true;
}

/* ---- index expressions ---- */

static const Dim *parse_dim(Parser *parser);

static const Dim *find_symbol(Parser *parser) {
    Token token = parser->token;
    for (size_t i = parser->scope.len; token.kind == TOKEN_WORD && i-- > 0;) {
        if (tn_sv_eq(parser->scope.data[i].name, token.text)) {
            next(parser);
            return parser->scope.data[i].var;
        }
    }
    const DimTable *table = parser->ctx->dims;
    for (size_t s = 0; table != NULL && s < table->symbols.len; s++) {
        const Symbol *symbol = &table->symbols.data[s];
        if (symbol->kind != SYM_LOOP && tn_sv_eq(tn_sv(symbol->name), token.text)) {
            next(parser);
            return symbol->dim;
        }
    }
    complain(parser, tn_arena_printf(&parser->ctx->arena,
                                     "%s is neither a loop variable in scope "
                                     "nor a declared symbol",
                                     token_text(parser)));
    return NULL;
}

typedef const Dim *Binary(Ctx *ctx, const Dim *a, const Dim *b);

/* name(a, b), for min and max also with more operands. */
static const Dim *parse_call(Parser *parser, Binary *make) {
    bool many = make == tn_dim_min || make == tn_dim_max;
    next(parser);
    if (!expect(parser, "(")) {
        return NULL;
    }
    const Dim *left = parse_dim(parser);
    for (int n = 1; left != NULL; n++) {
        if (n >= 2 && (!many || !is_mark(parser, ","))) {
            return expect(parser, ")") ? left : NULL;
        }
        const Dim *right = expect(parser, ",") ? parse_dim(parser) : NULL;
        left = right != NULL ? make(parser->ctx, left, right) : NULL;
    }
    return NULL;
}

static const Dim *parse_select(Parser *parser) {
    const Dim *parts[3];
    next(parser);
    for (int i = 0; i < 3; i++) {
        if (!expect(parser, i == 0 ? "(" : ",") || (parts[i] = parse_dim(parser)) == NULL) {
            return NULL;
        }
    }
    return expect(parser, ")") ? tn_dim_select(parser->ctx, parts[0], parts[1], parts[2]) : NULL;
}

static const Dim *parse_named_dim(Parser *parser) {
    static const struct {
        const char *name;
        Binary *make;
    } functions[] = {
        {"min", tn_dim_min}, {"max", tn_dim_max}, {"eq", tn_dim_eq}, {"lt", tn_dim_lt}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (is_name(parser, functions[i].name)) {
            return parse_call(parser, functions[i].make);
        }
    }
    return is_name(parser, "select") ? parse_select(parser) : find_symbol(parser);
}

static const Dim *parse_dim_atom(Parser *parser) {
    const Dim *dim = NULL;
    int64_t value = 0;
    if (!enter(parser)) {
        return NULL;
    }
    if (accept(parser, "(")) {
        dim = parse_dim(parser);
        dim = dim != NULL && expect(parser, ")") ? dim : NULL;
    } else if (parser->token.kind == TOKEN_NUMBER || is_mark(parser, "-")) {
        dim = parse_int(parser, &value) ? tn_dim_const(parser->ctx, value) : NULL;
    } else if (parser->token.kind == TOKEN_WORD || parser->token.kind == TOKEN_STRING) {
        dim = parse_named_dim(parser);
    } else {
        expected(parser, "an index expression");
    }
    parser->depth--;
    return dim;
}

static const Dim *parse_dim_product(Parser *parser) {
    const Dim *left = parse_dim_atom(parser);
    while (left != NULL) {
        Binary *make = is_mark(parser, "*")   ? tn_dim_mul
                       : is_mark(parser, "/") ? tn_dim_div
                       : is_mark(parser, "%") ? tn_dim_mod
                                              : NULL;
        if (make == NULL) {
            return left;
        }
        next(parser);
        const Dim *right = parse_dim_atom(parser);
        left = right != NULL ? make(parser->ctx, left, right) : NULL;
    }
    return NULL;
}

static const Dim *parse_dim(Parser *parser) {
    const Dim *left = parse_dim_product(parser);
    while (left != NULL) {
        Binary *make = is_mark(parser, "+") ? tn_dim_add : is_mark(parser, "-") ? tn_dim_sub : NULL;
        if (make == NULL) {
            return left;
        }
        next(parser);
        const Dim *right = parse_dim_product(parser);
        left = right != NULL ? make(parser->ctx, left, right) : NULL;
    }
    return NULL;
}

/* [a, b, ...], at most `max`; `*n` receives how many. */
static bool parse_dims(Parser *parser, const Dim **out, int max, int *n) {
    *n = 0;
    if (!expect(parser, "[")) {
        return false;
    }
    while (!is_mark(parser, "]")) {
        if (*n > 0 && !expect(parser, ",")) {
            return false;
        }
        if (*n == max) {
            return complain(parser, "too many dimensions");
        }
        if ((out[*n] = parse_dim(parser)) == NULL) {
            return false;
        }
        ++*n;
    }
    next(parser);
    return true;
}

/* ---- places ---- */

static bool parse_dtype(Parser *parser, DType *out) {
    *out = parser->token.kind == TOKEN_WORD ? tn_dtype_parse(parser->token.text) : TN_DT_NONE;
    if (*out == TN_DT_NONE) {
        return expected(parser, "an element type");
    }
    next(parser);
    return true;
}

static bool parse_typed(Parser *parser, DType *out) {
    return expect(parser, ":") && parse_dtype(parser, out);
}

/* Whether the word is `letter` and a number, and which. */
static bool numbered(StrView text, char letter, uint32_t *number) {
    *number = 0;
    if (text.len < 2 || text.len > 8 || text.data[0] != letter) {
        return false;
    }
    for (size_t i = 1; i < text.len; i++) {
        if (!is_digit(text.data[i])) {
            return false;
        }
        *number = *number * 10 + (uint32_t)(text.data[i] - '0');
    }
    return true;
}

/* What a word of the form b3 or t3 names. */
typedef struct Place {
    Buf *buf;
    Temp *temp;
    int n, dyn;
    const Dim *index[TN_MAX_RANK + 4];
    Expr *at;
} Place;

static Expr *parse_expr(Parser *parser);

static bool find_place(Parser *parser, Place *place) {
    uint32_t number = 0;
    const Kernel *kernel = parser->kernel;
    *place = (Place){.dyn = -1};
    if (numbered(parser->token.text, 'b', &number) && number < kernel->bufs.len) {
        place->buf = kernel->bufs.data[number];
    } else if (numbered(parser->token.text, 't', &number) && number < kernel->temps.len) {
        place->temp = kernel->temps.data[number];
    }
    return place->buf != NULL || place->temp != NULL;
}

/* The index list, where one dim of a buffer may be `dim @ expr`. */
static bool parse_place_index(Parser *parser, Place *place, int rank) {
    for (int d = 0; d < rank; d++) {
        if (!expect(parser, d == 0 ? "[" : ",") || (place->index[d] = parse_dim(parser)) == NULL) {
            return false;
        }
        if (place->buf != NULL && place->dyn < 0 && accept(parser, "@")) {
            place->dyn = d;
            place->at = parse_expr(parser);
            if (place->at == NULL) {
                return false;
            }
        }
    }
    place->n = rank;
    return rank == 0 || expect(parser, "]");
}

static bool parse_place(Parser *parser, Place *place) {
    if (parser->token.kind != TOKEN_WORD || !find_place(parser, place)) {
        return expected(parser, "a declared buffer or temp");
    }
    next(parser);
    return parse_place_index(parser, place,
                             place->buf != NULL ? place->buf->rank : place->temp->rank);
}

/* ---- expressions ---- */

static Expr *parse_const(Parser *parser) {
    Parser before = *parser;
    double value = 0;
    int64_t integer = 0;
    DType dtype = TN_DT_NONE;
    if (!parse_float(parser, &value) || !parse_typed(parser, &dtype)) {
        return NULL;
    }
    if (tn_dtype_is_float(dtype)) {
        return tn_expr_const_f(parser->ctx, dtype, value);
    }
    Parser after = *parser;
    *parser = before;
    if (!parse_int(parser, &integer)) {
        return NULL;
    }
    *parser = after;
    return tn_expr_const_i(parser->ctx, dtype, integer);
}

static Expr *parse_index_expr(Parser *parser) {
    DType dtype = TN_DT_NONE;
    next(parser);
    if (!parse_typed(parser, &dtype) || !expect(parser, "(")) {
        return NULL;
    }
    const Dim *dim = parse_dim(parser);
    return dim != NULL && expect(parser, ")") ? tn_expr_index(parser->ctx, dtype, dim) : NULL;
}

static bool same_dtype(Parser *parser, const Expr *a, const Expr *b) {
    return a->dtype == b->dtype ||
           complain(parser, tn_arena_printf(&parser->ctx->arena, "operands are %s and %s",
                                            tn_dtype_text(a->dtype), tn_dtype_text(b->dtype)));
}

static Expr *parse_guard(Parser *parser) {
    next(parser);
    const Dim *cond = expect(parser, "(") ? parse_dim(parser) : NULL;
    Expr *then = cond != NULL && expect(parser, ",") ? parse_expr(parser) : NULL;
    Expr *otherwise = then != NULL && expect(parser, ",") ? parse_expr(parser) : NULL;
    if (otherwise == NULL || !expect(parser, ")") || !same_dtype(parser, then, otherwise)) {
        return NULL;
    }
    return tn_expr_guard(parser->ctx, cond, then, otherwise);
}

static bool in_domain(MapDomain domain, DType dtype) {
    switch (domain) {
    case DOMAIN_NUM:
        return dtype != TN_BOOL;
    case DOMAIN_FLOAT:
        return tn_dtype_is_float(dtype);
    case DOMAIN_INT:
        return tn_dtype_is_int(dtype);
    case DOMAIN_U32:
        return dtype == TN_U32;
    case DOMAIN_BOOL:
        return dtype == TN_BOOL;
    case DOMAIN_ANY:
        return true;
    }
    return false;
}

static bool check_args(Parser *parser, Op op, Expr *const *args, int n) {
    for (int i = 0; i < n; i++) {
        bool condition = op == TN_OP_select && i == 0;
        MapDomain domain = condition ? DOMAIN_BOOL : tn_op_info(op)->domain;
        if (!in_domain(domain, args[i]->dtype)) {
            return complain(parser,
                            tn_arena_printf(&parser->ctx->arena, "%s does not take %s",
                                            tn_op_info(op)->name, tn_dtype_text(args[i]->dtype)));
        }
        if (!condition && !same_dtype(parser, args[i], args[n - 1])) {
            return false;
        }
    }
    return true;
}

static Expr *parse_map(Parser *parser) {
    Op op = tn_op_by_name(parser->token.text);
    if (op == TN_OP_COUNT || tn_op_info(op)->cls != OPC_MAP) {
        expected(parser, "an expression");
        return NULL;
    }
    const OpInfo *info = tn_op_info(op);
    DType to = TN_DT_NONE;
    Expr *args[3];
    next(parser);
    if (info->result == RESULT_TO && !parse_typed(parser, &to)) {
        return NULL;
    }
    for (int i = 0; i < info->n_in; i++) {
        if (!expect(parser, i == 0 ? "(" : ",") || (args[i] = parse_expr(parser)) == NULL) {
            return NULL;
        }
    }
    if (!check_args(parser, op, args, info->n_in) || !expect(parser, ")")) {
        return NULL;
    }
    return tn_expr_map(parser->ctx, op, to, args, info->n_in);
}

static Expr *parse_read(Parser *parser) {
    Place place;
    if (!parse_place(parser, &place)) {
        return NULL;
    }
    if (place.temp != NULL) {
        return tn_expr_temp(parser->ctx, place.temp, place.index);
    }
    if (place.dyn < 0) {
        return tn_expr_load(parser->ctx, place.buf, place.index);
    }
    if (!tn_dtype_is_int(place.at->dtype)) {
        complain(parser, "a computed index must be an integer");
        return NULL;
    }
    return tn_expr_dynload(parser->ctx, place.buf, place.index, place.dyn, place.at);
}

static Expr *parse_expr(Parser *parser) {
    Expr *expr = NULL;
    Place place;
    if (!enter(parser)) {
        return NULL;
    }
    if (parser->token.kind == TOKEN_NUMBER || is_mark(parser, "-") || is_name(parser, "inf") ||
        is_name(parser, "nan")) {
        expr = parse_const(parser);
    } else if (parser->token.kind != TOKEN_WORD) {
        expected(parser, "an expression");
    } else if (is_name(parser, "index")) {
        expr = parse_index_expr(parser);
    } else if (is_name(parser, "guard")) {
        expr = parse_guard(parser);
    } else if (find_place(parser, &place)) {
        expr = parse_read(parser);
    } else {
        expr = parse_map(parser);
    }
    parser->depth--;
    return expr;
}

/* ---- statements ---- */

static bool parse_chain(Parser *parser, Stmt **block);

static bool parse_loop_kind(Parser *parser, Stmt *loop) {
    int64_t lanes = 0;
    if (accept_word(parser, "partition")) {
        loop->loop = LOOP_PARTITION;
        return true;
    }
    if (is_name(parser, "unroll") || is_name(parser, "vector")) {
        loop->loop = is_name(parser, "unroll") ? LOOP_UNROLL : LOOP_VECTOR;
        next(parser);
        if (!parse_int_in(parser, 1, INT32_MAX, &lanes)) {
            return false;
        }
        loop->lanes = (int32_t)lanes;
    }
    return true;
}

/* Fresh names must not repeat a number that the text uses. */
static void keep_names_apart(Kernel *kernel, StrView name) {
    uint64_t number = 0;
    uint64_t scale = 1;
    for (size_t i = name.len; i > 0 && is_digit(name.data[i - 1]) && scale < 1000000000; i--) {
        number += scale * (uint64_t)(name.data[i - 1] - '0');
        scale *= 10;
    }
    if (number >= kernel->n_names) {
        kernel->n_names = (uint32_t)number + 1;
    }
}

static bool parse_for(Parser *parser, Stmt **block) {
    next(parser);
    if (parser->token.kind != TOKEN_WORD) {
        return expected(parser, "a loop variable");
    }
    StrView name = parser->token.text;
    next(parser);
    if (!accept_word(parser, "in")) {
        return expected(parser, "'in'");
    }
    const Dim *extent = parse_dim(parser);
    if (extent == NULL) {
        return false;
    }
    Stmt *loop = tn_stmt_for(parser->kernel, "i", extent);
    loop->var = tn_dim_loop_var(parser->ctx, tn_sv_dup(&parser->ctx->arena, name), extent);
    keep_names_apart(parser->kernel, name);
    if (!parse_loop_kind(parser, loop) || !expect(parser, "{")) {
        return false;
    }
    Scope scope = {name, loop->var};
    tn_vec_push(&parser->ctx->arena, &parser->scope, scope);
    bool ok = parse_chain(parser, &loop->body) && expect(parser, "}");
    parser->scope.len--;
    tn_stmt_append(block, loop);
    return ok;
}

/* After the place: `=` or `add=` and the like. */
static bool parse_assign(Parser *parser, bool temp, Op *op) {
    *op = TN_OP_COUNT;
    if (temp && parser->token.kind == TOKEN_WORD) {
        Op found = tn_op_by_name(parser->token.text);
        if (found != TN_OP_add && found != TN_OP_mul && found != TN_OP_min && found != TN_OP_max) {
            return expected(parser, "add, mul, min, max or '='");
        }
        *op = found;
        next(parser);
    }
    return expect(parser, "=");
}

static bool parse_assignment(Parser *parser, Stmt **block) {
    Place place;
    Op op = TN_OP_COUNT;
    if (!parse_place(parser, &place)) {
        return false;
    }
    if (place.dyn >= 0 && !tn_dtype_is_int(place.at->dtype)) {
        return complain(parser, "a computed index must be an integer");
    }
    if (!parse_assign(parser, place.temp != NULL, &op)) {
        return false;
    }
    Expr *value = parse_expr(parser);
    if (value == NULL) {
        return false;
    }
    DType dtype = place.buf != NULL ? place.buf->dtype : place.temp->dtype;
    if (value->dtype != dtype) {
        return complain(parser,
                        tn_arena_printf(&parser->ctx->arena, "the value is %s, its place is %s",
                                        tn_dtype_text(value->dtype), tn_dtype_text(dtype)));
    }
    Kernel *kernel = parser->kernel;
    tn_stmt_append(
        block, place.dyn >= 0
                   ? tn_stmt_store_at(kernel, place.buf, place.index, place.dyn, place.at, value)
               : place.buf != NULL ? tn_stmt_store(kernel, place.buf, place.index, value)
               : op == TN_OP_COUNT ? tn_stmt_def(kernel, place.temp, place.index, value)
                                   : tn_stmt_acc(kernel, place.temp, place.index, op, value));
    return true;
}

static bool parse_chain(Parser *parser, Stmt **block) {
    bool ok = enter(parser);
    while (ok && !is_mark(parser, "}") && parser->token.kind != TOKEN_END) {
        ok = is_name(parser, "for") ? parse_for(parser, block) : parse_assignment(parser, block);
    }
    parser->depth--;
    return ok;
}

/* ---- declarations ---- */

/* A name with its number, which must be the next one: "b2:". */
static bool parse_number(Parser *parser, char letter, size_t want) {
    uint32_t number = 0;
    if (parser->token.kind != TOKEN_WORD || !numbered(parser->token.text, letter, &number) ||
        number != want) {
        return expected(parser, tn_arena_printf(&parser->ctx->arena, "'%c%zu'", letter, want));
    }
    next(parser);
    return true;
}

static bool parse_buf(Parser *parser, BufKind kind) {
    DType dtype = TN_DT_NONE;
    const Dim *dims[TN_MAX_RANK + 4];
    int rank = 0;
    int n_strides = 0;
    int64_t align = 0;
    next(parser);
    if (!parse_number(parser, 'b', parser->kernel->bufs.len) || !parse_typed(parser, &dtype) ||
        !parse_dims(parser, dims, TN_MAX_RANK + 4, &rank)) {
        return false;
    }
    Buf *buf = tn_kernel_buf(parser->kernel, kind, dtype, rank, dims);
    if (accept_word(parser, "strides")) {
        if (!parse_dims(parser, buf->strides, TN_MAX_RANK + 4, &n_strides)) {
            return false;
        }
        if (n_strides != rank) {
            return complain(parser, "there must be one stride a dimension");
        }
    }
    if (accept_word(parser, "align")) {
        if (!parse_int_in(parser, 1, 1 << 20, &align)) {
            return false;
        }
        buf->align = (uint32_t)align;
    }
    return true;
}

static bool parse_temp(Parser *parser) {
    DType dtype = TN_DT_NONE;
    int32_t extents[6];
    int rank = 0;
    next(parser);
    if (!parse_number(parser, 't', parser->kernel->temps.len) || !parse_typed(parser, &dtype) ||
        !expect(parser, "[")) {
        return false;
    }
    while (!is_mark(parser, "]")) {
        int64_t extent = 0;
        if (rank > 0 && !expect(parser, ",")) {
            return false;
        }
        if (rank == 6) {
            return complain(parser, "a temp has at most 6 dimensions");
        }
        if (!parse_int_in(parser, 1, TEMP_EXTENT_MAX, &extent)) {
            return false;
        }
        extents[rank++] = (int32_t)extent;
    }
    next(parser);
    tn_kernel_temp(parser->kernel, dtype, rank, extents);
    return true;
}

static bool parse_sym_kind(Parser *parser, SymKind *kind) {
    *kind = is_name(parser, "dim")     ? SYM_INPUT_DIM
            : is_name(parser, "elem")  ? SYM_INPUT_ELEM
            : is_name(parser, "count") ? SYM_COUNT
                                       : SYM_LOOP;
    if (*kind == SYM_LOOP) {
        return expected(parser, "dim, elem or count");
    }
    next(parser);
    return true;
}

static bool is_bound(const Parser *parser) {
    return parser->token.kind == TOKEN_NUMBER || is_mark(parser, "-");
}

static bool parse_symbol(Parser *parser) {
    SymKind kind = SYM_INPUT_DIM;
    int64_t lo = INT64_MIN;
    int64_t hi = INT64_MAX;
    next(parser);
    StrView name = parser->token.text;
    if (parser->token.kind != TOKEN_WORD && parser->token.kind != TOKEN_STRING) {
        return expected(parser, "a symbol's name");
    }
    next(parser);
    if (!parse_sym_kind(parser, &kind) || (is_bound(parser) && !parse_int(parser, &lo)) ||
        !expect(parser, "..") || (is_bound(parser) && !parse_int(parser, &hi))) {
        return false;
    }
    tn_dim_symbol(parser->ctx, name, kind, lo, hi);
    return true;
}

/* One declaration, or `*done` when there is none. */
static bool parse_declaration(Parser *parser, bool *done) {
    Kernel *kernel = parser->kernel;
    *done = false;
    if (accept_word(parser, "flops")) {
        return parse_float(parser, &kernel->flops);
    }
    if (accept_word(parser, "bytes")) {
        return parse_float(parser, &kernel->bytes);
    }
    if (is_name(parser, "symbol")) {
        return parse_symbol(parser);
    }
    if (is_name(parser, "param") || is_name(parser, "local")) {
        return parse_buf(parser, is_name(parser, "param") ? BUF_PARAM : BUF_LOCAL);
    }
    if (is_name(parser, "temp")) {
        return parse_temp(parser);
    }
    *done = true;
    return true;
}

static bool parse_kernel(Parser *parser) {
    bool done = false;
    if (!accept_word(parser, "kernel")) {
        return expected(parser, "'kernel'");
    }
    if (parser->token.kind != TOKEN_STRING) {
        return expected(parser, "the kernel's name in quotes");
    }
    parser->kernel = tn_kernel_new(parser->ctx, parser->token.text.data);
    next(parser);
    if (!expect(parser, "{")) {
        return false;
    }
    while (!done) {
        if (!parse_declaration(parser, &done)) {
            return false;
        }
    }
    if (!parse_chain(parser, &parser->kernel->body) || !expect(parser, "}")) {
        return false;
    }
    return parser->token.kind == TOKEN_END || expected(parser, "the end");
}

Kernel *tn_kernel_parse(Ctx *ctx, StrView text, const char *file) {
    Parser parser = {.ctx = ctx,
                     .file = file,
                     .at = text.data,
                     .end = text.data + text.len,
                     .line = 1,
                     .line_start = text.data};
    next(&parser);
    return parse_kernel(&parser) && !parser.failed ? parser.kernel : NULL;
}
