/* content.c: small integer tensors as dimension expressions.
 *
 * Shapes travel through models as data: Shape, Gather, Mul, Concat, Reshape. Following a value
 * back through such arithmetic turns it into expressions over the graph's symbols. What cannot
 * be followed is unknown (NULL), never guessed. Views and data movement are followed by asking
 * their rows which element they read, arithmetic by a table of Dim constructors.
 */

#include "base/map.h"
#include "ir/lower.h"

enum { DEPTH_MAX = 256 };

typedef const Dim *DimBinary(Ctx *ctx, const Dim *a, const Dim *b);

typedef struct Content {
    Graph *graph;
    Ctx *ctx;
    Map memo; /* value id -> Known */
    int depth;
} Content;

typedef struct Known {
    const Dim **dims; /* NULL: unknown */
    size_t count;
} Known;

static const Dim *const *content_of(Content *content, Value *value, size_t *count);

/* ---- arithmetic ---- */

/* C division truncates; floor division is the same where the signs are known to agree. */
static const Dim *div_trunc(Ctx *ctx, const Dim *a, const Dim *b) {
    const Dim *zero = tn_dim_const(ctx, 0);
    if (a->lo >= 0 && b->lo >= 0) {
        return tn_dim_div(ctx, a, b);
    }
    const Dim *minus_a = tn_dim_sub(ctx, zero, a), *minus_b = tn_dim_sub(ctx, zero, b);
    const Dim *a_neg = tn_dim_lt(ctx, a, zero), *b_neg = tn_dim_lt(ctx, b, zero);
    const Dim *size = tn_dim_div(ctx, tn_dim_select(ctx, a_neg, minus_a, a),
                                 tn_dim_select(ctx, b_neg, minus_b, b));
    return tn_dim_select(ctx, tn_dim_eq(ctx, a_neg, b_neg), size, tn_dim_sub(ctx, zero, size));
}

static const Dim *le(Ctx *ctx, const Dim *a, const Dim *b) {
    return tn_dim_lt(ctx, a, tn_dim_addc(ctx, b, 1));
}

static const Dim *differ(Ctx *ctx, const Dim *a, const Dim *b) {
    return tn_dim_select(ctx, tn_dim_eq(ctx, a, b), tn_dim_const(ctx, 0), tn_dim_const(ctx, 1));
}

static DimBinary *binary_of(Op op) {
    static DimBinary *const table[TN_OP_COUNT] = {
        [TN_OP_add] = tn_dim_add, [TN_OP_sub] = tn_dim_sub, [TN_OP_mul] = tn_dim_mul,
        [TN_OP_div] = div_trunc,  [TN_OP_mod] = tn_dim_mod, [TN_OP_min] = tn_dim_min,
        [TN_OP_max] = tn_dim_max, [TN_OP_eq] = tn_dim_eq,   [TN_OP_lt] = tn_dim_lt,
        [TN_OP_le] = le,          [TN_OP_and] = tn_dim_mul, [TN_OP_or] = tn_dim_max,
        [TN_OP_xor] = differ,
    };
    return table[op];
}

static DimBinary *reduction_of(Op op) {
    static DimBinary *const table[TN_OP_COUNT] = {
        [TN_OP_reduce_sum] = tn_dim_add,
        [TN_OP_reduce_prod] = tn_dim_mul,
        [TN_OP_reduce_max] = tn_dim_max,
        [TN_OP_reduce_min] = tn_dim_min,
    };
    return table[op];
}

/* Whether a conversion between these types keeps every value a dimension can have. */
static bool cast_is_exact(DType from, DType to) {
    return (tn_dtype_is_int(from) || from == TN_BOOL) &&
           (to == TN_I64 || (to == TN_I32 && from != TN_U64) || from == to);
}

