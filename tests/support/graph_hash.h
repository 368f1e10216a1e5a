/* graph_hash.h: the structural hash of a graph: equal for graphs that compute the same in the
 * same way, whatever their names, ids and locations.
 */
#ifndef TN_TESTS_SUPPORT_GRAPH_HASH_H
#define TN_TESTS_SUPPORT_GRAPH_HASH_H

#include "ir/op.h"

uint64_t graph_hash(const Graph *graph);

#endif
