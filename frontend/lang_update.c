/* lang_update.c: from gradients to new parameters: clipping, optimisers, accumulation. */
#include <string.h>

#include "frontend/lang_train.h"

static const Val bad = {.kind = VAL_BAD};

/* A minimize statement's optimiser in one entry. */
typedef struct Optimizer {
    Lang *lang;
    Minimize *m;
    const FnDef *def;
    CallArgs args; /* what the statement gives, without p, g and t */
    Map *used;     /* "optimizer/parameter" taken in this entry */
} Optimizer;

static Var *counter(Lang *lang, const Entry *entry, const char *name) {
    return tn_var_own(lang, tn_lang_block_name(lang, entry->def, name), TN_STATE_COUNTER,
                      tn_type_scalar(TN_I64), 0);
}

/* A counter's next value. */
static void count(Lang *lang, const Entry *entry, const char *name) {
    Var *var = counter(lang, entry, name);
    Val next = tn_lang_binary(lang, entry->def->place, LANG_ADD, tn_var_read(lang, var),
                              tn_val_int(lang, 1));
    if (next.kind == VAL_TENSOR) {
        tn_var_write(lang, var, next.tensor);
    }
}

/* The number of this step, from 1, as a weak scalar. */
static Val step_number(Lang *lang, const Entry *entry) {
    Place place = entry->def->place;
    Val old = tn_var_read(lang, counter(lang, entry, "step"));
    Call *call = tn_lang_start(lang, place, "step");
    Value *next = tn_make_map2_num(call, TN_OP_add, old.tensor, 1);
    Val t = tn_lang_finish(lang, place, tn_make_cast(call, next, TN_F64));
    t.weak = t.kind == VAL_TENSOR;
    return t;
}

/* ---- the optimiser ---- */

static bool find_optimizer(Lang *lang, Minimize *m, Optimizer *out) {
    const Expr *expr = m->stmt->message;
    bool call = expr->kind == EXPR_CALL;
    Val fn = tn_lang_eval(lang, call ? expr->items[0] : expr);
    if (fn.kind != VAL_FN || fn.fn->def == NULL) {
        if (fn.kind != VAL_BAD) {
            tn_lang_error(lang, expr->place, "with names an optimiser, found %s",
                          tn_val_describe(lang, fn));
        }
        return false;
    }
    out->def = fn.fn->def;
    out->args.place = expr->place;
    return !call || tn_lang_eval_args(lang, expr->args, expr->n_args, &out->args);
}

/* rate, rate_1, ... in the order of statements. */
static int32_t rate_number(Lang *lang, const Minimize *m, double value) {
    const Entry *entry = lang->entry;
    const Module *module = lang->module;
    const char *base = tn_lang_block_name(lang, entry->def, "rate");
    const char *name = base;
    (void)m;
    for (int i = 1;; i++) {
        bool taken = false;
        for (size_t k = 0; k < module->hypers.len; k++) {
            taken = taken || strcmp(module->hypers.data[k].name, name) == 0;
        }
        if (!taken) {
            return tn_hyper_number(lang, name, value);
        }
        name = tn_arena_printf(&lang->ctx->arena, "%s_%d", base, i);
    }
}

/* A plain number as rate becomes a hyper-parameter, one for the statement. */
static Val adapt_rate(Lang *lang, StrView param, Val value, void *arg) {
    Minimize *m = arg;
    double number;
    if (!tn_sv_is(param, "rate") || !tn_val_known(value, &number)) {
        return value;
    }
    if (m->rate < 0) {
        m->rate = rate_number(lang, m, number);
    }
    return tn_lang_hyper(lang, m->rate);
}

/* Where the optimiser's state for a parameter is called: NAME, or NAME_1 when the parameter
 * has been in an earlier statement. */
static Scope *state_scope(const Optimizer *o, const Var *var) {
    Lang *lang = o->lang;
    Arena *arena = &lang->ctx->arena;
    const char *base = tn_lang_block_name(lang, lang->entry->def, tn_sv_dup(arena, o->def->name));
    const char *path = base;
    for (int i = 1;; i++) {
        bool added;
        const char *key = tn_arena_printf(arena, "%s/%s", path, var->name);
        void **slot = tn_map_put_str(o->used, tn_sv(key), &added);
        *slot = lang;
        if (added) {
            break;
        }
        path = tn_arena_printf(arena, "%s_%d", base, i);
    }
    Scope *scope = tn_scope_root(lang, path);
    scope->suffix = var->name;
    return scope;
}

