/* emit_expr.c: loads, stores and expressions, one value or a vector of all lanes.
 *
 * What depends on the lane is a vector: consecutive elements are one load, evenly spaced
 * ones are gathered, all else is done lane by lane in a C loop. Loads are kept in named
 * values and not repeated while nothing is stored to their buffer; a part used twice in one
 * statement is named too.
 */
#include <inttypes.h>
#include <string.h>

#include "codegen/emit.h"

enum { LONG_TEXT = 200 };

/* ---- memos ---- */

static const Memo *find_load(const Emit *e, const char *text) {
    for (size_t i = e->loads_base; i < e->loads.len; i++) {
        const Memo *memo = &e->loads.data[i];
        if (memo->buf != NULL && strcmp(memo->key, text) == 0) {
            return memo;
        }
    }
    return NULL;
}

/* The value of a load, named unless it was before. */
static Val remember_load(Emit *e, const Buf *buf, Val value) {
    const Memo *seen = find_load(e, value.text);
    if (seen == NULL) {
        Val named = tn_val_name(e, value);
        Memo memo = {value.text, buf, named.text, value.type};
        tn_vec_push(e->arena, &e->loads, memo);
        return named;
    }
    return (Val){seen->name, seen->type};
}

static void forget_loads(Emit *e, const Buf *buf) {
    bool any = e->shared != NULL && e->shared[buf->id];
    for (size_t i = 0; i < e->loads.len; i++) {
        Memo *memo = &e->loads.data[i];
        if (memo->buf == buf || (any && memo->buf != NULL && e->shared[memo->buf->id])) {
            memo->buf = NULL;
        }
    }
}

static const Memo *find_value(const Emit *e, const Expr *expr) {
    for (size_t i = e->values.len; i-- > e->values_base;) {
        if (e->values.data[i].key == expr) {
            return &e->values.data[i];
        }
    }
    return NULL;
}

/* ---- single elements ---- */

static Val element(Emit *e, const Buf *buf, const Dim *position) {
    e->buf_used[buf->id] = true;
    return (Val){tn_emit_text(e, "b%u[%s]", buf->id, tn_emit_dim(e, position)),
                 tn_vtype(buf->dtype, 1)};
}

/* Bools are 0 or 1 in memory, masks in vectors. */
static Val from_memory(Emit *e, const Buf *buf, Val value) {
    if (buf->dtype == TN_BOOL) {
        value.text = tn_emit_text(e, "(%s != 0)", value.text);
        value.type = tn_vtype(TN_BOOL, value.type.lanes);
    }
    return value;
}

static VType memory_type(const Emit *e, const Buf *buf) {
    return tn_vtype(buf->dtype == TN_BOOL ? TN_U8 : buf->dtype, e->lanes.n);
}

/* ---- vectors of elements ---- */

static Val load_consecutive(Emit *e, const Buf *buf, const Dim *start) {
    VType type = memory_type(e, buf);
    e->buf_used[buf->id] = true;
    const char *at = tn_emit_dim(e, start);
    const char *text =
        e->lanes.count == NULL
            ? tn_emit_text(e, "%s(b%u + %s)", tn_prelude_fn(e->prelude, "load", type), buf->id, at)
            : tn_emit_text(e, "%s(b%u + %s, %s)", tn_prelude_part(e->prelude, false, type), buf->id,
                           at, e->lanes.count);
    return from_memory(e, buf, (Val){text, type});
}

/* Elements `step` apart, from a pointer named first; lanes out of use are not read. */
static Val load_spaced(Emit *e, const Buf *buf, const Dim *start, const char *step) {
    VType type = memory_type(e, buf);
    e->buf_used[buf->id] = true;
    const char *p = tn_emit_name(e, "p"), *count = e->lanes.count;
    tn_emit_line(e, "const %s *const %s = b%u + %s;", tn_dtype_c(buf->dtype), p, buf->id,
                 tn_emit_dim(e, start));
    StrBuf text = tn_str(e->arena);
    tn_str_printf(&text, "(%s){", tn_prelude_type(e->prelude, type));
    for (int32_t i = 0; i < e->lanes.n; i++) {
        tn_str_puts(&text, i > 0 ? ", " : "");
        if (count != NULL) {
            tn_str_printf(&text, "%s > %d ? %s[%d * %s] : 0", count, i, p, i, step);
        } else {
            tn_str_printf(&text, "%s[%d * %s]", p, i, step);
        }
    }
    tn_str_puts(&text, "}");
    return from_memory(e, buf, (Val){text.data, type});
}

