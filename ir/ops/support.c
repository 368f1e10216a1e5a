/* support.c: checks, walks and index helpers shared by the families of primitives. */
#include "ir/ops/support.h"

#include <math.h>
#include <stdlib.h>

/* ---- type rules ---- */

static bool report(Ctx *ctx, const Node *node, tn_status status, const char *format, va_list args) {
    StrBuf text = tn_str(&ctx->scratch);
    tn_str_vprintf(&text, format, args);
    return tn_diag(&ctx->diags, status, node->loc, "%s: %s", tn_op_info(node->op)->name, text.data);
}

bool tn_op_error(Graph *graph, const Node *node, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(graph->ctx, node, TN_BAD_INPUT, format, args);
    va_end(args);
    return false;
}

const char *tn_op_dim_text(Graph *graph, const Dim *dim) {
    StrBuf text = tn_str(&graph->ctx->scratch);
    tn_dim_print(graph->ctx, dim, &text);
    return text.data;
}

const char *tn_op_type_text(Graph *graph, const Type *type) {
    StrBuf text = tn_str(&graph->ctx->scratch);
    tn_type_print(graph->ctx, type, &text);
    return text.data;
}

bool tn_op_dtype_known(DType dtype) {
    return tn_dtype_is_float(dtype) || tn_dtype_is_int(dtype) || dtype == TN_BOOL;
}

static bool in_domain(DType dtype, MapDomain domain) {
    switch (domain) {
    case DOMAIN_NUM:
        return tn_dtype_is_float(dtype) || tn_dtype_is_int(dtype);
    case DOMAIN_FLOAT:
        return tn_dtype_is_float(dtype);
    case DOMAIN_INT:
        return tn_dtype_is_int(dtype);
    case DOMAIN_U32:
        return dtype == TN_U32;
    case DOMAIN_BOOL:
        return dtype == TN_BOOL;
    case DOMAIN_ANY:
        break;
    }
    return tn_op_dtype_known(dtype);
}

static const char *domain_text(MapDomain domain) {
    switch (domain) {
    case DOMAIN_NUM:
        return "a number type";
    case DOMAIN_FLOAT:
        return "a floating-point type";
    case DOMAIN_INT:
        return "an integer type";
    case DOMAIN_U32:
        return "u32";
    case DOMAIN_BOOL:
        return "bool";
    case DOMAIN_ANY:
        break;
    }
    return "an element type that can be computed with";
}

bool tn_op_check_domain(Graph *graph, const Node *node, uint32_t slot, MapDomain domain) {
    const Type *type = &node->in[slot]->type;
    if (in_domain(type->dtype, domain)) {
        return true;
    }
    return tn_op_error(graph, node, "operand %u is %s, expected %s", slot,
                       tn_op_type_text(graph, type), domain_text(domain));
}

bool tn_op_check_same_dtype(Graph *graph, const Node *node, uint32_t slot, uint32_t as) {
    DType found = node->in[slot]->type.dtype;
    DType expected = node->in[as]->type.dtype;
    if (found == expected) {
        return true;
    }
    return tn_op_error(graph, node, "operand %u has elements of %s, operand %u of %s", slot,
                       tn_dtype_text(found), as, tn_dtype_text(expected));
}

bool tn_op_check_axes(Graph *graph, const Node *node, AttrName name, int rank, bool *seen) {
    const Attr *attr = tn_node_attr(node, name);
    for (int i = 0; i < rank; i++) {
        seen[i] = false;
    }
    for (uint32_t i = 0; i < attr->n; i++) {
        int64_t axis = attr->ints[i];
        if (axis < 0 || axis >= rank) {
            return tn_op_error(graph, node, "%s[%u] is %lld, outside 0..%d", tn_attr_text(name), i,
                               (long long)axis, rank - 1);
        }
        if (seen[axis]) {
            return tn_op_error(graph, node, "%s names dimension %lld twice", tn_attr_text(name),
                               (long long)axis);
        }
        seen[axis] = true;
    }
    return true;
}

