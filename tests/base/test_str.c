/* test_str.c: views, the builder's growth and formatting, and escaping. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static Arena arena;

static int set_up(void **state) {
    (void)state;
    tn_arena_init(&arena, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tn_arena_free(&arena);
    return 0;
}

static void test_views(void **state) {
    (void)state;
    assert_true(tn_sv_is(TN_SV("abc"), "abc"));
    assert_false(tn_sv_is(TN_SV("abc"), "abcd"));
    assert_false(tn_sv_is(TN_SV("abc"), "abd"));
    assert_true(tn_sv_is(TN_SV(""), ""));
    assert_true(tn_sv_eq((StrView){NULL, 0}, TN_SV("")));
    assert_false(tn_sv_eq(TN_SV("a\0b"), TN_SV("a\0c")));
    assert_int_equal(tn_sv(NULL).len, 0);
    char *copy = tn_sv_dup(&arena, (StrView){"abcdef", 3});
    assert_string_equal(copy, "abc");
    assert_string_equal(tn_sv_dup(&arena, (StrView){NULL, 0}), "");
}

static void test_builder(void **state) {
    (void)state;
    StrBuf buf = tn_str(&arena);
    char expected[5001];
    for (int i = 0; i < 5000; i++) {
        expected[i] = (char)('a' + i % 26);
        tn_str_putc(&buf, expected[i]);
        assert_int_equal(buf.data[buf.len], '\0');
    }
    expected[5000] = '\0';
    assert_int_equal(buf.len, 5000);
    assert_string_equal(buf.data, expected);
}

static void test_empty_append(void **state) {
    (void)state;
    StrBuf buf = tn_str(&arena);
    tn_str_puts(&buf, "");
    assert_non_null(buf.data);
    assert_string_equal(buf.data, "");
    tn_str_write(&buf, NULL, 0);
    assert_int_equal(buf.len, 0);
}

/* Formatted text of every length around the builder's capacities. */
static void test_printf_boundaries(void **state) {
    (void)state;
    for (int width = 0; width < 300; width++) {
        StrBuf buf = tn_str(&arena);
        tn_str_printf(&buf, "%*s|", width, "");
        tn_str_printf(&buf, "%*s|%d", width, "", 7);
        assert_int_equal(buf.len, 2 * width + 3);
        assert_int_equal(strlen(buf.data), buf.len);
        assert_int_equal(buf.data[width], '|');
        assert_string_equal(buf.data + 2 * width + 1, "|7");
    }
    assert_string_equal(tn_arena_printf(&arena, "%s-%03d", "x", 5), "x-005");
    assert_string_equal(tn_arena_printf(&arena, "%s", ""), "");
}

static void check_escape(StrView text, const char *expected) {
    StrBuf buf = tn_str(&arena);
    tn_str_puts(&buf, "");
    tn_str_escape(&buf, text);
    assert_string_equal(buf.data, expected);
}

static void test_escape(void **state) {
    (void)state;
    check_escape(TN_SV(""), "");
    check_escape(TN_SV("plain 'text'"), "plain 'text'");
    check_escape(TN_SV("a\"b\\c"), "a\\\"b\\\\c");
    check_escape(TN_SV("l1\nl2\t\r"), "l1\\nl2\\x09\\x0d");
    check_escape(TN_SV("a\0b"), "a\\x00b");
    check_escape(TN_SV("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
    check_escape(TN_SV("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                 "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void test_escape_bad_utf8(void **state) {
    (void)state;
    check_escape(TN_SV("\xff"), "\\xff");
    check_escape(TN_SV("\x80x"), "\\x80x");
    check_escape(TN_SV("\xc3"), "\\xc3");
    check_escape(TN_SV("\xc3("), "\\xc3(");
    check_escape(TN_SV("\xe2\x82"), "\\xe2\\x82");
    check_escape(TN_SV("\xc0\xaf"), "\\xc0\\xaf");                 /* overlong '/' */
    check_escape(TN_SV("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");         /* overlong */
    check_escape(TN_SV("\xed\xa0\x80"), "\\xed\\xa0\\x80");         /* surrogate */
    check_escape(TN_SV("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    check_escape(TN_SV("\xc2\x9b"
                       "31m"),
                 "\\xc2\\x9b"
                 "31m");      /* C1 control sequence */
}

/* A view's bytes after its end are never looked at. */
static void test_escape_stays_inside(void **state) {
    (void)state;
    check_escape((StrView){"\xe2\x82\xac", 2}, "\\xe2\\x82");
    check_escape((StrView){"ab", 1}, "a");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_builder),
        cmocka_unit_test(test_empty_append),
        cmocka_unit_test(test_printf_boundaries),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_bad_utf8),
        cmocka_unit_test(test_escape_stays_inside),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
