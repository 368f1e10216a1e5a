/* move.c: data movement that needs a buffer or a choice: copy, pad, concat, gather, and the
 * transpose of gather, scatter_add. */
#include "ir/ops/support.h"

#include <string.h>

/* ---- copy ---- */

bool tn_type_copy(Graph *graph, Node *node) {
    const Type *in = &node->in[0]->type;
    return tn_op_check_domain(graph, node, 0, DOMAIN_ANY) &&
           tn_op_set_result(graph, node, in->dtype, in->rank, in->dims);
}

bool tn_eval_copy(EvalArgs *args) {
    for (int64_t k = 0; k < args->out->count; k++) {
        tn_ref_move(args->out, k, args->in[0], k);
    }
    return true;
}

Expr *tn_lower_copy(Lower *lower, const Node *node, const Dim *const *index) {
    return lower->read(lower, node->in[0], index);
}

/* ---- pad ---- */

/* Elements put between neighbours of dim `d`: an empty list means none. */
static int64_t interior_of(const Node *node, int d) {
    const Attr *interior = tn_node_attr(node, TN_ATTR_interior);
    return interior->n == 0 ? 0 : interior->ints[d];
}

static bool check_amounts(Graph *graph, const Node *node, AttrName name) {
    const Dim *zero = tn_dim_const(graph->ctx, 0);
    const Attr *attr = tn_node_attr(node, name);
    if (!tn_op_check_len(graph, node, name, node->in[0]->type.rank)) {
        return false;
    }
    for (uint32_t d = 0; d < attr->n; d++) {
        const Dim *amount = attr->dims[d];
        if (amount->lo < 0 &&
            !tn_op_require(graph, node, tn_dim_min(graph->ctx, amount, zero), zero,
                           "%s[%u] is %s, which is negative", tn_attr_text(name), d,
                           tn_op_dim_text(graph, amount))) {
            return false;
        }
    }
    return true;
}

bool tn_type_pad(Graph *graph, Node *node) {
    Ctx *ctx = graph->ctx;
    const Type *in = &node->in[0]->type;
    const Type *fill = &node->in[1]->type;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_ANY) ||
        !tn_op_check_same_dtype(graph, node, 1, 0) || !check_amounts(graph, node, TN_ATTR_lo) ||
        !check_amounts(graph, node, TN_ATTR_hi)) {
        return false;
    }
    if (fill->rank != 0) {
        return tn_op_error(graph, node, "operand 1 is %s, expected a scalar",
                           tn_op_type_text(graph, fill));
    }
    if (tn_node_attr(node, TN_ATTR_interior)->n != 0 &&
        !tn_op_check_ints(graph, node, TN_ATTR_interior, in->rank, 0)) {
        return false;
    }
    const Dim *dims[TN_MAX_RANK];
    for (int d = 0; d < in->rank; d++) {
        const Dim *gaps = tn_dim_max(ctx, tn_dim_addc(ctx, in->dims[d], -1), tn_dim_const(ctx, 0));
        const Dim *size = tn_dim_add(ctx, tn_node_attr(node, TN_ATTR_lo)->dims[d],
                                     tn_node_attr(node, TN_ATTR_hi)->dims[d]);
        size = tn_dim_add(ctx, size, in->dims[d]);
        dims[d] = tn_dim_add(ctx, size, tn_dim_mulc(ctx, gaps, interior_of(node, d)));
    }
    return tn_op_set_result(graph, node, in->dtype, in->rank, dims);
}

bool tn_eval_pad(EvalArgs *args) {
    const RefTensor *in = args->in[0];
    RefTensor *out = args->out;
    int64_t lo[TN_MAX_RANK] = {0};
    if (!tn_eval_dims(args, TN_ATTR_lo, lo)) {
        return false;
    }
    for (int64_t k = 0; k < out->count; k++) {
        tn_ref_move(out, k, args->in[1], 0);
    }
    int64_t index[TN_MAX_RANK] = {0};
    int64_t to[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < in->count; k++) {
        for (int d = 0; d < in->rank; d++) {
            to[d] = lo[d] + index[d] * (interior_of(args->node, d) + 1);
            if (to[d] < 0 || to[d] >= out->dims[d]) {
                return tn_eval_error(args, "negative padding of dimension %d", d);
            }
        }
        tn_ref_move(out, tn_ref_offset(out, to), in, k);
        tn_index_next(in->rank, in->dims, index);
    }
    return true;
}

