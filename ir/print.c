/* print.c: the text form of a graph.
 *
 *   sym K = input(0, 1) in 1..64 hint 8
 *   graph @net(%0 "image": f32[N,1,28,28]) -> (%3 "scores") {
 *     %1 = const() {to=f32, dims=[2]} : f32[2] = [1, 0.5] "weights"
 *     %2 = conv(%0, %1) {strides=[1,1], groups=2} : f32[N,8,26,26] @4 from "conv1" "Conv-1"
 *     require N == K : "MatMul 'fc': N rows against K"
 *   }
 *
 * Values are numbered in the order they are defined, so that text does not depend on ids.
 * Attributes that have their default are left out. A constant is a list in row-major order, or
 * one number when all elements are equal. A symbol is declared only where it is not what its
 * place among the inputs says: the size of that dimension, from 0 up.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "ir/op.h"

enum { ELIDE_ABOVE = 16 };

typedef struct Printer {
    const Graph *graph;
    Ctx *ctx;
    StrBuf *out;
    bool elide;
    uint32_t *numbers; /* by value id */
    uint32_t n_numbered;
    int depth; /* of bodies: 0 for a graph of its own */
} Printer;

static void put(Printer *p, const char *text) {
    tn_str_puts(p->out, text);
}

static void put_dim(Printer *p, const Dim *d) {
    tn_dim_print(p->ctx, d, p->out);
}

static void put_quoted(Printer *p, const char *text) {
    tn_str_putc(p->out, '"');
    tn_str_escape(p->out, tn_sv(text));
    tn_str_putc(p->out, '"');
}

/* ---- names ---- */

static bool is_word(const char *name) {
    for (const char *at = name; *at != '\0'; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        if (!letter && !(at > name && *at >= '0' && *at <= '9')) {
            return false;
        }
    }
    return *name != '\0';
}

static void put_name(Printer *p, const char *name) {
    if (is_word(name)) {
        put(p, name);
    } else {
        put_quoted(p, name);
    }
}

static void number(Printer *p, const Value *value) {
    p->numbers[value->id] = p->n_numbered++;
}

static void number_all(Printer *p) {
    for (size_t i = 0; i < p->graph->inputs.len; i++) {
        number(p, p->graph->inputs.data[i]);
    }
    for (const Node *node = p->graph->first; node != NULL; node = node->next) {
        for (uint32_t i = 0; i < node->n_out; i++) {
            number(p, node->out[i]);
        }
    }
}

static void put_value(Printer *p, const Value *value) {
    tn_str_printf(p->out, "%%%" PRIu32, p->numbers[value->id]);
}

/* ---- symbols ---- */

typedef struct SymbolSet {
    Printer *printer;
    bool *used; /* by symbol number */
    Map seen;   /* expressions walked, by id */
} SymbolSet;

static void find_symbols(SymbolSet *set, const Dim *d) {
    bool added;
    if (d->kind == DIM_CONST) {
        return;
    }
    tn_map_put_int(&set->seen, d->id, &added);
    if (!added) {
        return;
    }
    if (d->kind == DIM_SYM) {
        set->used[d->sym] = true;
    }
    for (uint32_t i = 0; i < d->n_args; i++) {
        find_symbols(set, d->args[i]);
    }
}

static void find_in_type(SymbolSet *set, const Type *type) {
    for (uint32_t i = 0; i < type->rank; i++) {
        find_symbols(set, type->dims[i]);
    }
}

static void find_in_graph(SymbolSet *set, const Graph *graph);

static void find_in_node(SymbolSet *set, const Node *node) {
    if (node->body != NULL) {
        find_in_graph(set, node->body);
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        find_in_type(set, &node->out[i]->type);
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        const Attr *attr = &node->attrs[i];
        for (uint32_t d = 0; attr->kind == ATTR_DIMS && d < attr->n; d++) {
            find_symbols(set, attr->dims[d]);
        }
    }
}

