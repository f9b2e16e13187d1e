"""Opens what decides about access: the keys, their limits, and the counters of the limits."""

from pathlib import Path

from service.access.counters import Counters
from service.access.key_limits import KeyLimits
from service.access.key_ring import KeyRing


class Access:
    """Who may use the service, and how much.

    Args:
        keys: The valid keys; None if everybody may use the service, without limits.
        limits: The limits of the keys.

    Attributes:
        keys: As given.
        limits: As given.
    """

    def __init__(self, keys: KeyRing | None, limits: KeyLimits) -> None:
        self.keys, self.limits = keys, limits

    @property
    def key_names(self) -> frozenset[str]:
        """Names of the valid keys."""
        return frozenset() if self.keys is None else self.keys.names

    def reload(self) -> None:
        """Reads the keys file again; may be called from any thread."""
        if self.keys is not None:
            self.keys.reload()
            self.limits.forget(self.keys.names)

    def degraded(self) -> list[str]:
        """["keys-file"] if the last reading of the keys file failed, otherwise an empty list."""
        return [] if self.keys is None else self.keys.degraded()


def open_access(keys_file: Path | None, redis_url: str | None = None) -> Access:
    """Reads the keys.

    Args:
        keys_file: The keys file; None if everybody may use the service.
        redis_url: URL of a Redis that replicas share; None to count in the memory of this process.

    Raises:
        KeysFileInvalid: If the file cannot be read or used.
    """
    return Access(None if keys_file is None else KeyRing(keys_file), KeyLimits(Counters(redis_url)))
