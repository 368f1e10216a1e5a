/* args.h: the command line, parsed by the tables options.def and commands.def.
 *
 * Values stay strings until a subcommand asks for them; nothing is kept that the
 * caller's argv does not own.
 */
#ifndef TN_TOOLS_ARGS_H
#define TN_TOOLS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "tenon/tenon.h"

typedef enum OptId {
#define OPTION(id, ...) OPT_##id,
#include "tools/options.def"
#undef OPTION
    OPT_COUNT
} OptId;

typedef enum OptStyle { STYLE_FLAG, STYLE_VALUE, STYLE_GLUED } OptStyle;

typedef struct OptRow {
    const char *spelling;
    OptStyle style;
    const char *meta, *forward, *help;
} OptRow;

const OptRow *tn_opt_row(OptId id);

/* One option as given. */
typedef struct OptUse {
    OptId id;
    const char *value; /* "1" for a flag; borrowed from argv */
} OptUse;

typedef struct Args {
    OptUse *uses;
    int n_uses;
    const char **names; /* positional arguments */
    int n_names;
} Args;

typedef struct Command {
    const char *name, *args, *doc;
    const OptId *options;
    int n_options;
    tn_status (*run)(const Args *args);
} Command;

const Command *tn_command_at(int index); /* NULL past the end */

#define COMMAND(id, usage, about, options) tn_status tn_cmd_##id(const Args *args);
#include "tools/commands.def"
#undef COMMAND

/* Parses what follows the subcommand. Errors are printed; TN_USAGE then. */
tn_status tn_args_parse(const Command *command, int argc, char **argv, Args *out);
void tn_args_free(Args *args);
/* The last value given, or NULL. */
const char *tn_args_get(const Args *args, OptId id);
static inline bool tn_args_has(const Args *args, OptId id) {
    return tn_args_get(args, id) != NULL;
}
/* The next use of `id` at or after `*at` (start with 0), or NULL. */
const char *tn_args_next(const Args *args, OptId id, int *at);
/* A whole number in lo..hi, `fallback` when not given; prints and returns false otherwise. */
bool tn_args_int(const Args *args, OptId id, int64_t fallback, int64_t lo, int64_t hi,
                 int64_t *out);
/* Reads all of `text` as a decimal number. */
bool tn_parse_int(const char *text, int64_t *out);

#endif
