/* module.h: what one compilation makes: entries over common state and hyper-parameters.
 *
 * An entry is a graph. Its inputs are, in this order, the caller's tensors, state
 * variables and hyper-parameters; its outputs are the caller's, then new values of state
 * variables. A graph reads a state variable as it was when the entry was called; the new
 * value, of the same type, is what the next call sees. Inference alone is a module of
 * one entry, "infer", without state.
 */
#ifndef TN_IR_MODULE_H
#define TN_IR_MODULE_H

#include "ir/ir.h"

/* A tensor that lives in the caller's state region between calls. Its type is static and
 * row-major: C programs read and write it. */
typedef struct StateVar {
    const char *name; /* "mlp.dense.kernel", "adam.m.mlp.dense.kernel" */
    tn_state_role role;
    Type type;
} StateVar;

/* A number given at each call: a learning rate, a clip limit. */
typedef struct HyperVar {
    const char *name;
    double value; /* what a program that says nothing gets */
} HyperVar;

typedef struct Module {
    Ctx *ctx;
    const char *name;
    TN_VEC(StateVar) states;
    TN_VEC(HyperVar) hypers;
    TN_VEC(Graph *) entries; /* see tn_module_entry_of for their names */
} Module;

Module *tn_module_new(Ctx *ctx, const char *name);
/* A module of one graph as its entry "infer". */
Module *tn_module_of_graph(Graph *graph);
/* The number of the new variable. */
int32_t tn_module_add_state(Module *module, const char *name, tn_state_role role, Type type);
int32_t tn_module_add_hyper(Module *module, const char *name, double value);
/* Where a variable lies in the state region, and the region's size: variables one after the
 * other, each at a multiple of 64 bytes. */
uint64_t tn_module_state_offset(const Module *module, int32_t state);
uint64_t tn_module_state_bytes(const Module *module);
/* The name of entry `i`: its graph's name; but a module of one graph without variables is a
 * model of its own name, whose entry is "infer". */
const char *tn_module_entry_of(const Module *module, size_t i);
/* One graph without variables: it prints as a graph alone. */
bool tn_module_is_plain(const Module *module);
/* NULL when there is none. */
Graph *tn_module_entry(const Module *module, StrView name);
Module *tn_module_clone(const Module *module);
/* Keeps the entries named in the list "init,step", in the module's order, and every variable. False
 * after a diagnostic that lists the entries there are. */
bool tn_module_keep(Module *module, StrView names);
/* Makes every f32 of variables and graphs an f64; before any pass has chosen layouts (widen.c). */
void tn_module_widen(Module *module);
/* Each entry's graph, and that bindings name variables of their types. */
bool tn_module_verify(Module *module);

/* Text: the variables, then the graphs; a file that holds one graph alone is a module too. */
void tn_module_print(const Module *module, bool elide, StrBuf *out);
Module *tn_module_parse_text(Ctx *ctx, StrView text, const char *file);

#endif
