/* call.h: one operator being imported: what an importer is given and how it asks for it.
 *
 * An importer (a row of onnx_ops.def) reads its inputs and attributes from a Call, composes
 * primitives with compose.h and stores the results in call->out. It returns false after a
 * diagnostic. An attribute of the wrong kind is reported when it is read and marks the call
 * as failed; the importer need not look.
 */
#ifndef TN_FRONTEND_CALL_H
#define TN_FRONTEND_CALL_H

#include "base/map.h"
#include "frontend/onnx_tensor.h"
#include "ir/op.h"

typedef struct Call Call;
typedef bool ImportFn(Call *call);

typedef struct OpRow {
    const char *name;
    int since;         /* first opset it holds for, up to the next row of that name */
    int8_t min_in, max_in, max_out; /* -1: any number; inputs below min_in are required */
    ImportFn *import;
    int param;         /* for importers that serve several rows */
    const char *attrs; /* names, separated by spaces; others are refused */
} OpRow;

/* What tn_import_reduce composes, by OpRow.param. */
typedef enum ReduceForm {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,
    REDUCE_SUM_SQUARE
} ReduceForm;

/* What tn_import_recurrent composes, by OpRow.param. */
typedef enum RecurrentForm { RECURRENT_RNN, RECURRENT_GRU, RECURRENT_LSTM } RecurrentForm;

/* The newest version of the ai.onnx operators the rows know. */
enum { TN_OPSET_MAX = 28 };

/* The row of an operator at an opset; NULL when there is none. `*known` tells whether the
 * name has rows for other versions. */
const OpRow *tn_op_row(StrView name, int64_t opset, bool *known);

/* What all calls of one import share. */
typedef struct Import {
    Ctx *ctx;
    Graph *graph;
    const FrontendOptions *options;
    TensorSource source;
    Map known; /* value id -> RefTensor *: values already computed at compile time */
} Import;

struct Call {
    Import *import;
    Ctx *ctx;
    Graph *graph;
    Loc loc;
    const OpRow *row;
    int opset;
    Value *const *in; /* NULL where omitted */
    size_t n_in;
    Value **out;      /* to be filled */
    size_t n_out;
    const OnnxAttr *attrs;
    size_t n_attrs;
    bool failed;
};

/* A constant holding the tensor's data; NULL after a diagnostic. */
Value *tn_tensor_const(Import *import, const OnnxTensor *tensor, Loc loc);

/* Checks counts and attribute names, runs the row's importer. False after a diagnostic. */
bool tn_call_run(Call *call);

/* TN_BAD_INPUT and TN_UNSUPPORTED at the call; always false. */
bool tn_call_error(Call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool tn_call_unsupported(Call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- inputs and attributes ---- */

/* Input `i`, or NULL when it is omitted. */
Value *tn_call_in(const Call *call, size_t i);
bool tn_call_has(const Call *call, const char *attr);
int64_t tn_call_int(Call *call, const char *attr, int64_t otherwise);
double tn_call_float(Call *call, const char *attr, double otherwise);
StrView tn_call_text(Call *call, const char *attr, const char *otherwise);
/* The list, borrowed; NULL and 0 when absent. */
const int64_t *tn_call_int_list(Call *call, const char *attr, size_t *n);
const float *tn_call_float_list(Call *call, const char *attr, size_t *n);
const StrView *tn_call_text_list(Call *call, const char *attr, size_t *n);
const OnnxTensor *tn_call_tensor(Call *call, const char *attr);

/* `axis` counted from 0, where negative ones count from `rank`; false when outside. */
bool tn_call_axis(Call *call, int64_t axis, int rank, int *out);
/* A set of axes as bits; false when one is outside or occurs twice. */
bool tn_call_axes(Call *call, const int64_t *axes, size_t n, int rank, uint32_t *out);

/* ---- values known at compile time (known.c) ---- */

/* The value's elements when they follow from constants alone; NULL otherwise. */
const RefTensor *tn_call_known(Call *call, Value *value);
/* As tn_call_known, but also uses inputs whose values were given at compile time, which are
 * then recorded in graph->bound. NULL after a TN_UNSUPPORTED diagnostic that names the
 * input to give. `what` is the value's role: "axes". */
const RefTensor *tn_call_need(Call *call, Value *value, const char *what);
/* The elements of a small integer value as numbers; false after a diagnostic. */
bool tn_call_ints(Call *call, Value *value, const char *what, int64_t *out, size_t max, size_t *n);
/* The same as dimension expressions, where run-time values are symbols. */
bool tn_call_dims(Call *call, Value *value, const char *what, const Dim **out, size_t max,
                  size_t *n);
/* A single integer as a dimension expression; NULL after a diagnostic. */
const Dim *tn_call_dim(Call *call, Value *value, const char *what);

#endif
