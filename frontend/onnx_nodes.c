/* onnx_nodes.c: names, nodes and model-local functions.
 *
 * Functions are inlined: their body is imported in a scope of its own. Depth is limited and
 * a function may not call itself; the total of inlined nodes is limited, as calls of calls
 * multiply.
 */
#include "frontend/onnx_nodes.h"

#include <string.h>

enum { MAX_CALL_DEPTH = 64, MAX_INLINED = 1 << 20, MAX_ATTRS = 256 };

/* ---- scopes ---- */

static bool is_main_domain(StrView domain) {
    return domain.len == 0 || tn_sv_is(domain, "ai.onnx");
}

int64_t tn_onnx_opset(const OnnxOpset *opsets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (is_main_domain(opsets[i].domain)) {
            return opsets[i].version;
        }
    }
    return 0;
}

Name *tn_scope_define(OnnxImport *import, Scope *scope, StrView name, bool *added) {
    void **slot = tn_map_put_str(&scope->names, name, added);
    if (*added) {
        Name *entry = TN_NEW(&import->shared.ctx->arena, Name);
        entry->poisoned = true;
        *slot = entry;
        return entry;
    }
    return *slot;
}

Value *tn_scope_value(OnnxImport *import, Name *name, Loc loc) {
    if (name->value == NULL && name->tensor != NULL && !name->poisoned) {
        name->value = tn_tensor_const(&import->shared, name->tensor, loc);
        name->poisoned = name->value == NULL;
        if (name->value != NULL && name->tensor->name.len > 0) {
            name->value->name = tn_sv_dup(&import->shared.ctx->arena, name->tensor->name);
        }
    }
    return name->poisoned ? NULL : name->value;
}

/* ---- what a node is ---- */

/* One node on its way through the importer. */
typedef struct Site {
    OnnxImport *import;
    Scope *scope;
    const OnnxNode *node;
    Loc loc;
    Value **in;
    Name **in_names; /* NULL where omitted */
    size_t n_in, n_out;
    bool poisoned;   /* an input is */
} Site;

static bool fail(Site *site, tn_status status, const char *text) {
    return tn_diag(&site->import->shared.ctx->diags, status, site->loc, "%s", text);
}

static const char *text_of(Site *site, StrView view) {
    return tn_sv_dup(&site->import->shared.ctx->arena, view);
}

/* A node without a name is called after its first result. */
static Loc node_loc(const Site *site) {
    const OnnxNode *node = site->node;
    Arena *arena = &site->import->shared.ctx->arena;
    StrView name = node->name.len > 0 || node->n_outputs == 0 ? node->name : node->outputs[0];
    const char *own = tn_sv_dup(arena, name);
    const char *op = tn_arena_printf(arena, "%s-%lld", tn_sv_dup(arena, node->op),
                                     (long long)site->scope->opset);
    bool inner = site->scope->path[0] != 0;
    return (Loc){.file = site->import->file,
                 .op = op,
                 .node = inner ? tn_arena_printf(arena, "%s/%s", site->scope->path, own) : own};
}

static size_t used_length(const StrView *names, size_t n) {
    while (n > 0 && names[n - 1].len == 0) {
        n--;
    }
    return n;
}

/* Whether some node of the whole model's graph makes `name`: then the order is wrong. */
static bool made_later(const Site *site, StrView name) {
    const OnnxGraph *graph = site->import->model->graph;
    if (site->scope->function != NULL || site->import->shared.ctx->diags.dropped > 0) {
        return false;
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        for (size_t k = 0; k < graph->nodes[i].n_outputs; k++) {
            if (tn_sv_eq(graph->nodes[i].outputs[k], name)) {
                return true;
            }
        }
    }
    return false;
}

static bool undefined(Site *site, StrView name) {
    return tn_diag(&site->import->shared.ctx->diags, TN_BAD_INPUT, site->loc,
                   made_later(site, name)
                       ? "input '%s' is made by a later node: nodes must be in topological order"
                       : "input '%s' is not defined",
                   text_of(site, name));
}

static bool find_inputs(Site *site) {
    bool ok = true;
    for (size_t i = 0; i < site->n_in; i++) {
        StrView name = site->node->inputs[i];
        bool added = false;
        if (name.len == 0) {
            continue;
        }
        Name *entry = tn_scope_define(site->import, site->scope, name, &added);
        if (entry->omitted) {
            continue;
        }
        site->in_names[i] = entry;
        ok = added ? undefined(site, name) : ok;
        /* An entry just added stays, poisoned, so that the message comes once. */
        site->in[i] = tn_scope_value(site->import, site->in_names[i], site->loc);
        site->poisoned = site->poisoned || site->in[i] == NULL;
    }
    return ok;
}

/* ---- results ---- */

