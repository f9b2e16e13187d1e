"""Limits and resources of an engine, as the operator sets them."""

import math
from dataclasses import dataclass
from typing import Literal

from service.engine.cores import available_cores, cores_of_quota

Device = Literal["auto", "cpu", "cuda"]

_POSITIVE = ("max_clip_s", "max_upload_bytes", "max_queries", "max_query_chars", "batch_windows")
_NOT_NEGATIVE = ("cache_bytes", "cached_queries", "intra_op_threads", "gpu_memory_bytes")


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Limits and resources of an engine. Each option has a setting of the same name, such as EARMARK_MAX_CLIP_S.

    Attributes:
        max_clip_s: Length of the longest accepted clip, in seconds.
        max_upload_bytes: Size of the largest accepted clip, in bytes.
        max_queries: Largest number of queries in one call.
        max_query_chars: Length of the longest accepted query, in characters.
        batch_windows: Largest number of windows in a batch on a GPU, which is used better with more. On a CPU, each core
            embeds one window at a time.
        cache_bytes: Size limit of the clip embeddings in memory, in bytes; 0 disables the cache in memory.
        cached_queries: Largest number of query embeddings in memory; 0 disables their cache.
        device: Device that runs the audio encoder; "auto" uses CUDA if it is available, and otherwise the CPU.
        intra_op_threads: Number of CPU threads that inference uses; 0 uses one per core.
        gpu_memory_bytes: Limit of the GPU memory of the audio encoder, in bytes; 0 sets no limit.
    """

    max_clip_s: float = 3600.0
    max_upload_bytes: int = 512 * 2**20
    max_queries: int = 64
    max_query_chars: int = 512
    batch_windows: int = 4
    cache_bytes: int = 256 * 2**20
    cached_queries: int = 4096
    device: Device = "auto"
    intra_op_threads: int = 0
    gpu_memory_bytes: int = 0

    def __post_init__(self) -> None:
        for name in (*_POSITIVE, *_NOT_NEGATIVE):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (value == 0 and name in _POSITIVE):
                raise ValueError(f"{name} is {value}; accepted: {'above 0' if name in _POSITIVE else '0 or more'}")

    @property
    def cpu_threads(self) -> int:
        """Number of CPU threads that inference uses."""
        return self.intra_op_threads or available_cores()

    @property
    def session_threads(self) -> int:
        """Number of threads of one session; 0 lets ONNX Runtime use one per physical core."""
        return self.intra_op_threads or (available_cores() if cores_of_quota() else 0)
