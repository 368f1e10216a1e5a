/* widen.c: a module in double precision.
 *
 * Every f32 becomes f64: variables, inputs, constants, results, and what casts aim at. Nodes stay
 * what they are, so the twin computes the same with less rounding: its differences can be taken,
 * and its gradients are a measure for those of the module it was made of.
 */
#include <string.h>

#include "ir/module.h"

static void widen_type(Type *type) {
    type->dtype = type->dtype == TN_F32 ? TN_F64 : type->dtype;
}

static const Blob *widen_blob(Arena *arena, const Blob *blob) {
    size_t n = blob->size / sizeof(float);
    double *data = TN_NEW_ARRAY(arena, double, n + 1);
    for (size_t i = 0; i < n; i++) {
        float element;
        memcpy(&element, (const char *)blob->data + i * sizeof element, sizeof element);
        data[i] = (double)element;
    }
    Blob *wide = TN_NEW(arena, Blob);
    *wide = (Blob){.data = data, .size = n * sizeof *data};
    return wide;
}

static void widen_graph(Graph *graph);

static void widen_node(Arena *arena, Node *node) {
    if (tn_node_is_const(node) && node->out[0]->type.dtype == TN_F32) {
        node->blob = widen_blob(arena, node->blob);
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        if (node->attrs[i].kind == ATTR_DTYPE && node->attrs[i].dtype == TN_F32) {
            node->attrs[i].dtype = TN_F64;
        }
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        widen_type(&node->out[i]->type);
    }
    if (node->body != NULL) {
        widen_graph(node->body);
    }
}

static void widen_graph(Graph *graph) {
    Arena *arena = &graph->ctx->arena;
    for (size_t i = 0; i < graph->inputs.len; i++) {
        const Blob *bound = graph->bound.data[i];
        Type *type = &graph->inputs.data[i]->type;
        if (bound != NULL && type->dtype == TN_F32) {
            graph->bound.data[i] = widen_blob(arena, bound);
        }
        widen_type(type);
    }
    for (Node *node = graph->first; node != NULL; node = node->next) {
        widen_node(arena, node);
    }
}

void tn_module_widen(Module *module) {
    for (size_t i = 0; i < module->states.len; i++) {
        widen_type(&module->states.data[i].type);
    }
    for (size_t i = 0; i < module->entries.len; i++) {
        widen_graph(module->entries.data[i]);
    }
}
