/* graph_gen.h: random graphs of primitives for differential tests.
 *
 * A graph is a function of its seed. Values stay tame, so that results can be compared:
 * magnitudes are bounded, divisors and arguments of roots and logarithms kept away from
 * where these are steep, and primitives that jump (comparison, rounding, casts to integer,
 * argmax) only see operands known to be exact: integers, and floats that are small
 * multiples of a power of two. Symbolic dims are shared among inputs and may be zero.
 */
#ifndef TN_TESTS_SUPPORT_GRAPH_GEN_H
#define TN_TESTS_SUPPORT_GRAPH_GEN_H

#include "ir/op.h"

typedef struct GenOptions {
    uint64_t seed;
    DType float_type; /* dtype of float values: TN_F32 or TN_F64 */
} GenOptions;

/* The graph of a seed, owned by the context. Any diagnostic is a fault of the generator or of
 * a type rule. */
Graph *gen_graph(Ctx *ctx, GenOptions options);

/* Inputs for the graph: sizes of symbols and elements from `seed`. */
RefTensor *gen_inputs(Graph *graph, uint64_t seed, Arena *arena);

/* How far evaluations of one graph may lie apart. */
typedef struct GenOutputs {
    size_t n;
    RefTensor *exact;     /* evaluated in double */
    RefTensor *disturbed; /* with rounding errors everywhere: how sensitive the graph is */
} GenOutputs;

/* Evaluates the graph both ways; false after a diagnostic. */
bool gen_eval(Graph *graph, const RefTensor *inputs, Arena *arena, GenOutputs *out);
/* Compares tensor `i` with `found`; the tolerance is `relative` of the largest finite
 * magnitude and 64 times the sensitivity. Integers and non-finite values must be equal. NULL
 * when equal, else what differs, in `arena`. */
const char *gen_compare(const GenOutputs *expected, size_t i, const RefTensor *found,
                        double relative, Arena *arena);

/* The smallest graph found for which `fails` still holds, by dropping outputs and turning
 * values into inputs. */
typedef bool GenFails(void *arg, Graph *graph);
Graph *gen_shrink(Graph *graph, GenFails *fails, void *arg);

#endif
