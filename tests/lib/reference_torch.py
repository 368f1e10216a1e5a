"""Writes data/torch_*.txt: what PyTorch computes, for tests/lib/test_torch.c.

    python reference_torch.py

Numbers of this repository: PyTorch 1.13.0 in float64, NumPy 1.24.2. NAdam runs with
foreach=True: the plain loop of that version is wrong.
"""
import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from cases import File

torch.set_default_dtype(torch.float64)
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
rng = np.random.default_rng(5)
MADE_BY = "reference_torch.py"


def draw(*shape):
    return np.round(rng.normal(size=shape), 3)


def array(t):
    return t.detach().numpy().copy()


# ---- optimisers ----
def optimizer(file, name, call, make, scale=1.0):
    p0 = draw(3, 2)
    p = torch.tensor(p0, requires_grad=True)
    opt = make([p])
    file.case(name, f"""
        fn default_semantics() {{ return "torch" }}
        train t(g: f64[3,2]) {{
          param p: f64[3,2] = zeros
          loss = sum(p * g)
          minimize loss with {call}
        }}""")
    for step in range(10):
        g = draw(3, 2) * scale
        g[1, 1] = 0.0
        p.grad = torch.tensor(g)
        opt.step()
        file.run("step", {"g": g}, {"t.p": p0} if step == 0 else {}, new={"t.p": array(p)})


def optimizers():
    o = torch.optim
    file = File(FOLDER + "/torch_optimizers.txt", MADE_BY)
    optimizer(file, "sgd", "sgd()", lambda p: o.SGD(p, 0.001))
    optimizer(file, "momentum", "momentum(rate=0.05)", lambda p: o.SGD(p, 0.05, momentum=0.9))
    optimizer(file, "dampening", "momentum(rate=0.05, dampening=0.3)",
              lambda p: o.SGD(p, 0.05, momentum=0.9, dampening=0.3))
    optimizer(file, "nesterov", "nesterov(rate=0.05)", lambda p: o.SGD(p, 0.05, momentum=0.9, nesterov=True))
    optimizer(file, "sgd decay", "sgd(rate=0.1, weight_decay=0.02)", lambda p: o.SGD(p, 0.1, weight_decay=0.02))
    optimizer(file, "adagrad", "adagrad()", o.Adagrad)
    optimizer(file, "adagrad rate decay", "adagrad(rate=0.1, rate_decay=0.3, initial=0.2)",
              lambda p: o.Adagrad(p, 0.1, lr_decay=0.3, initial_accumulator_value=0.2))
    optimizer(file, "adadelta", "adadelta()", o.Adadelta)
    optimizer(file, "rmsprop", "rmsprop()", o.RMSprop)
    optimizer(file, "rmsprop centered momentum", "rmsprop(momentum=0.8, centered=true)",
              lambda p: o.RMSprop(p, momentum=0.8, centered=True))
    optimizer(file, "adam", "adam()", o.Adam)
    optimizer(file, "adam small gradients", "adam()", o.Adam, 1e-6)
    optimizer(file, "adam amsgrad", "adam(rate=0.1, beta2=0.5, amsgrad=true)",
              lambda p: o.Adam(p, 0.1, (0.9, 0.5), amsgrad=True))
    optimizer(file, "adam decay", "adam(weight_decay=0.1)", lambda p: o.Adam(p, weight_decay=0.1))
    optimizer(file, "adamw", "adamw()", o.AdamW)
    optimizer(file, "adamax", "adamax()", o.Adamax)
    optimizer(file, "nadam", "nadam()", lambda p: o.NAdam(p, foreach=True))
    file.write()


def clipping():
    file = File(FOLDER + "/torch_clip.txt", MADE_BY)
    g = [draw(3, 2), draw(4)]
    for limit in (1.0, 100.0):
        ps = [torch.zeros(v.shape) for v in g]
        for p, v in zip(ps, g):
            p.grad = torch.tensor(v)
        torch.nn.utils.clip_grad_norm_(ps, limit)
        file.case(f"clip_grad_norm_ {limit}", f"""
            model m(g: f64[3,2], h: f64[4]) {{
              c = clip_by_global_norm([g, h], {limit}, semantics="torch")
              return c[0], c[1]
            }}""")
        file.run("infer", {"g": g[0], "h": g[1]}, out={0: array(ps[0].grad), 1: array(ps[1].grad)})
    file.write()


