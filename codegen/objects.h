/* objects.h: emitted C to object code in memory. */
#ifndef TN_CODEGEN_OBJECTS_H
#define TN_CODEGEN_OBJECTS_H

#include "codegen/codegen.h"

/* Open in-memory files, one an object. */
typedef struct Objects {
    int *fds;
    size_t n;
} Objects;

/* Compiles the program's C in parallel units; with `weights` not NULL one more object holds
 * these bytes under the symbol <prefix>_weights. False after a diagnostic. */
bool tn_objects_compile(Compile *compile, const EmittedC *emitted, const char *prefix,
                        const unsigned char *weights, size_t weight_bytes, Objects *out);
void tn_objects_close(Objects *objects);
/* All of the emitted C as one translation unit. */
char *tn_objects_source(Arena *arena, const EmittedC *emitted, size_t *size);

/* A static library holding the object open on `object`, which exports <prefix>_model. */
bool tn_archive_make(int object, const char *prefix, Bytes *out);

#endif
