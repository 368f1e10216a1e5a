/* tensor.c: tensors in the tool's own memory. */
#include "tools/tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

size_t tn_tensor_bytes(const tn_tensor *tensor) {
    return (size_t)tn_tensor_count(tensor) * tn_dtype_size(tensor->dtype);
}

bool tn_tensor_alloc(tn_tensor *tensor) {
    int64_t count = tn_tensor_count(tensor);
    size_t size = tn_dtype_size(tensor->dtype);
    if (count < 0 || size == 0 || (uint64_t)count > (SIZE_MAX >> 1) / size) {
        return false;
    }
    size_t bytes = ((size_t)count * size + 64) / 64 * 64;
    tensor->data = aligned_alloc(64, bytes);
    return tensor->data != NULL;
}

void tn_tensors_free(tn_tensor *tensors, int32_t n) {
    for (int32_t i = 0; tensors && i < n; i++) {
        free(tensors[i].data);
        tensors[i].data = NULL;
    }
}

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint16_t half_from(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 0xff;
    if (exponent < 113) { /* what is made here is at most 1: the rest may become 0 */
        return (uint16_t)sign;
    }
    return (uint16_t)(sign | (exponent - 112) << 10 | (bits >> 13 & 0x3ff));
}

static void put_float(tn_tensor *tensor, int64_t i, double value) {
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (tensor->dtype == TN_F32) {
        ((float *)tensor->data)[i] = f;
    } else if (tensor->dtype == TN_F64) {
        ((double *)tensor->data)[i] = value;
    } else {
        ((uint16_t *)tensor->data)[i] =
            tensor->dtype == TN_F16 ? half_from(f) : (uint16_t)(bits >> 16);
    }
}

static bool is_float(int32_t dtype) {
    return dtype == TN_F32 || dtype == TN_F64 || dtype == TN_F16 || dtype == TN_BF16;
}

void tn_tensor_random(tn_tensor *tensor, uint64_t seed) {
    tn_tensor_random_below(tensor, seed, 100);
}

void tn_tensor_random_below(tn_tensor *tensor, uint64_t seed, uint64_t limit) {
    int64_t count = tn_tensor_count(tensor);
    size_t size = tn_dtype_size(tensor->dtype);
    uint64_t state = seed;
    for (int64_t i = 0; i < count; i++) {
        uint64_t random = next_random(&state);
        if (is_float(tensor->dtype)) {
            put_float(tensor, i, (double)(int64_t)(random >> 10) * 0x1p-53 - 1);
            continue;
        }
        /* Small and not negative: the low bytes hold it, whatever the width. */
        uint64_t value = tensor->dtype == TN_BOOL ? random >> 63 : (random >> 32) % limit;
        memcpy((char *)tensor->data + (size_t)i * size, &value, size);
    }
}

static double half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                   : exponent == 0 ? ldexp(mantissa, -24)
                                   : ldexp(mantissa + 1024, exponent - 25);
    return bits >> 15 ? -value : value;
}

static double bf16_value(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

double tn_tensor_get(const tn_tensor *tensor, int64_t i) {
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case TN_F32:
        return ((const float *)data)[i];
    case TN_F64:
        return ((const double *)data)[i];
    case TN_F16:
        return half_value(((const uint16_t *)data)[i]);
    case TN_BF16:
        return bf16_value(((const uint16_t *)data)[i]);
    case TN_I8:
        return ((const int8_t *)data)[i];
    case TN_I16:
        return ((const int16_t *)data)[i];
    case TN_I32:
        return ((const int32_t *)data)[i];
    case TN_I64:
        return (double)((const int64_t *)data)[i];
    case TN_U16:
        return ((const uint16_t *)data)[i];
    case TN_U32:
        return ((const uint32_t *)data)[i];
    case TN_U64:
        return (double)((const uint64_t *)data)[i];
    default:
        return ((const uint8_t *)data)[i];
    }
}

void tn_tensor_type_text(const tn_tensor *tensor, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "%s[", tn_dtype_name(tensor->dtype));
    for (int32_t i = 0; i < tensor->rank && used + 2 < size; i++) {
        used += (size_t)snprintf(text + used, size - used, i ? ",%lld" : "%lld",
                                 (long long)tensor->dims[i]);
    }
    if (used + 1 < size) {
        snprintf(text + used, size - used, "]");
    }
}

