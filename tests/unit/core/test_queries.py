import pytest

from service.core.errors import QueriesMissing, QueryEmpty, QueryTooLong, TooManyQueries
from service.core.queries import check_queries, normalize_query


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
