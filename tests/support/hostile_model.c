/* hostile_model.c: a small network, and changes of it that get far into the compiler.
 *
 * A change of a field's size adjusts the lengths of all messages around it, so that what
 * is read is well-formed and it is the meaning that is wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/hostile.h"

enum { FLOATS_MAX = 128, FIELDS_MAX = 1024, DEPTH_MAX = 8 };

/* ---- the network ---- */

static Pb floats(const char *name, int rank, const int64_t *dims) {
    float data[FLOATS_MAX];
    size_t n = 1;
    for (int i = 0; i < rank; i++) {
        n *= (size_t)dims[i];
    }
    for (size_t i = 0; i < n; i++) {
        data[i] = (float)(i % 7) * 0.25f + 0.25f;
    }
    return onnx_tensor(name, 1, rank, dims, data, n * sizeof *data);
}

static Pb integers(const char *name, int64_t n, const int64_t *data) {
    return onnx_tensor(name, 7, 1, &n, data, (size_t)n * sizeof *data);
}

static void add_nodes(Pb *graph) {
    Pb nodes[] = {
        onnx_node("conv", "Conv", "x k b", "c", "pads=[1,1,1,1], strides=[2,2], group=1"),
        onnx_node("norm", "BatchNormalization", "c b b b b", "n", NULL),
        onnx_node("relu", "Relu", "n", "r", NULL),
        onnx_node("pool", "MaxPool", "r", "p", "kernel_shape=[2,2], strides=[2,2]"),
        onnx_node("flat", "Flatten", "p", "f", NULL),
        onnx_node("gemm", "Gemm", "f w b", "g", "transB=1"),
        onnx_node("soft", "Softmax", "g", "s", "axis=-1"),
        onnx_node("shape", "Reshape", "s sh", "y", NULL),
        onnx_node("slice", "Slice", "s st en ax", "z", NULL),
        onnx_node("gather", "Gather", "s id", "q", "axis=1"),
        onnx_node("split", "Split", "s sp", "s1 s2", "axis=1"),
        onnx_node("cat", "Concat", "s2 s1", "cc", "axis=1"),
        onnx_node("pad", "Pad", "cc pd", "pp", NULL),
        onnx_node("mean", "ReduceMean", "pp", "m", "axes=[1]"),
        onnx_node("tile", "Tile", "m tl", "t", NULL),
    };
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        pb_message(graph, GRAPH_NODE, &nodes[i]);
    }
}

static void add_constants(Pb *graph) {
    Pb tensors[] = {
        floats("k", 4, (const int64_t[]){4, 2, 3, 3}),
        floats("b", 1, (const int64_t[]){4}),
        floats("w", 2, (const int64_t[]){4, 16}),
        integers("sh", 3, (const int64_t[]){0, 2, -1}),
        integers("st", 1, (const int64_t[]){1}),
        integers("en", 1, (const int64_t[]){3}),
        integers("ax", 1, (const int64_t[]){1}),
        integers("id", 2, (const int64_t[]){0, 3}),
        integers("sp", 2, (const int64_t[]){1, 3}),
        integers("pd", 4, (const int64_t[]){0, 1, 0, 1}),
        integers("tl", 2, (const int64_t[]){1, 3}),
    };
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        pb_message(graph, GRAPH_INIT, &tensors[i]);
    }
}

Pb hostile_model(void) {
    Pb graph = {0};
    Pb input = onnx_value("x", 1, "N,2,8,8");
    static const char *const outputs[] = {"y", "z", "q", "t"};
    add_nodes(&graph);
    add_constants(&graph);
    pb_message(&graph, GRAPH_INPUT, &input);
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        Pb output = onnx_value(outputs[i], 1, NULL);
        pb_message(&graph, GRAPH_OUTPUT, &output);
    }
    return onnx_model(&graph, 8, 13);
}

/* ---- its fields ---- */

typedef struct Field {
    size_t tag, value, body, end; /* value: after the tag; body: after a length */
    int parent;                   /* -1: none */
    unsigned wire;
} Field;

typedef struct Fields {
    const unsigned char *data;
    Field items[FIELDS_MAX];
    int n;
} Fields;

