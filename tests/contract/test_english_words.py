from service.core.query_language import ENGLISH_WORDS
from tests.contract.english_words import words_of_captions


def test_the_english_words_are_those_of_the_captions() -> None:
    assert ENGLISH_WORDS.read_text().split() == words_of_captions()
