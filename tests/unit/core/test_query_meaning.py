import pytest

from service.core.query_meaning import negation, order


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("no dog", "no"),
        ("a dog is not barking", "not"),
        ("a dog that doesn't bark", "doesn't"),
        ("dog doesnt bark", "doesnt"),
        ("I can't hear a dog", "can't"),
        ("a man cannot speak", "cannot"),
        ("Music WITHOUT singing", "without"),
        ("a dog never barks", "never"),
        ("everything except speech", "except"),
        ("absence of birds", "absence of"),
        ("anything but music", "anything but"),
        ("nothing", "nothing"),
        ("non-rhythmic knocking", "non-"),
        ("neither a dog nor a cat", "neither"),
    ],
)
def test_a_negation_is_recognized(query: str, words: str) -> None:
    assert negation(query) == words


@pytest.mark.parametrize(
    "query",
    [
        "a dog",
        "a man says no",
        "a child shouts no",
        "a woman tells a joke that is not funny",
        "non-stop barking",
        "nonstop barking",
        "a note on a piano",
        "knot being tied",
        "north wind",
        "not only a dog",
        "an antenna",
        "a cantor sings",
        "No. 5",
    ],
)
def test_what_is_no_negation_is_not_reported(query: str) -> None:
    assert negation(query) is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("a bell after a dog", "after"),
        ("a dog barks afterwards", "afterwards"),
        ("a bell before a dog", "before"),
        ("a dog, then a bell", "then"),
        ("a dog followed by a bell", "followed by"),
        ("a bell preceded by a dog", "preceded by"),
        ("a dog barks until a bell rings", "until"),
        ("a baby crying, then a dog", "then"),
    ],
)
def test_an_order_is_recognized(query: str, words: str) -> None:
    assert order(query) == words


@pytest.mark.parametrize(
    "query",
    [
        "a dog and a bell",
        "a dog while a man talks",
        "clicks one after another",
        "a bell now and then",
        "a man says what happened then",
        "aftershave being sprayed",
        "strengthening wind",
        "after all",
    ],
)
def test_what_is_no_order_is_not_reported(query: str) -> None:
    assert order(query) is None
