/* parse.c: reads the text form of a graph (see print.c).
 *
 * A mistake ends its statement; reading goes on at the next line that begins one, so that one
 * run reports all of them. What a broken statement would have defined is known but has no
 * value, and uses of it fail silently. The result is a graph only when nothing failed.
 *
 * More than print.c writes is read: values may have names (%x), which become the value's own
 * name where none is given; types may be left out, being what the row's rule says, and so may
 * a const's attributes where its type is given; a new name in the dims of an input declares
 * a symbol.
 */
#include <inttypes.h>
#include <string.h>

#include "base/map.h"
#include "ir/lex.h"
#include "ir/op.h"

enum { LIST_MAX = 65535, MESSAGE_MAX = 60, RESULTS_MAX = 256, UNIFORM_MAX = 1 << 28 };

typedef struct Named {
    Value *value; /* NULL: its definition failed */
} Named;

typedef struct Parser {
    Lexer lexer;
    Ctx *ctx;
    Graph *graph;
    Map values; /* name -> Named */
    bool failed;
    int32_t input; /* whose type is being read, which may declare symbols; else -1 */
    int depth;     /* of bodies: 0 for a graph of its own */
} Parser;

typedef TN_VEC(Value *) ValueVec;
typedef TN_VEC(int64_t) IntVec;
typedef TN_VEC(const Dim *) DimVec;
typedef TN_VEC(StrView) NameVec;
typedef TN_VEC(Attr) AttrVec;

static int shown(StrView text) {
    return text.len > MESSAGE_MAX ? MESSAGE_MAX : (int)text.len;
}

/* ---- names ---- */

/* %name or %12, the sigil touching the name. */
static bool parse_value_name(Parser *p, StrView *out) {
    Lexer *lexer = &p->lexer;
    Token sigil = lexer->token;
    if (!tn_lex_is_mark(lexer, "%")) {
        return tn_lex_expected(lexer, "a value such as %0");
    }
    tn_lex_next(lexer);
    bool name = lexer->token.kind == TOKEN_WORD || lexer->token.kind == TOKEN_NUMBER;
    if (!name || lexer->token.start != sigil.end) {
        return tn_lex_error(lexer, &sigil, "%% is not followed by a value's name");
    }
    *out = lexer->token.text;
    tn_lex_next(lexer);
    return true;
}

/* The model's own name of a value called that in the text: none for numbers. */
static const char *own_name(Parser *p, StrView name) {
    bool digit = name.data[0] >= '0' && name.data[0] <= '9';
    return digit ? NULL : tn_sv_dup(&p->ctx->arena, name);
}

static bool define(Parser *p, const Token *token, StrView name, Value *value) {
    bool added;
    void **slot = tn_map_put_str(&p->values, name, &added);
    if (!added) {
        return tn_lex_error(&p->lexer, token, "%%%.*s is defined twice", shown(name), name.data);
    }
    Named *named = TN_NEW(&p->ctx->arena, Named);
    named->value = value;
    *slot = named;
    return true;
}

static bool parse_value(Parser *p, Value **out) {
    Token token = p->lexer.token;
    StrView name;
    if (!parse_value_name(p, &name)) {
        return false;
    }
    const Named *named = tn_map_get_str(&p->values, name);
    if (named == NULL) {
        return tn_lex_error(&p->lexer, &token, "%%%.*s is not defined before this use", shown(name),
                            name.data);
    }
    *out = named->value;
    return named->value != NULL;
}

/* An optional quoted text. */
static const char *parse_quoted(Parser *p) {
    if (p->lexer.token.kind != TOKEN_STRING) {
        return NULL;
    }
    const char *text = tn_sv_dup(&p->ctx->arena, p->lexer.token.text);
    tn_lex_next(&p->lexer);
    return text;
}

/* ---- symbols and types ---- */

static const Dim *find_symbol(void *arg, StrView name) {
    Parser *p = arg;
    const Dim *known = tn_dim_find_symbol(p->ctx, name);
    if (known != NULL || p->input < 0) {
        return known;
    }
    return tn_dim_symbol(p->ctx, name, SYM_INPUT_DIM, 0, INT64_MAX);
}

