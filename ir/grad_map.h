/* grad_map.h: gradients of elementwise primitives from the derivative texts of ops.def. */
#ifndef TN_IR_GRAD_MAP_H
#define TN_IR_GRAD_MAP_H

#include "ir/grad.h"

/* The rule of every MAP row. */
bool tn_grad_map(GradRule *rule);
/* The same with other texts than the row's, in its syntax: for tests that plant mistakes. */
bool tn_grad_map_text(GradRule *rule, const char *derivatives);

#endif
