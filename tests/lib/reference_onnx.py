"""Writes data/onnx.txt: what ONNX's reference operators compute, for tests/lib/test_onnx.c.

    python reference_onnx.py

Numbers of this repository: onnx 1.23.2, NumPy 2.4.6.
"""
import os

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cases import File

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
rng = np.random.default_rng(6)
TRAINING = "ai.onnx.preview.training"


def draw(*shape):
    return np.round(rng.normal(size=shape), 3)


def run(op, inputs, n_out, domain="", **attrs):
    names = [f"i{i}" if v is not None else "" for i, v in enumerate(inputs)]
    node = helper.make_node(op, names, [f"o{i}" for i in range(n_out)], domain=domain, **attrs)
    infos = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in names if n]
    outs = [helper.make_tensor_value_info(f"o{i}", TensorProto.UNDEFINED, None) for i in range(n_out)]
    graph = helper.make_graph([node], "g", infos, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(TRAINING, 1)])
    return ReferenceEvaluator(model).run(None, {n: v for n, v in zip(names, inputs) if n})


def optimizer(file, name, call, op, n_state, rate, start=0.0, **attrs):
    p0 = p = draw(3, 2)
    state = [np.full((3, 2), start) for _ in range(n_state)]
    file.case(name, f"""
        train t(g: f64[3,2]) {{
          param p: f64[3,2] = zeros
          loss = sum(p * g)
          minimize loss with {call}
        }}""", 1e-6) # attributes of nodes are f32
    for step in range(10):
        g = draw(3, 2)
        p, *state = run(op, [np.float64(rate), np.int64(step), p, g, *state], 1 + n_state, TRAINING, **attrs)
        file.run("step", {"g": g}, {"t.p": p0} if step == 0 else {}, new={"t.p": p})


def optimizers(file):
    optimizer(file, "momentum", 'momentum(semantics="onnx")', "Momentum", 1, 0.01,
              alpha=0.9, beta=1.0, mode="standard", norm_coefficient=0.0)
    optimizer(file, "momentum decay", 'momentum(semantics="onnx", rate=0.1, dampening=0.4, weight_decay=0.1)', "Momentum",
              1, 0.1, alpha=0.9, beta=0.6, mode="standard", norm_coefficient=0.1)
    optimizer(file, "nesterov", 'nesterov(semantics="onnx", rate=0.1)', "Momentum", 1, 0.1,
              alpha=0.9, beta=1.0, mode="nesterov", norm_coefficient=0.0)
    optimizer(file, "adagrad", 'adagrad(semantics="onnx")', "Adagrad", 1, 0.001,
              epsilon=1e-6, decay_factor=0.0, norm_coefficient=0.0)
    optimizer(file, "adagrad decay", 'adagrad(semantics="onnx", rate=0.1, rate_decay=0.3, weight_decay=0.1)', "Adagrad",
              1, 0.1, epsilon=1e-6, decay_factor=0.3, norm_coefficient=0.1)
    optimizer(file, "adam", 'adam(semantics="onnx")', "Adam", 2, 0.001,
              alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0, norm_coefficient_post=0.0)
    optimizer(file, "adam decay", f'adam(semantics="onnx", rate=0.1, weight_decay=0.1, beta1={np.float32(0.9):.17g}, beta2={np.float32(0.999):.17g})',
              "Adam", 2, 0.1,
              alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.1, norm_coefficient_post=0.0)


def recurrent(file, op, path, call, gates, **attrs):
    x, w, r, b = draw(5, 2, 3), draw(gates * 4, 3), draw(gates * 4, 4), draw(2 * gates * 4)
    y = run(op, [x, w[None], r[None], b[None]], 2, hidden_size=4, **attrs)[0]
    file.case(f"{path} {call}", f"""
        model m(x: f64[5,2,3]) {{
          return {path}(x, 4, return_sequences=true, time_major=true, semantics="onnx"{call})
        }}""")
    file.run("infer", {"x": x}, {f"m.{path}.kernel": w.T, f"m.{path}.recurrent_kernel": r.T,
                                 f"m.{path}.bias": b[:gates * 4], f"m.{path}.recurrent_bias": b[gates * 4:]},
             out={0: y[:, 0]})


def batch_norm(file):
    shape = (2, 3, 4)
    gamma, beta, mean, var = draw(3), draw(3), draw(3), np.abs(draw(3)) + 0.5
    x, w = draw(*shape), draw(*shape)
    y, m, v = run("BatchNormalization", [x, gamma, beta, mean, var], 3, training_mode=1)
    file.case("batch_norm", """
        model m(x: f64[2,3,4]) {
          return batch_norm(x, semantics="onnx")
        }
        train t(x: f64[2,3,4], w: f64[2,3,4]) {
          loss = sum(m(x) * w)
          minimize loss with sgd(rate=0.0)
        }""", 1e-6)
    file.run("step", {"x": x, "w": w}, {"m.batch_norm.gamma": gamma, "m.batch_norm.beta": beta,
                                        "m.batch_norm.moving_mean": mean, "m.batch_norm.moving_variance": var},
             out={"loss": np.sum(y * w)}, new={"m.batch_norm.moving_mean": m, "m.batch_norm.moving_variance": v})


def main():
    file = File(FOLDER + "/onnx.txt", "reference_onnx.py")
    optimizers(file)
    recurrent(file, "RNN", "rnn", "", 1)
    recurrent(file, "LSTM", "lstm", "", 4)
    recurrent(file, "GRU", "gru", "", 3)
    recurrent(file, "GRU", "gru", ", reset_after=true", 3, linear_before_reset=1)
    batch_norm(file)
    file.write()


main()
