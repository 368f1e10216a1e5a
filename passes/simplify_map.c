/* simplify_map.c: rules for arithmetic, and for elementwise primitives in general.
 *
 * Floating-point identities hold for NaN, infinities and both zeros: x + 0 is not x when x
 * is -0, x * 0 not 0 when x is infinite, x - x not 0 when x is NaN.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "passes/simplify.h"

/* ---- order of operands ---- */

/* Bounds how far back a chain of views is followed. */
enum { VIEWS_MAX = 8 };

static bool is_constant(const Value *value) {
    for (int i = 0; i < VIEWS_MAX && value->def != NULL; i++) {
        if (tn_node_is_const(value->def)) {
            return true;
        }
        if (tn_op_info(value->def->op)->cls != OPC_VIEW) {
            return false;
        }
        value = value->def->in[0];
    }
    return false;
}

Value *tn_simplify_order_operands(Build *build, const Node *node) {
    Value *a = node->in[0];
    Value *b = node->in[1];
    bool swap = is_constant(a) != is_constant(b) ? is_constant(a) : a->id > b->id;
    return swap ? tn_build_map2(build, node->op, b, a) : NULL;
}

/* ---- neutral operands ---- */

static bool is_float(const Value *value) {
    return tn_dtype_is_float(value->type.dtype);
}

Value *tn_simplify_add_nothing(Build *build, const Node *node) {
    (void)build;
    double neutral = is_float(node->in[0]) ? -0.0 : 0.0;
    return tn_value_is_number(node->in[1], neutral) ? node->in[0] : NULL;
}

Value *tn_simplify_sub_nothing(Build *build, const Node *node) {
    (void)build;
    return tn_value_is_number(node->in[1], 0.0) ? node->in[0] : NULL;
}

Value *tn_simplify_mul_one(Build *build, const Node *node) {
    (void)build;
    return tn_value_is_number(node->in[1], 1.0) ? node->in[0] : NULL;
}

Value *tn_simplify_mul_minus_one(Build *build, const Node *node) {
    bool is_signed = tn_dtype_is_signed(node->in[0]->type.dtype);
    return is_signed && tn_value_is_number(node->in[1], -1.0)
               ? tn_build_map1(build, TN_OP_neg, node->in[0])
               : NULL;
}

Value *tn_simplify_mul_zero(Build *build, const Node *node) {
    (void)build;
    return !is_float(node->in[0]) && tn_value_is_number(node->in[1], 0.0) ? node->in[1] : NULL;
}

/* ---- signs ---- */

Value *tn_simplify_add_neg(Build *build, const Node *node) {
    const Node *right = tn_def_of(node->in[1], TN_OP_neg);
    if (right != NULL) {
        return tn_build_map2(build, TN_OP_sub, node->in[0], right->in[0]);
    }
    const Node *left = tn_def_of(node->in[0], TN_OP_neg);
    return left == NULL ? NULL : tn_build_map2(build, TN_OP_sub, node->in[1], left->in[0]);
}

Value *tn_simplify_sub_neg(Build *build, const Node *node) {
    const Node *right = tn_def_of(node->in[1], TN_OP_neg);
    return right == NULL ? NULL : tn_build_map2(build, TN_OP_add, node->in[0], right->in[0]);
}

Value *tn_simplify_twice(Build *build, const Node *node) {
    (void)build;
    const Node *inner = tn_def_of(node->in[0], node->op);
    return inner == NULL ? NULL : inner->in[0];
}

Value *tn_simplify_abs_sign(Build *build, const Node *node) {
    const Node *inner = tn_def_of(node->in[0], TN_OP_neg);
    /* An unsigned -x wraps and is not negative. */
    if (inner != NULL && tn_dtype_is_signed(node->out[0]->type.dtype)) {
        return tn_build_map1(build, TN_OP_abs, inner->in[0]);
    }
    return tn_def_of(node->in[0], TN_OP_abs) != NULL ? node->in[0] : NULL;
}

/* ---- division, powers, roots ---- */

/* 1 / number when number is a power of two and both are normal in the dtype. */
static bool exact_reciprocal(DType dtype, double number, double *out) {
    int exponent;
    double least = dtype == TN_F32 ? (double)FLT_MIN : DBL_MIN;
    bool power = isfinite(number) && fabs(frexp(number, &exponent)) == 0.5;
    if (!power || fabs(number) < least || fabs(1 / number) < least) {
        return false;
    }
    *out = 1 / number;
    return true;
}

Value *tn_simplify_div_power_of_two(Build *build, const Node *node) {
    double number;
    double factor;
    if (!is_float(node->in[0]) || !tn_value_splat(node->in[1], &number) ||
        !exact_reciprocal(node->in[0]->type.dtype, number, &factor)) {
        return NULL;
    }
    return tn_build_map2(build, TN_OP_mul, node->in[0],
                         tn_build_number(build, &node->out[0]->type, factor));
}

Value *tn_simplify_div_into_one(Build *build, const Node *node) {
    bool applies = is_float(node->in[0]) && tn_value_is_number(node->in[0], 1.0);
    return applies ? tn_build_map1(build, TN_OP_recip, node->in[1]) : NULL;
}

