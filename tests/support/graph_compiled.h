/* graph_compiled.h: graphs compiled into this process against the evaluator.
 *
 * A graph goes through its text form into the public API, is compiled and run with 1, 2 and 5
 * threads: results must be near the evaluator's and equal in every bit at any number of
 * threads. Buffers are exactly as large as promised, so a sanitizer sees what leaves them.
 */
#ifndef TN_TESTS_SUPPORT_GRAPH_COMPILED_H
#define TN_TESTS_SUPPORT_GRAPH_COMPILED_H

#include "tests/support/graph_gen.h"

typedef struct CompiledSetting {
    const char *level, *march; /* options `opt` and `march` of the compiler */
} CompiledSetting;

/* NULL, or what is wrong under the first setting where something is. */
const char *compiled_check(Graph *graph, const RefTensor *inputs, const CompiledSetting *settings,
                           size_t n);

#endif
