import matplotlib
import pytest
from matplotlib import pyplot

from service.client.answers import read_localization
from tests.unit.client.service import SCORE, answer

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_the_picture_has_a_curve_and_a_band_for_each_query() -> None:
    axes = read_localization(answer("costs $5", "$x^{")).plot()
    assert axes.get_xlim() == (0, 0.15)
    assert len(axes.patches) == 2
    curves = [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata())]
    assert curves == [[*SCORE.tolist(), float(SCORE[-1])]] * 2
    axes.figure.canvas.draw()  # a query is no formula


def test_the_picture_is_drawn_in_axes_of_the_caller() -> None:
    _, axes = pyplot.subplots()
    assert read_localization(answer("rain")).plot(axes) is axes
