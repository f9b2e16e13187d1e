import pytest

from training.losses.weights import LossWeights

NO_WEIGHTS = {"label_sigmoid": 0.0, "label_contrastive": 0.0}


@pytest.mark.parametrize(
    "values",
    [NO_WEIGHTS, {"clip_contrastive": -0.1}, {"temperature": 0.0}, {"temperature": -1.0}],
)
def test_weights_are_not_negative_nor_all_zero_and_the_temperature_is_positive(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="and a temperature above 0 are accepted"):
        LossWeights(**values)


@pytest.mark.parametrize("name", [name for name in LossWeights.__slots__ if name != "temperature"])
def test_one_positive_weight_is_enough(name: str) -> None:
    assert getattr(LossWeights(**NO_WEIGHTS | {name: 0.5}), name) == 0.5
