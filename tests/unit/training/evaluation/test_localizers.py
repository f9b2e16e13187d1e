import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from training.evaluation.localizers import (
    QUERIES_PER_REQUEST,
    CheckpointLocalizer,
    ServiceLocalizer,
    as_wav,
    postprocessing_at,
)

DEFAULTS = {
    "threshold": 0.4,
    "threshold_off": 0.3,
    "median_filter_s": 0.36,
    "extent_ratio": 0.5,
    "min_duration_s": 0.1,
    "merge_gap_s": 0.2,
}
INFO = {
    "model": {"name": "fake", "version": "2", "sample_rate_hz": 16_000, "hop_s": 0.04},
    "defaults": DEFAULTS | {"curves": "score"},
}


class FakeService:
    """Answers `GET /info`, and `POST /localize` with a curve that counts the queries so far; keeps the forms it receives."""

    def __init__(self) -> None:
        self.forms: list[str] = []
        self.n_queries = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/info":
            return httpx.Response(200, json=INFO)
        form = request.read().decode("latin-1")
        self.forms.append(form)
        results: list[dict[str, list[float]]] = []
        for _ in range(form.count('name="query"')):
            results.append({"score": [self.n_queries / 100, 0.0]})
            self.n_queries += 1
        return httpx.Response(200, content=json.dumps({"results": results}))


def service_localizer(service: FakeService) -> ServiceLocalizer:
    return ServiceLocalizer(httpx.Client(base_url="http://earmark", transport=httpx.MockTransport(service)))


def test_a_service_tells_its_grid_and_its_post_processing() -> None:
    localizer = service_localizer(FakeService())
    assert (localizer.grid.sample_rate_hz, localizer.grid.hop_samples) == (16_000, 640)
    assert {name: getattr(localizer.postprocessing, name) for name in DEFAULTS} == DEFAULTS
    assert localizer.subject == {"kind": "service", "url": "http://earmark", "name": "fake", "version": "2"}


def test_many_queries_are_sent_in_several_requests_and_their_curves_keep_the_order() -> None:
    service = FakeService()
    n_queries = 2 * QUERIES_PER_REQUEST + 1
    queries = [f"sound {i}" for i in range(n_queries)]
    scores = service_localizer(service).scores(np.zeros(1_280, np.float32), queries, 0.2)
    assert [form.count('name="query"') for form in service.forms] == [QUERIES_PER_REQUEST, QUERIES_PER_REQUEST, 1]
    assert scores[:, 0] == pytest.approx(np.arange(n_queries) / 100)
    assert all('name="median_filter_s"\r\n\r\n0.2\r\n' in form for form in service.forms)


@pytest.mark.parametrize("answer", [{}, [], {"model": {"sample_rate_hz": 16_000}, "defaults": {}}])
def test_another_service_is_refused(answer: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    with pytest.raises(ValueError, match="http://other is not an Earmark service"):
        ServiceLocalizer(httpx.Client(base_url="http://other", transport=transport))


def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("not weights")
    with pytest.raises(ValueError, match=r"notes\.pt is no checkpoint of training\.train"):
        CheckpointLocalizer.load(tmp_path / "notes.pt", 0.36, 0.4)


def test_a_model_that_is_not_calibrated_starts_and_ends_segments_at_the_same_threshold() -> None:
    postprocessing = postprocessing_at(0.3, 0.2, 0.4)
    assert (postprocessing.threshold, postprocessing.threshold_off) == (0.3, 0.3)
    assert (postprocessing.median_filter_s, postprocessing.extent_ratio) == (0.2, 0.4)


def test_a_waveform_is_sent_without_loss() -> None:
    waveform = np.random.default_rng(0).standard_normal(1_000).astype(np.float32)
    samples, rate_hz = soundfile.read(io.BytesIO(as_wav(waveform, 32_000)), dtype="float32")
    assert rate_hz == 32_000
    np.testing.assert_array_equal(samples, waveform)