/* A symbol that stands alone as a dim of an input is that dim, if it is no other yet. */
static void place_symbol(Parser *p, const Dim *d, int32_t index) {
    Symbol *symbol = d->kind == DIM_SYM ? tn_dim_symbol_of(p->ctx, d) : NULL;
    if (p->input >= 0 && symbol != NULL && symbol->kind == SYM_INPUT_DIM && symbol->input < 0) {
        symbol->input = p->input;
        symbol->index = index;
    }
}

static const Dim *parse_dim(Parser *p) {
    return tn_dim_parse(&p->lexer, find_symbol, p);
}

/* One of "a, b, ...]" after the opening bracket: calls `item` up to the closing one. */
typedef bool ItemFn(Parser *p, void *list);

static bool parse_items(Parser *p, const char *close, ItemFn *item, void *list) {
    for (int n = 0; !tn_lex_accept(&p->lexer, close); n++) {
        if (n > 0 && !tn_lex_expect(&p->lexer, ",")) {
            return false;
        }
        if (n >= LIST_MAX) {
            return tn_lex_error(&p->lexer, &p->lexer.token, "more than %d entries", LIST_MAX);
        }
        if (!item(p, list)) {
            return false;
        }
    }
    return true;
}

static bool dim_item(Parser *p, void *list) {
    DimVec *dims = list;
    const Dim *d = parse_dim(p);
    if (d != NULL) {
        tn_vec_push(&p->ctx->arena, dims, d);
    }
    return d != NULL;
}

static bool int_item(Parser *p, void *list) {
    IntVec *ints = list;
    int64_t value;
    if (!tn_lex_int(&p->lexer, &value)) {
        return false;
    }
    tn_vec_push(&p->ctx->arena, ints, value);
    return true;
}

static bool parse_dtype(Parser *p, DType *out) {
    const Token *token = &p->lexer.token;
    *out = token->kind == TOKEN_WORD ? tn_dtype_parse(token->text) : TN_DT_NONE;
    if (*out == TN_DT_NONE) {
        return tn_lex_expected(&p->lexer, "an element type such as f32");
    }
    tn_lex_next(&p->lexer);
    return true;
}

static bool parse_type_dims(Parser *p, Type *out) {
    if (!tn_lex_accept(&p->lexer, "[")) {
        return true; /* a scalar */
    }
    while (!tn_lex_accept(&p->lexer, "]")) {
        if (out->rank > 0 && !tn_lex_expect(&p->lexer, ",")) {
            return false;
        }
        Token token = p->lexer.token;
        if (out->rank == TN_MAX_RANK) {
            return tn_lex_error(&p->lexer, &token, "more than %d dimensions", TN_MAX_RANK);
        }
        const Dim *d = parse_dim(p);
        if (d == NULL) {
            return false;
        }
        if (d->hi < 0 || d->overflow) {
            return tn_lex_error(&p->lexer, &token,
                                d->overflow ? "this size leaves 64 bits"
                                            : "a size cannot be negative");
        }
        place_symbol(p, d, out->rank);
        out->dims[out->rank++] = d;
    }
    return true;
}

/* "d/div%mod" */
static bool parse_layout_part(Parser *p, const Type *type, Layout *layout) {
    int64_t dim;
    int64_t div = 1;
    int64_t mod = 0;
    if (layout->n_parts == TN_MAX_RANK + 4) {
        return tn_lex_error(&p->lexer, &p->lexer.token, "too many physical dimensions");
    }
    if (!tn_lex_int_in(&p->lexer, 0, (int64_t)type->rank - 1, &dim) ||
        (tn_lex_accept(&p->lexer, "/") && !tn_lex_int_in(&p->lexer, 1, INT32_MAX, &div)) ||
        (tn_lex_accept(&p->lexer, "%") && !tn_lex_int_in(&p->lexer, 1, INT32_MAX, &mod))) {
        return false;
    }
    layout->parts[layout->n_parts++] = (LayoutPart){(uint8_t)dim, (int32_t)div, (int32_t)mod};
    return true;
}

/* "halo 2:1,1 3:0,2" */
static bool parse_halo(Parser *p, const Type *type, Layout *layout) {
    while (p->lexer.token.kind == TOKEN_NUMBER) {
        int64_t dim;
        int64_t lo;
        int64_t hi;
        if (!tn_lex_int_in(&p->lexer, 0, (int64_t)type->rank - 1, &dim) ||
            !tn_lex_expect(&p->lexer, ":") || !tn_lex_int_in(&p->lexer, 0, INT32_MAX, &lo) ||
            !tn_lex_expect(&p->lexer, ",") || !tn_lex_int_in(&p->lexer, 0, INT32_MAX, &hi)) {
            return false;
        }
        layout->halo_lo[dim] = (int32_t)lo;
        layout->halo_hi[dim] = (int32_t)hi;
    }
    return true;
}

