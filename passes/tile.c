/* tile.c: the one schedule of contractions and convolutions.
 *
 * A nest of the form  root loops { acc = init; for k...: acc += x * y; epilogue }  becomes
 *
 *   for column panels, for row tiles {           vectors: columns that y runs along
 *     acc[rows][vectors][lanes] = init           rows: outputs that y does not depend on
 *     for k...: for rows, vectors, lanes: acc += x * y
 *     epilogue for rows, vectors, lanes
 *   }
 *
 * with rows and vectors unrolled into named registers and lanes a vector. It is built from
 * meaning-preserving rewrites only, so wherever one is refused the kernel stays correct, just
 * slower. A matrix product, a blocked convolution and a depthwise one (where x runs along the
 * lanes too) differ only in which loops play which part; that is read off the strides.
 */
#include "passes/tile.h"

enum { UNROLL_TAPS = 32, UNROLL_BODY = 320, LANEWISE_ROWS = 8, UNKNOWN_EXTENT = 112, FEW_ROWS = 4 };

/* ---- recognising ---- */

static bool is_product(const Stmt *stmt) {
    return stmt != NULL && stmt->kind == STMT_ACC && stmt->next == NULL && stmt->op == TN_OP_add &&
           stmt->value->kind == EXPR_MAP && stmt->value->op == TN_OP_mul;
}

/* Splits the chain below `loop` into root loops, the accumulator's DEF and the reduction. */
static bool match(Tile *tile, Stmt *loop) {
    tile->roots = tn_nest_chain(tile->arena, loop);
    tile->def = tile->roots.data[tile->roots.len - 1]->body;
    if (tile->def == NULL || tile->def->kind != STMT_DEF || tile->def->next == NULL ||
        tile->def->next->kind != STMT_FOR || tile->def->next->next == NULL) {
        return false;
    }
    tile->taps = tn_nest_chain(tile->arena, tile->def->next);
    Stmt *acc = tile->taps.data[tile->taps.len - 1]->body;
    if (!is_product(acc) || acc->temp != tile->def->temp) {
        return false;
    }
    tile->x = acc->value->args[0];
    tile->y = acc->value->args[1];
    tile->epilogue = tile->def->next->next;
    return true;
}

/* Whether every access runs along `var` with this stride. */
static bool all_stride(Tile *tile, const AccessVec *accesses, const Dim *var, int64_t stride) {
    for (size_t i = 0; i < accesses->len; i++) {
        int64_t found;
        if (!tn_access_stride(tile->ctx, &accesses->data[i], var, tile->lanes, &found) ||
            found != stride) {
            return false;
        }
    }
    return accesses->len > 0;
}

static bool store_runs_along(Tile *tile, const Dim *var) {
    AccessVec all = {0};
    tn_nest_accesses(tile->arena, tile->epilogue, &all);
    for (size_t i = 0; i < all.len; i++) {
        int64_t stride;
        if (all.data[i].store &&
            (!tn_access_stride(tile->ctx, &all.data[i], var, tile->lanes, &stride) ||
             stride != 1)) {
            return false;
        }
    }
    return true;
}

/* Whether the expression is the same for that many neighbours along `var`: for all, or for the
 * channels of a group. */
static bool is_same_along(Tile *tile, Expr *expr, const Dim *var, int32_t lanes) {
    AccessVec all = {0};
    tn_expr_accesses(tile->arena, expr, &all);
    for (size_t i = 0; i < all.len; i++) {
        int64_t stride;
        if (!tn_access_stride(tile->ctx, &all.data[i], var, lanes, &stride) || stride != 0) {
            return false;
        }
    }
    return all.len > 0 || !tn_expr_uses(expr, var);
}

/* 0 when `var` cannot be the column loop; better ones score higher. */
static int column_score(Tile *tile, const Dim *var, bool *swap) {
    AccessVec x = {0}, y = {0};
    tn_expr_accesses(tile->arena, tile->x, &x);
    tn_expr_accesses(tile->arena, tile->y, &y);
    bool x0 = is_same_along(tile, tile->x, var, tile->lanes), y0 = !tn_expr_uses(tile->y, var);
    bool x1 = all_stride(tile, &x, var, 1), y1 = all_stride(tile, &y, var, 1);
    *swap = x1 && y0;
    bool product = (x0 && y1) || *swap, lanewise = x1 && y1;
    if ((!product && !lanewise) || tn_nest_index_uses(tile->roots.data[0], var)) {
        return 0;
    }
    return (product ? 2 : 1) + (store_runs_along(tile, var) ? 4 : 0);
}

