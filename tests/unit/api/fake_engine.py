"""An engine without a model, against which the API is tested."""

import hashlib
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from service.core.errors import AudioUndecodable, ClipNotFound
from service.core.localization import QueryResult
from service.core.postprocessing import Postprocessing
from service.core.queries import check_queries
from service.core.scoring import EncodedQueries
from service.core.segments import Segment
from service.engine.batch_counts import BatchCounts
from service.engine.caching.tiers import memory_cache
from service.engine.call import Call
from service.engine.clip import Clip, KnownClip, Upload
from service.engine.clip_embedding import ClipEmbedding
from service.engine.gpus import GpuMemory
from service.engine.interface import EmbeddedClip, EncodedTexts, LearntQuery, Localization, LocalizationEngine
from tests.manifests import make_manifest

SCORE = np.array([0.1, 0.123456789, 0.9, 0.8], np.float32)
SIMILARITY = np.array([-1.0, 0.0, 0.51234567, 1.0], np.float32)
SEGMENT = Segment(onset_s=0.08, offset_s=0.15, score=0.9, peak_s=0.1)
DURATION_S = 0.15
MANIFEST = make_manifest(name="fake", version="2")


class FakeBatcher:
    """A queue whose wait is that of the expected windows and of the work `ahead_s`, which a test sets."""

    def __init__(self) -> None:
        self.counts = BatchCounts()
        self.backlog_s = 2.5
        self.queued_windows = 5
        self.max_windows = self.parallel_windows = 4
        self.window_s = 0.02
        self.ahead_s = 0.0
        self.n_expected = 0

    def wait_s(self, n_windows: int) -> float:
        return self.ahead_s + self.n_expected * self.window_s

    @contextmanager
    def expecting(self, call: Call, n_windows: int) -> Generator[None]:
        self.n_expected += n_windows
        try:
            yield
        finally:
            self.n_expected -= n_windows


class FakeEngine:
    """Finds the same segment for every query that contains "dog", and records the clips and threads of its calls."""

    def __init__(self) -> None:
        self.manifest = MANIFEST
        self.provider = "FakeProvider"
        self.node_shares = {"FakeProvider": 1.0}
        self.batcher = FakeBatcher()
        self.cache = memory_cache(0)
        self.known: set[str] = set()
        self.threads: set[int] = set()
        self.postprocessings: list[Postprocessing] = []
        self.clips: list[BinaryIO] = []
        self.before: Callable[[], object] = lambda: None
        self.n_checks = 0
        self.healthy = True
        self.n_windows = 1
        self.learnt: EncodedQueries | None = None

    def localize(
        self,
        clip: Clip,
        queries: Sequence[str],
        postprocessing: Postprocessing | None = None,
        call: Call | None = None,
        learnt: LearntQuery | None = None,
    ) -> Localization:
        if isinstance(clip, KnownClip):
            clip_id, cached = clip.clip_id, True
            if clip_id not in self.known:
                raise ClipNotFound(clip_id)
        else:
            self.clips.append(clip.file)
            clip_id = hashlib.sha256(clip.file.read()).hexdigest()
            cached = clip_id in self.known
            self.known.add(clip_id)
            if not cached:
                (call or Call()).count_audio(DURATION_S)
        if learnt is None:
            check_queries(queries, max_queries=3, max_query_chars=40)
        else:
            self.learnt = learnt.learn(np.eye(MANIFEST.dimension, dtype=np.float16))
            queries = [learnt.text]
        self.threads.add(threading.get_ident())
        self.postprocessings.append(postprocessing or MANIFEST.postprocessing)
        self.before()
        (call or Call()).check()
        return Localization(clip_id, DURATION_S, cached, tuple(_result(query) for query in queries))

    def embed(self, clip: Upload, call: Call | None = None) -> EmbeddedClip:
        content = clip.file.read()
        if content.startswith(b"broken"):
            raise AudioUndecodable("WAV", "it is broken")
        n_frames = max(1, len(content))
        frames = np.zeros((n_frames, MANIFEST.dimension), np.float16)
        frames[np.arange(n_frames), np.frombuffer(content.ljust(1, b"x"), np.uint8) % MANIFEST.dimension] = 1
        (call or Call()).count_audio(n_frames * MANIFEST.grid.hop_s)
        self.before()
        clip_id = hashlib.sha256(content).hexdigest()
        return EmbeddedClip(clip_id, ClipEmbedding(frames, n_frames * MANIFEST.grid.hop_s))

    def encode(self, queries: Sequence[str], call: Call | None = None) -> EncodedTexts:
        """Encodes a query as the axis of its first letter."""
        check_queries(queries, max_queries=3, max_query_chars=40)
        self.before()
        axes = [ord(query[0]) % MANIFEST.dimension for query in queries]
        return EncodedTexts(EncodedQueries(np.eye(MANIFEST.dimension, dtype=np.float32)[axes]), [()] * len(queries))

    def expected_windows(self, clip: Clip) -> int:
        return 0 if isinstance(clip, KnownClip) else self.n_windows

    def knows_clip(self, clip_id: str) -> bool:
        return clip_id in self.known

    def gpus(self) -> list[GpuMemory]:
        return [GpuMemory(0, 3 * 2**30, 80 * 2**30)]

    def check(self) -> None:
        self.n_checks += 1
        if not self.healthy:
            raise RuntimeError("secret of the device")


def as_engine(fake: FakeEngine) -> LocalizationEngine:
    """Has pyright check that the fake engine has all that the API needs of an engine."""
    return fake


def _result(query: str) -> QueryResult:
    present = "dog" in query
    return QueryResult(query, present, float(SCORE.max()), SCORE, SIMILARITY, (SEGMENT,) if present else ())
