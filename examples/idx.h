/* idx.h: the file format of MNIST and its relatives: two zero bytes, the type, the rank,
 * big-endian dims, then the elements. */
#ifndef EXAMPLES_IDX_H
#define EXAMPLES_IDX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t idx_big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Number of items and elements of each; false when malformed. */
static bool idx_dims(FILE *file, uint32_t *n, uint64_t *item) {
    unsigned char word[4];
    if (fread(word, 1, 4, file) != 4 || word[0] != 0 || word[1] != 0 || word[2] != 8) {
        return false;
    }
    int rank = word[3];
    *item = 1;
    for (int i = 0; i < rank; i++) {
        if (fread(word, 1, 4, file) != 4) {
            return false;
        }
        if (i == 0) {
            *n = idx_big_endian(word);
        } else {
            *item *= idx_big_endian(word);
        }
        if (*item > 1 << 20) {
            return false;
        }
    }
    return rank > 0;
}

static unsigned char *idx_bytes(FILE *file, size_t bytes) {
    unsigned char *data = malloc(bytes > 0 ? bytes : 1);
    if (data != NULL && fread(data, 1, bytes, file) != bytes) {
        free(data);
        data = NULL;
    }
    return data;
}

/* Reads an (unpacked) idx file of bytes whose items have `item` bytes each; `*n` is the
 * number of items. NULL when it cannot be read or is something else. */
static unsigned char *idx_read(const char *path, int32_t item, int32_t *n) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    uint32_t count = 0;
    uint64_t found = 0;
    unsigned char *data = NULL;
    if (idx_dims(file, &count, &found) && found == (uint64_t)item && count < 1 << 24) {
        data = idx_bytes(file, (size_t)count * (size_t)item);
    }
    fclose(file);
    *n = (int32_t)count;
    return data;
}

#endif
