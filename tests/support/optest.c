/* optest.c: one-primitive graphs, their evaluation, and the naive nest of their formula. */
#include "tests/support/optest.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/lower.h"

int optest_set_up(void **state) {
    OpTest *test = calloc(1, sizeof *test);
    if (test == NULL) {
        return 1;
    }
    tn_ctx_init(&test->ctx, NULL);
    test->random = 0x9e3779b97f4a7c15u;
    *state = test;
    return 0;
}

int optest_tear_down(void **state) {
    OpTest *test = *state;
    tn_ctx_free(&test->ctx);
    free(test);
    return 0;
}

/* Fails the test with all that was reported. */
static void fail_with_diags(OpTest *test, const char *what) {
    StrBuf text = tn_str(&test->ctx.arena);
    tn_str_puts(&text, what);
    tn_str_puts(&text, ":\n");
    tn_diag_print(&test->ctx.diags, &text);
    fail_msg("%s", text.data);
}

/* ---- attributes ---- */

Attr optest_int(AttrName name, int64_t value) {
    return (Attr){.name = name, .kind = ATTR_INT, .i = value};
}

Attr optest_dtype(AttrName name, DType dtype) {
    return (Attr){.name = name, .kind = ATTR_DTYPE, .dtype = dtype};
}

Attr optest_dims(AttrName name, uint32_t n, const Dim *const *dims) {
    return (Attr){.name = name, .kind = ATTR_DIMS, .n = n, .dims = dims};
}

Attr optest_ints(OpTest *test, AttrName name, uint32_t n, const int64_t *values) {
    Arena *arena = &test->ctx.arena;
    if (tn_attr_kind(name) == ATTR_INTS) {
        int64_t *kept = TN_NEW_ARRAY(arena, int64_t, n + 1);
        for (uint32_t i = 0; i < n; i++) {
            kept[i] = values[i];
        }
        return (Attr){.name = name, .kind = ATTR_INTS, .n = n, .ints = kept};
    }
    const Dim **dims = TN_NEW_ARRAY(arena, const Dim *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        dims[i] = tn_dim_const(&test->ctx, values[i]);
    }
    return optest_dims(name, n, dims);
}

/* ---- tensors ---- */

static RefTensor new_tensor(OpTest *test, DType dtype, const int64_t *dims) {
    RefTensor tensor = {.dtype = dtype, .count = 1};
    for (; dims[tensor.rank] >= 0; tensor.rank++) {
        tensor.dims[tensor.rank] = dims[tensor.rank];
        tensor.count *= dims[tensor.rank];
    }
    tensor.i = TN_NEW_ARRAY(&test->ctx.arena, int64_t, (size_t)tensor.count + 1);
    return tensor;
}

RefTensor optest_floats(OpTest *test, DType dtype, const int64_t *dims, const double *values) {
    RefTensor tensor = new_tensor(test, dtype, dims);
    memcpy(tensor.f, values, (size_t)tensor.count * sizeof *values);
    return tensor;
}

RefTensor optest_integers(OpTest *test, DType dtype, const int64_t *dims, const int64_t *values) {
    RefTensor tensor = new_tensor(test, dtype, dims);
    memcpy(tensor.i, values, (size_t)tensor.count * sizeof *values);
    return tensor;
}

int64_t optest_random(OpTest *test, int64_t lo, int64_t hi) {
    test->random = test->random * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((test->random >> 33) % (uint64_t)(hi - lo + 1));
}

static int64_t random_int(OpTest *test, DType dtype) {
    if (dtype == TN_BOOL) {
        return optest_random(test, 0, 1);
    }
    int64_t value = optest_random(test, 1, 9);
    return tn_dtype_is_signed(dtype) && optest_random(test, 0, 1) != 0 ? -value : value;
}

RefTensor optest_random_tensor(OpTest *test, DType dtype, int rank, const int64_t *dims) {
    int64_t ended[TN_MAX_RANK + 1];
    memcpy(ended, dims, (size_t)rank * sizeof *dims);
    ended[rank] = -1;
    RefTensor tensor = new_tensor(test, dtype, ended);
    for (int64_t k = 0; k < tensor.count; k++) {
        if (tn_dtype_is_float(dtype)) {
            tensor.f[k] = (double)optest_random(test, -64, 64) / 16;
        } else {
            tensor.i[k] = random_int(test, dtype);
        }
    }
    return tensor;
}