static bool define_result(Site *site, size_t i, Value *value) {
    StrView name = site->node->outputs[i];
    bool added;
    if (name.len == 0) {
        return true;
    }
    Name *entry = tn_scope_define(site->import, site->scope, name, &added);
    if (!added && !(entry->poisoned && entry->value == NULL && entry->tensor == NULL)) {
        return tn_diag(&site->import->shared.ctx->diags, TN_BAD_INPUT, site->loc,
                       "'%s' is already defined", text_of(site, name));
    }
    entry->value = value;
    entry->poisoned = value == NULL;
    if (value != NULL && value->name == NULL && site->scope->function == NULL) {
        value->name = text_of(site, name);
    }
    return true;
}

static void define_results(Site *site, Value *const *out, bool ok) {
    for (size_t i = 0; i < site->n_out; i++) {
        define_result(site, i, ok ? out[i] : NULL);
    }
}

/* ---- attributes ---- */

static const OnnxAttr *attr_named(const OnnxAttr *attrs, size_t n, StrView name) {
    for (size_t i = 0; i < n; i++) {
        if (tn_sv_eq(attrs[i].name, name)) {
            return &attrs[i];
        }
    }
    return NULL;
}

/* The node's attributes with references to the function's own put in. */
static const OnnxAttr *resolve_attrs(Site *site, size_t *n) {
    const OnnxNode *node = site->node;
    const Scope *scope = site->scope;
    *n = node->n_attrs;
    if (scope->function == NULL) {
        return node->attrs;
    }
    OnnxAttr *attrs = TN_NEW_ARRAY(&site->import->shared.ctx->arena, OnnxAttr, *n + 1);
    *n = 0;
    for (size_t i = 0; i < node->n_attrs; i++) {
        const OnnxAttr *from = &node->attrs[i];
        if (from->ref.len > 0) {
            const OnnxFunction *function = scope->function;
            from = attr_named(scope->attrs, scope->n_attrs, node->attrs[i].ref);
            from = from != NULL
                       ? from
                       : attr_named(function->defaults, function->n_defaults, node->attrs[i].ref);
        }
        if (from != NULL) {
            attrs[*n] = *from;
            attrs[(*n)++].name = node->attrs[i].name;
        }
    }
    return attrs;
}

/* ---- functions ---- */

static StrView function_key(Arena *arena, StrView domain, StrView name, StrView overload) {
    StrBuf key = tn_str(arena);
    StrView parts[] = {is_main_domain(domain) ? TN_SV("") : domain, name, overload};
    for (int i = 0; i < 3; i++) {
        tn_str_printf(&key, "%zu:", parts[i].len);
        tn_str_write(&key, parts[i].data, parts[i].len);
    }
    return (StrView){key.data, key.len};
}

bool tn_onnx_add_functions(OnnxImport *import) {
    Ctx *ctx = import->shared.ctx;
    import->functions = tn_map(&ctx->arena);
    for (size_t i = 0; i < import->model->n_functions; i++) {
        const OnnxFunction *function = &import->model->functions[i];
        StrView key =
            function_key(&ctx->arena, function->domain, function->name, function->overload);
        bool added;
        void **slot = tn_map_put_str(&import->functions, key, &added);
        if (!added) {
            Loc loc = {.file = import->file, .offset = function->at, .has_offset = true};
            return tn_diag(&ctx->diags, TN_BAD_INPUT, loc, "function '%s' is defined twice",
                           tn_sv_dup(&ctx->arena, function->name));
        }
        *slot = (void *)(uintptr_t)function;
    }
    return true;
}

static const OnnxFunction *find_function(Site *site) {
    const OnnxNode *node = site->node;
    OnnxImport *import = site->import;
    if (import->model->n_functions == 0) {
        return NULL;
    }
    StrView key =
        function_key(&import->shared.ctx->scratch, node->domain, node->op, node->overload);
    return tn_map_get_str(&import->functions, key);
}

static bool calls_itself(const Scope *scope, const OnnxFunction *function) {
    for (; scope != NULL; scope = scope->caller) {
        if (scope->function == function) {
            return true;
        }
    }
    return false;
}

static bool check_function(Site *site, const OnnxFunction *function) {
    OnnxImport *import = site->import;
    if (calls_itself(site->scope, function)) {
        return fail(site, TN_BAD_INPUT, "the function calls itself");
    }
    if (site->scope->depth >= MAX_CALL_DEPTH) {
        return fail(site, TN_LIMIT, "function calls are nested more than 64 deep");
    }
    if (function->n_nodes > MAX_INLINED - import->inlined) {
        return fail(site, TN_LIMIT, "function calls unfold to more than a million nodes");
    }
    import->inlined += (uint32_t)function->n_nodes;
    if (tn_onnx_opset(function->opsets, function->n_opsets) > TN_OPSET_MAX) {
        return fail(site, TN_UNSUPPORTED, "the function's opset is newer than any known");
    }
    if (function->n_defaults > MAX_ATTRS) {
        return fail(site, TN_LIMIT, "the function has more than 256 attributes");
    }
    if (site->n_in > function->n_inputs || site->n_out > function->n_outputs) {
        return fail(site, TN_BAD_INPUT, "more inputs or outputs than the function has");
    }
    return true;
}

