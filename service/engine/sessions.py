"""How a graph becomes an ONNX Runtime session on the device that was asked for."""

# onnxruntime ships no types.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read on import, from which on it would report to Microsoft

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from service.core.errors import DeviceUnavailable, GraphMismatch
from service.engine.options import Device

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# DEFAULT can be 50 times slower, and EXHAUSTIVE tunes again for each new shape.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
_LOG_ERRORS = 3
_FAILURES = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class GraphSession:
    """One graph, ready to run; runs one call at a time, from any thread.

    Attributes:
        provider: The execution provider that runs the graph, for example "CPUExecutionProvider".
    """

    def __init__(
        self, path: Path, device: Device, intra_op_threads: int, inputs: Mapping[str, str], output: str
    ) -> None:
        """Opens a graph and checks its names against the bundle's contract.

        Args:
            path: The graph's file.
            device: Where it is to run.
            intra_op_threads: Threads of one run; 0 takes one per core.
            inputs: Names of the inputs with their ONNX types.
            output: Name of the only output.

        Raises:
            DeviceUnavailable: If CUDA was asked for and cannot be used.
            GraphMismatch: If the file is no such graph.
        """
        self._name, self._output, self._lock = path.name, output, Lock()
        session = _open(path, device, intra_op_threads)
        self._session: onnxruntime.InferenceSession | None = session
        self.provider = str(session.get_providers()[0])
        if device == "cuda" and self.provider != _PROVIDERS["cuda"]:  # it falls back to the CPU silently
            raise DeviceUnavailable(device, ", ".join(session.get_providers()))
        self._check("inputs", {one.name: one.type for one in session.get_inputs()}, dict(inputs))
        self._check("outputs", {one.name: one.type for one in session.get_outputs()}, {output: "tensor(float)"})

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Runs the graph and gives its output.

        Raises:
            ValueError: If the session is closed.
        """
        with self._lock:
            if self._session is None:
                raise ValueError(f"{self._name} is closed")
            (result,) = self._session.run([self._output], dict(feeds))
        return np.asarray(result)

    def close(self) -> None:
        """Frees the graph, after the call that runs now."""
        with self._lock:
            self._session = None

    def _check(self, what: str, came: dict[str, str], accepted: dict[str, str]) -> None:
        if came != accepted:
            raise GraphMismatch(self._name, f"{what} {came}", f"{accepted}")


@contextmanager
def failures_as_mismatch(name: str) -> Generator[None]:
    """Tells what ONNX Runtime cannot do with a graph as a fault of the bundle; for opening and trying it out."""
    try:
        yield
    except _FAILURES as error:
        raise GraphMismatch(name, str(error).splitlines()[0], "a graph that runs in ONNX Runtime") from error


def _open(path: Path, device: Device, intra_op_threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else idle threads burn half a core
    with failures_as_mismatch(path.name):
        return onnxruntime.InferenceSession(path, options, providers=_providers(device))


def _providers(device: Device) -> list[Any]:
    """What to ask ONNX Runtime for, best first.

    Raises:
        DeviceUnavailable: If CUDA was asked for and this ONNX Runtime has none.
    """
    available = onnxruntime.get_available_providers()
    has_cuda = _PROVIDERS["cuda"] in available
    if device == "cuda" and not has_cuda:
        raise DeviceUnavailable(device, ", ".join(available))
    if device == "cpu" or not has_cuda:
        return [_PROVIDERS["cpu"]]
    onnxruntime.preload_dlls()
    return [(_PROVIDERS["cuda"], _CUDA_OPTIONS), _PROVIDERS["cpu"]]