/* ---- nodes ---- */

Type optest_type(OpTest *test, DType dtype, const int64_t *dims) {
    const Dim *sizes[TN_MAX_RANK];
    uint8_t rank = 0;
    for (; dims[rank] >= 0; rank++) {
        sizes[rank] = tn_dim_const(&test->ctx, dims[rank]);
    }
    return tn_type_make(dtype, rank, sizes);
}

const Dim *optest_symbol(OpTest *test, const char *name, int64_t lo) {
    return tn_dim_symbol(&test->ctx, tn_sv(name), SYM_INPUT_DIM, lo, INT32_MAX);
}

Value *optest_node(OpTest *test, Op op, uint32_t n_in, const Type *types, uint32_t n_attrs,
                   const Attr *attrs) {
    Value *in[16];
    test->graph = tn_graph_new(&test->ctx, "test");
    for (uint32_t i = 0; i < n_in; i++) {
        const char *name = tn_arena_printf(&test->ctx.arena, "in%u", i);
        in[i] = tn_graph_add_input(test->graph, name, types[i]);
    }
    Loc loc = {.node = "the_node"};
    test->node = tn_node_new(test->graph, op, in, n_in, attrs, n_attrs, loc, NULL);
    if (test->node == NULL) {
        return NULL;
    }
    tn_graph_add_output(test->graph, "out", test->node->out[0]);
    return test->node->out[0];
}

bool optest_eval(OpTest *test, const RefTensor *in, RefTensor *out) {
    return tn_eval_graph(test->graph, in, &test->ctx.arena, out, NULL, NULL);
}

RefTensor optest_run(OpTest *test, Op op, uint32_t n_in, const RefTensor *in, uint32_t n_attrs,
                     const Attr *attrs) {
    Type types[16];
    RefTensor out = {0};
    for (uint32_t i = 0; i < n_in; i++) {
        int64_t dims[TN_MAX_RANK + 1];
        memcpy(dims, in[i].dims, sizeof in[i].dims);
        dims[in[i].rank] = -1;
        types[i] = optest_type(test, in[i].dtype, dims);
    }
    if (optest_node(test, op, n_in, types, n_attrs, attrs) == NULL) {
        fail_with_diags(test, "node refused");
    }
    if (!optest_eval(test, in, &out)) {
        fail_with_diags(test, "evaluation failed");
    }
    return out;
}

void optest_refused(OpTest *test, tn_status status, const char *text, Op op, uint32_t n_in,
                    const Type *types, uint32_t n_attrs, const Attr *attrs) {
    test->ctx.diags.items.len = 0;
    if (optest_node(test, op, n_in, types, n_attrs, attrs) != NULL) {
        fail_msg("accepted, expected: %s", text);
    }
    assert_true(test->ctx.diags.items.len > 0);
    const Diag *diag = &test->ctx.diags.items.data[0];
    if (strstr(diag->text, text) == NULL) {
        fail_msg("message is: %s\nexpected: %s", diag->text, text);
    }
    assert_int_equal(diag->status, status);
    assert_string_equal(diag->loc.node, "the_node");
    test->ctx.diags.items.len = 0;
}

/* ---- checks ---- */

static void expect_dims(const RefTensor *tensor, const int64_t *dims) {
    int rank = 0;
    while (dims[rank] >= 0) {
        rank++;
    }
    assert_int_equal(tensor->rank, rank);
    for (int d = 0; d < rank; d++) {
        if (tensor->dims[d] != dims[d]) {
            fail_msg("dimension %d is %lld, expected %lld", d, (long long)tensor->dims[d],
                     (long long)dims[d]);
        }
    }
}

static bool close_to(double found, double expected, double tolerance) {
    if (isnan(expected) || isinf(expected)) {
        return isnan(expected) ? isnan(found) : found == expected;
    }
    double scale = fabs(expected) > 1 ? fabs(expected) : 1;
    return fabs(found - expected) <= tolerance * scale;
}

