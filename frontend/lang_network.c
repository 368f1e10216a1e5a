/* lang_network.c: training of graphs that say nothing of training: imported, or built by calls.
 *
 * The graph's float constants become parameters. A train block is written as text around
 * `network`, a function that stands for the graph; all else is as with model source.
 */
#include <string.h>

#include "frontend/lang.h"
#include "frontend/lang_train.h"

static const Val bad = {.kind = VAL_BAD};

/* ---- constants as parameters ---- */

/* Statistics of normalisations, which no gradient should change. */
static bool is_statistic(StrView name) {
    static const char *const patterns[] = {"*running_mean*", "*running_var*", "*moving_mean*",
                                           "*moving_var*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (tn_lang_glob(tn_sv(patterns[i]), name)) {
            return true;
        }
    }
    return false;
}

/* Tensors without dimensions are exponents, bounds and epsilons unless somebody asks for them. */
static bool is_wanted(const TrainOptions *options, StrView name, const Type *type) {
    for (size_t i = 0; i < options->n_trainable; i++) {
        if (tn_lang_glob(tn_sv(options->trainable[i]), name)) {
            return true;
        }
    }
    return options->n_trainable == 0 && type->rank > 0 && !is_statistic(name);
}

/* What a constant is called: its own name, or a number when it has elements enough to be
 * weights. NULL: it is no parameter. */
static const char *weight_name(Lang *lang, const Node *node, uint32_t *unnamed) {
    const Type *type = &node->out[0]->type;
    const char *name = node->out[0]->name;
    int64_t count = tn_type_static_count(type);
    if (!tn_node_is_const(node) || !tn_dtype_is_float(type->dtype) || count < 1 ||
        (name == NULL && count == 1)) {
        return NULL;
    }
    if (name == NULL || name[0] == '\0') {
        name = tn_arena_printf(&lang->ctx->arena, "weight_%u", (*unnamed)++);
    }
    const char *unique = name;
    for (int i = 1; tn_map_get_str(&lang->by_name, tn_sv(unique)) != NULL; i++) {
        unique = tn_arena_printf(&lang->ctx->arena, "%s_%d", name, i);
    }
    return unique;
}

static bool find_weights(Lang *lang, const Graph *graph, const TrainOptions *options) {
    uint32_t unnamed = 0;
    StrBuf names = tn_str(&lang->ctx->scratch);
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        const char *name = weight_name(lang, node, &unnamed);
        if (name == NULL) {
            continue;
        }
        if (is_wanted(options, tn_sv(name), &node->out[0]->type)) {
            Type type = node->out[0]->type;
            type.layout = NULL;
            Var *var = tn_var_given(lang, name, type, node->blob->data);
            *tn_map_put_int(&lang->weights, node->out[0]->id, NULL) = var;
        } else if (names.len < 400) {
            tn_str_printf(&names, "%s%s", names.len > 0 ? ", " : "", name);
        }
    }
    return lang->weights.len > 0 ||
           tn_diag(&lang->ctx->diags, TN_USAGE, (Loc){0},
                   "no constant of the model is to be trained; there are: %s",
                   names.len > 0 ? names.data : "(none)");
}

/* ---- the graph within another ---- */

static Value *weight(Lang *lang, Place place, const Value *constant) {
    const Var *var = tn_map_get_int(&lang->weights, constant->id);
    return var != NULL ? tn_lang_here(lang, place, tn_var_read(lang, var)) : NULL;
}

Val tn_lang_inline(Lang *lang, Place place, const Graph *network, const Val *v, size_t n) {
    Graph *to = lang->entry->graph;
    Value **map = TN_NEW_ARRAY(&lang->ctx->arena, Value *, network->n_values + 1u);
    Val *results = TN_NEW_ARRAY(&lang->ctx->arena, Val, network->outputs.len + 1);
    if (n != network->inputs.len) {
        return tn_lang_error(lang, place, "the network takes %zu tensors, found %zu",
                             network->inputs.len, n);
    }
    for (size_t i = 0; i < n; i++) {
        const Value *input = network->inputs.data[i];
        map[input->id] = tn_lang_tensor(lang, place, v[i], input->type.dtype, "an input");
        if (map[input->id] == NULL) {
            return bad;
        }
    }
    for (const Node *node = network->first; node != NULL; node = node->next) {
        Value *known = tn_node_is_const(node) ? weight(lang, place, node->out[0]) : NULL;
        if (known != NULL) {
            map[node->out[0]->id] = known;
        } else {
            tn_node_clone(to, node, map);
        }
    }
    for (size_t i = 0; i < network->constraints.len; i++) {
        const Constraint *c = &network->constraints.data[i];
        if (!tn_graph_require_eq(to, c->a, c->b, tn_lang_loc(lang, place), c->text)) {
            return bad;
        }
    }
    for (size_t i = 0; i < network->outputs.len; i++) {
        results[i] = tn_val_tensor(lang, map[network->outputs.data[i].value->id]);
    }
    return tn_val_list(lang, results, network->outputs.len);
}

/* ---- the train block ---- */

