/* state_file.c: the state of a model that trains as a file: the bytes of the region.
 *
 * A state is replaced only once the new one is complete on the disk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
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
static bool write_state(int fd, const Subject *subject) {
    return tn_write_all(fd, subject->state, (size_t)subject->desc->state_bytes) && fsync(fd) == 0;
}

tn_status tn_state_save(const char *path, const Subject *subject) {
    Output out;
    bool ok = tn_output_open(path, &out) && tn_output_close(&out, write_state(out.fd, subject));
    return ok ? TN_OK : tn_tool_error(TN_IO, "%s: cannot write: %s", path, strerror(errno));
}
