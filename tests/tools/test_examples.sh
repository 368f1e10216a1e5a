#!/bin/bash
# Runs every example, and checks what the ones that need no compiler are linked to.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${TENON_BUILD_DIR:-build}")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for program in bin/tenon examples/run_so examples/jit examples/build_graph examples/fashion; do
    if [ ! -x "$build/$program" ]; then
        echo "skipped: $build/$program is not built"
        exit 77
    fi
done

# expect NAME TEXT COMMAND...: the command succeeds and says TEXT.
expect() {
    local name=$1 text=$2 said
    shift 2
    if ! said=$("$@" 2>&1) || [[ $said != *"$text"* ]]; then
        echo "FAIL $name: expected '$text' in: $said"
        exit 1
    fi
    echo "ok $name"
}

"$build/bin/tenon" compile examples/fashion_cnn.onnx -o "$out/m.so"
expect run_so 'probabilities: f32[1,10] ' "$build/examples/run_so" "$out/m.so"
expect jit 'probabilities: 10 elements of f32' "$build/examples/jit" examples/fashion_cnn.onnx
expect build_graph '1 xor 1 = 0' "$build/examples/build_graph"
expect build_graph '0 xor 1 = 1' "$build/examples/build_graph"

if [ -z "${TENON_SANITIZED:-}" ] || [ "$TENON_SANITIZED" = OFF ]; then
    others=$(ldd "$build/examples/fashion" |
        grep -Ev 'linux-vdso|ld-linux|libtenon_rt|libgomp|libc\.so|libm\.so' || true)
    if [ -n "$others" ]; then
        echo "FAIL dependencies: the demo is linked to $others"
        exit 1
    fi
    echo "ok dependencies"
fi

data=/usr/share/datasets/fashion-mnist
if [ ! -r "$data/t10k-images-idx3-ubyte.gz" ]; then
    echo "skipped demo: the package dataset-fashion-mnist is not installed"
    exit 0
fi
expect demo '8981 of 10000 right, accuracy 89.81 %' env TENON_BUILD_DIR="$build" scripts/demo.sh
grep -q '</svg>' "$build/demo/fashion.svg"
echo "ok picture"