void optest_expect_floats(const RefTensor *tensor, const int64_t *dims, const double *values) {
    expect_dims(tensor, dims);
    assert_true(tn_dtype_is_float(tensor->dtype));
    for (int64_t k = 0; k < tensor->count; k++) {
        if (!close_to(tensor->f[k], values[k], 1e-12)) {
            fail_msg("element %lld is %.17g, expected %.17g", (long long)k, tensor->f[k],
                     values[k]);
        }
    }
}

void optest_expect_ints(const RefTensor *tensor, const int64_t *dims, const int64_t *values) {
    expect_dims(tensor, dims);
    assert_false(tn_dtype_is_float(tensor->dtype));
    for (int64_t k = 0; k < tensor->count; k++) {
        if (tensor->i[k] != values[k]) {
            fail_msg("element %lld is %lld, expected %lld", (long long)k, (long long)tensor->i[k],
                     (long long)values[k]);
        }
    }
}

/* ---- the formula on the interpreter ---- */

typedef struct Nest {
    Lower lower; /* first: callbacks get it */
    Buf **bufs;  /* by value id */
    Stmt **block;
} Nest;

static Expr *read_buf(Lower *lower, const Value *value, const Dim *const *index) {
    return tn_expr_load(lower->ctx, ((Nest *)lower)->bufs[value->id], index);
}

static Expr *read_buf_at(Lower *lower, const Value *value, const Dim *const *index, int dyn,
                         Expr *at) {
    return tn_expr_dynload(lower->ctx, ((Nest *)lower)->bufs[value->id], index, dyn, at);
}

static Temp *define(Nest *nest, DType dtype, Expr *value) {
    Temp *temp = tn_kernel_temp(nest->lower.kernel, dtype, 0, NULL);
    tn_stmt_append(nest->block, tn_stmt_def(nest->lower.kernel, temp, NULL, value));
    return temp;
}

static Expr *get(Nest *nest, Temp *temp) {
    return tn_expr_temp(nest->lower.ctx, temp, NULL);
}

/* Whether `value` takes the place of `best`, found at `at` (negative: nothing yet). */
static Expr *wins(Nest *nest, const Reduction *r, Expr *value, Expr *best, Expr *at) {
    Ctx *ctx = nest->lower.ctx;
    Op less = r->arg_last ? TN_OP_le : TN_OP_lt;
    bool max = r->op == TN_OP_max;
    Expr *beats = tn_expr_map2(ctx, less, max ? best : value, max ? value : best);
    if (tn_dtype_is_float(r->dtype)) {
        Expr *fresh = tn_expr_map1(ctx, TN_OP_isnan, value);
        Expr *held = tn_expr_map1(ctx, TN_OP_isnan, best);
        Expr *free = tn_expr_map1(ctx, TN_OP_not, held);
        Expr *nan = r->arg_last ? fresh : tn_expr_map2(ctx, TN_OP_and, fresh, free);
        beats = tn_expr_map2(ctx, TN_OP_or, beats, nan);
    }
    Expr *none = tn_expr_map2(ctx, TN_OP_lt, at, tn_expr_const_i(ctx, TN_I64, 0));
    return tn_expr_map2(ctx, TN_OP_or, beats, none);
}

static void update_arg(Nest *nest, const Reduction *r, Temp *best, Temp *at) {
    Ctx *ctx = nest->lower.ctx;
    Kernel *kernel = nest->lower.kernel;
    Expr *value = get(nest, define(nest, r->dtype, r->value));
    Expr *won =
        get(nest, define(nest, TN_BOOL, wins(nest, r, value, get(nest, best), get(nest, at))));
    Expr *place[3] = {won, r->position, get(nest, at)};
    Expr *held[3] = {won, value, get(nest, best)};
    Expr *new_at = tn_expr_map(ctx, TN_OP_select, TN_DT_NONE, place, 3);
    Expr *new_best = tn_expr_map(ctx, TN_OP_select, TN_DT_NONE, held, 3);
    tn_stmt_append(nest->block, tn_stmt_def(kernel, at, NULL, new_at));
    tn_stmt_append(nest->block, tn_stmt_def(kernel, best, NULL, new_best));
}

