import pytest

from training.data.issues import BROKEN_ROW, KINDS, MISSING_FILE, DataIssue, DataIssues, StrictIssues


def test_an_issue_is_printed_as_its_place_and_its_description() -> None:
    assert str(DataIssue(MISSING_FILE, "a.wav", "file not found")) == "a.wav: file not found"


def test_an_unknown_kind_is_refused_with_the_known_kinds() -> None:
    with pytest.raises(ValueError, match=f"kind is 'odd'; one of {', '.join(KINDS)} is accepted"):
        DataIssue("odd", "a.wav", "sounds odd")


def test_an_error_in_the_block_is_recorded_as_a_broken_row_and_reading_continues() -> None:
    issues, rows = DataIssues(), list[float]()
    for line, cell in enumerate(("1.5", "loud", "2.5"), start=1):
        with issues.record_errors(f"t.csv, line {line}"):
            rows.append(float(cell))
    assert rows == [1.5, 2.5]
    assert issues.recorded == [DataIssue(BROKEN_ROW, "t.csv, line 2", "could not convert string to float: 'loud'")]


def test_errors_other_than_value_errors_are_not_recorded() -> None:
    issues = DataIssues()
    with pytest.raises(FileNotFoundError), issues.record_errors("t.csv, line 1"):
        raise FileNotFoundError
    assert issues.recorded == []


def test_strict_issues_raise_the_first_fault_with_its_place() -> None:
    issues = StrictIssues()
    with pytest.raises(ValueError, match=r"^a\.wav: file not found$"):
        issues.add(MISSING_FILE, "a.wav", "file not found")
    with pytest.raises(ValueError, match=r"^t\.csv, line 2: too loud$"), issues.record_errors("t.csv, line 2"):
        raise ValueError("too loud")
    assert issues.recorded == []
