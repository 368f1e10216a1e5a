/* test_session.c: sessions over a model written by hand: checks, plans, threads, state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "tests/runtime/fixture.h"

enum { MAX_N = 1000 };

/* One set of inputs and outputs, and what the outputs must be. */
typedef struct Data {
    float x[MAX_N * 3], y[MAX_N * 3], z[MAX_N * 3], s[64];
    int64_t pick;
    tn_tensor in[3], out[2];
} Data;

static void data_init(Data *d, int64_t n, int64_t pick) {
    for (int64_t i = 0; i < n * 3; i++) {
        d->x[i] = (float)(i % 17);
        d->y[i] = (float)(i % 5);
        d->z[i] = -1;
    }
    d->pick = pick;
    d->in[0] = (tn_tensor){.data = d->x, .dtype = TN_F32, .rank = 2, .dims = {n, 3}};
    d->in[1] = (tn_tensor){.data = d->y, .dtype = TN_F32, .rank = 2, .dims = {n, 3}};
    d->in[2] = (tn_tensor){.data = &d->pick, .dtype = TN_I64, .rank = 1, .dims = {1}};
    d->out[0] = (tn_tensor){.data = d->z, .dtype = TN_F32, .rank = 2, .dims = {n, 3}};
    d->out[1] = (tn_tensor){.data = d->s, .dtype = TN_F32, .rank = 1, .dims = {pick}};
}

static bool data_right(const Data *d) {
    int64_t n = d->in[0].dims[0] * 3;
    for (int64_t i = 0; i < n; i++) {
        if (d->z[i] != (float)(2 * ((n - 1 - i) % 17) + i % 5)) {
            return false;
        }
    }
    for (int64_t j = 0; j < d->pick; j++) {
        if (d->s[j] != (float)j) {
            return false;
        }
    }
    return true;
}

static tn_model *make_model(void) {
    char error[256];
    tn_model *model = NULL;
    assert_int_equal(tn_model_from_desc(&fixture_model, NULL, 0, &model, error, sizeof error), 0);
    assert_string_equal(error, "");
    return model;
}

static tn_session *make_session(const tn_model *model, int32_t n_threads) {
    tn_session *session = NULL;
    assert_int_equal(tn_session_create(model, NULL, &session, NULL, 0), TN_OK);
    tn_session_set_threads(session, n_threads);
    return session;
}

static tn_status run(tn_session *session, Data *d) {
    return tn_session_run(session, d->in, 3, d->out, 2);
}

static void runs_at_any_thread_count(void **state) {
    (void)state;
    static const int32_t threads[] = {0, 1, 2, 3, 5, 16};
    tn_model *model = make_model();
    static Data d;
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        tn_session *session = make_session(model, threads[t]);
        for (int round = 0; round < 100; round++) {
            data_init(&d, 1 + round * 7 % MAX_N, round % 64);
            assert_int_equal(run(session, &d), TN_OK);
            assert_true(data_right(&d));
        }
        tn_session_destroy(session);
    }
    tn_model_close(model);
}

static void zero_sized_dims(void **state) {
    (void)state;
    tn_model *model = make_model();
    tn_session *session = make_session(model, 2);
    static Data d;
    data_init(&d, 0, 0);
    d.in[0].data = d.in[1].data = d.out[0].data = d.out[1].data = NULL;
    assert_int_equal(run(session, &d), TN_OK);
    tn_session_destroy(session);
    tn_model_close(model);
}

static void plans_once_per_shape(void **state) {
    (void)state;
    tn_model *model = make_model();
    tn_session *session = make_session(model, 1);
    static Data d;
    tn_tensor out[2] = {0};
    data_init(&d, 4, 5);
    int before = atomic_load(&fixture_plans);
    assert_int_equal(tn_session_plan(session, d.in, 3, out, 2), TN_OK);
    assert_int_equal(out[0].rank, 2);
    assert_int_equal(out[0].dims[0], 4);
    assert_int_equal(out[0].dims[1], 3);
    assert_int_equal(out[0].dtype, TN_F32);
    assert_int_equal(out[1].dims[0], 5);
    assert_null(out[0].data);
    assert_int_equal(tn_session_arena_bytes(session), 64);
    assert_int_equal(run(session, &d), TN_OK);
    assert_int_equal(tn_session_plan(session, d.in, 3, out, 2), TN_OK);
    assert_int_equal(atomic_load(&fixture_plans), before + 1);
    data_init(&d, 4, 6); /* the same dims, another shape-deciding value */
    assert_int_equal(run(session, &d), TN_OK);
    assert_int_equal(atomic_load(&fixture_plans), before + 2);
    data_init(&d, 9, 6);
    assert_int_equal(run(session, &d), TN_OK);
    tn_session_set_threads(session, 2);
    assert_int_equal(run(session, &d), TN_OK);
    assert_int_equal(atomic_load(&fixture_plans), before + 4);
    tn_session_destroy(session);
    tn_model_close(model);
}

