/* kernel_run.h: kernels emitted, compiled, loaded and called, for tests.
 *
 * Data lies right before an inaccessible page, so a read or write behind a buffer's end
 * ends the test. Failures are cmocka failures that show the kernel's text.
 */
#ifndef TN_TESTS_SUPPORT_KERNEL_RUN_H
#define TN_TESTS_SUPPORT_KERNEL_RUN_H

#include "codegen/codegen.h"

typedef struct KernelCode {
    Kernel *kernel;
    const char *source; /* the C text, in the context's arena */
    void *module;
    int fd;
    size_t n_sizes;
    const uint32_t *sizes;
} KernelCode;

/* Elements of all parameters. */
typedef struct KernelData {
    size_t n;
    void **data;
    size_t *bytes;
} KernelData;

/* NULL past the last target that this processor can run. */
const Target *kernel_run_target(uint32_t index);
KernelCode kernel_run_compile(Kernel *kernel, const Target *target);
void kernel_run_close(KernelCode *code);

/* Parameters filled from `seed`: floats are multiples of 1/4 in -4..4, integers small. */
KernelData kernel_run_data(Kernel *kernel, const int64_t *symbols, uint64_t seed);
void kernel_run_free(KernelData *data);
/* Runs the parts of `threads` threads, one after the other. */
void kernel_run_call(const KernelCode *code, const KernelData *data, const int64_t *symbols,
                     int32_t threads);
/* Memory that ends at an inaccessible page; freed with kernel_run_unguard. */
void *kernel_run_guard(size_t bytes);
void kernel_run_unguard(void *data, size_t bytes);

/* Compiled for every target against the interpreter, on the same data: floats within 1e-5 of
 * their size, all else exactly. */
void kernel_run_check(Kernel *kernel, const int64_t *symbols, uint64_t seed);

#endif
