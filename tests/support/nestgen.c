/* nestgen.c: see nestgen.h. */
#include "tests/support/nestgen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SCOPE = 8, MAX_TEMPS = 16, MAX_BUFS = 8, MAX_DEPTH = 5, MAX_WORK = 4000 };

typedef struct Gen {
    NestTest *test;
    Ctx *ctx;
    Kernel *kernel;
    NestStyle style;
    DType dtype;
    const Dim *pool[8]; /* ranges to choose from */
    int n_pool;
    const Dim *vars[MAX_SCOPE];
    const Dim *ranges[MAX_SCOPE]; /* of the variables in scope */
    int n_vars;
    Temp *temps[MAX_TEMPS]; /* defined where the next statement stands */
    int n_temps;
    Buf *bufs[MAX_BUFS];
    const Dim *buf_ranges[MAX_BUFS][4];
    int n_bufs;
    int budget; /* statements left */
} Gen;

int64_t nest_random(NestTest *test, int64_t lo, int64_t hi) {
    test->random = test->random * 6364136223846793005ull + 1442695040888963407ull;
    return lo + (int64_t)((test->random >> 33) % (uint64_t)(hi - lo + 1));
}

static int pick(Gen *gen, int n) {
    return (int)nest_random(gen->test, 0, n - 1);
}

static bool chance(Gen *gen, int percent) {
    return pick(gen, 100) < percent;
}

/* ---- buffers ---- */

static Buf *new_buf(Gen *gen, int rank, const Dim *const *ranges) {
    const Dim *dims[4];
    for (int d = 0; d < rank; d++) {
        gen->buf_ranges[gen->n_bufs][d] = ranges[d];
        dims[d] = tn_dim_addc(gen->ctx, tn_dim_mulc(gen->ctx, ranges[d], 2), 4);
    }
    Buf *buf = tn_kernel_buf(gen->kernel, BUF_PARAM, gen->dtype, rank, dims);
    gen->bufs[gen->n_bufs++] = buf;
    return buf;
}

static int random_buf(Gen *gen) {
    if (gen->n_bufs < MAX_BUFS && (gen->n_bufs == 0 || chance(gen, 40))) {
        const Dim *ranges[4];
        int rank = 1 + pick(gen, 3);
        for (int d = 0; d < rank; d++) {
            bool scoped = gen->n_vars > 0 && chance(gen, 85);
            ranges[d] =
                scoped ? gen->ranges[pick(gen, gen->n_vars)] : gen->pool[pick(gen, gen->n_pool)];
        }
        new_buf(gen, rank, ranges);
        return gen->n_bufs - 1;
    }
    return pick(gen, gen->n_bufs);
}

/* A variable in scope of that range, or NULL. */
static const Dim *var_of_range(Gen *gen, const Dim *range) {
    const Dim *found[MAX_SCOPE];
    int n = 0;
    for (int i = 0; i < gen->n_vars; i++) {
        if (gen->ranges[i] == range) {
            found[n++] = gen->vars[i];
        }
    }
    return n > 0 ? found[pick(gen, n)] : NULL;
}

static const Dim *random_index_of(Gen *gen, const Dim *range) {
    Ctx *ctx = gen->ctx;
    const Dim *var = var_of_range(gen, range);
    int64_t offset = nest_random(gen->test, 0, 2);
    if (var == NULL || chance(gen, 10)) {
        return tn_dim_const(ctx, offset);
    }
    switch (pick(gen, 10)) {
    case 0:
        return tn_dim_addc(ctx, tn_dim_mulc(ctx, var, 2), offset);
    case 1:
        return tn_dim_addc(ctx, tn_dim_divc(ctx, var, 2), offset);
    case 2:
        return tn_dim_addc(ctx, tn_dim_modc(ctx, var, 3), offset);
    case 3:
    case 4:
        return tn_dim_addc(ctx, var, offset);
    default:
        return var;
    }
}

static void random_index(Gen *gen, int buf, const Dim **out) {
    for (int d = 0; d < gen->bufs[buf]->rank; d++) {
        out[d] = random_index_of(gen, gen->buf_ranges[buf][d]);
    }
}

/* ---- expressions ---- */

static Expr *random_const(Gen *gen) {
    return tn_expr_number(gen->ctx, gen->dtype,
                          tn_dtype_is_float(gen->dtype) ? (double)nest_random(gen->test, -8, 8) / 8
                                                        : (double)nest_random(gen->test, -3, 3));
}

