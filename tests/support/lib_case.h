/* lib_case.h: models in the model language, evaluated entry by entry on the reference
 * evaluator, and files of such cases with the numbers they must give.
 *
 * A file of cases is lines; those that start with a space continue the one before:
 *
 *   case NAME
 *   source                         model text up to a line "end"
 *   tol 1e-9                       |x - y| <= tol * max(1, |y|); 1e-9 unless given
 *   warning TEXT / error TEXT      a diagnostic that reading the source gives; lines without
 *                                  a warning demand that there is none
 *   run ENTRY
 *     set NAME [dims] = numbers    a state variable's value before the run
 *     in NAME [dims] = numbers     an input
 *     hyper NAME number
 *     out NAME [dims] = numbers    an output (or its position); `nan` and `inf` are numbers
 *     new NAME [dims] = numbers    a state variable's value after the run
 *
 * State lasts from run to run. Before the first run other than init's, `init` runs with seed
 * 1. Numbers of any float dtype are kept as doubles throughout.
 */
#ifndef TN_TESTS_SUPPORT_LIB_CASE_H
#define TN_TESTS_SUPPORT_LIB_CASE_H

#include "frontend/frontend.h"
#include "ir/op.h"

enum { LIB_INPUTS_MAX = 16 };

typedef struct LibModel {
    Ctx ctx;
    const char *what; /* names it in failures */
    Module *module;   /* NULL: the source was refused */
    RefTensor *state; /* per variable; values NULL until set */
    double *hyper;
    struct {
        const char *name;
        RefTensor tensor;
    } in[LIB_INPUTS_MAX];
    size_t n_in;
    const Graph *ran; /* the last entry run */
    RefTensor *out;   /* its outputs */
    bool ready;       /* init has run */
} LibModel;

/* Reads a model; a source that is refused leaves module NULL. */
LibModel *lib_open(const char *what, const char *source);
void lib_close(LibModel *model);
/* What reading the source reported. */
const char *lib_messages(LibModel *model);

/* The functions below fail the test when a name is unknown or sizes disagree. */
void lib_input(LibModel *model, const char *name, int rank, const int64_t *dims,
               const double *values);
void lib_set_state(LibModel *model, const char *name, int rank, const int64_t *dims,
                   const double *values);
void lib_hyper(LibModel *model, const char *name, double value);
void lib_run(LibModel *model, const char *entry);
void lib_init(LibModel *model, int64_t seed);
const RefTensor *lib_state(LibModel *model, const char *name);
/* An output by its name or its position. */
const RefTensor *lib_output(LibModel *model, const char *name);
/* Element `i` of whatever dtype. */
double lib_number(const RefTensor *tensor, int64_t i);

/* Runs all cases of a file under the repository's root; fails after the last with all
 * differences printed. */
void lib_check_file(const char *path);

#endif
