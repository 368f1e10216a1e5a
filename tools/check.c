/* check.c: tenon check: what a model is made of, without compiling it.
 *
 * The operators come from the ONNX file itself, so they are listed even when the model
 * cannot be imported; arithmetic, parameters and memory come from the imported graph,
 * whose nodes remember the operator they belong to. A .tn model lists its primitives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/call.h"
#include "frontend/onnx_model.h"
#include "ir/op.h"
#include "tools/source.h"

/* One line of the table. */
typedef struct Row {
    StrView name;
    StrView op; /* with --nodes: the node's operator */
    int64_t count;
    bool supported;
    double parameters, flops, bytes; /* bytes of what it computes */
} Row;

typedef struct Table {
    Ctx *ctx;
    const char *entry;
    bool by_node;
    bool costs; /* the graph was imported, so costs are known */
    TN_VEC(Row) rows;
    Map index; /* name -> row number + 1 */
} Table;

static Row *row_of(Table *table, StrView name) {
    void **slot = tn_map_put_str(&table->index, name, NULL);
    if (!*slot) {
        Row row = {.name = name, .supported = true};
        tn_vec_push(&table->ctx->arena, &table->rows, row);
        *slot = (void *)(uintptr_t)table->rows.len;
    }
    return &table->rows.data[(uintptr_t)*slot - 1];
}

/* ---- operators of the file ---- */

static int64_t opset_of(const OnnxModel *model, StrView domain) {
    for (size_t i = 0; i < model->n_opsets; i++) {
        StrView d = model->opsets[i].domain;
        bool standard = d.len == 0 || tn_sv_is(d, "ai.onnx");
        if (tn_sv_eq(d, domain) || (standard && (domain.len == 0 || tn_sv_is(domain, "ai.onnx")))) {
            return model->opsets[i].version;
        }
    }
    return 1;
}

static bool node_supported(const OnnxModel *model, const OnnxNode *node) {
    bool known;
    for (size_t i = 0; i < model->n_functions; i++) {
        if (tn_sv_eq(model->functions[i].name, node->op) &&
            tn_sv_eq(model->functions[i].domain, node->domain)) {
            return true;
        }
    }
    bool standard = node->domain.len == 0 || tn_sv_is(node->domain, "ai.onnx");
    return standard && tn_op_row(node->op, opset_of(model, node->domain), &known) != NULL;
}

static StrView node_key(const Table *table, StrView name, StrView op) {
    return table->by_node && name.len > 0 ? name : op;
}

/* The importer calls a node without a name after its first result. */
static StrView name_of(const OnnxNode *node) {
    return node->name.len > 0 || node->n_outputs == 0 ? node->name : node->outputs[0];
}

static void add_operators(Table *table, const OnnxModel *model) {
    for (size_t i = 0; model->graph && i < model->graph->n_nodes; i++) {
        const OnnxNode *node = &model->graph->nodes[i];
        Row *row = row_of(table, node_key(table, name_of(node), node->op));
        row->op = node->op;
        row->count++;
        row->supported = row->supported && node_supported(model, node);
    }
}

/* ---- costs from the graph ---- */

static double dims_product(Ctx *ctx, const Type *type, const int64_t *axes, uint32_t n) {
    double product = 1;
    for (uint32_t i = 0; i < n; i++) {
        product *= (double)tn_dim_hint(ctx, type->dims[axes[i]]);
    }
    return product;
}

static double type_count(Ctx *ctx, const Type *type) {
    return (double)tn_dim_hint(ctx, tn_type_count(ctx, type));
}

/* Told apart by what their rows have, as a multiply and an add is two operations. */
static double reduce_flops(Ctx *ctx, const Node *node) {
    const Type *in = &node->in[0]->type;
    double out = type_count(ctx, &node->out[0]->type);
    const Attr *contract = tn_node_attr(node, TN_ATTR_lhs_contract);
    const Attr *window = tn_node_attr(node, TN_ATTR_window);
    if (contract) {
        return 2 * out * dims_product(ctx, in, contract->ints, contract->n);
    }
    if (tn_node_attr(node, TN_ATTR_groups)) {
        const Type *weights = &node->in[1]->type;
        double filters = (double)tn_dim_hint(ctx, weights->dims[0]);
        return filters > 0 ? 2 * out * type_count(ctx, weights) / filters : 0;
    }
    for (uint32_t i = 0; window && i < window->n; i++) {
        out *= (double)window->ints[i];
    }
    return window ? out : type_count(ctx, in);
}

static double node_flops(Ctx *ctx, const Node *node) {
    switch (tn_op_info(node->op)->cls) {
    case OPC_MAP:
        return type_count(ctx, &node->out[0]->type);
    case OPC_REDUCE:
        return reduce_flops(ctx, node);
    default:
        return 0;
    }
}

/* "Conv" of "Conv-11"; the primitive's name when the node comes from no operator. */
static StrView op_name(const Node *node) {
    if (!node->loc.op) {
        return tn_sv(tn_op_info(node->op)->name);
    }
    return (StrView){node->loc.op, strcspn(node->loc.op, "-")};
}

static bool same_origin(const Node *a, const Node *b) {
    if (!a || !b || !a->loc.node || !b->loc.node || !a->loc.op || !b->loc.op) {
        return a == b;
    }
    return strcmp(a->loc.node, b->loc.node) == 0 && strcmp(a->loc.op, b->loc.op) == 0;
}

