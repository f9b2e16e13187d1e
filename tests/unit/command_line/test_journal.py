from pathlib import Path

import pytest

from service.command_line.journal import errors_path, journal_path, open_journal
from service.core.errors import ParameterInvalid

HEADER = "file,onset\n"
COMMAND = {"queries": ["low"], "model": "tiny 1"}


def write(path: Path, *files: str, failed: str = "") -> None:
    with open_journal(path, HEADER, COMMAND) as journal:
        for file in files:
            if file not in journal.done:
                error = ("AudioEmpty", "no, it is empty") if file == failed else None
                journal.add(file, "" if error else f"{file},1\n{file},2\n", error)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def test_files_that_are_done_are_known_in_the_next_run(path: Path) -> None:
    write(path, "a", "b", "c", failed="b")
    with open_journal(path, HEADER, COMMAND) as journal:
        assert list(journal.done) == ["a", "b", "c"]
        assert journal.n_failed == 1
    assert path.read_text() == "file,onset\na,1\na,2\nc,1\nc,2\n"
    assert errors_path(path).read_text() == 'file,error,message\nb,AudioEmpty,"no, it is empty"\n'


def test_every_cut_of_the_files_is_continued_to_the_same_result(path: Path) -> None:
    """Whatever a kill or a power failure left of the three files, the next run completes them."""
    files = ["a", "b", "c"]
    write(path, *files, failed="b")
    parts = (path, errors_path(path), journal_path(path))
    whole = [part.read_bytes() for part in parts]
    head = whole[2].index(b"\n") + 1
    for cut in range(max(map(len, whole)) + 1):
        for index, part in enumerate(parts):
            for each, content in zip(parts, whole, strict=True):
                each.write_bytes(content)
            if cut < len(whole[index]) and not (index == 2 and cut < head):
                part.write_bytes(whole[index][:cut])
                write(path, *files, failed="b")
                assert [each.read_bytes() for each in parts] == whole, (part.name, cut)


def test_a_run_that_was_killed_at_once_begins_again(path: Path) -> None:
    journal_path(path).write_bytes(b'[1, {"mod')
    write(path, "a")
    assert path.read_text() == "file,onset\na,1\na,2\n"


@pytest.mark.parametrize("name", ["out.csv", "out.errors.csv"])
def test_files_of_others_are_not_touched(path: Path, name: str) -> None:
    path.with_name(name).write_text("mine\n")
    with pytest.raises(ParameterInvalid, match="which no run of this command has begun"):
        write(path, "a")
    assert path.with_name(name).read_text() == "mine\n"
    assert not journal_path(path).exists()


def test_a_complete_table_is_not_touched_by_a_run_without_work(path: Path) -> None:
    write(path, "a")
    path.write_text(path.read_text() + "a note\n")
    write(path, "a")
    assert path.read_text().endswith("a note\n")


def test_two_runs_do_not_write_the_same_table(path: Path) -> None:
    with open_journal(path, HEADER, COMMAND), pytest.raises(ParameterInvalid, match="another run is writing"):
        write(path, "a")


def test_another_command_does_not_continue_the_table(path: Path) -> None:
    write(path, "a")
    with (
        pytest.raises(ParameterInvalid, match="begun with other queries or options"),
        open_journal(path, HEADER, COMMAND | {"queries": ["high"]}),
    ):
        pass


def test_tables_with_other_endings_have_files_of_their_own(tmp_path: Path) -> None:
    assert errors_path(tmp_path / "out.tsv").name == "out.tsv.errors.csv"
    assert journal_path(tmp_path / "out.tsv") != journal_path(tmp_path / "out.csv")


def test_odd_names_are_kept(path: Path) -> None:
    files = ['with "quotes", commas\nand lines.wav', "犬.wav", "\udcff.wav"]
    write(path, *files)
    with open_journal(path, HEADER, COMMAND) as journal:
        assert list(journal.done) == files
