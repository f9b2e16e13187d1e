"""Sessions of ONNX Runtime as the benchmark varies them: precision, where inputs and outputs lie, and CUDA graphs."""

# onnxruntime ships no types.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Device = Literal["cuda", "cpu"]

PROVIDERS: dict[Device, str] = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}
_CONVOLUTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}  # as the service sets it
_CPU_THREADS = 1


class DeviceMissing(Exception):  # noqa: N818 - the name says what happened
    """ONNX Runtime cannot use the device that is to be measured."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A graph and how a device computes it.

    Attributes:
        name: Name in the table.
        graph: The graph: its file, or its bytes.
        options: Options of the CUDA provider.
        dtype: Type of the graph's inputs and outputs.
    """

    name: str
    graph: Path | bytes
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    dtype: type[np.floating[Any]] = np.float32


def require(device: Device) -> None:
    """Checks that ONNX Runtime has the provider of a device, and loads the libraries of CUDA.

    Raises:
        DeviceMissing: If it has not.
    """
    available = onnxruntime.get_available_providers()
    if PROVIDERS[device] not in available:
        raise DeviceMissing(
            f"ONNX Runtime {onnxruntime.__version__} has no {PROVIDERS[device]}, only {', '.join(available)}; "
            "install earmark[gpu] on a machine with an NVIDIA GPU"
        )
    if device == "cuda":
        onnxruntime.preload_dlls()


def open_session(
    precision: Precision, device: Device, sizes: Mapping[str, int] | None = None, has_cuda_graph: bool = False
) -> onnxruntime.InferenceSession:
    """Opens a graph.

    Args:
        precision: The graph and how to compute it.
        device: Device that runs it.
        sizes: Fixed sizes of the symbolic dimensions by name; a CUDA graph needs fixed shapes.
        has_cuda_graph: Whether the kernels are recorded as a CUDA graph in the first run, and replayed in later ones.

    Raises:
        DeviceMissing: If ONNX Runtime would run the graph on another device.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    providers: list[Any] = [PROVIDERS["cpu"]]
    if device == "cuda":
        graphs = {"enable_cuda_graph": "1"} if has_cuda_graph else {}
        providers.insert(0, (PROVIDERS["cuda"], _CONVOLUTIONS | dict(precision.options) | graphs))
    else:
        options.intra_op_num_threads = _CPU_THREADS
    session = onnxruntime.InferenceSession(precision.graph, options, providers=providers, enable_fallback=0)
    if session.get_providers()[0] != PROVIDERS[device]:
        raise DeviceMissing(f"ONNX Runtime cannot use {device}, and took {', '.join(session.get_providers())}")
    return session


def assignments(session: onnxruntime.InferenceSession) -> dict[str, Counter[str]]:
    """Number of nodes of each operator, by the provider that runs them."""
    nodes: dict[str, Counter[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        nodes.setdefault(part.ep_name, Counter()).update(node.op_type for node in part.get_nodes())
    return nodes


class BoundRun:
    """A session whose inputs and outputs lie in the memory of the device, at fixed addresses."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        device: Device,
        inputs: Sequence[NDArray[Any]],
        output_shape: Sequence[int],
        dtype: type[np.floating[Any]] = np.float32,
    ) -> None:
        """Copies the inputs to the device and reserves the output there.

        Args:
            session: The open graph, with one output.
            device: Device of the session.
            inputs: The inputs, in the order of the graph.
            output_shape: Shape of the output.
            dtype: Type of the output.
        """
        self._session, self._values = session, inputs
        self._inputs = [onnxruntime.OrtValue.ortvalue_from_numpy(value, device, 0) for value in inputs]
        self._output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(output_shape), dtype, device, 0)
        self._binding = session.io_binding()
        for node, value in zip(session.get_inputs(), self._inputs, strict=True):
            self._binding.bind_ortvalue_input(node.name, value)
        self._binding.bind_ortvalue_output(session.get_outputs()[0].name, self._output)

    def compute(self) -> None:
        """Runs the graph on the inputs that lie on the device, and waits until the output lies there."""
        self._session.run_with_iobinding(self._binding)

    def run(self) -> NDArray[Any]:
        """Copies the inputs to the device, runs the graph, and copies the output back."""
        for value, place in zip(self._values, self._inputs, strict=True):
            place.update_inplace(value)
        self.compute()
        return self._output.numpy()
