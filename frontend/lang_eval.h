/* lang_eval.h: evaluating model source: compile-time values, and the graphs they build.
 *
 * Evaluation runs the program once for every entry of the module; tensors are values of the
 * graph being built, everything else is known at compile time. A mistake gives a diagnostic
 * and the value VAL_BAD, which every operation passes on in silence, so evaluation goes on
 * and finds further mistakes. Work is bounded: depth, steps and nodes (lang_limits).
 */
#ifndef TN_FRONTEND_LANG_EVAL_H
#define TN_FRONTEND_LANG_EVAL_H

#include "frontend/compose.h"
#include "frontend/lang_ast.h"
#include "frontend/symbols.h"
#include "ir/module.h"

enum {
    LANG_CALLS_MAX = 200,    /* nested calls */
    LANG_NEST_MAX = 1200,    /* nested evaluations of expressions and blocks */
    LANG_STEPS_MAX = 4000000, /* evaluations and list entries, over all entries */
    LANG_NODES_MAX = 100000, /* of one entry's graph */
    LANG_LIST_MAX = 100000,
    LANG_TEXT_MAX = 10000
};

typedef struct Lang Lang;
typedef struct Val Val;
typedef struct Fn Fn;
typedef struct Args Args;
typedef struct Var Var;

typedef enum ValKind {
    VAL_BAD,    /* a mistake has been reported */
    VAL_ABSENT, /* an argument that was not given */
    VAL_NONE,
    VAL_TENSOR,
    VAL_INT,    /* dim: a number or an expression over symbols */
    VAL_FLOAT,
    VAL_BOOL,
    VAL_STRING,
    VAL_LIST,   /* also several results of a function */
    VAL_FN,
    VAL_DTYPE,
    VAL_TYPE,   /* f32[N,10] */
    VAL_MATCH   /* "mlp.dense*": what a pattern or a model in `over` means */
} ValKind;

typedef struct List {
    const Val *items;
    size_t n;
} List;

struct Val {
    ValKind kind;
    bool weak; /* a tensor (f64 scalar) that takes the dtype of what it meets, as numbers do */
    union {
        struct {
            Value *tensor;
            Graph *graph; /* the tensor's */
        };
        const Dim *dim;
        double number;
        bool truth;
        StrView text;
        const List *list;
        const Fn *fn;
        DType dtype;
        const Type *type;
    };
};

/* Names of one call. `outer` are those around an anonymous function when it was made. */
typedef struct Env {
    Map names; /* -> Val * */
    const struct Env *outer;
} Env;

typedef Val BuiltinFn(Args *args);

typedef struct Builtin {
    const char *name;
    const char *params; /* names separated by spaces; those behind '|' may be left out */
    BuiltinFn *run;
    int what; /* for functions that serve several rows: an Op, mostly */
} Builtin;

struct Fn {
    const FnDef *def;         /* one of the four */
    const Builtin *builtin;
    Op op;                    /* TN_OP_COUNT */
    const Graph *network;     /* an imported graph whose constants are parameters */
    const Env *outer;
};

enum { LANG_ARGS_MAX = 10 };

/* A call of a builtin, arguments in the order of its row. */
struct Args {
    Lang *lang;
    Place place;
    const Builtin *builtin;
    Val v[LANG_ARGS_MAX];
};

/* What variables of a call are called after. */
typedef struct Scope {
    struct Scope *parent;
    StrView base, given; /* the function's name; name= of the call */
    const char *path;    /* NULL until a variable needs it */
    const char *suffix;  /* of optimiser state: the parameter's name; or NULL */
    Map children;        /* names taken -> Child * */
} Scope;

typedef TN_VEC(Val) ValVec;

/* A body of a loop over time being evaluated: a graph of its own, whose inputs are the turn,
 * the carried values, slices, and what it uses from around. */
typedef struct LoopState {
    struct LoopState *outer; /* the loop around, of the same entry */
    const LoopExpr *loop;
    Graph *around, *body;
    Value *turn;
    TN_VEC(Value *) in; /* the node's operands */
    Map captured;       /* id of a value around -> the body's input */
    Val *next;          /* per carried value; VAL_ABSENT until the body gives it */
    ValVec yields;
    bool yielded;
} LoopState;

typedef struct Frame {
    struct Frame *caller;
    const FnDef *def;
    Place place; /* of the call; source NULL for an entry */
    Env *env;
    Scope *scope;
    Map vars; /* name -> Var *, declared in this call */
    LoopState *loop;
    bool returned;
    const Stmt *returned_by;
    Val *pending; /* values of parameters while they are bound: VAL_ABSENT, a default to come */
    Val result;
} Frame;

