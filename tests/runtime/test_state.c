/* test_state.c: state and hyper-parameters of training models: two entries over one region,
 * several regions at once, and describing tables that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "tests/runtime/train_fixture.h"

static const float x_data[TRAIN_N] = {1, -2, 0.5f, 0, 4, 8};

static tn_model *make_model(void) {
    char error[256];
    tn_model *model = NULL;
    assert_int_equal(tn_model_from_desc(&train_model, NULL, 0, &model, error, sizeof error), 0);
    assert_string_equal(error, "");
    return model;
}

static tn_session *make_session(const tn_model *model, const char *entry, void *state) {
    char error[256];
    tn_session *session = NULL;
    assert_int_equal(tn_session_create(model, entry, &session, error, sizeof error), TN_OK);
    if (state) {
        tn_session_set_state(session, state);
    }
    return session;
}

static tn_status run_init(tn_session *session, int64_t seed) {
    tn_tensor in = {.data = &seed, .dtype = TN_I64};
    return tn_session_run(session, &in, 1, NULL, 0);
}

static tn_status run_step(tn_session *session, float *loss) {
    tn_tensor in = {.data = (void *)(uintptr_t)x_data, .dtype = TN_F32, .rank = 1, .dims = {6}};
    tn_tensor out = {.data = loss, .dtype = TN_F32};
    return tn_session_run(session, &in, 1, &out, 1);
}

/* Initialises a state of its own and trains it: the loss of the last step. */
static float train(const tn_model *model, void *state, int64_t seed, int steps, int32_t threads) {
    tn_session *init = make_session(model, "init", state);
    tn_session *step = make_session(model, "step", state);
    float loss = -1;
    tn_session_set_threads(init, threads);
    tn_session_set_threads(step, threads);
    assert_int_equal(run_init(init, seed), TN_OK);
    for (int i = 0; i < steps; i++) {
        assert_int_equal(run_step(step, &loss), TN_OK);
    }
    tn_session_destroy(init);
    tn_session_destroy(step);
    return loss;
}

/* <w, x> after k steps of rate 0.5 is <seed + i, x> - k/2 <x, x>. */
static float expected_loss(int64_t seed, int steps_before) {
    double loss = 0;
    for (int i = 0; i < TRAIN_N; i++) {
        double x = (double)x_data[i];
        loss += (double)(seed + i) * x - 0.5 * steps_before * x * x;
    }
    return (float)loss;
}

static void entries_share_one_state(void **unused) {
    (void)unused;
    tn_model *model = make_model();
    for (int32_t threads = 1; threads <= 5; threads++) {
        void *state = tn_state_create(model);
        assert_non_null(state);
        assert_int_equal((uintptr_t)state % 64, 0);
        assert_true(train(model, state, 3, 7, threads) == expected_loss(3, 6));
        tn_tensor steps;
        assert_int_equal(tn_state_find(model, state, "step", &steps), TN_OK);
        assert_int_equal(*(int64_t *)steps.data, 7);
        tn_state_destroy(state);
    }
    tn_model_close(model);
}

static void new_state_is_zero(void **unused) {
    (void)unused;
    tn_model *model = make_model();
    unsigned char *state = tn_state_create(model);
    assert_non_null(state);
    for (int i = 0; i < TRAIN_BYTES; i++) {
        assert_int_equal(state[i], 0);
    }
    tn_state_destroy(state);
    tn_state_destroy(NULL);
    assert_null(tn_state_create(NULL));
    tn_model_close(model);
}

static void states_do_not_mix(void **unused) {
    (void)unused;
    tn_model *model = make_model();
    void *a = tn_state_create(model), *b = tn_state_create(model);
    float loss;
    train(model, a, 1, 0, 1);
    train(model, b, 20, 0, 1);
    tn_session *step = make_session(model, "step", a);
    tn_session *other = make_session(model, "step", b);
    for (int i = 0; i < 4; i++) { /* turn by turn, then on the other's region */
        assert_int_equal(run_step(step, &loss), TN_OK);
        assert_true(loss == expected_loss(1, i));
        assert_int_equal(run_step(other, &loss), TN_OK);
        assert_true(loss == expected_loss(20, i));
    }
    tn_session_set_state(step, b);
    assert_int_equal(run_step(step, &loss), TN_OK);
    assert_true(loss == expected_loss(20, 4));
    memcpy(a, b, TRAIN_BYTES); /* a checkpoint is a copy of the bytes */
    tn_session_set_state(step, a);
    assert_int_equal(run_step(step, &loss), TN_OK);
    assert_true(loss == expected_loss(20, 5));
    tn_session_destroy(step);
    tn_session_destroy(other);
    tn_state_destroy(a);
    tn_state_destroy(b);
    tn_model_close(model);
}

