"""From a clip's samples to its embedding, in one pass and without ever holding the whole waveform in memory."""

import logging
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.core.cutting import PlacedWindow, WindowCutter
from service.core.manifest import Manifest
from service.core.warnings import AnswerWarning
from service.core.windows import Stitcher
from service.engine.batching import WindowBatcher
from service.engine.call import Call
from service.engine.clip_embedding import ClipEmbedding
from service.engine.decoding import DecodedBlocks
from service.engine.pending_window import PendingWindow

log = logging.getLogger(__name__)


def embed_clip(blocks: DecodedBlocks, batcher: WindowBatcher, manifest: Manifest, call: Call) -> ClipEmbedding:
    """Cuts a clip into windows, embeds them and stitches their embeddings.

    At most twice the windows that are embedded at the same time wait in the batcher, so memory stays bounded.

    Args:
        blocks: The decoded clip, blocks of shape (N,), and the warnings about it, which the embedding carries. An exception
            that the generator raises is passed on.
        batcher: Embeds the windows.
        manifest: Manifest of the model.
        call: The call that needs the embedding; it is abandoned if anything fails.

    Raises:
        CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
        EngineStopped: If the engine was closed or its device failed.
    """
    cutter = WindowCutter(manifest.window_plan, manifest.grid)
    stitcher = Stitcher(manifest.window_plan)
    parts: list[NDArray[np.float16]] = []
    warnings: list[AnswerWarning] = []
    try:
        for start, window in _embedded(_windows(_counted(blocks, manifest, call), cutter, warnings), batcher, call):
            parts.append(stitcher.add(window, start).astype(np.float16))
    except BaseException:
        call.abandon()  # windows of this clip may still wait in the batcher
        raise
    n_frames = manifest.grid.n_frames(cutter.n_samples)
    parts.append(stitcher.finish().astype(np.float16))
    duration_s = manifest.grid.duration_s(cutter.n_samples)
    if warnings:
        codes = sorted({item.code for item in warnings})
        log.warning(
            "a clip has warnings", extra={"codes": codes, "n_warnings": len(warnings), "duration_s": duration_s}
        )
    return ClipEmbedding(_joined(parts, n_frames), duration_s, tuple(warnings))


def _counted(blocks: DecodedBlocks, manifest: Manifest, call: Call) -> DecodedBlocks:
    """Passes decoded blocks on, and counts their duration for the call."""
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            return end.value
        call.count_audio(len(block) / manifest.sample_rate_hz)
        yield block


def _joined(parts: list[NDArray[np.float16]], n_frames: int) -> NDArray[np.float16]:
    """Concatenates parts to the first `n_frames` frames, shape (T, D); frees each part once it is copied."""
    joined = np.empty((n_frames, parts[0].shape[1]), np.float16)
    filled = 0
    parts.reverse()
    while parts:
        part = parts.pop()[: n_frames - filled]
        joined[filled : filled + len(part)] = part
        filled += len(part)
    return joined


def _windows(blocks: DecodedBlocks, cutter: WindowCutter, warnings: list[AnswerWarning]) -> Iterator[PlacedWindow]:
    """Yields the windows of a clip; at its end, adds the warnings about the clip to `warnings`."""
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            warnings.extend(end.value)
            break
        yield from cutter.add(block)
    yield from cutter.finish()


def _embedded(windows: Iterator[PlacedWindow], batcher: WindowBatcher, call: Call) -> Iterator[PlacedWindow]:
    """Embeds windows, and yields the first frame and the embedding (Tw, D) of each, in order.

    Later windows are decoded while earlier windows wait for their embeddings.
    """
    pending_windows: deque[tuple[int, PendingWindow]] = deque()
    while True:
        call.check()
        with call.stage("decode"):
            decoded = next(windows, None)
        if decoded is None:
            break
        start, samples = decoded
        pending_windows.append((start, batcher.submit(call, samples)))
        if len(pending_windows) > 2 * batcher.parallel_windows:
            start, pending = pending_windows.popleft()
            yield start, pending.wait()
    for start, pending in pending_windows:
        yield start, pending.wait()
