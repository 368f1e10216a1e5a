/* dce.c: drop nodes that nothing uses.
 *
 * One walk from the last node to the first suffices: users stand behind what they use.
 * Inputs stay, used or not: they are the model's interface.
 */
#include "passes/pass.h"

static bool is_dead(const Node *node) {
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i]->n_uses > 0) {
            return false;
        }
    }
    return true;
}

bool tn_pass_dce(Compile *compile) {
    for (Node *node = compile->graph->last, *prev; node != NULL; node = prev) {
        prev = node->prev;
        if (is_dead(node)) {
            tn_node_remove(compile->graph, node);
        }
    }
    return true;
}
