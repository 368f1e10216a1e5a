/* test_examples.c: the models in bench/ and examples/train/ are read, have the entries and the
 * number of parameters that the networks they stand for have, and small ones learn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lib_case.h"

typedef struct Example {
    const char *path;
    int64_t params; /* trainable numbers */
} Example;

static const Example examples[] = {
    {"bench/mlp.tn", 669706},
    {"bench/cnn.tn", 896 + 18496 + 73856 + 81930},
    {"bench/lstm.tn", 4 * 256 * (128 + 256 + 2) + 257},
    {"bench/gpt.tn", 3323392},
    {"examples/train/mlp.tn", 118282},
    {"examples/train/softmax_regression.tn", 7850},
    {"examples/train/cnn.tn", 34826},
    {"examples/train/autoencoder.tn", 784 * 32 * 2 + 32 + 784},
    {"examples/train/vae.tn", 200960 + 2 * 4112 + 4352 + 201488},
    {"examples/train/gan.tn",
     12928 + 1618176 + 819200 + 256 + 204864 + 128 + 1600 + 401920 + 131328 + 257},
    {"examples/train/lstm.tn", 329857},
    {"examples/train/gru.tn", 2 * 3 * 64 * (28 + 64 + 2) + 1290},
    {"examples/train/resnet.tn", 77754},
    {"examples/train/inception.tn",
     8 + 8 + 148 + 8 + 404 + 8 + 2 * 136 + 584 + 136 + 1608 + 136 + 330},
    {"examples/train/transformer.tn", 18122},
    {"examples/train/embedding.tn", 6400},
    {"examples/train/tree.tn", 64 + 96 + 96 * 32 + 32 + 33},
};

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
        return NULL;
    }
    char *text = calloc(1, 20000);
    assert_non_null(text);
    assert_true(fread(text, 1, 19999, file) > 0);
    fclose(file);
    return text;
}

static LibModel *open_example(const char *path) {
    char *text = read_file(path);
    LibModel *model = lib_open(path, text);
    free(text);
    if (model->module == NULL || model->ctx.diags.items.len > 0) {
        fail_msg("%s: %s", path, lib_messages(model));
    }
    return model;
}

static int64_t trainable(const Module *module) {
    int64_t n = 0;
    for (size_t i = 0; i < module->states.len; i++) {
        const StateVar *var = &module->states.data[i];
        n += var->role == TN_STATE_PARAM ? tn_type_static_count(&var->type) : 0;
    }
    return n;
}

static void parameters(void **state) {
    (void)state;
    static const char *const entries[] = {"init", "step", "eval", "grad", "apply", "infer"};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        LibModel *model = open_example(examples[i].path);
        int64_t n = trainable(model->module);
        if (n != examples[i].params) {
            fail_msg("%s has %lld parameters, not %lld", examples[i].path, (long long)n,
                     (long long)examples[i].params);
        }
        for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
            if (tn_module_entry(model->module, tn_sv(entries[e])) == NULL) {
                fail_msg("%s has no entry %s", examples[i].path, entries[e]);
            }
        }
        assert_true(tn_module_verify(model->module));
        lib_close(model);
    }
}

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* The truth of a full tree of 16 leaves under 8, 4, 2, 1 operators and, or, xor. */
static double tree_truth(const double *leaf, const double *joins) {
    int level[16];
    for (int i = 0; i < 16; i++) {
        level[i] = (int)leaf[i];
    }
    const double *op = joins;
    for (int n = 8; n >= 1; n /= 2) {
        for (int i = 0; i < n; i++, op++) {
            int a = level[2 * i], b = level[2 * i + 1];
            level[i] = *op == 0 ? a & b : *op == 1 ? a | b : a ^ b;
        }
    }
    return level[0];
}

/* Trees: the loss falls on a batch shown again and again. */
static void trees_learn(void **state) {
    (void)state;
    enum { N = 8 };
    double leaf[N * 16], joins[N * 15], truth[N];
    uint64_t seed = 11;
    for (int i = 0; i < N * 16; i++) {
        leaf[i] = (double)(next_random(&seed) % 2);
    }
    for (int i = 0; i < N * 15; i++) {
        joins[i] = (double)(next_random(&seed) % 3);
    }
    for (int i = 0; i < N; i++) {
        truth[i] = tree_truth(leaf + i * 16, joins + i * 15);
    }
    LibModel *model = open_example("examples/train/tree.tn");
    lib_input(model, "leaf", 2, (int64_t[]){N, 16}, leaf);
    lib_input(model, "operator", 2, (int64_t[]){N, 15}, joins);
    lib_input(model, "truth", 2, (int64_t[]){N, 1}, truth);
    double first = 0, last = 0;
    for (int step = 0; step < 40; step++) {
        lib_run(model, "step");
        last = lib_number(lib_output(model, "loss"), 0);
        first = step == 0 ? last : first;
    }
    assert_true(isfinite(last) && last < 0.5 * first);
    lib_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),
        cmocka_unit_test(trees_learn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
