/* op.h: the op table: what every pass may ask about a primitive.
 *
 * The table is built from ops.def. Passes ask traits and call the row's
 * functions; nothing outside ir/ switches over opcodes.
 */
#ifndef TN_IR_OP_H
#define TN_IR_OP_H

#include "ir/ir.h"

typedef enum OpClass {
    OPC_MAP,
    OPC_SOURCE,
    OPC_VIEW,
    OPC_INDEX,
    OPC_REDUCE,
    OPC_SWEEP,
    OPC_LOOP
} OpClass;

typedef enum MapDomain {
    DOMAIN_NUM,
    DOMAIN_FLOAT,
    DOMAIN_INT,
    DOMAIN_U32,
    DOMAIN_BOOL,
    DOMAIN_ANY
} MapDomain;
typedef enum MapResult { RESULT_SAME, RESULT_BOOL, RESULT_TO } MapResult;

typedef enum AttrDefault { DEF_REQ, DEF_EMPTY, DEF_INT, DEF_DTYPE } AttrDefault;
typedef struct AttrSchema {
    AttrName name;
    AttrDefault how;
    int64_t value;
} AttrSchema;

/* A host tensor for the reference evaluator: row-major, one element of the node's own
 * dtype each, held as the widest type of its class. */
typedef struct RefTensor {
    DType dtype;
    uint8_t rank;
    int64_t dims[TN_MAX_RANK];
    int64_t count;
    union {
        double *f;   /* float dtypes */
        int64_t *i;  /* integers and bool; u64 as its bit pattern */
    };
} RefTensor;

typedef struct EvalArgs {
    Ctx *ctx;
    const Node *node;
    const RefTensor *const *in;
    RefTensor *out;           /* dims, dtype and zeroed storage already set */
    const int64_t *symbols;   /* value of every symbol */
} EvalArgs;

struct Lower; /* ir/lower.h */
struct Expr;
struct Reduction;
struct GradRule; /* ir/grad.h */
struct Sweep;

typedef bool TypeFn(Graph *graph,
                    Node *node);  /* sets node->out[i]->type; false after a diagnostic */
typedef bool EvalFn(EvalArgs *args);            /* false after a diagnostic */
typedef bool GradFn(struct GradRule *rule);     /* false after a diagnostic */

typedef struct OpInfo {
    const char *name;
    const char *doc;
    OpClass cls;
    int8_t n_in; /* -1 variadic */
    int8_t n_out; /* -1: as many as its body has outputs */
    /* MAP rows */
    MapDomain domain;
    MapResult result;
    const char *c_float, *c_int;
    /* attributes, in order */
    const AttrSchema *attrs;
    uint8_t n_attrs;
    TypeFn *type;
    EvalFn *eval;
    const char *derivatives; /* MAP rows: the cotangent of each operand, see ops.def */
    GradFn *grad;            /* other rows */
    /* MAP, VIEW, INDEX, SOURCE: the element at `index` of the result. NULL otherwise. */
    struct Expr *(*element)(struct Lower *lower, const Node *node, const Dim *const *index);
    /* REDUCE: how one element of the result is reduced; see ir/lower.h. NULL otherwise. */
    bool (*reduction)(struct Lower *lower, const Node *node, const Dim *const *index,
                      struct Reduction *out);
    /* SWEEP: what each turn adds to the result; see ir/lower.h. NULL otherwise. */
    bool (*sweep)(struct Lower *lower, const Node *node, struct Sweep *out);
} OpInfo;

const OpInfo *tn_op_info(Op op);
/* TN_OP_COUNT when there is none of that name. */
Op tn_op_by_name(StrView name);
const char *tn_attr_text(AttrName name);
AttrKind tn_attr_kind(AttrName name);
AttrName tn_attr_by_name(StrView name); /* TN_ATTR_COUNT when unknown */

/* ---- reference evaluator (ir/eval.c) ---- */

/* Evaluates the graph naively in the widest type. `inputs` are row-major in their own dtype; the
 * storage of `outputs` comes from `arena`. `see`, when not NULL, is shown the result of each node
 * as it is computed, not rounded. */
typedef void EvalSeeFn(void *arg, const Value *value, const RefTensor *tensor);
bool tn_eval_graph(Graph *graph, const RefTensor *inputs, Arena *arena, RefTensor *outputs,
                   EvalSeeFn *see, void *arg);
/* Values of all symbols from input shapes and contents; checks the graph's constraints. */
bool tn_eval_symbols(Graph *graph, const RefTensor *inputs, Arena *arena, int64_t **out);
/* A loop's body at known symbols: one turn. Storage of the outputs comes from `arena`. */
bool tn_eval_body(Graph *body, const RefTensor *inputs, const int64_t *symbols, Arena *arena,
                  RefTensor *outputs);
/* One node on constant inputs, for folding. */
bool tn_eval_node(Ctx *ctx, const Node *node, const RefTensor *const *in, const int64_t *symbols,
                  Arena *arena, RefTensor *out);
/* Fills the tensor from row-major bytes of its dtype. */
void tn_ref_read_bytes(RefTensor *tensor, const void *bytes);
RefTensor tn_ref_from_bytes(Arena *arena, DType dtype, int rank, const int64_t *dims,
                            const void *bytes);
/* Writes row-major bytes of the tensor's dtype (rounding once). */
void tn_ref_to_bytes(const RefTensor *tensor, void *bytes);

#endif
