import io
import tempfile
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.errors import (
    AudioEmpty,
    AudioError,
    AudioTooLarge,
    ClipNotFound,
    QueryEmpty,
    TooManyQueries,
    UnsupportedAudio,
)
from service.core.manifest import MANIFEST, read_manifest
from service.engine.caching.tiers import memory_cache
from service.engine.call import Call
from service.engine.clip import KnownClip, Upload
from service.engine.decoding import DecodedBlocks
from service.engine.encoders import AudioEncoder
from service.engine.engine import Engine, decode_in_this_process, open_engine
from service.engine.interface import LearntQuery
from service.engine.loaded_model import LoadedModel
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession
from service.library.example_frames import query_by_example
from tests.clips import encoded, tones, wav

WORDS = ["low", "middle", "high"]


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path) -> Engine:
    return open_engine(tiny_bundle, EngineOptions(max_clip_s=400, max_upload_bytes=30_000_000, device="cpu"))


def test_each_tone_has_segments_only_where_it_sounds(engine: Engine) -> None:
    clip = wav(tones([("low", 0.4, 1.2), ("middle", 1.0, 2.0), ("low", 3.0, 3.6)], 4.3))
    answer = engine.localize(Upload.of_bytes(clip), ["a LOW tone", "middle", "high"])
    low, middle, high = answer.results
    assert [(s.onset_s, s.offset_s) for s in low.segments] == [
        pytest.approx((0.4, 1.2), abs=0.09),
        pytest.approx((3.0, 3.6), abs=0.09),
    ]
    assert [(s.onset_s, s.offset_s) for s in middle.segments] == [pytest.approx((1.0, 2.0), abs=0.09)]
    assert (low.query, high.present, high.segments) == ("a LOW tone", False, ())
    assert answer.duration_s == pytest.approx(4.3)
    assert len(low.score) == len(low.similarity) == 108


def test_queries_that_look_the_same_have_the_same_answer_and_are_echoed_as_sent(tiny_bundle: Path) -> None:
    engine = open_engine(tiny_bundle, EngineOptions(device="cpu"))
    queries = ["low tone", "ｌｏｗ ｔｏｎｅ", "l\u200bow_tone", '"low\u00a0 tone"', "\u202elow tone"]
    answer = engine.localize(Upload.of_bytes(wav(tones([("low", 0.4, 1.2)], 2))), queries)
    assert [result.query for result in answer.results] == queries
    for result in answer.results:
        np.testing.assert_array_equal(result.score, answer.results[0].score)
        assert result.warnings == ()


def test_wordings_of_a_sound_are_encoded_once_if_the_bundle_has_rules_for_queries(tiny_bundle_copy: Path) -> None:
    manifest = replace(read_manifest(tiny_bundle_copy), query_normalizer_version=1)
    (tiny_bundle_copy / MANIFEST).write_text(manifest.to_json())
    engine = open_engine(tiny_bundle_copy, EngineOptions(device="cpu", cached_queries=1))
    queries = ["I can hear a low tone", "LOW TONE!", "the sound of a low tone", "no low tone", "low, then high"]
    answer = engine.localize(Upload.of_bytes(wav(tones([("low", 0.4, 1.2)], 2))), queries)
    assert [result.query for result in answer.results] == queries
    for result in answer.results[:3]:
        np.testing.assert_array_equal(result.score, answer.results[0].score)
    codes = [[warning.code for warning in result.warnings] for result in answer.results]
    assert codes == [[], [], [], ["query-negation"], ["query-order"]]


def test_results_carry_the_warnings_about_their_query_also_from_the_cache(engine: Engine) -> None:
    clip = wav(tones([("low", 0.4, 1.2)], 2))
    for _ in range(2):
        answer = engine.localize(Upload.of_bytes(clip), ["low", "собака лает", "low " * 100])
        codes = [[warning.code for warning in result.warnings] for result in answer.results]
        assert codes == [[], ["query-language-unknown"], ["query-cut"]]


def test_an_answer_has_the_warnings_about_its_clip_also_from_the_cache(engine: Engine) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    clip = wav(noise * 32_768)
    first = engine.localize(Upload.of_bytes(clip), ["low"])
    assert [warning.code for warning in first.warnings] == ["samples-out-of-range"]
    assert engine.localize(Upload.of_bytes(clip), ["low"]).warnings == first.warnings
    assert engine.localize(KnownClip(first.clip_id), ["high"]).warnings == first.warnings
    scaled = engine.localize(Upload.of_bytes(wav(noise)), ["low"])
    assert scaled.warnings == ()
    np.testing.assert_allclose(first.results[0].score, scaled.results[0].score, atol=1e-3)


@pytest.mark.parametrize("duration_s", [0.0001, 0.5, 1.0, 30.0])
def test_silence_gives_no_segment(engine: Engine, duration_s: float) -> None:
    answer = engine.localize(Upload.of_bytes(wav(tones([], duration_s))), [*WORDS, "zebra"])
    assert not any(result.present for result in answer.results)


