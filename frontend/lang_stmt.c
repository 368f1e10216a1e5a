/* lang_stmt.c: runs statements. */
#include <string.h>

#include "frontend/lang_eval.h"

static bool is_done(const Lang *lang) {
    return lang->stopped || lang->frame->returned;
}

static void set_name(Lang *lang, StrView name, Val value) {
    tn_env_set(lang, lang->frame->env, name, value);
}

/* Gives names the entries of a list, or a single name the value. */
static void bind_names(Lang *lang, Place place, const StrView *names, uint32_t n, Val value) {
    bool list = value.kind == VAL_LIST && value.list->n == n;
    if (n > 1 && !list && value.kind != VAL_BAD) {
        value = tn_lang_error(lang, place, "%u names for %s", n, tn_val_describe(lang, value));
    }
    for (uint32_t i = 0; i < n; i++) {
        set_name(lang, names[i], n == 1 ? value : list ? value.list->items[i] : value);
    }
}

static void run_assign(Lang *lang, const Stmt *stmt) {
    if (stmt->n_values == 1) {
        Val value = tn_lang_eval(lang, stmt->values[0]);
        bind_names(lang, stmt->place, stmt->names, stmt->n_names, value);
        return;
    }
    Val *values = TN_NEW_ARRAY(&lang->ctx->arena, Val, stmt->n_values);
    for (uint32_t i = 0; i < stmt->n_values; i++) {
        values[i] = tn_lang_eval(lang, stmt->values[i]);
    }
    for (uint32_t i = 0; i < stmt->n_names; i++) {
        set_name(lang, stmt->names[i], values[i]);
    }
}

/* What would have been assigned is known to be wrong, so that its uses do not complain. */
static void poison(Lang *lang, const Block *block, int depth) {
    for (uint32_t i = 0; i < block->n && depth < 100; i++) {
        const Stmt *stmt = block->items[i];
        for (uint32_t k = 0; k < stmt->n_names; k++) {
            set_name(lang, stmt->names[k], (Val){.kind = VAL_BAD});
        }
        for (uint32_t k = 0; k < stmt->n_arms; k++) {
            poison(lang, &stmt->arms[k].body, depth + 1);
        }
    }
}

static void run_for(Lang *lang, const Stmt *stmt) {
    Val over = tn_lang_eval(lang, stmt->values[0]);
    if (over.kind != VAL_LIST) {
        if (over.kind != VAL_BAD) {
            tn_lang_error(lang, stmt->place, "for goes over a list such as range(3), found %s",
                          tn_val_describe(lang, over));
        }
        bind_names(lang, stmt->place, stmt->names, stmt->n_names, (Val){.kind = VAL_BAD});
        poison(lang, &stmt->arms[0].body, 0);
        return;
    }
    for (size_t i = 0; i < over.list->n && !is_done(lang); i++) {
        bind_names(lang, stmt->place, stmt->names, stmt->n_names, over.list->items[i]);
        tn_lang_exec(lang, &stmt->arms[0].body);
    }
}

static void run_if(Lang *lang, const Stmt *stmt) {
    for (uint32_t i = 0; i < stmt->n_arms; i++) {
        bool truth = true;
        const Expr *cond = stmt->arms[i].cond;
        if (cond != NULL &&
            !tn_lang_bool(lang, cond->place, tn_lang_eval(lang, cond), "the condition", &truth)) {
            for (uint32_t k = i; k < stmt->n_arms; k++) {
                poison(lang, &stmt->arms[k].body, 0);
            }
            return;
        }
        if (truth) {
            tn_lang_exec(lang, &stmt->arms[i].body);
            return;
        }
    }
}

static const char *message_of(Lang *lang, const Stmt *stmt) {
    StrView text;
    Val message = stmt->message != NULL ? tn_lang_eval(lang, stmt->message) : tn_val_none();
    if (message.kind == VAL_NONE) {
        return "an assertion does not hold";
    }
    bool ok = tn_lang_string(lang, stmt->place, message, "the message", &text);
    return ok ? tn_sv_dup(&lang->ctx->arena, text) : "";
}

/* A comparison of sizes that cannot be decided becomes a demand on the model's inputs. */
static bool demand(Lang *lang, const Stmt *stmt) {
    const Expr *cond = stmt->values[0];
    bool negate;
    if (cond->kind != EXPR_BINARY || !tn_lang_compares(cond->op)) {
        return false;
    }
    Val a = tn_lang_eval(lang, cond->items[0]);
    Val b = tn_lang_eval(lang, cond->items[1]);
    if (a.kind != VAL_INT || b.kind != VAL_INT) {
        return false;
    }
    const Dim *truth = tn_lang_truth(lang, cond->op, a.dim, b.dim, &negate);
    if (tn_dim_is_const(truth)) {
        return false;
    }
    Call *call = tn_lang_start(lang, stmt->place, NULL);
    bool equal = cond->op == LANG_EQ;
    return tn_make_require(call, equal ? a.dim : truth, equal ? b.dim : tn_make_int(call, !negate),
                           "%s", message_of(lang, stmt));
}

