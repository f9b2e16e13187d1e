"""Reads compressed clips packet by packet, and puts silence where sound is lost; `ffmpeg_stream` opens them."""

import os
from collections.abc import Iterator
from typing import BinaryIO, cast

import av
import numpy as np
from av import logging
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from numpy.typing import NDArray

from service.core.errors import AudioEmpty, AudioUndecodable, UnsupportedAudio
from service.engine.amr_frames import pause_samples
from service.engine.av_frames import TooManyChannelsError, accepted, samples_of
from service.engine.chunks import is_tag_or_padding
from service.engine.claimed_length import check_claimed_length
from service.engine.clip_report import ClipReport
from service.engine.clip_view import ClipView
from service.engine.containers import Source
from service.engine.ffmpeg_stream import FORMATS, open_container, reason_of, sound_stream
from service.engine.flac_frames import bytes_behind_frame
from service.engine.header_length import header_length_s
from service.engine.links import split_links
from service.engine.matroska import is_cut_off
from service.engine.mpeg_frames import frame_kind
from service.engine.packet_run import PacketRun
from service.engine.sound_block import SoundBlock, regroup
from service.engine.timeline import ByteTimeline, PacketFacts, Timeline, TimestampTimeline, flac_sample_number

Float32 = NDArray[np.float32]

_BLOCK_SAMPLES = 1 << 16  # frames of a codec are shorter, and every block has a cost
_SILENCE_S = 1.0
_MAX_READ_FAILURES = 100
_TRUNCATED_S = 0.1
"""Shortest difference between header and sound that is reported; encoders pad the ends. FLAC gives exact lengths."""
_TOLERANCE_S = {"vorbis": 0.06, "matroska": 0.1}
"""Inaccuracy of timestamps, by decoder or demuxer; 12 ms for all others."""
_USUAL_TOLERANCE_S, _EXACT_S = 0.012, 1e-6
_LONGEST_FRAME_BYTES = 1 << 13
_LONGEST_TAG_BYTES = 1 << 10


def read_compressed(clip: BinaryIO, source: Source, report: ClipReport, max_clip_s: float) -> Iterator[SoundBlock]:
    """Decodes a compressed clip, block by block.

    Args:
        clip: The clip, seekable.
        source: Container of the clip, and where it begins.
        report: Receives the lost stretches and other faults.
        max_clip_s: Length above which a clip is refused by its header, in seconds.

    Raises:
        UnsupportedAudio: If the clip has no sound, or its codec is not accepted.
        AudioUndecodable: If no sound can be decoded because the clip is damaged.
        AudioEmpty: If the clip holds no sample.
    """
    if logging.get_level() is not None:
        logging.set_level(None)  # takes a tenth of the time of a short clip
    position_s = 0.0
    links = split_links(clip, source.container, source.offset, clip.seek(0, os.SEEK_END))
    for index, (start, end) in enumerate(links):
        decoding = _Decoding(ClipView(clip, start, end), source, report, start_s=position_s)
        try:
            yield from regroup(decoding.blocks(max_clip_s), lambda _: _BLOCK_SAMPLES)
        except (UnsupportedAudio, AudioUndecodable, AudioEmpty):
            if index == 0:
                raise
            report.data_after_end(end - start)
        position_s = decoding.position_s


