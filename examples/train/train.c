/* train.c: trains a compiled model on pictures and tells how good it has become. Links
 * libtenon_rt only.
 *
 *   tenon compile examples/train/mlp.tn -o mlp.so
 *   train mlp.so [--steps N] [IMAGES LABELS]
 *
 * The model's entries `step` and `eval` must take pictures, f32 of 784 numbers each, and their
 * classes, i32 from 0 to 9, and give the loss first. IMAGES and LABELS are uncompressed IDX
 * files, as MNIST and Fashion-MNIST have them; without them pictures are made up. One in ten is
 * kept for the test.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../idx.h"
#include "tenon/runtime.h"

enum { PIXELS = 784, CLASSES = 10, BATCH = 64, MADE_UP = 6400, MAX_OUTPUTS = 8 };

typedef struct Data {
    float *pixels;
    int32_t *labels;
    int64_t n;
} Data;

/* A model with a state, and one session for each entry that is used. */
typedef struct Trainer {
    tn_model *model;
    void *state;
    tn_session *init, *step, *eval;
} Trainer;

static int fail(const char *text) {
    fprintf(stderr, "train: %s\n", text);
    return 1;
}

/* ---- data ---- */

static int get_data(Data *data, int64_t n) {
    data->n = n;
    data->pixels = calloc((size_t)n, PIXELS * sizeof *data->pixels);
    data->labels = calloc((size_t)n, sizeof *data->labels);
    return data->pixels && data->labels ? 0 : fail("out of memory");
}

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Each class is a pattern of dots, under noise of the same strength. */
static int make_up(Data *data) {
    uint64_t random = 1, pattern = 2;
    static unsigned char dots[CLASSES][PIXELS];
    if (get_data(data, MADE_UP)) {
        return 1;
    }
    for (int i = 0; i < CLASSES * PIXELS; i++) {
        dots[i / PIXELS][i % PIXELS] = next_random(&pattern) % 8 == 0;
    }
    for (int64_t i = 0; i < data->n; i++) {
        data->labels[i] = (int32_t)(next_random(&random) % CLASSES);
        for (int64_t k = 0; k < PIXELS; k++) {
            float noise = (float)next_random(&random) / (float)(1u << 31);
            data->pixels[i * PIXELS + k] = (float)dots[data->labels[i]][k] * 0.5f + noise * 0.5f;
        }
    }
    return 0;
}

static int read_data(const char *images, const char *labels, Data *data) {
    int32_t n = 0, n_labels = 0;
    unsigned char *pixels = idx_read(images, PIXELS, &n);
    unsigned char *classes = idx_read(labels, 1, &n_labels);
    int bad = !pixels || !classes || n <= 0 || n != n_labels
                  ? fail("these are not IDX files of pictures of 28 x 28 and their labels")
                  : get_data(data, n);
    for (int64_t i = 0; !bad && i < data->n * PIXELS; i++) {
        data->pixels[i] = (float)pixels[i] / 255;
    }
    for (int64_t i = 0; !bad && i < n; i++) {
        data->labels[i] = classes[i];
    }
    free(pixels);
    free(classes);
    return bad;
}

/* ---- the model ---- */

static int open_session(const Trainer *t, const char *entry, tn_session **out) {
    char error[512];
    if (tn_session_create(t->model, entry, out, error, sizeof error) != TN_OK) {
        return fail(error);
    }
    tn_session_set_state(*out, t->state);
    return 0;
}

static int open_trainer(const char *path, Trainer *t) {
    char error[512];
    if (tn_model_open(path, &t->model, error, sizeof error) != TN_OK) {
        return fail(error);
    }
    t->state = tn_state_create(t->model);
    if (!t->state) {
        return fail("no memory for the state");
    }
    return open_session(t, "init", &t->init) || open_session(t, "step", &t->step) ||
           open_session(t, "eval", &t->eval);
}

