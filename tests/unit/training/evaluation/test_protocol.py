import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from service.app import create_app
from service.core.frame_grid import FrameGrid
from service.engine.engine import open_engine
from service.settings import Settings, engine_options
from service.shutdown import Shutdown
from tests.clips import tones
from training.data.example import CaptionedEvent, Example
from training.evaluation.evaluation_set import EvaluationClip, EvaluationSet, evaluation_set_from_examples
from training.evaluation.localizers import BundleLocalizer, ServiceLocalizer, postprocessing_at
from training.evaluation.protocol import evaluate, evaluate_retrieval
from training.evaluation.report import as_text

CLIPS = (
    (("low", 0.4, 1.2), ("middle", 1.0, 2.0)),
    (("low", 1.0, 2.2), ("low", 3.0, 3.4)),
    (("high", 0.0, 0.8), ("middle", 2.4, 3.6)),
)


def examples(folder: Path) -> list[Example]:
    """Recordings with tones that the tiny bundle hears."""
    found: list[Example] = []
    for number, events in enumerate(CLIPS):
        path = folder / f"{number}.flac"
        soundfile.write(path, tones(events, 4.0), 16_000)
        captions = tuple(sorted({name for name, _, _ in events}))
        found.append(Example(path, "test", captions, tuple(CaptionedEvent(on, off, name) for name, on, off in events)))
    return found


@pytest.fixture
def service(tiny_bundle: Path) -> Iterator[ServiceLocalizer]:
    settings = Settings(intra_op_threads=1)
    engine = open_engine(tiny_bundle, engine_options(settings))
    with TestClient(create_app(engine, settings, version="0", shutdown=Shutdown())) as client:
        yield ServiceLocalizer(cast(httpx.Client, client))


def test_a_bundle_scores_what_the_service_that_serves_it_scores(
    tiny_bundle: Path, service: ServiceLocalizer, tmp_path: Path
) -> None:
    tones_set = evaluation_set_from_examples("tones", examples(tmp_path))
    in_process = evaluate(BundleLocalizer(tiny_bundle), tones_set, tones_set, resamples=20)
    assert evaluate(service, tones_set, tones_set, resamples=20) == in_process
    assert in_process["settings"]["default"]["figures"]["psds1_macro"]["value"] > 0.9
    json.dumps(in_process, allow_nan=False)
    told = as_text({"subject": service.subject, "localization": in_process})
    assert "tuned: of each label" in told
    assert "middle" in told


