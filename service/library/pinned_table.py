"""A table at its latest version, which stays as it is while it is read.

Addresses of rows hold for one version of a table only. So what a search reads by address, it reads from a table that is pinned to
the version from which the addresses come.
"""

import threading
from typing import Any

from service.library.tables import Tables


class PinnedTable:
    """Opens a table anew when it has a new version; safe to use from several threads.

    Args:
        tables: The open tables.
        name: Name of the table.
    """

    def __init__(self, tables: Tables, name: str) -> None:
        self._tables, self._name = tables, name
        self._pinned: tuple[int, Any] | None = None
        self._lock = threading.Lock()

    def latest(self) -> Any:
        """The table at its latest version."""
        version = self._tables.version(self._name)
        pinned = self._pinned
        if pinned is None or pinned[0] != version:
            with self._lock:
                pinned = self._pinned
                if pinned is None or pinned[0] != version:
                    self._pinned = pinned = (version, self._tables.open_at(self._name, version))
        return pinned[1]
