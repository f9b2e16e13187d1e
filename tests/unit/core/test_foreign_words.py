import unicodedata

import pytest

from service.core.foreign_words import FOREIGN_WORDS, NEUTRAL_WORDS, WORDS_OF_NAMES


@pytest.mark.parametrize("language", FOREIGN_WORDS)
def test_words_have_the_form_in_which_a_normalized_query_is_compared(language: str) -> None:
    for word in FOREIGN_WORDS[language]:
        assert word.isalpha()
        assert word == unicodedata.normalize("NFKC", word).lower()


def test_no_neutral_word_belongs_to_a_language() -> None:
    assert not any(words & NEUTRAL_WORDS for words in FOREIGN_WORDS.values())


def test_every_word_of_names_belongs_to_a_language() -> None:
    assert frozenset().union(*FOREIGN_WORDS.values()) >= WORDS_OF_NAMES
