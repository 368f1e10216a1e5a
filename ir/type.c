/* type.c: element types, shapes, and where the elements of a laid-out value lie. */
#include "ir/type.h"

#include <string.h>

typedef struct DTypeRow {
    DType dtype;
    const char *text;
    char cls; /* F float, I signed, U unsigned, B bool */
    uint8_t bytes;
    const char *c_type;
} DTypeRow;

static const DTypeRow rows[] = {
#define DTYPE(id, text, cls, bytes, c_type) {TN_##id, text, #cls[0], bytes, c_type},
#include "ir/dtypes.def"
#undef DTYPE
};

static const DTypeRow *row_of(DType dtype) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].dtype == dtype) {
            return &rows[i];
        }
    }
    return NULL;
}

static char class_of(DType dtype) {
    const DTypeRow *row = row_of(dtype);
    return row != NULL ? row->cls : 0;
}

bool tn_dtype_is_float(DType dtype) {
    return class_of(dtype) == 'F';
}

bool tn_dtype_is_int(DType dtype) {
    return class_of(dtype) == 'I' || class_of(dtype) == 'U';
}

bool tn_dtype_is_signed(DType dtype) {
    return class_of(dtype) == 'F' || class_of(dtype) == 'I';
}

DType tn_dtype_parse(StrView text) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (tn_sv_is(text, rows[i].text)) {
            return rows[i].dtype;
        }
    }
    return TN_DT_NONE;
}

const char *tn_dtype_text(DType dtype) {
    const DTypeRow *row = row_of(dtype);
    return row != NULL ? row->text : "none";
}

const char *tn_dtype_c(DType dtype) {
    const DTypeRow *row = row_of(dtype);
    return row != NULL ? row->c_type : "void";
}

size_t tn_dtype_bytes(DType dtype) {
    const DTypeRow *row = row_of(dtype);
    return row != NULL ? row->bytes : 0;
}

/* ---- shapes ---- */

Type tn_type_make(DType dtype, uint8_t rank, const Dim *const *dims) {
    Type type = {.dtype = dtype, .rank = rank};
    for (uint32_t i = 0; i < rank; i++) {
        type.dims[i] = dims[i];
    }
    return type;
}

Type tn_type_scalar(DType dtype) {
    return (Type){.dtype = dtype};
}

bool tn_type_same_shape(const Type *a, const Type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank) {
        return false;
    }
    for (uint32_t i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]) {
            return false;
        }
    }
    return true;
}

static bool layout_equal(const Layout *a, const Layout *b) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (a->n_parts != b->n_parts || memcmp(a->halo_lo, b->halo_lo, sizeof a->halo_lo) != 0 ||
        memcmp(a->halo_hi, b->halo_hi, sizeof a->halo_hi) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_parts; i++) {
        const LayoutPart *p = &a->parts[i], *q = &b->parts[i];
        if (p->dim != q->dim || p->div != q->div || p->mod != q->mod) {
            return false;
        }
    }
    return true;
}

bool tn_type_equal(const Type *a, const Type *b) {
    return tn_type_same_shape(a, b) && layout_equal(a->layout, b->layout);
}

const Dim *tn_type_count(Ctx *ctx, const Type *type) {
    return tn_dim_product(ctx, type->dims, type->rank);
}

bool tn_type_is_static(const Type *type) {
    for (uint32_t i = 0; i < type->rank; i++) {
        if (!tn_dim_is_const(type->dims[i])) {
            return false;
        }
    }
    return true;
}

int64_t tn_type_static_count(const Type *type) {
    int64_t count = 1;
    for (uint32_t i = 0; i < type->rank; i++) {
        if (!tn_dim_is_const(type->dims[i]) || type->dims[i]->value < 0 ||
            __builtin_mul_overflow(count, type->dims[i]->value, &count)) {
            return -1;
        }
    }
    return count;
}

/* ---- physical view ---- */

int tn_type_phys_dims(Ctx *ctx, const Type *type, const Dim **extents) {
    const Layout *layout = type->layout;
    if (layout == NULL) {
        for (uint32_t i = 0; i < type->rank; i++) {
            extents[i] = type->dims[i];
        }
        return type->rank;
    }
    for (uint32_t i = 0; i < layout->n_parts; i++) {
        const LayoutPart *part = &layout->parts[i];
        int64_t halo = (int64_t)layout->halo_lo[part->dim] + layout->halo_hi[part->dim];
        const Dim *size = tn_dim_addc(ctx, type->dims[part->dim], halo);
        extents[i] = part->mod > 0 ? tn_dim_const(ctx, part->mod)
                                   : tn_dim_ceil_div(ctx, size, tn_dim_const(ctx, part->div));
    }
    return layout->n_parts;
}

int tn_type_phys_index(Ctx *ctx, const Type *type, const Dim *const *index, const Dim **out) {
    const Layout *layout = type->layout;
    if (layout == NULL) {
        for (uint32_t i = 0; i < type->rank; i++) {
            out[i] = index[i];
        }
        return type->rank;
    }
    for (uint32_t i = 0; i < layout->n_parts; i++) {
        const LayoutPart *part = &layout->parts[i];
        const Dim *at = tn_dim_addc(ctx, index[part->dim], layout->halo_lo[part->dim]);
        at = part->div > 1 ? tn_dim_divc(ctx, at, part->div) : at;
        out[i] = part->mod > 0 ? tn_dim_modc(ctx, at, part->mod) : at;
    }
    return layout->n_parts;
}

