"""Writes the figures of every label on both benchmarks to a Markdown document, with a reason for each of the worst labels.

`python -m training.evaluation.label_report scenes.json realistic.json --out training/LABELS.md`

The two JSON files are reports of `training.evaluate` on the scenes and on the realistic benchmark (`--dataset realistic`). The
reasons are written by hand in `label_notes.jsonl`, one line a label with the keys `label` and `note`; a worst label without a
note is marked, so that a new model's report shows which notes to write.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NOTES = Path(__file__).parent / "label_notes.jsonl"
N_WORST = 10
MISSING_NOTE = "No reason is written yet."
COLUMNS = {
    "psds1": "PSDS1",
    "partial_auroc": "partial AUROC",
    "event_f1": "event F1",
    "alarms_per_hour": "false alarms per hour",
    "found": "found",
}
OVERALL = (
    "psds1_macro", "psds1", "psds2", "partial_auroc", "event_f1_macro", "expected_calibration_error", "false_presence",
    "alarms_per_hour", "found", "found_at_3", "found_at_5", "found_at_14",
)  # fmt: skip
"""Figures of the tables of wordings and of whole sets; all are explained in `training/README.md`."""


def document(scenes: Mapping[str, Any], realistic: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """The document from the reports on both benchmarks and the notes of the labels."""
    subject = scenes["subject"]
    sections = [("Benchmark", scenes["localization"]), ("Realistic benchmark", realistic["localization"])]
    lines = [
        f"# Figures by label: {subject['name']} {subject['version']}",
        "",
        "`training.evaluation.label_report` writes this document; [README.md](README.md) explains the figures. A value is the",
        "mean of three passes with the default post-processing, with its 95 % bootstrap interval.",
        "",
        *_wordings(realistic["wordings"]),
    ]
    if "sparse" in scenes:
        lines += ["", "## Sparse recordings", "", *_overall(scenes["sparse"]["figures"])]
    for title, section in sections:
        default = section["settings"]["default"]
        labels = _labels(section)
        lines += [
            "",
            f"## {title}",
            "",
            f"{section['set']['name']}: {section['set']['recordings']} clips, {section['set']['labels']} labels.",
            "",
            *_overall(default["figures"] | section["false_alarms"]["figures"]),
            "",
            f"The {min(N_WORST, len(labels))} labels with the lowest PSDS1:",
            "",
            *(
                f"- **{label}** ({_value(figures['psds1'])}): {notes.get(label, MISSING_NOTE)}"
                for label, figures in labels[:N_WORST]
            ),
            "",
            *_table(
                ["label", *COLUMNS.values()],
                [[label, *(_cell(figures[n]) for n in COLUMNS)] for label, figures in labels],
            ),
        ]
    return "\n".join(lines) + "\n"


def _labels(section: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The figures of each label that has an event, from the lowest PSDS1 upwards."""
    alarms = section["false_alarms"]["labels"]
    labels = [(label, figures | alarms[label]) for label, figures in section["settings"]["default"]["labels"].items()]
    return sorted(
        (item for item in labels if item[1]["psds1"]["value"] is not None), key=lambda item: item[1]["psds1"]["value"]
    )


def _wordings(wordings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The table of the realistic benchmark by wording of the queries."""
    rows = [[f"`{name}`", *(_cell(figures[name]) for figures in wordings.values())] for name in OVERALL]
    return ["## Wording of the queries, realistic benchmark", "", *_table(["figure", *wordings], rows)]


def _overall(figures: Mapping[str, Any]) -> list[str]:
    return _table(["figure", "value"], [[f"`{name}`", _cell(figures[name])] for name in OVERALL if name in figures])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _value(figure: Mapping[str, float | None]) -> str:
    return "-" if figure["value"] is None else f"{figure['value']:.3f}"


def _cell(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None or figure["low"] is None:
        return _value(figure)
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def read_notes(file: Path = NOTES) -> dict[str, str]:
    """The note of each label that has one."""
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {entry["label"]: entry["note"] for entry in entries}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.label_report", description="Figures by label.")
    parser.add_argument("scenes", type=Path, help="JSON report of training.evaluate on scenes")
    parser.add_argument("realistic", type=Path, help="JSON report of training.evaluate --dataset realistic")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file to write")
    options = parser.parse_args(arguments)
    try:
        scenes, realistic = (json.loads(f.read_text(encoding="utf-8")) for f in (options.scenes, options.realistic))
        options.out.write_text(document(scenes, realistic, read_notes()), encoding="utf-8")
    except KeyError as error:
        sys.exit(f"{options.scenes} or {options.realistic} is no report of its benchmark: it has no {error}")
    except (OSError, ValueError) as error:
        sys.exit(f"the figures by label cannot be written: {error}")


if __name__ == "__main__":
    main()
