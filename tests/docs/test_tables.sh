#!/bin/bash
# docs/ops.md, docs/onnx.md and the summary in README.md are what docs/gen_ops.c prints. With
# UPDATE=1 in the environment they are written anew.
set -euo pipefail
gen=${TENON_BUILD_DIR:?set it to a build directory}/docs/gen_ops
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check FILE EXPECTED
check() {
    if [ -n "${UPDATE:-}" ]; then
        cmp -s "$1" "$2" || cp "$2" "$1"
    elif ! diff -u "$1" "$2"; then
        echo "$1 is stale: run UPDATE=1 TENON_BUILD_DIR=$TENON_BUILD_DIR bash tests/docs/test_tables.sh"
        failed=1
    fi
}

for name in ops onnx; do
    "$gen" "$name" >"$work/$name.md"
    check "docs/$name.md" "$work/$name.md"
done

# The summary stands between two comments.
begin='<!-- printed by docs/gen_ops.c -->' end='<!-- end -->'
"$gen" support >"$work/support"
sed -n "/^$(sed 's,/,\\/,g' <<<"$begin")\$/,/^$end\$/p" README.md >"$work/old"
[ "$(wc -l <"$work/old")" -ge 2 ] || { echo "README.md has no '$begin' ... '$end'"; exit 1; }
awk -v begin="$begin" -v end="$end" -v text="$work/support" '
    $0 == end { inside = 0 }
    !inside { print }
    $0 == begin { inside = 1; while ((getline line < text) > 0) print line }' README.md >"$work/README.md"
check README.md "$work/README.md"
exit $failed
