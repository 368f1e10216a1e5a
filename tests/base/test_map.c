/* test_map.c: insertion order, many keys, forced collisions, absent keys. */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

static void test_empty(void **state) {
    (void)state;
    Map map = tn_map(&arena);
    assert_null(tn_map_get_str(&map, TN_SV("x")));
    assert_null(tn_map_get_int(&map, 0));
    assert_int_equal(map.len, 0);
}

static void test_put_and_get(void **state) {
    (void)state;
    Map map = tn_map(&arena);
    int one = 1, two = 2;
    bool added = false;
    void **slot = tn_map_put_str(&map, TN_SV("a"), &added);
    assert_true(added);
    assert_null(*slot);
    *slot = &one;
    slot = tn_map_put_str(&map, TN_SV("a"), &added);
    assert_false(added);
    assert_ptr_equal(*slot, &one);
    *tn_map_put_str(&map, TN_SV(""), NULL) = &two;
    assert_ptr_equal(tn_map_get_str(&map, TN_SV("a")), &one);
    assert_ptr_equal(tn_map_get_str(&map, TN_SV("")), &two);
    assert_null(tn_map_get_str(&map, TN_SV("b")));
    assert_int_equal(map.len, 2);
}

static void test_many_strings_keep_order(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static int values[COUNT];
    Map map = tn_map(&arena);
    for (int i = 0; i < COUNT; i++) {
        const char *key = tn_arena_printf(&arena, "key %d", i * 7919 % COUNT);
        *tn_map_put_str(&map, tn_sv(key), NULL) = &values[i];
    }
    assert_int_equal(map.len, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const char *key = tn_arena_printf(&arena, "key %d", i * 7919 % COUNT);
        assert_ptr_equal(tn_map_get_str(&map, tn_sv(key)), &values[i]);
        assert_true(tn_sv_is(map.entries[i].key, key));
    }
    assert_null(tn_map_get_str(&map, TN_SV("key 20000")));
}

/* Multiples of 2^32 and small numbers mixed: keys whose low bits all agree. */
static void test_integer_collisions(void **state) {
    (void)state;
    static int values[4000];
    Map map = tn_map(&arena);
    for (uint64_t i = 0; i < 2000; i++) {
        *tn_map_put_int(&map, i << 32, NULL) = &values[i];
        *tn_map_put_int(&map, (i << 52) + 1, NULL) = &values[2000 + i];
    }
    assert_int_equal(map.len, 4000);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_ptr_equal(tn_map_get_int(&map, i << 32), &values[i]);
        assert_int_equal(map.entries[2 * i].word, i << 32);
    }
    assert_ptr_equal(tn_map_get_int(&map, ((uint64_t)1999 << 52) + 1), &values[3999]);
    assert_null(tn_map_get_int(&map, 3));
}

/* Two strings of equal hash stay apart: the entry's word is set to the other's hash. */
static void test_equal_hashes(void **state) {
    (void)state;
    int one = 1;
    Map map = tn_map(&arena);
    *tn_map_put_str(&map, TN_SV("left"), NULL) = &one;
    map.entries[0].key = TN_SV("other"); /* same word, different bytes */
    assert_null(tn_map_get_str(&map, TN_SV("left")));
    bool added = false;
    tn_map_put_str(&map, TN_SV("left"), &added);
    assert_true(added);
    assert_int_equal(map.len, 2);
    assert_int_equal(map.entries[0].word, map.entries[1].word);
}

/* Published FNV-1a test values: compiled models carry this hash, so it may not change. */
static void test_hash_values(void **state) {
    (void)state;
    assert_true(tn_hash(TN_HASH_SEED, "", 0) == 0xcbf29ce484222325ull);
    assert_true(tn_hash(TN_HASH_SEED, "a", 1) == 0xaf63dc4c8601ec8cull);
    assert_true(tn_hash(TN_HASH_SEED, "foobar", 6) == 0x85944171f73967e8ull);
    uint64_t halves = tn_hash(tn_hash(TN_HASH_SEED, "foo", 3), "bar", 3);
    assert_true(halves == 0x85944171f73967e8ull);
}

/* Long data are sampled: their length and ends count, equal data are equal. */
static void test_hash_sample(void **state) {
    (void)state;
    static unsigned char a[100001], b[100001];
    uint64_t hash = tn_hash_sample(TN_HASH_SEED, a, 100000);
    assert_true(tn_hash_sample(TN_HASH_SEED, b, 100000) == hash);
    assert_true(tn_hash_sample(TN_HASH_SEED, a, 100001) != hash);
    assert_true(tn_hash_sample(tn_hash_word(TN_HASH_SEED, 1), a, 100000) != hash);
    b[0] = 1;
    assert_true(tn_hash_sample(TN_HASH_SEED, b, 100000) != hash);
    b[0] = 0;
    b[99990] = 1;
    assert_true(tn_hash_sample(TN_HASH_SEED, b, 100000) != hash);
    assert_true(tn_hash_sample(TN_HASH_SEED, "ab", 2) != tn_hash_sample(TN_HASH_SEED, "ac", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_many_strings_keep_order),
        cmocka_unit_test(test_integer_collisions),
        cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_hash_values),
        cmocka_unit_test(test_hash_sample),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
