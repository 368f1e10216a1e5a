/* twin.h: an entry that leaves gradients, compiled in double precision beside its forward part. */
#ifndef TN_TOOLS_TWIN_H
#define TN_TOOLS_TWIN_H

#include "ir/module.h"
#include "tools/subject.h"

typedef struct Twin {
    Module *module;  /* two entries: the whole, and what its losses need */
    Subject subject; /* compiled; its state has the variables of the model's, widened */
    Inputs inputs;   /* of the model, widened */
    Runner losses;
} Twin;

/* The module of `entry` and of `forward`, a graph made of it that leaves no variables. Only this
 * one needs the compiler's memory. */
void tn_twin_make(const Module *module, const char *entry, const Graph *forward, Twin *out);
/* Compiles, takes state and inputs, and leaves the gradients in the twin's state. Messages are
 * printed. Free in any case. */
tn_status tn_twin_open(Twin *twin, const Args *args, const Subject *of, const Inputs *inputs);
void tn_twin_free(Twin *twin);
/* The elements of a float variable, by its number in the model's table. */
double *tn_twin_values(const Twin *twin, int64_t variable);
/* The gradients once more, at what parameters are now. */
tn_status tn_twin_gradients(Twin *twin, const Args *args, const Subject *of);
/* What the forward part gives on the variables as they are now. Messages are printed. */
tn_status tn_twin_losses(Twin *twin, double *losses);

#endif
