"""Comparison of a bundle with its checkpoint: names, axes, shapes, values, batches and segments."""

# onnxruntime, torch and transformers ship partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from model_export.errors import BatchDiffers, GraphInterfaceDiffers, SegmentsDiffer, ShapeDiffers, ValuesDiffer
from service.core import scoring
from service.core.curves import score_curves
from service.core.localization import localize
from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, TEXT_GRAPH, Manifest
from service.core.scoring import EncodedQueries
from training.evaluation.localizers import encode_with_torch
from training.model import LanguageAudioModel
from training.towers.text import SentenceEncoder

Float32 = NDArray[np.float32]

AUDIO_TOLERANCE = 1e-4
"""Accepted difference in an element of a unit-norm frame embedding; single precision causes about 1e-5."""
BATCH_TOLERANCE = 1e-5
"""Accepted difference between an item in a batch and the item alone; relative for values above 1."""
CPU_AUDIO_TOLERANCE = 2e-3
"""Accepted cosine distance between a frame embedding in float32 and with products in 8 bits."""
TEXT_TOLERANCE = 0.01
"""Accepted cosine distance between a query's embedding in float32 and in 8 bits."""
SIGMOID_TOLERANCE = 1e-4
"""Accepted difference of scales and biases from those of torch for the same embedding; relative above 1."""
BATCHES = (1, 2, 5)
QUERIES = (
    "a dog barks",
    "rain",
    "someone is typing on a computer keyboard in a quiet office",
    "glass shatters",
    "a church bell rings in the distance while birds are singing",
)
AUDIO_INTERFACE = {"waveform": 2, "frames": 3}
TEXT_INPUTS = {"input_ids": 2, "attention_mask": 2}
DYNAMIC_AXES = {"embedding": 1, "sigmoid": 1}
"""Number of leading axes that are dynamic, for tensors in which it is not two (batch and time)."""


def verify(folder: Path, manifest: Manifest, model: LanguageAudioModel, encoder: SentenceEncoder) -> dict[str, float]:
    """Compares the graphs in `folder` with the torch model that they were exported from.

    Returns:
        The largest difference in each comparison.

    Raises:
        ExportError: A subclass for each kind of difference, with the largest difference.
    """
    audio, text = (_session(folder / name) for name in (AUDIO_GRAPH, TEXT_GRAPH))
    text_interface = TEXT_INPUTS | dict.fromkeys(manifest.text_outputs, 2)
    verify_interface(AUDIO_GRAPH, audio, AUDIO_INTERFACE, fixed=(manifest.window_samples, manifest.window_frames))
    verify_interface(TEXT_GRAPH, text, text_interface)
    return {
        "audio": verify_audio(audio, manifest, model),
        "audio_batched": verify_batches(AUDIO_GRAPH, audio, manifest),
        **(verify_cpu_audio(folder, manifest, model) if CPU_AUDIO_GRAPH in manifest.files else {}),
        **verify_text(text, model, encoder),
        "text_batched": verify_query_batches(text, encoder),
        "curves": verify_segments(audio, manifest, model, encoder),
    }


def run(session: onnxruntime.InferenceSession, **inputs: NDArray[Any]) -> list[Float32]:
    """Runs a graph and returns its outputs."""
    return [np.asarray(output) for output in session.run(None, inputs)]


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # as in serving
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def verify_interface(
    graph: str, session: onnxruntime.InferenceSession, expected: Mapping[str, int], fixed: tuple[int, ...] = ()
) -> None:
    """Checks the names and ranks of the inputs and outputs, and that batch and time axes are dynamic.

    Args:
        graph: Name of the graph, for messages.
        session: The graph.
        expected: Rank of every input and output, by name.
        fixed: Accepted sizes of a time axis that is not dynamic. These are the sizes of a window, because the service
            runs the graph on windows only.
    """
    values = [*session.get_inputs(), *session.get_outputs()]
    ranks = {value.name: len(value.shape) for value in values}
    if ranks != expected:
        raise GraphInterfaceDiffers(graph, ranks, expected)
    for value in values:
        batch, *time = value.shape[: DYNAMIC_AXES.get(value.name, 2)]
        if not isinstance(batch, str) or not all(isinstance(axis, str) or axis in fixed for axis in time):
            raise GraphInterfaceDiffers(graph, f"{value.name} {value.shape}", "dynamic axes")


