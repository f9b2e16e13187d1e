import pytest
import torch

from model_export.folded_front_end import FoldedLogMel
from model_export.verification import example_waveforms
from training.towers.front_end import HOP_SAMPLES, WideLogMel


@pytest.mark.parametrize("n_hops", [3, 4, 100])
def test_the_folded_front_end_gives_the_spectrogram_of_the_front_end(n_hops: int) -> None:
    front_end = WideLogMel()
    waveform = torch.from_numpy(example_waveforms(3, n_hops * HOP_SAMPLES))
    waveform[2] = 0  # digital silence
    log_mel = FoldedLogMel(front_end)(waveform)
    assert log_mel.shape == (3, n_hops, 128)
    torch.testing.assert_close(log_mel, front_end(waveform), atol=3e-5, rtol=0)


def test_the_filters_keep_all_their_weight() -> None:
    front_end = WideLogMel()
    folded = FoldedLogMel(front_end)
    kept = [filters for name, filters in folded.named_buffers() if name.startswith("filters")]
    assert sum(float(filters.sum()) for filters in kept) == pytest.approx(float(front_end.filterbank.sum()))
    assert sum(filters.numel() for filters in kept) < 0.5 * front_end.filterbank.numel()
