/* external.c: opening files strictly beneath a folder, and mapping or reading them. */
#include "frontend/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---- */

/* An open file, or why there is none. */
typedef struct Opened {
    int fd; /* -1 after a problem */
    uint64_t size;
    const char *refused; /* what is wrong with the path, or NULL: */
    int code;            /* errno */
} Opened;

static Opened refused(const char *why) {
    return (Opened){.fd = -1, .refused = why};
}

static const char *path_problem(const char *path, size_t len) {
    if (len == 0) {
        return "is empty";
    }
    if (memchr(path, 0, len) != NULL) {
        return "holds a NUL byte";
    }
    return path[0] == '/' ? "is absolute" : NULL;
}

static bool bad_component(const char *name) {
    return name[0] == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Opens one component inside `folder`, which is closed. */
static int open_component(int folder, const char *name, bool last) {
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY);
    int fd = openat(folder, name, flags);
    int code = errno;
    close(folder);
    errno = code;
    return fd;
}

/* The size of a regular file; anything else is closed. */
static Opened measure(int fd) {
    struct stat info;
    Opened opened = {.fd = fd};
    if (fstat(fd, &info) != 0) {
        opened.code = errno;
    } else if (!S_ISREG(info.st_mode)) {
        opened.refused = "is not a regular file";
    } else {
        opened.size = (uint64_t)info.st_size;
        return opened;
    }
    close(fd);
    opened.fd = -1;
    return opened;
}

/* Nothing is allocated while a file is open, so that no descriptor is lost when memory runs
 * out. `path` is the caller's copy, NUL-terminated; its slashes are replaced. */
