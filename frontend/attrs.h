/* attrs.h: operator attributes in .tn syntax: name=value, ...
 *
 * A value is a number, a "string", or a list of either in brackets. A number without point
 * or exponent serves as int or float, whichever the operator asks for.
 */
#ifndef TN_FRONTEND_ATTRS_H
#define TN_FRONTEND_ATTRS_H

#include "frontend/onnx_model.h"

/* False after a diagnostic with line, column and a caret. The result is in the arena. */
bool tn_attrs_parse(Ctx *ctx, const char *text, const OnnxAttr **out, size_t *n);

#endif