static void find_in_graph(SymbolSet *set, const Graph *graph) {
    for (size_t i = 0; i < graph->inputs.len; i++) {
        find_in_type(set, &graph->inputs.data[i]->type);
    }
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        find_in_node(set, node);
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        find_symbols(set, graph->constraints.data[i].a);
        find_symbols(set, graph->constraints.data[i].b);
    }
}

static int64_t default_hint(const Dim *sym) {
    return sym->lo > 1 ? sym->lo : sym->hi < 1 ? sym->hi : 1;
}

static bool is_default_symbol(const Graph *graph, const Symbol *symbol) {
    int32_t input = -1;
    int32_t index = -1;
    return symbol->kind == SYM_INPUT_DIM && symbol->dim->lo == 0 && symbol->dim->hi == INT64_MAX &&
           symbol->hint == 1 && tn_graph_dim_place(graph, symbol->dim, &input, &index) &&
           symbol->input == input && symbol->index == index;
}

static void put_bound(Printer *p, int64_t bound, int64_t open) {
    if (bound == open) {
        put(p, "*");
    } else {
        tn_str_printf(p->out, "%" PRId64, bound);
    }
}

static void print_symbol(Printer *p, const Symbol *symbol) {
    put(p, "sym ");
    put_dim(p, symbol->dim);
    if (symbol->kind == SYM_COUNT) {
        put(p, " = count");
    } else {
        tn_str_printf(p->out, " = %s(%" PRId32 ", %" PRId32 ")",
                      symbol->kind == SYM_INPUT_DIM ? "input" : "element", symbol->input,
                      symbol->index);
    }
    put(p, " in ");
    put_bound(p, symbol->dim->lo, INT64_MIN);
    put(p, "..");
    put_bound(p, symbol->dim->hi, INT64_MAX);
    if (symbol->hint != default_hint(symbol->dim)) {
        tn_str_printf(p->out, " hint %" PRId64, symbol->hint);
    }
    put(p, "\n");
}

static void print_symbols(Printer *p) {
    size_t n = p->ctx->dims != NULL ? p->ctx->dims->symbols.len : 0;
    SymbolSet set = {p, TN_NEW_ARRAY(&p->ctx->arena, bool, n + 1), tn_map(&p->ctx->arena)};
    find_in_graph(&set, p->graph);
    for (size_t s = 0; s < n; s++) {
        const Symbol *symbol = &p->ctx->dims->symbols.data[s];
        if (set.used[s] && !is_default_symbol(p->graph, symbol)) {
            print_symbol(p, symbol);
        }
    }
}

/* ---- constants ---- */

/* The shortest text that reads back as the same float. */
static void print_float(StrBuf *out, size_t bytes, const void *at) {
    float narrow;
    double value = 0;
    uint64_t bits = 0;
    memcpy(&bits, at, bytes);
    memcpy(&value, at, bytes == 8 ? 8 : 0);
    if (bytes == 4) {
        memcpy(&narrow, at, 4);
        value = (double)narrow;
    }
    if (isnan(value)) {
        uint64_t plain = bytes == 4 ? 0x7fc00000u : 0x7ff8000000000000u;
        tn_str_printf(out, bits == plain ? "nan" : "nan(0x%" PRIx64 ")", bits);
        return;
    }
    if (isinf(value)) {
        tn_str_puts(out, value < 0 ? "-inf" : "inf");
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back = bytes == 4 ? (double)strtof(text, NULL) : strtod(text, NULL);
        if (back == value) {
            break;
        }
    }
    tn_str_puts(out, text);
}

static void print_int(StrBuf *out, DType dtype, const void *at) {
    size_t bytes = tn_dtype_bytes(dtype);
    uint64_t bits = 0;
    memcpy(&bits, at, bytes);
    if (!tn_dtype_is_signed(dtype)) {
        /* Beyond i64 only hexadecimal reads back. */
        tn_str_printf(out, bits > INT64_MAX ? "0x%" PRIx64 : "%" PRIu64, bits);
        return;
    }
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    tn_str_printf(out, "%" PRId64, (int64_t)((bits ^ sign) - sign));
}

