from typing import Any

import numpy as np
import pytest

from training.evaluation.metrics import Figures
from training.evaluation.report import as_text, interval, summarize, summarize_figures


def test_an_interval_is_cut_to_the_range_of_its_figure() -> None:
    worst = np.array([0.0, *np.linspace(0.0, 0.3, 101)])
    summary = summarize_figures([{"psds1": worst, "psds2": 1 - worst, "segment_error_rate": 1 + worst}])
    assert (summary["psds1"]["low"], summary["psds1"]["high"]) == pytest.approx((0.0, 0.1425))
    assert (summary["psds2"]["low"], summary["psds2"]["high"]) == pytest.approx((0.8575, 1.0))
    assert (summary["segment_error_rate"]["low"], summary["segment_error_rate"]["high"]) == pytest.approx(
        (0.8575, 1.1425)
    )


def test_an_undefined_figure_has_no_interval() -> None:
    assert summarize_figures([{"psds1": np.array([np.nan, 0.5])}])["psds1"]["low"] is None


def test_the_interval_is_shifted_so_that_the_resamples_have_the_value_as_their_mean() -> None:
    resamples = np.linspace(0.4, 0.6, 101)  # mean 0.5, percentiles 2.5 and 97.5 at 0.405 and 0.595
    assert interval(np.array([0.3, *resamples])) == pytest.approx((0.205, 0.395))
    assert interval(np.array([0.3, np.nan, *resamples])) == pytest.approx((0.205, 0.395))


def test_a_figure_is_the_mean_of_the_passes_and_their_spread() -> None:
    first, second = np.array([0.2, 0.1, 0.3]), np.array([0.4, 0.3, 0.5])
    (summary,) = summarize_figures([{"psds1": first}, {"psds1": second}]).values()
    assert (summary["value"], summary["spread"]) == pytest.approx((0.3, 0.2))
    assert (summary["low"], summary["high"]) == pytest.approx((0.205, 0.395))  # from the mean's resamples 0.2 and 0.4


def test_figures_of_labels_are_summarized_by_name() -> None:
    figures = Figures({"psds1": np.array([0.5])}, {"event_f1": np.array([[0.25], [np.nan]])})
    summary = summarize([figures], ["dog", "cat"])
    assert summary["figures"]["psds1"]["value"] == 0.5
    assert summary["labels"]["dog"]["event_f1"]["value"] == 0.25
    assert summary["labels"]["cat"]["event_f1"]["value"] is None


def figure(value: float | None, low: float | None = None, high: float | None = None, spread: float = 0.0) -> Any:
    return {"value": value, "low": low, "high": high, "spread": spread}


def test_the_text_of_a_report() -> None:
    head = {"set": {"name": "scenes", "recordings": 2}, "bootstrap": {"resamples": 5}}
    labels = {
        "dog": {"psds1": figure(0.9), "threshold": 0.5},
        "cat": {"psds1": figure(0.125), "threshold": 0.5},
        "rain": {"psds1": figure(None), "threshold": 0.5},
    }
    settings = {
        "default": {
            "chosen": "the model's default",
            "postprocessing": {"threshold": 0.5},
            "figures": {"psds1": figure(0.5, 0.4, 0.6, 0.1), "psds2": figure(None)},
            "labels": labels,
        }
    }
    report = {
        "subject": {"kind": "bundle", "name": "tiny"},
        "unreadable": {"test": 1, "val": 0},
        "localization": head | {"settings": settings},
        "retrieval": head | {"figures": {"text_to_audio_r1": figure(0.25, 0.0, 0.5)}},
    }
    assert [line.rstrip() for line in as_text(report).splitlines()] == [
        "subject: kind bundle, name tiny",
        "recordings left out because they cannot be read: test 1, val 0",
        "",
        "set: name scenes, recordings 2",
        "bootstrap: resamples 5",
        "",
        "default: the model's default",
        "  threshold 0.5",
        "  psds1                        0.500  [0.400, 0.600]  passes differ by up to 0.100",
        "  psds2                        -",
        "",
        "default, by label",
        "label                                  psds1",
        "rain                                       -",
        "cat                                    0.125",
        "dog                                    0.900",
        "",
        "set: name scenes, recordings 2",
        "bootstrap: resamples 5",
        "  text_to_audio_r1             0.250  [0.000, 0.500]",
    ]
