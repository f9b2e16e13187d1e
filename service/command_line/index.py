"""The subcommand `earmark index`: adds recordings to a library, with progress on standard error."""

import argparse
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from service.command_line.counts import counted
from service.command_line.recording_localizers import MAX_CLIP_BYTES, MAX_CLIP_S, N_DECODERS
from service.core.manifest import PACKAGED_BUNDLE, read_manifest
from service.standard_streams import write_line

if TYPE_CHECKING:
    from service.engine.interface import EmbeddedClip
    from service.engine.options import EngineOptions
    from service.library.indexing import IndexReport
    from service.library.recording import Value
    from service.library.store import Library

    Metadata = Mapping[str, Mapping[str, Value]]
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage] - its only name

EXIT_SOME_REFUSED = 1
_LINE_EVERY_S = 30.0
_REDRAW_EVERY_S = 0.5
_PREFIX = "earmark: "


def add_index_parser(subparsers: "Subparsers") -> None:
    """Adds the subcommand, and sets `run` as the `run` of its parsed arguments."""
    parser = subparsers.add_parser(
        "index",
        help="add recordings to a library",
        description="Adds recordings that are new or have changed to a library, which is made if it does not exist. The "
        "command can be stopped at any time and started again. Its exit status is 1 if a recording was refused.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "library", metavar="LIBRARY", help="folder of the library, or a URI such as s3://bucket/library"
    )
    parser.add_argument(
        "recordings",
        nargs="+",
        metavar="RECORDINGS",
        help="a file, a folder with all its folders, or a pattern such as 'recordings/**/*.wav'",
    )
    parser.add_argument(
        "--metadata",
        type=Path,
        metavar="TABLE",
        help="CSV whose column path names recordings, relative to the table; its other columns become those of the library",
    )
    parser.add_argument(
        "--bundle", type=Path, default=PACKAGED_BUNDLE, metavar="DIR", help="model bundle (default: the packaged one)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="device that runs the audio encoder"
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="index on the Ray cluster at this address (auto: the cluster of this machine), with the extra ray; all nodes must "
        "see the recordings, the library and the bundle under the same paths",
    )


def run(args: argparse.Namespace) -> None:
    """Runs the subcommand.

    Raises:
        EarmarkError: If an argument, the table, the bundle or the library cannot be used.
        SystemExit: With status 1 if a recording was refused.
    """
    # these imports are slow, and the parser does not need them
    from service.library.files import find_files
    from service.library.metadata import read_metadata
    from service.library.recording import LibraryModel
    from service.library.store import open_or_create_library

    logging.getLogger("service").addHandler(logging.NullHandler())  # refusals are reported below
    paths = find_files(args.recordings, args.library)
    table = read_metadata(args.metadata) if args.metadata is not None else None
    library = open_or_create_library(args.library, LibraryModel.of(read_manifest(args.bundle)))
    metadata: Metadata = {}
    if args.metadata is not None:
        texts = [name for name, kind in library.metadata_columns().items() if kind is str]
        table = read_metadata(args.metadata, texts)
        library.add_metadata_columns(table.kinds, table.source)
        metadata = table.by_recording(paths)
    progress = ProgressLine(sum(map(_size, paths)))
    index = _index_here if args.ray is None else _index_on_cluster
    report = index(args, library, paths, metadata, progress)
    library.update_indexes()
    progress.end()
    if table is not None and len(metadata) < len(table.rows):
        n_unused = len(table.rows) - len(metadata)
        named = counted(n_unused, f"row of {table.source} names", f"rows of {table.source} name")
        write_line(sys.stderr, f"{_PREFIX}warning: {named} no recording of this command")
    _summarize(report, progress.elapsed_s)
    if report.refused:
        raise SystemExit(EXIT_SOME_REFUSED)