static void close_trainer(Trainer *t) {
    tn_session_destroy(t->init);
    tn_session_destroy(t->step);
    tn_session_destroy(t->eval);
    tn_state_destroy(t->state);
    tn_model_close(t->model);
}

static const tn_entry_desc *find_entry(const Trainer *t, const char *name) {
    const tn_model_desc *desc = tn_model_describe(t->model);
    for (int32_t i = 0; i < desc->n_entries; i++) {
        if (strcmp(desc->entries[i].name, name) == 0) {
            return &desc->entries[i];
        }
    }
    return NULL;
}

/* All weights are drawn anew from the seed. */
static int initialise(const Trainer *t, int64_t seed) {
    tn_tensor in = {.data = &seed, .dtype = TN_I64};
    return tn_session_run(t->init, &in, 1, NULL, 0) ? fail(tn_session_error(t->init)) : 0;
}

/* Runs `step` or `eval` on pictures first..first + n of the data; `results` are the loss and
 * the metrics in the order of the model. */
static int run(const Trainer *t, tn_session *session, const char *name, const Data *data,
               int64_t first, int64_t n, float *results) {
    const tn_entry_desc *entry = find_entry(t, name);
    tn_tensor in[2] = {{.data = data->pixels + first * PIXELS, .dtype = TN_F32},
                       {.data = data->labels + first, .dtype = TN_I32, .rank = 1, .dims = {n}}};
    tn_tensor out[MAX_OUTPUTS];
    if (entry->n_inputs != 2 || entry->n_outputs > MAX_OUTPUTS) {
        return fail("the model does not take pictures and labels");
    }
    in[0].rank = entry->inputs[0].rank; /* [N,784] or [N,1,28,28] */
    for (int32_t d = 0; d < in[0].rank; d++) {
        in[0].dims[d] = d == 0 ? n : entry->inputs[0].dims[d];
    }
    for (int32_t i = 0; i < entry->n_outputs; i++) {
        out[i] = (tn_tensor){.data = &results[i], .dtype = TN_F32}; /* all are scalars */
    }
    return tn_session_run(session, in, 2, out, entry->n_outputs) ? fail(tn_session_error(session))
                                                                 : 0;
}

/* One in ten pictures, at the end, is for the test. */
static int train(const Trainer *t, const Data *data, int64_t steps) {
    float results[MAX_OUTPUTS];
    const tn_entry_desc *eval = find_entry(t, "eval");
    int64_t test = data->n / 10, batches = (data->n - test) / BATCH;
    if (batches == 0) {
        return fail("there are not enough pictures for a batch");
    }
    if (initialise(t, 1)) {
        return 1;
    }
    for (int64_t i = 0; i < steps; i++) {
        if (run(t, t->step, "step", data, i % batches * BATCH, BATCH, results)) {
            return 1;
        }
        if (i % 20 == 0) {
            printf("step %lld: loss %.4f\n", (long long)i, (double)results[0]);
        }
    }
    if (run(t, t->eval, "eval", data, data->n - test, test, results)) {
        return 1;
    }
    printf("test of %lld:", (long long)test);
    for (int32_t i = 0; i < eval->n_outputs; i++) {
        printf(" %s %.4f", eval->outputs[i].name, (double)results[i]);
    }
    printf("\n");
    return 0;
}

int main(int argc, char **argv) {
    int64_t steps = 200;
    if (argc > 3 && strcmp(argv[2], "--steps") == 0) {
        steps = strtoll(argv[3], NULL, 10);
        argv[3] = argv[1];
        argv += 2, argc -= 2;
    }
    if (argc != 2 && argc != 4) {
        return fail("usage: train MODEL.so [--steps N] [IMAGES LABELS]");
    }
    Data data = {0};
    Trainer trainer = {0};
    int bad = argc == 4 ? read_data(argv[2], argv[3], &data) : make_up(&data);
    bad = bad || open_trainer(argv[1], &trainer) || train(&trainer, &data, steps);
    close_trainer(&trainer);
    free(data.pixels);
    free(data.labels);
    return bad;
}
