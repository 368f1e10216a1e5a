/* grad_points.c: derivatives at exact points. */
#include "tests/support/grad_points.h"

#include <math.h>
#include <string.h>

#include "tests/support/grad_cases.h"

/* Of each output; 1 would hide what it is multiplied with, or raised to. */
enum { WEIGHT = 3 };

const GradPoint grad_points[] = {
    {"|x| has derivative 0 at 0", "abs", {{3, {-2, 0, 2}}}, {{3, {-1, 0, 1}}}},
    {"sign is flat", "sign", {{3, {-2, 0, 2}}}, {{1, {0}}}},
    {"floor is flat", "floor", {{3, {-2, 0.5, 2}}}, {{1, {0}}}},
    {"ceil is flat", "ceil", {{3, {-2, 0.5, 2}}}, {{1, {0}}}},
    {"round is flat", "round", {{3, {-2, 0.5, 1.5}}}, {{1, {0}}}},
    {"trunc is flat", "trunc", {{3, {-2, 0.5, 2}}}, {{1, {0}}}},
    {"equal operands of max share",
     "max",
     {{3, {1, 2, 3}}, {3, {2, 2, 2}}},
     {{3, {0, 0.5, 1}}, {3, {1, 0.5, 0}}}},
    {"equal operands of min share",
     "min",
     {{3, {1, 2, 3}}, {3, {2, 2, 2}}},
     {{3, {1, 0.5, 0}}, {3, {0, 0.5, 1}}}},
    {"max(x, 0) has derivative 0 at 0", "max with a constant", {{3, {-1, 0, 1}}}, {{3, {0, 0, 1}}}},
    {"min(x, 0) has derivative 0 at 0",
     "graph @t(%x: f64[3]) -> (%y) { %z = const() {to=f64, dims=[]} = 0 %w = expand(%z) "
     "{dims=[3], axes=[]} %y = min(%w, %x) }",
     {{3, {-1, 0, 1}}},
     {{3, {1, 0, 0}}}},
    {"a clip by selection has derivative 1 at its bounds",
     "graph @t(%x: f64[5]) -> (%y) { %a = const() {to=f64, dims=[]} = -1 %lo = expand(%a) "
     "{dims=[5], axes=[]} %b = const() {to=f64, dims=[]} = 1 %hi = expand(%b) {dims=[5], axes=[]} "
     "%under = lt(%x, %lo) %over = lt(%hi, %x) %m = select(%over, %hi, %x) %y = "
     "select(%under, %lo, %m) }",
     {{5, {-2, -1, 0, 1, 2}}},
     {{5, {0, 1, 1, 1, 0}}}},
    {"the root is steep at 0", "sqrt", {{3, {0, 1, 4}}}, {{3, {INFINITY, 0.5, 0.25}}}},
    {"the inverse root falls without end",
     "rsqrt",
     {{3, {0, 1, 4}}},
     {{3, {-INFINITY, -0.5, -0.0625}}}},
    {"1 / x falls without end", "recip", {{3, {0, 1, -2}}}, {{3, {-INFINITY, -1, -0.25}}}},
    {"the logarithm is steep at 0", "log", {{3, {0, 1, 4}}}, {{3, {INFINITY, 1, 0.25}}}},
    {"log1p is steep at -1", "log1p", {{3, {-1, 0, 1}}}, {{3, {INFINITY, 1, 0.5}}}},
    {"powers of 0",
     "pow",
     {{5, {0, 0, 0, 0, 0}}, {5, {0, 0.5, 1, 2, 3}}},
     {{5, {0, INFINITY, 1, 0, 0}}, {1, {0}}}},
    {"negative powers of 0",
     "pow",
     {{2, {0, 2}}, {2, {-1, -1}}},
     {{2, {-INFINITY, -0.25}}, {2, {-INFINITY, 0.34657359027997264}}}},
    {"powers of negatives",
     "pow",
     {{4, {-2, -2, -2, 1}}, {4, {0, 2, 3, 5}}},
     {{4, {0, -4, 12, 5}}, {4, {NAN, NAN, NAN, 0}}}},
    {"remainders at a multiple",
     "mod",
     {{3, {4, -4, 5}}, {3, {2, 2, -2}}},
     {{1, {1}}, {3, {-2, 2, 3}}}},
    {"remainders towards zero",
     "rem",
     {{3, {4, -5, 5}}, {3, {2, 2, -2}}},
     {{1, {1}}, {3, {-2, 2, 2}}}},
    {"division by 0",
     "div",
     {{3, {1, -1, 3}}, {3, {0, 0, 2}}},
     {{3, {INFINITY, INFINITY, 0.5}}, {3, {-INFINITY, INFINITY, -0.75}}}},
    {"saturated sigmoid", "sigmoid", {{3, {-1000, 0, 1000}}}, {{3, {0, 0.25, 0}}}},
    {"saturated tanh", "tanh", {{3, {-1000, 0, 1000}}}, {{3, {0, 1, 0}}}},
    {"equal maxima of a reduction share",
     "reduce_max",
     {{12, {1, 1, 0, 2, 1, 0, 0, 2, 0, 1, 0, 2}}},
     {{12, {0.5, 0.5, 1.0 / 3, 1.0 / 3, 0.5, 0, 1.0 / 3, 1.0 / 3, 0, 0.5, 1.0 / 3, 1.0 / 3}}}},
    {"equal minima of a reduction share",
     "reduce_min",
     {{12, {1, 1, 2, 3, 0, 4, 4, 0, 5, 5, 5, 5}}},
     {{12, {0.5, 0.5, 0, 0, 0.5, 0, 0, 0.5, 0.25, 0.25, 0.25, 0.25}}}},
    {"products with zeros",
     "reduce_prod",
     {{12, {2, 0, 3, 4, 0, 0, 3, 4, 1, 2, 3, 4}}},
     {{12, {0, 24, 0, 0, 0, 0, 0, 0, 24, 12, 8, 6}}}},
    {"a zero in products of one and of all",
     "reduce_prod of one and of all",
     {{6, {2, 0, 3, 4, 1, 1}}},
     {{6, {1, 25, 1, 1, 1, 1}}}},
    {"zeros in products of one and of all",
     "reduce_prod of one and of all",
     {{6, {2, 0, 3, 0, 1, 1}}},
     {{1, {1}}}},
    {"the first of equals wins a window",
     "graph @t(%x: f64[1,1,2,6]) -> (%y) { %y = pool_max(%x) {window=[1,1,2,2], strides=[1,1,2,2], "
     "pads_lo=[0,0,0,0], pads_hi=[0,0,0,0], dilations=[1,1,1,1]} }",
     {{12, {1, 1, 0, 2, 0, 0, 1, 1, 2, 2, 0, 0}}},
     {{12, {1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0}}}},
    {"nothing flows through stop_gradient",
     "graph @t(%x: f64[3]) -> (%y) { %s = stop_gradient(%x) %y = mul(%s, %x) }",
     {{3, {2, 3, 4}}},
     {{3, {2, 3, 4}}}},
    {"nothing flows through integers",
     "graph @t(%x: f64[3]) -> (%y) { %i = cast(%x) {to=i64} %f = cast(%i) {to=f64} %y = mul(%f, "
     "%x) }",
     {{3, {2.5, 3.5, -4.5}}},
     {{3, {2, 3, -4}}}},
    {"selection by x does not see x",
     "graph @t(%x: f64[4], %z: f64[4]) -> (%y) { %c = le(%x, %z) %y = select(%c, %x, %z) }",
     {{4, {1, 2, 3, 2}}, {1, {2}}},
     {{4, {1, 1, 0, 1}}, {4, {0, 0, 1, 0}}}},
};

