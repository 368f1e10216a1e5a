"""Writes data/keras_*.txt: what Keras computes, for tests/lib/test_keras.c.

    KERAS_BACKEND=jax python reference_keras.py

Numbers of this repository: Keras 3.15.1 on JAX 0.10.2 in float64, NumPy 2.4.6.
"""
import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import keras
import numpy as np

from cases import File

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
# Outside TensorFlow Keras lowers float64 to float32 between operations; here it must not.
keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
rng = np.random.default_rng(4)
MADE_BY = "reference_keras.py"


def draw(*shape):
    return np.round(rng.normal(size=shape), 3)


# ---- optimisers ----
def optimizer(file, name, call, make, scale=1.0, minimize=""):
    p0 = draw(3, 2)
    variable = keras.Variable(p0, dtype="float64")
    opt = make()
    opt.build([variable])
    file.case(name, f"""
        train t(g: f64[3,2]) {{
          param p: f64[3,2] = zeros
          loss = sum(p * g)
          minimize loss with {call} {minimize}
        }}""")
    for step in range(10):
        g = draw(3, 2) * scale
        g[1, 1] = 0.0
        opt.apply([jnp.asarray(g)], [variable])
        file.run("step", {"g": g}, {"t.p": p0} if step == 0 else {}, new={"t.p": variable.numpy()})


def optimizers():
    o = keras.optimizers
    file = File(FOLDER + "/keras_optimizers.txt", MADE_BY)
    optimizer(file, "sgd", "sgd()", o.SGD)
    optimizer(file, "sgd momentum", "sgd(momentum=0.9)", lambda: o.SGD(momentum=0.9))
    optimizer(file, "momentum", "momentum(rate=0.05)", lambda: o.SGD(0.05, momentum=0.9))
    optimizer(file, "nesterov", "nesterov(rate=0.05)", lambda: o.SGD(0.05, momentum=0.9, nesterov=True))
    optimizer(file, "sgd decay", "sgd(rate=0.1, weight_decay=0.02)", lambda: o.SGD(0.1, weight_decay=0.02))
    optimizer(file, "adagrad", "adagrad()", o.Adagrad)
    optimizer(file, "adadelta", "adadelta()", o.Adadelta)
    file.line("warning write rate=1.0")
    optimizer(file, "adadelta 1", "adadelta(rate=1.0)", lambda: o.Adadelta(1.0))
    optimizer(file, "rmsprop", "rmsprop()", o.RMSprop)
    optimizer(file, "rmsprop centered momentum", "rmsprop(rate=0.02, momentum=0.8, centered=true)",
              lambda: o.RMSprop(0.02, momentum=0.8, centered=True))
    optimizer(file, "adam", "adam()", o.Adam)
    optimizer(file, "adam small gradients", "adam()", o.Adam, 1e-6)
    optimizer(file, "adam amsgrad", "adam(rate=0.1, beta2=0.5, amsgrad=true)",
              lambda: o.Adam(0.1, beta_2=0.5, amsgrad=True))
    optimizer(file, "adam decay", "adam(weight_decay=0.1)", lambda: o.Adam(weight_decay=0.1))
    optimizer(file, "adamw", "adamw()", o.AdamW)
    optimizer(file, "adamax", "adamax()", o.Adamax)
    optimizer(file, "nadam", "nadam()", o.Nadam)
    optimizer(file, "lion", "lion()", o.Lion)
    optimizer(file, "clip value", "sgd(rate=0.1)", lambda: o.SGD(0.1, clipvalue=0.5), minimize="clip_value=0.5")
    optimizer(file, "clip norm", "sgd(rate=0.1)", lambda: o.SGD(0.1, clipnorm=0.7), minimize="clip_norm=0.7")
    optimizer(file, "schedule", "sgd(rate=exponential_decay(0.1, 3, 0.5))",
              lambda: o.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)))
    file.write()