/* A variable of the module. */
struct Var {
    const char *name;
    tn_state_role role;
    Type type;
    int32_t state; /* number in the module */
    Place place;
};

typedef struct Metric {
    const char *name;
    Val value;
} Metric;

/* A minimize statement as evaluated. */
typedef struct Minimize {
    const Stmt *stmt;
    Value *loss;
    const char *name;
    const Env *env;            /* names at that place */
    TN_VEC(int32_t) vars;      /* numbers in Lang.vars */
    TN_VEC(Value *) gradients; /* parallel */
    int32_t rate;              /* hyper-parameter of the rate, or -1 */
} Minimize;

/* Random numbers that a step draws. */
typedef struct RandomUse {
    const Value *value;
    const Graph *graph;
    Place place;
} RandomUse;

typedef enum EntryKind {
    ENTRY_INIT,
    ENTRY_INFER,
    ENTRY_STEP,
    ENTRY_EVAL,
    ENTRY_GRAD,
    ENTRY_APPLY
} EntryKind;

/* What of a variable the entry being built knows. */
typedef struct VarUse {
    Value *old;     /* the input; NULL until it is read */
    Value *current; /* what reading gives now */
} VarUse;

typedef struct Entry {
    EntryKind kind;
    Graph *root;     /* the entry's graph */
    Graph *graph;    /* the one nodes go to: the root, or a loop's body */
    LoopState *loop; /* the innermost */
    const FnDef *def;
    bool training;
    Map uses;   /* var number -> VarUse * */
    Map hypers; /* number -> Value * */
    uint32_t n_random;
    uint32_t random_base; /* tells the random operators of different places apart */
    TN_VEC(Minimize *) minimizes;
    TN_VEC(Metric) metrics;
    TN_VEC(RandomUse) randoms;
} Entry;

struct Lang {
    Ctx *ctx;
    Module *module;
    const FrontendOptions *options;
    Import import;
    Call call; /* the one in progress */
    size_t had; /* diagnostics before it */
    Symbols symbols;
    Map items; /* name -> const FnDef * */
    TN_VEC(const FnDef *) models; /* the user's, in order */
    TN_VEC(const FnDef *) trains;
    TN_VEC(Var *) vars;
    Map by_name; /* -> Var * */
    Entry *entry;
    Entry *init; /* NULL until a variable is declared */
    TN_VEC(Entry *) entries; /* finished */
    Map tags;    /* tensor -> Tag * */
    const Fn *network; /* what `network` calls, or NULL */
    Map weights;       /* id of a constant of the network -> Var * */
    bool chosen;       /* its parameters were named: a loss must reach each */
    Frame *frame;
    const FnDef *first_model; /* the one a train block called first */
    Map called;               /* models called by name */
    bool lenient;             /* what is not known of sizes counts as false */
    const char *hyper_name;   /* of hyper(...) in the argument being evaluated */
    uint32_t nest, calls;
    uint64_t steps;
    bool stopped; /* a limit was reached */
    Map reported; /* hash of place and text */
};

/* What a function of the library noted about a tensor. */
typedef struct Tag {
    StrView name;
    Val value;
    const struct Tag *next;
} Tag;

/* ---- diagnostics (lang_diag.c) ---- */