static void runs_need_a_state(void **unused) {
    (void)unused;
    tn_model *model = make_model();
    tn_session *step = make_session(model, "step", NULL);
    tn_tensor in = {.dtype = TN_F32, .rank = 1, .dims = {6}}, out = {0};
    float loss;
    assert_int_equal(tn_session_plan(step, &in, 1, &out, 1), TN_OK);
    assert_int_equal(run_step(step, &loss), TN_USAGE);
    assert_string_equal(tn_session_error(step),
                        "the model keeps 192 bytes of state: give the session one "
                        "(tn_state_create, tn_session_set_state) before it runs");
    unsigned char *state = tn_state_create(model);
    tn_session_set_state(step, state + 8);
    assert_int_equal(run_step(step, &loss), TN_USAGE);
    assert_string_equal(tn_session_error(step), "the state must be aligned to 64 bytes");
    tn_session_set_state(step, state);
    assert_int_equal(run_step(step, &loss), TN_OK);
    assert_string_equal(tn_session_error(step), "");
    tn_session_set_state(step, NULL);
    assert_int_equal(run_step(step, &loss), TN_USAGE);
    tn_session_destroy(step);
    tn_state_destroy(state);
    tn_model_close(model);
}

static void finds_variables(void **unused) {
    (void)unused;
    tn_model *model = make_model();
    unsigned char *state = tn_state_create(model);
    tn_tensor found;
    assert_int_equal(tn_state_find(model, state, "sgd.m.net.w", &found), TN_OK);
    assert_ptr_equal(found.data, state + TRAIN_M);
    assert_int_equal(found.dtype, TN_F64);
    assert_int_equal(found.rank, 2);
    assert_int_equal(found.dims[0], 2);
    assert_int_equal(found.dims[1], 3);
    assert_int_equal(tn_state_find(model, state, "net", &found), TN_BAD_INPUT);
    assert_null(found.data);
    assert_int_equal(tn_state_find(model, state, NULL, &found), TN_USAGE);
    assert_int_equal(tn_state_find(model, NULL, "net.w", &found), TN_USAGE);
    assert_int_equal(tn_state_find(NULL, state, "net.w", &found), TN_USAGE);
    assert_int_equal(tn_state_find(model, state, "net.w", NULL), TN_USAGE);
    tn_state_destroy(state);
    tn_model_close(model);
}

static void hyper_parameters(void **unused) {
    (void)unused;
    tn_model *model = make_model();
    void *state = tn_state_create(model);
    float loss;
    train(model, state, 0, 0, 1);
    tn_session *step = make_session(model, "step", state);
    tn_session *fresh = make_session(model, "step", state);
    tn_tensor w;
    assert_int_equal(tn_state_find(model, state, "net.w", &w), TN_OK);
    assert_int_equal(tn_session_set_hyper(step, "rate", 0.25), TN_OK);
    assert_int_equal(run_step(step, &loss), TN_OK);
    assert_true(((float *)w.data)[5] == 5 - 0.25f * 8);
    assert_int_equal(tn_session_set_hyper(step, "decay", 1), TN_OK);
    assert_int_equal(run_step(step, &loss), TN_OK); /* the moment is now twice x */
    assert_true(((float *)w.data)[5] == 5 - 0.25f * 8 - 0.25f * 16);
    assert_int_equal(run_step(fresh, &loss), TN_OK); /* another session has the defaults */
    assert_true(((float *)w.data)[5] == 5 - 0.25f * 8 - 0.25f * 16 - 0.5f * 8);
    assert_int_equal(tn_session_set_hyper(step, "rat", 1), TN_BAD_INPUT);
    assert_string_equal(tn_session_error(step),
                        "no hyper-parameter 'rat'; the model has: rate, decay");
    assert_int_equal(tn_session_set_hyper(step, NULL, 1), TN_BAD_INPUT);
    tn_session_destroy(step);
    tn_session_destroy(fresh);
    tn_state_destroy(state);
    tn_model_close(model);
}

