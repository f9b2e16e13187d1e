from pathlib import Path

import pytest
import torch

from tests.unit.training.towers.golden import assert_golden, filled, spectrogram
from training.towers.asit import AsitConfig, AsitTower, SpectrogramTransformer

SHALLOW = AsitConfig(dimension=16, blocks=1, recurrent_channels=8)


@pytest.fixture(scope="module")
def transformer() -> torch.nn.Module:
    return filled(SpectrogramTransformer(12))


@pytest.fixture(scope="module")
def tower() -> AsitTower:
    torch.manual_seed(0)
    return AsitTower(SHALLOW).eval()


@pytest.mark.parametrize(("name", "mel_frames"), [("asit", 592), ("asit_999", 999)])
@torch.inference_mode()
def test_the_transformer_computes_what_the_public_one_computes(
    transformer: torch.nn.Module, name: str, mel_frames: int
) -> None:
    assert_golden(transformer(spectrogram(mel_frames)), name)


@torch.inference_mode()
def test_the_last_7_of_999_mel_frames_have_no_effect() -> None:
    transformer = SpectrogramTransformer(1)
    mel = torch.randn(1, 999, 128)
    assert torch.equal(transformer(mel), transformer(mel[:, :992]))


@pytest.mark.parametrize("n_frames", [9, 249, 497, 994])
@torch.inference_mode()
def test_every_nominal_20_ms_has_a_unit_norm_embedding(tower: AsitTower, n_frames: int) -> None:
    assert tower.lengths.round_up(n_frames) == n_frames
    frames = tower(torch.randn(2, n_frames * 640) * 0.1)
    assert frames.shape == (2, n_frames, 16)
    assert torch.allclose(frames.norm(dim=-1), torch.ones(2, n_frames), atol=1e-5)


@torch.inference_mode()
def test_each_window_is_processed_independently(tower: AsitTower) -> None:
    waveform = torch.randn(1, 2 * 497 * 640) * 0.1
    alone = torch.cat([tower(window) for window in waveform.chunk(2, dim=1)], dim=1)
    assert torch.allclose(tower(waveform), alone, atol=1e-5)


def test_a_public_checkpoint_is_loaded_except_for_heads_of_other_classes(tower: AsitTower, tmp_path: Path) -> None:
    weights = {f"model.{name}": torch.full_like(weight, 0.5) for name, weight in tower.model.state_dict().items()}
    recurrent = {f"seq_model.{name}": torch.full_like(w, 0.25) for name, w in tower.seq_model.state_dict().items()}
    heads = {f"{head}.weight": torch.ones(447, 16) for head in ("strong_head", "weak_head")}
    torch.save(weights | recurrent | heads, tmp_path / "public.pt")
    loaded = AsitTower(SHALLOW)
    before = {name: value.clone() for name, value in loaded.state_dict().items()}
    loaded.load_pretrained(tmp_path / "public.pt")
    for name, value in loaded.state_dict().items():
        if name.startswith("model."):
            assert torch.all(value == 0.5), name
        elif name.startswith("seq_model."):
            assert torch.all(value == 0.25), name
        else:
            assert torch.equal(value, before[name]), name


def test_a_checkpoint_of_another_depth_is_refused(tower: AsitTower, tmp_path: Path) -> None:
    torch.save({f"model.{n}": w for n, w in tower.model.state_dict().items()}, tmp_path / "public.pt")
    with pytest.raises(ValueError, match=r"an encoder that does not fit AsitTower: [\s\S]*blocks\.1\."):
        AsitTower(AsitConfig(dimension=16, blocks=2)).load_pretrained(tmp_path / "public.pt")
