#!/usr/bin/env python3
"""Times compiled models against ONNX Runtime, side by side in one process.

    bench/compare_ort.py [--threads 1,2] [--rounds N] [--dim NAME=N] MODEL...

Each round runs one of the two for a while, then the other, so that both see the same
machine; between them a pause lets spinning threads go to sleep. The figure is the least of
all runs. A NAME.skel.onnx gets random weights first. ONNX Runtime is installed in a private
environment under the build folder when it is missing.
"""
import argparse
import sys
import time

import ort

ort.ensure_packages()


def burst(run, seconds):
    """Least time of the runs that fit into `seconds`, at least three."""
    best, runs, end = float("inf"), 0, time.perf_counter() + seconds
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best * 1e3


def compare(path, sizes, threads, rounds, seconds):
    options = ["-O3", f"--threads={threads}"]
    options += [f"--dim={name}={size}" for name, size in sizes.items()]
    model = ort.fill_skeleton(path)
    reference = ort.ort_session(model, threads)
    inputs = ort.make_inputs(reference, sizes)
    outputs = [node.name for node in reference.get_outputs()]
    tenon = ort.Tenon(ort.compile_model(model, options, f".t{threads}"), threads)
    results = tenon.bind([inputs[node.name] for node in reference.get_inputs()], len(outputs))
    tenon.run()
    wanted = reference.run(outputs, inputs)
    error = max(ort.error_of(got, want) for got, want in zip(results, wanted))
    ours = theirs = float("inf")
    for _ in range(rounds):
        theirs = min(theirs, burst(lambda: reference.run(outputs, inputs), seconds))
        time.sleep(0.05)
        ours = min(ours, burst(tenon.run, seconds))
        time.sleep(0.05)
    return ours, theirs, error


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.3, help="per burst")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=N")
    args = parser.parse_args()
    sizes = {name: int(size) for name, size in (d.rsplit("=", 1) for d in args.dim)}
    print(f"{'model':<28} {'threads':>7} {'tenon ms':>9} {'ort ms':>9} {'ratio':>6} {'error':>8}")
    bad = False
    for path in args.models:
        name = path.rsplit("/", 1)[-1].replace(".skel.onnx", "").replace(".onnx", "")
        if name == "model":
            name = path.rsplit("/", 2)[-2]
        for threads in map(int, args.threads.split(",")):
            ours, theirs, error = compare(path, sizes, threads, args.rounds, args.seconds)
            bad = bad or not error <= 1e-3
            print(f"{name:<28} {threads:>7} {ours:>9.3f} {theirs:>9.3f} {ours / theirs:>6.2f} "
                  f"{error:>8.1e}", flush=True)
    sys.exit(1 if bad else 0)


main()
