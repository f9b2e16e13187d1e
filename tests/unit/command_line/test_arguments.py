import argparse

import pytest

from service.command_line.arguments import CommandParser


def lower(word: str) -> str:
    if not word.isascii():
        raise argparse.ArgumentTypeError(f"{word} is not ASCII")
    return word.lower()


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    command = parser.add_subparsers(parser_class=CommandParser).add_parser("find")
    command.late_words = "words"
    command.add_argument("file")
    command.add_argument("words", nargs="*", type=lower, metavar="WORD")
    command.add_argument("--flag", action="store_true")
    command.add_argument("--number", type=int)
    return parser


@pytest.mark.parametrize(
    ("line", "words", "number"),
    [
        ("find a", [], None),
        ("find a B C", ["b", "c"], None),
        ("find a --flag B", ["b"], None),
        ("find a B --number 3 C --flag D", ["b", "c", "d"], 3),
        ("find --flag a B", ["b"], None),
    ],
)
def test_words_may_stand_between_and_behind_options(
    parser: argparse.ArgumentParser, line: str, words: list[str], number: int | None
) -> None:
    parsed = parser.parse_args(line.split())
    assert (parsed.file, parsed.words, parsed.number) == ("a", words, number)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("find", "required: file"),
        ("find a --flag B --other", "unrecognized arguments: B --other"),
        ("find a --flag é", "argument WORD: é is not ASCII"),
        ("find a --number x", "invalid int value"),
    ],
)
def test_faults_are_reported_as_argparse_reports_them(
    parser: argparse.ArgumentParser, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(line.split())
    assert message in capsys.readouterr().err