static bool parse_layout(Parser *p, Type *type) {
    if (!tn_lex_accept(&p->lexer, "{")) {
        return true;
    }
    Layout *layout = TN_NEW(&p->ctx->arena, Layout);
    do {
        if (!parse_layout_part(p, type, layout)) {
            return false;
        }
    } while (tn_lex_accept(&p->lexer, ","));
    if (tn_lex_accept_word(&p->lexer, "halo") && !parse_halo(p, type, layout)) {
        return false;
    }
    type->layout = layout;
    return tn_lex_expect(&p->lexer, "}");
}

static bool parse_type(Parser *p, Type *out) {
    *out = (Type){0};
    return parse_dtype(p, &out->dtype) && parse_type_dims(p, out) && parse_layout(p, out);
}

/* ---- constants ---- */

typedef struct BlobReader {
    DType dtype;
    size_t bytes;
    unsigned char *data;
    int64_t count, n;
} BlobReader;

static bool read_int(Parser *p, BlobReader *reader, uint64_t *bits) {
    Token token = p->lexer.token;
    int64_t value;
    if (!tn_lex_int(&p->lexer, &value)) {
        return false;
    }
    unsigned width = (unsigned)(8 * reader->bytes);
    bool is_signed = tn_dtype_is_signed(reader->dtype);
    int64_t hi = reader->dtype == TN_BOOL ? 1
                 : width == 64            ? INT64_MAX
                                          : ((int64_t)1 << (is_signed ? width - 1 : width)) - 1;
    int64_t lo = is_signed ? -hi - 1 : 0;
    bool wide_hex = reader->dtype == TN_U64 && token.text.len > 2 && token.text.data[1] == 'x';
    *bits = (uint64_t)value;
    if ((value < lo || value > hi) && !wide_hex) {
        return tn_lex_error(&p->lexer, &token, "%" PRId64 " is not a %s", value,
                            tn_dtype_text(reader->dtype));
    }
    return true;
}

static bool read_element(Parser *p, BlobReader *reader, void *out) {
    uint64_t bits;
    double value;
    bool ok = tn_dtype_is_float(reader->dtype)
                  ? tn_lex_float(&p->lexer, reader->bytes, &value, &bits)
                  : read_int(p, reader, &bits);
    if (ok) {
        memcpy(out, &bits, reader->bytes); /* little-endian, as all targets are */
    }
    return ok;
}

static bool element_item(Parser *p, void *list) {
    BlobReader *reader = list;
    unsigned char spare[8];
    void *at = reader->n < reader->count ? reader->data + (size_t)reader->n * reader->bytes : spare;
    reader->n++;
    return read_element(p, reader, at);
}

static bool parse_elements(Parser *p, BlobReader *reader) {
    Token token = p->lexer.token;
    if (tn_lex_is_word(&p->lexer, "elided")) {
        return tn_lex_error(&p->lexer, &token,
                            "this constant was left out when the text was printed");
    }
    if (tn_lex_accept(&p->lexer, "[")) {
        while (!tn_lex_accept(&p->lexer, "]")) {
            if ((reader->n > 0 && !tn_lex_expect(&p->lexer, ",")) || !element_item(p, reader)) {
                return false;
            }
        }
        return reader->n == reader->count ||
               tn_lex_error(&p->lexer, &token, "%" PRId64 " elements for a type of %" PRId64,
                            reader->n, reader->count);
    }
    unsigned char first[8] = {0};
    if (!read_element(p, reader, first)) {
        return false;
    }
    for (int64_t i = 0; i < reader->count; i++) {
        memcpy(reader->data + (size_t)i * reader->bytes, first, reader->bytes);
    }
    return true;
}

