"""The engine: a clip and queries in, a localization out; synchronous and safe to call from several threads."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import numpy as np

from service.core.errors import AudioEmpty, AudioError, AudioNotFinite, AudioTooLong, ClipNotFound
from service.core.localization import localize, with_warnings
from service.core.postprocessing import Postprocessing
from service.core.queries import check_queries
from service.core.scoring import EncodedQueries
from service.core.warnings import AnswerWarning
from service.engine.batching import WindowBatcher
from service.engine.caching.lru import LruCache
from service.engine.caching.tiers import EmbeddingCache, memory_cache
from service.engine.call import Call
from service.engine.clip import Clip, Upload
from service.engine.clip_embedding import ClipEmbedding
from service.engine.clip_id import clip_id_of
from service.engine.containers import identify
from service.engine.decoding import DecodedBlocks, decode
from service.engine.embed_clip import embed_clip
from service.engine.expected_length import expected_length_s
from service.engine.gpus import GpuMemory, Gpus
from service.engine.interface import EmbeddedClip, EncodedTexts, LearntQuery, Localization
from service.engine.keyed_locks import KeyedLocks
from service.engine.loaded_model import LoadedModel, load_model
from service.engine.options import EngineOptions
from service.engine.text_encoder import ReadQuery

log = logging.getLogger(__name__)

Decode = Callable[[BinaryIO, int, float, Call], DecodedBlocks]
"""Decodes a clip. Takes the clip, the sample rate of the result in Hz, the longest accepted clip in seconds, and the
call; yields blocks of mono samples, shape (N,) each, and returns the warnings about the clip."""


def decode_in_this_process(clip: BinaryIO, sample_rate_hz: int, max_clip_s: float, call: Call) -> DecodedBlocks:
    """Decodes a clip in the calling process; see `service.engine.decoding.decode`."""
    blocks = decode(clip, identify(clip), sample_rate_hz, max_clip_s)
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            return end.value
        call.check()
        yield block


_REMEMBERED_REFUSALS = 4096
_LASTING_REFUSALS = (AudioTooLong, AudioNotFinite, AudioEmpty)
"""Errors that depend on nothing but the clip. A clip that is undecodable may have lost its decoder for other reasons."""


class Engine:
    """Answers calls with one loaded model; made by `open_engine`.

    Attributes:
        manifest: The facts about the model.
        options: The limits that calls must keep.
        provider: ONNX Runtime execution provider of the audio encoder.
        node_shares: Fraction of the audio encoder's graph nodes that each execution provider runs.
        batcher: Queue through which all windows reach the audio encoder.
        cache: Cache of clip embeddings.
    """

    def __init__(
        self,
        model: LoadedModel,
        options: EngineOptions,
        cache: EmbeddingCache,
        decode: Decode,
        on_device_lost: Callable[[BaseException], object],
    ) -> None:
        self.manifest = model.manifest
        self.options = options
        self.provider = model.audio_encoder.provider
        self.node_shares: dict[str, float] = model.audio_encoder.node_shares
        self.batcher = WindowBatcher(model.audio_encoder, on_device_lost)
        self.cache = cache
        self._model = model
        self._decode = decode
        self._query_cache: LruCache[ReadQuery] = LruCache(options.cached_queries, size=lambda _: 1)
        self._refused_clips: LruCache[AudioError] = LruCache(_REMEMBERED_REFUSALS, size=lambda _: 1)
        self._embedding_locks = KeyedLocks()
        self._gpus = Gpus()

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
            postprocessing: How score curves become segments; the bundle's default if None. See
                `manifest.postprocessing.override`.
            call: Deadline of the call and record of where its time goes; without a deadline if None.
            learnt: A query by example, which takes the place of `queries`.

        Raises:
            ClipNotFound: If a known clip is not in the cache.
            AudioError: If an upload cannot be used.
            QueryError: If the queries cannot be used.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
            EngineStopped: If the engine was closed or its device failed.
        """
        call = call or Call()
        if learnt is None:
            check_queries(queries, self.options.max_queries, self.options.max_query_chars)
        if isinstance(clip, Upload):
            with call.stage("cache"):
                clip_id = clip_id_of(clip.file, self.manifest, self.options.max_upload_bytes)
            embedding, cached = self._embed_once(clip_id, clip.file, call)
        else:
            clip_id, cached = clip.clip_id, True
            embedding = self._cached_embedding(clip_id, call)
        with call.stage("inference"):
            if learnt is None:
                encoded, query_warnings = self._encode_queries(queries, call)
            else:
                queries, encoded, query_warnings = [learnt.text], learnt.learn(embedding.stored), [learnt.warnings]
        with call.stage("post"):
            results = localize(
                embedding.stored,
                queries,
                encoded,
                self.manifest,
                postprocessing or self.manifest.postprocessing,
                embedding.duration_s,
            )
            results = with_warnings(results, query_warnings)
        return Localization(clip_id, embedding.duration_s, cached, results, embedding.warnings)

    def embed(self, clip: Upload, call: Call | None = None) -> EmbeddedClip:
        """Embeds a recording without queries, or takes its embedding from the cache; see `localize` for the errors."""
        call = call or Call()
        clip_id = clip_id_of(clip.file, self.manifest, self.options.max_upload_bytes)
        embedding, _ = self._embed_once(clip_id, clip.file, call)
        return EmbeddedClip(clip_id, embedding)

    def encode(self, queries: Sequence[str], call: Call | None = None) -> EncodedTexts:
        """Encodes queries, which are checked as those of `localize`.

        Raises:
            QueryError: If the queries cannot be used.
            CallAbandoned, DeadlineExceeded: If the call was abandoned or its deadline has passed.
        """
        check_queries(queries, self.options.max_queries, self.options.max_query_chars)
        return EncodedTexts(*self._encode_queries(queries, call or Call()))

    def expected_windows(self, clip: Clip) -> int:
        """Guesses from its header and its size how many windows a clip has; 0 for a clip that was uploaded earlier."""
        if not isinstance(clip, Upload):
            return 0
        grid = self.manifest.grid
        length_s = expected_length_s(clip.file, self.options.max_clip_s)
        return self.manifest.window_plan.n_windows(grid.n_frames(grid.samples_for(length_s)))

    def knows_clip(self, clip_id: str) -> bool:
        """Whether a clip is in the cache, so that it can be localized without its recording."""
        return self.cache.contains(clip_id)

    def check(self) -> None:
        """Runs both encoders once, which also warms them up.

        Raises:
            GraphMismatch: If an encoder's output does not fit the manifest.
        """
        self.batcher.run(self._model.audio_encoder.check)
        self._model.text_encoder.check()

    def gpus(self) -> Sequence[GpuMemory]:
        """Memory of each GPU that this process can see; empty without a GPU. May block."""
        return self._gpus.read()

    def close(self) -> None:
        """Frees both encoders; calls in progress raise `EngineStopped`, and no call may follow."""
        self.batcher.close()
        self._model.close()

    def _cached_embedding(self, clip_id: str, call: Call) -> ClipEmbedding:
        with call.stage("cache"):
            embedding = self.cache.get(clip_id)
        if embedding is None:
            raise ClipNotFound(clip_id)
        return embedding

    def _embed_once(self, clip_id: str, file: BinaryIO, call: Call) -> tuple[ClipEmbedding, bool]:
        """Returns a clip's embedding and whether it was cached.

        If another call is embedding the same clip, waits for that call and takes its embedding from the cache.
        """
        began_s = time.monotonic()
        with self._embedding_locks.hold(clip_id, call.check):
            call.record("queue", began_s, time.monotonic())
            with call.stage("cache"):
                cached = self.cache.get(clip_id)
            if cached is not None:
                return cached, True
            refused = self._refused_clips.get(clip_id)
            if refused is not None:
                raise type(refused)(**refused.data)
            call.check()  # the client may have gone while this call waited
            embedding = self._embed(clip_id, file, call)
            with call.stage("cache"):
                if embedding.is_sound():
                    self.cache.put(clip_id, embedding)
                else:
                    log.error("the model gave frames that are not finite or not of unit norm; they are not cached")
        return embedding, False

    def _embed(self, clip_id: str, file: BinaryIO, call: Call) -> ClipEmbedding:
        """Decodes and embeds a clip; remembers a refusal, so that the same bytes are not decoded again."""
        try:
            with closing(self._decode(file, self.manifest.sample_rate_hz, self.options.max_clip_s, call)) as blocks:
                return embed_clip(blocks, self.batcher, self.manifest, call)
        except _LASTING_REFUSALS as error:
            self._refused_clips.put(clip_id, type(error)(**error.data))
            raise

    def _encode_queries(
        self, queries: Sequence[str], call: Call
    ) -> tuple[EncodedQueries, list[tuple[AnswerWarning, ...]]]:
        """Returns the encoded queries and the warnings about each; those that are not cached are encoded together."""
        encoder = self._model.text_encoder
        texts = [encoder.normalize(query) for query in queries]
        cached = {text: self._query_cache.get(text) for text in texts}
        read = {text: query for text, query in cached.items() if query is not None}
        new = [text for text in cached if text not in read]
        if new:
            for text, query in zip(new, encoder.read(new, call.check), strict=True):
                read[text] = query
                self._query_cache.put(text, query)
        return EncodedQueries.join([read[text].encoding for text in texts]), [read[text].warnings for text in texts]


def open_engine(
    bundle_dir: Path,
    options: EngineOptions,
    cache: EmbeddingCache | None = None,
    decode: Decode = decode_in_this_process,
    on_device_lost: Callable[[BaseException], object] = lambda _: None,
) -> Engine:
    """Verifies a bundle, opens its encoders and warms them up.

    Args:
        bundle_dir: Directory of the bundle.
        options: Limits and resources.
        cache: Cache of clip embeddings, which the caller closes; a new one in this process's memory if None.
        decode: Decodes clips.
        on_device_lost: Called once with the exception, from the batcher's thread, if the device fails for good.

    Raises:
        BundleError: If the bundle is incomplete, damaged, or does not fit its manifest.
        DeviceUnavailable: If `options.device` is "cuda" and CUDA cannot be used.
    """
    model = load_model(bundle_dir, options)
    cache = memory_cache(options.cache_bytes) if cache is None else cache
    engine = Engine(model, options, cache, decode, on_device_lost)
    try:
        engine.check()
        engine.batcher.measure(np.zeros(engine.manifest.window_samples, np.float32))
    except BaseException:
        engine.close()
        raise
    return engine
