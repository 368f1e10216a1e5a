/* onnx_write.c: the protobuf encoding of the few ONNX messages tests need. */
#include "tests/support/onnx_write.h"

#include <stdlib.h>
#include <string.h>

void pb_free(Pb *pb) {
    free(pb->data);
    *pb = (Pb){0};
}

void pb_raw(Pb *pb, const void *bytes, size_t len) {
    if (pb->len + len > pb->cap) {
        pb->cap = 2 * (pb->len + len);
        unsigned char *data = realloc(pb->data, pb->cap);
        if (data == NULL) {
            abort();
        }
        pb->data = data;
    }
    if (len > 0) {
        memcpy(pb->data + pb->len, bytes, len);
    }
    pb->len += len;
}

void pb_varint(Pb *pb, uint64_t value) {
    do {
        unsigned char byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        pb_raw(pb, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void tag(Pb *pb, unsigned field, unsigned type) {
    pb_varint(pb, field << 3 | type);
}

void pb_int(Pb *pb, unsigned field, int64_t value) {
    tag(pb, field, 0);
    pb_varint(pb, (uint64_t)value);
}

void pb_float(Pb *pb, unsigned field, float value) {
    tag(pb, field, 5);
    pb_raw(pb, &value, sizeof value);
}

void pb_bytes(Pb *pb, unsigned field, const void *bytes, size_t len) {
    tag(pb, field, 2);
    pb_varint(pb, len);
    pb_raw(pb, bytes, len);
}

void pb_text(Pb *pb, unsigned field, const char *text) {
    pb_bytes(pb, field, text, strlen(text));
}

void pb_message(Pb *pb, unsigned field, Pb *message) {
    pb_bytes(pb, field, message->data, message->len);
    pb_free(message);
}

/* ---- messages ---- */

Pb onnx_tensor(const char *name, int type, int rank, const int64_t *dims, const void *data,
               size_t size) {
    Pb tensor = {0};
    for (int i = 0; i < rank; i++) {
        pb_int(&tensor, 1, dims[i]);
    }
    pb_int(&tensor, 2, type);
    pb_text(&tensor, 8, name);
    pb_bytes(&tensor, 9, data, size);
    return tensor;
}

Pb onnx_value(const char *name, int type, const char *dims) {
    Pb shape = {0};
    for (const char *at = dims; at != NULL && *at != 0;) {
        size_t len = strcspn(at, ",");
        Pb dim = {0};
        if (*at == '-' || (*at >= '0' && *at <= '9')) {
            pb_int(&dim, 1, strtoll(at, NULL, 10));
        } else if (*at != '?') {
            pb_bytes(&dim, 2, at, len);
        }
        pb_message(&shape, 1, &dim);
        at += len + (at[len] == ',');
    }
    Pb tensor_type = {0};
    pb_int(&tensor_type, 1, type);
    if (dims != NULL) {
        pb_message(&tensor_type, 2, &shape);
    }
    Pb type_proto = {0};
    pb_message(&type_proto, 1, &tensor_type);
    Pb value = {0};
    pb_text(&value, 1, name);
    pb_message(&value, 2, &type_proto);
    return value;
}

static void put_names(Pb *node, unsigned field, const char *names) {
    while (*names != 0) {
        size_t len = strcspn(names, " ");
        pb_bytes(node, field, names, *names == '-' ? 0 : len);
        names += len + (names[len] == ' ');
    }
}

/* One element; returns its type (1 float, 2 int, 3 string) and moves past it. */
static int put_element(Pb *attr, const char **at, const unsigned fields[3]) {
    if (**at == '"') {
        size_t len = strcspn(*at + 1, "\"");
        pb_bytes(attr, fields[2], *at + 1, len);
        *at += len + 2;
        return 3;
    }
    char *end;
    double value = strtod(*at, &end);
    bool is_float = memchr(*at, '.', (size_t)(end - *at)) != NULL;
    *at = end;
    if (is_float) {
        pb_float(attr, fields[0], (float)value);
    } else {
        pb_int(attr, fields[1], (int64_t)value);
    }
    return is_float ? 1 : 2;
}

static void put_attrs(Pb *node, const char *text) {
    static const unsigned one[3] = {2, 3, 4};
    static const unsigned many[3] = {7, 8, 9};
    while (*text != 0) {
        size_t len = strcspn(text, "=");
        Pb attr = {0};
        pb_bytes(&attr, 1, text, len);
        text += len + 1;
        int type = 2;
        if (*text != '[') {
            type = put_element(&attr, &text, one);
        } else {
            for (text++; *text != ']'; text += strspn(text, ", ")) {
                type = put_element(&attr, &text, many);
            }
            type += 5;
            text++;
        }
        pb_int(&attr, 20, type);
        pb_message(node, 5, &attr);
        text += strspn(text, ", ");
    }
}

Pb onnx_node(const char *name, const char *op, const char *inputs, const char *outputs,
             const char *attrs) {
    Pb node = {0};
    put_names(&node, 1, inputs);
    put_names(&node, 2, outputs);
    pb_text(&node, 3, name);
    pb_text(&node, 4, op);
    if (attrs != NULL) {
        put_attrs(&node, attrs);
    }
    return node;
}

void onnx_attr_tensor(Pb *node, const char *name, Pb *tensor) {
    Pb attr = {0};
    pb_text(&attr, 1, name);
    pb_message(&attr, 5, tensor);
    pb_int(&attr, 20, 4);
    pb_message(node, 5, &attr);
}

Pb onnx_model(Pb *graph, int ir_version, int opset) {
    Pb model = {0};
    Pb import = {0};
    pb_int(&import, 2, opset);
    pb_int(&model, 1, ir_version);
    pb_message(&model, 8, &import);
    pb_message(&model, 7, graph);
    return model;
}
