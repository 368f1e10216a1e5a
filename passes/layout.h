/* layout.h: state shared by the parts of the layout pass. */
#ifndef TN_PASSES_LAYOUT_H
#define TN_PASSES_LAYOUT_H

#include "passes/group.h"
#include "passes/pass.h"
#include "passes/tile_model.h"

typedef struct LayoutPass {
    Compile *compile;
    Ctx *ctx;
    Graph *graph;
    bool *blocked; /* by value id: channels in blocks of a vector */
    bool *wanted;  /* by value id: would serve best so */
    Value **copies; /* by value id, below n_copies: the copy made of it, or NULL */
    uint32_t n_copies;
    int64_t written_out; /* bytes so far */
} LayoutPass;

/* Reshapes and transposes in front of contractions become part of them (layout_contract.c). */
bool tn_layout_absorb_views(LayoutPass *pass);
/* Layouts of contraction operands: constant panels, transposed intermediates. */
bool tn_layout_contractions(LayoutPass *pass);
/* Whether the pass may choose where the value's elements lie: written by a kernel of ours, not
 * handed out, and neither read nor written at computed places. */
bool tn_layout_is_free(const Value *value);
/* Gives operand `slot` of `node`, when it is one constant number repeated, memory of its own:
 * the tiled schedule reads weights from memory. Bounded, so that a small model cannot ask for
 * endless memory; beyond that the operand stays a formula. */
bool tn_layout_write_out(LayoutPass *pass, Node *node, uint32_t slot);
/* A layout in the context: `parts` in order, no halo. */
Layout *tn_layout_new(Ctx *ctx, const LayoutPart *parts, uint32_t n_parts);
/* Gives operand `slot` of `node` a constant of its own with this layout. */
void tn_layout_set_weight(LayoutPass *pass, Node *node, uint32_t slot, const Layout *layout);

#endif
