"""One encoder for each kind of compressed clip that the service accepts."""

from collections.abc import Callable

import numpy as np

from tests.av_clips import Float32, av_encoded
from tests.clips import encoded


def _wideband_noise(duration_s: float) -> bytes:
    """AMR-WB of random bits, which are valid frames at 6.6 kbit/s: PyAV has no encoder of this codec."""
    random = np.random.default_rng(0)
    return b"#!AMR-WB\n" + b"".join(b"\x04" + random.bytes(17) for _ in range(round(duration_s / 0.02)))


ENCODERS: dict[str, tuple[int, Callable[[Float32, int], bytes]]] = {
    "flac": (16_000, lambda sound, rate: av_encoded(sound, rate, "flac", "flac")),
    "flac_small_frames": (
        44_100,
        lambda sound, rate: av_encoded(sound, rate, "flac", "flac", codec_options={"frame_size": "1024"}),
    ),
    "mp3_cbr": (44_100, lambda sound, rate: av_encoded(sound, rate, "mp3", "libmp3lame", 64_000)),
    "mp3_vbr": (
        22_050,
        lambda sound, rate: av_encoded(sound, rate, "mp3", "libmp3lame", codec_options={"flags": "+qscale"}),
    ),
    "mp3_cbr_without_header": (
        16_000,
        lambda sound, rate: av_encoded(sound, rate, "mp3", "libmp3lame", 32_000, None, {"write_xing": "0"}),
    ),
    "mp3_vbr_without_header": (
        44_100,
        lambda sound, rate: av_encoded(
            sound, rate, "mp3", "libmp3lame", 0, {"flags": "+qscale"}, {"write_xing": "0", "id3v2_version": "0"}
        ),
    ),
    "ogg_opus": (48_000, lambda sound, rate: av_encoded(sound, rate, "ogg", "libopus", 32_000)),
    "ogg_vorbis": (44_100, lambda sound, rate: encoded(sound[:, 0], rate, "OGG", "VORBIS", sound.shape[1])),
    "webm_opus": (48_000, lambda sound, rate: av_encoded(sound, rate, "webm", "libopus", 32_000)),
    "m4a_aac": (44_100, lambda sound, rate: av_encoded(sound, rate, "mp4", "aac", 64_000)),
    "m4a_alac": (44_100, lambda sound, rate: av_encoded(sound, rate, "mp4", "alac")),
    "m4a_fragmented": (
        16_000,
        lambda sound, rate: av_encoded(
            sound, rate, "mp4", "aac", 32_000, None, {"movflags": "frag_keyframe+empty_moov", "frag_duration": "500000"}
        ),
    ),
    "mov_pcm": (44_100, lambda sound, rate: av_encoded(sound, rate, "mov", "pcm_s16le")),
    "mov_float": (44_100, lambda sound, rate: av_encoded(sound, rate, "mov", "pcm_f32be")),
    "mov_mulaw": (16_000, lambda sound, rate: av_encoded(sound, rate, "mov", "pcm_mulaw")),
    "mov_alaw": (16_000, lambda sound, rate: av_encoded(sound, rate, "mov", "pcm_alaw")),
    "webm_float": (48_000, lambda sound, rate: av_encoded(sound, rate, "matroska", "pcm_f32le")),
    "mp4_opus_fragmented": (
        48_000,
        lambda sound, rate: av_encoded(
            sound, rate, "mp4", "libopus", 32_000, None, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
        ),
    ),
    "adts_aac": (44_100, lambda sound, rate: av_encoded(sound, rate, "adts", "aac", 64_000)),
    "caf_alac": (44_100, lambda sound, rate: av_encoded(sound, rate, "caf", "alac")),
}
"""Sample rate and encoder of each kind. An encoder takes samples, shape (N, C), and their sample rate."""

SPEECH_ENCODERS: dict[str, tuple[int, Callable[[Float32, int], bytes]]] = {
    "amr": (8_000, lambda sound, rate: av_encoded(sound, rate, "amr", "libopencore_amrnb", 12_200)),
    "amr_wb": (16_000, lambda sound, rate: _wideband_noise(len(sound) / rate)),
    "3gp_amr": (8_000, lambda sound, rate: av_encoded(sound, rate, "3gp", "libopencore_amrnb", 12_200)),
}
"""The kinds that telephones write, whose codecs keep only speech."""
