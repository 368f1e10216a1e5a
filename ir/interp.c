/* interp.c: runs a kernel as ir/loop.h defines it, checking every access.
 *
 * The tree is first compiled into a form that is quick to walk: affine indices become
 * coefficient lists, functions of the op table get their one-element tensors made once.
 * Floats are kept in double and rounded only when stored to a buffer of a narrower dtype;
 * integers are kept in 64 bits. Temps and locals remember which elements were written. A
 * part shared within one statement is evaluated once: nothing changes while a statement's
 * value is computed. All working memory is scratch and given back before returning.
 */
#include "base/map.h"
#include "ir/loop.h"

#include <inttypes.h>
#include <string.h>

/* Elements of one local that the interpreter is willing to hold. */
#define LOCAL_MAX ((int64_t)1 << 28)

typedef union Cell {
    double f;
    int64_t i;
} Cell;

typedef struct Term {
    uint32_t sym;
    int64_t coef;
} Term;

/* A dimension expression: base + sum of terms, or whatever `general` is. */
typedef struct Affine {
    int64_t base;
    uint32_t n;
    const Term *terms;
    const Dim *general;
} Affine;

/* Where the elements of a buffer or a temp are. */
typedef struct Place {
    const char *name;
    DType dtype;
    int rank;
    int64_t dims[TN_MAX_RANK + 4];
    int64_t strides[TN_MAX_RANK + 4];
    unsigned char *data;    /* buffers, in their own dtype */
    Cell *cells;            /* temps */
    unsigned char *written; /* one flag an element; NULL for parameters */
} Place;

/* A function of the op table on single elements. */
typedef struct Call {
    EvalFn *fn;
    EvalArgs args;
    RefTensor tensors[3];
    const RefTensor *in[3];
    RefTensor out;
    Node node;
} Call;

typedef struct Part {
    ExprKind kind;
    bool is_float;
    uint8_t n_args, n_index, dyn;
    uint64_t stamp; /* statement execution that computed `value` */
    Cell value;
    Affine dim;
    Affine *index;
    Place *place;
    struct Part *args[3];
    Op op;
    Call *call;
} Part;

typedef struct Code {
    const Stmt *stmt;
    struct Code *next, *body;
    uint32_t sym;
    Affine extent;
    Affine *index;
    Place *place;
    Part *value;
    Part *at; /* STORE: the computed part of index `dyn`, or NULL */
    Cell held, operand; /* ACC */
    Call *call;
} Code;

typedef struct Run {
    Kernel *kernel;
    Arena *arena;
    int64_t *symbols;
    Place *bufs;
    Place *temps;
    Map parts; /* Expr -> Part */
    uint64_t stamp;
    bool failed;
} Run;

static bool fail(Run *run, const char *what) {
    if (!run->failed) {
        run->failed = true;
        tn_diag(&run->kernel->ctx->diags, TN_INTERNAL, (Loc){0}, "kernel '%s': %s",
                run->kernel->name, what);
    }
    return false;
}

/* ---- dimensions ---- */

static bool is_affine(const Dim *dim) {
    if (dim->overflow) {
        return false;
    }
    if (dim->kind != DIM_SUM) {
        return dim->kind == DIM_CONST || dim->kind == DIM_SYM;
    }
    for (uint32_t i = 0; i < dim->n_args; i++) {
        if (dim->args[i]->kind != DIM_SYM) {
            return false;
        }
    }
    return true;
}

static Affine compile_dim(Run *run, const Dim *dim) {
    Affine out = {0};
    if (!is_affine(dim)) {
        out.general = dim;
        return out;
    }
    out.base = dim->kind == DIM_SYM ? 0 : dim->value;
    out.n = dim->kind == DIM_SUM ? dim->n_args : dim->kind == DIM_SYM;
    Term *terms = TN_NEW_ARRAY(run->arena, Term, out.n);
    for (uint32_t i = 0; i < out.n; i++) {
        const Dim *sym = dim->kind == DIM_SYM ? dim : dim->args[i];
        terms[i] = (Term){sym->sym, dim->kind == DIM_SYM ? 1 : dim->coefs[i]};
    }
    out.terms = terms;
    return out;
}

