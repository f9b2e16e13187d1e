from pathlib import Path

import pytest
import torch

from tests.unit.training.towers.golden import assert_golden, filled, spectrogram
from training.towers.frame_mobilenet import FrameMobileNet, FrameMobileNetConfig, FrameMobileNetTower

NARROW = FrameMobileNetConfig(width=0.4, dimension=16)


@pytest.mark.parametrize(("name", "width"), [("frame_mn04", 0.4), ("frame_mn10", 1.0)])
@torch.inference_mode()
def test_the_convolutions_compute_what_the_public_ones_compute(name: str, width: float) -> None:
    assert_golden(filled(FrameMobileNet(width))(spectrogram(1000)), name)


@pytest.mark.parametrize(("width", "millions"), [(0.4, 0.86), (0.6, 1.6), (1.0, 3.8)])
def test_each_width_has_the_published_size(width: float, millions: float) -> None:
    tower = FrameMobileNet(width)
    heads = 2 * 447 * (tower.channels + 1)  # two classifiers of 447 classes
    assert (sum(p.numel() for p in tower.parameters()) + heads) / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize("n_frames", [5, 24, 250])
@torch.inference_mode()
def test_every_40_ms_has_a_unit_norm_embedding(n_frames: int) -> None:
    frames = FrameMobileNetTower(NARROW).eval()(torch.randn(2, n_frames * 640) * 0.1)
    assert frames.shape == (2, n_frames, 16)
    assert torch.allclose(frames.norm(dim=-1), torch.ones(2, n_frames), atol=1e-5)


@pytest.mark.parametrize("prefix", ["net.model.model.", "model.fmn.", "model.frame_mn."])
def test_a_public_checkpoint_is_loaded_with_the_prefix_of_any_release(prefix: str, tmp_path: Path) -> None:
    expected = filled(FrameMobileNet(NARROW.width)).state_dict()
    heads = {"net.strong_head.weight": torch.ones(447, 384), "net.weak_head.weight": torch.ones(447, 384)}
    torch.save({prefix + name: weight for name, weight in expected.items()} | heads, tmp_path / "public.pt")
    tower = FrameMobileNetTower(NARROW)
    tower.load_pretrained(tmp_path / "public.pt")
    assert all(torch.equal(weight, expected[name]) for name, weight in tower.model.state_dict().items())


def test_a_checkpoint_of_another_width_is_refused(tmp_path: Path) -> None:
    torch.save({f"model.fmn.{n}": w for n, w in FrameMobileNet(0.6).state_dict().items()}, tmp_path / "public.pt")
    with pytest.raises(ValueError, match="an encoder that does not fit FrameMobileNetTower"):
        FrameMobileNetTower(NARROW).load_pretrained(tmp_path / "public.pt")