enum { PATTERN_MAX = 64 };

/* How far the lanes are from the first, when that is fixed; none is before it. */
static bool find_pattern(Emit *e, const Dim *dim, int64_t *gaps, int64_t *most) {
    if (e->lanes.n > PATTERN_MAX || !tn_dim_pattern(e->ctx, dim, e->lanes.var, e->lanes.n, gaps)) {
        return false;
    }
    *most = 0;
    for (int32_t i = 0; i < e->lanes.n; i++) {
        *most = gaps[i] > *most ? gaps[i] : *most;
        if (gaps[i] < 0) {
            return false;
        }
    }
    return true;
}

static const char *pattern_list(Emit *e, const int64_t *gaps) {
    StrBuf text = tn_str(e->arena);
    for (int32_t i = 0; i < e->lanes.n; i++) {
        tn_str_printf(&text, "%s%" PRId64, i > 0 ? ", " : "", gaps[i]);
    }
    return text.data;
}

/* Elements at fixed distances from the first lane's. When all lie in half a vector, each half is
 * one load; lanes out of use are not read. */
static Val load_pattern(Emit *e, const Buf *buf, const Dim *start, const int64_t *gaps,
                        int64_t most) {
    VType type = memory_type(e, buf);
    const char *p = tn_emit_name(e, "p"), *count = e->lanes.count;
    e->buf_used[buf->id] = true;
    tn_emit_line(e, "const %s *const %s = b%u + %s;", tn_dtype_c(buf->dtype), p, buf->id,
                 tn_emit_dim(e, start));
    if (count == NULL && type.lanes > 2 && most == type.lanes / 2 - 1) {
        VType half = tn_vtype(type.dtype, type.lanes / 2);
        const char *x = tn_emit_name(e, "x");
        tn_emit_line(e, "const %s %s = %s(%s);", tn_prelude_type(e->prelude, half), x,
                     tn_prelude_fn(e->prelude, "load", half), p);
        const char *text =
            tn_emit_text(e, "((%s)__builtin_shufflevector(%s, %s, %s))",
                         tn_prelude_type(e->prelude, type), x, x, pattern_list(e, gaps));
        return from_memory(e, buf, (Val){text, type});
    }
    StrBuf text = tn_str(e->arena);
    tn_str_printf(&text, "(%s){", tn_prelude_type(e->prelude, type));
    for (int32_t i = 0; i < type.lanes; i++) {
        tn_str_puts(&text, i > 0 ? ", " : "");
        if (count != NULL) {
            tn_str_printf(&text, "%s > %d ? %s[%" PRId64 "] : 0", count, i, p, gaps[i]);
        } else {
            tn_str_printf(&text, "%s[%" PRId64 "]", p, gaps[i]);
        }
    }
    tn_str_puts(&text, "}");
    return from_memory(e, buf, (Val){text.data, type});
}

/* The dimension at lane 0. */
static const Dim *at_first_lane(Emit *e, const Dim *dim) {
    const Dim *zero = tn_dim_const(e->ctx, 0);
    return tn_dim_subst(e->ctx, dim, &e->lanes.var, &zero, 1);
}

