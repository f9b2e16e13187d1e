"""Measures what limits a model on scenes: absent sounds, edges of events, or the ranking of captions and of frames.

`python -m training.evaluation.diagnosis --bundle service/bundle --data FOLDER`
`python -m training.evaluation.diagnosis --checkpoint runs/compact/checkpoint.pt --data FOLDER`

The scenes are the tuning set, so that no model is chosen on the reported set. Each label has one query, its first caption.
`--captions training/data/captions/labels.jsonl` takes the captions that training used. With `--reported`, only the right edges
are measured, on the scenes and with the three captions of the validation benchmark.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from service.core.errors import EarmarkError
from training import seeds
from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import captions_for_labels, read_label_captions
from training.evaluation.benchmark import load_benchmark
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, BundleLocalizer, CheckpointLocalizer
from training.evaluation.metrics import psds1_without_bootstrap
from training.evaluation.right_edges import edges_by_duration, edges_by_fraction_of_peak
from training.evaluation.scene_set import evaluation_set_from_benchmark, scene_set
from training.evaluation.scored_queries import ScoredQueries, ScoredQuery, frames_in_events

DiagnosedLocalizer = BundleLocalizer | CheckpointLocalizer


def psds1_macro(queries: ScoredQueries) -> float:
    """PSDS1 with alpha_st = 0, the mean over the labels."""
    return float(psds1_without_bootstrap(queries).mean[0])


def without_absent_labels(queries: ScoredQueries) -> ScoredQueries:
    """A copy of the scored queries in which all scores of a label are 0 in the clips without an event of the label."""
    kept = [
        query if len(query.target_events[0]) else replace(query, curve=np.zeros_like(query.curve))
        for query in queries.queries
    ]
    return ScoredQueries(queries.labels, tuple(kept), queries.n_clips)


def rankings(queries: ScoredQueries) -> dict[str, float]:
    """Probabilities that the higher of two scores is the right one; 0.5 is chance, ties count half.

    - `caption`: in frames of an event, the caption of the event against captions of labels without an event in the clip.
    - `frame`: for a caption, frames in events of its label against all other frames of the clip.
    - `frame_other_sound`: for a caption, frames in events of its label against frames in which only other labels are heard.
    - `frame_background`: for a caption, frames in events of its label against frames in which no label is heard.

    Each pair of a clip and a label with an event in the clip counts once.
    """
    pairs: dict[str, list[float]] = {}
    for clip in _by_clip(queries):
        for name, value in _rankings_of_clip(clip):
            pairs.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in pairs.items()}


def _by_clip(queries: ScoredQueries) -> Iterator[list[ScoredQuery]]:
    clips: dict[int, list[ScoredQuery]] = {}
    for query in queries.queries:
        clips.setdefault(query.clip, []).append(query)
    yield from clips.values()


def _rankings_of_clip(clip: Sequence[ScoredQuery]) -> Iterator[tuple[str, float]]:
    absent = np.array([query.curve for query in clip if not len(query.target_events[0])])  # (absent labels, T)
    for query in clip:
        inside = query.truth()
        if not inside.any():
            continue
        others = [frames_in_events(times, query.edges_s) for times in query.other_events.values()]
        other_sound = np.any(others, axis=0) & ~inside if others else np.zeros_like(inside)
        for name, outside in (
            ("frame", ~inside),
            ("frame_other_sound", other_sound),
            ("frame_background", ~inside & ~other_sound),
        ):
            if outside.any():
                yield name, probability_higher(query.curve[inside], query.curve[outside])
        if len(absent):
            present, foreign = query.curve[inside], absent[:, inside]
            yield "caption", float(np.mean((present > foreign) + 0.5 * (present == foreign)))


def probability_higher(left: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Probability that a value of `left` is above a value of `right`; ties count half.

    >>> probability_higher(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    0.875
    """
    ranks = rankdata(np.concatenate([left, right]))[: len(left)]
    return float((ranks.sum() - len(left) * (len(left) + 1) / 2) / (len(left) * len(right)))


def tuning_scenes(folder: Path, captions: Path) -> EvaluationSet:
    """The scenes of the tuning set with one query for each label: its first caption, or its name if no caption is written."""
    benchmark = load_benchmark(folder, seeds.CALIBRATION)
    first = [entry.captions[:1] for entry in captions_for_labels(benchmark.labels, read_label_captions(captions))]
    return evaluation_set_from_benchmark(f"scenes of seed {seeds.CALIBRATION}", benchmark, first)


def scored(localizer: DiagnosedLocalizer, scenes: EvaluationSet, width_s: float, extent_ratio: float) -> ScoredQueries:
    """Scores the scenes with the model's default post-processing, except for the median filter and the extent ratio."""
    default = localizer.postprocessing
    localizer.postprocessing = default.override(extent_ratio=extent_ratio)
    try:
        (clip_scores,) = scenes.score_clips(localizer, [[width_s] * len(scenes.labels)])
    finally:
        localizer.postprocessing = default
    return scenes.scored_queries(clip_scores, 0)


def diagnose(localizer: DiagnosedLocalizer, scenes: EvaluationSet) -> dict[str, object]:
    """All figures of a model: with the default post-processing, without extension, and rankings of raw scores.

    The curves without extension also give the fraction of events with right edges at fractions of their peaks.
    """
    default = localizer.postprocessing
    figures: dict[str, object] = {}
    for name, extent_ratio in (("default", default.extent_ratio), ("not_extended", 1.0)):
        queries = scored(localizer, scenes, default.median_filter_s, extent_ratio)
        figures[name] = {
            "psds1_macro": psds1_macro(queries),
            "psds1_macro_without_absent_labels": psds1_macro(without_absent_labels(queries)),
            "right_edges": edges_by_duration(queries),
        }
        if name == "not_extended":
            figures["right_edges_by_fraction_of_peak"] = edges_by_fraction_of_peak(queries)
    return figures | {"rankings": rankings(scored(localizer, scenes, 0.0, 1.0))}


def reported_edges(localizer: DiagnosedLocalizer, scenes: EvaluationSet) -> dict[str, float]:
    """The fraction of events with right edges by duration, with the default post-processing: the mean over the passes."""
    (clip_scores,) = scenes.score_clips(localizer, [[localizer.postprocessing.median_filter_s] * len(scenes.labels)])
    passes = [edges_by_duration(scenes.scored_queries(clip_scores, i)) for i in range(scenes.n_passes)]
    return {name: float(np.mean([edges[name] for edges in passes])) for name in passes[0]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.diagnosis", description="Diagnose a model.")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--checkpoint", type=Path, help="checkpoint of training.train")
    model.add_argument("--bundle", type=Path, help="folder of a bundle")
    parser.add_argument("--data", type=Path, required=True, help="folder of a pack with a val split")
    scenes = parser.add_mutually_exclusive_group()
    scenes.add_argument("--captions", type=Path, default=CAPTIONS / "validation.jsonl", help="captions of the labels")
    scenes.add_argument("--reported", action="store_true", help="only the right edges on the validation benchmark")
    options = parser.parse_args(arguments)
    try:
        localizer = (
            BundleLocalizer(options.bundle)
            if options.bundle
            else CheckpointLocalizer.load(options.checkpoint, MEDIAN_FILTER_S, EXTENT_RATIO)
        )
        figures = (
            {"right_edges": reported_edges(localizer, scene_set(options.data, seeds.BENCHMARK))}
            if options.reported
            else diagnose(localizer, tuning_scenes(options.data, options.captions))
        )
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"{options.bundle or options.checkpoint} cannot be diagnosed on {options.data}: {error}")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