static Expr *random_load(Gen *gen) {
    const Dim *index[4];
    int buf = random_buf(gen);
    random_index(gen, buf, index);
    return tn_expr_load(gen->ctx, gen->bufs[buf], index);
}

/* A place with a computed dim; element 0..3 of a dim is always there. */
static Expr *random_computed(Gen *gen, int buf, const Dim **index, int *dyn) {
    *dyn = pick(gen, gen->bufs[buf]->rank);
    random_index(gen, buf, index);
    index[*dyn] = tn_dim_const(gen->ctx, 1);
    const Dim *at = gen->n_vars > 0 ? tn_dim_modc(gen->ctx, gen->vars[pick(gen, gen->n_vars)], 3)
                                    : tn_dim_const(gen->ctx, 2);
    return tn_expr_index(gen->ctx, TN_I64, at);
}

static Expr *random_dynload(Gen *gen) {
    const Dim *index[4];
    int buf = random_buf(gen), dyn = 0;
    Expr *at = random_computed(gen, buf, index, &dyn);
    return tn_expr_dynload(gen->ctx, gen->bufs[buf], index, dyn, at);
}

/* A read that is in bounds only under its guard. */
static Expr *random_guard(Gen *gen) {
    const Dim *index[4];
    int buf = random_buf(gen);
    random_index(gen, buf, index);
    int d = pick(gen, gen->bufs[buf]->rank);
    const Dim *moved = tn_dim_addc(gen->ctx, index[d], -1 - pick(gen, 2));
    const Dim *cond = tn_dim_lt(gen->ctx, tn_dim_const(gen->ctx, -1), moved);
    index[d] = moved;
    return tn_expr_guard(gen->ctx, cond, tn_expr_load(gen->ctx, gen->bufs[buf], index),
                         random_const(gen));
}

static Expr *read_temp(Gen *gen, Temp *temp) {
    const Dim *index[1] = {NULL};
    if (temp->rank == 1) {
        index[0] = var_of_range(gen, tn_dim_const(gen->ctx, temp->extents[0]));
        if (index[0] == NULL) {
            index[0] = tn_dim_const(gen->ctx, pick(gen, temp->extents[0]));
        }
    }
    return tn_expr_temp(gen->ctx, temp, index);
}

static Expr *random_leaf(Gen *gen) {
    int kind = pick(gen, 100);
    if (kind < 25 && gen->n_temps > 0) {
        return read_temp(gen, gen->temps[pick(gen, gen->n_temps)]);
    }
    if (kind < 75 || gen->style == NEST_CLEAN) {
        return random_load(gen);
    }
    if (kind < 82) {
        return random_guard(gen);
    }
    if (kind < 87) {
        return random_dynload(gen);
    }
    if (kind < 93 && gen->n_vars > 0) {
        return tn_expr_index(gen->ctx, gen->dtype, gen->vars[pick(gen, gen->n_vars)]);
    }
    return random_const(gen);
}

static Expr *random_expr(Gen *gen, int depth) {
    static const Op ops[] = {TN_OP_add, TN_OP_sub, TN_OP_mul, TN_OP_max};
    if (depth == 0 || chance(gen, 40)) {
        return random_leaf(gen);
    }
    Op op = ops[pick(gen, gen->style == NEST_CLEAN ? 2 : 4)];
    Expr *a = random_expr(gen, depth - 1);
    return tn_expr_map2(gen->ctx, op, a, random_expr(gen, depth - 1));
}

/* ---- statements ---- */

static void add_temp(Gen *gen, Temp *temp) {
    if (gen->n_temps < MAX_TEMPS) {
        gen->temps[gen->n_temps++] = temp;
    }
}

/* A buffer of its own, indexed by variables in scope. */
static void gen_store_fresh(Gen *gen, Stmt **block, Expr *value) {
    const Dim *ranges[4];
    const Dim *index[4];
    int rank = gen->n_vars < 4 ? gen->n_vars : 4;
    for (int d = 0; d < rank; d++) {
        ranges[d] = gen->ranges[gen->n_vars - rank + d];
        index[d] =
            tn_dim_addc(gen->ctx, gen->vars[gen->n_vars - rank + d], chance(gen, 20) ? 1 : 0);
    }
    Buf *buf = new_buf(gen, rank, ranges);
    tn_stmt_append(block, tn_stmt_store(gen->kernel, buf, index, value));
}

