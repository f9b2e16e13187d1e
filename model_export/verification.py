"""Does a bundle give what its checkpoint gives? Names, axes, shapes, values, batches, segments."""

# onnxruntime, torch and transformers ship partial types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

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
from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH, Manifest
from service.core.scoring import EncodedQueries
from training.model import LanguageAudioModel
from training.towers.text import SentenceEncoder

Float32 = NDArray[np.float32]

AUDIO_TOLERANCE = 1e-4
"""Of an element of a unit-norm embedding; single precision differs by about 1e-5."""
BATCH_TOLERANCE = 1e-5
TEXT_TOLERANCE = 0.01
"""Of the cosine between a query's embedding in float32 and in 8 bits."""
BATCHES = (1, 2, 5)
QUERIES = (
    "a dog barks",
    "rain",
    "someone is typing on a computer keyboard in a quiet office",
    "glass shatters",
    "a church bell rings in the distance while birds are singing",
)
AUDIO_INTERFACE = {"waveform": 2, "frames": 3}
TEXT_INTERFACE = {"input_ids": 2, "attention_mask": 2, "embedding": 2}


def verify(folder: Path, manifest: Manifest, model: LanguageAudioModel, encoder: SentenceEncoder) -> dict[str, float]:
    """Compares the graphs in `folder` with the torch model that they were made from.

    Returns:
        The largest differences found, by what was compared.

    Raises:
        ExportError: one of its kinds, with the largest difference.
    """
    audio, text = (_session(folder / name) for name in (AUDIO_GRAPH, TEXT_GRAPH))
    verify_interface(AUDIO_GRAPH, audio, AUDIO_INTERFACE, fixed=(manifest.window_samples, manifest.window_frames))
    verify_interface(TEXT_GRAPH, text, TEXT_INTERFACE)
    return {
        "audio": verify_audio(audio, manifest, model),
        "audio_batched": verify_batches(audio, manifest),
        "text": verify_text(text, model, encoder),
        "text_batched": verify_query_batches(text, encoder),
        "curves": verify_segments(audio, manifest, model, encoder),
    }


def run(session: onnxruntime.InferenceSession, **inputs: NDArray[Any]) -> Float32:
    """A graph's only output."""
    return np.asarray(session.run(None, inputs)[0])


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # as in serving
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def verify_interface(
    graph: str, session: onnxruntime.InferenceSession, expected: dict[str, int], fixed: tuple[int, ...] = ()
) -> None:
    """Checks the names of inputs and outputs, their ranks, and that all axes but an embedding's are dynamic.

    Behind the batch an axis may have one of the `fixed` sizes too: those of a window, which is all that is ever served.
    """
    values = [*session.get_inputs(), *session.get_outputs()]
    found = {value.name: len(value.shape) for value in values}
    if found != expected:
        raise GraphInterfaceDiffers(graph, found, expected)
    for value in values:
        batch, *others = value.shape[:2] if value.name != "embedding" else value.shape[:1]
        if not isinstance(batch, str) or not all(isinstance(axis, str) or axis in fixed for axis in others):
            raise GraphInterfaceDiffers(graph, f"{value.name} {value.shape}", "dynamic axes")


def example_waveforms(batch: int, n_samples: int) -> Float32:
    """Seeded test clips: noise bursts, tones and silence, (B, N)."""
    rng = np.random.default_rng(batch * n_samples)
    time = np.arange(n_samples) / 16_000
    tones = np.sin(2 * np.pi * rng.uniform(100, 4000, (batch, 1)) * time)
    bursts = rng.standard_normal((batch, n_samples)) * (
        np.sin(2 * np.pi * rng.uniform(0.3, 2, (batch, 1)) * time) > 0.3
    )
    return (0.2 * tones * (np.sin(time) > 0) + 0.1 * bursts).astype(np.float32)


def verify_audio(session: onnxruntime.InferenceSession, manifest: Manifest, model: LanguageAudioModel) -> float:
    """Compares frame embeddings over several lengths and batch sizes."""
    largest, lengths = 0.0, model.audio.lengths
    others = () if lengths.max_steps else (lengths.frames(lengths.min_steps), lengths.frames(lengths.min_steps + 3))
    for n_frames in (*others, manifest.window_frames):
        for batch in BATCHES:
            waveform = example_waveforms(batch, manifest.grid.n_samples(n_frames))
            found = run(session, waveform=waveform)
            if found.shape != (batch, n_frames, manifest.dimension):
                raise ShapeDiffers(AUDIO_GRAPH, found.shape, (batch, n_frames, manifest.dimension))
            with torch.inference_mode():
                expected = model.served_frames(torch.from_numpy(waveform)).numpy()
            difference = float(np.abs(found - expected).max())
            if not difference <= AUDIO_TOLERANCE:
                raise ValuesDiffer(AUDIO_GRAPH, f"batch {batch}, {n_frames} frames", difference, AUDIO_TOLERANCE)
            largest = max(largest, difference)
    return largest


