/* test_type.c: element types, shapes, and where elements of laid-out values lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ir/target.h"
#include "ir/type.h"

static int setup(void **state) {
    static Ctx ctx;
    tn_ctx_init(&ctx, NULL);
    *state = &ctx;
    return 0;
}

static int teardown(void **state) {
    tn_ctx_free(*state);
    return 0;
}

static Type type_of(Ctx *ctx, DType dtype, int rank, const int64_t *dims) {
    const Dim *sizes[TN_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        sizes[i] = tn_dim_const(ctx, dims[i]);
    }
    return tn_type_make(dtype, (uint8_t)rank, sizes);
}

static void test_dtypes(void **state) {
    (void)state;
    static const DType all[] = {TN_F32, TN_F64, TN_I8,  TN_I16, TN_I32, TN_I64,
                                TN_U8,  TN_U16, TN_U32, TN_U64, TN_BOOL};
    static const size_t bytes[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(tn_dtype_parse(tn_sv(tn_dtype_text(all[i]))), all[i]);
        assert_int_equal(tn_dtype_bytes(all[i]), bytes[i]);
        assert_int_equal(tn_dtype_is_float(all[i]), i < 2);
        assert_int_equal(tn_dtype_is_int(all[i]), i >= 2 && i < 10);
        assert_int_equal(tn_dtype_is_signed(all[i]), i < 6);
    }
    assert_int_equal(tn_dtype_parse(TN_SV("float")), TN_DT_NONE);
    assert_int_equal(tn_dtype_bytes(TN_STRING), 0);
    assert_string_equal(tn_dtype_c(TN_BOOL), "uint8_t");
}

static void test_shapes(void **state) {
    Ctx *ctx = *state;
    Type a = type_of(ctx, TN_F32, 3, (int64_t[]){2, 3, 4});
    Type b = a;
    assert_true(tn_type_equal(&a, &b));
    assert_int_equal(tn_type_static_count(&a), 24);
    assert_true(tn_dim_is(tn_type_count(ctx, &a), 24));
    b.dims[1] = tn_dim_symbol(ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX);
    assert_false(tn_type_same_shape(&a, &b));
    assert_false(tn_type_is_static(&b));
    assert_int_equal(tn_type_static_count(&b), -1);
    assert_ptr_equal(tn_type_count(ctx, &b), tn_dim_mulc(ctx, b.dims[1], 8));
    b = a;
    b.dtype = TN_F64;
    assert_false(tn_type_same_shape(&a, &b));
    Type scalar = tn_type_scalar(TN_I32);
    assert_int_equal(tn_type_static_count(&scalar), 1);
    Type huge = type_of(ctx, TN_F32, 2, (int64_t[]){INT64_MAX, 2});
    assert_int_equal(tn_type_static_count(&huge), -1);
    assert_true(tn_type_count(ctx, &huge)->overflow);
}

static const Layout blocked = {.n_parts = 5,
                               .parts = {{0, 1, 0}, {1, 16, 0}, {2, 1, 0}, {3, 1, 0}, {1, 1, 16}},
                               .halo_lo = {0, 0, 1, 2},
                               .halo_hi = {0, 0, 1, 0}};

static void test_text(void **state) {
    Ctx *ctx = *state;
    Type type = type_of(ctx, TN_F32, 4, (int64_t[]){2, 20, 5, 6});
    type.layout = &blocked;
    StrBuf text = tn_str(&ctx->arena);
    tn_type_print(ctx, &type, &text);
    assert_string_equal(text.data, "f32[2,20,5,6]{0,1/16,2,3,1%16 halo 2:1,1 3:2,0}");
    Type other = type;
    assert_true(tn_type_equal(&type, &other));
    other.layout = NULL;
    assert_false(tn_type_equal(&type, &other));
    assert_true(tn_type_same_shape(&type, &other));
    Layout moved = blocked;
    moved.halo_hi[3] = 1;
    other.layout = &moved;
    assert_false(tn_type_equal(&type, &other));
}

static void test_physical(void **state) {
    Ctx *ctx = *state;
    Type type = type_of(ctx, TN_F32, 4, (int64_t[]){2, 20, 5, 6});
    const Dim *n = tn_dim_symbol(ctx, TN_SV("N"), SYM_INPUT_DIM, 0, INT64_MAX);
    type.dims[0] = n;
    type.layout = &blocked;
    const Dim *extents[TN_MAX_RANK + 4];
    assert_int_equal(tn_type_phys_dims(ctx, &type, extents), 5);
    static const int64_t expected[] = {0, 2, 7, 8, 16};
    assert_ptr_equal(extents[0], n);
    for (int i = 1; i < 5; i++) {
        assert_true(tn_dim_is(extents[i], expected[i]));
    }
    assert_ptr_equal(tn_type_phys_count(ctx, &type), tn_dim_mulc(ctx, n, 2 * 7 * 8 * 16));
    /* The index of a blocked loop nest comes apart into block and lane. */
    const Dim *kb = tn_dim_loop_var(ctx, "kb", tn_dim_const(ctx, 2));
    const Dim *kk = tn_dim_loop_var(ctx, "kk", tn_dim_const(ctx, 16));
    const Dim *zero = tn_dim_const(ctx, 0);
    const Dim *index[] = {zero, tn_dim_add(ctx, tn_dim_mulc(ctx, kb, 16), kk), zero, zero};
    const Dim *out[TN_MAX_RANK + 4];
    assert_int_equal(tn_type_phys_index(ctx, &type, index, out), 5);
    assert_ptr_equal(out[1], kb);
    assert_ptr_equal(out[4], kk);
    assert_true(tn_dim_is(out[2], 1));
    assert_true(tn_dim_is(out[3], 2));
}

