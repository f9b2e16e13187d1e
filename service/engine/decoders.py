"""Decodes clips in separate processes, so that a crash, a hang or excessive memory use fails only one clip."""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Mapping
from io import BytesIO
from typing import BinaryIO

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs] - it ships none

from service.core.errors import AudioError, AudioUndecodable, DeadlineExceeded, DecoderLost, EarmarkError
from service.core.start_errors import DecoderUnavailable
from service.engine.call import Call
from service.engine.containers import Container, identify
from service.engine.decoder_counts import DecoderCounts, DecoderFailure, DecoderReport
from service.engine.decoder_handle import FAILURES, DecoderHandle, DecoderRequest, clip_content
from service.engine.decoder_log import DecoderLog
from service.engine.decoding import DecodedBlocks

log = logging.getLogger(__name__)

CLIP_CPU_S = 600
"""CPU time that is available to every clip, in seconds; a process ends when it has used twice this time in all."""
DEGRADED = "decoder-sandbox"
"""Name of the sandbox in the list of parts that do not work."""
_PATIENCE_S = 0.2
"""Another process is started if no process has become free for this time."""
_CHECK_TIMEOUT_S = 60.0
_CHECK_RATE_HZ = 8_000
_FAULTS = frozenset(
    -number
    for number in (
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGXCPU,
        signal.SIGXFSZ,
    )
)
"""Exit statuses of a process that a signal ended because of what the process did."""


