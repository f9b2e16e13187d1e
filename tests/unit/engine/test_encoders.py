from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.manifest import PACKAGED_BUNDLE, Manifest, verify_bundle
from service.core.start_errors import DeviceUnavailable, GraphMismatch
from service.engine import encoders
from service.engine.call import CallAbandoned
from service.engine.encoders import AudioEncoder, TextEncoder, buckets
from service.engine.options import EngineOptions
from tests.tiny_bundle import sign_bundle


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Path) -> Manifest:
    return verify_bundle(tiny_bundle)


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
        self.sizes: list[int] = []

    def run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        (windows,) = feeds.values()
        self.sizes.append(len(windows))
        return [windows[:, :4, None]]

    def close(self) -> None: ...


def test_a_gpu_gets_batches_of_a_few_sizes(
    tiny_bundle: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "GraphSession", FakeCuda)
    encoder = AudioEncoder(tiny_bundle, manifest, EngineOptions(batch_windows=6))
    assert (encoder.max_windows, encoder.n_runs) == (6, 1)
    windows = _noise(6, manifest)
    for size in (1, 2, 3, 5, 6):
        np.testing.assert_array_equal(encoder.embed_beside(windows[:size]), windows[:size, :4, None])
    assert encoder._session.sizes == [1, 2, 4, 6, 6]


def test_only_a_few_batch_sizes_are_ever_run() -> None:
    assert [buckets(largest) for largest in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


@pytest.fixture(scope="module")
def text_encoder(tiny_bundle: Path, manifest: Manifest) -> TextEncoder:
    return TextEncoder(tiny_bundle, manifest, EngineOptions())


queries = st.lists(st.sampled_from(["low", "a HIGH tone", "low and middle", "zebra"]), min_size=1, max_size=5)


@given(queries)
@settings(deadline=None)
def test_a_query_means_the_same_whatever_other_queries_come_with_it(
    text_encoder: TextEncoder, queries: list[str]
) -> None:
    together = text_encoder.encode(queries).embeddings
    np.testing.assert_array_equal(
        together, np.concatenate([text_encoder.encode([query]).embeddings for query in queries])
    )


def test_many_queries_go_in_several_batches_and_each_is_what_it_is_alone(text_encoder: TextEncoder) -> None:
    words = ("low", "middle", "high", "tone")
    queries = [
        f"{first} {second}{' and low' * longer}" for longer in (0, 80) for first in words for second in words
    ] * 4
    checks: list[int] = []
    together = text_encoder.encode(queries, lambda: checks.append(1)).embeddings
    assert len(checks) > 2
    np.testing.assert_allclose(
        together, np.concatenate([text_encoder.encode([query]).embeddings for query in queries]), atol=1e-6
    )


def test_work_that_is_no_longer_wanted_ends_between_batches(text_encoder: TextEncoder) -> None:
    def refuse() -> None:
        raise CallAbandoned

    with pytest.raises(CallAbandoned):
        text_encoder.encode(["low"], refuse)


def test_queries_are_normalized_and_cut_to_the_longest_that_the_tower_reads(text_encoder: TextEncoder) -> None:
    low, shouted, endless = text_encoder.encode(["low", "  LOW ", "low " * 500 + "high"]).embeddings
    np.testing.assert_array_equal(low, shouted)
    np.testing.assert_allclose(low, endless, atol=1e-6)


def test_a_query_that_is_cut_says_how_many_of_its_words_were_read(
    text_encoder: TextEncoder, manifest: Manifest
) -> None:
    limit = manifest.max_query_tokens
    assert text_encoder.warnings("low " * limit) == ()
    (warning,) = text_encoder.warnings("“low_" + "low\u200b " * (limit + 6))
    assert warning.code == "query-cut"
    assert f"first {limit} of {limit + 7} words" in warning.message
    assert f"at most {limit} tokens" in warning.message


def test_a_query_in_another_language_says_so_also_if_it_is_cut(text_encoder: TextEncoder) -> None:
    (warning,) = text_encoder.warnings("ein Hund bellt")
    assert (warning.code, warning.onset_s) == ("query-language-unknown", None)
    assert "German" in warning.message
    assert [warning.code for warning in text_encoder.warnings("犬 " * 500)] == ["query-cut", "query-language-unknown"]


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


def test_a_graph_of_other_names_is_refused(tiny_bundle_copy: Path) -> None:
    (tiny_bundle_copy / "text.onnx").write_bytes((tiny_bundle_copy / "audio.onnx").read_bytes())
    sign_bundle(tiny_bundle_copy)
    with pytest.raises(GraphMismatch, match=r"text\.onnx has inputs .*waveform.*accepted: .*input_ids"):
        TextEncoder(tiny_bundle_copy, verify_bundle(tiny_bundle_copy), EngineOptions())


@pytest.mark.parametrize(
    ("changes", "came"), [({"dimension": 9}, "embeddings of shape"), ({"hop_samples": 319}, "cannot be reshaped")]
)
def test_a_graph_that_does_not_fit_the_manifest_fails_its_check(
    tiny_bundle_copy: Path, changes: dict, came: str
) -> None:
    sign_bundle(tiny_bundle_copy, **changes)
    with pytest.raises(GraphMismatch, match=came):
        AudioEncoder(tiny_bundle_copy, verify_bundle(tiny_bundle_copy), EngineOptions()).check()


def test_a_closed_tower_runs_no_more(tiny_bundle: Path, manifest: Manifest) -> None:
    encoder = TextEncoder(tiny_bundle, manifest, EngineOptions())
    encoder.close()
    with pytest.raises(ValueError, match="closed"):
        encoder.encode(["low"])