/* Adds `cond` to the tests unless it is proved. */
static int add_test(const Dim **tests, int n, const Dim *cond) {
    if (!tn_dim_is(cond, 1)) {
        tests[n++] = cond;
    }
    return n;
}

/* Tests for one dimension that `at`, counted from operand element 0 in steps of `gap`,
 * is an element. */
static int element_tests(Ctx *ctx, const Node *node, int d, const Dim *at, const Dim **tests,
                         int n) {
    int64_t gap = interior_of(node, d) + 1;
    const Dim *end = tn_dim_mulc(ctx, node->in[0]->type.dims[d], gap);
    end = tn_dim_addc(ctx, end, 1 - gap);
    if (!tn_dim_is(tn_node_attr(node, TN_ATTR_lo)->dims[d], 0)) {
        n = add_test(tests, n, tn_dim_lt(ctx, tn_dim_const(ctx, -1), at));
    }
    if (!tn_dim_is(tn_node_attr(node, TN_ATTR_hi)->dims[d], 0)) {
        n = add_test(tests, n, tn_dim_lt(ctx, at, end));
    }
    if (gap != 1) {
        const Dim *rest = tn_dim_modc(ctx, at, gap);
        n = add_test(tests, n, tn_dim_eq(ctx, rest, tn_dim_const(ctx, 0)));
    }
    return n;
}

Expr *tn_lower_pad(Lower *lower, const Node *node, const Dim *const *index) {
    Ctx *ctx = lower->ctx;
    const Dim *tests[3 * TN_MAX_RANK];
    const Dim *from[TN_MAX_RANK] = {NULL};
    int n = 0;
    for (int d = 0; d < node->in[0]->type.rank; d++) {
        const Dim *at = tn_dim_sub(ctx, index[d], tn_node_attr(node, TN_ATTR_lo)->dims[d]);
        n = element_tests(ctx, node, d, at, tests, n);
        from[d] = tn_dim_divc(ctx, at, interior_of(node, d) + 1);
    }
    Expr *element = lower->read(lower, node->in[0], from);
    if (element == NULL || n == 0) {
        return element;
    }
    Expr *fill = lower->read(lower, node->in[1], NULL);
    while (fill != NULL && n-- > 0) {
        element = tn_expr_guard(ctx, tests[n], element, fill);
    }
    return fill != NULL ? element : NULL;
}

/* ---- concat ---- */

bool tn_type_concat(Graph *graph, Node *node) {
    const Type *first = &node->in[0]->type;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_ANY) ||
        !tn_op_check_int(graph, node, TN_ATTR_axis, 0, first->rank - 1)) {
        return false;
    }
    int64_t axis = tn_attr_int(node, TN_ATTR_axis);
    const Dim *dims[TN_MAX_RANK];
    memcpy(dims, first->dims, sizeof dims);
    for (uint32_t i = 1; i < node->n_in; i++) {
        if (!tn_op_check_same_dtype(graph, node, i, 0) ||
            !tn_op_check_same_dims(graph, node, i, (int)axis)) {
            return false;
        }
        dims[axis] = tn_dim_add(graph->ctx, dims[axis], node->in[i]->type.dims[axis]);
    }
    return tn_op_set_result(graph, node, first->dtype, first->rank, dims);
}

bool tn_eval_concat(EvalArgs *args) {
    int64_t axis = tn_attr_int(args->node, TN_ATTR_axis);
    int64_t before = 0;
    for (uint32_t i = 0; i < args->node->n_in; i++) {
        const RefTensor *in = args->in[i];
        int64_t index[TN_MAX_RANK] = {0};
        int64_t to[TN_MAX_RANK] = {0};
        for (int64_t k = 0; k < in->count; k++) {
            memcpy(to, index, sizeof to);
            to[axis] += before;
            tn_ref_move(args->out, tn_ref_offset(args->out, to), in, k);
            tn_index_next(in->rank, in->dims, index);
        }
        before += in->dims[axis];
    }
    return true;
}

