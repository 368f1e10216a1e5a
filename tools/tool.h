/* tool.h: what the subcommands share: messages, files, compilers. */
#ifndef TN_TOOLS_TOOL_H
#define TN_TOOLS_TOOL_H

#include <stddef.h>
#include <stdio.h>

#include "tools/args.h"

/* Prints "tenon: error: ..." on standard error, escaped; returns `status`. */
tn_status tn_tool_error(tn_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints text that may come from a model, with control bytes escaped. */
void tn_tool_show(FILE *to, const char *text);
/* A line of progress on standard error, escaped, when that is a terminal; NULL clears it. */
void tn_tool_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Milliseconds of a clock that only goes forward. */
double tn_tool_ms(void);
/* Exactly one positional argument, else a message and NULL. */
const char *tn_tool_model_name(const Args *args);

/* Opens a regular file for reading; NULL with errno set, ESPIPE for what is no file. */
FILE *tn_tool_open(const char *path);
/* Whether `path` is an ELF file: code, and no description of a model. */
bool tn_tool_is_elf(const char *path);
/* The whole of a file ("-": standard input), malloc'ed; NULL after a message. */
void *tn_tool_read(const char *path, size_t *size);
/* The threads asked for; 0 is one per core. */
bool tn_tool_threads(const Args *args, int32_t *out);

/* A compiler with the command line's options set; NULL after a message. */
tn_compiler *tn_tool_compiler(const Args *args, tn_status *status);
/* Prints the compiler's messages, if any, on standard error. */
void tn_tool_messages(tn_compiler *compiler);

/* Names given one by one by `at(of, index)`. */
typedef struct Names {
    int32_t n;
    const char *(*at)(const void *of, int32_t index);
    const void *of;
} Names;

/* "init, step, eval", or "none". */
void tn_tool_names(const Names *names, char *text, size_t size);
/* The name that `text` ("NAME=...") starts with; `*value` is the rest. -1 when there is none. */
int32_t tn_tool_named(const Names *names, const char *text, const char **value);
/* The message for that: `what` is an input, an output, a dimension. Returns `status`. */
tn_status tn_tool_unnamed(tn_status status, const Names *names, OptId option, const char *what,
                          const char *text);

#endif
