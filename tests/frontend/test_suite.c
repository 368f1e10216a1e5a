/* test_suite.c: the official ONNX backend suite on the reference evaluator.
 *
 * Needs two environment variables, and skips by name without them: TENON_ONNX_SUITE, an
 * unpacked suite (its folders are GROUP/CASE), and TENON_ONNX_CASES, a file that lists cases
 * one a line. Each case runs in a process of its own. Listed cases must pass;
 * TENON_ONNX_LENIENT=1 lets a case say that it is unsupported.
 *
 * Inputs are also given as bindings, so that a model whose shapes depend on them is
 * specialised. Floats are compared with rtol 1e-3 and atol 1e-7, the rest exactly.
 */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "frontend/frontend.h"
#include "ir/op.h"

enum { PASSED, FAILED, UNSUPPORTED, CRASHED, SECONDS = 600, MAX_IO = 64 };

/* ---- files ---- */

static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    fseek(file, 0, SEEK_SET);
    char *bytes = malloc(*size + 1);
    *size = fread(bytes, 1, *size, file);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

typedef struct Case {
    Ctx *ctx;
    const char *dir;
    Graph *graph;
    tn_tensor tensors[MAX_IO]; /* of the data set being run */
} Case;

static int problem(Case *c) {
    StrBuf text = tn_str(&c->ctx->arena);
    tn_diag_print(&c->ctx->diags, &text);
    printf("  %s", text.data);
    return tn_diag_status(&c->ctx->diags) == TN_UNSUPPORTED ? UNSUPPORTED : FAILED;
}

static bool read_tensor(Case *c, const char *set, const char *kind, size_t i, tn_tensor *out) {
    const char *path = tn_arena_printf(&c->ctx->arena, "%s/%s/%s_%zu.pb", c->dir, set, kind, i);
    size_t size;
    const char *name;
    void *bytes = read_file(path, &size);
    if (bytes == NULL) {
        return tn_diag(&c->ctx->diags, TN_IO, (Loc){.file = path}, "cannot be read");
    }
    return tn_onnx_read_tensor(c->ctx, bytes, size, path, out, &name);
}

/* ---- comparing ---- */

static bool close_enough(double got, double want) {
    if (isnan(got) || isnan(want) || isinf(got) || isinf(want)) {
        return (isnan(got) && isnan(want)) || got == want;
    }
    return fabs(got - want) <= 1e-7 + 1e-3 * fabs(want);
}

static bool same_tensor(const RefTensor *got, const RefTensor *want, size_t output) {
    bool same = got->dtype == want->dtype && got->rank == want->rank &&
                memcmp(got->dims, want->dims, (size_t)got->rank * sizeof *got->dims) == 0;
    if (!same) {
        printf("  output %zu has another type or shape\n", output);
        return false;
    }
    for (int64_t k = 0; k < got->count; k++) {
        bool floats = tn_dtype_is_float(got->dtype);
        double value = !floats ? 0 : got->dtype == TN_F32 ? (double)(float)got->f[k] : got->f[k];
        if (floats ? !close_enough(value, want->f[k]) : got->i[k] != want->i[k]) {
            printf("  output %zu differs at %lld: %g, expected %g\n", output, (long long)k,
                   floats ? value : (double)got->i[k], floats ? want->f[k] : (double)want->i[k]);
            return false;
        }
    }
    return true;
}

/* ---- one case ---- */

static RefTensor to_ref(Case *c, const tn_tensor *tensor) {
    return tn_ref_from_bytes(&c->ctx->arena, (DType)tensor->dtype, tensor->rank, tensor->dims,
                             tensor->data);
}

