from pathlib import Path

import pytest

from training.curation.journal import Journal


def test_the_next_run_reads_the_entries_that_were_added(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.add({"a": "line\nbreak"})
    journal.add({"b": ["é", None]})
    assert Journal(tmp_path / "j.jsonl").entries == journal.entries == [{"a": "line\nbreak"}, {"b": ["é", None]}]


def test_an_incomplete_entry_is_dropped_and_the_next_entry_starts_a_line(tmp_path: Path) -> None:
    file = tmp_path / "j.jsonl"
    file.write_bytes(b'{"a": 1}\n{"b": "caf\xc3')
    Journal(file).add({"c": 3})
    assert Journal(file).entries == [{"a": 1}, {"c": 3}]


@pytest.mark.parametrize("line", ["{", "[1]"])
def test_a_line_that_is_not_an_entry_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "j.jsonl").write_text(f"{{}}\n{line}\n")
    with pytest.raises(ValueError, match=r"j\.jsonl, line 2.*a JSON object is accepted"):
        Journal(tmp_path / "j.jsonl")
