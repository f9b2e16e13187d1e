"""Clips for tests that PyAV encodes: compressed containers, and what damages or surrounds them."""

import io
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def chirps(duration_s: float, rate_hz: int, channels: int = 1, seed: int = 0) -> Float32:
    """A sound without repetition: noise with a slow envelope over a sweep, shape (N, C); every channel is the same."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    noise = np.random.default_rng(seed).normal(0, 0.1, len(time_s))
    sweep = 0.3 * np.sin(2 * np.pi * (300 + 40 * time_s) * time_s)
    mono = (sweep + noise * (1 + np.sin(2 * np.pi * 0.7 * time_s)) / 2).astype(np.float32)
    return np.repeat(mono[:, None], channels, axis=1)


def av_encoded(
    samples: Float32,
    rate_hz: int,
    container: str,
    codec: str,
    bit_rate: int = 0,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    out_rate_hz: int = 0,
) -> bytes:
    """Encodes samples, shape (N, C), with FFmpeg."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(file, "w", format=container, options=container_options or {}) as writer:
        writer.metadata.update(metadata or {})
        stream: Any = writer.add_stream(codec, rate=out_rate_hz or rate_hz, options=codec_options or {})
        stream.layout = layout
        if bit_rate:
            stream.bit_rate = bit_rate
        kind = stream.codec_context.codec.audio_formats[0].name
        resampler = av.AudioResampler(kind, layout, out_rate_hz or rate_hz, frame_size=stream.codec_context.frame_size)
        source = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", layout)
        source.sample_rate = rate_hz
        for frame in [*resampler.resample(source), *resampler.resample(None)]:
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return file.getvalue()


def damaged(clip: bytes, place: float, n_bytes: int, seed: int = 0) -> bytes:
    """A clip with random bytes from a fraction of its length on."""
    first = int(len(clip) * place)
    noise = np.random.default_rng(seed).integers(0, 256, n_bytes, np.uint8).tobytes()
    return clip[:first] + noise + clip[first + n_bytes :]


def id3v2(n_bytes: int) -> bytes:
    """An ID3v2 tag with padding."""
    size = bytes([n_bytes >> 21 & 127, n_bytes >> 14 & 127, n_bytes >> 7 & 127, n_bytes & 127])
    return b"ID3\x04\0\0" + size + bytes(n_bytes)


ID3V1 = b"TAG" + b"title".ljust(125, b"\0")


def ape_tag(n_bytes: int = 40) -> bytes:
    """An APEv2 tag with a header and a footer."""

    def fields(flags: int) -> bytes:
        return b"APETAGEX" + b"".join(n.to_bytes(4, "little") for n in (2000, n_bytes + 32, 1, flags)) + bytes(8)

    return fields(0xA0000000) + b"x" * n_bytes + fields(0x80000000)
