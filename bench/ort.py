"""What the scripts here share: ONNX Runtime in a private environment, skeleton models,
random inputs, and compiled models called through libtenon_rt by ctypes.

Nothing of this is needed to build, test or use Tenon.
"""
import ctypes
import importlib.util
import os
import subprocess
import sys
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("TENON_BUILD_DIR", os.path.join(ROOT, "build")))
PACKAGES = ["numpy", "onnx", "onnxruntime"]


def ensure_packages(packages=PACKAGES, folder="bench-venv"):
    """Restarts this script in a virtual environment of the build folder that has the packages,
    made when missing."""
    if all(importlib.util.find_spec(package) for package in packages):
        return
    folder = os.path.join(BUILD, folder)
    python = os.path.join(folder, "bin", "python")
    if sys.executable == python:
        sys.exit("the packages are installed but cannot be imported: remove " + folder)
    if not os.path.exists(python):
        print("making", folder, file=sys.stderr)
        subprocess.check_call([sys.executable, "-m", "venv", folder])
    subprocess.check_call([python, "-m", "pip", "-q", "install", *packages])
    os.execv(python, [python, *sys.argv])


def fill_skeleton(path):
    """The path of a model with weights: NAME.skel.onnx gets seeded random ones.

    Large float initializers without data are drawn from N(0, g / fan-in), g = 2 for
    convolutions and 1 for matrices, seeded by the tensor's name.
    """
    if not path.endswith(".skel.onnx"):
        return path
    import numpy as np
    import onnx
    out = os.path.join(BUILD, "models", os.path.basename(path).replace(".skel.onnx", ".onnx"))
    if os.path.exists(out):
        return out
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        has_data = tensor.raw_data or tensor.float_data
        if tensor.data_type != onnx.TensorProto.FLOAT or has_data or 0 in tensor.dims:
            continue
        shape = tuple(tensor.dims)
        fan_in = np.prod(shape[1:]) if len(shape) > 2 else (shape[0] if shape else 1)
        scale = np.sqrt((2.0 if len(shape) > 2 else 1.0) / fan_in)
        generator = np.random.default_rng(zlib.crc32(tensor.name.encode()))
        data = generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)
        tensor.CopyFrom(onnx.numpy_helper.from_array(data, tensor.name))
    os.makedirs(os.path.dirname(out), exist_ok=True)
    onnx.save(model, out)
    return out


def make_inputs(session, sizes, seed=1):
    """Random inputs for an ONNX Runtime session: small integers, 0 or 1 for masks."""
    import numpy as np
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
             "tensor(bool)": np.bool_, "tensor(double)": np.float64}
    generator = np.random.default_rng(seed)
    inputs = {}
    for node in session.get_inputs():
        shape = [d if isinstance(d, int) else sizes.get(d, 1) for d in node.shape]
        dtype = kinds[node.type]
        if np.issubdtype(dtype, np.floating):
            inputs[node.name] = generator.uniform(-1, 1, shape).astype(dtype)
        else:
            top = 2 if dtype == np.bool_ or "mask" in node.name else 100
            inputs[node.name] = generator.integers(0, top, shape).astype(dtype)
    return inputs


def compile_model(path, options=(), tag=""):
    """Compiles to a shared object in the build folder and returns its path."""
    name = os.path.basename(path).rsplit(".", 1)[0] + tag + ".so"
    out = os.path.join(BUILD, "models", name)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    tenon = os.path.join(BUILD, "bin", "tenon")
    subprocess.check_call([tenon, "compile", path, "-o", out, *options])
    return out


class Tensor(ctypes.Structure):
    """tn_tensor."""
    _fields_ = [("data", ctypes.c_void_p), ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32),
                ("dims", ctypes.c_int64 * 16)]


class Tenon:
    """A compiled model and a session, called without copies."""

    DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6,
              "int64": 7, "bool": 9, "float16": 10, "float64": 11, "uint32": 12, "uint64": 13}

    def __init__(self, path, threads):
        self.rt = ctypes.CDLL(os.path.join(BUILD, "lib", "libtenon_rt.so"))
        self.rt.tn_session_error.restype = ctypes.c_char_p
        self.model, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        error = ctypes.create_string_buffer(1024)
        self.check(self.rt.tn_model_open(path.encode(), ctypes.byref(self.model), error, 1024),
                   error)
        self.check(self.rt.tn_session_create(self.model, None, ctypes.byref(self.session), error,
                                             1024), error)
        self.rt.tn_session_set_threads(self.session, threads)

    @staticmethod
    def check(status, error):
        if status != 0:
            raise RuntimeError(f"status {status}: {error.value.decode()}")

    def checked(self, status):
        if status != 0:
            raise RuntimeError(self.rt.tn_session_error(self.session).decode())

    def bind(self, arrays, n_outputs):
        """Plans for these inputs (kept alive) and makes the outputs; returns them."""
        import numpy as np
        self.arrays = [np.asarray(a, order="C") for a in arrays]
        self.inputs = (Tensor * len(arrays))(*[self.describe(a) for a in self.arrays])
        self.outputs = (Tensor * n_outputs)()
        self.checked(self.rt.tn_session_plan(self.session, self.inputs, len(arrays),
                                             self.outputs, n_outputs))
        names = {number: name for name, number in self.DTYPES.items()}
        self.results = []
        for tensor in self.outputs:
            result = np.empty(tuple(tensor.dims[:tensor.rank]), names[tensor.dtype])
            tensor.data = result.ctypes.data
            self.results.append(result)
        return self.results

    def describe(self, array):
        return Tensor(array.ctypes.data, self.DTYPES[array.dtype.name], array.ndim,
                      (ctypes.c_int64 * 16)(*array.shape))

    def run(self):
        self.checked(self.rt.tn_session_run(self.session, self.inputs, len(self.inputs),
                                            self.outputs, len(self.outputs)))


def ort_session(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def error_of(got, want):
    """Largest difference divided by the largest magnitude of `want`."""
    import numpy as np
    if got.shape != want.shape or got.dtype != want.dtype:
        return float("inf")
    if got.size == 0 or np.array_equal(got, want):
        return 0.0
    if not np.issubdtype(want.dtype, np.floating):
        return float("inf")
    scale = np.abs(want).max()
    return float(np.abs(got - want).max() / scale) if scale > 0 else float("inf")
