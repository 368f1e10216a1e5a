#!/bin/bash
# Checks whole networks: against the reference evaluator (tenon verify) and against ONNX
# Runtime (bench/check_ort.py), dynamic ones at several sizes from one compilation.
#
#   TENON_BUILD_DIR=build scripts/check_models.sh [--sizes NAME=1,4,7]... [-O0|-march=...]... MODEL...
#
# A NAME.skel.onnx gets random weights first.
set -euo pipefail
cd "$(dirname "$0")/.."
export TENON_BUILD_DIR=${TENON_BUILD_DIR:-build}
sizes=() options=() models=()
while [ $# -gt 0 ]; do
    case $1 in
    --sizes) sizes+=("--sizes=$2"); shift ;;
    --sizes=*) sizes+=("$1") ;;
    -*) options+=("$1") ;;
    *) models+=("$1") ;;
    esac
    shift
done
if [ ${#models[@]} = 0 ]; then
    sed -n 's/^# \{0,1\}//p' "$0" | head -8 >&2
    exit 1
fi

failed=0
for model in "${models[@]}"; do
    filled=$(python3 bench/check_ort.py --fill "$model")
    echo "== $model: against the reference"
    "$TENON_BUILD_DIR/bin/tenon" verify "$filled" "${sizes[@]}" "${options[@]}" || failed=1
    echo "== $model: against ONNX Runtime"
    python3 bench/check_ort.py "${sizes[@]}" --options="${options[*]:--O3}" "$filled" || failed=1
done
exit $failed
