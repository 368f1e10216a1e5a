/* grad_points.h: derivatives at exact points: kinks, ties, bounds and poles, where differences
 * say nothing and a convention decides. It is PyTorch's.
 */
#ifndef TN_TESTS_SUPPORT_GRAD_POINTS_H
#define TN_TESTS_SUPPORT_GRAD_POINTS_H

#include "tests/support/grad_check.h"

enum { GRAD_PATTERN = 12, GRAD_OPERANDS = 2 };

/* Elements, repeated until the tensor is full. */
typedef struct GradPattern {
    int n;
    double at[GRAD_PATTERN];
} GradPattern;

typedef struct GradPoint {
    const char *name;
    const char *graph; /* the name of a case, or a graph's text */
    GradPattern in[GRAD_OPERANDS]; /* of the float inputs, in order */
    GradPattern ct[GRAD_OPERANDS]; /* their cotangents by the sum of the outputs */
} GradPoint;

extern const GradPoint grad_points[];
extern const size_t grad_n_points;

/* The case of the point: of the table, or made of its text. */
GradCase grad_point_case(const GradPoint *point);
/* Whether `gradient`, which has inputs and outputs as the check's own, has exactly the point's
 * cotangents; what the check had as inputs is overwritten. */
bool grad_point_holds(const GradPoint *point, GradCheck *check, Graph *gradient);

#endif