static void print_element(StrBuf *out, DType dtype, const void *at) {
    if (tn_dtype_is_float(dtype)) {
        print_float(out, tn_dtype_bytes(dtype), at);
    } else {
        print_int(out, dtype, at);
    }
}

static void print_blob(Printer *p, DType dtype, const Blob *blob) {
    size_t bytes = tn_dtype_bytes(dtype);
    size_t count = bytes > 0 ? blob->size / bytes : 0;
    const char *data = blob->data;
    bool uniform = count > 0 && memcmp(data, data + bytes, blob->size - bytes) == 0;
    if (uniform) {
        print_element(p->out, dtype, data);
        return;
    }
    if (p->elide && count > ELIDE_ABOVE) {
        tn_str_printf(p->out, "elided(0x%" PRIx64 ")", tn_hash(TN_HASH_SEED, data, blob->size));
        return;
    }
    put(p, "[");
    for (size_t i = 0; i < count; i++) {
        put(p, i > 0 ? ", " : "");
        print_element(p->out, dtype, data + i * bytes);
    }
    put(p, "]");
}

/* ---- attributes ---- */

static bool is_default_attr(const AttrSchema *schema, const Attr *attr) {
    switch (schema->how) {
    case DEF_EMPTY:
        return attr->n == 0;
    case DEF_INT:
        return attr->i == schema->value;
    case DEF_DTYPE:
        return attr->dtype == (DType)schema->value;
    default:
        return false;
    }
}

static void print_list(Printer *p, const Attr *attr) {
    put(p, "[");
    for (uint32_t i = 0; i < attr->n; i++) {
        put(p, i > 0 ? "," : "");
        if (attr->kind == ATTR_DIMS) {
            put_dim(p, attr->dims[i]);
        } else {
            tn_str_printf(p->out, "%" PRId64, attr->ints[i]);
        }
    }
    put(p, "]");
}

static void print_attr(Printer *p, const Attr *attr) {
    tn_str_printf(p->out, "%s=", tn_attr_text(attr->name));
    switch (attr->kind) {
    case ATTR_INT:
        tn_str_printf(p->out, "%" PRId64, attr->i);
        break;
    case ATTR_DTYPE:
        put(p, tn_dtype_text(attr->dtype));
        break;
    case ATTR_INTS:
    case ATTR_DIMS:
        print_list(p, attr);
        break;
    }
}

static void print_attrs(Printer *p, const Node *node) {
    const OpInfo *info = tn_op_info(node->op);
    bool any = false;
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        if (!is_default_attr(&info->attrs[i], &node->attrs[i])) {
            put(p, any ? ", " : " {");
            print_attr(p, &node->attrs[i]);
            any = true;
        }
    }
    put(p, any ? "}" : "");
}

/* ---- nodes and graph ---- */

static void print_results(Printer *p, const Node *node) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        put(p, i > 0 ? ", " : "");
        put_value(p, node->out[i]);
    }
    tn_str_printf(p->out, " = %s(", tn_op_info(node->op)->name);
    for (uint32_t i = 0; i < node->n_in; i++) {
        put(p, i > 0 ? ", " : "");
        put_value(p, node->in[i]);
    }
    put(p, ")");
}

static void print_origin(Printer *p, const Loc *loc) {
    if (loc->node == NULL && loc->op == NULL) {
        return;
    }
    put(p, " from ");
    put_quoted(p, loc->node != NULL ? loc->node : "");
    if (loc->op != NULL) {
        put(p, " ");
        put_quoted(p, loc->op);
    }
}

static void print_graph(Printer *p);

