/* simplify_logic.c: rules for comparison, logic, choice and conversion. */
#include "passes/simplify.h"

static bool is_true(const Value *value) {
    return tn_value_is_number(value, 1.0);
}

static bool is_false(const Value *value) {
    return tn_value_is_number(value, 0.0);
}

/* ---- comparison and logic ---- */

Value *tn_simplify_compare_self(Build *build, const Node *node) {
    bool is_lt = node->op == TN_OP_lt;
    bool has_nan = tn_dtype_is_float(node->in[0]->type.dtype);
    if (node->in[0] != node->in[1] || (has_nan && !is_lt)) {
        return NULL;
    }
    return tn_build_number(build, &node->out[0]->type, is_lt ? 0 : 1);
}

Value *tn_simplify_logic_const(Build *build, const Node *node) {
    (void)build;
    bool is_and = node->op == TN_OP_and;
    if (is_true(node->in[1])) {
        return node->in[is_and ? 0 : 1];
    }
    return is_false(node->in[1]) ? node->in[is_and ? 1 : 0] : NULL;
}

Value *tn_simplify_xor_const(Build *build, const Node *node) {
    if (is_true(node->in[1])) {
        return tn_build_map1(build, TN_OP_not, node->in[0]);
    }
    return is_false(node->in[1]) ? node->in[0] : NULL;
}

/* ---- select ---- */

Value *tn_simplify_select_same(Build *build, const Node *node) {
    (void)build;
    return node->in[1] == node->in[2] ? node->in[1] : NULL;
}

Value *tn_simplify_select_const(Build *build, const Node *node) {
    (void)build;
    if (is_true(node->in[0])) {
        return node->in[1];
    }
    return is_false(node->in[0]) ? node->in[2] : NULL;
}

Value *tn_simplify_select_not(Build *build, const Node *node) {
    const Node *inverse = tn_def_of(node->in[0], TN_OP_not);
    return inverse == NULL
               ? NULL
               : tn_build_like(build, node, (Value *[]){inverse->in[0], node->in[2], node->in[1]},
                               3);
}

Value *tn_simplify_select_bool(Build *build, const Node *node) {
    if (node->in[1]->type.dtype != TN_BOOL) {
        return NULL;
    }
    if (is_true(node->in[1]) && is_false(node->in[2])) {
        return node->in[0];
    }
    return is_false(node->in[1]) && is_true(node->in[2])
               ? tn_build_map1(build, TN_OP_not, node->in[0])
               : NULL;
}

/* ---- cast ---- */

/* Bits of a whole number that the dtype holds exactly, its sign aside. */
static uint32_t exact_bits(DType dtype) {
    if (dtype == TN_BOOL) {
        return 1;
    }
    if (tn_dtype_is_float(dtype)) {
        return dtype == TN_F32 ? 24 : 53;
    }
    return (uint32_t)tn_dtype_bytes(dtype) * 8 - tn_dtype_is_signed(dtype);
}

/* Whether every value of `from` is a value of `to`. */
static bool holds_all(DType from, DType to) {
    if (from == to) {
        return true;
    }
    if (to == TN_BOOL || (tn_dtype_is_float(from) && !tn_dtype_is_float(to))) {
        return false;
    }
    return exact_bits(from) <= exact_bits(to) &&
           (tn_dtype_is_signed(to) || !tn_dtype_is_signed(from));
}

Value *tn_simplify_stop_gradient_gone(Build *build, const Node *node) {
    (void)build;
    return node->in[0];
}

Value *tn_simplify_cast_same(Build *build, const Node *node) {
    (void)build;
    return node->in[0]->type.dtype == node->out[0]->type.dtype ? node->in[0] : NULL;
}

/* Integers wrap into a narrower integer, but saturate when they come through a float. */
Value *tn_simplify_cast_cast(Build *build, const Node *node) {
    const Node *inner = tn_def_of(node->in[0], TN_OP_cast);
    if (inner == NULL) {
        return NULL;
    }
    DType first = inner->in[0]->type.dtype;
    DType middle = inner->out[0]->type.dtype;
    DType last = node->out[0]->type.dtype;
    bool saturates =
        !tn_dtype_is_float(first) && tn_dtype_is_float(middle) && tn_dtype_is_int(last);
    if (!holds_all(first, middle) || (saturates && !holds_all(first, last))) {
        return NULL;
    }
    return first == last ? inner->in[0] : tn_build_like(build, node, &inner->in[0], 1);
}
