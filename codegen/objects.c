/* objects.c: emitted C to object code in memory, in parallel.
 *
 * Kernels are dealt out to a few translation units of about equal text, each compiled by its
 * own thread; the entry tables are one unit more. Weights never pass through C text or LLVM:
 * an assembler directive takes them from a file in memory.
 */
#include "codegen/objects.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/link.h"

enum { MAX_UNITS = 4, KERNELS_A_UNIT = 4 };

/* One translation unit and what became of it. */
typedef struct Unit {
    StrBuf source;
    const Target *target;
    int opt_level;
    Bytes object;
    char *error;
    bool ok;
    bool started;
    pthread_t thread;
} Unit;

char *tn_objects_source(Arena *arena, const EmittedC *emitted, size_t *size) {
    StrBuf source = tn_str(arena);
    tn_str_puts(&source, emitted->prelude);
    tn_str_puts(&source, emitted->declarations);
    for (size_t i = 0; i < emitted->n_kernels; i++) {
        tn_str_puts(&source, emitted->kernels[i]);
    }
    tn_str_puts(&source, emitted->entry);
    *size = source.len;
    return source.data;
}

/* By the kernels alone, not the machine: the same source gives the same objects everywhere. */
static size_t unit_count(const EmittedC *emitted) {
    size_t n = emitted->n_kernels / KERNELS_A_UNIT;
    return n < 1 ? 1 : n > MAX_UNITS ? MAX_UNITS : n;
}

static Unit unit_new(Compile *compile, const EmittedC *emitted) {
    Unit unit = {.source = tn_str(&compile->ctx->scratch),
                 .target = compile->options.target,
                 .opt_level = compile->options.opt_level};
    tn_str_puts(&unit.source, emitted->prelude);
    tn_str_puts(&unit.source, emitted->declarations);
    return unit;
}

/* Every kernel goes to the unit with the least text so far. */
static void deal_kernels(Unit *units, size_t n, const EmittedC *emitted) {
    for (size_t i = 0; i < emitted->n_kernels; i++) {
        Unit *least = &units[0];
        for (size_t u = 1; u < n; u++) {
            least = units[u].source.len < least->source.len ? &units[u] : least;
        }
        tn_str_puts(&least->source, emitted->kernels[i]);
    }
    tn_str_puts(&units[0].source, emitted->entry);
}

static void *compile_unit(void *arg) {
    Unit *unit = arg;
    unit->ok = tn_clang_compile(unit->source.data, unit->source.len, unit->target, unit->opt_level,
                                CLANG_OBJECT, &unit->object, &unit->error);
    return NULL;
}

/* The first unit runs on this thread, and so does any whose thread cannot be started. */
static void compile_units(Unit *units, size_t n) {
    for (size_t i = 1; i < n; i++) {
        units[i].started = pthread_create(&units[i].thread, NULL, compile_unit, &units[i]) == 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (!units[i].started) {
            compile_unit(&units[i]);
        }
    }
    for (size_t i = 1; i < n; i++) {
        if (units[i].started) {
            pthread_join(units[i].thread, NULL);
        }
    }
}

static bool add_object(Compile *compile, Objects *out, const Bytes *object) {
    int fd = tn_memory_file(object->data, object->size);
    if (fd < 0) {
        return tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0},
                       "no memory for %zu bytes of object code", object->size);
    }
    out->fds[out->n++] = fd;
    return true;
}

static bool collect_units(Compile *compile, Unit *units, size_t n, Objects *out) {
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        if (!units[i].ok) {
            ok = tn_diag(&compile->ctx->diags, TN_INTERNAL, (Loc){0},
                         "Clang refused the emitted C: %s",
                         units[i].error != NULL ? units[i].error : "out of memory");
        }
        ok = ok && add_object(compile, out, &units[i].object);
        free(units[i].object.data);
        free(units[i].error);
    }
    return ok;
}

/* An object that is nothing but the weights. */
static bool compile_weights(Compile *compile, const char *prefix, const unsigned char *weights,
                            size_t weight_bytes, Objects *out) {
    char path[TN_FD_PATH_MAX];
    int fd = tn_memory_file(weights, weight_bytes);
    if (fd < 0) {
        return tn_diag(&compile->ctx->diags, TN_LIMIT, (Loc){0},
                       "no memory for %zu bytes of weights", weight_bytes);
    }
    tn_fd_path(fd, path);
    Unit unit = {.source = tn_str(&compile->ctx->scratch),
                 .target = compile->options.target,
                 .opt_level = compile->options.opt_level};
    tn_str_printf(&unit.source,
                  "__asm__(\".section .rodata.%s_weights,\\\"a\\\",@progbits\\n"
                  ".balign 4096\\n.globl %s_weights\\n.hidden %s_weights\\n"
                  "%s_weights:\\n.incbin \\\"%s\\\"\\n.previous\\n\");\n",
                  prefix, prefix, prefix, prefix, path);
    compile_unit(&unit);
    close(fd);
    return collect_units(compile, &unit, 1, out);
}

bool tn_objects_compile(Compile *compile, const EmittedC *emitted, const char *prefix,
                        const unsigned char *weights, size_t weight_bytes, Objects *out) {
    Unit units[MAX_UNITS];
    size_t n = unit_count(emitted);
    out->n = 0;
    out->fds = TN_NEW_ARRAY(&compile->ctx->scratch, int, MAX_UNITS + 1);
    for (size_t i = 0; i < n; i++) {
        units[i] = unit_new(compile, emitted);
    }
    deal_kernels(units, n, emitted);
    compile_units(units, n);
    bool ok = collect_units(compile, units, n, out);
    if (ok && weights != NULL && weight_bytes > 0) {
        ok = compile_weights(compile, prefix, weights, weight_bytes, out);
    }
    if (!ok) {
        tn_objects_close(out);
    }
    return ok;
}

void tn_objects_close(Objects *objects) {
    for (size_t i = 0; i < objects->n; i++) {
        close(objects->fds[i]);
    }
    objects->n = 0;
}