static int64_t eval_dim(Run *run, const Affine *dim) {
    int64_t sum = dim->base;
    if (dim->general != NULL) {
        if (!tn_dim_eval(dim->general, run->symbols, &sum)) {
            fail(run, "an index expression overflows");
        }
        return sum;
    }
    for (uint32_t i = 0; i < dim->n; i++) {
        int64_t product = 0;
        if (__builtin_mul_overflow(dim->terms[i].coef, run->symbols[dim->terms[i].sym], &product) ||
            __builtin_add_overflow(sum, product, &sum)) {
            fail(run, "an index expression overflows");
            return 0;
        }
    }
    return sum;
}

static Affine *compile_index(Run *run, const Dim *const *index, size_t n) {
    Affine *out = TN_NEW_ARRAY(run->arena, Affine, n);
    for (size_t d = 0; d < n; d++) {
        out[d] = compile_dim(run, index[d]);
    }
    return out;
}

/* ---- functions ---- */

static Call *compile_call(Run *run, Op op, DType result, const DType *dtypes, Cell *const *cells,
                          int n, Cell *out) {
    Call *call = TN_NEW(run->arena, Call);
    call->fn = tn_op_info(op)->eval;
    for (int i = 0; i < n; i++) {
        call->tensors[i].dtype = dtypes[i];
        call->tensors[i].count = 1;
        call->tensors[i].f = &cells[i]->f;
        call->in[i] = &call->tensors[i];
    }
    call->out.dtype = result;
    call->out.count = 1;
    call->out.f = &out->f;
    call->node.op = op;
    call->args = (EvalArgs){.ctx = run->kernel->ctx,
                            .node = &call->node,
                            .in = call->in,
                            .out = &call->out,
                            .symbols = run->symbols};
    return call;
}

/* ---- elements ---- */

/* The position of the element, or -1 after a diagnostic. `shift` is added to dim `dyn`. */
static int64_t position(Run *run, const Place *place, const Affine *index, int dyn, int64_t shift) {
    int64_t at = 0;
    for (int d = 0; d < place->rank; d++) {
        int64_t i = eval_dim(run, &index[d]) + (d == dyn ? shift : 0);
        if (i < 0 || i >= place->dims[d]) {
            fail(run, tn_arena_printf(&run->kernel->ctx->arena,
                                      "index %d of %s is %" PRId64 ", not below %" PRId64, d,
                                      place->name, i, place->dims[d]));
            return -1;
        }
        at += i * place->strides[d];
    }
    return at;
}

static Cell fetch(const unsigned char *at, DType dtype) {
    union {
        float f32;
        double f64;
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
    } raw;
    memcpy(&raw, at, tn_dtype_bytes(dtype));
    switch (dtype) {
    case TN_F32:
        return (Cell){.f = (double)raw.f32};
    case TN_F64:
        return (Cell){.f = raw.f64};
    case TN_I8:
        return (Cell){.i = raw.i8};
    case TN_I16:
        return (Cell){.i = raw.i16};
    case TN_I32:
        return (Cell){.i = raw.i32};
    case TN_U8:
    case TN_BOOL:
        return (Cell){.i = raw.u8};
    case TN_U16:
        return (Cell){.i = raw.u16};
    case TN_U32:
        return (Cell){.i = raw.u32};
    default:
        return (Cell){.i = raw.i64};
    }
}

static void put(unsigned char *at, DType dtype, Cell value) {
    if (dtype == TN_F32) {
        float narrow = (float)value.f;
        memcpy(at, &narrow, sizeof narrow);
    } else if (dtype == TN_BOOL) {
        *at = value.i != 0;
    } else {
        /* Little-endian: the low bytes are the wrapped integer, all eight are the double. */
        memcpy(at, &value, tn_dtype_bytes(dtype));
    }
}

/* Integer results wrap to their width, as they would in memory. */
static void do_call(Run *run, Call *call) {
    if (!call->fn(&call->args)) {
        fail(run, "a function could not be evaluated");
    } else if (!tn_dtype_is_float(call->out.dtype)) {
        unsigned char raw[sizeof(int64_t)];
        put(raw, call->out.dtype, (Cell){.i = call->out.i[0]});
        call->out.i[0] = fetch(raw, call->out.dtype).i;
    }
}

