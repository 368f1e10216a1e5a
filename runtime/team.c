/* team.c: the barrier of a run.
 *
 * Waiting goes through three stages, each bounded by time, not by a count: spin while
 * the others should be here any moment, yield so that whoever needs this core gets it,
 * then sleep. With more threads than cores the first stage is left out, for the one
 * waited for may need the very core that spins.
 *
 * Sleepers announce themselves before they look at the phase for the last time, and the
 * opener changes the phase before it looks for sleepers: with sequential consistency
 * at least one of the two sees the other, so no wake-up is lost.
 */
#include "runtime/team.h"

#include <sched.h>
#include <time.h>

enum {
    SPIN_NS = 20 * 1000,
    YIELD_NS = 500 * 1000,        /* from the start of waiting */
    CROWDED_YIELD_NS = 100 * 1000,
    SPINS_PER_LOOK = 64           /* at the clock */
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void tn_gate_init(Gate *gate) {
    atomic_init(&gate->phase, 0);
    atomic_init(&gate->sleepers, 0);
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->opened, NULL);
}

void tn_gate_open(Gate *gate) {
    atomic_fetch_add(&gate->phase, 1);
    if (atomic_load(&gate->sleepers) == 0) {
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->mutex);
}

static bool opened(Gate *gate, unsigned phase) {
    return atomic_load_explicit(&gate->phase, memory_order_acquire) != phase;
}

static bool spin(Gate *gate, unsigned phase, int64_t until) {
    do {
        for (int i = 0; i < SPINS_PER_LOOK; i++) {
            if (opened(gate, phase)) {
                return true;
            }
            relax();
        }
    } while (now_ns() < until);
    return false;
}

static bool yield(Gate *gate, unsigned phase, int64_t until) {
    do {
        if (opened(gate, phase)) {
            return true;
        }
        sched_yield();
    } while (now_ns() < until);
    return false;
}

static void sleep_until_open(Gate *gate, unsigned phase) {
    pthread_mutex_lock(&gate->mutex);
    atomic_fetch_add(&gate->sleepers, 1);
    while (atomic_load(&gate->phase) == phase) {
        pthread_cond_wait(&gate->opened, &gate->mutex);
    }
    atomic_fetch_sub(&gate->sleepers, 1);
    pthread_mutex_unlock(&gate->mutex);
}

void tn_gate_wait(Gate *gate, unsigned phase, bool crowded) {
    if (opened(gate, phase)) {
        return;
    }
    int64_t start = now_ns();
    if (!crowded && spin(gate, phase, start + SPIN_NS)) {
        return;
    }
    if (!yield(gate, phase, start + (crowded ? CROWDED_YIELD_NS : YIELD_NS))) {
        sleep_until_open(gate, phase);
    }
}

void tn_team_init(Team *team) {
    atomic_init(&team->arrived, 0);
    atomic_init(&team->n_threads, 1);
    team->crowded = false;
    tn_gate_init(&team->gate);
}

void tn_team_barrier(void *arg) {
    Team *team = arg;
    int n = atomic_load_explicit(&team->n_threads, memory_order_relaxed);
    if (n <= 1) {
        return;
    }
    /* Read before arriving: the gate cannot open without us. */
    unsigned phase = atomic_load_explicit(&team->gate.phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 == n) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        tn_gate_open(&team->gate);
    } else {
        tn_gate_wait(&team->gate, phase, team->crowded);
    }
}
