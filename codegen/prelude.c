/* prelude.c: types and templates; see prelude.h and prelude.def.
 *
 * A template is C in which some identifiers stand for types; instantiating is replacing
 * identifiers. A call of another template inside it makes that one first.
 */
#include "codegen/prelude_priv.h"

#include <ctype.h>
#include <string.h>

enum { F32 = 1, F64 = 2, FLT = 3, SINT = 4, UINT = 8, INT = 12, NUM = 15, BOOL = 16, ANY = 31 };
enum { SCALAR = 1, VECTOR = 2, BOTH = 3 };

typedef struct Template {
    const char *name;
    int on;
    int shape;
    const char *code;
} Template;

static const Template templates[] = {
#define TEMPLATE(name, on, shape, ...) {#name, on, shape, #__VA_ARGS__},
#include "codegen/prelude.def"
#undef TEMPLATE
};

static const char head[] =
    "#pragma GCC diagnostic ignored \"-Wpsabi\" /* vectors stay within this file */\n"
    "#if defined __GNUC__ && !defined __clang__\n"
    "#pragma GCC optimize(\"no-math-errno\", \"no-trapping-math\")\n"
    "#endif\n"
    "typedef __INT8_TYPE__ int8_t;\n"
    "typedef __INT16_TYPE__ int16_t;\n"
    "typedef __INT32_TYPE__ int32_t;\n"
    "typedef __INT64_TYPE__ int64_t;\n"
    "typedef __UINT8_TYPE__ uint8_t;\n"
    "typedef __UINT16_TYPE__ uint16_t;\n"
    "typedef __UINT32_TYPE__ uint32_t;\n"
    "typedef __UINT64_TYPE__ uint64_t;\n"
    "__extension__ typedef unsigned __int128 TN_U128;\n"
    "#define INLINE static inline __attribute__((always_inline, unused))\n"
    "#define LOCAL static inline __attribute__((unused))\n"
    "#if defined __clang__ && __clang_major__ >= 19 && defined __SSE4_1__\n"
    "#define TN_NATIVE(name, x, other) __builtin_elementwise_##name(x)\n"
    "#else\n"
    "#define TN_NATIVE(name, x, other) (other)\n"
    "#endif\n"
    "/* Division and remainder rounding down; by zero they are 0. */\n"
    "INLINE int64_t tn_fdiv(int64_t a, int64_t b) {\n"
    "    return b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0));\n"
    "}\n"
    "INLINE int64_t tn_fmod(int64_t a, int64_t b) {\n"
    "    return b == 0 ? 0 : a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);\n"
    "}\n"
    "INLINE int64_t tn_imin(int64_t a, int64_t b) { return a < b ? a : b; }\n"
    "INLINE int64_t tn_imax(int64_t a, int64_t b) { return a > b ? a : b; }\n";

Prelude tn_prelude_new(Ctx *ctx) {
    return (Prelude){.ctx = ctx,
                     .done = tn_map(&ctx->arena),
                     .types = tn_str(&ctx->arena),
                     .code = tn_str(&ctx->arena)};
}

void tn_prelude_text(const Prelude *prelude, StrBuf *out) {
    tn_str_puts(out, head);
    tn_str_write(out, prelude->types.data != NULL ? prelude->types.data : "", prelude->types.len);
    tn_str_write(out, prelude->code.data != NULL ? prelude->code.data : "", prelude->code.len);
}

bool tn_prelude_add(Prelude *prelude, const char *name) {
    bool added = false;
    tn_map_put_str(&prelude->done, tn_sv(name), &added);
    return added;
}

/* ---- types ---- */

VType tn_vtype(DType dtype, int32_t lanes) {
    return (VType){dtype, lanes, dtype == TN_BOOL ? 1 : 0};
}

int32_t tn_vtype_bytes(VType type) {
    return type.dtype == TN_BOOL && type.lanes > 1 ? type.mask_bytes
                                                   : (int32_t)tn_dtype_bytes(type.dtype);
}

