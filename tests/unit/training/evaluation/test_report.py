import numpy as np
import pytest

from training.evaluation.report import summarize_figures


def test_an_interval_holds_only_what_its_figure_can_be() -> None:
    worst = np.array([0.0, *np.linspace(0.0, 0.3, 101)])
    told = summarize_figures([{"psds1": worst, "psds2": 1 - worst, "segment_error_rate": 1 + worst}])
    assert (told["psds1"]["low"], told["psds1"]["high"]) == pytest.approx((0.0, 0.1425))
    assert (told["psds2"]["low"], told["psds2"]["high"]) == pytest.approx((0.8575, 1.0))
    assert (told["segment_error_rate"]["low"], told["segment_error_rate"]["high"]) == pytest.approx((0.8575, 1.1425))


def test_a_figure_that_is_none_has_no_interval() -> None:
    assert summarize_figures([{"psds1": np.array([np.nan, 0.5])}])["psds1"]["low"] is None
