/* onnx_tensor.h: TensorProto data as row-major bytes of a native element type. */
#ifndef TN_FRONTEND_ONNX_TENSOR_H
#define TN_FRONTEND_ONNX_TENSOR_H

#include "frontend/frontend.h"
#include "frontend/onnx_model.h"

/* Where a tensor's bytes may come from. */
typedef struct TensorSource {
    Ctx *ctx;
    const void *base; /* start of the file the tensor was decoded from */
    const char *dir;  /* see FrontendOptions */
    FileMaps *maps;
} TensorSource;

/* TN_DT_NONE after a TN_UNSUPPORTED diagnostic that names the type; `what` says whose. */
DType tn_onnx_dtype(Ctx *ctx, int64_t data_type, Loc loc, const char *what);
/* Checks the tensor and gives its bytes, borrowed from the file where their form allows,
 * else in the arena. False after a diagnostic at `loc`. */
bool tn_onnx_tensor_read(const TensorSource *source, const OnnxTensor *tensor, Loc loc,
                         tn_tensor *out);

#endif