static Expr *reduce(Nest *nest, const Node *node, const Dim *const *index) {
    Ctx *ctx = nest->lower.ctx;
    Reduction r = {0};
    if (!tn_op_info(node->op)->reduction(&nest->lower, node, index, &r)) {
        return NULL;
    }
    Stmt **outer = nest->block;
    Temp *acc = define(nest, r.dtype, r.init);
    Temp *at = define(nest, TN_I64, tn_expr_const_i(ctx, TN_I64, -1));
    for (uint32_t i = 0; i < r.rank; i++) {
        Stmt *loop = tn_stmt_for(nest->lower.kernel, "r", r.extents[i]);
        loop->var = r.vars[i];
        tn_stmt_append(nest->block, loop);
        nest->block = &loop->body;
    }
    if (r.kind == REDUCE_ARG) {
        update_arg(nest, &r, acc, at);
    } else {
        tn_stmt_append(nest->block, tn_stmt_acc(nest->lower.kernel, acc, NULL, r.op, r.value));
    }
    nest->block = outer;
    Expr *zero = tn_expr_const_i(ctx, TN_I64, 0);
    return r.kind == REDUCE_ARG ? tn_expr_map2(ctx, TN_OP_max, get(nest, at), zero)
                                : get(nest, acc);
}

static Buf *add_buf(Nest *nest, const Value *value) {
    const Type *type = &value->type;
    Buf *buf = tn_kernel_buf(nest->lower.kernel, BUF_PARAM, type->dtype, type->rank, type->dims);
    buf->value = value;
    nest->bufs[value->id] = buf;
    return buf;
}

/* Loops from..to of the sweep, inside the open block. */
static void open_turns(Nest *nest, const Sweep *sweep, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        Stmt *loop = tn_stmt_for(nest->lower.kernel, "s", sweep->extents[i]);
        loop->var = sweep->vars[i];
        tn_stmt_append(nest->block, loop);
        nest->block = &loop->body;
    }
}

static Stmt *store_acc(Nest *nest, Buf *out, const Sweep *sweep, Temp *acc) {
    return tn_stmt_store(nest->lower.kernel, out, sweep->to, get(nest, acc));
}

static void scan(Nest *nest, Buf *out, const Sweep *sweep) {
    Temp *acc = define(nest, sweep->dtype, sweep->start);
    open_turns(nest, sweep, sweep->n_free, sweep->rank);
    Stmt *take = tn_stmt_acc(nest->lower.kernel, acc, NULL, sweep->op, sweep->value);
    Stmt *store = store_acc(nest, out, sweep, acc);
    tn_stmt_append(nest->block, sweep->exclusive ? store : take);
    tn_stmt_append(nest->block, sweep->exclusive ? take : store);
}

static void scatter(Nest *nest, Buf *out, const Sweep *sweep) {
    Ctx *ctx = nest->lower.ctx;
    open_turns(nest, sweep, sweep->n_free, sweep->rank);
    Expr *old = tn_expr_dynload(ctx, out, sweep->to, sweep->dyn, sweep->at);
    Expr *sum = tn_expr_map2(ctx, sweep->op, old, sweep->value);
    tn_stmt_append(nest->block, tn_stmt_store_at(nest->lower.kernel, out, sweep->to, sweep->dyn,
                                                 sweep->at, sum));
}

/* Loops over the elements of `type`, inside the open block. */
static void open_elements(Nest *nest, const Type *type, const Dim **index) {
    for (int d = 0; d < type->rank; d++) {
        Stmt *loop = tn_stmt_for(nest->lower.kernel, "i", type->dims[d]);
        tn_stmt_append(nest->block, loop);
        nest->block = &loop->body;
        index[d] = loop->var;
    }
}

