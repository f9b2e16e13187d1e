"""Measures time and memory of scoring on a replica of AudioSet Strong with made-up scores, and checks a part of it.

`python -m training.evaluation.replica`

The replica has the size of the evaluation set of AudioSet Strong: 17,000 clips of 10 s, 407 labels, frames of 40 ms. The scores
are smooth noise with bumps at most of the events. The first clips and labels are also scored by sed_scores_eval, which must
give the same figures. The status is 1 if it does not, or if a limit is exceeded.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sed_scores_eval import intersection_based, segment_based
from sed_scores_eval.base_modules.scores import create_score_dataframe

from training import seeds
from training.evaluation.metrics import MAX_FP_PER_HOUR, MAX_FPR, SLICE_S
from training.evaluation.scored_queries import EventTimes, merged_events
from training.evaluation.streamed_scores import StreamedFigures, StreamedScores

CLIP_S = 10.0
EVENTS_PER_CLIP = 4.0
"""Mean number of events in a clip; its labels have very different frequencies, as in AudioSet."""
MAX_MEMORY_BYTES = 2_000_000_000
MAX_SCORING_CPU_S = 900.0
EXACT = 1e-12
"""Largest accepted difference from sed_scores_eval: the rounding of sums in another order."""
EXACT_STD = 1e-6
"""The same for alpha_st = 1: a standard deviation of 0 is computed as 1e-8, as the root of a difference of squares."""
Clip = tuple[NDArray[np.float32], NDArray[np.float64], dict[int, EventTimes]]


def made_up_clip(number: int, n_labels: int, hop_s: float) -> Clip:
    """Scores in [-1, 1] (L, T), boundaries of the frames (T + 1,) and true events of clip `number`."""
    rng = np.random.default_rng(seeds.numbered(seeds.REPLICA, number))
    n_frames = round(CLIP_S / hop_s)
    edges_s = np.arange(n_frames + 1, dtype=np.float64) * hop_s
    noise = rng.standard_normal((n_labels, n_frames + 4), dtype=np.float32)
    scores = np.sum([noise[:, shift : shift + n_frames] for shift in range(5)], axis=0) * np.float32(0.06)
    frequency = 1.0 / np.arange(1, n_labels + 1) ** 0.7
    times: dict[int, list[tuple[float, float]]] = {}
    for label in rng.choice(n_labels, size=int(rng.poisson(EVENTS_PER_CLIP)), p=frequency / frequency.sum()):
        first, end = np.sort(rng.choice(n_frames + 1, 2, replace=False))
        times.setdefault(int(label), []).append((float(edges_s[first]), float(edges_s[end])))
        scores[label, first:end] += np.float32(rng.uniform(-0.05, 0.6))
    return np.clip(scores, -1, 1), edges_s, {label: merged_events(spans) for label, spans in times.items()}


def reference(clips: Sequence[Clip]) -> tuple[list[float], float, list[float]]:
    """PSDS1 of each label, PSDS1 with alpha_st = 1, and partial AUROC of each label, by sed_scores_eval.

    Every label must have an event.
    """
    names = [f"label{i:03d}" for i in range(len(clips[0][0]))]
    scores = {
        f"clip{i:05d}": create_score_dataframe(of_clip.T, edges_s, names)
        for i, (of_clip, edges_s, _) in enumerate(clips)
    }
    truth: dict[str, Any] = {
        f"clip{i:05d}": [
            (float(on), float(off), names[label])
            for label, spans in events.items()
            for on, off in zip(*spans, strict=True)
        ]
        for i, (_, _, events) in enumerate(clips)
    }
    durations_s = dict.fromkeys(truth, CLIP_S)
    psds: Any = intersection_based.psds(
        scores, truth, durations_s, dtc_threshold=0.7, gtc_threshold=0.7, alpha_st=1.0, max_efpr=MAX_FP_PER_HOUR
    )
    auroc: Any = segment_based.auroc(scores, truth, durations_s, segment_length=SLICE_S, max_fpr=MAX_FPR)
    by_label, aurocs = ([float(values[name]) for name in names] for values in (psds[1], auroc[0]))
    return by_label, float(psds[0]), aurocs


def part(clips: Sequence[Clip], n_labels: int) -> list[Clip]:
    """The clips with the scores and events of the first labels that have an event in one of them."""
    heard = sorted({label for _, _, events in clips for label in events})[:n_labels]
    return [
        (scores[heard], edges_s, {heard.index(label): spans for label, spans in events.items() if label in heard})
        for scores, edges_s, events in clips
    ]


def differences(clips: Sequence[Clip]) -> dict[str, float]:
    """Largest differences of the figures of some clips from those of sed_scores_eval. Every label must have an event."""
    with tempfile.TemporaryFile() as spool:
        streamed = StreamedScores(len(clips[0][0]), spool)
        for clip in clips:
            streamed.add(*clip)
        figures = streamed.figures()
    by_label, psds1, aurocs = reference(clips)
    return {
        "psds1_by_label": _largest(figures.psds1.by_label[:, 0], by_label),
        "psds1": abs(float(figures.psds1.mean_minus_std[0]) - psds1),
        "partial_auroc_by_label": _largest(figures.partial_auroc.by_label[:, 0], aurocs),
    }


def _largest(values: NDArray[np.float64], expected: Sequence[float]) -> float:
    return float(np.abs(values - np.array(expected)).max())


def measure(n_clips: int, n_labels: int, hop_s: float) -> dict[str, Any]:
    """Figures of a whole replica, the seconds that scoring took without making up the scores, and the memory in bytes.

    `scoring_cpu_s` is the processor time, which other processes on the machine do not lengthen.
    """
    seconds = np.zeros(2)  # elapsed, of the processor
    with tempfile.TemporaryFile() as spool:
        streamed = StreamedScores(n_labels, spool)
        for number in range(n_clips):
            clip = made_up_clip(number, n_labels, hop_s)
            begin = _clocks()
            streamed.add(*clip)
            seconds += _clocks() - begin
        begin = _clocks()
        figures: StreamedFigures = streamed.figures()
        seconds += _clocks() - begin
    return {
        "psds1_macro": float(figures.psds1.mean[0]),
        "psds1": float(figures.psds1.mean_minus_std[0]),
        "partial_auroc": float(figures.partial_auroc.mean[0]),
        "scoring_s": float(seconds[0]),
        "scoring_cpu_s": float(seconds[1]),
        "memory_bytes": _peak_memory_bytes(),
    }


def _peak_memory_bytes() -> int:
    """Peak resident memory of this program; `ru_maxrss` would count that of the program that started it, too."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def _clocks() -> NDArray[np.float64]:
    return np.array([time.perf_counter(), time.process_time()])


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.replica", description="Score a replica.")
    defaults = {"clips": 17_000, "labels": 407, "check-clips": 150, "check-labels": 30}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="number of %(dest)s (default: %(default)s)")
    parser.add_argument("--hop-s", type=float, default=0.04, help="time between frames, in s (default: %(default)s)")
    options = parser.parse_args(arguments)
    report = {"clips": options.clips, "labels": options.labels} | measure(options.clips, options.labels, options.hop_s)
    checked = [made_up_clip(number, options.labels, options.hop_s) for number in range(options.check_clips)]
    report["differences"] = differences(part(checked, options.check_labels))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    wrong = any(value > (EXACT_STD if name == "psds1" else EXACT) for name, value in report["differences"].items())
    if wrong or report["memory_bytes"] > MAX_MEMORY_BYTES or report["scoring_cpu_s"] > MAX_SCORING_CPU_S:
        sys.exit(1)


if __name__ == "__main__":
    main()
