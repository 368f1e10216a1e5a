/* test.c: tenon test: cases of the ONNX backend suite, each in a child process.
 *
 * A child writes its result through a pipe; one that ends without doing so crashed. Lines
 * appear in the order of the cases, whatever the order in which children end.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/case.h"

enum { PATH_BYTES = 4096, MAX_DEPTH = 16, MAX_JOBS = 256 };

/* What a child tells its parent. */
typedef struct Verdict {
    CaseResult result;
    char reason[CASE_REASON];
} Verdict;

typedef struct Entry {
    char *dir;
    const char *name; /* as printed: `dir` without the root it was found under */
    bool done;
    Verdict verdict;
} Entry;

typedef struct Job {
    pid_t pid; /* 0: free */
    int pipe;
    size_t entry;
    double deadline;
    bool late;
} Job;

typedef struct Suite {
    const Args *args;
    Entry *entries;
    size_t n, capacity;
    Job jobs[MAX_JOBS];
    int n_jobs;
    int64_t time_limit, memory_limit;
    size_t next, printed, passed;
} Suite;

static bool is_file(const char *dir, const char *name) {
    char path[PATH_BYTES];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && n < (int)sizeof path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static tn_status add_case(Suite *suite, const char *dir, size_t skip) {
    if (suite->n == suite->capacity) {
        size_t capacity = suite->capacity * 2 + 64;
        Entry *more = realloc(suite->entries, capacity * sizeof *more);
        if (!more) {
            return tn_tool_error(TN_LIMIT, "out of memory");
        }
        suite->entries = more;
        suite->capacity = capacity;
    }
    char *copy = strdup(dir);
    if (!copy) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    suite->entries[suite->n++] =
        (Entry){.dir = copy, .name = copy + (skip < strlen(dir) ? skip : 0)};
    return TN_OK;
}

static int no_dots(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* `dir` itself when it is a case, else the cases below it. `skip`: bytes of the root. */
static tn_status find_cases(Suite *suite, const char *dir, size_t skip, int depth) {
    if (is_file(dir, "model.onnx")) {
        return add_case(suite, dir, skip);
    }
    struct dirent **list;
    int n = depth < MAX_DEPTH ? scandir(dir, &list, no_dots, alphasort) : 0;
    if (n < 0) {
        return depth > 0 && errno == ENOTDIR
                   ? TN_OK
                   : tn_tool_error(TN_IO, "%s: cannot read: %s", dir, strerror(errno));
    }
    tn_status status = TN_OK;
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES];
        int length = snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        bool folder =
            list[i]->d_type == DT_DIR || list[i]->d_type == DT_LNK || list[i]->d_type == DT_UNKNOWN;
        if (status == TN_OK && folder && length < (int)sizeof path) {
            status = find_cases(suite, path, skip, depth + 1);
        }
        free(list[i]);
    }
    if (n > 0 || depth < MAX_DEPTH) {
        free(list);
    }
    return status;
}

static tn_status read_list(Suite *suite, const char *list) {
    const char *root = tn_args_get(suite->args, OPT_ROOT);
    root = root ? root : ".";
    FILE *file = fopen(list, "r");
    if (!file) {
        return tn_tool_error(TN_IO, "%s: cannot open: %s", list, strerror(errno));
    }
    char line[PATH_BYTES / 2], path[PATH_BYTES];
    tn_status status = TN_OK;
    while (status == TN_OK && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", root, line);
        if (is_file(path, "model.onnx")) {
            status = add_case(suite, path, strlen(root) + 1);
        } else {
            status = tn_tool_error(TN_BAD_INPUT, "%s: no case '%s'", list, path);
        }
    }
    if (ferror(file)) {
        status = tn_tool_error(TN_IO, "%s: cannot read: %s", list, strerror(errno));
    }
    fclose(file);
    return status;
}

static void child(const Suite *suite, const Entry *entry, int to) {
    Verdict verdict = {0};
    struct rlimit memory = {(rlim_t)suite->memory_limit << 20, (rlim_t)suite->memory_limit << 20};
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    setrlimit(RLIMIT_AS, &memory); /* a sanitizer reserves terabytes */
#else
    (void)memory;
#endif
    verdict.result = tn_case_run(suite->args, entry->dir, verdict.reason);
    /* One write of less than PIPE_BUF: all or nothing. */
    ssize_t n = write(to, &verdict, sizeof verdict);
    exit(n == (ssize_t)sizeof verdict ? 0 : 1);
}

