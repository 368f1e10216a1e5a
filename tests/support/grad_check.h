/* grad_check.h: gradients of graphs held against central differences, in f64.
 *
 * A graph's outputs are weighted with random numbers and summed to one scalar; its derivatives
 * by every element of every f64 input are compared. Inputs are uniform in a range that keeps
 * them away from kinks.
 */
#ifndef TN_TESTS_SUPPORT_GRAD_CHECK_H
#define TN_TESTS_SUPPORT_GRAD_CHECK_H

#include "ir/grad.h"

typedef struct GradCase {
    const char *name;
    const char *text; /* a graph; floats are f64, integer inputs get values from 0 to n - 1 */
    double lo, hi;    /* of the inputs */
    int64_t n;
    double tolerance; /* 0: 1e-7 */
} GradCase;

/* Changes a gradient graph before it is evaluated, for tests that plant mistakes. */
typedef void GradChangeFn(void *arg, Graph *graph);

/* The largest difference between gradient and central difference, relative to the largest
 * derivative of its input or 1; a negative number after a diagnostic. */
double grad_check_error(Ctx *ctx, const GradCase *test, uint64_t seed, GradChangeFn *change,
                        void *arg);
/* <u, J v> - <J' u, v> relative to their size, for random u and v; J v comes from
 * differentiating J' u by u. */
double grad_check_dot(Ctx *ctx, const GradCase *test, uint64_t seed);

#endif
