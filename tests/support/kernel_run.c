/* kernel_run.c: see kernel_run.h. */
#include "tests/support/kernel_run.h"

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "codegen/emit.h"

typedef void CallFn(int32_t thread, int32_t n_threads, void *const *bufs, const int64_t *sizes,
                    unsigned char *scratch);

const Target *kernel_run_target(uint32_t index) {
    uint32_t have = tn_target_by_name(TN_SV("native"))->features;
    const Target *target = tn_target_at(index);
    return target != NULL && (target->features & ~have) == 0 ? target : NULL;
}

/* ---- compiling ---- */

static const char *messages(Ctx *ctx) {
    StrBuf text = tn_str(&ctx->arena);
    tn_str_puts(&text, "");
    tn_diag_print(&ctx->diags, &text);
    return text.data;
}

/* A function that takes its arguments from arrays. */
static void put_adapter(const KernelCode *code, StrBuf *out) {
    tn_str_puts(out, "__attribute__((visibility(\"default\")))\n"
                     "void call(int32_t thread, int32_t n_threads, void *const *b,\n"
                     "          const int64_t *s, unsigned char *scratch)\n"
                     "{\n    (void)b, (void)s;\n    kernel(thread, n_threads");
    for (size_t i = 0; i < code->kernel->bufs.len; i++) {
        if (code->kernel->bufs.data[i]->kind == BUF_PARAM) {
            tn_str_printf(out, ", b[%zu]", i);
        }
    }
    for (size_t i = 0; i < code->n_sizes; i++) {
        tn_str_printf(out, ", s[%zu]", i);
    }
    tn_str_puts(out, ", scratch);\n}\n");
}

static void load(KernelCode *code, const Bytes *object) {
    char path[TN_FD_PATH_MAX], *error = NULL;
    int fd = tn_memory_file(object->data, object->size);
    code->fd = tn_memory_file("", 0);
    if (!tn_link_objects(&fd, 1, false, code->fd, &error)) {
        fail_msg("linking: %s", error);
    }
    close(fd);
    tn_fd_path(code->fd, path);
    code->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(code->module);
}

KernelCode kernel_run_compile(Kernel *kernel, const Target *target) {
    Ctx *ctx = kernel->ctx;
    KernelCode code = {.kernel = kernel, .fd = -1};
    Prelude prelude = tn_prelude_new(ctx);
    StrBuf source = tn_str(&ctx->arena), text = tn_str(&ctx->arena);
    const char *body = tn_emit_kernel(ctx, &prelude, kernel, NULL, &code.sizes, &code.n_sizes);
    tn_kernel_print(kernel, &text);
    if (body == NULL) {
        fail_msg("not emitted: %s\n%s", messages(ctx), text.data);
    }
    tn_prelude_text(&prelude, &source);
    tn_str_printf(&source, "static void kernel%s", body);
    put_adapter(&code, &source);
    code.source = source.data;
    Bytes object = {0};
    char *error = NULL;
    if (!tn_clang_compile(source.data, source.len, target, 2, CLANG_OBJECT, &object, &error)) {
        fail_msg("%s\n%s\n%s", error, text.data, body);
    }
    load(&code, &object);
    free(object.data);
    return code;
}

void kernel_run_close(KernelCode *code) {
    dlclose(code->module);
    close(code->fd);
}

/* ---- data ---- */

