"""Decodes clips in separate processes, so that a crash, a hang or excessive memory use fails only one clip."""

import contextlib
import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from io import BytesIO, UnsupportedOperation
from multiprocessing.connection import Connection
from typing import BinaryIO

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs] - it ships none
from numpy.typing import NDArray

from service.core.errors import AudioError, AudioUndecodable, DeadlineExceeded, DecoderUnavailable
from service.core.warnings import AnswerWarning
from service.engine.call import Call
from service.engine.clip_warnings import warnings_from_bytes
from service.engine.containers import Container, identify
from service.engine.decoder_process import END, ERROR, MAX_MESSAGE_BYTES, SAMPLES
from service.engine.decoding import DecodedBlocks

Float32 = NDArray[np.float32]

log = logging.getLogger(__name__)

_MAX_COPIED_BYTES = 1 << 20
"""Size up to which a clip is copied to a process. A larger clip that is a file is passed as its file descriptor."""
_CALL_CHECK_S = 0.25
"""Time between two checks of whether the call is still wanted, while a process decodes."""
_PATIENCE_S = 0.2
"""Another process is started if no process has become free for this time."""
_EXIT_WAIT_S = 5.0
"""Longest wait for the exit of a process that was killed."""
_CHECK_TIMEOUT_S = 60.0
_CHECK_RATE_HZ = 8_000
_ERRORS = {kind.__name__: kind for kind in AudioError.__subclasses__()}


class Decoders:
    """A pool of decoding processes; safe to use from several threads."""

    def __init__(self, n_ready: int, message_timeout_s: int = 10) -> None:
        """Starts processes. More are started while all are busy, for example with long clips.

        Args:
            n_ready: Number of processes that are kept ready.
            message_timeout_s: Time after which a process that hangs within a message is killed, in seconds.
        """
        self._n_ready, self._message_timeout_s = n_ready, message_timeout_s
        self._changed = threading.Condition()
        self._idle = [self._new() for _ in range(n_ready)]
        self._last_change_s = time.monotonic()
        self._closed = False

    def decode(self, clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
        """Decodes a clip as `service.engine.decoding.decode` does, while the call is wanted.

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
            AudioError: If the clip cannot be used; it is `AudioUndecodable` if the process crashed or hung.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
        """
        container, content = identify(clip), _content(clip)
        process = self._take(call)
        try:
            process.send(content, container, sample_rate_hz, max_clip_s)
            while isinstance(received := process.receive(call), np.ndarray):
                yield received
            return received
        except AudioError:
            raise
        except (
            EOFError,
            OSError,
            ValueError,
            LookupError,
            TypeError,
        ) as error:  # ValueError and below: a malformed message
            exit_status = process.end()
            log.warning("a decoder process failed", extra={"container": container, "exit_status": exit_status})
            process = self._new()
            raise AudioUndecodable(container, "its decoder crashed or took too much memory") from error
        except BaseException:
            process.end()
            process = self._new()
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
        except (AudioError, DeadlineExceeded) as error:
            raise DecoderUnavailable(error.message) from error

    def close(self) -> None:
        """Ends all processes; a process that is still decoding is ended after its clip."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _take(self, call: Call) -> "_Process":
        while not (process := self._find_free()):
            call.check()
        if process.is_alive:
            return process
        process.end()  # the process was killed while it was idle
        return self._new()

    def _find_free(self) -> "_Process | None":
        """Returns an idle process, or a new one if none has become free for `_PATIENCE_S`; otherwise None."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle, _PATIENCE_S)
            if self._idle:
                return self._idle.pop()
            if time.monotonic() - self._last_change_s < _PATIENCE_S:
                return None
            self._last_change_s = time.monotonic()
        return self._new()

    def _new(self) -> "_Process":
        return _Process(self._message_timeout_s)

    def _give_back(self, process: "_Process") -> None:
        with self._changed:
            self._last_change_s = time.monotonic()
            if not self._closed and len(self._idle) < self._n_ready:
                self._idle.append(process)
                self._changed.notify()
                return
        process.end()


class _Process:
    """A decoding process and the socket that connects it with the service."""

    def __init__(self, message_timeout_s: int) -> None:
        ours, theirs = socket.socketpair()
        # Limits a single write or read, because a process may hang within a message.
        for timeout in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, timeout, struct.pack("ll", message_timeout_s, 0))
        # -P and PYTHONPATH: imports use the same paths as in this process, and never the working directory.
        command = [sys.executable, "-P", "-m", "service.engine.decoder_process", str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
        self._process = subprocess.Popen(
            command,
            env=environment | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches only the service, which then ends this process
        )
        theirs.close()
        self._socket = ours
        self._connection = Connection(os.dup(ours.fileno()))

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def send(self, content: bytes | int, container: Container, sample_rate_hz: int, max_clip_s: float) -> None:
        """Sends a clip to the process: its bytes, or the descriptor of its file."""
        request = {
            "container": container,
            "sample_rate_hz": sample_rate_hz,
            "max_clip_s": max_clip_s,
            "n_bytes": len(content) if isinstance(content, bytes) else None,
        }
        self._connection.send_bytes(json.dumps(request).encode())
        if isinstance(content, bytes):
            self._connection.send_bytes(content)
        else:
            socket.send_fds(self._socket, [b"\0"], [content])

    def receive(self, call: Call) -> Float32 | tuple[AnswerWarning, ...]:
        """Receives the next block of samples, shape (N,); at the end of the clip, the warnings about the clip.

        Raises:
            AudioError: If the clip cannot be used.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
            EOFError, OSError: If the process ended or hangs.
            ValueError, LookupError, TypeError: If the process sent a malformed message.
        """
        while not self._connection.poll(_CALL_CHECK_S):
            call.check()
        message = self._connection.recv_bytes(MAX_MESSAGE_BYTES)
        if message[: len(ERROR)] == ERROR:
            name, data = json.loads(message[len(ERROR) :])
            raise _ERRORS[name](**data)
        if message[: len(END)] == END:
            return warnings_from_bytes(message[len(END) :])
        return np.frombuffer(message, np.float32, offset=len(SAMPLES))

    def end(self) -> int:
        """Kills the process and returns its exit status."""
        self._connection.close()
        self._socket.close()
        self._process.kill()
        return self._process.wait(_EXIT_WAIT_S)


def _content(clip: BinaryIO) -> bytes | int:
    """Returns the form in which a clip is sent: the file descriptor of a large clip that is a file, else its bytes."""
    n_bytes = clip.seek(0, os.SEEK_END)
    clip.seek(0)
    if n_bytes > _MAX_COPIED_BYTES:
        with contextlib.suppress(UnsupportedOperation):  # the clip is in memory
            return clip.fileno()
    return clip.read()
