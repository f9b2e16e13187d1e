"""Reading of rows of blocks by their addresses in the table, which takes about half as long as a query for their ids.

The addresses are known for one version of the table, as runs of consecutive blocks: 32 bytes for a recording of any length. They
are read from the table when queries for ids, which need no addresses, have taken as long as reading the addresses will take. So a
program that searches once never reads them, and a library that changes all the time costs at most twice the time of the better of
the two ways.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.library.tables import FRAMES, Tables, all_rows, number_list

Int64 = NDArray[np.int64]

_COLUMNS = ["block_id", "crc32", "frames"]
_ADDRESS_S = 1e-7
"""Assumed time to read the address of a block, in seconds, until it is measured for the library."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockAddresses:
    """Where the blocks of a table are, as R runs of consecutive blocks in consecutive rows.

    Attributes:
        first_ids: Id of the first block of each run, sorted, shape (R,).
        end_ids: Id after the last block of each run, shape (R,).
        first_rows: Address of the first block of each run, shape (R,).
    """

    first_ids: Int64
    end_ids: Int64
    first_rows: Int64

    @classmethod
    def of_table(cls, table: Any) -> "BlockAddresses":
        """Reads the addresses of all blocks of a table."""
        runs = list(_runs(table))
        first_ids, end_ids, first_rows = np.concatenate([np.empty((3, 0), np.int64), *runs], axis=1)
        order = np.argsort(first_ids)
        return cls(first_ids[order], end_ids[order], first_rows[order])

    def rows_of(self, ids: Int64) -> Int64:
        """Addresses of the blocks that exist among those with these ids, shape (N,)."""
        if not len(self.first_ids):
            return np.empty(0, np.int64)
        runs = np.maximum(np.searchsorted(self.first_ids, ids, side="right") - 1, 0)
        exist = (self.first_ids[runs] <= ids) & (ids < self.end_ids[runs])
        return (self.first_rows[runs] + ids - self.first_ids[runs])[exist]


def _runs(table: Any) -> Iterator[Int64]:
    """The runs of each batch of rows: first ids, end ids and first rows, shape (3, R)."""
    for batch in all_rows(table).select(["block_id", "_rowid"]).to_batches():
        ids, rows = (batch[name].to_numpy().astype(np.int64, copy=False) for name in ("block_id", "_rowid"))
        if len(ids):
            breaks = np.flatnonzero((np.diff(ids) != 1) | (np.diff(rows) != 1))
            first, last = np.append(0, breaks + 1), np.append(breaks, len(ids) - 1)
            yield np.stack([ids[first], ids[last] + 1, rows[first]])


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """The addresses at a version of the table, and the table at that version."""

    version: int
    table: Any
    addresses: BlockAddresses


class BlockRows:
    """Reads rows of blocks; safe to use from several threads.

    Args:
        tables: The open tables.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: _Known | None = None
        self._lock = threading.Lock()
        self._queried_s = 0.0
        self._cost_s = 0.0

    def read(self, ids: Int64) -> Any:
        """Rows of the blocks that exist among those with distinct ids: an Arrow table of ids, checksums and contents."""
        table, known = self._tables.frames, self._known
        version = table.version
        if known is None or known.version != version:
            known = self._renewed(version) or known
        if known is not None and known.version == version:
            rows = known.addresses.rows_of(ids)
            if len(rows):
                return known.table.take_row_ids(np.sort(rows).tolist()).select(_COLUMNS).to_arrow()
        began_s = time.perf_counter()
        query = table.search().where(f"block_id IN {number_list(ids.tolist())}").select(_COLUMNS)
        found = query.limit(2 * len(ids)).to_arrow()
        self._queried_s += time.perf_counter() - began_s
        return found

    def _renewed(self, version: int) -> _Known | None:
        """Reads the addresses at a version, if that is worth its time and no other thread does it."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._known is None:
                self._cost_s = _ADDRESS_S * self._tables.frames.count_rows()
            if self._queried_s < self._cost_s:
                return None
            began_s = time.perf_counter()
            table = self._tables.open_at(FRAMES, version)
            self._known = _Known(version, table, BlockAddresses.of_table(table))
            self._queried_s, self._cost_s = 0.0, time.perf_counter() - began_s
            return self._known
        finally:
            self._lock.release()
