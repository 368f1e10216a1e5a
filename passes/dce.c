/* dce.c: drop nodes that nothing uses.
 *
 * One walk from the last node to the first suffices: users stand behind what they use.
 * Inputs stay, used or not: they are the model's interface. A loop loses the stacked results
 * that nothing uses, with what its body does for them alone, and operands its body ignores.
 */
#include "ir/loopnode.h"
#include "passes/pass.h"

static bool is_dead(const Node *node) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i]->n_uses > 0) {
            return false;
        }
    }
    return true;
}

static void drop_dead(Graph *graph);

static void trim_loop(Graph *graph, Node *node) {
    const LoopShape shape = tn_loop_shape(node);
    uint32_t carried = shape.carried;
    for (uint32_t i = node->n_out; i-- > carried && node->n_out > 1;) {
        if (node->out[i]->n_uses == 0) {
            tn_loop_drop_stacked(node, i);
        }
    }
    drop_dead(node->body);
    for (uint32_t i = node->n_in; i-- > carried;) {
        bool condition = shape.condition != NULL && i == carried;
        if (!condition && node->body->inputs.data[i + 1]->n_uses == 0) {
            tn_loop_drop_operand(graph, node, i);
        }
    }
}

static void drop_dead(Graph *graph) {
    for (Node *node = graph->last, *prev; node != NULL; node = prev) {
        prev = node->prev;
        if (is_dead(node)) {
            tn_node_remove(graph, node);
        } else if (node->body != NULL) {
            trim_loop(graph, node);
        }
    }
}

bool tn_pass_dce(Compile *compile) {
    drop_dead(compile->graph);
    return true;
}