/* The elements of a value of this type; the "=" is taken. */
static const Blob *parse_blob(Parser *p, const Type *type) {
    Token token = p->lexer.token;
    BlobReader reader = {.dtype = type->dtype, .bytes = tn_dtype_bytes(type->dtype)};
    reader.count = tn_type_static_count(type);
    /* In a list every element takes a byte of text at least. */
    bool list = tn_lex_is_mark(&p->lexer, "[");
    int64_t most = list ? (int64_t)(p->lexer.input.len - token.start) : UNIFORM_MAX;
    if (reader.count < 0 || reader.count > most) {
        tn_lex_error(&p->lexer, &token,
                     reader.count < 0 ? "constants need a fixed size"
                     : list           ? "too few elements for the type"
                                      : "more than 2^28 elements");
        return NULL;
    }
    size_t size = (size_t)reader.count * reader.bytes;
    reader.data = tn_arena_alloc(&p->ctx->arena, size > 0 ? size : 1, 64);
    if (!parse_elements(p, &reader)) {
        return NULL;
    }
    Blob *blob = TN_NEW(&p->ctx->arena, Blob);
    *blob = (Blob){.data = reader.data, .size = size};
    return blob;
}

/* ---- attributes ---- */

static bool parse_attr_value(Parser *p, Attr *attr) {
    DimVec dims = {0};
    IntVec ints = {0};
    bool ok;
    switch (attr->kind) {
    case ATTR_INT:
        return tn_lex_int(&p->lexer, &attr->i);
    case ATTR_DTYPE:
        return parse_dtype(p, &attr->dtype);
    case ATTR_INTS:
        ok = tn_lex_expect(&p->lexer, "[") && parse_items(p, "]", int_item, &ints);
        attr->ints = ints.data;
        attr->n = (uint32_t)ints.len;
        return ok;
    default:
        ok = tn_lex_expect(&p->lexer, "[") && parse_items(p, "]", dim_item, &dims);
        attr->dims = dims.data;
        attr->n = (uint32_t)dims.len;
        return ok;
    }
}

static bool attr_item(Parser *p, void *list) {
    AttrVec *attrs = list;
    Token token = p->lexer.token;
    StrView name;
    if (!tn_lex_name(&p->lexer, &name)) {
        return false;
    }
    Attr attr = {.name = tn_attr_by_name(name)};
    if (attr.name == TN_ATTR_COUNT) {
        return tn_lex_error(&p->lexer, &token, "there is no attribute '%.*s'", shown(name),
                            name.data);
    }
    for (size_t i = 0; i < attrs->len; i++) {
        if (attrs->data[i].name == attr.name) {
            return tn_lex_error(&p->lexer, &token, "'%.*s' is given twice", shown(name), name.data);
        }
    }
    attr.kind = tn_attr_kind(attr.name);
    if (!tn_lex_expect(&p->lexer, "=") || !parse_attr_value(p, &attr)) {
        return false;
    }
    tn_vec_push(&p->ctx->arena, attrs, attr);
    return true;
}

/* ---- nodes ---- */

/* What stands in one node statement. */
typedef struct NodeText {
    Token start, op_token, type_token;
    NameVec results;
    Op op;
    ValueVec in;
    AttrVec attrs;
    bool *has_type; /* by result */
    Type *types;
    const char **names;
    const Blob *blob;
    Graph *body;
    int64_t group;
    Loc loc;
} NodeText;

static bool value_item(Parser *p, void *list) {
    ValueVec *values = list;
    Value *value = NULL;
    if (!parse_value(p, &value)) {
        return false;
    }
    tn_vec_push(&p->ctx->arena, values, value);
    return true;
}

static bool parse_results(Parser *p, NodeText *text) {
    StrView name;
    do {
        if (text->results.len == RESULTS_MAX) {
            return tn_lex_error(&p->lexer, &text->start, "more than %d results", RESULTS_MAX);
        }
        if (!parse_value_name(p, &name)) {
            return false;
        }
        tn_vec_push(&p->ctx->arena, &text->results, name);
    } while (tn_lex_accept(&p->lexer, ","));
    text->has_type = TN_NEW_ARRAY(&p->ctx->arena, bool, text->results.len);
    text->types = TN_NEW_ARRAY(&p->ctx->arena, Type, text->results.len);
    text->names = TN_NEW_ARRAY(&p->ctx->arena, const char *, text->results.len);
    return tn_lex_expect(&p->lexer, "=");
}

static Graph *parse_body_graph(Parser *p);

