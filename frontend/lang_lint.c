/* lang_lint.c: warnings about training that compiles and will disappoint. */
#include "frontend/lang_train.h"

typedef TN_VEC(const Value *) ValueVec;

static void visit(Arena *arena, bool *seen, ValueVec *todo, const Value *value) {
    if (!seen[value->id]) {
        seen[value->id] = true;
        tn_vec_push(arena, todo, value);
    }
}

/* Marks what the losses depend on. */
static bool *reached(Lang *lang, const Entry *step) {
    Arena *arena = &lang->ctx->arena;
    bool *seen = TN_NEW_ARRAY(arena, bool, step->root->n_values + 1u);
    ValueVec todo = {0};
    for (size_t i = 0; i < step->minimizes.len; i++) {
        visit(arena, seen, &todo, step->minimizes.data[i]->loss);
    }
    while (todo.len > 0) {
        const Node *node = todo.data[--todo.len]->def;
        for (size_t i = 0; node != NULL && i < node->n_in; i++) {
            visit(arena, seen, &todo, node->in[i]);
        }
    }
    return seen;
}

/* Parameters that no statement trains though none was chosen by `over`. */
static void untrained(Lang *lang, const Entry *step) {
    for (size_t i = 0; i < lang->vars.len; i++) {
        const Var *var = lang->vars.data[i];
        bool used = tn_map_get_int(&step->uses, (uint64_t)var->state) != NULL;
        bool trained = var->role != TN_STATE_PARAM || !used;
        for (size_t k = 0; k < step->minimizes.len && !trained; k++) {
            const Minimize *m = step->minimizes.data[k];
            trained = m->stmt->n_values > 1;
            for (size_t j = 0; j < m->vars.len && !trained; j++) {
                trained = m->vars.data[j] == (int32_t)i;
            }
        }
        if (!trained) {
            tn_lang_warn(lang, step->def->place,
                         "no loss reaches parameter '%s': it will not be trained", var->name);
        }
    }
}

void tn_lang_lint(Lang *lang, const Entry *step) {
    const bool *seen = reached(lang, step);
    for (size_t i = 0; i < step->randoms.len; i++) {
        const RandomUse *use = &step->randoms.data[i];
        if (use->graph == step->root && !seen[use->value->id]) {
            tn_lang_warn(lang, use->place, "these random numbers have no path to a loss");
        }
    }
    untrained(lang, step);
}
