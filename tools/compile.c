/* compile.c: tenon compile: a model to a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/source.h"

typedef struct EmitRow {
    const char *name;
    tn_emit kind;
    const char *suffix;
} EmitRow;

static const EmitRow emit_rows[] = {
    {"graph", TN_EMIT_GRAPH, ".tn"}, {"loops", TN_EMIT_LOOPS, ".loops"}, {"c", TN_EMIT_C, ".c"},
    {"llvm", TN_EMIT_LLVM, ".ll"},   {"asm", TN_EMIT_ASM, ".s"},         {"obj", TN_EMIT_OBJ, ".o"},
    {"lib", TN_EMIT_LIB, ".a"},      {"so", TN_EMIT_SO, ".so"},
};

enum { N_EMIT_ROWS = sizeof emit_rows / sizeof emit_rows[0] };

static const EmitRow *emit_by_name(const char *name) {
    for (size_t i = 0; i < N_EMIT_ROWS; i++) {
        if (strcmp(emit_rows[i].name, name) == 0) {
            return &emit_rows[i];
        }
    }
    return NULL;
}

static const EmitRow *emit_by_suffix(const char *path) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < N_EMIT_ROWS; i++) {
        if (strcmp(emit_rows[i].suffix, dot) == 0) {
            return &emit_rows[i];
        }
    }
    return NULL;
}

/* The model's file name in this folder, with another suffix. */
static char *default_path(const char *model, const char *suffix) {
    const char *slash = strrchr(model, '/');
    const char *base = slash ? slash + 1 : model;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    size_t size = n + strlen(suffix) + 1;
    char *path = malloc(size);
    if (path) {
        snprintf(path, size, "%.*s%s", (int)n, base, suffix);
    }
    return path;
}

/* Whether writing to `path` would replace the file of the model. */
static bool is_model(const char *path, const char *model) {
    struct stat a, b;
    return stat(path, &a) == 0 && stat(model, &b) == 0 && S_ISREG(a.st_mode) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* What to write and where; `*owned` is to be freed. */
static tn_status choose_output(const Args *args, const char *model, const EmitRow **row,
                               const char **path, char **owned) {
    const char *emit = tn_args_get(args, OPT_EMIT);
    *path = tn_args_get(args, OPT_OUT);
    *owned = NULL;
    *row = emit ? emit_by_name(emit) : *path ? emit_by_suffix(*path) : emit_by_name("so");
    if (!*row && emit) {
        return tn_tool_error(TN_USAGE, "option '--emit': unknown kind '%s'; see --help", emit);
    }
    if (!*row) {
        return tn_tool_error(TN_USAGE,
                             "what to write to '%s' is not clear from its suffix; "
                             "add --emit=KIND",
                             *path);
    }
    if (*path) {
        return TN_OK;
    }
    if (strcmp(model, "-") == 0) {
        return tn_tool_error(TN_USAGE, "a model from standard input needs -o OUT");
    }
    *path = *owned = default_path(model, (*row)->suffix);
    return *path ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
}

tn_status tn_cmd_compile(const Args *args) {
    const char *model = tn_tool_model_name(args), *path;
    const EmitRow *row;
    char *owned;
    if (!model) {
        return TN_USAGE;
    }
    tn_status status = choose_output(args, model, &row, &path, &owned);
    if (status != TN_OK) {
        return status;
    }
    Source source = {0};
    status = is_model(path, model)
                 ? tn_tool_error(TN_USAGE, "'%s' is the model itself; name another with -o", path)
                 : tn_source_open(args, model, &source);
    if (status == TN_OK) {
        tn_tool_progress("compiling %s ...", model);
        status = tn_module_compile_file(source.compiler, source.module, row->kind, path);
        tn_tool_progress(NULL);
        tn_tool_messages(source.compiler);
    }
    tn_source_free(&source);
    free(owned);
    return status;
}
