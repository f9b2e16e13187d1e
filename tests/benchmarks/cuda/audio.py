"""Measures the audio graph: each precision and batch size with plain runs, bound tensors and CUDA graphs, beside the CPU."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.core.manifest import Manifest
from service.engine.sessions import GraphSession
from tests.benchmarks.cuda.sessions import PROVIDERS, BoundRun, Device, Precision, assignments, open_session
from tests.benchmarks.tables import row, spread, table

Float32 = NDArray[np.float32]
T = TypeVar("T")

WAYS = ("session.run", "service", "IOBinding", "CUDA graph", "CUDA graph without copies")
"""From windows in the memory of the host to frames there; the last way leaves both on the device."""
_BATCH, _SAMPLES = "batch", "5120*steps"  # symbolic dimensions of the audio graph
_FEWEST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how long.

    Attributes:
        device: Device that runs the graph.
        batches: Numbers of windows in a batch.
        repeats: Measurements of each way.
        seconds: Time of one measurement, whose median run counts.
    """

    device: Device
    batches: Sequence[int]
    repeats: int
    seconds: float


@dataclass(slots=True)
class Audio:
    """The audio graph on one device.

    Attributes:
        plan: What is measured.
        manifest: Facts about the model.
        windows: Different sounds, one window each, shape (W, N).
        frames: Embeddings of these windows on the CPU in single precision, shape (W, T, D).
        notes: What was refused and why, and which nodes run where.
    """

    plan: Plan
    manifest: Manifest
    windows: Float32
    frames: Float32
    notes: list[str] = field(default_factory=list[str])

    def measure(
        self, precisions: Sequence[Precision], flops: float, peaks: dict[str, float], service: GraphSession
    ) -> None:
        """Prints the table.

        Args:
            precisions: Graphs to measure.
            flops: Floating-point operations of one window.
            peaks: TFLOP/s that the device reaches, by the name of a precision.
            service: The audio graph as the service opens it, which computes as the precision "TF32".
        """
        times = [f"{way}, ms" for way in WAYS]
        table("precision", "windows", *times, "times real time", "TFLOP/s", "share of peak", "difference", "cosine")
        for precision in precisions:
            plain = self.attempt(precision.name, lambda precision=precision: open_session(precision, self.plan.device))
            if plain is None:
                continue
            self._note_nodes(precision.name, plain)
            for batch in self.plan.batches:
                runs = self._runs(precision, batch, plain)
                if precision.name == "TF32":
                    windows = self._batch(batch)
                    runs["service"] = lambda windows=windows: service.run({"waveform": windows})[0]
                self._measure_batch(precision.name, batch, runs, flops, peaks.get(precision.name))

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """Does a part of the work; notes a failure and returns None, so that it does not cost the other rows."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - any failure of a device is a result
            self._note(f"{what}: refused: {' '.join(str(error).split())[:300]}")
            return None

    def _runs(
        self, precision: Precision, batch: int, plain: onnxruntime.InferenceSession
    ) -> dict[str, Callable[[], object]]:
        """Each way as a function that computes a batch and returns its frames; the last one returns nothing."""
        device, windows, shape = self.plan.device, self._batch(batch), (batch, *self.frames.shape[1:])
        sizes = {_BATCH: batch, _SAMPLES: windows.shape[1]}
        runs: dict[str, Callable[[], object]] = {"session.run": lambda: plain.run(None, {"waveform": windows})[0]}
        bound = self.attempt(f"{precision.name}, {batch}, IOBinding", lambda: BoundRun(plain, device, [windows], shape))
        if bound:
            runs["IOBinding"] = bound.run
        graph = self.attempt(
            f"{precision.name}, {batch}, CUDA graph",
            lambda: BoundRun(open_session(precision, device, sizes, has_cuda_graph=True), device, [windows], shape),
        )
        if graph:
            runs["CUDA graph"] = graph.run
            runs["CUDA graph without copies"] = graph.compute
        return runs

    def _measure_batch(
        self, name: str, batch: int, runs: dict[str, Callable[[], object]], flops: float, peak: float | None
    ) -> None:
        expected = np.resize(self.frames, (batch, *self.frames.shape[1:]))
        ms: dict[str, list[float]] = {}
        differences: list[float] = []
        cosines: list[float] = []
        for way in (way for way in WAYS if way in runs):
            run = runs[way]
            frames = self.attempt(f"{name}, {batch}, {way}", lambda run=run: [run() for _ in range(3)][-1])
            if isinstance(frames, np.ndarray):
                differences.append(float(np.abs(frames - expected).max()))
                cosines.append(float(_cosine(frames, expected).min()))
            elif way != WAYS[-1]:
                continue  # refused
            times = self.attempt(f"{name}, {batch}, {way}", lambda run=run: timed(run, self.plan))
            if times:
                ms[way] = times
        window_s = self.manifest.window_samples / self.manifest.sample_rate_hz
        copying = [float(np.median(values)) for way, values in ms.items() if "without" not in way]
        speed = f"{batch * window_s / (min(copying) / 1000):.0f}" if copying else ""
        bare = ms.get(WAYS[-1])
        tflops = flops * batch / float(np.median(bare)) / 1e9 if bare else None
        row(
            name,
            batch,
            *(spread(ms[way], 2) if way in ms else "" for way in WAYS),
            speed,
            "" if tflops is None else f"{tflops:.2f}",
            "" if tflops is None or not peak else f"{100 * tflops / peak:.1f} %",
            f"{max(differences):.1e}" if differences else "",
            f"{min(cosines):.5f}" if cosines else "",
        )

    def _batch(self, size: int) -> Float32:
        return np.resize(self.windows, (size, self.windows.shape[1]))

    def _note(self, text: str) -> None:
        """Keeps a note for the end, and prints it at once in case that the run does not get there."""
        self.notes.append(text)
        print(text, file=sys.stderr, flush=True)

    def _note_nodes(self, name: str, session: onnxruntime.InferenceSession) -> None:
        nodes = assignments(session)
        here = sum(nodes.get(PROVIDERS[self.plan.device], {}).values())
        others = {provider: kinds for provider, kinds in nodes.items() if provider != PROVIDERS[self.plan.device]}
        rest = "; ".join(f"{provider}: {_counted(kinds)}" for provider, kinds in others.items())
        self._note(f"{name}: {here} nodes run on {self.plan.device}; others: {rest or 'none'}")


def sounds(number: int, n_samples: int, rate_hz: int) -> Float32:
    """Windows of different sounds: noise, a rising tone, pulses and a quiet hum, at different levels; shape (W, N)."""
    rng, time_s = np.random.default_rng(0), np.arange(n_samples) / rate_hz
    kinds = (
        rng.normal(0, 0.1, n_samples),
        0.3 * np.sin(2 * np.pi * (200 + 300 * time_s) * time_s),
        rng.normal(0, 0.2, n_samples) * (np.sin(2 * np.pi * 2 * time_s) > 0.9),
        0.01 * np.sin(2 * np.pi * 100 * time_s) + rng.normal(0, 1e-4, n_samples),
    )
    levels = 0.5 ** (np.arange(number) // len(kinds))
    return np.stack([level * kinds[index % len(kinds)] for index, level in enumerate(levels)]).astype(np.float32)


def timed(work: Callable[[], object], plan: Plan) -> list[float]:
    """Median duration of a run in milliseconds, for each repeat of a plan."""
    medians: list[float] = []
    for _ in range(plan.repeats):
        seconds: list[float] = []
        while len(seconds) < _FEWEST_RUNS or sum(seconds) < plan.seconds:
            began_s = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began_s)
        medians.append(1000 * float(np.median(seconds)))
    return medians


def _cosine(left: Float32, right: Float32) -> Float32:
    return np.sum(left * right, axis=-1) / (np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1))


def _counted(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])))
