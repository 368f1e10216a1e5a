"""Compiled models that train, called through libtenon_rt by ctypes, and the names under which
a PyTorch module's tensors are found in their state.

Nothing of this is needed to build, test or use Tenon.
"""
import ctypes
import os

import ort

PACKAGES = ["numpy", "torch"]
FOLDER = "bench-venv-train"
PARAM, BUFFER, OPTIMIZER, GRAD, COUNTER = range(5)
DTYPE_NAMES = {number: name for name, number in ort.Tenon.DTYPES.items()}


class StateDesc(ctypes.Structure):
    """tn_state_desc."""
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32),
                ("dims", ctypes.POINTER(ctypes.c_int64)), ("offset", ctypes.c_uint64),
                ("role", ctypes.c_int32), ("reserved", ctypes.c_int32)]


class EntryDesc(ctypes.Structure):
    """tn_entry_desc."""
    _fields_ = [("name", ctypes.c_char_p), ("inputs", ctypes.c_void_p),
                ("outputs", ctypes.c_void_p), ("n_inputs", ctypes.c_int32),
                ("n_outputs", ctypes.c_int32), ("n_plan", ctypes.c_int32),
                ("n_checks", ctypes.c_int32), ("checks", ctypes.c_void_p),
                ("plan", ctypes.c_void_p), ("run", ctypes.c_void_p),
                ("n_kernels", ctypes.c_int32), ("kernel_names", ctypes.c_void_p),
                ("run_kernel", ctypes.c_void_p), ("kernel_flops", ctypes.c_void_p)]


class ModelDesc(ctypes.Structure):
    """tn_model_desc, as far as it is used here."""
    _fields_ = [("abi_version", ctypes.c_uint32), ("desc_size", ctypes.c_uint32),
                ("cpu_features", ctypes.c_uint32), ("n_symbols", ctypes.c_int32),
                ("name", ctypes.c_char_p), ("target", ctypes.c_char_p),
                ("symbol_names", ctypes.c_void_p), ("entries", ctypes.POINTER(EntryDesc)),
                ("n_entries", ctypes.c_int32), ("n_state", ctypes.c_int32),
                ("state", ctypes.POINTER(StateDesc)), ("state_bytes", ctypes.c_uint64)]


class Training:
    """A compiled model with a state of its own."""

    def __init__(self, path, threads=1):
        self.rt = ctypes.CDLL(os.path.join(ort.BUILD, "lib", "libtenon_rt.so"))
        self.rt.tn_session_error.restype = ctypes.c_char_p
        self.rt.tn_state_create.restype = ctypes.c_void_p
        self.rt.tn_model_describe.restype = ctypes.POINTER(ModelDesc)
        self.threads = threads
        self.model = ctypes.c_void_p()
        error = ctypes.create_string_buffer(1024)
        ort.Tenon.check(self.rt.tn_model_open(path.encode(), ctypes.byref(self.model), error,
                                              1024), error)
        desc = self.rt.tn_model_describe(self.model).contents
        self.entries = {e.name.decode(): e.n_outputs for e in desc.entries[:desc.n_entries]}
        self.roles = {s.name.decode(): s.role for s in desc.state[:desc.n_state]}
        self.state = ctypes.c_void_p(self.rt.tn_state_create(self.model))
        self.bound = {}

    def names(self, role):
        """The state variables of a role, in the order of the model's table."""
        return [name for name, its in self.roles.items() if its == role]

    def find(self, name):
        """A variable of the state as an array that shares its memory."""
        import numpy as np
        tensor = ort.Tensor()
        if self.rt.tn_state_find(self.model, self.state, name.encode(), ctypes.byref(tensor)):
            raise KeyError(f"{name}: the state holds {', '.join(self.roles)}")
        dims = tuple(tensor.dims[:tensor.rank])
        dtype = np.dtype(DTYPE_NAMES[tensor.dtype])
        n_bytes = dtype.itemsize * int(np.prod(dims, dtype=np.int64))
        memory = (ctypes.c_char * n_bytes).from_address(tensor.data)
        return np.frombuffer(memory, dtype).reshape(dims)

    def bind(self, entry, *arrays):
        """A session of an entry, planned for these inputs: its results stay where they are
        from call to call of `run(entry)`. Inputs are read anew by each call."""
        import numpy as np
        session = ctypes.c_void_p()
        error = ctypes.create_string_buffer(1024)
        ort.Tenon.check(self.rt.tn_session_create(self.model, entry.encode(),
                                                  ctypes.byref(session), error, 1024), error)
        self.rt.tn_session_set_threads(session, self.threads)
        self.rt.tn_session_set_state(session, self.state)
        arrays = [np.asarray(a, order="C") for a in arrays]
        inputs = (ort.Tensor * len(arrays))(*[describe(a) for a in arrays])
        outputs = (ort.Tensor * self.entries[entry])()
        self.check(session, self.rt.tn_session_plan(session, inputs, len(inputs), outputs,
                                                    len(outputs)))
        results = []
        for tensor in outputs:
            results.append(np.empty(tuple(tensor.dims[:tensor.rank]),
                                    DTYPE_NAMES[tensor.dtype]))
            tensor.data = results[-1].ctypes.data
        self.bound[entry] = session, arrays, inputs, outputs, results
        return results

    def check(self, session, status):
        if status:
            raise RuntimeError(self.rt.tn_session_error(session).decode())

    def run(self, entry):
        """Runs a bound entry on what its inputs hold now."""
        session, _, inputs, outputs, results = self.bound[entry]
        self.check(session, self.rt.tn_session_run(session, inputs, len(inputs), outputs,
                                                   len(outputs)))
        return results

    def call(self, entry, *arrays):
        """Binds and runs once."""
        self.bind(entry, *arrays)
        return self.run(entry)

    def arena_bytes(self, entry):
        """Scratch memory of a bound entry."""
        self.rt.tn_session_arena_bytes.restype = ctypes.c_size_t
        return self.rt.tn_session_arena_bytes(self.bound[entry][0])


