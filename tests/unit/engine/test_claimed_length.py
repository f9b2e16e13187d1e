import pytest

from service.core.errors import AudioTooLong
from service.engine.claimed_length import check_claimed_length


@pytest.mark.parametrize("claimed_s", [3600.2, 36_000, 30 * 86_400])
def test_a_length_beyond_the_limit_is_refused(claimed_s: float) -> None:
    with pytest.raises(AudioTooLong):
        check_claimed_length(claimed_s, 3600)


@pytest.mark.parametrize("claimed_s", [None, 0, 3600, 3600.05, 2**36 / 16_000])
def test_short_missing_and_unbelievable_lengths_decide_nothing(claimed_s: float | None) -> None:
    check_claimed_length(claimed_s, 3600)