/* Spoils one thing at a time; each must be refused with a text that says what. */
static void refuse(tn_session *session, Data *d, tn_status status, const char *text) {
    assert_int_equal(run(session, d), status);
    if (!strstr(tn_session_error(session), text)) {
        fail_msg("expected '%s' in '%s'", text, tn_session_error(session));
    }
    data_init(d, 4, 5);
    assert_int_equal(run(session, d), TN_OK);
    assert_string_equal(tn_session_error(session), "");
}

static void refuses_wrong_inputs(void **state) {
    (void)state;
    tn_model *model = make_model();
    tn_session *session = make_session(model, 1);
    static Data d;
    data_init(&d, 4, 5);
    assert_int_equal(tn_session_run(session, d.in, 2, d.out, 2), TN_BAD_INPUT);
    assert_string_equal(tn_session_error(session), "2 inputs given, the model has 3");
    assert_int_equal(tn_session_run(session, d.in, 3, d.out, 1), TN_BAD_INPUT);
    assert_string_equal(tn_session_error(session), "1 outputs given, the model has 2");
    d.in[1].dims[0] = 3;
    refuse(session, &d, TN_BAD_INPUT,
           "input 'y': dimension 0 is 3, expected N = 4 as in input 'x'");
    d.in[0].dims[1] = 7;
    refuse(session, &d, TN_BAD_INPUT, "input 'x': dims [4, 7], expected [N, 3]");
    d.in[0].rank = 1;
    refuse(session, &d, TN_BAD_INPUT, "input 'x': dims [4], expected [N, 3]");
    d.in[0].rank = 99;
    refuse(session, &d, TN_BAD_INPUT, "input 'x'");
    d.in[0].rank = -1;
    refuse(session, &d, TN_BAD_INPUT, "input 'x'");
    d.in[0].dims[0] = -4;
    refuse(session, &d, TN_BAD_INPUT, "input 'x': dims [-4, 3], expected [N, 3]");
    d.in[1].dtype = TN_I32;
    refuse(session, &d, TN_BAD_INPUT, "input 'y': element type i32, expected f32");
    d.in[1].dtype = 1234567;
    refuse(session, &d, TN_BAD_INPUT, "input 'y': element type unknown, expected f32");
    d.in[1].data = NULL;
    refuse(session, &d, TN_BAD_INPUT, "input 'y': no data");
    d.in[2].data = NULL;
    refuse(session, &d, TN_BAD_INPUT, "input 'pick': no data, but its values may decide shapes");
    d.in[0].dims[0] = d.in[1].dims[0] = INT64_MAX / 2;
    refuse(session, &d, TN_LIMIT, "input 'x': its size does not fit 64 bits");
    d.in[0].dims[0] = d.in[1].dims[0] = INT64_MAX / 12 - 8;
    refuse(session, &d, TN_LIMIT, "bytes of scratch memory");
    d.pick = -1;
    refuse(session, &d, TN_BAD_INPUT, "'pick' must not be negative");
    d.out[0].dims[0] = 5;
    refuse(session, &d, TN_BAD_INPUT, "output 'z': dims [5, 3], expected [4, 3]");
    d.out[0].data = NULL;
    refuse(session, &d, TN_BAD_INPUT, "output 'z': no memory for its data");
    d.out[1].dtype = TN_F64;
    refuse(session, &d, TN_BAD_INPUT, "output 's': element type f64, expected f32");
    tn_session_destroy(session);
    tn_model_close(model);
}

