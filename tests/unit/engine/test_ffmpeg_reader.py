"""All the sound that a careful player plays is heard, and what is lost is reported and keeps its place in time."""

import functools
import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.errors import AudioEmpty, AudioError, AudioUndecodable, UnsupportedAudio
from service.core.warnings import AnswerWarning
from service.engine.containers import identify
from service.engine.decoding import decode
from tests.av_clips import ID3V1, ape_tag, av_encoded, chirps, damaged, id3v2
from tests.av_encoders import ENCODERS
from tests.clips import encoded

RATE_HZ = 16_000
DURATION_S = 4.0
FRAME_S = 0.04
PADDED_S = {
    "mp3_cbr_without_header": 0.11,
    "mp3_vbr_without_header": 0.08,
    "m4a_aac": 0.05,
    "m4a_fragmented": 0.1,
    "adts_aac": 0.08,
}
"""Longest padding at both ends that an encoder adds and that nothing in the clip describes, in seconds."""
JUNK = np.random.default_rng(7).integers(0, 127, 3_000, np.uint8).tobytes()  # without bytes that begin a frame

CHAINABLE = sorted(kind for kind in ENCODERS if not kind.startswith(("m4a_", "mp4_", "mov_", "caf_")))
TAGGED = ["flac", "mp3_cbr", "mp3_vbr", "mp3_cbr_without_header", "mp3_vbr_without_header", "ogg_opus", "adts_aac"]


@functools.cache
def source(rate_hz: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return chirps(DURATION_S, rate_hz, channels, seed)


@functools.cache
def clip_of(kind: str, channels: int = 1, seed: int = 0) -> bytes:
    rate_hz, encode = ENCODERS[kind]
    return encode(source(rate_hz, channels, seed), rate_hz)


def heard(clip: bytes, rate_hz: int = RATE_HZ) -> tuple[np.ndarray, tuple[AnswerWarning, ...]]:
    file = io.BytesIO(clip)
    blocks = decode(file, identify(file), rate_hz, 60)
    parts = []
    while True:
        try:
            parts.append(next(blocks))
        except StopIteration as end:
            return np.concatenate(parts), end.value


def codes(warnings: tuple[AnswerWarning, ...]) -> list[str]:
    return [warning.code for warning in warnings]


def alignment(samples: np.ndarray, expected: np.ndarray, first_s: float, last_s: float) -> float:
    """Correlation of two sounds in a stretch, at the best shift of at most 110 ms."""
    reach = round(0.11 * RATE_HZ)
    first, last = round(first_s * RATE_HZ), round(last_s * RATE_HZ)
    wanted = expected[first:last]
    return max(
        float(np.corrcoef(samples[first + shift : last + shift], wanted)[0, 1]) for shift in range(-reach, reach + 1, 4)
    )


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_clip_is_heard_from_start_to_end_without_a_warning(kind: str, channels: int) -> None:
    samples, warnings = heard(clip_of(kind, channels))
    assert len(samples) / RATE_HZ == pytest.approx(DURATION_S, abs=PADDED_S.get(kind, FRAME_S))
    assert warnings == ()
    assert alignment(samples, source(RATE_HZ)[:, 0], 0.5, 3.5) > 0.5


@pytest.mark.parametrize("kind", TAGGED)
@pytest.mark.parametrize(
    ("front", "behind"),
    [
        (id3v2(5_000), ID3V1),
        (id3v2(300) + id3v2(5), ape_tag() + ID3V1),
        (ape_tag(), ape_tag()),
        (JUNK, b""),
        (bytes(4_000), bytes(4_000)),
        (id3v2(1_000) + JUNK, b""),
    ],
    ids=["id3", "two_id3", "ape", "junk", "padding", "id3_junk"],
)
def test_tags_padding_and_junk_around_a_clip_change_nothing(kind: str, front: bytes, behind: bytes) -> None:
    clip = clip_of(kind)
    whole, _ = heard(clip)
    samples, warnings = heard(front + clip + behind)
    assert len(samples) == pytest.approx(len(whole), abs=FRAME_S * RATE_HZ)
    np.testing.assert_allclose(samples[: len(whole) - 2_000], whole[: len(whole) - 2_000], atol=1e-4)
    assert warnings == ()


@pytest.mark.parametrize("kind", ["flac", "mp3_cbr", "mp3_vbr_without_header", "adts_aac", "m4a_aac", "ogg_opus"])
def test_junk_behind_a_clip_is_reported(kind: str) -> None:
    whole, _ = heard(clip_of(kind))
    samples, warnings = heard(clip_of(kind) + 10 * JUNK)
    assert len(samples) == pytest.approx(len(whole), abs=FRAME_S * RATE_HZ)
    assert codes(warnings) == ["data-after-end"]


@pytest.mark.parametrize("kind", CHAINABLE)
def test_clips_behind_one_another_are_all_heard(kind: str) -> None:
    samples, warnings = heard(clip_of(kind) + clip_of(kind, seed=1) + clip_of(kind, seed=2))
    assert len(samples) / RATE_HZ == pytest.approx(
        3 * DURATION_S, abs=3 * PADDED_S.get(kind, 0.06 if kind.startswith("mp3") else FRAME_S / 3)
    )
    assert warnings == ()
    for seed in range(3):
        expected = np.concatenate([source(RATE_HZ, seed=number)[:, 0] for number in range(seed + 1)])
        start_s = seed * DURATION_S
        shifted = samples[round((len(samples) / 3 - len(expected) / (seed + 1)) * seed) :]  # encoders pad every clip
        assert alignment(shifted, expected, start_s + 1, start_s + 3) > 0.5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("flac", 1), ("flac_small_frames", 2)),
        (("ogg_vorbis", 2), ("ogg_opus", 1)),
        (("ogg_opus", 2), ("ogg_vorbis", 1)),
        (("mp3_cbr", 2), ("mp3_vbr", 1)),
    ],
)
def test_a_change_of_rate_channels_or_codec_between_clips_is_followed(first: tuple, second: tuple) -> None:
    samples, warnings = heard(clip_of(*first) + clip_of(*second))
    assert len(samples) / RATE_HZ == pytest.approx(2 * DURATION_S, abs=0.15 if "mp3" in first[0] else FRAME_S)
    assert warnings == ()
    assert alignment(samples, np.tile(source(RATE_HZ)[:, 0], 2), 5.5, 7.5) > 0.5


