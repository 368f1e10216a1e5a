#!/bin/bash
# docs/library.md is what docs/gen_lib.c prints of the text library. With UPDATE=1 in the
# environment it is written anew.
set -euo pipefail
gen=${TENON_BUILD_DIR:?set it to a build directory}/docs/gen_lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=()
for topic in layers conv recurrent attention activations losses optimizers schedules init metrics common; do
    files+=("frontend/lib/$topic.tn")
done
echo "every file of the library is on the page"
diff <(printf '%s\n' "${files[@]}" | sort) <(ls frontend/lib/*.tn | sort)
"$gen" "${files[@]}" >"$work/library.md"
if [ -n "${UPDATE:-}" ]; then
    cmp -s docs/library.md "$work/library.md" || cp "$work/library.md" docs/library.md
elif ! diff -u docs/library.md "$work/library.md"; then
    echo "docs/library.md is stale: run UPDATE=1 TENON_BUILD_DIR=$TENON_BUILD_DIR bash $0"
    exit 1
fi
