/* lang_var.c: parameters, buffers and optimiser state: names, sharing, first values.
 *
 * A variable is called PATH.NAME, where the path has a part for every call around its
 * declaration that declares one. The same path is the same variable, in every entry. Names
 * are given out per call, so that a model called twice goes through the same names twice.
 */
#include <string.h>

#include "frontend/lang_eval.h"

enum { GIVEN = 1, COUNTED = 2, NUMBERS_MAX = 100000 };

/* No variable has more bytes, nor all together. */
static const int64_t state_max = (int64_t)1 << 46;

/* ---- names ---- */

Scope *tn_scope_new(Lang *lang, Scope *parent, StrView base, StrView given) {
    Scope *scope = TN_NEW(&lang->ctx->arena, Scope);
    *scope = (Scope){.parent = parent, .base = base, .given = given};
    scope->suffix = parent != NULL ? parent->suffix : NULL;
    scope->children = tn_map(&lang->ctx->arena);
    return scope;
}

Scope *tn_scope_root(Lang *lang, const char *path) {
    Scope *scope = tn_scope_new(lang, NULL, tn_sv(path), (StrView){"", 0});
    scope->path = path;
    return scope;
}

static bool take(Scope *scope, StrView name, int how, int *had) {
    bool added;
    void **slot = tn_map_put_str(&scope->children, name, &added);
    *had = added ? 0 : (int)(uintptr_t)*slot;
    if (added) {
        *slot = (void *)(uintptr_t)how;
    }
    return added;
}

/* base, base_1, base_2 ...: the first that is not taken. */
static StrView take_counted(Lang *lang, Scope *scope, StrView base) {
    int had;
    StrView name = base;
    for (int i = 1; !take(scope, name, COUNTED, &had) && i < NUMBERS_MAX; i++) {
        name = tn_sv(tn_arena_printf(&lang->ctx->arena, "%.*s_%d", (int)base.len, base.data, i));
    }
    return name;
}

static const char *join(Lang *lang, const char *path, StrView name) {
    return tn_arena_printf(&lang->ctx->arena, "%s%s%.*s", path, *path != '\0' ? "." : "",
                           (int)name.len, name.data);
}

/* The path of a call's variables; calls without variables never ask and have none. */
static const char *scope_path(Lang *lang, Place place, Scope *scope) {
    if (scope->path != NULL) {
        return scope->path;
    }
    const char *outer = scope->parent != NULL ? scope_path(lang, place, scope->parent) : "";
    StrView name = scope->given;
    int had = 0;
    if (name.len > 0) {
        take(scope->parent, name, GIVEN, &had);
    } else if (scope->parent != NULL) {
        name = take_counted(lang, scope->parent, scope->base);
    } else {
        name = scope->base;
    }
    if (had == COUNTED) {
        tn_lang_error(lang, place,
                      "the name '%.*s' is taken by a call without name=", (int)name.len, name.data);
    }
    scope->path = join(lang, outer, name);
    return scope->path;
}

/* ---- variables in an entry ---- */

static VarUse *use_of(Entry *entry, const Var *var) {
    bool added;
    void **slot = tn_map_put_int(&entry->uses, (uint64_t)var->state, &added);
    if (added) {
        *slot = TN_NEW(&entry->root->ctx->arena, VarUse);
    }
    return *slot;
}

Val tn_var_read(Lang *lang, const Var *var) {
    Entry *entry = lang->entry;
    VarUse *use = use_of(entry, var);
    if (use->current == NULL) {
        InputSource source = {INPUT_STATE, var->state};
        use->old = tn_graph_add_source(entry->root, var->name, var->type, source);
        use->current = use->old;
    }
    return (Val){.kind = VAL_TENSOR, .tensor = use->current, .graph = entry->root};
}

void tn_var_write(Lang *lang, const Var *var, Value *value) {
    use_of(lang->entry, var)->current = value;
}