Expr *tn_lower_concat(Lower *lower, const Node *node, const Dim *const *index) {
    Ctx *ctx = lower->ctx;
    int64_t axis = tn_attr_int(node, TN_ATTR_axis);
    const Dim *from[TN_MAX_RANK] = {NULL};
    memcpy(from, index, node->out[0]->type.rank * sizeof *from);
    const Dim *end = node->out[0]->type.dims[axis];
    Expr *element = NULL;
    /* From the last operand, whose elements need no test, to the first. */
    for (uint32_t i = node->n_in; i-- > 0;) {
        const Dim *size = node->in[i]->type.dims[axis];
        const Dim *start = tn_dim_sub(ctx, end, size);
        from[axis] = tn_dim_sub(ctx, index[axis], start);
        if (tn_dim_is(size, 0) && (element != NULL || i > 0)) {
            continue;
        }
        Expr *part = lower->read(lower, node->in[i], from);
        if (part == NULL) {
            return NULL;
        }
        const Dim *here = tn_dim_lt(ctx, index[axis], end);
        element = element == NULL ? part : tn_expr_guard(ctx, here, part, element);
        end = start;
    }
    return element;
}

/* ---- gather ---- */

/* Some element exists to be taken, unless none is asked for. */
static bool check_not_empty(Graph *graph, const Node *node, const Dim *size) {
    Ctx *ctx = graph->ctx;
    const Type *at = &node->in[1]->type;
    const Dim *asked = tn_type_count(ctx, at);
    if (size->lo > 0 || tn_dim_is(asked, 0)) {
        return true;
    }
    const Dim *zero = tn_dim_const(ctx, 0);
    const Dim *one = tn_dim_const(ctx, 1);
    const Dim *fits =
        tn_dim_select(ctx, tn_dim_eq(ctx, asked, zero), one, tn_dim_lt(ctx, zero, size));
    return tn_op_require(graph, node, fits, one, "%s indices into a dimension of size %s",
                         tn_op_dim_text(graph, asked), tn_op_dim_text(graph, size));
}

static bool check_batch(Graph *graph, const Node *node, int64_t batch) {
    for (int64_t d = 0; d < batch; d++) {
        const Dim *a = node->in[0]->type.dims[d];
        const Dim *b = node->in[1]->type.dims[d];
        if (a != b &&
            !tn_op_require(graph, node, a, b,
                           "batch dimension %lld is %s in operand 0, %s in operand 1", (long long)d,
                           tn_op_dim_text(graph, a), tn_op_dim_text(graph, b))) {
            return false;
        }
    }
    return true;
}

/* Checks what gather and scatter_add say of operands 0 and 1, and gives the dims of what is
 * gathered. */
static bool gathered_dims(Graph *graph, const Node *node, const Dim **dims, uint32_t *n) {
    const Type *in = &node->in[0]->type;
    const Type *at = &node->in[1]->type;
    if (!tn_op_check_domain(graph, node, 1, DOMAIN_INT) ||
        !tn_op_check_int(graph, node, TN_ATTR_axis, 0, in->rank - 1)) {
        return false;
    }
    int64_t axis = tn_attr_int(node, TN_ATTR_axis);
    int64_t batch_max = axis < at->rank ? axis : at->rank;
    if (!tn_op_check_int(graph, node, TN_ATTR_batch, 0, batch_max)) {
        return false;
    }
    int64_t batch = tn_attr_int(node, TN_ATTR_batch);
    if (!check_batch(graph, node, batch) || !check_not_empty(graph, node, in->dims[axis])) {
        return false;
    }
    *n = 0;
    for (int d = 0; d < axis; d++) {
        dims[(*n)++] = in->dims[d];
    }
    for (int64_t d = batch; d < at->rank; d++) {
        dims[(*n)++] = at->dims[d];
    }
    for (int64_t d = axis + 1; d < in->rank; d++) {
        dims[(*n)++] = in->dims[d];
    }
    return true;
}

