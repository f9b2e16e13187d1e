import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.errors import QueriesMissing, QueryEmpty, QueryTooLong, TooManyQueries
from service.core.queries import check_queries, normalize_query
from service.core.query_wording import NEWEST_NORMALIZER


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("none", "A dog's bark, LOUD!"),
        ("lowercase", "a dog's bark, loud!"),
        ("lowercase_strip_punctuation", "a dogs bark loud"),
    ],
)
def test_queries_are_normalized_as_the_manifest_says(normalization, expected) -> None:
    assert normalize_query("  A dog's\tbark,  LOUD! ", normalization) == expected


@pytest.mark.parametrize(
    "query",
    [
        "ａ ｄｏｇ’ｓ ｂａｒｋ",  # full-width letters
        "a\u200b dog's\u200b bark",  # zero-width spaces
        "a d\u200do\u2060g's ba\ufeffrk",  # zero-width joiner, word joiner, byte order mark
        "\u202ea dog's bark\u202c",  # bidi override
        "\u2067a dog's bark\u2069\u200f",  # bidi isolate and mark
        "a do\u00adg's bark",  # soft hyphen
        "a dog's\ufe0f bark\ufe0e",  # variation selectors
        "a dog's bark\U000e0041\U000e007f\U000e0100",  # tags, and a supplementary variation selector
        "a do\u0000g's\x07 b\x1bark",  # control characters
        "a dog's ba\u034fr\u3164\u115fk",  # grapheme joiner and fillers
        "\u180ea dog's bark",  # Mongolian vowel separator
        "a\u00a0dog's\u2003\u3000bark\u2028",  # spaces of other widths
        "a\r\ndog's\v\fbark\x85",  # line breaks
        "a_dog's__bark",
        "a＿dog's_bark_",
        '"a dog\'s bark"',
        "“a dog’s bark”",
        "„a dog‘s bark“",
        "«a dog's bark»",
        "‘a dog’s bark’",
        "'a dog's bark'",
        "''a dog's bark''",
        "`a dog´s bark`",
        "「a dog's bark」",
        "a 'dog's' \"bark\"",
        "𝐚 𝓭𝓸𝓰'𝕤 ⓑⓐⓡⓚ",  # mathematical and circled letters
    ],
)
def test_what_looks_the_same_is_the_same_query(query: str) -> None:
    assert normalize_query(query, "none") == "a dog's bark"


@pytest.mark.parametrize("query", ["high‐pitched", "high‑pitched", "high–pitched", "high−pitched"])
def test_hyphens_are_the_one_of_ascii(query: str) -> None:
    assert normalize_query(query, "none") == "high-pitched"


@pytest.mark.parametrize(
    "query",
    [
        "A dog's bark, LOUD!",
        "the dogs' barking and the cats' mewing",
        "rock 'n' roll music is playing (live); 3/4 time, 50% louder...",
        "a man says hello & goodbye: what's up?",
    ],
)
def test_plain_english_is_not_changed(query: str) -> None:
    expected = query.replace("'n'", "n")
    assert normalize_query(query, "none") == expected


NORMALIZATIONS = st.sampled_from(["none", "lowercase", "lowercase_strip_punctuation"])
VOCABULARY = "a the sound-of sound of i can, hear there-is 'dog' i'm barking ."


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(VOCABULARY.split())).map(" ".join)),
    NORMALIZATIONS,
    st.integers(0, NEWEST_NORMALIZER),
)
def test_a_second_normalization_changes_nothing(query: str, normalization, version: int) -> None:
    once = normalize_query(query, normalization, version)
    assert normalize_query(once, normalization, version) == once


@pytest.mark.parametrize(
    "query",
    ["I can hear a dog!", "\u201cI can hear a dog\u201d", "\uff29 can_hear  a\u200b dog", "The sound of a dog."],
)
def test_version_1_keeps_only_the_words_that_name_a_sound(query: str) -> None:
    assert normalize_query(query, "none", 1) == "dog"


def test_version_1_is_followed_by_the_normalization_of_the_manifest() -> None:
    assert normalize_query("I can hear dogs, barking!", "lowercase_strip_punctuation", 1) == "dogs barking"


@given(st.text(), st.integers(0, 1 << 30), st.sampled_from("\u200b\u200d\u2060\ufeff\u00ad\u202e\ufe0f\x00\x1b"))
def test_an_invisible_character_never_matters(query: str, place: int, invisible: str) -> None:
    place %= len(query) + 1
    visible = unicodedata.normalize("NFKC", query)
    assert normalize_query(visible[:place] + invisible + visible[place:], "none") == normalize_query(visible, "none")


def test_queries_that_cannot_be_answered_are_refused_by_number() -> None:
    check_queries(["犬が吠える", "a dog"], 2, 512)
    with pytest.raises(QueriesMissing):
        check_queries([], 2, 512)
    with pytest.raises(TooManyQueries, match="the request has 3 queries; at most 2"):
        check_queries(["a", "b", "c"], 2, 512)
    with pytest.raises(QueryEmpty, match="query 2"):
        check_queries(["a", " ?! "], 2, 512)
    with pytest.raises(QueryTooLong, match="query 1 has 6 characters; at most 5"):
        check_queries(["barking"[:6]], 2, 5)


@pytest.mark.parametrize("query", ["\u3164", "\u200b\u200b", "🐕\ufe0f", "___", "''", "\u115f \u1160"])
def test_a_query_without_a_visible_letter_or_digit_is_refused(query: str) -> None:
    with pytest.raises(QueryEmpty):
        check_queries([query], 1, 512)
