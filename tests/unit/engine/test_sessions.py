import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE, TEXT_GRAPH, verify_bundle
from service.core.start_errors import DeviceUnavailable
from service.engine import sessions
from service.engine.cpu_features import has_exact_int8
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession

ROOT = Path(__file__).parents[3]
AUDIO = {"waveform": "tensor(float)"}
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


@pytest.mark.skipif(not has_exact_int8(), reason="only processors with VNNI use the faster products")
def test_the_faster_8_bit_products_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, outputs = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}, ["embedding"]
    assert list(verify_bundle(PACKAGED_BUNDLE).text_outputs) == outputs
    fast = GraphSession(PACKAGED_BUNDLE / TEXT_GRAPH, EngineOptions(device="cpu"), inputs, outputs)
    monkeypatch.setattr(sessions, "has_exact_int8", lambda: False)
    slow = GraphSession(PACKAGED_BUNDLE / TEXT_GRAPH, EngineOptions(device="cpu"), inputs, outputs)
    rng = np.random.default_rng(0)
    for n_queries, length in ((1, 3), (1, 6), (7, 9), (20, 6), (3, 64)):
        ids = rng.integers(1_000, 30_000, (n_queries, length))
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
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
