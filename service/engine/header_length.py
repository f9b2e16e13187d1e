"""Length of a compressed clip as its header gives it."""

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from service.engine.clip_view import ClipView

_LONGEST_HEADER_S = 1e9


def header_length_s(view: ClipView, kind: str, container: InputContainer, stream: AudioStream) -> float | None:
    """Length of the sound that is decoded, in seconds; None if the header gives none and FFmpeg would only estimate it."""
    seconds = None
    if kind == "MP3":
        seconds = view.mp3_header_s()
    elif kind == "WebM":
        seconds = _matroska_length_s(container, stream)
    elif kind in ("FLAC", "MP4", "CAF") and stream.duration is not None:
        seconds = stream.duration * float(stream.time_base or 0)
    return seconds if seconds is not None and 0 < seconds < _LONGEST_HEADER_S else None


def _matroska_length_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Length of a Matroska stream: its header gives the end of the longest stream, and tags give the end of each."""
    start_s = 0.0 if stream.start_time is None else max(0.0, stream.start_time * float(stream.time_base or 0))
    tag = next((text for name, text in stream.metadata.items() if name.startswith("DURATION")), "")
    if (end_s := _clock_s(tag)) is not None:
        return end_s - start_s
    if container.duration is None or len(container.streams) > 1:
        return None
    return container.duration / av.time_base - start_s


def _clock_s(text: str) -> float | None:
    """Seconds of a time such as 00:01:02.500000000; None if the text is no time."""
    hours, _, rest = text.strip("\0").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
