from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from training.towers.asit import AsitConfig, AsitTower
from training.towers.choice import AudioConfig, build_audio_tower, tower_class
from training.towers.compact import CompactConfig, CompactTower
from training.towers.frame_mobilenet import FrameMobileNetConfig, FrameMobileNetTower
from training.towers.pyramid import PyramidConfig, PyramidTower

ADAPTER: TypeAdapter[AudioConfig] = TypeAdapter(AudioConfig)


@pytest.mark.parametrize(
    ("values", "config"),
    [
        ({"kind": "asit", "blocks": 3, "pretrained": "a.pt"}, AsitConfig(blocks=3, pretrained=Path("a.pt"))),
        ({"kind": "frame_mobilenet", "width": 0.4}, FrameMobileNetConfig(width=0.4)),
        ({"kind": "pyramid", "squeeze_s": 2.0}, PyramidConfig(squeeze_s=2.0)),
        ({"kind": "compact", "dimension": 8}, CompactConfig(dimension=8)),
        ({"dimension": 8}, CompactConfig(dimension=8)),
    ],
)
def test_the_kind_decides_the_configuration_and_is_compact_if_missing(
    values: dict[str, object], config: AudioConfig
) -> None:
    assert ADAPTER.validate_python(values) == config
    assert ADAPTER.validate_python(config) is config


def test_an_unknown_kind_is_refused_with_the_kinds_that_exist() -> None:
    with pytest.raises(ValidationError, match="'compact', 'asit', 'frame_mobilenet', 'pyramid'"):
        ADAPTER.validate_python({"kind": "yamnet"})


@pytest.mark.parametrize(
    ("config", "tower", "rate_hz", "hop_samples"),
    [
        (CompactConfig(width=0.125, dimension=8), CompactTower, 16_000, 640),
        (AsitConfig(blocks=1, dimension=8), AsitTower, 32_000, 640),
        (FrameMobileNetConfig(width=0.4, dimension=8), FrameMobileNetTower, 16_000, 640),
        (PyramidConfig(width=0.125, dimension=8), PyramidTower, 16_000, 640),
    ],
)
def test_a_configuration_builds_its_tower(config: AudioConfig, tower: type, rate_hz: int, hop_samples: int) -> None:
    assert tower_class(config) is tower
    built = build_audio_tower(config)
    assert type(built) is tower
    assert (built.sample_rate_hz, built.hop_samples, built.dimension) == (rate_hz, hop_samples, 8)
