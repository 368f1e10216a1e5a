/* aot.c: compile into files: graph and loop text, C, LLVM, assembly, objects, libraries.
 *
 * The files of one compilation, a library and its header, appear together when all of them are
 * complete (base/file.h). What could run out of the arena is made before the first is opened.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/link.h"
#include "codegen/objects.h"

enum { MAX_FILES = 3 }; /* C, header, weights */

/* One compilation on its way to files. */
typedef struct Writer {
    Compile *compile;
    const EmitOptions *options;
    const char *path;        /* of the main file */
    const char *header_path; /* NULL: none is written */
    StrBuf header;
    Output files[MAX_FILES];
    int n_files;
} Writer;

static bool io_error(const Writer *w, const char *path, const char *what) {
    return tn_diag(&w->compile->ctx->diags, TN_IO, (Loc){.file = path}, "%s: %s", what,
                   strerror(errno));
}

/* NULL after a diagnostic. */
static Output *start_file(Writer *w, const char *path) {
    Output *out = &w->files[w->n_files];
    if (!tn_output_open(path, out)) {
        io_error(w, path, "cannot open for writing");
        return NULL;
    }
    w->n_files++;
    return out;
}

static bool write_file(Writer *w, const char *path, const void *data, size_t size) {
    const Output *out = start_file(w, path);
    return out && (tn_write_all(out->fd, data, size) || io_error(w, path, "cannot write"));
}

/* Gives all files their names, or forgets them when `ok` is false. */
static bool close_files(Writer *w, bool ok) {
    for (int i = 0; i < w->n_files; i++) {
        bool closed = tn_output_close(&w->files[i], ok);
        ok = ok && (closed || io_error(w, w->path, "cannot write"));
    }
    return ok;
}

/* The name of a file that stands beside the main one: the same with another suffix. NULL after a
 * diagnostic. */
static const char *companion(const Writer *w, const char *suffix) {
    const char *slash = strrchr(w->path, '/'), *dot = strrchr(w->path, '.');
    size_t stem = dot != NULL && (slash == NULL || dot > slash + 1) ? (size_t)(dot - w->path)
                                                                    : strlen(w->path);
    Ctx *ctx = w->compile->ctx;
    const char *name = tn_arena_printf(&ctx->arena, "%.*s%s", (int)stem, w->path, suffix);
    if (strcmp(name, w->path) != 0) {
        return name;
    }
    tn_diag(&ctx->diags, TN_USAGE, (Loc){.file = w->path},
            "this is the name of the %s file that is written beside it; choose another suffix",
            suffix);
    return NULL;
}

/* ---- kinds ---- */

static const struct {
    const char *suffix;
    tn_emit kind;
} suffixes[] = {
    {".tn", TN_EMIT_GRAPH}, {".loops", TN_EMIT_LOOPS}, {".c", TN_EMIT_C},   {".ll", TN_EMIT_LLVM},
    {".s", TN_EMIT_ASM},    {".o", TN_EMIT_OBJ},       {".a", TN_EMIT_LIB}, {".so", TN_EMIT_SO},
};

static bool kind_by_suffix(Compile *compile, const char *path, tn_emit *kind) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof suffixes / sizeof *suffixes; i++) {
        if (strcmp(dot, suffixes[i].suffix) == 0) {
            *kind = suffixes[i].kind;
            return true;
        }
    }
    return tn_diag(&compile->ctx->diags, TN_USAGE, (Loc){.file = path},
                   "cannot tell the kind of output from the name; expected one of "
                   ".tn .loops .c .ll .s .o .a .so");
}

/* ---- text of the graph and the loops ---- */

static bool write_graph(Writer *w) {
    Compile *compile = w->compile;
    StrBuf text = tn_str(&compile->ctx->arena);
    if (compile->options.stop_after == NULL) {
        compile->options.stop_after = "dce";
    }
    if (!tn_passes_run_module(compile)) {
        return false;
    }
    tn_module_print(compile->module, false, &text);
    return write_file(w, w->path, text.data, text.len);
}

static bool write_loops(Writer *w) {
    Compile *compile = w->compile;
    StrBuf text = tn_str(&compile->ctx->arena);
    if (!tn_passes_run_module(compile)) {
        return false;
    }
    if (compile->program == NULL) {
        return tn_diag(&compile->ctx->diags, TN_USAGE, (Loc){0},
                       "there are no loops before the pass 'lower'");
    }
    for (size_t i = 0; i < compile->programs.len; i++) {
        tn_program_print(compile->programs.data[i], &text);
    }
    return write_file(w, w->path, text.data, text.len);
}

/* ---- code ---- */

static bool emit(Writer *w, EmittedC *emitted) {
    Compile *compile = w->compile;
    if (!tn_passes_run_module(compile)) {
        return false;
    }
    if (compile->program == NULL) {
        return tn_diag(&compile->ctx->diags, TN_USAGE, (Loc){0},
                       "stopped after '%s': there is no code yet", compile->options.stop_after);
    }
    return tn_emit_c(compile, w->options, emitted);
}

/* A header stands beside a file, not beside a stream or a device. */
static bool make_header(Writer *w) {
    if (!tn_output_makes_file(w->path)) {
        return true;
    }
    w->header = tn_str(&w->compile->ctx->arena);
    w->header_path = companion(w, ".h");
    return w->header_path != NULL && tn_emit_header(w->compile, w->options, &w->header);
}

