/* inputs.c: makes the inputs of a run from files, sizes and random numbers. */
#include "tools/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tensor.h"

/* Sizes of symbolic dims, by name. */
typedef struct Size {
    const char *name;
    int64_t value;
} Size;

typedef struct Sizes {
    Size items[256];
    int n;
} Sizes;

static tn_status get_specs(Inputs *out, int32_t n) {
    *out = (Inputs){.n = n,
                    .size = 1,
                    .limit = 100,
                    .specs = calloc((size_t)n + 1, sizeof *out->specs),
                    .tensors = calloc((size_t)n + 1, sizeof *out->tensors)};
    return out->specs && out->tensors ? TN_OK : tn_tool_error(TN_LIMIT, "out of memory");
}

tn_status tn_inputs_of_graph(const tn_graph *graph, Inputs *out) {
    tn_status status = get_specs(out, tn_graph_input_count(graph));
    for (int32_t i = 0; i < out->n && status == TN_OK; i++) {
        InputSpec *spec = &out->specs[i];
        spec->name = tn_graph_input_name(graph, i);
        tn_graph_input_type(graph, i, &spec->type);
        for (int32_t d = 0; d < spec->type.rank; d++) {
            if (spec->type.dims[d] < 0) {
                spec->dim_names[d] = tn_graph_dim_name(graph, i, d);
            }
        }
    }
    return status;
}

tn_status tn_inputs_of_entry(const tn_model_desc *desc, const tn_entry_desc *entry, Inputs *out) {
    tn_status status = get_specs(out, entry->n_inputs);
    if (desc->state_bytes > 0) {
        out->size = 4;
        out->limit = 2;
    }
    for (int32_t i = 0; i < out->n && status == TN_OK; i++) {
        const tn_io_desc *io = &entry->inputs[i];
        InputSpec *spec = &out->specs[i];
        spec->name = io->name;
        spec->type.dtype = io->dtype;
        spec->type.rank = io->rank;
        for (int32_t d = 0; d < io->rank; d++) {
            spec->type.dims[d] = io->dims[d] < 0 ? -1 : io->dims[d];
            if (io->dims[d] < 0) {
                spec->dim_names[d] = desc->symbol_names[-1 - io->dims[d]];
            }
        }
    }
    return status;
}

void tn_inputs_free(Inputs *inputs) {
    tn_tensors_free(inputs->tensors, inputs->n);
    free(inputs->tensors);
    free(inputs->specs);
    *inputs = (Inputs){0};
}

static void add_size(Sizes *sizes, const char *name, int64_t value) {
    for (int i = 0; i < sizes->n; i++) {
        if (strcmp(sizes->items[i].name, name) == 0) {
            return; /* the first one counts */
        }
    }
    if (sizes->n < (int)(sizeof sizes->items / sizeof sizes->items[0])) {
        sizes->items[sizes->n++] = (Size){name, value};
    }
}

static int64_t size_of(const Sizes *sizes, const char *name, int64_t otherwise) {
    for (int i = 0; name && i < sizes->n; i++) {
        if (strcmp(sizes->items[i].name, name) == 0) {
            return sizes->items[i].value;
        }
    }
    return otherwise;
}

/* The dim name of some input that `text` ("NAME=...") starts with; `*value` is the rest. */
static const char *dim_named(const Inputs *inputs, const char *text, const char **value) {
    for (int32_t i = 0; i < inputs->n; i++) {
        for (int32_t d = 0; d < inputs->specs[i].type.rank; d++) {
            const char *name = inputs->specs[i].dim_names[d];
            size_t n = name ? strlen(name) : 0;
            if (n > 0 && strncmp(text, name, n) == 0 && text[n] == '=') {
                *value = text + n + 1;
                return name;
            }
        }
    }
    return NULL;
}

/* Entry `round` of "1,4,7", or the last; false unless all of it is such a list. */
static bool list_entry(const char *list, int round, int64_t *out) {
    for (;; list++) {
        char *end;
        long long value = strtoll(list, &end, 10);
        if (end == list || value < 0 || (*end != ',' && *end != '\0')) {
            return false;
        }
        *out = round-- >= 0 ? value : *out;
        list = end;
        if (*end == '\0') {
            return true;
        }
    }
}

static tn_status take_sizes(const Inputs *inputs, const Args *args, OptId option, int round,
                            Sizes *sizes) {
    int at = 0;
    const char *text, *value = NULL;
    while ((text = tn_args_next(args, option, &at)) != NULL) {
        const char *name = dim_named(inputs, text, &value);
        int64_t size = 0;
        /* A dim fixed at compile time is no longer symbolic: nothing to do. */
        if (!name && option == OPT_DIM) {
            continue;
        }
        if (!name) {
            return tn_tool_error(TN_USAGE,
                                 "option '--sizes': no input has a symbolic dimension "
                                 "as in '%s'",
                                 text);
        }
        if (!list_entry(value, round, &size)) {
            return tn_tool_error(TN_USAGE, "option '%s': '%s' is not %s",
                                 tn_opt_row(option)->spelling, text, tn_opt_row(option)->meta);
        }
        add_size(sizes, name, size);
    }
    return TN_OK;
}

