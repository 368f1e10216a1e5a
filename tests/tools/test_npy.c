/* test_npy.c: NumPy files in and out, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/npy.h"
#include "tools/tensor.h"

/* A file as NumPy 1.26 writes it, with this header and these elements; returns its size. */
static size_t make_file(unsigned char *out, int version, const char *dict, const void *elements,
                        size_t bytes) {
    size_t prefix = version == 1 ? 10 : 12;
    size_t n = (prefix + strlen(dict) + 1 + 63) / 64 * 64 - prefix;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version;
    out[7] = 0;
    for (size_t i = 8; i < prefix; i++) {
        out[i] = (unsigned char)(n >> 8 * (i - 8));
    }
    memset(out + prefix, ' ', n);
    memcpy(out + prefix, dict, strlen(dict));
    out[prefix + n - 1] = '\n';
    memcpy(out + prefix + n, elements, bytes);
    return prefix + n + bytes;
}

static tn_status decode(const void *bytes, size_t size, tn_tensor *out, char *error) {
    /* An exact allocation, so that a sanitizer sees one byte too many. */
    void *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    error[0] = '\0';
    tn_status status = tn_npy_decode(copy, size, "x.npy", out, error, 256);
    free(copy);
    assert_true(status == TN_OK || strncmp(error, "x.npy: ", 7) == 0);
    return status;
}

static void reads_what_numpy_writes(void **state) {
    (void)state;
    unsigned char file[1024];
    char error[256];
    tn_tensor t;
    const float values[6] = {1, 2, 3, 4, 5, 6};
    for (int version = 1; version <= 3; version++) {
        size_t n =
            make_file(file, version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                      values, sizeof values);
        assert_int_equal(decode(file, n, &t, error), TN_OK);
        assert_int_equal(t.dtype, TN_F32);
        assert_int_equal(t.rank, 2);
        assert_int_equal(t.dims[0], 2);
        assert_int_equal(t.dims[1], 3);
        assert_memory_equal(t.data, values, sizeof values);
        tn_tensors_free(&t, 1);
    }
}

static void turns_fortran_order(void **state) {
    (void)state;
    unsigned char file[1024];
    char error[256];
    tn_tensor t;
    const int16_t stored[6] = {1, 4, 2, 5, 3, 6}, wanted[6] = {1, 2, 3, 4, 5, 6};
    size_t n = make_file(file, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }",
                         stored, sizeof stored);
    assert_int_equal(decode(file, n, &t, error), TN_OK);
    assert_memory_equal(t.data, wanted, sizeof wanted);
    tn_tensors_free(&t, 1);
}

static void scalars_and_empty_arrays(void **state) {
    (void)state;
    unsigned char file[1024];
    char error[256];
    tn_tensor t;
    size_t n =
        make_file(file, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }", "\1", 1);
    assert_int_equal(decode(file, n, &t, error), TN_OK);
    assert_int_equal(t.rank, 0);
    assert_int_equal(*(unsigned char *)t.data, 1);
    tn_tensors_free(&t, 1);
    n = make_file(file, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5), }", "", 0);
    assert_int_equal(decode(file, n, &t, error), TN_OK);
    assert_int_equal(tn_tensor_count(&t), 0);
    tn_tensors_free(&t, 1);
}

/* A truth value is one byte, 0 or 1, wherever it comes from. */
static void truth_values_are_0_or_1(void **state) {
    (void)state;
    unsigned char file[256];
    const unsigned char given[4] = {0, 1, 2, 255}, expected[4] = {0, 1, 1, 1};
    char error[256];
    tn_tensor t;
    size_t n = make_file(file, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (4,), }",
                         given, sizeof given);
    assert_int_equal(decode(file, n, &t, error), TN_OK);
    assert_memory_equal(t.data, expected, sizeof expected);
    tn_tensors_free(&t, 1);
}

