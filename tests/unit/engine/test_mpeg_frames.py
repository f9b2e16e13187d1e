import numpy as np
import pytest

from service.engine.mpeg_frames import (
    adts_frame_bytes,
    find_frames,
    frame_kind,
    info_frame_duration_s,
    is_info_frame,
    mp3_frame_bytes,
)
from tests.av_clips import av_encoded, chirps

SOUND = chirps(1.0, 44_100)
MP3 = av_encoded(SOUND, 44_100, "mp3", "libmp3lame", 128_000, None, {"id3v2_version": "0"})
ADTS = av_encoded(SOUND, 44_100, "adts", "aac", 64_000)


@pytest.mark.parametrize(
    ("head", "n_bytes"),
    [
        (b"\xff\xfb\x90\x64", 417),  # MPEG-1, 128 kbit/s, 44.1 kHz: 144 * 128000 / 44100
        (b"\xff\xfb\x92\x64", 418),  # with padding
        (b"\xff\xf3\x48\xc4", 144),  # MPEG-2, 32 kbit/s, 16 kHz: 72 * 32000 / 16000
        (b"\xff\xfb\x00\x64", 0),  # free format
        (b"\xff\xfb\xf0\x64", 0),
        (b"\xff\xfd\x90\x64", 0),  # layer II
        (b"\xff\xeb\x90\x64", 0),  # reserved version
        (b"\xff\xfb", 0),
    ],
)
def test_lengths_of_mp3_frames(head: bytes, n_bytes: int) -> None:
    assert mp3_frame_bytes(head) == n_bytes


@pytest.mark.parametrize(("clip", "frame_bytes"), [(MP3, mp3_frame_bytes), (ADTS, adts_frame_bytes)])
def test_frames_lead_from_one_to_the_next_up_to_the_end(clip: bytes, frame_bytes) -> None:
    place = 0
    while place < len(clip):
        length = frame_bytes(clip[place : place + 16])
        assert length > 0
        place += length
    assert place == len(clip)


@pytest.mark.parametrize(("clip", "kind"), [(MP3, "MP3"), (ADTS, "AAC")])
def test_frames_are_found_behind_junk(clip: bytes, kind: str) -> None:
    junk = np.random.default_rng(0).integers(0, 256, 50_000, np.uint8).tobytes()
    assert frame_kind(clip[:16]) == kind
    assert find_frames(junk + clip) == (50_000, kind)
    assert find_frames(junk) is None


def test_the_header_frame_of_an_mp3_gives_the_length_of_its_sound() -> None:
    length = mp3_frame_bytes(MP3)
    assert is_info_frame(MP3[:length])
    assert info_frame_duration_s(MP3[:length]) == pytest.approx(1.0, abs=1e-4)
    second = MP3[length : length + mp3_frame_bytes(MP3[length : length + 4])]
    assert not is_info_frame(second)
    assert info_frame_duration_s(second) is None
    assert info_frame_duration_s(MP3[:30]) is None


@pytest.mark.parametrize("name", [b"Xing", b"Info", b"VBRI"])
def test_header_frames_are_known_by_a_name_near_their_start(name: bytes) -> None:
    assert is_info_frame(MP3[:4] + bytes(40) + name)
    assert not is_info_frame(MP3[:4] + bytes(41) + name)
