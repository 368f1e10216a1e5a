/* lang_parse_expr.c: reads expressions of model source.
 *
 * Operators bind, from the loosest: `if then else`, or, and, not, comparisons (which do not
 * chain), + -, * / // % @, unary -, **, then calls, indices and attributes. An expression ends
 * with its line unless a bracket is open or the line ends in an operator.
 */
#include "frontend/lang_ast.h"

#include <stdio.h>
#include <string.h>

enum { ITEMS_MAX = 65536 };

/* ---- making expressions ---- */

static Expr *new_expr(LangParser *p, ExprKind kind) {
    Expr *expr = TN_NEW(&p->ctx->arena, Expr);
    expr->kind = kind;
    expr->place = tn_lang_place(p);
    return expr;
}

static void set_items(LangParser *p, Expr *expr, const Expr *const *items, size_t n) {
    expr->items = tn_arena_copy(&p->ctx->arena, items, n * sizeof *items);
    expr->n_items = (uint32_t)n;
}

static bool too_many(LangParser *p, size_t n) {
    return n < ITEMS_MAX ||
           tn_lex_error(&p->lexer, &p->lexer.token, "more than %d entries", ITEMS_MAX);
}

/* ---- brackets ---- */

bool tn_lang_separates(LangParser *p, const char *close) {
    char what[16];
    snprintf(what, sizeof what, "',' or '%s'", close);
    return tn_lex_is_mark(&p->lexer, close) || tn_lex_accept(&p->lexer, ",") ||
           tn_lex_expected(&p->lexer, what);
}

/* x, *xs, key=x up to `close`, which is taken. */
bool tn_lang_parse_args(LangParser *p, const char *close, ArgVec *out) {
    p->open++;
    while (!tn_lex_is_mark(&p->lexer, close)) {
        LangArg arg = {.place = tn_lang_place(p)};
        bool spread = tn_lex_is_mark(&p->lexer, "*");
        Expr *star = spread ? new_expr(p, EXPR_SPREAD) : NULL;
        if (spread) {
            tn_lex_next(&p->lexer);
        }
        arg.value = tn_lang_parse_expr(p);
        if (arg.value == NULL || !too_many(p, out->len)) {
            return false;
        }
        if (spread) {
            set_items(p, star, &arg.value, 1);
            arg.value = star;
        } else if (arg.value->kind == EXPR_NAME && tn_lex_accept(&p->lexer, "=")) {
            arg.key = arg.value->text;
            arg.value = tn_lang_parse_expr(p);
            if (arg.value == NULL) {
                return false;
            }
        } else if (out->len > 0 && out->data[out->len - 1].key.len > 0) {
            return tn_lex_expected(&p->lexer, "'=': arguments behind a named one have names too");
        }
        tn_vec_push(&p->ctx->arena, out, arg);
        if (!tn_lang_separates(p, close)) {
            return false;
        }
    }
    p->open--;
    tn_lex_next(&p->lexer);
    return true;
}

/* One entry of an index: an expression, a:b:c, ... or *list. */
static const Expr *parse_index_item(LangParser *p) {
    Expr *expr = new_expr(p, EXPR_RANGE);
    const Expr *parts[3] = {NULL};
    size_t n = 0;
    if (tn_lex_accept(&p->lexer, "...")) {
        expr->kind = EXPR_DOTS;
        return expr;
    }
    if (tn_lex_accept(&p->lexer, "*")) {
        expr->kind = EXPR_SPREAD;
        parts[0] = tn_lang_parse_expr(p);
        set_items(p, expr, parts, 1);
        return parts[0] != NULL ? expr : NULL;
    }
    for (;;) {
        bool ends = tn_lex_is_mark(&p->lexer, ":") || tn_lex_is_mark(&p->lexer, ",") ||
                    tn_lex_is_mark(&p->lexer, "]");
        if (!ends && (parts[n] = tn_lang_parse_expr(p)) == NULL) {
            return NULL;
        }
        n++;
        if (n == 3 || !tn_lex_accept(&p->lexer, ":")) {
            break;
        }
    }
    if (n == 1 && parts[0] == NULL) {
        tn_lex_expected(&p->lexer, "an index");
        return NULL;
    }
    set_items(p, expr, parts, 3);
    return n == 1 ? parts[0] : expr;
}

