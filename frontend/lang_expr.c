/* lang_expr.c: evaluates expressions. */
#include <math.h>
#include <string.h>

#include "frontend/lang_eval.h"

static const Val bad = {.kind = VAL_BAD};

/* ---- names ---- */

Env *tn_env_new(Lang *lang, const Env *outer) {
    Env *env = TN_NEW(&lang->ctx->arena, Env);
    env->names = tn_map(&lang->ctx->arena);
    env->outer = outer;
    return env;
}

Val *tn_env_get(const Env *env, StrView name) {
    for (; env != NULL; env = env->outer) {
        Val *found = tn_map_get_str(&env->names, name);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

void tn_env_set(Lang *lang, Env *env, StrView name, Val value) {
    bool added;
    void **slot = tn_map_put_str(&env->names, name, &added);
    if (added) {
        *slot = TN_NEW(&lang->ctx->arena, Val);
    }
    *(Val *)*slot = value;
}

const Env *tn_env_freeze(Lang *lang, const Env *env) {
    Env *copy = tn_env_new(lang, env->outer);
    for (uint32_t i = 0; i < env->names.len; i++) {
        tn_env_set(lang, copy, env->names.entries[i].key, *(Val *)env->names.entries[i].value);
    }
    return copy;
}

static const Fn *fn_of(Lang *lang, const FnDef *def, const Builtin *builtin, Op op) {
    Fn *fn = TN_NEW(&lang->ctx->arena, Fn);
    *fn = (Fn){.def = def, .builtin = builtin, .op = op};
    return fn;
}

const Fn *tn_lang_find_item(Lang *lang, StrView name) {
    const FnDef *def = tn_map_get_str(&lang->items, name);
    if (def != NULL) {
        return fn_of(lang, def, NULL, TN_OP_COUNT);
    }
    if (lang->network != NULL && tn_sv_is(name, "network")) {
        return lang->network;
    }
    const Fn *builtin = tn_lang_find_builtin(lang, name);
    if (builtin != NULL) {
        return builtin;
    }
    Op op = tn_op_by_name(name);
    return op != TN_OP_COUNT ? fn_of(lang, NULL, NULL, op) : NULL;
}

/* Steps taken, as a weak scalar. */
static Val step_count(Lang *lang, Place place) {
    const FnDef *block = lang->entry->def;
    if (block == NULL || block->kind != FN_TRAIN || lang->entry->kind == ENTRY_INIT) {
        return tn_lang_error(lang, place, "step_count is known in train blocks alone");
    }
    Var *step = tn_var_own(lang, tn_lang_block_name(lang, block, "step"), TN_STATE_COUNTER,
                           tn_type_scalar(TN_I64), 0);
    Value *read = tn_lang_here(lang, place, tn_var_read(lang, step));
    Call *call = tn_lang_start(lang, place, "step_count");
    Val value = tn_lang_finish(lang, place, tn_make_cast(call, read, TN_F64));
    value.weak = value.kind == VAL_TENSOR;
    return value;
}

static bool constant_name(Lang *lang, const Expr *expr, Val *out) {
    static const struct {
        const char *name;
        double value;
    } numbers[] = {{"pi", 3.14159265358979323846}, {"inf", INFINITY}, {"nan", NAN}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (tn_sv_is(expr->text, numbers[i].name)) {
            *out = tn_val_float(numbers[i].value);
            return true;
        }
    }
    DType dtype = tn_dtype_parse(expr->text);
    if (dtype != TN_DT_NONE) {
        *out = tn_val_dtype(dtype);
        return true;
    }
    if (tn_sv_is(expr->text, "training")) {
        *out = tn_val_bool(lang->entry->training);
        return true;
    }
    if (tn_sv_is(expr->text, "step_count")) {
        *out = step_count(lang, expr->place);
        return true;
    }
    return false;
}

/* Binds the parameter of that name if its default is still to come. */
static bool pending_param(Lang *lang, StrView name) {
    Frame *frame = lang->frame;
    for (uint32_t i = 0; frame != NULL && frame->pending != NULL && i < frame->def->n_params; i++) {
        if (!tn_sv_eq(frame->def->params[i].name, name)) {
            continue;
        }
        if (frame->pending[i].kind == VAL_BAD) {
            Val itself =
                tn_lang_error(lang, frame->def->params[i].place,
                              "the default of '%.*s' depends on itself", (int)name.len, name.data);
            tn_env_set(lang, frame->env, name, itself);
            return true;
        }
        return tn_lang_bind_default(lang, frame, i);
    }
    return false;
}

static Val eval_name(Lang *lang, const Expr *expr) {
    const Val *local = lang->frame != NULL ? tn_env_get(lang->frame->env, expr->text) : NULL;
    Val value;
    if (local == NULL && pending_param(lang, expr->text)) {
        local = tn_env_get(lang->frame->env, expr->text);
    }
    if (local != NULL) {
        return *local;
    }
    const Fn *fn = tn_lang_find_item(lang, expr->text);
    if (fn != NULL) {
        return (Val){.kind = VAL_FN, .fn = fn};
    }
    if (constant_name(lang, expr, &value)) {
        return value;
    }
    StrView like = tn_lang_suggest(lang, expr->text);
    return tn_lang_error(lang, expr->place, "there is nothing called '%.*s'%s%.*s%s",
                         (int)(expr->text.len > 60 ? 60 : expr->text.len), expr->text.data,
                         like.len > 0 ? "; did you mean '" : "", (int)like.len, like.data,
                         like.len > 0 ? "'?" : "");
}

/* ---- lists and texts ---- */

bool tn_lang_eval_items(Lang *lang, const Expr *const *items, uint32_t n, ValVec *out) {
    Arena *arena = &lang->ctx->arena;
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        bool spread = items[i]->kind == EXPR_SPREAD;
        Val value = tn_lang_eval(lang, spread ? items[i]->items[0] : items[i]);
        if (value.kind == VAL_BAD) {
            ok = false;
        } else if (!spread) {
            tn_vec_push(arena, out, value);
        } else if (value.kind != VAL_LIST) {
            tn_lang_error(lang, items[i]->place, "* spreads a list, found %s",
                          tn_val_describe(lang, value));
            ok = false;
        } else if (tn_lang_work(lang, items[i]->place, value.list->n)) {
            for (size_t k = 0; k < value.list->n; k++) {
                tn_vec_push(arena, out, value.list->items[k]);
            }
        }
    }
    if (out->len > LANG_LIST_MAX) {
        tn_lang_limit(lang, items[0]->place, "a list has at most %d entries", LANG_LIST_MAX);
    }
    return ok && !lang->stopped;
}

static Val eval_list(Lang *lang, const Expr *expr) {
    ValVec values = {0};
    if (!tn_lang_eval_items(lang, expr->items, expr->n_items, &values)) {
        return bad;
    }
    return tn_val_list(lang, values.data, values.len);
}

static Val eval_text(Lang *lang, const Expr *expr) {
    StrBuf text = tn_str(&lang->ctx->arena);
    tn_str_puts(&text, "");
    for (uint32_t i = 0; i < expr->n_items; i++) {
        Val part = tn_lang_eval(lang, expr->items[i]);
        if (part.kind == VAL_BAD) {
            return bad;
        }
        tn_val_print(lang, part, &text);
        if (text.len > LANG_TEXT_MAX) {
            return tn_lang_error(lang, expr->place, "a text has at most %d bytes", LANG_TEXT_MAX);
        }
    }
    return tn_val_text((StrView){text.data, text.len});
}

/* ---- attributes ---- */

static Val eval_attr(Lang *lang, const Expr *expr) {
    Val base = tn_lang_eval(lang, expr->items[0]);
    if (base.kind == VAL_BAD) {
        return bad;
    }
    const Type *type = base.kind == VAL_TENSOR ? &base.tensor->type
                       : base.kind == VAL_TYPE ? base.type
                                               : NULL;
    StrView name = expr->text;
    if (type != NULL && tn_sv_is(name, "shape")) {
        return tn_val_shape(lang, type);
    }
    if (type != NULL && tn_sv_is(name, "rank")) {
        return tn_val_int(lang, type->rank);
    }
    if (type != NULL && tn_sv_is(name, "dtype")) {
        return tn_val_dtype(type->dtype);
    }
    if (type != NULL && tn_sv_is(name, "size")) {
        return tn_val_dim(tn_type_count(lang->ctx, type));
    }
    return tn_lang_error(lang, expr->place,
                         "%s has no attribute '%.*s'; tensors have shape, rank, dtype and size",
                         tn_val_describe(lang, base), (int)name.len, name.data);
}

/* ---- operators ---- */

/* and, or: the right side is evaluated only if it matters. */
static Val eval_logic(Lang *lang, const Expr *expr) {
    Val left = tn_lang_eval(lang, expr->items[0]);
    if (left.kind == VAL_BAD || (left.kind == VAL_BOOL && left.truth == (expr->op == LANG_OR))) {
        return left;
    }
    return tn_lang_binary(lang, expr->place, expr->op, left, tn_lang_eval(lang, expr->items[1]));
}

static Val eval_binary(Lang *lang, const Expr *expr) {
    if (expr->op == LANG_AND || expr->op == LANG_OR) {
        return eval_logic(lang, expr);
    }
    Val left = tn_lang_eval(lang, expr->items[0]);
    Val right = tn_lang_eval(lang, expr->items[1]);
    return tn_lang_binary(lang, expr->place, expr->op, left, right);
}

static Val eval_choice(Lang *lang, const Expr *expr) {
    bool truth;
    Val cond = tn_lang_eval(lang, expr->items[0]);
    if (!tn_lang_bool(lang, expr->items[0]->place, cond, "the condition", &truth)) {
        return bad;
    }
    return tn_lang_eval(lang, expr->items[truth ? 1 : 2]);
}

static Val eval_fn(Lang *lang, const Expr *expr) {
    Fn *fn = TN_NEW(&lang->ctx->arena, Fn);
    size_t names = lang->frame != NULL ? lang->frame->env->names.len : 0;
    if (!tn_lang_work(lang, expr->place, names)) {
        return bad;
    }
    *fn = (Fn){.def = expr->fn, .op = TN_OP_COUNT};
    fn->outer = lang->frame != NULL ? tn_env_freeze(lang, lang->frame->env) : NULL;
    return (Val){.kind = VAL_FN, .fn = fn};
}

/* ---- calls ---- */

bool tn_lang_eval_args(Lang *lang, const LangArg *args, uint32_t n, CallArgs *out) {
    Arena *arena = &lang->ctx->arena;
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        if (args[i].key.len == 0) {
            ValVec list = {0};
            ok = tn_lang_eval_items(lang, &args[i].value, 1, &list) && ok;
            for (size_t k = 0; k < list.len; k++) {
                tn_vec_push(arena, &out->list, list.data[k]);
            }
            continue;
        }
        for (size_t k = 0; k < out->named.len; k++) {
            if (tn_sv_eq(out->named.data[k].key, args[i].key)) {
                tn_lang_error(lang, args[i].place, "'%.*s' is given twice", (int)args[i].key.len,
                              args[i].key.data);
                return false;
            }
        }
        const char *outer = lang->hyper_name;
        lang->hyper_name = tn_sv_dup(arena, args[i].key);
        NamedVal named = {args[i].key, tn_lang_eval(lang, args[i].value), args[i].place};
        lang->hyper_name = outer;
        ok = named.value.kind != VAL_BAD && ok;
        tn_vec_push(arena, &out->named, named);
    }
    return ok;
}

