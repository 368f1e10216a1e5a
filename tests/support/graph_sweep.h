/* graph_sweep.h: checks a property of random graphs over many seeds.
 *
 * TENON_RANDOM_GRAPHS in the environment sets the number of seeds, TENON_RANDOM_SEED the
 * first. What fails is shrunk and shown with its seed.
 */
#ifndef TN_TESTS_SUPPORT_GRAPH_SWEEP_H
#define TN_TESTS_SUPPORT_GRAPH_SWEEP_H

#include "tests/support/graph_gen.h"

/* NULL when the property holds of the graph, else what does not hold. */
typedef const char *SweepProperty(Graph *graph, uint64_t seed);

/* Every second seed makes a graph over f64, the others over f32. */
void sweep_graphs(SweepProperty *property, uint64_t n_default);
/* The context's diagnostics as text, which are then forgotten. */
const char *sweep_messages(Ctx *ctx);
/* The graph's text, in its context's arena. */
const char *sweep_text(const Graph *graph);
/* Tolerance for gen_compare: what the graph's widest rounding allows. */
double sweep_tolerance(const Graph *graph, double for_f32, double for_f64);

#endif