/* "do graph @body(...) -> (...) { ... }" of a loop or an if. */
static bool parse_body_of(Parser *p, NodeText *text) {
    bool loop = tn_op_info(text->op)->cls == OPC_LOOP;
    if (!tn_lex_accept_word(&p->lexer, "do")) {
        return !loop || tn_lex_expected(&p->lexer, "do and the body");
    }
    if (!loop) {
        return tn_lex_error(&p->lexer, &text->op_token, "only loop and if have a body");
    }
    text->body = parse_body_graph(p);
    if (text->body != NULL && text->body->outputs.len != text->results.len) {
        return tn_lex_error(&p->lexer, &text->op_token,
                            "the body has %zu outputs, %zu results are named",
                            text->body->outputs.len, text->results.len);
    }
    return text->body != NULL;
}

static bool parse_call(Parser *p, NodeText *text) {
    StrView name;
    text->op_token = p->lexer.token;
    if (!tn_lex_name(&p->lexer, &name)) {
        return false;
    }
    text->op = tn_op_by_name(name);
    if (text->op == TN_OP_COUNT) {
        return tn_lex_error(&p->lexer, &text->op_token, "there is no primitive '%.*s'", shown(name),
                            name.data);
    }
    bool fixed = tn_op_info(text->op)->n_out >= 0;
    size_t n_out = (unsigned char)tn_op_info(text->op)->n_out;
    if (fixed && text->results.len != n_out) {
        return tn_lex_error(&p->lexer, &text->op_token, "%.*s has %zu results, %zu are named",
                            shown(name), name.data, n_out, text->results.len);
    }
    return tn_lex_expect(&p->lexer, "(") && parse_items(p, ")", value_item, &text->in) &&
           (!tn_lex_accept(&p->lexer, "{") || parse_items(p, "}", attr_item, &text->attrs)) &&
           parse_body_of(p, text);
}

static bool parse_result_types(Parser *p, NodeText *text) {
    if (!tn_lex_accept(&p->lexer, ":")) {
        return true;
    }
    text->type_token = p->lexer.token;
    for (size_t i = 0; i < text->results.len; i++) {
        if ((i > 0 && !tn_lex_expect(&p->lexer, ",")) || !parse_type(p, &text->types[i])) {
            return false;
        }
        text->has_type[i] = true;
        text->names[i] = parse_quoted(p);
    }
    return true;
}

/* A constant's type: what its attributes say or, where there are none, the declared one, which
 * then becomes the attributes. */
static bool const_type(Parser *p, NodeText *text, Type *out) {
    *out = text->has_type[0] ? text->types[0] : (Type){0};
    if (text->attrs.len == 0 && text->has_type[0]) {
        const Dim *const *dims = tn_arena_copy(&p->ctx->arena, out->dims, sizeof out->dims);
        Attr to = {.name = TN_ATTR_to, .kind = ATTR_DTYPE, .dtype = out->dtype};
        Attr size = {.name = TN_ATTR_dims, .kind = ATTR_DIMS, .n = out->rank, .dims = dims};
        tn_vec_push(&p->ctx->arena, &text->attrs, to);
        tn_vec_push(&p->ctx->arena, &text->attrs, size);
        return true;
    }
    for (size_t i = 0; i < text->attrs.len; i++) {
        const Attr *attr = &text->attrs.data[i];
        if (attr->name == TN_ATTR_to) {
            out->dtype = attr->dtype;
        } else if (attr->name == TN_ATTR_dims && attr->n > 0 && attr->n <= TN_MAX_RANK) {
            out->rank = (uint8_t)attr->n;
            memcpy(out->dims, attr->dims, attr->n * sizeof *attr->dims);
        }
    }
    return out->dtype != TN_DT_NONE ||
           tn_lex_error(&p->lexer, &text->op_token, "const needs a type");
}

static bool parse_trailer(Parser *p, NodeText *text) {
    Type type;
    text->group = -1;
    if (tn_lex_accept(&p->lexer, "=")) {
        if (text->op != TN_OP_const) {
            return tn_lex_error(&p->lexer, &text->op_token, "only const has elements");
        }
        if (!const_type(p, text, &type)) {
            return false;
        }
        text->blob = parse_blob(p, &type);
        if (text->blob == NULL) {
            return false;
        }
    } else if (text->op == TN_OP_const) {
        return tn_lex_error(&p->lexer, &text->op_token, "const needs its elements: = [...]");
    }
    if (tn_lex_accept(&p->lexer, "@") && !tn_lex_int_in(&p->lexer, 0, INT32_MAX, &text->group)) {
        return false;
    }
    text->loc = tn_lex_loc(&p->lexer, &text->start);
    if (tn_lex_accept_word(&p->lexer, "from")) {
        const char *node = parse_quoted(p);
        if (node == NULL) {
            return tn_lex_expected(&p->lexer, "the model's node name in quotes");
        }
        text->loc.node = *node != '\0' ? node : NULL;
        text->loc.op = parse_quoted(p);
    }
    return true;
}

