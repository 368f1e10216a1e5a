/* file.h: files that appear complete or not at all.
 *
 * What is being written has no name until it is complete, so neither an error nor a signal leaves
 * anything behind, and what was there before is whole until it is replaced. */
#ifndef TN_BASE_FILE_H
#define TN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* A file on its way. */
typedef struct Output {
    int fd;          /* to write to */
    char *path;      /* its name to be; NULL for what is written to in place */
    char *temporary; /* its name until then, once it has one */
} Output;

/* Whether a file would be made at `path`, rather than a stream or a device written to. */
bool tn_output_makes_file(const char *path);
/* Starts what will be `path`; "-" is standard output. A device or a pipe is written to, never
 * replaced; one that nobody reads is not waited for. False with errno set. */
bool tn_output_open(const char *path, Output *out);
/* Gives the file its name, in the place of what has it, and returns true. Otherwise, or if not
 * `keep`, nothing is left behind, and errno is that of the failure, or as it was. */
bool tn_output_close(Output *out, bool keep);

/* Writes all bytes to `fd`, whatever kind of file it is; false with errno set. */
bool tn_write_all(int fd, const void *data, size_t size);
/* A path that opens what `fd` is open on. */
#define TN_FD_PATH_MAX 32
void tn_fd_path(int fd, char *path);

#endif
