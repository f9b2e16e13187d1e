"""An engine that hears nothing and yet answers: what the API is tested against."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, ClassVar

import numpy as np

from service.core.errors import ClipNotFound
from service.core.localization import QueryResult
from service.core.postprocessing import Postprocessing
from service.core.queries import check_queries
from service.core.segments import Segment
from service.engine.batching import BatchCounts
from service.engine.caching.tiers import memory_cache
from service.engine.call import Call
from service.engine.engine import Localization
from tests.manifests import make_manifest

SCORE = np.array([0.1, 0.123456789, 0.9, 0.8], np.float32)
SIMILARITY = np.array([-1.0, 0.0, 0.51234567, 1.0], np.float32)
SEGMENT = Segment(onset_s=0.08, offset_s=0.15, score=0.9, peak_s=0.1)
DURATION_S = 0.15
MANIFEST = make_manifest(name="fake", version="2")


class FakeBatcher:
    counts = BatchCounts()
    backlog_s = 2.5
    queued_windows = 5


class FakeEngine:
    """Finds the same segment for every query that holds "dog", and remembers which clips came."""

    manifest = MANIFEST
    provider = "FakeProvider"
    node_shares: ClassVar = {"FakeProvider": 1.0}
    batcher = FakeBatcher()

    def __init__(self) -> None:
        self.cache = memory_cache(0)
        self.known: set[str] = set()
        self.threads: set[int] = set()
        self.postprocessings: list[Postprocessing] = []
        self.clips: list[BinaryIO] = []
        self.before: Callable[[], object] = lambda: None
        self.n_checks = 0
        self.healthy = True

    def localize_clip(
        self, clip: BinaryIO, queries: Sequence[str], postprocessing: Postprocessing, call: Call
    ) -> Localization:
        self.clips.append(clip)
        clip_id = hashlib.sha256(clip.read()).hexdigest()
        cached = clip_id in self.known
        self.known.add(clip_id)
        return self._answer(clip_id, cached, queries, postprocessing, call)

    def localize_known(
        self, clip_id: str, queries: Sequence[str], postprocessing: Postprocessing, call: Call
    ) -> Localization:
        if clip_id not in self.known:
            raise ClipNotFound(clip_id)
        return self._answer(clip_id, True, queries, postprocessing, call)

    def knows_clip(self, clip_id: str) -> bool:
        return clip_id in self.known

    def check(self) -> None:
        self.n_checks += 1
        if not self.healthy:
            raise RuntimeError("secret of the device")

    def _answer(
        self, clip_id: str, cached: bool, queries: Sequence[str], postprocessing: Postprocessing, call: Call
    ) -> Localization:
        check_queries(queries, max_queries=3, max_query_chars=40)
        self.threads.add(threading.get_ident())
        self.postprocessings.append(postprocessing)
        self.before()
        call.check()
        return Localization(clip_id, DURATION_S, cached, tuple(_result(query) for query in queries))


def _result(query: str) -> QueryResult:
    present = "dog" in query
    return QueryResult(query, present, float(SCORE.max()), SCORE, SIMILARITY, (SEGMENT,) if present else ())
