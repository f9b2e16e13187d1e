import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from matplotlib.image import imread
from torch.utils.tensorboard import SummaryWriter

from tests.unit.training.evaluation.fake_localizer import FakeLocalizer, fake_set
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.protocol import evaluate
from training.evaluation.run_report import plot_clip, write_report
from training.evaluation.validation import Validation
from training.model import LanguageAudioModel
from training.recipe import read_recipe

RECIPE = read_recipe(Path("training/recipes/tiny.toml"), ["name=whistle", "version=v7"])
MODEL = cast(LanguageAudioModel, None)
"""The fake validation needs no model."""


class FakeValidation:
    """Evaluates a FakeLocalizer, whatever the model."""

    def __init__(self, evaluation_set: EvaluationSet) -> None:
        self.evaluation_set = evaluation_set

    def localizer(self, model: LanguageAudioModel) -> FakeLocalizer:
        return FakeLocalizer()

    def report(self, model: LanguageAudioModel) -> dict[str, object]:
        localizer = self.localizer(model)
        report = evaluate(localizer, self.evaluation_set, None, resamples=5)
        return {"subject": localizer.subject, "localization": report}


def validation_of(evaluation_set: EvaluationSet) -> Validation:
    return cast(Validation, FakeValidation(evaluation_set))


def clips_with_events(*with_event: bool) -> EvaluationSet:
    """A set of clips, each with or without an event."""
    evaluation_set = fake_set("0.9")
    clip = evaluation_set.clips[0]
    clips = [
        replace(clip, name=f"clip{i}", events=clip.events if present else ()) for i, present in enumerate(with_event)
    ]
    return replace(evaluation_set, clips=tuple(clips))


def test_the_report_has_the_recipe_the_figures_and_plots_of_clips_with_events(tmp_path: Path) -> None:
    file = write_report(tmp_path, RECIPE, validation_of(clips_with_events(False, True, True)), MODEL)
    assert file == tmp_path / "report.md"
    lines = file.read_text().splitlines()
    assert lines[0] == "# whistle v7"
    assert any(line.startswith("  psds1_macro") for line in lines)
    assert [line for line in lines if line.startswith("![")] == [
        "![reliability](reliability.png)",
        "![false_alarms](false_alarms.png)",
        "![labels](labels.png)",
        "![clip1](report_0.png)",
        "![clip2](report_1.png)",
    ]
    pictures = {line.split("(")[1].rstrip(")") for line in lines if line.startswith("![")}
    assert {path.name for path in tmp_path.glob("*.png")} == pictures


def test_the_scalars_of_the_run_are_plotted(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss/total", 1.0, 1)
    text = write_report(tmp_path, RECIPE, validation_of(clips_with_events(True)), MODEL).read_text()
    assert "![training_curves](training_curves.png)" in text
    assert imread(tmp_path / "training_curves.png").shape[:2] == (250, 900)


def test_at_most_4_clips_are_plotted(tmp_path: Path) -> None:
    write_report(tmp_path, RECIPE, validation_of(clips_with_events(*[True] * 6)), MODEL)
    assert len(list(tmp_path.glob("report_*.png"))) == 4


def test_without_matplotlib_the_report_has_no_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    text = write_report(tmp_path, RECIPE, validation_of(clips_with_events(True)), MODEL).read_text()
    assert "psds1_macro" in text
    assert "![" not in text
    assert list(tmp_path.glob("*.png")) == []
    assert "no plots in report.md" in caplog.text


def test_the_labels_of_a_clip_are_plotted_with_their_first_query(tmp_path: Path) -> None:
    localizer, evaluation_set = FakeLocalizer(), fake_set("dog", "cat", "rain")
    clip = replace(evaluation_set.clips[0], events=(("rain", 0.4, 0.8), ("dog", 0.4, 0.8), ("wind", 0.0, 1.0)))
    queries = (("0.1", "0.2"), ("0.3", "0.4"), ("0.5", "0.6"))
    plot_clip(tmp_path / "clip.png", localizer, clip, replace(evaluation_set, queries=queries))
    assert localizer.calls == [(["0.1", "0.5"], 0.0)]
    assert imread(tmp_path / "clip.png").shape[:2] == (400, 900)  # 1.2 inches and 1.4 for each label, at 100 dpi


def test_a_clip_without_labels_of_the_set_is_an_empty_plot(tmp_path: Path) -> None:
    localizer, evaluation_set = FakeLocalizer(), fake_set("0.5")
    plot_clip(tmp_path / "clip.png", localizer, replace(evaluation_set.clips[0], events=()), evaluation_set)
    assert localizer.calls == []
    assert np.ptp(imread(tmp_path / "clip.png")[60:]) == 0  # nothing below the title