static StrView origin_key(const Table *table, const Node *node) {
    StrView name = node->loc.node ? tn_sv(node->loc.node) : (StrView){0};
    return node_key(table, name, op_name(node));
}

/* Bytes of the values that leave the operator `node` belongs to. */
static double bytes_out(Ctx *ctx, const Node *node) {
    double bytes = 0;
    for (uint32_t i = 0; i < node->n_out; i++) {
        bool leaves = node->out[i]->is_output;
        for (const Use *use = node->out[i]->uses; use && !leaves; use = use->next) {
            leaves = !same_origin(use->user, node);
        }
        if (leaves) {
            bytes += type_count(ctx, &node->out[i]->type) *
                     (double)tn_dtype_bytes(node->out[i]->type.dtype);
        }
    }
    return bytes;
}

/* Float constants of more than one element count as parameters of their first user. */
static void add_parameters(Table *table, const Node *node) {
    const Value *value = node->out[0];
    int64_t count = tn_type_static_count(&value->type);
    if (value->uses && count > 1 && tn_dtype_is_float(value->type.dtype)) {
        row_of(table, origin_key(table, value->uses->user))->parameters += (double)count;
    }
}

static void add_costs(Table *table, const Graph *graph, bool count) {
    const Node *last = NULL;
    for (const Node *node = graph->first; node; node = node->next) {
        if (tn_node_is_const(node)) {
            add_parameters(table, node);
            continue;
        }
        Row *row = row_of(table, origin_key(table, node));
        row->count += count && !same_origin(last, node);
        row->flops += node_flops(graph->ctx, node);
        row->bytes += bytes_out(graph->ctx, node);
        last = node;
    }
    table->costs = true;
}

/* ---- printing ---- */

static void print_row(const Table *table, const char *name, const Row *row) {
    if (table->by_node) {
        StrBuf op = tn_str(&table->ctx->arena);
        tn_str_show(&op, row->op);
        printf("%-40s %-20s", name, op.data ? op.data : "");
    } else {
        printf("%-24s %6lld", name, (long long)row->count);
    }
    printf(" %-8s", row->supported ? "yes" : "NO");
    if (table->costs) {
        printf(" %12.0f %12.3f %12.3f\n", row->parameters, row->flops / 1e6, row->bytes / 0x1p20);
    } else {
        printf(" %12s %12s %12s\n", "-", "-", "-");
    }
}

static void print_table(Table *table) {
    Row total = {.supported = true};
    if (table->by_node) {
        printf("%-40s %-20s", "node", "operator");
    } else {
        printf("%-24s %6s", "operator", "count");
    }
    printf(" %-8s %12s %12s %12s\n", "support", "parameters", "MFLOP", "MiB");
    for (size_t i = 0; i < table->rows.len; i++) {
        const Row *row = &table->rows.data[i];
        StrBuf name = tn_str(&table->ctx->arena);
        tn_str_escape(&name, row->name);
        print_row(table, name.data ? name.data : "", row);
        total.count += row->count;
        total.supported = total.supported && row->supported;
        total.parameters += row->parameters;
        total.flops += row->flops;
        total.bytes += row->bytes;
    }
    print_row(table, "total", &total);
}

static void fill_table(Table *table, const Source *source, const void *bytes, size_t size,
                       const char *path) {
    const OnnxModel *model = tn_onnx_decode_model(table->ctx, bytes, size, path);
    if (model) {
        add_operators(table, model);
    }
    if (source->module) {
        const Graph *graph = (const Graph *)tn_module_entry_graph(source->module, table->entry);
        add_costs(table, graph, model == NULL);
    }
}

/* The file is read here once more: the compiler keeps no list of operators. */
static tn_status list_operators(const Args *args, const Source *source, const char *path) {
    size_t size = 0;
    const char *entry = source->module ? tn_source_entry(args, source) : "";
    if (!entry) {
        return TN_BAD_INPUT;
    }
    bool standard = strcmp(path, "-") == 0;
    void *read = standard ? NULL : tn_tool_read(path, &size);
    if (!read && !standard) {
        return TN_IO;
    }
    jmp_buf on_oom;
    Ctx ctx = {0};
    volatile tn_status status = TN_OK;
    if (setjmp(on_oom) == 0) {
        tn_ctx_init(&ctx, &on_oom);
        Table table = {.ctx = &ctx, .entry = entry, .by_node = tn_args_has(args, OPT_NODES)};
        table.index = tn_map(&ctx.arena);
        fill_table(&table, source, standard ? source->bytes : read, standard ? source->size : size,
                   path);
        if (table.rows.len > 0) {
            print_table(&table);
        }
    } else {
        status = tn_tool_error(TN_LIMIT, "out of memory");
    }
    tn_ctx_free(&ctx);
    free(read);
    return status;
}

tn_status tn_cmd_check(const Args *args) {
    const char *path = tn_tool_model_name(args);
    if (!path) {
        return TN_USAGE;
    }
    Source source;
    tn_status status = tn_source_open(args, path, &source);
    tn_status listed = TN_OK;
    bool readable = status == TN_OK || status == TN_UNSUPPORTED || status == TN_BAD_INPUT;
    if (source.compiler && readable) {
        listed = list_operators(args, &source, path);
    }
    tn_source_free(&source);
    return status != TN_OK ? status : listed;
}
