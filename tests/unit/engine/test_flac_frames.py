import io

import av
import numpy as np
import pytest

from service.engine.flac_frames import bytes_behind_frame
from tests.av_clips import ID3V1, av_encoded, chirps


@pytest.fixture(scope="module")
def frame() -> bytes:
    clip = av_encoded(chirps(0.05, 16_000), 16_000, "flac", "flac")
    with av.open(io.BytesIO(clip)) as container:
        return next(bytes(packet) for packet in container.demux() if packet.size)


@pytest.mark.parametrize("behind", [b"", bytes(3), ID3V1, np.random.default_rng(0).bytes(5_000)])
def test_what_is_behind_a_frame_is_found_by_the_check_value(frame: bytes, behind: bytes) -> None:
    assert bytes_behind_frame(frame + behind) == (b"" if not behind.strip(b"\0") else behind)


def test_nothing_is_known_behind_a_frame_without_a_right_check_value(frame: bytes) -> None:
    assert bytes_behind_frame(frame[:30]) == b""