/* The elements at a position that depends on the lane; no text when only a loop will do. */
static Val load_lanes(Emit *e, const Buf *buf, const Dim *position) {
    int64_t coef = 0;
    const Dim *rest = NULL, *step = NULL;
    if (tn_dim_linear(e->ctx, position, e->lanes.var, &coef, &rest)) {
        if (coef == 1) {
            return load_consecutive(e, buf, rest);
        }
        return load_spaced(e, buf, rest, tn_emit_dim(e, tn_dim_const(e->ctx, coef)));
    }
    if (tn_dim_linear_dim(e->ctx, position, e->lanes.var, &step, &rest)) {
        return load_spaced(e, buf, rest, tn_emit_dim(e, step));
    }
    int64_t gaps[PATTERN_MAX], most = 0;
    if (find_pattern(e, position, gaps, &most) && most < e->lanes.n) {
        return load_pattern(e, buf, at_first_lane(e, position), gaps, most);
    }
    return (Val){NULL, memory_type(e, buf)};
}

static Val emit_load(Emit *e, Expr *expr) {
    const Dim *position = tn_emit_position(e, expr->buf, expr->index);
    if (!tn_emit_uses_lanes(e, position)) {
        return remember_load(e, expr->buf, element(e, expr->buf, position));
    }
    int64_t coef = 0;
    const Dim *rest = NULL;
    bool consecutive = tn_dim_linear(e->ctx, position, e->lanes.var, &coef, &rest) && coef == 1;
    Val value = load_lanes(e, expr->buf, position);
    if (value.text == NULL) {
        return tn_emit_by_lane(e, expr);
    }
    return consecutive ? remember_load(e, expr->buf, value) : tn_val_name(e, value);
}

/* ---- storing ---- */

static Val to_memory(Emit *e, const Buf *buf, Val value) {
    if (buf->dtype == TN_BOOL && value.type.lanes > 1) {
        value = tn_val_mask(e, value, 1);
        VType type = tn_vtype(TN_U8, value.type.lanes);
        value.text = tn_emit_text(e, "((%s)%s & %s(1))", tn_prelude_type(e->prelude, type),
                                  value.text, tn_prelude_fn(e->prelude, "all", type));
        value.type = type;
    }
    return value;
}

/* The element at `start` and on is the first of the lanes in use. */
static void store_vector(Emit *e, const char *start, Val value) {
    if (e->lanes.count == NULL) {
        tn_emit_line(e, "%s(%s, %s);", tn_prelude_fn(e->prelude, "store", value.type), start,
                     value.text);
    } else {
        tn_emit_line(e, "%s(%s, %s, %s);", tn_prelude_part(e->prelude, true, value.type), start,
                     e->lanes.count, value.text);
    }
}

static void store_consecutive(Emit *e, const Buf *buf, const Dim *start, Val value) {
    value = to_memory(e, buf, tn_val_spread(e, value, e->lanes.n));
    store_vector(e, tn_emit_text(e, "b%u + %s", buf->id, tn_emit_dim(e, start)), value);
}

/* One lane after the other, in order. */
static void store_by_lane(Emit *e, const Buf *buf, const Dim *position, Val value) {
    const Dim *var = e->lanes.var;
    const char *name = tn_emit_name(e, "i");
    const char *count = e->lanes.count != NULL ? e->lanes.count : tn_emit_text(e, "%d", e->lanes.n);
    value = tn_val_name(e, to_memory(e, buf, tn_val_spread(e, value, e->lanes.n)));
    tn_emit_line(e, "for (int64_t %s = 0; %s < %s; %s++) {", name, name, count, name);
    e->depth++;
    tn_emit_plan_of(e, var)->name = name;
    tn_emit_line(e, "%s = %s[%s];", element(e, buf, position).text, value.text, name);
    tn_emit_plan_of(e, var)->name = NULL;
    e->depth--;
    tn_emit_line(e, "}");
}

/* ---- lane by lane ---- */

/* A block whose loads and values are its own. */
typedef struct Inner {
    size_t loads, values, values_base;
    Lanes lanes;
} Inner;

static Inner enter(Emit *e) {
    Inner inner = {e->loads.len, e->values.len, e->values_base, e->lanes};
    e->depth++;
    return inner;
}

static void leave(Emit *e, Inner inner) {
    e->depth--;
    e->loads.len = inner.loads;
    e->values.len = inner.values;
    e->values_base = inner.values_base;
    e->lanes = inner.lanes;
}