static Cell read_place(Run *run, const Place *place, const Affine *index, int dyn, int64_t shift) {
    int64_t at = position(run, place, index, dyn, shift);
    if (at < 0) {
        return (Cell){0};
    }
    if (place->written != NULL && !place->written[at]) {
        fail(run, tn_arena_printf(&run->kernel->ctx->arena,
                                  "element %" PRId64 " of %s is read before it is written", at,
                                  place->name));
        return (Cell){0};
    }
    return place->cells != NULL
               ? place->cells[at]
               : fetch(place->data + (size_t)at * tn_dtype_bytes(place->dtype), place->dtype);
}

static void write_place(Run *run, Place *place, const Affine *index, int dyn, int64_t shift,
                        Cell value) {
    int64_t at = position(run, place, index, dyn, shift);
    if (at < 0) {
        return;
    }
    if (place->written != NULL) {
        place->written[at] = 1;
    }
    if (place->cells != NULL) {
        place->cells[at] = value;
    } else {
        put(place->data + (size_t)at * tn_dtype_bytes(place->dtype), place->dtype, value);
    }
}

/* ---- expressions ---- */

static Part *compile_expr(Run *run, const Expr *expr);

static void compile_function(Run *run, Part *part, const Expr *expr) {
    DType dtypes[3];
    Cell *cells[3];
    for (int i = 0; i < expr->n_args; i++) {
        dtypes[i] = expr->args[i]->dtype;
        cells[i] = &part->args[i]->value;
    }
    part->op = expr->op;
    part->call =
        compile_call(run, expr->op, expr->dtype, dtypes, cells, expr->n_args, &part->value);
}

/* The dimension's value is converted by the table's own cast. */
static void compile_conversion(Run *run, Part *part, const Expr *expr) {
    part->dim = compile_dim(run, expr->dim);
    Part *source = TN_NEW(run->arena, Part);
    part->args[0] = source;
    DType dtype = TN_I64;
    Cell *cell = &source->value;
    part->call = compile_call(run, TN_OP_cast, expr->dtype, &dtype, &cell, 1, &part->value);
}

static void compile_kind(Run *run, Part *part, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_CONST:
        part->value.i = expr->i;
        if (part->is_float) {
            part->value.f = expr->f;
        }
        break;
    case EXPR_INDEX:
        compile_conversion(run, part, expr);
        break;
    case EXPR_LOAD:
    case EXPR_DYNLOAD:
        part->place = &run->bufs[expr->buf->id];
        break;
    case EXPR_TEMP:
        part->place = &run->temps[expr->temp->id];
        break;
    case EXPR_MAP:
        compile_function(run, part, expr);
        break;
    case EXPR_GUARD:
        part->dim = compile_dim(run, expr->dim);
        break;
    }
}

static Part *compile_expr(Run *run, const Expr *expr) {
    Part *part = tn_map_get_int(&run->parts, (uint64_t)(uintptr_t)expr);
    if (part != NULL) {
        return part;
    }
    part = TN_NEW(run->arena, Part);
    part->kind = expr->kind;
    part->is_float = tn_dtype_is_float(expr->dtype);
    part->n_args = expr->n_args;
    part->n_index = expr->n_index;
    part->dyn = expr->dyn;
    part->index = compile_index(run, expr->index, expr->n_index);
    for (int i = 0; i < expr->n_args; i++) {
        part->args[i] = compile_expr(run, expr->args[i]);
    }
    compile_kind(run, part, expr);
    *tn_map_put_int(&run->parts, (uint64_t)(uintptr_t)expr, NULL) = part;
    return part;
}

static Cell eval_part(Run *run, Part *part);

/* The commonest functions of floats, without the detour through one-element tensors. */
static bool quick_function(Part *part) {
    if (!part->is_float || part->n_args != 2) {
        return false;
    }
    double a = part->args[0]->value.f;
    double b = part->args[1]->value.f;
    if (part->op == TN_OP_add) {
        part->value.f = a + b;
    } else if (part->op == TN_OP_mul) {
        part->value.f = a * b;
    } else if (part->op == TN_OP_sub) {
        part->value.f = a - b;
    } else {
        return false;
    }
    return true;
}