/* Whether a loss of the library takes class numbers: its second parameter says so. */
static bool takes_labels(const TrainOptions *options) {
    size_t len = strcspn(options->loss, "( ");
    StrView name = {options->loss, len};
    return tn_lang_glob(TN_SV("*sparse*"), name) || tn_sv_is(name, "negative_log_likelihood") ||
           tn_sv_is(name, "multi_margin");
}

static void put_target(const Graph *graph, const TrainOptions *options, StrBuf *out) {
    Type type = graph->outputs.data[0].value->type;
    type.layout = NULL;
    if (options->target != NULL) {
        tn_str_puts(out, options->target);
        return;
    }
    if (takes_labels(options) && type.rank > 0) {
        type.dtype = TN_I64;
        type.rank--;
    }
    tn_type_print(graph->ctx, &type, out);
}

/* LOSS(output, target), or with the arguments that the text gives. */
static void put_loss(const char *loss, StrBuf *out) {
    size_t len = strcspn(loss, "(");
    tn_str_puts(out, "  loss = ");
    tn_str_write(out, loss, len);
    tn_str_puts(out, "(outputs[0], target");
    if (loss[len] == '\0') {
        tn_str_putc(out, ')');
    } else {
        size_t more = len + 1 + strspn(loss + len + 1, " ");
        tn_str_puts(out, loss[more] == ')' ? "" : ", ");
        tn_str_puts(out, loss + more);
    }
    tn_str_putc(out, '\n');
}

static void put_block(const Graph *graph, const TrainOptions *options, StrBuf *out) {
    size_t n = graph->inputs.len;
    tn_str_puts(out, "train fit(");
    for (size_t i = 0; i < n; i++) {
        Type type = graph->inputs.data[i]->type;
        type.layout = NULL;
        tn_str_printf(out, "x%zu: ", i);
        tn_type_print(graph->ctx, &type, out);
        tn_str_puts(out, ", ");
    }
    tn_str_puts(out, "target: ");
    put_target(graph, options, out);
    tn_str_puts(out, ") {\n  outputs = network(");
    for (size_t i = 0; i < n; i++) {
        tn_str_printf(out, "%sx%zu", i > 0 ? ", " : "", i);
    }
    tn_str_puts(out, ")\n");
    put_loss(options->loss, out);
    tn_str_printf(out, "  minimize loss with %s\n}\n", options->optimizer);
}

/* ---- entries ---- */

/* Inputs are called as the graph calls them. */
static void rename_inputs(const Lang *lang, const Graph *graph) {
    for (size_t i = 0; i < lang->entries.len; i++) {
        const Entry *entry = lang->entries.data[i];
        size_t n = graph->inputs.len;
        if (entry->kind == ENTRY_INIT || entry->kind == ENTRY_APPLY) {
            continue;
        }
        for (size_t k = 0; k < n && k < entry->root->inputs.len; k++) {
            entry->root->inputs.data[k]->name = graph->inputs.data[k]->name;
            entry->root->bound.data[k] = graph->bound.data[k];
        }
    }
}

static bool make_infer(Lang *lang, const Graph *graph) {
    Entry *entry = tn_entry_new(lang, ENTRY_INFER, NULL, "infer");
    Val *inputs = TN_NEW_ARRAY(&lang->ctx->arena, Val, graph->inputs.len + 1);
    tn_entry_switch(lang, entry);
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Value *input = graph->inputs.data[i];
        inputs[i] = tn_val_tensor(lang, tn_graph_add_input(entry->root, input->name, input->type));
    }
    Val results = tn_lang_inline(lang, (Place){0}, graph, inputs, graph->inputs.len);
    for (size_t i = 0; results.kind == VAL_LIST && i < results.list->n; i++) {
        tn_entry_output(lang, entry, graph->outputs.data[i].name, results.list->items[i].tensor);
    }
    tn_entry_finish(lang, entry);
    return results.kind == VAL_LIST;
}

Module *tn_lang_train_graph(Ctx *ctx, const Graph *graph, const TrainOptions *options) {
    StrBuf text = tn_str(&ctx->arena);
    if (graph->outputs.len == 0) {
        tn_diag(&ctx->diags, TN_BAD_INPUT, (Loc){0},
                "the model has no output that a loss could take");
        return NULL;
    }
    put_block(graph, options, &text);
    Lang *lang =
        tn_lang_start_source(ctx, (StrView){text.data, text.len}, "loss and optimizer", NULL);
    if (lang == NULL) {
        return NULL;
    }
    size_t had = tn_lang_errors(lang);
    Fn *network = TN_NEW(&ctx->arena, Fn);
    *network = (Fn){.op = TN_OP_COUNT, .network = graph};
    lang->network = network;
    lang->chosen = options->n_trainable > 0;
    lang->module = tn_module_new(ctx, graph->name);
    if (!find_weights(lang, graph, options) || !tn_lang_train(lang, lang->trains.data[0]) ||
        !make_infer(lang, graph) || tn_lang_errors(lang) > had) {
        return NULL;
    }
    rename_inputs(lang, graph);
    return tn_lang_end_module(lang);
}
