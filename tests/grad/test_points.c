/* test_points.c: derivatives where a convention decides, exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/grad_points.h"

static void test_point(void **state) {
    const GradPoint *point = *state;
    GradCase test = grad_point_case(point);
    Ctx ctx;
    GradCheck check;
    tn_ctx_init(&ctx, NULL);
    if (!grad_check_case(&check, &ctx, &test, 1)) {
        fail_msg("%s: %s", point->name, grad_check_messages(&ctx));
    }
    if (!grad_point_holds(point, &check, check.gradient)) {
        const RefTensor *out = grad_check_outputs(&check, check.gradient);
        for (size_t i = 0; i < check.n_in; i++) {
            for (int64_t k = 0; k < out[check.n_out + i].count; k++) {
                print_error("input %zu, element %d: %g\n", i, (int)k, out[check.n_out + i].f[k]);
            }
        }
        fail_msg("%s", point->name);
    }
    tn_ctx_free(&ctx);
}

int main(void) {
    struct CMUnitTest *tests = calloc(grad_n_points, sizeof *tests);
    if (tests == NULL) {
        return 1;
    }
    for (size_t i = 0; i < grad_n_points; i++) {
        void *point = (void *)(uintptr_t)&grad_points[i];
        tests[i] = (struct CMUnitTest){grad_points[i].name, test_point, NULL, NULL, point};
    }
    int failed = _cmocka_run_group_tests("points", tests, grad_n_points, NULL, NULL);
    free(tests);
    return failed;
}
