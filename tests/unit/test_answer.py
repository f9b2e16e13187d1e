import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.answer import encode_answer
from service.core.localization import QueryResult
from service.core.segments import Segment
from service.core.warnings import AnswerWarning
from service.engine.interface import Localization
from tests.unit.api.fake_engine import MANIFEST


def _answer(score: np.ndarray, duration_s: float = 1.0) -> Localization:
    peak = float(score.max())
    segment = Segment(onset_s=0.0, offset_s=duration_s, score=peak, peak_s=duration_s / 3)
    result = QueryResult("a dog", True, peak, score, -score, (segment,))
    return Localization("id", duration_s, False, (result,))


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_clip_and_segment_scores_are_values_of_the_curve(scores: list[float]) -> None:
    (result,) = json.loads(encode_answer(_answer(np.array(scores, np.float32)), MANIFEST, "score"))["results"]
    assert result["clip_score"] == result["segments"][0]["score"] == max(result["score"])
    np.testing.assert_allclose(result["score"], scores, atol=1e-6)


@given(st.integers(1, 16_000 * 3600))
def test_a_segment_to_the_end_ends_exactly_with_the_clip(n_samples: int) -> None:
    body = json.loads(encode_answer(_answer(np.ones(3, np.float32), n_samples / 16_000), MANIFEST, "none"))
    assert body["results"][0]["segments"][0]["offset_s"] == body["clip"]["duration_s"]
    assert round(body["clip"]["duration_s"] * 16_000) == n_samples


def test_an_hour_of_curves_holds_short_numbers() -> None:
    curve = np.random.default_rng(0).random(90_000, np.float32)
    body = encode_answer(_answer(curve), MANIFEST, "both")
    assert len(body) < 90_000 * 2 * 10


def test_a_warning_has_times_only_if_it_is_about_a_stretch() -> None:
    lost = AnswerWarning("sound-lost", "a part of the clip could not be decoded", 18.9, 19.2)
    long = AnswerWarning("query-cut", "the query was cut")
    result = QueryResult("a dog", False, 0.0, np.zeros(3, np.float32), np.zeros(3, np.float32), (), (long,))
    answer = json.loads(encode_answer(Localization("id", 38.0, False, (result,), (lost,)), MANIFEST, "none"))
    assert answer["clip"]["warnings"] == [
        {"code": "sound-lost", "message": "a part of the clip could not be decoded", "onset_s": 18.9, "offset_s": 19.2}
    ]
    assert answer["results"][0]["warnings"] == [{"code": "query-cut", "message": "the query was cut"}]
