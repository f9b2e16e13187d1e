"""An append-only JSON Lines file that keeps results through interruptions."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """A list of entries and the file that stores them. Several threads of one process may add entries, not several processes.

    Attributes:
        file: the JSON Lines file, which is created with the first entry.
        entries: all entries, including those of earlier runs.

    Raises:
        ValueError: A line of the file is not a JSON object.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self.entries = self._read() if file.exists() else []

    def _read(self) -> list[dict[str, Any]]:
        content = self.file.read_bytes()
        if not content.endswith(b"\n"):  # an interruption cut the last entry short
            content = content[: content.rfind(b"\n") + 1]
            with self.file.open("r+b") as file:
                file.truncate(len(content))
        return [self._parse(number, line) for number, line in enumerate(content.splitlines(), start=1)]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{self.file}, line {number}: {error}; a JSON object is accepted") from error
        if not isinstance(entry, dict):
            raise ValueError(f"{self.file}, line {number}: {entry!r}; a JSON object is accepted")
        return entry

    def add(self, entry: Mapping[str, Any]) -> None:
        """Adds an entry, and writes it to the file before returning."""
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock:
            with self.file.open("a", encoding="utf-8", newline="\n") as file:
                file.write(line)
            self.entries.append(json.loads(line))
