/* summary.c: tenon summary: the layers of a model, their shapes and parameters, and memory.
 *
 * A row is what one call in the model's text made, or one node of an ONNX file: nodes of the
 * graph that remember the same origin. Its name is the path of the parameters it reads. A
 * parameter counts in the first row that reads it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/frontend.h"
#include "ir/op.h"
#include "tools/subject.h"
#include "tools/tensor.h"
#include "tools/verify.h"

/* One line of the table. */
typedef struct Row {
    Loc loc;           /* of its first node */
    Op first;          /* primitive */
    const char *name;  /* path of its parameters, or the node's name, or NULL */
    const Value *last; /* what it makes */
    int64_t parameters, trained;
} Row;

typedef struct Summary {
    const Args *args;
    Subject subject;
    Ctx *ctx;
    const Module *module;
    bool *counted; /* per state variable */
    TN_VEC(Row) rows;
    int64_t parameters, trained; /* of all rows */
    int width;                   /* of the first column */
} Summary;

/* ---- the table ---- */

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Nodes of an ONNX file have an operator; in a model's text one call makes several. */
static bool same_origin(const Loc *a, const Loc *b) {
    return same_text(a->node, b->node) && a->line == b->line && a->column == b->column &&
           same_text(a->file, b->file) && (a->line > 0 || same_text(a->op, b->op));
}

/* An unrolled loop passes one place several times: only what has variables, whose path tells
 * the turns apart, is joined wherever its nodes are. */
static Row *row_of(Summary *s, const Node *node) {
    for (size_t i = s->rows.len; i-- > 0;) {
        Row *row = &s->rows.data[i];
        bool joins = i + 1 == s->rows.len || row->loc.line == 0 || row->parameters > 0;
        if (joins && same_origin(&row->loc, &node->loc)) {
            return row;
        }
    }
    Row row = {.loc = node->loc, .first = node->op, .name = node->loc.node};
    tn_vec_push(&s->ctx->arena, &s->rows, row);
    return &s->rows.data[s->rows.len - 1];
}

static bool has_gradient(const Summary *s, const char *param) {
    for (size_t i = 0; i < s->module->states.len; i++) {
        const StateVar *var = &s->module->states.data[i];
        if (var->role == TN_STATE_GRAD && tn_name_ends(var->name, param)) {
            return true;
        }
    }
    return false;
}

/* "mlp.dense" of "mlp.dense.kernel". */
static const char *path_of(Ctx *ctx, const char *variable) {
    const char *dot = strrchr(variable, '.');
    size_t n = dot ? (size_t)(dot - variable) : strlen(variable);
    return tn_sv_dup(&ctx->arena, (StrView){variable, n});
}

static void add_variable(Summary *s, Row *row, int32_t state) {
    const StateVar *var = &s->module->states.data[state];
    if (var->role != TN_STATE_PARAM && var->role != TN_STATE_BUFFER) {
        return;
    }
    if (!row->name || row->parameters == 0) {
        row->name = path_of(s->ctx, var->name);
    }
    if (!s->counted[state]) {
        int64_t n = tn_type_static_count(&var->type);
        bool trained = var->role == TN_STATE_PARAM && has_gradient(s, var->name);
        s->counted[state] = true;
        row->parameters += n;
        row->trained += trained ? n : 0;
    }
}

/* Float constants of more than one element are the parameters of an ONNX model. */
static void add_constant(Row *row, const Value *value) {
    int64_t n = tn_type_static_count(&value->type);
    if (value->uses && n > 1 && tn_dtype_is_float(value->type.dtype)) {
        row->parameters += n;
    }
}

static void add_operand(Summary *s, const Graph *graph, Row *row, const Node *node, uint32_t i) {
    const Value *value = node->in[i];
    if (!value->def) {
        InputSource source = graph->sources.data[value->out];
        if (source.kind == INPUT_STATE) {
            add_variable(s, row, source.index);
        }
    } else if (tn_node_is_const(value->def)) {
        const Use *first = value->uses;
        while (first && first->next) {
            first = first->next; /* uses are linked latest first */
        }
        if (first && first->user == node && first->slot == i) {
            add_constant(row, value);
        }
    }
}