def test_an_uploaded_clip_can_be_localized_by_its_id(engine: Engine) -> None:
    clip = wav(tones([("high", 0, 1)], 1.5))
    first = engine.localize(Upload.of_bytes(clip), ["high"])
    again = engine.localize(Upload(io.BytesIO(clip)), ["high"])
    known = engine.localize(KnownClip(first.clip_id), ["high"])
    assert (first.cached, again.cached, known.cached) == (False, True, True)
    assert len(first.clip_id) == 64
    assert first.clip_id == again.clip_id == known.clip_id
    assert engine.knows_clip(first.clip_id)
    for answer in (again, known):
        assert answer.duration_s == first.duration_s
        np.testing.assert_array_equal(answer.results[0].score, first.results[0].score)


def test_clips_of_equal_length_have_different_ids(engine: Engine) -> None:
    ids = {engine.localize(Upload.of_bytes(wav(tones([(word, 0, 1)], 1))), ["low"]).clip_id for word in WORDS}
    assert len(ids) == 3


def test_an_unknown_clip_is_not_found(engine: Engine) -> None:
    with pytest.raises(ClipNotFound, match="clip '00' is not in the cache"):
        engine.localize(KnownClip("00"), ["low"])
    assert not engine.knows_clip("00")


def test_an_engine_without_a_cache_answers_but_knows_no_clip(tiny_bundle: Path) -> None:
    engine = open_engine(tiny_bundle, EngineOptions(cache_bytes=0, cached_queries=0))
    answer = engine.localize(Upload.of_bytes(wav(tones([("low", 0, 1)], 1))), ["low"])
    assert answer.results[0].present
    assert not engine.knows_clip(answer.clip_id)


events = st.lists(
    st.tuples(st.sampled_from(WORDS), st.floats(0, 8), st.floats(0.1, 4)).map(lambda e: (e[0], e[1], e[1] + e[2])),
    max_size=4,
)


@given(events, st.floats(0.01, 9))
@settings(max_examples=25)
def test_the_embedding_of_a_long_clip_is_stitched_from_its_windows(
    engine: Engine, scene_events: list, duration_s: float
) -> None:
    waveform = tones(scene_events, duration_s)
    manifest, plan = engine.manifest, engine.manifest.window_plan
    n_frames = manifest.grid.n_frames(len(waveform))
    starts = plan.starts(n_frames)
    padded = np.pad(waveform, (0, manifest.window_samples))
    windows = [padded[start * manifest.hop_samples :][: manifest.window_samples] for start in starts]
    embedded = np.concatenate([engine._model.audio_encoder.embed(window[None]) for window in windows])
    stitched = plan.stitch(embedded, starts, n_frames)
    answer = engine.localize(Upload.of_bytes(wav(waveform)), ["low"])
    embedding = engine.cache.get(answer.clip_id)
    assert embedding is not None
    np.testing.assert_array_equal(embedding.stored, stitched.astype(np.float16))


@given(events, st.integers(1, 200), st.integers(1, 200))
@settings(max_examples=25)
def test_raising_the_threshold_never_adds_time(engine: Engine, scene_events: list, step: int, other_step: int) -> None:
    clip = wav(tones(scene_events, 6.0))
    low, high = (
        engine.localize(Upload.of_bytes(clip), WORDS, engine.manifest.postprocessing.override(threshold=level / 201))
        for level in sorted((step, other_step))
    )
    for lenient, strict in zip(low.results, high.results, strict=True):
        for segment in strict.segments:
            assert any(
                wider.onset_s <= segment.onset_s and segment.offset_s <= wider.offset_s for wider in lenient.segments
            )


@pytest.mark.parametrize("batch_windows", [1, 4])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_batches_and_rates_hardly_change_the_curve(
    engine: Engine, tiny_bundle: Path, batch_windows: int, rate_hz: int
) -> None:
    other = open_engine(tiny_bundle, EngineOptions(batch_windows=batch_windows))
    scene_events = [("low", 0.4, 2.3), ("high", 2.0, 5.5)]
    expected = engine.localize(Upload.of_bytes(wav(tones(scene_events, 6.0))), WORDS)
    answer = other.localize(Upload.of_bytes(wav(tones(scene_events, 6.0, rate_hz), rate_hz)), WORDS)
    tolerance = 1e-6 if rate_hz == 16_000 else 0.05
    for result, reference in zip(answer.results, expected.results, strict=True):
        np.testing.assert_allclose(result.score, reference.score, atol=tolerance)


def test_a_spooled_file_gives_the_same_clip_id_as_its_bytes(engine: Engine) -> None:
    clip = encoded(tones([("low", 0, 1)], 1.3), container="OGG", subtype="VORBIS")
    with tempfile.SpooledTemporaryFile(max_size=100) as file:
        file.write(clip)
        assert engine.localize(Upload(file), ["low"]).clip_id == engine.localize(Upload.of_bytes(clip), ["low"]).clip_id