static tn_status start(Suite *suite, Job *job) {
    int ends[2];
    fflush(NULL); /* or the child would print it again */
    if (pipe(ends) != 0) {
        return tn_tool_error(TN_IO, "cannot make a pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(suite, &suite->entries[suite->next], ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return tn_tool_error(TN_LIMIT, "cannot start a process: %s", strerror(errno));
    }
    *job = (Job){.pid = pid,
                 .pipe = ends[0],
                 .entry = suite->next++,
                 .deadline = tn_tool_ms() + (double)suite->time_limit * 1e3};
    return TN_OK;
}

static void finish(Suite *suite, Job *job) {
    Entry *entry = &suite->entries[job->entry];
    ssize_t got = read(job->pipe, &entry->verdict, sizeof entry->verdict);
    int status = 0;
    close(job->pipe);
    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    /* A verdict followed by a bad end, such as a leak found at exit, is no pass. */
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (got != (ssize_t)sizeof entry->verdict || (!clean && !job->late)) {
        entry->verdict.result = job->late ? CASE_FAIL : CASE_CRASH;
        if (job->late) {
            snprintf(entry->verdict.reason, CASE_REASON, "not done within %lld s",
                     (long long)suite->time_limit);
        } else if (WIFSIGNALED(status)) {
            snprintf(entry->verdict.reason, CASE_REASON, "signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        } else {
            snprintf(entry->verdict.reason, CASE_REASON, "exit %d", WEXITSTATUS(status));
        }
    }
    entry->done = true;
    job->pid = 0;
}

static void print_done(Suite *suite) {
    static const char *const words[] = {"ok", "fail", "unsupported", "crash"};
    for (; suite->printed < suite->n && suite->entries[suite->printed].done; suite->printed++) {
        const Entry *entry = &suite->entries[suite->printed];
        bool ok = entry->verdict.result == CASE_OK;
        suite->passed += ok;
        tn_tool_progress(NULL);
        printf("%s ", words[entry->verdict.result]);
        tn_tool_show(stdout, entry->name);
        fputs(ok ? "" : ": ", stdout);
        tn_tool_show(stdout, ok ? "" : entry->verdict.reason);
        putchar('\n');
    }
    tn_tool_progress("%zu of %zu", suite->printed, suite->n);
}

/* Waits for some child to end or to be late. */
static void wait_some(Suite *suite) {
    struct pollfd polls[MAX_JOBS];
    Job *of[MAX_JOBS];
    nfds_t n = 0;
    for (int i = 0; i < suite->n_jobs; i++) {
        Job *job = &suite->jobs[i];
        if (job->pid == 0) {
            continue;
        }
        if (!job->late && tn_tool_ms() > job->deadline) {
            job->late = true;
            kill(job->pid, SIGKILL);
        }
        of[n] = job;
        polls[n++] = (struct pollfd){.fd = job->pipe, .events = POLLIN};
    }
    if (poll(polls, n, 200) <= 0) {
        return;
    }
    for (nfds_t i = 0; i < n; i++) {
        if (polls[i].revents != 0) {
            finish(suite, of[i]);
        }
    }
}

static tn_status run_all(Suite *suite) {
    tn_status status = TN_OK;
    while (suite->printed < suite->n && status == TN_OK) {
        for (int i = 0; i < suite->n_jobs && status == TN_OK; i++) {
            if (suite->jobs[i].pid == 0 && suite->next < suite->n) {
                status = start(suite, &suite->jobs[i]);
            }
        }
        wait_some(suite);
        print_done(suite);
    }
    for (int i = 0; i < suite->n_jobs; i++) {
        if (suite->jobs[i].pid != 0) {
            kill(suite->jobs[i].pid, SIGKILL);
            finish(suite, &suite->jobs[i]);
        }
    }
    tn_tool_progress(NULL);
    return status;
}

static tn_status collect(Suite *suite) {
    const Args *args = suite->args;
    tn_status status = TN_OK;
    for (int i = 0; i < args->n_names && status == TN_OK; i++) {
        size_t n = strlen(args->names[i]);
        while (n > 1 && args->names[i][n - 1] == '/') {
            n--;
        }
        char root[PATH_BYTES];
        if (n >= sizeof root / 2) {
            return tn_tool_error(TN_USAGE, "'%s': too long", args->names[i]);
        }
        snprintf(root, sizeof root, "%.*s", (int)n, args->names[i]);
        status = find_cases(suite, root, is_file(root, "model.onnx") ? 0 : n + 1, 0);
    }
    int at = 0;
    const char *list;
    while (status == TN_OK && (list = tn_args_next(args, OPT_LIST, &at)) != NULL) {
        status = read_list(suite, list);
    }
    if (status == TN_OK && suite->n == 0) {
        return tn_tool_error(TN_USAGE, "no case found: a case is a folder with a model.onnx");
    }
    return status;
}

static bool read_limits(Suite *suite) {
    int64_t jobs, cores = sysconf(_SC_NPROCESSORS_ONLN);
    cores = cores < 1 ? 1 : cores > MAX_JOBS ? MAX_JOBS : cores;
    bool ok = tn_args_int(suite->args, OPT_JOBS, cores, 1, MAX_JOBS, &jobs) &&
              tn_args_int(suite->args, OPT_TIME_LIMIT, 120, 1, 1000000, &suite->time_limit) &&
              tn_args_int(suite->args, OPT_MEMORY_LIMIT, 16384, 64, 1 << 24, &suite->memory_limit);
    suite->n_jobs = ok ? (int)jobs : 0;
    return ok;
}

tn_status tn_cmd_test(const Args *args) {
    Suite *suite = calloc(1, sizeof *suite);
    if (!suite) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    suite->args = args;
    tn_status status = read_limits(suite) ? collect(suite) : TN_USAGE;
    /* Bad options should be said once, not by every child. */
    tn_compiler *probe = status == TN_OK ? tn_tool_compiler(args, &status) : NULL;
    tn_compiler_destroy(probe);
    if (status == TN_OK) {
        status = run_all(suite);
        printf("%zu passed, %zu failed\n", suite->passed, suite->n - suite->passed);
        if (status == TN_OK && suite->passed != suite->n) {
            status = TN_USAGE;
        }
    }
    for (size_t i = 0; i < suite->n; i++) {
        free(suite->entries[i].dir);
    }
    free(suite->entries);
    free(suite);
    return status;
}
