/* aot.c: compile into files: graph and loop text, C, LLVM, assembly, objects, libraries.
 *
 * A file is written beside its final name and renamed when complete, so a failure leaves
 * nothing behind and never harms what was there. "-" is standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/link.h"
#include "codegen/objects.h"

/* A file on its way: `fd` is open on `temporary` until it gets its name. */
typedef struct Output {
    Compile *compile;
    const char *path;
    char *temporary; /* NULL for what is written to in place */
    int fd;
} Output;

static bool io_error(Compile *compile, const char *path, const char *what) {
    return tn_diag(&compile->ctx->diags, TN_IO, (Loc){.file = path}, "%s: %s", what,
                   strerror(errno));
}

/* A device or a pipe is written to, never replaced; one that nobody reads is not waited for. */
static bool open_special(Compile *compile, const char *path, Output *out) {
    out->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return (out->fd >= 0 && fcntl(out->fd, F_SETFL, 0) == 0) ||
           io_error(compile, path, "cannot open for writing");
}

static bool is_special(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

/* Headers and weights stand beside a file, not beside a stream or a device. */
static bool has_companions(const char *path) {
    return strcmp(path, "-") != 0 && !is_special(path);
}

static bool output_open(Compile *compile, const char *path, Output *out) {
    *out = (Output){.compile = compile, .path = path, .fd = -1};
    if (strcmp(path, "-") == 0) {
        out->fd = dup(STDOUT_FILENO);
        return out->fd >= 0 || io_error(compile, path, "cannot write to standard output");
    }
    if (is_special(path)) {
        return open_special(compile, path, out);
    }
    out->temporary = tn_arena_printf(&compile->ctx->arena, "%s.XXXXXX", path);
    out->fd = mkostemp(out->temporary, O_CLOEXEC);
    if (out->fd < 0) {
        return io_error(compile, path, "cannot create");
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(out->fd, 0666 & ~mask);
    return true;
}

/* Gives the file its name, or removes it when `ok` is false. */
static bool output_close(Output *out, bool ok) {
    ok = close(out->fd) == 0 ? ok : (ok && io_error(out->compile, out->path, "cannot write"));
    if (out->temporary == NULL) {
        return ok;
    }
    if (ok && rename(out->temporary, out->path) == 0) {
        return true;
    }
    if (ok) {
        io_error(out->compile, out->path, "cannot rename into place");
    }
    unlink(out->temporary);
    return false;
}

static bool write_file(Compile *compile, const char *path, const void *data, size_t size) {
    Output out;
    if (!output_open(compile, path, &out)) {
        return false;
    }
    bool ok = tn_write_all(out.fd, data, size) || io_error(compile, path, "cannot write");
    return output_close(&out, ok);
}

/* `path` with its suffix replaced. */
static const char *sibling(Compile *compile, const char *path, const char *suffix) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t stem =
        dot != NULL && (slash == NULL || dot > slash + 1) ? (size_t)(dot - path) : strlen(path);
    return tn_arena_printf(&compile->ctx->arena, "%.*s%s", (int)stem, path, suffix);
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

static bool write_graph(Compile *compile, const char *path) {
    StrBuf text = tn_str(&compile->ctx->arena);
    if (compile->options.stop_after == NULL) {
        compile->options.stop_after = "dce";
    }
    if (!tn_passes_run_module(compile)) {
        return false;
    }
    tn_module_print(compile->module, false, &text);
    return write_file(compile, path, text.data, text.len);
}

static bool write_loops(Compile *compile, const char *path) {
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
    return write_file(compile, path, text.data, text.len);
}

/* ---- code ---- */

static bool emit(Compile *compile, const EmitOptions *options, EmittedC *emitted) {
    if (!tn_passes_run_module(compile)) {
        return false;
    }
    if (compile->program == NULL) {
        return tn_diag(&compile->ctx->diags, TN_USAGE, (Loc){0},
                       "stopped after '%s': there is no code yet", compile->options.stop_after);
    }
    return tn_emit_c(compile, options, emitted);
}

static bool write_header(Compile *compile, const EmitOptions *options, const char *path) {
    StrBuf text = tn_str(&compile->ctx->arena);
    if (!has_companions(path)) {
        return true;
    }
    return tn_emit_header(compile, options, &text) &&
           write_file(compile, sibling(compile, path, ".h"), text.data, text.len);
}

/* The weight region; NULL with `*ok` false after a diagnostic. */
static unsigned char *weight_region(Compile *compile, bool *ok) {
    size_t size = tn_emit_weight_bytes(compile);
    unsigned char *region = calloc(1, size + 1);
    *ok = region != NULL ? tn_emit_weights(compile, region)
                         : tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
    return region;
}

static bool write_c(Compile *compile, const EmitOptions *options, const char *path) {
    EmittedC emitted;
    size_t size;
    bool ok;
    if (!emit(compile, options, &emitted)) {
        return false;
    }
    char *source = tn_objects_source(&compile->ctx->arena, &emitted, &size);
    if (!has_companions(path)) {
        return write_file(compile, path, source, size);
    }
    unsigned char *weights = weight_region(compile, &ok);
    ok = ok && (tn_emit_weight_bytes(compile) == 0 ||
                write_file(compile, sibling(compile, path, ".weights"), weights,
                           tn_emit_weight_bytes(compile)));
    free(weights);
    return ok && write_file(compile, path, source, size) && write_header(compile, options, path);
}

static bool write_translated(Compile *compile, const EmitOptions *options, ClangOutput kind,
                             const char *path) {
    EmittedC emitted;
    Bytes bytes;
    char *error = NULL;
    size_t size;
    if (!emit(compile, options, &emitted)) {
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
    bool ok = write_file(compile, path, bytes.data, bytes.size);
    free(bytes.data);
    return ok;
}

static bool compile_objects(Compile *compile, const EmitOptions *options, Objects *objects) {
    EmittedC emitted;
    bool ok;
    if (!emit(compile, options, &emitted)) {
        return false;
    }
    unsigned char *weights = weight_region(compile, &ok);
    ok = ok && tn_objects_compile(compile, &emitted, options->prefix, weights,
                                  tn_emit_weight_bytes(compile), objects);
    free(weights);
    return ok;
}

static bool link_to(Compile *compile, const Objects *objects, bool relocatable, int fd,
                    const char *path) {
    char *error = NULL;
    if (tn_link_objects(objects->fds, objects->n, relocatable, fd, &error)) {
        return true;
    }
    tn_diag(&compile->ctx->diags, TN_IO, (Loc){.file = path}, "linking failed: %s",
            error != NULL ? error : "out of memory");
    free(error);
    return false;
}

static bool write_linked(Compile *compile, const EmitOptions *options, bool relocatable,
                         const char *path) {
    Objects objects;
    Output out;
    if (!compile_objects(compile, options, &objects)) {
        return false;
    }
    bool ok = output_open(compile, path, &out);
    if (ok) {
        ok = link_to(compile, &objects, relocatable, out.fd, path);
        if (ok && !relocatable && out.temporary != NULL) {
            struct stat info;
            ok = fstat(out.fd, &info) == 0 && fchmod(out.fd, info.st_mode | 0111) == 0;
        }
        ok = output_close(&out, ok) && write_header(compile, options, path);
    }
    tn_objects_close(&objects);
    return ok;
}

/* A static library holds one object; the format is the System V archive's. */
static bool write_archive(Compile *compile, const EmitOptions *options, const char *path) {
    Objects objects;
    if (!compile_objects(compile, options, &objects)) {
        return false;
    }
    int whole = tn_memory_file("", 0);
    bool ok = whole >= 0 && link_to(compile, &objects, true, whole, path);
    tn_objects_close(&objects);
    if (!ok) {
        if (whole >= 0) {
            close(whole);
        }
        return false;
    }
    Bytes archive = {0};
    ok = tn_archive_make(whole, options->prefix, &archive) ||
         tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0}, "out of memory");
    close(whole);
    ok = ok && write_file(compile, path, archive.data, archive.size) &&
         write_header(compile, options, path);
    free(archive.data);
    return ok;
}

bool tn_codegen_file(Compile *compile, tn_emit kind, const char *path, const char *prefix) {
    EmitOptions options = {.prefix = prefix,
                           .target = compile->options.target,
                           .embed_weights = true,
                           .profile = true};
    if (kind == TN_EMIT_AUTO && !kind_by_suffix(compile, path, &kind)) {
        return false;
    }
    switch (kind) {
    case TN_EMIT_GRAPH:
        return write_graph(compile, path);
    case TN_EMIT_LOOPS:
        return write_loops(compile, path);
    case TN_EMIT_C:
        options.embed_weights = false;
        options.standalone = true;
        return write_c(compile, &options, path);
    case TN_EMIT_LLVM:
        return write_translated(compile, &options, CLANG_LLVM, path);
    case TN_EMIT_ASM:
        return write_translated(compile, &options, CLANG_ASM, path);
    case TN_EMIT_OBJ:
        return write_linked(compile, &options, true, path);
    case TN_EMIT_LIB:
        return write_archive(compile, &options, path);
    default:
        return write_linked(compile, &options, false, path);
    }
}