def global_norm(file):
    shapes = [(3, 2), (4,)]
    start = [draw(*s) for s in shapes]
    variables = [keras.Variable(s, dtype="float64") for s in start]
    opt = keras.optimizers.SGD(0.1, global_clipnorm=1.0)
    opt.build(variables)
    file.case("clip global norm", """
        train t(g: f64[3,2], h: f64[4]) {
          param p: f64[3,2] = zeros
          param q: f64[4] = zeros
          loss = sum(p * g) + sum(q * h)
          minimize loss with sgd(rate=0.1) clip_global_norm=1.0
        }""")
    for step in range(4):
        g = [draw(*s) * 0.5 ** step for s in shapes]
        opt.apply([jnp.asarray(v) for v in g], variables)
        file.run("step", {"g": g[0], "h": g[1]}, {"t.p": start[0], "t.q": start[1]} if step == 0 else {},
                 new={"t.p": variables[0].numpy(), "t.q": variables[1].numpy()})


def schedules():
    s = keras.optimizers.schedules
    table = [
        ("exponential_decay(0.1, 7, 0.5", s.ExponentialDecay(0.1, 7, 0.5)),
        ("exponential_decay(0.1, 7, 0.5, staircase=true", s.ExponentialDecay(0.1, 7, 0.5, staircase=True)),
        ("piecewise_constant([5, 12], [1.0, 0.5, 0.1]", s.PiecewiseConstantDecay([5, 12], [1.0, 0.5, 0.1])),
        ("polynomial_decay(0.1, 15", s.PolynomialDecay(0.1, 15)),
        ("polynomial_decay(0.1, 6, end=0.01, power=2, cycle=true",
         s.PolynomialDecay(0.1, 6, end_learning_rate=0.01, power=2, cycle=True)),
        ("inverse_time_decay(0.1, 4, 0.5", s.InverseTimeDecay(0.1, 4, 0.5)),
        ("inverse_time_decay(0.1, 4, 0.5, staircase=true", s.InverseTimeDecay(0.1, 4, 0.5, staircase=True)),
        ("cosine_decay(0.1, 13", s.CosineDecay(0.1, 13)),
        ("cosine_decay(0.01, 11, alpha=0.1, warmup_target=0.2, warmup_steps=6",
         s.CosineDecay(0.01, 11, alpha=0.1, warmup_target=0.2, warmup_steps=6)),
        ("cosine_restarts(0.1, 4, alpha=0.05", s.CosineDecayRestarts(0.1, 4, alpha=0.05)),
        ("cosine_restarts(0.1, 6, t_mul=1, m_mul=0.5", s.CosineDecayRestarts(0.1, 6, t_mul=1.0, m_mul=0.5)),
    ]
    file = File(FOLDER + "/keras_schedules.txt", MADE_BY)
    for call, schedule in table:
        # Keras takes powers and cosines of floatx; restarts sit on jumps, so half steps.
        steps = np.arange(20) + (0.5 if "restarts" in call else 0.0)
        file.case(call, f"model m(s: f64[20]) {{\n  return {call}, step=s)\n}}")
        file.run("infer", {"s": steps}, out={0: [float(schedule(v)) for v in steps]})
    file.write()


# ---- losses ----
def loss(file, name, call, make, p, t, tol=None, target_type="f64"):
    """Value and gradient for each reduction."""
    shape = ",".join(map(str, p.shape))
    tshape = ",".join(map(str, t.shape))
    for reduction, ours in (("sum_over_batch_size", "mean"), ("sum", "sum"), (None, "none")):
        f = make(reduction)
        value = lambda q: f(jnp.asarray(t), q)
        total = lambda q: jnp.sum(value(q))
        file.case(f"{name} {ours}", f"""
            model m(p: f64[{shape}], t: {target_type}[{tshape}]) {{
              l = {call}, reduction="{ours}")
              return l, grad(l, [p])[0]
            }}""", tol)
        file.run("infer", {"p": p, "t": t},
                 out={0: np.asarray(value(jnp.asarray(p))), 1: np.asarray(jax.grad(total)(jnp.asarray(p)))})


def probabilities(*shape):
    x = np.exp(rng.normal(size=shape))
    return np.round(x / x.sum(axis=-1, keepdims=True), 4)


