"""The audio graph of a bundle as a function on arrays: windows to frame embeddings."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.core.bundle_errors import GraphMismatch
from service.core.manifest import AUDIO_GRAPH, Manifest
from service.engine.options import EngineOptions
from service.engine.sessions import CPU_PROVIDER, GraphSession, failures_as_mismatch, may_use_cuda

Float32 = NDArray[np.float32]

log = logging.getLogger(__name__)

_NORM_TOLERANCE = 1e-2


class WindowEncoder(Protocol):
    """The audio encoder as the batcher uses it. The embeddings of a window are the same whichever method computes them."""

    @property
    def max_windows(self) -> int:
        """Largest number of windows in a batch."""
        ...

    @property
    def n_runs(self) -> int:
        """Number of calls of `embed_beside` that may run at the same time."""
        ...

    def embed(self, windows: Float32) -> Float32:
        """Embeds windows (B, N) to frame embeddings (B, Tw, D) with all threads."""
        ...

    def embed_beside(self, windows: Float32) -> Float32:
        """Embeds windows as `embed` does, with the threads of one run among `n_runs`."""
        ...


class AudioEncoder:
    """The audio graph: on a CPU audio_cpu.onnx if the bundle has it, otherwise audio.onnx.

    On a GPU it is run on a few batch sizes only: 1, 2, 4 ... windows; a smaller batch is filled up with silence. On a CPU it
    is run on exactly the windows that come. There it is open twice: for a run with all threads, and for several runs beside
    each other with one thread each, which take less CPU time a window. "All threads" are the largest power of two: ONNX Runtime
    divides element-wise operations evenly among threads, and where a part ends within a vector of the CPU, last bits change.

    Attributes:
        provider: The execution provider that runs the graph.
        node_shares: Fraction of the graph's nodes that each provider runs.
        max_windows: Largest number of windows in a batch; 1 on a CPU, where a batch is no faster than its windows alone.
        n_runs: Number of calls of `embed_beside` that may run at the same time.
    """

    def __init__(self, bundle_dir: Path, manifest: Manifest, options: EngineOptions) -> None:
        """Opens the audio graph of a verified bundle.

        Raises:
            DeviceUnavailable: If `options` require CUDA and CUDA cannot be used.
            GraphMismatch: If the inputs or outputs of the graph are not those of the bundle format.
        """
        self._manifest = manifest
        all_threads = replace(options, intra_op_threads=1 << options.cpu_threads.bit_length() - 1)
        self._session = self._beside = _open_audio(bundle_dir, manifest, all_threads)
        self.provider = self._session.provider
        self.node_shares: dict[str, float] = self._session.node_shares
        self.max_windows, self.n_runs = options.batch_windows, 1
        self._buckets: list[int] = buckets(options.batch_windows)
        if self.provider == CPU_PROVIDER:
            self.max_windows, self.n_runs, self._buckets = 1, options.cpu_threads, []
        if self.n_runs > 1:
            one_thread = replace(options, device="cpu", intra_op_threads=1)
            self._beside = _open_audio(bundle_dir, manifest, one_thread, self.n_runs)

    def embed(self, windows: Float32) -> Float32:
        """Embeds windows with all threads; the embeddings of a window do not depend on the other windows.

        Args:
            windows: Mono samples at the model's rate, shape (W, N); N samples are one window. On a GPU, W is at most
                `max_windows`.

        Returns:
            Unit-norm frame embeddings, shape (W, T, D).
        """
        return self._run(self._session, windows)

    def embed_beside(self, windows: Float32) -> Float32:
        """Embeds windows as `embed` does, on one thread of a CPU; `n_runs` threads may call this at the same time."""
        return self._run(self._beside, windows)

    def close(self) -> None:
        """Frees the graph; no call may follow."""
        self._session.close()
        self._beside.close()

    def check(self) -> None:
        """Embeds batches of noise and of silence of every size, the largest first, which also warms the graph up.

        On a CPU it compares the runs with one thread and with all threads. If they do not give the same bits, only runs with
        one thread are used from then on.

        Raises:
            GraphMismatch: If the shape of the embeddings does not fit the manifest, or if they are not of unit norm.
        """
        noise = np.random.default_rng(0).normal(0, 0.1, self._manifest.window_samples).astype(np.float32)
        name = self._session.name
        for size in reversed(
            self._buckets or [1]
        ):  # the memory allocated for the largest batch serves the smaller ones
            for windows in (np.zeros((size, len(noise)), np.float32), np.tile(noise, (size, 1))):
                with failures_as_mismatch(name):
                    frames, beside = self.embed(windows), self.embed_beside(windows)
                check_embeddings(name, frames, (size, self._manifest.window_frames, self._manifest.dimension))
                if self.n_runs > 1 and not np.array_equal(frames, beside):
                    log.warning(
                        "threads change the last bits of the embeddings; every window is embedded on one thread"
                    )
                    self._session = self._beside

    def _run(self, session: GraphSession, windows: Float32) -> Float32:
        sizes = self._buckets or [len(windows)]
        missing = next(size for size in sizes if size >= len(windows)) - len(windows)
        batch = np.pad(windows, ((0, missing), (0, 0))) if missing else windows  # (B, N)
        (frames,) = session.run({"waveform": batch})  # (B, T, D)
        return frames[: len(windows)]


def _open_audio(bundle_dir: Path, manifest: Manifest, options: EngineOptions, n_runs: int = 1) -> GraphSession:
    """Opens audio.onnx on CUDA if CUDA is wanted and works, otherwise the graph for CPUs on the CPU."""
    inputs, outputs = {"waveform": "tensor(float)"}, ["frames"]
    if may_use_cuda(options):
        session = GraphSession(bundle_dir / AUDIO_GRAPH, options, inputs, outputs)
        if session.provider != CPU_PROVIDER:
            return session
        session.close()
    graph, on_cpu = bundle_dir / manifest.audio_graph_of_cpus, replace(options, device="cpu")
    return GraphSession(graph, on_cpu, inputs, outputs, n_runs)


def buckets(largest: int) -> list[int]:
    """Batch sizes that are run: the powers of two up to `largest`, and `largest` itself.

    >>> buckets(6)
    [1, 2, 4, 6]
    """
    return sorted({1 << power for power in range(largest.bit_length()) if 1 << power <= largest} | {largest})


def check_embeddings(name: str, embeddings: Float32, shape: tuple[int, ...]) -> None:
    """Checks the shape of a graph's embeddings, and that they are of unit norm.

    Raises:
        GraphMismatch: If they are not.
    """
    if embeddings.shape != shape:
        raise GraphMismatch(name, f"embeddings of shape {embeddings.shape}", f"shape {shape}")
    deviation = float(np.max(np.abs(np.linalg.norm(embeddings, axis=-1) - 1)))
    if not deviation <= _NORM_TOLERANCE:  # true also for NaN
        raise GraphMismatch(
            name, f"embeddings whose norm deviates from 1 by {deviation:g}", "finite embeddings of norm 1"
        )