VType tn_vtype_element(VType type) {
    return tn_vtype(type.dtype, 1);
}

VType tn_vtype_integer(VType type, bool is_signed) {
    switch (tn_vtype_bytes(type)) {
    case 1:
        return tn_vtype(is_signed ? TN_I8 : TN_U8, type.lanes);
    case 2:
        return tn_vtype(is_signed ? TN_I16 : TN_U16, type.lanes);
    case 4:
        return tn_vtype(is_signed ? TN_I32 : TN_U32, type.lanes);
    default:
        return tn_vtype(is_signed ? TN_I64 : TN_U64, type.lanes);
    }
}

const char *tn_vtype_suffix(Prelude *prelude, VType type) {
    if (type.lanes == 1) {
        return tn_dtype_text(type.dtype);
    }
    Arena *arena = &prelude->ctx->arena;
    if (type.dtype == TN_BOOL) {
        return tn_arena_printf(arena, "b%dx%d", 8 * type.mask_bytes, type.lanes);
    }
    return tn_arena_printf(arena, "%sx%d", tn_dtype_text(type.dtype), type.lanes);
}

const char *tn_prelude_type(Prelude *prelude, VType type) {
    if (type.lanes == 1) {
        return tn_dtype_c(type.dtype);
    }
    if (type.dtype == TN_BOOL) {
        type = tn_vtype_integer(type, true);
    }
    const char *name =
        tn_arena_printf(&prelude->ctx->arena, "tn_%s", tn_vtype_suffix(prelude, type));
    if (tn_prelude_add(prelude, name)) {
        int32_t bytes = tn_vtype_bytes(type);
        const char *element = tn_dtype_c(type.dtype);
        tn_str_printf(&prelude->types, "typedef %s %s __attribute__((vector_size(%d)));\n", element,
                      name, bytes * type.lanes);
        tn_str_printf(&prelude->types,
                      "typedef %s %su __attribute__((vector_size(%d), aligned(%d), may_alias));\n",
                      element, name, bytes * type.lanes, bytes);
    }
    return name;
}

/* ---- line breaks ---- */

static void new_line(StrBuf *out, int depth) {
    tn_str_putc(out, '\n');
    for (int i = 0; i < depth; i++) {
        tn_str_puts(out, "    ");
    }
}

static const char *skip_space(const char *at) {
    while (*at == ' ') {
        at++;
    }
    return at;
}

/* A block's brace stands after a space, an initialiser's does not; that stays on its line. */
static bool opens_block(const char *text, const char *at) {
    return at - text > 1 && at[-1] == ' ' && (at[-2] == ')' || at[-2] == 'e');
}

void tn_prelude_pretty(StrBuf *out, const char *text) {
    int depth = 0, parens = 0, flat = 0;
    for (const char *at = text; *at != '\0'; at++) {
        parens += (*at == '(') - (*at == ')');
        if (*at == '{' && (flat > 0 || parens > 0 || !opens_block(text, at))) {
            flat++;
            tn_str_putc(out, *at);
        } else if (*at == '}' && flat > 0) {
            flat--;
            tn_str_putc(out, *at);
        } else if (*at == '{' || (*at == ';' && parens == 0 && flat == 0)) {
            depth += *at == '{';
            tn_str_putc(out, *at);
            at = skip_space(at + 1) - 1;
            new_line(out, at[1] == '}' ? depth - 1 : depth);
        } else if (*at == '}') {
            depth--;
            tn_str_putc(out, *at);
            at = skip_space(at + 1) - 1;
            new_line(out, at[1] == '}' ? depth - 1 : depth);
        } else {
            tn_str_putc(out, *at);
        }
    }
}

/* ---- templates ---- */

static int domain_bit(DType dtype) {
    if (tn_dtype_is_float(dtype)) {
        return dtype == TN_F32 ? F32 : F64;
    }
    return dtype == TN_BOOL ? BOOL : tn_dtype_is_signed(dtype) ? SINT : UINT;
}

