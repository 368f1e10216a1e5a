#!/usr/bin/env python3
"""Compares training with PyTorch on the networks of bench/check/*.tn.

    bench/check_torch.py [--only NAME,...] [--steps 1000] [--options "-O3"]

Lock-step: both sides take the gradients of one batch at the same parameters, again and again
while PyTorch moves on; the error is the size of a tensor's difference against the tensor's, the
worst of all tensors and steps, and at most 1e-5. PyTorch's own, in single precision, is beside it.

Free-running: both train by themselves on the same batches, smooth twins of the networks; the error
is the relative difference of a loss, the worst of all steps, and at most 1e-4. So does the MLP
with every optimiser that PyTorch has. PyTorch computes in double precision, Tenon in single.
"""
import argparse
import copy
import os
import sys

import ort
import training

ort.ensure_packages(training.PACKAGES, training.FOLDER)
GRADIENTS, LOSSES = 1e-5, 1e-4
ADAM = 'adam(rate=0.001'


def compile_net(net, smooth, optimizer, options):
    """bench/check/NAME.tn, changed as asked for, as a compiled model with a state."""
    import check_nets
    import numpy as np
    with open(os.path.join(ort.ROOT, "bench", "check", net.name + ".tn")) as file:
        text = file.read()
    call, _ = check_nets.OPTIMIZERS[optimizer]
    text = text.replace(ADAM, call)
    if smooth:
        text = text.replace("relu", "tanh").replace("max_pool2d", "avg_pool2d")
    folder = os.path.join(ort.BUILD, "models")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"check_{net.name}_{optimizer}{'_smooth' * smooth}.tn")
    with open(path, "w") as file:
        file.write(text)
    model = training.Training(ort.compile_model(
        path, [f"--dim=N={check_nets.BATCH}", "--threads=1", *options]))
    model.call("init", np.array(1, np.int64))
    return model


def tenon_arrays(batch):
    import numpy as np
    return [t.numpy().astype(np.float32 if t.is_floating_point() else np.int32) for t in batch]


def torch_batch(batch):
    return [t.double() if t.is_floating_point() else t for t in batch]


class Follower:
    """An entry of Tenon's on changing batches."""

    def __init__(self, model, entry, batch):
        self.model, self.entry = model, entry
        self.arrays = [a.copy() for a in tenon_arrays(batch)]
        self.results = model.bind(entry, *self.arrays)

    def run(self, batch):
        for array, new in zip(self.arrays, tenon_arrays(batch)):
            array[...] = new
        self.model.run(self.entry)


def round_parameters(module):
    """To what single precision holds, so that both sides have the same."""
    import torch
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.float())


def torch_gradients(module, batch, single=False):
    """Leaves .grad of every parameter; the losses."""
    import torch
    losses = module.losses(*(batch if single else torch_batch(batch)))
    for loss, parameters in losses:
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
    return [float(loss.detach()) for loss, _ in losses]


def relative_error(got, want):
    import numpy as np
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def gradient_errors(model, module, batch):
    """Of each gradient {name: (error, PyTorch's in single precision)}."""
    torch_gradients(module, batch)
    single = copy.deepcopy(module).float()
    torch_gradients(single, batch, single=True)
    errors = {}
    for (name, (parameter, view)), (theirs, _) in zip(module.twins().items(),
                                                      single.twins().values()):
        want = view(parameter.grad).numpy()
        errors[name] = (relative_error(model.find("grad." + name), want),
                        relative_error(view(theirs.grad).numpy(), want))
    return errors


def lock_step(net, steps, options):
    """The worst error of a gradient, whose it was, and the worst of PyTorch in single precision."""
    import torch
    module = net.make_module(smooth=False)
    model = compile_net(net, False, "adam", options)
    optimizer = torch.optim.Adam(module.parameters(), 0.001)
    follower = Follower(model, "grad", net.make_batch(0))
    worst, single = (0.0, ""), 0.0
    for step in range(steps):
        batch = net.make_batch(step)
        round_parameters(module)
        training.copy_weights(module.twins(), model)
        for name in model.names(training.GRAD):
            model.find(name)[...] = 0
        follower.run(batch)
        errors = gradient_errors(model, module, batch)
        worst = max(worst, max((error, name) for name, (error, _) in errors.items()))
        single = max(single, max(theirs for _, theirs in errors.values()))
        optimizer.step()
    return *worst, single


def free_run(net, steps, optimizer, options):
    """The worst relative error of a loss, and the first and the last loss."""
    import check_nets
    module = net.make_module(smooth=True)
    model = compile_net(net, True, optimizer, options)
    _, make = check_nets.OPTIMIZERS[optimizer]
    updates = make(module.parameters())
    round_parameters(module)
    training.copy_weights(module.twins(), model)
    follower = Follower(model, "step", net.make_batch(0))
    worst, first, last = 0.0, None, None
    for step in range(steps):
        batch = net.make_batch(step)
        follower.run(batch)
        losses = torch_gradients(module, batch)
        updates.step()
        for got, want in zip(follower.results, losses):
            worst = max(worst, abs(float(got) - want) / abs(want))
        first, last = first or losses[0], losses[0]
    return worst, first, last


def print_row(what, name, error, good, more):
    print(f"{what:<10} {name:<14} {error:>9.2e}  {'ok  ' if good else 'FAIL'} {more}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="mlp,cnn,lstm,gru,transformer,gan", metavar="NAME,...")
    parser.add_argument("--steps", type=int, default=1000, help="of free running")
    parser.add_argument("--locked", type=int, default=50, help="steps in lock-step")
    parser.add_argument("--options", default="-O3", help="of tenon compile")
    args = parser.parse_args()
    import check_nets
    import torch
    torch.set_num_threads(1)
    options, good = args.options.split(), []
    chosen = [net for net in check_nets.NETS if net.name in args.only.split(",")]
    for net in chosen:
        error, tensor, single = lock_step(net, args.locked, options)
        good.append(print_row("lock-step", net.name, error, error <= GRADIENTS,
                              f"{tensor}; PyTorch in single precision {single:.2e}"))
    runs = [(net, "adam") for net in chosen]
    runs += [(net, o) for net in chosen[:1] if net.name == "mlp"
             for o in check_nets.OPTIMIZERS if o != "adam"]
    for net, optimizer in runs:
        error, first, last = free_run(net, args.steps, optimizer, options)
        name = net.name if optimizer == "adam" else optimizer
        good.append(print_row("free run", name, error, error <= LOSSES,
                              f"loss {first:.4f} to {last:.4f}"))
    sys.exit(0 if all(good) else 1)


main()
