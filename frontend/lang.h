/* lang.h: the model language: `fn`, `model` and `train` items to a module.
 *
 * The library of layers, losses and optimisers is text in the same language, embedded at
 * build time (frontend/lib); a definition in the user's file replaces the library's of the
 * same name. docs/language.md describes the language.
 */
#ifndef TN_FRONTEND_LANG_H
#define TN_FRONTEND_LANG_H

#include "frontend/frontend.h"

/* NULL after diagnostics: all mistakes of the file as far as they can be told apart. The text
 * stays borrowed by nothing. */
Module *tn_lang_import(Ctx *ctx, const void *bytes, size_t size, const char *file,
                       const FrontendOptions *options);
/* Whether a file that begins so is meant as model source: text whose first word, behind
 * comments, begins no graph. */
bool tn_lang_is_source(StrView text);

/* How a graph is trained that says nothing of it. Texts are of the language. */
typedef struct TrainOptions {
    /* "mean_squared_error", or with further arguments: "huber(delta=2)" */
    const char *loss;
    /* "adam(rate=0.01)" */
    const char *optimizer;
    /* Type of the input `target`; NULL: the output's, or that of class numbers, i64 without the
     * last dimension, where the loss takes them. */
    const char *target;
    /* Names of constants, * for any characters; none: all float constants with dimensions but
     * running statistics. */
    const char *const *trainable;
    size_t n_trainable;
} TrainOptions;

/* The module that trains an imported graph, or one built by calls: LOSS(output, target) is
 * minimized, where output is the graph's first. Its inputs are the graph's, then `target`. The
 * graph's constants stay borrowed. NULL after diagnostics. */
Module *tn_lang_train_graph(Ctx *ctx, const Graph *graph, const TrainOptions *options);

typedef struct LibraryFile {
    const char *name; /* "layers.tn" */
    const char *text;
    size_t size;
} LibraryFile;

/* The files of the library, in the order they are read. */
const LibraryFile *tn_lang_library(size_t *n);

#endif