def example_waveforms(batch: int, n_samples: int) -> Float32:
    """Makes seeded test clips of noise bursts, tones and silence, shape (B, N)."""
    rng = np.random.default_rng(batch * n_samples)
    time = np.arange(n_samples) / 16_000
    tones = np.sin(2 * np.pi * rng.uniform(100, 4000, (batch, 1)) * time)
    bursts = rng.standard_normal((batch, n_samples)) * (
        np.sin(2 * np.pi * rng.uniform(0.3, 2, (batch, 1)) * time) > 0.3
    )
    return (0.2 * tones * (np.sin(time) > 0) + 0.1 * bursts).astype(np.float32)


def verify_audio(session: onnxruntime.InferenceSession, manifest: Manifest, model: LanguageAudioModel) -> float:
    """Compares frame embeddings over several lengths and batch sizes; returns the largest difference."""
    largest, lengths = 0.0, model.audio.lengths
    short = () if lengths.max_steps else (lengths.frames(lengths.min_steps), lengths.frames(lengths.min_steps + 3))
    for n_frames in (*short, manifest.window_frames):
        for batch in BATCHES:
            waveform = example_waveforms(batch, manifest.grid.n_samples(n_frames))
            (frames,) = run(session, waveform=waveform)
            if frames.shape != (batch, n_frames, manifest.dimension):
                raise ShapeDiffers(AUDIO_GRAPH, frames.shape, (batch, n_frames, manifest.dimension))
            with torch.inference_mode():
                expected = model.served_frames(torch.from_numpy(waveform)).numpy()
            difference = float(np.abs(frames - expected).max())
            if not difference <= AUDIO_TOLERANCE:
                raise ValuesDiffer(AUDIO_GRAPH, f"batch {batch}, {n_frames} frames", difference, AUDIO_TOLERANCE)
            largest = max(largest, difference)
    return largest


def verify_cpu_audio(folder: Path, manifest: Manifest, model: LanguageAudioModel) -> dict[str, float]:
    """Compares the frame embeddings of audio_cpu.onnx with those of torch; returns the largest difference in each comparison."""
    session = _session(folder / CPU_AUDIO_GRAPH)
    waveform = example_waveforms(max(BATCHES), manifest.window_samples)
    verify_interface(CPU_AUDIO_GRAPH, session, AUDIO_INTERFACE, fixed=(manifest.window_samples, manifest.window_frames))
    (frames,) = run(session, waveform=waveform)
    with torch.inference_mode():
        expected = model.served_frames(torch.from_numpy(waveform)).numpy()
    if frames.shape != expected.shape:
        raise ShapeDiffers(CPU_AUDIO_GRAPH, frames.shape, expected.shape)
    distance = float((1 - (frames * expected).sum(axis=-1)).max())
    if not distance <= CPU_AUDIO_TOLERANCE:
        raise ValuesDiffer(CPU_AUDIO_GRAPH, f"{len(waveform)} windows", distance, CPU_AUDIO_TOLERANCE)
    return {"cpu_audio": distance, "cpu_audio_batched": verify_batches(CPU_AUDIO_GRAPH, session, manifest)}


def verify_batches(graph: str, session: onnxruntime.InferenceSession, manifest: Manifest) -> float:
    """Compares each window of a batch with the same window alone; returns the largest difference."""
    waveform = example_waveforms(max(BATCHES), manifest.window_samples)
    (batched,) = run(session, waveform=waveform)
    single = np.concatenate([run(session, waveform=window[None])[0] for window in waveform])
    return _require_same(graph, batched, single)


def verify_query_batches(session: onnxruntime.InferenceSession, encoder: SentenceEncoder) -> float:
    """Compares each query in a batch with the query alone; returns the largest difference.

    The other query of the batch has the same words in reverse order, so both queries have the same number of tokens.
    """
    pairs = [encode_queries(session, encoder, [query, " ".join(query.split()[::-1])]).split()[0] for query in QUERIES]
    batched = EncodedQueries.join(pairs)
    single = EncodedQueries.join([encode_queries(session, encoder, [query]) for query in QUERIES])
    largest = _require_same(TEXT_GRAPH, batched.embeddings, single.embeddings)
    if batched.sigmoids is None or single.sigmoids is None:
        return largest
    return max(largest, _require_same(TEXT_GRAPH, batched.sigmoids, single.sigmoids))


def _require_same(graph: str, batched: Float32, single: Float32) -> float:
    largest = relative_difference(batched, single)
    if not largest <= BATCH_TOLERANCE:
        raise BatchDiffers(graph, largest, BATCH_TOLERANCE)
    return largest


def relative_difference(values: Float32, expected: Float32) -> float:
    """Largest absolute difference; where an expected value is above 1 in magnitude, relative to that value."""
    return float((np.abs(values - expected) / np.maximum(1, np.abs(expected))).max())