static Opened open_beneath(const char *dir, char *path, size_t len) {
    const char *problem = path_problem(path, len);
    if (problem != NULL) {
        return refused(problem);
    }
    int fd = open(dir[0] != 0 ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (char *name = path; fd >= 0 && name != NULL;) {
        char *slash = strchr(name, '/');
        if (slash != NULL) {
            *slash = 0;
        }
        if (bad_component(name)) {
            close(fd);
            return refused("has an empty, '.' or '..' component");
        }
        fd = open_component(fd, name, slash == NULL);
        name = slash != NULL ? slash + 1 : NULL;
    }
    if (fd < 0 && errno == ELOOP) {
        return refused("leads through a symbolic link");
    }
    return fd < 0 ? (Opened){.fd = -1, .code = errno} : measure(fd);
}

static bool io_error(Ctx *ctx, Loc loc, StrView path, int code) {
    return tn_diag(&ctx->diags, TN_IO, loc, "external data: cannot read '%s': %s",
                   tn_sv_dup(&ctx->arena, path), strerror(code));
}

static bool report(Ctx *ctx, Loc loc, StrView path, const Opened *opened) {
    if (opened->refused == NULL) {
        return io_error(ctx, loc, path, opened->code);
    }
    return tn_diag(&ctx->diags, TN_BAD_INPUT, loc,
                   "external data: the path '%s' %s; expected a relative path to a file beneath "
                   "the model's folder",
                   tn_sv_dup(&ctx->arena, path), opened->refused);
}

/* ---- ranges ---- */

static bool check_range(Ctx *ctx, const ExternalRange *range, uint64_t size, Loc loc,
                        uint64_t *length) {
    if (range->offset > size) {
        return tn_diag(&ctx->diags, TN_BAD_INPUT, loc,
                       "external data: offset %llu is past the end of '%s', which has %llu bytes",
                       (unsigned long long)range->offset, tn_sv_dup(&ctx->arena, range->location),
                       (unsigned long long)size);
    }
    *length = range->length == UINT64_MAX ? size - range->offset : range->length;
    if (*length > size - range->offset) {
        return tn_diag(&ctx->diags, TN_BAD_INPUT, loc,
                       "external data: %llu bytes from offset %llu reach past the end of '%s', "
                       "which has %llu bytes",
                       (unsigned long long)*length, (unsigned long long)range->offset,
                       tn_sv_dup(&ctx->arena, range->location), (unsigned long long)size);
    }
    return true;
}

/* 0, or errno. */
static int read_fully(int fd, char *bytes, uint64_t offset, uint64_t length) {
    uint64_t done = 0;
    while (done < length) {
        ssize_t n = pread(fd, bytes + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        done += (uint64_t)n;
    }
    return 0;
}

static const FileMap *find_map(const FileMaps *maps, StrView location) {
    for (size_t i = 0; maps != NULL && i < maps->n; i++) {
        if (tn_sv_is(location, maps->items[i].location)) {
            return &maps->items[i];
        }
    }
    return NULL;
}

/* Maps the whole file and remembers it; NULL with errno set on failure. */
static const FileMap *add_map(FileMaps *maps, const Opened *opened, StrView location) {
    FileMap *items = realloc(maps->items, (maps->n + 1) * sizeof *items);
    if (items == NULL) {
        return NULL;
    }
    maps->items = items;
    char *name = strndup(location.data, location.len);
    void *base =
        opened->size > 0 ? mmap(NULL, opened->size, PROT_READ, MAP_PRIVATE, opened->fd, 0) : NULL;
    if (name == NULL || base == MAP_FAILED) {
        free(name);
        return NULL;
    }
    items[maps->n] = (FileMap){name, base, opened->size};
    return &items[maps->n++];
}

void tn_file_maps_free(FileMaps *maps) {
    for (size_t i = 0; i < maps->n; i++) {
        if (maps->items[i].base != NULL) {
            munmap(maps->items[i].base, maps->items[i].size);
        }
        free(maps->items[i].location);
    }
    free(maps->items);
    *maps = (FileMaps){0};
}

static bool from_map(Ctx *ctx, const FileMap *map, const ExternalRange *range, Loc loc,
                     StrView *out) {
    uint64_t length = 0;
    if (!check_range(ctx, range, map->size, loc, &length)) {
        return false;
    }
    *out = (StrView){map->base != NULL ? (const char *)map->base + range->offset : "", length};
    return true;
}

static bool map_file(Ctx *ctx, const char *dir, FileMaps *maps, const ExternalRange *range, Loc loc,
                     StrView *out) {
    char *path = tn_sv_dup(&ctx->scratch, range->location);
    Opened opened = open_beneath(dir, path, range->location.len);
    if (opened.fd < 0) {
        return report(ctx, loc, range->location, &opened);
    }
    const FileMap *map = add_map(maps, &opened, range->location);
    int code = errno;
    close(opened.fd);
    return map != NULL ? from_map(ctx, map, range, loc, out)
                       : io_error(ctx, loc, range->location, code);
}

/* Opens the file twice: once for its size, and again when there is memory for the range. */
static bool read_file(Ctx *ctx, const char *dir, const ExternalRange *range, Loc loc,
                      StrView *out) {
    StrView location = range->location;
    char *paths[] = {tn_sv_dup(&ctx->scratch, location), tn_sv_dup(&ctx->scratch, location)};
    uint64_t length = 0;
    Opened opened = open_beneath(dir, paths[0], location.len);
    if (opened.fd < 0) {
        return report(ctx, loc, location, &opened);
    }
    close(opened.fd);
    if (!check_range(ctx, range, opened.size, loc, &length)) {
        return false;
    }
    char *bytes = tn_arena_array(&ctx->arena, length > 0 ? length : 1, 1, 64);
    opened = open_beneath(dir, paths[1], location.len);
    if (opened.fd < 0) {
        return report(ctx, loc, location, &opened);
    }
    int code = read_fully(opened.fd, bytes, range->offset, length);
    close(opened.fd);
    *out = (StrView){bytes, length};
    return code == 0 || io_error(ctx, loc, location, code);
}

bool tn_external_read(Ctx *ctx, const char *dir, FileMaps *maps, const ExternalRange *range,
                      Loc loc, StrView *out) {
    if (dir == NULL) {
        return tn_diag(&ctx->diags, TN_BAD_INPUT, loc,
                       "external data in '%s' is refused for a model that comes from memory",
                       tn_sv_dup(&ctx->arena, range->location));
    }
    const FileMap *map = find_map(maps, range->location);
    if (map != NULL) {
        return from_map(ctx, map, range, loc, out);
    }
    return maps != NULL ? map_file(ctx, dir, maps, range, loc, out)
                        : read_file(ctx, dir, range, loc, out);
}
