/* subject.h: a model ready to run, from a compiled file or compiled in this process. */
#ifndef TN_TOOLS_SUBJECT_H
#define TN_TOOLS_SUBJECT_H

#include "tools/inputs.h"

typedef struct Subject {
    Source source;      /* empty for a compiled file */
    tn_model *model;
    tn_session *session;
    const tn_model_desc *desc;
    const tn_entry_desc *entry;
    tn_tensor *outputs; /* entry->n_outputs; memory by tn_subject_plan */
    double compile_ms;  /* 0 for a compiled file */
} Subject;

/* Whether `path` is a compiled model: by suffix, or because it is an ELF file. */
bool tn_is_compiled(const char *path);
/* Opens or compiles `path` and makes a session. Messages are printed. Free in any case. */
tn_status tn_subject_open(const Args *args, const char *path, Subject *out);
/* The same for a source that is loaded already; `source` stays the caller's. */
tn_status tn_subject_compile(const Args *args, const Source *source, Subject *out);
void tn_subject_free(Subject *subject);
/* Plans for the inputs and gets memory for the outputs. Messages are printed. */
tn_status tn_subject_plan(Subject *subject, const Inputs *inputs);
tn_status tn_subject_run(Subject *subject, const Inputs *inputs);

#endif
