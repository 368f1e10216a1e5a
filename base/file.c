/* file.c: files that appear complete or not at all. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_TRIED = 1000 };

void tn_fd_path(int fd, char *path) {
    snprintf(path, TN_FD_PATH_MAX, "/proc/self/fd/%d", fd);
}

bool tn_write_all(int fd, const void *data, size_t size) {
    const unsigned char *from = data;
    while (size > 0) {
        ssize_t n = write(fd, from, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        from += n;
        size -= (size_t)n;
    }
    return true;
}

static bool is_special(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

bool tn_output_makes_file(const char *path) {
    return strcmp(path, "-") != 0 && !is_special(path);
}

/* `name` in the folder of `path`: no file moves from one file system to another. */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL ? (size_t)(slash - path) + 1 : 0, size = n + strlen(name) + 1;
    char *out = malloc(size);
    if (out != NULL) {
        snprintf(out, size, "%.*s%s", (int)n, path, name);
    }
    return out;
}

/* A name for the file, which is made with it unless it is there already. */
static bool link_temporary(Output *out) {
    char from[TN_FD_PATH_MAX];
    if (out->fd < 0) {
        out->fd = open(out->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
        return out->fd >= 0;
    }
    tn_fd_path(out->fd, from);
    return linkat(AT_FDCWD, from, AT_FDCWD, out->temporary, AT_SYMLINK_FOLLOW) == 0;
}

/* Finds a name that nothing has: a link can be made to a new name only. */
static bool name_temporary(Output *out) {
    for (int i = 0; i < NAMES_TRIED; i++) {
        char name[64];
        snprintf(name, sizeof name, "tenon-%ld-%d.part", (long)getpid(), i);
        out->temporary = beside(out->path, name);
        if (out->temporary == NULL || link_temporary(out)) {
            return out->temporary != NULL;
        }
        free(out->temporary);
        out->temporary = NULL;
        if (errno != EEXIST) {
            return false;
        }
    }
    return false;
}

/* Some file systems know no file without a name: there it has a temporary one from the start. */
static bool open_file(const char *path, Output *out) {
    char *real =
        realpath(path, NULL); /* what a symbolic link points to is replaced, not the link */
    out->path = real != NULL ? real : strdup(path);
    char *folder = out->path != NULL ? beside(out->path, ".") : NULL;
    if (folder == NULL) {
        return false;
    }
    out->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    free(folder);
    return out->fd >= 0 || ((errno == EOPNOTSUPP || errno == EISDIR) && name_temporary(out));
}

static bool open_in_place(const char *path, Output *out) {
    if (strcmp(path, "-") == 0) {
        out->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
        return out->fd >= 0;
    }
    out->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return out->fd >= 0 && fcntl(out->fd, F_SETFL, 0) == 0;
}

bool tn_output_open(const char *path, Output *out) {
    *out = (Output){.fd = -1};
    if (tn_output_makes_file(path) ? open_file(path, out) : open_in_place(path, out)) {
        return true;
    }
    int code = errno;
    if (out->fd >= 0) {
        close(out->fd);
    }
    free(out->path);
    *out = (Output){.fd = -1};
    errno = code;
    return false;
}

bool tn_output_close(Output *out, bool keep) {
    int before = errno, code = 0;
    bool names = keep && out->path != NULL;
    if (names && out->temporary == NULL && !name_temporary(out)) {
        code = errno;
    }
    if (close(out->fd) != 0 && code == 0) {
        code = errno;
    }
    if (names && code == 0 && rename(out->temporary, out->path) != 0) {
        code = errno;
    }
    if (out->temporary != NULL && (!keep || code != 0)) {
        unlink(out->temporary);
    }
    free(out->temporary);
    free(out->path);
    *out = (Output){.fd = -1};
    errno = keep && code != 0 ? code : before;
    return keep && code == 0;
}
