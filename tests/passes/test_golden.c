/* test_golden.c: every pass against files of input and expected output.
 *
 * tests/passes/PASS/NAME.tn is a case: comment lines, the first of which may hold flags,
 * the input graph, a line "----", and the whole text expected after the pass. A graph pass
 * runs alone on the input; a loop pass after all that stand before it in the table. Flags:
 *   -O0..-O3       optimisation level (default -O2)
 *   --threads=N    default 1
 *   --march=NAME   default x86-64-v3
 *   --from=PASS    run the passes from this one on
 * Where a pass or the parser fails, what is expected is the text of the diagnostics.
 * With UPDATE=1 in the environment the expected parts are rewritten.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "passes/pass.h"
#include "passes/simplify.h"

#define ROOT "tests/passes"

/* ---- files ---- */

static char *read_file(const char *path, size_t *out_size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    fseek(file, 0, SEEK_SET);
    char *text = malloc(size + 1);
    assert_non_null(text);
    *out_size = fread(text, 1, size, file);
    text[*out_size] = '\0';
    fclose(file);
    return text;
}

static void write_case(const char *path, StrView input, const char *output) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(input.data, 1, input.len, file);
    fprintf(file, "----\n%s", output);
    fclose(file);
}

/* ---- one case ---- */

typedef struct Case {
    char *path;
    char *pass;
} Case;

static int flag_number(const char *text, const char *flag, int otherwise) {
    const char *at = strstr(text, flag);
    return at == NULL ? otherwise : atoi(at + strlen(flag));
}

/* The word behind `flag` in the first line, in the arena; NULL when absent. */
static const char *flag_word(Arena *arena, const char *text, const char *flag) {
    const char *at = strstr(text, flag);
    if (at == NULL) {
        return NULL;
    }
    at += strlen(flag);
    return tn_sv_dup(arena, (StrView){at, strcspn(at, " \n")});
}

static Options read_flags(Arena *arena, const char *text) {
    size_t len = text[0] == '#' ? strcspn(text, "\n") : 0;
    const char *line = tn_sv_dup(arena, (StrView){text, len});
    const char *march = flag_word(arena, line, "--march=");
    const Target *target = tn_target_by_name(tn_sv(march != NULL ? march : "x86-64-v3"));
    assert_non_null(target);
    return (Options){.opt_level = flag_number(line, "-O", 2),
                     .target = target,
                     .threads = flag_number(line, "--threads=", 1),
                     .train_memory = (uint64_t)flag_number(line, "--train-memory=", 0),
                     .verify_each = true};
}

/* The first pass to run: as flagged, else the pass itself or, for a loop pass, the first. */
static const Pass *first_pass(Arena *arena, const char *text, const Pass *pass) {
    const char *from = flag_word(arena, text, "--from=");
    if (from == NULL) {
        return pass->level == PASS_GRAPH ? pass : tn_pass_at(0);
    }
    const Pass *first = tn_pass_by_name(tn_sv(from));
    assert_non_null(first);
    return first;
}

static bool run_passes(Compile *compile, const char *text, const Pass *last) {
    const Pass *pass = first_pass(&compile->ctx->arena, text, last);
    for (;; pass++) {
        if (compile->options.opt_level >= pass->min_opt && !tn_pass_run(compile, pass)) {
            return false;
        }
        if (pass == last) {
            return true;
        }
    }
}

/* What the case gives: the text after the pass, or diagnostics. */
static void run_case(Ctx *ctx, const Case *test, StrView input, StrBuf *out) {
    const Pass *pass = tn_pass_by_name(tn_sv(test->pass));
    assert_non_null(pass);
    Compile compile = {.ctx = ctx, .options = read_flags(&ctx->arena, input.data)};
    compile.graph = tn_graph_parse_text(ctx, input, test->path);
    bool ok = compile.graph != NULL && run_passes(&compile, input.data, pass);
    if (!ok || ctx->diags.items.len > 0) {
        tn_diag_print(&ctx->diags, out);
    }
    if (ok && compile.program != NULL) {
        tn_program_print(compile.program, out);
    } else if (ok) {
        tn_graph_print(compile.graph, false, out);
    }
}

