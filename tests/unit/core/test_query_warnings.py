from service.core.query_warnings import (
    QUERY_WARNINGS,
    cut_warning,
    language_warning,
    negation_warning,
    order_warning,
)


def test_a_cut_counts_the_words_that_were_read_and_those_of_the_query() -> None:
    text = "one two three four"
    assert "first 2 of 4 words" in cut_warning(text, len("one two"), 16).message
    assert "at most 16 tokens" in cut_warning(text, len("one two"), 16).message


def test_the_language_is_named() -> None:
    assert language_warning("a dog barks") is None
    warning = language_warning("een hond blaft")
    assert warning
    assert "(Dutch)" in warning.message


def test_a_negation_and_an_order_are_explained_with_the_words_of_the_query() -> None:
    assert negation_warning("a dog barks") is order_warning("a dog barks") is None
    negated, ordered = negation_warning("a dog is not barking"), order_warning("a bell after a dog")
    assert negated
    assert "does not understand negation ('not')" in negated.message
    assert ordered
    assert "does not understand order ('after')" in ordered.message


def test_every_code_is_documented() -> None:
    warnings = [
        cut_warning("a b", 1, 2),
        language_warning("собака"),
        negation_warning("no dog"),
        order_warning("a dog, then a bell"),
    ]
    assert {warning.code for warning in warnings if warning} == set(QUERY_WARNINGS)
