#!/bin/bash
# The ONNX backend suite through the compiler: listed cases pass at every level for every
# processor tried, every other case passes or says which operator or type is unsupported.
#
# TENON_ONNX_SUITE is an unpacked suite (GROUP/CASE) or its archive, TENON_ONNX_CASES a list of
# cases, one a line; without them ../shared/data is looked at. Too long for every run of the
# tests: `make suite`.
set -euo pipefail
cd "$(dirname "$0")/../.."
tenon=$(realpath "${TENON_BUILD_DIR:-build}")/bin/tenon
suite=${TENON_ONNX_SUITE:-$(compgen -G '../shared/data/onnx-suite-*.tar.xz' | head -1 || true)}
cases=${TENON_ONNX_CASES:-../shared/data/onnx-cases-foundation.txt}
skip() {
    echo "skipped: $1"
    exit 77
}
[ -x "$tenon" ] || skip "$tenon is not built"
[ -e "$suite" ] || skip "no ONNX suite: TENON_ONNX_SUITE is not set"
[ -f "$cases" ] || skip "no list of cases: TENON_ONNX_CASES is not set"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
if [ -f "$suite" ]; then
    tar -xf "$suite" -C "$out"
    suite=$(find "$out" -path '*/node/test_add' -printf '%h' -quit)
    suite=${suite%/node}
fi
sort -u "$cases" >"$out/listed"
find "$suite" -mindepth 3 -maxdepth 3 -name model.onnx -printf '%P\n' |
    sed 's,/model.onnx$,,' | sort | comm -23 - "$out/listed" >"$out/others"

# run LIST OPTION...: the lines of all its cases into $out/log
run() {
    local list=$1
    shift
    "$tenon" test --list="$list" --root="$suite" "$@" >"$out/log" || true
    if [ "$(grep -cE '^(ok|fail|unsupported|crash) ' "$out/log")" != "$(wc -l <"$list")" ]; then
        echo "FAIL: not every case ran"
        exit 1
    fi
}

# expect NAME PATTERN: no line but the last is without the pattern.
failed=0
expect() {
    if sed '$d' "$out/log" | grep -vE "$2"; then
        echo "FAIL $1"
        failed=1
    else
        echo "ok $1: $(tail -1 "$out/log")"
    fi
}

for options in -O0 -O1 -O2 -O3 "-O3 -march=x86-64-v2" "-O3 -march=x86-64-v3"; do
    read -ra words <<<"$options"
    run "$out/listed" "${words[@]}"
    expect "listed cases $options" '^ok '
done
named="operator '|node '[^']*' \(|element type|is a sequence|is an optional"
run "$out/others"
expect "other cases" "^ok |^unsupported .*($named)"
exit $failed
