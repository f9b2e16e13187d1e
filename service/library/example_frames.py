"""Frames for queries by example: stretches of recordings of a library, and background frames from all of it."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.errors import ParameterInvalid
from service.core.example_spec import MAX_EXAMPLES, ExampleSpec, parse_example
from service.core.examples import ExampleFrames, learn_query
from service.core.manifest import Manifest
from service.core.scoring import EncodedQueries
from service.engine.clip_embedding import ClipEmbedding
from service.library.frame_blocks import BLOCK_FRAMES
from service.library.frame_reader import BlockRange, read_ranges
from service.library.recording import Recording
from service.library.snapshot import Snapshot
from service.library.store import Library

Float32 = NDArray[np.float32]
Find = Callable[[str], Recording | ClipEmbedding]
"""Finds the recording that an example names; raises an `EarmarkError` if there is none."""

BACKGROUND_BLOCKS = 192
BACKGROUND_STRIDE = 8
"""Distance between the background frames of a block, in frames; neighbouring frames are much alike."""


class Background:
    """Background frames of a library, which are drawn again after the library has changed. Safe to use from several threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._drawn: tuple[Snapshot, Float32] | None = None
        self._lock = threading.Lock()

    def frames(self, snapshot: Snapshot) -> Float32:
        """Frames from blocks that are drawn from all recordings, the same ones for the same recordings, shape (B, D)."""
        with self._lock:
            drawn = self._drawn
        if drawn is not None and drawn[0] is snapshot:
            return drawn[1]
        frames = self._draw(snapshot)
        with self._lock:
            self._drawn = snapshot, frames
        return frames

    def _draw(self, snapshot: Snapshot) -> Float32:
        blocks = -(-snapshot.n_frames // BLOCK_FRAMES)  # (R,)
        ends = np.cumsum(blocks)
        if not len(ends):
            return np.zeros((0, self._library.model.dimension), np.float32)
        drawn = np.random.default_rng(0).choice(int(ends[-1]), min(BACKGROUND_BLOCKS, int(ends[-1])), replace=False)
        rows = np.searchsorted(ends, drawn, side="right")
        ranges = [
            BlockRange(int(snapshot.generations[row]), int(snapshot.n_frames[row]), number, number + 1)
            for row, number in zip(rows.tolist(), (drawn - ends[rows] + blocks[rows]).tolist(), strict=True)
        ]
        parts = [part[::BACKGROUND_STRIDE] for part in read_ranges(self._library, ranges).values() if part is not None]
        if not parts:
            return np.zeros((0, self._library.model.dimension), np.float32)
        return np.concatenate(parts).astype(np.float32)


def stretch_frames(name: str, text: str, find: Find, manifest: Manifest, library: Library | None) -> Float32:
    """The frames of an example, shape (F, D).

    Args:
        name: Name of the parameter, for messages.
        text: The example; see `service.core.example_spec`.
        find: Finds the recording.
        manifest: The manifest of the model.
        library: The library of the recordings that `find` finds in it.

    Raises:
        ParameterInvalid: If the example has another form, or ends after the recording.
        LibraryDamaged: If the frames cannot be read.
    """
    spec = parse_example(name, text)
    source = find(spec.recording)
    if isinstance(source, ClipEmbedding):
        first, end = spec.frames(name, manifest.grid, len(source.stored), source.duration_s)
        return source.stored[first:end].astype(np.float32)
    if library is None:
        raise ValueError("a recording of a library needs the library")
    return _stored_stretch(name, spec, source, manifest, library)


def _stored_stretch(
    name: str, spec: ExampleSpec, recording: Recording, manifest: Manifest, library: Library
) -> Float32:
    first, end = spec.frames(name, manifest.grid, recording.n_frames, recording.duration_s)
    begin = first // BLOCK_FRAMES
    blocks = BlockRange(recording.generation, recording.n_frames, begin, -(-end // BLOCK_FRAMES))
    frames = read_ranges(library, [blocks])[blocks]
    if frames is None:
        raise ParameterInvalid(name, f"{spec.recording}, which was just removed", "a recording of the library")
    return frames[first - begin * BLOCK_FRAMES : end - begin * BLOCK_FRAMES].astype(np.float32)


def query_by_example(
    like: Sequence[Float32],
    unlike: Sequence[Float32],
    background: Float32,
    manifest: Manifest,
    words: EncodedQueries | None,
) -> EncodedQueries:
    """Learns a query from examples; see `service.core.examples`.

    Args:
        like: Frames of each example in which the sound is heard.
        unlike: Frames of each example in which it is not.
        background: Background frames.
        manifest: The manifest of the model.
        words: The query in words that the examples refine, or None.

    Raises:
        ParameterInvalid: If there are too many examples, or no positive one.
    """
    if len(like) + len(unlike) > MAX_EXAMPLES:
        raise ParameterInvalid("like and unlike", f"{len(like) + len(unlike)} examples", f"at most {MAX_EXAMPLES}")
    if not like:
        raise ParameterInvalid("like", "missing", "at least one example of the sound beside those of unlike")
    nothing = np.zeros((0, manifest.dimension), np.float32)
    frames = ExampleFrames(np.concatenate(like), np.concatenate([nothing, *unlike]), background)
    return learn_query(frames, manifest.calibration, words)