static bool build_sweep(Nest *nest, const Node *node, Buf *out) {
    Stmt **top = nest->block;
    Sweep sweep = {0};
    if (!tn_op_info(node->op)->sweep(&nest->lower, node, &sweep)) {
        return false;
    }
    assert_int_equal(sweep.dtype, out->dtype);
    if (sweep.kind == SWEEP_SCATTER) {
        const Dim *index[TN_MAX_RANK] = {NULL};
        open_elements(nest, &node->out[0]->type, index);
        Expr *start = read_buf(&nest->lower, node->in[0], index);
        tn_stmt_append(nest->block, tn_stmt_store(nest->lower.kernel, out, index, start));
        nest->block = top;
    }
    open_turns(nest, &sweep, 0, sweep.n_free);
    (sweep.kind == SWEEP_SCATTER ? scatter : scan)(nest, out, &sweep);
    return true;
}

static bool build_element(Nest *nest, const Node *node, Buf *out) {
    const OpInfo *info = tn_op_info(node->op);
    const Dim *index[TN_MAX_RANK] = {NULL};
    open_elements(nest, &node->out[0]->type, index);
    Expr *element = info->cls == OPC_REDUCE ? reduce(nest, node, index)
                                            : info->element(&nest->lower, node, index);
    if (element == NULL) {
        return false;
    }
    assert_int_equal(element->dtype, out->dtype);
    tn_stmt_append(nest->block, tn_stmt_store(nest->lower.kernel, out, index, element));
    return true;
}

static Kernel *build_nest(OpTest *test) {
    const Node *node = test->node;
    Kernel *kernel = tn_kernel_new(&test->ctx, "formula");
    Nest nest = {
        .lower = {.ctx = &test->ctx, .kernel = kernel, .read = read_buf, .read_at = read_buf_at},
        .bufs = TN_NEW_ARRAY(&test->ctx.arena, Buf *, test->graph->n_values + 1),
        .block = &kernel->body};
    for (size_t i = 0; i < test->graph->inputs.len; i++) {
        add_buf(&nest, test->graph->inputs.data[i]);
    }
    Buf *out = add_buf(&nest, node->out[0]);
    out->written = true;
    bool sweep = tn_op_info(node->op)->cls == OPC_SWEEP;
    if (!(sweep ? build_sweep : build_element)(&nest, node, out)) {
        fail_with_diags(test, "no formula");
    }
    return kernel;
}

static void compare(const RefTensor *found, const RefTensor *expected) {
    for (int64_t k = 0; k < expected->count; k++) {
        bool same = tn_dtype_is_float(expected->dtype) ? close_to(found->f[k], expected->f[k], 1e-5)
                                                       : found->i[k] == expected->i[k];
        if (!same) {
            bool is_float = tn_dtype_is_float(expected->dtype);
            fail_msg("formula gives %.9g as element %lld, evaluation %.9g",
                     is_float ? found->f[k] : (double)found->i[k], (long long)k,
                     is_float ? expected->f[k] : (double)expected->i[k]);
        }
    }
}

static void *bytes_of(OpTest *test, const RefTensor *tensor) {
    void *bytes = tn_arena_alloc(&test->ctx.arena, (size_t)tensor->count * 8 + 8, 8);
    tn_ref_to_bytes(tensor, bytes);
    return bytes;
}

void optest_check_formula(OpTest *test, const RefTensor *in) {
    RefTensor expected;
    int64_t *symbols;
    if (!optest_eval(test, in, &expected) ||
        !tn_eval_symbols(test->graph, in, &test->ctx.arena, &symbols)) {
        fail_with_diags(test, "evaluation failed");
    }
    void *data[17];
    size_t n = test->graph->inputs.len;
    for (size_t i = 0; i < n; i++) {
        data[i] = bytes_of(test, &in[i]);
    }
    data[n] = tn_arena_alloc(&test->ctx.arena, (size_t)expected.count * 8 + 8, 8);
    Kernel *kernel = build_nest(test);
    if (!tn_kernel_interp(kernel, data, symbols)) {
        fail_with_diags(test, "interpreter");
    }
    RefTensor found =
        tn_ref_from_bytes(&test->ctx.arena, expected.dtype, expected.rank, expected.dims, data[n]);
    compare(&found, &expected);
}

RefTensor optest_both(OpTest *test, Op op, uint32_t n_in, const RefTensor *in, uint32_t n_attrs,
                      const Attr *attrs) {
    RefTensor out = optest_run(test, op, n_in, in, n_attrs, attrs);
    optest_check_formula(test, in);
    return out;
}
