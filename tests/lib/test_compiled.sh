#!/bin/bash
# Small models of the text library compiled: `tenon verify` compares every entry and every state
# variable with the reference evaluator.
set -euo pipefail
tenon=${TENON_BUILD_DIR:?set it to a build directory}/bin/tenon
if [ ! -x "$tenon" ]; then
    echo "skipped: $tenon is not built"
    exit 77
fi
failed=0
for model in tests/lib/compiled/*.tn; do
    if ! said=$("$tenon" verify "$model" 2>&1); then
        printf '%s\n%s\n' "$model:" "$said"
        failed=1
    fi
done
exit "$failed"
