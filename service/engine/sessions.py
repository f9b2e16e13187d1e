"""ONNX Runtime sessions: how a graph of the bundle is opened and run on the configured device."""

# onnxruntime ships no types.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import io
import logging
import os
import re
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by the import below; otherwise it reports to Microsoft

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from service.core.bundle_errors import GraphMismatch
from service.core.start_errors import DeviceUnavailable
from service.engine.cpu_features import has_exact_int8
from service.engine.options import EngineOptions

log = logging.getLogger(__name__)

CPU_PROVIDER = "CPUExecutionProvider"
_PROVIDERS = {"cpu": CPU_PROVIDER, "cuda": "CUDAExecutionProvider"}
# DEFAULT can be 50 times slower, and EXHAUSTIVE tunes again for each new shape.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
_LOG_ERRORS = 3
_REASON_CHARS = 500
_STDOUT = Lock()
"""Held while standard output is redirected, which concerns the whole process."""
_DEVICE_FAILURE = re.compile(r"\b(CUDA|CUDNN|CUBLAS)\w* (failure|error)", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(r"out of memory|failed to allocate", re.IGNORECASE)
_FAILURES = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,  # a run with an IOBinding raises this for every kind of failure
)


class DeviceLost(Exception):  # noqa: N818 - the name says what happened
    """The device has failed, and cannot be used again before the process restarts."""