static void gen_store(Gen *gen, Stmt **block, Expr *value) {
    const Dim *index[4];
    bool clean = gen->style == NEST_CLEAN;
    if (gen->n_bufs < MAX_BUFS && (clean || gen->n_bufs == 0 || chance(gen, 65))) {
        gen_store_fresh(gen, block, value);
        return;
    }
    int buf = pick(gen, gen->n_bufs);
    random_index(gen, buf, index);
    tn_stmt_append(block, tn_stmt_store(gen->kernel, gen->bufs[buf], index, value));
}

/* Adds to an element whose place is computed, as a scatter does. */
static void gen_scatter(Gen *gen, Stmt **block) {
    const Dim *index[4];
    int buf = random_buf(gen), dyn = 0;
    Expr *at = random_computed(gen, buf, index, &dyn);
    Expr *old = tn_expr_dynload(gen->ctx, gen->bufs[buf], index, dyn, at);
    Expr *value = tn_expr_map2(gen->ctx, TN_OP_add, old, random_expr(gen, 1));
    tn_stmt_append(block, tn_stmt_store_at(gen->kernel, gen->bufs[buf], index, dyn, at, value));
}

static void gen_def(Gen *gen, Stmt **block) {
    Temp *temp = tn_kernel_temp(gen->kernel, gen->dtype, 0, NULL);
    Expr *value = chance(gen, 15) ? random_const(gen) : random_expr(gen, 2);
    tn_stmt_append(block, tn_stmt_def(gen->kernel, temp, NULL, value));
    add_temp(gen, temp);
}

/* An existing temp is assigned again: a value carried from iteration to iteration. */
static void gen_update(Gen *gen, Stmt **block) {
    Temp *temp = gen->n_temps > 0 ? gen->temps[pick(gen, gen->n_temps)] : NULL;
    if (temp == NULL || temp->rank > 0) {
        gen_def(gen, block);
        return;
    }
    Expr *value = random_expr(gen, 1);
    Stmt *stmt = chance(gen, 50) ? tn_stmt_def(gen->kernel, temp, NULL, value)
                                 : tn_stmt_acc(gen->kernel, temp, NULL, TN_OP_add, value);
    tn_stmt_append(block, stmt);
}

static const Dim *random_range(Gen *gen) {
    return gen->pool[pick(gen, gen->n_pool)];
}

/* A loop over (a part of) a range; its variable is in scope until leave_loop. */
static Stmt *enter_loop(Gen *gen, Stmt **block, const Dim *range) {
    const Dim *extent = range;
    if (gen->n_vars > 0 && gen->style == NEST_ANY && chance(gen, 12)) {
        const Dim *outer = gen->vars[pick(gen, gen->n_vars)];
        extent = tn_dim_min(gen->ctx, range, tn_dim_addc(gen->ctx, outer, 1));
    }
    Stmt *loop = tn_stmt_for(gen->kernel, "i", extent);
    tn_stmt_append(block, loop);
    gen->vars[gen->n_vars] = loop->var;
    gen->ranges[gen->n_vars++] = range;
    return loop;
}

static void leave_loop(Gen *gen, int n_temps) {
    gen->n_vars--;
    gen->n_temps = n_temps;
}

static void gen_block(Gen *gen, Stmt **block, int depth);

static void gen_loop(Gen *gen, Stmt **block, int depth) {
    int n_temps = gen->n_temps;
    Stmt *loop = enter_loop(gen, block, random_range(gen));
    gen_block(gen, &loop->body, depth + 1);
    leave_loop(gen, n_temps);
}

