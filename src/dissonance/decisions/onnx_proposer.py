"""A classifier in an ONNX file, answered by ONNX Runtime on one thread.

The file holds a graph of known operators and no code. Its only input is the task's matrix, (n, d), a category as its
code and NaN where a value is missing; one of its outputs is a matrix (n, k) of probabilities in the task's class order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dissonance.errors import ModelRefused, ModelUnsupported

FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}
EXTERNAL_DATA = b"\n\x08location"
"""The key by which a tensor of an ONNX file points at another file (`StringStringEntryProto`)."""

ROUNDING = 1e-3
"""By how much 32-bit probabilities of a row may miss a sum of 1."""


class OnnxProposer:
    """Same rows, same answers: one thread, one after the other, deterministic kernels."""

    def __init__(self, session: Any, classes_count: int, output: str) -> None:
        self._session = session
        self._classes_count = classes_count
        self._output = output
        given = session.get_inputs()[0]
        self._input, self._type = given.name, FLOATS[given.type]

    @classmethod
    def from_bytes(cls, content: bytes, classes_count: int) -> OnnxProposer:
        """Raises `ModelUnsupported` for what is no ONNX file, points at other files, or takes or gives other things."""
        # Only tasks with such a model need it.
        from onnxruntime.capi import onnxruntime_pybind11_state as runtime

        if EXTERNAL_DATA in content:
            raise _unsupported("its tensors lie in another file", "save it with its tensors inside")
        try:
            session = _session(content)
        except (
            runtime.Fail,
            runtime.InvalidGraph,
            runtime.InvalidProtobuf,
            runtime.InvalidArgument,
            runtime.NotImplemented,
            runtime.RuntimeException,
        ) as error:
            raise _unsupported(f"it is no ONNX file that can be run: {error}", "export it again") from error
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in FLOATS:
            raise _unsupported(
                "it wants other inputs than one matrix of floats", "export it for one input of shape (n, d)"
            )
        return cls(session, classes_count, _probabilities_of(session, classes_count))

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, d) to (n, k); rows sum to 1. Raises `ModelRefused` when the file does not take these columns, or answers
        with anything but probabilities."""
        if not len(features):
            return np.empty((0, self._classes_count))
        from onnxruntime.capi import onnxruntime_pybind11_state as runtime

        try:
            (found,) = self._session.run([self._output], {self._input: features.astype(self._type)})
        except (runtime.InvalidArgument, runtime.Fail, runtime.RuntimeException) as error:
            raise _refused(f"it does not take rows of {features.shape[1]} columns: {error}") from error
        p = np.asarray(found, dtype=np.float64)
        if p.shape != (len(features), self._classes_count):
            raise _refused(f"it answers {len(features)} rows with numbers of shape {p.shape}")
        sums = p.sum(axis=1, keepdims=True)
        if not (np.isfinite(p).all() and (p >= 0.0).all() and (np.abs(sums - 1.0) <= ROUNDING).all()):
            raise _refused("it answers with numbers that are no probabilities")
        return np.asarray(p / sums)


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what goes wrong is raised
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _probabilities_of(session: Any, classes_count: int) -> str:
    """The name of the one output that is a matrix of floats with a column for each class."""
    fitting = [
        each.name
        for each in session.get_outputs()
        if each.type in FLOATS
        and len(each.shape) == 2
        and (each.shape[1] == classes_count or not _known(each.shape[1]))
    ]
    if len(fitting) != 1:
        raise _unsupported(
            f"{len(fitting)} of its outputs are a matrix with {classes_count} columns of floats, not one",
            "export it with probabilities as one matrix (skl2onnx: zipmap=False)",
        )
    return str(fitting[0])


def _known(size: object) -> bool:
    return isinstance(size, int)


def _unsupported(what: str, fix: str) -> ModelUnsupported:
    return ModelUnsupported(f"the model was refused: {what}", where="ONNX file", fix=fix)


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the model was refused: {what}", where="ONNX file", fix="register another, or roll back")
