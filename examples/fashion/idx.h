/* idx.h: the file format of MNIST and its relatives. */
#ifndef EXAMPLES_FASHION_IDX_H
#define EXAMPLES_FASHION_IDX_H

#include <stdint.h>

/* Reads an (unpacked) idx file of bytes whose items have `item` bytes each; `*n` is the
 * number of items. NULL when it cannot be read or is something else. */
unsigned char *idx_read(const char *path, int32_t item, int32_t *n);

#endif
