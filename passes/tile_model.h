/* tile_model.h: the analytical model that sizes register tiles.
 *
 * One k-step of a tile of `rows` broadcast operands by `vectors` vector operands does
 * rows*vectors fused multiply-adds; it costs the most of: two of them a cycle, two loads a
 * cycle, and the latency of one accumulation (so at least eight independent chains fill
 * the pipes). Accumulators, vector operands and one broadcast must fit the register file.
 * The layout pass asks the same questions, so weights are blocked as they will be read.
 */
#ifndef TN_PASSES_TILE_MODEL_H
#define TN_PASSES_TILE_MODEL_H

#include "ir/target.h"
#include "ir/type.h"

typedef struct TileShape {
    int32_t rows;    /* register rows: outputs that share a vector operand */
    int32_t vectors; /* vectors of outputs that share a broadcast */
} TileShape;

/* Elements of `dtype` in one vector register. */
int32_t tn_tile_lanes(const Target *target, DType dtype);
/* The best shape for `rows` x `columns` outputs (columns along the vectors; extents may be
 * estimates), rows `row_stride` bytes apart (0 when unknown). */
TileShape tn_tile_choose(const Target *target, DType dtype, int64_t rows, int64_t columns,
                         int64_t row_stride);
/* As tn_tile_choose with the vectors given and at most `max_rows` rows. */
TileShape tn_tile_rows_for(const Target *target, DType dtype, int64_t rows, int64_t columns,
                           int32_t vectors, int32_t max_rows);
/* Vectors per column panel when only the columns are known: for blocking weights. */
int32_t tn_tile_panel_vectors(const Target *target, DType dtype, int64_t rows, int64_t columns);

#endif
