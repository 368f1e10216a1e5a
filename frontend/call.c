/* call.c: the operator table, and what importers ask of their node. */
#include "frontend/call.h"

#include <stdarg.h>
#include <string.h>

/* ---- the table ---- */

#define OP(name, since, min_in, max_in, max_out, function, param, attrs)                           \
    bool tn_import_##function(Call *call);
#include "frontend/onnx_ops.def"
#undef OP

static const OpRow rows[] = {
#define OP(name, since, min_in, max_in, max_out, function, param, attrs)                           \
    {#name, since, min_in, max_in, max_out, tn_import_##function, param, attrs},
#include "frontend/onnx_ops.def"
#undef OP
};

enum { N_ROWS = sizeof rows / sizeof *rows };

static int compare_name(StrView name, const char *row) {
    size_t len = strlen(row);
    int order = memcmp(name.data, row, name.len < len ? name.len : len);
    return order != 0 ? order : (name.len > len) - (name.len < len);
}

/* The first row of that name, N_ROWS when there is none: the table is sorted by name. */
static size_t first_row(StrView name) {
    size_t lo = 0;
    size_t hi = N_ROWS;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (compare_name(name, rows[middle].name) > 0) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < N_ROWS && compare_name(name, rows[lo].name) == 0 ? lo : N_ROWS;
}

const OpRow *tn_op_row(StrView name, int64_t opset, bool *known) {
    const OpRow *found = NULL;
    size_t i = name.len > 0 ? first_row(name) : N_ROWS;
    *known = i < N_ROWS;
    for (; i < N_ROWS && tn_sv_is(name, rows[i].name) && rows[i].since <= opset; i++) {
        found = &rows[i];
    }
    return found;
}

/* ---- problems ---- */

static bool report(Call *call, tn_status status, const char *format, va_list args) {
    StrBuf text = tn_str(&call->ctx->scratch);
    tn_str_vprintf(&text, format, args);
    return tn_diag(&call->ctx->diags, status, call->loc, "%s", text.data);
}

bool tn_call_error(Call *call, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(call, TN_BAD_INPUT, format, args);
    va_end(args);
    return false;
}

bool tn_call_unsupported(Call *call, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(call, TN_UNSUPPORTED, format, args);
    va_end(args);
    return false;
}

/* ---- inputs and attributes ---- */

Value *tn_call_in(const Call *call, size_t i) {
    return i < call->n_in ? call->in[i] : NULL;
}

static const OnnxAttr *find_attr(const Call *call, const char *name) {
    for (size_t i = 0; i < call->n_attrs; i++) {
        if (tn_sv_is(call->attrs[i].name, name)) {
            return &call->attrs[i];
        }
    }
    return NULL;
}

bool tn_call_has(const Call *call, const char *attr) {
    return find_attr(call, attr) != NULL;
}

/* Files older than IR version 2 leave `type` out: the member that is present tells. */
static OnnxAttrType type_of(const OnnxAttr *attr) {
    const bool present[] = {
        [ONNX_ATTR_FLOAT] = attr->has_f,     [ONNX_ATTR_INT] = attr->has_i,
        [ONNX_ATTR_STRING] = attr->has_s,    [ONNX_ATTR_TENSOR] = attr->t != NULL,
        [ONNX_ATTR_GRAPH] = attr->has_graph, [ONNX_ATTR_FLOATS] = attr->n_floats > 0,
        [ONNX_ATTR_INTS] = attr->n_ints > 0, [ONNX_ATTR_STRINGS] = attr->n_strings > 0,
    };
    int type = (int)attr->type;
    for (int i = 1; type == ONNX_ATTR_NONE && i < (int)(sizeof present / sizeof *present); i++) {
        type = present[i] ? i : type;
    }
    return (OnnxAttrType)type;
}

static const char *type_text(OnnxAttrType type) {
    static const char *const texts[] = {"nothing", "a float", "an int", "a string", "a tensor",
                                        "a graph", "floats",  "ints",   "strings"};
    return type <= ONNX_ATTR_STRINGS ? texts[type] : "something else";
}

/* Whether an attribute that does not state its type can pass for `type`: a number of the C
 * builder is int and float at once, an empty list leaves no trace in a file. */
static bool may_be(const OnnxAttr *attr, OnnxAttrType type) {
    bool list = type == ONNX_ATTR_FLOATS || type == ONNX_ATTR_INTS || type == ONNX_ATTR_STRINGS;
    return (type == ONNX_ATTR_INT && attr->has_i) || (type == ONNX_ATTR_FLOAT && attr->has_f) ||
           (type == ONNX_ATTR_INTS && attr->n_ints > 0) ||
           (type == ONNX_ATTR_FLOATS && attr->n_floats > 0) ||
           (list && type_of(attr) == ONNX_ATTR_NONE);
}

/* The attribute if it is present and of that type; a wrong type fails the call. */
static const OnnxAttr *typed_attr(Call *call, const char *name, OnnxAttrType type) {
    const OnnxAttr *attr = find_attr(call, name);
    if (attr == NULL || type_of(attr) == type) {
        return attr;
    }
    if (attr->type == ONNX_ATTR_NONE && may_be(attr, type)) {
        return attr;
    }
    if (!call->failed) {
        tn_call_error(call, "attribute '%s' is %s, expected %s", name, type_text(type_of(attr)),
                      type_text(type));
    }
    call->failed = true;
    return NULL;
}

int64_t tn_call_int(Call *call, const char *attr, int64_t otherwise) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_INT);
    return found != NULL ? found->i : otherwise;
}