int tn_inputs_rounds(const Args *args) {
    int rounds = 1, at = 0;
    const char *text;
    while ((text = tn_args_next(args, OPT_SIZES, &at)) != NULL) {
        int n = 1;
        for (const char *c = strrchr(text, '='); c && *c; c++) {
            n += *c == ',';
        }
        rounds = n > rounds ? n : rounds;
    }
    return rounds;
}

static const char *input_at(const void *inputs, int32_t i) {
    return ((const Inputs *)inputs)->specs[i].name;
}

static tn_status read_files(Inputs *inputs, const Args *args, Sizes *sizes) {
    int at = 0;
    const char *text, *source = NULL;
    Names names = {inputs->n, input_at, inputs};
    while ((text = tn_args_next(args, OPT_INPUT, &at)) != NULL) {
        int32_t i = tn_tool_named(&names, text, &source);
        if (i < 0) {
            return tn_tool_unnamed(TN_BAD_INPUT, &names, OPT_INPUT, "input", text);
        }
        if (strcmp(source, "random") == 0) {
            continue;
        }
        tn_tensor *tensor = &inputs->tensors[i];
        tn_tensors_free(tensor, 1);
        tn_status status = tn_tensor_read(source, tensor);
        if (status != TN_OK) {
            return status;
        }
        const InputSpec *spec = &inputs->specs[i];
        for (int32_t d = 0; d < spec->type.rank && d < tensor->rank; d++) {
            if (spec->dim_names[d]) {
                add_size(sizes, spec->dim_names[d], tensor->dims[d]);
            }
        }
    }
    return TN_OK;
}

static tn_status make_random(Inputs *inputs, int64_t seed, const Sizes *sizes) {
    for (int32_t i = 0; i < inputs->n; i++) {
        tn_tensor *tensor = &inputs->tensors[i];
        const InputSpec *spec = &inputs->specs[i];
        if (tensor->data) {
            continue;
        }
        *tensor = spec->type;
        tensor->data = NULL;
        for (int32_t d = 0; d < tensor->rank; d++) {
            if (tensor->dims[d] < 0) {
                tensor->dims[d] = size_of(sizes, spec->dim_names[d], inputs->size);
            }
        }
        if (!tn_tensor_alloc(tensor)) {
            return tn_tool_error(TN_LIMIT, "input '%s': cannot make a tensor of its size",
                                 spec->name);
        }
        tn_tensor_random_below(tensor,
                               (uint64_t)seed * 0x9e3779b9u + (uint64_t)i +
                                   (uint64_t)inputs->turn * 0xd1b54a32d192ed03u,
                               (uint64_t)inputs->limit);
    }
    return TN_OK;
}

/* --batch is the size of the first dimension of a name that leads an input. */
static tn_status take_batch(const Inputs *inputs, const Args *args, Sizes *sizes) {
    int64_t batch;
    if (!tn_args_has(args, OPT_BATCH)) {
        return TN_OK;
    }
    if (!tn_args_int(args, OPT_BATCH, 1, 1, INT64_MAX, &batch)) {
        return TN_USAGE;
    }
    for (int32_t i = 0; i < inputs->n; i++) {
        if (inputs->specs[i].type.rank > 0 && inputs->specs[i].dim_names[0]) {
            add_size(sizes, inputs->specs[i].dim_names[0], batch);
            break;
        }
    }
    return TN_OK;
}

tn_status tn_inputs_seed(Inputs *inputs, const Args *args) {
    int64_t seed;
    Sizes none = {.n = 0};
    if (!tn_args_int(args, OPT_SEED, 1, 0, INT64_MAX, &seed)) {
        return TN_USAGE;
    }
    tn_status status = make_random(inputs, seed, &none);
    for (int32_t i = 0; i < inputs->n && status == TN_OK; i++) {
        tn_tensor *tensor = &inputs->tensors[i];
        for (int64_t k = 0; tensor->dtype == TN_I64 && k < tn_tensor_count(tensor); k++) {
            ((int64_t *)tensor->data)[k] = seed + inputs->turn;
        }
    }
    return status;
}

tn_status tn_inputs_make(Inputs *inputs, const Args *args, int round) {
    Sizes sizes = {.n = 0};
    int64_t seed;
    tn_tensors_free(inputs->tensors, inputs->n);
    if (!tn_args_int(args, OPT_SEED, 1, 0, INT64_MAX, &seed)) {
        return TN_USAGE;
    }
    tn_status status = read_files(inputs, args, &sizes);
    if (status == TN_OK) {
        status = take_sizes(inputs, args, OPT_SIZES, round, &sizes);
    }
    if (status == TN_OK) {
        status = take_sizes(inputs, args, OPT_DIM, 0, &sizes);
    }
    if (status == TN_OK) {
        status = take_batch(inputs, args, &sizes);
    }
    return status == TN_OK ? make_random(inputs, seed, &sizes) : status;
}
