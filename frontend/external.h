/* external.h: tensor data that lies in other files beside the model.
 *
 * Only regular files beneath the model's folder are ever opened: the path is relative, has
 * no empty, "." or ".." component, and each component is opened by itself without following
 * symbolic links. Ranges are checked against the file's size.
 */
#ifndef TN_FRONTEND_EXTERNAL_H
#define TN_FRONTEND_EXTERNAL_H

#include "frontend/frontend.h"

typedef struct ExternalRange {
    StrView location;
    uint64_t offset;
    uint64_t length; /* UINT64_MAX: to the end of the file */
} ExternalRange;

/* The bytes of the range: mapped when `maps` is not NULL, else read into the context's
 * arena. `dir` NULL refuses. False after a diagnostic at `loc`. */
bool tn_external_read(Ctx *ctx, const char *dir, FileMaps *maps, const ExternalRange *range,
                      Loc loc, StrView *out);

#endif