static void eval_function(Run *run, Part *part) {
    for (int i = 0; i < part->n_args; i++) {
        eval_part(run, part->args[i]);
    }
    if (!run->failed && !quick_function(part)) {
        do_call(run, part->call);
    }
}

static void eval_conversion(Run *run, Part *part) {
    int64_t value = eval_dim(run, &part->dim);
    part->args[0]->value.i = value;
    do_call(run, part->call);
}

static Cell eval_part(Run *run, Part *part) {
    if (part->kind == EXPR_CONST || part->stamp == run->stamp) {
        return part->value;
    }
    part->stamp = run->stamp;
    switch (part->kind) {
    case EXPR_INDEX:
        eval_conversion(run, part);
        break;
    case EXPR_LOAD:
    case EXPR_TEMP:
        part->value = read_place(run, part->place, part->index, -1, 0);
        break;
    case EXPR_DYNLOAD: {
        int64_t at = eval_part(run, part->args[0]).i;
        part->value = read_place(run, part->place, part->index, part->dyn, at);
        break;
    }
    case EXPR_MAP:
        eval_function(run, part);
        break;
    case EXPR_GUARD:
        part->value = eval_part(run, part->args[eval_dim(run, &part->dim) != 0 ? 0 : 1]);
        break;
    case EXPR_CONST:
        break;
    }
    return part->value;
}

/* ---- statements ---- */

static Code *compile_block(Run *run, const Stmt *stmt);

static void compile_assignment(Run *run, Code *code, const Stmt *stmt) {
    code->index = compile_index(run, stmt->index, stmt->n_index);
    code->value = compile_expr(run, stmt->value);
    code->at = stmt->at != NULL ? compile_expr(run, stmt->at) : NULL;
    code->place =
        stmt->kind == STMT_STORE ? &run->bufs[stmt->buf->id] : &run->temps[stmt->temp->id];
    if (stmt->kind == STMT_ACC) {
        DType dtypes[2] = {stmt->temp->dtype, stmt->temp->dtype};
        Cell *cells[2] = {&code->held, &code->operand};
        code->call = compile_call(run, stmt->op, stmt->temp->dtype, dtypes, cells, 2, &code->held);
    }
}

static Code *compile_block(Run *run, const Stmt *stmt) {
    Code *first = NULL;
    Code **link = &first;
    for (; stmt != NULL; stmt = stmt->next) {
        Code *code = TN_NEW(run->arena, Code);
        code->stmt = stmt;
        if (stmt->kind == STMT_FOR) {
            code->sym = stmt->var->sym;
            code->extent = compile_dim(run, stmt->extent);
            code->body = compile_block(run, stmt->body);
        } else {
            compile_assignment(run, code, stmt);
        }
        *link = code;
        link = &code->next;
    }
    return first;
}

static bool run_block(Run *run, Code *code);

static bool run_loop(Run *run, Code *code) {
    const Stmt *stmt = code->stmt;
    int64_t extent = eval_dim(run, &code->extent);
    bool limited = stmt->loop == LOOP_UNROLL || stmt->loop == LOOP_VECTOR;
    if (limited && extent > stmt->lanes) {
        return fail(run, tn_arena_printf(&run->kernel->ctx->arena,
                                         "a loop of %d lanes runs %" PRId64 " times",
                                         (int)stmt->lanes, extent));
    }
    for (int64_t i = 0; i < extent && !run->failed; i++) {
        run->symbols[code->sym] = i;
        run_block(run, code->body);
    }
    return !run->failed;
}

static void run_assignment(Run *run, Code *code) {
    run->stamp++;
    Cell value = eval_part(run, code->value);
    if (code->stmt->kind == STMT_ACC && !run->failed) {
        code->held = read_place(run, code->place, code->index, -1, 0);
        code->operand = value;
        if (!run->failed) {
            do_call(run, code->call);
        }
        value = code->held;
    }
    int64_t shift = code->at != NULL && !run->failed ? eval_part(run, code->at).i : 0;
    if (!run->failed) {
        write_place(run, code->place, code->index, code->at != NULL ? code->stmt->dyn : -1, shift,
                    value);
    }
}

