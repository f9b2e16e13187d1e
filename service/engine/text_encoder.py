"""The text graph of a bundle as a function on texts: queries to encoded queries, and to warnings about them."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from service.core.bundle_errors import GraphMismatch
from service.core.manifest import TEXT_GRAPH, TOKENIZER, Manifest
from service.core.queries import normalize_query
from service.core.query_warnings import cut_warning, language_warning, negation_warning, order_warning
from service.core.scoring import EncodedQueries
from service.core.warnings import AnswerWarning
from service.engine.encoders import check_embeddings
from service.engine.options import EngineOptions
from service.engine.query_tokenizer import open_tokenizer
from service.engine.sessions import GraphSession, failures_as_mismatch

Float32 = NDArray[np.float32]

_TOKENS_AT_A_TIME = 192
"""Tokens in a batch of queries. Larger batches are hardly faster, and make other calls wait longer."""


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A query as the text encoder reads it.

    Attributes:
        encoding: The query as encoded.
        warnings: Warnings about the query: what the text encoder does not read, or probably does not understand.
    """

    encoding: EncodedQueries
    warnings: tuple[AnswerWarning, ...]


class TextEncoder:
    """The text graph with its tokenizer.

    It runs on the CPU even if the audio graph runs on a GPU: ONNX Runtime has no CUDA kernel for the 8-bit products, so every
    product would copy its matrix from the GPU and back. Every batch of queries runs on one thread, and as many batches as there
    are threads run beside each other. A query is a small matrix, which more threads do not make faster.
    """

    def __init__(self, bundle_dir: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Opens the text graph of a verified bundle.

        Raises:
            TokenizerInvalid: If the tokenizer cannot be used.
            GraphMismatch: If the inputs or outputs of the graph are not those of the bundle format.
        """
        self._manifest = manifest
        self._normalize = lru_cache(options.cached_queries)(
            partial(
                normalize_query,
                normalization=manifest.query_normalization,
                version=manifest.query_normalizer_version,
            )
        )
        self._tokenizer = open_tokenizer(bundle_dir / TOKENIZER, manifest.max_query_tokens)
        self._session = GraphSession(
            bundle_dir / TEXT_GRAPH,
            replace(options, device="cpu", intra_op_threads=1),
            inputs={"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"},
            outputs=manifest.text_outputs,
            n_runs=options.cpu_threads,
        )
        self._n_runs = options.cpu_threads
        self._threads = ThreadPoolExecutor(self._n_runs, "text-encoder")

    def encode(self, queries: Sequence[str], check: Callable[[], object] = lambda: None) -> EncodedQueries:
        """Encodes queries in batches of queries with the same number of tokens.

        Args:
            queries: The texts of the Q queries, not normalized.
            check: Called before each batch; an exception that it raises stops the encoding.

        Returns:
            Q encoded queries, in the same order.
        """
        return self._encode([self._tokenizer.encode(self.normalize(query)) for query in queries], check)

    def read(self, queries: Sequence[str], check: Callable[[], object] = lambda: None) -> list[ReadQuery]:
        """Encodes queries as `encode` does, and adds the warnings about each."""
        texts = [self.normalize(query) for query in queries]
        tokens = [self._tokenizer.encode(text) for text in texts]
        encoded = self._encode(tokens, check).split()
        warnings = [self._warnings(text, encoding) for text, encoding in zip(texts, tokens, strict=True)]
        return [ReadQuery(*parts) for parts in zip(encoded, warnings, strict=True)]

    def normalize(self, query: str) -> str:
        """Normalizes a query; queries that are equal afterwards have the same encoding and the same warnings."""
        return self._normalize(query)

    def close(self) -> None:
        """Frees the graph; no call may follow."""
        self._threads.shutdown()
        self._session.close()

    def check(self) -> None:
        """Encodes a short and a long query, which also warms the graph up.

        Raises:
            GraphMismatch: If the shape of the outputs does not fit the manifest, if the embeddings are not of unit
                norm, or if a scale or bias is not finite.
        """
        long_query = "a dog barks " * self._manifest.max_query_tokens
        with failures_as_mismatch(TEXT_GRAPH):
            encoded = self.encode(["a dog barks", long_query])
        check_embeddings(TEXT_GRAPH, encoded.embeddings, (2, self._manifest.dimension))
        if encoded.sigmoids is not None and not np.isfinite(encoded.sigmoids).all():
            raise GraphMismatch(TEXT_GRAPH, f"scales and biases {encoded.sigmoids.tolist()}", "finite numbers")

    def _encode(self, tokens: Sequence[Encoding], check: Callable[[], object]) -> EncodedQueries:
        """Encodes Q tokenized queries: a single batch on the calling thread, several batches beside each other."""
        embeddings = np.empty((len(tokens), self._manifest.dimension), np.float32)
        sigmoids = np.empty((len(tokens), 2), np.float32) if self._manifest.has_text_dependent_sigmoids else None
        ids = [encoding.ids for encoding in tokens]

        def run(batch: list[int]) -> None:
            check()
            embeddings[batch], *extra = self._run([ids[index] for index in batch])
            if sigmoids is not None:
                (sigmoids[batch],) = extra

        batches = _batches([len(each) for each in ids], self._n_runs, _TOKENS_AT_A_TIME)
        if len(batches) == 1:
            run(batches[0])
        else:
            _wait([self._threads.submit(run, batch) for batch in batches])
        return EncodedQueries(embeddings, sigmoids)

    def _run(self, tokens: Sequence[Sequence[int]]) -> list[Float32]:
        ids = np.array(tokens, np.int64)  # (Q, L)
        return self._session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})

    def _warnings(self, text: str, encoding: Encoding) -> tuple[AnswerWarning, ...]:
        warnings = [language_warning(text), negation_warning(text), order_warning(text)]
        if encoding.overflowing:
            n_read_chars = max(end for _, end in encoding.offsets)
            warnings.insert(0, cut_warning(text, n_read_chars, self._manifest.max_query_tokens))
        return tuple(warning for warning in warnings if warning)


def _batches(lengths: Sequence[int], n_runs: int, max_tokens: int) -> list[list[int]]:
    """Divides queries into batches of queries with equal lengths, the largest batch first.

    Args:
        lengths: Number of tokens of each query.
        n_runs: Number of batches that run beside each other.
        max_tokens: Largest number of tokens in a batch of several queries.

    Returns:
        The indices of the queries of each batch.

    >>> _batches([3, 5, 3, 3, 3], n_runs=2, max_tokens=192)
    [[0, 2], [3, 4], [1]]
    """
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(length, []).append(index)
    share = max(1, -(-sum(lengths) // n_runs))
    batches: list[list[int]] = []
    for length, indices in by_length.items():
        n_batches = -(-len(indices) * length // min(max_tokens, share))
        if n_batches > 1:
            n_batches = min(len(indices), -(-n_batches // n_runs) * n_runs)  # so that all runs end together
        size = -(-len(indices) // n_batches)
        batches += [indices[start : start + size] for start in range(0, len(indices), size)]
    return sorted(batches, key=lambda batch: -len(batch) * lengths[batch[0]])


def _wait(batches: Sequence[Future[None]]) -> None:
    """Waits for all batches; after a failure, those that have not begun are left out.

    Raises:
        Exception: A failure of a batch.
    """
    done, left = wait(batches, return_when=FIRST_EXCEPTION)
    for batch in left:
        batch.cancel()
    for batch in done:
        batch.result()