bool tn_type_gather(Graph *graph, Node *node) {
    const Dim *dims[2 * TN_MAX_RANK];
    uint32_t n;
    return tn_op_check_domain(graph, node, 0, DOMAIN_ANY) && gathered_dims(graph, node, dims, &n) &&
           tn_op_set_result(graph, node, node->in[0]->type.dtype, n, dims);
}

/* Where the entries of a result index go. */
typedef struct GatherMap {
    int axis, batch, n_data, n_at;
} GatherMap;

static GatherMap gather_map(const Node *node) {
    return (GatherMap){(int)tn_attr_int(node, TN_ATTR_axis), (int)tn_attr_int(node, TN_ATTR_batch),
                       node->in[0]->type.rank, node->in[1]->type.rank};
}

/* Entry of the result's index that is entry `d` of the index operand's. */
static int at_entry(GatherMap map, int d) {
    return d < map.batch ? d : map.axis + d - map.batch;
}

/* The same for operand 0; `d` is not the axis. */
static int data_entry(GatherMap map, int d) {
    return d < map.axis ? d : d - 1 + map.n_at - map.batch;
}

static int64_t clamp_index(int64_t at, int64_t size) {
    at = at < 0 ? at + size : at;
    return at < 0 ? 0 : at >= size ? size - 1 : at;
}

/* Where in `data`, shaped as operand 0, lies what `index` in the gathered tensor refers to. */
static int64_t gathered_from(EvalArgs *args, const RefTensor *data, const int64_t *index) {
    GatherMap map = gather_map(args->node);
    const RefTensor *at = args->in[1];
    int64_t at_index[TN_MAX_RANK] = {0};
    int64_t from[TN_MAX_RANK] = {0};
    for (int d = 0; d < map.n_at; d++) {
        at_index[d] = index[at_entry(map, d)];
    }
    for (int d = 0; d < map.n_data; d++) {
        from[d] = d == map.axis ? 0 : index[data_entry(map, d)];
    }
    int64_t where = at->i[tn_ref_offset(at, at_index)];
    bool beyond = at->dtype == TN_U64 && where < 0;
    from[map.axis] = clamp_index(beyond ? INT64_MAX : where, data->dims[map.axis]);
    return tn_ref_offset(data, from);
}

static bool check_room(EvalArgs *args, const RefTensor *data, int64_t count) {
    return count == 0 || data->dims[tn_attr_int(args->node, TN_ATTR_axis)] > 0 ||
           tn_eval_error(args, "indices into a dimension of size 0");
}

bool tn_eval_gather(EvalArgs *args) {
    RefTensor *out = args->out;
    const RefTensor *in = args->in[0];
    int64_t index[TN_MAX_RANK] = {0};
    if (!check_room(args, in, out->count)) {
        return false;
    }
    for (int64_t k = 0; k < out->count; k++) {
        tn_ref_move(out, k, in, gathered_from(args, in, index));
        tn_index_next(out->rank, out->dims, index);
    }
    return true;
}

/* The index as an i64 in 0..size-1: negative ones count from the end. */
static Expr *clamped(Ctx *ctx, Expr *at, const Dim *size) {
    Expr *zero = tn_expr_const_i(ctx, TN_I64, 0);
    Expr *last = tn_expr_index(ctx, TN_I64, tn_dim_addc(ctx, size, -1));
    if (!tn_dtype_is_signed(at->dtype)) {
        /* Limited before the conversion, where the greatest values would turn negative. */
        Expr *limit = tn_expr_const_i(ctx, at->dtype, tn_int_greatest(TN_I64));
        at = at->dtype == TN_U64 ? tn_expr_map2(ctx, TN_OP_min, at, limit) : at;
        at = tn_expr_map(ctx, TN_OP_cast, TN_I64, &at, 1);
        return tn_expr_map2(ctx, TN_OP_min, at, last);
    }
    at = at->dtype == TN_I64 ? at : tn_expr_map(ctx, TN_OP_cast, TN_I64, &at, 1);
    Expr *choice[3] = {tn_expr_map2(ctx, TN_OP_lt, at, zero),
                       tn_expr_map2(ctx, TN_OP_add, at, tn_expr_index(ctx, TN_I64, size)), at};
    at = tn_expr_map(ctx, TN_OP_select, TN_DT_NONE, choice, 3);
    return tn_expr_map2(ctx, TN_OP_min, tn_expr_map2(ctx, TN_OP_max, at, zero), last);
}

