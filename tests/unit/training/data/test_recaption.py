import pytest

from training.data.recaption import RecaptionConfig


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_of_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="0 to 1 is accepted"):
        RecaptionConfig(each_batch=True, ambience_rate=rate)


def test_ambiences_lose_their_captions_only_where_captions_are_drawn_anew() -> None:
    with pytest.raises(ValueError, match="with each_batch = false only 1 is accepted"):
        RecaptionConfig(ambience_rate=0.5)
    assert RecaptionConfig().ambience_rate == 1
