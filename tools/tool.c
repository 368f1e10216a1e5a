/* tool.c: messages, files and compilers for the subcommands. */
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

static const size_t max_input_bytes = (size_t)1 << 33;

tn_status tn_tool_error(tn_status status, const char *format, ...) {
    va_list args;
    Arena arena;
    tn_arena_init(&arena, NULL);
    StrBuf text = tn_str(&arena);
    tn_tool_progress(NULL);
    va_start(args, format);
    tn_str_vprintf(&text, format, args);
    va_end(args);
    fputs("tenon: error: ", stderr);
    tn_tool_show(stderr, text.data ? text.data : "out of memory");
    fputc('\n', stderr);
    tn_arena_free(&arena);
    return status;
}

void tn_tool_show(FILE *to, const char *text) {
    Arena arena;
    tn_arena_init(&arena, NULL);
    StrBuf shown = tn_str(&arena);
    tn_str_show(&shown, tn_sv(text));
    fputs(shown.data ? shown.data : "", to);
    tn_arena_free(&arena);
}

void tn_tool_progress(const char *format, ...) {
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    fputs("\r\033[K", stderr);
    if (!format) {
        return;
    }
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    tn_tool_show(stderr, line);
    fflush(stderr);
}

double tn_tool_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

const char *tn_tool_model_name(const Args *args) {
    if (args->n_names == 1) {
        return args->names[0];
    }
    tn_tool_error(TN_USAGE, args->n_names == 0 ? "no model given" : "more than one model given");
    return NULL;
}

static void *read_all(FILE *file, size_t *size) {
    size_t capacity = 1 << 16;
    char *bytes = malloc(capacity);
    *size = 0;
    while (bytes && *size < max_input_bytes) {
        *size += fread(bytes + *size, 1, capacity - *size, file);
        if (*size < capacity) {
            break;
        }
        capacity *= 2;
        char *more = realloc(bytes, capacity);
        if (!more) {
            free(bytes);
        }
        bytes = more;
    }
    return bytes;
}

FILE *tn_tool_open(const char *path) {
    struct stat info;
    /* O_NONBLOCK: a FIFO must not make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    bool known = fstat(fd, &info) == 0;
    if (known && S_ISREG(info.st_mode)) {
        return fdopen(fd, "rb");
    }
    close(fd);
    errno = !known ? EIO : S_ISDIR(info.st_mode) ? EISDIR : ESPIPE;
    return NULL;
}

bool tn_tool_is_elf(const char *path) {
    static const char magic[4] = {0x7f, 'E', 'L', 'F'};
    char start[sizeof magic];
    FILE *file = strcmp(path, "-") != 0 ? tn_tool_open(path) : NULL;
    bool is = file && fread(start, 1, sizeof start, file) == sizeof start &&
              memcmp(start, magic, sizeof magic) == 0;
    if (file) {
        fclose(file);
    }
    return is;
}

void *tn_tool_read(const char *path, size_t *size) {
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : tn_tool_open(path);
    if (!file) {
        tn_tool_error(TN_IO, "%s: cannot open: %s", path,
                      errno == ESPIPE ? "not a regular file" : strerror(errno));
        return NULL;
    }
    void *bytes = read_all(file, size);
    bool bad = ferror(file) != 0 || *size >= max_input_bytes;
    if (!bytes || bad) {
        tn_tool_error(TN_IO, "%s: cannot read: %s", path,
                      !bytes         ? "out of memory"
                      : ferror(file) ? strerror(errno)
                                     : "too large");
    }
    if (bad) {
        free(bytes);
        bytes = NULL;
    }
    if (!standard) {
        fclose(file);
    }
    return bytes;
}

bool tn_tool_threads(const Args *args, int32_t *out) {
    int64_t n;
    bool ok = tn_args_int(args, OPT_THREADS, 0, 0, 1024, &n);
    *out = ok ? (int32_t)n : 1;
    return ok;
}

void tn_tool_messages(tn_compiler *compiler) {
    const char *text = compiler ? tn_compiler_messages(compiler) : NULL;
    if (!text || !*text) {
        return;
    }
    tn_tool_progress(NULL);
    fputs(text, stderr);
    if (text[strlen(text) - 1] != '\n') {
        fputc('\n', stderr);
    }
}

/* Every option with a name in the compiler goes there. */
static bool set_options(tn_compiler *compiler, const Args *args) {
    for (int i = 0; i < args->n_uses; i++) {
        const char *name = tn_opt_row(args->uses[i].id)->forward;
        if (name[0] != '\0' && !tn_compiler_set(compiler, name, args->uses[i].value)) {
            return false;
        }
    }
    return true;
}

tn_compiler *tn_tool_compiler(const Args *args, tn_status *status) {
    tn_compiler *compiler = tn_compiler_create();
    *status = TN_OK;
    if (!compiler) {
        *status = tn_tool_error(TN_LIMIT, "out of memory");
    } else if (!set_options(compiler, args)) {
        tn_tool_messages(compiler);
        tn_compiler_destroy(compiler);
        compiler = NULL;
        *status = TN_USAGE;
    }
    return compiler;
}

void tn_tool_names(const Names *names, char *text, size_t size) {
    snprintf(text, size, "%s", names->n > 0 ? "" : "none");
    for (int32_t i = 0; i < names->n; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", i ? ", " : "", names->at(names->of, i));
    }
}

int32_t tn_tool_named(const Names *names, const char *text, const char **value) {
    for (int32_t i = 0; i < names->n; i++) {
        const char *name = names->at(names->of, i);
        size_t n = strlen(name);
        if (strncmp(text, name, n) == 0 && text[n] == '=') {
            *value = text + n + 1;
            return i;
        }
    }
    return -1;
}

tn_status tn_tool_unnamed(tn_status status, const Names *names, OptId option, const char *what,
                          const char *text) {
    char list[512];
    const OptRow *row = tn_opt_row(option);
    tn_tool_names(names, list, sizeof list);
    return tn_tool_error(status, "option '%s': no %s for '%s'; expected %s, the model has: %s",
                         row->spelling, what, text, row->meta, list);
}
