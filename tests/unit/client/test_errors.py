import pickle

import pytest

from service.client.errors import EarmarkError, ProblemError, UnexpectedAnswer
from service.client.problems import AudioTooLong


@pytest.mark.parametrize(
    "error",
    [
        AudioTooLong({"detail": "too long", "status": 413, "title": "t", "limit_s": 3600.0}, "request", 5.0),
        ProblemError({"detail": "new", "status": 418}),
        UnexpectedAnswer(502, "no answer of Earmark", 1.0),
    ],
)
def test_an_error_survives_the_way_from_another_process(error: EarmarkError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_a_class_of_a_caller_is_no_problem_type() -> None:
    class Mine(AudioTooLong):
        pass

    assert Mine.type_name == "audio-too-long"