def test_queries_and_clips_outside_the_limits_are_refused(engine: Engine, tiny_bundle: Path) -> None:
    clip = wav(tones([], 1))
    with pytest.raises(TooManyQueries):
        engine.localize(Upload.of_bytes(clip), ["low"] * 65)
    with pytest.raises(QueryEmpty):
        engine.localize(KnownClip("00"), [" "])
    with pytest.raises(AudioEmpty):
        engine.localize(Upload.of_bytes(b""), ["low"])
    with pytest.raises(UnsupportedAudio):
        engine.localize(Upload.of_bytes(b"no audio"), ["low"])
    small = open_engine(tiny_bundle, EngineOptions(max_upload_bytes=len(clip)))
    assert small.localize(Upload.of_bytes(clip), ["low"]).duration_s == 1
    with pytest.raises(AudioTooLarge, match=f"at most {len(clip)} bytes are accepted"):
        small.localize(Upload.of_bytes(clip + b"\0"), ["low"])


class _CountingEncoder(AudioEncoder):
    windows, _lock = 0, threading.Lock()

    def _run(self, session: GraphSession, windows: np.ndarray) -> np.ndarray:
        with self._lock:
            self.windows += len(windows)
        return super()._run(session, windows)


def test_a_clip_that_several_threads_upload_at_once_is_embedded_once(engine: Engine, tiny_bundle: Path) -> None:
    encoder = _CountingEncoder(tiny_bundle, engine.manifest, EngineOptions())
    model = LoadedModel(engine.manifest, encoder, engine._model.text_encoder)
    fresh = Engine(model, engine.options, memory_cache(10**8), decode_in_this_process, pytest.fail)
    clip = wav(tones([("low", 1, 3)], 20.0))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fresh.localize(Upload.of_bytes(clip), ["low"]), range(8)))
    assert encoder.windows == len(engine.manifest.window_plan.starts(500))
    assert sum(not answer.cached for answer in answers) == 1


class _UnsoundEncoder(AudioEncoder):
    def embed(self, windows: np.ndarray) -> np.ndarray:
        return 1.1 * super().embed(windows)

    def embed_beside(self, windows: np.ndarray) -> np.ndarray:
        return 1.1 * super().embed_beside(windows)


def test_frames_of_the_model_that_are_not_of_unit_norm_are_not_cached(engine: Engine, tiny_bundle: Path) -> None:
    encoder = _UnsoundEncoder(tiny_bundle, engine.manifest, EngineOptions())
    model = LoadedModel(engine.manifest, encoder, engine._model.text_encoder)
    fresh = Engine(model, engine.options, memory_cache(10**8), decode_in_this_process, pytest.fail)
    answer = fresh.localize(Upload.of_bytes(wav(tones([("low", 1, 3)], 4.0))), ["low"])
    assert not fresh.knows_clip(answer.clip_id)


def test_a_long_clip_streams_through_in_bounded_memory(engine: Engine) -> None:
    clip = encoded(np.zeros(16_000 * 390, np.float32), container="FLAC")
    tracemalloc.start()
    engine.localize(Upload.of_bytes(clip), ["low"])
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 16_000 * 390 * 4 / 2


def test_a_clip_that_was_refused_is_not_decoded_again(tiny_bundle: Path) -> None:
    decoded: list[float] = []

    def decode(clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
        decoded.append(max_clip_s)
        return (yield from decode_in_this_process(clip, sample_rate_hz, max_clip_s, call))

    engine = open_engine(tiny_bundle, EngineOptions(max_clip_s=1.0), decode=decode)
    try:
        for clip in (wav(tones([], 1.5)), wav(np.zeros(0, np.float32))):
            messages: list[str] = []
            for _ in range(3):
                with pytest.raises(AudioError) as refused:
                    engine.localize(Upload.of_bytes(clip), ["low"])
                messages.append(str(refused.value))
            assert len(set(messages)) == 1
        assert len(decoded) == 2
        assert engine.localize(Upload.of_bytes(wav(tones([], 0.5))), ["low"]).duration_s == 0.5
    finally:
        engine.close()


def test_a_learnt_query_takes_the_place_of_the_words(engine: Engine) -> None:
    clip = wav(tones([("low", 0.4, 1.2), ("middle", 2.0, 3.0), ("low", 3.2, 3.8)], 4.3))
    frames = engine.embed(Upload.of_bytes(clip)).embedding.stored[12:28].astype(np.float32)
    query = LearntQuery(
        "like x@0.5-1.1",
        lambda background: query_by_example([frames], [], background.astype(np.float32), engine.manifest, None),
    )
    (result,) = engine.localize(Upload.of_bytes(clip), [], None, None, query).results
    assert result.query == "like x@0.5-1.1"
    assert [(each.onset_s, each.offset_s) for each in result.segments] == [
        pytest.approx((0.4, 1.2), abs=0.09),
        pytest.approx((3.2, 3.8), abs=0.09),
    ]