Value *tn_var_init(Lang *lang, const Graph *graph, const Value *value) {
    if (lang->entry->kind != ENTRY_INIT || value->def != NULL || value->out >= graph->sources.len) {
        return NULL;
    }
    InputSource source = graph->sources.data[value->out];
    for (size_t i = 0; source.kind == INPUT_STATE && i < lang->vars.len; i++) {
        if (lang->vars.data[i]->state == source.index) {
            return use_of(lang->entry, lang->vars.data[i])->current;
        }
    }
    return NULL;
}

int32_t tn_hyper_number(Lang *lang, const char *name, double value) {
    const Module *module = lang->module;
    for (size_t i = 0; i < module->hypers.len; i++) {
        if (strcmp(module->hypers.data[i].name, name) == 0) {
            return (int32_t)i;
        }
    }
    return tn_module_add_hyper(lang->module, name, value);
}

Val tn_lang_hyper(Lang *lang, int32_t number) {
    Entry *entry = lang->entry;
    bool added;
    void **slot = tn_map_put_int(&entry->hypers, (uint64_t)number, &added);
    if (added) {
        InputSource source = {INPUT_HYPER, number};
        *slot = tn_graph_add_source(entry->root, lang->module->hypers.data[number].name,
                                    tn_type_scalar(TN_F64), source);
    }
    return (Val){.kind = VAL_TENSOR, .weak = true, .tensor = *slot, .graph = entry->root};
}

/* ---- first values ---- */

/* Broadcast to the type; floats are converted. */
static Value *fit(Lang *lang, Place place, Val v, const Type *type, const char *what) {
    Shape shape = {.rank = type->rank};
    memcpy(shape.dims, type->dims, sizeof shape.dims);
    Value *tensor = tn_lang_tensor(lang, place, v, TN_DT_NONE, what);
    bool number = v.kind != VAL_TENSOR || v.weak;
    if (tensor == NULL) {
        return NULL;
    }
    bool floats = tn_dtype_is_float(tensor->type.dtype) && tn_dtype_is_float(type->dtype);
    if (number) {
        tensor = tn_lang_tensor(lang, place, v, type->dtype, what);
    } else if (tensor->type.dtype != type->dtype && !floats) {
        tn_lang_error(lang, place, "%s is %s, expected elements of type %s", what,
                      tn_val_describe(lang, v), tn_dtype_text(type->dtype));
        return NULL;
    }
    Call *call = tn_lang_start(lang, place, NULL);
    tensor = tn_make_expand(call, tn_make_cast(call, tensor, type->dtype), &shape);
    tn_lang_finish(lang, place, tensor);
    return tensor;
}

/* The value of an initialiser in the init entry; a function is called with the shape and, if it
 * takes it, the dtype. */
static Val first_value(Lang *lang, const Stmt *stmt, const Type *type) {
    Place place = stmt->values[0]->place;
    Val v = tn_lang_eval(lang, stmt->values[0]);
    if (v.kind == VAL_FN && type == NULL) {
        return tn_lang_error(lang, place, "a function as first value needs a type: NAME: f32[...]");
    }
    if (v.kind == VAL_FN) {
        Val given[] = {tn_val_shape(lang, type), tn_val_dtype(type->dtype)};
        bool shape_alone = v.fn->def != NULL && v.fn->def->n_params == 1;
        v = tn_lang_apply(lang, place, v.fn, given, shape_alone ? 1 : 2);
    }
    return v;
}

static bool check_type(Lang *lang, Place place, const char *name, const Type *type) {
    int64_t count = tn_type_static_count(type);
    if (!tn_type_is_static(type)) {
        StrBuf text = tn_str(&lang->ctx->scratch);
        tn_type_print(lang->ctx, type, &text);
        tn_lang_error(lang, place, "'%s' is %s, but a variable's sizes are numbers", name,
                      text.data);
        return false;
    }
    int64_t bytes = 0;
    bool fits =
        count >= 0 && !__builtin_mul_overflow(count, (int64_t)tn_dtype_bytes(type->dtype), &bytes);
    if (!fits || bytes > state_max ||
        (uint64_t)bytes + tn_module_state_bytes(lang->module) > (uint64_t)state_max) {
        tn_lang_limit(lang, place, "the variables take more than 2^46 bytes");
        return false;
    }
    return true;
}

