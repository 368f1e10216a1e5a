/* ops_matmul.c: matrix products as contractions. */
#include "frontend/compose.h"

static bool done(Call *call, Value *result) {
    call->out[0] = result;
    return result != NULL;
}

static Value *contract(Call *call, Value *a, Value *b, int64_t batch, int64_t a_axis,
                       int64_t b_axis) {
    Value *in[] = {a, b};
    Attr attrs[] = {tn_make_attr_int(TN_ATTR_batch, batch),
                    tn_make_attr_ints(TN_ATTR_lhs_contract, &a_axis, 1),
                    tn_make_attr_ints(TN_ATTR_rhs_contract, &b_axis, 1)};
    return tn_make_node(call, TN_OP_contract, in, 2, attrs, 3);
}

/* Operands of rank 2 or more, broadcast over their leading dims. */
static Value *batched(Call *call, Value *a, Value *b) {
    if (a == NULL || b == NULL) {
        return NULL;
    }
    int rank_a = a->type.rank;
    int rank_b = b->type.rank;
    if (rank_b == 2) {
        return contract(call, a, b, 0, rank_a - 1, 0);
    }
    Shape sa = tn_shape_of(a);
    Shape sb = tn_shape_of(b);
    Shape lead_a = {.rank = rank_a - 2};
    Shape lead_b = {.rank = rank_b - 2};
    for (int i = 0; i < rank_a - 2; i++) {
        lead_a.dims[i] = sa.dims[i];
    }
    for (int i = 0; i < rank_b - 2; i++) {
        lead_b.dims[i] = sb.dims[i];
    }
    Shape full_a;
    if (!tn_shape_broadcast(call, &lead_a, &lead_b, &full_a)) {
        return NULL;
    }
    Shape full_b = full_a;
    int batch = full_a.rank;
    for (int i = 0; i < 2; i++) {
        full_a.dims[full_a.rank++] = sa.dims[rank_a - 2 + i];
        full_b.dims[full_b.rank++] = sb.dims[rank_b - 2 + i];
    }
    return contract(call, tn_make_expand(call, a, &full_a), tn_make_expand(call, b, &full_b), batch,
                    batch + 1, batch);
}

/* A vector on the left is a row, on the right a column; the added dim goes again. */
bool tn_import_matmul(Call *call) {
    Value *a = call->in[0];
    Value *b = call->in[1];
    bool row = a->type.rank == 1;
    bool column = b->type.rank == 1;
    if (a->type.rank == 0 || b->type.rank == 0) {
        return tn_call_error(call, "an operand is a scalar, expected at least one dimension");
    }
    a = row ? tn_make_unsqueeze(call, a, 1) : a;
    b = column ? tn_make_unsqueeze(call, b, 2) : b;
    Value *product = batched(call, a, b);
    if (product == NULL) {
        return false;
    }
    int rank = product->type.rank;
    uint32_t added = (row ? 1u << (rank - 2) : 0) | (column ? 1u << (rank - 1) : 0);
    return done(call, added != 0 ? tn_make_squeeze(call, product, added) : product);
}

/* Multiplies by an attribute; for integers only when that is exact. */
static Value *scaled(Call *call, Value *x, const char *attr) {
    double factor = tn_call_float(call, attr, 1);
    if (x == NULL || factor == 1) {
        return x;
    }
    if (!tn_dtype_is_float(x->type.dtype) && factor != (double)(int32_t)factor) {
        tn_call_unsupported(call, "'%s' %g with integer operands is not supported", attr, factor);
        return NULL;
    }
    return tn_make_map2_num(call, TN_OP_mul, x, factor);
}

bool tn_import_gemm(Call *call) {
    Value *a = call->in[0];
    Value *b = call->in[1];
    Value *c = tn_call_in(call, 2);
    if (a->type.rank != 2 || b->type.rank != 2) {
        return tn_call_error(call, "operands of ranks %d and %d, expected 2 and 2", a->type.rank,
                             b->type.rank);
    }
    int64_t a_axis = tn_call_int(call, "transA", 0) != 0 ? 0 : 1;
    int64_t b_axis = tn_call_int(call, "transB", 0) != 0 ? 1 : 0;
    Value *y = scaled(call, contract(call, a, b, 0, a_axis, b_axis), "alpha");
    if (c == NULL || y == NULL) {
        return done(call, y);
    }
    if (c->type.rank > 2) {
        return tn_call_error(call, "operand 2 has rank %d, expected at most 2", c->type.rank);
    }
    Shape shape = tn_shape_of(y);
    return done(call, tn_make_map2(call, TN_OP_add, y,
                                   tn_make_expand(call, scaled(call, c, "beta"), &shape)));
}