bool tn_op_check_int(Graph *graph, const Node *node, AttrName name, int64_t lo, int64_t hi) {
    int64_t value = tn_attr_int(node, name);
    if (value >= lo && value <= hi) {
        return true;
    }
    return tn_op_error(graph, node, "%s is %lld, outside %lld..%lld", tn_attr_text(name),
                       (long long)value, (long long)lo, (long long)hi);
}

bool tn_op_check_len(Graph *graph, const Node *node, AttrName name, uint32_t n) {
    const Attr *attr = tn_node_attr(node, name);
    if (attr->n == n) {
        return true;
    }
    return tn_op_error(graph, node, "%s has %u entries, expected %u", tn_attr_text(name), attr->n,
                       n);
}

bool tn_op_check_ints(Graph *graph, const Node *node, AttrName name, uint32_t n, int64_t lo) {
    if (!tn_op_check_len(graph, node, name, n)) {
        return false;
    }
    const Attr *attr = tn_node_attr(node, name);
    for (uint32_t i = 0; i < n; i++) {
        if (attr->ints[i] < lo) {
            return tn_op_error(graph, node, "%s[%u] is %lld, expected at least %lld",
                               tn_attr_text(name), i, (long long)attr->ints[i], (long long)lo);
        }
        if (attr->ints[i] > INT32_MAX) {
            return tn_diag(&graph->ctx->diags, TN_LIMIT, node->loc,
                           "%s: %s[%u] is %lld, more than 2^31", tn_op_info(node->op)->name,
                           tn_attr_text(name), i, (long long)attr->ints[i]);
        }
    }
    return true;
}

bool tn_op_require(Graph *graph, const Node *node, const Dim *a, const Dim *b, const char *format,
                   ...) {
    if (a == b) {
        return true;
    }
    StrBuf text = tn_str(&graph->ctx->arena);
    va_list args;
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    if (tn_dim_is(tn_dim_eq(graph->ctx, a, b), 0)) {
        return tn_op_error(graph, node, "%s", text.data);
    }
    const char *full =
        tn_arena_printf(&graph->ctx->arena, "%s: %s", tn_op_info(node->op)->name, text.data);
    return tn_graph_require_eq(graph, a, b, node->loc, full);
}

bool tn_op_check_same_dims(Graph *graph, const Node *node, uint32_t slot, int except) {
    const Type *first = &node->in[0]->type;
    const Type *type = &node->in[slot]->type;
    if (type->rank != first->rank) {
        return tn_op_error(graph, node, "operand %u is %s, operand 0 is %s: ranks differ", slot,
                           tn_op_type_text(graph, type), tn_op_type_text(graph, first));
    }
    for (int d = 0; d < type->rank; d++) {
        if (d != except && type->dims[d] != first->dims[d] &&
            !tn_op_require(graph, node, first->dims[d], type->dims[d],
                           "operand 0 is %s, operand %u is %s: dimension %d differs",
                           tn_op_type_text(graph, first), slot, tn_op_type_text(graph, type), d)) {
            return false;
        }
    }
    return true;
}

static bool limit_error(Graph *graph, const Node *node, const Type *type) {
    return tn_diag(&graph->ctx->diags, TN_LIMIT, node->loc,
                   "%s: the result %s has more elements than the limit of 2^40",
                   tn_op_info(node->op)->name, tn_op_type_text(graph, type));
}

/* Size of the static dims together: zero if one of them is. */
static bool check_count(Graph *graph, const Node *node, const Type *type) {
    int64_t count = 1;
    for (int i = 0; i < type->rank; i++) {
        if (tn_dim_is(type->dims[i], 0)) {
            return true;
        }
    }
    for (int i = 0; i < type->rank; i++) {
        if (!tn_dim_is_const(type->dims[i])) {
            continue;
        }
        if (type->dims[i]->value > TN_COUNT_MAX / count) {
            return limit_error(graph, node, type);
        }
        count *= type->dims[i]->value;
    }
    return true;
}

