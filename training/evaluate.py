"""Evaluates a checkpoint, a bundle or a running service on synthesized scenes or on a data set.

`python -m training.evaluate --checkpoint runs/compact/checkpoint.pt --data FOLDER --json report.json`
`python -m training.evaluate --bundle service/bundle --data FOLDER`
`python -m training.evaluate --url http://127.0.0.1:8000 --data FOLDER`
`python -m training.evaluate --bundle service/bundle --dataset realistic --data FOLDER`
`python -m training.evaluate --checkpoint runs/tacos_regions/checkpoint.pt --protocol tacos --data AUDIOSET`
`python -m training.evaluate --bundle service/bundle --dataset tacos --data FOLDER --split test`

On scenes, the queries are captions that are held out from training, three for each label. Each figure is the mean over
three passes with one caption of every label. On a data set, the queries are the captions of its events, and retrieval
is measured with the captions of whole recordings. Figures are reported twice: with the model's default post-processing,
and with post-processing that is tuned for each label on a tuning set: scenes of another seed, or the data set's `val`
split. The threshold of a checkpoint is not calibrated yet, so its default threshold is also tuned on the tuning set.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from service.core.errors import EarmarkError
from service.core.postprocessing import Postprocessing
from training import seeds
from training.data.datasets import ADAPTERS
from training.data.example import SPLITS
from training.evaluation.dataset_split import COMMON_LABELS_DATASET, evaluate_dataset
from training.evaluation.false_alarms import alarm_report
from training.evaluation.localizers import (
    EXTENT_RATIO,
    MEDIAN_FILTER_S,
    BundleLocalizer,
    CheckpointLocalizer,
    Localizer,
    ServiceLocalizer,
)
from training.evaluation.protocol import RESAMPLES, evaluate
from training.evaluation.realistic_set import evaluate_realistic
from training.evaluation.report import as_text
from training.evaluation.scene_set import scene_set
from training.evaluation.sparse_recordings import sparse_set
from training.evaluation.tacos_protocol import evaluate_as_tacos

SCENES, REALISTIC = "scenes", "realistic"
PROTOCOLS = ("tacos",)
DEFAULT_SPLIT = "test"


def evaluate_scenes(localizer: Localizer, folder: Path) -> dict[str, Any]:
    """The report on the benchmark's scenes, tuned on the scenes that calibration uses, and on sparse recordings.

    The false alarms on sparse recordings are measured with the default post-processing of the report on scenes.

    Raises:
        ValueError: No label has enough recordings, a label has too few held-out captions, or a recording cannot be
            decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    tuning_set = scene_set(folder, seeds.CALIBRATION)
    localization = evaluate(localizer, scene_set(folder, seeds.BENCHMARK), tuning_set)
    default = Postprocessing(**localization["settings"]["default"]["postprocessing"])
    sparse = sparse_set(folder, "reported")
    settings = [default] * len(sparse.scored_labels)
    return {"localization": localization, "sparse": alarm_report(localizer, sparse, settings, RESAMPLES)}


