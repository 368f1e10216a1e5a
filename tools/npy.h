/* npy.h: NumPy's file format, versions 1 to 3, little-endian. */
#ifndef TN_TOOLS_NPY_H
#define TN_TOOLS_NPY_H

#include <stddef.h>

#include "tenon/runtime.h"

/* Decodes a whole file; Fortran order is turned into C order. `name` is used in
 * messages, written to `error`. `out->data` is the caller's to free. */
tn_status tn_npy_decode(const void *bytes, size_t size, const char *name, tn_tensor *out,
                        char *error, size_t error_size);
/* Fills `header` (at least TN_NPY_HEADER bytes) for the tensor; returns its length. */
enum { TN_NPY_HEADER = 640 };
size_t tn_npy_header(const tn_tensor *tensor, char *header);

#endif
