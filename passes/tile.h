/* tile.h: state of the tiling of one nest. */
#ifndef TN_PASSES_TILE_H
#define TN_PASSES_TILE_H

#include "passes/nest.h"
#include "passes/pass.h"
#include "passes/tile_model.h"

typedef struct Tile {
    Ctx *ctx;
    Arena *arena;
    Kernel *kernel;
    const Target *target;
    int32_t lanes;
    TileShape shape;
    /* what match() found */
    StmtVec roots;  /* loops of the outputs, outermost first */
    StmtVec taps;   /* loops of the reduction */
    Stmt *def;      /* accumulator = init */
    Stmt *epilogue; /* what follows the reduction */
    Expr *x, *y;    /* factors; y runs along the columns */
    Stmt *column;   /* root loop that becomes vectors */
    Stmt *row;      /* root loop y does not depend on, or NULL */
    bool swap;
    bool lanewise;  /* x runs along the columns too */
} Tile;

#endif
