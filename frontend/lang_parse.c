/* lang_parse.c: reads items and statements of model source.
 *
 * A mistake ends its statement; reading goes on at the next line of the same block, so one
 * run reports all of them. Recursion is bounded by LANG_DEPTH_MAX.
 */
#include "frontend/lang_ast.h"

#include <stdio.h>
#include <string.h>

enum { LANG_DEPTH_MAX = 200, LANG_FILE_MAX = 16 << 20 };

/* ---- small pieces ---- */

Place tn_lang_place(const LangParser *p) {
    if (p->within != NULL) {
        return *p->within;
    }
    const Token *token = &p->lexer.token;
    return (Place){p->source, token->line, token->column, token->start};
}

bool tn_lang_deeper(LangParser *p) {
    if (p->depth < LANG_DEPTH_MAX) {
        p->depth++;
        return true;
    }
    return tn_diag(&p->ctx->diags, TN_LIMIT, tn_lex_loc(&p->lexer, &p->lexer.token),
                   "expressions and blocks are nested more than %d deep", LANG_DEPTH_MAX);
}

bool tn_lang_goes_on(const LangParser *p) {
    return p->open > 0 || !p->lexer.token.first_on_line;
}

static bool is_reserved(StrView word) {
    static const char *const words[] = {
        "fn",  "model", "train", "for",  "in",    "if",   "else",     "then",  "return", "loop",
        "and", "or",    "not",   "true", "false", "none", "minimize", "yield", "assert"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (tn_sv_is(word, words[i])) {
            return true;
        }
    }
    return false;
}

bool tn_lang_parse_name(LangParser *p, StrView *out) {
    const Token *token = &p->lexer.token;
    if (token->kind == TOKEN_WORD && is_reserved(token->text)) {
        return tn_lex_error(&p->lexer, token, "'%.*s' is a word of the language, not a name",
                            (int)token->text.len, token->text.data);
    }
    if (token->kind != TOKEN_WORD) {
        return tn_lex_expected(&p->lexer, "a name");
    }
    *out = token->text;
    tn_lex_next(&p->lexer);
    return true;
}

typedef TN_VEC(StrView) NameVec;
typedef TN_VEC(const Stmt *) StmtVec;
typedef TN_VEC(IfArm) ArmVec;
typedef TN_VEC(Param) ParamVec;

static Stmt *new_stmt(LangParser *p, StmtKind kind) {
    Stmt *stmt = TN_NEW(&p->ctx->arena, Stmt);
    stmt->kind = kind;
    stmt->place = tn_lang_place(p);
    return stmt;
}

static void set_values(Stmt *stmt, const ExprVec *values) {
    stmt->values = values->data;
    stmt->n_values = (uint32_t)values->len;
}

static void set_names(Stmt *stmt, const NameVec *names) {
    stmt->names = names->data;
    stmt->n_names = (uint32_t)names->len;
}

static bool one_value(LangParser *p, Stmt *stmt) {
    ExprVec values = {0};
    const Expr *value = tn_lang_parse_expr(p);
    if (value == NULL) {
        return false;
    }
    tn_vec_push(&p->ctx->arena, &values, value);
    set_values(stmt, &values);
    return true;
}

/* Whether the word at hand, one of the statement words that may also be names, begins a
 * statement: a word follows on its line. */
static bool begins(LangParser *p, const char *word) {
    if (!tn_lex_is_word(&p->lexer, word)) {
        return false;
    }
    LangParser ahead = *p;
    size_t had = p->ctx->diags.items.len;
    tn_lex_next(&ahead.lexer);
    p->ctx->diags.items.len = had; /* what is wrong there is found when it is read */
    return ahead.lexer.token.kind == TOKEN_WORD && !ahead.lexer.token.first_on_line &&
           !tn_lex_is_word(&ahead.lexer, "in") && !tn_lex_is_word(&ahead.lexer, "and") &&
           !tn_lex_is_word(&ahead.lexer, "or");
}