def losses():
    k = keras.losses
    file = File(FOLDER + "/keras_losses.txt", MADE_BY)
    p, t = draw(4, 3) * 2, draw(4, 3)
    plain = [("mean_squared_error", k.MeanSquaredError), ("mean_absolute_error", k.MeanAbsoluteError),
             ("huber", k.Huber), ("log_cosh", k.LogCosh), ("cosine_loss", k.CosineSimilarity)]
    for name, cls in plain:
        loss(file, name, f"{name}(p, t", lambda r, cls=cls: cls(reduction=r), p, t)
    loss(file, "huber 0.4", "huber(p, t, delta=0.4", lambda r: k.Huber(delta=0.4, reduction=r), p, t)
    q = probabilities(4, 3)
    loss(file, "poisson", "poisson(p, t", lambda r: k.Poisson(reduction=r), q, np.abs(t))
    loss(file, "kl_divergence", "kl_divergence(p, t", lambda r: k.KLDivergence(reduction=r), q, probabilities(4, 3))
    signs = np.where(t > 0, 1.0, -1.0)
    for name, cls in (("hinge", k.Hinge), ("squared_hinge", k.SquaredHinge)):
        loss(file, name, f"{name}(p, t", lambda r, cls=cls: cls(reduction=r), p, signs)
        loss(file, name + " 0 1", f"{name}(p, t", lambda r, cls=cls: cls(reduction=r), p, (signs + 1) / 2)
    hot = np.eye(3)[[0, 2, 1, 1]]
    loss(file, "categorical_hinge", "categorical_hinge(p, t", lambda r: k.CategoricalHinge(reduction=r), p, hot)
    b = (t > 0).astype(float)
    loss(file, "binary logits", "binary_crossentropy(p, t",
         lambda r: k.BinaryCrossentropy(from_logits=True, reduction=r), p, b)
    loss(file, "binary smooth", "binary_crossentropy(p, t, label_smoothing=0.1",
         lambda r: k.BinaryCrossentropy(from_logits=True, label_smoothing=0.1, reduction=r), p, b)
    loss(file, "binary probabilities", "binary_crossentropy(p, t, from_logits=false",
         lambda r: k.BinaryCrossentropy(reduction=r), q, b)
    edge = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.25]])
    loss(file, "binary clipped", "binary_crossentropy(p, t, from_logits=false",
         lambda r: k.BinaryCrossentropy(reduction=r), edge, np.array([[1.0, 0, 1], [1, 0, 0]]), 1e-6)
    loss(file, "categorical logits", "categorical_crossentropy(p, t",
         lambda r: k.CategoricalCrossentropy(from_logits=True, reduction=r), p, hot)
    loss(file, "categorical smooth", "categorical_crossentropy(p, t, label_smoothing=0.2",
         lambda r: k.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2, reduction=r), p, hot)
    loss(file, "categorical probabilities", "categorical_crossentropy(p, t, from_logits=false",
         lambda r: k.CategoricalCrossentropy(reduction=r), q * 1.5, probabilities(4, 3))
    label = np.array([0, 2, 1, 1])
    sparse = lambda logits: lambda r: k.SparseCategoricalCrossentropy(from_logits=logits, reduction=r)
    loss(file, "sparse logits", "sparse_categorical_crossentropy(p, t", sparse(True), p, label, target_type="i32")
    loss(file, "sparse three axes", "sparse_categorical_crossentropy(p, t", sparse(True), draw(2, 3, 5),
         np.array([[0, 4, 2], [1, 1, 3]]), target_type="i64")
    file.write()


# ---- layers ----
def weights(layer, arrays):
    layer.set_weights([np.asarray(a) for a in arrays])


def kernel_ours(k):
    """[h, w, in, out] as [out, in, h, w]."""
    return np.transpose(k, (3, 2, 0, 1))


def first(x):
    return np.transpose(x, (0, 3, 1, 2))


def conv(file, name, call, layer, x, depthwise=False, transposed=False):
    """The same in both layouts. x is [N, H, W, C]."""
    layer.build(x.shape)
    arrays = [draw(*w.shape) for w in layer.weights]
    weights(layer, arrays)
    y = np.asarray(layer(jnp.asarray(x)))
    kernel = arrays[0]
    if depthwise: # [h, w, in, mult] -> [in * mult, 1, h, w]
        ours = np.transpose(kernel, (2, 3, 0, 1)).reshape(-1, 1, *kernel.shape[:2])
    else: # transposed: [h, w, out, in] -> [in, out, h, w], the same permutation
        ours = kernel_ours(kernel)
    path = call.split("(")[0]
    for layout, inp, out in (("NCHW", first(x), first(y)), ("NHWC", x, y)):
        shape = ",".join(map(str, inp.shape))
        file.case(f"{name} {layout}", f"""
            model m(x: f64[{shape}]) {{
              return {call}, layout="{layout}")
            }}""")
        state = {f"m.{path}.kernel": ours}
        if len(arrays) > 1:
            state[f"m.{path}.bias"] = arrays[1]
        file.run("infer", {"x": inp}, state, out={0: out})