static void run_assert(Lang *lang, const Stmt *stmt) {
    bool truth;
    if (demand(lang, stmt)) {
        return;
    }
    Val cond = tn_lang_eval(lang, stmt->values[0]);
    if (tn_lang_bool(lang, stmt->values[0]->place, cond, "the condition", &truth) && !truth) {
        tn_lang_error(lang, stmt->place, "%s", message_of(lang, stmt));
        lang->frame->returned = true;
        lang->frame->result = (Val){.kind = VAL_BAD};
    }
}

/* A warning whose condition depends on symbolic sizes is left out. */
static void run_warn(Lang *lang, const Stmt *stmt) {
    bool truth;
    lang->lenient = true;
    Val cond = tn_lang_eval(lang, stmt->values[0]);
    lang->lenient = false;
    if (tn_lang_bool(lang, stmt->values[0]->place, cond, "the condition", &truth) && truth) {
        tn_lang_warn(lang, stmt->place, "%s", message_of(lang, stmt));
    }
}

static void run_return(Lang *lang, const Stmt *stmt) {
    ValVec values = {0};
    Frame *frame = lang->frame;
    if (frame->loop != NULL) {
        tn_lang_error(lang, stmt->place, "a loop gives values by next and yield, not by return");
        return;
    }
    bool ok = tn_lang_eval_items(lang, stmt->values, stmt->n_values, &values);
    frame->returned = true;
    frame->returned_by = stmt;
    frame->result = !ok               ? (Val){.kind = VAL_BAD}
                    : values.len == 0 ? tn_val_none()
                    : values.len == 1 ? values.data[0]
                                      : tn_val_list(lang, values.data, values.len);
}

static void run_next(Lang *lang, const Stmt *stmt) {
    LoopState *state = lang->frame->loop;
    if (state == NULL) {
        tn_lang_error(lang, stmt->place, "next belongs in a loop");
        return;
    }
    for (uint32_t i = 0; i < stmt->n_names; i++) {
        uint32_t k = 0;
        while (k < state->loop->n_carried &&
               !tn_sv_eq(state->loop->carried[k].name, stmt->names[i])) {
            k++;
        }
        if (k == state->loop->n_carried) {
            tn_lang_error(lang, stmt->place, "the loop carries no '%.*s'", (int)stmt->names[i].len,
                          stmt->names[i].data);
        } else {
            state->next[k] = tn_lang_eval(lang, stmt->values[i]);
        }
    }
}

static void run_yield(Lang *lang, const Stmt *stmt) {
    LoopState *state = lang->frame->loop;
    if (state == NULL || state->yielded) {
        tn_lang_error(lang, stmt->place, "yield belongs in a loop, once");
        return;
    }
    state->yielded = true;
    tn_lang_eval_items(lang, stmt->values, stmt->n_values, &state->yields);
}

static void run(Lang *lang, const Stmt *stmt) {
    switch (stmt->kind) {
    case STMT_EXPR:
        tn_lang_eval(lang, stmt->values[0]);
        break;
    case STMT_ASSIGN:
        run_assign(lang, stmt);
        break;
    case STMT_VAR:
        tn_lang_declare(lang, stmt);
        break;
    case STMT_UPDATE:
        tn_lang_update(lang, stmt);
        break;
    case STMT_FOR:
        run_for(lang, stmt);
        break;
    case STMT_IF:
        run_if(lang, stmt);
        break;
    case STMT_ASSERT:
        run_assert(lang, stmt);
        break;
    case STMT_WARN:
        run_warn(lang, stmt);
        break;
    case STMT_RETURN:
        run_return(lang, stmt);
        break;
    case STMT_NEXT:
        run_next(lang, stmt);
        break;
    case STMT_YIELD:
        run_yield(lang, stmt);
        break;
    case STMT_MINIMIZE:
        tn_lang_minimize(lang, stmt);
        break;
    case STMT_METRIC:
        tn_lang_metric(lang, stmt);
        break;
    }
}

void tn_lang_exec(Lang *lang, const Block *block) {
    if (lang->nest >= LANG_NEST_MAX) {
        if (block->n > 0) {
            tn_lang_limit(lang, block->items[0]->place, "evaluation is nested more than %d deep",
                          LANG_NEST_MAX);
        }
        return;
    }
    lang->nest++;
    for (uint32_t i = 0; i < block->n && !is_done(lang); i++) {
        if (tn_lang_work(lang, block->items[i]->place, 1)) {
            run(lang, block->items[i]);
        }
    }
    lang->nest--;
}