static int run_set(Case *c, const char *set) {
    RefTensor inputs[MAX_IO];
    RefTensor outputs[MAX_IO];
    for (size_t i = 0; i < c->graph->inputs.len; i++) {
        if (!read_tensor(c, set, "input", i, &c->tensors[i])) {
            return problem(c);
        }
        inputs[i] = to_ref(c, &c->tensors[i]);
    }
    if (!tn_eval_graph(c->graph, inputs, &c->ctx->arena, outputs, NULL, NULL)) {
        problem(c);
        return FAILED;
    }
    for (size_t i = 0; i < c->graph->outputs.len; i++) {
        tn_tensor want;
        if (!read_tensor(c, set, "output", i, &want)) {
            problem(c);
            return FAILED;
        }
        RefTensor expected = to_ref(c, &want);
        if (!same_tensor(&outputs[i], &expected, i)) {
            return FAILED;
        }
    }
    return PASSED;
}

/* The graph with the inputs of the first data set as bindings. Those are matched by
 * position, so a first import finds out what the inputs are called. */
static bool import(Case *c) {
    size_t size;
    const char *path = tn_arena_printf(&c->ctx->arena, "%s/model.onnx", c->dir);
    void *bytes = read_file(path, &size);
    Binding bindings[MAX_IO];
    FrontendOptions options = {.bindings = bindings, .dir = c->dir};
    if (bytes == NULL) {
        return tn_diag(&c->ctx->diags, TN_IO, (Loc){.file = path}, "cannot be read");
    }
    for (size_t i = 0; i < MAX_IO; i++) {
        const char *file =
            tn_arena_printf(&c->ctx->arena, "%s/test_data_set_0/input_%zu.pb", c->dir, i);
        size_t length;
        const char *name = "";
        void *data = read_file(file, &length);
        size_t said = c->ctx->diags.items.len;
        if (data == NULL ||
            !tn_onnx_read_tensor(c->ctx, data, length, file, &bindings[i].value, &name) ||
            name[0] == 0) {
            c->ctx->diags.items.len = said;
            continue;
        }
        bindings[options.n_bindings] = (Binding){name, bindings[i].value};
        options.n_bindings++;
    }
    c->graph = tn_frontend_import(c->ctx, bytes, size, path, &options);
    return c->graph != NULL;
}

static int run_case(const char *dir) {
    Ctx ctx;
    jmp_buf oom;
    tn_ctx_init(&ctx, &oom);
    if (setjmp(oom) != 0) {
        printf("  out of memory\n");
        return FAILED;
    }
    Case c = {.ctx = &ctx, .dir = dir};
    if (!import(&c)) {
        return problem(&c);
    }
    int result = PASSED;
    for (int set = 0; result == PASSED; set++) {
        const char *name = tn_arena_printf(&ctx.arena, "test_data_set_%d", set);
        const char *path = tn_arena_printf(&ctx.arena, "%s/%s", dir, name);
        if (access(path, R_OK) != 0) {
            break;
        }
        result = run_set(&c, name);
    }
    tn_ctx_free(&ctx);
    return result;
}

static int fork_case(const char *suite, const char *name) {
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/%s", suite, name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        int result = run_case(dir);
        fflush(stdout);
        _exit(result);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) <= UNSUPPORTED ? WEXITSTATUS(status) : CRASHED;
}

static void test_cases(void **state) {
    (void)state;
    static const char *const words[] = {"ok", "fail", "unsupported", "crash"};
    const char *suite = getenv("TENON_ONNX_SUITE");
    const char *list = getenv("TENON_ONNX_CASES");
    if (suite == NULL || list == NULL) {
        print_message("skipped: TENON_ONNX_SUITE and TENON_ONNX_CASES are not set\n");
        skip();
    }
    size_t size;
    char *names = read_file(list, &size);
    assert_non_null(names);
    int counts[4] = {0};
    for (char *rest = names, *name; (name = strtok_r(rest, "\n", &rest)) != NULL;) {
        int result = fork_case(suite, name);
        counts[result]++;
        printf("%s %s\n", words[result], name);
    }
    free(names);
    printf("%d passed, %d failed, %d unsupported, %d crashed\n", counts[PASSED], counts[FAILED],
           counts[UNSUPPORTED], counts[CRASHED]);
    assert_int_equal(counts[CRASHED], 0);
    assert_int_equal(counts[FAILED], 0);
    assert_true(getenv("TENON_ONNX_LENIENT") != NULL || counts[UNSUPPORTED] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
