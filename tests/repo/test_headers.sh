#!/bin/bash
# Every header compiles alone, seeing no more than its folder may include.
set -euo pipefail
build=${TENON_BUILD_DIR:?set it to a configured build directory}
flags=(-std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -fsyntax-only)
failed=0

# check FOLDER INCLUDE-DIRECTORY
check() {
    local header
    for header in $(find "$1" -name '*.h' | LC_ALL=C sort); do
        printf '#include "%s"\nint tn_unit_is_not_empty;\n' "${header#include/}" |
            "${CC:-cc}" "${flags[@]}" -I"$2" -x c - || { echo "not alone: $header"; failed=1; }
    done
}

check include include
for folder in base ir frontend passes codegen runtime; do
    if [ -d "$build/stage/$folder" ]; then
        check "$folder" "$build/stage/$folder"
    fi
done
exit $failed