/* ---- statements ---- */

/* param NAME: type = value */
static const Stmt *parse_var(LangParser *p, VarKind kind) {
    Stmt *stmt = new_stmt(p, STMT_VAR);
    NameVec names = {0};
    StrView name;
    stmt->var = kind;
    tn_lex_next(&p->lexer);
    if (!tn_lang_parse_name(p, &name)) {
        return NULL;
    }
    tn_vec_push(&p->ctx->arena, &names, name);
    set_names(stmt, &names);
    if (tn_lex_accept(&p->lexer, ":")) {
        stmt->type = tn_lang_parse_expr(p);
        if (stmt->type == NULL) {
            return NULL;
        }
    }
    return tn_lex_expect(&p->lexer, "=") && one_value(p, stmt) ? stmt : NULL;
}

/* WORD NAME = value */
static const Stmt *parse_named(LangParser *p, StmtKind kind) {
    Stmt *stmt = new_stmt(p, kind);
    NameVec names = {0};
    StrView name;
    tn_lex_next(&p->lexer);
    if (!tn_lang_parse_name(p, &name)) {
        return NULL;
    }
    tn_vec_push(&p->ctx->arena, &names, name);
    set_names(stmt, &names);
    return tn_lex_expect(&p->lexer, "=") && one_value(p, stmt) ? stmt : NULL;
}

static const Stmt *parse_for(LangParser *p) {
    Stmt *stmt = new_stmt(p, STMT_FOR);
    NameVec names = {0};
    StrView name;
    tn_lex_next(&p->lexer);
    do {
        if (!tn_lang_parse_name(p, &name)) {
            return NULL;
        }
        tn_vec_push(&p->ctx->arena, &names, name);
    } while (tn_lex_accept(&p->lexer, ","));
    set_names(stmt, &names);
    if (!tn_lex_accept_word(&p->lexer, "in")) {
        tn_lex_expected(&p->lexer, "in");
        return NULL;
    }
    IfArm *arm = TN_NEW(&p->ctx->arena, IfArm);
    stmt->arms = arm;
    stmt->n_arms = 1;
    return one_value(p, stmt) && tn_lang_parse_block(p, &arm->body) ? stmt : NULL;
}

static const Stmt *parse_if(LangParser *p) {
    Stmt *stmt = new_stmt(p, STMT_IF);
    ArmVec arms = {0};
    bool more = true;
    while (more) {
        IfArm arm = {0};
        if (tn_lex_accept_word(&p->lexer, "if")) {
            arm.cond = tn_lang_parse_expr(p);
            if (arm.cond == NULL) {
                return NULL;
            }
        }
        if (!tn_lang_parse_block(p, &arm.body)) {
            return NULL;
        }
        tn_vec_push(&p->ctx->arena, &arms, arm);
        more = arm.cond != NULL && tn_lex_accept_word(&p->lexer, "else");
    }
    stmt->arms = arms.data;
    stmt->n_arms = (uint32_t)arms.len;
    return stmt;
}

static const Stmt *parse_assert(LangParser *p, StmtKind kind) {
    Stmt *stmt = new_stmt(p, kind);
    tn_lex_next(&p->lexer);
    if (!one_value(p, stmt)) {
        return NULL;
    }
    if (tn_lex_accept(&p->lexer, ",")) {
        stmt->message = tn_lang_parse_expr(p);
        if (stmt->message == NULL) {
            return NULL;
        }
    }
    return stmt;
}

static const Stmt *parse_values(LangParser *p, StmtKind kind) {
    Stmt *stmt = new_stmt(p, kind);
    ExprVec values = {0};
    tn_lex_next(&p->lexer);
    bool some =
        tn_lang_goes_on(p) && !tn_lex_is_mark(&p->lexer, "}") && p->lexer.token.kind != TOKEN_END;
    if (some && !tn_lang_parse_exprs(p, &values)) {
        return NULL;
    }
    set_values(stmt, &values);
    return stmt;
}

