"""The networks of bench/check/*.tn in PyTorch, with batches that can be learned from.

A network has a smooth twin, whose trajectory does not depend on which side of a kink rounding
falls: tanh and average pooling in the place of relu and maximum pooling.
"""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

import step_nets
import training

BATCH = 16


class Kinds:
    """What differs between a network and its smooth twin."""

    def __init__(self, smooth):
        self.act = torch.tanh if smooth else F.relu
        self.pool = F.avg_pool2d if smooth else F.max_pool2d


class Single(nn.Module):
    """One model under one name, one loss of `forward(*batch)`."""
    root = "net"

    def losses(self, *batch):
        return [(self(*batch), list(self.parameters()))]

    def twins(self):
        return training.twin_tensors(self, self.root)


class Mlp(Single):
    root = "mlp"

    def __init__(self, kinds):
        super().__init__()
        self.act = kinds.act
        self.fc1, self.fc2 = nn.Linear(32, 64), nn.Linear(64, 48)
        self.fc3 = nn.Linear(48, 10)

    def forward(self, x, label):
        return F.cross_entropy(self.fc3(self.act(self.fc2(self.act(self.fc1(x))))), label)


class Cnn(Single):
    root = "cnn"

    def __init__(self, kinds):
        super().__init__()
        self.act, self.pool = kinds.act, kinds.pool
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, groups=2, bias=False)
        self.conv3 = nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(n) for n in (8, 16, 16))
        self.head = nn.Linear(144, 10)

    def forward(self, x, label):
        h = self.pool(self.act(self.bn1(self.conv1(x))), 2)
        h = self.act(self.bn2(self.conv2(h)))
        h = self.act(self.bn3(self.conv3(h)))
        return F.cross_entropy(self.head(h.flatten(1)), label)


class Recurrent(Single):
    def __init__(self, name, kind):
        super().__init__()
        self.name = name
        self.add_module(name, kind(16, 32, batch_first=True))
        self.head = nn.Linear(32, 4)

    def forward(self, x, y):
        sequence, _ = getattr(self, self.name)(x)
        return F.mse_loss(self.head(sequence[:, -1]), y)


class Transformer(Single):
    root = "gpt"

    def __init__(self):
        super().__init__()
        self.gpt = step_nets.Gpt(vocabulary=24, width=32, layers=2, heads=4, length=16)

    def forward(self, token, following):
        return self.gpt(token, following)

    def twins(self):
        return training.twin_tensors(self.gpt, self.root)


class Generator(nn.Module):
    def __init__(self, kinds):
        super().__init__()
        self.act = kinds.act
        self.fc, self.bn = nn.Linear(16, 128), nn.BatchNorm2d(8)
        self.conv = nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1)

    def forward(self, z):
        return torch.tanh(self.conv(self.act(self.bn(self.fc(z).view(-1, 8, 4, 4)))))


class Discriminator(nn.Module):
    def __init__(self, kinds):
        super().__init__()
        self.act = kinds.act
        self.conv, self.head = nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.Linear(128, 1)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).flatten(1))


class Gan(nn.Module):
    """Each loss is for the parameters of one model alone."""

    def __init__(self, kinds):
        super().__init__()
        self.generator, self.discriminator = Generator(kinds), Discriminator(kinds)

    def losses(self, z, real):
        fake = self.generator(z)

        def against(x, label):
            logits = self.discriminator(x)
            return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
        d_loss = against(real, 0.9) + against(fake.detach(), 0.0)
        return [(d_loss, list(self.discriminator.parameters())),
                (against(fake, 1.0), list(self.generator.parameters()))]

    def twins(self):
        return {**training.twin_tensors(self.generator, "generator"),
                **training.twin_tensors(self.discriminator, "discriminator")}


# ---- batches: float32 and int64, seeded by the number of the step ----

def classes(shape, n):
    """Numbers, and the largest of n fixed projections of them."""
    def make(generator):
        x = torch.randn(BATCH, *shape, generator=generator)
        place = torch.Generator().manual_seed(5)
        return [x, (x.flatten(1) @ torch.randn(x[0].numel(), n, generator=place)).argmax(1)]
    return make


def series(generator):
    x = torch.randn(BATCH, 12, 16, generator=generator)
    return [x, torch.sin(x[:, -3:].sum((1, 2))[:, None] / 4 + torch.arange(4))]


def symbols(generator):
    """The next number, or now and then any: what attention must find out alone is learned in a
    leap, before which rounding errors grow without bound."""
    token = torch.randint(24, (BATCH, 16), generator=generator)
    other = torch.randint(24, (BATCH, 16), generator=generator)
    odd = torch.rand(BATCH, 16, generator=generator) < 0.3
    return [token, torch.where(odd, other, (token + 1) % 24)]


def pictures(generator):
    slope = torch.linspace(-1, 1, 8).expand(1, 8, 8)
    noise = 0.2 * torch.randn(BATCH, 1, 8, 8, generator=generator)
    return [torch.randn(BATCH, 16, generator=generator), (slope + noise).clamp(-1, 1)]


@dataclass
class Net:
    name: str    # of bench/check/NAME.tn
    make: object # the module, of Kinds
    batch: object

    def make_module(self, smooth, seed=3):
        """Double precision, with parameters that single precision holds exactly."""
        torch.manual_seed(seed)
        return self.make(Kinds(smooth)).double()

    def make_batch(self, step):
        return self.batch(torch.Generator().manual_seed(1000 + step))


NETS = [
    Net("mlp", Mlp, classes((32,), 10)),
    Net("cnn", Cnn, classes((3, 12, 12), 10)),
    Net("lstm", lambda kinds: Recurrent("lstm", nn.LSTM), series),
    Net("gru", lambda kinds: Recurrent("gru", nn.GRU), series),
    Net("transformer", lambda kinds: Transformer(), symbols),
    Net("gan", Gan, pictures),
]

# Tenon's call, and PyTorch's of the same defaults but for the rate.
OPTIMIZERS = {
    "sgd": ("sgd(rate=0.05", lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": ("momentum(rate=0.01", lambda p: torch.optim.SGD(p, 0.01, 0.9)),
    "nesterov": ("nesterov(rate=0.01",
                 lambda p: torch.optim.SGD(p, 0.01, 0.9, nesterov=True)),
    "adagrad": ("adagrad(rate=0.01", lambda p: torch.optim.Adagrad(p, 0.01)),
    "adadelta": ("adadelta(rate=1.0", lambda p: torch.optim.Adadelta(p, 1.0)),
    "rmsprop": ("rmsprop(rate=0.001", lambda p: torch.optim.RMSprop(p, 0.001)),
    "adam": ("adam(rate=0.001", lambda p: torch.optim.Adam(p, 0.001)),
    "adamw": ("adamw(rate=0.001", lambda p: torch.optim.AdamW(p, 0.001)),
    "adamax": ("adamax(rate=0.002", lambda p: torch.optim.Adamax(p, 0.002)),
    "nadam": ("nadam(rate=0.002", lambda p: torch.optim.NAdam(p, 0.002)),
}
