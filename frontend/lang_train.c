/* lang_train.c: train blocks: the entries step, eval, grad and apply.
 *
 * The body is run once for each of step, eval and grad. Gradients of all minimize statements
 * are taken on that one graph, at the parameters as they were; updates come last. `apply`
 * does the updates alone, from gradients that `grad` has summed up in the state.
 */
#include <string.h>

#include "frontend/lang_eval.h"
#include "frontend/lang_train.h"
#include "ir/grad.h"

static const Val bad = {.kind = VAL_BAD};

const char *tn_lang_block_name(const Lang *lang, const FnDef *def, const char *name) {
    if (lang->trains.len <= 1) {
        return name;
    }
    return tn_arena_printf(&lang->ctx->arena, "%.*s.%s", (int)def->name.len, def->name.data, name);
}

/* ---- statements ---- */

static bool in_block(Lang *lang, const Stmt *stmt, const char *what) {
    if (lang->frame->def->kind == FN_TRAIN && lang->entry->loop == NULL) {
        return true;
    }
    tn_lang_error(lang, stmt->place, "%s belongs in a train block", what);
    return false;
}

/* The loss as a float scalar, NULL after a diagnostic. */
static Value *loss_of(Lang *lang, const Stmt *stmt) {
    Val v = tn_lang_eval(lang, stmt->values[0]);
    Value *loss = tn_lang_tensor(lang, stmt->place, v, v.weak ? TN_F32 : TN_DT_NONE, "the loss");
    if (loss == NULL) {
        return NULL;
    }
    if (loss->type.rank != 0 || !tn_dtype_is_float(loss->type.dtype)) {
        tn_lang_error(
            lang, stmt->place, "the loss is %s, expected one float; %s", tn_val_describe(lang, v),
            loss->type.rank != 0 ? "mean() or sum() makes it one" : "cast() makes it one");
        return NULL;
    }
    return loss;
}

void tn_lang_minimize(Lang *lang, const Stmt *stmt) {
    if (!in_block(lang, stmt, "minimize")) {
        return;
    }
    Minimize *minimize = TN_NEW(&lang->ctx->arena, Minimize);
    const Expr *expr = stmt->values[0];
    minimize->stmt = stmt;
    minimize->loss = loss_of(lang, stmt);
    minimize->name = expr->kind == EXPR_NAME ? tn_sv_dup(&lang->ctx->arena, expr->text) : "loss";
    minimize->env = tn_env_freeze(lang, lang->frame->env);
    minimize->rate = -1;
    tn_vec_push(&lang->ctx->arena, &lang->entry->minimizes, minimize);
}

void tn_lang_metric(Lang *lang, const Stmt *stmt) {
    if (!in_block(lang, stmt, "metric")) {
        return;
    }
    Val value = tn_lang_eval(lang, stmt->values[0]);
    Metric metric = {tn_sv_dup(&lang->ctx->arena, stmt->names[0]), value};
    tn_vec_push(&lang->ctx->arena, &lang->entry->metrics, metric);
    tn_env_set(lang, lang->frame->env, stmt->names[0], value);
}

/* ---- which parameters ---- */

