/* idx.c: two zero bytes, the type, the rank, big-endian dims, then the elements. */
#include "idx.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Elements of one item, from the dims after the first; 0 when malformed. */
static uint64_t read_dims(FILE *file, uint32_t *n) {
    unsigned char word[4];
    if (fread(word, 1, 4, file) != 4 || word[0] != 0 || word[1] != 0 || word[2] != 8) {
        return 0;
    }
    int rank = word[3];
    uint64_t item = 1;
    for (int i = 0; i < rank; i++) {
        if (fread(word, 1, 4, file) != 4) {
            return 0;
        }
        if (i == 0) {
            *n = big_endian(word);
        } else if ((item *= big_endian(word)) > 1 << 20) {
            return 0;
        }
    }
    return rank > 0 ? item : 0;
}

unsigned char *idx_read(const char *path, int32_t item, int32_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    uint32_t count = 0;
    unsigned char *data = NULL;
    if (read_dims(file, &count) == (uint64_t)item && count < 1 << 24) {
        size_t bytes = (size_t)count * (size_t)item;
        data = malloc(bytes > 0 ? bytes : 1);
        if (data && fread(data, 1, bytes, file) != bytes) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    *n = (int32_t)count;
    return data;
}
