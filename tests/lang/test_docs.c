/* test_docs.c: the programs in docs/language.md compile, and it names every function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/lang_eval.h"
#include "tests/support/lang_run.h"

static char text[1 << 17];

static int read_page(void **state) {
    (void)state;
    FILE *file = fopen("docs/language.md", "rb");
    if (file == NULL) {
        return -1;
    }
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    return n > 1000 ? 0 : -1;
}

static void test_programs(void **state) {
    (void)state;
    int programs = 0;
    for (char *at = text; (at = strstr(at, "```tn\n")) != NULL; programs++) {
        at += 6;
        char *end = strstr(at, "```");
        assert_non_null(end);
        *end = '\0';
        LangRun run;
        lang_open(&run, at);
        if (run.module == NULL || run.text.data[0] != '\0') {
            fail_msg("%s\n%s", at, run.text.data);
        }
        lang_close(&run);
        *end = '`';
        at = end + 3;
    }
    assert_true(programs >= 5);
}

static void test_functions(void **state) {
    (void)state;
    for (const Builtin *b = tn_lang_builtins(); b->name != NULL; b++) {
        char name[64];
        snprintf(name, sizeof name, "`%s", b->name);
        const char *found = strstr(text, name);
        if (found == NULL) {
            fail_msg("docs/language.md does not mention %s()", b->name);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_functions),
    };
    return cmocka_run_group_tests(tests, read_page, NULL);
}
