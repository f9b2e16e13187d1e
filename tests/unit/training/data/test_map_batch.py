from dataclasses import fields
from pathlib import Path

import pytest
import torch

from tests.unit.training.data.test_scene_batch import make_batch
from training.data.map_batch import decode_map, encode_map, load_map_batch, map_batch, save_map_batch


def test_a_value_survives_8_bits_up_to_half_a_step_and_is_clipped_at_8_deviations() -> None:
    values = torch.linspace(-8, 8, 1001)
    assert float((decode_map(encode_map(values)) - values).abs().max()) <= 4 / 127 + 1e-6
    assert decode_map(encode_map(torch.tensor([-99.0, 0.0, 99.0]))).tolist() == [-8, 0, 8]


def test_a_batch_with_maps_holds_everything_but_the_waveform() -> None:
    scenes = make_batch()
    batch = map_batch(scenes, [torch.ones(1, 4, 3), torch.ones(1, 2, 5)])
    assert batch.waveform.shape == (1, 0)
    assert [values.shape for values in batch.decoded_maps()] == [(1, 4, 3), (1, 2, 5)]
    assert batch.captions == scenes.captions
    assert torch.equal(batch.event_active, scenes.event_active)
    assert all(values.dtype == torch.int8 for values in batch.to(torch.device("cpu")).maps)


def test_a_saved_batch_is_read_as_it_was(tmp_path: Path) -> None:
    batch = map_batch(make_batch(), [torch.randn(1, 4, 3)])
    batch.teacher[0, 1, 2] = 17 / 255
    save_map_batch(batch, tmp_path / "0.pt")
    loaded = load_map_batch(tmp_path / "0.pt")
    for name in (field.name for field in fields(batch)):
        saved, read = getattr(batch, name), getattr(loaded, name)
        if isinstance(saved, torch.Tensor):
            assert torch.equal(saved, read), name
        elif name != "maps":
            assert saved == read, name
    assert torch.equal(loaded.maps[0], batch.maps[0])
    assert [file.name for file in tmp_path.iterdir()] == ["0.pt"]


def test_a_saved_batch_is_small(tmp_path: Path) -> None:
    save_map_batch(map_batch(make_batch(), [torch.zeros(1, 4, 3)]), tmp_path / "0.pt")
    assert (tmp_path / "0.pt").stat().st_size < 10_000


def test_a_damaged_file_is_not_read(tmp_path: Path) -> None:
    save_map_batch(map_batch(make_batch(), [torch.zeros(1, 4, 3)]), tmp_path / "0.pt")
    (tmp_path / "0.pt").write_bytes((tmp_path / "0.pt").read_bytes()[:100])
    with pytest.raises(RuntimeError):
        load_map_batch(tmp_path / "0.pt")
