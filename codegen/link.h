/* link.h: files that live in memory, and linking through them. */
#ifndef TN_CODEGEN_LINK_H
#define TN_CODEGEN_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"

/* A new file in memory holding `size` bytes; its descriptor, or -1. */
int tn_memory_file(const void *data, size_t size);
/* Links the objects open on `objects` into a shared object, or one relocatable object, and
 * writes it to `fd`. On failure returns false and a malloc'ed message in *error (NULL when
 * memory ran out). */
bool tn_link_objects(const int *objects, size_t n_objects, bool relocatable, int fd, char **error);

#endif
