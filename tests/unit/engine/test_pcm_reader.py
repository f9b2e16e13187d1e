import io
import struct

import numpy as np
import pytest

from service.engine.clip_report import ClipReport
from service.engine.containers import locate
from service.engine.pcm_reader import read_pcm, to_float
from tests.av_clips import av_encoded, chirps
from tests.clips import encoded
from tests.unit.engine.test_pcm_layout import FMT, wav_of

INTEGERS = np.array([0, 1, -1, 1000, -32_768, 32_767], np.int64)


def read(clip: bytes) -> tuple[np.ndarray, list[tuple]]:
    file, report = io.BytesIO(clip), ClipReport()
    layout = locate(file).pcm
    assert layout is not None
    parts = [block.samples for block in read_pcm(file, layout, report)]
    warnings = [(warning.code, warning.onset_s, warning.offset_s) for warning in report.warnings()]
    return np.concatenate([np.zeros((0, layout.channels), np.float32), *parts]), warnings


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_integers_of_any_width_and_byte_order(width: int, byte_order: str) -> None:
    order = "little" if byte_order == "<" else "big"
    content = b"".join(int(n << 8 * (width - 2)).to_bytes(width, order, signed=True) for n in INTEGERS.tolist())
    np.testing.assert_array_equal(to_float(content, "PCM", width, byte_order), (INTEGERS / 32_768).astype(np.float32))


def test_bytes_are_signed_or_unsigned() -> None:
    np.testing.assert_array_equal(to_float(b"\x00\x80\xff", "unsigned PCM", 1, "<"), np.float32([-1, 0, 127 / 128]))
    np.testing.assert_array_equal(to_float(b"\x00\x80\x7f", "PCM", 1, "<"), np.float32([0, -1, 127 / 128]))


@pytest.mark.parametrize(
    ("codec", "pairs"),
    [
        ("mu-law", {0xFF: 0, 0x7F: 0, 0x80: 32_124, 0x00: -32_124, 0xF0: 120, 0x8F: 16_764}),  # ITU-T G.711, table 2
        ("A-law", {0xD5: 8, 0x55: -8, 0xAA: 32_256, 0x2A: -32_256, 0x80: 5_504}),  # table 1
    ],
)
def test_logarithmic_samples(codec: str, pairs: dict[int, int]) -> None:
    samples = to_float(bytes(pairs), codec, 1, "<") * 32_768
    np.testing.assert_array_equal(samples, list(pairs.values()))


@pytest.mark.parametrize(
    ("container", "codec", "tolerance"),
    [
        ("w64", "pcm_s16le", 1e-4),
        ("au", "pcm_s16be", 1e-4),
        ("au", "pcm_mulaw", 0.02),
        ("wav", "pcm_mulaw", 0.02),
        ("wav", "pcm_alaw", 0.02),
        ("wav", "pcm_f64le", 1e-6),
        ("caf", "pcm_s24le", 1e-6),
        ("caf", "pcm_s16be", 1e-4),
        ("aiff", "pcm_s24be", 1e-6),
        ("aiff", "pcm_f32be", 1e-6),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_ffmpeg_give_their_samples(container: str, codec: str, tolerance: float, channels: int) -> None:
    sound = chirps(1.0, 44_100, channels)
    samples, warnings = read(av_encoded(sound, 44_100, container, codec))
    np.testing.assert_allclose(samples, np.clip(sound, -1, 1), atol=tolerance)
    assert warnings == []


def test_big_endian_wav_is_read() -> None:
    clip = b"RIFX\0\0\0\0WAVEfmt " + struct.pack(">IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    samples, _ = read(clip + b"data" + struct.pack(">I", 4) + struct.pack(">hh", 16_384, -16_384))
    np.testing.assert_array_equal(samples[:, 0], [0.5, -0.5])


@pytest.mark.parametrize("container", ["WAV", "AIFF", "RF64", "W64", "CAF", "AU"])
def test_a_file_that_is_cut_short_is_reported(container: str) -> None:
    clip = encoded(np.full(16_000, 0.5, np.float32), 16_000, container)
    samples, warnings = read(clip[: len(clip) // 2])
    assert warnings == [("clip-truncated", pytest.approx(len(samples) / 16_000), 1.0)]


def test_a_file_of_unknown_length_is_read_to_its_end() -> None:
    for claimed in (0, 0xFFFFFFFF):
        samples, warnings = read(wav_of((b"fmt ", 16, FMT), (b"data", claimed, struct.pack("<3h", 1, 2, 3) + b"\1")))
        assert (len(samples), warnings) == (3, [])


def test_of_two_wav_files_the_first_is_read_and_the_second_reported() -> None:
    clip = encoded(np.full(1_000, 0.5, np.float32))
    samples, warnings = read(clip + clip)
    assert len(samples) == 1_000
    assert warnings == [("data-after-end", None, None)]


def test_junk_and_tags_before_a_file_are_skipped() -> None:
    clip = encoded(np.full(1_000, 0.5, np.float32))
    for front in (b"ID3\4\0\0\0\0\0\5" + bytes(5), b"junk" * 100, bytes(512)):
        samples, warnings = read(front + clip)
        assert (len(samples), warnings) == (1_000, [])


def test_a_tagged_mp3_behind_a_wav_file_is_not_taken_for_a_tag() -> None:
    clip = encoded(np.full(1_000, 0.5, np.float32))
    mp3 = av_encoded(chirps(1.0, 44_100), 44_100, "mp3", "libmp3lame", 64_000)
    assert mp3.startswith(b"ID3")
    assert read(clip + mp3)[1] == [("data-after-end", None, None)]
