"""An append-only JSON Lines file: what was reached, kept through any interruption."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """A list of entries and the file in which they stand; several threads may add, but only one process.

    Raises:
        ValueError: a line of the file is not a JSON object.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self.entries = self._read() if file.exists() else []

    def _read(self) -> list[dict[str, Any]]:
        whole = self.file.read_bytes()
        if not whole.endswith(b"\n"):  # an entry that an interruption cut short
            whole = whole[: whole.rfind(b"\n") + 1]
            with self.file.open("r+b") as file:
                file.truncate(len(whole))
        return [self._entry(number, line) for number, line in enumerate(whole.splitlines(), start=1)]

    def _entry(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{self.file}, line {number}: {error}; a JSON object is accepted") from error
        if not isinstance(entry, dict):
            raise ValueError(f"{self.file}, line {number}: {entry!r}; a JSON object is accepted")
        return entry

    def add(self, entry: Mapping[str, Any]) -> None:
        """Adds an entry, and has it in the file before it returns."""
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock:
            with self.file.open("a", encoding="utf-8", newline="\n") as file:
                file.write(line)
            self.entries.append(json.loads(line))
