/* test_shape.c: operators that change dims, read them, or take parts of tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/onnx_case.h"

/* One case a row: columns say more here than the formatter would. */
/* clang-format off */
#define CHECK(...)                                                   \
    do {                                                             \
        const OpCase cases[] = {__VA_ARGS__};                        \
        onnx_check(cases, sizeof cases / sizeof *cases);             \
    } while (0)

/* Six and four elements that are all different. */
#define SIX 1, 2, 3, 4, 5, 6
#define FOUR 1, 2, 3, 4
#define X23 CASE_T(TN_F32, "2,3", SIX)

/* But for the form with initializers the shape operands arrive at run time. */
static void test_reshape(void **state) {
    (void)state;
    CHECK({13, "Reshape", NULL, {X23, CASE_T(TN_I64, "2", 3, 2)}, 0, {CASE_T(TN_F32, "3,2", SIX)}, NULL},
          {13, "Reshape", NULL, {X23, CASE_T(TN_I64, "2", 0, -1)}, 0, {CASE_T(TN_F32, "2,3", SIX)}, NULL},
          {13, "Reshape", NULL, {X23, CASE_T(TN_I64, "3", -1, 1, 2)}, 0, {CASE_T(TN_F32, "3,1,2", SIX)}, NULL},
          {14, "Reshape", "allowzero=1", {CASE_T(TN_F32, "0,3", 0), CASE_T(TN_I64, "2", 3, 0)}, 0, {CASE_T(TN_F32, "3,0", 0)}, NULL},
          {1, "Reshape", "shape=[0,-1,1]", {X23}, 0, {CASE_T(TN_F32, "2,3,1", SIX)}, NULL},
          {13, "Flatten", NULL, {CASE_T(TN_F32, "1,2,3", SIX)}, 0, {CASE_T(TN_F32, "1,6", SIX)}, NULL},
          {13, "Flatten", "axis=-1", {CASE_T(TN_F32, "1,2,3", SIX)}, 0, {CASE_T(TN_F32, "2,3", SIX)}, NULL},
          {13, "Flatten", "axis=0", {X23}, 0, {CASE_T(TN_F32, "1,6", SIX)}, NULL});
}

static void test_squeeze(void **state) {
    (void)state;
    CHECK({13, "Squeeze", NULL, {CASE_T(TN_F32, "1,6", SIX), CASE_GIVEN(TN_I64, "1", 0)}, 0, {CASE_T(TN_F32, "6", SIX)}, NULL},
          {11, "Squeeze", "axes=[-2]", {CASE_T(TN_F32, "1,6", SIX)}, 0, {CASE_T(TN_F32, "6", SIX)}, NULL},
          {13, "Squeeze", NULL, {CASE_T(TN_F32, "1,6,1", SIX)}, 0, {CASE_T(TN_F32, "6", SIX)}, "the rank depends on the dims"},
          {13, "Unsqueeze", NULL, {CASE_T(TN_F32, "6", SIX), CASE_GIVEN(TN_I64, "2", -1, 0)}, 0, {CASE_T(TN_F32, "1,6,1", SIX)}, NULL},
          {11, "Unsqueeze", "axes=[1]", {CASE_T(TN_F32, "6", SIX)}, 0, {CASE_T(TN_F32, "6,1", SIX)}, NULL});
}

