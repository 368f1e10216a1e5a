/* prelude_mem.c: functions of the prelude that depend on two types or on the machine:
 * conversions, and loads and stores of the first n lanes.
 *
 * Lanes that are not in memory are neither read nor written: masked instructions where the
 * processor has them, halves of a wider vector, else one lane at a time.
 */
#include <inttypes.h>

#include "codegen/prelude_priv.h"

/* ---- conversions ---- */

static int value_bits(DType dtype) {
    return 8 * (int)tn_dtype_bytes(dtype) - (tn_dtype_is_signed(dtype) ? 1 : 0);
}

static const char *least_text(DType dtype) {
    switch (dtype) {
    case TN_I8:
        return "-128";
    case TN_I16:
        return "-32768";
    case TN_I32:
        return "(-2147483647 - 1)";
    case TN_I64:
        return "(-9223372036854775807 - 1)";
    default:
        return "0";
    }
}

/* Above 2^bits everything is the greatest integer; below least, the least; NaN is 0. */
static void put_saturating(Prelude *prelude, const char *name, VType to, VType from) {
    StrBuf *out = &prelude->code;
    const char *t = tn_prelude_type(prelude, to), *x = tn_prelude_type(prelude, from);
    int bits = value_bits(to.dtype);
    Arena *arena = &prelude->ctx->arena;
    bool is_signed = tn_dtype_is_signed(to.dtype);
    const char *above = tn_arena_printf(arena, "0x1p%df", bits);
    const char *below = is_signed ? tn_arena_printf(arena, "-0x1p%df", bits) : "0.0f";
    uint64_t greatest = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
    const char *least = least_text(to.dtype);
    tn_str_printf(out, "INLINE %s %s(%s x) {\n", t, name, x);
    if (to.lanes == 1) {
        tn_str_printf(
            out, "    return x >= %s ? (%s)%" PRIu64 "u : x > %s ? (%s)x : x == x ? %s : 0;\n}\n",
            above, t, greatest, below, t, least);
        return;
    }
    const char *ix = tn_prelude_type(prelude, tn_vtype_integer(from, true));
    const char *it = tn_prelude_type(prelude, tn_vtype_integer(to, true));
    const char *e = tn_dtype_c(to.dtype);
    tn_str_printf(out, "    %s in = (x < %s) & (x > %s);\n", ix, above, below);
    tn_str_printf(out, "    %s high = __builtin_convertvector(x >= %s, %s);\n", it, above, it);
    tn_str_printf(out, "    %s low = __builtin_convertvector(x <= %s, %s);\n", it, below, it);
    tn_str_printf(out, "    %s r = __builtin_convertvector((%s)((%s)x & in), %s);\n", t, x, ix, t);
    tn_str_printf(out,
                  "    return r | ((%s)high & %s((%s)%" PRIu64 "u)) | ((%s)low & %s((%s)%s));\n}\n",
                  t, tn_prelude_fn(prelude, "all", to), e, greatest, t,
                  tn_prelude_fn(prelude, "all", to), e, least);
}

static void put_converting(Prelude *prelude, const char *name, VType to, VType from) {
    StrBuf *out = &prelude->code;
    const char *t = tn_prelude_type(prelude, to);
    tn_str_printf(out, "INLINE %s %s(%s x) { return ", t, name, tn_prelude_type(prelude, from));
    if (to.lanes == 1) {
        tn_str_printf(out, "(%s)x; }\n", t);
    } else {
        tn_str_printf(out, "__builtin_convertvector(x, %s); }\n", t);
    }
}

const char *tn_prelude_cast(Prelude *prelude, VType to, VType from) {
    const char *name =
        tn_arena_printf(&prelude->ctx->arena, "tn_cast_%s_%s", tn_vtype_suffix(prelude, to),
                        tn_vtype_suffix(prelude, from));
    if (!tn_prelude_add(prelude, name)) {
        return name;
    }
    if (tn_dtype_is_float(from.dtype) && !tn_dtype_is_float(to.dtype)) {
        tn_prelude_fn(prelude, "all", to);
        put_saturating(prelude, name, to, from);
    } else {
        put_converting(prelude, name, to, from);
    }
    return name;
}

