"""What the processes of a Ray cluster do to index files: decoding, and the model. This module does not import Ray.

Both functions take and give Arrow tables of one row a bundle: some recordings, whose samples fill at most `BUNDLE_BYTES`.
"""

import functools
import os
import pickle
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import AudioError, DecoderLost
from service.core.manifest import PACKAGED_BUNDLE, Manifest, read_manifest
from service.core.start_errors import LibraryModelDiffers
from service.core.warnings import AnswerWarning
from service.engine.caching.tiers import memory_cache
from service.engine.call import Call
from service.engine.clip import Upload
from service.engine.clip_id import clip_id_of
from service.engine.decoders import Decoders
from service.engine.decoding import DecodedBlocks
from service.engine.embed_clip import embed_clip
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from service.library.file_outcomes import Outcome, outcome_of, recording_of, refused
from service.library.fragments import Fragments, FragmentWriter, StagedRecording, new_generation
from service.library.indexing import embed_file
from service.library.recording import LibraryModel
from service.library.store import NewRecording

Float32 = NDArray[np.float32]

BUNDLE_BYTES = 64 << 20
"""Size of the samples of a bundle: 17 minutes at 16 kHz. Longer recordings are decoded beside the model, block by block."""
_N_PARALLEL = 4
"""Recordings of a bundle that are embedded at the same time, so that windows of several fill a batch of the model."""


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """What all workers of an indexing know.

    Attributes:
        location: Folder or URI of the library, the same on all nodes.
        bundle: Directory of the model bundle, the same on all nodes; None for the bundle of the installed package.
        manifest: The manifest of that bundle.
        options: The limits and resources of the engine of a worker.
    """

    location: str
    bundle: Path | None
    manifest: Manifest
    options: EngineOptions


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """A file that is decoded; its samples travel beside it.

    Attributes:
        status: Size and time of the last change of the file, among others.
        clip_id: Id of the clip; see `service.engine.clip_id.clip_id_of`.
        n_samples: Number of samples; None if the recording is too long for a bundle and is not decoded.
        warnings: Faults that were noticed when the file was decoded.
    """

    status: os.stat_result
    clip_id: str
    n_samples: int | None
    warnings: tuple[AnswerWarning, ...] = ()


def decode_files(paths: Sequence[str], plan: IndexPlan) -> Iterator[Any]:
    """Decodes files in a decoder process of this worker.

    Yields:
        Bundles: the outcomes of files as `Outcome[DecodedFile]`, pickled, and all their samples one after another.
    """
    outcomes: list[Outcome[DecodedFile]] = []
    samples: list[Float32] = []
    for path in paths:
        outcome, decoded = _decode_file(path, plan)
        if outcomes and sum(part.nbytes for part in [*samples, *decoded]) > BUNDLE_BYTES:
            yield _bundle(outcomes, samples)
            outcomes, samples = [], []
        outcomes.append(outcome)
        samples += decoded
    yield _bundle(outcomes, samples)


