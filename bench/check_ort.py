#!/usr/bin/env python3
"""Compares the outputs of compiled models with ONNX Runtime, at several sizes.

    bench/check_ort.py [--sizes NAME=1,4,7] [--options "-O0 -march=x86-64-v3"] MODEL...

One compilation serves all sizes. The error is the largest difference divided by the largest
magnitude of ONNX Runtime's output; above 1e-4 the script fails.
"""
import argparse
import sys

import ort

ort.ensure_packages()
TOLERANCE = 1e-4


def check(path, sizes, options, threads):
    """Worst error over all rounds of sizes."""
    model = ort.fill_skeleton(path)
    reference = ort.ort_session(model, 1)
    tenon = ort.Tenon(ort.compile_model(model, options, ".check"), threads)
    outputs = [node.name for node in reference.get_outputs()]
    worst = 0.0
    for i in range(max([len(v) for v in sizes.values()], default=1)):
        now = {name: values[min(i, len(values) - 1)] for name, values in sizes.items()}
        inputs = ort.make_inputs(reference, now, seed=i + 1)
        results = tenon.bind([inputs[n.name] for n in reference.get_inputs()], len(outputs))
        tenon.run()
        wanted = reference.run(outputs, inputs)
        error = max(ort.error_of(got, want) for got, want in zip(results, wanted))
        print(f"  {now if now else 'fixed sizes'}: error {error:.2e}")
        worst = max(worst, error)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--sizes", action="append", default=[], metavar="NAME=A,B")
    parser.add_argument("--options", default="-O3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fill", action="store_true", help="only print the models' paths, "
                        "skeletons replaced by models with random weights")
    args = parser.parse_args()
    if args.fill:
        for path in args.models:
            print(ort.fill_skeleton(path))
        return
    sizes = {name: [int(v) for v in values.split(",")]
             for name, values in (s.rsplit("=", 1) for s in args.sizes)}
    failed = 0
    for path in args.models:
        print(path)
        error = check(path, sizes, args.options.split(), args.threads)
        good = error <= TOLERANCE
        failed += not good
        print(f"{'ok' if good else 'FAIL'} {path}: worst error {error:.2e}", flush=True)
    sys.exit(1 if failed else 0)


main()
