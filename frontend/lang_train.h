/* lang_train.h: the parts of train blocks. */
#ifndef TN_FRONTEND_LANG_TRAIN_H
#define TN_FRONTEND_LANG_TRAIN_H

#include "frontend/lang_eval.h"

/* The library and a text of the user's, read; NULL after diagnostics. `text` and `file` are
 * borrowed from the context. */
Lang *tn_lang_start_source(Ctx *ctx, StrView text, const char *file,
                           const FrontendOptions *options);
/* The module of all finished entries. */
Module *tn_lang_end_module(Lang *lang);
/* Optimisers on the gradients of `from`'s minimize statements; the step is counted. */
bool tn_train_update(Lang *lang, Entry *entry, Entry *from);
/* Adds gradients to the state; the micro-batch is counted. */
bool tn_train_accumulate(Lang *lang, Entry *entry);
/* The update from the state's gradients; `step` is the block's entry. */
bool tn_train_apply(Lang *lang, Entry *entry, Entry *step);
/* Warnings about what a step makes no use of. */
void tn_lang_lint(Lang *lang, const Entry *step);

/* Numbers of the block's random operators start here. */
uint32_t tn_block_base(const Lang *lang, const FnDef *def);
/* The value of an option of the statement; VAL_ABSENT without it. */
Val tn_train_option(Lang *lang, const Minimize *m, const char *key);
/* A call of a function of the library. */
Val tn_train_call(Lang *lang, Place place, const char *name, const Val *v, size_t n);
/* Errors so far. */
size_t tn_lang_errors(const Lang *lang);
/* Whether `text` matches a pattern in which * stands for any characters. */
bool tn_lang_glob(StrView pattern, StrView text);

#endif
