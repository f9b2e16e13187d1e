import numpy as np
import pytest

from service.api.localize_form import NUMBERS, LocalizeForm
from service.client.options import Options, form_fields


def test_every_option_is_a_field_of_the_form() -> None:
    assert set(Options.__annotations__) - {"rate_hz"} == {*NUMBERS, "curves"}
    assert set(form_fields("rain", dict.fromkeys(NUMBERS, 0.5) | {"curves": "both"})) <= set(LocalizeForm.model_fields)


def test_numbers_are_written_exactly_and_defaults_are_left_out() -> None:
    fields = form_fields(("rain", "a dog"), {"threshold": np.float64(0.1), "merge_gap_s": 1, "curves": None})
    assert fields == {"query": ["rain", "a dog"], "curve_format": "base64", "threshold": "0.1", "merge_gap_s": "1.0"}


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        form_fields("rain", {"threshold": "high"})
