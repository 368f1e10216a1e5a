"""Writes files of cases for tests/support/lib_case.c. Used by the reference scripts beside it;
no test needs Python."""
import textwrap

import numpy as np


def numbers(array, digits):
    array = np.asarray(array)
    if array.dtype.kind in "iub":
        return " ".join(str(int(v)) for v in array.ravel())
    return " ".join(format(float(v), ".12g") if digits else repr(float(v)) for v in array.ravel())


class File:
    def __init__(self, path, made_by):
        self.path = path
        self.lines = [f"# Written by tests/lib/{made_by}."]

    def case(self, name, source, tol=None):
        self.lines += ["", f"case {name}", "source", textwrap.dedent(source).strip("\n"), "end"]
        if tol is not None:
            self.lines.append(f"tol {tol:g}")

    def line(self, text):
        self.lines.append(text)

    def tensor(self, what, name, array):
        array = np.asarray(array)
        dims = ",".join(str(d) for d in array.shape)
        data = numbers(array, what in ("out", "new"))
        wrapped = textwrap.wrap(f"{what} {name} [{dims}] = {data}", 96,
                                subsequent_indent="  ", break_long_words=False)
        self.lines += wrapped

    def run(self, entry, inputs=(), state=(), hyper=(), out=(), new=()):
        self.lines.append(f"run {entry}")
        for what, items in (("set", state), ("in", inputs)):
            for name, array in dict(items).items():
                self.tensor(what, name, array)
        for name, value in dict(hyper).items():
            self.lines.append(f"hyper {name} {value!r}")
        for name, array in dict(out).items():
            self.tensor("out", name, array)
        for name, array in dict(new).items():
            self.tensor("new", name, array)

    def write(self):
        with open(self.path, "w", encoding="ascii") as f:
            f.write("\n".join(self.lines) + "\n")
