/* case.h: one case of the ONNX backend suite, run in a process of its own. */
#ifndef TN_TOOLS_CASE_H
#define TN_TOOLS_CASE_H

#include "tools/tool.h"

typedef enum CaseResult { CASE_OK, CASE_FAIL, CASE_UNSUPPORTED, CASE_CRASH } CaseResult;

enum { CASE_REASON = 1024 };

/* Loads, compiles and runs the case in folder `dir` on all of its data sets; `reason` says
 * what went wrong, on one line. */
CaseResult tn_case_run(const Args *args, const char *dir, char *reason);

#endif