/* The declared type must be what the row's rule gave; its layout is taken over. */
static bool check_type(Parser *p, const NodeText *text, size_t i, Value *value) {
    if (!text->has_type[i]) {
        return true;
    }
    if (!tn_type_same_shape(&text->types[i], &value->type)) {
        StrBuf found = tn_str(&p->ctx->scratch);
        tn_type_print(p->ctx, &value->type, &found);
        return tn_lex_error(&p->lexer, &text->type_token, "the result is %s", found.data);
    }
    value->type.layout = text->types[i].layout;
    return true;
}

static bool make_node(Parser *p, NodeText *text) {
    for (size_t i = 0; i < text->results.len; i++) {
        Named *named = tn_map_get_str(&p->values, text->results.data[i]);
        if (named != NULL) {
            return define(p, &text->start, text->results.data[i], NULL);
        }
    }
    NodeBody body = {text->body, (uint32_t)text->results.len};
    Node *node =
        tn_node_with_body(p->graph, text->op, text->in.data, (uint32_t)text->in.len,
                          text->attrs.data, (uint32_t)text->attrs.len, body, text->loc, NULL);
    if (node == NULL) {
        return false;
    }
    node->blob = text->blob;
    node->group = (int32_t)text->group;
    for (size_t i = 0; i < node->n_out; i++) {
        Value *value = node->out[i];
        value->name = text->names[i] != NULL ? text->names[i] : own_name(p, text->results.data[i]);
        if (!check_type(p, text, i, value) ||
            !define(p, &text->start, text->results.data[i], value)) {
            return false;
        }
    }
    return true;
}

static bool parse_node(Parser *p) {
    NodeText text = {.start = p->lexer.token};
    if (parse_results(p, &text) && parse_call(p, &text) && parse_result_types(p, &text) &&
        parse_trailer(p, &text) && make_node(p, &text)) {
        return true;
    }
    /* Known, so that uses do not complain again. */
    for (size_t i = 0; i < text.results.len; i++) {
        if (tn_map_get_str(&p->values, text.results.data[i]) == NULL) {
            define(p, &text.start, text.results.data[i], NULL);
        }
    }
    return false;
}

static bool parse_require(Parser *p) {
    Loc loc = tn_lex_loc(&p->lexer, &p->lexer.token);
    tn_lex_next(&p->lexer);
    const Dim *a = parse_dim(p);
    if (a == NULL || !tn_lex_expect(&p->lexer, "==")) {
        return false;
    }
    const Dim *b = parse_dim(p);
    if (b == NULL || !tn_lex_expect(&p->lexer, ":")) {
        return false;
    }
    const char *text = parse_quoted(p);
    if (text == NULL) {
        return tn_lex_expected(&p->lexer, "a text in quotes that says what is wrong otherwise");
    }
    return tn_graph_require_eq(p->graph, a, b, loc, text);
}

/* ---- graph ---- */

/* "state 3" or "hyper 0" behind an input's type or an output's name, or nothing. */
static bool parse_source(Parser *p, InputSource *out) {
    bool state = tn_lex_accept_word(&p->lexer, "state");
    if (!state && !tn_lex_accept_word(&p->lexer, "hyper")) {
        return true;
    }
    int64_t index;
    if (!tn_lex_int_in(&p->lexer, 0, INT32_MAX, &index)) {
        return false;
    }
    *out = (InputSource){state ? INPUT_STATE : INPUT_HYPER, (int32_t)index};
    return true;
}

