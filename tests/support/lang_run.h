/* lang_run.h: models in source, imported and run on the reference evaluator. */
#ifndef TN_TESTS_LANG_RUN_H
#define TN_TESTS_LANG_RUN_H

#include "ir/module.h"
#include "ir/op.h"

typedef struct LangRun {
    Ctx ctx;
    Module *module;   /* NULL when the import failed */
    RefTensor *state; /* of each variable; zeros before init */
    double *hyper;
    StrBuf text;      /* all diagnostics */
} LangRun;

/* Imports; a failure leaves `module` NULL and the text. */
void lang_open(LangRun *run, const char *source);
/* After `module` was made otherwise: takes the diagnostics and makes the state. */
void lang_ready(LangRun *run);
void lang_close(LangRun *run);
/* As lang_open, but fails the test unless the source is right. */
void lang_start(LangRun *run, const char *source);

/* A tensor of doubles or integers, in the run's arena. */
RefTensor lang_tensor(LangRun *run, DType dtype, int rank, const int64_t *dims,
                      const double *values);
RefTensor lang_scalar(LangRun *run, DType dtype, double value);
/* Runs an entry; new values of variables go to the state. Returns the caller's outputs. */
RefTensor *lang_call(LangRun *run, const char *entry, const RefTensor *inputs, size_t n);
void lang_init(LangRun *run, int64_t seed);
RefTensor *lang_state(LangRun *run, const char *name);
double lang_get(const RefTensor *tensor, int64_t i);
void lang_set_hyper(LangRun *run, const char *name, double value);

#endif