def schedules():
    s = torch.optim.lr_scheduler
    table = [
        ("step_decay(0.1, 4", 0.1, lambda o: s.StepLR(o, 4)),
        ("exponential_decay(0.1, 1, 0.9", 0.1, lambda o: s.ExponentialLR(o, 0.9)),
        ("cosine_decay(0.1, 12, alpha=0.1", 0.1, lambda o: s.CosineAnnealingLR(o, 12, eta_min=0.01)),
        ("linear_schedule(0.1, 5", 0.1, lambda o: s.LinearLR(o)),
        ("one_cycle(0.1, 12", 0.1, lambda o: s.OneCycleLR(o, 0.1, total_steps=12)),
        ("polynomial_decay(0.1, 9, end=0, power=2", 0.1, lambda o: s.PolynomialLR(o, 9, 2.0)),
    ]
    file = File(FOLDER + "/torch_schedules.txt", MADE_BY)
    for call, rate, make in table:
        opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], rate)
        schedule = make(opt)
        values = []
        for _ in range(12):
            values.append(opt.param_groups[0]["lr"])
            opt.step()
            if len(values) < 12:
                schedule.step()
        file.case(call, f"model m(s: f64[12]) {{\n  return {call}, step=s)\n}}")
        file.run("infer", {"s": np.arange(12.0)}, out={0: values})
    file.write()


# ---- losses ----
def loss(file, name, call, make, p, t, target_type="f64", reductions=("mean", "sum", "none"), tol=None):
    shape = ",".join(map(str, p.shape))
    tshape = ",".join(map(str, t.shape))
    for reduction in reductions:
        q = torch.tensor(p, requires_grad=True)
        value = make(reduction)(q, torch.tensor(t))
        value.sum().backward()
        file.case(f"{name} {reduction}", f"""
            fn default_semantics() {{ return "torch" }}
            model m(p: f64[{shape}], t: {target_type}[{tshape}]) {{
              l = {call}, reduction="{reduction}")
              return l, grad(l, [p])[0]
            }}""", tol)
        file.run("infer", {"p": p, "t": t}, out={0: array(value), 1: array(q.grad)})


