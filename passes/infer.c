/* infer.c: recompute every type from its node's inputs and check the graph, bodies included. */
#include "ir/op.h"
#include "passes/pass.h"

bool tn_pass_infer(Compile *compile) {
    Graph *graph = compile->graph;
    bool ok = true;
    for (Node *node = graph->first; node != NULL; node = node->next) {
        ok = tn_op_info(node->op)->type(graph, node) && ok;
    }
    return ok && (compile->in_body || tn_graph_verify(graph));
}
