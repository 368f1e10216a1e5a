/* contract.c: the general dot product.
 *
 * Result dims: the `batch` leading dims, the free dims of the left operand, those of the
 * right. In evaluation the operands are seen as [batch, m, k] and [batch, k, n] through
 * tables of offsets, one a role.
 */
#include "ir/ops/support.h"

#include <stdlib.h>

/* Dims of one operand by role. */
typedef struct Roles {
    int n_free, n_sum;
    int free[TN_MAX_RANK];
    int sum[TN_MAX_RANK]; /* in the attribute's order */
} Roles;

static Roles roles_of(const Node *node, uint32_t slot) {
    const Attr *sum = tn_contract_dims(node, slot);
    Roles roles = {0};
    for (uint32_t i = 0; i < sum->n; i++) {
        roles.sum[roles.n_sum++] = (int)sum->ints[i];
    }
    for (int d = (int)tn_attr_int(node, TN_ATTR_batch); d < node->in[slot]->type.rank; d++) {
        if (!tn_attr_holds(sum, d)) {
            roles.free[roles.n_free++] = d;
        }
    }
    return roles;
}

/* ---- type rule ---- */

static bool check_side(Graph *graph, const Node *node, uint32_t slot, AttrName name) {
    int rank = node->in[slot]->type.rank;
    int64_t batch = tn_attr_int(node, TN_ATTR_batch);
    bool summed[TN_MAX_RANK];
    if (!tn_op_check_axes(graph, node, name, rank, summed)) {
        return false;
    }
    for (int64_t d = 0; d < batch; d++) {
        if (summed[d]) {
            return tn_op_error(graph, node, "%s names dimension %lld, one of the %lld batch ones",
                               tn_attr_text(name), (long long)d, (long long)batch);
        }
    }
    return true;
}

static bool require_pair(Graph *graph, const Node *node, const char *what, int64_t l, int64_t r) {
    const Type *lhs = &node->in[0]->type;
    const Type *rhs = &node->in[1]->type;
    return lhs->dims[l] == rhs->dims[r] ||
           tn_op_require(graph, node, lhs->dims[l], rhs->dims[r],
                         "%s dimension %lld of %s and %lld of %s differ", what, (long long)l,
                         tn_op_type_text(graph, lhs), (long long)r, tn_op_type_text(graph, rhs));
}

static bool check_pairs(Graph *graph, const Node *node) {
    const Attr *lhs = tn_node_attr(node, TN_ATTR_lhs_contract);
    const Attr *rhs = tn_node_attr(node, TN_ATTR_rhs_contract);
    for (int64_t d = 0; d < tn_attr_int(node, TN_ATTR_batch); d++) {
        if (!require_pair(graph, node, "batch", d, d)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < lhs->n; i++) {
        if (!require_pair(graph, node, "contracted", lhs->ints[i], rhs->ints[i])) {
            return false;
        }
    }
    return true;
}

bool tn_type_contract(Graph *graph, Node *node) {
    const Type *lhs = &node->in[0]->type;
    const Type *rhs = &node->in[1]->type;
    int max_batch = lhs->rank < rhs->rank ? lhs->rank : rhs->rank;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) ||
        !tn_op_check_same_dtype(graph, node, 1, 0) ||
        !tn_op_check_int(graph, node, TN_ATTR_batch, 0, max_batch) ||
        !check_side(graph, node, 0, TN_ATTR_lhs_contract) ||
        !check_side(graph, node, 1, TN_ATTR_rhs_contract) ||
        !tn_op_check_len(graph, node, TN_ATTR_rhs_contract,
                         tn_node_attr(node, TN_ATTR_lhs_contract)->n) ||
        !check_pairs(graph, node)) {
        return false;
    }
    Roles l = roles_of(node, 0);
    Roles r = roles_of(node, 1);
    const Dim *dims[2 * TN_MAX_RANK];
    uint32_t n = 0;
    for (int64_t d = 0; d < tn_attr_int(node, TN_ATTR_batch); d++) {
        dims[n++] = lhs->dims[d];
    }
    for (int i = 0; i < l.n_free; i++) {
        dims[n++] = lhs->dims[l.free[i]];
    }
    for (int i = 0; i < r.n_free; i++) {
        dims[n++] = rhs->dims[r.free[i]];
    }
    return tn_op_set_result(graph, node, lhs->dtype, n, dims);
}

/* ---- evaluation ---- */

/* Offsets in the tensor of every combination of some of its dims, in row-major order. */
typedef struct Offsets {
    int64_t n;
    int64_t *at;
} Offsets;

static bool make_offsets(EvalArgs *args, const RefTensor *tensor, int n_dims, const int *dims,
                         Offsets *out) {
    int64_t sizes[TN_MAX_RANK] = {0};
    int64_t index[TN_MAX_RANK] = {0};
    out->n = 1;
    for (int i = 0; i < n_dims; i++) {
        sizes[i] = tensor->dims[dims[i]];
        out->n *= sizes[i];
    }
    out->at = tn_eval_scratch(args, out->n, sizeof *out->at);
    for (int64_t k = 0; out->at != NULL && k < out->n; k++) {
        int64_t full[TN_MAX_RANK] = {0};
        for (int i = 0; i < n_dims; i++) {
            full[dims[i]] = index[i];
        }
        out->at[k] = tn_ref_offset(tensor, full);
        tn_index_next(n_dims, sizes, index);
    }
    return out->at != NULL;
}