def pool(file, name, call, layer, x):
    y = np.asarray(layer(jnp.asarray(x)))
    shape = ",".join(map(str, first(x).shape))
    file.case(name, f"model m(x: f64[{shape}]) {{\n  return {call}\n}}")
    file.run("infer", {"x": first(x)}, out={0: first(y) if y.ndim == 4 else y})


def plain(file, name, call, layer, x, names=()):
    layer.build(x.shape)
    arrays = [draw(*w.shape) for w in layer.weights]
    if arrays:
        weights(layer, arrays)
    y = np.asarray(layer(jnp.asarray(x)))
    shape = ",".join(map(str, x.shape))
    file.case(name, f"model m(x: f64[{shape}]) {{\n  return {call}\n}}")
    path = call.split("(")[0]
    file.run("infer", {"x": x}, {f"m.{path}.{n}": a for n, a in zip(names, arrays)}, out={0: y})


def layers():
    L = keras.layers
    file = File(FOLDER + "/keras_layers.txt", MADE_BY)
    x = draw(1, 7, 6, 4)
    conv(file, "conv2d", "conv2d(x, 3, 3", L.Conv2D(3, 3), x)
    conv(file, "conv2d same", "conv2d(x, 3, 3, padding=\"same\", activation=relu",
         L.Conv2D(3, 3, padding="same", activation="relu"), x)
    conv(file, "conv2d same stride 2", "conv2d(x, 3, [2, 4], stride=2, padding=\"same\"",
         L.Conv2D(3, (2, 4), strides=2, padding="same"), x)
    conv(file, "conv2d dilated", "conv2d(x, 2, 3, dilation=2, padding=\"same\", use_bias=false",
         L.Conv2D(2, 3, dilation_rate=2, padding="same", use_bias=False), x)
    conv(file, "conv2d groups", "conv2d(x, 6, [3, 2], groups=2", L.Conv2D(6, (3, 2), groups=2), x)
    conv(file, "depthwise", "depthwise_conv2d(x, 3, multiplier=2, padding=\"same\"",
         L.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), x, depthwise=True)
    for size, stride in ((5, 2), (5, 1), (3, 2), (2, 3), (4, 2)):
        for padding in ("same", "valid"):
            conv(file, f"conv2d_transpose {size} {stride} {padding}",
                 f"conv2d_transpose(x, 3, {size}, stride={stride}, padding=\"{padding}\"",
                 L.Conv2DTranspose(3, size, strides=stride, padding=padding), draw(1, 3, 4, 2), transposed=True)
    pool(file, "max_pool2d", "max_pool2d(x)", L.MaxPooling2D(), x)
    pool(file, "max_pool2d same", "max_pool2d(x, 3, stride=2, padding=\"same\")",
         L.MaxPooling2D(3, strides=2, padding="same"), x)
    pool(file, "avg_pool2d", "avg_pool2d(x, [3, 2])", L.AveragePooling2D((3, 2)), x)
    pool(file, "avg_pool2d same", "avg_pool2d(x, 3, stride=2, padding=\"same\")",
         L.AveragePooling2D(3, strides=2, padding="same"), x)
    pool(file, "global_avg_pool", "global_avg_pool(x)", L.GlobalAveragePooling2D(), x)
    pool(file, "global_max_pool", "global_max_pool(x)", L.GlobalMaxPooling2D(), x)
    pool(file, "upsample2d", "upsample2d(x, [2, 3])", L.UpSampling2D((2, 3)), x)
    v = draw(4, 6)
    plain(file, "dense", "dense(x, 5)", L.Dense(5), v, ("kernel", "bias"))
    plain(file, "dense three axes", "dense(x, 5, activation=tanh)", L.Dense(5, activation="tanh"), draw(2, 3, 4),
          ("kernel", "bias"))
    plain(file, "layer_norm", "layer_norm(x)", L.LayerNormalization(), draw(2, 3, 4), ("gamma", "beta"))
    plain(file, "rms_norm", "rms_norm(x)", L.RMSNormalization(), draw(2, 3, 4), ("gamma",))
    plain(file, "group_norm", "group_norm(x, 2)", L.GroupNormalization(2, axis=1), draw(2, 4, 3, 2), ("gamma", "beta"))
    names = ["relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "softplus", "softsign",
             "hard_sigmoid", "hard_tanh", "log_sigmoid", "softmax", "log_softmax", "linear", "sigmoid", "tanh"]
    for name in names:
        plain(file, name, f"{name}(x)", L.Activation(getattr(keras.activations, name)), v * 2)
    plain(file, "hard_swish", "hard_swish(x)", L.Activation(keras.activations.hard_silu), v * 2)
    plain(file, "gelu_tanh", "gelu_tanh(x)",
          L.Activation(lambda q: keras.activations.gelu(q, approximate=True)), v * 2)
    plain(file, "leaky_relu", "leaky_relu(x)", L.LeakyReLU(), v)
    file.write()


