/* type.h: element type, symbolic shape, and how a value lies in memory.
 *
 * A Type is a small value, copied freely. Dims are logical. `layout` NULL means
 * dense row-major; otherwise it says where element (i0, i1, ...) lies, and only
 * the layout pass and what comes after it look at it. Two types are the same
 * when dtype, rank, dims (pointers) and layout agree.
 */
#ifndef TN_IR_TYPE_H
#define TN_IR_TYPE_H

#include "ir/dim.h"

typedef tn_dtype DType;

/* One physical dimension: (index[dim] + halo_lo[dim]) / div % mod, where div 1 and
 * mod 0 (no modulo: the outermost piece of that dim) give the plain index. */
typedef struct LayoutPart {
    uint8_t dim;
    int32_t div;
    int32_t mod;
} LayoutPart;

/* Physical dims in order, outermost first; strides are dense over their extents.
 * A halo is a border of zeros around a dim, part of the buffer, so that padded
 * readers need no test. Blocked dims are rounded up; what lies in the rounding
 * is unspecified and never read as a value. */
typedef struct Layout {
    uint8_t n_parts;
    LayoutPart parts[TN_MAX_RANK + 4];
    int32_t halo_lo[TN_MAX_RANK], halo_hi[TN_MAX_RANK];
} Layout;

typedef struct Type {
    DType dtype;
    uint8_t rank;
    const Dim *dims[TN_MAX_RANK];
    const Layout *layout; /* owned by the context; NULL is row-major */
} Type;

bool tn_dtype_is_float(DType dtype);
bool tn_dtype_is_int(DType dtype);   /* signed or unsigned, not bool */
bool tn_dtype_is_signed(DType dtype); /* signed integer or float */
DType tn_dtype_parse(StrView text);  /* TN_DT_NONE when unknown */
const char *tn_dtype_text(DType dtype);  /* "f32" */
const char *tn_dtype_c(DType dtype);     /* "float" */
size_t tn_dtype_bytes(DType dtype);

Type tn_type_make(DType dtype, uint8_t rank, const Dim *const *dims);
Type tn_type_scalar(DType dtype);
/* dtype and dims equal; layout is not compared. */
bool tn_type_same_shape(const Type *a, const Type *b);
bool tn_type_equal(const Type *a, const Type *b);
/* Number of logical elements. */
const Dim *tn_type_count(Ctx *ctx, const Type *type);
bool tn_type_is_static(const Type *type);
/* Number of elements when static and it fits, else -1. */
int64_t tn_type_static_count(const Type *type);

/* Physical view: fills extents (elements) and returns the number of physical dims. */
int tn_type_phys_dims(Ctx *ctx, const Type *type, const Dim **extents);
/* Physical index of logical `index`. */
int tn_type_phys_index(Ctx *ctx, const Type *type, const Dim *const *index, const Dim **out);
/* Elements the buffer holds, halo and rounding included. */
const Dim *tn_type_phys_count(Ctx *ctx, const Type *type);
/* Rearranges a static row-major array into `type`'s layout; halo and rounding become zero. */
void tn_layout_pack(Ctx *ctx, const Type *type, const void *row_major, void *out);

/* "f32[N,3,224,224]", with a layout as "{0,1/16,2,3,1%16 halo 2:1,1 3:1,1}". */
void tn_type_print(Ctx *ctx, const Type *type, StrBuf *out);

#endif