/* Entries up to ], which is taken; for a list only expressions and *list. */
static bool parse_items(LangParser *p, ExprVec *out) {
    p->open++;
    while (!tn_lex_is_mark(&p->lexer, "]")) {
        const Expr *item = parse_index_item(p);
        if (item == NULL || !too_many(p, out->len)) {
            return false;
        }
        tn_vec_push(&p->ctx->arena, out, item);
        if (!tn_lang_separates(p, "]")) {
            return false;
        }
    }
    p->open--;
    tn_lex_next(&p->lexer);
    return true;
}

static const Expr *parse_list(LangParser *p) {
    Expr *list = new_expr(p, EXPR_LIST);
    ExprVec items = {0};
    Token start = p->lexer.token;
    tn_lex_next(&p->lexer);
    if (!parse_items(p, &items)) {
        return NULL;
    }
    for (size_t i = 0; i < items.len; i++) {
        if (items.data[i]->kind == EXPR_RANGE || items.data[i]->kind == EXPR_DOTS) {
            tn_lex_error(&p->lexer, &start, "':' and '...' belong in an index, not in a list");
            return NULL;
        }
    }
    set_items(p, list, items.data, items.len);
    return list;
}

/* (x), or a list: (x, y) */
static const Expr *parse_parens(LangParser *p) {
    Expr *list = new_expr(p, EXPR_LIST);
    ExprVec items = {0};
    p->open++;
    tn_lex_next(&p->lexer);
    bool ok = tn_lang_parse_exprs(p, &items);
    p->open--;
    if (!ok || !tn_lex_expect(&p->lexer, ")")) {
        return NULL;
    }
    set_items(p, list, items.data, items.len);
    return items.len == 1 ? items.data[0] : list;
}

/* ---- atoms ---- */

static const Expr *parse_number(LangParser *p) {
    Expr *expr = new_expr(p, EXPR_FLOAT);
    StrView text = p->lexer.token.text;
    uint64_t bits;
    bool hex = text.len > 1 && (text.data[1] == 'x' || text.data[1] == 'X');
    bool integer = hex;
    for (size_t i = 0; i < text.len && !hex; i++) {
        integer = text.data[i] >= '0' && text.data[i] <= '9';
        if (!integer) {
            break;
        }
    }
    expr->kind = integer ? EXPR_INT : EXPR_FLOAT;
    bool ok = integer ? tn_lex_int(&p->lexer, &expr->integer)
                      : tn_lex_float(&p->lexer, 8, &expr->number, &bits);
    return ok ? expr : NULL;
}

/* The expression between braces in a text. Its place is that of the whole text. */
static const Expr *parse_hole(LangParser *p, StrView text, Place place) {
    LangParser inner = *p;
    tn_lex_init(&inner.lexer, p->ctx, text, p->source->file);
    inner.lexer.line = place.line;
    inner.open = 1;
    inner.within = &place;
    inner.lexer.token.line = place.line;
    const Expr *expr = tn_lang_parse_expr(&inner);
    if (expr != NULL && inner.lexer.token.kind != TOKEN_END) {
        tn_lex_error(&p->lexer, &p->lexer.token, "a text holds {%.*s}, which is no expression",
                     (int)(text.len > 40 ? 40 : text.len), text.data);
        return NULL;
    }
    return expr;
}

static const Expr *string_part(LangParser *p, StrView text, Place place) {
    Expr *part = new_expr(p, EXPR_STRING);
    part->text = text;
    part->place = place;
    return part;
}

/* A string; with {expressions} in it a text of parts. */
static const Expr *parse_string(LangParser *p) {
    Expr *expr = new_expr(p, EXPR_STRING);
    StrView text = p->lexer.token.text;
    ExprVec parts = {0};
    size_t from = 0;
    const Token *token = &p->lexer.token;
    if (token->end < token->start + 2 || p->lexer.input.data[token->end - 1] != '"') {
        return NULL; /* it does not end: the lexer has said so */
    }
    expr->text = text;
    for (size_t i = 0; i < text.len; i++) {
        const char *close = text.data[i] == '{' ? memchr(text.data + i, '}', text.len - i) : NULL;
        if (close == NULL) {
            continue;
        }
        StrView hole = {text.data + i + 1, (size_t)(close - text.data) - i - 1};
        const Expr *inner = parse_hole(p, hole, expr->place);
        if (inner == NULL || !too_many(p, parts.len)) {
            return NULL;
        }
        StrView before = {text.data + from, i - from};
        tn_vec_push(&p->ctx->arena, &parts, string_part(p, before, expr->place));
        tn_vec_push(&p->ctx->arena, &parts, inner);
        i = (size_t)(close - text.data);
        from = i + 1;
    }
    if (parts.len > 0) {
        StrView rest = {text.data + from, text.len - from};
        tn_vec_push(&p->ctx->arena, &parts, string_part(p, rest, expr->place));
        expr->kind = EXPR_TEXT;
        set_items(p, expr, parts.data, parts.len);
    }
    tn_lex_next(&p->lexer);
    return expr;
}

