"""The service's end of one decoder: starts its process, sends a clip, receives samples, and ends the process."""

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from io import UnsupportedOperation
from multiprocessing.connection import Connection
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import AudioError
from service.core.warnings import AnswerWarning
from service.engine.call import Call
from service.engine.clip_warnings import warnings_from_bytes
from service.engine.containers import Container
from service.engine.decoder_log import DecoderLog
from service.engine.decoder_process import END, ERROR, MAX_MESSAGE_BYTES, SAMPLES
from service.engine.decoding import DecodedBlocks
from service.engine.sandbox import PROTECTIONS

Float32 = NDArray[np.float32]

FAILURES = (EOFError, OSError, ValueError, LookupError, TypeError, RecursionError)
"""Exceptions of `DecoderHandle.decode` for a process that ended, hangs or (from ValueError on) sends malformed messages."""
_LENGTH = struct.Struct("!i")
"""The length in front of a message, in the protocol of `multiprocessing.connection`."""
_MAX_COPIED_BYTES = 1 << 20
"""Size up to which a clip is copied to a process. A larger clip that is a file is passed as its file descriptor."""
_BUFFER_BYTES = 1 << 20
"""Bytes that a process may send before the service receives them, so that the two do not take turns; the system may allow
fewer."""
_CALL_CHECK_S = 0.25
"""Time between two checks of whether the call is still wanted, while a process decodes."""
_DEATH_WAIT_S = 2.0
"""Time in which a process that closed its socket should have ended."""
_EXIT_WAIT_S = 5.0
"""Longest wait for the exit of a process that was killed."""
_LOG_WAIT_S = 1.0
_EXTRA_S = 1.0
"""A process may send this much more than the longest accepted clip, because resampling rounds up."""
_MAX_REASON_CHARS = 200
_ENVIRONMENT = ("PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LANG", "LC_ALL")
"""Environment variables that a process inherits, because Python and its libraries need them to start."""
_HEAP = {"MALLOC_TRIM_THRESHOLD_": str(16 << 20), "MALLOC_MMAP_THRESHOLD_": str(16 << 20)}
"""Settings of glibc: a process keeps memory for its next clip. To get it from the system again takes a tenth of the time of a
short clip."""
_ERRORS = {kind.__name__: kind for kind in AudioError.__subclasses__()}


@dataclass(frozen=True, slots=True)
class DecoderRequest:
    """A clip to decode.

    Attributes:
        content: The bytes of the clip, or the descriptor of its file.
        container: Container and codec of the clip.
        sample_rate_hz: Sample rate of the result.
        max_clip_s: Length of the longest accepted clip, in seconds.
    """

    content: bytes | int
    container: Container
    sample_rate_hz: int
    max_clip_s: float


