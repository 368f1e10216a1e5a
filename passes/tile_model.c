/* tile_model.c: costs of register tiles; see tile_model.h for the model. */
#include "passes/tile_model.h"

enum { MAX_VECTORS = 4, MAX_ROWS = 14, FMA_LATENCY = 4, WIDE_STRIDE = 2048, FEW_WAYS = 8 };

int32_t tn_tile_lanes(const Target *target, DType dtype) {
    size_t bytes = tn_dtype_bytes(dtype);
    return (int32_t)((size_t)target->vector_bytes / bytes);
}

static bool fits(const Target *target, int32_t rows, int32_t vectors) {
    /* Without fused multiply-add the product needs a register of its own. */
    int32_t extra = target->fma ? 1 : 2;
    return rows * vectors + vectors + extra < target->vector_regs + (target->vector_regs <= 16);
}

/* Cycles of one k-step, times two to stay in integers. */
static int64_t step_cost(int32_t rows, int32_t vectors) {
    int64_t math = (int64_t)rows * vectors, loads = rows + vectors, latency = 2 * FMA_LATENCY;
    int64_t cost = math > loads ? math : loads;
    return cost > latency ? cost : latency;
}

static int64_t panel_cost(int32_t rows_tile, int64_t rows, int32_t vectors) {
    int64_t rest = rows % rows_tile;
    int64_t cost = rows / rows_tile * step_cost(rows_tile, vectors);
    return rest > 0 ? cost + step_cost((int32_t)rest, vectors) : cost;
}

static int64_t total_cost(TileShape shape, int64_t rows, int64_t columns, int32_t lanes) {
    int64_t panel = (int64_t)shape.vectors * lanes;
    int64_t rest = (columns % panel + lanes - 1) / lanes;
    int64_t cost = columns / panel * panel_cost(shape.rows, rows, shape.vectors);
    return rest > 0 ? cost + panel_cost(shape.rows, rows, (int32_t)rest) : cost;
}

/* What a choice is made from and the limits it keeps. */
typedef struct Ask {
    const Target *target;
    int32_t lanes;
    int64_t rows, columns, row_stride;
    int32_t min_vectors, max_vectors, max_rows;
} Ask;

static bool allowed(const Ask *ask, int32_t rows, int32_t vectors) {
    return fits(ask->target, rows, vectors) && (rows == 1 || rows <= ask->rows) &&
           (vectors == ask->min_vectors || (int64_t)(vectors - 1) * ask->lanes < ask->columns);
}

static TileShape choose(const Ask *ask) {
    TileShape best = {1, ask->min_vectors};
    int64_t best_cost = INT64_MAX;
    for (int32_t vectors = ask->min_vectors; vectors <= ask->max_vectors; vectors++) {
        for (int32_t n = 1; n <= ask->max_rows && n <= MAX_ROWS; n++) {
            TileShape shape = {n, vectors};
            if (!allowed(ask, n, vectors)) {
                continue;
            }
            int64_t cost = total_cost(shape, ask->rows, ask->columns, ask->lanes) * 16;
            /* Many rows far apart fall into the same cache sets. */
            cost += ask->row_stride >= WIDE_STRIDE && n > FEW_WAYS ? cost / 8 : 0;
            /* Remainders cost code. */
            cost += ask->columns % ((int64_t)vectors * ask->lanes) != 0;
            cost += ask->rows % n != 0;
            /* Among equals the larger tile: fewer passes over the vector operand. */
            if (cost < best_cost || (cost == best_cost && n * vectors > best.rows * best.vectors)) {
                best_cost = cost;
                best = shape;
            }
        }
    }
    return best;
}

TileShape tn_tile_choose(const Target *target, DType dtype, int64_t rows, int64_t columns,
                         int64_t row_stride) {
    Ask ask = {target,  tn_tile_lanes(target, dtype), rows, columns, row_stride, 1, MAX_VECTORS,
               MAX_ROWS};
    return choose(&ask);
}

TileShape tn_tile_rows_for(const Target *target, DType dtype, int64_t rows, int64_t columns,
                           int32_t vectors, int32_t max_rows) {
    Ask ask = {target, tn_tile_lanes(target, dtype), rows, columns, 0, vectors, vectors, max_rows};
    return choose(&ask);
}

int32_t tn_tile_panel_vectors(const Target *target, DType dtype, int64_t rows, int64_t columns) {
    return tn_tile_choose(target, dtype, rows, columns, 0).vectors;
}
