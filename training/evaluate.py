"""Measures a checkpoint, a bundle or a running service.

`python -m training.evaluate --checkpoint runs/compact/checkpoint.pt --data FOLDER`
`python -m training.evaluate --bundle service/bundle --data FOLDER`
`python -m training.evaluate --url http://127.0.0.1:8000 --data FOLDER`

The queries are captions that training never saw, three a label; each figure is the mean over three passes with one
caption a label. What an uncalibrated checkpoint has no threshold for is measured at the best one on other scenes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import read_captions
from training.data.pack import AudioStore, read_table
from training.evaluation.asked import bootstrap_weights
from training.evaluation.benchmark import CALIBRATION_SEED, SEED, Benchmark, draw_benchmark
from training.evaluation.evaluation_set import EvaluationSet, of_benchmark
from training.evaluation.localizers import (
    EXTENT_RATIO,
    MEDIAN_FILTER_S,
    BundleLocalizer,
    CheckpointLocalizer,
    Localizer,
    ServiceLocalizer,
)
from training.evaluation.metrics import measure
from training.evaluation.report import as_text, summarize
from training.evaluation.tuning import common_threshold
from training.towers.front_end import SAMPLE_RATE_HZ

PASSES = 3
RESAMPLES = 500
BOOTSTRAP_SEED = 20_250_511


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


def evaluate(
    localizer: Localizer, reported: EvaluationSet, own: EvaluationSet, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """The report of a localizer on one set; what is chosen, is chosen on the other.

    Args:
        localizer: What is evaluated.
        reported: What it is evaluated on.
        own: What the threshold of an uncalibrated model is chosen on.
        resamples: Of the bootstrap.
    """
    settings, chosen = localizer.postprocessing, "the model's own"
    if not localizer.calibrated:
        answers = own.answers(localizer)
        threshold = common_threshold([own.pairs(answers, k) for k in range(own.n_passes)])
        settings, chosen = settings.override(threshold=threshold), f"the threshold with the best event F1 on {own.name}"
    weights = bootstrap_weights(len(reported.clips), resamples, BOOTSTRAP_SEED)
    answers = reported.answers(localizer)
    asked = [reported.pairs(answers, k) for k in range(reported.n_passes)]
    passes = [measure(own, localizer.grid, weights, [settings] * len(own.labels)) for own in asked]
    told = {name: getattr(settings, name) for name in settings.__slots__}
    return {
        "subject": localizer.subject,
        "set": {
            "name": reported.name,
            "recordings": len(reported.clips),
            "labels": len(reported.labels),
            "passes": reported.n_passes,
        },
        "bootstrap": {"resamples": resamples, "of": "recordings", "interval": 0.95, "seed": BOOTSTRAP_SEED},
        "settings": {"default": {"chosen": chosen, "postprocessing": told, **summarize(passes, asked[0].labels)}},
    }


def open_localizer(options: argparse.Namespace) -> Localizer:
    """What the command line names."""
    if options.url:
        return ServiceLocalizer(options.url)
    if options.bundle:
        return BundleLocalizer(options.bundle)
    return CheckpointLocalizer.load(options.checkpoint, options.median_filter_s, options.extent_ratio)


def soundscapes(folder: Path, seed: int) -> EvaluationSet:
    """The soundscapes of a seed as a set."""
    benchmark = load_benchmark(folder, seed)
    return of_benchmark(f"soundscapes of seed {seed}", benchmark, validation_queries(benchmark.labels))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Measure a model.")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--checkpoint", type=Path, help="a checkpoint of training.train")
    subject.add_argument("--bundle", type=Path, help="a bundle's folder")
    subject.add_argument("--url", help="a running service")
    parser.add_argument("--data", type=Path, required=True, help="folder of a CSV pack with a val split")
    parser.add_argument("--json", type=Path, help="where the report is written too")
    parser.add_argument(
        "--median-filter-s", type=float, default=MEDIAN_FILTER_S, help="smoothing of a checkpoint's curves"
    )
    parser.add_argument(
        "--extent-ratio", type=float, default=EXTENT_RATIO, help="extent of sounds in a checkpoint's curves"
    )
    options = parser.parse_args(arguments)
    report = evaluate(
        open_localizer(options), soundscapes(options.data, SEED), soundscapes(options.data, CALIBRATION_SEED)
    )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(as_text(report))


if __name__ == "__main__":
    main()