Val tn_emit_by_lane(Emit *e, Expr *expr) {
    const Dim *var = e->lanes.var;
    VType type = tn_vtype(expr->dtype, e->lanes.n);
    const char *result = tn_emit_name(e, "x"), *name = tn_emit_name(e, "i");
    const char *count = e->lanes.count != NULL ? e->lanes.count : tn_emit_text(e, "%d", e->lanes.n);
    tn_emit_line(e, "%s %s = {0};", tn_prelude_type(e->prelude, type), result);
    tn_emit_line(e, "for (int64_t %s = 0; %s < %s; %s++) {", name, name, count, name);
    Inner inner = enter(e);
    e->values_base = e->values.len;
    e->lanes = (Lanes){.n = 1};
    e->single = var;
    e->single_name = tn_emit_plan_of(e, var)->name = name;
    Val value = tn_emit_expr(e, expr);
    tn_emit_line(e, "%s[%s] = %s%s;", result, name, expr->dtype == TN_BOOL ? "(int8_t)-" : "",
                 value.text);
    e->single = NULL;
    e->single_name = tn_emit_plan_of(e, var)->name = NULL;
    leave(e, inner);
    tn_emit_line(e, "}");
    return (Val){result, type};
}

/* ---- guards ---- */

/* Prints a branch into `text`; what it returns may refer to names declared there. */
static Val emit_branch(Emit *e, Expr *expr, StrBuf *text) {
    StrBuf *out = e->out;
    Inner inner = enter(e);
    e->out = text;
    Val value;
    const Dim *position = NULL;
    if (expr->kind == EXPR_LOAD) {
        position = tn_emit_position(e, expr->buf, expr->index);
    }
    if (position != NULL && !tn_emit_uses_lanes(e, position)) {
        value = element(e, expr->buf, position);
    } else {
        value = tn_emit_expr(e, expr);
    }
    e->out = out;
    leave(e, inner);
    return value;
}

static void print_branch(Emit *e, const StrBuf *text, const char *result, Val value) {
    if (text->len > 0) {
        tn_str_write(e->out, text->data, text->len);
    }
    e->depth++;
    tn_emit_line(e, "%s = %s;", result, value.text);
    e->depth--;
}

static Val choose(Emit *e, const char *cond, Expr *const *args) {
    StrBuf text[2] = {tn_str(e->arena), tn_str(e->arena)};
    Val values[2];
    int32_t lanes = 1;
    for (int i = 0; i < 2; i++) {
        values[i] = emit_branch(e, args[i], &text[i]);
        lanes = values[i].type.lanes > lanes ? values[i].type.lanes : lanes;
    }
    for (int i = 0; i < 2; i++) {
        values[i] = tn_val_spread(e, values[i], lanes);
        values[i] = tn_val_mask(e, values[i], 1);
    }
    if (text[0].len == 0 && text[1].len == 0) {
        return (Val){tn_emit_text(e, "(%s ? %s : %s)", cond, values[0].text, values[1].text),
                     values[0].type};
    }
    const char *result = tn_emit_name(e, "x");
    tn_emit_line(e, "%s %s;", tn_prelude_type(e->prelude, values[0].type), result);
    tn_emit_line(e, "if (%s) {", cond);
    print_branch(e, &text[0], result, values[0]);
    tn_emit_line(e, "} else {");
    print_branch(e, &text[1], result, values[1]);
    tn_emit_line(e, "}");
    return (Val){result, values[0].type};
}

/* Whether the lanes for which the condition holds are always consecutive. */
static bool is_interval(Emit *e, const Dim *cond) {
    const Dim *rest = NULL;
    int64_t coef = 0;
    if (!tn_emit_uses_lanes(e, cond)) {
        return true;
    }
    if (cond->kind == DIM_LT || cond->kind == DIM_EQ) {
        const Dim *difference = tn_dim_sub(e->ctx, cond->args[0], cond->args[1]);
        return tn_dim_linear(e->ctx, difference, e->lanes.var, &coef, &rest);
    }
    bool joint = cond->kind == DIM_MUL || cond->kind == DIM_MIN;
    for (uint32_t i = 0; i < cond->n_args && joint; i++) {
        joint = is_interval(e, cond->args[i]);
    }
    return joint;
}

