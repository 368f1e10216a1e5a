/* fixture.h: a small model written by hand in the shape the emitter gives it.
 *
 * twist(x f32[N,3], y f32[N,3], pick i64[1]) -> (z f32[N,3], s f32[pick]):
 *   kernel 0: t[i] = 2 x[i]           (shared out; t lies in the arena)
 *   barrier
 *   kernel 1: z[i] = t[last - i] + y[i] (needs what other threads wrote)
 *   kernel 2: s[j] = j                (length decided by the value of `pick`)
 */
#ifndef TN_TESTS_RUNTIME_FIXTURE_H
#define TN_TESTS_RUNTIME_FIXTURE_H

#include <stdatomic.h>
#include <stdint.h>

#include "tenon/runtime.h"

static atomic_int fixture_plans; /* how often the plan function ran */

static int32_t fixture_plan(const tn_tensor *inputs, int32_t n_threads, int64_t *plan) {
    (void)n_threads;
    atomic_fetch_add(&fixture_plans, 1);
    int64_t n = inputs[0].dims[0], pick = *(const int64_t *)inputs[2].data;
    if (pick < 0) {
        return 1;
    }
    if (n > (INT64_MAX - 64) / 12) {
        return 2;
    }
    plan[0] = (n * 12 + 63) / 64 * 64;
    plan[1] = 3;
    plan[2] = n;
    plan[3] = 3;
    plan[4] = pick;
    return 0;
}

static void fixture_share(int64_t n, int32_t thread, int32_t n_threads, int64_t *lo, int64_t *hi) {
    *lo = n * thread / n_threads;
    *hi = n * (thread + 1) / n_threads;
}

static void fixture_kernel(const tn_run *run, int32_t index, int32_t thread, int32_t n_threads) {
    const float *x = run->in[0], *y = run->in[1];
    float *t = (float *)(void *)run->arena, *z = run->out[0], *s = run->out[1];
    int64_t lo, hi, n = run->plan[2] * 3;
    fixture_share(index == 2 ? run->plan[4] : n, thread, n_threads, &lo, &hi);
    for (int64_t i = lo; i < hi; i++) {
        if (index == 0) {
            t[i] = 2 * x[i];
        } else if (index == 1) {
            z[i] = t[n - 1 - i] + y[i];
        } else {
            s[i] = (float)i;
        }
    }
}

static void fixture_run(const tn_run *run, int32_t thread, int32_t n_threads) {
    fixture_kernel(run, 0, thread, n_threads);
    run->barrier(run->team);
    fixture_kernel(run, 1, thread, n_threads);
    fixture_kernel(run, 2, thread, n_threads);
}

static const int64_t fixture_dims[] = {-1, 3};
static const int64_t fixture_one[] = {1};
static const int64_t fixture_picked[] = {-2};
static const tn_io_desc fixture_inputs[] = {
    {"x", TN_F32, 2, fixture_dims, 0},
    {"y", TN_F32, 2, fixture_dims, 0},
    {"pick", TN_I64, 1, fixture_one, 0},
};
static const tn_io_desc fixture_outputs[] = {
    {"z", TN_F32, 2, fixture_dims, 0},
    {"s", TN_F32, 1, fixture_picked, 0},
};
static const char *const fixture_checks[] = {"'pick' must not be negative",
                                             "N is beyond what fits memory"};
static const char *const fixture_kernels[] = {"double", "twist", "count"};
static const char *const fixture_symbols[] = {"N", "picked"};
static const double fixture_flops[] = {3, 3, 0};
static const tn_entry_desc fixture_entries[] = {{
    .name = "infer",
    .inputs = fixture_inputs,
    .outputs = fixture_outputs,
    .n_inputs = 3,
    .n_outputs = 2,
    .n_plan = 5,
    .n_checks = 2,
    .checks = fixture_checks,
    .plan = fixture_plan,
    .run = fixture_run,
    .n_kernels = 3,
    .kernel_names = fixture_kernels,
    .run_kernel = fixture_kernel,
    .kernel_flops = fixture_flops,
}};
static const tn_model_desc fixture_model = {
    .abi_version = TN_ABI_VERSION,
    .desc_size = sizeof(tn_model_desc),
    .n_symbols = 2,
    .name = "twist",
    .target = "any",
    .symbol_names = fixture_symbols,
    .entries = fixture_entries,
    .n_entries = 1,
};

#endif
