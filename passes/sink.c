/* sink.c: constants that a loop takes as invariants become constants of its body, where passes
 * see what they are: weights are then packed when the model is compiled.
 */
#include "ir/loopnode.h"
#include "passes/pass.h"

static bool sink_operand(Graph *graph, Node *node, uint32_t i) {
    Graph *body = node->body;
    Value *outer = node->in[i], *inner = body->inputs.data[i + 1];
    Value *own = tn_const_new(body, outer->type, outer->def->blob->data, body->first);
    if (own == NULL) {
        return false;
    }
    own->name = outer->name;
    tn_value_replace(body, inner, own);
    tn_loop_drop_operand(graph, node, i);
    return true;
}

bool tn_pass_sink(Compile *compile) {
    Graph *graph = compile->graph;
    for (Node *node = graph->first; node != NULL; node = node->next) {
        if (node->body == NULL) {
            continue;
        }
        LoopShape shape = tn_loop_shape(node);
        for (uint32_t i = node->n_in; i-- > shape.carried + shape.scanned;) {
            const Node *def = node->in[i]->def;
            if (def != NULL && tn_node_is_const(def) && !sink_operand(graph, node, i)) {
                return false;
            }
        }
    }
    return true;
}
