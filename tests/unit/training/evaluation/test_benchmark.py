import itertools
from pathlib import Path

import numpy as np
import pytest

from training.data.pack import AudioStore, read_pack_table
from training.evaluation.benchmark import Benchmark, draw_benchmark


@pytest.fixture(scope="module")
def benchmark_scenes(tiny_pack: Path) -> Benchmark:
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "val"]
    return draw_benchmark(recordings, AudioStore.decode(recordings, 16_000), n_scenes=20)


def test_the_benchmark_is_always_the_same(tiny_pack: Path, benchmark_scenes: Benchmark) -> None:
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "val"]
    again = draw_benchmark(recordings, AudioStore.decode(recordings, 16_000), n_scenes=20)
    for one, other in zip(benchmark_scenes.scenes, again.scenes, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
        assert one.events == other.events


def test_events_of_one_label_are_disjoint_and_inside(benchmark_scenes: Benchmark) -> None:
    for scene in benchmark_scenes.scenes:
        for label in benchmark_scenes.labels:
            own = [e for e in scene.events if e.label == label]
            assert all(a.offset_s < b.onset_s for a, b in itertools.pairwise(own))
            assert all(0 <= e.onset_s < e.offset_s <= 10.0 + 1e-9 and 0 <= e.snr_db <= 20 for e in own)


def test_only_labels_with_enough_recordings_are_asked_for(tiny_pack: Path) -> None:
    recordings = [r for r in read_pack_table(tiny_pack) if r.split == "val"][1:]
    benchmark = draw_benchmark(recordings, AudioStore.decode(recordings, 16_000), n_scenes=1)
    assert set(benchmark.labels) == {"hiss", "clicks", "sweep"}