static void bind_parameters(Site *site, const OnnxFunction *function, Scope *body) {
    for (size_t i = 0; i < function->n_inputs; i++) {
        bool added;
        Name *name = tn_scope_define(site->import, body, function->inputs[i], &added);
        Name *given = i < site->n_in ? site->in_names[i] : NULL;
        *name = given != NULL ? *given : (Name){.omitted = true};
    }
}

static bool call_function(Site *site, const OnnxFunction *function) {
    OnnxImport *import = site->import;
    if (!check_function(site, function)) {
        return false;
    }
    Scope body = {.caller = site->scope,
                  .function = function,
                  .names = tn_map(&import->shared.ctx->arena),
                  .opset = tn_onnx_opset(function->opsets, function->n_opsets),
                  .path = site->loc.node,
                  .depth = site->scope->depth + 1};
    body.attrs = resolve_attrs(site, &body.n_attrs);
    bind_parameters(site, function, &body);
    tn_onnx_import_nodes(import, &body, function->nodes, function->n_nodes);
    for (size_t i = 0; i < site->n_out; i++) {
        Name *name = tn_map_get_str(&body.names, function->outputs[i]);
        if (name == NULL) {
            fail(site, TN_BAD_INPUT, "the function does not define one of its outputs");
        }
        define_result(site, i, name != NULL ? tn_scope_value(import, name, site->loc) : NULL);
    }
    return true;
}

/* ---- operators ---- */

static const OpRow *find_row(Site *site) {
    const OnnxNode *node = site->node;
    DiagList *diags = &site->import->shared.ctx->diags;
    int64_t opset = site->scope->opset;
    bool known;
    if (!is_main_domain(node->domain)) {
        tn_diag(diags, TN_UNSUPPORTED, site->loc, "operator '%s' of domain '%s' is not supported",
                text_of(site, node->op), text_of(site, node->domain));
        return NULL;
    }
    const OpRow *row = tn_op_row(node->op, opset, &known);
    if (row == NULL && known && opset > 0) {
        tn_diag(diags, TN_BAD_INPUT, site->loc, "operator '%s' does not exist in opset %lld",
                text_of(site, node->op), (long long)opset);
    } else if (row == NULL && opset > 0) {
        tn_diag(diags, TN_UNSUPPORTED, site->loc, "operator '%s' (opset %lld) is not supported",
                text_of(site, node->op), (long long)opset);
    } else if (row == NULL) {
        fail(site, TN_BAD_INPUT,
             "the model does not say which version of the ai.onnx operators "
             "it uses (opset_import)");
    }
    return row;
}

static bool run_operator(Site *site, const OpRow *row, Value **out) {
    Import *shared = &site->import->shared;
    Call call = {.import = shared,
                 .ctx = shared->ctx,
                 .graph = shared->graph,
                 .loc = site->loc,
                 .row = row,
                 .opset = (int)site->scope->opset,
                 .in = site->in,
                 .n_in = site->n_in,
                 .out = out,
                 .n_out = site->n_out};
    call.attrs = resolve_attrs(site, &call.n_attrs);
    return tn_call_run(&call);
}

static void import_node(OnnxImport *import, Scope *scope, const OnnxNode *node) {
    Arena *arena = &import->shared.ctx->arena;
    Site site = {.import = import, .scope = scope, .node = node};
    site.loc = node_loc(&site);
    site.n_in = used_length(node->inputs, node->n_inputs);
    site.n_out = used_length(node->outputs, node->n_outputs);
    site.in = TN_NEW_ARRAY(arena, Value *, site.n_in + 1);
    site.in_names = TN_NEW_ARRAY(arena, Name *, site.n_in + 1);
    Value **out = TN_NEW_ARRAY(arena, Value *, site.n_out + 1);
    bool ok = find_inputs(&site);
    if (node->n_attrs > MAX_ATTRS) {
        fail(&site, TN_LIMIT, "more than 256 attributes");
        define_results(&site, out, false);
        return;
    }
    const OnnxFunction *function = find_function(&site);
    if (function != NULL) {
        if (!call_function(&site, function)) {
            define_results(&site, out, false);
        }
        return;
    }
    const OpRow *row = find_row(&site);
    ok = ok && row != NULL && !site.poisoned && run_operator(&site, row, out);
    define_results(&site, out, ok);
}

void tn_onnx_import_nodes(OnnxImport *import, Scope *scope, const OnnxNode *nodes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        import_node(import, scope, &nodes[i]);
    }
}
