/* idx.c: two zero bytes, the type, the rank, big-endian dims, then the elements. */
#include "idx.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Number of items and elements of each; false when malformed. */
static bool read_dims(FILE *file, uint32_t *n, uint64_t *item) {
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
            *n = big_endian(word);
        } else {
            *item *= big_endian(word);
        }
        if (*item > 1 << 20) {
            return false;
        }
    }
    return rank > 0;
}

static unsigned char *read_bytes(FILE *file, size_t bytes) {
    unsigned char *data = malloc(bytes > 0 ? bytes : 1);
    if (data != NULL && fread(data, 1, bytes, file) != bytes) {
        free(data);
        data = NULL;
    }
    return data;
}

unsigned char *idx_read(const char *path, int32_t item, int32_t *n) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    uint32_t count = 0;
    uint64_t found = 0;
    unsigned char *data = NULL;
    if (read_dims(file, &count, &found) && found == (uint64_t)item && count < 1 << 24) {
        data = read_bytes(file, (size_t)count * (size_t)item);
    }
    fclose(file);
    *n = (int32_t)count;
    return data;
}
