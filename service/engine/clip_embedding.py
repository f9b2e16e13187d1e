"""From a clip's bytes to its embedding, in one pass and without ever holding the whole waveform."""

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.cutting import PlacedWindow, WindowCutter
from service.core.errors import AudioEmpty, AudioTooLarge
from service.core.manifest import AUDIO_GRAPH, Manifest
from service.core.windows import Stitcher
from service.engine.cache import ClipEmbedding
from service.engine.decoding import decode
from service.engine.encoders import AudioEncoder

Float32 = NDArray[np.float32]

_CLIP_ID_VERSION = 1  # raised when the same bytes and model would give another embedding
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
    grid = (manifest.sample_rate_hz, manifest.hop_samples, manifest.window_frames, manifest.overlap_frames)
    whole = json.dumps([_CLIP_ID_VERSION, manifest.files[AUDIO_GRAPH], grid, content.hexdigest()])
    return hashlib.sha256(whole.encode()).hexdigest()


def embed_clip(
    clip: BinaryIO, encoder: AudioEncoder, manifest: Manifest, max_clip_s: float, batch_windows: int
) -> ClipEmbedding:
    """Decodes, cuts, embeds and stitches a clip.

    Raises:
        AudioError: If the clip cannot be used; see `service.engine.decoding.decode`.
    """
    cutter = WindowCutter(manifest.window_plan, manifest.hop_samples)
    windows = _windows(decode(clip, manifest.sample_rate_hz, max_clip_s), cutter)
    stitcher = Stitcher(manifest.window_plan)
    parts: list[Float32] = []
    while batch := list(itertools.islice(windows, batch_windows)):
        embedded = encoder.embed(np.stack([samples for _, samples in batch]))  # (W, Tw, D)
        parts += [stitcher.add(frames, start) for (start, _), frames in zip(batch, embedded, strict=True)]
    n_frames = manifest.grid.n_frames(cutter.n_samples)
    frames = np.concatenate([*parts, stitcher.finish()])[:n_frames]  # (T, D)
    frames.flags.writeable = False
    return ClipEmbedding(frames, manifest.grid.duration_s(cutter.n_samples))


def _windows(blocks: Iterator[Float32], cutter: WindowCutter) -> Iterator[PlacedWindow]:
    for block in blocks:
        yield from cutter.add(block)
    yield from cutter.finish()
