"""Measures a checkpoint or a running service on the validation benchmark.

`python -m training.evaluate --checkpoint runs/compact/checkpoint.pt --data FOLDER`
`python -m training.evaluate --url http://127.0.0.1:8000 --data FOLDER`

The queries are captions that training never saw, three a label; each figure is the mean over three passes with one
caption a label, the spread beside it.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import read_captions
from training.data.pack import AudioStore, read_table
from training.evaluation.benchmark import SEED, Benchmark, draw_benchmark
from training.evaluation.localizers import (
    EXTENT_RATIO,
    MEDIAN_FILTER_S,
    CheckpointLocalizer,
    Localizer,
    ServiceLocalizer,
)
from training.evaluation.metrics import Figures, score_benchmark
from training.model import load_checkpoint
from training.towers.front_end import SAMPLE_RATE_HZ

PASSES = 3


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


def evaluate(localizer: Localizer, benchmark: Benchmark, queries: Sequence[Sequence[str]]) -> list[Figures]:
    """One pass a caption: pass k asks for every label with its caption k."""
    flat = [caption for captions in queries for caption in captions]
    curves = [localizer.scores(scene.waveform, flat) for scene in benchmark.scenes]
    return [score_benchmark([c[k::PASSES] for c in curves], benchmark, localizer.grid) for k in range(PASSES)]


def summarize(passes: Sequence[Figures]) -> dict[str, dict[str, float]]:
    """Mean and spread (largest minus smallest) of each figure over the passes."""
    summary: dict[str, dict[str, float]] = {}
    for name in ("psds1_macro", "psds1", "partial_auroc"):
        values = [getattr(figures, name) for figures in passes]
        summary[name] = {"mean": float(np.mean(values)), "spread": float(np.ptp(values))}
    return summary


def print_report(passes: Sequence[Figures], benchmark: Benchmark) -> None:
    """The figures, and the table of labels from the hardest to the easiest."""
    print(json.dumps(summarize(passes), indent=2))
    print(f"\n{'label':28} PSDS1  pAUROC")
    by_label = {
        label: (
            np.mean([f.psds1_by_label[label] for f in passes]),
            np.mean([f.partial_auroc_by_label[label] for f in passes]),
        )
        for label in benchmark.labels
    }
    for label, (psds, auroc) in sorted(by_label.items(), key=lambda item: item[1]):
        print(f"{label:28} {psds:.3f}  {auroc:.3f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Measure on the benchmark.")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--checkpoint", type=Path, help="a checkpoint of training.train")
    subject.add_argument("--url", help="a running service")
    parser.add_argument("--data", type=Path, required=True, help="folder of a CSV pack with a val split")
    parser.add_argument(
        "--median-filter-s", type=float, default=MEDIAN_FILTER_S, help="smoothing of a checkpoint's curves"
    )
    parser.add_argument(
        "--extent-ratio", type=float, default=EXTENT_RATIO, help="extent of sounds in a checkpoint's curves"
    )
    options = parser.parse_args(arguments)
    if options.url:
        localizer: Localizer = ServiceLocalizer(options.url)
    else:
        model, encoder, _ = load_checkpoint(options.checkpoint)
        localizer = CheckpointLocalizer(model, encoder, options.median_filter_s, options.extent_ratio)
    benchmark = load_benchmark(options.data)
    print_report(evaluate(localizer, benchmark, validation_queries(benchmark.labels)), benchmark)


if __name__ == "__main__":
    main()
