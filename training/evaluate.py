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

from service.core.errors import EarmarkError
from training import seeds
from training.data.datasets import ADAPTERS
from training.data.example import SPLITS
from training.evaluation.benchmark import load_benchmark, validation_queries
from training.evaluation.dataset_split import measure_dataset
from training.evaluation.evaluation_set import EvaluationSet, evaluation_set_from_benchmark
from training.evaluation.localizers import (
    EXTENT_RATIO,
    MEDIAN_FILTER_S,
    BundleLocalizer,
    CheckpointLocalizer,
    Localizer,
    ServiceLocalizer,
)
from training.evaluation.protocol import evaluate
from training.evaluation.report import as_text

SOUNDSCAPES = "soundscapes"
SPLIT = "test"


def soundscapes(folder: Path, seed: int) -> EvaluationSet:
    """The soundscapes of a seed as a set."""
    benchmark = load_benchmark(folder, seed)
    return evaluation_set_from_benchmark(f"soundscapes of seed {seed}", benchmark, validation_queries(benchmark.labels))


def measure_soundscapes(localizer: Localizer, folder: Path) -> dict[str, Any]:
    """The report on the benchmark."""
    own = soundscapes(folder, seeds.CALIBRATION)
    return {"localization": evaluate(localizer, soundscapes(folder, seeds.BENCHMARK), own)}


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
    subject.add_argument("--url", help="where a service runs, such as http://127.0.0.1:8000")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the data set, or of a CSV pack with a val split"
    )
    parser.add_argument(
        "--dataset",
        choices=(SOUNDSCAPES, *sorted(ADAPTERS)),
        default=SOUNDSCAPES,
        help=f"what the data are; {SOUNDSCAPES}, if not given, are made of a CSV pack",
    )
    parser.add_argument("--split", choices=SPLITS, help=f"of a data set; {SPLIT} if not given")
    parser.add_argument("--most", type=positive, help="so many recordings of a data set's split at most")
    parser.add_argument("--json", type=Path, help="file that the report is written to too; its folder is made")
    parser.add_argument(
        "--median-filter-s", type=float, help=f"smoothing of a checkpoint's curves; {MEDIAN_FILTER_S} s if not given"
    )
    parser.add_argument(
        "--extent-ratio", type=float, help=f"extent of sounds in a checkpoint's curves; {EXTENT_RATIO} if not given"
    )
    options = parser.parse_args(arguments)
    smoothing = {"median_filter_s": MEDIAN_FILTER_S, "extent_ratio": EXTENT_RATIO}
    takes(parser, options, "--checkpoint", options.checkpoint is not None, **smoothing)
    takes(parser, options, "a data set's --dataset", options.dataset != SOUNDSCAPES, split=SPLIT, most=sys.maxsize)
    return options


def takes(
    parser: argparse.ArgumentParser, options: argparse.Namespace, what: str, given: bool, **defaults: object
) -> None:
    """Sets options that only apply to something to their defaults, and refuses them where it is not given."""
    for name, default in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif not given:
            parser.error(f"--{name.replace('_', '-')} applies to {what} only")


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number from 1 on is accepted")
    return int(text)


def report(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line asks for."""
    localizer = open_localizer(options)
    if options.dataset == SOUNDSCAPES:
        measured = measure_soundscapes(localizer, options.data)
    else:
        measured = measure_dataset(localizer, options.dataset, options.data, options.split, options.most)
    return {"subject": localizer.subject, **measured}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = parse(arguments)
    try:
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
        found = report(options)
        sys.stdout.write(as_text(found))
        if options.json:
            options.json.write_text(json.dumps(found, indent=2) + "\n")
    except (ValueError, OSError, EarmarkError, httpx.HTTPError, httpx.InvalidURL) as error:
        sys.exit(f"{options.dataset} in {options.data} cannot be measured: {error}")


if __name__ == "__main__":
    main()
