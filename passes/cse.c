/* cse.c: equal nodes become one.
 *
 * Nodes are equal when op, operands, attributes, result types (layouts included) and
 * constant bytes are. Nodes are visited in topological order with operands already
 * replaced, so chains of equal nodes fold from their start in one walk. Candidates meet in
 * a map by a hash of all that is compared, ids instead of addresses; of large data only
 * samples go into the hash, so that weights are not all read for it. Few candidates of one
 * hash are compared, so that data made to collide costs no more than missed chances. Loops stay
 * apart, as their bodies are not compared; stacked results of the same value become one.
 */
#include <string.h>

#include "base/map.h"
#include "ir/loopnode.h"
#include "ir/op.h"
#include "passes/pass.h"

/* Nodes with the same hash, latest first. */
typedef struct Bucket {
    Node *node;
    struct Bucket *next;
} Bucket;

enum { CANDIDATES_MAX = 8 };

static uint64_t hash_attr(uint64_t hash, const Attr *attr) {
    hash = tn_hash_word(hash, (uint64_t)attr->kind << 32 | attr->n);
    switch (attr->kind) {
    case ATTR_INT:
        return tn_hash_word(hash, (uint64_t)attr->i);
    case ATTR_DTYPE:
        return tn_hash_word(hash, (uint64_t)attr->dtype);
    case ATTR_INTS:
        return tn_hash(hash, attr->ints, attr->n * sizeof *attr->ints);
    case ATTR_DIMS:
        for (uint32_t i = 0; i < attr->n; i++) {
            hash = tn_hash_word(hash, attr->dims[i]->id);
        }
        break;
    }
    return hash;
}

static uint64_t hash_node(const Node *node) {
    uint64_t hash = tn_hash_word(TN_HASH_SEED, (uint64_t)node->op << 32 | node->n_in);
    for (uint32_t i = 0; i < node->n_in; i++) {
        hash = tn_hash_word(hash, node->in[i]->id);
    }
    for (uint32_t i = 0; i < node->n_attrs; i++) {
        hash = hash_attr(hash, &node->attrs[i]);
    }
    return node->blob == NULL ? hash : tn_hash_sample(hash, node->blob->data, node->blob->size);
}

/* Lists may be NULL when empty. */
static bool same_bytes(const void *a, const void *b, size_t size) {
    return a == b || size == 0 || memcmp(a, b, size) == 0;
}

static bool same_attr(const Attr *a, const Attr *b) {
    if (a->name != b->name || a->kind != b->kind || a->n != b->n) {
        return false;
    }
    switch (a->kind) {
    case ATTR_INT:
        return a->i == b->i;
    case ATTR_DTYPE:
        return a->dtype == b->dtype;
    case ATTR_INTS:
        return same_bytes(a->ints, b->ints, a->n * sizeof *a->ints);
    case ATTR_DIMS:
        break;
    }
    return same_bytes(a->dims, b->dims, a->n * sizeof(const Dim *));
}

static bool same_blob(const Blob *a, const Blob *b) {
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a->size == b->size && same_bytes(a->data, b->data, a->size);
}

static bool same_node(const Node *a, const Node *b) {
    if (a->op != b->op || a->n_in != b->n_in || a->n_out != b->n_out || a->n_attrs != b->n_attrs) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_in; i++) {
        if (a->in[i] != b->in[i]) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->n_attrs; i++) {
        if (!same_attr(&a->attrs[i], &b->attrs[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->n_out; i++) {
        if (!tn_type_equal(&a->out[i]->type, &b->out[i]->type)) {
            return false;
        }
    }
    return same_blob(a->blob, b->blob);
}

static Node *find_equal(const Bucket *bucket, const Node *node) {
    for (int i = 0; bucket != NULL && i < CANDIDATES_MAX; bucket = bucket->next, i++) {
        if (same_node(bucket->node, node)) {
            return bucket->node;
        }
    }
    return NULL;
}

static void replace_node(Graph *graph, Node *node, const Node *by) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        tn_value_replace(graph, node->out[i], by->out[i]);
    }
    tn_node_remove(graph, node);
}

static void join_stacked(Graph *graph, const Node *loop) {
    for (uint32_t i = tn_loop_shape(loop).carried; i < loop->n_out; i++) {
        for (uint32_t k = tn_loop_shape(loop).carried; k < i; k++) {
            if (loop->body->outputs.data[k].value == loop->body->outputs.data[i].value) {
                tn_value_replace(graph, loop->out[i], loop->out[k]);
                break;
            }
        }
    }
}

bool tn_pass_cse(Compile *compile) {
    Graph *graph = compile->graph;
    Arena *scratch = &compile->ctx->scratch;
    Map seen = tn_map(scratch);
    for (Node *node = graph->first, *next; node != NULL; node = next) {
        next = node->next;
        if (node->body != NULL) {
            join_stacked(graph, node);
            continue;
        }
        void **bucket = tn_map_put_int(&seen, hash_node(node), NULL);
        Node *equal = find_equal(*bucket, node);
        if (equal != NULL) {
            replace_node(graph, node, equal);
            continue;
        }
        Bucket *entry = TN_NEW(scratch, Bucket);
        *entry = (Bucket){.node = node, .next = *bucket};
        *bucket = entry;
    }
    return true;
}