static void there_is_no_infer(void **unused) {
    (void)unused;
    char error[256];
    tn_session *session;
    tn_model *model = make_model();
    assert_int_equal(tn_session_create(model, NULL, &session, error, sizeof error), TN_BAD_INPUT);
    assert_string_equal(error, "no entry 'infer'; the model has: init, step");
    tn_model_close(model);
}

/* A table with one thing wrong. */
static void refuse(const tn_model_desc *desc, const char *text) {
    char error[256] = "";
    tn_model *model;
    assert_int_equal(tn_model_from_desc(desc, NULL, 0, &model, error, sizeof error), TN_BAD_INPUT);
    assert_null(model);
    if (!strstr(error, "trainer: damaged describing table") || !strstr(error, text)) {
        fail_msg("expected '%s' in '%s'", text, error);
    }
}

static void refuse_variable(int index, tn_state_desc var, const char *text) {
    tn_state_desc vars[3];
    tn_model_desc desc = train_model;
    memcpy(vars, train_state, sizeof vars);
    vars[index] = var;
    desc.state = vars;
    refuse(&desc, text);
}

static void refuses_wrong_variables(void **unused) {
    (void)unused;
    static const int64_t negative[] = {2, -3}, huge[] = {INT64_MAX / 2, 16}, long_[] = {9};
    tn_state_desc var = train_state[1];
    var.name = NULL;
    refuse_variable(1, var, "state variable 1 has no name");
    var.name = "";
    refuse_variable(1, var, "state variable 1 has no name");
    var.name = "net.w";
    refuse_variable(1, var, "two variables are named 'net.w'");
    var = train_state[1], var.dims = negative;
    refuse_variable(1, var, "state variable 1 is no tensor");
    var.dims = huge;
    refuse_variable(1, var, "is no tensor");
    var.dims = NULL;
    refuse_variable(1, var, "is no tensor");
    var = train_state[1], var.rank = TN_MAX_RANK + 1;
    refuse_variable(1, var, "is no tensor");
    var.rank = -1;
    refuse_variable(1, var, "is no tensor");
    var = train_state[1], var.dtype = TN_STRING;
    refuse_variable(1, var, "is no tensor");
    var = train_state[1], var.role = 5;
    refuse_variable(1, var, "unknown role");
    var = train_state[1], var.offset = 72;
    refuse_variable(1, var, "not aligned to 64 bytes");
    var.offset = 0;
    refuse_variable(1, var, "lies over the one before it");
    var = train_state[2], var.offset = 192;
    refuse_variable(2, var, "reaches past the end");
    var.offset = UINT64_MAX - 63;
    refuse_variable(2, var, "reaches past the end");
    var = train_state[2], var.rank = 1, var.dims = long_;
    refuse_variable(2, var, "reaches past the end");
}

static void refuses_wrong_tables(void **unused) {
    (void)unused;
    tn_hyper_desc hyper[2] = {train_hyper[0], train_hyper[0]};
    tn_model_desc desc = train_model;
    desc.hyper = hyper;
    refuse(&desc, "two variables are named 'rate'");
    hyper[1].name = NULL;
    refuse(&desc, "hyper-parameter 1 has no name");
    desc.hyper = NULL;
    refuse(&desc, "");
    desc = train_model, desc.n_hyper = -1;
    refuse(&desc, "");
    desc.n_hyper = INT64_MAX;
    refuse(&desc, "");
    desc = train_model, desc.state = NULL;
    refuse(&desc, "");
    desc = train_model, desc.n_state = -1;
    refuse(&desc, "");
}

static void absurd_state_is_refused(void **unused) {
    (void)unused;
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 4096, INT64_MAX, (uint64_t)1 << 60};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        tn_model_desc desc = train_model;
        tn_model *model;
        desc.state_bytes = sizes[i];
        assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, NULL, 0), TN_OK);
        assert_null(tn_state_create(model));
        tn_model_close(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_share_one_state), cmocka_unit_test(new_state_is_zero),
        cmocka_unit_test(states_do_not_mix),       cmocka_unit_test(runs_need_a_state),
        cmocka_unit_test(finds_variables),         cmocka_unit_test(hyper_parameters),
        cmocka_unit_test(there_is_no_infer),       cmocka_unit_test(refuses_wrong_variables),
        cmocka_unit_test(refuses_wrong_tables),    cmocka_unit_test(absurd_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