static void test_movement(void **state) {
    (void)state;
    CHECK({13, "Transpose", NULL, {X23}, 0, {CASE_T(TN_F32, "3,2", 1, 4, 2, 5, 3, 6)}, NULL},
          {13, "Transpose", "perm=[1,2,0]", {CASE_T(TN_F32, "2,1,3", SIX)}, 0, {CASE_T(TN_F32, "1,3,2", 1, 4, 2, 5, 3, 6)}, NULL},
          {13, "Concat", "axis=-1", {CASE_T(TN_I64, "2,1", 1, 2), CASE_T(TN_I64, "2,2", 3, 4, 5, 6)}, 0, {CASE_T(TN_I64, "2,3", 1, 3, 4, 2, 5, 6)}, NULL},
          {1, "Concat", NULL, {CASE_T(TN_F32, "1,2", 1, 2), CASE_T(TN_F32, "1,1", 3)}, 0, {CASE_T(TN_F32, "1,3", 1, 2, 3)}, NULL},
          {13, "Expand", NULL, {CASE_T(TN_F32, "2,1", 1, 2), CASE_T(TN_I64, "3", 2, 1, 2)}, 0, {CASE_T(TN_F32, "2,2,2", 1, 1, 2, 2, 1, 1, 2, 2)}, NULL},
          {13, "Expand", NULL, {CASE_T(TN_F32, "3,1", 1, 2, 3), CASE_T(TN_I64, "1", 2)}, 0, {CASE_T(TN_F32, "3,2", 1, 1, 2, 2, 3, 3)}, NULL},
          {13, "Tile", NULL, {CASE_T(TN_F32, "2,2", FOUR), CASE_T(TN_I64, "2", 1, 2)}, 0, {CASE_T(TN_F32, "2,4", 1, 2, 1, 2, 3, 4, 3, 4)}, NULL},
          {13, "Tile", NULL, {CASE_T(TN_F32, "2", 1, 2), CASE_T(TN_I64, "1", 3)}, 0, {CASE_T(TN_F32, "6", 1, 2, 1, 2, 1, 2)}, NULL},
          {1, "Tile", NULL, {CASE_T(TN_F32, "2,2", FOUR), CASE_GIVEN(TN_I64, "", 2), CASE_GIVEN(TN_I64, "", 0)}, 0, {CASE_T(TN_F32, "4,2", 1, 2, 3, 4, 1, 2, 3, 4)}, NULL},
          {19, "Shape", "start=-1", {X23}, 0, {CASE_T(TN_I64, "1", 3)}, NULL},
          {19, "Shape", "start=1, end=-5", {X23}, 0, {CASE_T(TN_I64, "0", 0)}, NULL},
          {13, "Size", NULL, {X23}, 0, {CASE_T(TN_I64, "", 6)}, NULL});
}

static void test_slice(void **state) {
    (void)state;
    CHECK({13, "Slice", NULL, {CASE_T(TN_F32, "6", SIX), CASE_T(TN_I64, "1", 1), CASE_T(TN_I64, "1", -1)}, 0, {CASE_T(TN_F32, "4", 2, 3, 4, 5)}, NULL},
          {13, "Slice", NULL, {CASE_T(TN_F32, "6", SIX), CASE_T(TN_I64, "1", 9), CASE_T(TN_I64, "1", -9), CASE_GIVEN(TN_I64, "1", 0), CASE_GIVEN(TN_I64, "1", -2)}, 0, {CASE_T(TN_F32, "3", 6, 4, 2)}, NULL},
          {13, "Slice", NULL, {CASE_T(TN_F32, "6", SIX), CASE_T(TN_I64, "1", 4), CASE_T(TN_I64, "1", 2)}, 0, {CASE_T(TN_F32, "0", 0)}, NULL},
          {13, "Slice", NULL, {CASE_T(TN_F32, "6", SIX), CASE_T(TN_I64, "1", 2), CASE_T(TN_I64, "1", 9.2e18), CASE_GIVEN(TN_I64, "1", -1), CASE_GIVEN(TN_I64, "1", 3)}, 0, {CASE_T(TN_F32, "2", 3, 6)}, NULL},
          {13, "Slice", NULL, {CASE_T(TN_F32, "6", SIX), CASE_T(TN_I64, "1", 3), CASE_T(TN_I64, "1", -9.2e18), CASE_GIVEN(TN_I64, "1", 0), CASE_GIVEN(TN_I64, "1", -1)}, 0, {CASE_T(TN_F32, "4", 4, 3, 2, 1)}, NULL},
          {9, "Slice", "starts=[0,1], ends=[1,3]", {X23}, 0, {CASE_T(TN_F32, "1,2", 2, 3)}, NULL},
          {9, "Slice", "axes=[1], starts=[-2], ends=[1000]", {X23}, 0, {CASE_T(TN_F32, "2,2", 2, 3, 5, 6)}, NULL});
}

static void test_split(void **state) {
    (void)state;
    CHECK({13, "Split", NULL, {CASE_T(TN_F32, "6", SIX)}, 0, {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_F32, "3", 4, 5, 6)}, NULL},
          {13, "Split", "axis=1", {X23, CASE_T(TN_I64, "2", 1, 2)}, 0, {CASE_T(TN_F32, "2,1", 1, 4), CASE_T(TN_F32, "2,2", 2, 3, 5, 6)}, NULL},
          {18, "Split", "num_outputs=2", {CASE_T(TN_F32, "5", 1, 2, 3, 4, 5)}, 0, {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_F32, "2", 4, 5)}, NULL},
          {2, "Split", "split=[1,3]", {CASE_T(TN_F32, "4", FOUR)}, 0, {CASE_T(TN_F32, "1", 1), CASE_T(TN_F32, "3", 2, 3, 4)}, NULL});
}

