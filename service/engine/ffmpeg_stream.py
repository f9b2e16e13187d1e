"""Opens the sound of a compressed clip with FFmpeg (PyAV), restricted to the demuxer and the decoders of an allow-list.

FFmpeg does not choose: the container is identified from its content before, and only its demuxer is opened. Only codecs of
`FORMATS` are decoded, in one thread; other streams, such as video, are never decoded. FFmpeg reads the clip through this
module only, so it opens neither files nor sockets.
"""

from typing import Any, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard

from service.core.errors import AudioUndecodable, UnsupportedAudio
from service.engine.clip_view import ClipView
from service.engine.containers import ACCEPTED, Source
from service.engine.sound_block import MAX_CHANNELS

_PCM = (
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_u8", "pcm_s8"),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_mulaw", "pcm_alaw"),
)
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "FLAC": ("flac", ("flac",)),
    "MP3": ("mp3", ("mp3float",)),
    "AAC": ("aac", ("aac",)),
    "Ogg": ("ogg", ("vorbis", "opus", "flac")),
    "MP4": ("mp4", ("aac", "alac", "mp3float", "opus", "flac", "amrnb", "amrwb", *_PCM)),
    "WebM": ("matroska", ("opus", "vorbis", "aac", "flac", "mp3float", "alac", *_PCM)),
    "AMR": ("amr", ("amrnb", "amrwb")),
    "CAF": ("caf", ("aac", "alac", "opus")),
}
"""Demuxer and accepted decoders by the first word of a container's name."""

_PROBED_BYTES = 1 << 20
_PROBED_US = 5_000_000
_MAX_STREAMS = 64


def open_container(view: ClipView, source: Source) -> InputContainer:
    """Opens a clip with the demuxer of its container.

    Raises:
        AudioUndecodable: If its header is damaged or missing.
    """
    demuxer, decoders = FORMATS[source.container.split()[0]]
    options = {
        "format_whitelist": demuxer,
        "codec_whitelist": ",".join(decoders),
        "protocol_whitelist": "none",
        "probesize": str(_PROBED_BYTES),
        "analyzeduration": str(_PROBED_US),
        "max_streams": str(_MAX_STREAMS),
    }
    try:
        opened = av.open(cast(Any, view), "r", format=demuxer, options=options, metadata_errors="replace")
    except (FFmpegError, UnicodeError, MemoryError) as error:
        is_cut = demuxer == "mp4" and not view.has_mp4_index()
        reason = "its index is missing, as in a file that is cut short" if is_cut else reason_of(error)
        raise AudioUndecodable(source.container, reason) from error
    return cast(InputContainer, opened)


def sound_stream(container: InputContainer, source: Source) -> AudioStream:
    """Chooses the audio stream that players choose, and leaves all other streams undecoded.

    Raises:
        UnsupportedAudio: If the clip has no sound, or its codec or number of channels is not accepted.
    """
    _, decoders = FORMATS[source.container.split()[0]]
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise UnsupportedAudio(f"{source.container} without sound", ACCEPTED)
    codec = cast(Any, stream.codec_context)
    if codec is None or codec.codec.name not in decoders:
        raise UnsupportedAudio(f"{source.container} with {codec.codec.name if codec else 'an unknown codec'}", ACCEPTED)
    if codec.layout.nb_channels > MAX_CHANNELS:
        raise UnsupportedAudio(f"of {codec.layout.nb_channels} channels", ACCEPTED)
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    codec.thread_count = 1
    if codec.codec.name == "flac":
        codec.options = {"err_detect": "crccheck+explode"}  # a damaged frame would be loud noise
    return stream


def reason_of(error: Exception) -> str:
    """What an exception of FFmpeg says, for the message about a clip."""
    text = error.strerror if isinstance(error, FFmpegError) else str(error)
    return (text or type(error).__name__).rstrip(".")
