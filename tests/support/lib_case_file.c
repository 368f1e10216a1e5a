/* lib_case_file.c: files of cases: see lib_case.h for what they hold. */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/lib_case.h"

typedef struct CaseFile {
    const char *path;
    char *text; /* malloc'ed */
    char *at;   /* the next line */
    char *name; /* of the case */
    LibModel *model;
    double tol;
    bool warned, refused, ran;
    size_t n_cases, n_failed;
    bool failed; /* the case under way has */
} CaseFile;

/* A line of numbers: "in x [2,3] = 1 2 3 4 5 6". */
typedef struct Numbers {
    const char *name;
    int rank;
    int64_t dims[TN_MAX_RANK];
    size_t n;
    double *values; /* malloc'ed */
} Numbers;

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fseek(file, 0, SEEK_SET);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), (size_t)size);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* The next line with those that continue it, NUL-terminated; NULL at the end. */
static char *next_line(CaseFile *file) {
    while (*file->at == '\n' || *file->at == '#') {
        file->at += strcspn(file->at, "\n") + (file->at[strcspn(file->at, "\n")] != '\0');
    }
    if (*file->at == '\0') {
        return NULL;
    }
    char *line = file->at;
    char *end = line;
    do {
        end += strcspn(end, "\n");
        if (*end == '\n' && end[1] == ' ') {
            *end = ' ';
        }
    } while (*end == ' ');
    file->at = *end == '\0' ? end : end + 1;
    *end = '\0';
    return line;
}

static char *word(char **line) {
    *line += strspn(*line, " ");
    char *start = *line;
    *line += strcspn(*line, " ");
    if (**line != '\0') {
        *(*line)++ = '\0';
    }
    return start;
}

static Numbers numbers(CaseFile *file, char *line) {
    Numbers list = {.name = word(&line)};
    char *at = strchr(line, '[');
    if (at == NULL) {
        fail_msg("%s: case %s: no dims behind %s", file->path, file->name, list.name);
        return list;
    }
    for (at++; *at != ']'; at += *at == ',') {
        assert_true(list.rank < TN_MAX_RANK);
        list.dims[list.rank++] = strtoll(at, &at, 10);
    }
    at = strchr(at, '=') + 1;
    list.values = malloc((strlen(at) / 2 + 2) * sizeof(double));
    assert_non_null(list.values);
    for (char *end = at;; at = end) {
        double value = strtod(at, &end);
        if (end == at) {
            break;
        }
        list.values[list.n++] = value;
    }
    return list;
}

static void report(CaseFile *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void report(CaseFile *file, const char *format, ...) {
    if (!file->failed) {
        file->n_failed++;
    }
    file->failed = true;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: case %s: ", file->path, file->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
}

static bool close_to(double x, double y, double tol) {
    if (isnan(y) || isinf(y)) {
        return isnan(y) ? isnan(x) : x == y;
    }
    return fabs(x - y) <= tol * fmax(1, fabs(y));
}

static void compare(CaseFile *file, const RefTensor *got, const Numbers *want) {
    bool same = got->rank == want->rank && got->count == (int64_t)want->n;
    for (int d = 0; same && d < want->rank; d++) {
        same = got->dims[d] == want->dims[d];
    }
    if (!same) {
        report(file, "%s has rank %d and %lld elements, wanted %d and %zu (first dims %lld, %lld)",
               want->name, got->rank, (long long)got->count, want->rank, want->n,
               (long long)got->dims[0], (long long)want->dims[0]);
        return;
    }
    for (size_t i = 0; i < want->n; i++) {
        double value = lib_number(got, (int64_t)i);
        if (!close_to(value, want->values[i], file->tol)) {
            report(file, "%s[%zu] is %.17g, wanted %.17g", want->name, i, value, want->values[i]);
            return;
        }
    }
}

static void end_case(CaseFile *file) {
    if (file->model == NULL) {
        return;
    }
    if (!file->warned && !file->refused && file->model->ctx.diags.items.len > 0) {
        report(file, "unexpected: %s", lib_messages(file->model));
    }
    lib_close(file->model);
    file->model = NULL;
}

static void begin_case(CaseFile *file, char *name) {
    end_case(file);
    file->n_cases++;
    file->name = name;
    file->tol = 1e-9;
    file->warned = file->refused = file->failed = false;
}

/* The text up to a line "end". */
static void open_source(CaseFile *file) {
    char *source = file->at;
    char *end = strstr(source, "\nend\n");
    if (end == NULL) {
        fail_msg("%s: case %s: source without end", file->path, file->name);
        return;
    }
    end[1] = '\0';
    file->at = end + 5;
    file->model = lib_open(file->name, source);
}

static void expect_message(CaseFile *file, const char *text, bool refused) {
    file->warned |= !refused;
    file->refused |= refused;
    const char *said = lib_messages(file->model);
    if (strstr(said, text) == NULL) {
        report(file, "wanted \"%s\" among: %s", text, said);
    }
    if (refused != (file->model->module == NULL)) {
        report(file, "the source was %s", refused ? "accepted" : "refused");
    }
}

static void do_numbers(CaseFile *file, const char *what, char *line) {
    LibModel *model = file->model;
    Numbers list = numbers(file, line);
    if (strcmp(what, "in") == 0) {
        lib_input(model, list.name, list.rank, list.dims, list.values);
    } else if (strcmp(what, "set") == 0) {
        lib_set_state(model, list.name, list.rank, list.dims, list.values);
    } else if (strcmp(what, "out") == 0) {
        compare(file, lib_output(model, list.name), &list);
    } else if (strcmp(what, "new") == 0) {
        compare(file, lib_state(model, list.name), &list);
    } else {
        fail_msg("%s: case %s: what is \"%s\"?", file->path, file->name, what);
    }
    free(list.values);
}

/* An entry runs when the first line behind its inputs is met, or the next run. */
static void run_pending(CaseFile *file, char **pending) {
    if (*pending != NULL) {
        lib_run(file->model, *pending);
        *pending = NULL;
    }
}

static void do_line(CaseFile *file, char *line, char **pending) {
    char *what = word(&line);
    bool input = strcmp(what, "in") == 0 || strcmp(what, "set") == 0 || strcmp(what, "hyper") == 0;
    if (!input) {
        run_pending(file, pending);
    }
    if (strcmp(what, "case") == 0) {
        begin_case(file, line);
    } else if (strcmp(what, "source") == 0) {
        open_source(file);
    } else if (strcmp(what, "tol") == 0) {
        file->tol = strtod(line, NULL);
    } else if (strcmp(what, "warning") == 0 || strcmp(what, "error") == 0) {
        expect_message(file, line, what[0] == 'e');
    } else if (file->model == NULL || file->model->module == NULL) {
        if (!file->failed) {
            report(file, "refused: %s", file->model != NULL ? lib_messages(file->model) : "");
        }
    } else if (strcmp(what, "run") == 0) {
        *pending = word(&line);
    } else if (strcmp(what, "hyper") == 0) {
        char *name = word(&line);
        lib_hyper(file->model, name, strtod(line, NULL));
    } else {
        do_numbers(file, what, line);
    }
}

void lib_check_file(const char *path) {
    CaseFile file = {.path = path, .text = read_file(path)};
    file.at = file.text;
    char *pending = NULL;
    for (char *line = next_line(&file); line != NULL; line = next_line(&file)) {
        do_line(&file, line, &pending);
    }
    run_pending(&file, &pending);
    end_case(&file);
    free(file.text);
    if (file.n_failed > 0 || file.n_cases == 0) {
        fail_msg("%s: %zu of %zu cases failed", path, file.n_failed, file.n_cases);
    }
}
