/* test_team.c: the barrier and the ways to get threads, with more threads than cores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/rt.h"

enum { MAX_THREADS = 16 };

/* Every thread adds one to its own cell each round; after the barrier all cells must be
 * equal to the round, whoever looks. */
typedef struct Rounds {
    Team *team;
    int n_rounds;
    bool slow; /* thread 0 is late each time, so the others fall asleep */
    int cells[MAX_THREADS];
    atomic_int wrong;
    atomic_int seen; /* bit i: thread i took part */
} Rounds;

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void rounds_body(void *arg, int32_t thread, int32_t n_threads) {
    Rounds *r = arg;
    atomic_fetch_or(&r->seen, 1 << thread);
    for (int round = 1; round <= r->n_rounds; round++) {
        if (r->slow && thread == 0) {
            pause_ms(3);
        }
        r->cells[thread] = round;
        tn_team_barrier(r->team);
        for (int32_t i = 0; i < n_threads; i++) {
            if (r->cells[i] != round) {
                atomic_fetch_add(&r->wrong, 1);
            }
        }
        tn_team_barrier(r->team);
    }
}

static void check_rounds(Crew *crew, int32_t n_threads, int n_rounds, bool slow) {
    Rounds r = {.team = &crew->team, .n_rounds = n_rounds, .slow = slow};
    tn_crew_prepare(crew, n_threads);
    tn_crew_run(crew, n_threads, rounds_body, &r);
    assert_int_equal(atomic_load(&r.wrong), 0);
    assert_int_equal(atomic_load(&r.seen), (1 << n_threads) - 1);
}

static void barrier_holds(void **state) {
    (void)state;
    static const int32_t threads[] = {1, 2, 5, 16};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        Crew crew;
        tn_crew_init(&crew);
        check_rounds(&crew, threads[t], 300, false);
        check_rounds(&crew, threads[t], 300, false); /* and again, with the same threads */
        tn_crew_free(&crew);
    }
}

static void sleepers_wake(void **state) {
    (void)state;
    Crew crew;
    tn_crew_init(&crew);
    check_rounds(&crew, 2, 20, true);
    check_rounds(&crew, 5, 20, true);
    tn_crew_free(&crew);
}

/* The workers themselves, whichever way the crew would have chosen. */
static void pool_runs(void **state) {
    (void)state;
    for (int32_t n = 1; n <= 5; n++) {
        Team team;
        tn_team_init(&team);
        Pool *pool = tn_pool_create(n);
        assert_non_null(pool);
        assert_int_equal(tn_pool_threads(pool), n);
        atomic_store(&team.n_threads, n);
        for (int round = 0; round < 50; round++) {
            Rounds r = {.team = &team, .n_rounds = 5};
            tn_pool_run(pool, rounds_body, &r);
            assert_int_equal(atomic_load(&r.wrong), 0);
            assert_int_equal(atomic_load(&r.seen), (1 << n) - 1);
            if (round == 25) {
                pause_ms(5); /* the workers are asleep when the next job comes */
            }
        }
        tn_pool_destroy(pool);
    }
    tn_pool_destroy(NULL);
}

/* The spin is bounded: waiting for a thread that sleeps 100 ms must not burn 100 ms. */
static void burn_body(void *arg, int32_t thread, int32_t n_threads) {
    (void)n_threads;
    if (thread == 0) {
        pause_ms(100);
    }
    tn_team_barrier(arg);
}

static void waiting_is_cheap(void **state) {
    (void)state;
    Crew crew;
    tn_crew_init(&crew);
    tn_crew_prepare(&crew, 2);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    Pool *pool = tn_pool_create(2);
    assert_non_null(pool);
    atomic_store(&crew.team.n_threads, 2);
    tn_pool_run(pool, burn_body, &crew.team);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double ms = (double)(after.tv_sec - before.tv_sec) * 1e3 +
                (double)(after.tv_nsec - before.tv_nsec) / 1e6;
    assert_true(ms < 50);
    tn_pool_destroy(pool);
    tn_crew_free(&crew);
}

/* A caller's pool may deliver fewer threads than asked for. */
static void only_two(void *self, int32_t n_threads, CrewBody *body, void *arg) {
    (void)n_threads;
    Pool *pool = tn_pool_create(2);
    ++*(int *)self;
    tn_pool_run(pool, body, arg);
    tn_pool_destroy(pool);
}

static void fewer_threads_are_enough(void **state) {
    (void)state;
    int calls = 0;
    Crew crew;
    tn_crew_init(&crew);
    crew.callers = (tn_thread_pool){only_two, &calls};
    Rounds r = {.team = &crew.team, .n_rounds = 10};
    tn_crew_prepare(&crew, 4);
    tn_crew_run(&crew, 4, rounds_body, &r);
    assert_int_equal(calls, 1);
    assert_int_equal(atomic_load(&r.wrong), 0);
    assert_int_equal(atomic_load(&r.seen), 3);
    tn_crew_free(&crew);
}

static void missing_features_are_named(void **state) {
    (void)state;
    char text[256];
    assert_true(tn_cpu_cores() >= 1);
    assert_int_equal(tn_cpu_features() & ~31u, 0);
    tn_cpu_missing(tn_cpu_features(), tn_cpu_features(), text, sizeof text);
    assert_string_equal(text, "");
    tn_cpu_missing(1u << 20, 0, text, sizeof text);
    assert_non_null(strstr(text, "0x100000"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(barrier_holds),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(pool_runs),
        cmocka_unit_test(waiting_is_cheap),
        cmocka_unit_test(fewer_threads_are_enough),
        cmocka_unit_test(missing_features_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