static bool run_block(Run *run, Code *code) {
    for (; code != NULL && !run->failed; code = code->next) {
        if (code->stmt->kind == STMT_FOR) {
            run_loop(run, code);
        } else {
            run_assignment(run, code);
        }
    }
    return !run->failed;
}

/* ---- setting up ---- */

static bool set_dims(Run *run, Place *place, const Buf *buf, int64_t *count) {
    *count = 1;
    for (int d = 0; d < buf->rank; d++) {
        Affine dim = compile_dim(run, buf->dims[d]);
        Affine stride = compile_dim(run, buf->strides[d]);
        place->dims[d] = eval_dim(run, &dim);
        place->strides[d] = eval_dim(run, &stride);
        if (place->dims[d] < 0 || __builtin_mul_overflow(*count, place->dims[d], count)) {
            return fail(run, "the size of a buffer is negative or overflows");
        }
    }
    return !run->failed;
}

/* Strides of a local may leave gaps: one past the last element. */
static int64_t span(const Place *place) {
    int64_t last = 0;
    for (int d = 0; d < place->rank; d++) {
        if (place->dims[d] == 0) {
            return 0;
        }
        last += (place->dims[d] - 1) * place->strides[d];
    }
    return last + 1;
}

static bool place_buf(Run *run, const Buf *buf, void *data) {
    Place *place = &run->bufs[buf->id];
    int64_t count = 0;
    place->name = buf->name;
    place->dtype = buf->dtype;
    place->rank = buf->rank;
    place->data = data;
    if (!set_dims(run, place, buf, &count)) {
        return false;
    }
    if (buf->kind != BUF_LOCAL) {
        return true;
    }
    int64_t size = span(place);
    if (count > LOCAL_MAX || size < 0 || size > LOCAL_MAX) {
        return fail(run, "a local buffer is too large");
    }
    place->data = TN_NEW_ARRAY(run->arena, unsigned char, (size_t)size *tn_dtype_bytes(buf->dtype));
    place->written = TN_NEW_ARRAY(run->arena, unsigned char, (size_t)size);
    return true;
}

static void place_temp(Run *run, const Temp *temp) {
    Place *place = &run->temps[temp->id];
    size_t count = 1;
    place->name = temp->name;
    place->dtype = temp->dtype;
    place->rank = temp->rank;
    for (int d = temp->rank - 1; d >= 0; d--) {
        place->dims[d] = temp->extents[d];
        place->strides[d] = (int64_t)count;
        count *= (size_t)temp->extents[d];
    }
    place->cells = TN_NEW_ARRAY(run->arena, Cell, count);
    place->written = TN_NEW_ARRAY(run->arena, unsigned char, count);
}

static bool set_up(Run *run, void *const *data, const int64_t *symbols) {
    const Kernel *kernel = run->kernel;
    const DimTable *table = kernel->ctx->dims;
    run->symbols = TN_NEW_ARRAY(run->arena, int64_t, table->symbols.len);
    for (size_t s = 0; s < table->symbols.len; s++) {
        /* The caller's array need not reach to the kernel's own loop variables. */
        if (table->symbols.data[s].kind != SYM_LOOP) {
            run->symbols[s] = symbols[s];
        }
    }
    run->bufs = TN_NEW_ARRAY(run->arena, Place, kernel->bufs.len);
    run->temps = TN_NEW_ARRAY(run->arena, Place, kernel->temps.len);
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        const Buf *buf = kernel->bufs.data[i];
        if (!place_buf(run, buf, buf->kind == BUF_PARAM ? data[i] : NULL)) {
            return false;
        }
    }
    for (size_t i = 0; i < kernel->temps.len; i++) {
        place_temp(run, kernel->temps.data[i]);
    }
    return true;
}

bool tn_kernel_interp(Kernel *kernel, void *const *data, const int64_t *symbols) {
    Arena *arena = &kernel->ctx->scratch;
    ArenaMark mark = tn_arena_mark(arena);
    Run run = {.kernel = kernel, .arena = arena, .parts = tn_map(arena)};
    bool ok = set_up(&run, data, symbols) && run_block(&run, compile_block(&run, kernel->body));
    tn_arena_reset(arena, mark);
    return ok;
}