def verify_batches(session: onnxruntime.InferenceSession, manifest: Manifest) -> float:
    """Compares each item of a batch with the same item alone."""
    waveform = example_waveforms(max(BATCHES), manifest.window_samples)
    batched = run(session, waveform=waveform)
    single = np.concatenate([run(session, waveform=one[None]) for one in waveform])
    return _same(AUDIO_GRAPH, batched, single)


def verify_query_batches(session: onnxruntime.InferenceSession, encoder: SentenceEncoder) -> float:
    """Compares each query beside its own words in reverse, as many tokens, with the query alone."""
    batched = [embed_queries(session, encoder, [query, " ".join(query.split()[::-1])])[0] for query in QUERIES]
    single = [embed_queries(session, encoder, [query])[0] for query in QUERIES]
    return _same(TEXT_GRAPH, np.stack(batched), np.stack(single))


def _same(graph: str, batched: Float32, single: Float32) -> float:
    largest = float(np.abs(batched - single).max())
    if not largest <= BATCH_TOLERANCE:
        raise BatchDiffers(graph, largest, BATCH_TOLERANCE)
    return largest


def verify_text(session: onnxruntime.InferenceSession, model: LanguageAudioModel, encoder: SentenceEncoder) -> float:
    """Compares query embeddings, together and one by one; returns the largest distance of their cosine from 1."""
    with torch.inference_mode():
        expected = model.served_queries(encoder.encode(list(QUERIES))).numpy()
    batches: list[list[str]] = [list(QUERIES), *([query] for query in QUERIES)]
    largest = 0.0
    for queries in batches:
        found = embed_queries(session, encoder, queries)
        rows = [QUERIES.index(query) for query in queries]
        if found.shape != expected[rows].shape:
            raise ShapeDiffers(TEXT_GRAPH, found.shape, expected[rows].shape)
        distance = float((1 - (found * expected[rows]).sum(axis=1)).max())
        if not distance <= TEXT_TOLERANCE:
            raise ValuesDiffer(TEXT_GRAPH, f"{len(queries)} queries", distance, TEXT_TOLERANCE)
        largest = max(largest, distance)
    return largest


def embed_queries(session: onnxruntime.InferenceSession, encoder: SentenceEncoder, queries: list[str]) -> Float32:
    """Query embeddings (Q, D) from the text graph."""
    ids, attention_mask = encoder.tokenize(queries)
    return run(session, input_ids=ids.numpy(), attention_mask=attention_mask.numpy())


def verify_segments(
    session: onnxruntime.InferenceSession, manifest: Manifest, model: LanguageAudioModel, encoder: SentenceEncoder
) -> float:
    """Compares the segments of one window, cut at a threshold that no frame is near; returns the curves' difference."""
    waveform = example_waveforms(1, manifest.window_samples)
    duration_s = manifest.grid.duration_s(manifest.window_samples)
    with torch.inference_mode():
        queries = model.served_queries(encoder.encode(list(QUERIES))).numpy()
        torch_frames = model.served_frames(torch.from_numpy(waveform))[0].numpy()
    graph_frames = run(session, waveform=waveform)[0]
    largest = 0.0
    for query, embedding in zip(QUERIES, queries, strict=True):
        threshold = _clear_threshold(torch_frames, embedding, manifest)
        settings = manifest.postprocessing.override(threshold=threshold, threshold_off=threshold, extent_ratio=1)
        ours, theirs = (
            localize(frames, [query], EncodedQueries(embedding[None]), manifest, settings, duration_s)[0]
            for frames in (torch_frames, graph_frames)
        )
        largest = max(largest, float(np.abs(ours.score - theirs.score).max()))
        same = [(s.onset_s, s.offset_s) for s in ours.segments] == [(s.onset_s, s.offset_s) for s in theirs.segments]
        if not same:
            raise SegmentsDiffer(ours.segments, theirs.segments, largest)
    return largest


def _clear_threshold(frames: Float32, query: Float32, manifest: Manifest) -> float:
    """The middle of the widest gap between the scores of the middle half of the frames."""
    evidence = EncodedQueries(query[None]).evidence(scoring.similarity(frames, query[None]))
    curves = score_curves(evidence, manifest.calibration, manifest.grid, manifest.postprocessing)
    ordered = np.sort(curves.smoothed[0])
    middle = ordered[len(ordered) // 4 : -len(ordered) // 4]
    widest = int(np.diff(middle).argmax())
    return float((middle[widest] + middle[widest + 1]) / 2)