/* What `index` in the gathered tensor refers to: the index in operand 0, `*at` being that of the
 * axis. */
static bool lower_place(Lower *lower, const Node *node, const Dim *const *index, const Dim **from,
                        Expr **at) {
    GatherMap map = gather_map(node);
    const Dim *at_index[TN_MAX_RANK] = {NULL};
    for (int d = 0; d < map.n_at; d++) {
        at_index[d] = index[at_entry(map, d)];
    }
    for (int d = 0; d < map.n_data; d++) {
        from[d] = d == map.axis ? tn_dim_const(lower->ctx, 0) : index[data_entry(map, d)];
    }
    Expr *where = lower->read(lower, node->in[1], at_index);
    *at = where == NULL ? NULL : clamped(lower->ctx, where, node->in[0]->type.dims[map.axis]);
    return where != NULL;
}

Expr *tn_lower_gather(Lower *lower, const Node *node, const Dim *const *index) {
    const Dim *from[TN_MAX_RANK] = {NULL};
    Expr *at;
    if (!lower_place(lower, node, index, from, &at)) {
        return NULL;
    }
    return lower->read_at(lower, node->in[0], from, (int)tn_attr_int(node, TN_ATTR_axis), at);
}

/* ---- scatter_add ---- */

bool tn_type_scatter_add(Graph *graph, Node *node) {
    const Type *base = &node->in[0]->type;
    const Type *added = &node->in[2]->type;
    const Dim *dims[2 * TN_MAX_RANK];
    uint32_t n;
    if (!tn_op_check_domain(graph, node, 0, DOMAIN_NUM) ||
        !tn_op_check_same_dtype(graph, node, 2, 0) || !gathered_dims(graph, node, dims, &n)) {
        return false;
    }
    if (added->rank != n) {
        return tn_op_error(graph, node, "operand 2 has %d dimensions, expected %u", added->rank, n);
    }
    for (uint32_t d = 0; d < n; d++) {
        if (!tn_op_require(graph, node, added->dims[d], dims[d],
                           "dimension %u of operand 2 is %s, expected %s", d,
                           tn_op_dim_text(graph, added->dims[d]), tn_op_dim_text(graph, dims[d]))) {
            return false;
        }
    }
    return tn_op_set_result(graph, node, base->dtype, base->rank, base->dims);
}

bool tn_eval_scatter_add(EvalArgs *args) {
    RefTensor *out = args->out;
    const RefTensor *added = args->in[2];
    int64_t index[TN_MAX_RANK] = {0};
    for (int64_t k = 0; k < out->count; k++) {
        tn_ref_move(out, k, args->in[0], k);
    }
    if (!check_room(args, out, added->count)) {
        return false;
    }
    for (int64_t k = 0; k < added->count; k++) {
        tn_ref_combine(out, gathered_from(args, out, index), TN_OP_add, added, k);
        tn_index_next(added->rank, added->dims, index);
    }
    return true;
}

/* Turns of all dims that go into the place are independent, those over indices are not. */
bool tn_lower_scatter_add(Lower *lower, const Node *node, Sweep *out) {
    GatherMap map = gather_map(node);
    const Type *added = &node->in[2]->type;
    const Dim *index[TN_MAX_RANK] = {NULL};
    int end = map.axis + map.n_at - map.batch;
    *out = (Sweep){.kind = SWEEP_SCATTER, .op = TN_OP_add, .dtype = added->dtype};
    for (int turn = 0; turn < 2; turn++) {
        for (int d = 0; d < added->rank; d++) {
            bool ordered = d >= map.axis && d < end;
            if (ordered == (turn == 1)) {
                index[d] = tn_kernel_loop_var(lower->kernel, "s", added->dims[d]);
                out->vars[out->rank] = index[d];
                out->extents[out->rank++] = added->dims[d];
            }
        }
        out->n_free = turn == 0 ? out->rank : out->n_free;
    }
    out->dyn = map.axis;
    out->value = lower->read(lower, node->in[2], index);
    return out->value != NULL && lower_place(lower, node, index, out->to, &out->at);
}