def _index_here(
    args: argparse.Namespace, library: "Library", paths: Sequence[str], metadata: "Metadata", progress: "ProgressLine"
) -> "IndexReport":
    """Indexes with the model in this process."""
    from service.engine.caching.tiers import memory_cache
    from service.engine.clip import Upload
    from service.engine.decoders import Decoders
    from service.engine.engine import open_engine
    from service.library.indexing import index_files

    with (
        closing(Decoders(N_DECODERS)) as decoders,
        closing(open_engine(args.bundle, _options(args), memory_cache(0), decoders.decode)) as engine,
    ):

        def embed(file: BinaryIO) -> "EmbeddedClip":
            return engine.embed(Upload(file))

        return index_files(library, paths, embed, metadata, progress)


def _index_on_cluster(
    args: argparse.Namespace, library: "Library", paths: Sequence[str], metadata: "Metadata", progress: "ProgressLine"
) -> "IndexReport":
    """Indexes on a Ray cluster."""
    from service.library.ray_index import connected, index_on_ray
    from service.library.ray_workers import IndexPlan
    from service.library.tables import is_object_store

    location = args.library if is_object_store(args.library) else str(Path(args.library).absolute())
    bundle = None if args.bundle == PACKAGED_BUNDLE else args.bundle.absolute()
    plan = IndexPlan(location, bundle, read_manifest(args.bundle), _options(args))
    with connected(args.ray):
        return index_on_ray(library, paths, plan, args.ray, metadata, progress)


def _options(args: argparse.Namespace) -> "EngineOptions":
    from service.engine.options import EngineOptions

    return EngineOptions(max_clip_s=MAX_CLIP_S, max_upload_bytes=MAX_CLIP_BYTES, cache_bytes=0, device=args.device)


def _summarize(report: "IndexReport", elapsed_s: float) -> None:
    skipped_files = counted(report.n_skipped, "file that is no recording", "files that are no recordings")
    skipped = f", {skipped_files} skipped" if report.n_skipped else ""
    write_line(
        sys.stdout,
        f"{counted(report.n_written, 'recording')} of {report.duration_s / 3600:.2f} h indexed in {elapsed_s:.0f} s, "
        f"{report.n_unchanged} unchanged, {len(report.refused)} refused{skipped}",
    )


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


class ProgressLine:
    """Progress on standard error: a line that is drawn again and again on a terminal, and now and then a line elsewhere.

    Args:
        total_bytes: Size of all files, from which the time left is estimated.
        stream: Where the progress is written; standard error if None.
    """

    def __init__(self, total_bytes: int, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total_bytes, self._done_bytes, self._duration_s = total_bytes, 0, 0.0
        self._began_s = self._shown_s = time.monotonic()
        self._is_terminal, self._drawn = self._stream.isatty(), 0

    @property
    def elapsed_s(self) -> float:
        """Time since the beginning, in seconds."""
        return time.monotonic() - self._began_s

    def advance(self, n_bytes: int, duration_s: float) -> None:
        """Counts a file, and shows the progress if some time has passed."""
        self._done_bytes += n_bytes
        self._duration_s += duration_s
        if time.monotonic() - self._shown_s >= (_REDRAW_EVERY_S if self._is_terminal else _LINE_EVERY_S):
            self._shown_s = time.monotonic()
            self._show(self.text())

    def refuse(self, path: str, reason: str) -> None:
        """Writes a line about a file that cannot be indexed."""
        self.end()
        write_line(self._stream, f"{_PREFIX}refused: {path}: {reason}")

    def end(self) -> None:
        """Ends the line that is drawn on a terminal."""
        if self._drawn:
            write_line(self._stream, "")
        self._drawn = 0

    def text(self) -> str:
        """Hours that are indexed, hours per second, and the estimated time left."""
        elapsed_s = max(self.elapsed_s, 1e-9)
        left_s = elapsed_s * (self._total_bytes - self._done_bytes) / max(self._done_bytes, 1)
        hours = self._duration_s / 3600
        return f"{hours:.2f} h indexed, {hours / elapsed_s:.3f} hours/s, about {max(left_s, 0):.0f} s left"

    def _show(self, text: str) -> None:
        if not self._is_terminal:
            write_line(self._stream, _PREFIX + text)
            return
        self._stream.write("\r" + (_PREFIX + text).ljust(self._drawn))
        self._stream.flush()
        self._drawn = len(_PREFIX + text)
