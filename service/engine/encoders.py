"""The two towers as functions on arrays: windows to frame embeddings, queries to query embeddings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from service.core.errors import GraphMismatch
from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH, TOKENIZER, Manifest
from service.core.queries import normalize_query
from service.engine.options import EngineOptions
from service.engine.sessions import GraphSession, failures_as_mismatch

Float32 = NDArray[np.float32]

_NORM_TOLERANCE = 1e-2
_TOKENS_AT_A_TIME = 512
"""Larger batches are not faster, and others wait for them."""


class AudioEncoder:
    """The audio tower, run on batches of a few sizes only: 1, 2, 4 ... windows, filled up with silence.

    Attributes:
        provider: The execution provider that runs it.
        node_shares: The share of its nodes that each provider runs.
    """

    def __init__(self, bundle_dir: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Opens the tower of a verified bundle.

        Raises:
            DeviceUnavailable: If CUDA was asked for and cannot be used.
            GraphMismatch: If the graph is not what the contract says.
        """
        self._manifest = manifest
        self._buckets = buckets(options.batch_windows)
        self._session = GraphSession(
            bundle_dir / AUDIO_GRAPH, options, inputs={"waveform": "tensor(float)"}, output="frames"
        )
        self.provider = self._session.provider
        self.node_shares: dict[str, float] = self._session.node_shares

    def embed(self, windows: Float32) -> Float32:
        """Embeds windows, each as if it were alone.

        Args:
            windows: Mono samples at the model's rate, shape (W, N) with N samples of one window and W at most
                `batch_windows`.

        Returns:
            Unit-norm frame embeddings, shape (W, T, D).
        """
        missing = next(size for size in self._buckets if size >= len(windows)) - len(windows)
        batch = np.pad(windows, ((0, missing), (0, 0))) if missing else windows  # (B, N)
        return self._session.run({"waveform": batch})[: len(windows)]

    def close(self) -> None:
        """Frees the tower; no call may follow."""
        self._session.close()

    def check(self) -> None:
        """Embeds batches of noise and silence of every size, the largest first, which also warms the tower up.

        Raises:
            GraphMismatch: If the embeddings' shape, values or lengths are not what the manifest says.
        """
        noise = np.random.default_rng(0).normal(0, 0.1, self._manifest.window_samples).astype(np.float32)
        for size in reversed(self._buckets):  # memory that the largest takes serves all
            for windows in (np.zeros((size, len(noise)), np.float32), np.tile(noise, (size, 1))):
                with failures_as_mismatch(AUDIO_GRAPH):
                    frames = self.embed(windows)
                _check_embeddings(AUDIO_GRAPH, frames, (size, self._manifest.window_frames, self._manifest.dimension))


class TextEncoder:
    """The text tower with its tokenizer."""

    def __init__(self, bundle_dir: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Opens the tower of a verified bundle.

        Raises:
            DeviceUnavailable: If CUDA was asked for and cannot be used.
            GraphMismatch: If the graph is not what the contract says.
        """
        self._manifest = manifest
        self._tokenizer = Tokenizer.from_file(str(bundle_dir / TOKENIZER))
        self._tokenizer.enable_truncation(manifest.max_query_tokens)  # pyright: ignore[reportUnknownMemberType] - its stub types no kwargs
        self._tokenizer.no_padding()
        self._session = GraphSession(
            bundle_dir / TEXT_GRAPH,
            options,
            inputs={"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"},
            output="embedding",
        )

    def embed(self, queries: Sequence[str], check: Callable[[], object] = lambda: None) -> Float32:
        """Embeds queries as they were asked, those of equal length together: unit norm, shape (Q, D).

        Args:
            queries: The Q queries.
            check: Called before each batch; what it raises ends the work.
        """
        tokens = [self._tokenizer.encode(self._normalized(query)).ids for query in queries]
        alike: dict[int, list[int]] = {}
        for index, ids in enumerate(tokens):
            alike.setdefault(len(ids), []).append(index)
        embeddings = np.empty((len(queries), self._manifest.dimension), np.float32)
        for length, indices in alike.items():
            size = max(1, _TOKENS_AT_A_TIME // length)
            for start in range(0, len(indices), size):
                check()
                batch = indices[start : start + size]
                embeddings[batch] = self._run([tokens[index] for index in batch])
        return embeddings

    def _normalized(self, query: str) -> str:
        return normalize_query(query, self._manifest.query_normalization)

    def _run(self, tokens: Sequence[Sequence[int]]) -> Float32:
        ids = np.array(tokens, np.int64)  # (Q, L)
        return self._session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})

    def close(self) -> None:
        """Frees the tower; no call may follow."""
        self._session.close()

    def check(self) -> None:
        """Embeds a short and a long query, which also warms the tower up.

        Raises:
            GraphMismatch: If the embeddings' shape, values or lengths are not what the manifest says.
        """
        long_query = "a dog barks " * self._manifest.max_query_tokens
        with failures_as_mismatch(TEXT_GRAPH):
            embeddings = self.embed(["a dog barks", long_query])
        _check_embeddings(TEXT_GRAPH, embeddings, (2, self._manifest.dimension))


def buckets(largest: int) -> list[int]:
    """Powers of two up to a size, and the size itself: the batch sizes that are ever run.

    >>> buckets(6)
    [1, 2, 4, 6]
    """
    return sorted({1 << power for power in range(largest.bit_length()) if 1 << power <= largest} | {largest})


def _check_embeddings(name: str, embeddings: Float32, shape: tuple[int, ...]) -> None:
    if embeddings.shape != shape:
        raise GraphMismatch(name, f"embeddings of shape {embeddings.shape}", f"shape {shape}")
    off = float(np.max(np.abs(np.linalg.norm(embeddings, axis=-1) - 1)))
    if not off <= _NORM_TOLERANCE:  # also if it is NaN
        raise GraphMismatch(name, f"embeddings whose length is off by {off:g}", "finite embeddings of length 1")