class DecoderHandle:
    """A decoding process and the socket that connects it with the service.

    Args:
        clip_cpu_s: CPU time that is available to every clip, in seconds.
        message_timeout_s: Time after which a process counts as hanging within a message, in seconds.
        decoder_log: Logs what the process writes to its standard error.

    Attributes:
        missing: The protections of the sandbox that this platform does not support, with the reasons; None until the
            process has reported them, at the latest with its first block of samples.

    Raises:
        OSError: If the process cannot be started.
    """

    def __init__(self, clip_cpu_s: int, message_timeout_s: int, decoder_log: DecoderLog) -> None:
        self.missing: dict[str, str] | None = None
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as on_failure, theirs:
            on_failure.enter_context(ours)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            # Limits a single write or read, because a process may hang within a message.
            for timeout in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, timeout, struct.pack("ll", message_timeout_s, 0))
            self._connection = Connection(os.dup(ours.fileno()))
            on_failure.enter_context(self._connection)
            self._process = _start(theirs.fileno(), clip_cpu_s)
            on_failure.pop_all()
        self._socket, self._readable = ours, select.poll()
        self._readable.register(ours, select.POLLIN)
        self._log_thread = _follow(self._process, decoder_log)

    @property
    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def decode(self, request: DecoderRequest, call: Call) -> DecodedBlocks:
        """Decodes a clip in the process.

        Yields:
            Finite samples, shape (N,), where N varies.

        Returns:
            The warnings about the clip.

        Raises:
            AudioError: If the clip cannot be used.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
            EOFError, OSError, ValueError, LookupError, TypeError, RecursionError: See `FAILURES`.
        """
        self._send(request)
        max_samples = (request.max_clip_s + _EXTRA_S) * request.sample_rate_hz
        n_samples = 0
        while isinstance(received := self._receive(call), np.ndarray):
            n_samples += len(received)
            if n_samples > max_samples or not np.isfinite(received).all():
                raise ValueError("samples that are too many or not finite")
            yield received
        return received

    def end(self) -> None:
        """Kills the process if it is still running. May be called repeatedly."""
        self._connection.close()
        self._socket.close()
        self._process.kill()
        self._process.wait(_EXIT_WAIT_S)
        self._log_thread.join(_LOG_WAIT_S)

    def end_after_failure(self, error: Exception) -> int | None:
        """Ends the process after a failure of `decode`.

        Returns:
            The exit status if the process had ended before; None if it hung or sent malformed messages, and was killed now.
        """
        has_closed = isinstance(error, EOFError | ConnectionError)
        try:
            return self._process.wait(_DEATH_WAIT_S if has_closed else 0)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.end()

    def _send(self, request: DecoderRequest) -> None:
        content = request.content
        head = {
            "container": request.container,
            "sample_rate_hz": request.sample_rate_hz,
            "max_clip_s": request.max_clip_s,
            "n_bytes": len(content) if isinstance(content, bytes) else None,
        }
        self._connection.send_bytes(json.dumps(head).encode())
        if isinstance(content, bytes):
            self._connection.send_bytes(content)
        else:
            socket.send_fds(self._socket, [b"\0"], [content])

    def _receive(self, call: Call) -> Float32 | tuple[AnswerWarning, ...]:
        """Receives the next block of samples, shape (N,); at the end of the clip, the warnings about the clip."""
        message = self._receive_bytes(call)
        if self.missing is None:
            reasons = json.loads(message)
            self.missing = {name: str(reasons[name])[:_MAX_REASON_CHARS] for name in PROTECTIONS if name in reasons}
            message = self._receive_bytes(call)
        if message.startswith(ERROR):
            name, data = json.loads(message[len(ERROR) :])
            error = _ERRORS[name](**data)
            str(error)  # raises an exception if the data do not fit the message
            raise error
        if message.startswith(END):
            return warnings_from_bytes(bytes(message[len(END) :]))
        return np.frombuffer(message, np.float32, offset=len(SAMPLES))

    def _receive_bytes(self, call: Call) -> bytearray:
        """Receives the next message.

        Raises:
            ValueError: If the message is too long.
        """
        while not self._readable.poll(1000 * _CALL_CHECK_S):
            call.check()
        (n_bytes,) = _LENGTH.unpack(self._receive_exactly(_LENGTH.size))
        if not 0 <= n_bytes <= MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {n_bytes} bytes; at most {MAX_MESSAGE_BYTES} are accepted")
        return self._receive_exactly(n_bytes)

    def _receive_exactly(self, n_bytes: int) -> bytearray:
        """Receives the next `n_bytes` bytes, in one system call unless the process hangs."""
        received, n_received = bytearray(n_bytes), 0
        with memoryview(received) as view:
            while n_received < n_bytes:
                n_new = self._socket.recv_into(view[n_received:], 0, socket.MSG_WAITALL)
                if n_new == 0:
                    raise EOFError
                n_received += n_new
        return received


@contextlib.contextmanager
def clip_content(clip: BinaryIO) -> Generator[bytes | int]:
    """The form in which a clip is sent to a process: the descriptor of a large clip that is a file, else its bytes.

    Args:
        clip: The upload, seekable.

    Yields:
        The bytes, or a descriptor, which is valid inside the `with` block. On Linux the descriptor cannot write.
    """
    n_bytes = clip.seek(0, os.SEEK_END)
    clip.seek(0)
    try:
        original = clip.fileno() if n_bytes > _MAX_COPIED_BYTES else None
    except UnsupportedOperation:  # the clip is in memory
        original = None
    if original is None:
        yield clip.read()
        return
    file = _reopen(original)
    try:
        yield file
    finally:
        os.close(file)


def _reopen(descriptor: int) -> int:
    """Opens a file again, for reading. Elsewhere than on Linux, where this is impossible, duplicates its descriptor."""
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return os.dup(descriptor)


def _start(socket_descriptor: int, clip_cpu_s: int) -> "subprocess.Popen[bytes]":
    # -P and PYTHONPATH: imports use the same paths as in this process, and never the working directory.
    arguments = ["-P", "-m", "service.engine.decoder_process", str(socket_descriptor), str(clip_cpu_s)]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment | _HEAP | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        pass_fds=[socket_descriptor],  # the process inherits no other descriptor
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches only the service, which then ends this process
    )


def _follow(process: "subprocess.Popen[bytes]", decoder_log: DecoderLog) -> threading.Thread:
    if process.stderr is None:
        raise ValueError("the standard error of a decoder is not a pipe")
    return decoder_log.follow(process.stderr, process.pid)
