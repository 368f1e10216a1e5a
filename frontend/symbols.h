/* symbols.h: names of symbolic dimensions of a model's inputs.
 *
 * A model may call a dimension anything; the symbol's name is an identifier, so that both
 * IRs print and parse back. Equal names are one symbol. A dimension the user fixed
 * (--dim N=4) becomes its number.
 */
#ifndef TN_FRONTEND_SYMBOLS_H
#define TN_FRONTEND_SYMBOLS_H

#include "base/map.h"
#include "frontend/frontend.h"

typedef struct Symbols {
    Ctx *ctx;
    const FrontendOptions *options; /* may be NULL */
    Map by_name;                    /* the model's name -> const Dim * */
    Map used;                       /* a symbol's name -> next number to tell others apart */
    TN_VEC(const char *) names;     /* the model's names, in order of appearance */
} Symbols;

Symbols tn_symbols(Ctx *ctx, const FrontendOptions *options);
/* The dimension a model calls `name`; dimension `axis` of graph input `input` if it is new. */
const Dim *tn_symbols_named(Symbols *symbols, StrView name, int input, int axis);
/* A dimension without a name: called after the input. */
const Dim *tn_symbols_fresh(Symbols *symbols, const char *input_name, int input, int axis);
/* Every dimension fixed by the user exists; false after a diagnostic naming those that do. */
bool tn_symbols_check(Symbols *symbols, const char *file);

#endif
