/* module.c: modules: construction, verification and text. */
#include "ir/module.h"

#include <string.h>

#include "ir/lex.h"

Module *tn_module_new(Ctx *ctx, const char *name) {
    Module *module = TN_NEW(&ctx->arena, Module);
    module->ctx = ctx;
    module->name = tn_sv_dup(&ctx->arena, tn_sv(name != NULL ? name : ""));
    return module;
}

Module *tn_module_of_graph(Graph *graph) {
    Module *module = tn_module_new(graph->ctx, graph->name);
    tn_vec_push(&graph->ctx->arena, &module->entries, graph);
    return module;
}

int32_t tn_module_add_state(Module *module, const char *name, tn_state_role role, Type type) {
    StateVar var = {tn_sv_dup(&module->ctx->arena, tn_sv(name)), role, type};
    tn_vec_push(&module->ctx->arena, &module->states, var);
    return (int32_t)module->states.len - 1;
}

int32_t tn_module_add_hyper(Module *module, const char *name, double value) {
    HyperVar var = {tn_sv_dup(&module->ctx->arena, tn_sv(name)), value};
    tn_vec_push(&module->ctx->arena, &module->hypers, var);
    return (int32_t)module->hypers.len - 1;
}

uint64_t tn_module_state_offset(const Module *module, int32_t state) {
    uint64_t at = 0;
    for (int32_t i = 0; i < state; i++) {
        const Type *type = &module->states.data[i].type;
        uint64_t bytes = (uint64_t)tn_type_static_count(type) * tn_dtype_bytes(type->dtype);
        at += (bytes + 63) / 64 * 64;
    }
    return at;
}

uint64_t tn_module_state_bytes(const Module *module) {
    return tn_module_state_offset(module, (int32_t)module->states.len);
}

bool tn_module_is_plain(const Module *module) {
    return module->entries.len == 1 && module->states.len == 0 && module->hypers.len == 0;
}

const char *tn_module_entry_of(const Module *module, size_t i) {
    return tn_module_is_plain(module) ? "infer" : module->entries.data[i]->name;
}

Graph *tn_module_entry(const Module *module, StrView name) {
    for (size_t i = 0; i < module->entries.len; i++) {
        if (tn_sv_is(name, tn_module_entry_of(module, i))) {
            return module->entries.data[i];
        }
    }
    return NULL;
}

Module *tn_module_clone(const Module *module) {
    Arena *arena = &module->ctx->arena;
    Module *copy = tn_module_new(module->ctx, module->name);
    for (size_t i = 0; i < module->states.len; i++) {
        tn_vec_push(arena, &copy->states, module->states.data[i]);
    }
    for (size_t i = 0; i < module->hypers.len; i++) {
        tn_vec_push(arena, &copy->hypers, module->hypers.data[i]);
    }
    for (size_t i = 0; i < module->entries.len; i++) {
        tn_vec_push(arena, &copy->entries, tn_graph_clone(module->entries.data[i]));
    }
    return copy;
}

/* The next name of a list with commas, which loses it. */
static StrView take_name(StrView *names) {
    const char *comma = memchr(names->data, ',', names->len);
    size_t len = comma != NULL ? (size_t)(comma - names->data) : names->len;
    size_t taken = len + (comma != NULL);
    StrView name = {names->data, len};
    *names = (StrView){names->data + taken, names->len - taken};
    return name;
}

static bool no_entry(const Module *module, StrView name) {
    StrBuf known = tn_str(&module->ctx->scratch);
    for (size_t i = 0; i < module->entries.len; i++) {
        tn_str_printf(&known, "%s%s", i > 0 ? ", " : "", tn_module_entry_of(module, i));
    }
    return tn_diag(&module->ctx->diags, TN_USAGE, (Loc){0}, "no entry '%.*s'; the model has: %s",
                   (int)name.len, name.data, known.data);
}

bool tn_module_keep(Module *module, StrView names) {
    bool *wanted = TN_NEW_ARRAY(&module->ctx->scratch, bool, module->entries.len + 1);
    while (names.len > 0) {
        StrView name = take_name(&names);
        size_t i = 0;
        while (i < module->entries.len && !tn_sv_is(name, tn_module_entry_of(module, i))) {
            i++;
        }
        if (i == module->entries.len) {
            return no_entry(module, name);
        }
        wanted[i] = true;
    }
    size_t n = 0;
    for (size_t i = 0; i < module->entries.len; i++) {
        if (wanted[i]) {
            module->entries.data[n++] = module->entries.data[i];
        }
    }
    module->entries.len = n;
    return true;
}

/* ---- verification ---- */

static bool fits_state(const Module *module, int32_t index, const Type *type) {
    return index >= 0 && (size_t)index < module->states.len &&
           tn_type_same_shape(&module->states.data[index].type, type);
}

static bool fits_input(const Module *module, InputSource source, const Type *type) {
    if (source.kind == INPUT_STATE) {
        return fits_state(module, source.index, type);
    }
    return source.kind == INPUT_HYPER && source.index >= 0 &&
           (size_t)source.index < module->hypers.len && type->dtype == TN_F64 && type->rank == 0;
}

/* Whether inputs and outputs that are not the caller's are variables of the module, and each
 * variable has one new value at most. */
static bool fits_module(const Module *module, const Graph *graph) {
    bool *seen = TN_NEW_ARRAY(&module->ctx->arena, bool, module->states.len + 1);
    for (size_t i = tn_graph_caller_inputs(graph); i < graph->inputs.len; i++) {
        if (!fits_input(module, graph->sources.data[i], &graph->inputs.data[i]->type)) {
            return false;
        }
    }
    for (size_t i = tn_graph_caller_outputs(graph); i < graph->outputs.len; i++) {
        const GraphOutput *output = &graph->outputs.data[i];
        if (!fits_state(module, output->state, &output->value->type) || seen[output->state]) {
            return false;
        }
        seen[output->state] = true;
    }
    return true;
}