def batch_norm():
    """Three training steps, then inference; statistics and gradients of gamma and beta."""
    file = File(FOLDER + "/keras_batch_norm.txt", MADE_BY)
    for name, shape, axis in (("dense", (5, 3), 1), ("pictures", (2, 3, 4, 2), 1)):
        layer = keras.layers.BatchNormalization(axis=axis)
        layer.build(shape)
        gamma, beta, mean, var = draw(3), draw(3), draw(3), np.abs(draw(3)) + 0.5
        weights(layer, [gamma, beta, mean, var])
        dims = ",".join(map(str, shape))
        file.case("batch_norm " + name, f"""
            model m(x: f64[{dims}]) {{
              return batch_norm(x)
            }}
            train t(x: f64[{dims}], w: f64[{dims}]) {{
              loss = sum(m(x) * w)
              minimize loss with sgd(rate=0.5)
            }}""")
        state = {"m.batch_norm.gamma": gamma, "m.batch_norm.beta": beta,
                 "m.batch_norm.moving_mean": mean, "m.batch_norm.moving_variance": var}
        for step in range(3):
            x, w = draw(*shape), draw(*shape)
            tv = [v.value for v in layer.trainable_variables]
            nv = [v.value for v in layer.non_trainable_variables]

            def total(tv, x):
                y, fresh = layer.stateless_call(tv, nv, x, training=True)
                return jnp.sum(y * w), fresh

            (value, fresh), g = jax.value_and_grad(total, has_aux=True)(tv, jnp.asarray(x))
            weights(layer, [np.asarray(tv[0] - 0.5 * g[0]), np.asarray(tv[1] - 0.5 * g[1])] + [np.asarray(f) for f in fresh])
            now = layer.get_weights()
            file.run("step", {"x": x, "w": w}, state if step == 0 else {}, out={"loss": np.asarray(value)},
                     new=dict(zip(state, now)))
        x = draw(*shape)
        file.run("infer", {"x": x}, out={0: np.asarray(layer(jnp.asarray(x), training=False))})
    file.write()


def recurrent(file, name, call, layer, x, mask=None, states=0):
    layer.build(x.shape)
    arrays = [draw(*w.shape) * 0.5 for w in layer.weights]
    weights(layer, arrays)
    path = call.split("(")[0]
    state = {f"m.{path}.kernel": arrays[0], f"m.{path}.recurrent_kernel": arrays[1]}
    if arrays[2].ndim == 2:
        state[f"m.{path}.bias"], state[f"m.{path}.recurrent_bias"] = arrays[2]
    else:
        state[f"m.{path}.bias"] = arrays[2]
    y = layer(jnp.asarray(x), **({} if mask is None else {"mask": jnp.asarray(mask)}))
    ys = [np.asarray(v) for v in y] if isinstance(y, (list, tuple)) else [np.asarray(y)]
    g = None
    if mask is None and not states:
        w = draw(*ys[0].shape)
        g = np.asarray(jax.grad(lambda q: jnp.sum(layer(q) * w))(jnp.asarray(x)))
    shape = ",".join(map(str, x.shape))
    if g is not None:
        wshape = ",".join(map(str, w.shape))
        file.case(name, f"""
            model m(x: f64[{shape}], w: f64[{wshape}]) {{
              y = {call}
              return y, grad(sum(y * w), [x])[0]
            }}""")
        file.run("infer", {"x": x, "w": w}, state, out={0: ys[0], 1: g})
    else:
        more = "" if mask is None else f", mask: bool[{mask.shape[0]},{mask.shape[1]}]"
        file.case(name, f"model m(x: f64[{shape}]{more}) {{\n  return {call}\n}}")
        file.run("infer", {"x": x} if mask is None else {"x": x, "mask": mask}, state, out=dict(enumerate(ys)))


