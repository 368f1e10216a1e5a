/* emit_value.c: C expressions for constants, conversions and the elementwise primitives.
 *
 * Integers wrap: operators on them are printed over unsigned types at least 32 bits wide.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "codegen/emit.h"

/* ---- literals ---- */

static const char *float_text(Emit *e, DType dtype, double value) {
    const char *suffix = dtype == TN_F32 ? "f" : "";
    if (isnan(value)) {
        return tn_emit_text(e, "__builtin_nan%s(\"\")", suffix);
    }
    if (isinf(value) || (dtype == TN_F32 && isinf((float)value))) {
        return tn_emit_text(e, "(%s__builtin_inf%s())", value < 0 ? "-" : "", suffix);
    }
    char digits[64];
    snprintf(digits, sizeof digits, dtype == TN_F32 ? "%.9g" : "%.17g",
             dtype == TN_F32 ? (double)(float)value : value);
    const char *point = strpbrk(digits, ".e") == NULL ? ".0" : "";
    return signbit(value) ? tn_emit_text(e, "(%s%s%s)", digits, point, suffix)
                          : tn_emit_text(e, "%s%s%s", digits, point, suffix);
}

static const char *int_text(Emit *e, DType dtype, int64_t value) {
    if (dtype == TN_I64 && value == INT64_MIN) {
        return "(-9223372036854775807 - 1)";
    }
    if (dtype == TN_I32 && value == INT32_MIN) {
        return "(-2147483647 - 1)";
    }
    if (dtype == TN_U64) {
        return tn_emit_text(e, "%" PRIu64 "u", (uint64_t)value);
    }
    return tn_emit_text(e, value < 0 ? "(%" PRId64 ")" : "%" PRId64, value);
}

Val tn_val_const(Emit *e, const Expr *expr) {
    Val val = {NULL, tn_vtype(expr->dtype, 1)};
    if (tn_dtype_is_float(expr->dtype)) {
        val.text = float_text(e, expr->dtype, expr->f);
    } else {
        val.text = int_text(e, expr->dtype, expr->i);
    }
    return val;
}

/* ---- shapes and conversions ---- */

Val tn_val_spread(Emit *e, Val value, int32_t lanes) {
    if (value.type.lanes == lanes) {
        return value;
    }
    bool mask = value.type.dtype == TN_BOOL;
    VType number = tn_vtype(mask ? TN_I8 : value.type.dtype, lanes);
    value.text = tn_emit_text(e, "%s(%s%s)", tn_prelude_fn(e->prelude, "all", number),
                              mask ? "(int8_t)-" : "", value.text);
    value.type = tn_vtype(value.type.dtype, lanes);
    return value;
}

Val tn_val_mask(Emit *e, Val value, int32_t bytes) {
    VType type = value.type;
    if (type.lanes == 1 || type.mask_bytes == bytes) {
        return value;
    }
    type.mask_bytes = bytes;
    value.text =
        tn_emit_text(e, "%s(%s)", tn_prelude_mask(e->prelude, type, value.type), value.text);
    value.type = type;
    return value;
}

static Val cast_from_bool(Emit *e, Val value, DType dtype) {
    VType to = tn_vtype(dtype, value.type.lanes);
    const char *spelled = tn_prelude_type(e->prelude, to);
    if (to.lanes == 1) {
        value.text = tn_emit_text(e, "(%s)%s", spelled, value.text);
    } else {
        value = tn_val_mask(e, value, tn_vtype_bytes(to));
        const char *mask = tn_prelude_type(e->prelude, value.type);
        value.text = tn_emit_text(e, "(%s)(%s & (%s)%s(1))", spelled, value.text, mask,
                                  tn_prelude_fn(e->prelude, "all", to));
    }
    value.text = tn_emit_text(e, "(%s)", value.text);
    value.type = to;
    return value;
}

Val tn_val_cast(Emit *e, Val value, DType dtype) {
    if (value.type.dtype == dtype) {
        return value;
    }
    if (value.type.dtype == TN_BOOL) {
        return cast_from_bool(e, value, dtype);
    }
    VType to = tn_vtype(dtype, value.type.lanes);
    if (dtype == TN_BOOL) {
        to.mask_bytes = tn_vtype_bytes(value.type);
        value.text = tn_emit_text(e, "(%s != 0)", value.text);
    } else {
        value.text =
            tn_emit_text(e, "%s(%s)", tn_prelude_cast(e->prelude, to, value.type), value.text);
    }
    value.type = to;
    return value;
}

