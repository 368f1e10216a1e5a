/* infer.c: recompute every type from its node's inputs and check the graph.
 *
 * Type rules note demands they cannot prove as constraints; the demands of nodes that were
 * checked before come up again, so afterwards equal constraints are made one.
 */
#include "base/map.h"
#include "ir/op.h"
#include "passes/pass.h"

/* Which two expressions a constraint compares: ids are below 2^32. */
static uint64_t constraint_key(const Constraint *constraint) {
    return (uint64_t)constraint->a->id << 32 | constraint->b->id;
}

static void merge_constraints(Graph *graph) {
    Map seen = tn_map(&graph->ctx->scratch);
    size_t kept = 0;
    for (size_t i = 0; i < graph->constraints.len; i++) {
        bool added;
        tn_map_put_int(&seen, constraint_key(&graph->constraints.data[i]), &added);
        if (added) {
            graph->constraints.data[kept++] = graph->constraints.data[i];
        }
    }
    graph->constraints.len = kept;
}

bool tn_pass_infer(Compile *compile) {
    Graph *graph = compile->graph;
    bool ok = true;
    for (Node *node = graph->first; node != NULL; node = node->next) {
        ok = tn_op_info(node->op)->type(graph, node) && ok;
    }
    if (!ok) {
        return false;
    }
    merge_constraints(graph);
    return tn_graph_verify(graph);
}
