/* team.h: the threads of one run: how they are got, how they meet.
 *
 * A Crew delivers threads: the caller's pool, else one OpenMP region a run, else worker
 * threads of its own. The second is passed over where libgomp could not survive: in
 * a forked child, and where the system refuses to create threads. Fewer threads than
 * asked for may be delivered; results do not depend on the number.
 */
#ifndef TN_RUNTIME_TEAM_H
#define TN_RUNTIME_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tenon/runtime.h"

/* A counter that threads wait on: spinning for a bounded time, then asleep. */
typedef struct Gate {
    atomic_uint phase;
    atomic_int sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t opened;
} Gate;

void tn_gate_init(Gate *gate);
/* Moves to the next phase and wakes all who wait for it. */
void tn_gate_open(Gate *gate);
/* Returns once the phase is no longer `phase`. `crowded`: more threads than cores. */
void tn_gate_wait(Gate *gate, unsigned phase, bool crowded);

/* A barrier: whoever arrives last opens the gate. */
typedef struct Team {
    _Alignas(64) atomic_int arrived;
    _Alignas(64) Gate gate;
    atomic_int n_threads;
    bool crowded;
} Team;

void tn_team_init(Team *team);
/* The barrier that emitted code calls; `team` is a Team. */
void tn_team_barrier(void *team);

typedef void CrewBody(void *arg, int32_t thread, int32_t n_threads);

/* Worker threads kept between runs; thread 0 is always the caller. */
typedef struct Pool Pool;
/* Starts up to n - 1 workers; NULL when out of memory. */
Pool *tn_pool_create(int32_t n_threads);
void tn_pool_destroy(Pool *pool);
/* Threads it can deliver, the caller included. */
int32_t tn_pool_threads(const Pool *pool);
void tn_pool_run(Pool *pool, CrewBody *body, void *arg);

typedef struct Crew {
    tn_thread_pool callers; /* parallel NULL: none given */
    Pool *pool;             /* workers of our own, NULL until needed */
    int32_t pool_for;       /* the number of threads `pool` was made for */
    int32_t probed;         /* the system was seen to create that many threads */
    pid_t pid;              /* process the crew was made in */
    Team team;
} Crew;

void tn_crew_init(Crew *crew);
void tn_crew_free(Crew *crew);
/* Makes sure that tn_crew_run for `n_threads` need not allocate. */
void tn_crew_prepare(Crew *crew, int32_t n_threads);
/* Runs `body` on up to `n_threads` threads at once, each in the default floating-point
 * environment, and returns when all are done. */
void tn_crew_run(Crew *crew, int32_t n_threads, CrewBody *body, void *arg);

#endif