static bool input_item(Parser *p, void *unused) {
    Token token = p->lexer.token;
    StrView name;
    Type type;
    (void)unused;
    if (!parse_value_name(p, &name)) {
        return false;
    }
    const char *own = parse_quoted(p);
    p->input = p->depth > 0 ? -1 : (int32_t)p->graph->inputs.len;
    bool ok = tn_lex_expect(&p->lexer, ":") && parse_type(p, &type);
    p->input = -1;
    if (!ok) {
        return false;
    }
    InputSource source = {INPUT_CALLER, 0};
    if (!parse_source(p, &source)) {
        return false;
    }
    Value *value =
        tn_graph_add_source(p->graph, own != NULL ? own : own_name(p, name), type, source);
    if (tn_lex_accept(&p->lexer, "=")) {
        const Blob *blob = parse_blob(p, &type);
        if (blob == NULL) {
            return false;
        }
        p->graph->bound.data[p->graph->bound.len - 1] = blob;
    }
    return define(p, &token, name, value);
}

/* An output before its value is known. */
typedef struct OutputText {
    Token token;
    StrView value;
    const char *name;
    InputSource target;
} OutputText;

typedef TN_VEC(OutputText) OutputVec;

static bool output_item(Parser *p, void *list) {
    OutputVec *outputs = list;
    OutputText output = {.token = p->lexer.token};
    if (!parse_value_name(p, &output.value)) {
        return false;
    }
    output.name = parse_quoted(p);
    if (output.name == NULL) {
        output.name = own_name(p, output.value);
    }
    if (tn_lex_is_word(&p->lexer, "state") && !parse_source(p, &output.target)) {
        return false;
    }
    tn_vec_push(&p->ctx->arena, outputs, output);
    return true;
}

static bool add_output(Parser *p, const OutputText *output) {
    const Named *named = tn_map_get_str(&p->values, output->value);
    if (named == NULL) {
        return tn_lex_error(&p->lexer, &output->token, "output %%%.*s is not defined",
                            shown(output->value), output->value.data);
    }
    if (named->value != NULL) {
        int32_t state = output->target.kind == INPUT_STATE ? output->target.index : -1;
        tn_graph_add_update(p->graph, output->name, named->value, state);
    }
    return named->value != NULL;
}

/* sym K = input(0, 1) in 1..64 hint 8 */
static bool parse_origin(Parser *p, SymKind *kind, int64_t *input, int64_t *index) {
    *input = -1;
    *index = -1;
    if (tn_lex_accept_word(&p->lexer, "count")) {
        *kind = SYM_COUNT;
        return true;
    }
    bool dim = tn_lex_accept_word(&p->lexer, "input");
    *kind = dim ? SYM_INPUT_DIM : SYM_INPUT_ELEM;
    if (!dim && !tn_lex_accept_word(&p->lexer, "element")) {
        return tn_lex_expected(&p->lexer, "input, element or count");
    }
    return tn_lex_expect(&p->lexer, "(") && tn_lex_int_in(&p->lexer, -1, INT32_MAX, input) &&
           tn_lex_expect(&p->lexer, ",") && tn_lex_int_in(&p->lexer, -1, INT32_MAX, index) &&
           tn_lex_expect(&p->lexer, ")");
}

static bool parse_bound(Parser *p, int64_t open, int64_t *out) {
    *out = open;
    return tn_lex_accept(&p->lexer, "*") || tn_lex_int(&p->lexer, out);
}

static bool parse_symbol(Parser *p) {
    StrView name;
    SymKind kind;
    int64_t input;
    int64_t index;
    tn_lex_next(&p->lexer);
    if (!tn_lex_name(&p->lexer, &name) || !tn_lex_expect(&p->lexer, "=") ||
        !parse_origin(p, &kind, &input, &index)) {
        return false;
    }
    int64_t lo = kind == SYM_INPUT_ELEM ? INT64_MIN : 0;
    int64_t hi = INT64_MAX;
    if (tn_lex_accept_word(&p->lexer, "in") &&
        (!parse_bound(p, INT64_MIN, &lo) || !tn_lex_expect(&p->lexer, "..") ||
         !parse_bound(p, INT64_MAX, &hi))) {
        return false;
    }
    Symbol *symbol = tn_dim_symbol_of(p->ctx, tn_dim_symbol(p->ctx, name, kind, lo, hi));
    symbol->input = (int32_t)input;
    symbol->index = (int32_t)index;
    return !tn_lex_accept_word(&p->lexer, "hint") || tn_lex_int(&p->lexer, &symbol->hint);
}

