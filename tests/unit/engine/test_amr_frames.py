import pytest

from service.engine.amr_frames import pause_samples


@pytest.mark.parametrize(
    ("codec", "frame_type", "expected"),
    [
        ("amrnb", 7, 0),
        ("amrnb", 8, 160),
        ("amrnb", 15, 160),
        ("amrwb", 8, 0),
        ("amrwb", 9, 320),
        ("amrwb", 15, 320),
        ("aac", 15, 0),
    ],
)
def test_a_frame_of_a_pause_lasts_20_ms(codec: str, frame_type: int, expected: int) -> None:
    n_samples, rate_hz = pause_samples(codec, bytes([frame_type << 3 | 4]) + bytes(5))
    assert n_samples == expected
    assert n_samples == 0 or n_samples / rate_hz == 0.02


def test_an_empty_packet_is_no_pause() -> None:
    assert pause_samples("amrnb", b"")[0] == 0
