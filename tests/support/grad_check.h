/* grad_check.h: gradients of graphs held against central differences, in f64.
 *
 * The graph's outputs are weighted with random numbers u and summed to one scalar; J' u, its
 * derivatives by every element of every float input, are what is checked. Nothing here knows
 * any rule: differences come from evaluating the graph alone.
 */
#ifndef TN_TESTS_SUPPORT_GRAD_CHECK_H
#define TN_TESTS_SUPPORT_GRAD_CHECK_H

#include "ir/grad.h"

enum { GRAD_SYMBOLS = 3, GRAD_INDEX_MAX = 6 };

/* A graph over f64 whose inputs are uniform in lo..hi, a range away from kinks; integers are in
 * -GRAD_INDEX_MAX..GRAD_INDEX_MAX. */
typedef struct GradCase {
    const char *name, *text;
    double lo, hi;
    int64_t sizes[GRAD_SYMBOLS]; /* of the symbols, in the order in which the text has them */
} GradCase;

typedef struct GradCheck {
    Ctx *ctx;
    uint64_t random;
    Graph *graph;
    Graph *gradient; /* the graph, a weight per output as further inputs, J' u as further outputs */
    uint32_t n_nodes; /* of `gradient` before J' u was built: the nodes in front */
    RefTensor *in; /* of `gradient` */
    size_t n_in, n_out;
    double **differences; /* by input, NULL before they are first asked for */
} GradCheck;

/* False after a diagnostic. All lives in the context's arena. */
bool grad_check_case(GradCheck *check, Ctx *ctx, const GradCase *test, uint64_t seed);
/* A graph at the given inputs; weights come from `seed`. */
bool grad_check_graph(GradCheck *check, Ctx *ctx, Graph *graph, const RefTensor *inputs,
                      uint64_t seed);

/* The check with other inputs of the case and other weights; graphs are shared. */
GradCheck grad_check_again(const GradCheck *check, const GradCase *test, uint64_t seed);

/* The largest difference between J' u as `gradient` has it (the check's own, or a changed copy)
 * and central differences, relative to the largest derivative of its input or 1; negative after
 * a diagnostic. */
double grad_check_error(GradCheck *check, Graph *gradient);
/* The same for the second derivatives: the gradient of J' u by the inputs and by u. */
double grad_check_second_error(GradCheck *check);
/* <u, J v> - <J' u, v> relative to their size, for a random v; J v comes from differentiating
 * J' u by u. Negative after a diagnostic. */
double grad_check_dot(GradCheck *check);
/* J' u along a random direction; `wanted` is the central
 * difference, `rough` by how much it changes with half the step: of the order of its error,
 * large beside a kink. NaN after a diagnostic. */
double grad_check_along(GradCheck *check, double *wanted, double *rough);
/* Outputs of `gradient`, which has as many as the check's own, at the check's inputs. */
RefTensor *grad_check_outputs(GradCheck *check, Graph *gradient);
/* The context's diagnostics as text. */
const char *grad_check_messages(Ctx *ctx);

#endif
