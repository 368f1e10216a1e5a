#!/usr/bin/env python3
"""Times one step of training (forward, backward, Adam, float32) of bench/*.tn against PyTorch,
eager and compiled, and JAX, side by side in one process.

    bench/compare_train.py [--threads N] [--only NAME,...] [--rounds N] [--without WHO,...]

Each round runs one of them for a while, then the next, so that all see the same machine;
between them a pause lets spinning threads go to sleep. The figure is the least of all steps.
All start from the same weights and see the same batch; the losses of the first steps must
agree. Processor time over wall time of each tells that it kept to its threads. PyTorch
and JAX are installed in a private environment under the build folder when they are missing.
"""
import argparse
import os
import sys
import time

import ort
import training

ort.ensure_packages(["numpy", "torch", "jax"], training.FOLDER)
WHO = ["eager", "compiled", "jax", "tenon"]
CHECKED_STEPS = 5
TOLERANCE = 1e-3


class Contender:
    """One of those compared: a step to call, and what was seen of it."""

    def __init__(self, make):
        time.sleep(2)  # the compilers before this one leave threads and processes that wind down
        start = time.perf_counter()
        self.step = make()
        self.losses = [float(self.step())]
        start = time.perf_counter() - start
        # Those who compile at the first call need it and what an ordinary step takes.
        begin = time.perf_counter()
        self.losses += [float(self.step()) for _ in range(CHECKED_STEPS - 1)]
        usual = (time.perf_counter() - begin) / (CHECKED_STEPS - 1)
        self.compile_s = getattr(self.step, "compile_s", start - usual)
        self.best, self.wall, self.cpu = float("inf"), 0.0, 0.0

    def burst(self, seconds):
        """Steps for about that long, at least two."""
        n, cpu, begin = 0, time.process_time(), time.perf_counter()
        end = begin
        while n < 2 or end < begin + seconds:
            start = end
            self.step()
            end = time.perf_counter()
            self.best = min(self.best, (end - start) * 1e3)
            n += 1
        self.wall += end - begin
        self.cpu += time.process_time() - cpu


def tenon_step(net, options, threads):
    """Compiles bench/NAME.tn; the step's loss is a view of the result."""
    source = os.path.join(ort.ROOT, "bench", net.name + ".tn")
    start = time.perf_counter()
    library = ort.compile_model(source, options, f".step{threads}")
    compile_s = time.perf_counter() - start
    model = training.Training(library, threads)
    training.copy_weights(training.twin_tensors(net.make_module(), net.root), model)
    loss = model.bind("step", *net.tenon_arrays(net.make_inputs()))[0]

    def step():
        model.run("step")
        return loss
    step.compile_s = compile_s
    return step


def warm_up_compilers():
    """What is done once a process is not part of a network's compile time."""
    import jax
    import torch
    x = torch.ones(64, requires_grad=True)
    torch.compile(lambda x: (x * 2).sin().sum())(x).backward()
    jax.jit(lambda x: x * 2)(jax.numpy.ones(8)).block_until_ready()


def make_contenders(net, args):
    import step_nets
    options = ["--entries=init,step", f"--threads={args.threads}", f"--dim=N={net.batch}", *args.options.split()]
    inputs = net.make_inputs()
    makers = {
        "eager": lambda: step_nets.torch_step(net.make_module(), inputs),
        "compiled": lambda: step_nets.torch_step(net.make_module(), inputs, compiled=True),
        "jax": lambda: step_nets.jax_step(net, net.make_module(), inputs),
        "tenon": lambda: tenon_step(net, options, args.threads),
    }
    return {who: Contender(makers[who]) for who in WHO if who not in args.without.split(",")}


def compare(net, args):
    """Rounds of bursts; the order turns from round to round."""
    found = make_contenders(net, args)
    for i in range(args.rounds):
        order = list(found.values())
        for contender in order[i % len(order):] + order[:i % len(order)]:
            contender.burst(args.seconds)
            time.sleep(0.03)
    return found


def loss_error(found):
    """The largest relative difference of the losses of the first steps from the first
    contender's."""
    first = next(iter(found.values())).losses
    return max(abs(a - b) / abs(b) for c in found.values() for a, b in zip(c.losses, first))


def print_row(net, found, threads):
    """ms of each; Tenon's time over that of the fastest other; loss difference; processors."""
    others = [c.best for who, c in found.items() if who != "tenon"]
    ratio = found["tenon"].best / min(others) if "tenon" in found and others else float("nan")
    cells = [f"{found[who].best:>9.2f}" if who in found else f"{'-':>9}" for who in WHO]
    busy = max(c.cpu / c.wall for c in found.values() if c.wall)
    print(f"{net.name:<6} {threads:>7}", *cells, f"{ratio:>6.2f} {loss_error(found):>9.1e} "
          f"{busy:>5.2f}", flush=True)


def print_compile_times(net, found):
    cells = [f"{who} {found[who].compile_s:.2f} s" for who in WHO[1:] if who in found]
    print(f"       compile: {', '.join(cells)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="mlp,cnn,lstm,gpt", metavar="NAME,...")
    parser.add_argument("--without", default="", metavar="WHO,...",
                        help="leave out some of " + ", ".join(WHO))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.7, help="per burst")
    parser.add_argument("--options", default="-O3", help="of tenon compile")
    args = parser.parse_args()
    os.environ.setdefault("PJRT_NPROC", str(args.threads))
    os.environ.setdefault("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    import step_nets
    import torch
    torch.set_num_threads(args.threads)
    warm_up_compilers()
    print(f"{'step':<6} {'threads':>7}", *[f"{who + ' ms':>9}"[-11:] for who in WHO],
          f"{'ratio':>6} {'loss diff':>9} {'cpus':>5}")
    bad = False
    for net in step_nets.NETS:
        if net.name in args.only.split(","):
            found = compare(net, args)
            bad = bad or not loss_error(found) <= TOLERANCE
            print_row(net, found, args.threads)
            print_compile_times(net, found)
    sys.exit(1 if bad else 0)


main()
