"""Examples of each label: real recordings of it that are in none of the scenes of the benchmark."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from service.core.manifest import PACKAGED_BUNDLE
from service.engine.caching.tiers import memory_cache
from service.engine.clip import Upload
from service.engine.decoders import Decoders
from service.engine.engine import open_engine
from service.engine.options import EngineOptions

Float32 = NDArray[np.float32]
MAX_EXAMPLES = 10
RATE_HZ = 16_000


def label_examples(pack: Path, labels: Sequence[str]) -> Mapping[str, list[Float32]]:
    """Frames (F, D) of the longest sound in up to 10 recordings of each label, from the half that no scene contains."""
    from training.data.pack import AudioStore, read_pack_table  # needs torch
    from training.evaluation.sparse_recordings import half_of
    from training.synthesis.truth import BLOCK_S, active_blocks, runs

    recordings = half_of([r for r in read_pack_table(pack) if r.split == "val"], "tuning")
    chosen = [r for label in labels for r in [r for r in recordings if r.label == label][:MAX_EXAMPLES]]
    examples: dict[str, list[Float32]] = {label: [] for label in labels}
    decoders = Decoders(1)
    engine = open_engine(PACKAGED_BUNDLE, EngineOptions(device="cpu"), memory_cache(0), decoders.decode)
    hop_s = engine.manifest.grid.hop_s
    for recording, samples in zip(chosen, AudioStore.decode(chosen, RATE_HZ), strict=True):
        file = BytesIO()
        soundfile.write(file, samples, RATE_HZ, format="WAV")
        file.seek(0)
        frames = engine.embed(Upload(file)).embedding.stored.astype(np.float32)
        first, end = max(runs(active_blocks(samples, RATE_HZ)), key=lambda run: run[1] - run[0])
        begin = int(first * BLOCK_S / hop_s)
        examples[recording.label].append(frames[begin : max(begin + 1, round(end * BLOCK_S / hop_s))])
    engine.close()
    decoders.close()
    return examples
