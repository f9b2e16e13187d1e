import pytest

from service.command_line.counts import counted


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ("recording",), "0 recordings"),
        (1, ("recording",), "1 recording"),
        (2, ("recording",), "2 recordings"),
        (1, ("row names", "rows name"), "1 row names"),
        (30, ("row names", "rows name"), "30 rows name"),
    ],
)
def test_only_one_thing_is_singular(number: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(number, *nouns) == text