def losses():
    file = File(FOLDER + "/torch_losses.txt", MADE_BY)
    p, t = draw(4, 3) * 2, draw(4, 3)
    p[0, 0] = t[0, 0]
    loss(file, "mse", "mse(p, t", lambda r: nn.MSELoss(reduction=r), p, t)
    loss(file, "mae", "mae(p, t", lambda r: nn.L1Loss(reduction=r), p, t)
    loss(file, "huber", "huber(p, t, delta=0.7", lambda r: nn.HuberLoss(delta=0.7, reduction=r), p, t)
    loss(file, "smooth_l1", "smooth_l1(p, t, beta=0.7", lambda r: nn.SmoothL1Loss(beta=0.7, reduction=r), p, t)
    b = (t > 0).astype(float)
    big = p.copy()
    big[0] = [1e4, -1e4, 0.0]
    loss(file, "binary logits", "binary_crossentropy(p, t", lambda r: nn.BCEWithLogitsLoss(reduction=r), big, b)
    q = np.round(rng.uniform(size=(4, 3)), 3)
    q[0] = [0.0, 1.0, 1e-60]
    loss(file, "binary probabilities", "binary_crossentropy(p, t, from_logits=false",
         lambda r: nn.BCELoss(reduction=r), q, b, tol=1e-8) # its 1e-12 is a float
    label = np.array([0, 2, -100, 1])
    loss(file, "sparse", "sparse_categorical_crossentropy(p, t", lambda r: nn.CrossEntropyLoss(reduction=r), big, label,
         "i64")
    loss(file, "sparse weighted", "sparse_categorical_crossentropy(p, t, class_weight=constant([1.0, 0.5, 2.0])",
         lambda r: nn.CrossEntropyLoss(torch.tensor([1.0, 0.5, 2.0]), reduction=r), p, label, "i64")
    loss(file, "sparse smooth", "sparse_categorical_crossentropy(p, t, label_smoothing=0.1",
         lambda r: nn.CrossEntropyLoss(reduction=r, label_smoothing=0.1), p, np.array([0, 2, 1, 1]), "i64")
    loss(file, "sparse three axes", "sparse_categorical_crossentropy(p, t", lambda r: nn.CrossEntropyLoss(reduction=r),
         draw(2, 3, 4), np.array([[0, 2, 1, 1], [1, -100, 0, 2]]), "i64")
    d = np.exp(draw(4, 3))
    d /= d.sum(axis=1, keepdims=True)
    loss(file, "dense", "categorical_crossentropy(p, t", lambda r: nn.CrossEntropyLoss(reduction=r), big, d)
    loss(file, "nll", "negative_log_likelihood(p, t", lambda r: nn.NLLLoss(reduction=r), p, label, "i64")
    d[1] = [0, 1, 0]
    loss(file, "kl_divergence", "kl_divergence(p, t", lambda r: nn.KLDivLoss(reduction=r), p, d,
         reductions=("mean", "sum", "none", "batchmean"))
    loss(file, "poisson", "poisson(p, t", lambda r: nn.PoissonNLLLoss(reduction=r), p, np.abs(t))
    loss(file, "poisson plain", "poisson(p, t, log_input=false",
         lambda r: nn.PoissonNLLLoss(log_input=False, reduction=r), np.abs(p), np.abs(t))
    loss(file, "multi_margin", "multi_margin(p, t", lambda r: nn.MultiMarginLoss(reduction=r), p, np.array([0, 2, 1, 1]),
         "i64")
    loss(file, "multi_margin 2", "multi_margin(p, t, margin=0.5, power=2",
         lambda r: nn.MultiMarginLoss(p=2, margin=0.5, reduction=r), p, np.array([0, 2, 1, 1]), "i64")
    cosine = lambda r: lambda a, b: nn.CosineEmbeddingLoss(reduction=r)(a, b, torch.ones(4))
    loss(file, "cosine", "cosine_loss(p, t", cosine, p, t)
    file.write()


# ---- layers ----
def layer(file, name, call, module, x, state, tol=None):
    """Result and derivative by x of its product with a random tensor."""
    q = torch.tensor(x, requires_grad=True)
    y = module(q)
    w = draw(*y.shape)
    (y * torch.tensor(w)).sum().backward()
    shape, wshape = (",".join(map(str, v.shape)) for v in (x, w))
    file.case(name, f"""
        fn default_semantics() {{ return "torch" }}
        model m(x: f64[{shape}], w: f64[{wshape}]) {{
          y = {call}
          return y, grad(sum(y * w), [x])[0]
        }}""", tol)
    path = call.split("(")[0]
    file.run("infer", {"x": x, "w": w}, {f"m.{path}.{k}": v for k, v in state.items()}, out={0: array(y), 1: array(q.grad)})


def set_random(module):
    for p in module.parameters():
        p.data = torch.tensor(draw(*p.shape) * 0.5)
    return module


def conv_like(file, name, call, module, x):
    set_random(module)
    state = {"kernel": array(module.weight)}
    if module.bias is not None:
        state["bias"] = array(module.bias)
    layer(file, name, call, module, x, state)


