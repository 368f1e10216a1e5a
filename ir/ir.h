/* ir.h: the graph IR: values, nodes and graphs of primitives.
 *
 * Invariants (checked by tn_graph_verify):
 * - nodes are in topological order; a value is defined once, before its uses;
 * - every node's op has a row in ops.def, its inputs, outputs and attributes fit it,
 *   and the output types are what the row's type rule gives (layout aside);
 * - elementwise primitives take operands of equal dims: broadcasting is an explicit
 *   `expand`;
 * - all is owned by the context's arena; constant data is borrowed or in the arena.
 *
 * Facts private to a pass live in side arrays indexed by Value.id or Node.id
 * (both < graph->n_values / n_nodes), never in these structures.
 */
#ifndef TN_IR_IR_H
#define TN_IR_IR_H

#include "ir/type.h"

typedef enum Op {
#define MAP(id, ...) TN_OP_##id,
#define OP(id, ...) TN_OP_##id,
#include "ir/ops.def"
#undef MAP
#undef OP
    TN_OP_COUNT
} Op;

typedef enum AttrName {
#define ATTR(id, kind, doc) TN_ATTR_##id,
#include "ir/attrs.def"
#undef ATTR
    TN_ATTR_COUNT
} AttrName;

typedef enum AttrKind { ATTR_INT, ATTR_DTYPE, ATTR_INTS, ATTR_DIMS } AttrKind;

typedef struct Attr {
    AttrName name;
    AttrKind kind;
    uint32_t n; /* INTS, DIMS */
    union {
        int64_t i;
        DType dtype;
        const int64_t *ints;
        const Dim *const *dims;
    };
} Attr;

typedef struct Node Node;
typedef struct Value Value;
typedef struct Graph Graph;

typedef struct Use {
    Node *user;
    uint32_t slot;
    struct Use *prev, *next;
} Use;

/* Constant bytes, row-major in the value's logical shape. */
typedef struct Blob {
    const void *data; /* borrowed: mapped model file, caller, or the arena */
    size_t size;
    const char *source; /* where it may be written back as a reference; or NULL */
} Blob;

struct Value {
    uint32_t id;
    Type type;
    Node *def;        /* NULL for a graph input */
    uint32_t out;     /* which output of def, or which graph input */
    Use *uses;
    uint32_t n_uses;  /* graph outputs count as uses without a Use */
    bool is_output;
    const char *name; /* the model's own name, may be NULL; borrowed from the context */
};

struct Node {
    uint32_t id;
    Op op;
    uint16_t n_in, n_out, n_attrs;
    Value **in;
    Value **out;
    Use *in_uses;     /* parallel to in */
    Attr *attrs;      /* in schema order, defaults filled in */
    const Blob *blob; /* `const` only */
    Graph *body;      /* `loop` only: a graph of the same context */
    int32_t group;    /* kernel group given by the fuse pass, -1 before */
    Loc loc;          /* the model node this came from */
    Node *prev, *next;
};

/* A demand on symbols that shape inference could not prove: checked at each plan. */
typedef struct Constraint {
    const Dim *a, *b; /* a == b */
    const char *text; /* what went wrong, for the user: "MatMul 'fc1': 7 columns against N rows" */
} Constraint;

typedef struct GraphOutput {
    const char *name;
    Value *value;
    int32_t state; /* the variable of the module whose new value this is, or -1: the caller's */
} GraphOutput;

/* Where a graph input comes from. */
typedef enum InputKind {
    INPUT_CALLER, /* a tensor of the caller */
    INPUT_STATE, /* the module's state variable `index` */
    INPUT_HYPER /* the module's hyper-parameter `index`: f64 scalar */
} InputKind;

typedef struct InputSource {
    InputKind kind;
    int32_t index;
} InputSource;

struct Graph {
    Ctx *ctx;
    const char *name;
    TN_VEC(Value *) inputs; /* the caller's first, in the order of the entry's table */
    TN_VEC(InputSource) sources; /* parallel to inputs */
    TN_VEC(GraphOutput) outputs; /* the caller's first */
    TN_VEC(Constraint) constraints;
    Node *first, *last;
    uint32_t n_nodes, n_values; /* ids given so far */
    /* Inputs given at compile time (specialised): input i must equal bound[i] if not NULL. */
    TN_VEC(const Blob *) bound;
};

