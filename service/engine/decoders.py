"""Clips are decoded in processes of their own: what crashes, hangs or eats memory there costs one clip and not the service."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from io import UnsupportedOperation
from multiprocessing.connection import Connection
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import AudioError, AudioUndecodable
from service.engine.call import Call
from service.engine.containers import identify
from service.engine.decoder_process import ERROR

Float32 = NDArray[np.float32]

log = logging.getLogger(__name__)

_SENT_BYTES = 1 << 20  # larger ones that are files are passed as such
_LOOK_S = 0.25  # so often a call is asked whether it is still wanted
_PATIENCE_S = 0.2  # one more is started when none has come free for so long
_GRACE_S = 5.0
_ERRORS = {kind.__name__: kind for kind in AudioError.__subclasses__()}


class Decoders:
    """Keeps decoding processes ready; safe to use from several threads."""

    def __init__(self, n_ready: int) -> None:
        """Starts `n_ready` processes; more are started while all are busy, for example with long clips."""
        self._n_ready = n_ready
        self._changed = threading.Condition()
        self._idle = [_Process() for _ in range(n_ready)]
        self._last_change_s = time.monotonic()
        self._closed = False

    def decode(self, clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> Generator[Float32]:
        """Decodes a clip as `service.engine.decoding.decode` does, for as long as the call is wanted.

        Raises:
            AudioError: If the clip cannot be used; `AudioUndecodable` also if the process came to its end.
            CallAbandoned, DeadlineExceeded: If the call is not wanted any longer.
        """
        container = identify(clip)
        process = self._take(call)
        try:
            process.send(clip, sample_rate_hz, max_clip_s)
            while (block := process.receive(call)) is not None:
                yield block
        except AudioError:
            self._give_back(process)
            raise
        except (EOFError, OSError, ValueError, LookupError, TypeError) as error:  # or it says what it should not
            log.warning("a decoder ended", extra={"container": container, "exit_status": process.end()})
            raise AudioUndecodable(container, "its decoder crashed or took too much memory") from error
        except BaseException:
            process.end()
            raise
        self._give_back(process)

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
        return _Process()

    def _free(self) -> "_Process | None":
        """A process that is free, or another when none has come free for long; None to be asked again."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle, _PATIENCE_S)
            if self._idle:
                return self._idle.pop()
            if time.monotonic() - self._last_change_s < _PATIENCE_S:
                return None
            self._last_change_s = time.monotonic()
        return _Process()

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

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "service.engine.decoder_process", str(theirs.fileno())]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("EARMARK_")
        }  # no secrets
        self._process = subprocess.Popen(
            command,
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the service, which ends it
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, clip: BinaryIO, sample_rate_hz: int, max_clip_s: float) -> None:
        """Sends a clip: its file if it is large and has one, else its bytes."""
        n_bytes = clip.seek(0, os.SEEK_END)
        clip.seek(0)
        file = _file_of(clip) if n_bytes > _SENT_BYTES else None
        asked = {
            "sample_rate_hz": sample_rate_hz,
            "max_clip_s": max_clip_s,
            "n_bytes": n_bytes if file is None else None,
        }
        self._connection.send_bytes(json.dumps(asked).encode())
        if file is None:
            self._connection.send_bytes(clip.read())
        else:
            with socket.socket(fileno=os.dup(self._connection.fileno())) as passing:
                socket.send_fds(passing, [b"\0"], [file])

    def receive(self, call: Call) -> Float32 | None:
        """The next block of samples, shape (N,); None at the end.

        Raises:
            AudioError: If the clip cannot be used.
            CallAbandoned, DeadlineExceeded: If the call is not wanted any longer.
            EOFError, OSError: If the process ended.
        """
        while not self._connection.poll(_LOOK_S):
            call.check()
        message = self._connection.recv_bytes()
        if message[:1] == ERROR:
            name, data = json.loads(message[1:])
            raise _ERRORS[name](**data)
        return np.frombuffer(message, np.float32, offset=1) if message else None

    def end(self) -> int:
        """Ends the process, whatever it does, and gives its exit status."""
        self._connection.close()
        self._process.kill()
        return self._process.wait(_GRACE_S)


def _file_of(clip: BinaryIO) -> int | None:
    try:
        return clip.fileno()
    except UnsupportedOperation:  # it is in memory
        return None
