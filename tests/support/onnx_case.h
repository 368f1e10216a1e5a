/* onnx_case.h: one operator imported and evaluated, against values worked out by hand.
 *
 * Each case is run three times: with static dims, with symbolic ones (equal sizes share a
 * symbol; 1 stays a number, and so does the length of a list of integers), and with all inputs as
 * initializers. The results must be the same three times.
 */
#ifndef TN_TESTS_ONNX_CASE_H
#define TN_TESTS_ONNX_CASE_H

#include "frontend/frontend.h"
#include "ir/op.h"
#include "tests/support/onnx_write.h"

typedef struct CaseTensor {
    DType dtype;        /* TN_DT_NONE: an omitted input, or past the last */
    const char *dims;   /* "2,3" */
    const double *values;
    bool given;         /* its value is also given at compile time */
} CaseTensor;

/* CASE_T(TN_F32, "2,2", 1, 2, 3, 4) */
#define CASE_T(dtype, dims, ...) {dtype, dims, (const double[]){__VA_ARGS__}, false}
#define CASE_GIVEN(dtype, dims, ...) {dtype, dims, (const double[]){__VA_ARGS__}, true}

enum { CASE_INPUTS = 8, CASE_OUTPUTS = 4 };

typedef struct OpCase {
    int opset;
    const char *op, *attrs;
    CaseTensor in[CASE_INPUTS];
    size_t n_in;                  /* 0: up to the first that is TN_DT_NONE */
    CaseTensor out[CASE_OUTPUTS];
    const char *static_only;      /* why symbolic dims cannot work, or NULL */
} OpCase;

/* Fails the running test on a difference. */
void onnx_check(const OpCase *cases, size_t n);

/* Imports a model from its bytes, with the diagnostics' text in *messages. */
Graph *onnx_import(Ctx *ctx, const Pb *model, const FrontendOptions *options,
                   const char **messages);
/* The model is refused with that status and a message that holds `text`. Frees the model. */
void onnx_check_error(Pb *model, const FrontendOptions *options, tn_status status,
                      const char *text);
/* The same for a graph, wrapped with IR version 8 and opset 13. */
void onnx_check_graph_error(Pb *graph, tn_status status, const char *text);

#endif