static bool parse_header(Parser *p, OutputVec *outputs) {
    StrView name;
    if (!tn_lex_accept_word(&p->lexer, "graph")) {
        return tn_lex_expected(&p->lexer, "graph");
    }
    if (!tn_lex_expect(&p->lexer, "@") || !tn_lex_name(&p->lexer, &name)) {
        return false;
    }
    p->graph->name = tn_sv_dup(&p->ctx->arena, name);
    return tn_lex_expect(&p->lexer, "(") && parse_items(p, ")", input_item, NULL) &&
           tn_lex_expect(&p->lexer, "->") && tn_lex_expect(&p->lexer, "(") &&
           parse_items(p, ")", output_item, outputs) && tn_lex_expect(&p->lexer, "{");
}

static bool parse_statement(Parser *p) {
    if (tn_lex_is_mark(&p->lexer, "%")) {
        return parse_node(p);
    }
    if (tn_lex_is_word(&p->lexer, "require")) {
        return parse_require(p);
    }
    return tn_lex_expected(&p->lexer, "a node, require or }");
}

/* Goes on at the next line that begins a statement or ends the graph. */
static void skip_statement(Parser *p) {
    do {
        tn_lex_next(&p->lexer);
    } while (p->lexer.token.kind != TOKEN_END &&
             !(p->lexer.token.first_on_line &&
               (tn_lex_is_mark(&p->lexer, "%") || tn_lex_is_mark(&p->lexer, "}") ||
                tn_lex_is_word(&p->lexer, "require"))));
}

static void parse_body(Parser *p) {
    while (!tn_lex_is_mark(&p->lexer, "}") && p->lexer.token.kind != TOKEN_END) {
        uint32_t line = p->lexer.token.line;
        if (!parse_statement(p)) {
            p->failed = true;
            bool next = p->lexer.token.first_on_line && p->lexer.token.line != line;
            if (!next || p->lexer.token.kind != TOKEN_MARK) {
                skip_statement(p);
            }
        }
    }
}

enum { DEPTH_MAX = 32 };

static bool parse_graph(Parser *p);

static Graph *parse_body_graph(Parser *p) {
    if (p->depth == DEPTH_MAX) {
        tn_lex_error(&p->lexer, &p->lexer.token, "more than %d bodies inside each other",
                     DEPTH_MAX);
        return NULL;
    }
    Parser inner = {.lexer = p->lexer,
                    .ctx = p->ctx,
                    .input = -1,
                    .depth = p->depth + 1,
                    .values = tn_map(&p->ctx->arena)};
    inner.graph = tn_graph_new(p->ctx, "");
    bool ok = parse_graph(&inner);
    p->lexer = inner.lexer;
    return ok ? inner.graph : NULL;
}

static bool parse_graph(Parser *p) {
    OutputVec outputs = {0};
    if (!parse_header(p, &outputs)) {
        return false;
    }
    parse_body(p);
    bool ok = !p->failed && tn_lex_expect(&p->lexer, "}");
    for (size_t i = 0; i < outputs.len; i++) {
        ok = add_output(p, &outputs.data[i]) && ok;
    }
    return ok;
}

static bool parse_file(Parser *p) {
    while (tn_lex_is_word(&p->lexer, "sym")) {
        if (!parse_symbol(p)) {
            return false;
        }
    }
    return parse_graph(p);
}

Graph *tn_graph_parse_at(Lexer *lexer) {
    Ctx *ctx = lexer->ctx;
    Parser parser = {.lexer = *lexer, .ctx = ctx, .input = -1, .values = tn_map(&ctx->arena)};
    size_t had = ctx->diags.items.len + ctx->diags.dropped;
    parser.graph = tn_graph_new(ctx, "");
    bool ok = parse_file(&parser);
    *lexer = parser.lexer;
    return ok && ctx->diags.items.len + ctx->diags.dropped == had ? parser.graph : NULL;
}

bool tn_type_parse_at(Lexer *lexer, Type *out) {
    Parser parser = {.lexer = *lexer, .ctx = lexer->ctx, .input = -1};
    bool ok = parse_type(&parser, out);
    *lexer = parser.lexer;
    return ok;
}

Graph *tn_graph_parse_text(Ctx *ctx, StrView text, const char *file) {
    Lexer lexer;
    tn_lex_init(&lexer, ctx, text, file);
    Graph *graph = tn_graph_parse_at(&lexer);
    if (graph != NULL && lexer.token.kind != TOKEN_END) {
        tn_lex_expected(&lexer, "the end of the text");
        return NULL;
    }
    return graph;
}