class Tower:
    """The model in a worker: embeds bundles, and writes the frames and moments of their recordings as fragments.

    Args:
        plan: What all workers know.

    Raises:
        BundleError: If the bundle of this node cannot be served.
        LibraryModelDiffers: If this node has another bundle than the node that runs the command.
    """

    def __init__(self, plan: IndexPlan) -> None:
        bundle = plan.bundle or PACKAGED_BUNDLE
        ours, wanted = LibraryModel.of(read_manifest(bundle)), LibraryModel.of(plan.manifest)
        if ours.model_id != wanted.model_id:
            raise LibraryModelDiffers(plan.location, str(ours), str(wanted))
        self._writer = FragmentWriter(plan.location, wanted)
        self._engine = open_engine(bundle, plan.options, memory_cache(0), _decoders().decode)

    def __call__(self, table: Any) -> Any:
        """Takes a table of bundles; gives a table with the outcomes as `list[Outcome[StagedRecording]]`, pickled."""
        groups = [self._index(row["outcomes"], row["samples"]) for row in _rows(table)]
        return _table({"outcomes": [pickle.dumps(group) for group in groups]})

    def _index(self, pickled: bytes, samples: memoryview) -> list[Outcome[StagedRecording]]:
        outcomes: list[Outcome[DecodedFile]] = pickle.loads(pickled)
        every, begin = np.frombuffer(samples, np.float32), 0
        parts: list[Float32] = []
        for outcome in outcomes:
            n_samples = (outcome.item.n_samples if outcome.item else None) or 0
            parts.append(every[begin : begin + n_samples])
            begin += n_samples
        with ThreadPoolExecutor(_N_PARALLEL) as threads:
            embedded = list(threads.map(self._embed, outcomes, parts))
        return self._stage(embedded)

    def _embed(self, outcome: Outcome[DecodedFile], samples: Float32) -> Outcome[NewRecording]:
        decoded = outcome.item
        if decoded is None:
            return outcome.map(_no_recording)
        if decoded.n_samples is None:
            return embed_file(outcome.path, lambda file: self._engine.embed(Upload(file)))
        manifest = self._engine.manifest
        try:
            embedding = embed_clip(_blocks(samples, decoded.warnings), self._engine.batcher, manifest, Call())
        except (AudioError, DecoderLost) as error:
            return refused(outcome.path, outcome.n_bytes, error)
        row = recording_of(outcome.path, decoded.status, decoded.clip_id, embedding)
        return Outcome(outcome.path, outcome.n_bytes, NewRecording(row, embedding))

    def _stage(self, outcomes: Sequence[Outcome[NewRecording]]) -> list[Outcome[StagedRecording]]:
        """Writes the embeddings of recordings as fragments."""
        numbered = [outcome.map(_with_generation) for outcome in outcomes]
        embeddings = {item.row.generation: item.embedding for item in (each.item for each in numbered) if item}
        fragments = self._writer.write(embeddings) if embeddings else Fragments({})
        return [outcome.map(lambda item: StagedRecording(item.row, fragments)) for outcome in numbered]


def _with_generation(item: NewRecording) -> NewRecording:
    return item.with_row(replace(item.row, generation=new_generation()))


def _no_recording(decoded: DecodedFile) -> NewRecording:
    raise ValueError(f"a decoded file of {decoded.n_samples} samples has to be embedded")


@functools.cache
def _decoders() -> Decoders:
    """The decoder processes of this worker; they end with it."""
    return Decoders(1)


def _decode_file(path: str, plan: IndexPlan) -> tuple[Outcome[DecodedFile], list[Float32]]:
    samples: list[Float32] = []
    rate_hz, options = plan.manifest.sample_rate_hz, plan.options

    def work(file: BinaryIO, status: os.stat_result) -> DecodedFile:
        clip_id = clip_id_of(file, plan.manifest, options.max_upload_bytes)
        n_samples = 0
        with closing(_decoders().decode(file, rate_hz, options.max_clip_s, Call())) as blocks:
            while True:
                try:
                    samples.append(next(blocks))
                except StopIteration as end:
                    return DecodedFile(status, clip_id, n_samples, end.value)
                n_samples += len(samples[-1])
                if n_samples * samples[-1].itemsize > BUNDLE_BYTES:
                    samples.clear()
                    return DecodedFile(status, clip_id, None)

    outcome = outcome_of(path, work)
    return outcome, samples if outcome.item else []


def _blocks(samples: Float32, warnings: tuple[AnswerWarning, ...]) -> DecodedBlocks:
    """Decoded samples in the form in which a decoder gives them."""
    if len(samples):
        yield samples
    return warnings


def _bundle(outcomes: Sequence[Outcome[DecodedFile]], samples: Sequence[Float32]) -> Any:
    content = np.concatenate([np.empty(0, np.float32), *samples])
    return _table({"outcomes": [pickle.dumps(list(outcomes))], "samples": [content.view(np.uint8).data]})


def _table(columns: dict[str, list[Any]]) -> Any:
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs] - it ships none

    arrow: Any = pa
    return arrow.table({name: arrow.array(values, arrow.large_binary()) for name, values in columns.items()})


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    """The rows of a table of bundles; the samples are not copied."""
    for index in range(len(table)):
        yield {"outcomes": table["outcomes"][index].as_py(), "samples": table["samples"][index].as_buffer()}
