/* source.h: a model description as a command was given it. */
#ifndef TN_TOOLS_SOURCE_H
#define TN_TOOLS_SOURCE_H

#include "tools/tool.h"

/* A model description, from a file or from standard input. */
typedef struct Source {
    tn_compiler *compiler;
    tn_module *module;
    void *bytes; /* what was read from standard input */
    size_t size;
} Source;

/* Sets options and loads; --batch fixes the first symbolic dimension of the entry's first input
 * that leads with one. Messages are printed. Free in any case. */
tn_status tn_source_open(const Args *args, const char *path, Source *out);
void tn_source_free(Source *source);
/* The name of the entry that the command is about: that of --entry, "step" with --step, else
 * "infer". NULL after a message when the module has no such entry. */
const char *tn_source_entry(const Args *args, const Source *source);
/* Whether the model keeps state: it trains. */
bool tn_source_trains(const Source *source);

/* Calls `body`, which may use the compiler's memory; TN_LIMIT after a message when there is none
 * left. */
tn_status tn_tool_armed(tn_compiler *compiler, tn_status (*body)(void *arg), void *arg);

#endif