def open_localizer(options: argparse.Namespace) -> Localizer:
    """Opens the checkpoint, bundle or service that the command line names."""
    if options.url:
        return ServiceLocalizer(httpx.Client(base_url=options.url, timeout=60.0))
    if options.bundle:
        return BundleLocalizer(options.bundle)
    return CheckpointLocalizer.load(options.checkpoint, options.median_filter_s, options.extent_ratio)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Evaluate a model.")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--checkpoint", type=Path, help="checkpoint written by training.train")
    subject.add_argument("--bundle", type=Path, help="folder of a bundle")
    subject.add_argument("--url", help="address of a running service, such as http://127.0.0.1:8000")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the data set, or of a CSV pack with a val split"
    )
    parser.add_argument(
        "--dataset",
        choices=(SCENES, REALISTIC, *sorted(ADAPTERS)),
        default=SCENES,
        help=f"data set to evaluate on (default: {SCENES}; {SCENES} and {REALISTIC} are mixed from a CSV pack)",
    )
    parser.add_argument("--split", choices=SPLITS, help=f"split of the data set (default: {DEFAULT_SPLIT})")
    parser.add_argument(
        "--most", type=positive, help="largest number of recordings of each split of the data set (default: all)"
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, help=f"evaluate on AudioSet Strong as in a paper: {', '.join(PROTOCOLS)}"
    )
    parser.add_argument(
        "--categories", type=Path, help="CSV table of the protocol's variant with sentences: category, query, label"
    )
    parser.add_argument("--json", type=Path, help="file to write the report to as JSON; its folder is created")
    parser.add_argument(
        "--median-filter-s",
        type=float,
        help=f"width of the median filter of a checkpoint's score curves, in seconds (default: {MEDIAN_FILTER_S})",
    )
    parser.add_argument(
        "--extent-ratio",
        type=float,
        help="a checkpoint's segments extend from their peak while the odds of the score stay above this fraction "
        f"of those of the threshold; 1 disables it (default: {EXTENT_RATIO})",
    )
    options = parser.parse_args(arguments)
    protocol, of_checkpoint = options.protocol is not None, options.checkpoint is not None
    if protocol and options.dataset not in (SCENES, COMMON_LABELS_DATASET):
        parser.error(f"--protocol {options.protocol} evaluates on {COMMON_LABELS_DATASET}, not on {options.dataset}")
    smoothing = {"median_filter_s": MEDIAN_FILTER_S, "extent_ratio": EXTENT_RATIO}
    scope = "--checkpoint without --protocol" if of_checkpoint else "--checkpoint"
    limit_options(parser, options, scope, of_checkpoint and not protocol, **smoothing)
    of_dataset = options.dataset in ADAPTERS
    limit_options(parser, options, "a data set's --dataset", of_dataset and not protocol, split=DEFAULT_SPLIT)
    limit_options(parser, options, "a data set's --dataset", of_dataset or protocol, most=sys.maxsize)
    limit_options(parser, options, "--protocol", protocol, categories=None)
    return options


def limit_options(
    parser: argparse.ArgumentParser, options: argparse.Namespace, scope: str, in_scope: bool, **defaults: object
) -> None:
    """Fills in the defaults of options that have an effect in a single scope, and refuses these options in other scopes.

    Args:
        parser: The parser, which reports an option that is given outside the scope.
        options: Options to change; those that were not given are None.
        scope: The scope's name for the error message.
        in_scope: Whether the command line is in the scope.
        **defaults: Default of each option.
    """
    for name, default in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        elif not in_scope:
            parser.error(f"--{name.replace('_', '-')} applies to {scope} only")


def positive(text: str) -> int:
    """Parses an integer of at least 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}; an integer of at least 1 is accepted")
    return int(text)


def make_report(options: argparse.Namespace) -> dict[str, Any]:
    """Evaluates what the command line names."""
    localizer = open_localizer(options)
    if options.protocol:
        sections = evaluate_as_tacos(localizer, options.data, options.categories, options.most)
    elif options.dataset == SCENES:
        sections = evaluate_scenes(localizer, options.data)
    elif options.dataset == REALISTIC:
        sections = evaluate_realistic(localizer, options.data)
    else:
        sections = evaluate_dataset(localizer, options.dataset, options.data, options.split, options.most)
    return {"subject": localizer.subject, **sections}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = parse(arguments)
    try:
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
        report = make_report(options)
        sys.stdout.write(as_text(report))
        if options.json:
            options.json.write_text(json.dumps(report, indent=2) + "\n")
    except (ValueError, OSError, EarmarkError, httpx.HTTPError, httpx.InvalidURL) as error:
        sys.exit(f"{options.dataset} in {options.data} cannot be evaluated: {error}")


if __name__ == "__main__":
    main()
