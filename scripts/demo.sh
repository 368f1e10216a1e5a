#!/bin/bash
# Compiles a trained network to a shared object and runs the test images of Fashion-MNIST
# through it from a C program that links only libtenon_rt.
#
#   TENON_BUILD_DIR=build scripts/demo.sh [DATA-FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${TENON_BUILD_DIR:-build}
data=${1:-/usr/share/datasets/fashion-mnist}
out=$build/demo

for file in t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
    if [ ! -r "$data/$file.gz" ]; then
        echo "demo.sh: $data/$file.gz not found: run scripts/setup.sh demo" >&2
        exit 1
    fi
    mkdir -p "$out"
    gzip -dc "$data/$file.gz" > "$out/$file"
done

echo "compiling examples/fashion_cnn.onnx to $out/fashion_cnn.so"
"$build/bin/tenon" compile examples/fashion_cnn.onnx -O3 -o "$out/fashion_cnn.so"
"$build/examples/fashion" "$out/fashion_cnn.so" "$out/t10k-images-idx3-ubyte" \
    "$out/t10k-labels-idx1-ubyte" "$out/fashion.svg"