const char *tn_prelude_mask(Prelude *prelude, VType to, VType from) {
    const char *name =
        tn_arena_printf(&prelude->ctx->arena, "tn_mask_%s_%s", tn_vtype_suffix(prelude, to),
                        tn_vtype_suffix(prelude, from));
    if (tn_prelude_add(prelude, name)) {
        put_converting(prelude, name, to, from);
    }
    return name;
}

/* ---- part of a vector ---- */

typedef struct Native {
    const char *load, *store; /* names of the builtins, without the bits */
    const char *element;      /* what their pointers point to */
    const char *mask;         /* their mask type */
    const char *feature;
} Native;

/* AVX-512 masked moves by element; the pointer and vector types are those of the builtin. */
static Native native_of(VType type) {
    switch (tn_vtype_bytes(type)) {
    case 1:
        return (Native){"loaddquqi", "storedquqi", "char", "uint64_t", "__AVX512BW__"};
    case 2:
        return (Native){"loaddquhi", "storedquhi", "short", "uint32_t", "__AVX512BW__"};
    case 4:
        return tn_dtype_is_float(type.dtype)
                   ? (Native){"loadups", "storeups", "float", "uint16_t", "__AVX512F__"}
                   : (Native){"loaddqusi", "storedqusi", "int", "uint16_t", "__AVX512F__"};
    default:
        return tn_dtype_is_float(type.dtype)
                   ? (Native){"loadupd", "storeupd", "double", "uint8_t", "__AVX512F__"}
                   : (Native){"loaddqudi", "storedqudi", "long long", "uint8_t", "__AVX512F__"};
    }
}

/* The mask type of a builtin: a bit a lane, at least 8. */
static const char *mask_type(int32_t lanes) {
    return lanes <= 8    ? "uint8_t"
           : lanes == 16 ? "uint16_t"
           : lanes == 32 ? "uint32_t"
                         : "uint64_t";
}

static void put_native(Prelude *prelude, bool store, VType type) {
    StrBuf *out = &prelude->code;
    Native native = native_of(type);
    int bits = 8 * tn_vtype_bytes(type) * type.lanes;
    const char *t = tn_prelude_type(prelude, type), *mask = mask_type(type.lanes);
    tn_str_printf(out, "    typedef %s B __attribute__((vector_size(%d)));\n", native.element,
                  bits / 8);
    tn_str_printf(out, "    %s m = n <= 0 ? 0 : n >= %d ? (%s)~0ull : (%s)((1ull << n) - 1);\n",
                  mask, type.lanes, mask, mask);
    if (store) {
        tn_str_printf(out, "    __builtin_ia32_%s%d_mask((void *)p, (B)x, m);\n", native.store,
                      bits);
    } else {
        tn_str_printf(out, "    return (%s)__builtin_ia32_%s%d_mask((const void *)p, (B){0}, m);\n",
                      t, native.load, bits);
    }
}

/* AVX2 moves 4- and 8-byte elements under the sign bits of a vector. */
static void put_avx2(Prelude *prelude, bool store, VType type) {
    StrBuf *out = &prelude->code;
    int32_t size = tn_vtype_bytes(type);
    const char *t = tn_prelude_type(prelude, type);
    tn_str_printf(out, "    typedef %s B __attribute__((vector_size(%d)));\n",
                  size == 4 ? "float" : "double", size * type.lanes);
    tn_str_printf(out, "    typedef %s M __attribute__((vector_size(%d)));\n",
                  size == 4 ? "int" : "long long", size * type.lanes);
    const char *first = tn_prelude_fn(prelude, "first", type);
    const char *suffix = size == 4 ? "ps" : "pd", *wide = size * type.lanes == 32 ? "256" : "";
    if (store) {
        tn_str_printf(out, "    __builtin_ia32_maskstore%s%s((B *)p, (M)%s(n), (B)x);\n", suffix,
                      wide, first);
    } else {
        tn_str_printf(out, "    return (%s)__builtin_ia32_maskload%s%s((const B *)p, (M)%s(n));\n",
                      t, suffix, wide, first);
    }
}