/* next h = expr, c = expr */
static const Stmt *parse_next(LangParser *p) {
    Stmt *stmt = new_stmt(p, STMT_NEXT);
    NameVec names = {0};
    ExprVec values = {0};
    StrView name;
    tn_lex_next(&p->lexer);
    do {
        if (!tn_lang_parse_name(p, &name) || !tn_lex_expect(&p->lexer, "=")) {
            return NULL;
        }
        const Expr *value = tn_lang_parse_expr(p);
        if (value == NULL) {
            return NULL;
        }
        tn_vec_push(&p->ctx->arena, &names, name);
        tn_vec_push(&p->ctx->arena, &values, value);
    } while (tn_lex_accept(&p->lexer, ","));
    set_names(stmt, &names);
    set_values(stmt, &values);
    return stmt;
}

/* Options behind a minimize statement, on its line: clip_norm=1 ... */
static bool parse_options(LangParser *p, Stmt *stmt) {
    static const char *const known[] = {"clip_norm", "clip_global_norm", "clip_value", "l1", "l2"};
    ArgVec options = {0};
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known && !found; i++) {
            found = tn_lex_is_word(&p->lexer, known[i]) && tn_lang_goes_on(p);
        }
        if (!found && p->lexer.token.kind == TOKEN_WORD && tn_lang_goes_on(p)) {
            return tn_lex_expected(&p->lexer, "clip_norm, clip_global_norm, clip_value, l1 or l2");
        }
        if (found) {
            LangArg option = {.key = p->lexer.token.text, .place = tn_lang_place(p)};
            tn_lex_next(&p->lexer);
            if (!tn_lex_expect(&p->lexer, "=")) {
                return false;
            }
            option.value = tn_lang_parse_expr(p);
            if (option.value == NULL) {
                return false;
            }
            tn_vec_push(&p->ctx->arena, &options, option);
            tn_lex_accept(&p->lexer, ",");
        }
    }
    stmt->options = options.data;
    stmt->n_options = (uint32_t)options.len;
    return true;
}

/* minimize L over A, B with OPT(...) clip_norm=1 */
static const Stmt *parse_minimize(LangParser *p) {
    Stmt *stmt = new_stmt(p, STMT_MINIMIZE);
    ExprVec values = {0};
    tn_lex_next(&p->lexer);
    const Expr *loss = tn_lang_parse_expr(p);
    if (loss == NULL) {
        return NULL;
    }
    tn_vec_push(&p->ctx->arena, &values, loss);
    if (tn_lex_accept_word(&p->lexer, "over") && !tn_lang_parse_exprs(p, &values)) {
        return NULL;
    }
    set_values(stmt, &values);
    if (!tn_lex_accept_word(&p->lexer, "with")) {
        tn_lex_expected(&p->lexer, values.len > 1 ? "with" : "over or with");
        return NULL;
    }
    stmt->message = tn_lang_parse_expr(p);
    return stmt->message != NULL && parse_options(p, stmt) ? stmt : NULL;
}

/* names = value, or an expression alone. */
static const Stmt *parse_assign(LangParser *p) {
    Stmt *stmt = new_stmt(p, STMT_EXPR);
    NameVec names = {0};
    ExprVec targets = {0};
    Token start = p->lexer.token;
    if (!tn_lang_parse_exprs(p, &targets)) {
        return NULL;
    }
    if (!tn_lex_is_mark(&p->lexer, "=") || !tn_lang_goes_on(p)) {
        if (targets.len > 1 || targets.data[0]->kind != EXPR_CALL) {
            tn_lex_error(&p->lexer, &start,
                         "a value without a use: expected NAME = ..., or a "
                         "statement");
            return NULL;
        }
        set_values(stmt, &targets);
        return stmt;
    }
    for (size_t i = 0; i < targets.len; i++) {
        if (targets.data[i]->kind != EXPR_NAME) {
            tn_lex_error(&p->lexer, &start, "only names can be assigned to");
            return NULL;
        }
        tn_vec_push(&p->ctx->arena, &names, targets.data[i]->text);
    }
    tn_lex_next(&p->lexer);
    stmt->kind = STMT_ASSIGN;
    set_names(stmt, &names);
    ExprVec values = {0};
    if (!tn_lang_parse_exprs(p, &values)) {
        return NULL;
    }
    if (values.len != 1 && values.len != targets.len) {
        tn_lex_error(&p->lexer, &start, "%zu names, but %zu values", targets.len, values.len);
        return NULL;
    }
    set_values(stmt, &values);
    return stmt;
}

