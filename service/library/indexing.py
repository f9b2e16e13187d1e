"""Indexing of files: new and changed files are embedded side by side and committed in batches."""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Generic, Protocol

from service.engine.interface import EmbeddedClip
from service.library.file_outcomes import Item, Outcome, outcome_of, recording_of
from service.library.recording import Recording, Value
from service.library.store import Library, NewRecording

BATCH_FRAMES = 150_000
BATCH_RECORDINGS = 256
BATCH_S = 15.0
"""A batch is committed when it has this many frames or recordings, or is this old, so that a kill loses little work."""
N_WORKERS = 4
"""Recordings that are decoded and embedded at the same time, so that the windows of several fill a batch of the model."""

Embed = Callable[[BinaryIO], EmbeddedClip]


@dataclass(frozen=True, slots=True)
class Source(Generic[Item]):
    """Where the recordings of an indexing come from.

    Attributes:
        embed: Embeds files, given their paths; a generator of groups of outcomes, in any order.
        add: Adds recordings to the library; the recordings of a group come in the same call.
    """

    embed: Callable[[Sequence[str]], Generator[list[Outcome[Item]]]]
    add: Callable[[Sequence[Item]], object]


class Progress(Protocol):
    """Receives how far the indexing has come."""

    def advance(self, n_bytes: int, duration_s: float) -> None:
        """Called after each file, with its size and the length of its recording, which is 0 if the file was refused."""
        ...

    def refuse(self, path: str, reason: str) -> None:
        """Called for each file that cannot be indexed."""
        ...


@dataclass(slots=True)
class IndexReport:
    """What an indexing has done.

    Attributes:
        n_written: Number of recordings that were added or replaced.
        n_unchanged: Number of files whose recordings were in the library already.
        n_skipped: Number of files that are no recordings.
        duration_s: Total length of the recordings that were written, in seconds.
        refused: Reason for each file that cannot be indexed, by path.
    """

    n_written: int = 0
    n_unchanged: int = 0
    n_skipped: int = 0
    duration_s: float = 0.0
    refused: dict[str, str] = field(default_factory=dict[str, str])


def index_files(
    library: Library,
    paths: Sequence[str],
    embed: Embed,
    metadata: Mapping[str, Mapping[str, Value]],
    progress: Progress,
) -> IndexReport:
    """Indexes the files that are new or have changed, with several threads of this process.

    Args:
        library: The library, which has the columns of the metadata already.
        paths: Absolute paths of the files.
        embed: Embeds a recording; called from several threads.
        metadata: Values of columns by path; see `index_outcomes`.
        progress: Receives how far the indexing has come.
    """

    def outcomes(pending: Sequence[str]) -> Generator[list[Outcome[NewRecording]]]:
        with ThreadPoolExecutor(N_WORKERS, "index") as workers:
            for outcome in _in_order(workers, lambda path: embed_file(path, embed), pending):
                yield [outcome]

    return index_outcomes(library, paths, Source(outcomes, library.add), metadata, progress)


def index_outcomes(
    library: Library,
    paths: Sequence[str],
    source: Source[Item],
    metadata: Mapping[str, Mapping[str, Value]],
    progress: Progress,
) -> IndexReport:
    """Indexes the files that are new or have changed.

    A file has changed if its size or the time of its last change has. Files whose content or metadata has not changed are
    not embedded again.

    Args:
        library: The library, which has the columns of the metadata already.
        paths: Absolute paths of the files.
        source: Embeds files, and adds their recordings to the library.
        metadata: Values of columns by path. A recording without values keeps those that it has.
        progress: Receives how far the indexing has come.
    """
    report = IndexReport()
    known = {row.path: row for row in map(Recording.of_row, library.recordings().to_pylist()) if row.path}
    pending: list[str] = []
    updates: list[Recording] = []
    for path in paths:
        row = known.get(path)
        if row is None or _size_and_time(path) != (row.n_bytes, row.modified_ns):
            pending.append(path)
            continue
        report.n_unchanged += 1
        merged = {**row.metadata, **metadata.get(path, {})}
        if merged != row.metadata:
            updates.append(replace(row, metadata=merged))
    library.update(updates)
    batch: _Batch[Item] = _Batch(source.add, report)
    with closing(source.embed(pending)) as groups:
        for group in groups:
            items: list[Item] = []
            for outcome in group:
                if outcome.item is not None:
                    old = known.get(outcome.path)
                    values = {**(old.metadata if old else {}), **metadata.get(outcome.path, {})}
                    items.append(outcome.item.with_row(replace(outcome.item.row, metadata=values)))
                elif outcome.is_no_recording:
                    report.n_skipped += 1
                else:
                    report.refused[outcome.path] = outcome.reason
                    progress.refuse(outcome.path, outcome.reason)
                progress.advance(outcome.n_bytes, outcome.item.row.duration_s if outcome.item else 0.0)
            batch.add(items)
    batch.commit()
    return report


@dataclass(slots=True)
class _Batch(Generic[Item]):
    """Recordings that are embedded and not yet in the library; those of a group are committed together."""

    add_to_library: Callable[[Sequence[Item]], object]
    report: IndexReport
    items: list[Item] = field(default_factory=list[Item])
    n_frames: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def add(self, items: Sequence[Item]) -> None:
        self.items += items
        self.n_frames += sum(item.row.n_frames for item in items)
        is_old = time.monotonic() - self.began_s > BATCH_S
        if is_old or self.n_frames >= BATCH_FRAMES or len(self.items) >= BATCH_RECORDINGS:
            self.commit()

    def commit(self) -> None:
        if self.items:
            self.add_to_library(self.items)
            self.report.n_written += len(self.items)
            self.report.duration_s += sum(item.row.duration_s for item in self.items)
        self.items, self.n_frames, self.began_s = [], 0, time.monotonic()


def _in_order(
    workers: ThreadPoolExecutor, work: Callable[[str], Outcome[Item]], paths: Sequence[str]
) -> Iterator[Outcome[Item]]:
    """Does the work for each path in the workers, a bounded number ahead; yields the outcomes in order.

    If the caller stops, work that has not begun is given up.
    """
    waiting: deque[Future[Outcome[Item]]] = deque()
    try:
        for path in paths:
            waiting.append(workers.submit(work, path))
            if len(waiting) > 2 * N_WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def embed_file(path: str, embed: Embed) -> Outcome[NewRecording]:
    """Embeds a file; what is wrong with the file becomes the reason of a refusal."""

    def work(file: BinaryIO, status: os.stat_result) -> NewRecording:
        clip = embed(file)
        return NewRecording(recording_of(path, status, clip.clip_id, clip.embedding), clip.embedding)

    return outcome_of(path, work)


def _size_and_time(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