static const Dim *map_element(Content *content, const Node *node, const Dim *const *args) {
    Ctx *ctx = content->ctx;
    const Dim *zero = tn_dim_const(ctx, 0);
    DimBinary *binary = binary_of(node->op);
    if (binary != NULL) {
        return binary(ctx, args[0], args[1]);
    }
    switch (node->op) {
    case TN_OP_neg:
        return tn_dim_sub(ctx, zero, args[0]);
    case TN_OP_abs:
        return tn_dim_max(ctx, args[0], tn_dim_sub(ctx, zero, args[0]));
    case TN_OP_not:
        return tn_dim_sub(ctx, tn_dim_const(ctx, 1), args[0]);
    case TN_OP_select:
        return tn_dim_select(ctx, args[0], args[1], args[2]);
    case TN_OP_cast:
        return cast_is_exact(node->in[0]->type.dtype, node->out[0]->type.dtype) ? args[0] : NULL;
    default:
        return NULL;
    }
}

static bool map_content(Content *content, const Node *node, Known *known) {
    const Dim *const *in[3] = {0};
    for (uint32_t i = 0; i < node->n_in; i++) {
        size_t count;
        in[i] = content_of(content, node->in[i], &count);
        if (in[i] == NULL || count != known->count) {
            return false;
        }
    }
    for (size_t e = 0; e < known->count; e++) {
        const Dim *args[3] = {0};
        for (uint32_t i = 0; i < node->n_in; i++) {
            args[i] = in[i][e];
        }
        known->dims[e] = map_element(content, node, args);
        if (known->dims[e] == NULL) {
            return false;
        }
    }
    return true;
}

/* ---- sources ---- */

static bool const_content(Content *content, const Node *node, Known *known) {
    Arena *arena = &content->ctx->scratch;
    const Type *type = &node->out[0]->type;
    int64_t dims[TN_MAX_RANK];
    for (uint32_t i = 0; i < type->rank; i++) {
        dims[i] = type->dims[i]->value;
    }
    RefTensor tensor = tn_ref_from_bytes(arena, type->dtype, type->rank, dims, node->blob->data);
    for (size_t e = 0; e < known->count; e++) {
        known->dims[e] = tn_dim_const(content->ctx, tensor.i[e]);
    }
    return true;
}

/* An integer input's elements become symbols named after it. */
static bool input_content(Content *content, const Value *value, Known *known) {
    Ctx *ctx = content->ctx;
    if (value->type.dtype != TN_I64 && value->type.dtype != TN_I32) {
        return false;
    }
    for (size_t e = 0; e < known->count; e++) {
        char *name = tn_arena_printf(&ctx->arena, "in%u_%zu", value->out, e);
        const Dim *dim = tn_dim_symbol(ctx, tn_sv(name), SYM_INPUT_ELEM, INT64_MIN, INT64_MAX);
        Symbol *symbol = tn_dim_symbol_of(ctx, dim);
        symbol->input = (int32_t)value->out;
        symbol->index = (int32_t)e;
        known->dims[e] = dim;
    }
    return true;
}

/* ---- movement: ask the row which element it reads ---- */

typedef struct Reader {
    Lower lower; /* first */
    Content *content;
    const Dim *found; /* the element read */
} Reader;

/* Flat position of a constant index; false when it is not constant. */
static bool flat_index(const Type *type, const Dim *const *index, size_t *out) {
    size_t at = 0;
    for (uint32_t i = 0; i < type->rank; i++) {
        if (!tn_dim_is_const(index[i]) || !tn_dim_is_const(type->dims[i])) {
            return false;
        }
        at = at * (size_t)type->dims[i]->value + (size_t)index[i]->value;
    }
    *out = at;
    return true;
}

static Expr *read_element(Lower *lower, const Value *value, const Dim *const *index) {
    Reader *reader = (Reader *)lower;
    size_t count, at;
    const Dim *const *dims = content_of(reader->content, (Value *)(uintptr_t)value, &count);
    if (dims == NULL || !flat_index(&value->type, index, &at)) {
        return NULL;
    }
    if (at >= count) {
        /* The side of a concat or pad that its guard, whose outcome is known, drops. */
        return tn_expr_index(lower->ctx, value->type.dtype, tn_dim_const(lower->ctx, 0));
    }
    return tn_expr_index(lower->ctx, value->type.dtype, dims[at]);
}

