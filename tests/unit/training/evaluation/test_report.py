import numpy as np
import pytest

from training.evaluation.report import summarize_figures


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