def verify_text(
    session: onnxruntime.InferenceSession, model: LanguageAudioModel, encoder: SentenceEncoder
) -> dict[str, float]:
    """Compares encoded queries, all in one batch and one by one.

    Returns:
        Under `text`, the largest cosine distance of an embedding from that of torch. Under `sigmoid`, for a model with
        text-dependent sigmoids, the largest difference of a scale or bias from that of torch for the same embedding.
    """
    expected = encode_with_torch(model, encoder, QUERIES).embeddings
    largest = {"text": 0.0} | ({"sigmoid": 0.0} if model.own_sigmoid else {})
    batches: list[list[str]] = [list(QUERIES), *([query] for query in QUERIES)]
    for queries in batches:
        encoded = encode_queries(session, encoder, queries)
        rows = [QUERIES.index(query) for query in queries]
        if encoded.embeddings.shape != expected[rows].shape:
            raise ShapeDiffers(TEXT_GRAPH, encoded.embeddings.shape, expected[rows].shape)
        distance = float((1 - (encoded.embeddings * expected[rows]).sum(axis=1)).max())
        if not distance <= TEXT_TOLERANCE:
            raise ValuesDiffer(TEXT_GRAPH, f"{len(queries)} queries", distance, TEXT_TOLERANCE)
        largest["text"] = max(largest["text"], distance)
        if model.own_sigmoid:
            largest["sigmoid"] = max(largest["sigmoid"], verify_sigmoids(encoded, model))
    return largest


def verify_sigmoids(encoded: EncodedQueries, model: LanguageAudioModel) -> float:
    """Compares the scales and biases of encoded queries with those that torch computes for their embeddings."""
    shape = (len(encoded.embeddings), 2)
    if model.own_sigmoid is None or encoded.sigmoids is None or encoded.sigmoids.shape != shape:
        came = () if encoded.sigmoids is None else encoded.sigmoids.shape
        raise ShapeDiffers(TEXT_GRAPH, came, shape)
    with torch.inference_mode():
        expected = model.own_sigmoid.stacked(torch.from_numpy(encoded.embeddings)).numpy()
    difference = relative_difference(encoded.sigmoids, expected)
    if not difference <= SIGMOID_TOLERANCE:
        raise ValuesDiffer(TEXT_GRAPH, f"scales and biases of {shape[0]} queries", difference, SIGMOID_TOLERANCE)
    return difference


def encode_queries(
    session: onnxruntime.InferenceSession, encoder: SentenceEncoder, queries: list[str]
) -> EncodedQueries:
    """Encodes queries with the text graph."""
    ids, attention_mask = encoder.tokenize(queries)
    return EncodedQueries(*run(session, input_ids=ids.numpy(), attention_mask=attention_mask.numpy()))


def verify_segments(
    session: onnxruntime.InferenceSession, manifest: Manifest, model: LanguageAudioModel, encoder: SentenceEncoder
) -> float:
    """Compares the segments of one window, with queries encoded by torch and frames embedded by torch and by the graph.

    The segments are cut at a threshold that no score is close to. Returns the largest difference of the curves.
    """
    waveform = example_waveforms(1, manifest.window_samples)
    duration_s = manifest.grid.duration_s(manifest.window_samples)
    with torch.inference_mode():
        torch_frames = model.served_frames(torch.from_numpy(waveform))[0].numpy()
    graph_frames = run(session, waveform=waveform)[0][0]
    largest = 0.0
    for query, encoded in zip(QUERIES, encode_with_torch(model, encoder, QUERIES).split(), strict=True):
        threshold = _clear_threshold(torch_frames, encoded, manifest)
        settings = manifest.postprocessing.override(threshold=threshold, threshold_off=threshold, extent_ratio=1)
        expected, actual = (
            localize(frames, [query], encoded, manifest, settings, duration_s)[0]
            for frames in (torch_frames, graph_frames)
        )
        largest = max(largest, float(np.abs(expected.score - actual.score).max()))
        expected_times, actual_times = (
            [(segment.onset_s, segment.offset_s) for segment in result.segments] for result in (expected, actual)
        )
        if expected_times != actual_times:
            raise SegmentsDiffer(expected.segments, actual.segments, largest)
    return largest


def _clear_threshold(frames: Float32, encoded: EncodedQueries, manifest: Manifest) -> float:
    """The middle of the widest gap between neighbouring scores, among the middle half of the sorted scores."""
    evidence = encoded.evidence(scoring.similarity(frames, encoded.embeddings))
    curves = score_curves(evidence, manifest.calibration, manifest.grid, manifest.postprocessing)
    ordered = np.sort(curves.smoothed[0])
    middle = ordered[len(ordered) // 4 : -len(ordered) // 4]
    widest = int(np.diff(middle).argmax())
    return float((middle[widest] + middle[widest + 1]) / 2)