static void print_body(const Printer *p, const Graph *body) {
    Printer inner = {
        .graph = body, .ctx = p->ctx, .out = p->out, .elide = p->elide, .depth = p->depth + 1};
    tn_str_puts(p->out, " do ");
    print_graph(&inner);
}

static void put_indent(Printer *p) {
    for (int i = 0; i < p->depth; i++) {
        put(p, "  ");
    }
}

static void print_node(Printer *p, const Node *node) {
    put_indent(p);
    put(p, "  ");
    print_results(p, node);
    print_attrs(p, node);
    if (node->body != NULL) {
        print_body(p, node->body);
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        put(p, i > 0 ? ", " : " : ");
        tn_type_print(p->ctx, &node->out[i]->type, p->out);
        if (node->out[i]->name != NULL) {
            put(p, " ");
            put_quoted(p, node->out[i]->name);
        }
    }
    if (node->blob != NULL) {
        put(p, " = ");
        print_blob(p, node->out[0]->type.dtype, node->blob);
    }
    if (node->group >= 0) {
        tn_str_printf(p->out, " @%" PRId32, node->group);
    }
    print_origin(p, &node->loc);
    put(p, "\n");
}

static void print_input(Printer *p, size_t i) {
    const Value *input = p->graph->inputs.data[i];
    put(p, i > 0 ? ", " : "");
    put_value(p, input);
    if (input->name != NULL) {
        put(p, " ");
        put_quoted(p, input->name);
    }
    put(p, ": ");
    tn_type_print(p->ctx, &input->type, p->out);
    InputSource source = p->graph->sources.data[i];
    if (source.kind != INPUT_CALLER) {
        tn_str_printf(p->out, " %s %" PRId32, source.kind == INPUT_STATE ? "state" : "hyper",
                      source.index);
    }
    if (i < p->graph->bound.len && p->graph->bound.data[i] != NULL) {
        put(p, " = ");
        print_blob(p, input->type.dtype, p->graph->bound.data[i]);
    }
}

static void print_header(Printer *p) {
    const Graph *graph = p->graph;
    put(p, "graph @");
    put_name(p, graph->name != NULL ? graph->name : "");
    put(p, "(");
    for (size_t i = 0; i < graph->inputs.len; i++) {
        print_input(p, i);
    }
    put(p, ") -> (");
    for (size_t i = 0; i < graph->outputs.len; i++) {
        put(p, i > 0 ? ", " : "");
        put_value(p, graph->outputs.data[i].value);
        put(p, " ");
        put_quoted(p, graph->outputs.data[i].name);
        if (graph->outputs.data[i].state >= 0) {
            tn_str_printf(p->out, " state %" PRId32, graph->outputs.data[i].state);
        }
    }
    put(p, ") {\n");
}

static void print_constraint(Printer *p, const Constraint *constraint) {
    put_indent(p);
    put(p, "  require ");
    put_dim(p, constraint->a);
    put(p, " == ");
    put_dim(p, constraint->b);
    put(p, " : ");
    put_quoted(p, constraint->text != NULL ? constraint->text : "");
    put(p, "\n");
}

/* Without the line break behind its closing brace. */
static void print_graph(Printer *p) {
    const Graph *graph = p->graph;
    p->numbers = TN_NEW_ARRAY(&graph->ctx->arena, uint32_t, graph->n_values + 1u);
    number_all(p);
    print_header(p);
    for (const Node *node = graph->first; node != NULL; node = node->next) {
        print_node(p, node);
    }
    for (size_t i = 0; i < graph->constraints.len; i++) {
        print_constraint(p, &graph->constraints.data[i]);
    }
    put_indent(p);
    put(p, "}");
}

void tn_graph_print(const Graph *graph, bool elide, StrBuf *out) {
    Printer printer = {.graph = graph, .ctx = graph->ctx, .out = out, .elide = elide};
    print_symbols(&printer);
    print_graph(&printer);
    tn_str_putc(out, '\n');
}
