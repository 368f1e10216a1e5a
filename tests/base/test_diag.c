/* test_diag.c: the list's status and bound, and the printed form. */
#include "base/ctx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static Ctx ctx;

static int set_up(void **state) {
    (void)state;
    tn_ctx_init(&ctx, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tn_ctx_free(&ctx);
    return 0;
}

static const char *printed(void) {
    StrBuf out = tn_str(&ctx.arena);
    tn_str_puts(&out, "");
    tn_diag_print(&ctx.diags, &out);
    return out.data;
}

static void test_empty(void **state) {
    (void)state;
    assert_int_equal(tn_diag_status(&ctx.diags), TN_OK);
    assert_string_equal(printed(), "");
}

static void test_first_error_decides(void **state) {
    (void)state;
    assert_false(tn_diag(&ctx.diags, TN_OK, (Loc){0}, "just so you know"));
    assert_int_equal(tn_diag_status(&ctx.diags), TN_OK);
    assert_false(tn_diag(&ctx.diags, TN_UNSUPPORTED, (Loc){0}, "no %s", "way"));
    tn_diag(&ctx.diags, TN_IO, (Loc){0}, "late");
    assert_int_equal(tn_diag_status(&ctx.diags), TN_UNSUPPORTED);
    assert_string_equal(printed(), "note: just so you know\nerror: no way\nerror: late\n");
}

static void test_locations(void **state) {
    (void)state;
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.file = "m.onnx", .node = "up", .op = "Resize-13"},
            "bad scales");
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.file = "m.tn", .line = 3, .column = 7}, "what");
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.file = "m.tn", .line = 3}, "what");
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.file = "m.onnx", .offset = 12, .has_offset = true},
            "cut short");
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.op = "Add-7"}, "three inputs");
    assert_string_equal(printed(), "m.onnx: error: node 'up' (Resize-13): bad scales\n"
                                   "m.tn:3:7: error: what\n"
                                   "m.tn:3: error: what\n"
                                   "m.onnx: error: at byte 12: cut short\n"
                                   "error: Add-7: three inputs\n");
}

/* Names may hold anything: they can neither end a line nor reach the terminal. */
static void test_names_are_escaped(void **state) {
    (void)state;
    char file[] = "a\nb", node[] = "n\x1b[2J\n", op[] = "O\xff";
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.file = file, .node = node, .op = op},
            "input \"%s\" of C:\\x", "i\r\n");
    memset(file, 'z', 3); /* the list keeps copies */
    memset(node, 'z', 3);
    memset(op, 'z', 2);
    assert_string_equal(printed(), "a\\nb: error: node 'n\\x1b[2J\\n' (O\\xff): "
                                   "input \"i\\x0d\\n\" of C:\\x\n");
}

static void test_snippet(void **state) {
    (void)state;
    tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){.file = "f", .line = 1, .column = 5}, "here");
    ctx.diags.items.data[0].snippet = "ab\t=\"\xc3\xa9\" x";
    assert_string_equal(printed(), "f:1:5: error: here\n"
                                   "    ab\\x09=\"\xc3\xa9\" x\n"
                                   "           ^\n");
    ctx.diags.items.data[0].loc.column = 9; /* behind the two-byte letter */
    assert_non_null(strstr(printed(), "\n              ^\n"));
    ctx.diags.items.data[0].loc.column = 1000;
    assert_non_null(strstr(printed(), "\n                ^\n"));
}

static void test_bounded(void **state) {
    (void)state;
    for (int i = 0; i < TN_DIAG_MAX + 25; i++) {
        tn_diag(&ctx.diags, TN_BAD_INPUT, (Loc){0}, "problem %d", i);
    }
    assert_int_equal(ctx.diags.items.len, TN_DIAG_MAX);
    assert_int_equal(ctx.diags.dropped, 25);
    assert_non_null(strstr(printed(), "error: problem 199\nnote: 25 more problems not shown\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_empty),     TEST(test_first_error_decides),
        TEST(test_locations), TEST(test_names_are_escaped),
        TEST(test_snippet),   TEST(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
