"""The attacks on decoders, repeated on every kind of compressed clip, in the process that decodes uploads."""

import contextlib
import functools
import io
import struct
import tracemalloc
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from service.core.errors import AudioError, AudioNotFinite, AudioTooLong, DeadlineExceeded
from service.engine.call import Call
from service.engine.containers import identify
from service.engine.decoder_counts import DecoderReport
from service.engine.decoders import Decoders
from service.engine.decoding import decode
from tests.av_clips import chirps
from tests.av_encoders import ENCODERS, SPEECH_ENCODERS

KINDS = ENCODERS | SPEECH_ENCODERS
RATE_HZ = 16_000
SOUND_S = 2.0
NO_FAILURES = {"crashed": 0, "hung": 0, "killed": 0}


@functools.cache
def clip_of(kind: str, duration_s: float = SOUND_S, amplitude: float = 1.0) -> bytes:
    rate_hz, encode = KINDS[kind]
    return encode(chirps(duration_s, rate_hz) * np.float32(amplitude), rate_hz)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """A process that decodes all attacks of this module; the last test checks that it was never replaced for a failure."""
    with contextlib.closing(Decoders(1)) as opened:
        yield opened


def length_s(decoders: Decoders, clip: bytes, max_clip_s: float = 60, call: Call | None = None) -> float:
    """Length of a clip in seconds, after a check that its samples are finite."""
    n_samples = 0
    for block in decoders.decode(io.BytesIO(clip), RATE_HZ, max_clip_s, call or Call()):
        assert np.all(np.isfinite(block))
        n_samples += len(block)
    return n_samples / RATE_HZ


