/* check.c: what a caller hands to a session, held against the describing table.
 *
 * Every message names the input or output, what was found and what was expected.
 */
#include "runtime/rt.h"

#include <stdio.h>
#include <string.h>

/* "[N, 3, 224]" of a description, or the sizes of a tensor. */
static void dims_text(char *text, size_t size, int32_t rank, const int64_t *dims,
                      const char *const *symbols) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int32_t i = 0; i < rank && used < size; i++) {
        const char *comma = i ? ", " : "";
        const char *name = dims[i] < 0 && symbols ? symbols[-1 - dims[i]] : NULL;
        int n = name ? snprintf(text + used, size - used, "%s%.40s", comma, name)
                     : snprintf(text + used, size - used, "%s%lld", comma, (long long)dims[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used + 1 < size) {
        snprintf(text + used, size - used, "]");
    }
}

static tn_status wrong_dims(const tn_model_desc *desc, const tn_io_desc *io,
                            const tn_tensor *tensor, ErrorText error) {
    char found[256] = "[]", expected[256];
    if (tensor->rank >= 0 && tensor->rank <= TN_MAX_RANK) {
        dims_text(found, sizeof found, tensor->rank, tensor->dims, NULL);
    }
    dims_text(expected, sizeof expected, io->rank, io->dims, desc->symbol_names);
    return tn_rt_fail(error, TN_BAD_INPUT, "input '%s': dims %s, expected %s", io->name, found,
                      expected);
}

static tn_status bind_symbol(const tn_model_desc *desc, const tn_entry_desc *entry, int32_t input,
                             int32_t axis, int64_t found, SymbolTable symbols, ErrorText error) {
    int64_t symbol = -1 - entry->inputs[input].dims[axis];
    if (symbol >= desc->n_symbols) {
        return tn_rt_fail(error, TN_INTERNAL, "input '%s': damaged description",
                          entry->inputs[input].name);
    }
    if (symbols.values[symbol] < 0) {
        symbols.values[symbol] = found;
        symbols.owners[symbol] = input;
        return TN_OK;
    }
    if (symbols.values[symbol] == found) {
        return TN_OK;
    }
    return tn_rt_fail(error, TN_BAD_INPUT,
                      "input '%s': dimension %d is %lld, expected %s = %lld as in input '%s'",
                      entry->inputs[input].name, (int)axis, (long long)found,
                      desc->symbol_names[symbol], (long long)symbols.values[symbol],
                      entry->inputs[symbols.owners[symbol]].name);
}

static tn_status check_memory(const char *kind, const char *name, const tn_tensor *tensor,
                              ErrorText error) {
    int64_t count = tn_tensor_count(tensor), bytes;
    int64_t size = (int64_t)tn_dtype_size(tensor->dtype);
    if (count < 0 || __builtin_mul_overflow(count, size, &bytes)) {
        return tn_rt_fail(error, TN_LIMIT, "%s '%s': its size does not fit 64 bits", kind, name);
    }
    return TN_OK;
}

static tn_status check_input(const tn_model_desc *desc, const tn_entry_desc *entry, int32_t index,
                             const tn_tensor *tensor, SymbolTable symbols, ErrorText error) {
    const tn_io_desc *io = &entry->inputs[index];
    if (tensor->dtype != io->dtype) {
        return tn_rt_fail(error, TN_BAD_INPUT, "input '%s': element type %s, expected %s", io->name,
                          tn_dtype_name(tensor->dtype), tn_dtype_name(io->dtype));
    }
    if (tensor->rank != io->rank) {
        return wrong_dims(desc, io, tensor, error);
    }
    for (int32_t i = 0; i < io->rank; i++) {
        if (tensor->dims[i] < 0 || (io->dims[i] >= 0 && tensor->dims[i] != io->dims[i])) {
            return wrong_dims(desc, io, tensor, error);
        }
    }
    tn_status status = check_memory("input", io->name, tensor, error);
    for (int32_t i = 0; i < io->rank && status == TN_OK; i++) {
        if (io->dims[i] < 0) {
            status = bind_symbol(desc, entry, index, i, tensor->dims[i], symbols, error);
        }
    }
    if (status == TN_OK && !tensor->data && tn_decides_shapes(tensor)) {
        return tn_rt_fail(error, TN_BAD_INPUT,
                          "input '%s': no data, but its values may decide shapes", io->name);
    }
    return status;
}

tn_status tn_check_inputs(const tn_model_desc *desc, const tn_entry_desc *entry,
                          const tn_tensor *inputs, int32_t n_inputs, SymbolTable symbols,
                          ErrorText error) {
    if (n_inputs != entry->n_inputs || (n_inputs > 0 && !inputs)) {
        return tn_rt_fail(error, TN_BAD_INPUT, "%d inputs given, the model has %d", (int)n_inputs,
                          (int)entry->n_inputs);
    }
    for (int32_t i = 0; i < desc->n_symbols; i++) {
        symbols.values[i] = -1;
    }
    tn_status status = TN_OK;
    for (int32_t i = 0; i < n_inputs && status == TN_OK; i++) {
        status = check_input(desc, entry, i, &inputs[i], symbols, error);
    }
    return status;
}

static tn_status check_output(const tn_io_desc *io, const tn_tensor *tensor, const int64_t *dims,
                              ErrorText error) {
    char found[256] = "[]", expected[256];
    if (tensor->dtype != io->dtype) {
        return tn_rt_fail(error, TN_BAD_INPUT, "output '%s': element type %s, expected %s",
                          io->name, tn_dtype_name(tensor->dtype), tn_dtype_name(io->dtype));
    }
    bool same = tensor->rank == io->rank;
    for (int32_t i = 0; same && i < io->rank; i++) {
        same = tensor->dims[i] == dims[i];
    }
    if (!same) {
        if (tensor->rank >= 0 && tensor->rank <= TN_MAX_RANK) {
            dims_text(found, sizeof found, tensor->rank, tensor->dims, NULL);
        }
        dims_text(expected, sizeof expected, io->rank, dims, NULL);
        return tn_rt_fail(error, TN_BAD_INPUT, "output '%s': dims %s, expected %s", io->name, found,
                          expected);
    }
    if (!tensor->data && tn_tensor_count(tensor) > 0) {
        return tn_rt_fail(error, TN_BAD_INPUT, "output '%s': no memory for its data", io->name);
    }
    return TN_OK;
}

tn_status tn_check_outputs(const tn_entry_desc *entry, const tn_tensor *outputs, int32_t n_outputs,
                           const int64_t *dims, ErrorText error) {
    if (n_outputs != entry->n_outputs || (n_outputs > 0 && !outputs)) {
        return tn_rt_fail(error, TN_BAD_INPUT, "%d outputs given, the model has %d", (int)n_outputs,
                          (int)entry->n_outputs);
    }
    tn_status status = TN_OK;
    for (int32_t i = 0; i < n_outputs && status == TN_OK; i++) {
        status = check_output(&entry->outputs[i], &outputs[i], dims, error);
        dims += entry->outputs[i].rank;
    }
    return status;
}

bool tn_decides_shapes(const tn_tensor *tensor) {
    switch (tensor->dtype) {
    case TN_BOOL:
    case TN_U8:
    case TN_I8:
    case TN_U16:
    case TN_I16:
    case TN_U32:
    case TN_I32:
    case TN_U64:
    case TN_I64: {
        int64_t count = tn_tensor_count(tensor);
        return count > 0 && count <= RT_CONTENT_MAX;
    }
    default:
        return false;
    }
}
