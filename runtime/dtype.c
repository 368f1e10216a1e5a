/* dtype.c: sizes and names of element types, and the number of elements of a tensor. */
#include "tenon/runtime.h"

typedef struct DtypeRow {
    const char *name;
    size_t size;
} DtypeRow;

static const DtypeRow rows[] = {
    [TN_F32] = {"f32", 4}, [TN_U8] = {"u8", 1},         [TN_I8] = {"i8", 1},
    [TN_U16] = {"u16", 2}, [TN_I16] = {"i16", 2},       [TN_I32] = {"i32", 4},
    [TN_I64] = {"i64", 8}, [TN_STRING] = {"string", 0}, [TN_BOOL] = {"bool", 1},
    [TN_F16] = {"f16", 2}, [TN_F64] = {"f64", 8},       [TN_U32] = {"u32", 4},
    [TN_U64] = {"u64", 8}, [TN_BF16] = {"bf16", 2},
};

static const DtypeRow *row_of(int32_t dtype) {
    if (dtype < 0 || (size_t)dtype >= sizeof rows / sizeof rows[0] || !rows[dtype].name) {
        return NULL;
    }
    return &rows[dtype];
}

size_t tn_dtype_size(int32_t dtype) {
    const DtypeRow *row = row_of(dtype);
    return row ? row->size : 0;
}

const char *tn_dtype_name(int32_t dtype) {
    const DtypeRow *row = row_of(dtype);
    return row ? row->name : "unknown";
}

int64_t tn_tensor_count(const tn_tensor *tensor) {
    if (tensor->rank < 0 || tensor->rank > TN_MAX_RANK) {
        return -1;
    }
    /* A zero anywhere makes the product 0, but an overflow before it still counts. */
    int64_t count = 1;
    for (int32_t i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 0 || __builtin_mul_overflow(count, tensor->dims[i], &count)) {
            return -1;
        }
    }
    return count;
}
