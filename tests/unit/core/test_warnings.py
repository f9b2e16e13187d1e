import pytest

from service.core.warnings import AnswerWarning


@pytest.mark.parametrize(("onset_s", "offset_s"), [(1.0, None), (None, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_stretch_has_two_ends_in_order(onset_s: float | None, offset_s: float | None) -> None:
    with pytest.raises(ValueError, match="a stretch"):
        AnswerWarning("sound-lost", "a part of the clip could not be decoded", onset_s, offset_s)
