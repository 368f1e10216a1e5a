#!/usr/bin/env python3
"""Checks the whole gradients of well-known networks: `tenon verify --grad` with a loss put on.

    bench/check_grads.py [--only NAME,...] [--options "-O2"] FOLDER

FOLDER holds the ONNX models of the table below; one that is missing fails. Of each a line tells
the worst of differences of the loss along random directions, in double precision, against the
gradient; how far gradients in single precision are from that gradient; seconds and memory.
"""
import argparse
import os
import re
import resource
import subprocess
import sys
import time

import ort

CLASSES = ["--loss=sparse_categorical_crossentropy"]
SQUARES = ["--loss=mean_squared_error"]
ONE = ["--dim=batch=1"]
NETS = {
    "resnet50": CLASSES,
    "mobilenet_v2": CLASSES,
    "efficientnet_b0": CLASSES + ONE,
    "vit_b_16": CLASSES + ONE,
    "bert128": SQUARES,
    "gpt2_64": CLASSES,
}


def run(command):
    """Exit status, what was said, seconds, and GiB at the most."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, said, time.perf_counter() - start, usage.ru_maxrss / 2**20


def worst_of(pattern, said):
    return max((float(error) for error in re.findall(pattern, said, re.M)), default=float("nan"))


def check(name, path, options):
    command = [os.path.join(ort.BUILD, "bin", "tenon"), "verify", path, "--grad",
               "--optimizer=sgd()", *NETS[name], *options]
    status, said, seconds, memory = run(command)
    count = re.search(r", (\d+) of (\d+) gradients", said)
    slope = worst_of(r"^  (\S+) +.*, difference of ", said)
    single = worst_of(r"^  (\S+) +by single precision", said)
    print(f"{name:<16} {count.group(1) if count else '-':>9} {slope:>12.2e} {single:>11.2e} "
          f"{seconds:>7.0f} {memory:>6.1f}  {'ok' if status == 0 else 'FAIL'}", flush=True)
    if status:
        print(said[-4000:])
    return status == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--only", default=",".join(NETS), metavar="NAME,...")
    parser.add_argument("--options", default="--threads=1", help="of tenon verify")
    args = parser.parse_args()
    print(f"{'network':<16} {'gradients':>9} {'differences':>12} {'precision':>11} {'seconds':>7} "
          f"{'GiB':>6}")
    paths = {name: ort.fill_skeleton(find(args.folder, name)) for name in args.only.split(",")}
    good = [check(name, path, args.options.split()) for name, path in paths.items()]
    sys.exit(0 if all(good) else 1)


def find(folder, name):
    """The model, or its skeleton, which gets random weights."""
    path = os.path.join(folder, name + ".onnx")
    return path if os.path.exists(path) else os.path.join(folder, name + ".skel.onnx")


main()
