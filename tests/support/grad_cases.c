/* grad_cases.c: graphs that tests of differentiation share. */
#include "tests/support/grad_cases.h"

#define SIZES(...) {__VA_ARGS__}
#define GRAD_CASE(name, lo, hi, sizes, text) {name, text, lo, hi, sizes},

const GradCase grad_cases[] = {
#include "tests/support/grad_cases.def"
};

const size_t grad_n_cases = sizeof grad_cases / sizeof *grad_cases;
