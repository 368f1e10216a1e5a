/* train_check.c: compiles training models and holds them to what they promise. */
#include "tests/support/train_check.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tenon/tenon.h"
#include "tests/support/alloc_count.h"

enum { BATCH = 3, STEPS = 3, IO_MAX = 8, TEXT_MAX = 4096 };

static const int32_t thread_counts[] = {1, 2, 5};
/* Entries in the order they are run. */
static const char *const program[] = {"init", "step", "step",  "step", "eval",
                                      "grad", "grad", "apply", "infer"};
enum { PROGRAM = sizeof program / sizeof *program };

static char folder[] = "/tmp/tenon-train-XXXXXX";

/* One entry of a model, planned, with its memory. */
typedef struct Run {
    tn_session *session;
    tn_tensor in[IO_MAX], out[IO_MAX];
    int32_t n_in, n_out;
} Run;

typedef struct Check {
    const TrainCase *at;
    char object[64]; /* the file compiled to; one loaded twice under a name is the first */
    int objects;
    char wrong[TEXT_MAX];
} Check;

static bool wrong(Check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(Check *check, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(check->wrong, sizeof check->wrong, format, args);
    va_end(args);
    return false;
}

/* ---- compiling ---- */

/* Compiles some entries, "" for all; `memory` 0 sets no budget. TN_LIMIT is no failure with a
 * budget: *least is then the figure that it gives. */
static tn_status compile(Check *check, const char *entries, uint64_t memory, uint64_t *least) {
    char batch[32], bytes[32];
    snprintf(batch, sizeof batch, "N=%d", BATCH);
    snprintf(bytes, sizeof bytes, "%" PRIu64, memory);
    tn_compiler *compiler = tn_compiler_create();
    tn_module *module = NULL;
    bool set = compiler != NULL && tn_compiler_set(compiler, "opt", "2") &&
               tn_compiler_set(compiler, "dim", batch) &&
               (memory == 0 || tn_compiler_set(compiler, "train-memory", bytes)) &&
               (*entries == '\0' || tn_compiler_set(compiler, "entries", entries));
    snprintf(check->object, sizeof check->object, "%s/%d.so", folder, check->objects++);
    tn_status status = set ? tn_module_load(compiler, check->at->path, &module) : TN_INTERNAL;
    if (status == TN_OK) {
        status = tn_module_compile_file(compiler, module, TN_EMIT_SO, check->object);
    }
    const char *said = tn_compiler_messages(compiler);
    const char *figure = strstr(said, "at least ");
    if (status == TN_LIMIT && memory > 0 && figure != NULL) {
        *least = strtoull(figure + strlen("at least "), NULL, 10);
    } else if (status != TN_OK) {
        wrong(check, "%s", said);
    }
    tn_compiler_destroy(compiler);
    return status;
}

/* ---- one entry ---- */

static size_t bytes_of(const tn_tensor *tensor) {
    return (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
}

/* Numbers in [-1, 1), or integers below `classes`, that differ from tensor to tensor. */
static void fill(tn_tensor *tensor, uint64_t seed, int64_t classes) {
    int64_t n = tn_tensor_count(tensor);
    tensor->data = malloc(bytes_of(tensor) + 1);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t number = (int64_t)(seed >> 40) % classes;
        if (tensor->dtype == TN_F32) {
            ((float *)tensor->data)[i] = (float)(seed >> 40) * 0x1p-23f - 1;
        } else if (tensor->dtype == TN_I32) {
            ((int32_t *)tensor->data)[i] = (int32_t)number;
        } else {
            assert_int_equal(tensor->dtype, TN_I64);
            ((int64_t *)tensor->data)[i] = number;
        }
    }
}

static const tn_entry_desc *find_entry(const tn_model *model, const char *name) {
    const tn_model_desc *desc = tn_model_describe(model);
    for (int32_t i = 0; i < desc->n_entries; i++) {
        if (strcmp(desc->entries[i].name, name) == 0) {
            return &desc->entries[i];
        }
    }
    fail_msg("there is no entry %s", name);
    return NULL;
}

static bool plan(Check *check, const tn_model *model, const char *name, int32_t threads, Run *run) {
    const tn_entry_desc *entry = find_entry(model, name);
    assert_true(entry->n_inputs <= IO_MAX && entry->n_outputs <= IO_MAX);
    *run = (Run){.n_in = entry->n_inputs, .n_out = entry->n_outputs};
    for (int32_t i = 0; i < run->n_in; i++) {
        const tn_io_desc *io = &entry->inputs[i];
        run->in[i] = (tn_tensor){.dtype = io->dtype, .rank = io->rank};
        memcpy(run->in[i].dims, io->dims, (size_t)io->rank * sizeof *io->dims);
        fill(&run->in[i], (uint64_t)i + 1, check->at->classes);
    }
    char error[512];
    if (tn_session_create(model, name, &run->session, error, sizeof error) != TN_OK) {
        return wrong(check, "%s: %s", name, error);
    }
    tn_session_set_threads(run->session, threads);
    if (tn_session_plan(run->session, run->in, run->n_in, run->out, run->n_out) != TN_OK) {
        return wrong(check, "%s: %s", name, tn_session_error(run->session));
    }
    for (int32_t i = 0; i < run->n_out; i++) {
        run->out[i].data = calloc(1, bytes_of(&run->out[i]) + 1);
    }
    return true;
}

static void drop(Run *run) {
    for (int32_t i = 0; i < run->n_in; i++) {
        free(run->in[i].data);
    }
    for (int32_t i = 0; i < run->n_out; i++) {
        free(run->out[i].data);
    }
    tn_session_destroy(run->session);
}

/* Runs the entry, which must not ask for memory. */
static bool run_quietly(Check *check, Run *run, const char *name, void *state) {
    tn_session_set_state(run->session, state);
    long before = alloc_count();
    if (tn_session_run(run->session, run->in, run->n_in, run->out, run->n_out) != TN_OK) {
        return wrong(check, "%s: %s", name, tn_session_error(run->session));
    }
    long more = alloc_count() - before;
    return more == 0 || wrong(check, "%s allocates %ld times", name, more);
}

/* ---- threads ---- */

/* Everything that a pass over the program gave: the state after each entry, and results. */
typedef struct Record {
    unsigned char *bytes;
    size_t size;
} Record;

static void note(Record *record, const void *bytes, size_t size) {
    unsigned char *more = realloc(record->bytes, record->size + size + 1);
    assert_non_null(more);
    record->bytes = more;
    memcpy(record->bytes + record->size, bytes, size);
    record->size += size;
}

/* After steps the state is noted too. */
static bool run_program(Check *check, const tn_model *model, int32_t threads, Record *record) {
    bool ok = true;
    void *state = tn_state_create(model);
    size_t state_bytes = tn_model_describe(model)->state_bytes;
    for (int i = 0; i < PROGRAM && ok; i++) {
        Run run;
        ok = plan(check, model, program[i], threads, &run) &&
             run_quietly(check, &run, program[i], state);
        for (int32_t k = 0; k < run.n_out && ok; k++) {
            note(record, run.out[k].data, bytes_of(&run.out[k]));
        }
        if (ok) {
            note(record, state, state_bytes);
        }
        drop(&run);
    }
    tn_state_destroy(state);
    return ok;
}

static bool same_at_any_thread_count(Check *check, const tn_model *model) {
    Record records[3] = {{NULL, 0}};
    bool ok = true;
    for (int i = 0; i < 3 && ok; i++) {
        ok = run_program(check, model, thread_counts[i], &records[i]);
        if (ok && (records[i].size != records[0].size ||
                   memcmp(records[i].bytes, records[0].bytes, records[0].size) != 0)) {
            ok = wrong(check, "bits with 1 and with %d threads differ", thread_counts[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        free(records[i].bytes);
    }
    return ok;
}

/* ---- memory ---- */

/* The state that some steps leave, from the one that `model`'s init makes; NULL when one fails.
 * *arena is what a step takes. */
static void *states_after(Check *check, const tn_model *model, const tn_model *first,
                          size_t *arena) {
    void *state = tn_state_create(model);
    Run init, step;
    bool ok = plan(check, first, "init", 1, &init) && run_quietly(check, &init, "init", state);
    drop(&init);
    if (ok) {
        ok = plan(check, model, "step", 1, &step);
        for (int i = 0; i < STEPS && ok; i++) {
            ok = run_quietly(check, &step, "step", state);
        }
        *arena = ok ? tn_session_arena_bytes(step.session) : 0;
        drop(&step);
    }
    if (!ok) {
        tn_state_destroy(state);
    }
    return ok ? state : NULL;
}

/* The step compiled within `bytes` does what that of `first` did, and takes no more. */
static bool same_within(Check *check, const tn_model *first, const void *expected, uint64_t bytes) {
    char error[512];
    tn_model *model = NULL;
    size_t arena;
    if (tn_model_open(check->object, &model, error, sizeof error) != TN_OK) {
        return wrong(check, "%s", error);
    }
    void *found = states_after(check, model, first, &arena);
    bool ok = found != NULL;
    if (ok && arena > bytes) {
        ok = wrong(check, "%" PRIu64 " bytes allowed, %zu used", bytes, arena);
    } else if (ok && memcmp(found, expected, tn_model_describe(first)->state_bytes) != 0) {
        ok = wrong(check, "within %" PRIu64 " bytes the bits are others", bytes);
    }
    tn_state_destroy(found);
    tn_model_close(model);
    return ok;
}

static bool met_or_refused(Check *check, const tn_model *first) {
    size_t peak;
    uint64_t least = 0;
    void *expected = states_after(check, first, first, &peak);
    if (expected == NULL) {
        return false;
    }
    uint64_t bytes = peak / 2;
    tn_status status = compile(check, "step", bytes, &least);
    bool ok = true;
    if (status == TN_LIMIT && least > bytes) {
        uint64_t none = 0;
        bytes = least;
        ok = compile(check, "step", least - 1, &none) == TN_LIMIT && none == least &&
             (least == peak || compile(check, "step", least, &none) == TN_OK);
        if (!ok && check->wrong[0] == '\0') {
            wrong(check, "%" PRIu64 " is not the least figure", least);
        }
    } else {
        ok = status == TN_OK;
    }
    ok = ok && (bytes == peak || same_within(check, first, expected, bytes));
    tn_state_destroy(expected);
    return ok;
}

/* ---- all ---- */

static bool check_model(Check *check) {
    char names[TEXT_MAX], error[512];
    tn_model *model = NULL;
    if (compile(check, "", 0, NULL) != TN_OK) {
        return false;
    }
    if (train_foreign_symbols(check->object, names, sizeof names) != 0) {
        return wrong(check, "the object wants %s", names);
    }
    if (tn_model_open(check->object, &model, error, sizeof error) != TN_OK) {
        return wrong(check, "%s", error);
    }
    bool ok = same_at_any_thread_count(check, model) && met_or_refused(check, model);
    tn_model_close(model);
    return ok;
}

void train_check(const TrainCase *cases, size_t n) {
    int failed = 0;
    char line[64];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < n; i++) {
        Check check = {.at = &cases[i], .objects = (int)i * 10};
        if (!check_model(&check)) {
            print_message("%s: %s\n", cases[i].path, check.wrong);
            failed++;
        }
    }
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    assert_int_equal(system(line), 0);
    assert_int_equal(failed, 0);
}
