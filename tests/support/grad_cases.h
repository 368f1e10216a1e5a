/* grad_cases.h: graphs that tests of differentiation share: every rule, at odd shapes. */
#ifndef TN_TESTS_SUPPORT_GRAD_CASES_H
#define TN_TESTS_SUPPORT_GRAD_CASES_H

#include "tests/support/grad_check.h"

extern const GradCase grad_cases[];
extern const size_t grad_n_cases;

#endif