static void round_trips_every_type(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TN_F32, TN_F64, TN_F16, TN_BF16, TN_I8,  TN_I16, TN_I32,
                                     TN_I64, TN_U8,  TN_U16, TN_U32,  TN_U64, TN_BOOL};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        char file[4096], error[256];
        tn_tensor t = {.dtype = dtypes[i], .rank = 3, .dims = {3, 1, 7}}, back;
        assert_true(tn_tensor_alloc(&t));
        tn_tensor_random(&t, i);
        size_t n = tn_npy_header(&t, file);
        assert_int_equal(n % 64, 0);
        memcpy(file + n, t.data, tn_tensor_bytes(&t));
        assert_int_equal(decode(file, n + tn_tensor_bytes(&t), &back, error), TN_OK);
        assert_true(tn_tensor_same_shape(&t, &back));
        assert_memory_equal(t.data, back.data, tn_tensor_bytes(&t));
        tn_tensors_free(&t, 1);
        tn_tensors_free(&back, 1);
    }
}

/* A header that must be refused with `status` and `text`. */
static void refuse(const char *dict, size_t bytes, tn_status status, const char *text) {
    unsigned char file[4096];
    static const char zeros[256];
    char error[256];
    tn_tensor t;
    size_t n = make_file(file, 1, dict, zeros, bytes);
    assert_int_equal(decode(file, n, &t, error), status);
    if (!strstr(error, text)) {
        fail_msg("expected '%s' in '%s'", text, error);
    }
}

static void refuses_what_it_does_not_read(void **state) {
    (void)state;
    char error[256];
    tn_tensor t;
    refuse("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8, TN_UNSUPPORTED,
           "element type '>f4'");
    refuse("{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }", 16, TN_UNSUPPORTED,
           "element type '<c8'");
    refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, TN_BAD_INPUT,
           "'descr'");
    refuse("{'descr': '<f4', 'shape': (2,), }", 8, TN_BAD_INPUT, "'fortran_order'");
    refuse("{'descr': '<f4', 'fortran_order': False, }", 8, TN_BAD_INPUT, "'shape'");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (2", 8, TN_BAD_INPUT, "'shape'");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 8, TN_BAD_INPUT,
           "'shape'");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8, TN_BAD_INPUT,
           "cut short: 3 elements announced, 8 bytes there");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }", 8,
           TN_BAD_INPUT, "cut short");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 8,
           TN_LIMIT, "64 bits");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': "
           "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1), }",
           8, TN_LIMIT, "more than 16");
    assert_int_equal(decode("PK\3\4 a zip file, not an array", 30, &t, error), TN_BAD_INPUT);
    assert_int_equal(decode("\x93NUMPY\x04\0\x10\0\0\0", 12, &t, error), TN_UNSUPPORTED);
    assert_int_equal(decode("\x93NUMPY\x01\0\xff\xff", 10, &t, error), TN_BAD_INPUT);
    assert_int_equal(decode("", 0, &t, error), TN_BAD_INPUT);
}

static void survives_damage(void **state) {
    (void)state;
    unsigned char file[512], copy[512];
    static const char elements[24] = {1};
    char error[256];
    tn_tensor t;
    size_t n = make_file(file, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
                         elements, sizeof elements);
    for (size_t size = 0; size < n; size++) {
        assert_int_equal(decode(file, size, &t, error), TN_BAD_INPUT);
    }
    uint64_t random = 7;
    for (int round = 0; round < 5000; round++) {
        memcpy(copy, file, n);
        for (int change = 0; change < 3; change++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            copy[(random >> 33) % (n - sizeof elements)] = (unsigned char)(random >> 24);
        }
        if (decode(copy, n, &t, error) == TN_OK) {
            tn_tensors_free(&t, 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_numpy_writes),  cmocka_unit_test(turns_fortran_order),
        cmocka_unit_test(scalars_and_empty_arrays), cmocka_unit_test(round_trips_every_type),
        cmocka_unit_test(truth_values_are_0_or_1),  cmocka_unit_test(refuses_what_it_does_not_read),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
