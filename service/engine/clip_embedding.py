"""From a clip's bytes to its embedding, in one pass and without ever holding the whole waveform."""

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.cutting import PlacedWindow, WindowCutter
from service.core.errors import AudioEmpty, AudioTooLarge
from service.core.manifest import AUDIO_GRAPH, Manifest
from service.core.windows import Stitcher
from service.engine.batching import PendingWindow, WindowBatcher
from service.engine.caching.embedding import ClipEmbedding
from service.engine.call import Call

Float32 = NDArray[np.float32]

_EMBEDDING_VERSION = 2  # raised when the same bytes and model would give another embedding
_READ_BYTES = 1 << 20


def clip_id_of(clip: BinaryIO, manifest: Manifest, max_upload_bytes: int) -> str:
    """The name of a clip: a digest of its bytes and of all that decides its embedding; leaves the clip rewound.

    Raises:
        AudioEmpty: If it has no bytes.
        AudioTooLarge: If it has more than `max_upload_bytes` bytes.
    """
    clip.seek(0)
    content, n_bytes = hashlib.sha256(), 0
    while read := clip.read(_READ_BYTES):
        n_bytes += len(read)
        if n_bytes > max_upload_bytes:
            raise AudioTooLarge(max_upload_bytes)
        content.update(read)
    if n_bytes == 0:
        raise AudioEmpty(0)
    clip.seek(0)
    return hashlib.sha256(f"{model_id_of(manifest)} {content.hexdigest()}".encode()).hexdigest()


def model_id_of(manifest: Manifest) -> str:
    """The name of the part of a model that embeds clips: a digest of all but a clip's bytes that decides its embedding."""
    grid = (manifest.sample_rate_hz, manifest.hop_samples, manifest.window_frames, manifest.overlap_frames)
    whole = json.dumps([_EMBEDDING_VERSION, manifest.files[AUDIO_GRAPH], grid])
    return hashlib.sha256(whole.encode()).hexdigest()


def embed_clip(blocks: Iterator[Float32], batcher: WindowBatcher, manifest: Manifest, call: Call) -> ClipEmbedding:
    """Cuts, embeds and stitches a clip; no more than two batches of its windows are on their way at a time.

    Args:
        blocks: The clip as it is decoded, shape (N,) each; what that raises is raised.
        batcher: Embeds windows.
        manifest: Of the model.
        call: For which it is done.

    Raises:
        CallAbandoned, DeadlineExceeded: If the call is not wanted any longer.
        EngineStopped: If nothing can be embedded any longer.
    """
    cutter = WindowCutter(manifest.window_plan, manifest.hop_samples)
    stitcher = Stitcher(manifest.window_plan)
    parts: list[NDArray[np.float16]] = []
    try:
        for start, window in _in_order(_windows(blocks, cutter), batcher, call):
            parts.append(stitcher.add(window, start).astype(np.float16))
    except BaseException:
        call.abandon()  # windows of it may still wait
        raise
    n_frames = manifest.grid.n_frames(cutter.n_samples)
    parts.append(stitcher.finish().astype(np.float16))
    return ClipEmbedding(_joined(parts, n_frames), manifest.grid.duration_s(cutter.n_samples))


def _joined(parts: list[NDArray[np.float16]], n_frames: int) -> NDArray[np.float16]:
    """The first frames of all parts, end to end: (T, D); each part is let go once it is copied, for the sake of memory."""
    joined = np.empty((n_frames, parts[0].shape[1]), np.float16)
    filled = 0
    parts.reverse()
    while parts:
        part = parts.pop()[: n_frames - filled]
        joined[filled : filled + len(part)] = part
        filled += len(part)
    return joined


def _windows(blocks: Iterator[Float32], cutter: WindowCutter) -> Iterator[PlacedWindow]:
    for block in blocks:
        yield from cutter.add(block)
    yield from cutter.finish()


def _in_order(windows: Iterator[PlacedWindow], batcher: WindowBatcher, call: Call) -> Iterator[PlacedWindow]:
    """The windows' first frames and embeddings (Tw, D), in their order; the next ones are decoded meanwhile."""
    on_their_way: deque[tuple[int, PendingWindow]] = deque()
    while True:
        call.check()
        with call.stage("decode"):
            decoded = next(windows, None)
        if decoded is None:
            break
        start, samples = decoded
        on_their_way.append((start, batcher.submit(call, samples)))
        if len(on_their_way) > 2 * batcher.max_windows:
            start, pending = on_their_way.popleft()
            yield start, pending.wait()
    for start, pending in on_their_way:
        yield start, pending.wait()
