"""What an operator may choose about the engine, and the limits that it keeps."""

import math
from dataclasses import dataclass
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]

_POSITIVE = ("max_clip_s", "max_upload_bytes", "max_queries", "max_query_chars", "batch_windows")
_NOT_NEGATIVE = ("cache_bytes", "cached_queries", "intra_op_threads", "gpu_memory_bytes")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits and resources of an engine; each has a setting of the same name, EARMARK_MAX_CLIP_S and so on.

    Attributes:
        max_clip_s: The longest clip that is accepted.
        max_upload_bytes: The largest clip that is accepted.
        max_queries: Queries in one call.
        max_query_chars: Characters in one query.
        batch_windows: Windows that go through the audio tower at a time, at most; more use a GPU better.
        cache_bytes: Clip embeddings kept in memory; 0 keeps none.
        cached_queries: Query embeddings kept in memory.
        device: Where the towers run; "auto" takes CUDA if it is there.
        intra_op_threads: Threads of one inference; 0 takes one per core.
        gpu_memory_bytes: Memory that each tower may take on a GPU; 0 sets no limit.
    """

    max_clip_s: float = 3600.0
    max_upload_bytes: int = 512 * 2**20
    max_queries: int = 64
    max_query_chars: int = 512
    batch_windows: int = 4
    cache_bytes: int = 512 * 2**20
    cached_queries: int = 4096
    device: Device = "auto"
    intra_op_threads: int = 0
    gpu_memory_bytes: int = 0

    def __post_init__(self) -> None:
        for name in (*_POSITIVE, *_NOT_NEGATIVE):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (value == 0 and name in _POSITIVE):
                raise ValueError(f"{name} is {value}; accepted: {'above 0' if name in _POSITIVE else '0 or more'}")