static void add_nodes(Summary *s, const Graph *graph) {
    for (const Node *node = graph->first; node; node = node->next) {
        if (tn_node_is_const(node)) {
            continue;
        }
        Row *row = row_of(s, node);
        for (uint32_t i = 0; i < node->n_in; i++) {
            add_operand(s, graph, row, node, i);
        }
        row->last = node->out[0];
    }
}

static const char *shown(Ctx *ctx, const char *text) {
    StrBuf out = tn_str(&ctx->arena);
    tn_str_show(&out, tn_sv(text));
    return out.data ? out.data : "";
}

/* "Conv" of "Conv-11"; the first primitive's name when it comes from no operator. */
static const char *kind_of(const Summary *s, const Row *row) {
    if (!row->loc.op) {
        return tn_op_info(row->first)->name;
    }
    StrView name = {row->loc.op, strcspn(row->loc.op, "-")};
    return tn_sv_dup(&s->ctx->arena, name);
}

static const char *name_of(const Summary *s, const Row *row) {
    return row->name && *row->name ? shown(s->ctx, row->name) : "-";
}

static void print_row(Summary *s, const Row *row) {
    StrBuf type = tn_str(&s->ctx->arena);
    const char *op = kind_of(s, row);
    const char *trained = row->trained == row->parameters ? "yes" : row->trained ? "part" : "no";
    tn_type_print(s->ctx, &row->last->type, &type);
    printf("%-*s %-12s %-20s %12lld  %s\n", s->width, name_of(s, row), shown(s->ctx, op),
           type.data ? type.data : "", (long long)row->parameters,
           row->parameters > 0 ? trained : "");
    s->parameters += row->parameters;
    s->trained += row->trained;
}

static void print_entry(Summary *s, const char *entry) {
    const Graph *graph = tn_module_entry(s->module, tn_sv(entry));
    s->rows.len = 0;
    add_nodes(s, graph);
    printf("%s: ", shown(s->ctx, entry));
    for (size_t i = 0; i < tn_graph_caller_inputs(graph); i++) {
        StrBuf type = tn_str(&s->ctx->arena);
        tn_type_print(s->ctx, &graph->inputs.data[i]->type, &type);
        printf("%s%s %s", i ? ", " : "", shown(s->ctx, graph->inputs.data[i]->name), type.data);
    }
    s->width = 24;
    for (size_t i = 0; i < s->rows.len; i++) {
        int width = (int)strlen(name_of(s, &s->rows.data[i]));
        s->width = width > s->width ? width : s->width;
    }
    printf("\n%-*s %-12s %-20s %12s  %s\n", s->width, "layer", "kind", "output", "parameters",
           "trained");
    for (size_t i = 0; i < s->rows.len; i++) {
        print_row(s, &s->rows.data[i]);
    }
    printf("\n");
}

/* Entries that are models: "infer" and "infer.NAME". */
static bool is_model(const char *entry) {
    return strcmp(entry, "infer") == 0 || strncmp(entry, "infer.", 6) == 0;
}

/* What no entry of a model reads: variables of a train block alone. */
static void print_others(Summary *s) {
    int64_t parameters = 0, trained = 0;
    for (size_t i = 0; i < s->module->states.len; i++) {
        const StateVar *var = &s->module->states.data[i];
        bool own = var->role == TN_STATE_PARAM || var->role == TN_STATE_BUFFER;
        if (own && !s->counted[i]) {
            int64_t n = tn_type_static_count(&var->type);
            parameters += n;
            trained += var->role == TN_STATE_PARAM && has_gradient(s, var->name) ? n : 0;
        }
    }
    if (parameters > 0 && !tn_args_has(s->args, OPT_ENTRY)) {
        printf("elsewhere: %lld parameters\n", (long long)parameters);
        s->parameters += parameters;
        s->trained += trained;
    }
}

