/* source.c: values from nothing: constant data, the index along an axis, and vectors of
 * dimension expressions. */
#include "ir/ops/support.h"

#include <string.h>

/* ---- const ---- */

bool tn_type_const(Graph *graph, Node *node) {
    DType dtype = tn_node_attr(node, TN_ATTR_to)->dtype;
    const Attr *dims = tn_node_attr(node, TN_ATTR_dims);
    if (!tn_op_dtype_known(dtype)) {
        return tn_op_error(graph, node, "elements of %s are not supported", tn_dtype_text(dtype));
    }
    for (uint32_t i = 0; i < dims->n; i++) {
        if (!tn_dim_is_const(dims->dims[i])) {
            return tn_op_error(graph, node, "dimension %u is %s, expected a number", i,
                               tn_op_dim_text(graph, dims->dims[i]));
        }
    }
    if (!tn_op_set_result(graph, node, dtype, dims->n, dims->dims)) {
        return false;
    }
    if (node->blob == NULL) {
        return true; /* attached after the node is made; the verifier looks again */
    }
    const Type *type = &node->out[0]->type;
    size_t expected = (size_t)tn_type_static_count(type) * tn_dtype_bytes(dtype);
    if (node->blob->size != expected) {
        return tn_op_error(graph, node, "%zu bytes of data for %s, expected %zu", node->blob->size,
                           tn_op_type_text(graph, type), expected);
    }
    return true;
}

/* Element `k` of row-major, little-endian bytes. */
static int64_t read_int(DType dtype, const unsigned char *bytes, int64_t k) {
    size_t size = tn_dtype_bytes(dtype);
    uint64_t value = 0;
    for (size_t b = size; b-- > 0;) {
        value = value << 8 | bytes[(size_t)k * size + b];
    }
    return dtype == TN_BOOL ? value != 0 : tn_int_wrap(dtype, (int64_t)value);
}