static bool choose_columns(Tile *tile) {
    int best = 0;
    for (size_t i = tile->roots.len; i-- > 0;) {
        bool swap;
        int score = column_score(tile, tile->roots.data[i]->var, &swap);
        if (score > best) {
            best = score;
            tile->column = tile->roots.data[i];
            tile->swap = swap;
        }
    }
    if (best > 0 && tile->swap) {
        Expr *x = tile->x;
        tile->x = tile->y;
        tile->y = x;
    }
    tile->lanewise = best > 0 && !is_same_along(tile, tile->x, tile->column->var, tile->lanes);
    return best > 0;
}

/* The innermost root loop that y does not depend on, or NULL; one further out where that has
 * next to no turns. */
static void choose_rows(Tile *tile) {
    tile->row = NULL;
    for (size_t i = tile->roots.len; i-- > 0;) {
        Stmt *loop = tile->roots.data[i];
        bool few = tile->row != NULL && tile->row->extent->hi < FEW_ROWS &&
                   tn_dim_is_const(loop->extent) && loop->extent->value >= 2 * FEW_ROWS;
        if ((tile->row == NULL || few) && loop != tile->column &&
            tn_expr_uses(tile->x, loop->var) && !tn_expr_uses(tile->y, loop->var)) {
            tile->row = loop;
        }
    }
}

/* The most vectors that lie side by side in y, with the same x: blocked weights set it. */
static int32_t side_by_side(Tile *tile) {
    AccessVec y = {0};
    tn_expr_accesses(tile->arena, tile->y, &y);
    int32_t most = 1;
    for (int32_t vectors = 2; vectors <= 4; vectors++) {
        int64_t stride;
        bool joined = tile->lanewise ||
                      is_same_along(tile, tile->x, tile->column->var, vectors * tile->lanes);
        for (size_t i = 0; i < y.len; i++) {
            joined = joined &&
                     tn_access_stride(tile->ctx, &y.data[i], tile->column->var,
                                      vectors * tile->lanes, &stride) &&
                     stride == 1;
        }
        most = joined ? vectors : most;
    }
    return most;
}

static bool y_is_weight(Tile *tile) {
    return tile->y->kind == EXPR_LOAD && tile->y->buf->value != NULL &&
           tile->y->buf->value->type.layout != NULL;
}

static int64_t row_stride_bytes(Tile *tile) {
    int64_t stride = 0;
    if (tile->row == NULL || tile->x->kind != EXPR_LOAD) {
        return 0;
    }
    Access access = {tile->x->buf, tile->x->index, tile->x->n_index, false, false};
    if (!tn_access_stride(tile->ctx, &access, tile->row->var, 1, &stride)) {
        return 0;
    }
    return stride * (int64_t)tn_dtype_bytes(tile->x->dtype);
}

/* An extent to plan with: unknown ones are taken to be large. */
static int64_t planned(Tile *tile, const Dim *extent) {
    int64_t hint = tn_dim_hint(tile->ctx, extent);
    return tn_dim_is_const(extent) || hint > UNKNOWN_EXTENT ? hint : UNKNOWN_EXTENT;
}

static bool rows_run_evenly(Tile *tile, int32_t rows) {
    AccessVec x = {0};
    int64_t stride;
    tn_expr_accesses(tile->arena, tile->x, &x);
    for (size_t i = 0; i < x.len; i++) {
        if (!tn_access_stride(tile->ctx, &x.data[i], tile->row->var, rows, &stride)) {
            return false;
        }
    }
    return true;
}

/* Rows that are channels lie in blocks of a vector: a tile must not straddle two. */
static void keep_rows_in_blocks(Tile *tile) {
    int32_t block = tile->lanes;
    if (tile->row == NULL || tile->shape.rows <= 1 || rows_run_evenly(tile, tile->shape.rows)) {
        return;
    }
    while (block > 1 && (block > tile->shape.rows || !rows_run_evenly(tile, block))) {
        block /= 2;
    }
    tile->shape.rows = block > 1 ? block : tile->shape.rows;
}

static void choose_shape(Tile *tile) {
    int64_t rows = tile->row != NULL ? planned(tile, tile->row->extent) : 1;
    int64_t columns = planned(tile, tile->column->extent);
    TileShape shape =
        tn_tile_choose(tile->target, tile->x->dtype, rows, columns, row_stride_bytes(tile));
    int32_t most = side_by_side(tile);
    if (tile->lanewise) {
        shape = tn_tile_rows_for(tile->target, tile->x->dtype, rows, tile->lanes, 1, LANEWISE_ROWS);
    } else if (shape.vectors > most || (y_is_weight(tile) && shape.vectors != most)) {
        shape = tn_tile_rows_for(tile->target, tile->x->dtype, rows, columns, most, INT32_MAX);
    }
    tile->shape = shape;
    keep_rows_in_blocks(tile);
}

