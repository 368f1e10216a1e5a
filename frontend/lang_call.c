/* lang_call.c: calls of functions, models, builtins and primitives. */
#include <string.h>

#include "frontend/lang_eval.h"

static const Val bad = {.kind = VAL_BAD};

static int shown(StrView text) {
    return text.len > 60 ? 60 : (int)text.len;
}

/* ---- functions of the language ---- */

typedef Val AdaptFn(Lang *lang, StrView param, Val value, void *arg);

/* The argument given for parameter `i`, VAL_ABSENT when there is none. */
static Val given(const CallArgs *args, const FnDef *def, uint32_t i) {
    if (i < args->list.len) {
        return args->list.data[i];
    }
    for (size_t k = 0; k < args->named.len; k++) {
        if (tn_sv_eq(args->named.data[k].key, def->params[i].name)) {
            return args->named.data[k].value;
        }
    }
    return (Val){.kind = VAL_ABSENT};
}

static int find_param(const FnDef *def, StrView name) {
    for (uint32_t i = 0; i < def->n_params; i++) {
        if (tn_sv_eq(def->params[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

static const char *params_text(Lang *lang, const FnDef *def) {
    StrBuf text = tn_str(&lang->ctx->scratch);
    tn_str_puts(&text, def->n_params == 0 ? "nothing" : "");
    for (uint32_t i = 0; i < def->n_params; i++) {
        tn_str_printf(&text, "%s%.*s", i > 0 ? " " : "", shown(def->params[i].name),
                      def->params[i].name.data);
    }
    return text.data;
}

/* Every argument has a parameter, and none has two. `name=` is for all. */
static bool check_args(Lang *lang, const FnDef *def, const CallArgs *args) {
    if (args->list.len > def->n_params) {
        tn_lang_error(lang, args->place, "%.*s takes %u arguments, found %zu", shown(def->name),
                      def->name.data, def->n_params, args->list.len);
        return false;
    }
    for (size_t i = 0; i < args->named.len; i++) {
        const NamedVal *named = &args->named.data[i];
        int at = find_param(def, named->key);
        if (at < 0 && tn_sv_is(named->key, "name")) {
            continue;
        }
        if (at < 0) {
            tn_lang_error(lang, named->place, "%.*s has no parameter '%.*s'; it takes %s",
                          shown(def->name), def->name.data, shown(named->key), named->key.data,
                          params_text(lang, def));
            return false;
        }
        if ((size_t)at < args->list.len) {
            tn_lang_error(lang, named->place, "'%.*s' is given twice", shown(named->key),
                          named->key.data);
            return false;
        }
    }
    return true;
}

bool tn_lang_bind_default(Lang *lang, Frame *frame, uint32_t i) {
    const Param *param = &frame->def->params[i];
    if (param->value == NULL || frame->pending[i].kind != VAL_ABSENT) {
        return false;
    }
    frame->pending[i].kind = VAL_BAD; /* while it is evaluated */
    frame->pending[i] = tn_lang_eval(lang, param->value);
    tn_env_set(lang, frame->env, param->name, frame->pending[i]);
    return true;
}

/* Binds parameters; a default may use every other parameter. */
static bool bind_params(Lang *lang, const FnDef *def, CallArgs *args, AdaptFn *adapt, void *arg) {
    Frame *frame = lang->frame;
    Val *values = TN_NEW_ARRAY(&lang->ctx->arena, Val, def->n_params + 1u);
    for (uint32_t i = 0; i < def->n_params; i++) {
        values[i] = given(args, def, i);
        if (values[i].kind != VAL_ABSENT) {
            tn_env_set(lang, frame->env, def->params[i].name, values[i]);
        }
    }
    frame->pending = values;
    for (uint32_t i = 0; i < def->n_params; i++) {
        const Param *param = &def->params[i];
        tn_lang_bind_default(lang, frame, i);
        if (values[i].kind == VAL_ABSENT) {
            tn_lang_error(lang, args->place, "%.*s: argument '%.*s' is missing", shown(def->name),
                          def->name.data, shown(param->name), param->name.data);
            return false;
        }
        if (adapt != NULL) {
            values[i] = adapt(lang, param->name, values[i], arg);
        }
        if (values[i].kind == VAL_BAD ||
            (param->type != NULL && !tn_lang_match(lang, param, args->place, &values[i]))) {
            return false;
        }
        tn_env_set(lang, frame->env, param->name, values[i]);
    }
    frame->pending = NULL;
    return true;
}

Val tn_lang_enter(Lang *lang, const FnDef *def, const Env *outer, CallArgs *args, Scope *scope,
                  AdaptFn *adapt, void *arg) {
    if (!check_args(lang, def, args)) {
        return bad;
    }
    if (lang->calls >= LANG_CALLS_MAX) {
        return tn_lang_limit(lang, args->place, "calls are nested more than %d deep",
                             LANG_CALLS_MAX);
    }
    Frame *frame = TN_NEW(&lang->ctx->arena, Frame);
    *frame = (Frame){.caller = lang->frame,
                     .def = def,
                     .place = args->place,
                     .env = tn_env_new(lang, outer),
                     .scope = scope,
                     .vars = tn_map(&lang->ctx->arena),
                     .result = {.kind = VAL_NONE}};
    lang->frame = frame;
    lang->calls++;
    if (!bind_params(lang, def, args, adapt, arg)) {
        frame->result = bad;
    } else if (def->value != NULL) {
        frame->result = tn_lang_eval(lang, def->value);
    } else {
        tn_lang_exec(lang, &def->body);
    }
    lang->calls--;
    lang->frame = frame->caller;
    return frame->result;
}

/* The text of `name=`; false after a diagnostic. */
static bool instance_name(Lang *lang, const FnDef *def, const CallArgs *args, StrView *out) {
    *out = (StrView){"", 0};
    for (size_t i = 0; i < args->named.len; i++) {
        const NamedVal *named = &args->named.data[i];
        if (!tn_sv_is(named->key, "name") || find_param(def, named->key) >= 0) {
            continue;
        }
        if (named->value.kind == VAL_NONE) {
            continue;
        }
        if (!tn_lang_string(lang, named->place, named->value, "name", out)) {
            return false;
        }
        if (out->len == 0 || out->len > 200) {
            tn_lang_error(lang, named->place, "a name has 1 to 200 bytes");
            return false;
        }
    }
    return true;
}

/* Variables of anonymous functions, and of helpers, whose names begin with _, are called as if
 * they were the caller's. */
static Val call_def(Lang *lang, const Fn *fn, CallArgs *args) {
    const FnDef *def = fn->def;
    StrView name;
    Scope *scope;
    if (!instance_name(lang, def, args, &name)) {
        return bad;
    }
    if (def->kind == FN_TRAIN) {
        return tn_lang_error(lang, args->place, "%.*s is a train block, which cannot be called",
                             shown(def->name), def->name.data);
    }
    if (def->kind == FN_MODEL) {
        bool first = lang->entry->kind == ENTRY_STEP && lang->first_model == NULL;
        lang->first_model = first ? def : lang->first_model;
        *tn_map_put_str(&lang->called, def->name, NULL) = lang;
        scope = tn_scope_root(lang, tn_sv_dup(&lang->ctx->arena, def->name));
    } else if ((def->kind == FN_ANONYMOUS || def->name.data[0] == '_') && name.len == 0) {
        scope = lang->frame != NULL ? lang->frame->scope : tn_scope_root(lang, "");
    } else {
        scope =
            tn_scope_new(lang, lang->frame != NULL ? lang->frame->scope : NULL, def->name, name);
    }
    Val result = tn_lang_enter(lang, def, fn->outer, args, scope, NULL, NULL);
    return def->kind == FN_MODEL && result.kind == VAL_NONE
               ? tn_lang_error(lang, def->place, "the model returns nothing")
               : result;
}

/* ---- builtins ---- */

/* The next word of a list of names; `*optional` is set behind the bar. */
static StrView next_word(const char **at, bool *optional) {
    while (**at == ' ' || **at == '|') {
        *optional = *optional || **at == '|';
        (*at)++;
    }
    size_t len = strcspn(*at, " |");
    StrView word = {*at, len};
    *at += len;
    return word;
}

/* The argument for parameter `n`, called `word`: VAL_ABSENT when there is none, VAL_BAD when
 * there are two. `*used` counts the named ones that found their parameter. */
static Val builtin_arg(Lang *lang, const CallArgs *args, size_t n, StrView word, size_t *used) {
    Val value = n < args->list.len ? args->list.data[n] : (Val){.kind = VAL_ABSENT};
    for (size_t k = 0; k < args->named.len; k++) {
        const NamedVal *named = &args->named.data[k];
        if (!tn_sv_eq(named->key, word)) {
            continue;
        }
        if (n < args->list.len) {
            return tn_lang_error(lang, named->place, "'%.*s' is given twice", (int)word.len,
                                 word.data);
        }
        value = named->value;
        (*used)++;
    }
    return value;
}

static Val call_builtin(Lang *lang, const Builtin *builtin, const CallArgs *args) {
    Args *bound = TN_NEW(&lang->ctx->arena, Args);
    const char *at = builtin->params;
    bool optional = false;
    size_t used = 0;
    size_t n = 0;
    *bound = (Args){.lang = lang, .place = args->place, .builtin = builtin};
    for (StrView word; (word = next_word(&at, &optional)).len > 0; n++) {
        bound->v[n] = builtin_arg(lang, args, n, word, &used);
        if (bound->v[n].kind == VAL_BAD) {
            return bad;
        }
        if (bound->v[n].kind == VAL_ABSENT && !optional) {
            return tn_lang_error(lang, args->place, "%s: argument '%.*s' is missing", builtin->name,
                                 (int)word.len, word.data);
        }
    }
    if (args->list.len > n || used < args->named.len) {
        return tn_lang_error(lang, args->place, "%s takes: %s", builtin->name, builtin->params);
    }
    return builtin->run(bound);
}

/* ---- primitives ---- */

static bool attr_ints(Lang *lang, Place place, const char *name, Val v, Attr *out) {
    const Val *items = v.kind == VAL_LIST ? v.list->items : &v;
    size_t n = v.kind == VAL_LIST ? v.list->n : 1;
    int64_t *ints = TN_NEW_ARRAY(&lang->ctx->arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!tn_lang_int(lang, place, items[i], name, &ints[i])) {
            return false;
        }
    }
    out->ints = ints;
    out->n = (uint32_t)n;
    return true;
}

static bool attr_dims(Lang *lang, Place place, const char *name, Val v, Attr *out) {
    const Val *items = v.kind == VAL_LIST ? v.list->items : &v;
    size_t n = v.kind == VAL_LIST ? v.list->n : 1;
    const Dim **dims = TN_NEW_ARRAY(&lang->ctx->arena, const Dim *, n + 1);
    for (size_t i = 0; i < n; i++) {
        dims[i] = tn_lang_dim(lang, place, items[i], name);
        if (dims[i] == NULL) {
            return false;
        }
    }
    out->dims = dims;
    out->n = (uint32_t)n;
    return true;
}

static bool make_attr(Lang *lang, const NamedVal *named, Attr *out) {
    const char *name = tn_attr_text(out->name);
    Place place = named->place;
    Val v = named->value;
    out->kind = tn_attr_kind(out->name);
    switch (out->kind) {
    case ATTR_INT:
        if (v.kind == VAL_BOOL) {
            out->i = v.truth;
            return true;
        }
        return tn_lang_int(lang, place, v, name, &out->i);
    case ATTR_DTYPE:
        return tn_lang_dtype(lang, place, v, name, &out->dtype);
    case ATTR_INTS:
        return attr_ints(lang, place, name, v, out);
    case ATTR_DIMS:
        return attr_dims(lang, place, name, v, out);
    default:
        break;
    }
    tn_lang_error(lang, place, "attribute '%s' cannot be given here", name);
    return false;
}

static bool has_attr(const OpInfo *info, AttrName name) {
    for (uint8_t i = 0; i < info->n_attrs; i++) {
        if (info->attrs[i].name == name) {
            return true;
        }
    }
    return false;
}

static bool make_attrs(Lang *lang, const OpInfo *info, const CallArgs *args, Attr *out) {
    for (size_t i = 0; i < args->named.len; i++) {
        const NamedVal *named = &args->named.data[i];
        out[i] = (Attr){.name = tn_attr_by_name(named->key)};
        if (out[i].name == TN_ATTR_COUNT || !has_attr(info, out[i].name)) {
            tn_lang_error(lang, named->place, "%s has no attribute '%.*s'", info->name,
                          shown(named->key), named->key.data);
            return false;
        }
        if (!make_attr(lang, named, &out[i])) {
            return false;
        }
    }
    return true;
}

/* Operands in one list are those of a variadic primitive. */
static const ValVec *operands_of(const CallArgs *args, const OpInfo *info, ValVec *out) {
    out->data = args->list.data;
    out->len = args->list.len;
    if (info->n_in < 0 && args->list.len == 1 && args->list.data[0].kind == VAL_LIST) {
        const List *list = args->list.data[0].list;
        out->data = (Val *)list->items;
        out->len = list->n;
    }
    return out;
}

static Val results_of(Lang *lang, const Node *node) {
    Val results[8];
    size_t n = node->n_out < 8 ? node->n_out : 8;
    for (size_t i = 0; i < n; i++) {
        results[i] = tn_val_tensor(lang, node->out[i]);
    }
    return n == 1 ? results[0] : tn_val_list(lang, results, n);
}

static Val call_node(Lang *lang, Op op, const CallArgs *args) {
    const OpInfo *info = tn_op_info(op);
    Arena *arena = &lang->ctx->arena;
    ValVec values = {0};
    operands_of(args, info, &values);
    if (info->n_in >= 0 && values.len != (size_t)info->n_in) {
        return tn_lang_error(lang, args->place, "%s takes %d operands, found %zu", info->name,
                             info->n_in, values.len);
    }
    Value **in = TN_NEW_ARRAY(arena, Value *, values.len + 1);
    Attr *attrs = TN_NEW_ARRAY(arena, Attr, args->named.len + 1);
    for (size_t i = 0; i < values.len; i++) {
        DType other = i > 0 && values.data[i].kind != VAL_TENSOR ? in[0]->type.dtype : TN_DT_NONE;
        in[i] = tn_lang_tensor(lang, args->place, values.data[i], other, "an operand");
        if (in[i] == NULL) {
            return bad;
        }
    }
    if (!make_attrs(lang, info, args, attrs)) {
        return bad;
    }
    Call *call = tn_lang_start(lang, args->place, info->name);
    Value *first = tn_make_node(call, op, in, values.len, attrs, args->named.len);
    Val result = tn_lang_finish(lang, args->place, first);
    return result.kind == VAL_TENSOR ? results_of(lang, first->def) : result;
}

static Val call_primitive(Lang *lang, Op op, const CallArgs *args) {
    const OpInfo *info = tn_op_info(op);
    if (info->cls != OPC_MAP || info->n_attrs > 0) {
        return call_node(lang, op, args);
    }
    if (args->list.len != (size_t)info->n_in || args->named.len > 0) {
        return tn_lang_error(lang, args->place, "%s takes %d operands", info->name, info->n_in);
    }
    return tn_lang_map(lang, args->place, op, args->list.data, args->list.len);
}

/* ---- all ---- */

Val tn_lang_call(Lang *lang, const Fn *fn, CallArgs *args) {
    if (fn->def != NULL) {
        return call_def(lang, fn, args);
    }
    if (fn->network != NULL) {
        return tn_lang_inline(lang, args->place, fn->network, args->list.data, args->list.len);
    }
    return fn->builtin != NULL ? call_builtin(lang, fn->builtin, args)
                               : call_primitive(lang, fn->op, args);
}

Val tn_lang_apply(Lang *lang, Place place, const Fn *fn, const Val *v, size_t n) {
    CallArgs args = {.place = place};
    for (size_t i = 0; i < n; i++) {
        tn_vec_push(&lang->ctx->arena, &args.list, v[i]);
    }
    return tn_lang_call(lang, fn, &args);
}
