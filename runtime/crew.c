/* crew.c: where the threads of a run come from.
 *
 * libgomp ends the process when it cannot create a thread, and hangs in the child of a
 * process that used it. So OpenMP is entered only after the system was seen to create
 * as many threads, and only in the process that loaded this library; otherwise workers
 * of our own do the job, as many as there are.
 */
#include "runtime/rt.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>

/* The process this library was loaded into. Written once, before anything else runs. */
static pid_t home_pid;

__attribute__((constructor)) static void remember_home(void) {
    home_pid = getpid();
}
#endif

typedef struct CrewJob {
    CrewBody *body;
    void *arg;
    Team *team;
} CrewJob;

static void crew_body(void *arg, int32_t thread, int32_t n_threads) {
    const CrewJob *job = arg;
    /* All threads store the same number; each before it can reach a barrier. */
    atomic_store_explicit(&job->team->n_threads, n_threads, memory_order_relaxed);
    uint32_t saved = tn_fp_enter();
    job->body(job->arg, thread, n_threads);
    tn_fp_leave(saved);
}

void tn_crew_init(Crew *crew) {
    memset(crew, 0, sizeof *crew);
    crew->pid = getpid();
    tn_team_init(&crew->team);
}

void tn_crew_free(Crew *crew) {
    /* In a forked child the workers do not exist: joining them would never end. */
    if (crew->pid == getpid()) {
        tn_pool_destroy(crew->pool);
    }
    crew->pool = NULL;
}

#ifdef _OPENMP
static void *probe_main(void *arg) {
    tn_gate_wait(arg, 0, true);
    return NULL;
}

/* Whether the system gives us `n` more threads, all alive at once. */
static bool can_create(int32_t n) {
    pthread_t *threads = malloc((size_t)n * sizeof *threads);
    if (!threads) {
        return false;
    }
    Gate gate;
    tn_gate_init(&gate);
    int32_t made = 0;
    while (made < n && pthread_create(&threads[made], NULL, probe_main, &gate) == 0) {
        made++;
    }
    tn_gate_open(&gate);
    for (int32_t i = 0; i < made; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    return made == n;
}

static bool openmp_usable(Crew *crew, int32_t n_threads) {
    if (getpid() != home_pid) {
        return false;
    }
    if (crew->probed >= n_threads) {
        return true;
    }
    if (crew->probed < 0 || !can_create(n_threads - 1)) {
        crew->probed = -1; /* do not try again: the pool has what could be had */
        return false;
    }
    crew->probed = n_threads;
    return true;
}

/* One region; its team of threads stays with libgomp for the next. */
static void openmp_run(int32_t n_threads, CrewBody *body, void *arg) {
#pragma omp parallel num_threads(n_threads)
    body(arg, omp_get_thread_num(), omp_get_num_threads());
}

static void no_work(void *arg, int32_t thread, int32_t n_threads) {
    (void)arg, (void)thread, (void)n_threads;
}
#else
static bool openmp_usable(Crew *crew, int32_t n_threads) {
    (void)crew, (void)n_threads;
    return false;
}

static void openmp_run(int32_t n_threads, CrewBody *body, void *arg) {
    (void)n_threads;
    body(arg, 0, 1);
}

static void no_work(void *arg, int32_t thread, int32_t n_threads) {
    (void)arg, (void)thread, (void)n_threads;
}
#endif

/* After a fork only the forking thread is left, and a lock may be held for ever. */
static void check_fork(Crew *crew) {
    pid_t pid = getpid();
    if (crew->pid == pid) {
        return;
    }
    crew->pid = pid;
    crew->pool = NULL; /* its memory is lost, a few hundred bytes */
    crew->pool_for = 0;
    crew->probed = 0;
    bool crowded = crew->team.crowded;
    tn_team_init(&crew->team);
    crew->team.crowded = crowded;
}

static void make_pool(Crew *crew, int32_t n_threads) {
    if (crew->pool && crew->pool_for == n_threads) {
        return;
    }
    tn_pool_destroy(crew->pool);
    crew->pool = tn_pool_create(n_threads);
    crew->pool_for = n_threads;
}

void tn_crew_prepare(Crew *crew, int32_t n_threads) {
    check_fork(crew);
    crew->team.crowded = n_threads > tn_cpu_cores();
    if (n_threads <= 1 || crew->callers.parallel) {
        return;
    }
    int32_t known = crew->probed;
    if (!openmp_usable(crew, n_threads)) {
        make_pool(crew, n_threads);
    } else if (known < n_threads) {
        openmp_run(n_threads, no_work, NULL); /* starts the threads now, not in the run */
    }
}

void tn_crew_run(Crew *crew, int32_t n_threads, CrewBody *body, void *arg) {
    CrewJob job = {body, arg, &crew->team};
    if (n_threads <= 1) {
        crew_body(&job, 0, 1);
    } else if (crew->callers.parallel) {
        crew->callers.parallel(crew->callers.self, n_threads, crew_body, &job);
    } else {
        check_fork(crew);
        if (openmp_usable(crew, n_threads)) {
            openmp_run(n_threads, crew_body, &job);
            return;
        }
        make_pool(crew, n_threads);
        if (crew->pool) {
            tn_pool_run(crew->pool, crew_body, &job);
        } else {
            crew_body(&job, 0, 1);
        }
    }
}
