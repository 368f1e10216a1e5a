/* onnx_model.h: an ONNX file as plain structures that borrow the file's bytes.
 *
 * The structures hold what the importer needs; other fields are skipped after their
 * lengths are checked. Strings and tensor data are views of the file. Each structure
 * starts with the byte offset of its message, for error messages. Subgraphs (attributes
 * of If, Loop, Scan) and container types are only noted, not read: no operator that needs
 * them is supported, and so nesting is bounded by the schema itself.
 */
#ifndef TN_FRONTEND_ONNX_MODEL_H
#define TN_FRONTEND_ONNX_MODEL_H

#include "base/ctx.h"

typedef struct OnnxEntry { /* StringStringEntryProto */
    uint64_t at;
    StrView key, value;
} OnnxEntry;

typedef struct OnnxTensor { /* TensorProto */
    uint64_t at;
    StrView body; /* the whole message: typed data is read from it when needed */
    StrView name, raw_data;
    const int64_t *dims;
    size_t n_dims;
    const OnnxEntry *external;
    size_t n_external;
    int64_t data_type, data_location;
    bool has_raw, has_segment;
} OnnxTensor;

/* AttributeProto.AttributeType. */
typedef enum OnnxAttrType {
    ONNX_ATTR_NONE = 0,
    ONNX_ATTR_FLOAT = 1,
    ONNX_ATTR_INT = 2,
    ONNX_ATTR_STRING = 3,
    ONNX_ATTR_TENSOR = 4,
    ONNX_ATTR_GRAPH = 5,
    ONNX_ATTR_FLOATS = 6,
    ONNX_ATTR_INTS = 7,
    ONNX_ATTR_STRINGS = 8,
    ONNX_ATTR_SPARSE = 11
} OnnxAttrType;

typedef struct OnnxAttr { /* AttributeProto */
    uint64_t at;
    StrView name, s, ref; /* ref: the attribute of the enclosing function to take */
    int64_t type, i;
    float f;
    const OnnxTensor *t;
    const float *floats;
    size_t n_floats;
    const int64_t *ints;
    size_t n_ints;
    const StrView *strings;
    size_t n_strings;
    bool has_f, has_i, has_s, has_graph, has_sparse;
} OnnxAttr;

typedef struct OnnxNode { /* NodeProto */
    uint64_t at;
    StrView name, op, domain, overload;
    const StrView *inputs;
    size_t n_inputs;
    const StrView *outputs;
    size_t n_outputs;
    const OnnxAttr *attrs;
    size_t n_attrs;
} OnnxNode;

typedef struct OnnxDim { /* TensorShapeProto.Dimension */
    uint64_t at;
    int64_t value;
    StrView param;
    bool has_value;
} OnnxDim;

typedef struct OnnxShape { /* TensorShapeProto */
    uint64_t at;
    const OnnxDim *dims;
    size_t n_dims;
} OnnxShape;

typedef struct OnnxTensorType { /* TypeProto.Tensor */
    uint64_t at;
    int64_t elem_type;
    const OnnxShape *shape; /* NULL: unknown rank */
} OnnxTensorType;

typedef struct OnnxType { /* TypeProto */
    uint64_t at;
    const OnnxTensorType *tensor;
    bool is_sequence, is_map, is_sparse, is_optional, is_opaque;
} OnnxType;

typedef struct OnnxValueInfo { /* ValueInfoProto */
    uint64_t at;
    StrView name;
    const OnnxType *type;
} OnnxValueInfo;

typedef struct OnnxOpset { /* OperatorSetIdProto */
    uint64_t at;
    StrView domain;
    int64_t version;
} OnnxOpset;

typedef struct OnnxGraph { /* GraphProto */
    uint64_t at;
    StrView name;
    const OnnxNode *nodes;
    size_t n_nodes;
    const OnnxTensor *initializers;
    size_t n_initializers;
    const OnnxValueInfo *inputs;
    size_t n_inputs;
    const OnnxValueInfo *outputs;
    size_t n_outputs;
    bool has_sparse;
} OnnxGraph;

typedef struct OnnxFunction { /* FunctionProto */
    uint64_t at;
    StrView name, domain, overload;
    const StrView *inputs;
    size_t n_inputs;
    const StrView *outputs;
    size_t n_outputs;
    const StrView *attrs;       /* names without defaults */
    size_t n_attrs;
    const OnnxAttr *defaults;
    size_t n_defaults;
    const OnnxNode *nodes;
    size_t n_nodes;
    const OnnxOpset *opsets;
    size_t n_opsets;
} OnnxFunction;

typedef struct OnnxModel { /* ModelProto */
    uint64_t at;
    int64_t ir_version;
    const OnnxGraph *graph;
    const OnnxOpset *opsets;
    size_t n_opsets;
    const OnnxFunction *functions;
    size_t n_functions;
} OnnxModel;

/* Decodes a whole file; the result lives in the context's arena and borrows `bytes`.
 * NULL after a diagnostic naming the byte offset. What is decoded never takes more than
 * 64 MB + 4 times the file (TN_LIMIT beyond). */
const OnnxModel *tn_onnx_decode_model(Ctx *ctx, const void *bytes, size_t size, const char *file);
/* The same for a file holding one TensorProto. */
const OnnxTensor *tn_onnx_decode_tensor(Ctx *ctx, const void *bytes, size_t size, const char *file);
/* "float16" for TensorProto.DataType 10; "type 99" in the arena for an unknown number. */
const char *tn_onnx_type_text(Ctx *ctx, int64_t data_type);

#endif