static bool update_one(const Optimizer *o, const Var *var, Val gradient, Val t) {
    Lang *lang = o->lang;
    Arena *arena = &lang->ctx->arena;
    Place place = o->args.place;
    CallArgs args = {.place = place};
    Val p = tn_var_read(lang, var);
    tn_vec_push(arena, &args.list, p);
    tn_vec_push(arena, &args.list, gradient);
    tn_vec_push(arena, &args.list, t);
    for (size_t i = 0; i < o->args.list.len; i++) {
        tn_vec_push(arena, &args.list, o->args.list.data[i]);
    }
    for (size_t i = 0; i < o->args.named.len; i++) {
        tn_vec_push(arena, &args.named, o->args.named.data[i]);
    }
    if (o->def->kind != FN_FUNCTION || o->def->n_params < 3) {
        tn_lang_error(lang, place,
                      "an optimiser is a function of a parameter, its gradient and "
                      "the step's number");
        return false;
    }
    Val fresh = tn_lang_enter(lang, o->def, NULL, &args, state_scope(o, var), adapt_rate, o->m);
    Value *value = fresh.kind == VAL_BAD
                       ? NULL
                       : tn_lang_tensor(lang, place, fresh, var->type.dtype, "the new parameter");
    if (value != NULL && !tn_type_same_shape(&value->type, &var->type)) {
        tn_lang_error(lang, place, "the optimiser makes %s of '%s'", tn_val_describe(lang, fresh),
                      var->name);
        return false;
    }
    if (value != NULL) {
        tn_var_write(lang, var, value);
    }
    return value != NULL;
}

/* ---- clipping ---- */

/* The semantics the optimiser is called with, for clipping's sake. */
static Val semantics_of(const Optimizer *o) {
    for (size_t i = 0; i < o->args.named.len; i++) {
        if (tn_sv_is(o->args.named.data[i].key, "semantics")) {
            return o->args.named.data[i].value;
        }
    }
    return tn_train_call(o->lang, o->args.place, "default_semantics", NULL, 0);
}

static bool clip_each(const Optimizer *o, const char *option, const char *function, Val *g,
                      size_t n) {
    Lang *lang = o->lang;
    Val limit = tn_train_option(lang, o->m, option);
    bool value = strcmp(option, "clip_value") == 0;
    for (size_t i = 0; limit.kind != VAL_ABSENT && i < n; i++) {
        Val args[] = {g[i], limit, value ? bad : semantics_of(o)};
        g[i] = tn_train_call(lang, o->m->stmt->place, function, args, value ? 2 : 3);
        if (g[i].kind == VAL_BAD) {
            return false;
        }
    }
    return true;
}

static bool clip(const Optimizer *o, Val *g, size_t n) {
    Lang *lang = o->lang;
    if (!clip_each(o, "clip_value", "clip_by_value", g, n) ||
        !clip_each(o, "clip_norm", "clip_by_norm", g, n)) {
        return false;
    }
    Val limit = tn_train_option(lang, o->m, "clip_global_norm");
    if (limit.kind == VAL_ABSENT) {
        return true;
    }
    Val args[] = {tn_val_list(lang, g, n), limit, semantics_of(o)};
    Val clipped = tn_train_call(lang, o->m->stmt->place, "clip_by_global_norm", args, 3);
    if (clipped.kind != VAL_LIST || clipped.list->n != n) {
        return false;
    }
    memcpy(g, clipped.list->items, n * sizeof *g);
    return true;
}

/* ---- updates ---- */

static bool update_statement(Lang *lang, Minimize *m, Map *used, Val t) {
    Optimizer o = {.lang = lang, .m = m, .used = used};
    size_t n = m->vars.len;
    Val *g = TN_NEW_ARRAY(&lang->ctx->arena, Val, n + 1);
    if (!find_optimizer(lang, m, &o)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        g[i] = tn_val_tensor(lang, m->gradients.data[i]);
    }
    bool ok = clip(&o, g, n);
    for (size_t i = 0; ok && i < n; i++) {
        ok = update_one(&o, lang->vars.data[m->vars.data[i]], g[i], t);
    }
    return ok;
}