static const Stmt *parse_statement(LangParser *p) {
    static const char *const vars[] = {"param", "buffer", "state"};
    const Lexer *lexer = &p->lexer;
    for (int i = 0; i < 3; i++) {
        if (begins(p, vars[i])) {
            return parse_var(p, (VarKind)i);
        }
    }
    if (begins(p, "update") || begins(p, "metric")) {
        bool update = tn_lex_is_word(lexer, "update");
        return parse_named(p, update ? STMT_UPDATE : STMT_METRIC);
    }
    if (begins(p, "next")) {
        return parse_next(p);
    }
    if (tn_lex_is_word(lexer, "for")) {
        return parse_for(p);
    }
    if (tn_lex_is_word(lexer, "if")) {
        return parse_if(p);
    }
    if (tn_lex_is_word(lexer, "assert") || begins(p, "warn")) {
        return parse_assert(p, tn_lex_is_word(lexer, "assert") ? STMT_ASSERT : STMT_WARN);
    }
    if (tn_lex_is_word(lexer, "return") || tn_lex_is_word(lexer, "yield")) {
        return parse_values(p, tn_lex_is_word(lexer, "return") ? STMT_RETURN : STMT_YIELD);
    }
    return tn_lex_is_word(lexer, "minimize") ? parse_minimize(p) : parse_assign(p);
}

static bool at_item(const LangParser *p) {
    return p->lexer.token.column == 1 &&
           (tn_lex_is_word(&p->lexer, "fn") || tn_lex_is_word(&p->lexer, "model") ||
            tn_lex_is_word(&p->lexer, "train"));
}

/* Goes on at the next line of this block, at its end, or at the next item. */
static void skip_statement(LangParser *p, size_t start) {
    int braces = 0;
    while (p->lexer.token.kind != TOKEN_END && !at_item(p)) {
        bool close = tn_lex_is_mark(&p->lexer, "}");
        bool fresh = p->lexer.token.first_on_line && p->lexer.token.start > start;
        if (braces == 0 && (close || fresh)) {
            return;
        }
        braces += tn_lex_is_mark(&p->lexer, "{") ? 1 : close ? -1 : 0;
        tn_lex_next(&p->lexer);
    }
}

/* Statements end with their line, at } or with ; */
static bool end_statement(LangParser *p) {
    return tn_lex_accept(&p->lexer, ";") || tn_lex_is_mark(&p->lexer, "}") ||
           p->lexer.token.first_on_line || tn_lex_expected(&p->lexer, "the end of the line");
}

bool tn_lang_parse_block(LangParser *p, Block *out) {
    StmtVec stmts = {0};
    uint32_t open = p->open, line = p->lexer.token.line;
    char end[64];
    snprintf(end, sizeof end, "'}' for the block of line %u", line);
    if (!tn_lex_expect(&p->lexer, "{") || !tn_lang_deeper(p)) {
        return false;
    }
    p->open = 0;
    while (!tn_lex_is_mark(&p->lexer, "}") && p->lexer.token.kind != TOKEN_END && !at_item(p)) {
        size_t start = p->lexer.token.start;
        uint32_t depth = p->depth;
        const Stmt *stmt = parse_statement(p);
        if (stmt == NULL || !end_statement(p)) {
            p->failed = true;
            p->depth = depth;
            p->open = 0;
            skip_statement(p, start);
        } else {
            tn_vec_push(&p->ctx->arena, &stmts, stmt);
        }
    }
    p->depth--;
    p->open = open;
    *out = (Block){stmts.data, (uint32_t)stmts.len};
    return tn_lex_accept(&p->lexer, "}") || tn_lex_expected(&p->lexer, end);
}

