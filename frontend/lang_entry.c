/* lang_entry.c: the graphs of a module's entries: inputs, outputs, inference. */
#include <string.h>

#include "frontend/lang_eval.h"

Entry *tn_entry_new(Lang *lang, EntryKind kind, const FnDef *def, const char *name) {
    Arena *arena = &lang->ctx->arena;
    Entry *entry = TN_NEW(arena, Entry);
    entry->kind = kind;
    entry->def = def;
    entry->root = tn_graph_new(lang->ctx, name);
    entry->graph = entry->root;
    entry->training = kind == ENTRY_STEP || kind == ENTRY_GRAD || kind == ENTRY_APPLY;
    entry->uses = tn_map(arena);
    entry->hypers = tn_map(arena);
    return entry;
}

Entry *tn_entry_init(Lang *lang) {
    if (lang->init == NULL) {
        lang->init = tn_entry_new(lang, ENTRY_INIT, NULL, "init");
        tn_graph_add_input(lang->init->graph, "seed", tn_type_scalar(TN_I64));
    }
    return lang->init;
}

Entry *tn_entry_switch(Lang *lang, Entry *entry) {
    Entry *before = lang->entry;
    lang->entry = entry;
    return before;
}

/* ---- inputs ---- */

static bool bind_inputs(Lang *lang, Entry *entry) {
    const FnDef *def = entry->def;
    Env *env = lang->frame->env;
    int input = 0;
    bool ok = true;
    for (uint32_t i = 0; i < def->n_params; i++) {
        const Param *param = &def->params[i];
        Type type;
        if (param->type == NULL && param->value != NULL) {
            tn_env_set(lang, env, param->name, tn_lang_eval(lang, param->value));
            continue;
        }
        if (!tn_lang_input_type(lang, param, input, &type)) {
            tn_env_set(lang, env, param->name, (Val){.kind = VAL_BAD});
            ok = false;
            continue;
        }
        const char *name = tn_sv_dup(&lang->ctx->arena, param->name);
        tn_env_set(lang, env, param->name,
                   tn_val_tensor(lang, tn_graph_add_input(entry->graph, name, type)));
        input++;
    }
    return ok;
}

static bool uses_symbol(const Graph *graph, const Dim *symbol) {
    for (size_t k = 0; k < graph->inputs.len; k++) {
        const Type *type = &graph->inputs.data[k]->type;
        for (int d = 0; d < type->rank; d++) {
            if (tn_dim_uses(type->dims[d], symbol)) {
                return true;
            }
        }
    }
    return false;
}

/* A dimension that is an expression needs its symbols from other dimensions: those must stand
 * alone somewhere. */
static bool check_symbols(Lang *lang, const Entry *entry) {
    for (size_t i = 0; i < lang->ctx->dims->symbols.len; i++) {
        const Symbol *symbol = &lang->ctx->dims->symbols.data[i];
        int32_t input;
        int32_t axis;
        if (!tn_graph_dim_place(entry->root, symbol->dim, &input, &axis) &&
            uses_symbol(entry->root, symbol->dim)) {
            tn_lang_error(lang, entry->def->place,
                          "dimension '%s' has to stand alone in some input", symbol->name);
            return false;
        }
    }
    return true;
}

Frame *tn_entry_run(Lang *lang, Entry *entry) {
    const FnDef *def = entry->def;
    Frame *frame = TN_NEW(&lang->ctx->arena, Frame);
    *frame = (Frame){.def = def,
                     .env = tn_env_new(lang, NULL),
                     .scope = tn_scope_root(lang, tn_sv_dup(&lang->ctx->arena, def->name)),
                     .vars = tn_map(&lang->ctx->arena),
                     .result = {.kind = VAL_NONE}};
    lang->frame = frame;
    if (bind_inputs(lang, entry) && check_symbols(lang, entry)) {
        tn_lang_exec(lang, &def->body);
    } else {
        frame->result = (Val){.kind = VAL_BAD};
    }
    return frame;
}

/* ---- outputs ---- */

/* Inputs of the caller first, then state, then hyper-parameters. */
static void sort_inputs(Graph *graph) {
    size_t n = graph->inputs.len;
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k > 0; k--) {
            InputSource *sources = graph->sources.data;
            if (sources[k - 1].kind <= sources[k].kind) {
                break;
            }
            Value **inputs = graph->inputs.data;
            InputSource source = sources[k];
            Value *value = inputs[k];
            const Blob *blob = graph->bound.data[k];
            sources[k] = sources[k - 1];
            inputs[k] = inputs[k - 1];
            graph->bound.data[k] = graph->bound.data[k - 1];
            sources[k - 1] = source;
            inputs[k - 1] = value;
            graph->bound.data[k - 1] = blob;
        }
    }
    for (size_t i = 0; i < n; i++) {
        graph->inputs.data[i]->out = (uint32_t)i;
    }
}

void tn_entry_finish(Lang *lang, Entry *entry) {
    Entry *outer = tn_entry_switch(lang, entry);
    for (size_t i = 0; i < lang->vars.len; i++) {
        const Var *var = lang->vars.data[i];
        const VarUse *use = tn_map_get_int(&entry->uses, (uint64_t)var->state);
        if (use != NULL && use->current != use->old && use->current != NULL) {
            tn_graph_add_update(entry->graph, var->name, use->current, var->state);
        }
    }
    sort_inputs(entry->graph);
    tn_vec_push(&lang->ctx->arena, &lang->entries, entry);
    tn_entry_switch(lang, outer);
}

static bool name_taken(const Graph *graph, const char *name) {
    for (size_t i = 0; i < graph->outputs.len; i++) {
        if (strcmp(graph->outputs.data[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

void tn_entry_output(Lang *lang, Entry *entry, const char *name, Value *value) {
    const char *unique = name;
    for (int i = 1; name_taken(entry->graph, unique); i++) {
        unique = tn_arena_printf(&lang->ctx->arena, "%s_%d", name, i);
    }
    tn_graph_add_output(entry->graph, unique, value);
}

/* What `return a, b` gave, called a and b. */
static bool add_results(Lang *lang, Entry *entry, const Frame *frame) {
    const Stmt *stmt = frame->returned_by;
    if (frame->result.kind == VAL_BAD) {
        return false;
    }
    if (stmt == NULL || frame->result.kind == VAL_NONE) {
        tn_lang_error(lang, frame->def->place, "the model returns nothing");
        return false;
    }
    bool list = frame->result.kind == VAL_LIST;
    const Val *items = list ? frame->result.list->items : &frame->result;
    size_t n = list ? frame->result.list->n : 1;
    for (size_t i = 0; i < n; i++) {
        const Expr *expr = n == stmt->n_values ? stmt->values[i] : NULL;
        bool named = expr != NULL && expr->kind == EXPR_NAME;
        const char *name = named ? tn_sv_dup(&lang->ctx->arena, expr->text) : "output";
        Value *value = tn_lang_tensor(lang, stmt->place, items[i],
                                      items[i].weak ? TN_F32 : TN_DT_NONE, "a result");
        if (value == NULL) {
            return false;
        }
        tn_entry_output(lang, entry, name, value);
    }
    return true;
}

bool tn_lang_infer(Lang *lang, const FnDef *def, const char *name) {
    Entry *entry = tn_entry_new(lang, ENTRY_INFER, def, name);
    tn_entry_switch(lang, entry);
    Frame *frame = tn_entry_run(lang, entry);
    bool ok = add_results(lang, entry, frame);
    lang->frame = NULL;
    if (ok) {
        tn_entry_finish(lang, entry);
    }
    return ok;
}
