/* pool.c: worker threads of our own, kept between runs.
 *
 * Each run is one phase of the `start` gate: workers wait for it, do the job, and the
 * last to finish opens `done`. A worker counts from the phase it has seen itself, so one
 * that is late simply finds the gate open. The job is written before the gate opens and
 * not touched until all workers are done with it.
 */
#include "runtime/team.h"

#include <signal.h>
#include <stdlib.h>

#include "runtime/rt.h"

struct Pool {
    Gate start, done;
    atomic_int running;
    atomic_bool quit;
    bool crowded;
    CrewBody *body;
    void *arg;
    int32_t n_threads; /* workers that started, and the caller */
    struct Worker {
        pthread_t thread;
        Pool *pool;
        int32_t number;
    } *workers;
};

static void *worker_main(void *arg) {
    struct Worker *worker = arg;
    Pool *pool = worker->pool;
    for (unsigned phase = 0;; phase++) {
        tn_gate_wait(&pool->start, phase, pool->crowded);
        if (atomic_load(&pool->quit)) {
            return NULL;
        }
        pool->body(pool->arg, worker->number, pool->n_threads);
        if (atomic_fetch_sub(&pool->running, 1) == 1) {
            tn_gate_open(&pool->done);
        }
    }
}

/* Signals are the host's business: workers take none. */
static void start_workers(Pool *pool, int32_t n_threads) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int32_t i = 1; i < n_threads; i++) {
        struct Worker *worker = &pool->workers[i - 1];
        *worker = (struct Worker){.pool = pool, .number = i};
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            break;
        }
        pool->n_threads = i + 1; /* read by workers only after the first gate opens */
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

Pool *tn_pool_create(int32_t n_threads) {
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return NULL;
    }
    pool->workers = calloc((size_t)n_threads, sizeof *pool->workers);
    if (!pool->workers) {
        free(pool);
        return NULL;
    }
    tn_gate_init(&pool->start);
    tn_gate_init(&pool->done);
    pool->crowded = n_threads > tn_cpu_cores();
    pool->n_threads = 1;
    start_workers(pool, n_threads);
    return pool;
}

void tn_pool_destroy(Pool *pool) {
    if (!pool) {
        return;
    }
    atomic_store(&pool->quit, true);
    tn_gate_open(&pool->start);
    for (int32_t i = 1; i < pool->n_threads; i++) {
        pthread_join(pool->workers[i - 1].thread, NULL);
    }
    free(pool->workers);
    free(pool);
}

int32_t tn_pool_threads(const Pool *pool) {
    return pool->n_threads;
}

void tn_pool_run(Pool *pool, CrewBody *body, void *arg) {
    if (pool->n_threads == 1) {
        body(arg, 0, 1);
        return;
    }
    pool->body = body;
    pool->arg = arg;
    atomic_store(&pool->running, pool->n_threads - 1);
    unsigned phase = atomic_load(&pool->done.phase);
    tn_gate_open(&pool->start);
    body(arg, 0, pool->n_threads);
    tn_gate_wait(&pool->done, phase, pool->crowded);
}
