/* lang_ast.h: model source as a tree.
 *
 * Trees are immutable once read and live in the context's arena. Every expression and
 * statement knows its place. Names are views into the source text.
 */
#ifndef TN_FRONTEND_LANG_AST_H
#define TN_FRONTEND_LANG_AST_H

#include "base/map.h"
#include "ir/lex.h"

typedef struct LangSource {
    const char *file;
    StrView text;
    bool library; /* mistakes in here are shown at the call from the user's text */
} LangSource;

typedef struct Place {
    const LangSource *source;
    uint32_t line, column;
    size_t start; /* byte position in the source */
} Place;

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct FnDef FnDef;

typedef struct Block {
    const Stmt *const *items;
    uint32_t n;
} Block;

typedef enum ExprKind {
    EXPR_INT,
    EXPR_FLOAT,
    EXPR_STRING,
    EXPR_TEXT,   /* a string with {parts}: items, strings and others in turn */
    EXPR_TRUE,
    EXPR_FALSE,
    EXPR_NONE,
    EXPR_NAME,
    EXPR_LIST,   /* items */
    EXPR_CALL,   /* items[0] is called with args */
    EXPR_UNARY,  /* op, items[0] */
    EXPR_BINARY, /* op, items[0], items[1] */
    EXPR_IF,     /* items: condition, then, else */
    EXPR_INDEX,  /* items[0] indexed by the rest */
    EXPR_RANGE,  /* a:b:c within an index; items may be NULL */
    EXPR_DOTS,   /* ... within an index */
    EXPR_SPREAD, /* *list within a list, an index or a call */
    EXPR_ATTR,   /* items[0] . text */
    EXPR_FN,     /* an anonymous function: fn */
    EXPR_LOOP    /* loop */
} ExprKind;

typedef enum LangOp {
    LANG_ADD,
    LANG_SUB,
    LANG_MUL,
    LANG_DIV,
    LANG_FLOORDIV,
    LANG_MOD,
    LANG_MATMUL,
    LANG_POW,
    LANG_LT,
    LANG_LE,
    LANG_GT,
    LANG_GE,
    LANG_EQ,
    LANG_NE,
    LANG_AND,
    LANG_OR,
    LANG_NOT,
    LANG_NEG
} LangOp;

/* An argument of a call: positional, key=value, or *list. */
typedef struct LangArg {
    StrView key; /* empty: positional */
    const Expr *value;
    Place place;
} LangArg;

/* h = h0, or x in xs, of a loop's head. */
typedef struct LoopItem {
    StrView name;
    const Expr *value;
    Place place;
} LoopItem;

typedef struct LoopExpr {
    const LoopItem *carried;
    const LoopItem *over;
    const LangArg *options;
    uint32_t n_carried, n_over, n_options;
    Block body;
} LoopExpr;

struct Expr {
    ExprKind kind;
    LangOp op;
    Place place;
    StrView text;
    union {
        int64_t integer;
        double number;
        const FnDef *fn;
        const LoopExpr *loop;
    };
    const Expr *const *items;
    uint32_t n_items;
    uint32_t n_args;
    const LangArg *args;
};

typedef enum StmtKind {
    STMT_EXPR,     /* value */
    STMT_ASSIGN,   /* names = value */
    STMT_VAR,      /* param, buffer, state: names[0], type?, value */
    STMT_UPDATE,   /* names[0], value */
    STMT_FOR,      /* names in value, arms[0].body */
    STMT_IF,       /* arms; the last may have no condition */
    STMT_ASSERT,   /* value, message? */
    STMT_WARN,     /* value, message: a note when the value holds */
    STMT_RETURN,   /* values */
    STMT_NEXT,     /* names[i] = values[i] */
    STMT_YIELD,    /* values */
    STMT_MINIMIZE, /* value, over values, message (the optimiser's call), options */
    STMT_METRIC    /* names[0], value */
} StmtKind;

typedef enum VarKind { VAR_PARAM, VAR_BUFFER, VAR_STATE } VarKind;

typedef struct IfArm {
    const Expr *cond; /* NULL: else */
    Block body;
} IfArm;

struct Stmt {
    StmtKind kind;
    VarKind var;
    Place place;
    const StrView *names;
    uint32_t n_names, n_values, n_arms, n_options;
    const Expr *const *values; /* values[0] is "value" above */
    const Expr *type;
    const Expr *message;
    const IfArm *arms;
    const LangArg *options;
};

typedef enum FnKind { FN_FUNCTION, FN_MODEL, FN_TRAIN, FN_ANONYMOUS } FnKind;

typedef struct Param {
    StrView name;
    const Expr *type;  /* or NULL */
    const Expr *value; /* the default, or NULL */
    Place place;
} Param;

struct FnDef {
    FnKind kind;
    StrView name; /* "fn" of an anonymous one */
    Place place;
    const Param *params;
    uint32_t n_params;
    Block body;
    const Expr *value; /* of `=> value`; else the body */
};

typedef TN_VEC(const FnDef *) FnDefVec;

/* Reads all items of a source; those before the first mistake of each are kept. False after
 * diagnostics, which list every mistake. */
bool tn_lang_parse(Ctx *ctx, const LangSource *source, FnDefVec *out);

/* ---- shared by the parts of the parser ---- */

typedef struct LangParser {
    Lexer lexer;
    Ctx *ctx;
    const LangSource *source;
    uint32_t depth; /* of nested expressions and blocks */
    uint32_t open;  /* brackets around: line ends mean nothing inside */
    const Place *within; /* of the text whose {hole} is being read; or NULL */
    bool failed;
} LangParser;

typedef TN_VEC(const Expr *) ExprVec;
typedef TN_VEC(LangArg) ArgVec;

/* NULL or false after a diagnostic. */
const Expr *tn_lang_parse_expr(LangParser *p);
bool tn_lang_parse_exprs(LangParser *p, ExprVec *out);
bool tn_lang_parse_args(LangParser *p, const char *close, ArgVec *out);
bool tn_lang_parse_block(LangParser *p, Block *out);
bool tn_lang_parse_params(LangParser *p, FnDef *fn);
/* Takes the comma between two entries; nothing before `close`. */
bool tn_lang_separates(LangParser *p, const char *close);
/* A name that is no word of the language. */
bool tn_lang_parse_name(LangParser *p, StrView *out);
Place tn_lang_place(const LangParser *p);
/* One deeper; false after a TN_LIMIT diagnostic. Depth is given back by p->depth--. */
bool tn_lang_deeper(LangParser *p);
/* Whether the next token goes on with an expression: it is on the same line, or inside
 * brackets. */
bool tn_lang_goes_on(const LangParser *p);

#endif
