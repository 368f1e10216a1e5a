/* test_arena.c: alignment, zeroing, marks, accounting and the out-of-memory jump. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int all_zero(const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i]) {
            return 0;
        }
    }
    return 1;
}

static void test_alignment(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    for (size_t align = 1; align <= 64; align *= 2) {
        for (size_t size = 0; size < 70; size += 3) {
            unsigned char *p = tn_arena_alloc(&arena, size, align);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_true(all_zero(p, size));
            memset(p, 0xff, size);
        }
    }
    tn_arena_free(&arena);
}

/* Neighbours keep what was written to them, across several blocks and one oversized. */
static void test_no_overlap(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    unsigned char *p[200];
    for (int i = 0; i < 200; i++) {
        size_t size = i == 100 ? (size_t)5 << 20 : 1000;
        p[i] = tn_arena_alloc(&arena, size, 8);
        assert_true(all_zero(p[i], size));
        memset(p[i], i, size);
    }
    for (int i = 0; i < 200; i++) {
        size_t size = i == 100 ? (size_t)5 << 20 : 1000;
        assert_int_equal(p[i][0], i);
        assert_int_equal(p[i][size - 1], i);
    }
    assert_true(arena.total >= ((size_t)5 << 20) + 199 * 1000);
    tn_arena_free(&arena);
    assert_int_equal(arena.total, 0);
    assert_null(arena.last);
}

/* After a reset memory comes back zeroed, and in place when the block is the same. */
static void test_mark_and_reset(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    int *kept = TN_NEW(&arena, int);
    *kept = 42;
    ArenaMark mark = tn_arena_mark(&arena);
    size_t total = arena.total;
    unsigned char *first = tn_arena_alloc(&arena, 100, 1);
    memset(first, 0xaa, 100);
    for (int i = 0; i < 100; i++) {
        memset(tn_arena_alloc(&arena, 10000, 1), 0xbb, 10000);
    }
    assert_true(arena.total > total);
    tn_arena_reset(&arena, mark);
    assert_int_equal(arena.total, total);
    assert_int_equal(*kept, 42);
    unsigned char *again = tn_arena_alloc(&arena, 100, 1);
    assert_ptr_equal(again, first);
    assert_true(all_zero(again, 100));
    tn_arena_free(&arena);
}

static void test_reset_to_empty(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    ArenaMark mark = tn_arena_mark(&arena);
    assert_non_null(tn_arena_alloc(&arena, 1, 1));
    tn_arena_reset(&arena, mark);
    assert_int_equal(arena.total, 0);
    tn_arena_reset(&arena, mark);
    assert_non_null(tn_arena_alloc(&arena, 1, 1));
    tn_arena_free(&arena);
}

static void test_copy(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    const char text[] = "abc";
    char *copy = tn_arena_copy(&arena, text, sizeof text);
    assert_ptr_not_equal(copy, text);
    assert_string_equal(copy, "abc");
    assert_non_null(tn_arena_copy(&arena, NULL, 0));
    tn_arena_free(&arena);
}

static void test_array_overflow(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    assert_null(tn_arena_array(&arena, SIZE_MAX / 4, 8, 8));
    assert_null(tn_arena_array(&arena, SIZE_MAX, 1, 1));
    assert_null(tn_arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(tn_arena_alloc(&arena, SIZE_MAX - 64, 1));
    assert_non_null(tn_arena_array(&arena, 0, 8, 8));
    tn_arena_free(&arena);
}

static void test_fail_after_returns_null(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    arena.fail_after = 2;
    assert_non_null(tn_arena_alloc(&arena, 8, 8));
    assert_null(tn_arena_alloc(&arena, 8, 8));
    assert_non_null(tn_arena_alloc(&arena, 8, 8));
    tn_arena_free(&arena);
}

/* Allocates until the hook jumps; returns how many allocations came through. */
static int count_until_jump(long fail_after, int wanted) {
    jmp_buf on_oom;
    Arena arena;
    volatile int done = 0;
    tn_arena_init(&arena, &on_oom);
    arena.fail_after = fail_after;
    if (setjmp(on_oom) == 0) {
        for (int i = 0; i < wanted; i++) {
            TN_NEW(&arena, double);
            done = done + 1;
        }
    }
    tn_arena_free(&arena);
    return done;
}

static void test_fail_after_jumps(void **state) {
    (void)state;
    assert_int_equal(count_until_jump(1, 10), 0);
    assert_int_equal(count_until_jump(4, 10), 3);
    assert_int_equal(count_until_jump(0, 10), 10);
    assert_int_equal(count_until_jump(11, 10), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_mark_and_reset),
        cmocka_unit_test(test_reset_to_empty),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_array_overflow),
        cmocka_unit_test(test_fail_after_returns_null),
        cmocka_unit_test(test_fail_after_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