bool tn_module_verify(Module *module) {
    bool ok = true;
    for (size_t i = 0; i < module->states.len; i++) {
        const Type *type = &module->states.data[i].type;
        ok = ok && tn_type_static_count(type) >= 0 && type->layout == NULL;
    }
    for (size_t i = 0; i < module->entries.len; i++) {
        Graph *graph = module->entries.data[i];
        ok = tn_graph_verify(graph) && fits_module(module, graph) && ok;
    }
    return ok || tn_diag(&module->ctx->diags, TN_INTERNAL, (Loc){.node = module->name},
                         "invalid module: an entry and the variables do not fit");
}

/* ---- text ---- */

static const char *const role_names[] = {
    [TN_STATE_PARAM] = "param", [TN_STATE_BUFFER] = "buffer",   [TN_STATE_OPTIMIZER] = "optimizer",
    [TN_STATE_GRAD] = "grad",   [TN_STATE_COUNTER] = "counter",
};

enum { ROLES = sizeof role_names / sizeof *role_names };

static void put_named(StrBuf *out, const char *what, const char *name) {
    tn_str_printf(out, "%s \"", what);
    tn_str_escape(out, tn_sv(name));
    tn_str_putc(out, '"');
}

void tn_module_print(const Module *module, bool elide, StrBuf *out) {
    if (tn_module_is_plain(module)) {
        tn_graph_print(module->entries.data[0], elide, out);
        return;
    }
    put_named(out, "module", module->name);
    tn_str_putc(out, '\n');
    for (size_t i = 0; i < module->states.len; i++) {
        const StateVar *var = &module->states.data[i];
        put_named(out, "state", var->name);
        tn_str_printf(out, " %s ", role_names[var->role]);
        tn_type_print(module->ctx, &var->type, out);
        tn_str_putc(out, '\n');
    }
    for (size_t i = 0; i < module->hypers.len; i++) {
        put_named(out, "hyper", module->hypers.data[i].name);
        tn_str_printf(out, " = %.17g\n", module->hypers.data[i].value);
    }
    for (size_t i = 0; i < module->entries.len; i++) {
        tn_graph_print(module->entries.data[i], elide, out);
    }
}

static bool parse_role(Lexer *lexer, tn_state_role *out) {
    for (int i = 0; i < ROLES; i++) {
        if (tn_lex_accept_word(lexer, role_names[i])) {
            *out = (tn_state_role)i;
            return true;
        }
    }
    return tn_lex_expected(lexer, "param, buffer, optimizer, grad or counter");
}

/* state "mlp.dense.kernel" param f32[784,10] */
static bool parse_state(Lexer *lexer, Module *module) {
    StrView name;
    tn_state_role role = TN_STATE_PARAM;
    Type type;
    if (!tn_lex_name(lexer, &name) || !parse_role(lexer, &role)) {
        return false;
    }
    Token token = lexer->token;
    if (!tn_type_parse_at(lexer, &type)) {
        return false;
    }
    if (tn_type_static_count(&type) < 0 || type.layout != NULL) {
        return tn_lex_error(lexer, &token, "state needs a static shape and no layout");
    }
    tn_module_add_state(module, tn_sv_dup(&lexer->ctx->arena, name), role, type);
    return true;
}

/* hyper "rate" = 0.001 */
static bool parse_hyper(Lexer *lexer, Module *module) {
    StrView name;
    double value;
    uint64_t bits;
    if (!tn_lex_name(lexer, &name) || !tn_lex_expect(lexer, "=") ||
        !tn_lex_float(lexer, sizeof(double), &value, &bits)) {
        return false;
    }
    tn_module_add_hyper(module, tn_sv_dup(&lexer->ctx->arena, name), value);
    return true;
}

static bool parse_variables(Lexer *lexer, Module *module) {
    for (;;) {
        if (tn_lex_accept_word(lexer, "state")) {
            if (!parse_state(lexer, module)) {
                return false;
            }
        } else if (!tn_lex_accept_word(lexer, "hyper")) {
            return true;
        } else if (!parse_hyper(lexer, module)) {
            return false;
        }
    }
}

static bool parse_entries(Lexer *lexer, Module *module) {
    bool ok = true;
    do {
        Token token = lexer->token;
        Graph *graph = tn_graph_parse_at(lexer);
        if (graph == NULL) {
            return false;
        }
        if (tn_module_entry(module, tn_sv(graph->name)) != NULL) {
            ok = tn_lex_error(lexer, &token, "there are two graphs of this name");
        }
        if (!fits_module(module, graph)) {
            ok = tn_lex_error(lexer, &token, "the graph does not fit the module's variables");
        }
        tn_vec_push(&lexer->ctx->arena, &module->entries, graph);
    } while (lexer->token.kind != TOKEN_END);
    return ok;
}

Module *tn_module_parse_text(Ctx *ctx, StrView text, const char *file) {
    Lexer lexer;
    StrView name;
    tn_lex_init(&lexer, ctx, text, file);
    if (!tn_lex_accept_word(&lexer, "module")) {
        Graph *graph = tn_graph_parse_text(ctx, text, file);
        return graph != NULL ? tn_module_of_graph(graph) : NULL;
    }
    if (!tn_lex_name(&lexer, &name)) {
        return NULL;
    }
    Module *module = tn_module_new(ctx, tn_sv_dup(&ctx->arena, name));
    return parse_variables(&lexer, module) && parse_entries(&lexer, module) ? module : NULL;
}
