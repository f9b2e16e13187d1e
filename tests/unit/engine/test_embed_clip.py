from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.errors import AudioUndecodable
from service.core.warnings import AnswerWarning
from service.engine.batching import WindowBatcher
from service.engine.call import Call, CallAbandoned
from service.engine.embed_clip import embed_clip
from tests.clips import generated
from tests.manifests import make_manifest

MANIFEST = make_manifest(sample_rate_hz=100, hop_samples=4, window_frames=10, overlap_frames=4, dimension=2)
MAX_WINDOWS = 2


def embed(windows: np.ndarray) -> np.ndarray:
    """A frame's embedding is the unit vector at the angle of its first sample: windows (B, N) to (B, Tw, 2)."""
    angles = windows[:, :: MANIFEST.hop_samples]
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)


class FakeEncoder:
    max_windows, n_runs = MAX_WINDOWS, 1
    embed = embed_beside = staticmethod(embed)


@pytest.fixture(scope="module")
def batcher() -> Iterator[WindowBatcher]:
    with closing(WindowBatcher(FakeEncoder(), pytest.fail)) as batcher:
        yield batcher


@given(st.lists(st.integers(0, 90), min_size=1, max_size=8).filter(any))
@settings(max_examples=40)
def test_blocks_of_any_length_give_the_frames_of_the_whole_clip(batcher: WindowBatcher, lengths: list[int]) -> None:
    angles = np.random.default_rng(0).uniform(0, 1, sum(lengths)).astype(np.float32)
    blocks = np.split(angles, np.cumsum(lengths)[:-1])
    embedding = embed_clip(generated(blocks), batcher, MANIFEST, Call())
    expected = embed(angles[None])[0]
    assert embedding.duration_s == pytest.approx(len(angles) / 100)
    assert embedding.stored.shape == expected.shape
    np.testing.assert_allclose(embedding.stored, expected, atol=1e-3)


def test_no_more_than_two_batches_of_windows_wait_at_a_time(batcher: WindowBatcher) -> None:
    waiting: list[int] = []

    def blocks() -> Iterator[np.ndarray]:
        for _ in range(200):
            waiting.append(batcher.queued_windows)
            yield np.zeros(MANIFEST.hop_samples, np.float32)

    embed_clip(generated(blocks()), batcher, MANIFEST, Call())
    assert max(waiting) <= 2 * MAX_WINDOWS


def test_the_time_for_decoding_is_counted_to_its_stage(batcher: WindowBatcher) -> None:
    call = Call()
    embed_clip(generated([np.zeros(100, np.float32)]), batcher, MANIFEST, call)
    assert call.stage_s["decode"] > 0


def test_a_failure_of_the_decoder_is_passed_on_and_abandons_the_call(batcher: WindowBatcher) -> None:
    def blocks() -> Iterator[np.ndarray]:
        yield np.zeros(100, np.float32)
        raise AudioUndecodable("FLAC", "it is damaged")

    call = Call()
    with pytest.raises(AudioUndecodable):
        embed_clip(generated(blocks()), batcher, MANIFEST, call)
    assert not call.is_wanted


def test_an_abandoned_call_ends_the_work(batcher: WindowBatcher) -> None:
    call = Call()

    def blocks() -> Iterator[np.ndarray]:
        while True:
            yield np.zeros(100, np.float32)
            call.abandon()

    with pytest.raises(CallAbandoned):
        embed_clip(generated(blocks()), batcher, MANIFEST, call)


def test_the_embedding_carries_the_warnings_and_the_log_has_one_line_of_fields(batcher: WindowBatcher, caplog) -> None:
    warnings = (AnswerWarning("sound-lost", "a frame is damaged", 0.2, 0.4), AnswerWarning("dc-offset", "an offset"))
    embedding = embed_clip(generated([np.zeros(100, np.float32)], *warnings), batcher, MANIFEST, Call())
    assert embedding.warnings == warnings
    (record,) = caplog.records
    assert (record.message, record.codes) == ("a clip has warnings", ["dc-offset", "sound-lost"])


def test_a_clip_without_warnings_logs_nothing(batcher: WindowBatcher, caplog) -> None:
    assert embed_clip(generated([np.zeros(100, np.float32)]), batcher, MANIFEST, Call()).warnings == ()
    assert not caplog.records