static void refuses_foreign_tables(void **state) {
    (void)state;
    char error[256];
    tn_model *model;
    tn_model_desc desc = fixture_model;
    desc.abi_version = 99;
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, error, sizeof error),
                     TN_UNSUPPORTED);
    assert_null(model);
    assert_non_null(strstr(error, "ABI version 99"));
    desc = fixture_model;
    desc.cpu_features = 1u << 31;
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, error, sizeof error),
                     TN_UNSUPPORTED);
    assert_non_null(strstr(error, "this processor lacks it"));
    desc = fixture_model;
    desc.desc_size = 8;
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, error, sizeof error), TN_BAD_INPUT);
    desc = fixture_model;
    desc.n_entries = 0;
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, NULL, 0), TN_BAD_INPUT);
    desc = fixture_model;
    desc.cpu_features = tn_cpu_features();
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, error, sizeof error), TN_OK);
    tn_session *session;
    assert_int_equal(tn_session_create(model, "train", &session, error, sizeof error),
                     TN_BAD_INPUT);
    assert_string_equal(error, "no entry 'train'; the model has: infer");
    tn_model_close(model);
    tn_model_close(NULL);
}

static void external_weights_must_fit(void **state) {
    (void)state;
    char error[256];
    tn_model *model;
    static _Alignas(64) unsigned char weights[128] = {1, 2, 3};
    tn_model_desc desc = fixture_model;
    desc.weight_bytes = 64;
    uint64_t hash = 0xcbf29ce484222325ull;
    for (int i = 0; i < 64; i++) {
        hash = (hash ^ weights[i]) * 0x100000001b3ull;
    }
    desc.weight_hash = hash;
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, error, sizeof error), TN_BAD_INPUT);
    assert_int_equal(tn_model_from_desc(&desc, weights, 63, &model, error, sizeof error),
                     TN_BAD_INPUT);
    assert_int_equal(tn_model_from_desc(&desc, weights + 4, 64, &model, error, sizeof error),
                     TN_BAD_INPUT);
    assert_non_null(strstr(error, "aligned to 64"));
    assert_int_equal(tn_model_from_desc(&desc, weights + 64, 64, &model, error, sizeof error),
                     TN_BAD_INPUT);
    assert_non_null(strstr(error, "another model"));
    assert_int_equal(tn_model_from_desc(&desc, weights, 64, &model, error, sizeof error), TN_OK);
    tn_model_close(model);
}

static void count_release(void *owner) {
    ++*(int *)owner;
}

static void adopted_owner_is_released_once(void **state) {
    (void)state;
    int released = 0;
    tn_model *model;
    tn_model_desc desc = fixture_model;
    desc.n_entries = 0;
    assert_int_equal(tn_model_adopt(&desc, NULL, 0, count_release, &released, &model, NULL, 0),
                     TN_BAD_INPUT);
    assert_int_equal(released, 0);
    assert_int_equal(
        tn_model_adopt(&fixture_model, NULL, 0, count_release, &released, &model, NULL, 0), TN_OK);
    assert_ptr_equal(tn_model_describe(model), &fixture_model);
    tn_model_close(model);
    assert_int_equal(released, 1);
}

typedef struct Client {
    const tn_model *model;
    int32_t n_threads;
    bool right;
} Client;

static void *client_main(void *arg) {
    Client *client = arg;
    Data *d = malloc(sizeof *d);
    tn_session *session = NULL;
    client->right = d && tn_session_create(client->model, NULL, &session, NULL, 0) == TN_OK;
    if (session) {
        tn_session_set_threads(session, client->n_threads);
    }
    for (int i = 0; i < 200 && client->right; i++) {
        data_init(d, 1 + i % 50, i % 10);
        client->right = run(session, d) == TN_OK && data_right(d);
    }
    tn_session_destroy(session);
    free(d);
    return NULL;
}

static void many_sessions_of_one_model(void **state) {
    (void)state;
    tn_model *model = make_model();
    pthread_t threads[4];
    Client clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = (Client){model, 1 + i % 3, false};
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, &clients[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(clients[i].right);
    }
    tn_model_close(model);
}

/* A caller's pool that starts a thread for each share. */
typedef struct Share {
    pthread_t thread;
    void (*body)(void *arg, int32_t thread, int32_t n_threads);
    void *arg;
    int32_t number, n_threads;
} Share;

static void *share_main(void *arg) {
    Share *share = arg;
    share->body(share->arg, share->number, share->n_threads);
    return NULL;
}

static void parallel(void *self, int32_t n_threads,
                     void (*body)(void *arg, int32_t thread, int32_t n_threads), void *arg) {
    Share shares[8];
    for (int32_t i = 0; i < n_threads; i++) {
        shares[i] = (Share){.body = body, .arg = arg, .number = i, .n_threads = n_threads};
        pthread_create(&shares[i].thread, NULL, share_main, &shares[i]);
    }
    for (int32_t i = 0; i < n_threads; i++) {
        pthread_join(shares[i].thread, NULL);
    }
    ++*(int *)self;
}

