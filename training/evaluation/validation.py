"""Validation of a training run, always on the same recordings, which the run does not train on."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training import seeds
from training.data.captions import captions_for_labels, read_label_captions
from training.data.excerpt_batches import WeightedDataset, read_example_pools
from training.evaluation.annotated_set import evaluation_set_from_examples
from training.evaluation.benchmark import PASSES, VALIDATION_CAPTIONS, load_benchmark
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, CheckpointLocalizer
from training.evaluation.protocol import evaluate
from training.evaluation.scene_set import evaluation_set_from_benchmark
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.towers.text import SentenceEncoder

SELECTION_FIGURE = "psds1_macro"
"""The figure by which a run's best weights are selected."""
REPORT_RESAMPLES = 200
"""Number of bootstrap resamples of a run's report."""


class Validation:
    """Measures a model on `validation.clips` clips that stay the same for the whole run.

    The clips are annotated `val` recordings if the recipe has data sets, and otherwise scenes synthesized from the
    `val` recordings of the pack.

    Args:
        recipe: Recipe of the run.
        encoder: Pretrained sentence encoder, used by models whose sentence encoder is not trained.

    Raises:
        ValueError: No scene can be synthesized, because no label has enough `val` recordings or because a recording
            cannot be decoded. With data sets: no recording has an event.
    """

    def __init__(self, recipe: Recipe, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        n_clips = recipe.validation.clips
        self.evaluation_set = (
            annotated_validation_set(recipe.data.sets, n_clips)
            if recipe.data.sets
            else scene_validation_set(recipe.data.folder, n_clips)
        )

    def localizer(self, model: LanguageAudioModel) -> CheckpointLocalizer:
        """A localizer with a copy of the model's current weights, and with the service's smoothing."""
        snapshot = copy.deepcopy(model).cpu()
        return CheckpointLocalizer(snapshot, snapshot.encoder or self.encoder, MEDIAN_FILTER_S, EXTENT_RATIO)

    def score(self, model: LanguageAudioModel) -> float:
        """The selection figure of the model, in [0, 1]; higher is better."""
        result = evaluate(self.localizer(model), self.evaluation_set, None, resamples=0)
        return float(result["settings"]["default"]["figures"][SELECTION_FIGURE]["value"] or 0.0)

    def report(self, model: LanguageAudioModel) -> dict[str, Any]:
        """The report on the model: all figures, overall and by label, with their confidence intervals."""
        localizer = self.localizer(model)
        return {
            "subject": localizer.subject,
            "localization": evaluate(localizer, self.evaluation_set, None, resamples=REPORT_RESAMPLES),
        }


def scene_validation_set(folder: Path, n_clips: int) -> EvaluationSet:
    """Scenes of the `val` recordings of a pack, queried with held-out captions.

    A label without held-out captions is queried with captions from templates.

    Raises:
        ValueError: No label has enough recordings, or a recording cannot be decoded.
        FileNotFoundError: The pack's table does not exist.
    """
    try:
        benchmark = load_benchmark(folder, seeds.VALIDATION, n_clips)
    except ValueError as error:
        raise ValueError(f"{error} (validation.clips = 0 disables validation)") from error
    entries = captions_for_labels(benchmark.labels, read_label_captions(VALIDATION_CAPTIONS))
    queries = [entry.captions[:PASSES] for entry in entries]
    return evaluation_set_from_benchmark(f"{n_clips} scenes of seed {seeds.VALIDATION}", benchmark, queries)


def annotated_validation_set(datasets: Sequence[WeightedDataset], n_clips: int) -> EvaluationSet:
    """At most `n_clips` annotated `val` recordings, drawn with equal probability from all data sets together.

    Raises:
        ValueError: No recording has an event.
    """
    examples = [e for pool in read_example_pools(datasets, "val") for e in pool.examples if e.events]
    drawn = np.sort(np.random.default_rng(seeds.VALIDATION).permutation(len(examples))[:n_clips])
    return evaluation_set_from_examples(f"{len(drawn)} recordings of split 'val'", [examples[i] for i in drawn])
