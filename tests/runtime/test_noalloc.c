/* test_noalloc.c: a run whose shapes were planned allocates nothing.
 *
 * Calls of the allocator are counted by standing in for it, which a sanitizer does itself:
 * there the test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/runtime/fixture.h"
#include "tests/runtime/train_fixture.h"
#include "tests/support/alloc_count.h"

static void runs_allocate_nothing(void **state) {
    (void)state;
    if (alloc_count() < 0) {
        skip();
    }
    static float x[300], y[300], z[300], s[8];
    int64_t pick = 4;
    tn_tensor in[] = {{.data = x, .dtype = TN_F32, .rank = 2, .dims = {100, 3}},
                      {.data = y, .dtype = TN_F32, .rank = 2, .dims = {100, 3}},
                      {.data = &pick, .dtype = TN_I64, .rank = 1, .dims = {1}}};
    tn_tensor out[] = {{.data = z, .dtype = TN_F32, .rank = 2, .dims = {100, 3}},
                       {.data = s, .dtype = TN_F32, .rank = 1, .dims = {4}}};
    tn_tensor shapes[2] = {0};
    tn_model *model;
    assert_int_equal(tn_model_from_desc(&fixture_model, NULL, 0, &model, NULL, 0), TN_OK);
    for (int32_t threads = 1; threads <= 4; threads++) {
        tn_session *session;
        assert_int_equal(tn_session_create(model, NULL, &session, NULL, 0), TN_OK);
        tn_session_set_threads(session, threads);
        assert_int_equal(tn_session_plan(session, in, 3, shapes, 2), TN_OK);
        long before = alloc_count();
        assert_true(before > 0); /* the counter works */
        for (int i = 0; i < 20; i++) {
            assert_int_equal(tn_session_run(session, in, 3, out, 2), TN_OK);
        }
        assert_int_equal(alloc_count(), before);
        tn_session_destroy(session);
    }
    tn_model_close(model);
}

/* Neither new values of a small integer input, for which the plan is made again, nor a new
 * hyper-parameter, nor another state costs memory. */
static void training_allocates_nothing(void **unused) {
    (void)unused;
    if (alloc_count() < 0) {
        skip();
    }
    static float x[TRAIN_N] = {1, 2, 3};
    int64_t seed = 0;
    float loss = 0;
    tn_tensor seed_in = {.data = &seed, .dtype = TN_I64}, out = {.data = &loss, .dtype = TN_F32};
    tn_tensor in = {.data = x, .dtype = TN_F32, .rank = 1, .dims = {TRAIN_N}}, shape = {0};
    tn_model *model;
    assert_int_equal(tn_model_from_desc(&train_model, NULL, 0, &model, NULL, 0), TN_OK);
    void *states[2] = {tn_state_create(model), tn_state_create(model)};
    for (int32_t threads = 1; threads <= 4; threads++) {
        tn_session *init, *step;
        assert_int_equal(tn_session_create(model, "init", &init, NULL, 0), TN_OK);
        assert_int_equal(tn_session_create(model, "step", &step, NULL, 0), TN_OK);
        tn_session_set_threads(init, threads);
        tn_session_set_threads(step, threads);
        assert_int_equal(tn_session_plan(init, &seed_in, 1, NULL, 0), TN_OK);
        assert_int_equal(tn_session_plan(step, &in, 1, &shape, 1), TN_OK);
        long before = alloc_count();
        for (seed = 0; seed < 20; seed++) {
            void *state = states[seed % 2];
            tn_session_set_state(init, state);
            tn_session_set_state(step, state);
            assert_int_equal(tn_session_set_hyper(step, "rate", (double)seed), TN_OK);
            assert_int_equal(tn_session_run(init, &seed_in, 1, NULL, 0), TN_OK);
            assert_int_equal(tn_session_run(step, &in, 1, &out, 1), TN_OK);
        }
        assert_int_equal(alloc_count(), before);
        tn_session_destroy(init);
        tn_session_destroy(step);
    }
    tn_state_destroy(states[0]);
    tn_state_destroy(states[1]);
    tn_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_allocate_nothing),
                                       cmocka_unit_test(training_allocates_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