def recurrents():
    L = keras.layers
    file = File(FOLDER + "/keras_recurrent.txt", MADE_BY)
    x = draw(2, 5, 3)
    mask = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]], dtype=bool)
    for name, cls in (("rnn", L.SimpleRNN), ("lstm", L.LSTM), ("gru", L.GRU)):
        recurrent(file, name, f"{name}(x, 4)", cls(4), x)
        recurrent(file, name + " sequences", f"{name}(x, 4, return_sequences=true)", cls(4, return_sequences=True), x)
        recurrent(file, name + " states", f"{name}(x, 4, return_sequences=true, return_state=true)",
                  cls(4, return_sequences=True, return_state=True), x, states=1)
        recurrent(file, name + " masked", f"{name}(x, 4, return_state=true, mask=mask)",
                  cls(4, return_state=True), x, mask=mask)
    recurrent(file, "gru reset before", "gru(x, 4, reset_after=false)", L.GRU(4, reset_after=False), x)
    back = L.LSTM(4, go_backwards=True)
    recurrent(file, "lstm backwards", "lstm(x, 4, reverse=true)", back, x)
    bidirectional(file, x)
    file.write()


def bidirectional(file, x):
    layer = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True))
    layer.build(x.shape)
    arrays = [draw(*w.shape) * 0.5 for w in layer.weights]
    weights(layer, arrays)
    state = {}
    for way, part in (("forward", arrays[:3]), ("backward", arrays[3:])):
        for name, array in (("kernel", part[0]), ("recurrent_kernel", part[1]), ("bias", part[2][0]),
                            ("recurrent_bias", part[2][1])):
            state[f"m.bidirectional.{way}.gru.{name}"] = array
    file.case("bidirectional", """
        model m(x: f64[2,5,3]) {
          return bidirectional(x, fn(x, reverse) => gru(x, 3, return_sequences=true, reverse=reverse))
        }""")
    file.run("infer", {"x": x}, state, out={0: np.asarray(layer(jnp.asarray(x)))})


def attention(file_path):
    file = File(file_path, MADE_BY)
    layer = keras.layers.MultiHeadAttention(2, 3)
    x = draw(2, 4, 6)
    layer.build(x.shape, x.shape)
    arrays = [draw(*w.shape) for w in layer.weights]
    weights(layer, arrays)
    state = {}
    for i, name in enumerate(("query", "key", "value", "output")):
        kernel = arrays[2 * i]
        flat = kernel.reshape(6, 6)
        state[f"m.multi_head_attention.{name}.kernel"] = flat
        state[f"m.multi_head_attention.{name}.bias"] = arrays[2 * i + 1].reshape(-1)
    for causal in (False, True):
        file.case(f"multi_head_attention {causal}", f"""
            model m(x: f64[2,4,6]) {{
              return multi_head_attention(x, heads=2, causal={str(causal).lower()})
            }}""", 1e-6) # the softmax inside is f32
        y = layer(jnp.asarray(x), jnp.asarray(x), use_causal_mask=causal)
        file.run("infer", {"x": x}, state, out={0: np.asarray(y)})
    file.write()


optimizers()
extra = File(FOLDER + "/keras_global_norm.txt", MADE_BY)
global_norm(extra)
extra.write()
schedules()
losses()
layers()
batch_norm()
recurrents()
attention(FOLDER + "/keras_attention.txt")