/* ---- building ---- */

/* Body statements of the loop of `var`: first | second | rest become three loops. Returns the
 * second's loop variable. */
static const Dim *part_in_three(Tile *tile, const Dim *var) {
    Kernel *kernel = tile->kernel;
    Stmt *loop = tn_loop_by_var(kernel, var);
    Stmt *middle = loop == NULL ? NULL : tn_loop_fission(kernel, loop, loop->body);
    if (middle == NULL || tn_loop_fission(kernel, middle, middle->body) == NULL) {
        return NULL;
    }
    return middle->var;
}

/* Unrolls all but the innermost of the loops nested from `loop`, which becomes the vector. */
static void fix_tile_loops(Tile *tile, Stmt *loop, uint32_t depth) {
    for (uint32_t i = 0; i < depth && loop != NULL && loop->kind == STMT_FOR; i++) {
        Stmt *inner = loop->body;
        if (i + 1 == depth) {
            tn_loop_vectorize(tile->kernel, loop, tile->lanes);
        } else {
            tn_loop_unroll(tile->kernel, loop);
        }
        loop = inner;
    }
}

static void unroll_taps(Tile *tile, const Dim *const *taps, size_t n) {
    int64_t body = tile->shape.rows * (int64_t)tile->shape.vectors;
    for (size_t i = n; i-- > 0;) {
        Stmt *loop = tn_loop_by_var(tile->kernel, taps[i]);
        if (loop == NULL || !tn_dim_is_const(loop->extent) || loop->extent->value > UNROLL_TAPS ||
            (body *= loop->extent->value) > UNROLL_BODY || !tn_loop_unroll(tile->kernel, loop)) {
            return;
        }
    }
}

/* Accumulators into registers: the tile loops part around the reduction and move inside it. */
static void promote(Tile *tile, const Dim *const *vars, uint32_t n_vars) {
    const Dim *middle[3];
    const Dim *taps[TN_MAX_RANK];
    size_t n_taps = tile->taps.len < TN_MAX_RANK ? tile->taps.len : TN_MAX_RANK;
    for (size_t i = 0; i < n_taps; i++) {
        taps[i] = tile->taps.data[i]->var;
    }
    Stmt *top = NULL;
    for (uint32_t i = n_vars; i-- > 0;) {
        middle[i] = part_in_three(tile, vars[i]);
        if (middle[i] == NULL) {
            return;
        }
        top = tn_loop_by_var(tile->kernel, vars[i]);
    }
    Stmt *second = top->next, *third = second->next;
    for (size_t i = 0; i < n_taps; i++) {
        if (!tn_nest_raise(tile->kernel, taps[i], middle[0])) {
            break;
        }
    }
    fix_tile_loops(tile, top, n_vars);
    fix_tile_loops(tile, tn_loop_by_var(tile->kernel, middle[0]), n_vars);
    fix_tile_loops(tile, third, n_vars);
    if (tile->lanewise) {
        unroll_taps(tile, taps, n_taps);
    }
}

/* A blocked operand is read block by block: its loop is split so indices need no division. */
static void block_taps(Tile *tile) {
    for (size_t i = 0; i < tile->taps.len; i++) {
        Stmt *loop = tile->taps.data[i];
        AccessVec x = {0};
        tn_expr_accesses(tile->arena, tile->x, &x);
        int64_t plain, blocked;
        bool varies = x.len > 0 &&
                      !tn_access_stride(tile->ctx, &x.data[0], loop->var, 1 << 20, &plain) &&
                      tn_access_stride(tile->ctx, &x.data[0], loop->var, tile->lanes, &blocked);
        if (varies && tn_dim_is_const(loop->extent) && loop->extent->value % tile->lanes == 0) {
            Stmt *inner = tn_loop_split(tile->kernel, loop, tile->lanes, SPLIT_EXACT, NULL);
            if (inner != NULL) {
                tn_nest_sink(tile->kernel, inner->var);
            }
            return;
        }
    }
}

/* Splits the columns of one tile into vectors of lanes; adds the loops to `vars`. */
static uint32_t split_lanes(Tile *tile, const Dim **vars, uint32_t n) {
    Kernel *kernel = tile->kernel;
    const Dim *column = tile->column->var, *extent = tile->column->extent;
    if (extent->hi > tile->lanes) {
        bool exact = tn_dim_is_const(extent) && extent->value % tile->lanes == 0;
        Stmt *inner =
            tn_loop_split(kernel, tile->column, tile->lanes, exact ? SPLIT_EXACT : SPLIT_MIN, NULL);
        if (inner == NULL) {
            return n;
        }
        column = inner->var;
        const Stmt *vector = tn_loop_parent(kernel, inner);
        if (tn_dim_is_const(vector->extent)) {
            vars[n++] = vector->var;
        } else if (n > 0) {
            tn_nest_raise(kernel, vector->var, vars[0]);
        }
    }
    vars[n++] = column;
    return n;
}

