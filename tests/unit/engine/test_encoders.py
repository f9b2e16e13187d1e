import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from service.core.bundle_errors import GraphMismatch
from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, PACKAGED_BUNDLE, Manifest, verify_bundle
from service.core.start_errors import DeviceUnavailable
from service.engine import encoders
from service.engine.encoders import AudioEncoder, buckets
from service.engine.options import EngineOptions
from tests.tiny_bundle import sign_bundle


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Path) -> Manifest:
    return verify_bundle(tiny_bundle)


@pytest.fixture
def bundle_with_cpu_graph(tiny_bundle_copy: Path) -> Path:
    shutil.copyfile(tiny_bundle_copy / AUDIO_GRAPH, tiny_bundle_copy / CPU_AUDIO_GRAPH)
    sign_bundle(tiny_bundle_copy)
    return tiny_bundle_copy


def _noise(n_windows: int, manifest: Manifest) -> np.ndarray:
    return np.random.default_rng(n_windows).normal(0, 0.1, (n_windows, manifest.window_samples)).astype(np.float32)


@pytest.mark.parametrize("bundle", ["tiny", "packaged"])
@pytest.mark.parametrize("threads", [1, 2, 3, 6])
def test_a_window_has_the_same_bits_in_every_batch_on_every_number_of_threads(
    tiny_bundle: Path, bundle: str, threads: int
) -> None:
    directory = tiny_bundle if bundle == "tiny" else PACKAGED_BUNDLE
    manifest = verify_bundle(directory)
    encoder = AudioEncoder(directory, manifest, EngineOptions(device="cpu", intra_op_threads=threads))
    windows = _noise(5, manifest)
    reference = AudioEncoder(directory, manifest, EngineOptions(device="cpu", intra_op_threads=1)).embed(windows[:1])
    assert (encoder.max_windows, encoder.n_runs) == (1, threads)
    for size in (1, 2, 3, 5):
        assert encoder.embed(windows[:size]).shape == (size, manifest.window_frames, manifest.dimension)
        assert encoder.embed(windows[:size])[:1].tobytes() == reference.tobytes()
        assert encoder.embed_beside(windows[:size])[:1].tobytes() == reference.tobytes()
    with ThreadPoolExecutor(threads) as pool:
        beside = list(pool.map(lambda window: encoder.embed_beside(window[None])[0], [*windows] * 3))
    assert b"".join(frames.tobytes() for frames in beside) == encoder.embed(windows).tobytes() * 3


def test_all_threads_are_not_used_if_they_change_a_bit(
    tiny_bundle: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = AudioEncoder(tiny_bundle, manifest, EngineOptions(device="cpu", intra_op_threads=2))
    encoder.check()
    assert not caplog.records
    window = _noise(1, manifest)
    beside = encoder.embed_beside(window)

    class Inexact:
        name = "inexact"

        def run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.nextafter(encoder._beside.run(feeds)[0], np.float32(2))]

    encoder._session = Inexact()  # pyright: ignore[reportAttributeAccessIssue]
    assert (encoder.embed(window) != beside).any()
    encoder.check()
    assert "last bits" in caplog.text
    assert encoder.embed(window).tobytes() == beside.tobytes()


class FakeCuda:
    """A session that behaves like one on a GPU, and records the sizes of its batches."""

    provider, node_shares = "CUDAExecutionProvider", {"CUDAExecutionProvider": 1.0}

    def __init__(self, graph: Path, options: EngineOptions, *rest: object) -> None:
        self.name = graph.name
        self.sizes: list[int] = []

    def run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        (windows,) = feeds.values()
        self.sizes.append(len(windows))
        return [windows[:, :4, None]]

    def close(self) -> None: ...


def _encoder_on_cuda(bundle: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> AudioEncoder:
    monkeypatch.setattr(encoders, "GraphSession", FakeCuda)
    monkeypatch.setattr(encoders, "may_use_cuda", lambda options: options.device != "cpu")
    return AudioEncoder(bundle, manifest, EngineOptions(batch_windows=6))


def test_a_gpu_gets_batches_of_a_few_sizes(
    tiny_bundle: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = _encoder_on_cuda(tiny_bundle, manifest, monkeypatch)
    assert (encoder.max_windows, encoder.n_runs) == (6, 1)
    windows = _noise(6, manifest)
    for size in (1, 2, 3, 5, 6):
        np.testing.assert_array_equal(encoder.embed_beside(windows[:size]), windows[:size, :4, None])
    assert encoder._session.sizes == [1, 2, 4, 6, 6]


def test_only_a_cpu_runs_the_graph_for_cpus(bundle_with_cpu_graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = verify_bundle(bundle_with_cpu_graph)
    encoder = AudioEncoder(bundle_with_cpu_graph, manifest, EngineOptions(device="cpu", intra_op_threads=2))
    assert (encoder._session.name, encoder._beside.name) == (CPU_AUDIO_GRAPH, CPU_AUDIO_GRAPH)
    assert _encoder_on_cuda(bundle_with_cpu_graph, manifest, monkeypatch)._session.name == AUDIO_GRAPH


def test_a_cpu_runs_the_graph_for_cpus_if_cuda_does_not_work(
    bundle_with_cpu_graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "may_use_cuda", lambda options: options.device != "cpu")
    manifest = verify_bundle(bundle_with_cpu_graph)
    encoder = AudioEncoder(bundle_with_cpu_graph, manifest, EngineOptions(device="auto"))
    assert (encoder.provider, encoder._session.name) == ("CPUExecutionProvider", CPU_AUDIO_GRAPH)


def test_only_a_few_batch_sizes_are_ever_run() -> None:
    assert [buckets(largest) for largest in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_is_refused_where_there_is_none(tiny_bundle: Path, manifest: Manifest) -> None:
    with pytest.raises(DeviceUnavailable, match="CPUExecutionProvider"):
        AudioEncoder(tiny_bundle, manifest, EngineOptions(device="cuda"))
    assert AudioEncoder(tiny_bundle, manifest, EngineOptions(device="auto")).provider == "CPUExecutionProvider"


def test_a_file_that_is_no_graph_is_refused(tiny_bundle_copy: Path) -> None:
    (tiny_bundle_copy / "audio.onnx").write_bytes(b"no graph")
    sign_bundle(tiny_bundle_copy)
    with pytest.raises(GraphMismatch, match=r"audio\.onnx"):
        AudioEncoder(tiny_bundle_copy, verify_bundle(tiny_bundle_copy), EngineOptions())


@pytest.mark.parametrize(
    ("changes", "came"), [({"dimension": 9}, "embeddings of shape"), ({"hop_samples": 319}, "cannot be reshaped")]
)
def test_a_graph_that_does_not_fit_the_manifest_fails_its_check(
    tiny_bundle_copy: Path, changes: dict, came: str
) -> None:
    sign_bundle(tiny_bundle_copy, **changes)
    with pytest.raises(GraphMismatch, match=came):
        AudioEncoder(tiny_bundle_copy, verify_bundle(tiny_bundle_copy), EngineOptions()).check()


def test_a_closed_encoder_runs_no_more(tiny_bundle: Path, manifest: Manifest) -> None:
    encoder = AudioEncoder(tiny_bundle, manifest, EngineOptions())
    encoder.close()
    with pytest.raises(ValueError, match="closed"):
        encoder.embed(_noise(1, manifest))
