"""Sound event bounding boxes, an alternative to the extension of score curves, measured on the tuning set (not served).

`python -m training.evaluation.event_boxes --bundle service/bundle --data FOLDER`

The boxes are those of Ebbers et al., "Sound Event Bounding Boxes" (arXiv 2406.04212), change detection (cSEBBs): the extrema
of a step filter over the scores are candidates of onsets and offsets, and neighbouring boxes with a shallow gap are merged.
Here, a box has the mean score of its frames, and a gap is shallow if its mean score is above GAP_RATIO times the higher of the
scores of both boxes. The boxes of a clip become a curve, which is the box score in each frame. No frame is below EXTENDED_SHARE
times its extended score, the score that is served, so that segments become wider at low thresholds.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.core.errors import EarmarkError
from training.data.captions import FOLDER as CAPTIONS
from training.evaluation.diagnosis import psds1_macro, scored, tuning_scenes
from training.evaluation.localizers import BundleLocalizer
from training.evaluation.metrics import (
    MAX_FPR,
    SLICE_S,
    calibration_error,
    event_f1,
    partial_auroc,
    slice_count_changes,
)
from training.evaluation.right_edges import edges_by_duration
from training.evaluation.scored_queries import ScoredQueries

Curve = NDArray[np.float64]
Box = tuple[int, int]
"""First frame, and the frame after the last."""
STEP_S = 0.32
"""Length of each half of the step filter, in seconds."""
GAP_RATIO = 0.3
EXTENDED_SHARE = 0.65
SMALLEST_PEAK = 0.03
"""Curves whose highest score is lower are left as they are, to save time."""


def box_curve(curve: NDArray[np.floating], half_frames: int, gap_ratio: float) -> Curve:
    """The score of the box that holds each frame, or 0, from scores (T,): (T,)."""
    scores = curve.astype(np.float64)
    result = np.zeros_like(scores)
    for start, stop in merged(scores, candidate_boxes(step_filter(scores, half_frames)), gap_ratio):
        result[start:stop] = scores[start:stop].mean()
    return result


def step_filter(scores: Curve, half_frames: int) -> Curve:
    """Mean score of the frames after each boundary minus that of the frames before it, (T + 1,); end values are repeated."""
    padded = np.pad(scores, half_frames, mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded)])  # (T + 2 * half_frames + 1,)
    means = (sums[half_frames:] - sums[:-half_frames]) / half_frames  # (T + half_frames + 1,)
    return means[half_frames:] - means[: len(scores) + 1]


def candidate_boxes(steps: Curve) -> list[Box]:
    """Boxes from an onset, a maximum above 0 of the step filter, to the next offset, a minimum below 0.

    Of successive onsets or successive offsets, only the one with the largest step counts.
    """
    slopes = np.sign(np.diff(steps))
    moving = np.flatnonzero(slopes)
    turns = np.flatnonzero(slopes[moving[1:]] != slopes[moving[:-1]]) if len(moving) else moving
    frames: list[int] = []
    for frame, rising in zip(moving[turns] + 1, slopes[moving[turns]] > 0, strict=True):
        if (steps[frame] > 0) != rising or steps[frame] == 0:
            continue
        if frames and (steps[frames[-1]] > 0) == rising:
            frames[-1] = max(frames[-1], int(frame), key=lambda index: abs(steps[index]))
        else:
            frames.append(int(frame))
    if not frames:
        return [(0, len(steps) - 1)]
    bounds = [0] * bool(steps[frames[0]] < 0) + frames + [len(steps) - 1] * bool(steps[frames[-1]] > 0)
    return [(start, stop) for start, stop in zip(bounds[::2], bounds[1::2], strict=True) if start < stop]


def merged(scores: Curve, boxes: Sequence[Box], gap_ratio: float) -> list[Box]:
    """Merges neighbouring boxes with a shallow gap, first those with the smallest drop from the lower box to the gap."""
    left = list(boxes)
    while len(left) > 1:
        means = [float(scores[start:stop].mean()) for start, stop in left]
        gaps = [float(scores[a[1] : b[0]].mean()) if a[1] < b[0] else 1.0 for a, b in itertools.pairwise(left)]
        drops = [
            (min(means[i : i + 2]) - gap, i) for i, gap in enumerate(gaps) if gap > gap_ratio * max(means[i : i + 2])
        ]
        if not drops:
            break
        _, first = min(drops)
        left[first : first + 2] = [(left[first][0], left[first + 1][1])]
    return left


def with_boxes(raw: ScoredQueries, extended: ScoredQueries, half_frames: int) -> ScoredQueries:
    """The higher of the box score and of EXTENDED_SHARE times the extended score, in each frame of each query."""
    queries = [
        replace(
            query,
            curve=np.maximum(
                box_curve(query.curve, half_frames, GAP_RATIO)
                if query.curve.max() >= SMALLEST_PEAK
                else query.curve.astype(np.float64),
                EXTENDED_SHARE * wide.curve.astype(np.float64),
            ).round(4),
        )
        for query, wide in zip(raw.queries, extended.queries, strict=True)
    ]
    return ScoredQueries(raw.labels, tuple(queries), raw.n_clips)


def figures(queries: ScoredQueries, threshold: float) -> dict[str, object]:
    """The figures that post-processing changes, with one threshold for all labels."""
    once = np.ones((queries.n_clips, 1))
    auroc = partial_auroc(slice_count_changes(queries, SLICE_S), once, MAX_FPR)
    return {
        "psds1_macro": psds1_macro(queries),
        "partial_auroc": float(auroc.mean[0]),
        "event_f1_macro": float(event_f1(queries, once, np.full(len(queries.labels), threshold)).macro[0]),
        "expected_calibration_error": float(calibration_error(queries, once)[0]),
        "right_edges": edges_by_duration(queries),
    }


def compare(localizer: BundleLocalizer, folder: Path, captions: Path) -> dict[str, object]:
    """The figures of a bundle on the tuning set, as served and with boxes, at the default threshold."""
    scenes, default = tuning_scenes(folder, captions), localizer.postprocessing
    served = scored(localizer, scenes, default.median_filter_s, default.extent_ratio)
    boxes = with_boxes(scored(localizer, scenes, 0.0, 1.0), served, localizer.grid.frames_for(STEP_S))
    return {"served": figures(served, default.threshold), "boxes": figures(boxes, default.threshold)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.event_boxes", description="Compare event boxes with extended curves."
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a bundle")
    parser.add_argument("--data", type=Path, required=True, help="folder of a pack with a val split")
    parser.add_argument("--captions", type=Path, default=CAPTIONS / "validation.jsonl", help="captions of the labels")
    options = parser.parse_args(arguments)
    try:
        result = compare(BundleLocalizer(options.bundle), options.data, options.captions)
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"{options.bundle} cannot be evaluated on {options.data}: {error}")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