/* Formulas of views, iota, dimvec, concat and pad give the element as an index expression. */
static bool formula_content(Content *content, const Node *node, Known *known) {
    Ctx *ctx = content->ctx;
    const Type *type = &node->out[0]->type;
    Reader reader = {.lower = {.ctx = ctx, .read = read_element}, .content = content};
    for (size_t e = 0; e < known->count; e++) {
        const Dim *index[TN_MAX_RANK];
        size_t rest = e;
        for (uint32_t i = type->rank; i-- > 0;) {
            size_t size = (size_t)type->dims[i]->value;
            index[i] = tn_dim_const(ctx, (int64_t)(rest % size));
            rest /= size;
        }
        Expr *expr = tn_op_info(node->op)->element(&reader.lower, node, index);
        if (expr == NULL || (expr->kind != EXPR_INDEX && expr->kind != EXPR_CONST)) {
            return false;
        }
        known->dims[e] = expr->kind == EXPR_INDEX ? expr->dim : tn_dim_const(ctx, expr->i);
    }
    return true;
}

/* Rows of operand 0 picked by known constant indices. */
static bool gather_content(Content *content, const Node *node, Known *known) {
    size_t n_data, n_at;
    const Dim *const *data = content_of(content, node->in[0], &n_data);
    const Dim *const *at = content_of(content, node->in[1], &n_at);
    if (data == NULL || at == NULL || node->in[0]->type.rank != 1 || n_at != known->count) {
        return false;
    }
    for (size_t e = 0; e < n_at; e++) {
        if (!tn_dim_is_const(at[e])) {
            return false;
        }
        int64_t i = at[e]->value < 0 ? at[e]->value + (int64_t)n_data : at[e]->value;
        if (i < 0 || i >= (int64_t)n_data) {
            return false;
        }
        known->dims[e] = data[i];
    }
    return true;
}

/* Everything to one element. */
static bool reduce_content(Content *content, const Node *node, Known *known) {
    size_t count;
    const Dim *const *in = content_of(content, node->in[0], &count);
    if (in == NULL || known->count != 1 || count == 0) {
        return false;
    }
    const Dim *acc = in[0];
    for (size_t e = 1; e < count; e++) {
        acc = reduction_of(node->op)(content->ctx, acc, in[e]);
    }
    known->dims[0] = acc;
    return true;
}

static bool find_content(Content *content, const Value *value, Known *known) {
    const Node *node = value->def;
    if (node == NULL) {
        return input_content(content, value, known);
    }
    if (tn_node_is_const(node)) {
        return const_content(content, node, known);
    }
    if (reduction_of(node->op) != NULL) {
        return reduce_content(content, node, known);
    }
    if (node->op == TN_OP_gather) {
        return gather_content(content, node, known);
    }
    const OpInfo *info = tn_op_info(node->op);
    if (info->cls == OPC_MAP) {
        return map_content(content, node, known);
    }
    return info->element != NULL && formula_content(content, node, known);
}

static const Dim *const *content_of(Content *content, Value *value, size_t *count) {
    int64_t n = tn_type_static_count(&value->type);
    DType dtype = value->type.dtype;
    if ((!tn_dtype_is_int(dtype) && dtype != TN_BOOL) || n < 0 || n > TN_CONTENT_MAX ||
        content->depth >= DEPTH_MAX) {
        return NULL;
    }
    bool added;
    void **slot = tn_map_put_int(&content->memo, value->id, &added);
    Known *known = *slot;
    if (added) {
        known = TN_NEW(&content->ctx->arena, Known);
        known->count = (size_t)n;
        known->dims = TN_NEW_ARRAY(&content->ctx->arena, const Dim *, (size_t)n + 1);
        content->depth++;
        bool found = find_content(content, value, known);
        content->depth--;
        known->dims = found ? known->dims : NULL;
        *tn_map_put_int(&content->memo, value->id, NULL) = known;
    }
    *count = known->count;
    return known->dims;
}

const Dim *const *tn_value_content(Graph *graph, Value *value, size_t *out_count) {
    Content content = {.graph = graph, .ctx = graph->ctx};
    ArenaMark mark = tn_arena_mark(&graph->ctx->scratch);
    content.memo = tn_map(&graph->ctx->scratch);
    const Dim *const *dims = content_of(&content, value, out_count);
    tn_arena_reset(&graph->ctx->scratch, mark);
    return dims;
}