static void put_lanes(Prelude *prelude, bool store, VType type) {
    StrBuf *out = &prelude->code;
    if (store) {
        tn_str_printf(out,
                      "    for (int i = 0; i < %d && i < n; i++) {\n        p[i] = x[i];\n    }\n",
                      type.lanes);
    } else {
        tn_str_printf(out,
                      "    %s v = {0};\n    for (int i = 0; i < %d && i < n; i++) {\n"
                      "        v[i] = p[i];\n    }\n    return v;\n",
                      tn_prelude_type(prelude, type), type.lanes);
    }
}

static void put_halves(Prelude *prelude, bool store, VType type) {
    StrBuf *out = &prelude->code;
    VType half = type;
    half.lanes /= 2;
    const char *t = tn_prelude_type(prelude, type), *h = tn_prelude_type(prelude, half);
    const char *part = tn_prelude_part(prelude, store, half);
    if (store) {
        tn_str_printf(out, "    union { %s all; %s half[2]; } v = {x};\n", t, h);
        tn_str_printf(out, "    %s(p, n, v.half[0]);\n    if (n > %d) {\n", part, half.lanes);
        tn_str_printf(out, "        %s(p + %d, n - %d, v.half[1]);\n    }\n", part, half.lanes,
                      half.lanes);
    } else {
        tn_str_printf(out, "    union { %s all; %s half[2]; } v = {{0}};\n", t, h);
        tn_str_printf(out, "    v.half[0] = %s(p, n);\n    if (n > %d) {\n", part, half.lanes);
        tn_str_printf(out, "        v.half[1] = %s(p + %d, n - %d);\n    }\n    return v.all;\n",
                      part, half.lanes, half.lanes);
    }
}

static bool has_avx2(VType type) {
    int32_t size = tn_vtype_bytes(type);
    return size >= 4 && (size * type.lanes == 16 || size * type.lanes == 32);
}

const char *tn_prelude_part(Prelude *prelude, bool store, VType type) {
    if (type.dtype == TN_BOOL) {
        type = tn_vtype(TN_U8, type.lanes); /* bools in memory */
    }
    const char *name = tn_arena_printf(&prelude->ctx->arena, "tn_%s_%s", store ? "storen" : "loadn",
                                       tn_vtype_suffix(prelude, type));
    if (!tn_prelude_add(prelude, name)) {
        return name;
    }
    int32_t bytes = tn_vtype_bytes(type) * type.lanes;
    VType half = type;
    half.lanes /= 2;
    if (bytes > 16 && half.lanes > 1) {
        tn_prelude_part(prelude, store, half);
    }
    if (has_avx2(type)) {
        tn_prelude_fn(prelude, "first", type);
    }
    StrBuf *out = &prelude->code;
    const char *t = tn_prelude_type(prelude, type), *e = tn_dtype_c(type.dtype);
    if (store) {
        tn_str_printf(out, "INLINE void %s(%s *p, int64_t n, %s x) {\n", name, e, t);
    } else {
        tn_str_printf(out, "INLINE %s %s(const %s *p, int64_t n) {\n", t, name, e);
    }
    tn_str_puts(out, "#if 0\n");
    if (bytes >= 16 && bytes <= 64) {
        tn_str_printf(out, "#elif defined __AVX512VL__ && defined %s\n", native_of(type).feature);
        put_native(prelude, store, type);
    }
    if (has_avx2(type)) {
        tn_str_puts(out, "#elif defined __AVX2__\n");
        put_avx2(prelude, store, type);
    }
    tn_str_puts(out, "#else\n");
    if (bytes > 16 && half.lanes > 1) {
        put_halves(prelude, store, type);
    } else {
        put_lanes(prelude, store, type);
    }
    tn_str_puts(out, "#endif\n}\n");
    return name;
}