/* The outermost loop of the perfect nest around the loop of `var`. */
static Stmt *nest_top(Tile *tile, const Dim *var) {
    Stmt *loop = tn_loop_by_var(tile->kernel, var);
    for (Stmt *up = tn_loop_parent(tile->kernel, loop);
         up != NULL && up->body == loop && loop->next == NULL;
         up = tn_loop_parent(tile->kernel, loop)) {
        loop = up;
    }
    return loop;
}

/* The nest's loops have their final sizes: rows and columns of one register tile. */
static void register_tile(Tile *tile) {
    const Dim *vars[3], *column = tile->column->var;
    uint32_t n = 0;
    bool rows = tile->row != NULL && tn_dim_is_const(tile->row->extent) &&
                tile->row->extent->value <= tile->shape.rows;
    block_taps(tile);
    if (rows) {
        vars[n++] = tile->row->var;
        tn_nest_sink(tile->kernel, tile->row->var);
    }
    tn_nest_sink(tile->kernel, column);
    tile->column = tn_loop_by_var(tile->kernel, column);
    n = split_lanes(tile, vars, n);
    if (n > 0 && match(tile, nest_top(tile, vars[n - 1]))) {
        promote(tile, vars, n);
    }
}

static void tile_nest(Tile *tile, const Dim *inside, bool shaped);

/* Cuts a loop into parts of `size` and a rest; each is tiled for itself. */
static void cut(Tile *tile, const Dim *var, int64_t size) {
    Stmt *rest = NULL;
    Stmt *loop = tn_loop_by_var(tile->kernel, var);
    Stmt *inner = loop == NULL ? NULL : tn_loop_split(tile->kernel, loop, size, SPLIT_PEEL, &rest);
    if (inner == NULL) {
        return;
    }
    const Dim *rest_var = rest != NULL ? rest->var : NULL;
    tile_nest(tile, inner->var, true);
    if (rest_var != NULL) {
        tile_nest(tile, rest_var, true);
    }
}

/* Column panels go outside of rows: a panel stays in cache for all of them. */
static void raise_columns(Tile *tile) {
    const Dim *column = tile->column->var;
    for (size_t i = 0; i < tile->roots.len && tile->roots.data[i] != tile->column; i++) {
        if (tile->roots.data[i] == tile->row) {
            tn_nest_raise(tile->kernel, column, tile->row->var);
            return;
        }
    }
}

/* Tiles the perfect nest that holds the loop of `inside`. */
static void tile_nest(Tile *tile, const Dim *inside, bool shaped) {
    if (!match(tile, nest_top(tile, inside)) || !choose_columns(tile)) {
        return;
    }
    choose_rows(tile);
    if (!shaped) {
        choose_shape(tile);
    }
    int64_t panel = (int64_t)tile->shape.vectors * tile->lanes;
    const Dim *column = tile->column->var;
    if (tile->column->extent->hi > panel) {
        raise_columns(tile);
        cut(tile, column, panel);
    } else if (tile->row != NULL && tile->row->extent->hi > tile->shape.rows) {
        const Dim *row = tile->row->var;
        tn_nest_sink(tile->kernel, column);
        cut(tile, row, tile->shape.rows);
    } else {
        register_tile(tile);
    }
}

static void tile_kernel(Compile *compile, Kernel *kernel) {
    Tile tile = {.ctx = compile->ctx,
                 .arena = &compile->ctx->scratch,
                 .kernel = kernel,
                 .target = compile->options.target};
    StmtVec nests = {0};
    tn_nest_drop_unit_loops(kernel);
    for (Stmt *stmt = kernel->body; stmt != NULL; stmt = stmt->next) {
        tn_vec_push(tile.arena, &nests, stmt);
    }
    for (size_t i = 0; i < nests.len; i++) {
        Stmt *nest = nests.data[i];
        if (nest->kind == STMT_FOR && match(&tile, nest)) {
            tn_nest_collapse(kernel, tile.arena, nest);
            match(&tile, nest);
            tile.lanes = tn_tile_lanes(tile.target, tile.x->dtype);
            tile_nest(&tile, nest->var, false);
        }
    }
    tn_nest_distribute(kernel);
}

bool tn_pass_tile(Compile *compile) {
    Program *program = compile->program;
    for (size_t i = 0; i < program->steps.len; i++) {
        tile_kernel(compile, program->steps.data[i].kernel);
    }
    return true;
}