double tn_call_float(Call *call, const char *attr, double otherwise) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_FLOAT);
    return found != NULL ? (double)found->f : otherwise;
}

StrView tn_call_text(Call *call, const char *attr, const char *otherwise) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_STRING);
    return found != NULL ? found->s : tn_sv(otherwise);
}

const int64_t *tn_call_int_list(Call *call, const char *attr, size_t *n) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_INTS);
    *n = found != NULL ? found->n_ints : 0;
    return found != NULL ? found->ints : NULL;
}

const float *tn_call_float_list(Call *call, const char *attr, size_t *n) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_FLOATS);
    *n = found != NULL ? found->n_floats : 0;
    return found != NULL ? found->floats : NULL;
}

const StrView *tn_call_text_list(Call *call, const char *attr, size_t *n) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_STRINGS);
    *n = found != NULL ? found->n_strings : 0;
    return found != NULL ? found->strings : NULL;
}

const OnnxTensor *tn_call_tensor(Call *call, const char *attr) {
    const OnnxAttr *found = typed_attr(call, attr, ONNX_ATTR_TENSOR);
    return found != NULL ? found->t : NULL;
}

bool tn_call_axis(Call *call, int64_t axis, int rank, int *out) {
    if (axis < -rank || axis >= rank) {
        return tn_call_error(call, "axis %lld is outside %d..%d", (long long)axis, -rank, rank - 1);
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool tn_call_axes(Call *call, const int64_t *axes, size_t n, int rank, uint32_t *out) {
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        int axis = 0;
        if (!tn_call_axis(call, axes[i], rank, &axis)) {
            return false;
        }
        if ((*out >> axis & 1) != 0) {
            return tn_call_error(call, "axis %d occurs twice", axis);
        }
        *out |= 1u << axis;
    }
    return true;
}

/* ---- running ---- */

/* Whether `name` is a word of `list`. */
static bool listed(const char *list, StrView name) {
    while (*list != 0) {
        size_t len = strcspn(list, " ");
        if (len == name.len && memcmp(list, name.data, len) == 0) {
            return true;
        }
        list += len + (list[len] == ' ');
    }
    return false;
}

static bool check_attrs(Call *call) {
    for (size_t i = 0; i < call->n_attrs; i++) {
        StrView name = call->attrs[i].name;
        /* A hint to allocators, gone since opset 6. */
        bool hint = tn_sv_is(name, "consumed_inputs");
        if (!hint && !listed(call->row->attrs, name)) {
            return tn_call_error(call, "attribute '%s' is unknown; expected one of: %s",
                                 tn_sv_dup(&call->ctx->scratch, name),
                                 call->row->attrs[0] != 0 ? call->row->attrs : "(none)");
        }
        for (size_t k = 0; k < i; k++) {
            if (tn_sv_eq(call->attrs[k].name, name)) {
                return tn_call_error(call, "attribute '%s' occurs twice",
                                     tn_sv_dup(&call->ctx->scratch, name));
            }
        }
    }
    return true;
}

static bool check_counts(Call *call) {
    const OpRow *row = call->row;
    if (row->max_in >= 0 && call->n_in > (size_t)row->max_in) {
        return tn_call_error(call, "%zu inputs, expected at most %d", call->n_in, row->max_in);
    }
    for (int i = 0; i < row->min_in; i++) {
        if (tn_call_in(call, (size_t)i) == NULL) {
            return tn_call_error(call, "input %d is missing", i);
        }
    }
    if (call->n_out == 0 || (row->max_out >= 0 && call->n_out > (size_t)row->max_out)) {
        return tn_call_error(call, "%zu outputs, expected 1 to %d", call->n_out,
                             row->max_out >= 0 ? row->max_out : INT8_MAX);
    }
    return true;
}

bool tn_call_run(Call *call) {
    return check_counts(call) && check_attrs(call) && call->row->import(call) && !call->failed;
}