/* Packing against the definition, one element at a time. */
static void check_pack(Ctx *ctx, Type type, size_t bytes) {
    const Dim *extents[TN_MAX_RANK + 4];
    int64_t count = tn_type_static_count(&type);
    int rank = tn_type_phys_dims(ctx, &type, extents);
    int64_t total = tn_type_phys_count(ctx, &type)->value;
    unsigned char *from = calloc((size_t)count + 1, bytes);
    unsigned char *out = malloc((size_t)total * bytes);
    unsigned char *expected = calloc((size_t)total, bytes);
    for (int64_t i = 0; i < count; i++) {
        int64_t value = i + 1;
        memcpy(from + (size_t)i * bytes, &value, bytes);
        int64_t rest = i;
        const Dim *index[TN_MAX_RANK];
        for (int d = type.rank - 1; d >= 0; d--) {
            index[d] = tn_dim_const(ctx, rest % type.dims[d]->value);
            rest /= type.dims[d]->value;
        }
        const Dim *at[TN_MAX_RANK + 4];
        int64_t place = 0;
        tn_type_phys_index(ctx, &type, index, at);
        for (int d = 0; d < rank; d++) {
            assert_in_range((uint64_t)at[d]->value, 0, (uint64_t)extents[d]->value - 1);
            place = place * extents[d]->value + at[d]->value;
        }
        memcpy(expected + (size_t)place * bytes, &value, bytes);
    }
    memset(out, 0xee, (size_t)total * bytes);
    tn_layout_pack(ctx, &type, from, out);
    assert_memory_equal(out, expected, (size_t)total * bytes);
    free(from);
    free(out);
    free(expected);
}

static void test_pack(void **state) {
    Ctx *ctx = *state;
    static const DType dtypes[] = {TN_F32, TN_F64, TN_I16, TN_U8};
    for (size_t i = 0; i < 4; i++) {
        Type type = type_of(ctx, dtypes[i], 4, (int64_t[]){3, 20, 5, 6});
        check_pack(ctx, type, tn_dtype_bytes(dtypes[i]));
        type.layout = &blocked;
        check_pack(ctx, type, tn_dtype_bytes(dtypes[i]));
    }
    /* OIHW to O/16 I H W 16o, O not a multiple; and a vector to itself. */
    static const Layout weights = {
        .n_parts = 5, .parts = {{0, 16, 0}, {1, 1, 0}, {2, 1, 0}, {3, 1, 0}, {0, 1, 16}}};
    Type type = type_of(ctx, TN_F32, 4, (int64_t[]){33, 3, 2, 2});
    type.layout = &weights;
    check_pack(ctx, type, 4);
    static const Layout swapped = {.n_parts = 2, .parts = {{1, 1, 0}, {0, 1, 0}}};
    type = type_of(ctx, TN_F32, 2, (int64_t[]){5, 7});
    type.layout = &swapped;
    check_pack(ctx, type, 4);
}

static void test_targets(void **state) {
    (void)state;
    uint32_t n = 0;
    for (const Target *target; (target = tn_target_at(n)) != NULL; n++) {
        assert_ptr_equal(tn_target_by_name(tn_sv(target->name)), target);
        assert_true(target->vector_bytes >= 16 && target->vector_regs >= 16);
    }
    assert_true(n >= 3);
    assert_null(tn_target_by_name(TN_SV("z80")));
    const Target *native = tn_target_by_name(TN_SV("native"));
    assert_true(native == NULL || native == tn_target_by_name(tn_sv(native->name)));
}

#define with_ctx(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        with_ctx(test_dtypes),   with_ctx(test_shapes), with_ctx(test_text),
        with_ctx(test_physical), with_ctx(test_pack),   with_ctx(test_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