def test_the_second_of_two_mp4_clips_is_not_played_but_reported() -> None:
    clip = clip_of("m4a_aac")
    samples, warnings = heard(clip + clip)
    assert len(samples) / RATE_HZ == pytest.approx(DURATION_S, abs=PADDED_S["m4a_aac"])
    assert codes(warnings) == ["data-after-end"]
    assert str(len(clip)) in warnings[0].message


DAMAGED = [
    "flac",
    "flac_small_frames",
    "ogg_opus",
    "ogg_vorbis",
    "m4a_alac",
    "mp3_cbr",
    "mp3_cbr_without_header",
    "adts_aac",
]


@pytest.mark.parametrize("n_bytes", [40, 2_000])
@pytest.mark.parametrize("kind", DAMAGED)
def test_sound_behind_damage_keeps_its_time_and_the_loss_is_reported(kind: str, n_bytes: int) -> None:
    rate_hz, encode = ENCODERS[kind]
    long = np.concatenate([source(rate_hz, seed=seed) for seed in range(3)])
    clip = encode(long, rate_hz)
    samples, warnings = heard(damaged(clip, 0.5, n_bytes))
    expected = np.concatenate([source(RATE_HZ, seed=seed)[:, 0] for seed in range(3)])
    assert len(samples) / RATE_HZ == pytest.approx(12, abs=0.12)
    assert alignment(samples, expected, 10.0, 11.5) > 0.5
    if n_bytes == 2_000 or kind.startswith(("flac", "ogg")):  # the other codecs have no checksums
        assert codes(warnings) == ["sound-lost"]
        (lost,) = warnings
        assert lost.onset_s is not None
        assert lost.offset_s is not None
        assert 4 < lost.onset_s < lost.offset_s < 9
        silent = samples[round(lost.onset_s * RATE_HZ) + 300 : round(lost.offset_s * RATE_HZ) - 300]
        assert np.abs(silent).max(initial=0) < 0.01


