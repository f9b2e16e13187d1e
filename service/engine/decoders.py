"""Clips are decoded in processes of their own: what crashes, hangs or eats memory there costs one clip and not the service."""

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
from collections.abc import Generator
from io import BytesIO, UnsupportedOperation
from multiprocessing.connection import Connection
from typing import BinaryIO

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs] - it ships none
from numpy.typing import NDArray

from service.core.errors import AudioError, AudioUndecodable, DeadlineExceeded, DecoderUnavailable
from service.engine.call import Call
from service.engine.containers import identify
from service.engine.decoder_process import ERROR, MAX_MESSAGE_BYTES, SAMPLES

Float32 = NDArray[np.float32]

log = logging.getLogger(__name__)

_SENT_BYTES = 1 << 20  # larger ones that are files are passed as such
_LOOK_S = 0.25  # so often a call is asked whether it is still wanted
_PATIENCE_S = 0.2  # one more is started when none has come free for so long
_GRACE_S = 5.0
_CHECK_S = 60.0
_CHECK_RATE_HZ = 8_000
_ERRORS = {kind.__name__: kind for kind in AudioError.__subclasses__()}


class Decoders:
    """Keeps decoding processes ready; safe to use from several threads."""

    def __init__(self, n_ready: int, hangs_s: int = 10) -> None:
        """Starts processes; more are started while all are busy, for example with long clips.

        Args:
            n_ready: How many are kept ready.
            hangs_s: One that stops within a message is ended after this time, in seconds.
        """
        self._n_ready, self._hangs_s = n_ready, hangs_s
        self._changed = threading.Condition()
        self._idle = [self._new() for _ in range(n_ready)]
        self._last_change_s = time.monotonic()
        self._closed = False

    def decode(self, clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> Generator[Float32]:
        """Decodes a clip as `service.engine.decoding.decode` does, for as long as the call is wanted.

        Raises:
            AudioError: If the clip cannot be used; `AudioUndecodable` also if the process came to its end.
            CallAbandoned, DeadlineExceeded: If the call is not wanted any longer.
        """
        container, sent = identify(clip), _sent(clip)
        process = self._take(call)
        try:
            process.send(sent, sample_rate_hz, max_clip_s)
            while (block := process.receive(call)) is not None:
                yield block
        except AudioError:
            raise
        except (EOFError, OSError, ValueError, LookupError, TypeError) as error:  # or it says what it should not
            log.warning("a decoder ended", extra={"container": container, "exit_status": process.end()})
            process = self._new()
            raise AudioUndecodable(container, "its decoder crashed or took too much memory") from error
        except BaseException:
            process.end()
            process = self._new()
            raise
        finally:
            self._give_back(process)

    def check(self) -> None:
        """Decodes a second of silence.

        Raises:
            DecoderUnavailable: If that does not work.
        """
        silence = BytesIO()
        soundfile.write(silence, np.zeros(_CHECK_RATE_HZ), _CHECK_RATE_HZ, format="WAV")
        try:
            list(self.decode(silence, _CHECK_RATE_HZ, 2, Call(_CHECK_S)))
        except (AudioError, DeadlineExceeded) as error:
            raise DecoderUnavailable(error.message) from error

    def close(self) -> None:
        """Ends all processes; those that still decode when they are done."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _take(self, call: Call) -> "_Process":
        while not (process := self._free()):
            call.check()
        if process.is_alive:
            return process
        process.end()  # somebody killed it
        return self._new()

    def _free(self) -> "_Process | None":
        """A process that is free, or another when none has come free for long; None to be asked again."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle, _PATIENCE_S)
            if self._idle:
                return self._idle.pop()
            if time.monotonic() - self._last_change_s < _PATIENCE_S:
                return None
            self._last_change_s = time.monotonic()
        return self._new()

    def _new(self) -> "_Process":
        return _Process(self._hangs_s)

    def _give_back(self, process: "_Process") -> None:
        with self._changed:
            self._last_change_s = time.monotonic()
            if not self._closed and len(self._idle) < self._n_ready:
                self._idle.append(process)
                self._changed.notify()
                return
        process.end()


class _Process:
    """One process and the socket to it."""

    def __init__(self, hangs_s: int) -> None:
        ours, theirs = socket.socketpair()
        for timeout in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # of one write or read: it may hang in a message
            ours.setsockopt(socket.SOL_SOCKET, timeout, struct.pack("ll", hangs_s, 0))
        # Not the working directory's modules: -P, and what this process imports from.
        command = [sys.executable, "-P", "-m", "service.engine.decoder_process", str(theirs.fileno())]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")}
        self._process = subprocess.Popen(
            command,
            env=environment | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the service, which ends it
        )
        theirs.close()
        self._socket = ours
        self._connection = Connection(os.dup(ours.fileno()))

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, sent: bytes | int, sample_rate_hz: int, max_clip_s: float) -> None:
        """Sends a clip, its bytes or its file's descriptor."""
        n_bytes = len(sent) if isinstance(sent, bytes) else None
        asked = {"sample_rate_hz": sample_rate_hz, "max_clip_s": max_clip_s, "n_bytes": n_bytes}
        self._connection.send_bytes(json.dumps(asked).encode())
        if isinstance(sent, bytes):
            self._connection.send_bytes(sent)
        else:
            socket.send_fds(self._socket, [b"\0"], [sent])

    def receive(self, call: Call) -> Float32 | None:
        """The next block of samples, shape (N,); None at the end.

        Raises:
            AudioError: If the clip cannot be used.
            CallAbandoned, DeadlineExceeded: If the call is not wanted any longer.
            EOFError, OSError, ValueError, LookupError, TypeError: If the process ended, hangs, or says what it should not.
        """
        while not self._connection.poll(_LOOK_S):
            call.check()
        message = self._connection.recv_bytes(MAX_MESSAGE_BYTES)
        if message[: len(ERROR)] == ERROR:
            name, data = json.loads(message[len(ERROR) :])
            raise _ERRORS[name](**data)
        return np.frombuffer(message, np.float32, offset=len(SAMPLES)) if message else None

    def end(self) -> int:
        """Ends the process, whatever it does, and gives its exit status."""
        self._connection.close()
        self._socket.close()
        self._process.kill()
        return self._process.wait(_GRACE_S)


def _sent(clip: BinaryIO) -> bytes | int:
    """What a clip is sent as: the descriptor of its file if it is large and has one, else its bytes."""
    n_bytes = clip.seek(0, os.SEEK_END)
    clip.seek(0)
    if n_bytes > _SENT_BYTES:
        with contextlib.suppress(UnsupportedOperation):  # it is in memory
            return clip.fileno()
    return clip.read()