static const Template *find_template(const char *name, VType type) {
    int bit = domain_bit(type.dtype), shape = type.lanes == 1 ? SCALAR : VECTOR;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        if ((templates[i].on & bit) != 0 && (templates[i].shape & shape) != 0 &&
            strcmp(templates[i].name, name) == 0) {
            return &templates[i];
        }
    }
    return NULL;
}

static void put_iota(StrBuf *out, int32_t lanes) {
    for (int32_t i = 0; i < lanes; i++) {
        tn_str_printf(out, "%s%d", i > 0 ? ", " : "", i);
    }
}

/* The type a suffix or a type letter stands for. */
static VType named_type(char letter, VType type) {
    switch (letter) {
    case 'I':
        return tn_vtype_integer(type, true);
    case 'J':
        return tn_vtype_element(tn_vtype_integer(type, true));
    case 'U':
        return tn_vtype_integer(type, false);
    case 'W':
        type = tn_vtype_integer(type, false);
        return type.lanes == 1 && tn_vtype_bytes(type) < 4 ? tn_vtype(TN_U32, 1) : type;
    case 'D':
        return tn_vtype(TN_F64, type.lanes);
    case 'H':
        type.lanes /= 2;
        return type;
    case 'K':
        return tn_vtype(TN_I64, type.lanes);
    case 'E':
        return tn_vtype_element(type);
    default:
        return type;
    }
}

/* Replaces one identifier of a template. */
static void put_identifier(Prelude *prelude, StrBuf *out, StrView word, VType type) {
    if (word.len == 1 && strchr("TEIJUWDKH", word.data[0]) != NULL) {
        tn_str_puts(out, tn_prelude_type(prelude, named_type(word.data[0], type)));
    } else if (tn_sv_is(word, "V")) {
        tn_str_printf(out, "%su", tn_prelude_type(prelude, type));
    } else if (tn_sv_is(word, "LANES")) {
        tn_str_printf(out, "%d", type.lanes);
    } else if (tn_sv_is(word, "IOTA")) {
        put_iota(out, type.lanes);
    } else if (word.len > 5 && memcmp(word.data, "tn_", 3) == 0 && word.data[word.len - 2] == '_' &&
               strchr("SEDIH", word.data[word.len - 1]) != NULL) {
        const char *name = tn_sv_dup(&prelude->ctx->arena, (StrView){word.data + 3, word.len - 5});
        VType of = named_type(word.data[word.len - 1], type);
        tn_str_puts(out, tn_prelude_fn(prelude, name, of));
    } else {
        tn_str_write(out, word.data, word.len);
    }
}

static bool word_char(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static void instantiate(Prelude *prelude, const char *code, VType type) {
    StrBuf text = tn_str(&prelude->ctx->arena);
    for (const char *at = code; *at != '\0';) {
        if (!word_char(*at)) {
            tn_str_putc(&text, *at++);
            continue;
        }
        const char *start = at;
        while (word_char(*at)) {
            at++;
        }
        put_identifier(prelude, &text, (StrView){start, (size_t)(at - start)}, type);
    }
    tn_prelude_pretty(&prelude->code, text.data);
}

const char *tn_prelude_fn(Prelude *prelude, const char *name, VType type) {
    const char *full =
        tn_arena_printf(&prelude->ctx->arena, "tn_%s_%s", name, tn_vtype_suffix(prelude, type));
    if (!tn_prelude_add(prelude, full)) {
        return full;
    }
    const Template *row = find_template(name, type);
    if (row == NULL) {
        prelude->failed = true;
        tn_diag(&prelude->ctx->diags, TN_INTERNAL, (Loc){0},
                "codegen/prelude.def has no row for %s", full);
        return full;
    }
    instantiate(prelude, row->code, type);
    return full;
}
