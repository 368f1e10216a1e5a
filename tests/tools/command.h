/* command.h: runs the built tenon command from outside, in a folder of its own. */
#ifndef TN_TESTS_TOOLS_COMMAND_H
#define TN_TESTS_TOOLS_COMMAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT = 1 << 16 };

static char folder[] = "/tmp/tenon-command-XXXXXX";
static char command_path[1024];
static char model[1024];   /* the demo's network */
static char said[TEXT];  /* standard output and standard error of the last run */

/* Runs `tenon LINE` by the shell, in the folder; returns the exit code, -1 for a crash. */
static inline int tenon(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline int tenon(const char *format, ...) {
    char line[8192], arguments[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(line, sizeof line, "cd '%s' && '%s' %s 2>&1", folder, command_path, arguments);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t n = fread(said, 1, TEXT - 1, pipe);
    said[n] = '\0';
    while (fgetc(pipe) != EOF) {
        continue; /* the rest of a long answer */
    }
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void expect_text(const char *text) {
    if (!strstr(said, text)) {
        fail_msg("expected '%s' in '%s'", text, said);
    }
}

static inline const char *in_folder(const char *name) {
    static char paths[4][1024];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

static inline bool exists(const char *name) {
    return access(in_folder(name), F_OK) == 0;
}

static inline void write_file(const char *name, const void *bytes, size_t size) {
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline int set_up(void **state) {
    (void)state;
    const char *build = getenv("TENON_BUILD_DIR");
    char here[512];
    assert_non_null(getcwd(here, sizeof here));
    if (!build) {
        build = "build";
    }
    if (build[0] == '/') {
        snprintf(command_path, sizeof command_path, "%s/bin/tenon", build);
    } else {
        snprintf(command_path, sizeof command_path, "%s/%.400s/bin/tenon", here, build);
    }
    snprintf(model, sizeof model, "%s/examples/fashion_cnn.onnx", here);
    return mkdtemp(folder) ? 0 : 1;
}

static inline int remove_folder(void **state) {
    (void)state;
    char line[256];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    return system(line) == 0 ? 0 : 1;
}

/* Each test starts with an empty folder, and is skipped where the command is not built. */
static inline int empty_folder(void **state) {
    remove_folder(state);
    return mkdir(folder, 0700);
}

#define NEEDS_COMMAND                                                                              \
    do {                                                                                           \
        if (access(command_path, X_OK) != 0 || access(model, R_OK) != 0)                           \
            skip();                                                                                \
    } while (0)

#endif
