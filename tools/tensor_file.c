/* tensor_file.c: tensors in files: NumPy's and ONNX's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "frontend/frontend.h"
#include "tools/inputs.h"
#include "tools/npy.h"
#include "tools/tensor.h"

static bool has_suffix(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

/* The decoded tensor borrows from the file or the context: take a copy. */
static tn_status own_copy(const tn_tensor *borrowed, tn_tensor *out) {
    *out = *borrowed;
    out->data = NULL;
    if (!tn_tensor_alloc(out)) {
        return TN_LIMIT;
    }
    if (tn_tensor_bytes(out) > 0) {
        memcpy(out->data, borrowed->data, tn_tensor_bytes(out));
    }
    return TN_OK;
}

/* Where a decoded tensor goes, and why there is none. */
typedef struct PbResult {
    tn_tensor *out;
    char **name;
    char *error;
    size_t error_size;
} PbResult;

static tn_status pb_failed(Ctx *ctx, const char *path, const PbResult *result) {
    StrBuf text = tn_str(&ctx->arena);
    tn_diag_print(&ctx->diags, &text);
    snprintf(result->error, result->error_size, "%s", text.data ? text.data : path);
    result->error[strcspn(result->error, "\n")] = '\0';
    tn_status status = tn_diag_status(&ctx->diags);
    return status != TN_OK ? status : TN_BAD_INPUT;
}

static tn_status decode_pb(Ctx *ctx, const void *bytes, size_t size, const char *path,
                           const PbResult *result) {
    tn_tensor borrowed;
    const char *name;
    if (!tn_onnx_read_tensor(ctx, bytes, size, path, &borrowed, &name)) {
        return pb_failed(ctx, path, result);
    }
    *result->name = strdup(name);
    if (*result->name && own_copy(&borrowed, result->out) == TN_OK) {
        return TN_OK;
    }
    snprintf(result->error, result->error_size, "%s: out of memory", path);
    return TN_LIMIT;
}

static tn_status decode_in_context(const void *bytes, size_t size, const char *path,
                                   const PbResult *result) {
    jmp_buf on_oom;
    Ctx ctx = {0};
    volatile tn_status status = TN_LIMIT;
    if (setjmp(on_oom) == 0) {
        tn_ctx_init(&ctx, &on_oom);
        status = decode_pb(&ctx, bytes, size, path, result);
    } else {
        snprintf(result->error, result->error_size, "%s: out of memory", path);
    }
    tn_ctx_free(&ctx);
    return status;
}

tn_status tn_pb_read(const char *path, tn_tensor *out, char **name, char *error,
                     size_t error_size) {
    size_t size;
    *out = (tn_tensor){0};
    *name = NULL;
    void *bytes = tn_tool_read(path, &size);
    if (!bytes) {
        snprintf(error, error_size, "%s: cannot read", path);
        return TN_IO;
    }
    tn_status status =
        decode_in_context(bytes, size, path, &(PbResult){out, name, error, error_size});
    free(bytes);
    if (status != TN_OK) {
        free(*name);
        *name = NULL;
    }
    return status;
}

static tn_status read_npy(const char *path, tn_tensor *out, char *error, size_t error_size) {
    size_t size;
    void *bytes = tn_tool_read(path, &size);
    error[0] = '\0';
    if (!bytes) {
        return TN_IO;
    }
    tn_status status = tn_npy_decode(bytes, size, path, out, error, error_size);
    free(bytes);
    return status;
}

tn_status tn_tensor_read(const char *path, tn_tensor *out) {
    char error[512] = "";
    tn_status status;
    *out = (tn_tensor){0};
    char *name = NULL;
    if (has_suffix(path, ".pb")) {
        status = tn_pb_read(path, out, &name, error, sizeof error);
    } else if (has_suffix(path, ".npy") || strcmp(path, "-") == 0) {
        status = read_npy(path, out, error, sizeof error);
    } else {
        return tn_tool_error(TN_USAGE, "'%s' is neither FILE.npy, FILE.pb nor 'random'", path);
    }
    free(name);
    if (status != TN_OK && status != TN_IO) {
        tn_tool_error(status, "%s", error);
    }
    return status;
}

static bool write_tensor(int fd, const tn_tensor *tensor) {
    char header[TN_NPY_HEADER];
    return tn_write_all(fd, header, tn_npy_header(tensor, header)) &&
           tn_write_all(fd, tensor->data, tn_tensor_bytes(tensor));
}

tn_status tn_tensor_write(const char *path, const tn_tensor *tensor) {
    Output out;
    bool ok = tn_output_open(path, &out) && tn_output_close(&out, write_tensor(out.fd, tensor));
    return ok ? TN_OK : tn_tool_error(TN_IO, "%s: cannot write: %s", path, strerror(errno));
}
