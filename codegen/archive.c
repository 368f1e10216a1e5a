/* archive.c: a static library of one object, in the System V archive format.
 *
 * Layout: magic, a symbol index member "/" naming the one exported symbol, then the object.
 * Member headers are 60 bytes of decimal text; members start at even offsets. Times, owners
 * and modes are zero, so equal inputs give equal archives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/objects.h"

enum { MAGIC_SIZE = 8, HEADER_SIZE = 60 };

static unsigned char *put_header(unsigned char *at, const char *name, size_t size) {
    char header[HEADER_SIZE + 1];
    snprintf(header, sizeof header, "%-16s%-12d%-6d%-6d%-8d%-10zu`\n", name, 0, 0, 0, 0, size);
    memcpy(at, header, HEADER_SIZE);
    return at + HEADER_SIZE;
}

static unsigned char *put_word(unsigned char *at, size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        *at++ = (unsigned char)(value >> shift);
    }
    return at;
}

static bool read_all(int fd, unsigned char *to, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, to + done, size - done, (off_t)done);
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

bool tn_archive_make(int object, const char *prefix, Bytes *out) {
    struct stat info;
    char symbol[128];
    if (fstat(object, &info) != 0) {
        return false;
    }
    size_t size = (size_t)info.st_size;
    size_t name = (size_t)snprintf(symbol, sizeof symbol, "%s_model", prefix) + 1;
    size_t index = 8 + name + (name & 1);
    size_t first = MAGIC_SIZE + HEADER_SIZE + index;
    out->size = first + HEADER_SIZE + size + (size & 1);
    out->data = calloc(1, out->size);
    if (out->data == NULL) {
        return false;
    }
    unsigned char *at = out->data;
    memcpy(at, "!<arch>\n", MAGIC_SIZE);
    at = put_header(at + MAGIC_SIZE, "/", index);
    at = put_word(put_word(at, 1), first);
    memcpy(at, symbol, name);
    at = put_header(out->data + first, "model.o/", size);
    if (size & 1) {
        at[size] = '\n';
    }
    return read_all(object, at, size);
}
