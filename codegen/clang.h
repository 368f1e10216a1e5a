/* clang.h: the bridge to Clang and LLD, the only part of Tenon written in C++.
 *
 * Both run inside this process and touch no file but those named here: a source comes from
 * memory, needs no header, and becomes bytes in memory. Nothing is ever printed.
 */
#ifndef TN_CODEGEN_CLANG_H
#define TN_CODEGEN_CLANG_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/target.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Bytes {
    unsigned char *data; /* malloc'ed, freed by the receiver */
    size_t size;
} Bytes;

typedef enum ClangOutput { CLANG_OBJECT, CLANG_ASM, CLANG_LLVM } ClangOutput;

/* Compiles one C translation unit; thread-safe. On failure returns false and a malloc'ed
 * message in *error (NULL when memory ran out). Warnings are dropped. */
bool tn_clang_compile(const char *source, size_t size, const Target *target, int opt_level,
                      ClangOutput kind, Bytes *out, char **error);
/* Links objects (paths) into a shared object at `path`, or into one relocatable object;
 * every reference must be met. Serialised inside: LLD keeps global state. */
bool tn_lld_link(const char *const *objects, size_t n_objects, bool relocatable, const char *path,
                 char **error);

#ifdef __cplusplus
}
#endif

#endif