/* The place of the user's text that `place`, perhaps in the library, was called from. */
Place tn_lang_user_place(const Lang *lang, Place place);
Loc tn_lang_loc(const Lang *lang, Place place);
/* Adds a diagnostic; always VAL_BAD. */
Val tn_lang_error(Lang *lang, Place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
Val tn_lang_limit(Lang *lang, Place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A note: the model compiles. */
void tn_lang_warn(Lang *lang, Place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Starts building nodes at a place; the returned call is valid until the next start. */
Call *tn_lang_start(Lang *lang, Place place, const char *op);
/* Ends it: VAL_BAD when `tensor` is NULL, its diagnostics completed. */
Val tn_lang_finish(Lang *lang, Place place, Value *tensor);
/* The known name most like it, empty when none is. */
StrView tn_lang_suggest(const Lang *lang, StrView name);
/* Counts work; false after a TN_LIMIT diagnostic. */
bool tn_lang_work(Lang *lang, Place place, size_t amount);

/* ---- values (lang_value.c) ---- */

Val tn_val_none(void);
Val tn_val_bool(bool truth);
Val tn_val_float(double number);
Val tn_val_dim(const Dim *dim);
Val tn_val_int(Lang *lang, int64_t value);
Val tn_val_text(StrView text);
Val tn_val_dtype(DType dtype);
Val tn_val_list(Lang *lang, const Val *items, size_t n); /* items are copied */
Val tn_val_tensor(const Lang *lang, Value *tensor);
Val tn_val_shape(Lang *lang, const Type *type);
static inline bool tn_val_is_number(Val v) {
    return v.kind == VAL_INT || v.kind == VAL_FLOAT;
}
/* A number known at compile time. */
bool tn_val_known(Val v, double *out);
/* "a tensor f32[N,10]", "the number 3": for messages. */
const char *tn_val_describe(Lang *lang, Val v);
/* As it stands in a text: "3", "[N,10]". */
void tn_val_print(Lang *lang, Val v, StrBuf *out);
bool tn_val_equal(Val a, Val b);

/* The tensor in the graph being built: a loop's body captures what lies around it, and in the
 * init entry a variable's old value stands for its first. NULL after a diagnostic. */
Value *tn_lang_here(Lang *lang, Place place, Val tensor);
/* Conversions of arguments; `what` names it in the message ("axis"). False or NULL after a
 * diagnostic, or when `v` is VAL_BAD. */
Value *tn_lang_tensor(Lang *lang, Place place, Val v, DType dtype, const char *what);
bool tn_lang_bool(Lang *lang, Place place, Val v, const char *what, bool *out);
bool tn_lang_int(Lang *lang, Place place, Val v, const char *what, int64_t *out);
const Dim *tn_lang_dim(Lang *lang, Place place, Val v, const char *what);
bool tn_lang_number(Lang *lang, Place place, Val v, const char *what, double *out);
bool tn_lang_dtype(Lang *lang, Place place, Val v, const char *what, DType *out);
bool tn_lang_string(Lang *lang, Place place, Val v, const char *what, StrView *out);
/* A list of sizes; a single number is a list of one. */
bool tn_lang_shape(Lang *lang, Place place, Val v, const char *what, Shape *out);
bool tn_lang_axis(Lang *lang, Place place, Val v, int rank, const char *what, int *out);
/* none: all; a number or a list: those, as bits. */
bool tn_lang_axes(Lang *lang, Place place, Val v, int rank, const char *what, uint32_t *out);

/* ---- arithmetic (lang_arith.c) ---- */

/* The dtype that values meet in; TN_DT_NONE when all are numbers known at compile time,
 * *weak when only weak tensors and numbers are among them. False after a diagnostic. */
bool tn_lang_meet(Lang *lang, Place place, const Val *v, size_t n, DType *dtype, bool *weak);
Val tn_lang_binary(Lang *lang, Place place, LangOp op, Val a, Val b);
Val tn_lang_unary(Lang *lang, Place place, LangOp op, Val a);
/* An elementwise primitive on operands that broadcast. */
Val tn_lang_map(Lang *lang, Place place, Op op, const Val *v, size_t n);
const char *tn_lang_op_text(LangOp op);
bool tn_lang_compares(LangOp op);
/* 0 or 1, or an expression of symbols: whether a comparison of sizes holds, or with *negate
 * whether it does not. */
const Dim *tn_lang_truth(Lang *lang, LangOp op, const Dim *a, const Dim *b, bool *negate);

/* ---- expressions and calls (lang_expr.c, lang_call.c, lang_index.c, lang_loop.c) ---- */

Val tn_lang_eval(Lang *lang, const Expr *expr);
/* Entries of an index or a list, *lists spread. */
bool tn_lang_eval_items(Lang *lang, const Expr *const *items, uint32_t n, ValVec *out);
Val tn_lang_index(Lang *lang, const Expr *expr, Val base);
Val tn_lang_loop(Lang *lang, const Expr *expr);
/* The input of a loop's body for a value around it; NULL when it comes from elsewhere. */
Value *tn_loop_capture(LoopState *loop, Val v);

/* The network's nodes over other inputs (lang_network.c). */
Val tn_lang_inline(Lang *lang, Place place, const Graph *network, const Val *v, size_t n);

typedef struct NamedVal {
    StrView key;
    Val value;
    Place place;
} NamedVal;

typedef struct CallArgs {
    TN_VEC(Val) list;
    TN_VEC(NamedVal) named;
    Place place;
} CallArgs;

Val tn_lang_call(Lang *lang, const Fn *fn, CallArgs *args);
/* With positional arguments alone. */
Val tn_lang_apply(Lang *lang, Place place, const Fn *fn, const Val *v, size_t n);
bool tn_lang_eval_args(Lang *lang, const LangArg *args, uint32_t n, CallArgs *out);
/* A user's or library's function in a frame whose scope is given; `rate` replaces a plain
 * number as the parameter of that name, unless it is VAL_ABSENT. */
Val tn_lang_enter(Lang *lang, const FnDef *def, const Env *outer, CallArgs *args, Scope *scope,
                  Val (*adapt)(Lang *lang, StrView param, Val value, void *arg), void *arg);
/* Evaluates the default of parameter `i` when it is still to come; false otherwise. */
bool tn_lang_bind_default(Lang *lang, Frame *frame, uint32_t i);
void tn_lang_exec(Lang *lang, const Block *block);
const Fn *tn_lang_find_item(Lang *lang, StrView name);
/* All of them; the last has no name. */
const Builtin *tn_lang_builtins(void);
const Fn *tn_lang_find_builtin(Lang *lang, StrView name);

Val *tn_env_get(const Env *env, StrView name);
void tn_env_set(Lang *lang, Env *env, StrView name, Val value);
Env *tn_env_new(Lang *lang, const Env *outer);
/* The names as they are now. */
const Env *tn_env_freeze(Lang *lang, const Env *env);

/* ---- types (lang_type.c) ---- */

/* A type's value, every dim known. */
bool tn_lang_type(Lang *lang, const Expr *expr, Type *out);
/* Holds an argument against a parameter's type, and binds the dims it names. */
bool tn_lang_match(Lang *lang, const Param *param, Place place, Val *arg);
/* The type of an entry's input, whose new names are symbols. */
bool tn_lang_input_type(Lang *lang, const Param *param, int input, Type *out);

/* ---- variables (lang_var.c) ---- */

Scope *tn_scope_new(Lang *lang, Scope *parent, StrView base, StrView given);
Scope *tn_scope_root(Lang *lang, const char *path);
void tn_lang_declare(Lang *lang, const Stmt *stmt);
void tn_lang_update(Lang *lang, const Stmt *stmt);
/* The value of a variable in the entry being built. */
Val tn_var_read(Lang *lang, const Var *var);
/* Its new value, of the entry's root graph. */
void tn_var_write(Lang *lang, const Var *var, Value *value);
/* A variable that the language itself keeps; its first value is `init`, a number. */
Var *tn_var_own(Lang *lang, const char *name, tn_state_role role, Type type, double init);
/* A parameter whose first value is given; `bytes` are borrowed. */
Var *tn_var_given(Lang *lang, const char *name, Type type, const void *bytes);
/* The seed, which `init` is given. */
Var *tn_var_seed(Lang *lang);
/* What the init entry gives the variable's old value in another graph, or NULL. */
Value *tn_var_init(Lang *lang, const Graph *graph, const Value *value);
/* The number of the hyper-parameter of that name, added when it is new. */
int32_t tn_hyper_number(Lang *lang, const char *name, double value);
/* A hyper-parameter: weak. */
Val tn_lang_hyper(Lang *lang, int32_t number);

/* ---- entries (lang_entry.c, lang_train.c) ---- */

Entry *tn_entry_new(Lang *lang, EntryKind kind, const FnDef *def, const char *name);
/* The entry in which variables get their first values. */
Entry *tn_entry_init(Lang *lang);
/* Runs the body of the entry's definition over inputs of its own; NULL after a diagnostic. */
Frame *tn_entry_run(Lang *lang, Entry *entry);
/* An output for the caller; names that are taken get numbers. */
void tn_entry_output(Lang *lang, Entry *entry, const char *name, Value *value);
/* Adds new values of variables as outputs and puts the inputs in order. */
void tn_entry_finish(Lang *lang, Entry *entry);
/* Makes `entry` the one that is built; returns the one before. */
Entry *tn_entry_switch(Lang *lang, Entry *entry);
bool tn_lang_infer(Lang *lang, const FnDef *def, const char *name);
bool tn_lang_train(Lang *lang, const FnDef *def);
void tn_lang_minimize(Lang *lang, const Stmt *stmt);
void tn_lang_metric(Lang *lang, const Stmt *stmt);
/* Names of the block's own variables and entries: "step", or "T.step" among several blocks. */
const char *tn_lang_block_name(const Lang *lang, const FnDef *def, const char *name);

/* ---- randomness (lang_random.c) ---- */

/* The key of one random operator: two u32 scalars. */
bool tn_lang_key(Lang *lang, Place place, Value *key[2]);

#endif