static bool write_header(Writer *w) {
    return w->header_path == NULL || write_file(w, w->header_path, w->header.data, w->header.len);
}

/* The weight region; NULL with `*ok` false after a diagnostic. */
static unsigned char *weight_region(Compile *compile, bool *ok) {
    size_t size = tn_emit_weight_bytes(compile);
    unsigned char *region = calloc(1, size + 1);
    *ok = region != NULL ? tn_emit_weights(compile, region)
                         : tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
    return region;
}

static bool write_weights(Writer *w) {
    size_t size = tn_emit_weight_bytes(w->compile);
    if (size == 0 || !tn_output_makes_file(w->path)) {
        return true;
    }
    const char *path = companion(w, ".weights");
    bool ok = path != NULL;
    unsigned char *weights = ok ? weight_region(w->compile, &ok) : NULL;
    ok = ok && write_file(w, path, weights, size);
    free(weights);
    return ok;
}

static bool write_c(Writer *w) {
    EmittedC emitted;
    size_t size;
    if (!emit(w, &emitted) || !make_header(w)) {
        return false;
    }
    const char *source = tn_objects_source(&w->compile->ctx->arena, &emitted, &size);
    return write_weights(w) && write_file(w, w->path, source, size) && write_header(w);
}

static bool write_translated(Writer *w, ClangOutput kind) {
    Compile *compile = w->compile;
    EmittedC emitted;
    Bytes bytes;
    char *error = NULL;
    size_t size;
    if (!emit(w, &emitted)) {
        return false;
    }
    char *source = tn_objects_source(&compile->ctx->arena, &emitted, &size);
    if (!tn_clang_compile(source, size, compile->options.target, compile->options.opt_level, kind,
                          &bytes, &error)) {
        tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0}, "Clang refused the emitted C: %s",
                error != NULL ? error : "out of memory");
        free(error);
        return false;
    }
    bool ok = write_file(w, w->path, bytes.data, bytes.size);
    free(bytes.data);
    return ok;
}

static bool compile_objects(Writer *w, Objects *objects) {
    EmittedC emitted;
    bool ok;
    if (!emit(w, &emitted) || !make_header(w)) {
        return false;
    }
    unsigned char *weights = weight_region(w->compile, &ok);
    ok = ok && tn_objects_compile(w->compile, &emitted, w->options->prefix, weights,
                                  tn_emit_weight_bytes(w->compile), objects);
    free(weights);
    return ok;
}

static bool link_to(const Writer *w, const Objects *objects, bool relocatable, int fd) {
    char *error = NULL;
    if (tn_link_objects(objects->fds, objects->n, relocatable, fd, &error)) {
        return true;
    }
    tn_diag(&w->compile->ctx->diags, TN_IO, (Loc){.file = w->path}, "linking failed: %s",
            error != NULL ? error : "out of memory");
    free(error);
    return false;
}

/* Whoever may read a shared object may also execute it. */
static bool make_executable(const Output *out) {
    struct stat info;
    return out->path == NULL || (fstat(out->fd, &info) == 0 &&
                                 fchmod(out->fd, info.st_mode | (info.st_mode & 0444) >> 2) == 0);
}

static bool write_linked(Writer *w, bool relocatable) {
    Objects objects;
    if (!compile_objects(w, &objects)) {
        return false;
    }
    const Output *out = start_file(w, w->path);
    bool ok = out != NULL && link_to(w, &objects, relocatable, out->fd) &&
              (relocatable || make_executable(out) || io_error(w, w->path, "cannot write")) &&
              write_header(w);
    tn_objects_close(&objects);
    return ok;
}

/* A static library holds one object; the format is the System V archive's. */
static bool write_archive(Writer *w) {
    Objects objects;
    if (!compile_objects(w, &objects)) {
        return false;
    }
    int whole = tn_memory_file("", 0);
    bool ok = whole >= 0 && link_to(w, &objects, true, whole);
    tn_objects_close(&objects);
    if (!ok) {
        if (whole >= 0) {
            close(whole);
        }
        return false;
    }
    Bytes archive = {0};
    ok = tn_archive_make(whole, w->options->prefix, &archive) ||
         tn_diag(&w->compile->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
    close(whole);
    ok = ok && write_file(w, w->path, archive.data, archive.size) && write_header(w);
    free(archive.data);
    return ok;
}

static bool write_kind(Writer *w, tn_emit kind) {
    switch (kind) {
    case TN_EMIT_GRAPH:
        return write_graph(w);
    case TN_EMIT_LOOPS:
        return write_loops(w);
    case TN_EMIT_C:
        return write_c(w);
    case TN_EMIT_LLVM:
        return write_translated(w, CLANG_LLVM);
    case TN_EMIT_ASM:
        return write_translated(w, CLANG_ASM);
    case TN_EMIT_OBJ:
        return write_linked(w, true);
    case TN_EMIT_LIB:
        return write_archive(w);
    default:
        return write_linked(w, false);
    }
}

bool tn_codegen_file(Compile *compile, tn_emit kind, const char *path, const char *prefix) {
    if (kind == TN_EMIT_AUTO && !kind_by_suffix(compile, path, &kind)) {
        return false;
    }
    EmitOptions options = {.prefix = prefix,
                           .target = compile->options.target,
                           .embed_weights = kind != TN_EMIT_C,
                           .standalone = kind == TN_EMIT_C,
                           .profile = true};
    Writer w = {.compile = compile, .options = &options, .path = path};
    return close_files(&w, write_kind(&w, kind));
}
