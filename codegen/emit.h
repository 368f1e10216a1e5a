/* emit.h: what the files of the C emitter share.
 *
 * A kernel is printed statement by statement. Unrolled loop variables are replaced by
 * numbers, a vector loop's statements are printed once over vectors, all other loops are C
 * loops. Names are numbered in the order of their use, so equal kernels print equally:
 * b0.. buffers, s0.. sizes, i.. loop variables, n.. extents, q.. quotients, t.. temps, x..
 * values.
 */
#ifndef TN_CODEGEN_EMIT_H
#define TN_CODEGEN_EMIT_H

#include "codegen/codegen.h"
#include "codegen/prelude.h"

/* What becomes of a loop variable, the same wherever the loop is printed. */
typedef enum LoopForm {
    FORM_LOOP,  /* a C variable */
    FORM_CONST, /* numbers: unrolled, or a single iteration */
    FORM_LANE   /* lanes of vectors */
} LoopForm;

/* A loop of the kernel. */
typedef struct LoopPlan {
    LoopForm form;
    int32_t lanes;      /* of a vector; CONST: turns */
    const Dim *extent;
    const char *name;   /* of the variable in C; NULL outside of the loop */
} LoopPlan;

/* A temp as C variables, decided at its home: the block that holds all its accesses. */
typedef struct TempRep {
    const Temp *temp;
    bool array;       /* one C array; otherwise a variable an element (or a vector of them) */
    bool private;     /* every lane has its own: elements are vectors */
    bool uniform;     /* lanes beyond a vector loop's extent are never looked at */
    int32_t lanes;    /* of a variable or, private, an array element; 1: scalars */
    int lane_dim;     /* the dimension that lies along the lanes, or -1 */
    uint32_t number;  /* of this instance */
    uint32_t n_vars;
    bool *used;       /* variables that occur */
    struct TempRep *outer;
} TempRep;

typedef TN_VEC(Temp *) TempVec;

typedef struct Memo {
    const void *key; /* text of a load, or an expression */
    const Buf *buf;  /* loads: whose element; NULL once overwritten */
    const char *name;
    VType type;
} Memo;

typedef TN_VEC(Memo) MemoVec;

/* The vector loop whose statements are being printed. */
typedef struct Lanes {
    const Dim *var;    /* NULL outside of vector loops */
    const Dim *extent;
    int32_t n;
    const char *count; /* lanes in use, in C; NULL: all */
} Lanes;

/* The body of a C loop, or of the kernel: what is computed first, once a turn, and the rest. */
typedef struct Frame {
    const Dim *var; /* NULL: the kernel */
    int depth;
    StrBuf text, body;
    Map names; /* quotient -> its name */
    StrBuf *out;
    struct Frame *outer;
} Frame;

typedef struct Emit {
    Ctx *ctx;
    Arena *arena; /* scratch */
    Kernel *kernel;
    Prelude *prelude;
    const bool *shared; /* by buffer: memory may also be another parameter's; NULL: none is */
    StrBuf *out;
    int depth;
    uint32_t n_names, n_statements;
    bool failed;
    Map loops; /* symbol of the variable -> LoopPlan */
    TN_VEC(const Dim *) from, to; /* loop variables replaced by numbers now */
    TN_VEC(uint32_t) sizes; /* symbols passed as parameters */
    Frame *frame;           /* the innermost */
    const Dim *defined;     /* the quotient being given a name */
    bool *buf_used;
    Lanes lanes;
    const Dim *single;       /* lane variable while lanes run one by one in a C loop */
    const char *single_name;
    MemoVec loads, values;
    size_t loads_base, values_base;
    Map uses;  /* of the expressions of the current statement */
    Map homes; /* statement that owns the block (NULL: the kernel) -> TempVec */
    TempRep **reps;
} Emit;

/* A C expression: a name, a literal, a call, or in parentheses. */
typedef struct Val {
    const char *text;
    VType type;
} Val;

/* ---- emit_kernel.c ---- */

/* "(int32_t thread, ...)\n{...}\n": a kernel's text without its name, or NULL after a
 * diagnostic. `sizes` receives the symbols it takes after its buffers. */
const char *tn_emit_kernel(Ctx *ctx, Prelude *prelude, Kernel *kernel, const bool *shared,
                           const uint32_t **sizes, size_t *n_sizes);

void tn_emit_line(Emit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *tn_emit_text(Emit *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A fresh "x7". */
const char *tn_emit_name(Emit *e, const char *prefix);
/* The dimension with unrolled variables replaced; and its C text, in parentheses if need be. */
const Dim *tn_emit_resolve(Emit *e, const Dim *dim);
const char *tn_emit_dim(Emit *e, const Dim *dim);
/* What is printed until the frame is closed belongs to the loop over `var`. */
void tn_emit_open_frame(Emit *e, Frame *frame, const Dim *var);
void tn_emit_close_frame(Emit *e);
bool tn_emit_fail(Emit *e, tn_status status, const char *what);
/* The position of an element, in elements from the buffer's start. */
const Dim *tn_emit_position(Emit *e, const Buf *buf, const Dim *const *index);
/* Whether the lane variable occurs. */
bool tn_emit_uses_lanes(const Emit *e, const Dim *dim);

/* ---- emit_stmt.c ---- */

void tn_emit_block(Emit *e, const Stmt *owner, Stmt *body);

/* ---- emit_temp.c ---- */

/* Decides the form of every loop; false after a diagnostic. */
bool tn_emit_plan_loops(Emit *e);
/* What has been decided of the loop over `var`. */
LoopPlan *tn_emit_plan_of(const Emit *e, const Dim *var);
void tn_emit_plan_homes(Emit *e);
/* Opens the temps at home in this block, and closes them, printing their declarations. */
TempVec *tn_emit_open_temps(Emit *e, const Stmt *owner, Stmt *body);
void tn_emit_close_temps(Emit *e, TempVec *temps);
/* The C lvalue of an element: a vector of all lanes when it varies by lane, its text NULL
 * when that must be done lane by lane. And its value. */
Val tn_emit_temp(Emit *e, const Temp *temp, const Dim *const *index);
Val tn_emit_read_temp(Emit *e, const Temp *temp, const Dim *const *index);
/* The vector of all elements whose index along the lanes is `var`, or NULL. */
const char *tn_emit_all_lanes(Emit *e, const Temp *temp, const Dim *const *index, const Dim *var);
/* Assigns; lanes out of use keep their value where that can matter. */
void tn_emit_assign(Emit *e, const Temp *temp, const Dim *const *index, Val value);

/* ---- emit_expr.c ---- */

/* Prints what must precede the expression and returns it. */
Val tn_emit_expr(Emit *e, Expr *expr);
/* The value of a whole statement: parts shared within it, or with what of the statement is
 * emitted next (`also`, may be NULL), are computed once. */
Val tn_emit_value(Emit *e, Expr *expr, Expr *also);
/* One lane after the other in a C loop. */
Val tn_emit_by_lane(Emit *e, Expr *expr);
void tn_emit_store(Emit *e, const Stmt *stmt);

/* ---- emit_value.c ---- */

Val tn_val_const(Emit *e, const Expr *expr);
Val tn_val_map(Emit *e, Op op, DType dtype, const Val *args, int n);
/* In as many lanes; as a mask of that width. */
Val tn_val_spread(Emit *e, Val value, int32_t lanes);
Val tn_val_mask(Emit *e, Val value, int32_t bytes);
Val tn_val_cast(Emit *e, Val value, DType dtype);
/* A variable of this value. */
Val tn_val_name(Emit *e, Val value);

#endif
