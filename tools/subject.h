/* subject.h: a model ready to run, from a compiled file or compiled in this process. */
#ifndef TN_TOOLS_SUBJECT_H
#define TN_TOOLS_SUBJECT_H

#include "tools/inputs.h"
#include "tools/source.h"

typedef struct Subject {
    Source source; /* empty for a compiled file */
    tn_model *model;
    const tn_model_desc *desc;
    unsigned char *state; /* of a model that trains, once tn_subject_init made it */
    double compile_ms;    /* 0 for a compiled file */
} Subject;

/* Whether `path` is a compiled model: by suffix, or because it is an ELF file. */
bool tn_is_compiled(const char *path);
/* Opens or compiles `path`. Messages are printed. Free in any case. */
tn_status tn_subject_open(const Args *args, const char *path, Subject *out);
/* The same for a source that is loaded already; `source` stays the caller's. */
tn_status tn_subject_compile(const Source *source, Subject *out);
/* Gives a model that trains its state: that of --state if there is such a file, else what the
 * entry "init" makes of --seed. Does nothing for the others. */
tn_status tn_subject_init(const Args *args, Subject *subject);
/* The bytes of a state from and to a file. Messages are printed. */
tn_status tn_state_load(const char *path, Subject *subject);
tn_status tn_state_save(const char *path, const Subject *subject);
void tn_subject_free(Subject *subject);
/* The variable in a state. */
tn_tensor tn_state_tensor(const tn_state_desc *var, const unsigned char *state);
/* Floating-point operations of one run, by what kernels say of themselves. */
double tn_entry_flops(const tn_entry_desc *entry);

/* One entry of a subject, with memory for its outputs. */
typedef struct Runner {
    const tn_entry_desc *entry;
    tn_session *session;
    tn_tensor *outputs; /* memory by tn_runner_plan */
} Runner;

/* The entry that the command line asks for (see tn_source_entry), or `entry` if not NULL. Sets
 * threads, state and --hyper. Free in any case. */
tn_status tn_runner_open(const Args *args, const Subject *subject, const char *entry, Runner *out);
void tn_runner_free(Runner *runner);
/* Plans for the inputs and gets memory for the outputs. Messages are printed. */
tn_status tn_runner_plan(Runner *runner, const Inputs *inputs);
tn_status tn_runner_run(Runner *runner, const Inputs *inputs);

#endif