/* ---- declarations ---- */

static Var *add_var(Lang *lang, Place place, const char *name, tn_state_role role, Type type) {
    Arena *arena = &lang->ctx->arena;
    Var *var = TN_NEW(arena, Var);
    *var = (Var){name, role, type, tn_module_add_state(lang->module, name, role, type), place};
    tn_vec_push(arena, &lang->vars, var);
    *tn_map_put_str(&lang->by_name, tn_sv(name), NULL) = var;
    return var;
}

static const tn_state_role roles[] = {TN_STATE_PARAM, TN_STATE_BUFFER, TN_STATE_OPTIMIZER};

/* A new variable; its first value is evaluated in the init entry. NULL after a diagnostic. */
static Var *create(Lang *lang, const Stmt *stmt, const char *name, const Type *type) {
    if (type != NULL && !check_type(lang, stmt->place, name, type)) {
        return NULL;
    }
    Entry *init = tn_entry_init(lang);
    Entry *outer = tn_entry_switch(lang, init);
    init->random_base = (uint32_t)lang->vars.len << 8;
    init->n_random = 0;
    Val v = first_value(lang, stmt, type);
    Value *value = NULL;
    if (v.kind != VAL_BAD) {
        Place place = stmt->values[0]->place;
        value = type != NULL ? fit(lang, place, v, type, "the first value")
                             : tn_lang_tensor(lang, place, v, v.weak ? TN_F32 : TN_DT_NONE,
                                              "the first value");
    }
    Var *var = NULL;
    if (value != NULL && (type != NULL || check_type(lang, stmt->place, name, &value->type))) {
        var = add_var(lang, stmt->place, name, roles[stmt->var], value->type);
        tn_var_write(lang, var, value);
    }
    tn_entry_switch(lang, outer);
    return var;
}

/* Whether a variable that is there already fits what is declared now. */
static bool agrees(Lang *lang, const Stmt *stmt, const Var *var, const Type *type) {
    if (var->role != roles[stmt->var]) {
        tn_lang_error(lang, stmt->place, "there is another variable called '%s'", var->name);
        return false;
    }
    if (type == NULL || tn_type_same_shape(type, &var->type)) {
        return true;
    }
    StrBuf text = tn_str(&lang->ctx->scratch);
    tn_type_print(lang->ctx, &var->type, &text);
    tn_str_puts(&text, ", here it would be ");
    tn_type_print(lang->ctx, type, &text);
    tn_lang_error(lang, stmt->place, "'%s' is shared and has the type %s", var->name, text.data);
    return false;
}

static bool declared_before(Lang *lang, const Stmt *stmt) {
    const Var *var = tn_map_get_str(&lang->frame->vars, stmt->names[0]);
    bool other = var != NULL &&
                 (var->place.source != stmt->place.source || var->place.start != stmt->place.start);
    if (other) {
        tn_lang_error(lang, stmt->place, "'%.*s' is declared twice", (int)stmt->names[0].len,
                      stmt->names[0].data);
    }
    return other;
}

/* The variable's full name. */
static const char *full_name(Lang *lang, const Stmt *stmt) {
    Scope *scope = lang->frame->scope;
    const char *path = scope_path(lang, stmt->place, scope);
    const char *name = join(lang, path, take_counted(lang, scope, stmt->names[0]));
    return scope->suffix != NULL ? join(lang, name, tn_sv(scope->suffix)) : name;
}

