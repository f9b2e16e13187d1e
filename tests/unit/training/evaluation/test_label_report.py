import json
from pathlib import Path
from typing import Any

import pytest

from training.evaluation.label_report import OVERALL, document, main, read_notes


def figure(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": None if value is None else value / 2, "high": value, "spread": 0.0}


def report(**psds1: float | None) -> dict[str, Any]:
    by_label = {
        label: {name: figure(v) for name in ("psds1", "partial_auroc", "event_f1")} for label, v in psds1.items()
    }
    alarms = {label: {name: figure(0.25) for name in ("alarms_per_hour", "found")} for label in psds1}
    overall = {name: figure(0.5) for name in OVERALL}
    return {
        "subject": {"name": "tiny", "version": "1"},
        "localization": {
            "set": {"name": "scenes", "recordings": 2, "labels": len(psds1)},
            "settings": {"default": {"figures": overall, "labels": by_label}},
            "false_alarms": {"figures": overall, "labels": alarms},
        },
    }


def test_labels_are_listed_from_the_lowest_figure_upwards_with_their_notes() -> None:
    realistic = report(dog=0.25, cat=None) | {"wordings": {"real": {name: figure(0.125) for name in OVERALL}}}
    text = document(report(dog=0.75, cat=0.5), realistic, {"cat": "It sounds like a baby."})
    lines = text.splitlines()
    assert lines[0] == "# Figures by label: tiny 1"
    assert "| `psds1_macro` | 0.125 (0.062 to 0.125) |" in lines
    assert lines.count("- **cat** (0.500): It sounds like a baby.") == 1
    assert "- **dog** (0.250): No reason is written yet." in lines
    rows = [line.split(" | ")[0] for line in lines if line.startswith(("| dog", "| cat"))]
    assert rows == ["| cat", "| dog", "| dog"]  # a label without an event has no row
    assert "| dog | 0.750 (0.375 to 0.750) | 0.750 (0.375 to 0.750) |" in text


def test_every_note_is_about_a_different_label() -> None:
    notes = read_notes()
    assert all(note.endswith(".") for note in notes.values())


def test_reports_of_another_kind_are_refused_with_a_message(tmp_path: Path) -> None:
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps(report(dog=0.5)))
    with pytest.raises(SystemExit, match="is no report of its benchmark: it has no 'wordings'"):
        main([str(file), str(file), "--out", str(tmp_path / "out.md")])
    with pytest.raises(SystemExit, match=r"cannot be written: .*nowhere.json"):
        main([str(tmp_path / "nowhere.json"), str(file), "--out", str(tmp_path / "out.md")])
