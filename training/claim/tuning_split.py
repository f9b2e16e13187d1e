"""The tuning split: training recordings that the compared models do not train on, so that learning rates are chosen on them."""

import csv
import zlib
from pathlib import Path

from training.data.pack import TABLE

HELD_OUT = 10
"""One group of training recordings of this many is held out."""


def is_held_out(group: str) -> bool:
    """Whether the recordings of a group are held out. The choice depends on the name of the group only."""
    return zlib.crc32(group.encode()) % HELD_OUT == 0


def write_tuning_pack(folder: Path, out: Path) -> None:
    """Writes the table of a pack whose splits both come from the `train` recordings of another pack.

    Held-out recordings become the split `val`. The table names the audio files of the other pack.

    Args:
        folder: the other pack. A recording without a group is a group of its own.
        out: folder of the new pack, which is created.

    Raises:
        FileNotFoundError: the table of the other pack is missing.
        ValueError: the table has no training recordings.
    """
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    if not rows:
        raise ValueError(f"{folder / TABLE} lists no recordings of the split 'train'; at least one is needed")
    for row in rows:
        row["split"] = "val" if is_held_out(row.get("group") or row["path"]) else "train"
        row["path"] = str(folder.resolve() / row["path"])
    out.mkdir(parents=True, exist_ok=True)
    partial = out / f"{TABLE}.partial"
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(out / TABLE)
