/* attrs.c: the attribute list of the C builder. */
#include "frontend/attrs.h"

#include <string.h>

#include "ir/lex.h"

/* One number or string; `kind` of the first one of a list holds for all. */
typedef struct Item {
    bool is_text, is_int;
    StrView text;
    int64_t i;
    double f;
} Item;

/* Whether the number ahead is written as an integer. */
static bool int_ahead(const Lexer *lexer) {
    size_t at = lexer->token.start;
    if (at < lexer->input.len && lexer->input.data[at] == '-') {
        at++;
        while (at < lexer->input.len && lexer->input.data[at] == ' ') {
            at++;
        }
    }
    size_t digits = at;
    while (digits < lexer->input.len && lexer->input.data[digits] >= '0' &&
           lexer->input.data[digits] <= '9') {
        digits++;
    }
    bool more = digits < lexer->input.len && memchr(".eExX", lexer->input.data[digits], 5) != NULL;
    return digits > at && !more;
}

static bool parse_item(Lexer *lexer, Item *out) {
    uint64_t bits;
    *out = (Item){.is_text = lexer->token.kind == TOKEN_STRING};
    if (out->is_text) {
        return tn_lex_name(lexer, &out->text);
    }
    out->is_int = int_ahead(lexer);
    if (out->is_int) {
        bool ok = tn_lex_int(lexer, &out->i);
        out->f = (double)out->i;
        return ok;
    }
    return tn_lex_float(lexer, sizeof(float), &out->f, &bits);
}

static bool parse_list(Lexer *lexer, Arena *arena, OnnxAttr *out) {
    TN_VEC(int64_t) ints = {0};
    TN_VEC(float) floats = {0};
    TN_VEC(StrView) texts = {0};
    bool all_ints = true;
    while (!tn_lex_is_mark(lexer, "]")) {
        Item item;
        if ((ints.len + texts.len > 0 && !tn_lex_expect(lexer, ",")) || !parse_item(lexer, &item)) {
            return false;
        }
        if (item.is_text) {
            tn_vec_push(arena, &texts, item.text);
            continue;
        }
        all_ints = all_ints && item.is_int;
        tn_vec_push(arena, &ints, item.i);
        tn_vec_push(arena, &floats, (float)item.f);
    }
    out->type = texts.len > 0 ? ONNX_ATTR_STRINGS : all_ints ? ONNX_ATTR_NONE : ONNX_ATTR_FLOATS;
    out->ints = ints.data;
    out->n_ints = all_ints ? ints.len : 0;
    out->floats = floats.data;
    out->n_floats = floats.len;
    out->strings = texts.data;
    out->n_strings = texts.len;
    return tn_lex_expect(lexer, "]");
}

static bool parse_value(Lexer *lexer, Arena *arena, OnnxAttr *out) {
    Item item;
    if (tn_lex_accept(lexer, "[")) {
        return parse_list(lexer, arena, out);
    }
    if (!parse_item(lexer, &item)) {
        return false;
    }
    out->type = item.is_text ? ONNX_ATTR_STRING : item.is_int ? ONNX_ATTR_NONE : ONNX_ATTR_FLOAT;
    out->s = item.text;
    out->i = item.i;
    out->f = (float)item.f;
    out->has_i = item.is_int;
    out->has_f = !item.is_text;
    return true;
}

bool tn_attrs_parse(Ctx *ctx, const char *text, const OnnxAttr **out, size_t *n) {
    TN_VEC(OnnxAttr) attrs = {0};
    Lexer lexer;
    tn_lex_init(&lexer, ctx, tn_sv(tn_sv_dup(&ctx->arena, tn_sv(text))), "attributes");
    while (lexer.token.kind != TOKEN_END) {
        OnnxAttr attr = {0};
        if ((attrs.len > 0 && !tn_lex_expect(&lexer, ",")) || !tn_lex_name(&lexer, &attr.name) ||
            !tn_lex_expect(&lexer, "=") || !parse_value(&lexer, &ctx->arena, &attr)) {
            return false;
        }
        tn_vec_push(&ctx->arena, &attrs, attr);
    }
    *out = attrs.data;
    *n = attrs.len;
    return true;
}