def test_a_damaged_flac_loses_exactly_the_damaged_frame() -> None:
    clip = clip_of("flac")
    samples, (lost,) = heard(damaged(clip, 0.5, 40))
    assert len(samples) == DURATION_S * RATE_HZ
    assert lost.onset_s is not None
    assert lost.offset_s is not None
    first, last = round(lost.onset_s * RATE_HZ), round(lost.offset_s * RATE_HZ)
    assert first % 1_152 == 0
    assert last - first == 1_152
    whole, _ = heard(clip)
    np.testing.assert_array_equal(np.delete(samples, range(first, last)), np.delete(whole, range(first, last)))
    assert not samples[first:last].any()


def test_a_flac_whose_first_frame_is_damaged_keeps_its_times() -> None:
    clip = clip_of("flac")
    first_frame = clip.index(b"\xff\xf8", 42)
    samples, (lost,) = heard(clip[: first_frame + 20] + bytes(50) + clip[first_frame + 70 :])
    assert (lost.onset_s, lost.offset_s) == (0, 1_152 / RATE_HZ)
    whole, _ = heard(clip)
    np.testing.assert_array_equal(samples[1_152:], whole[1_152:])


def test_two_damaged_places_are_reported_apart() -> None:
    long = np.concatenate([source(16_000, seed=seed) for seed in range(3)])
    clip = damaged(damaged(av_encoded(long, 16_000, "flac", "flac"), 0.2, 40), 0.7, 40)
    _, warnings = heard(clip)
    assert codes(warnings) == ["sound-lost", "sound-lost"]
    assert [round(warning.onset_s or 0) for warning in warnings] == [pytest.approx(2, abs=1), pytest.approx(8, abs=1)]


