/* traits.c: lookup of traits.def, and the forward index maps of bijective views. */
#include "ir/traits.h"

#define COSTLY TRAIT_COSTLY
#define PRODUCT TRAIT_PRODUCT
#define WINDOWED TRAIT_WINDOWED
#define GUARDED TRAIT_GUARDED
#define BUFFER0 TRAIT_BUFFER0
#define BIJECTIVE TRAIT_BIJECTIVE
#define OWNKERNEL TRAIT_OWNKERNEL

uint32_t tn_op_traits(Op op) {
    static const uint32_t traits[TN_OP_COUNT] = {
#define TRAIT(id, bits) [TN_OP_##id] = (bits),
#include "ir/traits.def"
#undef TRAIT
    };
    return traits[op];
}

/* The end (exclusive) of the shortest group of dims from *a and *b with equal products. */
static bool match_group(Ctx *ctx, const Type *from, const Type *to, uint32_t *a, uint32_t *b) {
    const Dim *pa = tn_dim_const(ctx, 1), *pb = pa;
    uint32_t i = *a, j = *b;
    do {
        bool left = i < from->rank && (j >= to->rank || pa == pb || tn_dim_prove_le(ctx, pa, pb));
        if (left) {
            pa = tn_dim_mul(ctx, pa, from->dims[i++]);
        } else if (j < to->rank) {
            pb = tn_dim_mul(ctx, pb, to->dims[j++]);
        } else {
            return false;
        }
    } while (pa != pb);
    *a = i;
    *b = j;
    return true;
}

static const Dim *linearise(Ctx *ctx, const Type *type, uint32_t first, uint32_t end,
                            const Dim *const *index) {
    const Dim *flat = tn_dim_const(ctx, 0);
    for (uint32_t i = first; i < end; i++) {
        flat = tn_dim_add(ctx, tn_dim_mul(ctx, flat, type->dims[i]), index[i]);
    }
    return flat;
}

static void delinearise(Ctx *ctx, const Type *type, uint32_t first, uint32_t end, const Dim *flat,
                        const Dim **out) {
    for (uint32_t j = end; j-- > first;) {
        out[j] = j == first ? flat : tn_dim_mod(ctx, flat, type->dims[j]);
        flat = tn_dim_div(ctx, flat, type->dims[j]);
    }
}

/* Dims are matched in groups of equal product, so an unchanged dim keeps its index as it is. */
static void reshape_index(Ctx *ctx, const Type *from, const Type *to, const Dim *const *index,
                          const Dim **out) {
    uint32_t a = 0, b = 0;
    while (a < from->rank || b < to->rank) {
        uint32_t a0 = a, b0 = b;
        if (!match_group(ctx, from, to, &a, &b)) {
            a = from->rank;
            b = to->rank;
        }
        delinearise(ctx, to, b0, b, linearise(ctx, from, a0, a, index), out);
    }
}

void tn_view_forward(Ctx *ctx, const Node *view, const Dim *const *index, const Dim **out) {
    const Type *from = &view->in[0]->type, *to = &view->out[0]->type;
    if (view->op == TN_OP_transpose) {
        const Attr *perm = tn_node_attr(view, TN_ATTR_perm);
        for (uint32_t i = 0; i < to->rank; i++) {
            out[i] = index[perm->ints[i]];
        }
        return;
    }
    reshape_index(ctx, from, to, index, out);
}
