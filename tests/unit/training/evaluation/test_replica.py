import json
import subprocess
import sys

import numpy as np
import pytest

from training.evaluation import replica
from training.evaluation.replica import differences, made_up_clip, main, part


def test_a_clip_is_always_the_same_and_its_events_can_be_found() -> None:
    first, again = made_up_clip(3, 12, 0.04), made_up_clip(3, 12, 0.04)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == (12, 250)
    assert np.abs(first[0]).max() <= 1
    assert {label: [t.tolist() for t in spans] for label, spans in first[2].items()} == {
        label: [t.tolist() for t in spans] for label, spans in again[2].items()
    }
    rises = [
        scores[label, round(on / 0.04) : round(off / 0.04)].mean() - scores[label].mean()
        for scores, _, events in (made_up_clip(number, 12, 0.04) for number in range(20))
        for label, spans in events.items()
        for on, off in zip(*spans, strict=True)
    ]
    assert np.mean(rises) > 0.05


def test_a_small_replica_has_the_figures_of_sed_scores_eval() -> None:
    options = ["--clips", "40", "--labels", "8", "--check-clips", "30", "--check-labels", "5"]
    command = [sys.executable, "-m", "training.evaluation.replica", *options]  # alone, because it measures its memory
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert report["clips"] == 40
    assert 0 < report["psds1_macro"] < 1
    assert max(report["differences"].values()) < 1e-6


def test_the_checked_labels_have_events() -> None:
    clips = [made_up_clip(number, 50, 0.04) for number in range(3)]
    checked = part(clips, 4)
    assert {label for _, _, events in checked for label in events} == {0, 1, 2, 3}
    heard = sorted({label for _, _, events in clips for label in events})
    np.testing.assert_array_equal(checked[1][0], clips[1][0][heard[:4]])


def test_a_difference_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = part([made_up_clip(number, 4, 0.04) for number in range(10)], 4)
    assert differences(clips)["psds1_by_label"] < 1e-12
    exact = replica.reference

    def wrong(clips: list[replica.Clip]) -> tuple[list[float], float, list[float]]:
        by_label, psds1, aurocs = exact(clips)
        return [by_label[0] + 1e-9, *by_label[1:]], psds1, aurocs

    monkeypatch.setattr(replica, "reference", wrong)
    assert differences(clips)["psds1_by_label"] == pytest.approx(1e-9)
    with pytest.raises(SystemExit) as exit_info:
        main(["--clips", "10", "--labels", "4", "--check-clips", "10", "--check-labels", "4"])
    assert exit_info.value.code == 1
