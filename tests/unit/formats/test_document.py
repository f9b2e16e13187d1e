import json

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from service.core.localization import QueryResult
from service.core.segments import Segment
from service.formats.document import detections_of, rounded_score


@given(st.floats(0, 1))
def test_a_score_has_the_digits_of_the_json_answer(score: float) -> None:
    encoded = orjson.dumps(np.round(np.float32(score), 6), option=orjson.OPT_SERIALIZE_NUMPY)
    assert rounded_score(score) == json.loads(encoded)


def test_detections_are_in_the_order_of_the_queries() -> None:
    curve = np.zeros(1, np.float32)
    segments = (Segment(0.123456789, 1.0, 0.5, 0.2), Segment(2.0, 3.0, 0.6, 2.5))
    results = [QueryResult(query, True, 0.9, curve, curve, segments) for query in ("rain", "a dog")]
    detections = detections_of(iter(results))
    assert [(each.query, each.onset_s) for each in detections] == [
        ("rain", 0.123457),
        ("rain", 2.0),
        ("a dog", 0.123457),
        ("a dog", 2.0),
    ]