static size_t page_round(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

void *kernel_run_guard(size_t bytes) {
    size_t room = page_round(bytes), page = page_round(1);
    unsigned char *map =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
    return map + (room - bytes);
}

void kernel_run_unguard(void *data, size_t bytes) {
    size_t room = page_round(bytes);
    munmap((unsigned char *)data - (room - bytes), room + page_round(1));
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void fill(void *data, DType dtype, size_t count, uint64_t *state) {
    for (size_t i = 0; i < count; i++) {
        int64_t number = (int64_t)(next_random(state) % 33) - 16;
        float f32 = (float)number / 4;
        double f64 = (double)number / 4;
        uint8_t truth = number > 0;
        size_t size = tn_dtype_bytes(dtype);
        const void *from = dtype == TN_F32    ? (const void *)&f32
                           : dtype == TN_F64  ? (const void *)&f64
                           : dtype == TN_BOOL ? (const void *)&truth
                                              : (const void *)&number;
        memcpy((unsigned char *)data + i * size, from, size);
    }
}

KernelData kernel_run_data(Kernel *kernel, const int64_t *symbols, uint64_t seed) {
    size_t n = kernel->bufs.len;
    KernelData out = {n, calloc(n + 1, sizeof(void *)), calloc(n + 1, sizeof(size_t))};
    uint64_t state = seed;
    for (size_t i = 0; i < n; i++) {
        const Buf *buf = kernel->bufs.data[i];
        int64_t count = 1, dim = 0;
        for (int d = 0; d < buf->rank; d++) {
            assert_true(tn_dim_eval(buf->dims[d], symbols, &dim));
            count *= dim;
        }
        if (buf->kind == BUF_PARAM) {
            out.bytes[i] = (size_t)count * tn_dtype_bytes(buf->dtype);
            out.data[i] = kernel_run_guard(out.bytes[i]);
            fill(out.data[i], buf->dtype, (size_t)count, &state);
        }
    }
    return out;
}

void kernel_run_free(KernelData *data) {
    for (size_t i = 0; i < data->n; i++) {
        if (data->data[i] != NULL) {
            kernel_run_unguard(data->data[i], data->bytes[i]);
        }
    }
    free(data->data);
    free(data->bytes);
}

/* ---- calling ---- */

void kernel_run_call(const KernelCode *code, const KernelData *data, const int64_t *symbols,
                     int32_t threads) {
    union {
        void *object;
        CallFn *function;
    } call = {dlsym(code->module, "call")};
    int64_t sizes[64], scratch_bytes = 0;
    assert_true(code->n_sizes <= 64);
    for (size_t i = 0; i < code->n_sizes; i++) {
        sizes[i] = symbols[code->sizes[i]];
    }
    const Dim *scratch_dim = tn_kernel_local_bytes(code->kernel);
    assert_true(tn_dim_eval(scratch_dim, symbols, &scratch_bytes));
    unsigned char *scratch = kernel_run_guard((size_t)scratch_bytes);
    memset(scratch, 0x7f, (size_t)scratch_bytes);
    for (int32_t i = 0; i < threads; i++) {
        call.function(i, threads, data->data, sizes, scratch);
    }
    kernel_run_unguard(scratch, (size_t)scratch_bytes);
}

static bool near(double a, double b) {
    return a == b || (isnan(a) && isnan(b)) ||
           fabs(a - b) <= 1e-5 * fmax(1, fmax(fabs(a), fabs(b)));
}

static void compare(const KernelCode *code, const Target *target, const KernelData *expected,
                    const KernelData *found) {
    for (size_t i = 0; i < expected->n; i++) {
        DType dtype = code->kernel->bufs.data[i]->dtype;
        size_t size = tn_dtype_bytes(dtype);
        for (size_t at = 0; at < expected->bytes[i]; at += size) {
            const unsigned char *a = (const unsigned char *)expected->data[i] + at;
            const unsigned char *b = (const unsigned char *)found->data[i] + at;
            float f[2];
            double d[2];
            memcpy(&f[0], a, dtype == TN_F32 ? 4 : 0);
            memcpy(&f[1], b, dtype == TN_F32 ? 4 : 0);
            memcpy(&d[0], a, dtype == TN_F64 ? 8 : 0);
            memcpy(&d[1], b, dtype == TN_F64 ? 8 : 0);
            bool same = dtype == TN_F32   ? near((double)f[0], (double)f[1])
                        : dtype == TN_F64 ? near(d[0], d[1])
                                          : memcmp(a, b, size) == 0;
            if (!same) {
                fail_msg("%s: element %zu of b%zu differs\n%s", target->name, at / size, i,
                         code->source);
            }
        }
    }
}

void kernel_run_check(Kernel *kernel, const int64_t *symbols, uint64_t seed) {
    KernelData expected = kernel_run_data(kernel, symbols, seed);
    if (!tn_kernel_interp(kernel, expected.data, symbols)) {
        fail_msg("interpreter: %s", messages(kernel->ctx));
    }
    for (uint32_t i = 0; kernel_run_target(i) != NULL; i++) {
        KernelCode code = kernel_run_compile(kernel, kernel_run_target(i));
        for (int32_t threads = 1; threads <= 3; threads += 2) {
            KernelData found = kernel_run_data(kernel, symbols, seed);
            kernel_run_call(&code, &found, symbols, threads);
            compare(&code, kernel_run_target(i), &expected, &found);
            kernel_run_free(&found);
        }
        kernel_run_close(&code);
    }
    kernel_run_free(&expected);
}
