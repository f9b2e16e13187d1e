import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, PACKAGED_BUNDLE, TEXT_GRAPH, verify_bundle
from service.core.start_errors import DeviceUnavailable
from service.engine import sessions
from service.engine.cpu_features import has_exact_int8
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession

ROOT = Path(__file__).parents[3]
AUDIO = {"waveform": "tensor(float)"}
TEXT = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here"
)


@pytest.fixture
def claimed_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime says that it has CUDA, and has not."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )


def test_onnx_runtime_keeps_no_identity_of_the_machine_to_report_with(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = inherited | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import service.engine.sessions"], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def _tokens(rng: np.random.Generator, n_queries: int, length: int) -> dict[str, np.ndarray]:
    ids = rng.integers(1_000, 30_000, (n_queries, length))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _noise(rng: np.random.Generator, level: float) -> dict[str, np.ndarray]:
    return {"waveform": rng.normal(0, level, (1, verify_bundle(PACKAGED_BUNDLE).window_samples)).astype(np.float32)}


@pytest.mark.skipif(not has_exact_int8(), reason="only processors with VNNI use the faster products")
@pytest.mark.parametrize(
    ("graph", "inputs", "output", "make", "cases"),
    [
        (TEXT_GRAPH, TEXT, "embedding", _tokens, [(1, 3), (1, 6), (7, 9), (20, 6), (3, 64)]),
        (CPU_AUDIO_GRAPH, AUDIO, "frames", _noise, [(0.01,), (0.1,), (1.0,)]),
    ],
)
def test_the_faster_8_bit_products_give_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, graph: str, inputs: dict[str, str], output: str, make: Any, cases: list[Any]
) -> None:
    fast = GraphSession(PACKAGED_BUNDLE / graph, EngineOptions(device="cpu"), inputs, [output])
    monkeypatch.setattr(sessions, "has_exact_int8", lambda: False)
    slow = GraphSession(PACKAGED_BUNDLE / graph, EngineOptions(device="cpu"), inputs, [output])
    rng = np.random.default_rng(0)
    for case in cases:
        feeds = make(rng, *case)
        assert fast.run(feeds)[0].tobytes() == slow.run(feeds)[0].tobytes()


@without_cuda
@pytest.mark.usefixtures("claimed_cuda")
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_a_broken_cuda_is_logged_and_leaves_standard_output_to_the_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas.so.13:\nno such file"))
    session = GraphSession(PACKAGED_BUNDLE / AUDIO_GRAPH, EngineOptions(device="auto"), AUDIO, ["frames"])
    assert session.provider == "CPUExecutionProvider"
    assert capsys.readouterr() == ("", "")
    (record,) = caplog.records
    assert (record.levelname, vars(record)["reason"]) == ("WARNING", "Failed to load libcublas.so.13: no such file")
    with pytest.raises(DeviceUnavailable, match="CPUExecutionProvider"):
        GraphSession(PACKAGED_BUNDLE / AUDIO_GRAPH, EngineOptions(device="cuda"), AUDIO, ["frames"])


@without_cuda
@pytest.mark.usefixtures("claimed_cuda")
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_sessions_that_open_at_once_leave_standard_output_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: time.sleep(0.02))
    before = sys.stdout
    with ThreadPoolExecutor(3) as threads:
        for _ in range(3):
            threads.submit(GraphSession, PACKAGED_BUNDLE / AUDIO_GRAPH, EngineOptions(device="auto"), AUDIO, ["frames"])
    assert sys.stdout is before
