/* fix_dims.h: a graph with some of its symbolic dimensions replaced by numbers. */
#ifndef TN_FRONTEND_FIX_DIMS_H
#define TN_FRONTEND_FIX_DIMS_H

#include "frontend/frontend.h"

/* A copy in the same context whose types are inferred anew; NULL after a diagnostic when the
 * graph does not hold for these sizes. Names that no symbol has are ignored. */
Graph *tn_graph_fix_dims(const Graph *graph, const DimBinding *dims, size_t n);

#endif
