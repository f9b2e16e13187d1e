"""The memory of the GPUs that this process can see, read from the driver (NVML) without CUDA."""

import importlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Memory of one GPU, including what other processes use.

    Attributes:
        index: Number of the GPU in NVML, which counts all GPUs of the container or host.
        used_bytes: Memory in use, in bytes.
        total_bytes: Size of the memory, in bytes.
    """

    index: int
    used_bytes: int
    total_bytes: int


def open_nvml() -> Any | None:
    """Returns the initialized module `pynvml` of nvidia-ml-py; None without the module, the driver or a GPU."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        log.info("the memory of GPUs is not measured", extra={"reason": str(error)})
        return None
    return nvml


class Gpus:
    """Reads the memory of the GPUs; opens NVML at the first reading.

    Args:
        open_driver: Returns an initialized NVML module, or None.
    """

    def __init__(self, open_driver: Callable[[], Any | None] = open_nvml) -> None:
        self._open = open_driver

    def read(self) -> Sequence[GpuMemory]:
        """Memory of each GPU that answers; empty without a GPU."""
        nvml = self._nvml
        if nvml is None:
            return []
        try:
            readings = [_read(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError:
            return []
        return [reading for reading in readings if reading is not None]

    @cached_property
    def _nvml(self) -> Any | None:
        return self._open()


def _read(nvml: Any, index: int) -> GpuMemory | None:
    """Memory of a GPU; None if the GPU is lost or does not report its memory."""
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(index))
    except nvml.NVMLError:
        return None
    return GpuMemory(index, int(memory.used), int(memory.total))
