#!/bin/bash
# Runs every example, and checks what the ones that need no compiler are linked to.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${TENON_BUILD_DIR:-build}")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for program in bin/tenon examples/run_so examples/jit examples/build_graph examples/fashion \
    examples/train; do
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

# accuracy TEXT: the last number, in ten thousandths.
accuracy() {
    sed -n 's/.* accuracy \([01]\)\.\([0-9]\{4\}\)$/\1\2/p' <<< "$1"
}

"$build/bin/tenon" compile examples/train/mlp.tn -o "$out/mlp.so"
said=$("$build/examples/train" "$out/mlp.so" --steps 60)
if ! [ "$(accuracy "$said")" -ge 09900 ]; then
    echo "FAIL train: expected an accuracy of .99 or more in: $said"
    exit 1
fi
echo "ok train"
if "$build/examples/train" "$out/m.so" > "$out/said" 2>&1 || ! grep -q "no entry 'init'" "$out/said"
then
    echo "FAIL train: a model that does not train is refused"
    exit 1
fi
echo "ok train refuses"

if [ -z "${TENON_SANITIZED:-}" ] || [ "$TENON_SANITIZED" = OFF ]; then
    for program in fashion train; do
        others=$(ldd "$build/examples/$program" |
            grep -Ev 'linux-vdso|ld-linux|libtenon_rt|libgomp|libc\.so|libm\.so' || true)
        if [ -n "$others" ]; then
            echo "FAIL dependencies: $program is linked to $others"
            exit 1
        fi
    done
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

for file in images-idx3 labels-idx1; do
    gzip -dc "$data/t10k-$file-ubyte.gz" > "$out/$file"
done
said=$("$build/examples/train" "$out/mlp.so" --steps 300 "$out/images-idx3" "$out/labels-idx1")
if ! [ "$(accuracy "$said")" -ge 07500 ]; then
    echo "FAIL train: expected an accuracy of .75 or more in: $said"
    exit 1
fi
echo "ok train on Fashion-MNIST"
