/* main.c: the tenon command: picks the subcommand; the exit code is a tn_status. */
#include <stdio.h>
#include <string.h>

#include "tools/args.h"
#include "tools/tool.h"

static void print_usage(FILE *to) {
    fputs("Usage: tenon COMMAND ...\n\nCommands:\n", to);
    const Command *command;
    for (int i = 0; (command = tn_command_at(i)) != NULL; i++) {
        fprintf(to, "  %-8s %s\n", command->name, command->doc);
    }
    fputs("\n'tenon COMMAND --help' describes one, 'tenon --version' names the version. A MODEL is "
          "an ONNX or .tn file, or '-'.\n"
          "Exit codes: 0 ok, 1 usage, 2 bad input, 3 unsupported, 4 limit, 5 I/O, 6 internal.\n",
          to);
}

static void print_help(const Command *command) {
    printf("Usage: tenon %s %s [options]\n\n%s\n\nOptions:\n", command->name, command->args,
           command->doc);
    for (int i = 0; i < command->n_options; i++) {
        const OptRow *row = tn_opt_row(command->options[i]);
        char left[64];
        const char *join = row->style != STYLE_VALUE ? "" : row->spelling[1] == 'o' ? " " : "=";
        snprintf(left, sizeof left, "%s%s%s", row->spelling, join, row->meta);
        printf("  %-22s %s\n", left, row->help);
    }
}

static const Command *find_command(const char *name) {
    const Command *command;
    for (int i = 0; (command = tn_command_at(i)) != NULL; i++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}

static tn_status run_command(const Command *command, int argc, char **argv) {
    Args args;
    tn_status status = tn_args_parse(command, argc, argv, &args);
    if (status == TN_OK && tn_args_has(&args, OPT_HELP)) {
        print_help(command);
    } else if (status == TN_OK) {
        status = command->run(&args);
    }
    tn_args_free(&args);
    return status;
}

static tn_status run_line(int argc, char **argv) {
    const char *word = argc < 2 ? "" : argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return TN_OK;
    }
    if (strcmp(word, "--version") == 0) {
        puts("tenon " TN_VERSION);
        return TN_OK;
    }
    const Command *command = find_command(word);
    if (command) {
        return run_command(command, argc - 2, argv + 2);
    }
    if (argc > 1) {
        tn_tool_error(TN_USAGE, "unknown command '%s'", word);
    }
    print_usage(stderr);
    return TN_USAGE;
}

int main(int argc, char **argv) {
    tn_status status = run_line(argc, argv);
    if (fflush(stdout) != 0 && status == TN_OK) {
        status = tn_tool_error(TN_IO, "cannot write to standard output");
    }
    return (int)status;
}
