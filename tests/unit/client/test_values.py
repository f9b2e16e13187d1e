import pickle

import pytest

from service.client.values import AnswerWarning, Clip, Segment


def test_a_segment_knows_its_length() -> None:
    assert Segment("rain", 0.04, 0.12, 0.9, 0.06).duration_s == pytest.approx(0.08)


@pytest.mark.parametrize("value", [Segment("rain", 0.0, 1.0, 0.9, 0.5), Clip("id", 1.0, True), AnswerWarning("c", "m")])
def test_values_can_be_compared_and_sent_to_other_processes(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
