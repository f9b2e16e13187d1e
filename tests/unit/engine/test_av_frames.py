from typing import Any

import numpy as np
import pytest
from av.audio.frame import AudioFrame

from service.engine.av_frames import TooManyChannelsError, accepted, samples_of

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31}


def frame_of(values: np.ndarray, sample_format: str, channels: int) -> AudioFrame:
    """A frame of samples, shape (N, C)."""
    array = values.T if sample_format.endswith("p") else values.reshape(1, -1)
    return AudioFrame.from_ndarray(np.ascontiguousarray(array), format=sample_format, layout=LAYOUTS[channels])


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample_format", ["u8", "u8p", "s16", "s16p", "s32", "s32p"])
def test_integers_are_divided_by_their_full_scale(sample_format: str, channels: int) -> None:
    kind = sample_format.removesuffix("p")
    dtype = {"u8": np.uint8, "s16": np.int16, "s32": np.int32}[kind]
    limits = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(limits.min, limits.max, (100, channels), dtype, endpoint=True)
    samples = samples_of(frame_of(values, sample_format, channels))
    expected = (values.astype(np.float64) - (128 if kind == "u8" else 0)) / FULL_SCALE[kind]
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, expected, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("sample_format", ["flt", "fltp", "dbl", "dblp"])
def test_floats_keep_their_values(sample_format: str, channels: int) -> None:
    dtype = np.float32 if sample_format.startswith("flt") else np.float64
    values = np.random.default_rng(0).uniform(-2, 2, (100, channels)).astype(dtype)
    if (sample_format, channels) in (("fltp", 8), ("dblp", 8)):  # PyAV cannot make such a frame from an array
        frame = AudioFrame(format=sample_format, layout=LAYOUTS[8], samples=100)
        planes: Any = frame.planes
        for plane, column in zip(planes[:8], values.T, strict=True):
            np.frombuffer(plane, dtype)[:100] = column
    else:
        frame = frame_of(values, sample_format, channels)
    np.testing.assert_array_equal(samples_of(frame), values.astype(np.float32))


def test_frames_of_more_than_eight_channels_are_refused() -> None:
    frames = [AudioFrame(format="s16", layout=layout, samples=4) for layout in ("7.1", "hexadecagonal")]
    assert accepted(frames[:1]) == frames[:1]
    with pytest.raises(TooManyChannelsError):
        accepted(frames)