void tn_lang_declare(Lang *lang, const Stmt *stmt) {
    Val value = {.kind = VAL_BAD};
    Type type;
    bool ok =
        lang->entry->kind != ENTRY_INIT ||
        tn_lang_error(lang, stmt->place, "a first value cannot declare variables").kind != VAL_BAD;
    if (ok && !declared_before(lang, stmt) &&
        (stmt->type == NULL || tn_lang_type(lang, stmt->type, &type))) {
        const Type *given = stmt->type != NULL ? &type : NULL;
        const char *name = full_name(lang, stmt);
        Var *var = tn_map_get_str(&lang->by_name, tn_sv(name));
        if (var == NULL) {
            var = create(lang, stmt, name, given);
        } else if (!agrees(lang, stmt, var, given)) {
            var = NULL;
        }
        if (var != NULL) {
            *tn_map_put_str(&lang->frame->vars, stmt->names[0], NULL) = var;
            value = tn_var_read(lang, var);
        }
    }
    tn_env_set(lang, lang->frame->env, stmt->names[0], value);
}

void tn_lang_update(Lang *lang, const Stmt *stmt) {
    const Var *var = tn_map_get_str(&lang->frame->vars, stmt->names[0]);
    const Val *bound = tn_env_get(lang->frame->env, stmt->names[0]);
    if (lang->entry->loop != NULL && (var == NULL || lang->entry->training)) {
        tn_lang_error(lang, stmt->place,
                      "update does not belong in a loop: carry '%.*s' from turn to turn, and "
                      "update it after the loop",
                      (int)stmt->names[0].len, stmt->names[0].data);
        return;
    }
    if (var == NULL || var->role == TN_STATE_PARAM) {
        if (bound == NULL || bound->kind != VAL_BAD) {
            tn_lang_error(lang, stmt->place,
                          "'%.*s' is no buffer or state declared in this function",
                          (int)stmt->names[0].len, stmt->names[0].data);
        }
        return;
    }
    if (!lang->entry->training) {
        return;
    }
    Val v = tn_lang_eval(lang, stmt->values[0]);
    Value *value =
        v.kind != VAL_BAD ? fit(lang, stmt->place, v, &var->type, "the new value") : NULL;
    if (value != NULL) {
        tn_var_write(lang, var, value);
        tn_env_set(lang, lang->frame->env, stmt->names[0], tn_val_tensor(lang, value));
    }
}

/* ---- the language's own variables ---- */

Var *tn_var_own(Lang *lang, const char *name, tn_state_role role, Type type, double init) {
    Var *var = tn_map_get_str(&lang->by_name, tn_sv(name));
    if (var != NULL && (var->role != role || !tn_type_same_shape(&var->type, &type))) {
        tn_lang_error(lang, var->place, "'%s' is the name of a variable of the training step",
                      name);
    }
    if (var != NULL) {
        return var;
    }
    var = add_var(lang, (Place){0}, name, role, type);
    Entry *outer = tn_entry_switch(lang, tn_entry_init(lang));
    tn_var_write(lang, var, fit(lang, (Place){0}, tn_val_float(init), &type, "a counter"));
    tn_entry_switch(lang, outer);
    return var;
}

Var *tn_var_given(Lang *lang, const char *name, Type type, const void *bytes) {
    Var *var = add_var(lang, (Place){0}, name, TN_STATE_PARAM, type);
    Entry *outer = tn_entry_switch(lang, tn_entry_init(lang));
    tn_var_write(lang, var, tn_const_new(lang->entry->root, type, bytes, NULL));
    tn_entry_switch(lang, outer);
    return var;
}

Var *tn_var_seed(Lang *lang) {
    Var *var = tn_map_get_str(&lang->by_name, TN_SV("seed"));
    if (var == NULL) {
        Entry *init = tn_entry_init(lang);
        Entry *outer = tn_entry_switch(lang, init);
        var = add_var(lang, (Place){0}, "seed", TN_STATE_COUNTER, tn_type_scalar(TN_I64));
        tn_var_write(lang, var, init->graph->inputs.data[0]);
        tn_entry_switch(lang, outer);
    }
    return var;
}
