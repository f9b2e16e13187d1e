import tomllib
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from training.data.config import DataConfig
from training.data.excerpt_batches import WeightedDataset


def parse(text: str) -> DataConfig:
    return TypeAdapter(DataConfig).validate_python(tomllib.loads(text))


def test_data_sets_are_read_from_toml_with_the_weight_1_by_default() -> None:
    text = 'sets = [{name = "tacos", folder = "t"}, {name = "clotho", folder = "c", weight = 0.5}]\nworkers = 3'
    assert parse(text) == DataConfig(
        sets=(WeightedDataset("tacos", Path("t")), WeightedDataset("clotho", Path("c"), 0.5)), workers=3
    )
    assert WeightedDataset("tacos", Path("t")).weight == 1


def test_a_data_set_without_a_folder_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"sets\.0\.folder"):
        parse('sets = [{name = "tacos"}]')
