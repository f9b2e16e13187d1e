from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from training.towers.front_end import WideLogMel
from training.towers.pyramid import TAPS, PyramidConfig, PyramidTower, Tap, in_steps, interpolate, local_mean

NARROW = PyramidConfig(width=0.125, dimension=8, head_channels=16)


def narrow(**changes: object) -> PyramidTower:
    torch.manual_seed(0)
    tower = PyramidTower(PyramidConfig(width=0.125, dimension=8, head_channels=16, **changes)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for module in tower.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_var is not None
                module.running_var.fill_(0.3)  # so that the activations do not vanish in 17 layers
    return tower


def test_a_step_is_centred_on_its_first_mel_frame() -> None:
    steps = torch.tensor([[[0.0], [8.0], [16.0]]])
    assert interpolate(steps, 4).flatten().tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 16, 16, 16, 16]
    assert interpolate(steps, 1).flatten().tolist() == [4, 12, 16]


def test_a_click_is_placed_at_the_same_time_by_every_map() -> None:
    """The centre of gravity of each map's answer to a click in noise, interpolated, is where the click is."""
    tower = narrow()
    with torch.no_grad():
        for module in tower.trunk.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_((module.weight + module.weight.flip(3)) / 2)  # the same before and after a step
    click_s, waveform = 2.02, torch.randn(1, 128 * 640) * 0.01
    with torch.inference_mode():
        for tap_index, tap in enumerate(TAPS):
            places: list[Tensor] = []
            for shift in range(0, 320, 20):  # the mean over all phases of the map's grid
                clicked = waveform.clone()
                sample = round((click_s + shift / 1000) * 16_000)
                clicked[0, sample] = 0.9
                base, heard = (tower.trunk(tower.log_mel(w))[tap_index] for w in (waveform, clicked))
                change = ((heard - base) ** 2).sum(dim=2, keepdim=True)  # squares: the squeezes change a little
                change = interpolate(change, tap.stride // 4)[0, :, 0]
                centre_s = (change * (torch.arange(len(change)) + 0.5) * 0.04).sum() / change.sum()
                places.append(centre_s - sample / 16_000)
            assert abs(float(torch.stack(places).mean())) < 0.01, tap


def test_the_mean_covers_the_valid_steps_nearby() -> None:
    values = torch.tensor([[[1.0, 2.0, 6.0, 8.0, 0.0, 0.0]]])
    valid = torch.tensor([[[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]])
    assert torch.allclose(local_mean(values, valid, 1), torch.tensor([[[1.5, 3.0, 4.0, 6.0, 0.0, 0.0]]]))
    assert torch.allclose(local_mean(values, valid, 0), torch.tensor([[[3.0]]]))


def test_neighbouring_mel_bands_are_averaged() -> None:
    values = torch.arange(8.0).reshape(1, 1, 4, 2)  # (B, C, mel, steps)
    assert in_steps(values, Tap(0, 4, 4, 2)).tolist() == [[[1.0, 5.0], [2.0, 6.0]]]


@pytest.mark.parametrize("n_frames", [8, 256])
def test_there_is_one_unit_vector_for_each_frame(n_frames: int) -> None:
    frames = narrow()(torch.randn(2, n_frames * 640) * 0.1)
    assert frames.shape == (2, n_frames, 8)
    assert torch.allclose(frames.norm(dim=-1), torch.ones(2, n_frames), atol=1e-5)


def test_batch_norms_keep_the_statistics_of_the_public_model() -> None:
    tower = narrow()
    before = {name: value.clone() for name, value in tower.trunk.state_dict().items()}
    tower.train()
    tower(torch.randn(2, 8 * 640) * 0.1)
    assert all(torch.equal(value, before[name]) for name, value in tower.trunk.state_dict().items())
    assert tower.head.training


def test_the_layers_that_the_configuration_freezes_get_no_gradient() -> None:
    tower = PyramidTower(PyramidConfig(width=0.125, dimension=8, head_channels=16, frozen_layers=13))
    tower(torch.randn(1, 16 * 640) * 0.1).sum().backward()
    trained = {name.split(".")[1] for name, p in tower.trunk.named_parameters() if p.grad is not None}
    assert trained == {"13", "14", "15", "16"}
    frozen = PyramidTower(NARROW)
    frozen(torch.randn(1, 16 * 640) * 0.1).sum().backward()
    assert all(p.grad is None for p in frozen.trunk.parameters())


def test_the_silence_behind_a_clip_changes_its_squeezes_little() -> None:
    tower = narrow()
    clip = torch.randn(1, 32 * 640) * 0.1
    with torch.inference_mode():
        alone, padded = tower(clip), tower(torch.cat([clip, torch.zeros(1, 128 * 640)], dim=1))
    early = slice(0, 8)  # far from the convolutions that reach the end
    assert float((alone[:, early] * padded[:, early]).sum(dim=-1).min()) > 0.99


def test_public_weights_are_loaded_and_those_of_another_width_refused(tmp_path: Path) -> None:
    tower = narrow()
    file = tmp_path / "public.safetensors"
    public = {name: value + 1 for name, value in tower.trunk.state_dict().items() if "num_batches" not in name}
    save_file(public | {"classifier.2.bias": torch.zeros(3)}, file)
    tower.load_pretrained(file)
    assert all(torch.equal(tower.trunk.state_dict()[name], value) for name, value in public.items())
    with pytest.raises(ValueError, match=r"does not fit width 0\.4"):
        PyramidTower(PyramidConfig()).load_pretrained(file)
    save_file({"features.0.0.weight": public["features.0.0.weight"]}, file)
    with pytest.raises(ValueError, match=r"lacks features\.0\.1\.weight"):
        tower.load_pretrained(file)


def test_the_maps_are_standardized_with_fixed_statistics() -> None:
    tower = narrow()
    spectrogram = WideLogMel()(torch.randn(1, 16 * 640) * 0.1)
    raw = tower.trunk(spectrogram)
    for standardize in tower.standardizations:
        standardize.mean.fill_(2.0)
        standardize.deviation.fill_(4.0)
    for values, standardized in zip(raw, tower.maps(spectrogram), strict=True):
        assert torch.allclose(standardized, (values - 2) / 4)
