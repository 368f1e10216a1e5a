/* onnx_nodes.h: importing the nodes of a graph or function in order, by name. */
#ifndef TN_FRONTEND_ONNX_NODES_H
#define TN_FRONTEND_ONNX_NODES_H

#include "frontend/call.h"

/* What a name means. After a problem the name stays defined but poisoned: whatever needs
 * it is skipped in silence, so that one cause gives one message. */
typedef struct Name {
    Value *value;             /* NULL while an initializer has not been needed */
    const OnnxTensor *tensor; /* initializer */
    bool poisoned;
    bool omitted;             /* a function's parameter that the call leaves out */
} Name;

typedef struct Scope Scope;
struct Scope {
    const Scope *caller;          /* of a function body; NULL for the graph */
    const OnnxFunction *function; /* NULL for the graph */
    const OnnxAttr *attrs;        /* of the node that called the function */
    size_t n_attrs;
    Map names;                    /* StrView -> Name * */
    int64_t opset;                /* version of ai.onnx, 0 when none is given */
    const char *path;             /* names of the calling nodes, "" for the graph */
    int depth;
};

/* State of one ONNX import. */
typedef struct OnnxImport {
    Import shared;
    const OnnxModel *model;
    const char *file;
    Map functions;    /* "domain:name:overload" -> const OnnxFunction * */
    uint32_t inlined; /* nodes of function bodies so far */
} OnnxImport;

/* Enters the model's functions by name; false after a diagnostic. */
bool tn_onnx_add_functions(OnnxImport *import);
/* The entry of `name`, added (poisoned) when `*added`. */
Name *tn_scope_define(OnnxImport *import, Scope *scope, StrView name, bool *added);
/* The value of a name, made if it is an initializer; NULL when poisoned. */
Value *tn_scope_value(OnnxImport *import, Name *name, Loc loc);
/* Imports all nodes; problems are diagnosed and poison their results. */
void tn_onnx_import_nodes(OnnxImport *import, Scope *scope, const OnnxNode *nodes, size_t n);
/* The version of ai.onnx among the imports, 0 when none is given. */
int64_t tn_onnx_opset(const OnnxOpset *opsets, size_t n);

#endif
