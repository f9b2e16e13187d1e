import sys

import numpy as np
import pytest

from service.client.answers import read_localization
from service.client.values import Segment
from tests.unit.client.service import answer


def test_segments_of_all_queries_are_in_order_of_time() -> None:
    localization = read_localization(answer("rain", "a siren"))
    assert localization.segments == (
        Segment("rain", 0.04, 0.12, 0.9, 0.06),
        Segment("a siren", 0.04, 0.12, 0.9, 0.06),
    )
    assert localization.segments[0].duration_s == pytest.approx(0.08)


def test_results_are_found_by_number_and_by_query() -> None:
    localization = read_localization(answer("rain", "a siren"))
    assert localization[1] is localization["a siren"]
    assert len(localization) == 2
    assert [result.query for result in localization] == ["rain", "a siren"]
    with pytest.raises(KeyError):
        localization["snow"]


def test_the_table_has_a_row_for_each_segment() -> None:
    table = read_localization(answer("rain", "a siren")).to_dataframe()
    assert list(table.columns) == ["query", "onset_s", "offset_s", "score", "peak_s"]
    assert table["query"].tolist() == ["rain", "a siren"]
    empty = read_localization(answer("rain"))
    table = type(empty)(empty.clip, "m", "1", 0.04, ()).to_dataframe()
    assert (len(table), str(table["score"].dtype)) == (0, "float64")


def test_curves_that_were_not_asked_for_are_none() -> None:
    (result,) = read_localization(answer("rain")).results
    assert result.similarity is None
    assert result.score is not None
    assert result.score.dtype == np.float32


@pytest.mark.parametrize(("call", "module"), [("to_dataframe", "pandas"), ("plot", "matplotlib")])
def test_a_missing_library_is_named(call: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=module):
        getattr(read_localization(answer("rain")), call)()
