"""Evaluation sets as cached maps of the frozen trunk, and the figures of a model on them: cosines only, without calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.core.curves import smooth
from service.core.cutting import cut_windows
from training.checkpoint import load_checkpoint
from training.evaluation.curves import partial_auroc
from training.evaluation.diagnosis import psds1_macro, rankings
from training.evaluation.evaluation_set import ClipScores, EvaluationClip, EvaluationSet, Waveform
from training.evaluation.localizers import MEDIAN_FILTER_S, postprocessing_at
from training.evaluation.metrics import MAX_FPR, SLICE_S, slice_count_changes
from training.evaluation.scored_queries import ScoredQueries
from training.model import LanguageAudioModel
from training.towers.pyramid import PyramidTower
from training.towers.text import SentenceEncoder

CLIPS_AT_ONCE = 20
PASS = 0
"""The pass over an evaluation set that is scored: the first query of each label."""


@dataclass(frozen=True, slots=True)
class MappedSet:
    """An evaluation set whose waveforms are replaced by the standardized maps of a trunk.

    Attributes:
        clips: the clips, their events and queries; their waveforms cannot be read.
        maps: maps of the C clips, float16, (C, steps, channels) each.
    """

    clips: EvaluationSet
    maps: tuple[Tensor, ...]

    def save(self, file: Path) -> None:
        """Writes the set to a temporary file and renames it."""
        clips = [(c.name, c.duration_s, list(c.events), list(c.queried_labels)) for c in self.clips.clips]
        values = {"name": self.clips.name, "labels": list(self.clips.labels), "queries": list(self.clips.queries)}
        partial = file.with_suffix(".partial")
        torch.save(values | {"clips": clips, "maps": list(self.maps)}, partial)
        partial.replace(file)

    @classmethod
    def load(cls, file: Path) -> "MappedSet":
        """Reads a set that `save` wrote."""
        values: dict[str, Any] = torch.load(file, weights_only=True)
        clips = tuple(
            EvaluationClip(name, no_waveform, duration_s, tuple(map(tuple, events)), tuple(queried))
            for name, duration_s, events, queried in values["clips"]
        )
        queries = tuple(map(tuple, values["queries"]))
        return cls(EvaluationSet(values["name"], clips, tuple(values["labels"]), queries), tuple(values["maps"]))


def no_waveform(sample_rate_hz: int) -> Waveform:
    """Raises ValueError: a mapped clip has no waveform."""
    raise ValueError(f"the clip is cached as maps; its waveform at {sample_rate_hz} Hz cannot be read")


@torch.inference_mode()
def map_set(tower: PyramidTower, clips: EvaluationSet) -> MappedSet:
    """Computes the maps of an evaluation set.

    Raises:
        ValueError: a clip is longer than a window of the tower.
    """
    tower.eval()
    parts: list[list[Tensor]] = []
    for start in range(0, len(clips.clips), CLIPS_AT_ONCE):
        windows = [one_window(tower, clip) for clip in clips.clips[start : start + CLIPS_AT_ONCE]]
        parts.append([m.half() for m in tower.maps(tower.spectrogram(torch.from_numpy(np.stack(windows))))])
    return MappedSet(clips, tuple(torch.cat(of_tap) for of_tap in zip(*parts, strict=True)))


def one_window(tower: PyramidTower, clip: EvaluationClip) -> NDArray[np.float32]:
    """The only window of a clip, padded as in the service."""
    windows = [window for _, window in cut_windows(clip.waveform(tower.sample_rate_hz), tower.window_plan, tower.grid)]
    if len(windows) != 1:
        longest_s = tower.grid.duration_s(tower.grid.n_samples(tower.window_frames))
        raise ValueError(f"{clip.name} lasts {clip.duration_s} s; at most {longest_s} s are accepted")
    return windows[0]


@torch.inference_mode()
def score(
    model: LanguageAudioModel, encoder: SentenceEncoder, mapped: MappedSet, widths_s: Sequence[float]
) -> list[ScoredQueries]:
    """Scores a set by the cosine of frames and queries, smoothed by a median filter of each width."""
    tower, grid, clips = model.audio, model.audio.grid, mapped.clips.clips
    assert isinstance(tower, PyramidTower)
    queries = model.projection(encoder.encode([queries[PASS] for queries in mapped.clips.queries]))  # (L, D)
    by_width: list[list[ClipScores]] = [[] for _ in widths_s]
    for start in range(0, len(clips), CLIPS_AT_ONCE):
        maps = [values[start : start + CLIPS_AT_ONCE].float() for values in mapped.maps]
        cosines = (tower.project(tower.features_of_maps(maps)) @ queries.T).transpose(1, 2).numpy()  # (B, L, T)
        for clip, of_clip in zip(clips[start : start + CLIPS_AT_ONCE], cosines, strict=True):
            n_frames = grid.n_frames(grid.samples_for(clip.duration_s))
            curves = np.ascontiguousarray(of_clip[list(clip.queried_labels), :n_frames])
            for width_s, clip_scores in zip(widths_s, by_width, strict=True):
                smoothed = smooth(curves, grid, postprocessing_at(0.5, width_s, 1.0))
                clip_scores.append(ClipScores(smoothed, grid.edges(n_frames, clip.duration_s)))
    return [mapped.clips.scored_queries(clip_scores, PASS) for clip_scores in by_width]


def figures(model: LanguageAudioModel, encoder: SentenceEncoder, mapped: MappedSet) -> dict[str, float]:
    """The figures of a model on a set.

    `psds1_macro` and `partial_auroc` of raw cosines, as TACOS scores, and `smoothed_...` of cosines after the median filter of
    the default model. `rank_...` are the rankings of raw cosines (see `training.evaluation.diagnosis`). None of the figures
    depends on a scale, a bias or a threshold.
    """
    raw, smoothed = score(model.eval(), encoder, single_query(mapped), (0.0, MEDIAN_FILTER_S))
    values = {f"rank_{name}": value for name, value in rankings(raw).items()}
    for prefix, queries in (("", raw), ("smoothed_", smoothed)):
        slices = slice_count_changes(queries, SLICE_S)
        weights = np.ones((queries.n_clips, 1))
        values[f"{prefix}psds1_macro"] = psds1_macro(queries)
        values[f"{prefix}partial_auroc"] = float(partial_auroc(slices, weights, MAX_FPR).mean[0])
    return values


def single_query(mapped: MappedSet) -> MappedSet:
    """The set with the first query of each label only."""
    clips = mapped.clips
    queries = tuple((of_label[PASS],) for of_label in clips.queries)
    return MappedSet(EvaluationSet(clips.name, clips.clips, clips.labels, queries), mapped.maps)


def figures_of_checkpoint(file: Path, sets: dict[str, MappedSet]) -> dict[str, dict[str, float]]:
    """The figures of a checkpoint's averaged weights on each set."""
    model, encoder, _ = load_checkpoint(file)
    return {name: figures(model, encoder, mapped) for name, mapped in sets.items()}