/* acc = init; one or two loops { acc op= x } */
static void gen_reduction(Gen *gen, Stmt **block, int depth) {
    static const Op ops[] = {TN_OP_add, TN_OP_add, TN_OP_max, TN_OP_min, TN_OP_mul};
    /* No products of floats: fed back, their rounding would grow past any tolerance. */
    int n_ops = gen->style == NEST_CLEAN ? 1 : tn_dtype_is_float(gen->dtype) ? 4 : 5;
    Op op = ops[pick(gen, n_ops)];
    Temp *temp = tn_kernel_temp(gen->kernel, gen->dtype, 0, NULL);
    double init = op == TN_OP_mul ? 1 : 0;
    tn_stmt_append(
        block, tn_stmt_def(gen->kernel, temp, NULL, tn_expr_number(gen->ctx, gen->dtype, init)));
    int n_temps = gen->n_temps;
    int loops = depth + 1 < MAX_DEPTH && chance(gen, 40) ? 2 : 1;
    Stmt **inside = block;
    for (int i = 0; i < loops; i++) {
        inside = &enter_loop(gen, inside, random_range(gen))->body;
    }
    Expr *value = random_expr(gen, 2);
    if (gen->style == NEST_CLEAN && gen->n_bufs < MAX_BUFS) {
        /* A factor that depends on every variable. */
        int first = gen->n_vars < 4 ? 0 : gen->n_vars - 4;
        Buf *buf = new_buf(gen, gen->n_vars - first, gen->ranges + first);
        value = tn_expr_load(gen->ctx, buf, gen->vars + first);
    }
    tn_stmt_append(inside, tn_stmt_acc(gen->kernel, temp, NULL, op, value));
    for (int i = 0; i < loops; i++) {
        leave_loop(gen, n_temps);
    }
    add_temp(gen, temp);
}

/* for i in E { t[i] = x }, readable from then on. */
static void gen_array(Gen *gen, Stmt **block) {
    const Dim *range = gen->pool[0];
    int32_t extent = (int32_t)range->value;
    Temp *temp = tn_kernel_temp(gen->kernel, gen->dtype, 1, &extent);
    int n_temps = gen->n_temps;
    Stmt *loop = tn_stmt_for(gen->kernel, "i", range);
    tn_stmt_append(block, loop);
    gen->vars[gen->n_vars] = loop->var;
    gen->ranges[gen->n_vars++] = range;
    loop->body = tn_stmt_def(gen->kernel, temp, &loop->var, random_expr(gen, 1));
    leave_loop(gen, n_temps);
    add_temp(gen, temp);
}

static void gen_stmt(Gen *gen, Stmt **block, int depth) {
    int kind = pick(gen, 100);
    bool deeper = depth < MAX_DEPTH && gen->budget > 0 && gen->style == NEST_ANY;
    if (deeper && kind < 35) {
        gen_loop(gen, block, depth);
    } else if (deeper && kind < 48) {
        gen_reduction(gen, block, depth);
    } else if (deeper && kind < 54) {
        gen_array(gen, block);
    } else if (kind < 70) {
        gen_def(gen, block);
    } else if (kind < 78) {
        gen_update(gen, block);
    } else if (kind < 84) {
        gen_scatter(gen, block);
    } else {
        gen_store(gen, block, random_expr(gen, 2));
    }
}

static void gen_block(Gen *gen, Stmt **block, int depth) {
    int n = 1 + pick(gen, 3);
    for (int i = 0; i < n; i++) {
        gen->budget--;
        gen_stmt(gen, block, depth);
    }
    if (chance(gen, 60)) {
        gen_store(gen, block, random_expr(gen, 1));
    }
}

static void gen_perfect(Gen *gen, int least) {
    int depth = least + pick(gen, 3);
    Stmt **block = &gen->kernel->body;
    for (int i = 0; i < depth; i++) {
        block = &enter_loop(gen, block, random_range(gen))->body;
    }
    if (gen->style == NEST_CLEAN) {
        gen_store_fresh(gen, block, random_expr(gen, 2));
    } else {
        gen_block(gen, block, MAX_DEPTH);
    }
}

static void gen_reduce(Gen *gen) {
    int depth = 1 + pick(gen, 2);
    Stmt **block = &gen->kernel->body;
    for (int i = 0; i < depth; i++) {
        block = &enter_loop(gen, block, random_range(gen))->body;
    }
    gen_reduction(gen, block, depth);
    Expr *acc = read_temp(gen, gen->temps[gen->n_temps - 1]);
    if (gen->style == NEST_CLEAN) {
        gen_store_fresh(gen, block, acc);
        return;
    }
    if (chance(gen, 30)) {
        gen_reduction(gen, block, depth);
    }
    gen_store(gen, block, chance(gen, 50) ? acc : random_expr(gen, 2));
}

