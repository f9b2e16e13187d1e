"""The engine: a clip and queries in, a localization out; synchronous and safe to call from several threads."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from service.core.errors import ClipNotFound
from service.core.localization import QueryResult, localize
from service.core.manifest import Manifest, verify_bundle
from service.core.postprocessing import Postprocessing
from service.core.queries import check_queries
from service.engine import decoding
from service.engine.batching import WindowBatcher
from service.engine.caching.embedding import ClipEmbedding
from service.engine.caching.lru import LruCache
from service.engine.caching.tiers import EmbeddingCache, memory_cache
from service.engine.call import Call
from service.engine.clip_embedding import clip_id_of, embed_clip
from service.engine.encoders import AudioEncoder, TextEncoder
from service.engine.keyed_locks import KeyedLocks
from service.engine.options import EngineOptions

Decode = Callable[[BinaryIO, int, float, Call], Generator[NDArray[np.float32]]]
"""A clip, the rate wanted, the longest clip accepted in seconds and the call to blocks of mono samples, shape (N,) each."""


def decode_here(clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> Generator[NDArray[np.float32]]:
    """Decodes a clip in this process; see `service.engine.decoding.decode`."""
    for block in decoding.decode(clip, sample_rate_hz, max_clip_s):
        call.check()
        yield block


@dataclass(frozen=True, slots=True, eq=False)
class Localization:
    """The answer to one call.

    Attributes:
        clip_id: Names the clip in later calls, for as long as it is cached.
        duration_s: The clip's length.
        cached: Whether the clip's embedding was known already.
        results: One for each query, in the same order.
    """

    clip_id: str
    duration_s: float
    cached: bool
    results: tuple[QueryResult, ...]


class Engine:
    """Answers calls with the model of one bundle; made by `open_engine`.

    Attributes:
        manifest: The facts about the model.
        options: The limits that calls are held to.
        provider: The ONNX Runtime execution provider of the audio tower.
        node_shares: The share of the audio tower's nodes that each provider runs.
        batcher: Where all windows go through the audio tower.
        cache: Where clip embeddings are kept.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: EngineOptions,
        audio_encoder: AudioEncoder,
        text_encoder: TextEncoder,
        cache: EmbeddingCache,
        decode: Decode,
        on_lost: Callable[[BaseException], object],
    ) -> None:
        self.manifest = manifest
        self.options = options
        self.provider = audio_encoder.provider
        self.node_shares: dict[str, float] = audio_encoder.node_shares
        self.batcher = WindowBatcher(audio_encoder.embed, options.batch_windows, on_lost)
        self._decode = decode
        self._audio_encoder = audio_encoder
        self._text_encoder = text_encoder
        self.cache = cache
        self._query_cache: LruCache[NDArray[np.float32]] = LruCache(options.cached_queries, size=lambda _: 1)
        self._embedding_now = KeyedLocks()

    def localize_clip(
        self,
        clip: bytes | BinaryIO,
        queries: Sequence[str],
        postprocessing: Postprocessing | None = None,
        call: Call | None = None,
    ) -> Localization:
        """Tells when each query is heard in a clip.

        Args:
            clip: The bytes of a recording, or a seekable binary file of them.
            queries: What to listen for, in words.
            postprocessing: How curves become segments; the bundle's default if None. See
                `manifest.postprocessing.override`.
            call: Until when the answer is wanted, and where the time is counted; for ever if None.

        Raises:
            AudioError: If the clip cannot be used.
            QueryError: If the queries cannot be used.
            CallAbandoned, DeadlineExceeded: If the answer is not wanted any longer.
            EngineStopped: If nothing can be embedded any longer.
        """
        call = call or Call()
        check_queries(queries, self.options.max_queries, self.options.max_query_chars)
        file = BytesIO(clip) if isinstance(clip, bytes) else clip
        with call.stage("cache"):
            clip_id = clip_id_of(file, self.manifest, self.options.max_upload_bytes)
        embedding, cached = self._embed_once(clip_id, file, call)
        return self._answer(clip_id, embedding, cached, queries, postprocessing, call)

    def localize_known(
        self,
        clip_id: str,
        queries: Sequence[str],
        postprocessing: Postprocessing | None = None,
        call: Call | None = None,
    ) -> Localization:
        """Tells when each query is heard in a clip that came before.

        Args:
            clip_id: The clip's name, from an earlier answer.
            queries: What to listen for, in words.
            postprocessing: How curves become segments; the bundle's default if None.
            call: As for `localize_clip`.

        Raises:
            ClipNotFound: If the clip is not in the cache.
            QueryError: If the queries cannot be used.
            CallAbandoned, DeadlineExceeded: If the answer is not wanted any longer.
        """
        call = call or Call()
        check_queries(queries, self.options.max_queries, self.options.max_query_chars)
        with call.stage("cache"):
            embedding = self.cache.get(clip_id)
        if embedding is None:
            raise ClipNotFound(clip_id)
        return self._answer(clip_id, embedding, True, queries, postprocessing, call)

    def knows_clip(self, clip_id: str) -> bool:
        """Whether a clip is in the cache, so that `localize_known` can answer."""
        return self.cache.contains(clip_id)

    def check(self) -> None:
        """Runs both towers once, and so warms them up.

        Raises:
            GraphMismatch: If what they give is not what the manifest says.
        """
        self.batcher.run(self._audio_encoder.check)
        self._text_encoder.check()

    def close(self) -> None:
        """Frees both towers; calls that still run are told that the engine stopped, and none may follow."""
        self.batcher.close()
        self._audio_encoder.close()
        self._text_encoder.close()

    def _embed_once(self, clip_id: str, clip: BinaryIO, call: Call) -> tuple[ClipEmbedding, bool]:
        """A clip's embedding, and whether it was known; a call that embeds the same clip now is waited for."""
        began = time.perf_counter()
        with self._embedding_now.hold(clip_id, call.check):
            call.stage_s["queue"] += time.perf_counter() - began
            with call.stage("cache"):
                known = self.cache.get(clip_id)
            if known is not None:
                return known, True
            with closing(self._decode(clip, self.manifest.sample_rate_hz, self.options.max_clip_s, call)) as blocks:
                embedding = embed_clip(blocks, self.batcher, self.manifest, call)
            with call.stage("cache"):
                self.cache.put(clip_id, embedding)
        return embedding, False

    def _answer(
        self,
        clip_id: str,
        embedding: ClipEmbedding,
        cached: bool,
        queries: Sequence[str],
        postprocessing: Postprocessing | None,
        call: Call,
    ) -> Localization:
        with call.stage("inference"):
            embedded = self._embed_queries(queries, call)  # (Q, D)
        with call.stage("post"):
            results = localize(
                embedding.stored,
                queries,
                embedded,
                self.manifest,
                postprocessing or self.manifest.postprocessing,
                embedding.duration_s,
            )
        return Localization(clip_id, embedding.duration_s, cached, tuple(results))

    def _embed_queries(self, queries: Sequence[str], call: Call) -> NDArray[np.float32]:
        """Embeddings (Q, D); those of queries that are not in memory are computed together."""
        known = {query: self._query_cache.get(query) for query in queries}
        embedded = {query: embedding for query, embedding in known.items() if embedding is not None}
        new = [query for query in known if query not in embedded]
        if new:
            for query, embedding in zip(new, self._text_encoder.embed(new, call.check), strict=True):
                embedded[query] = embedding.copy()  # else each would keep all of them in memory
                self._query_cache.put(query, embedded[query])
        return np.stack([embedded[query] for query in queries])


def open_engine(
    bundle_dir: Path,
    options: EngineOptions,
    cache: EmbeddingCache | None = None,
    decode: Decode = decode_here,
    on_lost: Callable[[BaseException], object] = lambda _: None,
) -> Engine:
    """Verifies a bundle, opens its towers and warms them up.

    Args:
        bundle_dir: The bundle.
        options: Limits and resources.
        cache: Where clip embeddings are kept, closed by whoever made it; in this process's memory if None.
        decode: How clips are decoded; in this process if not given.
        on_lost: Called once, from the engine's own thread, if the device fails and nothing can be embedded any longer.

    Raises:
        BundleError: If the bundle is not complete, not intact, or not what it says.
        DeviceUnavailable: If CUDA was asked for and cannot be used.
    """
    manifest = verify_bundle(bundle_dir)
    engine = Engine(
        manifest,
        options,
        AudioEncoder(bundle_dir, manifest, options),
        TextEncoder(bundle_dir, manifest, options),
        memory_cache(options.cache_bytes) if cache is None else cache,
        decode,
        on_lost,
    )
    try:
        engine.check()
    except BaseException:
        engine.close()
        raise
    return engine
