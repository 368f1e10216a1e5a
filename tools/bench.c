/* bench.c: tenon bench: how long a run takes, all of it or kernel by kernel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tools/subject.h"
#include "tools/tensor.h"

typedef struct Figures {
    double min_ms, median_ms, load_ms, flops;
    int64_t runs;
    int32_t n_threads;
} Figures;

typedef struct Bench {
    Subject subject;
    Runner runner;
    Inputs inputs;
    Figures figures;
} Bench;

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static tn_status time_runs(Bench *b) {
    Figures *figures = &b->figures;
    double *ms = calloc((size_t)figures->runs, sizeof *ms);
    tn_status status = ms ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
    for (int64_t i = 0; i < figures->runs && status == TN_OK; i++) {
        double start = tn_tool_ms();
        status = tn_runner_run(&b->runner, &b->inputs);
        ms[i] = tn_tool_ms() - start;
    }
    if (status == TN_OK) {
        size_t n = (size_t)figures->runs;
        qsort(ms, n, sizeof *ms, compare_doubles);
        figures->min_ms = ms[0];
        figures->median_ms = n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2;
    }
    free(ms);
    return status;
}

/* Names come from the model: anything may be in them. What JSON could not hold is escaped before
 * quoting. */
static void print_json_string(const char *text) {
    Arena arena;
    tn_arena_init(&arena, NULL);
    StrBuf quoted = tn_str(&arena);
    StrBuf shown = tn_str(&arena);
    tn_str_show(&shown, tn_sv(text));
    tn_str_escape(&quoted, (StrView){shown.data, shown.len});
    printf("\"%s\"", quoted.data ? quoted.data : "");
    tn_arena_free(&arena);
}

static double gflops(double flops, double ms) {
    return ms > 0 ? flops / ms / 1e6 : 0;
}

static void print_json(const Bench *b, const double *kernel_ms) {
    const Figures *f = &b->figures;
    const tn_entry_desc *entry = b->runner.entry;
    const tn_model_desc *desc = b->subject.desc;
    printf("{\"model\": ");
    print_json_string(desc->name);
    printf(", \"entry\": ");
    print_json_string(entry->name);
    printf(", \"target\": ");
    print_json_string(desc->target);
    printf(", \"threads\": %d, \"runs\": %lld, \"min_ms\": %.6g, \"median_ms\": %.6g, "
           "\"gflops\": %.6g, \"compile_ms\": %.6g, \"load_ms\": %.6g, \"arena_bytes\": %zu, "
           "\"weight_bytes\": %llu, \"state_bytes\": %llu, \"kernels\": %d",
           (int)f->n_threads, (long long)f->runs, f->min_ms, f->median_ms,
           gflops(f->flops, f->min_ms), b->subject.compile_ms, f->load_ms,
           tn_session_arena_bytes(b->runner.session), (unsigned long long)desc->weight_bytes,
           (unsigned long long)desc->state_bytes, (int)entry->n_kernels);
    for (int32_t k = 0; kernel_ms && k < entry->n_kernels; k++) {
        printf(k ? ", {\"name\": " : ", \"per_kernel\": [{\"name\": ");
        print_json_string(entry->kernel_names[k]);
        printf(", \"ms\": %.6g, \"gflops\": %.6g}%s", kernel_ms[k],
               gflops(entry->kernel_flops ? entry->kernel_flops[k] : 0, kernel_ms[k]),
               k + 1 == entry->n_kernels ? "]" : "");
    }
    printf("}\n");
}

static double mebibytes(uint64_t bytes) {
    return (double)bytes / 0x1p20;
}

static void print_text(const Bench *b) {
    const Figures *f = &b->figures;
    const tn_model_desc *desc = b->subject.desc;
    tn_tool_show(stdout, desc->name);
    printf(" (%s), ", desc->target);
    if (desc->n_entries > 1) {
        printf("entry ");
        tn_tool_show(stdout, b->runner.entry->name);
        printf(", ");
    }
    printf("%d thread%s, %lld runs\n", (int)f->n_threads, f->n_threads == 1 ? "" : "s",
           (long long)f->runs);
    for (int32_t i = 0; desc->n_entries > 1 && i < b->inputs.n; i++) {
        char type[256];
        tn_tensor_type_text(&b->inputs.tensors[i], type, sizeof type);
        printf("  ");
        tn_tool_show(stdout, b->inputs.specs[i].name);
        printf(": %s\n", type);
    }
    printf("  min %.3f ms  median %.3f ms  %.1f GFLOP/s  %d kernels\n", f->min_ms, f->median_ms,
           gflops(f->flops, f->min_ms), (int)b->runner.entry->n_kernels);
    printf("  compile %.0f ms  load %.1f ms  arena %.2f MiB  weights %.2f MiB",
           b->subject.compile_ms, f->load_ms, mebibytes(tn_session_arena_bytes(b->runner.session)),
           mebibytes(desc->weight_bytes));
    if (desc->state_bytes > 0) {
        printf("  state %.2f MiB", mebibytes(desc->state_bytes));
    }
    printf("\n");
}

