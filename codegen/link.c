/* link.c: linking from memory into any file.
 *
 * LLD makes its output beside the final path and renames it, which cannot work for a file
 * in memory, and ends the process when the disk is full. When the path is a pipe it
 * builds the result in memory and writes it there; a thread of ours takes it from the
 * other end, and a failing write is then our error to report.
 */
#include "codegen/link.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codegen/clang.h"

int tn_memory_file(const void *data, size_t size) {
    int fd = memfd_create("tenon", MFD_CLOEXEC);
    if (fd >= 0 && !tn_write_all(fd, data, size)) {
        close(fd);
        return -1;
    }
    return fd;
}

typedef struct Drain {
    int from, to;
    int failure; /* errno of the first write that failed */
} Drain;

/* Empties the pipe to its end even after a failure: the writer must never get SIGPIPE. */
static void *drain(void *arg) {
    Drain *job = arg;
    static const size_t size = 1 << 16;
    unsigned char *buffer = malloc(size);
    unsigned char small[256];
    for (;;) {
        ssize_t n =
            buffer != NULL ? read(job->from, buffer, size) : read(job->from, small, sizeof small);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        if (job->failure == 0 &&
            !tn_write_all(job->to, buffer != NULL ? buffer : small, (size_t)n)) {
            job->failure = errno != 0 ? errno : EIO;
        }
    }
    free(buffer);
    return NULL;
}

static bool link_to_pipe(const int *objects, size_t n_objects, bool relocatable, int fd,
                         char **error) {
    char(*paths)[TN_FD_PATH_MAX] = malloc((n_objects + 1) * sizeof *paths);
    const char **list = malloc((n_objects + 1) * sizeof *list);
    bool ok = false;
    if (paths != NULL && list != NULL) {
        for (size_t i = 0; i < n_objects; i++) {
            tn_fd_path(objects[i], paths[i]);
            list[i] = paths[i];
        }
        tn_fd_path(fd, paths[n_objects]);
        ok = tn_lld_link(list, n_objects, relocatable, paths[n_objects], error);
    }
    free(paths);
    free(list);
    return ok;
}

static bool link_failed(char **error, const char *what, int code) {
    size_t size = 256;
    *error = malloc(size);
    if (*error != NULL) {
        snprintf(*error, size, "%s: %s", what, strerror(code));
    }
    return false;
}

bool tn_link_objects(const int *objects, size_t n_objects, bool relocatable, int fd, char **error) {
    int ends[2];
    *error = NULL;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return link_failed(error, "cannot make a pipe", errno);
    }
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20); /* fewer switches; refusal does no harm */
    Drain job = {.from = ends[0], .to = fd};
    pthread_t thread;
    int code = pthread_create(&thread, NULL, drain, &job);
    bool ok = code == 0 && link_to_pipe(objects, n_objects, relocatable, ends[1], error);
    close(ends[1]);
    if (code == 0) {
        pthread_join(thread, NULL);
    }
    close(ends[0]);
    if (code != 0) {
        return link_failed(error, "cannot start a thread", code);
    }
    return ok && (job.failure == 0 || link_failed(error, "cannot write the result", job.failure));
}