@pytest.mark.parametrize("answer", [{}, [], {"model": {"sample_rate_hz": 16_000}, "defaults": {}}])
def test_another_service_is_refused(answer: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    with pytest.raises(ValueError, match="http://other answers GET /info otherwise"):
        ServiceLocalizer(httpx.Client(base_url="http://other", transport=transport))


def test_captions_find_their_recordings(tiny_bundle: Path, tmp_path: Path) -> None:
    report = evaluate_retrieval(BundleLocalizer(tiny_bundle), "tones", examples(tmp_path), resamples=20)
    assert report["set"] == {"name": "tones", "recordings": 3, "captions": 3}
    assert report["figures"]["text_to_audio_r1"]["value"] == 1.0


class Loud:
    """Hears a label, its query, as loudly as its name says, where the waveform is not silent."""

    grid = FrameGrid(16_000, 640)
    postprocessing = postprocessing_at(0.5, 0.0, 1.0)

    def __init__(self, calibrated: bool) -> None:
        self.calibrated = calibrated
        self.subject: dict[str, Any] = {"kind": "fake"}
        self.asked = 0

    def scores(self, waveform: np.ndarray, queries: list[str], median_filter_s: float) -> np.ndarray:
        self.asked += 1
        heard = np.abs(waveform.reshape(-1, 640)).max(axis=1) > 0
        return np.stack([np.where(heard, float(query), 0.02) for query in queries]).astype(np.float32)


def set_of(*labels: str) -> EvaluationSet:
    waveform = np.zeros(32_000, np.float32)
    waveform[6_400:12_800] = 0.5
    events = tuple((label, 0.4, 0.8) for label in labels)
    clip = EvaluationClip("one", lambda _: waveform, 2.0, events, tuple(range(len(labels))))
    return EvaluationSet("loud", (clip,), labels, tuple((label,) for label in labels))


def test_an_uncalibrated_model_gets_the_threshold_that_is_best_on_the_other_set() -> None:
    own, reported = set_of("0.3", "0.4"), set_of("0.3", "0.4")
    settings = evaluate(Loud(calibrated=False), reported, own, resamples=5)["settings"]
    assert settings["default"]["figures"]["event_f1_macro"]["value"] == 1.0
    assert settings["default"]["postprocessing"]["threshold"] < 0.3
    settings = evaluate(Loud(calibrated=True), reported, own, resamples=5)["settings"]
    assert settings["default"]["figures"]["event_f1_macro"]["value"] == 0.0  # its own threshold is 0.5
    assert settings["tuned"]["figures"]["event_f1_macro"]["value"] == 1.0
    assert settings["tuned"]["labels"]["0.3"]["threshold"] < 0.3


def test_without_another_set_nothing_is_chosen() -> None:
    assert set(evaluate(Loud(calibrated=False), set_of("0.3"), None, resamples=5)["settings"]) == {"default"}


def test_curves_that_do_not_fit_are_refused_before_anything_is_asked() -> None:
    one, localizer = set_of("0.3", "0.4"), Loud(calibrated=True)
    needed = one.answers_bytes(localizer.grid, 4)  # of each of the widths to choose from
    assert needed == 4 * 2 * (50 * 4 + 300)
    evaluate(localizer, one, one, resamples=5, memory_bytes=needed)
    asked, localizer.asked = localizer.asked, 0
    assert asked > 0
    with pytest.raises(ValueError, match=r"loud: the curves of 1 recordings and 2 labels take 0.0 GB; .* with --most"):
        evaluate(localizer, one, one, resamples=5, memory_bytes=needed - 1)
    assert localizer.asked == 0


def test_pairs_hold_no_copies_of_curves() -> None:
    one = set_of("0.3", "0.4")
    (answers,) = one.answers(Loud(calibrated=True), [[0.0, 0.0]])
    pairs = one.pairs(answers, 0).queries
    assert all(np.shares_memory(pair.curve, answers[0].curves) for pair in pairs)


def test_a_set_in_which_nothing_is_heard_is_refused() -> None:
    silent = EvaluationSet(
        "silent", (replace(set_of("0.3").clips[0], events=(("0.3", 2.0, 3.0),)),), ("0.3",), (("0.3",),)
    )
    with pytest.raises(ValueError, match="silent: none of its labels is heard in any of 1 recordings"):
        evaluate(Loud(calibrated=True), silent, None)


def test_th_auc_is_the_share_of_thresholds_at_which_all_is_found() -> None:
    figures = evaluate(Loud(calibrated=True), set_of("0.5"), None, resamples=5)["settings"]["default"]["figures"]
    # F1 is 1 at the thresholds 0.03 to 0.49, and at 0.01 the whole clip of 2 s is one detection, a false one
    assert figures["th_auc"]["value"] == pytest.approx(0.46 + 2 * 0.01)


def test_captions_of_their_own_are_asked_beside_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros(16_000), 16_000)
    annotated = [Example(path, "test", events=(CaptionedEvent(0.0, 0.5, f"caption {i}"),)) for i in range(1100)]
    pooled = evaluation_set_from_examples("captions", annotated)
    assert pooled.pooled
    assert all(clip.asked[0] == pooled.labels.index(clip.events[0][0]) for clip in pooled.clips)
    assert all(len(set(clip.asked)) == 5 for clip in pooled.clips)
    assert pooled.scored_labels == ("all captions",)


def test_a_set_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 1 recordings has an event"):
        evaluation_set_from_examples("clotho, test", [Example(tmp_path / "a.wav", "test", ("rain",))])
