/* graph_fault.h: faults planted into graphs, one at a time, to see which a test notices.
 *
 * A fault changes what one node gives, bodies of loops included: another operation of the same
 * signature, operands swapped or replaced by another value, an operand in the place of the
 * result, attributes off by one, the result negated, doubled, zero or off by one. Types stay
 * what they were, so that the rest of the graph fits. What arithmetic makes harmless is no fault:
 * operands of a sum swapped, zero negated or doubled, one zero in the place of another.
 */
#ifndef TN_TESTS_SUPPORT_GRAPH_FAULT_H
#define TN_TESTS_SUPPORT_GRAPH_FAULT_H

#include "ir/build.h"

typedef struct Faults {
    const Graph *graph;
    uint32_t n_kept; /* nodes at the front that stay as they are */
    uint32_t node, kind, choice; /* of the next attempt */
    Graph *copy; /* for the next attempt, NULL: made anew */
} Faults;

typedef struct Fault {
    Graph *graph;     /* a copy with the fault */
    const Node *node; /* the node changed, as it was; in `graph`, or in a body */
    const char *what;
} Fault;

Faults fault_begin(const Graph *graph, uint32_t n_kept);
/* False when all have been planted. */
bool fault_next(Faults *faults, Fault *out);

#endif
