import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from service.engine.gpus import GpuMemory, Gpus, open_nvml

GIB = 2**30


class FakeNvml(ModuleType):
    """The module `pynvml` on a host with GPUs; None instead of the used bytes stands for a GPU that is lost."""

    class NVMLError(Exception):
        pass

    def __init__(self, *used: int | None, driver: bool = True) -> None:
        super().__init__("pynvml")
        self.used, self.driver, self.n_inits = list(used), driver, 0

    def nvmlInit(self) -> None:  # noqa: N802 - named as in NVML
        self.n_inits += 1
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        if not self.driver:
            raise self.NVMLError("Unknown Error")
        return len(self.used)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        if self.used[handle] is None:
            raise self.NVMLError("GPU is lost")
        return SimpleNamespace(total=80 * GIB, used=self.used[handle])


def test_the_memory_of_every_gpu_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(3 * GIB, 0)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpus = Gpus()
    assert gpus.read() == [GpuMemory(0, 3 * GIB, 80 * GIB), GpuMemory(1, 0, 80 * GIB)]
    nvml.used[1] = GIB
    assert gpus.read()[1].used_bytes == GIB
    assert nvml.n_inits == 1


def test_a_gpu_that_is_lost_does_not_hide_the_other_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml(None, GIB)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpus = Gpus()
    assert gpus.read() == [GpuMemory(1, GIB, 80 * GIB)]
    nvml.driver = False
    assert gpus.read() == []


def test_without_a_driver_or_without_the_library_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(GIB, driver=False))
    assert open_nvml() is None
    assert Gpus().read() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it raises ModuleNotFoundError
    assert open_nvml() is None
