"""The model as a short service of its own would run it: soundfile, soxr, ONNX Runtime and tokenizers, without Earmark.

The peers answer the request of `tests.benchmarks.load.form` with the same facts as Earmark: score curves and segments. They
have neither its limits and checks nor its cache, sandbox and metrics.
"""

import json
import os
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soundfile
import soxr
from scipy.ndimage import median_filter
from tokenizers import Tokenizer

DEFAULT_BUNDLE = Path(__file__).parents[3] / "service" / "bundle"
BUNDLE_VARIABLE = "PEER_BUNDLE"
"""Environment variable with the directory of the bundle that a peer serves."""
GRAPH_VARIABLE = "PEER_GRAPH"
"""Environment variable with the name of the audio graph that a peer runs; by default the graph for CPUs, if there is one."""


def bundle_dir() -> Path:
    return Path(os.environ.get(BUNDLE_VARIABLE) or DEFAULT_BUNDLE)


def audio_graph() -> Path:
    default = "audio_cpu.onnx" if (bundle_dir() / "audio_cpu.onnx").exists() else "audio.onnx"
    return bundle_dir() / (os.environ.get(GRAPH_VARIABLE) or default)


class Model:
    """A bundle in ONNX Runtime; may be called from several threads.

    Args:
        threads: CPU threads of one inference; 0 uses one per core.
    """

    def __init__(self, threads: int) -> None:
        bundle = bundle_dir()
        self._facts = json.loads((bundle / "manifest.json").read_text())
        self._window = self._facts["window_frames"] * self._facts["hop_samples"]
        self._audio, self._text = (_session(path, threads) for path in (audio_graph(), bundle / "text.onnx"))
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._embed_query = lru_cache(maxsize=4096)(self._embed_new_query)
        self.localize_samples(np.zeros(self._window, np.float32), ["warm up"])

    def localize(self, content: bytes, queries: list[str]) -> dict[str, Any]:
        """Answers one request: the bytes of a clip and the queries."""
        return self.localize_samples(self.decode(content), queries)

    def decode(self, content: bytes) -> np.ndarray:
        samples, rate_hz = soundfile.read(BytesIO(content), dtype="float32", always_2d=True)
        mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
        target_hz = self._facts["sample_rate_hz"]
        return mono if rate_hz == target_hz else soxr.resample(mono, rate_hz, target_hz)

    def localize_samples(self, samples: np.ndarray, queries: list[str]) -> dict[str, Any]:
        facts, hop_s = self._facts["postprocessing"], self._facts["hop_samples"] / self._facts["sample_rate_hz"]
        n_frames = -(-len(samples) // self._facts["hop_samples"])
        frames = np.concatenate([self._embed(window) for window in self._windows(samples)])[:n_frames]  # (T, D)
        similarity = frames @ np.stack([self._embed_query(query) for query in queries]).T  # (T, Q)
        scores = 1 / (1 + np.exp(-(self._facts["scale"] * similarity + self._facts["bias"])))
        width = 2 * int(facts["median_filter_s"] / hop_s / 2) + 1
        scores = median_filter(scores, (width, 1), mode="nearest")
        results = [
            {
                "query": query,
                "score": curve.astype(float).round(6).tolist(),
                "segments": _segments(curve > facts["threshold"], hop_s),
            }
            for query, curve in zip(queries, scores.T, strict=True)
        ]
        return {"duration_s": len(samples) / self._facts["sample_rate_hz"], "hop_s": hop_s, "results": results}

    def _windows(self, samples: np.ndarray) -> list[np.ndarray]:
        padded = np.pad(samples, (0, -len(samples) % self._window))
        return [padded[start : start + self._window] for start in range(0, len(padded), self._window)]

    def _embed(self, window: np.ndarray) -> np.ndarray:
        return self._audio.run(None, {"waveform": window[None]})[0][0]

    def _embed_new_query(self, query: str) -> np.ndarray:
        ids = np.array([self._tokenizer.encode(query).ids], np.int64)
        return self._text.run(["embedding"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # faster where clients share the cores
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _segments(is_heard: np.ndarray, hop_s: float) -> list[dict[str, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_heard.astype(np.int8), [0]])))
    return [{"onset_s": begin * hop_s, "offset_s": end * hop_s} for begin, end in edges.reshape(-1, 2)]