static Val eval_call(Lang *lang, const Expr *expr) {
    CallArgs args = {.place = expr->place};
    Val callee = tn_lang_eval(lang, expr->items[0]);
    bool ok = tn_lang_eval_args(lang, expr->args, expr->n_args, &args);
    if (callee.kind == VAL_BAD || !ok) {
        return bad;
    }
    if (callee.kind != VAL_FN) {
        return tn_lang_error(lang, expr->place, "%s is no function", tn_val_describe(lang, callee));
    }
    return tn_lang_call(lang, callee.fn, &args);
}

/* ---- all ---- */

static Val eval(Lang *lang, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_INT:
        return tn_val_int(lang, expr->integer);
    case EXPR_FLOAT:
        return tn_val_float(expr->number);
    case EXPR_STRING:
        return tn_val_text(expr->text);
    case EXPR_TEXT:
        return eval_text(lang, expr);
    case EXPR_TRUE:
    case EXPR_FALSE:
        return tn_val_bool(expr->kind == EXPR_TRUE);
    case EXPR_NONE:
        return tn_val_none();
    case EXPR_NAME:
        return eval_name(lang, expr);
    case EXPR_LIST:
        return eval_list(lang, expr);
    case EXPR_CALL:
        return eval_call(lang, expr);
    case EXPR_UNARY:
        return tn_lang_unary(lang, expr->place, expr->op, tn_lang_eval(lang, expr->items[0]));
    case EXPR_BINARY:
        return eval_binary(lang, expr);
    case EXPR_IF:
        return eval_choice(lang, expr);
    case EXPR_INDEX:
        return tn_lang_index(lang, expr, tn_lang_eval(lang, expr->items[0]));
    case EXPR_ATTR:
        return eval_attr(lang, expr);
    case EXPR_FN:
        return eval_fn(lang, expr);
    case EXPR_LOOP:
        return tn_lang_loop(lang, expr);
    case EXPR_RANGE:
    case EXPR_DOTS:
    case EXPR_SPREAD:
        break;
    }
    return tn_lang_error(lang, expr->place, "this belongs in an index");
}

Val tn_lang_eval(Lang *lang, const Expr *expr) {
    if (!tn_lang_work(lang, expr->place, 1)) {
        return bad;
    }
    if (lang->nest >= LANG_NEST_MAX) {
        return tn_lang_limit(lang, expr->place, "evaluation is nested more than %d deep",
                             LANG_NEST_MAX);
    }
    lang->nest++;
    Val value = eval(lang, expr);
    lang->nest--;
    return value;
}