/* fn(x, y) => expr, or fn(x, y) { ... } */
static const Expr *parse_anonymous(LangParser *p) {
    Expr *expr = new_expr(p, EXPR_FN);
    FnDef *fn = TN_NEW(&p->ctx->arena, FnDef);
    fn->kind = FN_ANONYMOUS;
    fn->name = p->lexer.token.text;
    fn->place = expr->place;
    expr->fn = fn;
    tn_lex_next(&p->lexer);
    if (!tn_lex_expect(&p->lexer, "(") || !tn_lang_parse_params(p, fn)) {
        return NULL;
    }
    if (tn_lex_accept(&p->lexer, "=>")) {
        fn->value = tn_lang_parse_expr(p);
        return fn->value != NULL ? expr : NULL;
    }
    if (!tn_lex_is_mark(&p->lexer, "{")) {
        tn_lex_expected(&p->lexer, "'=>' or '{'");
        return NULL;
    }
    return tn_lang_parse_block(p, &fn->body) ? expr : NULL;
}

typedef TN_VEC(LoopItem) LoopVec;

static bool parse_loop_items(LangParser *p, bool carried, LoopVec *out) {
    while (!tn_lex_is_mark(&p->lexer, ";") && !tn_lex_is_mark(&p->lexer, ")")) {
        LoopItem item = {.place = tn_lang_place(p)};
        bool ok =
            tn_lang_parse_name(p, &item.name) &&
            (carried ? tn_lex_expect(&p->lexer, "=")
                     : tn_lex_accept_word(&p->lexer, "in") || tn_lex_expected(&p->lexer, "in"));
        if (!ok || (item.value = tn_lang_parse_expr(p)) == NULL) {
            return false;
        }
        tn_vec_push(&p->ctx->arena, out, item);
        if (!tn_lex_is_mark(&p->lexer, ";") && !tn_lex_is_mark(&p->lexer, ")") &&
            !tn_lex_expect(&p->lexer, ",")) {
            return false;
        }
    }
    return true;
}

/* loop(h = h0; x in xs; reverse=true) { ... next h = ...; yield ... } */
static const Expr *parse_loop(LangParser *p) {
    Expr *expr = new_expr(p, EXPR_LOOP);
    LoopExpr *loop = TN_NEW(&p->ctx->arena, LoopExpr);
    LoopVec carried = {0};
    LoopVec over = {0};
    ArgVec options = {0};
    tn_lex_next(&p->lexer);
    p->open++;
    if (!tn_lex_expect(&p->lexer, "(") || !parse_loop_items(p, true, &carried) ||
        !tn_lex_expect(&p->lexer, ";") || !parse_loop_items(p, false, &over)) {
        return NULL;
    }
    p->open--;
    bool ok = tn_lex_accept(&p->lexer, ";") ? tn_lang_parse_args(p, ")", &options)
                                            : tn_lex_expect(&p->lexer, ")");
    if (!ok || !tn_lang_parse_block(p, &loop->body)) {
        return NULL;
    }
    loop->carried = carried.data;
    loop->n_carried = (uint32_t)carried.len;
    loop->over = over.data;
    loop->n_over = (uint32_t)over.len;
    loop->options = options.data;
    loop->n_options = (uint32_t)options.len;
    expr->loop = loop;
    return expr;
}

