/* npy.c: reads and writes NumPy's file format.
 *
 * A file is "\x93NUMPY", a version, the length of a header, the header (a Python dict of
 * 'descr', 'fortran_order' and 'shape'), and the elements. The header is text from
 * anywhere: each of the three values is looked for by its key and parsed by itself, and
 * every length is checked against the file.
 */
#include "tools/npy.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tensor.h"

typedef struct NpyType {
    const char *descr;
    int32_t dtype;
} NpyType;

/* The first row of a dtype is what is written. NumPy has no bf16 of its own: ml_dtypes
 * stores it as two raw bytes. */
static const NpyType npy_types[] = {
    {"<f4", TN_F32}, {"<f8", TN_F64},  {"<f2", TN_F16},  {"<i8", TN_I64},  {"<i4", TN_I32},
    {"<i2", TN_I16}, {"|i1", TN_I8},   {"<u8", TN_U64},  {"<u4", TN_U32},  {"<u2", TN_U16},
    {"|u1", TN_U8},  {"|b1", TN_BOOL}, {"<V2", TN_BF16}, {"|V2", TN_BF16}, {"<i1", TN_I8},
    {"<u1", TN_U8},  {"<b1", TN_BOOL},
};

enum { N_NPY_TYPES = sizeof npy_types / sizeof npy_types[0], MAX_HEADER = 1 << 16 };

typedef struct NpyReader {
    const char *name;
    char *error;
    size_t error_size;
    char header[MAX_HEADER + 1]; /* NUL-terminated */
    tn_tensor *out;
    bool fortran;
} NpyReader;

static tn_status refuse(const NpyReader *reader, tn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static tn_status refuse(const NpyReader *reader, tn_status status, const char *format, ...) {
    int n = snprintf(reader->error, reader->error_size, "%s: ", reader->name);
    va_list args;
    va_start(args, format);
    if (n >= 0 && (size_t)n < reader->error_size) {
        vsnprintf(reader->error + n, reader->error_size - (size_t)n, format, args);
    }
    va_end(args);
    return status;
}

/* The text after KEY and its colon, or NULL. */
static const char *value_of(const NpyReader *reader, const char *key) {
    const char *at = strstr(reader->header, key);
    if (!at) {
        return NULL;
    }
    at += strlen(key);
    while (*at == ' ') {
        at++;
    }
    if (*at++ != ':') {
        return NULL;
    }
    while (*at == ' ') {
        at++;
    }
    return at;
}

static tn_status read_descr(NpyReader *reader) {
    const char *at = value_of(reader, "'descr'");
    const char *end = at && *at == '\'' ? strchr(at + 1, '\'') : NULL;
    if (!end) {
        return refuse(reader, TN_BAD_INPUT, "header without a simple 'descr'");
    }
    size_t n = (size_t)(end - at - 1);
    for (size_t i = 0; i < N_NPY_TYPES; i++) {
        if (strlen(npy_types[i].descr) == n && memcmp(npy_types[i].descr, at + 1, n) == 0) {
            reader->out->dtype = npy_types[i].dtype;
            return TN_OK;
        }
    }
    return refuse(reader, TN_UNSUPPORTED, "element type '%.*s' is not one Tenon reads",
                  n < 32 ? (int)n : 32, at + 1);
}

static tn_status read_order(NpyReader *reader) {
    const char *at = value_of(reader, "'fortran_order'");
    if (!at || (strncmp(at, "True", 4) != 0 && strncmp(at, "False", 5) != 0)) {
        return refuse(reader, TN_BAD_INPUT, "header without 'fortran_order'");
    }
    reader->fortran = *at == 'T';
    return TN_OK;
}

static tn_status read_shape(NpyReader *reader) {
    tn_tensor *out = reader->out;
    const char *at = value_of(reader, "'shape'");
    if (!at || *at != '(') {
        return refuse(reader, TN_BAD_INPUT, "header without 'shape'");
    }
    at++;
    for (out->rank = 0;;) {
        while (*at == ' ' || *at == ',') {
            at++;
        }
        if (*at == ')') {
            break;
        }
        char *end;
        long long dim = strtoll(at, &end, 10);
        if (end == at || dim < 0) {
            return refuse(reader, TN_BAD_INPUT, "malformed 'shape'");
        }
        if (out->rank == TN_MAX_RANK) {
            return refuse(reader, TN_LIMIT, "more than %d dimensions", TN_MAX_RANK);
        }
        out->dims[out->rank++] = dim;
        at = end;
    }
    return tn_tensor_count(out) < 0 ? refuse(reader, TN_LIMIT, "its size does not fit 64 bits")
                                    : TN_OK;
}

/* Finds the header; `*start` is where the elements begin. */
static tn_status read_frame(NpyReader *reader, const unsigned char *bytes, size_t size,
                            size_t *start) {
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        return refuse(reader, TN_BAD_INPUT, "not a NumPy file");
    }
    if (bytes[6] < 1 || bytes[6] > 3) {
        return refuse(reader, TN_UNSUPPORTED, "NumPy format %d, expected 1 to 3", bytes[6]);
    }
    size_t prefix = bytes[6] == 1 ? 10 : 12;
    if (size < prefix) {
        return refuse(reader, TN_BAD_INPUT, "cut short");
    }
    size_t n = bytes[8] | (size_t)bytes[9] << 8;
    if (bytes[6] > 1) {
        n |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    }
    if (n > MAX_HEADER || n > size - prefix) {
        return refuse(reader, TN_BAD_INPUT, "header of %zu bytes in a file of %zu", n, size);
    }
    memcpy(reader->header, bytes + prefix, n);
    reader->header[n] = '\0';
    *start = prefix + n;
    return TN_OK;
}