static void test_pad(void **state) {
    (void)state;
    CHECK({13, "Pad", NULL, {CASE_T(TN_F32, "2,2", FOUR), CASE_T(TN_I64, "4", 0, 1, 1, 0), CASE_T(TN_F32, "", 9)}, 0, {CASE_T(TN_F32, "3,3", 9, 1, 2, 9, 3, 4, 9, 9, 9)}, NULL},
          {13, "Pad", NULL, {CASE_T(TN_F32, "4", FOUR), CASE_T(TN_I64, "2", -1, 2)}, 0, {CASE_T(TN_F32, "5", 2, 3, 4, 0, 0)}, NULL},
          {18, "Pad", NULL, {X23, CASE_T(TN_I64, "2", 1, 0), {0}, CASE_GIVEN(TN_I64, "1", -1)}, 4, {CASE_T(TN_F32, "2,4", 0, 1, 2, 3, 0, 4, 5, 6)}, NULL},
          {13, "Pad", "mode=\"reflect\"", {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_I64, "2", 2, 3)}, 0, {CASE_T(TN_F32, "8", 3, 2, 1, 2, 3, 2, 1, 2)}, NULL},
          {13, "Pad", "mode=\"edge\"", {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_I64, "2", 2, 1)}, 0, {CASE_T(TN_F32, "6", 1, 1, 1, 2, 3, 3)}, NULL},
          {19, "Pad", "mode=\"wrap\"", {CASE_T(TN_F32, "3", 1, 2, 3), CASE_T(TN_I64, "2", 2, 1)}, 0, {CASE_T(TN_F32, "6", 2, 3, 1, 2, 3, 1)}, NULL},
          {2, "Pad", "pads=[1,0,0,1], value=5.0", {CASE_T(TN_F32, "1,2", 1, 2)}, 0, {CASE_T(TN_F32, "2,3", 5, 5, 5, 1, 2, 5)}, NULL},
          {1, "Pad", "paddings=[1,1], mode=\"edge\"", {CASE_T(TN_F32, "2", 1, 2)}, 0, {CASE_T(TN_F32, "4", 1, 1, 2, 2)}, NULL});
}

static void test_gather(void **state) {
    (void)state;
    CHECK({13, "Gather", "axis=1", {X23, CASE_T(TN_I64, "2", 2, -3)}, 0, {CASE_T(TN_F32, "2,2", 3, 1, 6, 4)}, NULL},
          {13, "Gather", NULL, {X23, CASE_T(TN_I32, "", -1)}, 0, {CASE_T(TN_F32, "3", 4, 5, 6)}, NULL},
          {13, "Gather", NULL, {CASE_T(TN_I64, "3", 7, 8, 9), CASE_T(TN_I64, "2,1", 2, 0)}, 0, {CASE_T(TN_I64, "2,1", 9, 7)}, NULL},
          {14, "Trilu", NULL, {X23}, 0, {CASE_T(TN_F32, "2,3", 1, 2, 3, 0, 5, 6)}, NULL},
          {14, "Trilu", "upper=0", {X23, CASE_T(TN_I64, "", 1)}, 0, {CASE_T(TN_F32, "2,3", 1, 2, 0, 4, 5, 6)}, NULL});
}

static void test_sources(void **state) {
    (void)state;
    CHECK({20, "ConstantOfShape", NULL, {CASE_T(TN_I64, "2", 2, 1)}, 0, {CASE_T(TN_F32, "2,1", 0, 0)}, "the rank is the length"},
          {11, "Range", NULL, {CASE_T(TN_I64, "", 3), CASE_T(TN_I64, "", 9), CASE_T(TN_I64, "", 2)}, 0, {CASE_T(TN_I64, "3", 3, 5, 7)}, NULL},
          {11, "Range", NULL, {CASE_T(TN_I32, "", 5), CASE_T(TN_I32, "", 0), CASE_T(TN_I32, "", -2)}, 0, {CASE_T(TN_I32, "3", 5, 3, 1)}, NULL},
          {11, "Range", NULL, {CASE_T(TN_I64, "", 5), CASE_T(TN_I64, "", 5), CASE_T(TN_I64, "", 1)}, 0, {CASE_T(TN_I64, "0", 0)}, NULL},
          {11, "Range", NULL, {CASE_GIVEN(TN_F32, "", 1), CASE_GIVEN(TN_F32, "", 2.2), CASE_GIVEN(TN_F32, "", 0.5)}, 0, {CASE_T(TN_F32, "3", 1, 1.5, 2)}, NULL});
}

/* clang-format on */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),  cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_movement), cmocka_unit_test(test_slice),
        cmocka_unit_test(test_split),    cmocka_unit_test(test_pad),
        cmocka_unit_test(test_gather),   cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
