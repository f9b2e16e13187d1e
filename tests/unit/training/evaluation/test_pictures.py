from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imread
from torch.utils.tensorboard import SummaryWriter

from training.evaluation.pictures import (
    plot_alarms,
    plot_labels,
    plot_reliability,
    plot_training_curves,
    read_training_curves,
)


def is_drawn(file: Path) -> bool:
    return float(np.ptp(imread(file))) > 0.5


def figure(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"psds1": {"value": value, "low": low, "high": high}, "threshold": 0.5}


def test_scalars_are_read_in_order_of_their_steps(tmp_path: Path) -> None:
    assert read_training_curves(tmp_path) == {}
    with SummaryWriter(str(tmp_path)) as writer:
        for step in (1, 2, 3):
            writer.add_scalar("loss/total", 4 - step, step)
        writer.add_scalar("validation/psds1_macro", 0.25, 3)
    curves = read_training_curves(tmp_path)
    assert curves == {"loss/total": ([1, 2, 3], [3.0, 2.0, 1.0]), "validation/psds1_macro": ([3], [0.25])}
    plot_training_curves(tmp_path / "curves.png", curves)
    assert is_drawn(tmp_path / "curves.png")


def test_the_steps_after_a_run_was_resumed_replace_those_before(tmp_path: Path) -> None:
    for values in ((1.0, 2.0), (5.0,)):
        with SummaryWriter(str(tmp_path)) as writer:
            for step, value in enumerate(values, start=3 - len(values)):
                writer.add_scalar("loss/total", value, step)
    steps, values = read_training_curves(tmp_path)["loss/total"]
    assert sorted(steps) == [1, 2]
    assert values[steps.index(1)] == 1.0


def test_pictures_of_figures_are_drawn(tmp_path: Path) -> None:
    plot_reliability(tmp_path / "reliability.png", [{"score": 0.1, "frequency": 0.2, "frames": 10}])
    plot_alarms(
        tmp_path / "alarms.png", [{"alarms_per_hour": 5.0, "found": 0.5}, {"alarms_per_hour": 7.0, "found": None}]
    )
    labels = {"dog": figure(0.5, 0.6, 0.8), "cat": figure(0.25), "rain": figure(None)}  # an interval without its value
    plot_labels(tmp_path / "labels.png", labels)
    assert all(is_drawn(tmp_path / f"{name}.png") for name in ("reliability", "alarms", "labels"))


def test_a_report_without_values_gives_empty_pictures(tmp_path: Path) -> None:
    plot_alarms(tmp_path / "alarms.png", [])
    plot_labels(tmp_path / "labels.png", {"rain": figure(None)})
    plot_reliability(tmp_path / "reliability.png", [])
    assert len(list(tmp_path.glob("*.png"))) == 3