/* Elements with the first dim running fastest, to the last. */
static void from_fortran(const tn_tensor *tensor, const unsigned char *from) {
    size_t size = tn_dtype_size(tensor->dtype);
    int64_t count = tn_tensor_count(tensor), index[TN_MAX_RANK] = {0};
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0;
        for (int32_t d = 0; d < tensor->rank; d++) {
            at = at * tensor->dims[d] + index[d];
        }
        memcpy((char *)tensor->data + (size_t)at * size, from + (size_t)i * size, size);
        for (int32_t d = 0; d < tensor->rank && ++index[d] == tensor->dims[d]; d++) {
            index[d] = 0;
        }
    }
}

static tn_status read_elements(NpyReader *reader, const unsigned char *bytes, size_t size) {
    tn_tensor *out = reader->out;
    uint64_t count = (uint64_t)tn_tensor_count(out), each = tn_dtype_size(out->dtype);
    if (count > size / each) {
        return refuse(reader, TN_BAD_INPUT, "cut short: %llu elements announced, %zu bytes there",
                      (unsigned long long)count, size);
    }
    if (!tn_tensor_alloc(out)) {
        return refuse(reader, TN_LIMIT, "out of memory");
    }
    if (reader->fortran) {
        from_fortran(out, bytes);
    } else {
        memcpy(out->data, bytes, (size_t)(count * each));
    }
    unsigned char *truths = out->dtype == TN_BOOL ? out->data : NULL;
    for (uint64_t i = 0; truths && i < count; i++) {
        truths[i] = truths[i] != 0;
    }
    return TN_OK;
}

tn_status tn_npy_decode(const void *bytes, size_t size, const char *name, tn_tensor *out,
                        char *error, size_t error_size) {
    *out = (tn_tensor){0};
    NpyReader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        snprintf(error, error_size, "%s: out of memory", name);
        return TN_LIMIT;
    }
    *reader = (NpyReader){.name = name, .error = error, .error_size = error_size, .out = out};
    size_t start = 0;
    tn_status status = read_frame(reader, bytes, size, &start);
    if (status == TN_OK) {
        status = read_descr(reader);
    }
    if (status == TN_OK) {
        status = read_order(reader);
    }
    if (status == TN_OK) {
        status = read_shape(reader);
    }
    if (status == TN_OK) {
        status = read_elements(reader, (const unsigned char *)bytes + start, size - start);
    }
    free(reader);
    return status;
}

static const char *descr_of(int32_t dtype) {
    for (size_t i = 0; i < N_NPY_TYPES; i++) {
        if (npy_types[i].dtype == dtype) {
            return npy_types[i].descr;
        }
    }
    return "|V1";
}

size_t tn_npy_header(const tn_tensor *tensor, char *header) {
    char dict[TN_NPY_HEADER];
    size_t n =
        (size_t)snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                         descr_of(tensor->dtype));
    for (int32_t i = 0; i < tensor->rank; i++) {
        n += (size_t)snprintf(dict + n, sizeof dict - n, "%lld, ", (long long)tensor->dims[i]);
    }
    n += (size_t)snprintf(dict + n, sizeof dict - n, "), }");
    /* The elements start at a multiple of 64. */
    size_t total = (10 + n + 1 + 63) / 64 * 64;
    memset(header, ' ', total);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)((total - 10) & 0xff);
    header[9] = (char)((total - 10) >> 8);
    memcpy(header + 10, dict, n);
    header[total - 1] = '\n';
    return total;
}
