import csv
from pathlib import Path

import numpy as np

from tests.tiny_pack import build_tiny_pack
from training.data.pack import TABLE
from training.evaluation.benchmark import Benchmark, BenchmarkEvent, BenchmarkScene
from training.evaluation.scene_set import evaluation_set_from_benchmark, resampled, scene_set

TONE = np.sin(2 * np.pi * 400 * np.arange(16_000) / 16_000).astype(np.float32)


def test_every_label_is_searched_for_in_every_scene() -> None:
    events = (BenchmarkEvent("dog", 0.2, 0.4, snr_db=3.0),)
    scenes = BenchmarkScene("scene0", TONE, events), BenchmarkScene("scene1", TONE, ())
    benchmark = Benchmark(scenes, ("cat", "dog"), sample_rate_hz=16_000, scene_s=1.0)
    evaluation_set = evaluation_set_from_benchmark("two scenes", benchmark, [["a cat", "cats"], ["a dog", "dogs"]])
    assert evaluation_set.labels == ("cat", "dog")
    assert evaluation_set.queries == (("a cat", "cats"), ("a dog", "dogs"))
    assert evaluation_set.n_passes == 2
    assert [clip.queried_labels for clip in evaluation_set.clips] == [(0, 1), (0, 1)]
    assert [clip.events for clip in evaluation_set.clips] == [(("dog", 0.2, 0.4),), ()]
    assert [clip.duration_s for clip in evaluation_set.clips] == [1.0, 1.0]
    assert evaluation_set.clips[0].waveform(16_000) is TONE
    assert len(evaluation_set.clips[0].waveform(32_000)) == 32_000


def test_scenes_of_a_pack_are_queried_with_held_out_captions(tmp_path: Path) -> None:
    table = build_tiny_pack(tmp_path) / TABLE
    with table.open(newline="") as file:
        rows = [row | {"label": "airplane"} for row in csv.DictReader(file)]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    evaluation_set = scene_set(tmp_path, seed=7)
    assert evaluation_set.name == "scenes of seed 7"
    assert len(evaluation_set.clips) == 400
    assert evaluation_set.labels == ("airplane",)
    assert len(evaluation_set.queries[0]) == 3
    assert evaluation_set.queries[0][0] == "a plane flies over"


def test_resampling_keeps_a_tone() -> None:
    expected = np.sin(2 * np.pi * 400 * np.arange(32_000) / 32_000)
    np.testing.assert_allclose(resampled(TONE, 16_000, 32_000)[500:-500], expected[500:-500], atol=1e-3)
