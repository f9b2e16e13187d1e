"""How a graph becomes an ONNX Runtime session on the device that was asked for."""

# onnxruntime ships no types.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import os
import re
from collections import Counter
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
from service.engine.options import EngineOptions

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# DEFAULT can be 50 times slower, and EXHAUSTIVE tunes again for each new shape.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
_LOG_ERRORS = 3
_DEVICE_FAILURE = re.compile(r"\b(CUDA|CUDNN|CUBLAS)\w* (failure|error)", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(r"out of memory|failed to allocate", re.IGNORECASE)
_FAILURES = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,  # what a run with an IOBinding raises for all of them
)


class DeviceLost(Exception):  # noqa: N818 - it says what happened
    """The device does not answer any longer, and will not before the process ends."""


class GraphSession:
    """One graph, ready to run; runs one call at a time, from any thread.

    Attributes:
        provider: The execution provider that runs the graph, for example "CPUExecutionProvider".
        node_shares: The share of the graph's nodes that each provider runs; together they are 1.
    """

    def __init__(self, path: Path, options: EngineOptions, inputs: Mapping[str, str], output: str) -> None:
        """Opens a graph and checks its names against the bundle's contract.

        Args:
            path: The graph's file.
            options: Where it is to run, and with how much.
            inputs: Names of the inputs with their ONNX types.
            output: Name of the only output.

        Raises:
            DeviceUnavailable: If CUDA was asked for and cannot be used.
            GraphMismatch: If the file is no such graph.
        """
        self._name, self._output, self._lock = path.name, output, Lock()
        session = _open(path, options)
        self._session: onnxruntime.InferenceSession | None = session
        self.provider = str(session.get_providers()[0])
        if options.device == "cuda" and self.provider != _PROVIDERS["cuda"]:  # it falls back to the CPU silently
            raise DeviceUnavailable(options.device, ", ".join(session.get_providers()))
        assigned = Counter(
            part.ep_name for part in session.get_provider_graph_assignment_info() for _ in part.get_nodes()
        )
        self.node_shares: dict[str, float] = {name: count / assigned.total() for name, count in assigned.items()}
        self._check("inputs", {one.name: one.type for one in session.get_inputs()}, dict(inputs))
        self._check("outputs", {one.name: one.type for one in session.get_outputs()}, {output: "tensor(float)"})

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Runs the graph and gives its output.

        Raises:
            ValueError: If the session is closed.
            DeviceLost: If the device has failed for good.
        """
        with self._lock:
            if self._session is None:
                raise ValueError(f"{self._name} is closed")
            binding = self._session.io_binding()
            for name, value in feeds.items():
                binding.bind_cpu_input(name, value)
            binding.bind_output(self._output)
            try:
                self._session.run_with_iobinding(binding)
            except _FAILURES as error:
                if is_fatal(str(error)):
                    raise DeviceLost from error
                raise
            (result,) = binding.copy_outputs_to_cpu()
        return np.asarray(result)

    def close(self) -> None:
        """Frees the graph, after the call that runs now."""
        with self._lock:
            self._session = None

    def _check(self, what: str, came: dict[str, str], accepted: dict[str, str]) -> None:
        if came != accepted:
            raise GraphMismatch(self._name, f"{what} {came}", f"{accepted}")


def is_fatal(message: str) -> bool:
    """Whether ONNX Runtime's message tells of a device that has failed for good; want of memory passes."""
    return bool(_DEVICE_FAILURE.search(message)) and not _OUT_OF_MEMORY.search(message)


@contextmanager
def failures_as_mismatch(name: str) -> Generator[None]:
    """Tells what ONNX Runtime cannot do with a graph as a fault of the bundle; for opening and trying it out."""
    try:
        yield
    except _FAILURES as error:
        raise GraphMismatch(name, str(error).splitlines()[0], "a graph that runs in ONNX Runtime") from error


def _open(path: Path, options: EngineOptions) -> onnxruntime.InferenceSession:
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = options.intra_op_threads
    chosen.inter_op_num_threads = 1
    chosen.log_severity_level = _LOG_ERRORS
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else idle threads burn half a core
    chosen.add_session_config_entry("session.x64quantprecision", "1")  # else 8-bit sums saturate on CPUs without VNNI
    chosen.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    with failures_as_mismatch(path.name):
        return onnxruntime.InferenceSession(path, chosen, providers=_providers(options))


def _providers(options: EngineOptions) -> list[Any]:
    """What to ask ONNX Runtime for, best first.

    Raises:
        DeviceUnavailable: If CUDA was asked for and this ONNX Runtime has none.
    """
    available = onnxruntime.get_available_providers()
    has_cuda = _PROVIDERS["cuda"] in available
    if options.device == "cuda" and not has_cuda:
        raise DeviceUnavailable(options.device, ", ".join(available))
    if options.device == "cpu" or not has_cuda:
        return [_PROVIDERS["cpu"]]
    onnxruntime.preload_dlls()
    limit = {"gpu_mem_limit": str(options.gpu_memory_bytes)} if options.gpu_memory_bytes else {}
    return [(_PROVIDERS["cuda"], _CUDA_OPTIONS | limit), _PROVIDERS["cpu"]]