/* The condition at one lane. */
static const char *cond_at(Emit *e, const Dim *cond, const char *lane) {
    tn_emit_plan_of(e, e->lanes.var)->name = lane;
    const char *text = tn_emit_dim(e, cond);
    tn_emit_plan_of(e, e->lanes.var)->name = NULL;
    return text;
}

/* When it holds for the first and the last lane it holds for all: usually so, away from a
 * border. Otherwise each lane decides. */
static Val choose_by_lane(Emit *e, const Dim *cond, Expr *expr) {
    if (!is_interval(e, cond)) {
        return tn_emit_by_lane(e, expr);
    }
    const char *last = e->lanes.count != NULL ? tn_emit_text(e, "(%s - 1)", e->lanes.count)
                                              : tn_emit_text(e, "%d", e->lanes.n - 1);
    VType type = tn_vtype(expr->dtype, e->lanes.n);
    const char *result = tn_emit_name(e, "x");
    StrBuf text = tn_str(e->arena);
    tn_emit_line(e, "%s %s;", tn_prelude_type(e->prelude, type), result);
    tn_emit_line(e, "if (%s && %s) {", cond_at(e, cond, "0"), cond_at(e, cond, last));
    Val value = emit_branch(e, expr->args[0], &text);
    value = tn_val_mask(e, tn_val_spread(e, value, e->lanes.n), 1);
    print_branch(e, &text, result, value);
    tn_emit_line(e, "} else {");
    Inner inner = enter(e);
    value = tn_emit_by_lane(e, expr);
    tn_emit_line(e, "%s = %s;", result, value.text);
    leave(e, inner);
    tn_emit_line(e, "}");
    return (Val){result, type};
}

static Val emit_guard(Emit *e, Expr *expr) {
    const Dim *cond = tn_emit_resolve(e, expr->dim);
    if (cond->kind == DIM_CONST) {
        return tn_emit_expr(e, expr->args[cond->value != 0 ? 0 : 1]);
    }
    if (tn_emit_uses_lanes(e, cond)) {
        return choose_by_lane(e, cond, expr);
    }
    return choose(e, tn_emit_dim(e, cond), expr->args);
}

/* ---- the other kinds ---- */

static Val emit_index(Emit *e, Expr *expr) {
    const Dim *dim = tn_emit_resolve(e, expr->dim), *rest = NULL;
    int64_t coef = 0;
    if (!tn_emit_uses_lanes(e, dim)) {
        return tn_val_cast(e, (Val){tn_emit_dim(e, dim), tn_vtype(TN_I64, 1)}, expr->dtype);
    }
    int64_t gaps[PATTERN_MAX], most = 0;
    bool even = tn_dim_linear(e->ctx, dim, e->lanes.var, &coef, &rest);
    if (!even && !find_pattern(e, dim, gaps, &most)) {
        return tn_emit_by_lane(e, expr);
    }
    bool narrow = dim->lo >= INT32_MIN / 2 && dim->hi <= INT32_MAX / 2;
    VType type = tn_vtype(narrow ? TN_I32 : TN_I64, e->lanes.n);
    const char *all = tn_prelude_fn(e->prelude, "all", type), *c = tn_dtype_c(type.dtype);
    if (!even) {
        const char *first = tn_emit_dim(e, at_first_lane(e, dim));
        const char *text = tn_emit_text(e, "(%s((%s)%s) + (%s){%s})", all, c, first,
                                        tn_prelude_type(e->prelude, type), pattern_list(e, gaps));
        return tn_val_cast(e, (Val){text, type}, expr->dtype);
    }
    const char *text = tn_emit_text(e, "(%s((%s)%s) + %s() * %s((%s)%s))", all, c,
                                    tn_emit_dim(e, rest), tn_prelude_fn(e->prelude, "iota", type),
                                    all, c, tn_emit_dim(e, tn_dim_const(e->ctx, coef)));
    return tn_val_cast(e, (Val){text, type}, expr->dtype);
}

