/* npy.h: the least of NumPy's file format that an example needs: little-endian arrays in C
 * order, version 1. The `tenon` command reads all of it. */
#ifndef EXAMPLES_NPY_H
#define EXAMPLES_NPY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/runtime.h"

/* Fills `tensor->data` (of dtype and dims already set) from a file whose dims are the
 * same in number of elements; returns 0 on success. */
static int npy_load(const char *path, tn_tensor *tensor) {
    unsigned char start[10];
    char header[65536];
    FILE *file = fopen(path, "rb");
    if (!file) {
        return -1;
    }
    size_t bytes = (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
    int ok = fread(start, 1, sizeof start, file) == sizeof start &&
             memcmp(start, "\x93NUMPY\x01", 7) == 0;
    size_t length = ok ? start[8] | (size_t)start[9] << 8 : 0;
    ok = ok && fread(header, 1, length, file) == length;
    header[ok ? length : 0] = '\0';
    ok = ok && strstr(header, "'fortran_order': False") != NULL &&
         fread(tensor->data, 1, bytes, file) == bytes && fgetc(file) == EOF;
    fclose(file);
    return ok ? 0 : -1;
}

#endif