static bool varint(const unsigned char *data, size_t *at, size_t end, uint64_t *out) {
    *out = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char byte = data[(*at)++];
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* Reads one field at `*at`; false when there is none. */
static bool read_field(const Fields *fields, size_t *at, size_t end, Field *out) {
    uint64_t tag, value = 0;
    out->tag = *at;
    if (!varint(fields->data, at, end, &tag) || tag >> 3 == 0 || tag >> 3 > 600) {
        return false;
    }
    out->wire = (unsigned)(tag & 7);
    out->value = out->body = *at;
    if (out->wire == 0 || out->wire == 2) {
        if (!varint(fields->data, at, end, &value)) {
            return false;
        }
        out->body = *at;
    }
    uint64_t size = out->wire == 2 ? value : out->wire == 5 ? 4 : out->wire == 1 ? 8 : 0;
    if (size > end - *at || out->wire == 3 || out->wire == 4 || out->wire > 5) {
        return false;
    }
    *at += (size_t)size;
    out->end = *at;
    return true;
}

/* Adds the fields of a message, and of messages in it; none if it is no message. */
static void read_fields(Fields *fields, size_t at, size_t end, int parent, int depth) {
    int first = fields->n;
    Field field = {.parent = parent};
    while (at < end && fields->n < FIELDS_MAX) {
        if (!read_field(fields, &at, end, &field)) {
            fields->n = first;
            return;
        }
        fields->items[fields->n++] = field;
    }
    int last = fields->n;
    for (int i = first; i < last && depth < DEPTH_MAX; i++) {
        const Field *f = &fields->items[i];
        if (f->wire == 2) {
            read_fields(fields, f->body, f->end, i, depth + 1);
        }
    }
}

/* A random field of that wire type, or of any (-1). */
static const Field *pick(const Fields *fields, int wire, uint64_t *random) {
    for (;;) {
        const Field *field = &fields->items[hostile_random(random, (size_t)fields->n)];
        if (wire < 0 || field->wire == (unsigned)wire) {
            return field;
        }
    }
}

/* ---- changes ---- */

static void replace(Pb *pb, size_t from, size_t to, const void *bytes, size_t len) {
    Pb out = {0};
    pb_raw(&out, pb->data, from);
    pb_raw(&out, bytes, len);
    pb_raw(&out, pb->data + to, pb->len - to);
    pb_free(pb);
    *pb = out;
}

/* Replaces bytes within `parent`, and the lengths around them. */
static void splice(Pb *pb, const Fields *fields, int parent, size_t from, size_t to,
                   const void *bytes, size_t len) {
    ptrdiff_t grown = (ptrdiff_t)len - (ptrdiff_t)(to - from);
    replace(pb, from, to, bytes, len);
    for (int i = parent; i >= 0; i = fields->items[i].parent) {
        const Field *f = &fields->items[i];
        Pb length = {0};
        pb_varint(&length, (uint64_t)((ptrdiff_t)(f->end - f->body) + grown));
        replace(pb, f->value, f->body, length.data, length.len);
        grown += (ptrdiff_t)length.len - (ptrdiff_t)(f->body - f->value);
        pb_free(&length);
    }
}

static uint64_t extreme(uint64_t *random) {
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       3,
                                       127,
                                       128,
                                       255,
                                       INT32_MAX,
                                       1u << 31,
                                       UINT32_MAX,
                                       1ull << 32,
                                       1ull << 33,
                                       1ull << 40,
                                       1ull << 62,
                                       INT64_MAX,
                                       1ull << 63,
                                       UINT64_MAX,
                                       UINT64_MAX - 1,
                                       UINT64_MAX - 6};
    return numbers[hostile_random(random, sizeof numbers / sizeof *numbers)];
}

static void flip_bits(Pb *model, const Fields *fields, uint64_t *random) {
    (void)fields;
    for (size_t n = 1 + hostile_random(random, 4); n > 0; n--) {
        model->data[hostile_random(random, model->len)] ^=
            (unsigned char)(1u << hostile_random(random, 8));
    }
}

static void change_length(Pb *model, const Fields *fields, uint64_t *random) {
    const Field *field = pick(fields, 2, random);
    Pb length = {0};
    pb_varint(&length, extreme(random));
    replace(model, field->value, field->body, length.data, length.len);
    pb_free(&length);
}

static void change_integer(Pb *model, const Fields *fields, uint64_t *random) {
    const Field *field = pick(fields, 0, random);
    Pb value = {0};
    pb_varint(&value, extreme(random));
    splice(model, fields, field->parent, field->value, field->end, value.data, value.len);
    pb_free(&value);
}

/* An element of a list of 64-bit integers. */
static void change_element(Pb *model, const Fields *fields, uint64_t *random) {
    for (int tries = 0; tries < 1000; tries++) {
        const Field *field = pick(fields, 2, random);
        size_t size = field->end - field->body;
        if (size > 0 && size <= 32 && size % 8 == 0) {
            uint64_t value = extreme(random);
            memcpy(model->data + field->body + 8 * hostile_random(random, size / 8), &value, 8);
            return;
        }
    }
}

static void swap_fields(Pb *model, const Fields *fields, uint64_t *random) {
    const Field *a = pick(fields, -1, random);
    const Field *b = pick(fields, -1, random);
    if (a->tag > b->tag) {
        const Field *c = a;
        a = b;
        b = c;
    }
    if (a->end > b->tag || a->parent != b->parent) {
        return;
    }
    Pb swapped = {0};
    pb_raw(&swapped, model->data + b->tag, b->end - b->tag);
    pb_raw(&swapped, model->data + a->end, b->tag - a->end);
    pb_raw(&swapped, model->data + a->tag, a->end - a->tag);
    memcpy(model->data + a->tag, swapped.data, swapped.len);
    pb_free(&swapped);
}

static void repeat_field(Pb *model, const Fields *fields, uint64_t *random) {
    const Field *field = pick(fields, -1, random);
    Pb copy = {0};
    pb_raw(&copy, model->data + field->tag, field->end - field->tag);
    splice(model, fields, field->parent, field->end, field->end, copy.data, copy.len);
    pb_free(&copy);
}

static void drop_field(Pb *model, const Fields *fields, uint64_t *random) {
    const Field *field = pick(fields, -1, random);
    splice(model, fields, field->parent, field->tag, field->end, NULL, 0);
}

void hostile_mutate(Pb *model, uint64_t *random) {
    static void (*const changes[])(Pb *model, const Fields *fields, uint64_t *random) = {
        flip_bits,      change_length, change_integer, change_integer, change_integer,
        change_element, swap_fields,   repeat_field,   drop_field,
    };
    Fields *fields = calloc(1, sizeof *fields);
    if (fields == NULL) {
        abort();
    }
    fields->data = model->data;
    read_fields(fields, 0, model->len, -1, 0);
    changes[hostile_random(random, sizeof changes / sizeof *changes)](model, fields, random);
    free(fields);
}