class GraphSession:
    """An open graph, which any thread may run.

    Attributes:
        name: Name of the graph's file.
        provider: The execution provider that runs the graph, for example "CPUExecutionProvider".
        node_shares: Fraction of the graph's nodes that each provider runs; the fractions sum to 1.
    """

    def __init__(
        self, path: Path, options: EngineOptions, inputs: Mapping[str, str], outputs: Sequence[str], n_runs: int = 1
    ) -> None:
        """Opens a graph and checks the names and types of its inputs and outputs.

        Args:
            path: File of the graph.
            options: Device, threads and memory.
            inputs: Names of the inputs with their ONNX types.
            outputs: Names of the outputs, all of type float, in the order in which `run` returns them.
            n_runs: Number of calls that run at the same time on a CPU; further calls wait. On a GPU, one call runs at a time.

        Raises:
            DeviceUnavailable: If `options` require CUDA and CUDA cannot be used.
            GraphMismatch: If the file is not a graph with these inputs and outputs.
        """
        self.name, self._outputs = path.name, tuple(outputs)
        session = _open(path, options)
        self._session: onnxruntime.InferenceSession | None = session
        self.provider = str(session.get_providers()[0])
        self._n_runs = n_runs if self.provider == CPU_PROVIDER else 1
        self._slots = Semaphore(self._n_runs)
        if (
            options.device == "cuda" and self.provider != _PROVIDERS["cuda"]
        ):  # ONNX Runtime falls back to the CPU silently
            raise DeviceUnavailable(options.device, ", ".join(session.get_providers()))
        assigned = Counter(
            part.ep_name for part in session.get_provider_graph_assignment_info() for _ in part.get_nodes()
        )
        self.node_shares: dict[str, float] = {name: count / assigned.total() for name, count in assigned.items()}
        self._check("inputs", {node.name: node.type for node in session.get_inputs()}, dict(inputs))
        floats = dict.fromkeys(outputs, "tensor(float)")
        self._check("outputs", {node.name: node.type for node in session.get_outputs()}, floats)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Runs the graph on its inputs by name, and returns the outputs in the order of the constructor's `outputs`.

        Raises:
            ValueError: If the session is closed.
            DeviceLost: If the device has failed and cannot be used again.
        """
        with self._slots:
            session = self._session
            if session is None:
                raise ValueError(f"{self.name} is closed")
            binding = session.io_binding()
            for name, value in feeds.items():
                binding.bind_cpu_input(name, value)
            for name in self._outputs:
                binding.bind_output(name)
            try:
                session.run_with_iobinding(binding)
            except _FAILURES as error:
                if is_fatal(str(error)):
                    raise DeviceLost from error
                raise
            results = binding.copy_outputs_to_cpu()
        return [np.asarray(result) for result in results]

    def close(self) -> None:
        """Frees the graph, after the calls that are in progress."""
        with ExitStack() as stack:
            for _ in range(self._n_runs):
                stack.enter_context(self._slots)
            self._session = None

    def _check(self, kind: str, came: dict[str, str], accepted: dict[str, str]) -> None:
        if came != accepted:
            raise GraphMismatch(self.name, f"{kind} {came}", f"{accepted}")


def is_fatal(message: str) -> bool:
    """Whether a message of ONNX Runtime reports a device that has failed for good. Lack of memory is temporary."""
    return bool(_DEVICE_FAILURE.search(message)) and not _OUT_OF_MEMORY.search(message)


@contextmanager
def failures_as_mismatch(name: str) -> Generator[None]:
    """Reports failures of ONNX Runtime as a fault of the graph `name`; for opening a graph and for its first runs."""
    try:
        yield
    except _FAILURES as error:
        raise GraphMismatch(name, str(error).splitlines()[0], "a graph that runs in ONNX Runtime") from error


def _open(path: Path, options: EngineOptions) -> onnxruntime.InferenceSession:
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = options.session_threads
    session_options.inter_op_num_threads = 1
    session_options.log_severity_level = _LOG_ERRORS
    for key, value in (
        ("session.intra_op.allow_spinning", "0"),  # otherwise idle threads take half a core
        # 8-bit sums saturate on CPUs without VNNI; the slower products, which do not, give the same bits as VNNI
        ("session.x64quantprecision", "0" if has_exact_int8() else "1"),
        ("session.record_ep_graph_assignment_info", "1"),
    ):
        session_options.add_session_config_entry(key, value)
    providers = _providers(options)
    has_cuda = providers != [CPU_PROVIDER]
    with failures_as_mismatch(path.name), _prints_as_log() if has_cuda else nullcontext():
        if has_cuda:
            onnxruntime.preload_dlls()
        return onnxruntime.InferenceSession(path, session_options, providers=providers)


@contextmanager
def _prints_as_log() -> Generator[None]:
    """Logs what ONNX Runtime prints if CUDA does not work: standard output may be the answer of a command."""
    printed = io.StringIO()
    try:
        with _STDOUT, redirect_stdout(printed):
            yield
    finally:
        reason = " ".join(printed.getvalue().split())
        if failure := _DEVICE_FAILURE.search(reason):  # names of functions of ONNX Runtime stand in front of it
            reason = reason[failure.start() :]
        if reason:
            log.warning("ONNX Runtime has a problem with CUDA", extra={"reason": reason[:_REASON_CHARS]})


def may_use_cuda(options: EngineOptions) -> bool:
    """Whether a graph with these options runs on CUDA if CUDA works.

    Raises:
        DeviceUnavailable: If `options` require CUDA and this ONNX Runtime is built without CUDA.
    """
    return _providers(options) != [CPU_PROVIDER]


def _providers(options: EngineOptions) -> list[Any]:
    """The execution providers to request from ONNX Runtime, in order of preference.

    Raises:
        DeviceUnavailable: If `options` require CUDA and this ONNX Runtime is built without CUDA.
    """
    available = onnxruntime.get_available_providers()
    has_cuda = _PROVIDERS["cuda"] in available
    if options.device == "cuda" and not has_cuda:
        raise DeviceUnavailable(options.device, ", ".join(available))
    if options.device == "cpu" or not has_cuda:
        return [_PROVIDERS["cpu"]]
    limit = {"gpu_mem_limit": str(options.gpu_memory_bytes)} if options.gpu_memory_bytes else {}
    return [(_PROVIDERS["cuda"], _CUDA_OPTIONS | limit), _PROVIDERS["cpu"]]