class _Decoding:
    """Decodes one link of a clip.

    Attributes:
        position_s: Length of the sound so far, including earlier links, in seconds.
    """

    def __init__(self, view: ClipView, source: Source, report: ClipReport, start_s: float) -> None:
        self.position_s = self._start_s = start_s
        self._view, self._source, self._report = view, source, report
        self._kind = source.container.split()[0]
        self._block_samples = 0
        self._failure: str | None = None
        self._failed_packet = b""
        self._run: PacketRun | None = None
        self._longest_packet_bytes, self._last_packet = 0, b""

    def blocks(self, max_clip_s: float) -> Iterator[SoundBlock]:
        """Yields the sound of the stream, with silence where sound is lost."""
        with open_container(self._view, self._source) as container:
            stream = sound_stream(container, self._source)
            self._tick_s = float(stream.time_base or 0)
            position = self._view.tell()  # reading the header moves it, and FFmpeg continues to read from it
            check_claimed_length(self._header_s(container, stream), max_clip_s - self._start_s)
            self._view.seek(position)
            timeline, codec = self._timeline(container, stream), stream.codec_context.codec.name
            self._run = PacketRun(timeline) if isinstance(timeline, ByteTimeline) else None
            for packet in self._packets(container, stream):
                content = bytes(packet)
                if timeline.skip(content):
                    yield from self._of_run(timeline)
                    timeline.skipped(content)
                    continue
                n_pause, rate_hz = pause_samples(codec, content)
                if n_pause:
                    self.position_s += n_pause / rate_hz
                    yield from _silence(n_pause, 1, rate_hz)
                    continue
                try:
                    frames = packet.decode()
                    if len(frames) == 1 and self._run and self._run.add(content, frames[0]):
                        self._failed_packet = b""
                        continue
                    accepted(frames)
                except (FFmpegError, MemoryError, TooManyChannelsError) as error:
                    yield from self._of_run(timeline)
                    self._failure, self._failed_packet = reason_of(error), content or b"\0"
                    timeline.failed(content)
                    continue
                if frames:
                    self._failed_packet = b""
                    yield from self._of_run(timeline)
                    yield from self._sound_of(frames, content, timeline)
                elif content:
                    yield from self._of_run(timeline)
                    timeline.dropped(content)
            yield from self._of_run(timeline)
            self._finish(self._header_s(container, stream), timeline)

    def _packets(self, container: InputContainer, stream: AudioStream) -> "Iterator[Packet[AudioStream]]":
        """Yields the packets of the stream; reading continues behind a place that cannot be read."""
        for _ in range(_MAX_READ_FAILURES):
            try:
                yield from container.demux(stream)
                return
            except (FFmpegError, MemoryError) as error:
                self._failure = reason_of(error)

    def _of_run(self, timeline: Timeline) -> Iterator[SoundBlock]:
        """Yields the sound of the packets that were collected."""
        if not self._run or not self._run.n_packets:
            return
        if placed := self._run.place():
            sound, durations_s = placed
            for duration_s in durations_s:
                self.position_s += duration_s
            yield sound
            return
        for content, block in self._run.take():
            yield from self._placed([block], PacketFacts(content, None), timeline)

    def _sound_of(self, frames: list[AudioFrame], content: bytes, timeline: Timeline) -> Iterator[SoundBlock]:
        """Yields the sound of a packet, or collects it if the next packets may follow without a gap."""
        if len(self._last_packet) > self._longest_packet_bytes:
            self._longest_packet_bytes = len(self._last_packet)
        self._last_packet = content
        blocks = [SoundBlock(samples_of(frame), frame.sample_rate) for frame in frames]
        if len(blocks) == 1 and self._run and self._run.begin(content, blocks[0]):
            return
        self._block_samples = max(self._block_samples, len(blocks[0].samples))
        yield from self._placed(blocks, PacketFacts(content, self._time_s(frames[0], content)), timeline)

    def _placed(self, blocks: list[SoundBlock], facts: PacketFacts, timeline: Timeline) -> Iterator[SoundBlock]:
        """Yields the sound of a packet, behind silence of the length that is lost before it."""
        rate_hz, n_samples = blocks[0].rate_hz, len(blocks[0].samples)
        gap = round(timeline.gap_s(facts, self.position_s) * rate_hz)
        if gap > 0:
            self._report.lost(self.position_s, self.position_s + gap / rate_hz)
            yield from _silence(gap, blocks[0].samples.shape[1], rate_hz)
        duration_s = n_samples / rate_hz
        for block in blocks[1:]:
            duration_s += len(block.samples) / block.rate_hz
        self.position_s += gap / rate_hz + duration_s
        timeline.decoded(facts.content, duration_s)
        for block in blocks:
            if len(block.samples):
                yield block

    def _time_s(self, frame: AudioFrame, content: bytes) -> float | None:
        if self._source.container == "FLAC":
            number = flac_sample_number(content, self._block_samples)
            return None if number is None else self._start_s + number / frame.sample_rate
        return None if frame.pts is None else frame.pts * self._tick_s

    def _timeline(self, container: InputContainer, stream: AudioStream) -> Timeline:
        if self._kind in ("MP3", "AAC"):
            return ByteTimeline(cast(BinaryIO, self._view))
        if self._kind == "FLAC":
            end_s = self._start_s + (self._header_s(container, stream) or 0)
            return TimestampTimeline(0.0, end_s, _EXACT_S, _EXACT_S)
        base_s = None if stream.start_time is None else stream.start_time * self._tick_s - self._start_s
        names = stream.codec_context.codec.name, FORMATS[self._kind][0]
        tolerance_s = max(_TOLERANCE_S.get(name, _USUAL_TOLERANCE_S) for name in names)
        end_s = self._start_s + (0 if container.duration is None else container.duration / av.time_base)
        return TimestampTimeline(base_s, end_s, tolerance_s, min(tolerance_s, _USUAL_TOLERANCE_S))

    def _header_s(self, container: InputContainer, stream: AudioStream) -> float | None:
        return header_length_s(self._view, self._kind, container, stream)

    def _finish(self, header_s: float | None, timeline: Timeline) -> None:
        """Reports what is missing at the end of the link, or raises if no sound was decoded."""
        length_s = self.position_s - self._start_s
        if length_s == 0:
            if self._failure is None and not header_s:
                raise AudioEmpty(len(self._view))
            raise AudioUndecodable(self._source.container, self._failure or "it holds no sound that can be decoded")
        missing_s = 0 if header_s is None else header_s - length_s
        has_end, end = self._view.ogg_end() if self._kind == "Ogg" else (True, len(self._view))
        if self._kind == "WebM" and header_s is None:
            has_end = not is_cut_off(self._view)
        if missing_s > (_EXACT_S if self._kind == "FLAC" else _TRUNCATED_S):
            self._report.truncated(self.position_s, self.position_s + missing_s)
        elif isinstance(timeline, ByteTimeline):
            self._report_rest(timeline)
        elif self._kind == "MP4":
            self._report_behind(self._view.mp4_end())
        elif not has_end or (self._failed_packet and header_s is None):
            self._report.truncated(self.position_s, None)
        elif self._kind == "Ogg":
            self._report_behind(end)
        elif self._kind == "FLAC" and len(self._last_packet) - self._longest_packet_bytes > _LONGEST_TAG_BYTES:
            self._report_behind(len(self._view) - len(bytes_behind_frame(self._last_packet)))
        elif self._failed_packet and not self._failed_packet.startswith((b"TAG", b"ID3")):
            self._report.data_after_end(len(self._failed_packet))

    def _report_rest(self, timeline: ByteTimeline) -> None:
        """Reports the bytes behind the last frame: the start of a frame that was cut off, or something else."""
        self._view.seek(timeline.end)
        is_cut = frame_kind(self._view.read(16)) == self._kind
        if timeline.is_cut or (is_cut and len(self._view) - timeline.end < _LONGEST_FRAME_BYTES):
            self._report.truncated(self.position_s, None)
        else:
            self._report_behind(timeline.end)

    def _report_behind(self, end: int) -> None:
        """Reports the bytes behind a position, if they are more than a tag or padding."""
        if end < len(self._view) and not is_tag_or_padding(cast(BinaryIO, self._view), end):
            self._report.data_after_end(len(self._view) - end)


def _silence(n_samples: int, channels: int, rate_hz: int) -> Iterator[SoundBlock]:
    step = max(1, round(_SILENCE_S * rate_hz))
    for first in range(0, n_samples, step):
        yield SoundBlock(np.zeros((min(step, n_samples - first), channels), np.float32), rate_hz)
