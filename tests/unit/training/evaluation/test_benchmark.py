import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_pack import build_tiny_pack
from training.data.pack import AudioStore, read_pack_table
from training.evaluation.benchmark import (
    Benchmark,
    BenchmarkEvent,
    BenchmarkScene,
    draw_benchmark,
    load_benchmark,
    validation_queries,
)


@pytest.fixture(scope="module")
def benchmark_scenes(tiny_pack: Path) -> Benchmark:
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "val"]
    return draw_benchmark(recordings, AudioStore.decode(recordings, 16_000), n_scenes=20)


def test_the_benchmark_is_always_the_same(tiny_pack: Path, benchmark_scenes: Benchmark) -> None:
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "val"]
    again = draw_benchmark(recordings, AudioStore.decode(recordings, 16_000), n_scenes=20)
    for scene, scene_again in zip(benchmark_scenes.scenes, again.scenes, strict=True):
        np.testing.assert_array_equal(scene.waveform, scene_again.waveform)
        assert scene.events == scene_again.events


def test_events_of_a_label_are_disjoint_and_inside_the_scene(benchmark_scenes: Benchmark) -> None:
    for scene in benchmark_scenes.scenes:
        for label in benchmark_scenes.labels:
            events = [e for e in scene.events if e.label == label]
            assert all(a.offset_s < b.onset_s for a, b in itertools.pairwise(events))
            assert all(0 <= e.onset_s < e.offset_s <= 10.0 + 1e-9 and 0 <= e.snr_db <= 20 for e in events)


def test_only_labels_with_enough_recordings_are_searched_for(tiny_pack: Path) -> None:
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "val"][1:]
    benchmark = draw_benchmark(recordings, AudioStore.decode(recordings, 16_000), n_scenes=1)
    assert set(benchmark.labels) == {"hiss", "clicks", "sweep"}


def test_loading_draws_the_scenes_of_the_val_recordings(tiny_pack: Path, benchmark_scenes: Benchmark) -> None:
    loaded = load_benchmark(tiny_pack, n_scenes=2)
    for scene, expected in zip(loaded.scenes, benchmark_scenes.scenes[:2], strict=True):
        np.testing.assert_array_equal(scene.waveform, expected.waveform)
    other_seed = load_benchmark(tiny_pack, seed=1, n_scenes=2)
    assert not np.array_equal(loaded.scenes[0].waveform, other_seed.scenes[0].waveform)


def test_a_pack_without_a_label_of_3_recordings_makes_no_scenes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no label has 3 recordings in split 'val'"):
        load_benchmark(build_tiny_pack(tmp_path, val=2))


def test_labels_without_enough_captions_are_named(tmp_path: Path) -> None:
    captions = tmp_path / "validation.jsonl"
    captions.write_text(
        '{"label": "dog", "captions": ["a", "b", "c", "d"]}\n{"label": "cat", "captions": ["a", "b"]}\n'
    )
    assert validation_queries(["dog"], captions) == [["a", "b", "c"]]
    with pytest.raises(ValueError, match="fewer than 3 captions of 'cat', 'a moth'; each label with 3 recordings"):
        validation_queries(["dog", "cat", "a moth"], captions)


def test_quiet_events_do_not_count_above_a_signal_to_noise_ratio() -> None:
    events = BenchmarkEvent("dog", 0.0, 1.0, snr_db=5.0), BenchmarkEvent("cat", 1.0, 2.0, snr_db=6.0)
    scene = BenchmarkScene("scene", np.zeros(48_000, np.float32), events)
    assert scene.event_labels() == {"dog", "cat"}
    assert scene.event_labels(min_snr_db=6.0) == {"cat"}
    assert scene.truth(["cat", "dog", "rain"], np.array([0.0, 1.0, 2.0])).tolist() == [
        [False, True],
        [True, False],
        [False, False],
    ]