/* Whether `text` is what the pattern means; * stands for any characters. */
bool tn_lang_glob(StrView pattern, StrView text) {
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t mark = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len && pattern.data[p] == text.data[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

/* Whether a parameter is one that a pattern, or a model, in `over` means. */
static bool is_meant(Val over, const Var *var) {
    StrView name = tn_sv(var->name);
    if (over.kind == VAL_STRING) {
        return tn_lang_glob(over.text, name);
    }
    StrView model = over.fn->def->name;
    return name.len > model.len && memcmp(name.data, model.data, model.len) == 0 &&
           name.data[model.len] == '.';
}

static bool has_var(const Minimize *m, int32_t number) {
    for (size_t i = 0; i < m->vars.len; i++) {
        if (m->vars.data[i] == number) {
            return true;
        }
    }
    return false;
}

/* Adds the parameters meant by one entry of `over`. */
static void add_meant(Lang *lang, Minimize *m, Place place, Val over) {
    bool model = over.kind == VAL_FN && over.fn->def != NULL && over.fn->def->kind == FN_MODEL;
    if (over.kind == VAL_LIST) {
        for (size_t i = 0; i < over.list->n && !lang->stopped; i++) {
            add_meant(lang, m, place, over.list->items[i]);
        }
        return;
    }
    if (!model && over.kind != VAL_STRING) {
        if (over.kind != VAL_BAD) {
            tn_lang_error(lang, place, "over lists models and names of parameters, found %s",
                          tn_val_describe(lang, over));
        }
        return;
    }
    bool any = false;
    for (size_t i = 0; i < lang->vars.len; i++) {
        const Var *var = lang->vars.data[i];
        if (var->role == TN_STATE_PARAM && is_meant(over, var)) {
            any = true;
            if (!has_var(m, (int32_t)i)) {
                tn_vec_push(&lang->ctx->arena, &m->vars, (int32_t)i);
            }
        }
    }
    if (!any) {
        tn_lang_error(lang, place, "no parameter of this step is meant by %s",
                      tn_val_describe(lang, over));
    }
}

static VarUse *use_of(const Entry *entry, const Var *var) {
    return tn_map_get_int(&entry->uses, (uint64_t)var->state);
}

/* Fills m->vars: those named, or all that the entry reads. */
static void choose(Lang *lang, Minimize *m) {
    const Stmt *stmt = m->stmt;
    for (uint32_t i = 1; i < stmt->n_values; i++) {
        add_meant(lang, m, stmt->values[i]->place, tn_lang_eval(lang, stmt->values[i]));
    }
    for (size_t i = 0; stmt->n_values == 1 && i < lang->vars.len; i++) {
        const Var *var = lang->vars.data[i];
        const VarUse *use = use_of(lang->entry, var);
        if (var->role == TN_STATE_PARAM && use != NULL && use->old != NULL &&
            tn_dtype_is_float(var->type.dtype)) {
            tn_vec_push(&lang->ctx->arena, &m->vars, (int32_t)i);
        }
    }
}

/* ---- gradients ---- */

static Val option(Lang *lang, const Minimize *m, const char *key) {
    for (uint32_t i = 0; i < m->stmt->n_options; i++) {
        if (tn_sv_is(m->stmt->options[i].key, key)) {
            const char *outer = lang->hyper_name;
            lang->hyper_name = key;
            Val v = tn_lang_eval(lang, m->stmt->options[i].value);
            lang->hyper_name = outer;
            return v;
        }
    }
    return (Val){.kind = VAL_ABSENT};
}

static Val call_named(Lang *lang, Place place, const char *name, const Val *v, size_t n) {
    const Fn *fn = tn_lang_find_item(lang, tn_sv(name));
    if (fn == NULL) {
        return tn_lang_error(lang, place, "the library has no %s", name);
    }
    return tn_lang_apply(lang, place, fn, v, n);
}

/* The loss with l1 sum |w| and l2 sum w^2 of its parameters. */
static Value *penalised(Lang *lang, Minimize *m) {
    static const char *const keys[] = {"l1", "l2"};
    static const char *const penalties[] = {"l1_penalty", "l2_penalty"};
    Place place = m->stmt->place;
    Val total = tn_val_tensor(lang, m->loss);
    for (int k = 0; k < 2; k++) {
        Val weight = option(lang, m, keys[k]);
        for (size_t i = 0; weight.kind != VAL_ABSENT && i < m->vars.len; i++) {
            Val p = tn_var_read(lang, lang->vars.data[m->vars.data[i]]);
            Val part = call_named(lang, place, penalties[k], &p, 1);
            part = tn_lang_binary(lang, place, LANG_MUL, part, weight);
            if (part.kind == VAL_TENSOR) { /* losses and parameters may differ in dtype */
                part = tn_lang_finish(lang, place,
                                      tn_make_cast(tn_lang_start(lang, place, "cast"), part.tensor,
                                                   m->loss->type.dtype));
            }
            total = tn_lang_binary(lang, place, LANG_ADD, total, part);
        }
    }
    return total.kind == VAL_TENSOR ? total.tensor : NULL;
}

static bool unreached(Lang *lang, const Minimize *m, const Var *var) {
    tn_lang_error(lang, m->stmt->place, "the loss does not reach parameter '%s'", var->name);
    return false;
}

/* Keeps the parameters that have gradients; one that was named must have one. */
static bool keep_reached(Lang *lang, Minimize *m, Value *const *gradients) {
    Arena *arena = &lang->ctx->arena;
    bool named = m->stmt->n_values > 1 || lang->chosen;
    bool ok = true;
    size_t kept = 0;
    for (size_t i = 0; i < m->vars.len; i++) {
        if (gradients[i] != NULL) {
            tn_vec_push(arena, &m->gradients, gradients[i]);
            m->vars.data[kept++] = m->vars.data[i];
        } else if (named) {
            ok = unreached(lang, m, lang->vars.data[m->vars.data[i]]);
        }
    }
    m->vars.len = kept;
    if (kept == 0 && ok) {
        tn_lang_error(lang, m->stmt->place, "the loss depends on no parameter");
        ok = false;
    }
    return ok;
}

static bool differentiate(Lang *lang, Minimize *m) {
    Arena *arena = &lang->ctx->arena;
    choose(lang, m);
    m->loss = penalised(lang, m);
    if (m->loss == NULL) {
        return false;
    }
    Value **targets = TN_NEW_ARRAY(arena, Value *, m->vars.len + 1);
    Value **gradients = TN_NEW_ARRAY(arena, Value *, m->vars.len + 1);
    for (size_t i = 0; i < m->vars.len; i++) {
        const Var *var = lang->vars.data[m->vars.data[i]];
        const VarUse *use = use_of(lang->entry, var);
        if (use == NULL || use->old == NULL) {
            return unreached(lang, m, var);
        }
        targets[i] = use->old;
    }
    tn_lang_start(lang, m->stmt->place, "grad");
    if (!tn_grad_build(lang->entry->root, &m->loss, NULL, 1, targets, m->vars.len, gradients)) {
        tn_lang_finish(lang, m->stmt->place, NULL);
        return false;
    }
    return tn_lang_finish(lang, m->stmt->place, m->loss).kind != VAL_BAD &&
           keep_reached(lang, m, gradients);
}

/* ---- entries ---- */

/* Losses and metrics are the outputs. */
static bool add_outputs(Lang *lang, Entry *entry) {
    bool ok = true;
    for (size_t i = 0; i < entry->minimizes.len; i++) {
        const Minimize *m = entry->minimizes.data[i];
        tn_entry_output(lang, entry, m->name, m->loss);
    }
    for (size_t i = 0; i < entry->metrics.len; i++) {
        const Metric *metric = &entry->metrics.data[i];
        Value *value = tn_lang_tensor(lang, entry->def->place, metric->value,
                                      metric->value.weak ? TN_F32 : TN_DT_NONE, "a metric");
        ok = value != NULL && ok;
        if (value != NULL) {
            tn_entry_output(lang, entry, metric->name, value);
        }
    }
    return ok;
}

/* Runs the body in a new entry, current until the next; NULL after diagnostics. */
static Entry *run_body(Lang *lang, const FnDef *def, EntryKind kind, const char *name,
                       uint32_t base) {
    Entry *entry = tn_entry_new(lang, kind, def, tn_lang_block_name(lang, def, name));
    tn_entry_switch(lang, entry);
    entry->random_base = base;
    size_t had = tn_lang_errors(lang);
    Frame *frame = tn_entry_run(lang, entry);
    if (frame->returned && frame->result.kind != VAL_BAD) {
        tn_lang_error(lang, def->place, "a train block returns nothing; metric gives results");
    }
    if (tn_lang_errors(lang) == had && entry->minimizes.len == 0 && !lang->stopped) {
        tn_lang_error(lang, def->place, "the train block minimizes nothing");
    }
    bool ok = tn_lang_errors(lang) == had && !lang->stopped;
    for (size_t i = 0; ok && i < entry->minimizes.len; i++) {
        ok = entry->minimizes.data[i]->loss != NULL;
    }
    return ok ? entry : NULL;
}

static bool differentiate_all(Lang *lang, Entry *entry) {
    bool ok = true;
    for (size_t i = 0; i < entry->minimizes.len; i++) {
        ok = differentiate(lang, entry->minimizes.data[i]) && ok;
    }
    return ok;
}

static bool make_step(Lang *lang, const FnDef *def, Entry **out) {
    Entry *entry = run_body(lang, def, ENTRY_STEP, "step", tn_block_base(lang, def));
    *out = entry;
    if (entry == NULL || !differentiate_all(lang, entry)) {
        return false;
    }
    tn_lang_lint(lang, entry);
    bool ok = tn_train_update(lang, entry, entry) && add_outputs(lang, entry);
    lang->frame = NULL;
    if (ok) {
        tn_entry_finish(lang, entry);
    }
    return ok;
}

/* The loss of an evaluation has the penalties of the step's. */
static bool make_eval(Lang *lang, const FnDef *def, const Entry *step) {
    Entry *entry = run_body(lang, def, ENTRY_EVAL, "eval", tn_block_base(lang, def));
    bool ok = entry != NULL;
    for (size_t i = 0; ok && i < entry->minimizes.len; i++) {
        Minimize *m = entry->minimizes.data[i];
        if (i < step->minimizes.len) {
            m->vars = step->minimizes.data[i]->vars;
        }
        m->loss = penalised(lang, m);
        ok = m->loss != NULL;
    }
    ok = ok && add_outputs(lang, entry);
    lang->frame = NULL;
    if (ok) {
        tn_entry_finish(lang, entry);
    }
    return ok;
}

static bool make_grad(Lang *lang, const FnDef *def) {
    Entry *entry = run_body(lang, def, ENTRY_GRAD, "grad", tn_block_base(lang, def));
    bool ok = entry != NULL && differentiate_all(lang, entry) && tn_train_accumulate(lang, entry) &&
              add_outputs(lang, entry);
    lang->frame = NULL;
    if (ok) {
        tn_entry_finish(lang, entry);
    }
    return ok;
}

static bool make_apply(Lang *lang, const FnDef *def, Entry *step) {
    Entry *entry = tn_entry_new(lang, ENTRY_APPLY, def, tn_lang_block_name(lang, def, "apply"));
    tn_entry_switch(lang, entry);
    bool ok = tn_train_apply(lang, entry, step);
    lang->frame = NULL;
    if (ok) {
        tn_entry_finish(lang, entry);
    }
    return ok;
}

bool tn_lang_train(Lang *lang, const FnDef *def) {
    Entry *step;
    return make_step(lang, def, &step) && make_eval(lang, def, step) && make_grad(lang, def) &&
           make_apply(lang, def, step);
}

/* Keys of blocks differ. */
uint32_t tn_block_base(const Lang *lang, const FnDef *def) {
    uint32_t base = 0;
    while (base < lang->trains.len && lang->trains.data[base] != def) {
        base++;
    }
    return 0x80000000u + (base << 20);
}

Val tn_train_option(Lang *lang, const Minimize *m, const char *key) {
    return option(lang, m, key);
}

Val tn_train_call(Lang *lang, Place place, const char *name, const Val *v, size_t n) {
    return lang->stopped ? bad : call_named(lang, place, name, v, n);
}