def describe(array):
    return ort.Tensor(array.ctypes.data, ort.Tenon.DTYPES[array.dtype.name], array.ndim,
                      (ctypes.c_int64 * 16)(*array.shape))


# ---- a PyTorch module's tensors under Tenon's names ----

def same(t):
    return t


def transposed(t):
    return t.T


def leaf_views(module):
    """For a module of PyTorch that owns parameters: name in Tenon, name in PyTorch, view."""
    from torch import nn
    linear = [("kernel", "weight", transposed), ("bias", "bias", same)]
    recurrent = [("kernel", "weight_ih_l0", transposed), ("bias", "bias_ih_l0", same),
                 ("recurrent_kernel", "weight_hh_l0", transposed),
                 ("recurrent_bias", "bias_hh_l0", same)]
    norm = [("gamma", "weight", same), ("beta", "bias", same)]
    conv = [("kernel", "weight", same), ("bias", "bias", same)]
    rules = [(nn.Linear, linear), (nn.modules.conv._ConvNd, conv), (nn.RNNBase, recurrent),
             (nn.LayerNorm, norm), (nn.modules.batchnorm._BatchNorm, norm),
             (nn.Embedding, [("table", "weight", same)]),
             (nn.MultiheadAttention, attention_views(module))]
    return next((views for kind, views in rules if isinstance(module, kind)), [])


def attention_views(module):
    """The projections of query, key and value, which PyTorch keeps in one matrix."""
    width = getattr(module, "embed_dim", 0)
    views = []
    for i, name in enumerate(["query", "key", "value"]):
        rows = slice(i * width, (i + 1) * width)
        views.append((f"{name}.kernel", "in_proj_weight", lambda t, r=rows: t[r].T))
        views.append((f"{name}.bias", "in_proj_bias", lambda t, r=rows: t[r]))
    return views


def twin_tensors(module, root, renamed=None):
    """Every parameter of a PyTorch module as {name in Tenon: (parameter, view)}: the module's
    path under the model's name, with parts replaced as `renamed` says."""
    found = {}
    for path, part in module.named_modules():
        place = [root, *[(renamed or {}).get(p, p) for p in path.split(".") if p]]
        for ours, theirs, view in leaf_views(part):
            parameter = getattr(part, theirs, None)
            if parameter is not None:
                found[".".join(p for p in [*place, ours] if p)] = parameter, view
    return found


def copy_weights(twins, model):
    """PyTorch's parameters into Tenon's state; both must have the same ones."""
    missing = set(model.names(PARAM)) ^ set(twins)
    if missing:
        raise KeyError("parameters that only one side has: " + ", ".join(sorted(missing)))
    for name, (parameter, view) in twins.items():
        model.find(name)[...] = view(parameter.detach()).numpy()