@pytest.mark.parametrize("kind", ["flac", "mp3_cbr", "mp3_vbr", "webm_opus"])
def test_a_clip_that_is_cut_short_is_reported_up_to_the_end_that_its_header_gives(kind: str) -> None:
    clip = clip_of(kind)
    samples, (warning,) = heard(clip[: len(clip) * 6 // 10])
    assert warning.code == "clip-truncated"
    assert warning.onset_s == pytest.approx(len(samples) / RATE_HZ, abs=0.001)
    assert warning.offset_s == pytest.approx(DURATION_S, abs=FRAME_S)


@pytest.mark.parametrize("kind", ["ogg_opus", "ogg_vorbis", "adts_aac", "mp3_cbr_without_header"])
def test_a_clip_that_is_cut_short_without_a_length_in_its_header_is_reported_too(kind: str) -> None:
    clip = clip_of(kind)
    cut = len(clip) - 307 if kind.startswith("ogg") else len(clip) * 6 // 10 // 144 * 144 + 50
    _, (warning,) = heard(clip[:cut])
    assert (warning.code, warning.onset_s) == ("clip-truncated", None)


def test_the_last_of_several_flac_clips_is_reported_if_it_is_cut_short() -> None:
    clip = clip_of("flac")
    samples, (warning,) = heard(clip + clip[: len(clip) // 2])
    assert warning.code == "clip-truncated"
    assert warning.onset_s == pytest.approx(len(samples) / RATE_HZ)
    assert warning.offset_s == pytest.approx(2 * DURATION_S)


def test_compressed_sound_that_was_never_scaled_is_scaled_back() -> None:
    # Vorbis keeps any amplitude; soundfile's writer takes floats beyond full scale
    loud, warnings = heard(encoded(source(16_000)[:, 0] * 20_000, 16_000, "OGG", "VORBIS"))
    assert codes(warnings) == ["samples-out-of-range"]
    assert 0.1 < np.abs(loud).max() <= 1


@pytest.mark.parametrize(("loud_from_s", "is_scaled"), [(32, True), (33, False)])
def test_the_first_2_mib_of_samples_in_whole_seconds_decide_whether_compressed_sound_is_scaled(
    loud_from_s: int, is_scaled: bool
) -> None:
    samples = chirps(36.0, 16_000)
    samples *= 50_000
    samples[: loud_from_s * 16_000] = 0  # zeros do not count
    _, (warning,) = heard(av_encoded(samples, 16_000, "matroska", "pcm_f32le"))
    assert warning.code == "samples-out-of-range"
    assert (warning.onset_s is None) == is_scaled


@pytest.mark.parametrize(
    ("container", "codec", "came"),
    [
        ("matroska", "ac3", "WebM with ac3"),
        ("matroska", "mp2", "WebM with mp2"),
        ("mp4", "ac3", "MP4 with ac3"),
        ("mov", "adpcm_ima_qt", "MP4 with adpcm_ima_qt"),
        ("mp2", "mp2", "in no known audio container"),
        ("mpegts", "mp2", "an MPEG transport stream"),
        ("flv", "aac", "FLV"),
    ],
)
def test_other_codecs_and_containers_that_ffmpeg_knows_are_refused(container: str, codec: str, came: str) -> None:
    clip = av_encoded(chirps(1, 44_100), 44_100, container, codec)
    with pytest.raises(UnsupportedAudio) as caught:
        heard(clip)
    assert came in str(caught.value)


def test_a_playlist_is_refused_and_opens_nothing() -> None:
    for playlist in (
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<MPD></MPD>",
    ):
        with pytest.raises(UnsupportedAudio):
            heard(playlist)


def test_a_flac_without_samples_is_empty_and_its_header_alone_is_damaged() -> None:
    header = clip_of("flac")[: clip_of("flac").index(b"\xff\xf8", 42)]
    with pytest.raises(AudioEmpty):
        heard(header[:22] + bytes(4) + header[26:])  # the number of samples is 0
    with pytest.raises(AudioUndecodable, match="no sound that can be decoded"):
        heard(header)


def test_an_mp4_that_is_cut_before_its_index_says_so() -> None:
    clip = clip_of("m4a_aac")
    with pytest.raises(AudioUndecodable, match="its index is missing, as in a file that is cut short"):
        heard(clip[: len(clip) // 2])


def muxed(clips: list[tuple[bytes, float]], container: str) -> bytes:
    """Clips as streams of one Matroska file, each from its start in seconds on, without being encoded again."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        readers = [av.open(io.BytesIO(clip)) for clip, _ in clips]
        streams = [writer.add_stream_from_template(reader.streams.audio[0]) for reader in readers]
        for reader, stream, (_, start_s) in zip(readers, streams, clips, strict=True):
            for packet in reader.demux(audio=0):
                if packet.dts is not None:
                    packet.pts = packet.dts = packet.dts + round(start_s / packet.time_base)
                    packet.stream = stream
                    writer.mux(packet)
            reader.close()
    return file.getvalue()


@pytest.mark.parametrize("container", ["matroska", "webm"])
def test_a_stream_that_is_shorter_than_the_file_or_begins_late_is_not_taken_for_cut_off(container: str) -> None:
    short = av_encoded(chirps(2, 48_000), 48_000, "webm", "libopus", 64_000)
    for streams in ([(short, 0.0), (clip_of("webm_opus"), 0.0)], [(short, 3.0)]):
        samples, warnings = heard(muxed(streams, container))
        assert min(abs(len(samples) / RATE_HZ - expected) for expected in (2, DURATION_S)) < FRAME_S
        assert warnings == ()


@pytest.mark.parametrize("options", [{"live": "1"}, {"live": "1", "cluster_time_limit": "60000"}])
def test_a_recording_from_a_browser_that_is_cut_short_is_reported(options: dict[str, str]) -> None:
    clip = av_encoded(source(48_000), 48_000, "webm", "libopus", 32_000, None, options)
    assert heard(clip)[1] == ()
    _, (warning,) = heard(clip[: len(clip) * 6 // 10])
    assert (warning.code, warning.onset_s) == ("clip-truncated", None)


@pytest.mark.parametrize("duration_s", [0.001, 0.03, 0.3])
@pytest.mark.parametrize("kind", ["flac", "mp3_cbr", "webm_opus", "ogg_opus"])
def test_a_very_short_clip_has_no_warning_about_its_bytes(kind: str, duration_s: float) -> None:
    rate_hz, encode = ENCODERS[kind]
    _, warnings = heard(encode(chirps(duration_s, rate_hz), rate_hz))
    assert {"clip-truncated", "data-after-end", "sound-lost"}.isdisjoint(codes(warnings))


def test_a_loud_end_of_a_quiet_flac_is_not_taken_for_junk() -> None:
    sound = source(16_000) * np.where(np.arange(4 * 16_000) < 3.8 * 16_000, 1e-3, 1)[:, None].astype(np.float32)
    clip = av_encoded(sound, 16_000, "flac", "flac")
    assert heard(clip)[1] == heard(clip + ID3V1)[1] == ()
    assert codes(heard(clip + JUNK)[1]) == ["data-after-end"]


def surround(codec: str, container: str, layout: str, options: dict[str, str] | None = None) -> bytes:
    """A second of sound in the first of many channels."""
    file, rate_hz = io.BytesIO(), 48_000
    with av.open(file, "w", format=container) as writer:
        stream = writer.add_stream(codec, rate=rate_hz, layout=layout, options=options or {})
        sound = np.zeros((stream.layout.nb_channels, rate_hz), np.float32)
        sound[0] = source(rate_hz)[:rate_hz, 0]
        resampler = av.AudioResampler(stream.codec_context.format.name, layout, rate_hz, frame_size=1024)
        packed = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T).reshape(1, -1), "flt", layout)
        packed.sample_rate = rate_hz
        for part in [*resampler.resample(packed), *resampler.resample(None)]:
            writer.mux(stream.encode(part))
        writer.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("codec", "container"), [("aac", "mp4"), ("aac", "adts"), ("libopus", "ogg"), ("flac", "flac")]
)
def test_eight_channels_are_heard(codec: str, container: str) -> None:
    samples, warnings = heard(surround(codec, container, "7.1"))
    assert len(samples) / RATE_HZ == pytest.approx(1, abs=2 * FRAME_S)
    assert warnings == ()
    expected = source(RATE_HZ)[:RATE_HZ, 0] / 8
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.2)


def test_sixteen_channels_are_refused() -> None:
    with pytest.raises(UnsupportedAudio, match="of 16 channels"):
        heard(surround("libopus", "ogg", "hexadecagonal", {"mapping_family": "255"}))


def test_pauses_of_amr_speech_are_silent_and_no_damage() -> None:
    spoken = av_encoded(chirps(1, 8_000), 8_000, "amr", "libopencore_amrnb", 12_200)
    comfort_noise, nothing = bytes([8 << 3 | 4]) + bytes(5), bytes([15 << 3 | 4])
    pause = (comfort_noise + 7 * nothing) * 5
    samples, warnings = heard(spoken + pause + spoken.removeprefix(b"#!AMR\n"))
    assert len(samples) / RATE_HZ == pytest.approx(2 * len(heard(spoken)[0]) / RATE_HZ + 0.8, abs=0.001)
    assert not np.any(samples[round(1.3 * RATE_HZ) : round(1.6 * RATE_HZ)])
    assert {"clip-truncated", "sound-lost"}.isdisjoint(codes(warnings))


def test_amr_is_heard() -> None:
    samples, warnings = heard(av_encoded(chirps(DURATION_S, 8_000), 8_000, "amr", "libopencore_amrnb", 12_200))
    assert len(samples) / RATE_HZ == pytest.approx(DURATION_S, abs=FRAME_S)
    assert "narrow-band" not in codes(warnings)


@given(
    st.sampled_from(sorted(ENCODERS)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8)
)
@settings(max_examples=60)
def test_any_damage_gives_finite_samples_or_an_audio_error(kind: str, damage: list[tuple[float, int]]) -> None:
    content = bytearray(clip_of(kind))
    for place, value in damage:
        content[min(int(place**3 * len(content)), len(content) - 1)] = value
    try:
        samples, _ = heard(bytes(content))
    except AudioError:
        return
    assert np.isfinite(samples).all()
