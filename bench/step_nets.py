"""The four networks of bench/*.tn in PyTorch and in JAX, and one step of training of each:
forward, backward, Adam, float32.

PyTorch runs as a script would write it, by its fastest optimiser on a CPU (fused), once as it
is and once with forward, loss and backward through torch.compile. JAX has one jitted function
that owns its parameters (donated) and is given arrays that it already holds. Parameters
have Tenon's names and shapes on JAX's side; they come from PyTorch's seeded initial values.
"""
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import training

RATE = 0.001


# ---- PyTorch ----

class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, 10)

    def forward(self, x, label):
        logits = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
        return F.cross_entropy(logits, label)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.conv3, self.head = nn.Conv2d(64, 128, 3, padding=1), nn.Linear(128 * 64, 10)

    def forward(self, x, label):
        h = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        h = F.max_pool2d(F.relu(self.conv3(h)), 2)
        return F.cross_entropy(self.head(h.flatten(1)), label)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(128, 256, batch_first=True), nn.Linear(256, 1)

    def forward(self, x, y):
        sequence, _ = self.lstm(x)
        return F.mse_loss(self.head(sequence[:, -1]), y)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = (t.view(n, length, self.heads, width // self.heads).transpose(1, 2)
                   for t in self.qkv(x).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(n, length, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.fc, self.proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.proj(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary=256, width=256, layers=4, heads=4, length=128):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        nn.init.normal_(self.tok.weight, 0, 0.02)
        nn.init.normal_(self.pos.weight, 0, 0.02)
        self.layers = layers
        for i in range(layers):
            setattr(self, f"block{i}", Block(width, heads))
        self.ln, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, token, following):
        x = self.tok(token) + self.pos.weight
        for i in range(self.layers):
            x = getattr(self, f"block{i}")(x)
        logits = self.head(self.ln(x))
        return F.cross_entropy(logits.flatten(0, 1), following.flatten())


def torch_step(module, inputs, compiled=False):
    """A function of no arguments that does one step and returns the loss."""
    optimizer = torch.optim.Adam(module.parameters(), RATE, fused=True)
    forward = torch.compile(module, dynamic=False) if compiled else module

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(*inputs)
        loss.backward()
        optimizer.step()
        return loss
    return step


# ---- JAX ----

def jax_dense(p, name, x):
    return x @ p[name + ".kernel"] + p[name + ".bias"]


def jax_cross_entropy(logits, label):
    import jax
    logp = jax.nn.log_softmax(logits)
    return -jax.numpy.take_along_axis(logp, label[..., None], axis=-1).mean()


def jax_mlp(p, x, label):
    from jax.nn import relu
    h = relu(jax_dense(p, "mlp.fc1", x))
    h = relu(jax_dense(p, "mlp.fc2", h))
    return jax_cross_entropy(jax_dense(p, "mlp.fc3", h), label)


def jax_cnn(p, x, label):
    """Channels last, the layout XLA's CPU convolutions are made for."""
    import jax
    relu = jax.nn.relu

    def conv(name, x):
        y = jax.lax.conv_general_dilated(x, p[name + ".kernel"], (1, 1), "SAME",
                                         dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return relu(y + p[name + ".bias"])

    def pool(x):
        return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 2, 2, 1),
                                     (1, 2, 2, 1), "VALID")
    h = pool(conv("cnn.conv2", conv("cnn.conv1", x)))
    h = pool(conv("cnn.conv3", h))
    h = h.transpose(0, 3, 1, 2).reshape(h.shape[0], -1)
    return jax_cross_entropy(jax_dense(p, "cnn.head", h), label)


def jax_lstm(p, x, y):
    import jax
    n = "lstm_net.lstm."
    z = x.transpose(1, 0, 2) @ p[n + "kernel"] + p[n + "bias"] + p[n + "recurrent_bias"]

    def body(state, z_t):
        h, c = state
        i, f, g, o = jax.numpy.split(z_t + h @ p[n + "recurrent_kernel"], 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        return (jax.nn.sigmoid(o) * jax.numpy.tanh(c), c), None
    zeros = jax.numpy.zeros((x.shape[0], p[n + "recurrent_kernel"].shape[0]), x.dtype)
    (h, _), _ = jax.lax.scan(body, (zeros, zeros), z)
    return ((jax_dense(p, "lstm_net.head", h) - y) ** 2).mean()


def jax_norm(p, name, x):
    mean = x.mean(-1, keepdims=True)
    centred = x - mean
    variance = (centred * centred).mean(-1, keepdims=True)
    normal = centred * (variance + 1e-5) ** -0.5
    return normal * p[name + ".gamma"] + p[name + ".beta"]


def jax_attention(p, name, x, heads):
    import jax
    n, length, width = x.shape
    q, k, v = (t.reshape(n, length, heads, width // heads).transpose(0, 2, 1, 3)
               for t in jax.numpy.split(jax_dense(p, name + ".qkv", x), 3, axis=2))
    scores = q @ k.swapaxes(2, 3) / np.float32(np.sqrt(width // heads))
    seen = np.tril(np.ones((length, length), bool))
    y = jax.nn.softmax(jax.numpy.where(seen, scores, -1e9)) @ v
    return jax_dense(p, name + ".proj", y.transpose(0, 2, 1, 3).reshape(n, length, width))


def jax_gpt(p, token, following, layers=4, heads=4):
    import jax
    x = p["gpt.tok.table"][token] + p["gpt.pos.table"]
    for i in range(layers):
        b = f"gpt.block{i}"
        x = x + jax_attention(p, b + ".attn", jax_norm(p, b + ".ln1", x), heads)
        h = jax.nn.gelu(jax_dense(p, b + ".fc", jax_norm(p, b + ".ln2", x)), approximate=True)
        x = x + jax_dense(p, b + ".proj", h)
    return jax_cross_entropy(jax_norm(p, "gpt.ln", x) @ p["gpt.head.kernel"], following)


def jax_adam(p, m, v, t, g):
    import jax
    tree = jax.tree_util.tree_map
    m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    a, b = 1 - 0.9 ** t, 1 - 0.999 ** t
    p = tree(lambda p, m, v: p - RATE / a * m / (jax.numpy.sqrt(v / b) + 1e-8), p, m, v)
    return p, m, v


def jax_step(net, module, inputs):
    """A function of no arguments that does one step and returns the loss."""
    import jax
    tree = jax.tree_util.tree_map
    p = {name: jax.numpy.array(net.to_jax(view(t.detach()).numpy()))
         for name, (t, view) in training.twin_tensors(module, net.root).items()}
    state = [p, tree(jax.numpy.zeros_like, p), tree(jax.numpy.zeros_like, p),
             jax.numpy.float32(0)]
    inputs = [jax.device_put(net.to_jax(i.numpy())) for i in inputs]

    def update(p, m, v, t, *inputs):
        loss, g = jax.value_and_grad(net.jax_loss)(p, *inputs)
        p, m, v = jax_adam(p, m, v, t + 1, g)
        return loss, p, m, v, t + 1
    compiled = jax.jit(update, donate_argnums=(0, 1, 2, 3))

    def step():
        loss, *state[:] = compiled(*state, *inputs)
        jax.block_until_ready(state[0])
        return loss
    return step


# ---- the table ----

def channels_last(a):
    """What has four dimensions: pictures to NHWC, kernels [out, in, h, w] to [h, w, in, out]."""
    if a.ndim != 4:
        return a
    return a.transpose(2, 3, 1, 0) if a.shape[2] == 3 else a.transpose(0, 2, 3, 1)


def unchanged(a):
    return a


@dataclass
class Net:
    name: str
    root: str  # of the parameters' names
    batch: int
    module: type
    jax_loss: object
    inputs: list = field(default_factory=list)  # name, shape after the batch, classes or 0
    to_jax: object = unchanged

    def make_inputs(self, seed=7):
        """PyTorch tensors; numbers from N(0, 1), classes as int64."""
        generator = torch.Generator().manual_seed(seed)
        return [torch.randint(classes, (self.batch, *shape), generator=generator) if classes
                else torch.randn(self.batch, *shape, generator=generator)
                for _, shape, classes in self.inputs]

    def make_module(self, seed=3):
        torch.manual_seed(seed)
        return self.module()

    def tenon_arrays(self, inputs):
        """Classes are int32 in bench/*.tn."""
        return [i.numpy().astype(np.int32) if i.dtype == torch.int64 else i.numpy()
                for i in inputs]


NETS = [
    Net("mlp", "mlp", 128, Mlp, jax_mlp, [("x", (784,), 0), ("label", (), 10)]),
    Net("cnn", "cnn", 32, Cnn, jax_cnn, [("x", (3, 32, 32), 0), ("label", (), 10)],
        channels_last),
    Net("lstm", "lstm_net", 32, Lstm, jax_lstm, [("x", (64, 128), 0), ("y", (1,), 0)]),
    Net("gpt", "gpt", 8, Gpt, jax_gpt, [("token", (128,), 256), ("following", (128,), 256)]),
]