bool tn_op_set_result(Graph *graph, Node *node, DType dtype, uint32_t rank,
                      const Dim *const *dims) {
    if (rank > TN_MAX_RANK) {
        return tn_diag(&graph->ctx->diags, TN_LIMIT, node->loc,
                       "%s: the result has %u dimensions, at most %d are possible",
                       tn_op_info(node->op)->name, rank, TN_MAX_RANK);
    }
    Type type = tn_type_make(dtype, (uint8_t)rank, dims);
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i]->overflow) {
            return tn_diag(&graph->ctx->diags, TN_LIMIT, node->loc,
                           "%s: the size of result dimension %u overflows",
                           tn_op_info(node->op)->name, i);
        }
        if (dims[i]->hi < 0) {
            return tn_op_error(graph, node, "result dimension %u would be %s, which is negative", i,
                               tn_op_dim_text(graph, dims[i]));
        }
    }
    if (!check_count(graph, node, &type)) {
        return false;
    }
    type.layout = node->out[0]->type.layout;
    node->out[0]->type = type;
    return true;
}

/* ---- windows ---- */

/* Elements from the first to the last of `n` that lie `dilation` apart. */
static const Dim *spread(Ctx *ctx, const Dim *n, int64_t dilation) {
    if (dilation == 1) {
        return n;
    }
    const Dim *length = tn_dim_addc(ctx, tn_dim_mulc(ctx, n, dilation), 1 - dilation);
    return tn_dim_max(ctx, length, tn_dim_const(ctx, 0));
}

const Dim *tn_window_count(Ctx *ctx, const Dim *size, const Dim *window, int64_t stride, int64_t lo,
                           int64_t hi, int64_t dilation, int64_t in_dilation) {
    const Dim *padded = tn_dim_addc(ctx, spread(ctx, size, in_dilation), lo + hi);
    const Dim *room = tn_dim_sub(ctx, padded, spread(ctx, window, dilation));
    const Dim *count = tn_dim_addc(ctx, tn_dim_divc(ctx, room, stride), 1);
    return tn_dim_max(ctx, count, tn_dim_const(ctx, 0));
}

/* ---- evaluation ---- */

bool tn_eval_error(EvalArgs *args, const char *format, ...) {
    va_list list;
    va_start(list, format);
    report(args->ctx, args->node, TN_BAD_INPUT, format, list);
    va_end(list);
    return false;
}

bool tn_eval_dim(EvalArgs *args, const Dim *dim, int64_t *out) {
    if (tn_dim_eval(dim, args->symbols, out)) {
        return true;
    }
    return tn_eval_error(args, "a dimension overflows at these input sizes");
}

bool tn_eval_dims(EvalArgs *args, AttrName name, int64_t *out) {
    const Attr *attr = tn_node_attr(args->node, name);
    for (uint32_t i = 0; i < attr->n; i++) {
        if (!tn_eval_dim(args, attr->dims[i], &out[i])) {
            return false;
        }
    }
    return true;
}

void *tn_eval_scratch(EvalArgs *args, int64_t count, size_t size) {
    void *memory = calloc(count > 0 ? (size_t)count : 1, size);
    if (memory == NULL) {
        tn_diag(&args->ctx->diags, TN_LIMIT, args->node->loc,
                "%s: no memory to evaluate it: %lld elements of %zu bytes",
                tn_op_info(args->node->op)->name, (long long)count, size);
    }
    return memory;
}

bool tn_index_next(int rank, const int64_t *dims, int64_t *index) {
    for (int i = rank - 1; i >= 0; i--) {
        if (++index[i] < dims[i]) {
            return true;
        }
        index[i] = 0;
    }
    return false;
}

int64_t tn_ref_offset(const RefTensor *tensor, const int64_t *index) {
    int64_t offset = 0;
    for (int i = 0; i < tensor->rank; i++) {
        offset = offset * tensor->dims[i] + index[i];
    }
    return offset;
}

void tn_ref_move(RefTensor *out, int64_t to, const RefTensor *in, int64_t from) {
    if (tn_dtype_is_float(out->dtype)) {
        out->f[to] = in->f[from];
    } else {
        out->i[to] = in->i[from];
    }
}

static int dtype_bits(DType dtype) {
    return (int)tn_dtype_bytes(dtype) * 8;
}