Graph *tn_graph_new(Ctx *ctx, const char *name);
Value *tn_graph_add_input(Graph *graph, const char *name, Type type);
/* An input that is a variable of the module; after all of the caller's. */
Value *tn_graph_add_source(Graph *graph, const char *name, Type type, InputSource source);
void tn_graph_add_output(Graph *graph, const char *name, Value *value);
/* The new value of a state variable, after all of the caller's outputs. */
void tn_graph_add_update(Graph *graph, const char *name, Value *value, int32_t state);
/* The first place among the inputs' dims where the dimension stands alone; false: nowhere. */
bool tn_graph_dim_place(const Graph *graph, const Dim *dim, int32_t *input, int32_t *axis);
/* The input that is the old value of the state variable of which `value` is the new one, or
 * NULL. */
Value *tn_graph_old_state(const Graph *graph, const Value *value);
/* How many inputs and outputs are the caller's. */
size_t tn_graph_caller_inputs(const Graph *graph);
size_t tn_graph_caller_outputs(const Graph *graph);
/* Records that a == b must hold; true without a record when proved, false (with a
 * diagnostic at `loc`) when disproved. `text` is borrowed from the context. */
bool tn_graph_require_eq(Graph *graph, const Dim *a, const Dim *b, Loc loc, const char *text);

/* Appends a node, infers its output types and checks it against its row; NULL with
 * a diagnostic at `loc` on a mismatch. Attributes missing from `attrs` take the
 * row's defaults. For `before` not NULL the node is inserted before that node. */
Node *tn_node_new(Graph *graph, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                  uint32_t n_attrs, Loc loc, Node *before);
/* The same for a node that has a body, which says how many results there are. */
typedef struct NodeBody {
    Graph *graph; /* NULL: none */
    uint32_t n_out;
} NodeBody;
Node *tn_node_with_body(Graph *graph, Op op, Value *const *in, uint32_t n_in, const Attr *attrs,
                        uint32_t n_attrs, NodeBody body, Loc loc, Node *before);
/* `const` node over bytes in row-major order (borrowed). */
Value *tn_const_new(Graph *graph, Type type, const void *data, const Node *before);
/* Replaces every use of `from`, graph outputs included, by `to`. */
void tn_value_replace(Graph *graph, Value *from, Value *to);
void tn_node_set_input(Node *node, uint32_t slot, Value *value);
/* Unlinks a node whose outputs have no uses. */
void tn_node_remove(Graph *graph, Node *node);
/* A copy of the node at the end of `to`: operands and results through `map`, by value id of
 * the node's own graph. */
Node *tn_node_clone(Graph *to, const Node *node, Value **map);
/* Results and operands of a node that has a body: one more at the end, or without one that
 * (a result) nothing uses. */
Value *tn_node_add_result(Graph *graph, Node *node, Type type);
void tn_node_drop_result(Node *node, uint32_t slot);
void tn_node_add_operand(Graph *graph, Node *node, Value *value);
void tn_node_drop_operand(Graph *graph, Node *node, uint32_t slot);
/* Puts a node before another one of its graph. */
void tn_node_move(Graph *graph, Node *node, Node *before);
/* A deep copy of nodes, inputs and outputs into the same context. */
Graph *tn_graph_clone(const Graph *graph);

const Attr *tn_node_attr(const Node *node, AttrName name); /* never NULL for schema attributes */
int64_t tn_attr_int(const Node *node, AttrName name);
/* Whether a list of INTS holds the entry. */
bool tn_attr_holds(const Attr *list, int64_t entry);
/* The dims of operand `slot` that a contraction sums over. */
const Attr *tn_contract_dims(const Node *node, uint32_t slot);
bool tn_node_is_const(const Node *node);
/* A constant whose elements are all `*out`, e.g. an expanded scalar; looks through expand and
 * reshape. False for integers that no double is. */
bool tn_value_splat(const Value *value, double *out);

/* Content of a small integer tensor as dimension expressions, or NULL when unknown:
 * looks through constants, dimvec, integer arithmetic, movement and, for integer graph
 * inputs of static size <= TN_CONTENT_MAX, introduces element symbols. */
#define TN_CONTENT_MAX 64
const Dim *const *tn_value_content(Graph *graph, Value *value, size_t *out_count);

bool tn_graph_verify(Graph *graph); /* adds TN_INTERNAL diagnostics */

/* Text form; parse(print(g)) equals g. With `elide` large constants print as a
 * reference that does not parse back (for dumps). */
void tn_graph_print(const Graph *graph, bool elide, StrBuf *out);
Graph *tn_graph_parse_text(Ctx *ctx, StrView text, const char *file);
/* A graph, or a type, at the lexer's next token, which moves on behind it. */
struct Lexer;
Graph *tn_graph_parse_at(struct Lexer *lexer);
bool tn_type_parse_at(struct Lexer *lexer, Type *out);

#endif
