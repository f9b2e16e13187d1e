import pytest

from service.api.answer_budget import AnswerBudget
from service.core.errors import TooManyAnswerBytes


def budget(max_bytes: int = 100) -> AnswerBudget:
    return AnswerBudget(max_bytes, retry_after_s=lambda: 3)


def test_answers_beyond_the_limit_are_refused_until_others_are_released() -> None:
    answers = budget()
    first = answers.hold(60)
    with pytest.raises(TooManyAnswerBytes) as refused:
        answers.hold(41)
    assert (refused.value.limit, refused.value.retry_after_s) == (100, 3)
    for _ in range(2):  # the second release does nothing
        first.release()
    assert answers.n_bytes == 0
    answers.hold(100)


def test_the_embedding_of_a_clip_is_counted_once() -> None:
    answers = budget()
    first, second = (answers.hold(10, "clip", clip_bytes=50) for _ in range(2))
    assert answers.n_bytes == 70
    first.release()
    assert answers.n_bytes == 60
    second.release()
    assert answers.n_bytes == 0


def test_an_answer_that_is_forgotten_is_released() -> None:
    answers = budget()
    held = answers.hold(60)
    del held
    assert answers.n_bytes == 0


def test_a_single_answer_may_be_larger_than_the_limit() -> None:
    answers = budget()
    held = answers.hold(500)
    with pytest.raises(TooManyAnswerBytes):
        answers.hold(1)
    held.release()