static const Expr *parse_word(LangParser *p) {
    static const struct {
        const char *word;
        ExprKind kind;
    } words[] = {{"true", EXPR_TRUE}, {"false", EXPR_FALSE}, {"none", EXPR_NONE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (tn_lex_is_word(&p->lexer, words[i].word)) {
            const Expr *expr = new_expr(p, words[i].kind);
            tn_lex_next(&p->lexer);
            return expr;
        }
    }
    if (tn_lex_is_word(&p->lexer, "fn")) {
        return parse_anonymous(p);
    }
    if (tn_lex_is_word(&p->lexer, "loop")) {
        return parse_loop(p);
    }
    Expr *name = new_expr(p, EXPR_NAME);
    return tn_lang_parse_name(p, &name->text) ? name : NULL;
}

static const Expr *parse_atom(LangParser *p) {
    switch (p->lexer.token.kind) {
    case TOKEN_NUMBER:
        return parse_number(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_WORD:
        return parse_word(p);
    case TOKEN_MARK:
        if (tn_lex_is_mark(&p->lexer, "(")) {
            return parse_parens(p);
        }
        if (tn_lex_is_mark(&p->lexer, "[")) {
            return parse_list(p);
        }
        break;
    case TOKEN_END:
        break;
    }
    tn_lex_expected(&p->lexer, "an expression");
    return NULL;
}

/* ---- operators ---- */

static const Expr *parse_call(LangParser *p, const Expr *callee) {
    Expr *call = new_expr(p, EXPR_CALL);
    ArgVec args = {0};
    call->place = callee->place;
    tn_lex_next(&p->lexer);
    if (!tn_lang_parse_args(p, ")", &args)) {
        return NULL;
    }
    set_items(p, call, &callee, 1);
    call->args = args.data;
    call->n_args = (uint32_t)args.len;
    return call;
}

static const Expr *parse_index(LangParser *p, const Expr *base) {
    Expr *index = new_expr(p, EXPR_INDEX);
    ExprVec items = {0};
    index->place = base->place;
    tn_vec_push(&p->ctx->arena, &items, base);
    tn_lex_next(&p->lexer);
    if (!parse_items(p, &items)) {
        return NULL;
    }
    set_items(p, index, items.data, items.len);
    return index;
}

static const Expr *parse_postfix(LangParser *p) {
    const Expr *expr = parse_atom(p);
    while (expr != NULL && tn_lang_goes_on(p)) {
        if (tn_lex_is_mark(&p->lexer, "(")) {
            expr = parse_call(p, expr);
        } else if (tn_lex_is_mark(&p->lexer, "[")) {
            expr = parse_index(p, expr);
        } else if (tn_lex_is_mark(&p->lexer, ".")) {
            Expr *attr = new_expr(p, EXPR_ATTR);
            tn_lex_next(&p->lexer);
            if (p->lexer.token.kind != TOKEN_WORD) {
                tn_lex_expected(&p->lexer, "shape, rank, dtype or size");
                return NULL;
            }
            attr->text = p->lexer.token.text;
            set_items(p, attr, &expr, 1);
            tn_lex_next(&p->lexer);
            expr = attr;
        } else {
            break;
        }
    }
    return expr;
}

static const Expr *unary(LangParser *p, Expr *expr, LangOp op, const Expr *operand) {
    if (operand == NULL) {
        return NULL;
    }
    expr->op = op;
    set_items(p, expr, &operand, 1);
    return expr;
}

static const Expr *binary(LangParser *p, Expr *expr, LangOp op, const Expr *a, const Expr *b) {
    if (a == NULL || b == NULL) {
        return NULL;
    }
    const Expr *items[] = {a, b};
    expr->op = op;
    set_items(p, expr, items, 2);
    return expr;
}

/* -x, not x, x ** y */
static const Expr *parse_unary(LangParser *p) {
    bool minus = tn_lex_is_mark(&p->lexer, "-");
    if (minus) {
        Expr *expr = new_expr(p, EXPR_UNARY);
        if (!tn_lang_deeper(p)) {
            return NULL;
        }
        tn_lex_next(&p->lexer);
        const Expr *operand = parse_unary(p);
        p->depth--;
        return unary(p, expr, LANG_NEG, operand);
    }
    const Expr *base = parse_postfix(p);
    if (base == NULL || !tn_lang_goes_on(p) || !tn_lex_is_mark(&p->lexer, "**")) {
        return base;
    }
    Expr *expr = new_expr(p, EXPR_BINARY);
    if (!tn_lang_deeper(p)) {
        return NULL;
    }
    tn_lex_next(&p->lexer);
    const Expr *power = parse_unary(p);
    p->depth--;
    return binary(p, expr, LANG_POW, base, power);
}

typedef struct Operator {
    const char *text;
    LangOp op;
    int level;
} Operator;

enum { LEVEL_OR, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_SUM, LEVEL_PRODUCT };

static const Operator *find_operator(const LangParser *p) {
    static const Operator operators[] = {
        {"or", LANG_OR, LEVEL_OR},
        {"and", LANG_AND, LEVEL_AND},
        {"<", LANG_LT, LEVEL_COMPARE},
        {"<=", LANG_LE, LEVEL_COMPARE},
        {">", LANG_GT, LEVEL_COMPARE},
        {">=", LANG_GE, LEVEL_COMPARE},
        {"==", LANG_EQ, LEVEL_COMPARE},
        {"!=", LANG_NE, LEVEL_COMPARE},
        {"+", LANG_ADD, LEVEL_SUM},
        {"-", LANG_SUB, LEVEL_SUM},
        {"*", LANG_MUL, LEVEL_PRODUCT},
        {"/", LANG_DIV, LEVEL_PRODUCT},
        {"//", LANG_FLOORDIV, LEVEL_PRODUCT},
        {"%", LANG_MOD, LEVEL_PRODUCT},
        {"@", LANG_MATMUL, LEVEL_PRODUCT},
    };
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const char *text = operators[i].text;
        if (tn_lex_is_mark(&p->lexer, text) || tn_lex_is_word(&p->lexer, text)) {
            return tn_lang_goes_on(p) ? &operators[i] : NULL;
        }
    }
    return NULL;
}

/* Operators of `level` and tighter. */
static const Expr *parse_level(LangParser *p, int level) {
    const Expr *left;
    if (level <= LEVEL_NOT && tn_lex_is_word(&p->lexer, "not")) {
        Expr *expr = new_expr(p, EXPR_UNARY);
        if (!tn_lang_deeper(p)) {
            return NULL;
        }
        tn_lex_next(&p->lexer);
        left = unary(p, expr, LANG_NOT, parse_level(p, LEVEL_NOT));
        p->depth--;
    } else {
        left = parse_unary(p);
    }
    for (const Operator *o = NULL; left != NULL && (o = find_operator(p)) != NULL;) {
        if (o->level < level) {
            break;
        }
        Expr *expr = new_expr(p, EXPR_BINARY);
        tn_lex_next(&p->lexer);
        left = binary(p, expr, o->op, left, parse_level(p, o->level + 1));
        if (o->level == LEVEL_COMPARE && left != NULL) {
            const Operator *next = find_operator(p);
            if (next != NULL && next->level == LEVEL_COMPARE) {
                tn_lex_expected(&p->lexer, "and, or or the end: comparisons do not chain");
                return NULL;
            }
        }
    }
    return left;
}

static const Expr *parse_choice(LangParser *p) {
    Expr *expr = new_expr(p, EXPR_IF);
    const Expr *parts[3] = {NULL};
    static const char *const words[] = {"if", "then", "else"};
    for (int i = 0; i < 3; i++) {
        if (!tn_lex_accept_word(&p->lexer, words[i])) {
            tn_lex_expected(&p->lexer, words[i]);
            return NULL;
        }
        parts[i] = tn_lang_parse_expr(p);
        if (parts[i] == NULL) {
            return NULL;
        }
    }
    set_items(p, expr, parts, 3);
    return expr;
}

const Expr *tn_lang_parse_expr(LangParser *p) {
    if (!tn_lang_deeper(p)) {
        return NULL;
    }
    bool choice = tn_lex_is_word(&p->lexer, "if");
    const Expr *expr = choice ? parse_choice(p) : parse_level(p, LEVEL_OR);
    p->depth--;
    return expr;
}

bool tn_lang_parse_exprs(LangParser *p, ExprVec *out) {
    do {
        const Expr *expr = tn_lang_parse_expr(p);
        if (expr == NULL || !too_many(p, out->len)) {
            return false;
        }
        tn_vec_push(&p->ctx->arena, out, expr);
    } while (tn_lang_goes_on(p) && tn_lex_accept(&p->lexer, ","));
    return true;
}
