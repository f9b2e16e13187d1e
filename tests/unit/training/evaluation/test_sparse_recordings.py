from pathlib import Path

import numpy as np
import pytest

from tests.tiny_pack import build_tiny_pack
from training.data.pack import read_pack_table
from training.evaluation import sparse_recordings
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.sparse_recordings import half_of, sparse_set


@pytest.fixture(autouse=True)
def captions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of the tiny pack have no held-out captions."""
    monkeypatch.setattr(
        sparse_recordings, "validation_queries", lambda labels: [[f"{label} {i}" for i in range(3)] for label in labels]
    )


def small(folder: Path, half: sparse_recordings.Half) -> EvaluationSet:
    return sparse_set(folder, half, n_recordings=2, recording_s=120.0)


def test_the_recordings_are_always_the_same(tiny_pack: Path) -> None:
    first, again = small(tiny_pack, "reported"), small(tiny_pack, "reported")
    for clip, clip_again in zip(first.clips, again.clips, strict=True):
        assert clip.events == clip_again.events
        np.testing.assert_array_equal(clip.waveform(16_000), clip_again.waveform(16_000))
        np.testing.assert_array_equal(clip.waveform(16_000), clip.waveform(16_000))


def test_the_events_are_where_the_sounds_are(tiny_pack: Path) -> None:
    for clip in small(tiny_pack, "reported").clips:
        waveform = clip.waveform(16_000)
        assert waveform.shape == (1_920_000,)
        assert np.abs(waveform).max() <= 1
        power = (waveform.reshape(-1, 320) ** 2).mean(axis=1)
        active = np.zeros(len(power), bool)
        for _, onset_s, offset_s in clip.events:
            active[round(onset_s / 0.02) : round(offset_s / 0.02)] = True
        assert len({onset for _, onset, _ in clip.events}) >= 2
        assert np.median(power[active]) > np.median(power[~active])


def test_a_sound_comes_every_30_s_on_average(tiny_pack: Path) -> None:
    (clip,) = sparse_set(tiny_pack, "reported", n_recordings=1, recording_s=3600.0).clips
    onsets_s = np.array(sorted(onset for _, onset, _ in clip.events))
    starts = onsets_s[np.append(True, np.diff(onsets_s) > 12)]
    assert 100 < len(starts) < 140
    assert 15 - 2 < np.diff(starts).min() < np.diff(starts).max() < 45 + 2


def test_no_recording_is_in_both_halves(tmp_path: Path) -> None:
    recordings = read_pack_table(build_tiny_pack(tmp_path, train=0, val=5))
    reported, tuning = half_of(recordings, "reported"), half_of(recordings, "tuning")
    assert not {r.path for r in reported} & {r.path for r in tuning}
    assert sorted(r.path for r in reported + tuning) == sorted(r.path for r in recordings)
    assert [sum(r.label == "hiss" for r in half) for half in (reported, tuning)] == [3, 2]


def test_labels_that_may_describe_the_ambience_are_neither_searched_for_nor_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = build_tiny_pack(tmp_path, val=6)
    table = pack / "clips.csv"
    table.write_text(table.read_text().replace(",hiss,", ",rain,").replace(",tone,", ",water drops,"))
    (clip,) = sparse_set(pack, "tuning", n_recordings=1, recording_s=600.0).clips
    evaluation_set = sparse_set(pack, "tuning", n_recordings=1, recording_s=600.0)
    assert clip.name == "sparse00 (rain)"
    assert [evaluation_set.labels[i] for i in clip.queried_labels] == ["clicks", "sweep"]
    assert {label for label, _, _ in clip.events} == {"clicks", "sweep"}


def test_a_pack_without_enough_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no label has 3 recordings in split 'val'"):
        sparse_set(build_tiny_pack(tmp_path, val=2), "reported")
