import json
from pathlib import Path

import numpy as np
import pytest

from training.scene_statistics import main, real_clips, statistics


def blocks(*heard: tuple[int, int]) -> np.ndarray:
    """Which of 500 blocks of 20 ms are heard."""
    result = np.zeros(500, dtype=bool)
    for start, end in heard:
        result[start:end] = True
    return result


def test_events_lengths_and_overlaps_are_counted() -> None:
    result = statistics([[blocks((0, 10), (100, 200)), blocks((150, 250))], []])
    assert (result.clips, result.labels, result.events, result.without_events) == (2, 1.0, 1.5, 0.5)
    assert result.length_s[2] == 2.0
    assert result.short == pytest.approx(1 / 3, abs=0.001)
    assert result.covered == 0.16  # 160 of 500 blocks in one of two clips
    assert result.overlapping == 0.05


def test_without_events_there_are_no_lengths() -> None:
    assert statistics([[]]).length_s == ()


def test_real_clips_are_the_sources_of_annotated_phrases() -> None:
    rows = [{"clip": "a", "phrase": "a dog", "onset_s": "1.0", "offset_s": "2.0"}]
    ((source,),) = real_clips(rows)
    assert np.flatnonzero(source).tolist() == list(range(50, 100))


def test_the_command_reports_scenes_and_real_clips(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phrases = tmp_path / "phrases.csv"
    phrases.write_text("clip,phrase,onset_s,offset_s\na,a dog,1.0,2.0\n", encoding="utf-8")
    recipe = ["training/recipes/tiny.toml", "--set", f"data.folder={tiny_pack}", "--set", "scenes.world.plain_rate=0.0"]
    main([*recipe, "--scenes", "5", "--phrases", str(phrases)])
    report = json.loads(capsys.readouterr().out)
    assert (report["scenes"]["clips"], report["real"]["clips"]) == (5, 1)
    assert report["scenes"]["ms_per_scene"] > 0
