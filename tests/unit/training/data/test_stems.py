import pytest

from training.data.stems import key_stems, stem, stems


@pytest.mark.parametrize(
    "words",
    [
        ("bark", "barks", "barking", "barked"),
        ("crunches", "crunching", "crunch"),
        ("cries", "crying", "cry"),
        ("voice", "voices"),
    ],
)
def test_the_forms_of_a_word_have_one_stem(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


def test_different_words_have_different_stems() -> None:
    assert len(stems("a dog barks while glass and grass break")) == 8
    assert stem("glass") == "glass"


def test_key_stems_are_frequent_and_not_neutral() -> None:
    captions = ["a dog barks loudly", "dogs bark loudly", "loud barking", "a hound", "a puppy", "the neighbour's pet"]
    assert key_stems(captions) == {"dog", "bark"}