void tn_tensor_print(const char *name, const tn_tensor *tensor) {
    char type[256];
    int64_t count = tn_tensor_count(tensor);
    double least = INFINITY, most = -INFINITY, sum = 0;
    tn_tensor_type_text(tensor, type, sizeof type);
    tn_tool_show(stdout, name);
    printf(": %s", type);
    for (int64_t i = 0; i < count; i++) {
        double value = tn_tensor_get(tensor, i);
        least = value < least ? value : least;
        most = value > most ? value : most;
        sum += value;
    }
    if (count > 0) {
        printf("  min %.6g  max %.6g  mean %.6g  [", least, most, sum / (double)count);
    }
    for (int64_t i = 0; i < count && i < 8; i++) {
        printf(i ? ", %.6g" : "%.6g", tn_tensor_get(tensor, i));
    }
    printf(count > 8 ? ", ...]\n" : count > 0 ? "]\n" : "\n");
}

bool tn_tensor_same_shape(const tn_tensor *a, const tn_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* Exact for every dtype, 64-bit integers included. */
static bool same_element(const tn_tensor *a, const tn_tensor *b, int64_t i) {
    size_t size = tn_dtype_size(a->dtype), at = (size_t)i * size;
    if (memcmp((const char *)a->data + at, (const char *)b->data + at, size) == 0) {
        return true;
    }
    if (!is_float(a->dtype)) {
        return false;
    }
    double x = tn_tensor_get(a, i), y = tn_tensor_get(b, i);
    return x == y || (isnan(x) && isnan(y));
}

TensorDiff tn_tensor_diff(const tn_tensor *got, const tn_tensor *want) {
    return tn_tensor_diff_above(got, want, 0);
}

TensorDiff tn_tensor_diff_above(const tn_tensor *got, const tn_tensor *want, double floor) {
    TensorDiff out = {.where = -1};
    double scale = floor, worst = -1;
    int64_t count = tn_tensor_count(want);
    for (int64_t i = 0; i < count; i++) {
        double w = tn_tensor_get(want, i), g = tn_tensor_get(got, i);
        if (isfinite(w) && fabs(w) > scale) {
            scale = fabs(w);
        }
        if (same_element(got, want, i)) {
            continue;
        }
        double diff = isfinite(w) && isfinite(g) ? fabs(g - w) : INFINITY;
        if (diff > worst) {
            worst = diff;
            out.where = i, out.got = g, out.want = w;
        }
    }
    /* Integers beyond 2^53 may differ by what a double does not show. */
    if (worst == 0) {
        worst = 1;
    }
    if (out.where >= 0) {
        out.error = scale > 0 ? worst / scale : INFINITY;
    }
    return out;
}

bool tn_tensor_close(const tn_tensor *got, const tn_tensor *want, double rtol, double atol,
                     int64_t *where) {
    int64_t count = tn_tensor_count(want);
    bool floats = is_float(want->dtype);
    for (int64_t i = 0; i < count; i++) {
        if (same_element(got, want, i)) {
            continue;
        }
        double w = tn_tensor_get(want, i), g = tn_tensor_get(got, i);
        bool close = floats && isfinite(w) && isfinite(g) && fabs(g - w) <= atol + rtol * fabs(w);
        if (!close) {
            *where = i;
            return false;
        }
    }
    return true;
}

void tn_tensor_place(const tn_tensor *tensor, int64_t index, char *text, size_t size) {
    int64_t position[TN_MAX_RANK];
    for (int32_t i = tensor->rank - 1; i >= 0; i--) {
        position[i] = tensor->dims[i] > 0 ? index % tensor->dims[i] : 0;
        index /= tensor->dims[i] > 0 ? tensor->dims[i] : 1;
    }
    size_t used = (size_t)snprintf(text, size, "[");
    for (int32_t i = 0; i < tensor->rank && used + 2 < size; i++) {
        used += (size_t)snprintf(text + used, size - used, i ? ", %lld" : "%lld",
                                 (long long)position[i]);
    }
    if (used + 1 < size) {
        snprintf(text + used, size - used, "]");
    }
}