static Val emit_dynload(Emit *e, Expr *expr) {
    const Buf *buf = expr->buf;
    const Dim *position = tn_emit_position(e, buf, expr->index), *rest = position;
    bool by_lane = tn_emit_uses_lanes(e, position);
    int64_t coef = 0;
    bool consecutive =
        by_lane && tn_dim_linear(e->ctx, position, e->lanes.var, &coef, &rest) && coef == 1;
    if (by_lane && !consecutive) {
        return tn_emit_by_lane(e, expr);
    }
    Val at = tn_emit_expr(e, expr->args[0]);
    if (at.type.lanes > 1) {
        return tn_emit_by_lane(e, expr);
    }
    e->buf_used[buf->id] = true;
    const char *p = tn_emit_name(e, "p");
    tn_emit_line(e, "const %s *const %s = b%u + %s + (int64_t)%s * %s;", tn_dtype_c(buf->dtype), p,
                 buf->id, tn_emit_dim(e, rest), at.text, tn_emit_dim(e, buf->strides[expr->dyn]));
    if (!by_lane) {
        return (Val){tn_emit_text(e, "%s[0]", p), tn_vtype(buf->dtype, 1)};
    }
    VType type = memory_type(e, buf);
    const char *text = e->lanes.count == NULL
                           ? tn_emit_text(e, "%s(%s)", tn_prelude_fn(e->prelude, "load", type), p)
                           : tn_emit_text(e, "%s(%s, %s)", tn_prelude_part(e->prelude, false, type),
                                          p, e->lanes.count);
    return from_memory(e, buf, (Val){text, type});
}

static Val emit_temp(Emit *e, Expr *expr) {
    Val value = tn_emit_read_temp(e, expr->temp, expr->index);
    return value.text != NULL ? value : tn_emit_by_lane(e, expr);
}

static Val emit_map(Emit *e, Expr *expr) {
    Val args[3];
    for (int i = 0; i < expr->n_args; i++) {
        args[i] = tn_emit_expr(e, expr->args[i]);
    }
    return tn_val_map(e, expr->op, expr->dtype, args, expr->n_args);
}

static Val emit_kind(Emit *e, Expr *expr) {
    switch (expr->kind) {
    case EXPR_CONST:
        return tn_val_const(e, expr);
    case EXPR_INDEX:
        return emit_index(e, expr);
    case EXPR_LOAD:
        return emit_load(e, expr);
    case EXPR_TEMP:
        return emit_temp(e, expr);
    case EXPR_MAP:
        return emit_map(e, expr);
    case EXPR_GUARD:
        return emit_guard(e, expr);
    default:
        return emit_dynload(e, expr);
    }
}

/* Whether a part deserves a name: used again, or its text is getting long. */
static bool worth_naming(const Emit *e, const Expr *expr, const Val *value) {
    if (expr->kind == EXPR_CONST || expr->kind == EXPR_TEMP || expr->kind == EXPR_LOAD) {
        return false;
    }
    uintptr_t uses = (uintptr_t)tn_map_get_int(&e->uses, (uint64_t)(uintptr_t)expr);
    return uses > 1 || strlen(value->text) > LONG_TEXT;
}

Val tn_emit_expr(Emit *e, Expr *expr) {
    const Memo *seen = find_value(e, expr);
    if (seen != NULL) {
        return (Val){seen->name, seen->type};
    }
    Val value = emit_kind(e, expr);
    if (!e->failed && worth_naming(e, expr, &value)) {
        value = tn_val_name(e, value);
        Memo memo = {expr, NULL, value.text, value.type};
        tn_vec_push(e->arena, &e->values, memo);
    }
    return value;
}

/* Counts how often each part is an operand. */
static void count_uses(Emit *e, Expr *expr) {
    void **uses = tn_map_put_int(&e->uses, (uint64_t)(uintptr_t)expr, NULL);
    uintptr_t n = (uintptr_t)*uses + 1;
    *uses = (void *)n;
    for (int i = 0; i < expr->n_args && n == 1; i++) {
        count_uses(e, expr->args[i]);
    }
}