int64_t tn_int_wrap(DType dtype, int64_t value) {
    int spare = 64 - dtype_bits(dtype);
    if (spare == 0) {
        return value;
    }
    uint64_t low = (uint64_t)value & (UINT64_MAX >> spare);
    bool negative = tn_dtype_is_signed(dtype) && (low >> (dtype_bits(dtype) - 1)) != 0;
    return (int64_t)(negative ? low | ~(UINT64_MAX >> spare) : low);
}

void tn_ref_wrap_all(RefTensor *tensor) {
    for (int64_t k = 0; !tn_dtype_is_float(tensor->dtype) && k < tensor->count; k++) {
        tensor->i[k] = tn_int_wrap(tensor->dtype, tensor->i[k]);
    }
}

int64_t tn_int_least(DType dtype) {
    return tn_dtype_is_signed(dtype) ? INT64_MIN >> (64 - dtype_bits(dtype)) : 0;
}

int64_t tn_int_greatest(DType dtype) {
    int sign = tn_dtype_is_signed(dtype) ? 1 : 0;
    return (int64_t)(UINT64_MAX >> (64 - dtype_bits(dtype) + sign));
}

bool tn_int_less(DType dtype, int64_t a, int64_t b) {
    return tn_dtype_is_signed(dtype) ? a < b : (uint64_t)a < (uint64_t)b;
}

double tn_float_min(double a, double b) {
    return isnan(a) || isnan(b) ? (double)NAN : a < b ? a : b;
}

double tn_float_max(double a, double b) {
    return isnan(a) || isnan(b) ? (double)NAN : a > b ? a : b;
}

void tn_ref_fill(RefTensor *tensor, double f, int64_t i) {
    for (int64_t k = 0; k < tensor->count; k++) {
        if (tn_dtype_is_float(tensor->dtype)) {
            tensor->f[k] = f;
        } else {
            tensor->i[k] = i;
        }
    }
}

void tn_ref_combine(RefTensor *out, int64_t to, Op op, const RefTensor *in, int64_t from) {
    if (tn_dtype_is_float(out->dtype)) {
        double a = out->f[to];
        double b = in->f[from];
        out->f[to] = op == TN_OP_add   ? a + b
                     : op == TN_OP_mul ? a * b
                     : op == TN_OP_max ? tn_float_max(a, b)
                                       : tn_float_min(a, b);
        return;
    }
    int64_t a = out->i[to];
    int64_t b = in->i[from];
    bool less = tn_int_less(out->dtype, a, b);
    int64_t all = op == TN_OP_add   ? (int64_t)((uint64_t)a + (uint64_t)b)
                  : op == TN_OP_mul ? (int64_t)((uint64_t)a * (uint64_t)b)
                                    : ((op == TN_OP_max) == less ? b : a);
    out->i[to] = tn_int_wrap(out->dtype, all);
}

static bool better_float(Op op, bool last, double value, double best) {
    if (isnan(value) || isnan(best)) {
        return isnan(value) && (last || !isnan(best));
    }
    return (op == TN_OP_max ? value > best : value < best) || (last && value == best);
}

bool tn_ref_better(const RefTensor *in, Op op, bool last, int64_t at, int64_t best) {
    if (tn_dtype_is_float(in->dtype)) {
        return better_float(op, last, in->f[at], in->f[best]);
    }
    int64_t a = in->i[at];
    int64_t b = in->i[best];
    bool beats = op == TN_OP_max ? tn_int_less(in->dtype, b, a) : tn_int_less(in->dtype, a, b);
    return beats || (last && a == b);
}

/* ---- formulas ---- */

Expr *tn_lower_extreme(Ctx *ctx, DType dtype, bool least) {
    if (tn_dtype_is_float(dtype)) {
        return tn_expr_const_f(ctx, dtype, least ? -(double)INFINITY : (double)INFINITY);
    }
    return tn_expr_const_i(ctx, dtype, least ? tn_int_least(dtype) : tn_int_greatest(dtype));
}

const Dim *tn_reduction_loop(Lower *lower, Reduction *reduction, const char *name,
                             const Dim *extent) {
    const Dim *var = tn_dim_loop_var(lower->ctx, name, extent);
    reduction->vars[reduction->rank] = var;
    reduction->extents[reduction->rank++] = extent;
    return var;
}