/* The offsets of one operand: batch, free and contracted dims. */
typedef struct Operand {
    const RefTensor *tensor;
    Offsets batch, free, sum;
} Operand;

static bool make_operand(EvalArgs *args, uint32_t slot, Operand *out) {
    Roles roles = roles_of(args->node, slot);
    int batch[TN_MAX_RANK];
    for (int d = 0; d < TN_MAX_RANK; d++) {
        batch[d] = d;
    }
    out->tensor = args->in[slot];
    int n_batch = (int)tn_attr_int(args->node, TN_ATTR_batch);
    return make_offsets(args, out->tensor, n_batch, batch, &out->batch) &&
           make_offsets(args, out->tensor, roles.n_free, roles.free, &out->free) &&
           make_offsets(args, out->tensor, roles.n_sum, roles.sum, &out->sum);
}

static void free_operand(Operand *operand) {
    free(operand->batch.at);
    free(operand->free.at);
    free(operand->sum.at);
}

/* The right operand of batch `b` as a dense [k][n] matrix: the inner loop then runs over
 * neighbours whatever the operand's order of dims. */
static void pack_rhs(const Operand *rhs, int64_t b, RefTensor *out) {
    for (int64_t k = 0; k < rhs->sum.n; k++) {
        for (int64_t n = 0; n < rhs->free.n; n++) {
            tn_ref_move(out, k * rhs->free.n + n, rhs->tensor,
                        rhs->batch.at[b] + rhs->sum.at[k] + rhs->free.at[n]);
        }
    }
}

/* row[n] += a * b[n] */
static void add_row_f(double *restrict row, double a, const double *restrict b, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        row[i] += a * b[i];
    }
}

static void add_row_i(int64_t *restrict row, int64_t a, const int64_t *restrict b, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        row[i] = (int64_t)((uint64_t)row[i] + (uint64_t)a * (uint64_t)b[i]);
    }
}

static void multiply(const Operand *lhs, int64_t b, const RefTensor *rhs, int64_t n_free,
                     RefTensor *out) {
    for (int64_t m = 0; m < lhs->free.n; m++) {
        int64_t row = (b * lhs->free.n + m) * n_free;
        for (int64_t k = 0; k < lhs->sum.n; k++) {
            int64_t at = lhs->batch.at[b] + lhs->free.at[m] + lhs->sum.at[k];
            if (tn_dtype_is_float(out->dtype)) {
                add_row_f(out->f + row, lhs->tensor->f[at], rhs->f + k * n_free, n_free);
            } else {
                add_row_i(out->i + row, lhs->tensor->i[at], rhs->i + k * n_free, n_free);
            }
        }
    }
}

static bool eval_operands(EvalArgs *args, const Operand *lhs, const Operand *rhs) {
    RefTensor packed = {.dtype = args->out->dtype};
    packed.f = tn_eval_scratch(args, rhs->sum.n * rhs->free.n, sizeof *packed.f);
    if (packed.f == NULL) {
        return false;
    }
    for (int64_t b = 0; b < lhs->batch.n; b++) {
        pack_rhs(rhs, b, &packed);
        multiply(lhs, b, &packed, rhs->free.n, args->out);
    }
    free(packed.f);
    /* Sums of products modulo 2^64 and then modulo the width are the wrapped sums. */
    tn_ref_wrap_all(args->out);
    return true;
}

bool tn_eval_contract(EvalArgs *args) {
    Operand lhs = {0};
    Operand rhs = {0};
    bool ok = make_operand(args, 0, &lhs) && make_operand(args, 1, &rhs) &&
              eval_operands(args, &lhs, &rhs);
    free_operand(&lhs);
    free_operand(&rhs);
    return ok;
}

/* ---- formula ---- */

bool tn_lower_contract(Lower *lower, const Node *node, const Dim *const *index, Reduction *out) {
    const Type *lhs = &node->in[0]->type;
    int64_t batch = tn_attr_int(node, TN_ATTR_batch);
    Roles l = roles_of(node, 0);
    Roles r = roles_of(node, 1);
    const Dim *l_index[TN_MAX_RANK] = {NULL};
    const Dim *r_index[TN_MAX_RANK] = {NULL};
    *out = (Reduction){.kind = REDUCE_ACC, .op = TN_OP_add, .dtype = lhs->dtype};
    for (int64_t d = 0; d < batch; d++) {
        l_index[d] = r_index[d] = index[d];
    }
    for (int i = 0; i < l.n_free; i++) {
        l_index[l.free[i]] = index[batch + i];
    }
    for (int i = 0; i < r.n_free; i++) {
        r_index[r.free[i]] = index[batch + l.n_free + i];
    }
    for (int i = 0; i < l.n_sum; i++) {
        const Dim *k = tn_reduction_loop(lower, out, "k", lhs->dims[l.sum[i]]);
        l_index[l.sum[i]] = r_index[r.sum[i]] = k;
    }
    Expr *a = lower->read(lower, node->in[0], l_index);
    Expr *b = a != NULL ? lower->read(lower, node->in[1], r_index) : NULL;
    if (b == NULL) {
        return false;
    }
    out->init = tn_expr_number(lower->ctx, lhs->dtype, 0);
    out->value = tn_expr_map2(lower->ctx, TN_OP_mul, a, b);
    return true;
}
