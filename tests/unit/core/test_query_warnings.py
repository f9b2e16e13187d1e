from service.core.query_warnings import QUERY_WARNINGS, cut_warning, language_warning


def test_a_cut_counts_the_words_that_were_read_and_those_of_the_query() -> None:
    text = "one two three four"
    assert "first 2 of 4 words" in cut_warning(text, len("one two"), 16).message
    assert "at most 16 tokens" in cut_warning(text, len("one two"), 16).message


def test_the_language_is_named() -> None:
    assert language_warning("a dog barks") is None
    warning = language_warning("een hond blaft")
    assert warning
    assert "(Dutch)" in warning.message


def test_every_code_is_documented() -> None:
    warnings = [cut_warning("a b", 1, 2), language_warning("собака")]
    assert {warning.code for warning in warnings if warning} == set(QUERY_WARNINGS)
