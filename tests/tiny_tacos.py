"""A small replica of the data set TACOS for tests: its tables, and recordings of 4 s with a captioned burst of a tone."""

import csv
from pathlib import Path

from tests.tiny_audio import write_burst

RECORDINGS = 6


def build_tiny_tacos(folder: Path) -> Path:
    """Writes the replica to a folder, which is created if it is missing, and returns the folder.

    All recordings are in the split `train`.
    """
    metadata, strong, weak = [], [], []
    for number in range(RECORDINGS):
        name, burst_s = f"{100 + number}.flac", (0.5 + 0.25 * number, 1.5 + 0.25 * number)
        write_burst(folder / "audio" / name, 4.0, burst_s)
        metadata.append(
            {"filename": name, "keywords": "tone, beep", "subclass": "Beep", "start_time_s": 0, "end_time_s": 4}
        )
        for text, (onset_s, offset_s) in ((f"tone {number} beeps", burst_s), (f"silence {number}", (0.0, burst_s[0]))):
            strong.append({"filename": name, "text": text, "onset": onset_s, "offset": offset_s})
        weak.append({"filename": name, "text": f"Tone {number} after silence."})
    tables = {"metadata": metadata, "annotations_strong": strong, "annotations_weak": weak}
    tables["test_split"] = [{"filename": "999.flac"}]
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder
