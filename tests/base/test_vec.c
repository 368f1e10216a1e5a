/* test_vec.c: growth keeps contents and order, for items of several sizes. */
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct Wide {
    _Alignas(32) double lanes[4];
    char tag;
} Wide;

static void test_push_many(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    TN_VEC(int) numbers = {0};
    for (int i = 0; i < 10000; i++) {
        tn_vec_push(&arena, &numbers, i * 3);
    }
    assert_int_equal(numbers.len, 10000);
    assert_true(numbers.cap >= numbers.len);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(numbers.data[i], i * 3);
    }
    tn_arena_free(&arena);
}

static void test_aligned_items(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    TN_VEC(Wide) items = {0};
    for (int i = 0; i < 50; i++) {
        TN_NEW(&arena, char);
        Wide item = {.lanes = {i, i, i, i}, .tag = (char)i};
        tn_vec_push(&arena, &items, item);
        assert_int_equal((uintptr_t)items.data % _Alignof(Wide), 0);
    }
    for (int i = 0; i < 50; i++) {
        assert_true(items.data[i].lanes[3] == i);
        assert_int_equal(items.data[i].tag, i);
    }
    tn_arena_free(&arena);
}

/* The item may read the vector it is pushed to, even when the push grows it. */
static void test_push_own_item(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    TN_VEC(uint64_t) items = {0};
    tn_vec_push(&arena, &items, 7u);
    for (int i = 0; i < 100; i++) {
        tn_vec_push(&arena, &items, items.data[0] + (uint64_t)i);
    }
    assert_int_equal(items.data[100], 106);
    tn_arena_free(&arena);
}

static void test_growth_failure(void **state) {
    (void)state;
    Arena arena;
    tn_arena_init(&arena, NULL);
    size_t cap = SIZE_MAX / 2 + 1;
    assert_null(tn_vec_grow(&arena, NULL, &cap, 8));
    assert_int_equal(cap, SIZE_MAX / 2 + 1);
    tn_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_many),
        cmocka_unit_test(test_aligned_items),
        cmocka_unit_test(test_push_own_item),
        cmocka_unit_test(test_growth_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
