/* external.c: opening files strictly beneath a folder, and mapping or reading them. */
#include "frontend/external.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---- */

static const char *path_problem(StrView path) {
    if (path.len == 0) {
        return "is empty";
    }
    if (memchr(path.data, 0, path.len) != NULL) {
        return "holds a NUL byte";
    }
    if (path.data[0] == '/') {
        return "is absolute";
    }
    return NULL;
}

/* The component that starts at `*at`, which moves past it and its slash. */
static StrView next_component(StrView path, size_t *at) {
    const char *start = path.data + *at;
    const char *slash = memchr(start, '/', path.len - *at);
    size_t len = slash != NULL ? (size_t)(slash - start) : path.len - *at;
    *at += len + (slash != NULL ? 1 : 0);
    return (StrView){start, len};
}

static bool refuse(Ctx *ctx, Loc loc, StrView path, const char *why) {
    return tn_diag(&ctx->diags, TN_BAD_INPUT, loc,
                   "external data: the path '%s' %s; expected a relative path to a file beneath "
                   "the model's folder",
                   tn_sv_dup(&ctx->arena, path), why);
}

static bool io_error(Ctx *ctx, Loc loc, StrView path, int code) {
    return tn_diag(&ctx->diags, TN_IO, loc, "external data: cannot open '%s': %s",
                   tn_sv_dup(&ctx->arena, path), strerror(code));
}

static bool bad_component(StrView name) {
    return name.len == 0 || tn_sv_is(name, ".") || tn_sv_is(name, "..");
}

/* Opens one component inside `folder`, which is closed. */
static int open_component(Ctx *ctx, int folder, StrView name, bool last) {
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY);
    int fd = openat(folder, tn_sv_dup(&ctx->scratch, name), flags);
    int code = errno;
    close(folder);
    errno = code;
    return fd;
}

/* A descriptor of the regular file, or -1 after a diagnostic. */
static int open_beneath(Ctx *ctx, const char *dir, StrView path, Loc loc) {
    const char *problem = path_problem(path);
    if (problem != NULL) {
        refuse(ctx, loc, path, problem);
        return -1;
    }
    int fd = open(dir[0] != 0 ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t at = 0; fd >= 0 && at < path.len;) {
        StrView name = next_component(path, &at);
        if (bad_component(name) || (at == path.len && path.data[at - 1] == '/')) {
            close(fd);
            refuse(ctx, loc, path, "has an empty, '.' or '..' component");
            return -1;
        }
        fd = open_component(ctx, fd, name, at == path.len);
    }
    if (fd >= 0) {
        return fd;
    }
    if (errno == ELOOP) {
        refuse(ctx, loc, path, "leads through a symbolic link");
    } else {
        io_error(ctx, loc, path, errno);
    }
    return -1;
}

static bool file_size(Ctx *ctx, int fd, StrView path, Loc loc, uint64_t *out) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return io_error(ctx, loc, path, errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return refuse(ctx, loc, path, "is not a regular file");
    }
    *out = (uint64_t)info.st_size;
    return true;
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

static bool read_range(Ctx *ctx, int fd, const ExternalRange *range, uint64_t length, Loc loc,
                       StrView *out) {
    char *bytes = tn_arena_array(&ctx->arena, length > 0 ? length : 1, 1, 64);
    uint64_t done = 0;
    while (done < length) {
        ssize_t n = pread(fd, bytes + done, length - done, (off_t)(range->offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return io_error(ctx, loc, range->location, n < 0 ? errno : EIO);
        }
        done += (uint64_t)n;
    }
    *out = (StrView){bytes, length};
    return true;
}

static const FileMap *find_map(const FileMaps *maps, StrView location) {
    for (size_t i = 0; maps != NULL && i < maps->n; i++) {
        if (tn_sv_is(location, maps->items[i].location)) {
            return &maps->items[i];
        }
    }
    return NULL;
}

/* Maps the whole file and remembers it; NULL after a diagnostic. */
static const FileMap *add_map(Ctx *ctx, FileMaps *maps, int fd, StrView location, uint64_t size,
                              Loc loc) {
    FileMap *items = realloc(maps->items, (maps->n + 1) * sizeof *items);
    char *name = items != NULL ? strndup(location.data, location.len) : NULL;
    maps->items = items != NULL ? items : maps->items;
    if (name == NULL) {
        tn_diag(&ctx->diags, TN_LIMIT, loc, "external data: out of memory");
        return NULL;
    }
    void *base = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (base == MAP_FAILED) {
        free(name);
        io_error(ctx, loc, location, errno);
        return NULL;
    }
    items[maps->n] = (FileMap){name, base, size};
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
    if (map == NULL || !check_range(ctx, range, map->size, loc, &length)) {
        return false;
    }
    *out = (StrView){map->base != NULL ? (const char *)map->base + range->offset : "", length};
    return true;
}

static bool from_file(Ctx *ctx, FileMaps *maps, int fd, const ExternalRange *range, Loc loc,
                      StrView *out) {
    uint64_t size = 0;
    uint64_t length = 0;
    if (!file_size(ctx, fd, range->location, loc, &size) ||
        !check_range(ctx, range, size, loc, &length)) {
        return false;
    }
    if (maps == NULL) {
        return read_range(ctx, fd, range, length, loc, out);
    }
    return from_map(ctx, add_map(ctx, maps, fd, range->location, size, loc), range, loc, out);
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
    int fd = open_beneath(ctx, dir, range->location, loc);
    if (fd < 0) {
        return false;
    }
    bool ok = from_file(ctx, maps, fd, range, loc, out);
    close(fd);
    return ok;
}
