"""Indexing of files: new and changed files are embedded side by side and committed in batches."""

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Protocol

from service.core.errors import AudioError, DecoderLost, UnsupportedAudio
from service.engine.clip_warnings import warnings_to_bytes
from service.engine.interface import EmbeddedClip
from service.library.files import id_of_path, is_named_like_audio
from service.library.recording import Recording, Value
from service.library.store import Library, NewRecording

BATCH_FRAMES = 150_000
BATCH_RECORDINGS = 256
BATCH_S = 15.0
"""A batch is committed when it has so many frames or recordings, or is so old, so a kill loses little work."""
N_WORKERS = 4
"""Recordings that are decoded and embedded at the same time, so that the windows of several fill a batch of the model."""

Embed = Callable[[BinaryIO], EmbeddedClip]


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


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a file: a recording, or the reason of a refusal."""

    path: str
    n_bytes: int = 0
    new: NewRecording | None = None
    reason: str = ""
    is_no_recording: bool = False


def index_files(
    library: Library,
    paths: Sequence[str],
    embed: Embed,
    metadata: Mapping[str, Mapping[str, Value]],
    progress: Progress,
) -> IndexReport:
    """Indexes the files that are new or have changed.

    A file has changed if its size or the time of its last change has. Files whose content or metadata has not changed are
    not embedded again.

    Args:
        library: The library, which has the columns of the metadata already.
        paths: Absolute paths of the files.
        embed: Embeds a recording; called from several threads.
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
    batch = _Batch(library, report)
    with ThreadPoolExecutor(N_WORKERS, "index") as workers:
        for outcome in _in_order(workers, lambda path: _embed_file(path, embed), pending):
            if outcome.new is not None:
                old = known.get(outcome.path)
                values = {**(old.metadata if old else {}), **metadata.get(outcome.path, {})}
                batch.add(NewRecording(replace(outcome.new.row, metadata=values), outcome.new.embedding))
            elif outcome.is_no_recording:
                report.n_skipped += 1
            else:
                report.refused[outcome.path] = outcome.reason
                progress.refuse(outcome.path, outcome.reason)
            progress.advance(outcome.n_bytes, outcome.new.row.duration_s if outcome.new else 0.0)
    batch.commit()
    return report


@dataclass(slots=True)
class _Batch:
    """Recordings that are embedded and not yet in the library."""

    library: Library
    report: IndexReport
    items: list[NewRecording] = field(default_factory=list[NewRecording])
    n_frames: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def add(self, item: NewRecording) -> None:
        self.items.append(item)
        self.n_frames += item.row.n_frames
        is_old = time.monotonic() - self.began_s > BATCH_S
        if is_old or self.n_frames >= BATCH_FRAMES or len(self.items) >= BATCH_RECORDINGS:
            self.commit()

    def commit(self) -> None:
        if self.items:
            self.library.add(self.items)
            self.report.n_written += len(self.items)
            self.report.duration_s += sum(item.row.duration_s for item in self.items)
        self.items, self.n_frames, self.began_s = [], 0, time.monotonic()


def _in_order(workers: ThreadPoolExecutor, work: Callable[[str], _Outcome], paths: Sequence[str]) -> Iterator[_Outcome]:
    """Does the work for each path in the workers, a bounded number ahead; yields the outcomes in order.

    If the caller stops, work that has not begun is given up.
    """
    waiting: deque[Future[_Outcome]] = deque()
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


def _embed_file(path: str, embed: Embed) -> _Outcome:
    n_bytes = 0
    try:
        path.encode()
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return _Outcome(path, reason="not a regular file")
            n_bytes = status.st_size
            clip = embed(file)
    except UnicodeEncodeError:
        return _Outcome(path.encode(errors="replace").decode(), reason="its name is not UTF-8")
    except UnsupportedAudio as error:
        return _Outcome(path, n_bytes, reason=error.message, is_no_recording=not is_named_like_audio(path))
    except (AudioError, DecoderLost) as error:
        return _Outcome(path, n_bytes, reason=error.message)
    except OSError as error:
        return _Outcome(path, n_bytes, reason=error.strerror or str(error))
    embedding = clip.embedding
    row = Recording(
        id=id_of_path(path),
        path=path,
        clip_id=clip.clip_id,
        n_bytes=n_bytes,
        modified_ns=status.st_mtime_ns,
        duration_s=embedding.duration_s,
        n_frames=len(embedding.stored),
        generation=0,
        warnings=warnings_to_bytes(embedding.warnings).decode(),
    )
    return _Outcome(path, n_bytes, NewRecording(row, embedding))


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens a file; a named pipe without a writer does not block."""
    return os.open(path, flags | os.O_NONBLOCK)


def _size_and_time(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
