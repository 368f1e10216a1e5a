/* nestgen.h: random loop nests for tests, runs of them on random data, and comparison.
 *
 * Every buffer dim belongs to a range E (a constant or a symbol) and is 2 * E + 4 long; every
 * loop variable belongs to a range too. Any index made of variables of the right range,
 * halved, doubled or moved a little, is in bounds, so that nests can read and write the same
 * buffers in all kinds of overlapping ways. Inputs are small multiples of 1/8: most sums of
 * floats are exact.
 */
#ifndef TN_TESTS_SUPPORT_NESTGEN_H
#define TN_TESTS_SUPPORT_NESTGEN_H

#include "ir/rewrite.h"

typedef enum NestStyle {
    NEST_ANY,      /* several statements in each body, up to five loops deep */
    NEST_PERFECT,  /* loops around one block of assignments */
    NEST_REDUCE,   /* loops { acc = init; loops { acc op= x }; more statements } */
    NEST_SIBLINGS, /* loops over the same range, one behind the other */
    NEST_CLEAN     /* REDUCE or PERFECT where every statement matters to the result */
} NestStyle;

enum { NEST_SIZES = 2 };

typedef struct NestTest {
    Ctx ctx;
    uint64_t random;
    const Dim *sizes[NEST_SIZES]; /* symbols N and M */
    Kernel *kernel;
} NestTest;

/* The elements of every parameter after a run. */
typedef struct NestData {
    size_t n;
    void **data;
    size_t *bytes;
    const Kernel *kernel;
} NestData;

/* Uniform in lo..hi. */
int64_t nest_random(NestTest *test, int64_t lo, int64_t hi);

/* A context with a random nest; equal seeds give equal nests. */
void nest_set_up(NestTest *test, NestStyle style, uint64_t seed);
void nest_tear_down(NestTest *test);

/* Loops and temps of a kernel, for picking one. NULL when there is none. */
Stmt *nest_random_loop(NestTest *test, Kernel *kernel);
size_t nest_loops(Kernel *kernel, Stmt **out, size_t max);

/* Upper limit of the assignments that a run executes. */
double nest_work(const NestTest *test, const Kernel *kernel, const int64_t *sizes);
/* Random values for N and M that keep the kernel's work small. */
void nest_random_sizes(NestTest *test, const Kernel *kernel, int64_t *sizes);

/* Runs the kernel on data that depends on `seed` only. Free with nest_data_free. */
bool nest_run(NestTest *test, Kernel *kernel, const int64_t *sizes, uint64_t seed, NestData *out);
void nest_data_free(NestData *data);
/* Same bytes; with `reordered`, floats may differ by 1e-12 of their size (f32: 1e-6). */
bool nest_data_equal(const NestData *a, const NestData *b, bool reordered);

/* The kernel's text, in the context's arena. */
const char *nest_text(const Kernel *kernel);
/* Text of all diagnostics so far. */
const char *nest_diags(NestTest *test);

#endif