Val tn_val_name(Emit *e, Val value) {
    const char *name = tn_emit_name(e, "x");
    tn_emit_line(e, "const %s %s = %s;", tn_prelude_type(e->prelude, value.type), name, value.text);
    value.text = name;
    return value;
}

/* ---- elementwise primitives ---- */

static int32_t most_lanes(const Val *args, int n) {
    int32_t lanes = 1;
    for (int i = 0; i < n; i++) {
        lanes = args[i].type.lanes > lanes ? args[i].type.lanes : lanes;
    }
    return lanes;
}

/* "$0 + $1" with the operands in place. */
static const char *fill_formula(Emit *e, const char *formula, const Val *args, VType type) {
    bool wrap = !tn_dtype_is_float(type.dtype);
    VType wide = type;
    if (wrap) {
        static const DType unsigned_of[] = {[1] = TN_U32, [2] = TN_U32, [4] = TN_U32, [8] = TN_U64};
        static const DType lane_of[] = {[1] = TN_U8, [2] = TN_U16, [4] = TN_U32, [8] = TN_U64};
        wide.dtype = (type.lanes == 1 ? unsigned_of : lane_of)[tn_vtype_bytes(type)];
    }
    const char *cast = wrap ? tn_emit_text(e, "(%s)", tn_prelude_type(e->prelude, wide)) : "";
    StrBuf out = tn_str(e->arena);
    if (wrap) {
        tn_str_printf(&out, "(%s)", tn_prelude_type(e->prelude, type));
    }
    tn_str_putc(&out, '(');
    for (const char *at = formula; *at != '\0'; at++) {
        if (*at == '$') {
            tn_str_printf(&out, "%s%s", cast, args[*++at - '0'].text);
        } else {
            tn_str_putc(&out, *at);
        }
    }
    tn_str_putc(&out, ')');
    return wrap ? tn_emit_text(e, "(%s)", out.data) : out.data;
}

/* Masks of one width: that of the operands proper, or the widest of the masks. */
static void agree_masks(Emit *e, Val *args, int n, VType proper) {
    int32_t bytes = 0;
    for (int i = 0; i < n; i++) {
        bool mask = args[i].type.dtype == TN_BOOL;
        if (mask && args[i].type.mask_bytes > bytes) {
            bytes = args[i].type.mask_bytes;
        }
    }
    if (proper.dtype != TN_BOOL) {
        bytes = tn_vtype_bytes(proper);
    }
    for (int i = 0; i < n; i++) {
        if (args[i].type.dtype == TN_BOOL) {
            args[i] = tn_val_mask(e, args[i], bytes);
        }
    }
}

static const char *call_text(Emit *e, const char *fn, const Val *args, int n) {
    StrBuf out = tn_str(e->arena);
    tn_str_printf(&out, "%s(", fn);
    for (int i = 0; i < n; i++) {
        tn_str_printf(&out, "%s%s", i > 0 ? ", " : "", args[i].text);
    }
    tn_str_putc(&out, ')');
    return out.data;
}

/* One condition for all lanes is a branch, not a mask. */
static bool uniform_choice(Op op, const Val *args) {
    return op == TN_OP_select && args[0].type.lanes == 1;
}

Val tn_val_map(Emit *e, Op op, DType dtype, const Val *given, int n) {
    const OpInfo *info = tn_op_info(op);
    if (info->result == RESULT_TO) {
        return tn_val_cast(e, given[0], dtype);
    }
    Val args[3] = {0};
    int32_t lanes = most_lanes(given, n);
    for (int i = 0; i < n; i++) {
        bool keep = i == 0 && uniform_choice(op, given);
        args[i] = keep ? given[i] : tn_val_spread(e, given[i], lanes);
    }
    agree_masks(e, args, n, args[n - 1].type);
    VType type = args[n - 1].type, result = type;
    if (info->result == RESULT_BOOL) {
        result = tn_vtype(TN_BOOL, lanes);
        result.mask_bytes = tn_vtype_bytes(type);
    }
    if (uniform_choice(op, given)) {
        return (Val){tn_emit_text(e, "(%s ? %s : %s)", args[0].text, args[1].text, args[2].text),
                     result};
    }
    const char *formula = tn_dtype_is_float(type.dtype) ? info->c_float : info->c_int;
    if (strcmp(formula, "@") != 0) {
        return (Val){fill_formula(e, formula, args, type), result};
    }
    return (Val){call_text(e, tn_prelude_fn(e->prelude, info->name, type), args, n), result};
}