def layers():
    file = File(FOLDER + "/torch_layers.txt", MADE_BY)
    x = draw(1, 4, 6, 5)
    conv_like(file, "conv2d", "conv2d(x, 3, 3, stride=2, padding=1)", nn.Conv2d(4, 3, 3, stride=2, padding=1), x)
    conv_like(file, "conv2d groups", "conv2d(x, 6, [3, 2], padding=[2, 1], dilation=[2, 1], groups=2)",
              nn.Conv2d(4, 6, (3, 2), padding=(2, 1), dilation=(2, 1), groups=2), x)
    conv_like(file, "conv1d", "conv1d(x, 3, 3, padding=1, dilation=1)", nn.Conv1d(4, 3, 3, padding=1), draw(2, 4, 7))
    conv_like(file, "conv3d", "conv3d(x, 2, 2)", nn.Conv3d(2, 2, 2), draw(1, 2, 3, 4, 3))
    x = draw(1, 4, 3, 2)
    conv_like(file, "conv2d_transpose", "conv2d_transpose(x, 2, 5, stride=2, padding=2, output_padding=1)",
              nn.ConvTranspose2d(4, 2, 5, stride=2, padding=2, output_padding=1), x)
    conv_like(file, "conv2d_transpose groups", "conv2d_transpose(x, 6, 3, stride=[2, 3], padding=1, dilation=2, groups=2)",
              nn.ConvTranspose2d(4, 6, 3, stride=(2, 3), padding=1, dilation=2, groups=2), x)
    conv_like(file, "conv1d_transpose", "conv1d_transpose(x, 2, 4, stride=2, padding=1)",
              nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1), draw(2, 4, 3))
    x = np.round(rng.integers(0, 3, size=(1, 2, 6, 6)) * 1.0, 1) # ties
    layer(file, "max_pool2d ties", "max_pool2d(x, 3, stride=2, padding=1)", nn.MaxPool2d(3, 2, 1), x, {})
    layer(file, "max_pool2d dilated", "max_pool2d(x, 2, stride=1, dilation=2)", nn.MaxPool2d(2, 1, dilation=2), x, {})
    layer(file, "avg_pool2d", "avg_pool2d(x, 3, stride=2, padding=1)", nn.AvgPool2d(3, 2, 1), x, {})
    layer(file, "avg_pool2d exclude", "avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=false)",
          nn.AvgPool2d(3, 2, 1, count_include_pad=False), x, {})
    dense = set_random(nn.Linear(4, 3))
    layer(file, "dense", "dense(x, 3)", dense, draw(2, 4), {"kernel": array(dense.weight).T, "bias": array(dense.bias)})
    for name, call, module, x in (
            ("layer_norm", "layer_norm(x, dims=2)", nn.LayerNorm((3, 4)), draw(2, 3, 4)),
            ("group_norm", "group_norm(x, 2)", nn.GroupNorm(2, 4), draw(2, 4, 3))):
        set_random(module)
        layer(file, name, call, module, x, {"gamma": array(module.weight), "beta": array(module.bias)})
    kinks = np.array([[0.0, -3.0, 3.0, 6.0, -1.0, 1.0], [0.5, -0.5, 2.5, -2.5, 30.0, -30.0]])
    for name, f in (("relu", F.relu), ("relu6", F.relu6), ("leaky_relu", F.leaky_relu), ("elu", F.elu), ("celu", F.celu),
                    ("selu", F.selu), ("gelu", F.gelu), ("silu", F.silu), ("mish", F.mish), ("softplus", F.softplus),
                    ("softsign", F.softsign), ("hard_sigmoid", F.hardsigmoid), ("hard_swish", F.hardswish),
                    ("log_sigmoid", F.logsigmoid)):
        layer(file, name + " kinks", f"{name}(x)", f, kinks if name != "hard_swish" else kinks[1:], {},
              1e-7 if name == "hard_sigmoid" else None) # its 1 / 6 is a float
    layer(file, "gelu tanh", "gelu(x, approximate=true)", lambda v: F.gelu(v, approximate="tanh"), kinks, {})
    layer(file, "softmax", "softmax(x, axis=1)", lambda v: F.softmax(v, 1), draw(2, 3, 2), {})
    layer(file, "log_softmax", "log_softmax(x)", lambda v: F.log_softmax(v, -1), kinks * 1e3, {})
    layer(file, "prelu", "prelu(x)", nn.PReLU(3), draw(2, 3, 2), {"slope": np.full(3, 0.25)})
    file.write()


