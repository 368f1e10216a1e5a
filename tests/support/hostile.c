/* hostile.c: the process around a run on bad input, and what must hold after it. */
#include "tests/support/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/args.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SECONDS_MAX = 60, MIB_MAX = 1 << 20, SANITIZED = 1 }; /* shadow memory counts */

/* As without the sanitizer: too large an allocation fails. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}
#else
enum { SECONDS_MAX = 10, MIB_MAX = 512, SANITIZED = 0 };
#endif
static const rlim_t address_space = (rlim_t)8 << 30;
enum { TEXT_MAX = 1 << 16, WORDS_MAX = 32, HANG_FACTOR = 3, MOMENT = 1 + SANITIZED * 3 };

char hostile_folder[] = "/tmp/tenon-hostile-XXXXXX";
static char said[TEXT_MAX];

typedef struct Outcome {
    int code; /* exit code, or minus the signal */
    double seconds;
    long mib;
} Outcome;

/* ---- files ---- */

static int remove_folder(void) {
    char line[256];
    snprintf(line, sizeof line, "rm -rf '%s'", hostile_folder);
    return system(line);
}

int hostile_set_up(void **state) {
    (void)state;
    memcpy(strrchr(hostile_folder, '-'), "-XXXXXX", 7);
    return mkdtemp(hostile_folder) != NULL ? 0 : 1;
}

int hostile_tear_down(void **state) {
    (void)state;
    return remove_folder();
}

static size_t count_files(void) {
    size_t n = 0;
    DIR *dir = opendir(hostile_folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

void hostile_write(const char *name, const void *bytes, size_t size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", hostile_folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(size == 0 || fwrite(bytes, 1, size, file) == size);
    assert_int_equal(fclose(file), 0);
}

void hostile_write_model(const char *name, Pb *model) {
    hostile_write(name, model->data, model->len);
    pb_free(model);
}

unsigned char *hostile_read(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat info;
    assert_int_equal(fstat(fileno(file), &info), 0);
    unsigned char *bytes = malloc((size_t)info.st_size + 1);
    assert_non_null(bytes);
    *size = fread(bytes, 1, (size_t)info.st_size, file);
    fclose(file);
    return bytes;
}

/* ---- runs ---- */

static const Command *command_named(const char *name) {
    const Command *command = NULL;
    for (int i = 0; (command = tn_command_at(i)) != NULL; i++) {
        if (strcmp(command->name, name) == 0) {
            break;
        }
    }
    return command;
}

/* In the child: becomes the command. */
static void run_line(char *line, rlim_t seconds, int output) {
    char *words[WORDS_MAX];
    int n = 0;
    for (char *at = strtok(line, " "); at != NULL && n < WORDS_MAX; at = strtok(NULL, " ")) {
        words[n++] = at;
    }
    struct rlimit limit = {seconds, seconds + 1};
    setrlimit(RLIMIT_CPU, &limit);
    limit = (struct rlimit){0, 0};
    setrlimit(RLIMIT_CORE, &limit);
    limit = (struct rlimit){address_space, address_space};
    if (!SANITIZED) {
        setrlimit(RLIMIT_AS, &limit);
    }
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    if (chdir(hostile_folder) != 0) {
        exit(99);
    }
    Args args;
    const Command *command = command_named(words[0]);
    tn_status status = tn_args_parse(command, n - 1, words + 1, &args);
    status = status == TN_OK ? command->run(&args) : status;
    tn_args_free(&args);
    exit((int)status);
}

static double seconds_of(const struct rusage *usage) {
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static Outcome run_child(const char *line, rlim_t seconds) {
    char copy[8192];
    snprintf(copy, sizeof copy, "%s", line);
    FILE *output = tmpfile();
    assert_non_null(output);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run_line(copy, seconds, fileno(output));
    }
    int status;
    struct rusage usage;
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    fseek(output, 0, SEEK_SET);
    said[fread(said, 1, TEXT_MAX - 1, output)] = '\0';
    fclose(output);
    return (Outcome){.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                     .seconds = seconds_of(&usage),
                     .mib = usage.ru_maxrss / 1024};
}

/* What is wrong with how a run ended; NULL when nothing is. */
static const char *fault_of(const Outcome *outcome, unsigned codes) {
    if (outcome->code < 0) {
        return "ended by a signal";
    }
    if (strstr(said, "ERROR: AddressSanitizer") || strstr(said, "ERROR: LeakSanitizer") ||
        strstr(said, "runtime error:")) {
        return "a sanitizer reports";
    }
    if (outcome->code > 5 || ((1u << outcome->code) & codes) == 0) {
        return "unexpected exit code";
    }
    if (outcome->code != 0 && !strstr(said, "error: ")) {
        return "no message";
    }
    for (const unsigned char *c = (const unsigned char *)said; *c != 0; c++) {
        if ((*c < ' ' && *c != '\n') || *c == 0x7f) {
            return "control bytes in the output";
        }
    }
    if ((codes & MAY_TAKE_LONG) != 0) {
        return NULL;
    }
    return outcome->seconds > (double)SECONDS_MAX ? "too slow"
           : outcome->mib > MIB_MAX               ? "too much memory"
                                                  : NULL;
}

int hostile_run(const char *what, unsigned codes, const char *line) {
    size_t before = count_files();
    bool any_time = (codes & MAY_TAKE_LONG) != 0;
    Outcome outcome = run_child(line, any_time ? MOMENT : SECONDS_MAX * HANG_FACTOR);
    if (any_time && outcome.code == -SIGXCPU) {
        return -SIGXCPU;
    }
    const char *fault = fault_of(&outcome, codes);
    if (fault == NULL && outcome.code != 0 && count_files() != before) {
        fault = "a file is left behind";
    }
    if (fault != NULL) {
        fail_msg("%s: tenon %s: %s (code %d, %.1f s, %ld MiB): %s", what, line, fault, outcome.code,
                 outcome.seconds, outcome.mib, said);
    }
    return outcome.code;
}

const char *hostile_said(void) {
    return said;
}

void hostile_expect(const char *what, const char *text) {
    if (strstr(said, text) == NULL) {
        fail_msg("%s: expected '%s' in '%s'", what, text, said);
    }
}

/* ---- chance ---- */

long hostile_number(const char *variable, long fallback) {
    const char *text = getenv(variable);
    return text != NULL ? strtol(text, NULL, 10) : fallback;
}

size_t hostile_random(uint64_t *state, size_t n) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = (*state ^ (*state >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return n == 0 ? 0 : (size_t)((z ^ (z >> 31)) % n);
}
