import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import httpx
import pytest
import soundfile
from starlette.testclient import TestClient

from service.app import create_app
from service.engine.engine import open_engine
from service.settings import Settings, engine_options
from service.shutdown import Shutdown
from tests.clips import tones
from tests.unit.training.evaluation.fake_localizer import FakeLocalizer, fake_set
from training.data.example import CaptionedEvent, Example
from training.evaluation.annotated_set import evaluation_set_from_examples
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import BundleLocalizer, ServiceLocalizer
from training.evaluation.protocol import evaluate, evaluate_retrieval
from training.evaluation.report import as_text

CLIPS = (
    (("low", 0.4, 1.2), ("middle", 1.0, 2.0)),
    (("low", 1.0, 2.2), ("low", 3.0, 3.4)),
    (("high", 0.0, 0.8), ("middle", 2.4, 3.6)),
)


def examples(folder: Path) -> list[Example]:
    """Recordings of tones, for which the tiny bundle is made."""
    written: list[Example] = []
    for number, events in enumerate(CLIPS):
        path = folder / f"{number}.flac"
        soundfile.write(path, tones(events, 4.0), 16_000)
        captions = tuple(sorted({name for name, _, _ in events}))
        written.append(
            Example(path, "test", captions, tuple(CaptionedEvent(on, off, name) for name, on, off in events))
        )
    return written


@pytest.fixture
def service(tiny_bundle: Path) -> Iterator[ServiceLocalizer]:
    settings = Settings(intra_op_threads=1)
    engine = open_engine(tiny_bundle, engine_options(settings))
    with TestClient(create_app(engine, settings, version="0", shutdown=Shutdown())) as client:
        yield ServiceLocalizer(cast(httpx.Client, client))


def test_a_bundle_has_the_figures_of_the_service_that_serves_it(
    tiny_bundle: Path, service: ServiceLocalizer, tmp_path: Path
) -> None:
    tones_set = evaluation_set_from_examples("tones", examples(tmp_path))
    in_process = evaluate(BundleLocalizer(tiny_bundle), tones_set, tones_set, resamples=20)
    assert evaluate(service, tones_set, tones_set, resamples=20) == in_process
    assert in_process["settings"]["default"]["figures"]["psds1_macro"]["value"] > 0.9
    json.dumps(in_process, allow_nan=False)
    text = as_text({"subject": service.subject, "localization": in_process})
    assert "tuned: for each label" in text
    assert "middle" in text


def test_captions_retrieve_their_recordings(tiny_bundle: Path, tmp_path: Path) -> None:
    report = evaluate_retrieval(BundleLocalizer(tiny_bundle), "tones", examples(tmp_path), resamples=20)
    assert report["set"] == {"name": "tones", "recordings": 3, "captions": 3}
    assert report["figures"]["text_to_audio_r1"]["value"] == 1.0


def test_an_uncalibrated_model_gets_the_threshold_with_the_highest_f1_on_the_tuning_set() -> None:
    tuning_set, reported_set = fake_set("0.3", "0.4"), fake_set("0.3", "0.4")
    report = evaluate(FakeLocalizer(calibrated=False), reported_set, tuning_set, resamples=5)
    assert report["false_alarms"]["figures"]["found"]["value"] == 1.0  # with the chosen threshold too
    settings = report["settings"]
    assert settings["default"]["figures"]["event_f1_macro"]["value"] == 1.0
    assert settings["default"]["postprocessing"]["threshold"] < 0.3
    report = evaluate(FakeLocalizer(), reported_set, tuning_set, resamples=5)
    assert report["false_alarms"]["figures"]["found"]["value"] == 0.0
    settings = report["settings"]
    assert settings["default"]["figures"]["event_f1_macro"]["value"] == 0.0  # the default threshold is 0.5
    assert settings["tuned"]["figures"]["event_f1_macro"]["value"] == 1.0
    assert settings["tuned"]["labels"]["0.3"]["threshold"] < 0.3


def test_without_a_tuning_set_only_the_default_is_evaluated() -> None:
    report = evaluate(FakeLocalizer(calibrated=False), fake_set("0.3"), None, resamples=5)
    assert set(report["settings"]) == {"default"}


def test_score_curves_that_do_not_fit_into_memory_are_refused_before_any_clip_is_scored() -> None:
    evaluation_set, localizer = fake_set("0.3", "0.4"), FakeLocalizer()
    needed = evaluation_set.memory_bytes(localizer.grid, 4)  # one choice for each candidate width
    assert needed == 4 * 2 * (50 * 4 + 300)
    evaluate(localizer, evaluation_set, evaluation_set, resamples=5, memory_bytes=needed)
    assert len(localizer.calls) > 0
    localizer.calls.clear()
    with pytest.raises(
        ValueError, match=r"fake: the score curves of 1 recordings and 2 labels take 0.0 GB; .*--most limits"
    ):
        evaluate(localizer, evaluation_set, evaluation_set, resamples=5, memory_bytes=needed - 1)
    assert localizer.calls == []


def test_a_set_without_events_of_its_labels_is_refused() -> None:
    clip = replace(fake_set("0.3").clips[0], events=(("0.3", 2.0, 3.0),))
    silent = EvaluationSet("silent", (clip,), ("0.3",), (("0.3",),))
    with pytest.raises(ValueError, match="silent: no label has an event in any of 1 recordings"):
        evaluate(FakeLocalizer(), silent, None)


def test_th_auc_is_the_fraction_of_thresholds_at_which_all_events_are_detected() -> None:
    report = evaluate(FakeLocalizer(), fake_set("0.5"), None, resamples=5)
    # F1 is 1 at the thresholds 0.03 to 0.49. At 0.01 the whole clip of 2 s is a single detection, a false positive.
    assert report["settings"]["default"]["figures"]["th_auc"]["value"] == pytest.approx(0.46 + 2 * 0.01)