static void print_kernels(const tn_entry_desc *entry, const double *ms) {
    double total = 0;
    for (int32_t k = 0; k < entry->n_kernels; k++) {
        total += ms[k];
    }
    printf("%10s %6s %10s  %s\n", "ms", "%", "GFLOP/s", "kernel");
    for (int32_t k = 0; k < entry->n_kernels; k++) {
        printf("%10.4f %6.1f %10.2f  ", ms[k], total > 0 ? 100 * ms[k] / total : 0,
               gflops(entry->kernel_flops ? entry->kernel_flops[k] : 0, ms[k]));
        tn_tool_show(stdout, entry->kernel_names[k]);
        putchar('\n');
    }
    printf("%10.4f %6s %10s  total\n", total, "", "");
}

/* The least of several profiles, kernel by kernel; the caller frees `*out`. */
static tn_status profile(Bench *b, int64_t runs, double **out) {
    Runner *runner = &b->runner;
    size_t n = (size_t)runner->entry->n_kernels;
    double *best = calloc(n + 1, sizeof *best), *now = calloc(n + 1, sizeof *now);
    tn_status status = best && now ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
    for (int64_t i = 0; i < runs && status == TN_OK; i++) {
        status = tn_session_profile(runner->session, b->inputs.tensors, b->inputs.n,
                                    runner->outputs, runner->entry->n_outputs, now);
        for (size_t k = 0; k < n && status == TN_OK; k++) {
            if (i == 0 || now[k] < best[k]) {
                best[k] = now[k];
            }
        }
        if (status != TN_OK) {
            tn_tool_error(status, "%s", tn_session_error(runner->session));
        }
    }
    free(now);
    *out = best;
    return status;
}

static tn_status measure(const Args *args, Bench *b) {
    bool json = tn_args_has(args, OPT_JSON), kernels = tn_args_has(args, OPT_PER_KERNEL);
    tn_tool_progress("running ...");
    tn_status status = time_runs(b);
    double *kernel_ms = NULL;
    if (status == TN_OK && kernels) {
        status = profile(b, b->figures.runs, &kernel_ms);
    }
    tn_tool_progress(NULL);
    if (status == TN_OK && json) {
        print_json(b, kernel_ms);
    } else if (status == TN_OK) {
        print_text(b);
    }
    if (status == TN_OK && !json && kernels) {
        print_kernels(b->runner.entry, kernel_ms);
    }
    free(kernel_ms);
    return status;
}

/* Everything up to the inputs; `init` runs once, as the steps go on from there. */
static tn_status prepare(const Args *args, Bench *b) {
    tn_status status = tn_subject_init(args, &b->subject);
    if (status == TN_OK) {
        status = tn_runner_open(args, &b->subject, NULL, &b->runner);
    }
    if (status == TN_OK) {
        status = tn_inputs_of_entry(b->subject.desc, b->runner.entry, &b->inputs);
    }
    return status == TN_OK ? tn_inputs_make(&b->inputs, args, 0) : status;
}

tn_status tn_cmd_bench(const Args *args) {
    const char *path = tn_tool_model_name(args);
    Bench b = {.figures.load_ms = 0};
    if (!path || !tn_args_int(args, OPT_RUNS, 20, 1, 1000000, &b.figures.runs)) {
        return TN_USAGE;
    }
    double start = tn_tool_ms();
    tn_status status = tn_subject_open(args, path, &b.subject);
    double opened = tn_tool_ms();
    if (status == TN_OK) {
        status = prepare(args, &b);
    }
    double ready = tn_tool_ms();
    if (status == TN_OK) {
        status = tn_runner_plan(&b.runner, &b.inputs);
    }
    if (status == TN_OK) {
        status = tn_runner_run(&b.runner, &b.inputs);
    }
    if (status == TN_OK) {
        /* Opening to the first answer: neither compiling nor making inputs counts. */
        b.figures.load_ms = (opened - start) - b.subject.compile_ms + (tn_tool_ms() - ready);
        b.figures.flops = tn_entry_flops(b.runner.entry);
        b.figures.n_threads = tn_session_threads(b.runner.session);
        status = measure(args, &b);
    }
    tn_inputs_free(&b.inputs);
    tn_runner_free(&b.runner);
    tn_subject_free(&b.subject);
    return status;
}
