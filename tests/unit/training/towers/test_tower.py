import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.compact import CompactConfig, CompactTower
from training.towers.frame_mobilenet import FrameMobileNetConfig, FrameMobileNetTower
from training.towers.pyramid import PyramidConfig, PyramidTower
from training.towers.tower import AudioTower, Lengths


class SampleTower(AudioTower):
    """A tower whose features are the samples: two samples, and so two channels, a frame."""

    sample_rate_hz, hop_samples, window_frames, overlap_frames = 4, 2, 3, 1

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(2, 2)
        self.output.load_state_dict(
            {"weight": torch.tensor([[2.0, 0.0], [0.0, 1.0]]), "bias": torch.tensor([0.0, 1.0])}
        )

    def load_pretrained(self, file: object) -> None: ...

    def log_mel(self, waveform: Tensor) -> Tensor:
        return waveform.unflatten(1, (-1, 2))

    def features(self, spectrogram: Tensor) -> Tensor:
        return spectrogram


def test_a_length_is_rounded_up_to_the_next_step_or_to_whole_windows_beyond_the_longest() -> None:
    windows = Lengths(step_frames=8, extra_frames=1, max_steps=62)
    assert [windows.round_up(n) for n in (1, 9, 10, 497, 498, 1491)] == [9, 9, 17, 497, 994, 1491]
    patches = Lengths(step_frames=24, min_steps=2)
    assert [patches.round_up(n) for n in (1, 48, 49, 264)] == [48, 48, 72, 264]


def test_a_frame_is_projected_and_normalized() -> None:
    frames = SampleTower()(torch.tensor([[3.0, 7.0, 0.0, 0.0]]))  # projected to (6, 8) and (0, 1)
    assert torch.allclose(frames, torch.tensor([[[0.6, 0.8], [0.0, 1.0]]]))


def test_a_clip_is_the_mean_of_its_valid_features_projected_and_normalized() -> None:
    tower = SampleTower()
    features = torch.tensor([[[1.0, 3.0], [5.0, 11.0], [100.0, 100.0]]])
    clip = tower.clip_embeddings(
        features, torch.tensor([[True, True, False]])
    )  # the mean is (3, 7), projected to (6, 8)
    assert torch.allclose(clip, torch.tensor([[0.6, 0.8]]))


def test_frames_are_the_projected_features() -> None:
    towers = [
        CompactTower(CompactConfig(width=0.125, dimension=8)),
        FrameMobileNetTower(FrameMobileNetConfig(width=0.4)),
        PyramidTower(PyramidConfig(width=0.125)),
    ]
    for tower in towers:
        waveform = torch.randn(1, 48 * tower.hop_samples) * 0.1
        features = tower.eval().features(tower.spectrogram(waveform))
        assert features.shape[:2] == (1, 48)
        assert torch.allclose(tower(waveform), F.normalize(tower.output(features), dim=-1), atol=1e-6)
        assert tower.dimension == tower(waveform).shape[2]
