"""Measures a checkpoint, a bundle or a running service, on soundscapes or on a data set.

`python -m training.evaluate --checkpoint runs/compact/checkpoint.pt --data FOLDER --json report.json`
`python -m training.evaluate --bundle service/bundle --data FOLDER`
`python -m training.evaluate --url http://127.0.0.1:8000 --data FOLDER`
`python -m training.evaluate --bundle service/bundle --dataset tacos --data FOLDER --split test`

The soundscapes are asked for captions that training never saw, three a label: each figure is the mean over three passes with
one caption a label. A data set is asked for the captions of its events, and recordings and captions of the whole of them
are found by one another. What is chosen (the threshold of a checkpoint, and the post-processing of each label that is
told beside the default) is chosen on soundscapes of another seed, or on the `val` split.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import read_captions
from training.data.datasets import ADAPTERS, read_dataset
from training.data.example import SPLITS, Example
from training.data.pack import AudioStore, read_table
from training.evaluation.benchmark import CALIBRATION_SEED, SEED, Benchmark, draw_benchmark
from training.evaluation.evaluation_set import EvaluationSet, of_benchmark, of_examples
from training.evaluation.localizers import (
    EXTENT_RATIO,
    MEDIAN_FILTER_S,
    BundleLocalizer,
    CheckpointLocalizer,
    Localizer,
    ServiceLocalizer,
)
from training.evaluation.protocol import evaluate, evaluate_retrieval
from training.evaluation.report import as_text
from training.towers.front_end import SAMPLE_RATE_HZ

PASSES = 3
SOUNDSCAPES = "soundscapes"
DRAWN_SEED = 20_250_513


def validation_queries(labels: Sequence[str], captions: Path = CAPTIONS / "validation.jsonl") -> list[list[str]]:
    """The held-out captions of each label, PASSES each.

    Raises:
        KeyError: a label has none.
    """
    written = read_captions(captions)
    return [list(written[label].captions[:PASSES]) for label in labels]


def load_benchmark(folder: Path, seed: int = SEED) -> Benchmark:
    """The benchmark, or scenes of another seed, over the `val` recordings of a pack."""
    recordings = [r for r in read_table(folder) if r.split == "val"]
    return draw_benchmark(recordings, AudioStore.decode(recordings, SAMPLE_RATE_HZ), seed=seed)


def soundscapes(folder: Path, seed: int) -> EvaluationSet:
    """The soundscapes of a seed as a set."""
    benchmark = load_benchmark(folder, seed)
    return of_benchmark(f"soundscapes of seed {seed}", benchmark, validation_queries(benchmark.labels))


def measure_soundscapes(localizer: Localizer, folder: Path) -> dict[str, Any]:
    """The report on the benchmark."""
    own = soundscapes(folder, CALIBRATION_SEED)
    return {"localization": evaluate(localizer, soundscapes(folder, SEED), own)}


def measure_dataset(localizer: Localizer, name: str, folder: Path, split: str, most: int) -> dict[str, Any]:
    """The report on a split of a data set: of its events, and of its captions of whole recordings.

    Raises:
        ValueError: The split has no recording.
    """
    examples = read_dataset(name, folder)
    drawn = draw(examples, split, most)
    if not drawn:
        has = ", ".join(s for s in SPLITS if draw(examples, s, most)) or "none"
        raise ValueError(f"{name} has no recording in split {split!r}; it has {has}")
    report: dict[str, Any] = {}
    annotated = [example for example in drawn if example.events]
    if annotated:
        reported = of_examples(f"{name}, {split}", annotated)
        others = [example for example in draw(examples, "val", most) if example.events] if split != "val" else []
        labels = None if reported.pooled else reported.labels
        own = of_examples(f"{name}, val", others, labels) if others else None
        report["localization"] = evaluate(localizer, reported, own)
    captioned = [example for example in drawn if example.captions]
    if captioned:
        report["retrieval"] = evaluate_retrieval(localizer, f"{name}, {split}", captioned)
    return report


def draw(examples: Sequence[Example], split: str, most: int) -> list[Example]:
    """The recordings of a split, or so many of them, always the same, in their order."""
    own = [example for example in examples if example.split == split]
    chosen = np.random.default_rng(DRAWN_SEED).permutation(len(own))[:most]
    return [own[i] for i in np.sort(chosen)]


def open_localizer(options: argparse.Namespace) -> Localizer:
    """What the command line names."""
    if options.url:
        return ServiceLocalizer(httpx.Client(base_url=options.url, timeout=60.0))
    if options.bundle:
        return BundleLocalizer(options.bundle)
    return CheckpointLocalizer.load(options.checkpoint, options.median_filter_s, options.extent_ratio)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Measure a model.")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--checkpoint", type=Path, help="a checkpoint of training.train")
    subject.add_argument("--bundle", type=Path, help="a bundle's folder")
    subject.add_argument("--url", help="a running service")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the data set, or of a CSV pack with a val split"
    )
    parser.add_argument(
        "--dataset", choices=(SOUNDSCAPES, *sorted(ADAPTERS)), default=SOUNDSCAPES, help="what the data are"
    )
    parser.add_argument("--split", choices=SPLITS, default="test", help="of a data set")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="so many recordings of a split at most")
    parser.add_argument("--json", type=Path, help="where the report is written too")
    parser.add_argument(
        "--median-filter-s", type=float, default=MEDIAN_FILTER_S, help="smoothing of a checkpoint's curves"
    )
    parser.add_argument(
        "--extent-ratio", type=float, default=EXTENT_RATIO, help="extent of sounds in a checkpoint's curves"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = parse(arguments)
    localizer = open_localizer(options)
    if options.dataset == SOUNDSCAPES:
        measured = measure_soundscapes(localizer, options.data)
    else:
        measured = measure_dataset(localizer, options.dataset, options.data, options.split, options.most)
    report = {"subject": localizer.subject, **measured}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(as_text(report))


if __name__ == "__main__":
    main()