/* ---- items ---- */

/* After the opening parenthesis: NAME: type = value, ... ) */
bool tn_lang_parse_params(LangParser *p, FnDef *fn) {
    ParamVec params = {0};
    p->open++;
    while (!tn_lex_is_mark(&p->lexer, ")")) {
        Param param = {.place = tn_lang_place(p)};
        if (!tn_lang_parse_name(p, &param.name)) {
            return false;
        }
        for (size_t i = 0; i < params.len; i++) {
            if (tn_sv_eq(params.data[i].name, param.name)) {
                return tn_lex_expected(&p->lexer, "another name: two parameters are called so");
            }
        }
        if (tn_lex_accept(&p->lexer, ":") && (param.type = tn_lang_parse_expr(p)) == NULL) {
            return false;
        }
        if (tn_lex_accept(&p->lexer, "=") && (param.value = tn_lang_parse_expr(p)) == NULL) {
            return false;
        }
        tn_vec_push(&p->ctx->arena, &params, param);
        if (!tn_lang_separates(p, ")")) {
            return false;
        }
    }
    p->open--;
    tn_lex_next(&p->lexer);
    fn->params = params.data;
    fn->n_params = (uint32_t)params.len;
    return true;
}

static const FnDef *parse_item(LangParser *p) {
    FnDef *fn = TN_NEW(&p->ctx->arena, FnDef);
    fn->kind = tn_lex_is_word(&p->lexer, "fn")      ? FN_FUNCTION
               : tn_lex_is_word(&p->lexer, "model") ? FN_MODEL
                                                    : FN_TRAIN;
    tn_lex_next(&p->lexer);
    fn->place = tn_lang_place(p);
    bool ok = tn_lang_parse_name(p, &fn->name) && tn_lex_expect(&p->lexer, "(") &&
              tn_lang_parse_params(p, fn) && tn_lang_parse_block(p, &fn->body);
    return ok ? fn : NULL;
}

static void skip_item(LangParser *p, size_t start) {
    while (p->lexer.token.kind != TOKEN_END && (p->lexer.token.start == start || !at_item(p))) {
        tn_lex_next(&p->lexer);
    }
}

bool tn_lang_parse(Ctx *ctx, const LangSource *source, FnDefVec *out) {
    LangParser p = {.ctx = ctx, .source = source};
    if (source->text.len > LANG_FILE_MAX) {
        return tn_diag(&ctx->diags, TN_LIMIT, (Loc){.file = source->file},
                       "the file is larger than %d bytes", LANG_FILE_MAX);
    }
    size_t had = ctx->diags.items.len + ctx->diags.dropped;
    tn_lex_init(&p.lexer, ctx, source->text, source->file);
    while (p.lexer.token.kind != TOKEN_END) {
        size_t start = p.lexer.token.start;
        const FnDef *fn = NULL;
        p.depth = p.open = 0;
        if (tn_lex_is_word(&p.lexer, "fn") || tn_lex_is_word(&p.lexer, "model") ||
            tn_lex_is_word(&p.lexer, "train")) {
            fn = parse_item(&p);
        } else {
            tn_lex_expected(&p.lexer, "fn, model or train");
        }
        if (fn != NULL) {
            tn_vec_push(&ctx->arena, out, fn);
        } else {
            skip_item(&p, start);
        }
    }
    return !p.failed && ctx->diags.items.len + ctx->diags.dropped == had;
}