/* A frame for evaluating what the statement says, with the names of its place. */
static Frame *frame_for(Lang *lang, const Entry *entry, const Env *env) {
    Frame *frame = TN_NEW(&lang->ctx->arena, Frame);
    *frame = (Frame){.def = entry->def,
                     .env = tn_env_new(lang, env),
                     .scope = tn_scope_root(lang, tn_sv_dup(&lang->ctx->arena, entry->def->name)),
                     .vars = tn_map(&lang->ctx->arena)};
    return frame;
}

bool tn_train_update(Lang *lang, Entry *entry, Entry *from) {
    Map used = tn_map(&lang->ctx->arena);
    Val t = step_number(lang, entry);
    bool ok = t.kind != VAL_BAD;
    for (size_t i = 0; ok && i < from->minimizes.len; i++) {
        Minimize *m = from->minimizes.data[i];
        lang->frame = frame_for(lang, entry, m->env);
        ok = update_statement(lang, m, &used, t);
    }
    count(lang, entry, "step");
    return ok;
}

/* ---- accumulation ---- */

/* The sum of gradients of one parameter of one statement: statements that share parameters
 * have sums of their own. */
static Var *sum_of(Lang *lang, const Entry *entry, const Var *var, Map *used) {
    Arena *arena = &lang->ctx->arena;
    const char *base = tn_lang_block_name(lang, entry->def, "grad");
    const char *name = tn_arena_printf(arena, "%s.%s", base, var->name);
    bool added;
    for (int i = 1;; i++) {
        void **slot = tn_map_put_str(used, tn_sv(name), &added);
        *slot = lang;
        if (added) {
            return tn_var_own(lang, name, TN_STATE_GRAD, var->type, 0);
        }
        name = tn_arena_printf(arena, "%s_%d.%s", base, i, var->name);
    }
}

bool tn_train_accumulate(Lang *lang, Entry *entry) {
    Map used = tn_map(&lang->ctx->arena);
    Place place = entry->def->place;
    for (size_t i = 0; i < entry->minimizes.len; i++) {
        const Minimize *m = entry->minimizes.data[i];
        for (size_t k = 0; k < m->vars.len; k++) {
            Var *sum = sum_of(lang, entry, lang->vars.data[m->vars.data[k]], &used);
            Val next = tn_lang_binary(lang, place, LANG_ADD, tn_var_read(lang, sum),
                                      tn_val_tensor(lang, m->gradients.data[k]));
            if (next.kind == VAL_BAD) {
                return false;
            }
            tn_var_write(lang, sum, next.tensor);
        }
    }
    count(lang, entry, "micro");
    return true;
}

/* The mean of the gradients summed up; the sum starts again. */
static Value *mean_gradient(Lang *lang, Place place, Var *sum, Value *micro) {
    Val old = tn_var_read(lang, sum);
    Call *call = tn_lang_start(lang, place, "apply");
    Shape shape = tn_shape_of(old.tensor);
    DType dtype = sum->type.dtype;
    Value *n = tn_make_cast(call, tn_make_map2_num(call, TN_OP_max, micro, 1), dtype);
    Value *mean = tn_make_map2(call, TN_OP_div, old.tensor, n);
    tn_var_write(lang, sum, tn_make_fill(call, tn_make_scalar(call, dtype, 0), &shape));
    return tn_lang_finish(lang, place, mean).kind != VAL_BAD ? mean : NULL;
}

bool tn_train_apply(Lang *lang, Entry *entry, Entry *step) {
    Map used = tn_map(&lang->ctx->arena);
    Place place = entry->def->place;
    Var *micro = counter(lang, entry, "micro");
    Value *n = tn_var_read(lang, micro).tensor;
    for (size_t i = 0; i < step->minimizes.len; i++) {
        Minimize *m = step->minimizes.data[i];
        m->gradients.len = 0;
        for (size_t k = 0; k < m->vars.len; k++) {
            Var *sum = sum_of(lang, entry, lang->vars.data[m->vars.data[k]], &used);
            Value *gradient = mean_gradient(lang, place, sum, n);
            if (gradient == NULL) {
                return false;
            }
            tn_vec_push(&lang->ctx->arena, &m->gradients, gradient);
        }
    }
    tn_var_write(lang, micro, tn_make_scalar_int(tn_lang_start(lang, place, "apply"), TN_I64, 0));
    return tn_train_update(lang, entry, step);
}
