/* test_tensor.c: how tensors are compared, filled and named in messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tools/tensor.h"

static tn_tensor floats(float *data, int64_t n) {
    return (tn_tensor){.data = data, .dtype = TN_F32, .rank = 1, .dims = {n}};
}

static void error_is_relative_to_the_largest(void **state) {
    (void)state;
    float a[] = {1, 2, -10, 0.5f}, b[] = {1, 2.5f, -10, 0.5f};
    tn_tensor got = floats(b, 4), want = floats(a, 4);
    TensorDiff diff = tn_tensor_diff(&got, &want);
    assert_true(fabs(diff.error - 0.05) < 1e-12);
    assert_int_equal(diff.where, 1);
    assert_true(diff.got == 2.5 && diff.want == 2);
    diff = tn_tensor_diff(&want, &want);
    assert_true(diff.error == 0);
    assert_int_equal(diff.where, -1);
}

static void odd_values_are_compared(void **state) {
    (void)state;
    float a[] = {NAN, INFINITY, 0, 1}, b[] = {NAN, INFINITY, -0.0f, 1};
    float no_nan[] = {0, INFINITY, 0, 1}, other_sign[] = {NAN, -INFINITY, 0, 1};
    float zeros[] = {0, 0}, tiny[] = {0, 1e-30f};
    tn_tensor want = floats(a, 4), same = floats(b, 4), wrong = floats(no_nan, 4);
    tn_tensor flipped = floats(other_sign, 4), zero = floats(zeros, 2), small = floats(tiny, 2);
    assert_true(tn_tensor_diff(&same, &want).error == 0);
    assert_true(isinf(tn_tensor_diff(&wrong, &want).error));
    assert_true(isinf(tn_tensor_diff(&flipped, &want).error));
    assert_true(isinf(tn_tensor_diff(&small, &zero).error));
    int64_t where;
    assert_true(tn_tensor_close(&same, &want, 1e-3, 1e-7, &where));
    assert_false(tn_tensor_close(&wrong, &want, 1e-3, 1e-7, &where));
    assert_int_equal(where, 0);
    assert_false(tn_tensor_close(&flipped, &want, 1e-3, 1e-7, &where));
    assert_int_equal(where, 1);
}

static void integers_are_exact(void **state) {
    (void)state;
    int64_t a[] = {(int64_t)1 << 60, 5}, b[] = {((int64_t)1 << 60) + 1, 5}, where;
    tn_tensor want = {.data = a, .dtype = TN_I64, .rank = 1, .dims = {2}}, got = want;
    got.data = b;
    assert_false(tn_tensor_close(&got, &want, 1e-3, 1e-7, &where));
    assert_int_equal(where, 0);
    assert_true(tn_tensor_diff(&got, &want).error > 0);
    assert_int_equal(tn_tensor_diff(&got, &want).where, 0);
}

static void tolerances_add_up(void **state) {
    (void)state;
    float a[] = {1000, 0}, near[] = {1000.9f, 5e-8f}, far[] = {1001.2f, 0}, above[] = {1000, 2e-7f};
    tn_tensor want = floats(a, 2), ok = floats(near, 2), bad = floats(far, 2),
              bad2 = floats(above, 2);
    int64_t where;
    assert_true(tn_tensor_close(&ok, &want, 1e-3, 1e-7, &where));
    assert_false(tn_tensor_close(&bad, &want, 1e-3, 1e-7, &where));
    assert_false(tn_tensor_close(&bad2, &want, 1e-3, 1e-7, &where));
    assert_int_equal(where, 1);
}

static void narrow_floats_have_values(void **state) {
    (void)state;
    uint16_t half[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x7e00};
    uint16_t brain[] = {0x3f80, 0xc000, 0x7f80};
    tn_tensor h = {.data = half, .dtype = TN_F16, .rank = 1, .dims = {6}};
    tn_tensor b = {.data = brain, .dtype = TN_BF16, .rank = 1, .dims = {3}};
    assert_true(tn_tensor_get(&h, 0) == 1 && tn_tensor_get(&h, 1) == -2);
    assert_true(tn_tensor_get(&h, 2) == 65504 && tn_tensor_get(&h, 3) == 0x1p-24);
    assert_true(isinf(tn_tensor_get(&h, 4)) && isnan(tn_tensor_get(&h, 5)));
    assert_true(tn_tensor_get(&b, 0) == 1 && tn_tensor_get(&b, 1) == -2);
    assert_true(isinf(tn_tensor_get(&b, 2)));
}

static void random_numbers_are_sane(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TN_F32, TN_F64, TN_F16, TN_BF16, TN_I8,
                                     TN_I32, TN_I64, TN_U8,  TN_U64,  TN_BOOL};
    for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++) {
        bool is_float = k < 4;
        double low = is_float ? -1 : 0, high = dtypes[k] == TN_BOOL ? 1 : is_float ? 1 : 99;
        double least = INFINITY, most = -INFINITY;
        tn_tensor t = {.dtype = dtypes[k], .rank = 1, .dims = {4000}}, again = t;
        assert_true(tn_tensor_alloc(&t) && tn_tensor_alloc(&again));
        tn_tensor_random(&t, 42);
        tn_tensor_random(&again, 42);
        assert_memory_equal(t.data, again.data, tn_tensor_bytes(&t));
        for (int64_t i = 0; i < 4000; i++) {
            double value = tn_tensor_get(&t, i);
            assert_true(value >= low && value <= high);
            least = value < least ? value : least;
            most = value > most ? value : most;
        }
        /* Both ends are reached, or nearly. */
        assert_true(least < low + 0.02 * (high - low) && most > high - 0.02 * (high - low));
        tn_tensors_free(&t, 1);
        tn_tensors_free(&again, 1);
    }
}

static void places_and_types_as_text(void **state) {
    (void)state;
    char text[64];
    tn_tensor t = {.dtype = TN_I32, .rank = 3, .dims = {2, 3, 4}};
    tn_tensor_place(&t, 23, text, sizeof text);
    assert_string_equal(text, "[1, 2, 3]");
    tn_tensor_type_text(&t, text, sizeof text);
    assert_string_equal(text, "i32[2,3,4]");
    t.rank = 0;
    tn_tensor_place(&t, 0, text, sizeof text);
    assert_string_equal(text, "[]");
    tn_tensor_type_text(&t, text, sizeof text);
    assert_string_equal(text, "i32[]");
    t = (tn_tensor){.dtype = TN_F32, .rank = 2, .dims = {INT64_MAX / 2, 1}};
    assert_false(tn_tensor_alloc(&t));
    t.dtype = TN_STRING;
    t.dims[0] = 1;
    assert_false(tn_tensor_alloc(&t));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_is_relative_to_the_largest),
        cmocka_unit_test(odd_values_are_compared),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(tolerances_add_up),
        cmocka_unit_test(narrow_floats_have_values),
        cmocka_unit_test(random_numbers_are_sane),
        cmocka_unit_test(places_and_types_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
