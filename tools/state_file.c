/* state_file.c: the state of a model that trains as a file: the bytes of the region.
 *
 * A state is replaced only once the new one is complete on the disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/subject.h"

tn_status tn_state_load(const char *path, Subject *subject) {
    size_t size, want = (size_t)subject->desc->state_bytes;
    void *bytes = tn_tool_read(path, &size);
    if (!bytes) {
        return TN_IO;
    }
    tn_status status = TN_OK;
    if (size == want) {
        memcpy(subject->state, bytes, size);
    } else {
        status = tn_tool_error(TN_BAD_INPUT,
                               "%s: not a state of this model: it has %zu bytes instead of %zu",
                               path, size, want);
    }
    free(bytes);
    return status;
}

/* Written, and on the disk. */
static bool write_state(const char *path, const Subject *subject) {
    size_t size = (size_t)subject->desc->state_bytes;
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(subject->state, 1, size, file) == size && fflush(file) == 0 &&
              fsync(fileno(file)) == 0;
    return file && fclose(file) == 0 && ok;
}

tn_status tn_state_save(const char *path, const Subject *subject) {
    size_t size = strlen(path) + 6;
    char *part = malloc(size);
    if (!part) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    snprintf(part, size, "%s.part", path);
    tn_status status = TN_OK;
    if (!write_state(part, subject) || rename(part, path) != 0) {
        status = tn_tool_error(TN_IO, "%s: cannot write: %s", path, strerror(errno));
        unlink(part);
    }
    free(part);
    return status;
}
