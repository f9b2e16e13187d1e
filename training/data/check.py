"""Reports what is present, missing and broken in a data set: `python -m training.data.check DATASET FOLDER [--decode]`.

The docstring of each data set's module in `training/data/adapters/` describes the files that its folder must contain
(for the CSV pack: `training/data/pack.py`). `--decode` decodes every recording completely; otherwise only file headers
are read. The exit status is 1 if anything is missing or broken, or if a table does not have the published format. Audio
files that no table names are listed but do not change the exit status.
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

MAX_LISTED = 5
PROBE_RATE_HZ = 16_000


def probe_recordings(paths: Sequence[Path], *, whole: bool) -> tuple[dict[Path, float], list[DataIssue]]:
    """Measures the durations of recordings, and records an issue for each recording that cannot be read.

    Args:
        paths: the recordings.
        whole: decode each recording completely, instead of reading only its header.

    Returns:
        The duration of each readable recording, in seconds, and the issues of the unreadable recordings.
    """
    durations_s: dict[Path, float] = {}
    issues: list[DataIssue] = []
    for path in tqdm(paths, unit="file", disable=None, leave=False):
        try:
            durations_s[path] = (
                len(decode(path, PROBE_RATE_HZ)) / PROBE_RATE_HZ if whole else recording_duration_s(path)
            )
        except UnreadableRecordingError as error:
            issues.append(DataIssue(UNREADABLE_FILE, str(path), error.reason))
    return durations_s, issues


def find_inconsistencies(examples: Sequence[Example], durations_s: Mapping[Path, float]) -> list[DataIssue]:
    """Finds recordings that are in two splits, and events that start after the end of their recording."""
    splits: dict[Path, set[str]] = defaultdict(set)
    issues: list[DataIssue] = []
    for example in examples:
        splits[example.path].add(example.split)
        end_s = durations_s.get(example.path, float("inf"))
        for event in example.events:
            if event.onset_s >= end_s:
                description = f"{event.caption!r} starts at {event.onset_s} s, after the end at {end_s:.3f} s"
                issues.append(DataIssue(LATE_EVENT, str(example.path), description))
    for path, names in splits.items():
        if len(names) > 1:
            issues.append(DataIssue(IN_TWO_SPLITS, str(path), f"is in {', '.join(sorted(names))}"))
    return issues


def format_summary(examples: Sequence[Example], durations_s: Mapping[Path, float]) -> list[str]:
    """Formats a table with the numbers of recordings, hours, captions and events of each split."""
    lines = [f"{'split':6}{'recordings':>11}{'hours':>9}{'captions':>9}{'events':>8}"]
    for split in SPLITS:
        of_split = [example for example in examples if example.split == split]
        paths = {example.path for example in of_split}
        hours = sum(durations_s.get(path, 0.0) for path in paths) / 3600
        captions, events = sum(len(e.captions) for e in of_split), sum(len(e.events) for e in of_split)
        lines.append(f"{split:6}{len(paths):11}{hours:9.2f}{captions:9}{events:8}")
    return lines


def format_list(title: str, entries: Sequence[object]) -> list[str]:
    """Formats the number of entries and the first MAX_LISTED of them; empty if there are no entries."""
    if not entries:
        return []
    rest = [f"  and {len(entries) - MAX_LISTED} more"] if len(entries) > MAX_LISTED else []
    return [f"{title}: {len(entries)}", *(f"  {entry}" for entry in entries[:MAX_LISTED]), *rest]


def check(name: str, folder: Path, *, whole: bool) -> tuple[list[str], bool]:
    """Checks a data set.

    Returns:
        The lines of the report, and whether nothing is missing or broken.

    Raises:
        ValueError: No data set has this name, or its tables do not have the published format.
        FileNotFoundError: A table is missing.
    """
    reading = read_with_issues(name, folder)
    paths = sorted({example.path for example in reading.examples})
    durations_s, unreadable = probe_recordings(paths, whole=whole)
    issues = [*reading.issues, *unreadable, *find_inconsistencies(reading.examples, durations_s)]
    lines = format_summary(reading.examples, durations_s)
    for kind in KINDS:
        lines += format_list(kind, [issue for issue in issues if issue.kind == kind])
    lines += format_list("unused audio files", sorted(set(audio_files(folder)) - set(paths)))
    return lines, not issues


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.data.check",
        description="Report what is present, missing and broken in a data set.",
    )
    parser.add_argument("dataset", choices=sorted(ADAPTERS), help="name of the data set")
    parser.add_argument("folder", type=Path, help="folder with the files of the data set, as published")
    parser.add_argument(
        "--decode", action="store_true", help="decode every recording completely, instead of reading only headers"
    )
    options = parser.parse_args(arguments)
    try:
        lines, intact = check(options.dataset, options.folder, whole=options.decode)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"{options.dataset} cannot be read: {error}")
    print("\n".join(lines))
    if not intact:
        sys.exit(1)


if __name__ == "__main__":
    main()