static double read_float(DType dtype, const unsigned char *bytes, int64_t k) {
    if (dtype == TN_F32) {
        float value;
        memcpy(&value, bytes + (size_t)k * sizeof value, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, bytes + (size_t)k * sizeof value, sizeof value);
    return value;
}

void tn_ref_read_bytes(RefTensor *tensor, const void *bytes) {
    for (int64_t k = 0; k < tensor->count; k++) {
        if (tn_dtype_is_float(tensor->dtype)) {
            tensor->f[k] = read_float(tensor->dtype, bytes, k);
        } else {
            tensor->i[k] = read_int(tensor->dtype, bytes, k);
        }
    }
}

bool tn_eval_const(EvalArgs *args) {
    const Blob *blob = args->node->blob;
    size_t expected = (size_t)args->out->count * tn_dtype_bytes(args->out->dtype);
    if (blob == NULL || blob->size != expected) {
        return tn_eval_error(args, "%zu bytes of data, expected %zu", blob ? blob->size : 0,
                             expected);
    }
    tn_ref_read_bytes(args->out, blob->data);
    return true;
}

/* Position in the data of the element that every index of `index` means: the constant
 * index, or 0 when all elements are equal. */
static bool one_element(const Node *node, const Dim *const *index, int64_t *out) {
    const Type *type = &node->out[0]->type;
    const unsigned char *bytes = node->blob->data;
    size_t size = tn_dtype_bytes(type->dtype);
    int64_t offset = 0;
    bool constant = true;
    for (int d = 0; d < type->rank; d++) {
        constant = constant && tn_dim_is_const(index[d]) && index[d]->value >= 0 &&
                   index[d]->value < type->dims[d]->value;
        offset = constant ? offset * type->dims[d]->value + index[d]->value : 0;
    }
    *out = offset;
    if (constant) {
        return true;
    }
    return node->blob->size >= size && memcmp(bytes, bytes + size, node->blob->size - size) == 0;
}

Expr *tn_lower_const(Lower *lower, const Node *node, const Dim *const *index) {
    DType dtype = node->out[0]->type.dtype;
    int64_t at;
    if (node->blob == NULL || !one_element(node, index, &at)) {
        tn_diag(&lower->ctx->diags, TN_INTERNAL, node->loc,
                "const: data of many values is a buffer and has no formula");
        return NULL;
    }
    if (tn_dtype_is_float(dtype)) {
        return tn_expr_const_f(lower->ctx, dtype, read_float(dtype, node->blob->data, at));
    }
    return tn_expr_const_i(lower->ctx, dtype, read_int(dtype, node->blob->data, at));
}

/* ---- iota ---- */

bool tn_type_iota(Graph *graph, Node *node) {
    DType dtype = tn_node_attr(node, TN_ATTR_to)->dtype;
    const Attr *dims = tn_node_attr(node, TN_ATTR_dims);
    if (!tn_dtype_is_float(dtype) && !tn_dtype_is_int(dtype)) {
        return tn_op_error(graph, node, "elements of %s, expected a number type",
                           tn_dtype_text(dtype));
    }
    if (dims->n == 0) {
        return tn_op_error(graph, node, "a scalar has no axis to count along");
    }
    return tn_op_check_int(graph, node, TN_ATTR_axis, 0, (int64_t)dims->n - 1) &&
           tn_op_set_result(graph, node, dtype, dims->n, dims->dims);
}

bool tn_eval_iota(EvalArgs *args) {
    RefTensor *out = args->out;
    int64_t axis = tn_attr_int(args->node, TN_ATTR_axis);
    int64_t index[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < out->count; k++) {
        if (tn_dtype_is_float(out->dtype)) {
            out->f[k] = (double)index[axis];
        } else {
            out->i[k] = tn_int_wrap(out->dtype, index[axis]);
        }
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

Expr *tn_lower_iota(Lower *lower, const Node *node, const Dim *const *index) {
    return tn_expr_index(lower->ctx, node->out[0]->type.dtype,
                         index[tn_attr_int(node, TN_ATTR_axis)]);
}

/* ---- dimvec ---- */

bool tn_type_dimvec(Graph *graph, Node *node) {
    DType dtype = tn_node_attr(node, TN_ATTR_to)->dtype;
    const Attr *values = tn_node_attr(node, TN_ATTR_values);
    if (!tn_dtype_is_int(dtype)) {
        return tn_op_error(graph, node, "elements of %s, expected an integer type",
                           tn_dtype_text(dtype));
    }
    for (uint32_t i = 0; i < values->n; i++) {
        if (values->dims[i]->overflow) {
            return tn_diag(&graph->ctx->diags, TN_LIMIT, node->loc, "dimvec: element %u overflows",
                           i);
        }
    }
    const Dim *size = tn_dim_const(graph->ctx, values->n);
    return tn_op_set_result(graph, node, dtype, 1, &size);
}

bool tn_eval_dimvec(EvalArgs *args) {
    const Attr *values = tn_node_attr(args->node, TN_ATTR_values);
    for (uint32_t i = 0; i < values->n; i++) {
        int64_t value;
        if (!tn_eval_dim(args, values->dims[i], &value)) {
            return false;
        }
        args->out->i[i] = tn_int_wrap(args->out->dtype, value);
    }
    return true;
}

Expr *tn_lower_dimvec(Lower *lower, const Node *node, const Dim *const *index) {
    Ctx *ctx = lower->ctx;
    DType dtype = node->out[0]->type.dtype;
    const Attr *values = tn_node_attr(node, TN_ATTR_values);
    if (values->n == 0) {
        return tn_expr_number(ctx, dtype, 0); /* never read */
    }
    Expr *element = tn_expr_index(ctx, dtype, values->dims[values->n - 1]);
    for (uint32_t i = values->n - 1; i-- > 0;) {
        const Dim *here = tn_dim_eq(ctx, index[0], tn_dim_const(ctx, i));
        element = tn_expr_guard(ctx, here, tn_expr_index(ctx, dtype, values->dims[i]), element);
    }
    return element;
}