const Dim *tn_type_phys_count(Ctx *ctx, const Type *type) {
    const Dim *extents[TN_MAX_RANK + 4];
    int rank = tn_type_phys_dims(ctx, type, extents);
    return tn_dim_product(ctx, extents, (size_t)rank);
}

/* ---- packing ---- */

/* The place of an element is a sum of one term a logical dim: term[dim][i]. */
typedef struct Pack {
    size_t bytes;
    int64_t dims[TN_MAX_RANK];
    int64_t strides[TN_MAX_RANK]; /* row-major source */
    int64_t *terms[TN_MAX_RANK];  /* destination offset of index i of each dim */
    uint32_t rank;
    const char *from;
    char *to;
} Pack;

static void fill_terms(Pack *pack, Arena *arena, const Type *type, const int64_t *extents) {
    const Layout *layout = type->layout;
    int64_t stride = 1;
    for (uint32_t d = 0; d < pack->rank; d++) {
        pack->terms[d] = TN_NEW_ARRAY(arena, int64_t, (size_t)pack->dims[d] + 1);
    }
    for (uint32_t p = layout->n_parts; p-- > 0;) {
        const LayoutPart *part = &layout->parts[p];
        for (int64_t i = 0; i < pack->dims[part->dim]; i++) {
            int64_t at = (i + layout->halo_lo[part->dim]) / part->div;
            pack->terms[part->dim][i] += (part->mod > 0 ? at % part->mod : at) * stride;
        }
        stride *= extents[p];
    }
}

/* A row of elements of `bytes` each; the source need not be aligned. */
static inline void pack_row(const Pack *pack, const int64_t *terms, int64_t n, int64_t from,
                            int64_t to, size_t bytes) {
    for (int64_t i = 0; i < n; i++) {
        memcpy(pack->to + (size_t)(to + terms[i]) * bytes, pack->from + (size_t)(from + i) * bytes,
               bytes);
    }
}

static void pack_run(const Pack *pack, uint32_t dim, int64_t from, int64_t to) {
    int64_t n = pack->dims[dim];
    const int64_t *terms = pack->terms[dim];
    if (dim + 1 < pack->rank) {
        for (int64_t i = 0; i < n; i++) {
            pack_run(pack, dim + 1, from + i * pack->strides[dim], to + terms[i]);
        }
    } else if (pack->bytes == 4) {
        pack_row(pack, terms, n, from, to, 4); /* a size known to the compiler: no call */
    } else {
        pack_row(pack, terms, n, from, to, pack->bytes);
    }
}

void tn_layout_pack(Ctx *ctx, const Type *type, const void *row_major, void *out) {
    const Dim *extent_dims[TN_MAX_RANK + 4];
    int64_t extents[TN_MAX_RANK + 4], stride = 1, total = 1;
    Pack pack = {
        .bytes = tn_dtype_bytes(type->dtype), .rank = type->rank, .from = row_major, .to = out};
    int rank = tn_type_phys_dims(ctx, type, extent_dims);
    for (int i = 0; i < rank; i++) {
        extents[i] = extent_dims[i]->value;
        total *= extents[i];
    }
    for (uint32_t d = type->rank; d-- > 0;) {
        pack.dims[d] = type->dims[d]->value;
        pack.strides[d] = stride;
        stride *= pack.dims[d];
    }
    if (type->layout == NULL || type->rank == 0) {
        memcpy(out, row_major, (size_t)total * pack.bytes);
        return;
    }
    memset(out, 0, (size_t)total * pack.bytes);
    ArenaMark mark = tn_arena_mark(&ctx->scratch);
    fill_terms(&pack, &ctx->scratch, type, extents);
    pack_run(&pack, 0, 0, 0);
    tn_arena_reset(&ctx->scratch, mark);
}

/* ---- text ---- */

static void print_halos(const Type *type, StrBuf *out) {
    bool any = false;
    for (uint32_t d = 0; d < type->rank; d++) {
        if (type->layout->halo_lo[d] > 0 || type->layout->halo_hi[d] > 0) {
            tn_str_printf(out, "%s%u:%d,%d", any ? " " : " halo ", d, type->layout->halo_lo[d],
                          type->layout->halo_hi[d]);
            any = true;
        }
    }
}

void tn_type_print(Ctx *ctx, const Type *type, StrBuf *out) {
    tn_str_puts(out, tn_dtype_text(type->dtype));
    tn_str_putc(out, '[');
    for (uint32_t i = 0; i < type->rank; i++) {
        tn_str_puts(out, i > 0 ? "," : "");
        tn_dim_print(ctx, type->dims[i], out);
    }
    tn_str_putc(out, ']');
    if (type->layout == NULL) {
        return;
    }
    tn_str_putc(out, '{');
    for (uint32_t i = 0; i < type->layout->n_parts; i++) {
        const LayoutPart *part = &type->layout->parts[i];
        tn_str_printf(out, "%s%u", i > 0 ? "," : "", part->dim);
        if (part->div > 1) {
            tn_str_printf(out, "/%d", part->div);
        }
        if (part->mod > 0) {
            tn_str_printf(out, "%%%d", part->mod);
        }
    }
    print_halos(type, out);
    tn_str_putc(out, '}');
}