/* Two loops over one range, perhaps inside another. */
static void gen_siblings(Gen *gen) {
    Stmt **block = &gen->kernel->body;
    if (chance(gen, 30)) {
        block = &enter_loop(gen, block, random_range(gen))->body;
    }
    const Dim *range = random_range(gen);
    for (int i = 0; i < 2; i++) {
        int n_temps = gen->n_temps;
        Stmt *loop = enter_loop(gen, block, range);
        int n = 1 + pick(gen, 2);
        for (int k = 0; k < n; k++) {
            gen_stmt(gen, &loop->body, MAX_DEPTH);
        }
        if (chance(gen, 60)) {
            gen_store(gen, &loop->body, random_expr(gen, 1));
        }
        leave_loop(gen, n_temps);
    }
}

static void gen_kernel(Gen *gen) {
    switch (gen->style) {
    case NEST_ANY:
        while (gen->kernel->body == NULL || (gen->budget > 0 && chance(gen, 30))) {
            gen_loop(gen, &gen->kernel->body, 1);
            gen->n_temps = 0;
        }
        break;
    case NEST_PERFECT:
        gen_perfect(gen, 2);
        break;
    case NEST_REDUCE:
        gen_reduce(gen);
        break;
    case NEST_SIBLINGS:
        gen_siblings(gen);
        break;
    case NEST_CLEAN:
        if (chance(gen, 50)) {
            gen_perfect(gen, 1);
        } else {
            gen_reduce(gen);
        }
        break;
    }
}

/* ---- fixture ---- */

static void fill_pool(Gen *gen) {
    static const int64_t constants[] = {4, 1, 3, 8, 7};
    for (int i = 0; i < 3; i++) {
        /* The first is always a constant above 1: the extent of array temps. */
        int64_t value = i == 0 ? nest_random(gen->test, 2, 5) : constants[pick(gen, 5)];
        bool empty = i == 2 && gen->style != NEST_CLEAN && chance(gen, 5);
        gen->pool[gen->n_pool++] = tn_dim_const(gen->ctx, empty ? 0 : value);
    }
    gen->pool[gen->n_pool++] = gen->test->sizes[0];
    gen->pool[gen->n_pool++] = gen->test->sizes[1];
    gen->pool[gen->n_pool++] = gen->test->sizes[0];
}

void nest_set_up(NestTest *test, NestStyle style, uint64_t seed) {
    static const DType dtypes[] = {TN_F64, TN_F64, TN_F32, TN_I32, TN_I64};
    tn_ctx_init(&test->ctx, NULL);
    test->random = seed * 0x9e3779b97f4a7c15ull + 1;
    test->sizes[0] = tn_dim_symbol(&test->ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX);
    test->sizes[1] = tn_dim_symbol(&test->ctx, TN_SV("M"), SYM_INPUT_DIM, 0, INT64_MAX);
    test->kernel = tn_kernel_new(&test->ctx, "random");
    Gen gen = {
        .test = test, .ctx = &test->ctx, .kernel = test->kernel, .style = style, .budget = 10};
    nest_random(test, 0, 1);
    gen.dtype = dtypes[pick(&gen, 5)];
    fill_pool(&gen);
    gen_kernel(&gen);
}

void nest_tear_down(NestTest *test) {
    tn_ctx_free(&test->ctx);
}

typedef struct Loops {
    Stmt **out;
    size_t n, max;
} Loops;

static bool add_loop(void *arg, Stmt *stmt) {
    Loops *loops = arg;
    if (stmt->kind == STMT_FOR && loops->n < loops->max) {
        loops->out[loops->n++] = stmt;
    }
    return true;
}

size_t nest_loops(Kernel *kernel, Stmt **out, size_t max) {
    Loops loops = {out, 0, max};
    tn_stmt_visit(kernel->body, add_loop, &loops);
    return loops.n;
}

Stmt *nest_random_loop(NestTest *test, Kernel *kernel) {
    Stmt *loops[64];
    size_t n = nest_loops(kernel, loops, 64);
    return n > 0 ? loops[nest_random(test, 0, (int64_t)n - 1)] : NULL;
}

/* ---- running ---- */

static double chain_work(const Stmt *stmt, int64_t *values) {
    double work = 0;
    for (; stmt != NULL; stmt = stmt->next) {
        int64_t extent = 0;
        if (stmt->kind != STMT_FOR) {
            work++;
        } else if (tn_dim_eval(stmt->extent, values, &extent) && extent > 0) {
            values[stmt->var->sym] = extent - 1;
            work += (double)extent * chain_work(stmt->body, values);
            values[stmt->var->sym] = 0;
        }
    }
    return work;
}

