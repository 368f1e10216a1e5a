/* train_fixture.h: a small training model written by hand in the shape the emitter gives it.
 *
 * State: w f32[6] (a parameter), m f64[2, 3] (the optimiser's), steps i64[] (a counter).
 *   init(seed i64[]) -> ():         w[i] = seed + i, m = 0, steps = 0
 *   step(x f32[6]) -> (loss f32[]): loss = sum of w[i] x[i] before the update;
 *                                   m = decay m + x, w = w - rate m, steps = steps + 1
 * with the hyper-parameters rate = 0.5 and decay = 0.
 */
#ifndef TN_TESTS_RUNTIME_TRAIN_FIXTURE_H
#define TN_TESTS_RUNTIME_TRAIN_FIXTURE_H

#include <stdint.h>

#include "tenon/runtime.h"

enum { TRAIN_N = 6, TRAIN_W = 0, TRAIN_M = 64, TRAIN_STEPS = 128, TRAIN_BYTES = 192 };

static int32_t train_plan(const tn_tensor *inputs, int32_t n_threads, int64_t *plan) {
    (void)inputs;
    (void)n_threads;
    plan[0] = 0;
    plan[1] = 0;
    return 0;
}

static float *train_w(const tn_run *run) {
    return (float *)(void *)(run->state + TRAIN_W);
}

static double *train_m(const tn_run *run) {
    return (double *)(void *)(run->state + TRAIN_M);
}

static int64_t *train_steps(const tn_run *run) {
    return (int64_t *)(void *)(run->state + TRAIN_STEPS);
}

static void train_init(const tn_run *run, int32_t thread, int32_t n_threads) {
    int64_t seed = *(const int64_t *)run->in[0];
    for (int i = thread; i < TRAIN_N; i += n_threads) {
        train_w(run)[i] = (float)(seed + i);
        train_m(run)[i] = 0;
    }
    if (thread == 0) {
        *train_steps(run) = 0;
    }
}

static void train_step(const tn_run *run, int32_t thread, int32_t n_threads) {
    const float *x = run->in[0];
    float *w = train_w(run), *loss = run->out[0];
    double *m = train_m(run), rate = run->hyper[0], decay = run->hyper[1];
    if (thread == 0) {
        *loss = 0;
        for (int i = 0; i < TRAIN_N; i++) {
            *loss += w[i] * x[i];
        }
        ++*train_steps(run);
    }
    run->barrier(run->team);
    for (int i = thread; i < TRAIN_N; i += n_threads) {
        m[i] = decay * m[i] + (double)x[i];
        w[i] = (float)((double)w[i] - rate * m[i]);
    }
}

static const int64_t train_six[] = {TRAIN_N}, train_two_three[] = {2, 3};
static const tn_io_desc train_seed[] = {{"seed", TN_I64, 0, NULL, 0}};
static const tn_io_desc train_x[] = {{"x", TN_F32, 1, train_six, 0}};
static const tn_io_desc train_loss[] = {{"loss", TN_F32, 0, NULL, 0}};
static const tn_entry_desc train_entries[] = {
    {.name = "init",
     .inputs = train_seed,
     .n_inputs = 1,
     .n_plan = 2,
     .plan = train_plan,
     .run = train_init},
    {.name = "step",
     .inputs = train_x,
     .outputs = train_loss,
     .n_inputs = 1,
     .n_outputs = 1,
     .n_plan = 2,
     .plan = train_plan,
     .run = train_step},
};
static const tn_state_desc train_state[] = {
    {"net.w", TN_F32, 1, train_six, TRAIN_W, TN_STATE_PARAM, 0},
    {"sgd.m.net.w", TN_F64, 2, train_two_three, TRAIN_M, TN_STATE_OPTIMIZER, 0},
    {"step", TN_I64, 0, NULL, TRAIN_STEPS, TN_STATE_COUNTER, 0},
};
static const tn_hyper_desc train_hyper[] = {{"rate", 0.5}, {"decay", 0}};
static const tn_model_desc train_model = {
    .abi_version = TN_ABI_VERSION,
    .desc_size = sizeof(tn_model_desc),
    .name = "trainer",
    .target = "any",
    .entries = train_entries,
    .n_entries = 2,
    .n_state = 3,
    .state = train_state,
    .state_bytes = TRAIN_BYTES,
    .hyper = train_hyper,
    .n_hyper = 2,
};

#endif