static void test_case(void **state) {
    const Case *test = *state;
    size_t size = 0;
    char *text = read_file(test->path, &size);
    assert_non_null(text);
    char *separator = strstr(text, "\n----\n");
    size_t input_size = separator != NULL ? (size_t)(separator - text) + 1 : size;
    const char *expected = separator != NULL ? separator + strlen("\n----\n") : "";

    Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    StrView input = {tn_sv_dup(&ctx.arena, (StrView){text, input_size}), input_size};
    StrBuf actual = tn_str(&ctx.arena);
    tn_str_puts(&actual, "");
    run_case(&ctx, test, input, &actual);
    bool equal = strcmp(actual.data, expected) == 0;
    if (!equal && getenv("UPDATE") != NULL) {
        write_case(test->path, input, actual.data);
    } else if (!equal) {
        fail_msg("%s: expected\n%s\nfound\n%s", test->path, expected, actual.data);
    }
    tn_ctx_free(&ctx);
    free(text);
}

/* ---- completeness ---- */

static void test_every_pass_has_goldens(void **state) {
    (void)state;
    const Pass *pass;
    for (uint32_t i = 0; (pass = tn_pass_at(i)) != NULL; i++) {
        char path[256];
        snprintf(path, sizeof path, ROOT "/%s", pass->name);
        DIR *folder = opendir(path);
        if (folder == NULL) {
            fail_msg("pass '%s' has no folder %s", pass->name, path);
        }
        closedir(folder);
    }
}

static void test_every_rule_has_a_golden(void **state) {
    (void)state;
    const char *name;
    for (uint32_t i = 0; (name = tn_simplify_rule_name(i)) != NULL; i++) {
        char path[256];
        snprintf(path, sizeof path, ROOT "/simplify/%s.tn", name);
        FILE *file = fopen(path, "rb");
        if (file == NULL) {
            fail_msg("rule '%s' has no golden %s", name, path);
            return;
        }
        fclose(file);
    }
}

/* ---- the list of cases ---- */

typedef struct Cases {
    struct CMUnitTest *tests;
    size_t len, cap;
} Cases;

static void add_test(Cases *cases, struct CMUnitTest test) {
    if (cases->len == cases->cap) {
        cases->cap = cases->cap * 2 + 16;
        struct CMUnitTest *more = realloc(cases->tests, cases->cap * sizeof *cases->tests);
        assert_non_null(more);
        cases->tests = more;
    }
    cases->tests[cases->len++] = test;
}

static void add_case(Cases *cases, const char *pass, const char *file) {
    Case *test = malloc(sizeof *test);
    char path[512];
    snprintf(path, sizeof path, ROOT "/%s/%s", pass, file);
    *test = (Case){.path = strdup(path), .pass = strdup(pass)};
    add_test(cases, (struct CMUnitTest){
                        .name = test->path, .test_func = test_case, .initial_state = test});
}

static void add_folder(Cases *cases, const char *pass) {
    char path[256];
    snprintf(path, sizeof path, ROOT "/%s", pass);
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *suffix = strrchr(entries[i]->d_name, '.');
        if (suffix != NULL && strcmp(suffix, ".tn") == 0) {
            add_case(cases, pass, entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
}

static void free_cases(Cases *cases) {
    for (size_t i = 0; i < cases->len; i++) {
        Case *test = cases->tests[i].initial_state;
        if (test != NULL) {
            free(test->path);
            free(test->pass);
            free(test);
        }
    }
    free(cases->tests);
}

int main(void) {
    Cases cases = {0};
    add_test(&cases, (struct CMUnitTest)cmocka_unit_test(test_every_pass_has_goldens));
    add_test(&cases, (struct CMUnitTest)cmocka_unit_test(test_every_rule_has_a_golden));
    const Pass *pass;
    for (uint32_t i = 0; (pass = tn_pass_at(i)) != NULL; i++) {
        add_folder(&cases, pass->name);
    }
    int failed = _cmocka_run_group_tests("golden", cases.tests, cases.len, NULL, NULL);
    free_cases(&cases);
    return failed;
}