Val tn_emit_value(Emit *e, Expr *expr, Expr *also) {
    e->uses = tn_map(e->arena);
    e->values.len = 0;
    e->values_base = 0;
    count_uses(e, expr);
    if (also != NULL) {
        count_uses(e, also);
    }
    return tn_emit_expr(e, expr);
}

/* ---- statements ---- */

/* The places `position` + at * stride, of which one or the other depends on the lane. */
static void store_computed_by_lane(Emit *e, const Stmt *stmt, const Dim *position, Val at,
                                   Val value) {
    const Buf *buf = stmt->buf;
    const Dim *var = e->lanes.var;
    const char *name = tn_emit_name(e, "i");
    const char *count = e->lanes.count != NULL ? e->lanes.count : tn_emit_text(e, "%d", e->lanes.n);
    at = tn_val_name(e, at);
    value = tn_val_name(e, to_memory(e, buf, tn_val_spread(e, value, e->lanes.n)));
    tn_emit_line(e, "for (int64_t %s = 0; %s < %s; %s++) {", name, name, count, name);
    e->depth++;
    tn_emit_plan_of(e, var)->name = name;
    tn_emit_line(e, "b%u[%s + (int64_t)%s%s * %s] = %s[%s];", buf->id, tn_emit_dim(e, position),
                 at.text, at.type.lanes > 1 ? tn_emit_text(e, "[%s]", name) : "",
                 tn_emit_dim(e, buf->strides[stmt->dyn]), value.text, name);
    tn_emit_plan_of(e, var)->name = NULL;
    e->depth--;
    tn_emit_line(e, "}");
}

static void store_computed(Emit *e, const Stmt *stmt, Val value) {
    const Buf *buf = stmt->buf;
    const Dim *position = tn_emit_position(e, buf, stmt->index), *rest = position;
    int64_t coef = 0;
    Val at = tn_emit_expr(e, stmt->at);
    bool by_lane = tn_emit_uses_lanes(e, position) || at.type.lanes > 1 || value.type.lanes > 1;
    e->buf_used[buf->id] = true;
    if (by_lane && (at.type.lanes > 1 || !tn_emit_uses_lanes(e, position) ||
                    !tn_dim_linear(e->ctx, position, e->lanes.var, &coef, &rest) || coef != 1)) {
        store_computed_by_lane(e, stmt, position, at, value);
        return;
    }
    const char *p = tn_emit_name(e, "p");
    tn_emit_line(e, "%s *const %s = b%u + %s + (int64_t)%s * %s;", tn_dtype_c(buf->dtype), p,
                 buf->id, tn_emit_dim(e, rest), at.text, tn_emit_dim(e, buf->strides[stmt->dyn]));
    if (by_lane) {
        store_vector(e, p, to_memory(e, buf, tn_val_spread(e, value, e->lanes.n)));
    } else {
        tn_emit_line(e, "%s[0] = %s;", p, value.text);
    }
}

static void store_known(Emit *e, const Buf *buf, const Dim *const *index, Val value) {
    const Dim *position = tn_emit_position(e, buf, index), *rest = NULL;
    int64_t coef = 0;
    e->buf_used[buf->id] = true;
    if (value.type.lanes == 1 && !tn_emit_uses_lanes(e, position)) {
        tn_emit_line(e, "%s = %s;", element(e, buf, position).text, value.text);
    } else if (tn_dim_linear(e->ctx, position, e->lanes.var, &coef, &rest) && coef == 1) {
        store_consecutive(e, buf, rest, value);
    } else {
        store_by_lane(e, buf, position, value);
    }
}

void tn_emit_store(Emit *e, const Stmt *stmt) {
    Val value = tn_emit_value(e, stmt->value, stmt->at);
    if (stmt->at != NULL) {
        store_computed(e, stmt, value);
    } else {
        store_known(e, stmt->buf, stmt->index, value);
    }
    forget_loads(e, stmt->buf);
}