def assert_refused_or_short(decoders: Decoders, clip: bytes) -> None:
    """Checks that a clip gives an `AudioError`, or no more sound than the clip before the attack and gaps of 10 s."""
    with contextlib.suppress(AudioError):
        assert length_s(decoders, clip) <= SOUND_S + 10.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_decodes_in_the_process_as_here(decoders: Decoders, kind: str) -> None:
    clip = io.BytesIO(clip_of(kind))
    separate = np.concatenate(list(decoders.decode(clip, RATE_HZ, 60, Call())))
    np.testing.assert_array_equal(separate, np.concatenate(list(decode(clip, identify(clip), RATE_HZ, 60))))
    assert len(separate) / RATE_HZ == pytest.approx(SOUND_S, abs=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_with_only_its_first_bytes_is_refused(decoders: Decoders, kind: str) -> None:
    with contextlib.suppress(AudioError):
        heard_s = length_s(decoders, clip_of(kind)[:60])
        assert kind in SPEECH_ENCODERS  # 60 bytes hold a whole frame of AMR
        assert heard_s <= 0.04


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_that_is_cut_anywhere_is_refused_or_gives_what_is_left(decoders: Decoders, kind: str) -> None:
    clip = clip_of(kind)
    for share in (0.1, 0.5, 0.9, 0.999):
        with contextlib.suppress(AudioError):
            assert length_s(decoders, clip[: int(share * len(clip))]) <= SOUND_S + 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_that_is_too_long_is_refused(decoders: Decoders, kind: str) -> None:
    with pytest.raises(AudioTooLong):
        length_s(decoders, clip_of(kind), max_clip_s=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_file_of_long_silence_is_refused_at_the_limit_in_bounded_memory(kind: str) -> None:
    file = io.BytesIO(clip_of(kind, 40.0, 0.0))
    tracemalloc.start()
    with pytest.raises(AudioTooLong):
        for _ in decode(file, identify(file), RATE_HZ, 30):
            pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 12_000_000


@pytest.mark.parametrize("kind", ["m4a_aac", "webm_opus", "3gp_amr", "mov_mulaw"])
def test_a_process_that_hangs_is_killed_at_the_deadline(kind: str) -> None:
    before = set(psutil.Process().children())
    with contextlib.closing(Decoders(1)) as hanging:
        (process,) = set(psutil.Process().children()) - before
        process.suspend()
        with pytest.raises(DeadlineExceeded):
            length_s(hanging, clip_of(kind), call=Call(0.1))
        assert not process.is_running()


@pytest.mark.parametrize("kind", ["mov_float", "webm_float"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e9])
def test_samples_that_are_not_finite_or_too_large_are_refused(decoders: Decoders, kind: str, bad: float) -> None:
    rate_hz, encode = KINDS[kind]
    sound = chirps(1.0, rate_hz)
    sound[rate_hz // 2] = bad
    with pytest.raises(AudioNotFinite, match=r"at 0\.5"):
        length_s(decoders, encode(sound, rate_hz))


def _patched(clip: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """A clip with other bytes at an offset from the start of its first box, or element, of a name."""
    first = clip.index(name) + offset
    return clip[:first] + value + clip[first + len(value) :]


NUMBERS = [bytes.fromhex(digits) for digits in ("ffffffff", "7fffffff", "00ffffff", "00000000")]
MP4_FIELDS = {
    "samples": (b"stsz", 12),
    "size_of_samples": (b"stsz", 8),
    "runs": (b"stts", 8),
    "samples_of_a_run": (b"stts", 12),
    "duration_of_a_sample": (b"stts", 16),
    "chunks": (b"stco", 8),
    "position_of_a_chunk": (b"stco", 12),
    "samples_of_a_chunk": (b"stsc", 16),
    "time_scale": (b"mdhd", 16),
    "duration": (b"mdhd", 20),
    "size_of_the_index": (b"moov", -4),
    "size_of_the_tables": (b"stbl", -4),
    "size_of_the_sound": (b"mdat", -4),
}
"""Box of each field, and the offset of the field from the name of the box."""


@pytest.mark.parametrize("number", NUMBERS, ids=bytes.hex)
@pytest.mark.parametrize("field", MP4_FIELDS)
def test_no_number_in_an_mp4_is_trusted(decoders: Decoders, field: str, number: bytes) -> None:
    for kind in ("m4a_aac", "mov_pcm", "mov_mulaw", "3gp_amr"):
        assert_refused_or_short(decoders, _patched(clip_of(kind), *MP4_FIELDS[field], number))


@pytest.mark.parametrize("number", NUMBERS, ids=bytes.hex)
@pytest.mark.parametrize("field", [(b"trun", 8), (b"tfhd", 16), (b"tfdt", 8), (b"moof", -4), (b"traf", -4)], ids=str)
def test_no_number_in_a_fragment_is_trusted(decoders: Decoders, field: tuple[bytes, int], number: bytes) -> None:
    for kind in ("m4a_fragmented", "mp4_opus_fragmented"):
        assert_refused_or_short(decoders, _patched(clip_of(kind), *field, number))


RATE, DURATION, TIME_SCALE, CLUSTER = (bytes.fromhex(name) for name in ("b588", "4489", "2ad7b183", "1f43b675"))
FLOATS = [struct.pack(">d", value) for value in (0, -5, 1, 1e30, float("nan"), float("inf"))]


@pytest.mark.parametrize("kind", ["webm_opus", "webm_float"])
@pytest.mark.parametrize(
    ("name", "offset", "value"),
    [
        *[(RATE, 2, value) for value in FLOATS],
        *[(DURATION, 3, value) for value in FLOATS],
        (TIME_SCALE, 4, bytes(3)),
        *[(CLUSTER, 4, value) for value in (b"\x01" + b"\xff" * 7, b"\x01" + b"\x7f" + b"\xff" * 6, b"\x80")],
    ],
)
def test_no_number_in_a_matroska_file_is_trusted(
    decoders: Decoders, kind: str, name: bytes, offset: int, value: bytes
) -> None:
    assert_refused_or_short(decoders, _patched(clip_of(kind), name, offset, value))


@pytest.mark.parametrize("kind", ["webm_opus", "webm_float"])
@pytest.mark.parametrize("time", ["e7840000ffff", "e7847fffffff", "e788ffffffffffffffff"])
def test_a_jump_of_the_clock_is_not_filled_with_hours_of_silence(decoders: Decoders, kind: str, time: str) -> None:
    clip = clip_of(kind)
    first = clip.index(b"\xe7", clip.index(CLUSTER))
    assert_refused_or_short(decoders, clip[:first] + bytes.fromhex(time) + clip[first + 2 + (clip[first + 1] & 0x7F) :])


@pytest.mark.parametrize("kind", ["ogg_opus", "webm_opus"])
@pytest.mark.parametrize(
    ("offset", "value"), [(9, b"\xff"), (10, b"\xff\xff"), (12, bytes(4)), (18, b"\xff"), (18, b"\1")]
)
def test_no_number_in_an_opus_header_is_trusted(decoders: Decoders, kind: str, offset: int, value: bytes) -> None:
    assert_refused_or_short(decoders, _patched(clip_of(kind), b"OpusHead", offset, value))


def test_a_reference_to_another_file_is_not_followed(decoders: Decoders) -> None:
    clip = _patched(clip_of("mov_pcm"), b"dref", 23, b"\0")  # the flag that the sound is in the same file
    alias = clip.replace(b"url ", b"alis", 1)
    for attack in (clip, alias):
        assert_refused_or_short(decoders, attack)


def test_a_file_of_very_many_streams_is_refused_or_heard(decoders: Decoders) -> None:
    clip = clip_of("m4a_aac")
    first = clip.index(b"trak") - 4
    track = clip[first : first + int.from_bytes(clip[first : first + 4], "big")]
    size = int.from_bytes(clip[clip.index(b"moov") - 4 : clip.index(b"moov")], "big") + 200 * len(track)
    assert_refused_or_short(
        decoders, _patched(clip[:first] + 200 * track + clip[first:], b"moov", -4, size.to_bytes(4, "big"))
    )


@pytest.mark.parametrize("kind", ["flac", "mp3_cbr", "m4a_aac"])
def test_a_large_picture_in_a_clip_is_not_decoded(decoders: Decoders, kind: str) -> None:
    assert length_s(decoders, clip_of(kind) + bytes(5_000_000)) == pytest.approx(SOUND_S, abs=0.15)
    tagged = b"ID3\x04\0\0" + bytes([1, 0, 0, 0]) + b"APIC" + bytes((1 << 21) - 4) + clip_of(kind)
    assert length_s(decoders, tagged) == pytest.approx(SOUND_S, abs=0.15)


def test_no_attack_ended_a_process(decoders: Decoders) -> None:
    report: DecoderReport = decoders.report()
    assert report.failures == NO_FAILURES
