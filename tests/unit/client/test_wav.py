import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from service.client.wav import wav_of


@given(
    st.sampled_from(["float32", "float64", "float16", "int16", "int32", "uint8"]), st.integers(1, 8), st.integers(1, 99)
)
def test_libsndfile_reads_the_samples_back(kind: str, n_channels: int, n_samples: int) -> None:
    numbers = np.random.default_rng(n_samples).uniform(-1, 1, (n_samples, n_channels))
    if np.dtype(kind).kind == "f":
        samples = numbers.astype(kind)
        expected = samples.astype(np.float32)
    else:
        limits = np.iinfo(kind)
        samples = (limits.min + (numbers + 1) / 2 * (limits.max - limits.min)).astype(kind)
        expected = (
            (samples.astype(np.float64) - (128 if kind == "uint8" else 0)) / (limits.max - limits.min + 1) * 2
        ).astype(np.float32)
    read, rate_hz = soundfile.read(io.BytesIO(wav_of(samples, 22_050)), dtype="float32", always_2d=True)
    assert rate_hz == 22_050
    np.testing.assert_allclose(read, expected, atol=1e-7)


def test_a_mono_array_may_have_one_axis_and_any_memory_layout() -> None:
    samples = np.arange(20, dtype=">i2")[::2]
    read, _ = soundfile.read(io.BytesIO(wav_of(samples, 8_000)), dtype="int16")
    assert read.tolist() == samples.tolist()


@pytest.mark.parametrize(
    ("samples", "rate_hz", "kind", "message"),
    [
        (np.zeros((2, 16_000)), 16_000, ValueError, r"\(2, 16000\).*transpose it"),
        (np.zeros((3, 4, 5)), 16_000, ValueError, r"\(3, 4, 5\)"),
        (np.zeros(9, complex), 16_000, TypeError, "complex128"),
        (np.zeros(9, bool), 16_000, TypeError, "bool"),
        (np.zeros(9), 0, ValueError, "rate_hz is 0"),
        (np.zeros(9), 44_100.5, ValueError, "rate_hz is 44100.5"),
    ],
)
def test_an_array_that_is_no_sound_is_refused(samples, rate_hz, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        wav_of(samples, rate_hz)