static int64_t *symbol_values(const NestTest *test, const int64_t *sizes) {
    int64_t *values = calloc(test->ctx.dims->symbols.len, sizeof *values);
    for (int i = 0; i < NEST_SIZES; i++) {
        values[test->sizes[i]->sym] = sizes[i];
    }
    return values;
}

double nest_work(const NestTest *test, const Kernel *kernel, const int64_t *sizes) {
    int64_t *values = symbol_values(test, sizes);
    double work = chain_work(kernel->body, values);
    free(values);
    return work;
}

void nest_random_sizes(NestTest *test, const Kernel *kernel, int64_t *sizes) {
    static const int64_t choice[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 17};
    int64_t most = 13;
    do {
        sizes[0] = choice[nest_random(test, 0, most)];
        sizes[1] = choice[nest_random(test, 0, most)];
        most -= most > 2;
    } while (most > 2 && nest_work(test, kernel, sizes) > (double)MAX_WORK);
}

static void fill(void *data, DType dtype, size_t count, uint64_t *state) {
    for (size_t i = 0; i < count; i++) {
        *state = *state * 6364136223846793005ull + 1442695040888963407ull;
        int64_t value = (int64_t)(*state >> 33) % 129 - 64;
        if (dtype == TN_F64) {
            ((double *)data)[i] = (double)value / 8;
        } else if (dtype == TN_F32) {
            ((float *)data)[i] = (float)value / 8;
        } else if (dtype == TN_I32) {
            ((int32_t *)data)[i] = (int32_t)value;
        } else {
            ((int64_t *)data)[i] = value;
        }
    }
}

bool nest_run(NestTest *test, Kernel *kernel, const int64_t *sizes, uint64_t seed, NestData *out) {
    int64_t *values = symbol_values(test, sizes);
    uint64_t state = seed;
    *out = (NestData){kernel->bufs.len, calloc(kernel->bufs.len + 1, sizeof(void *)),
                      calloc(kernel->bufs.len + 1, sizeof(size_t)), kernel};
    for (size_t i = 0; i < kernel->bufs.len; i++) {
        const Buf *buf = kernel->bufs.data[i];
        int64_t count = 1;
        for (int d = 0; d < buf->rank; d++) {
            int64_t dim = 0;
            tn_dim_eval(buf->dims[d], values, &dim);
            count *= dim;
        }
        if (buf->kind == BUF_PARAM) {
            out->bytes[i] = (size_t)count * tn_dtype_bytes(buf->dtype);
            out->data[i] = malloc(out->bytes[i] + 1);
            fill(out->data[i], buf->dtype, (size_t)count, &state);
        }
    }
    bool ok = tn_kernel_interp(kernel, out->data, values);
    free(values);
    return ok;
}

void nest_data_free(NestData *data) {
    for (size_t i = 0; i < data->n; i++) {
        free(data->data[i]);
    }
    free(data->data);
    free(data->bytes);
}

static bool close_to(double a, double b, double tolerance) {
    double size = fmax(1, fmax(fabs(a), fabs(b)));
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance * size;
}

static bool buf_equal(const void *a, const void *b, DType dtype, size_t bytes, bool reordered) {
    if (memcmp(a, b, bytes) == 0) {
        return true;
    }
    bool same = reordered && tn_dtype_is_float(dtype);
    for (size_t i = 0; same && i < bytes / tn_dtype_bytes(dtype); i++) {
        same = dtype == TN_F64
                   ? close_to(((const double *)a)[i], ((const double *)b)[i], 1e-12)
                   : close_to((double)((const float *)a)[i], (double)((const float *)b)[i], 1e-6);
    }
    return same;
}

bool nest_data_equal(const NestData *a, const NestData *b, bool reordered) {
    size_t n = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++) {
        if (a->bytes[i] != b->bytes[i] ||
            (a->bytes[i] > 0 && !buf_equal(a->data[i], b->data[i], a->kernel->bufs.data[i]->dtype,
                                           a->bytes[i], reordered))) {
            return false;
        }
    }
    return true;
}

const char *nest_text(const Kernel *kernel) {
    StrBuf buf = tn_str(&kernel->ctx->arena);
    tn_kernel_print(kernel, &buf);
    return buf.data;
}

const char *nest_diags(NestTest *test) {
    StrBuf buf = tn_str(&test->ctx.arena);
    tn_str_puts(&buf, "");
    tn_diag_print(&test->ctx.diags, &buf);
    return buf.data;
}
