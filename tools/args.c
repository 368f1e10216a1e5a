/* args.c: parses command lines by table. */
#include "tools/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

static const OptRow option_rows[] = {
#define OPTION(id, spelling, style, meta, forward, help)                                           \
    {spelling, STYLE_##style, meta, forward, help},
#include "tools/options.def"
#undef OPTION
};

#define L(id) OPT_##id,
#define COMMAND(id, usage, about, options) static const OptId id##_options[] = {options OPT_HELP};
#include "tools/commands.def"
#undef COMMAND
#undef L

static const Command command_rows[] = {
#define L(id)
#define COMMAND(id, usage, about, options)                                                         \
    {#id, usage, about, id##_options, (int)(sizeof id##_options / sizeof(OptId)), tn_cmd_##id},
#include "tools/commands.def"
#undef COMMAND
#undef L
};

const OptRow *tn_opt_row(OptId id) {
    return &option_rows[id];
}

const Command *tn_command_at(int index) {
    int n = (int)(sizeof command_rows / sizeof command_rows[0]);
    return index < n ? &command_rows[index] : NULL;
}

/* Whether `arg` is a use of `row`; `*value` is what it carries itself, or NULL. */
static bool matches(const OptRow *row, const char *arg, const char **value) {
    size_t n = strlen(row->spelling);
    *value = NULL;
    if (strncmp(arg, row->spelling, n) != 0) {
        return false;
    }
    if (row->style == STYLE_GLUED) {
        *value = arg + n;
        return true;
    }
    if (arg[n] == '=' && row->style == STYLE_VALUE) {
        *value = arg + n + 1;
    }
    return arg[n] == '\0' || *value;
}

static const OptRow *find(const Command *command, const char *arg, OptId *id, const char **value) {
    for (int i = 0; i < command->n_options; i++) {
        *id = command->options[i];
        if (matches(&option_rows[*id], arg, value)) {
            return &option_rows[*id];
        }
    }
    return NULL;
}

/* Takes argv[*at] (and its value) as an option. */
static tn_status take_option(const Command *command, int argc, char **argv, int *at, Args *out) {
    OptId id;
    const char *value;
    const OptRow *row = find(command, argv[*at], &id, &value);
    if (!row) {
        return tn_tool_error(TN_USAGE, "unknown option '%s'; see tenon %s --help", argv[*at],
                             command->name);
    }
    if (row->style == STYLE_FLAG) {
        value = "1";
    }
    if (!value && ++*at < argc) {
        value = argv[*at];
    }
    if (!value || !*value) {
        return tn_tool_error(TN_USAGE, "option '%s' needs a value: %s", row->spelling, row->meta);
    }
    out->uses[out->n_uses++] = (OptUse){id, value};
    return TN_OK;
}

tn_status tn_args_parse(const Command *command, int argc, char **argv, Args *out) {
    *out = (Args){.uses = calloc((size_t)argc + 1, sizeof *out->uses),
                  .names = calloc((size_t)argc + 1, sizeof *out->names)};
    if (!out->uses || !out->names) {
        return tn_tool_error(TN_LIMIT, "out of memory");
    }
    bool only_names = false;
    tn_status status = TN_OK;
    for (int i = 0; i < argc && status == TN_OK; i++) {
        if (!only_names && strcmp(argv[i], "--") == 0) {
            only_names = true;
        } else if (!only_names && argv[i][0] == '-' && argv[i][1] != '\0') {
            status = take_option(command, argc, argv, &i, out);
        } else {
            out->names[out->n_names++] = argv[i];
        }
    }
    return status;
}

void tn_args_free(Args *args) {
    free(args->uses);
    free(args->names);
    *args = (Args){0};
}

const char *tn_args_get(const Args *args, OptId id) {
    for (int i = args->n_uses - 1; i >= 0; i--) {
        if (args->uses[i].id == id) {
            return args->uses[i].value;
        }
    }
    return NULL;
}

const char *tn_args_next(const Args *args, OptId id, int *at) {
    while (*at < args->n_uses) {
        if (args->uses[(*at)++].id == id) {
            return args->uses[*at - 1].value;
        }
    }
    return NULL;
}

bool tn_parse_int(const char *text, int64_t *out) {
    char *end;
    if ((text[0] < '0' || text[0] > '9') && text[0] != '-') {
        return false;
    }
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

bool tn_args_int(const Args *args, OptId id, int64_t fallback, int64_t lo, int64_t hi,
                 int64_t *out) {
    const char *text = tn_args_get(args, id);
    *out = fallback;
    if (!text || (tn_parse_int(text, out) && *out >= lo && *out <= hi)) {
        return true;
    }
    tn_tool_error(TN_USAGE, "option '%s': '%s' is not a whole number in %lld..%lld",
                  option_rows[id].spelling, text, (long long)lo, (long long)hi);
    return false;
}
