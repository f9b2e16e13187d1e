"""A checkpoint with text-dependent sigmoids is served as it is evaluated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from scipy.special import expit

from model_export.__main__ import main
from model_export.bundle import round_to_half
from model_export.errors import ValuesDiffer
from model_export.verification import QUERIES, SIGMOID_TOLERANCE, example_waveforms, verify
from service.core.bundle_errors import GraphMismatch
from service.core.curves import score_curves
from service.core.manifest import AUDIO_GRAPH, TEXT_GRAPH, verify_bundle
from service.core.scoring import UNCALIBRATED, similarity
from service.core.segments import find_segments
from service.engine.call import Call
from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions
from tests.clips import wav
from tests.tiny_bundle import SAMPLE_RATE_HZ, TONES_HZ, sign_bundle
from training.checkpoint import load_checkpoint, starting_weights
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, CheckpointLocalizer

SCORE_TOLERANCE = 1e-3
"""Accepted difference of a served score from that of torch for the same query embeddings; cached frames are float16."""
QUANTIZED_TOLERANCE = 0.15
"""Accepted difference of a served score from that of torch with the float32 query embeddings: those of the tiny model lose
up to 0.01 of cosine in 8 bits, which a scale of 10 turns into half a logit."""


@pytest.fixture(scope="module")
def exported(text_dependent_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    (folder / "CARD.md").write_text("# tiny\n")
    out = folder / "bundle"
    assert main([str(text_dependent_checkpoint), "--out", str(out), "--card", str(folder / "CARD.md")]) == 0
    return out


@pytest.fixture(scope="module")
def localizer(text_dependent_checkpoint: Path) -> CheckpointLocalizer:
    model, encoder, _ = load_checkpoint(text_dependent_checkpoint)
    round_to_half(model)
    return CheckpointLocalizer(model, encoder, MEDIAN_FILTER_S, EXTENT_RATIO)


def test_the_manifest_has_format_3_and_leaves_the_trained_scores_as_they_are(exported: Path) -> None:
    manifest = verify_bundle(exported)
    assert (manifest.format_version, manifest.text_outputs) == (3, ("embedding", "sigmoid"))
    assert manifest.calibration == UNCALIBRATED


def test_the_engine_gives_the_curves_and_the_segments_of_the_checkpoint(
    exported: Path, localizer: CheckpointLocalizer
) -> None:
    manifest = verify_bundle(exported)
    clip = example_waveforms(1, 2 * manifest.window_samples)[0]
    clip[len(clip) // 3 : len(clip) // 2] = 0
    settings = replace(manifest.postprocessing, extent_ratio=1.0)
    sigmoids = localizer.encode_queries(QUERIES).sigmoids
    assert sigmoids is not None
    assert np.ptp(sigmoids, axis=0).min() > 3  # every query has another scale and another bias
    exact = score_curves(localizer.evidence(clip, QUERIES), localizer.calibration, localizer.grid, settings).extended
    engine = open_engine(exported, EngineOptions())
    try:
        first, cached = (engine.localize(Upload.of_bytes(wav(clip)), QUERIES, settings).results for _ in range(2))
        for curve, served, again in zip(exact, first, cached, strict=True):
            np.testing.assert_allclose(served.score, curve, atol=QUANTIZED_TOLERANCE)
            np.testing.assert_array_equal(again.score, served.score)

        quantized, _ = engine._encode_queries(QUERIES, Call())
        evidence = quantized.evidence(similarity(localizer.embed(clip), quantized.embeddings))
        curves = score_curves(evidence, localizer.calibration, localizer.grid, settings).extended
        for query, curve, served in zip(QUERIES, curves, first, strict=True):
            np.testing.assert_allclose(served.score, curve, atol=SCORE_TOLERANCE)
            threshold = _clear_threshold(curve)
            at_threshold = replace(settings, threshold=threshold, threshold_off=threshold)
            (result,) = engine.localize(Upload.of_bytes(wav(clip)), [query], at_threshold).results
            segments = find_segments(curve, curve, localizer.grid, len(clip) / SAMPLE_RATE_HZ, at_threshold)
            assert len(segments) > 0
            assert [(s.onset_s, s.offset_s) for s in result.segments] == [(s.onset_s, s.offset_s) for s in segments]
    finally:
        engine.close()


def test_a_changed_bias_is_refused(exported: Path, text_dependent_checkpoint: Path, tmp_path: Path) -> None:
    graph = onnx.load(exported / TEXT_GRAPH)
    (bias,) = (weight for weight in graph.graph.initializer if weight.name == "model.own_sigmoid.bias.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.1), bias.name))
    onnx.save(graph, tmp_path / TEXT_GRAPH)
    (tmp_path / AUDIO_GRAPH).write_bytes((exported / AUDIO_GRAPH).read_bytes())
    model, encoder, _ = load_checkpoint(text_dependent_checkpoint)
    round_to_half(model)
    with pytest.raises(ValuesDiffer, match="scales and biases") as raised:
        verify(tmp_path, verify_bundle(exported), model, encoder)
    assert raised.value.largest > SIGMOID_TOLERANCE


def test_training_can_start_from_the_bundle(exported: Path, text_dependent_checkpoint: Path) -> None:
    model, _, _ = load_checkpoint(text_dependent_checkpoint)
    state = starting_weights(exported, model)
    for name, parameter in model.state_dict().items():
        if name.startswith("own_sigmoid."):
            assert torch.equal(state[name], parameter), name


def test_a_bundle_of_format_2_without_the_second_output_is_refused_as_format_3(tiny_bundle_copy: Path) -> None:
    sign_bundle(tiny_bundle_copy, format_version=3)
    with pytest.raises(GraphMismatch, match=r"text.onnx has outputs .*accepted: .*sigmoid"):
        open_engine(tiny_bundle_copy, EngineOptions())


def test_a_bundle_of_format_2_is_served(tiny_bundle: Path) -> None:
    manifest = verify_bundle(tiny_bundle)
    assert (manifest.format_version, manifest.text_outputs) == (2, ("embedding",))
    tone = 0.5 * np.sin(2 * np.pi * TONES_HZ["low"] * np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    engine = open_engine(tiny_bundle, EngineOptions())
    try:
        low, high = engine.localize(Upload.of_bytes(wav(tone.astype(np.float32))), ["low", "high"]).results
    finally:
        engine.close()
    assert (low.present, high.present) == (True, False)
    np.testing.assert_allclose(low.score, expit(manifest.scale * low.similarity + manifest.bias), atol=1e-5)


def _clear_threshold(curve: np.ndarray) -> float:
    """The middle of the widest gap between neighbouring scores."""
    ordered = np.sort(curve)
    widest = int(np.diff(ordered).argmax())
    return float(ordered[widest] + ordered[widest + 1]) / 2
