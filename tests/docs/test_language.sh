#!/bin/bash
# The programs in docs/language.md compile, all their entries agree with the reference evaluator,
# and their gradients with differences of the loss.
set -euo pipefail
tenon=$(realpath "${TENON_BUILD_DIR:?set it to a build directory}")/bin/tenon
if [ ! -x "$tenon" ]; then
    echo "skipped: $tenon is not built"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v into="$work/program" '
    /^```tn$/ { inside = 1; n++; next }
    /^```$/ { inside = 0 }
    inside { print > (into n ".tn") }' docs/language.md

programs=("$work"/program*.tn)
[ "${#programs[@]}" -ge 6 ] || { echo "the programs have gone"; exit 1; }
for program in "${programs[@]}"; do
    if ! said=$("$tenon" verify "$program" 2>&1); then
        printf '%s\n' "$said"
        cat "$program"
        exit 1
    fi
    if grep -q '^train ' "$program" && ! said=$("$tenon" verify "$program" --grad 2>&1); then
        printf '%s\n' "$said"
        cat "$program"
        exit 1
    fi
done
echo "${#programs[@]} programs verified"