Value *tn_simplify_pow_small(Build *build, const Node *node) {
    Value *x = node->in[0];
    double power;
    if (!tn_value_splat(node->in[1], &power)) {
        return NULL;
    }
    if (power == 0) {
        return tn_build_number(build, &node->out[0]->type, 1);
    }
    if (power == 1) {
        return x;
    }
    if (power == -1 && is_float(x)) {
        return tn_build_map1(build, TN_OP_recip, x);
    }
    if (power == 2 || power == 3) {
        Value *square = tn_build_map2(build, TN_OP_mul, x, x);
        return power == 2 ? square : tn_build_map2(build, TN_OP_mul, square, x);
    }
    return NULL;
}

Value *tn_simplify_recip_sqrt(Build *build, const Node *node) {
    const Node *root = tn_def_of(node->in[0], TN_OP_sqrt);
    return root == NULL ? NULL : tn_build_map1(build, TN_OP_rsqrt, root->in[0]);
}

/* ---- bounds and rounding ---- */

Value *tn_simplify_same_operands(Build *build, const Node *node) {
    (void)build;
    return node->in[0] == node->in[1] ? node->in[0] : NULL;
}

Value *tn_simplify_clamp_twice(Build *build, const Node *node) {
    (void)build;
    for (uint32_t i = 0; i < 2; i++) {
        const Node *inner = tn_def_of(node->in[i], node->op);
        const Value *other = node->in[1 - i];
        if (inner != NULL && (inner->in[0] == other || inner->in[1] == other)) {
            return node->in[i];
        }
    }
    return NULL;
}

Value *tn_simplify_bound_nothing(Build *build, const Node *node) {
    (void)build;
    double bound = node->op == TN_OP_min ? HUGE_VAL : -HUGE_VAL;
    return is_float(node->in[0]) && tn_value_is_number(node->in[1], bound) ? node->in[0] : NULL;
}

static bool is_whole(const Value *value) {
    static const Op rounding[] = {TN_OP_floor, TN_OP_ceil, TN_OP_round, TN_OP_trunc};
    const Node *def = value->def;
    for (uint32_t i = 0; def != NULL && i < sizeof rounding / sizeof rounding[0]; i++) {
        if (def->op == rounding[i]) {
            return true;
        }
    }
    return def != NULL && def->op == TN_OP_cast && !is_float(def->in[0]);
}

Value *tn_simplify_round_whole(Build *build, const Node *node) {
    (void)build;
    return is_whole(node->in[0]) ? node->in[0] : NULL;
}

/* ---- any elementwise primitive ---- */

/* The operand as one constant element repeated, or NULL. */
static Value *splat_of(Build *build, Value *operand) {
    if (operand->def == NULL || !tn_node_is_const(operand->def) ||
        tn_type_static_count(&operand->type) < 2) {
        return NULL;
    }
    Value *scalar = tn_splat_scalar(build, operand);
    return scalar == NULL ? NULL : tn_build_splat(build, &operand->type, scalar);
}

Value *tn_simplify_map_splat(Build *build, const Node *node) {
    Value *in[3];
    bool found = false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        Value *splat = splat_of(build, node->in[i]);
        in[i] = splat != NULL ? splat : node->in[i];
        found = found || splat != NULL;
    }
    return found ? tn_build_like(build, node, in, node->n_in) : NULL;
}

/* Dtypes may differ: one operand of a select is the condition. */
static bool same_dims(const Type *a, const Type *b) {
    return a->rank == b->rank &&
           (a->rank == 0 || memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0);
}

static bool same_expand(const Node *a, const Node *b) {
    const Attr *axes = tn_node_attr(a, TN_ATTR_axes);
    const Attr *other = tn_node_attr(b, TN_ATTR_axes);
    return same_dims(&a->out[0]->type, &b->out[0]->type) &&
           same_dims(&a->in[0]->type, &b->in[0]->type) &&
           (axes->n == 0 || memcmp(axes->ints, other->ints, axes->n * sizeof *axes->ints) == 0);
}

/* An expand among the operands that all others agree with or are splats to; NULL if none. */
static const Node *common_expand(const Node *node) {
    const Node *common = NULL;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Node *expand = tn_def_of(node->in[i], TN_OP_expand);
        if (expand == NULL) {
            return NULL;
        }
        if (common == NULL || common->in[0]->type.rank < expand->in[0]->type.rank) {
            common = expand;
        }
    }
    return common;
}

Value *tn_simplify_map_expand(Build *build, const Node *node) {
    const Node *common = common_expand(node);
    if (common == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        const Node *expand = node->in[i]->def;
        if (expand->in[0]->type.rank != 0 && !same_expand(expand, common)) {
            return NULL;
        }
    }
    Value *in[3];
    for (uint32_t i = 0; i < node->n_in; i++) {
        Value *x = node->in[i]->def->in[0];
        in[i] = x->type.rank != 0 ? x : tn_build_splat(build, &common->in[0]->type, x);
    }
    const Type *to = &common->out[0]->type;
    return tn_build_expand(build, tn_build_like(build, node, in, node->n_in), to->rank, to->dims,
                           tn_node_attr(common, TN_ATTR_axes)->ints);
}