def batch_norm():
    file = File(FOLDER + "/torch_batch_norm.txt", MADE_BY)
    module = nn.BatchNorm2d(3)
    gamma, beta, mean, var = draw(3), draw(3), draw(3), np.abs(draw(3)) + 0.5
    module.weight.data, module.bias.data = torch.tensor(gamma), torch.tensor(beta)
    module.running_mean, module.running_var = torch.tensor(mean), torch.tensor(var)
    opt = torch.optim.SGD(module.parameters(), 0.5)
    file.case("batch_norm", """
        fn default_semantics() { return "torch" }
        model m(x: f64[2,3,4,2]) {
          return batch_norm(x)
        }
        train t(x: f64[2,3,4,2], w: f64[2,3,4,2]) {
          loss = sum(m(x) * w)
          minimize loss with sgd(rate=0.5)
        }""")
    state = {"m.batch_norm.gamma": gamma, "m.batch_norm.beta": beta,
             "m.batch_norm.moving_mean": mean, "m.batch_norm.moving_variance": var}
    for step in range(3):
        x, w = draw(2, 3, 4, 2), draw(2, 3, 4, 2)
        opt.zero_grad()
        value = (module(torch.tensor(x)) * torch.tensor(w)).sum()
        value.backward()
        opt.step()
        now = [array(v) for v in (module.weight, module.bias, module.running_mean, module.running_var)]
        file.run("step", {"x": x, "w": w}, state if step == 0 else {}, out={"loss": array(value)}, new=dict(zip(state, now)))
    module.eval()
    file.run("infer", {"x": x}, out={0: array(module(torch.tensor(x)))})
    file.write()


def recurrent_state(module, way=""):
    names = {"weight_ih": "kernel", "weight_hh": "recurrent_kernel", "bias_ih": "bias", "bias_hh": "recurrent_bias"}
    state = {}
    for theirs, ours in names.items():
        value = array(getattr(module, f"{theirs}_l0{way}"))
        state[ours] = value.T if value.ndim == 2 else value
    return state


def recurrents():
    file = File(FOLDER + "/torch_recurrent.txt", MADE_BY)
    for name, cls in (("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)):
        module = set_random(cls(3, 4, batch_first=True))
        state = recurrent_state(module)
        x = draw(2, 5, 3)
        layer(file, name, f"{name}(x, 4, return_sequences=true)", lambda v, m=module: m(v)[0], x, state)
        layer(file, name + " last", f"{name}(x, 4)", lambda v, m=module: m(v)[0][:, -1], x, state)
    module = set_random(nn.LSTM(3, 4))
    h, c = draw(2, 4), draw(2, 4)
    x = draw(5, 2, 3)
    y, (hn, cn) = module(torch.tensor(x), (torch.tensor(h)[None], torch.tensor(c)[None]))
    file.case("lstm states", """
        model m(x: f64[5,2,3], h: f64[2,4], c: f64[2,4]) {
          return lstm(x, 4, return_sequences=true, return_state=true, initial_state=[h, c], time_major=true,
                      semantics="torch")
        }""")
    file.run("infer", {"x": x, "h": h, "c": c}, {f"m.lstm.{k}": v for k, v in recurrent_state(module).items()},
             out={0: array(y), 1: array(hn[0]), 2: array(cn[0])})
    module = set_random(nn.GRU(3, 4, batch_first=True, bidirectional=True))
    state = {f"forward.gru.{k}": v for k, v in recurrent_state(module).items()}
    state.update({f"backward.gru.{k}": v for k, v in recurrent_state(module, "_reverse").items()})
    layer(file, "bidirectional", "bidirectional(x, fn(x, reverse) => gru(x, 4, return_sequences=true, reverse=reverse))",
          lambda v: module(v)[0], draw(2, 5, 3), state)
    file.write()


def attention():
    file = File(FOLDER + "/torch_attention.txt", MADE_BY)
    module = set_random(nn.MultiheadAttention(6, 2, batch_first=True))
    kernels = array(module.in_proj_weight).reshape(3, 6, 6)
    biases = array(module.in_proj_bias).reshape(3, 6)
    state = {}
    for i, name in enumerate(("query", "key", "value")):
        state[f"{name}.kernel"], state[f"{name}.bias"] = kernels[i].T, biases[i]
    state["output.kernel"], state["output.bias"] = array(module.out_proj.weight).T, array(module.out_proj.bias)
    x = draw(2, 4, 6)
    layer(file, "multi_head_attention", "multi_head_attention(x, heads=2)", lambda v: module(v, v, v)[0], x, state)
    hidden = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
    layer(file, "multi_head_attention causal", "multi_head_attention(x, heads=2, causal=true)",
          lambda v: module(v, v, v, attn_mask=hidden)[0], x, state)
    file.write()


optimizers()
clipping()
schedules()
losses()
layers()
batch_norm()
recurrents()
attention()
