/* pass.h: the pass table and its runner.
 *
 * A pass is a row of passes.def, a file of its name and a folder of golden tests. GRAPH
 * passes see compile->graph, LOOP passes compile->program (the `lower` row makes it).
 */
#ifndef TN_PASSES_PASS_H
#define TN_PASSES_PASS_H

#include "base/map.h"
#include "ir/program.h"
#include "ir/target.h"

typedef struct Options {
    int opt_level;          /* 0: no fusion, no tiling */
    const Target *target;
    int32_t threads;        /* what schedules plan for; results do not depend on it */
    uint64_t train_memory;  /* bytes of arena that training entries may take; 0: no limit */
    const char *dump_after; /* pass name, "all" or NULL */
    const char *stop_after;
    bool time_passes;
    bool verify_each;
} Options;

/* The weight region: constants of all entries, equal ones once. */
typedef struct Weights {
    Map by_hash;             /* key of the bytes -> Slot */
    TN_VEC(const Slot *) slots; /* those with bytes to place */
    uint64_t bytes;
} Weights;

typedef struct Compile {
    Ctx *ctx;
    Options options;
    Module *module;   /* all entries; NULL when a graph is compiled alone, in tests */
    Graph *graph;     /* the entry passes work on, or a body of its loops */
    bool in_body;     /* symbols of `graph` may be given by the graphs around it */
    Program *program; /* of that entry; NULL before lowering */
    TN_VEC(Program *) programs; /* of the entries done, in order */
    Weights *weights; /* what the entries' programs share; NULL before the first */
    StrBuf *dump;     /* where dumps and times go; may be NULL */
} Compile;

/* Returns false after adding a diagnostic. */
typedef bool PassFn(Compile *compile);

typedef enum PassLevel { PASS_GRAPH, PASS_LOOP } PassLevel;

typedef struct Pass {
    const char *name;
    PassLevel level;
    int min_opt;   /* runs at this -O level and above */
    PassFn *run;
    const char *doc;
} Pass;

/* Every row's function. */
#define PASS(id, level, min_opt, doc) PassFn tn_pass_##id;
#include "passes/passes.def"
#undef PASS

const Pass *tn_pass_at(uint32_t index); /* NULL past the end */
const Pass *tn_pass_by_name(StrView name);
/* Runs the whole table in order on compile->graph, with dumps, times and verification as asked. */
bool tn_passes_run(Compile *compile);
/* The same for every entry of the module. */
bool tn_passes_run_module(Compile *compile);
/* Runs one pass, checking what it leaves if asked to; no dump, no time. */
bool tn_pass_run(Compile *compile, const Pass *pass);

#endif