class Decoders:
    """A pool of decoding processes; safe to use from several threads."""

    def __init__(self, n_ready: int, message_timeout_s: int = 10, clip_cpu_s: int = CLIP_CPU_S) -> None:
        """Starts processes. More are started while all are busy, for example with long clips.

        Args:
            n_ready: Number of processes that are kept ready.
            message_timeout_s: Time after which a process that hangs within a message is killed, in seconds.
            clip_cpu_s: CPU time that is available to every clip, in seconds. A process that has used more takes no further clip.

        Raises:
            DecoderLost: If a process cannot be started.
        """
        self._n_ready, self._message_timeout_s, self._clip_cpu_s = n_ready, message_timeout_s, clip_cpu_s
        self._log, self._counts = DecoderLog(), DecoderCounts()
        self._changed = threading.Condition()
        self._missing: dict[str, str] = {}
        self._closed = False
        self._idle: list[DecoderHandle] = []
        self._last_change_s = time.monotonic()
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.close)
            for _ in range(n_ready):
                self._idle.append(self._new())
            on_failure.pop_all()

    def decode(self, clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
        """Decodes a clip as `service.engine.decoding.decode` does, while the call is wanted.

        If a process ends while it decodes the clip, a new process decodes the clip once more.

        Args:
            clip: The upload, seekable.
            sample_rate_hz: Sample rate of the result.
            max_clip_s: Length of the longest accepted clip, in seconds.
            call: The call that the clip is decoded for.

        Yields:
            Finite samples, shape (N,), where N varies.

        Returns:
            The warnings about the clip.

        Raises:
            AudioError: If the clip cannot be used; it is `AudioUndecodable` if two processes crashed, or if one hung.
            DecoderLost: If the second process was killed from outside, or if no process can be started.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
        """
        container, delivery = identify(clip), _Delivery()
        process = self._take(call)
        try:
            with clip_content(clip) as content:
                request = DecoderRequest(content, container, sample_rate_hz, max_clip_s)
                try:
                    return (yield from delivery.resume(process.decode(request, call)))
                except FAILURES as error:
                    self._end_failed(process, container, error, is_last=False)
                process = self._new()
                try:
                    return (yield from delivery.resume(process.decode(request, call)))
                except FAILURES as error:
                    raise self._end_failed(process, container, error, is_last=True) from error
        except AudioError:
            raise
        except BaseException:
            process.end()
            raise
        finally:
            self._give_back(process)

    def check(self) -> None:
        """Decodes a second of silence, to check that the processes work.

        Raises:
            DecoderUnavailable: If the silence cannot be decoded.
        """
        silence = BytesIO()
        soundfile.write(silence, np.zeros(_CHECK_RATE_HZ), _CHECK_RATE_HZ, format="WAV")
        try:
            list(self.decode(silence, _CHECK_RATE_HZ, 2, Call(_CHECK_TIMEOUT_S)))
        except (AudioError, DeadlineExceeded, DecoderLost) as error:
            raise DecoderUnavailable(error.message) from error

    def degraded(self) -> list[str]:
        """Name of the sandbox in a list if the platform does not support all of it; otherwise an empty list."""
        with self._changed:
            return [DEGRADED] if self._missing else []

    def report(self) -> DecoderReport:
        """Returns the counters and the state of the processes."""
        with self._changed:
            return self._counts.report(n_idle=len(self._idle))

    def close(self) -> None:
        """Ends all processes; a process that is still decoding is ended after its clip."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _take(self, call: Call) -> DecoderHandle:
        while not (process := self._find_free()):
            call.check()
        if not process.is_alive:
            process.end()  # the process was killed while it was idle
            process = self._new()
        self._counts.add_busy(1)
        return process

    def _find_free(self) -> DecoderHandle | None:
        """Returns an idle process, or a new one if none has become free for `_PATIENCE_S`; otherwise None."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle, _PATIENCE_S)
            if self._idle:
                return self._idle.pop()
            if time.monotonic() - self._last_change_s < _PATIENCE_S:
                return None
            self._last_change_s = time.monotonic()
        return self._new()

    def _new(self) -> DecoderHandle:
        try:
            process = DecoderHandle(self._clip_cpu_s, self._message_timeout_s, self._log)
        except OSError as error:
            raise DecoderLost(f"no process can be started: {error.strerror}") from error
        self._counts.add_start()
        return process

    def _give_back(self, process: DecoderHandle) -> None:
        """Returns a process to the pool. A process that has ended is replaced; a process beyond `n_ready` is ended."""
        self._counts.add_busy(-1)
        self._note_missing(process.missing or {})
        if not process.is_alive:
            process.end()
            if not self._has_room:
                return
            try:
                process = self._new()
            except DecoderLost as error:
                log.warning("a decoder process was not replaced", extra={"reason": error.reason})
                return
        with self._changed:
            self._last_change_s = time.monotonic()
            if self._has_room:
                self._idle.append(process)
                self._changed.notify()
                return
        process.end()

    def _end_failed(
        self, process: DecoderHandle, container: Container, error: Exception, is_last: bool
    ) -> EarmarkError:
        """Ends a process that failed, and counts the failure.

        Returns:
            The error to raise if the process was the last that tries the clip.

        Raises:
            AudioUndecodable: If the process hung or sent malformed messages; the clip is not tried again.
        """
        exit_status = process.end_after_failure(error)
        failure = _failure_of(exit_status)
        self._counts.add_failure(failure)
        fields = {"container": container, "exit_status": exit_status, "error": type(error).__name__, "is_last": is_last}
        log.warning("a decoder process failed", extra=fields)
        if failure == "hung":
            raise AudioUndecodable(container, "its decoder stopped answering") from error
        if failure == "killed":
            return DecoderLost(f"the process was killed twice, with the signal {-(exit_status or 0)} at last")
        return AudioUndecodable(container, "its decoder crashed or took too much memory")

    @property
    def _has_room(self) -> bool:
        return not self._closed and len(self._idle) < self._n_ready

    def _note_missing(self, missing: Mapping[str, str]) -> None:
        """Logs once which protections of the sandbox this platform does not support."""
        with self._changed:
            is_news = bool(missing) and not self._missing
            self._missing = self._missing or dict(missing)
        if is_news:
            log.warning("decoders run without a part of their sandbox", extra={"missing": missing})


class _Delivery:
    """The samples of a clip that have been delivered, so that a second process continues after them."""

    def __init__(self) -> None:
        self._n_samples = 0

    def resume(self, blocks: DecodedBlocks) -> DecodedBlocks:
        """Passes on the blocks of a clip without the samples that were delivered before."""
        n_skipped = self._n_samples
        while True:
            try:
                block = next(blocks)
            except StopIteration as end:
                return end.value
            rest = block[n_skipped:]
            n_skipped -= len(block) - len(rest)
            self._n_samples += len(rest)
            if len(rest):
                yield rest


def _failure_of(exit_status: int | None) -> DecoderFailure:
    """Kind of a failure, from the exit status of the process; None if the process had not ended by itself."""
    if exit_status is None:
        return "hung"
    return "killed" if exit_status < 0 and exit_status not in _FAULTS else "crashed"