static void callers_pool_is_used(void **state) {
    (void)state;
    int calls = 0;
    tn_model *model = make_model();
    tn_session *session = make_session(model, 4);
    tn_session_set_pool(session, &(tn_thread_pool){parallel, &calls});
    static Data d;
    data_init(&d, 100, 3);
    assert_int_equal(run(session, &d), TN_OK);
    assert_true(data_right(&d));
    assert_int_equal(calls, 1);
    tn_session_set_pool(session, NULL);
    data_init(&d, 100, 3);
    assert_int_equal(run(session, &d), TN_OK);
    assert_true(data_right(&d));
    assert_int_equal(calls, 1);
    tn_session_destroy(session);
    tn_model_close(model);
}

static void profiles_every_kernel(void **state) {
    (void)state;
    tn_model *model = make_model();
    static Data d;
    for (int32_t threads = 1; threads <= 3; threads++) {
        tn_session *session = make_session(model, threads);
        double ms[3] = {-1, -1, -1};
        data_init(&d, 100, 3);
        assert_int_equal(tn_session_profile(session, d.in, 3, d.out, 2, ms), TN_OK);
        assert_true(data_right(&d));
        for (int k = 0; k < 3; k++) {
            assert_true(ms[k] >= 0);
        }
        tn_session_destroy(session);
    }
    tn_model_close(model);
}

/* A child has none of its parent's threads; it must work, not hang. */
static void works_after_fork(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* the sanitizer ends a child that starts threads */
#endif
    tn_model *model = make_model();
    tn_session *session = make_session(model, 3);
    static Data d;
    data_init(&d, 100, 3);
    assert_int_equal(run(session, &d), TN_OK);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        data_init(&d, 90, 3);
        bool right = run(session, &d) == TN_OK && data_right(&d);
        data_init(&d, 90, 3);
        right = right && run(session, &d) == TN_OK && data_right(&d);
        tn_session_destroy(session);
        _exit(right ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    data_init(&d, 100, 3);
    assert_int_equal(run(session, &d), TN_OK);
    assert_true(data_right(&d));
    tn_session_destroy(session);
    tn_model_close(model);
}

#if defined(__x86_64__)
static atomic_uint worst_mode;

static void mode_run(const tn_run *r, int32_t thread, int32_t n_threads) {
    fixture_run(r, thread, n_threads);
    atomic_fetch_or(&worst_mode, _mm_getcsr() & 0xffc0u & ~0x1f80u);
}

static void floating_point_mode_is_kept(void **state) {
    (void)state;
    tn_entry_desc entry = fixture_entries[0];
    tn_model_desc desc = fixture_model;
    entry.run = mode_run;
    desc.entries = &entry;
    tn_model *model;
    assert_int_equal(tn_model_from_desc(&desc, NULL, 0, &model, NULL, 0), TN_OK);
    static Data d;
    for (int32_t threads = 1; threads <= 3; threads += 2) {
        tn_session *session = make_session(model, threads);
        data_init(&d, 100, 3);
        unsigned odd = 0x1f80 | 0x8040 | 0x6000 | 0x0021; /* FTZ, DAZ, to zero, two flags */
        _mm_setcsr(odd);
        tn_status status = run(session, &d);
        unsigned after = _mm_getcsr();
        _mm_setcsr(0x1f80);
        assert_int_equal(status, TN_OK);
        assert_int_equal(after, odd);
        assert_int_equal(atomic_load(&worst_mode), 0);
        tn_session_destroy(session);
    }
    tn_model_close(model);
}
#else
static void floating_point_mode_is_kept(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_at_any_thread_count),
        cmocka_unit_test(zero_sized_dims),
        cmocka_unit_test(plans_once_per_shape),
        cmocka_unit_test(refuses_wrong_inputs),
        cmocka_unit_test(refuses_foreign_tables),
        cmocka_unit_test(external_weights_must_fit),
        cmocka_unit_test(adopted_owner_is_released_once),
        cmocka_unit_test(many_sessions_of_one_model),
        cmocka_unit_test(callers_pool_is_used),
        cmocka_unit_test(profiles_every_kernel),
        cmocka_unit_test(works_after_fork),
        cmocka_unit_test(floating_point_mode_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
