"""The engine as the rest of the service sees it. Importing this module does not load ONNX Runtime."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.core.localization import QueryResult
from service.core.manifest import Manifest
from service.core.postprocessing import Postprocessing
from service.core.scoring import EncodedQueries
from service.core.warnings import AnswerWarning
from service.engine.batch_counts import BatchCounts
from service.engine.caching.tiers import EmbeddingCache
from service.engine.call import Call
from service.engine.clip import Clip, Upload
from service.engine.clip_embedding import ClipEmbedding
from service.engine.decoder_counts import DecoderReport
from service.engine.gpus import GpuMemory


@dataclass(frozen=True, slots=True, eq=False)
class Localization:
    """The answer to one call.

    Attributes:
        clip_id: Id of the clip, which later calls can use instead of the recording while the clip is cached.
        duration_s: Length of the clip, in seconds.
        cached: Whether the clip's embedding came from the cache.
        results: One result a query, in the order of the queries. Results of long clips are computed while they are
            iterated; see `service.core.localization.localize`.
        warnings: Faults of the clip that may make the answer incomplete or wrong.
    """

    clip_id: str
    duration_s: float
    cached: bool
    results: Sequence[QueryResult]
    warnings: tuple[AnswerWarning, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedClip:
    """A recording without queries.

    Attributes:
        clip_id: Id of the clip.
        embedding: Frame embeddings, length and warnings of the clip.
    """

    clip_id: str
    embedding: ClipEmbedding


@dataclass(frozen=True, slots=True)
class LearntQuery:
    """A query that is learnt from examples once the frames of the clip are known.

    Attributes:
        text: Name of the query in the answer.
        learn: Computes the query, with Q = 1, from the frames of the clip, shape (T, D).
        warnings: Warnings about the words that the examples refine.
    """

    text: str
    learn: Callable[[NDArray[np.float16]], EncodedQueries]
    warnings: tuple[AnswerWarning, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EncodedTexts:
    """Queries without a recording.

    Attributes:
        encoded: The queries as the text encoder encodes them.
        warnings: The warnings about each query.
    """

    encoded: EncodedQueries
    warnings: Sequence[tuple[AnswerWarning, ...]]


class WindowQueue(Protocol):
    """The queue of windows in front of the audio encoder."""

    @property
    def counts(self) -> BatchCounts:
        """Batches and windows processed so far."""
        ...

    @property
    def max_windows(self) -> int:
        """Largest number of windows in a batch."""
        ...

    @property
    def parallel_windows(self) -> int:
        """Largest number of windows that are embedded at the same time."""
        ...

    @property
    def queued_windows(self) -> int:
        """Number of windows that wait or are being embedded."""
        ...

    @property
    def backlog_s(self) -> float:
        """Estimated time to process all windows of the admitted calls, in seconds."""
        ...

    @property
    def window_s(self) -> float:
        """Time per window while windows wait, in seconds."""
        ...

    def wait_s(self, n_windows: int) -> float:
        """Estimated time that a new call of `n_windows` windows waits for the windows of other calls, in seconds."""
        ...

    def expecting(self, call: Call, n_windows: int) -> AbstractContextManager[None]:
        """Counts windows that a call will probably submit in the `with` block to the backlog, until they are submitted."""
        ...


class LocalizationEngine(Protocol):
    """Answers calls; every method may be called from several threads at once."""

    @property
    def manifest(self) -> Manifest:
        """Manifest of the model bundle that answers."""
        ...

    @property
    def provider(self) -> str:
        """ONNX Runtime execution provider of the audio encoder, for example "CPUExecutionProvider"."""
        ...

    @property
    def node_shares(self) -> Mapping[str, float]:
        """Fraction of the audio encoder's graph nodes that each execution provider runs; the fractions sum to 1."""
        ...

    @property
    def batcher(self) -> WindowQueue:
        """Queue of windows in front of the audio encoder."""
        ...

    @property
    def cache(self) -> EmbeddingCache:
        """Cache of clip embeddings."""
        ...

    def embed(self, clip: Upload, call: Call | None = None) -> EmbeddedClip:
        """Embeds a recording without queries, or takes its embedding from the cache; see `localize` for the errors."""
        ...

    def encode(self, queries: Sequence[str], call: Call | None = None) -> EncodedTexts:
        """Encodes queries, which are checked as those of `localize`.

        Raises:
            QueryError: If the queries cannot be used.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
        """
        ...

    def localize(
        self,
        clip: Clip,
        queries: Sequence[str],
        postprocessing: Postprocessing | None = None,
        call: Call | None = None,
        learnt: LearntQuery | None = None,
    ) -> Localization:
        """Finds the segments of a clip in which each query is heard.

        Args:
            clip: An upload, or a clip that was uploaded earlier.
            queries: Descriptions of sounds, in words.
            postprocessing: How score curves become segments; the bundle's default if None.
            call: Deadline of the call and record of where its time goes; without a deadline if None.
            learnt: A query by example, which takes the place of `queries`.

        Raises:
            ClipNotFound: If a known clip is not in the cache.
            AudioError: If an upload cannot be used.
            QueryError: If the queries cannot be used.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
            EngineStopped: If the engine was closed or its device failed.
        """
        ...

    def expected_windows(self, clip: Clip) -> int:
        """Guesses from its header and its size how many windows a clip has; 0 for a clip that was uploaded earlier."""
        ...

    def knows_clip(self, clip_id: str) -> bool:
        """Whether a clip is in the cache, so that it can be localized without its recording."""
        ...

    def gpus(self) -> Sequence[GpuMemory]:
        """Memory of each GPU that this process can see; empty without a GPU. May block."""
        ...

    def check(self) -> None:
        """Runs both encoders once.

        Raises:
            GraphMismatch: If an encoder's output does not fit the manifest.
        """
        ...


class DecoderPool(Protocol):
    """The processes that decode clips."""

    def report(self) -> DecoderReport:
        """Returns the counters and the state of the processes."""
        ...

    def degraded(self) -> list[str]:
        """Names of the protections that do not work."""
        ...