const size_t grad_n_points = sizeof grad_points / sizeof *grad_points;

GradCase grad_point_case(const GradPoint *point) {
    for (size_t i = 0; i < grad_n_cases; i++) {
        if (strcmp(grad_cases[i].name, point->graph) == 0) {
            return grad_cases[i];
        }
    }
    return (GradCase){.name = point->name, .text = point->graph};
}

static void spread(const GradPattern *pattern, RefTensor *tensor) {
    for (int64_t k = 0; k < tensor->count; k++) {
        tensor->f[k] = pattern->at[k % pattern->n];
    }
}

static bool is_pattern(const GradPattern *pattern, const RefTensor *tensor) {
    bool same = true;
    for (int64_t k = 0; k < tensor->count; k++) {
        double wanted = pattern->at[k % pattern->n], found = tensor->f[k];
        same = same &&
               (isnan(wanted)   ? isnan(found)
                : isinf(wanted) ? wanted == found
                                : fabs(wanted * (double)WEIGHT - found) <= 1e-15 * fabs(found));
    }
    return same;
}

bool grad_point_holds(const GradPoint *point, GradCheck *check, Graph *gradient) {
    static const GradPattern weights = {1, {WEIGHT}};
    for (size_t i = 0; i < gradient->inputs.len; i++) {
        spread(i < check->n_in ? &point->in[i] : &weights, &check->in[i]);
    }
    const RefTensor *out = grad_check_outputs(check, gradient);
    bool holds = out != NULL;
    for (size_t i = 0; i < check->n_in && holds; i++) {
        holds = is_pattern(&point->ct[i], &out[check->n_out + i]);
    }
    return holds;
}