static tn_status print_layers(void *arg) {
    Summary *s = arg;
    const char *only = tn_args_get(s->args, OPT_ENTRY);
    size_t n = 0;
    s->ctx = tn_compiler_ctx(s->subject.source.compiler);
    s->module = (const Module *)s->subject.source.module;
    s->counted = TN_NEW_ARRAY(&s->ctx->arena, bool, s->module->states.len + 1);
    for (size_t i = 0; i < s->module->entries.len; i++) {
        const char *entry = tn_module_entry_of(s->module, i);
        if (only ? strcmp(only, entry) == 0 : is_model(entry)) {
            print_entry(s, entry);
            n++;
        }
    }
    if (n == 0 && only) {
        return tn_source_entry(s->args, &s->subject.source) ? TN_OK : TN_BAD_INPUT;
    }
    print_others(s);
    printf("parameters: %lld, trained: %lld, others: %lld\n", (long long)s->parameters,
           (long long)s->trained, (long long)(s->parameters - s->trained));
    return TN_OK;
}

/* ---- memory ---- */

static uint64_t variable_bytes(const tn_state_desc *var) {
    uint64_t bytes = tn_dtype_size(var->dtype);
    for (int32_t d = 0; d < var->rank; d++) {
        bytes *= (uint64_t)var->dims[d];
    }
    return bytes;
}

static void print_state(const tn_model_desc *desc) {
    static const char *const roles[] = {"parameters", "buffers", "optimiser", "gradients",
                                        "counters"};
    uint64_t bytes[sizeof roles / sizeof *roles] = {0};
    for (int32_t i = 0; i < desc->n_state; i++) {
        bytes[desc->state[i].role] += variable_bytes(&desc->state[i]);
    }
    printf("state: %llu bytes", (unsigned long long)desc->state_bytes);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (bytes[i] > 0) {
            printf(", %s %llu", roles[i], (unsigned long long)bytes[i]);
        }
    }
    printf("\nweights: %llu bytes\n", (unsigned long long)desc->weight_bytes);
}

/* Planning alone says what the arena takes; nothing is run. */
static tn_status print_arena(Summary *s, const char *entry) {
    Runner runner;
    Inputs inputs = {0};
    tn_status status = tn_runner_open(s->args, &s->subject, entry, &runner);
    if (status == TN_OK) {
        status = tn_inputs_of_entry(s->subject.desc, runner.entry, &inputs);
    }
    if (status == TN_OK) {
        status = tn_inputs_make(&inputs, s->args, 0);
    }
    if (status == TN_OK) {
        status = tn_runner_plan(&runner, &inputs);
    }
    if (status == TN_OK) {
        printf("arena of ");
        tn_tool_show(stdout, entry);
        printf(": %zu bytes, %d kernels; ", tn_session_arena_bytes(runner.session),
               (int)runner.entry->n_kernels);
        tn_verify_sizes(&inputs);
    }
    tn_inputs_free(&inputs);
    tn_runner_free(&runner);
    return status;
}

static tn_status print_memory(Summary *s) {
    const char *only = tn_args_get(s->args, OPT_ENTRY);
    tn_status status = tn_subject_compile(&s->subject.source, &s->subject);
    if (status != TN_OK) {
        return status;
    }
    print_state(s->subject.desc);
    for (int32_t i = 0; i < s->subject.desc->n_entries && status == TN_OK; i++) {
        const char *entry = s->subject.desc->entries[i].name;
        if (!only || strcmp(only, entry) == 0) {
            status = print_arena(s, entry);
        }
    }
    return status;
}

tn_status tn_cmd_summary(const Args *args) {
    const char *path = tn_tool_model_name(args);
    if (!path) {
        return TN_USAGE;
    }
    Summary s = {.args = args};
    tn_status status = tn_source_open(args, path, &s.subject.source);
    if (status == TN_OK) {
        status = tn_tool_armed(s.subject.source.compiler, print_layers, &s);
    }
    if (status == TN_OK) {
        status = print_memory(&s);
    }
    tn_subject_free(&s.subject);
    return status;
}
