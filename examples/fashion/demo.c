/* demo.c: classifies the test images of Fashion-MNIST with a compiled network.
 *
 *   demo MODEL.so IMAGES LABELS PICTURE.svg
 *
 * IMAGES and LABELS are the (unpacked) idx files of the data set. One shared object serves
 * every batch size; the program links libtenon_rt and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../idx.h"
#include "picture.h"
#include "tenon/runtime.h"

enum { CLASSES = 10, PIXELS = 28 * 28 };

typedef struct Demo {
    tn_session *session;
    int32_t n;
    float *images;         /* n x 1 x 28 x 28, in 0..1 */
    float *probabilities;  /* n x 10 */
    const unsigned char *labels;
} Demo;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int best_class(const float *probabilities) {
    int best = 0;
    for (int c = 1; c < CLASSES; c++) {
        if (probabilities[c] > probabilities[best]) {
            best = c;
        }
    }
    return best;
}

static int count_right(const Demo *demo) {
    int right = 0;
    for (int32_t i = 0; i < demo->n; i++) {
        right += best_class(demo->probabilities + (size_t)i * CLASSES) == demo->labels[i];
    }
    return right;
}

/* Classifies images start..start+batch-1. */
static tn_status run_batch(const Demo *demo, int32_t start, int32_t batch) {
    tn_tensor images = {.data = demo->images + (size_t)start * PIXELS,
                        .dtype = TN_F32,
                        .rank = 4,
                        .dims = {batch, 1, 28, 28}};
    tn_tensor probabilities = {.data = demo->probabilities + (size_t)start * CLASSES,
                               .dtype = TN_F32,
                               .rank = 2,
                               .dims = {batch, CLASSES}};
    return tn_session_run(demo->session, &images, 1, &probabilities, 1);
}

/* All images in batches of that size (the last may be smaller); prints a line. */
static tn_status classify(const Demo *demo, int32_t batch) {
    memset(demo->probabilities, 0, (size_t)demo->n * CLASSES * sizeof(float));
    tn_session_set_threads(demo->session, batch < 16 ? 1 : 0); /* too little work to share */
    tn_status status = run_batch(demo, 0, batch); /* plans, and warms up */
    double start = seconds();
    for (int32_t i = 0; i < demo->n && status == TN_OK; i += batch) {
        status = run_batch(demo, i, i + batch <= demo->n ? batch : demo->n - i);
    }
    double taken = seconds() - start;
    if (status != TN_OK) {
        fprintf(stderr, "demo: %s\n", tn_session_error(demo->session));
        return status;
    }
    int right = count_right(demo);
    printf("batch %5d: %d of %d right, accuracy %.2f %%, %.0f images/s\n", (int)batch, right,
           (int)demo->n, 100.0 * right / demo->n, demo->n / taken);
    return TN_OK;
}

/* idx bytes to floats in 0..1. */
static float *to_floats(const unsigned char *pixels, size_t n) {
    float *out = malloc(n * sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        out[i] = (float)pixels[i] / 255.0f;
    }
    return out;
}

static int run_demo(Demo *demo, const unsigned char *pixels, const char *picture) {
    const int32_t batches[] = {1, 7, demo->n};
    tn_status status = TN_OK;
    for (size_t i = 0; i < sizeof batches / sizeof batches[0] && status == TN_OK; i++) {
        status = classify(demo, batches[i]);
    }
    if (status != TN_OK) {
        return 1;
    }
    if (picture_write(picture, pixels, demo->labels, demo->probabilities, demo->n) != 0) {
        fprintf(stderr, "demo: cannot write %s\n", picture);
        return 1;
    }
    printf("picture: %s\n", picture);
    return 0;
}

static int with_model(Demo *demo, const char *path, const unsigned char *pixels,
                      const char *picture) {
    char error[512];
    tn_model *model;
    if (tn_model_open(path, &model, error, sizeof error) != TN_OK) {
        fprintf(stderr, "demo: %s\n", error);
        return 1;
    }
    int bad = 1;
    if (tn_session_create(model, NULL, &demo->session, error, sizeof error) == TN_OK) {
        bad = run_demo(demo, pixels, picture);
    } else {
        fprintf(stderr, "demo: %s\n", error);
    }
    tn_session_destroy(demo->session);
    tn_model_close(model);
    return bad;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: demo MODEL.so IMAGES LABELS PICTURE.svg\n");
        return 1;
    }
    Demo demo = {0};
    int32_t n_labels = 0;
    unsigned char *pixels = idx_read(argv[2], PIXELS, &demo.n);
    unsigned char *labels = idx_read(argv[3], 1, &n_labels);
    int bad = 1;
    if (!pixels || !labels || n_labels != demo.n || demo.n == 0) {
        fprintf(stderr, "demo: %s, %s: not the images and labels of Fashion-MNIST\n", argv[2],
                argv[3]);
    } else {
        demo.labels = labels;
        demo.images = to_floats(pixels, (size_t)demo.n * PIXELS);
        demo.probabilities = malloc((size_t)demo.n * CLASSES * sizeof(float));
        if (demo.images && demo.probabilities) {
            bad = with_model(&demo, argv[1], pixels, argv[4]);
        }
    }
    free(demo.images);
    free(demo.probabilities);
    free(pixels);
    free(labels);
    return bad;
}
