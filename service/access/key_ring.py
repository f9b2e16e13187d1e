"""The keys that are valid now, and their replacement when the keys file changes."""

import logging
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from service.access.keys import ApiKey, hash_of, read_keys
from service.core.start_errors import KeysFileInvalid

MAX_KEY_BYTES = 256
"""Longest text that is looked up as a key, in bytes; longer texts are not hashed."""

_CLOSE_WITHIN_S = 1.0

log = logging.getLogger(__name__)


class KeyRing:
    """The valid keys, read from a keys file; may be used from any thread.

    Args:
        path: The keys file.

    Raises:
        KeysFileInvalid: If the file cannot be read or used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_stale = False
        self._set(read_keys(path))

    def find(self, key: bytes) -> ApiKey | None:
        """The record of a key, or None if the key is not known.

        The lookup by hash takes a time that depends on the hash of the received text. An attacker cannot use this time:
        to come closer to the hash of a valid key, a text with a chosen hash would be needed, and SHA-256 gives none.
        """
        return self._by_hash.get(hash_of(key)) if len(key) <= MAX_KEY_BYTES else None

    @property
    def names(self) -> frozenset[str]:
        """Names of the valid keys."""
        return self._names

    def reload(self) -> None:
        """Reads the file again; if the file is broken, the keys stay, and the log and `degraded` say so."""
        try:
            self._set(read_keys(self._path))
        except KeysFileInvalid as error:
            self._is_stale = True
            log.error("the keys file cannot be used; the keys stay as they were", extra={"reason": str(error)})
        else:
            self._is_stale = False
            log.info("the keys were read again", extra={"n_keys": len(self._names)})

    def degraded(self) -> list[str]:
        """["keys-file"] if the last reading of the file failed."""
        return ["keys-file"] if self._is_stale else []

    def _set(self, keys: dict[str, ApiKey]) -> None:
        if not keys:
            log.warning("the keys file has no key, so every request that needs a key is refused")
        self._by_hash = {key.sha256: key for key in keys.values()}
        self._names = frozenset(keys)


class Reloads:
    """Reads the keys again at each SIGHUP, in a thread of its own.

    The handler of the signal only puts a token into a queue: a handler may interrupt any code, also code that holds a
    lock of the log. `SimpleQueue.put` is reentrant, so signals may also interrupt each other.

    Made before the keys are read for the first time, so that no change of the file is missed.
    """

    def __init__(self) -> None:
        self._requests: SimpleQueue[bool] = SimpleQueue()
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._requests.put(True))

    @contextmanager
    def calling(self, reload: Callable[[], None]) -> Generator[None]:
        """Calls a function at each signal until the end of the block, and for signals before the block once each."""
        thread = threading.Thread(target=self._run, args=[reload], name="keys-reload", daemon=True)
        thread.start()
        try:
            yield
        finally:
            # Python's finalization restores the default of other handlers, and a late signal would then kill the process.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            self._requests.put(False)
            thread.join(_CLOSE_WITHIN_S)

    def _run(self, reload: Callable[[], None]) -> None:
        while self._requests.get():
            try:
                reload()
            except Exception:
                log.exception("the keys cannot be read again; the next signal is another attempt")
