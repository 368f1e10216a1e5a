/* inputs.h: the inputs of a run, as the command line asks for them. */
#ifndef TN_TOOLS_INPUTS_H
#define TN_TOOLS_INPUTS_H

#include "tools/tool.h"

/* What one input must be. Symbolic dims are -1. */
typedef struct InputSpec {
    const char *name;
    tn_tensor type;
    const char *dim_names[TN_MAX_RANK]; /* NULL for a number or an unnamed dim */
} InputSpec;

typedef struct Inputs {
    InputSpec *specs;
    tn_tensor *tensors; /* what was made of them */
    int32_t n;
    int64_t size;  /* of symbolic dims that nothing else decides */
    int64_t limit; /* random integers are below */
    int turn;      /* other random numbers for each */
} Inputs;

tn_status tn_inputs_of_graph(const tn_graph *graph, Inputs *out);
/* Integers for a model that trains are labels and numbers of rows: of how many classes and rows
 * nobody says, so they are 0 and 1; and batches are of 4, as one sample alone has no variance. */
tn_status tn_inputs_of_entry(const tn_model_desc *desc, const tn_entry_desc *entry, Inputs *out);
/* Reads the files of --input and fills the rest with random numbers (--seed). Symbolic dims
 * take the size that a file gives them, else that of --sizes (entry `round` of its list),
 * else that of --dim or --batch, else `size`. Replaces what was made before. */
tn_status tn_inputs_make(Inputs *inputs, const Args *args, int round);
/* Makes every input --seed, one more at each turn: for the entry "init". */
tn_status tn_inputs_seed(Inputs *inputs, const Args *args);
/* Rounds that --sizes asks for, at least 1. */
int tn_inputs_rounds(const Args *args);
void tn_inputs_free(Inputs *inputs);

/* Reads a .npy or .pb file (by suffix); `out->data` is the caller's. Prints errors. */
tn_status tn_tensor_read(const char *path, tn_tensor *out);
/* The same for a TensorProto with the name it carries ("" when none), which is the caller's
 * to free, and with the text of an error instead of printing it. */
tn_status tn_pb_read(const char *path, tn_tensor *out, char **name, char *error, size_t error_size);
/* Writes a .npy file ("-": standard output). Prints errors, and leaves no half file. */
tn_status tn_tensor_write(const char *path, const tn_tensor *tensor);

#endif
