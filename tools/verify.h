/* verify.h: what the kinds of verification share. */
#ifndef TN_TOOLS_VERIFY_H
#define TN_TOOLS_VERIFY_H

#include "tools/subject.h"
#include "tools/tensor.h"

static const double tn_tolerance = 1e-4;

/* One tensor compared: `what` says where it comes from. */
typedef struct Compared {
    const char *name, *what;
    TensorDiff diff;
    tn_tensor shape; /* data NULL */
} Compared;

/* A line of standard output. */
void tn_compared_print(const Compared *row);
/* For qsort: the largest error first. */
int tn_compared_order(const void *a, const void *b);
/* "x f32[4,784], label i32[4]" and a line end. */
void tn_verify_sizes(const Inputs *inputs);

/* A model that trains, its state initialised. `*worst` is the largest error found. */
tn_status tn_verify_train(const Args *args, Subject *subject, double *worst);
tn_status tn_verify_grad(const Args *args, Subject *subject, double *worst);

/* ---- one entry on one state, compiled and by the reference (verify_train.c) ---- */

typedef struct Trial {
    const Args *args;
    const Subject *subject;
    int turn;                  /* random inputs differ from turn to turn */
    unsigned char *got, *want; /* states after the entry */
    tn_tensor *reference;      /* outputs, by the reference */
    int32_t n_outputs;
    Runner runner;
    Inputs inputs;
} Trial;

/* Runs `entry` on copies of `state`, the compiled one and the reference. Messages are printed. Free
 * in any case. */
tn_status tn_trial_run(Trial *trial, const Args *args, const Subject *subject, const char *entry,
                       const unsigned char *state, int turn);
/* Its two halves. */
tn_status tn_trial_compiled(Trial *trial, const Args *args, const Subject *subject,
                            const char *entry, const unsigned char *state, int turn);
tn_status tn_trial_reference(Trial *trial);
void tn_trial_free(Trial *trial);
/* Length of an entry's train block in its name, with the dot: 4 of "gan.grad", 0 of "grad". */
size_t tn_entry_block(const char *entry);
/* The parameter whose sum of gradients `grad` is in the entry's block, NULL when it is none:
 * "a.w" of "grad.a.w", and of "grad_1.a.w", which a second statement keeps. */
const char *tn_state_derived(const tn_state_desc *grad, const char *entry);
/* The sum, in the entry's block, of gradients of the parameter that `var` is, or belongs to; NULL
 * when there is none. */
const tn_state_desc *tn_state_gradient(const tn_model_desc *desc, const char *entry,
                                       const tn_state_desc *var);
/* Whether the last part of a dotted name is `part`. */
bool tn_name_ends(const char *name, const char *part);
/* The entry `part` of the same train block as `entry` ("gan.grad" of "gan.step"), written to
 * `name`; false when there is none. */
bool tn_entry_sibling(const tn_model_desc *desc, const char *entry, const char *part, char *name,
                      size_t size);

#endif
