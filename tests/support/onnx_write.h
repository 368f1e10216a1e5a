/* onnx_write.h: ONNX files written by hand, for tests of the reader.
 *
 * A Pb is a growing buffer of protobuf fields; messages are Pbs put into others. What is
 * given as text is checked by nothing: broken files are part of the job.
 */
#ifndef TN_TESTS_ONNX_WRITE_H
#define TN_TESTS_ONNX_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Pb {
    unsigned char *data; /* malloc */
    size_t len, cap;
} Pb;

void pb_free(Pb *pb);
void pb_raw(Pb *pb, const void *bytes, size_t len);
void pb_varint(Pb *pb, uint64_t value); /* without tag */
void pb_int(Pb *pb, unsigned field, int64_t value);
void pb_float(Pb *pb, unsigned field, float value);
void pb_bytes(Pb *pb, unsigned field, const void *bytes, size_t len);
void pb_text(Pb *pb, unsigned field, const char *text);
/* Puts `message` in as a field and frees it. */
void pb_message(Pb *pb, unsigned field, Pb *message);

/* TensorProto with raw_data; `rank` -1 leaves the dims out. */
Pb onnx_tensor(const char *name, int type, int rank, const int64_t *dims, const void *data,
               size_t size);
/* ValueInfoProto. `dims`: "2,N,?" where ? is unknown; NULL for no shape at all. */
Pb onnx_value(const char *name, int type, const char *dims);
/* NodeProto; `inputs` and `outputs` are separated by spaces, "-" is an empty name. The
 * attributes (.tn syntax, or NULL) are numbers, strings and lists; a number with a point is a
 * float. */
Pb onnx_node(const char *name, const char *op, const char *inputs, const char *outputs,
             const char *attrs);
/* Puts an AttributeProto holding a tensor into a node. */
void onnx_attr_tensor(Pb *node, const char *name, Pb *tensor);
/* ModelProto around a graph, which is freed. */
Pb onnx_model(Pb *graph, int ir_version, int opset);

enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INIT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };

#endif
