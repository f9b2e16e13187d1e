"""Tells what of a data set is there, missing and broken: `python -m training.data.check DATASET FOLDER [--decode]`.

How each data set's folder must look stands in the docstring of its module in `training/data/adapters/` (of the CSV
pack: in `training/data/pack.py`). `--decode` decodes every recording to its end; without it, only headers are read.
Exits with 1 when anything is missing or broken, or the tables are not as published. Audio files that no table names
are told, and do no harm.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from training.data.audio_files import audio_files
from training.data.datasets import ADAPTERS, read_with_issues
from training.data.decoding import UnreadableRecordingError, decode, recording_duration_s
from training.data.example import SPLITS, Example
from training.data.issues import IN_TWO_SPLITS, KINDS, LATE_EVENT, UNREADABLE_FILE, DataIssue

FIRST_FEW = 5
DECODED_HZ = 16_000


def probe_recordings(paths: Sequence[Path], *, whole: bool) -> tuple[dict[Path, float], list[DataIssue]]:
    """How long each recording lasts in seconds, and which cannot be read.

    Args:
        paths: the recordings.
        whole: decode each to its end, and not its header alone.
    """
    lengths: dict[Path, float] = {}
    issues: list[DataIssue] = []
    for path in tqdm(paths, unit="file", disable=None, leave=False):
        try:
            lengths[path] = len(decode(path, DECODED_HZ)) / DECODED_HZ if whole else recording_duration_s(path)
        except UnreadableRecordingError as error:
            issues.append(DataIssue(UNREADABLE_FILE, str(path), error.reason))
    return lengths, issues


def doubts(examples: Sequence[Example], lengths: Mapping[Path, float]) -> list[DataIssue]:
    """Recordings that are in two splits, and events that begin after their recording's end."""
    splits: dict[Path, set[str]] = defaultdict(set)
    issues: list[DataIssue] = []
    for example in examples:
        splits[example.path].add(example.split)
        end_s = lengths.get(example.path, float("inf"))
        for event in example.events:
            if event.onset_s >= end_s:
                what = f"{event.caption!r} begins at {event.onset_s} s, after the end at {end_s:.3f} s"
                issues.append(DataIssue(LATE_EVENT, str(example.path), what))
    shared = {path: found for path, found in splits.items() if len(found) > 1}
    issues += [DataIssue(IN_TWO_SPLITS, str(path), f"is in {', '.join(sorted(s))}") for path, s in shared.items()]
    return issues


def summary(examples: Sequence[Example], lengths: Mapping[Path, float]) -> list[str]:
    """What is there, one line a split."""
    lines = [f"{'split':6}{'recordings':>11}{'hours':>9}{'captions':>9}{'events':>8}"]
    for split in SPLITS:
        own = [example for example in examples if example.split == split]
        hours = sum(lengths.get(path, 0.0) for path in {example.path for example in own}) / 3600
        captions, events = sum(len(e.captions) for e in own), sum(len(e.events) for e in own)
        lines.append(f"{split:6}{len({e.path for e in own}):11}{hours:9.2f}{captions:9}{events:8}")
    return lines


def listing(title: str, entries: Sequence[object]) -> list[str]:
    """How many there are of something, and the first few; nothing when there are none."""
    if not entries:
        return []
    more = [f"  and {len(entries) - FIRST_FEW} more"] if len(entries) > FIRST_FEW else []
    return [f"{title}: {len(entries)}", *(f"  {entry}" for entry in entries[:FIRST_FEW]), *more]


def check(name: str, folder: Path, *, whole: bool) -> tuple[list[str], bool]:
    """The lines of the report, and whether nothing is missing or broken.

    Raises:
        ValueError: there is no such data set, or its tables are not as published.
        FileNotFoundError: a table is not there.
    """
    reading = read_with_issues(name, folder)
    paths = sorted({example.path for example in reading.examples})
    lengths, unreadable = probe_recordings(paths, whole=whole)
    issues = [*reading.issues, *unreadable, *doubts(reading.examples, lengths)]
    lines = summary(reading.examples, lengths)
    for kind in KINDS:
        lines += listing(kind, [issue for issue in issues if issue.kind == kind])
    lines += listing("unused audio files", sorted(set(audio_files(folder)) - set(paths)))
    return lines, not issues


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.data.check", description="What of a data set is there.")
    parser.add_argument("dataset", choices=sorted(ADAPTERS), help="the data set, by name")
    parser.add_argument("folder", type=Path, help="where its files lie, as published")
    parser.add_argument("--decode", action="store_true", help="decode every recording to its end, not its header alone")
    options = parser.parse_args(arguments)
    try:
        lines, sound = check(options.dataset, options.folder, whole=options.decode)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"{options.dataset} cannot be read: {error}")
    print("\n".join(lines))
    if not sound:
        sys.exit(1)


if __name__ == "__main__":
    main()
