"""A run measured on recordings that it does not train on, always the same: the figure that its best weights are chosen by."""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from training import seeds
from training.data.captions import FOLDER as CAPTIONS
from training.data.captions import captions_for_labels, read_label_captions
from training.data.excerpt_batches import read_example_pools
from training.data.pack import AudioStore, read_pack_table
from training.evaluation.benchmark import PASSES, draw_benchmark
from training.evaluation.evaluation_set import (
    EvaluationSet,
    evaluation_set_from_benchmark,
    evaluation_set_from_examples,
)
from training.evaluation.localizers import EXTENT_RATIO, MEDIAN_FILTER_S, CheckpointLocalizer
from training.evaluation.protocol import evaluate
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.towers.front_end import SAMPLE_RATE_HZ
from training.towers.text import SentenceEncoder

SELECTION_FIGURE = "psds1_macro"
REPORT_RESAMPLES = 200


class Validation:
    """`validation.clips` soundscapes of the pack's `val` recordings, or annotated `val` recordings of the data sets."""

    def __init__(self, recipe: Recipe, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        n_clips = recipe.validation.clips
        self.clips = _of_data_sets(recipe, n_clips) if recipe.data.sets else _of_pack(recipe.data.folder, n_clips)

    def localizer(self, model: LanguageAudioModel) -> CheckpointLocalizer:
        """A copy of the model as it stands, smoothed as the service does it."""
        stands = copy.deepcopy(model).cpu()
        return CheckpointLocalizer(stands, stands.encoder or self.encoder, MEDIAN_FILTER_S, EXTENT_RATIO)

    def score(self, model: LanguageAudioModel) -> float:
        """PSDS1, macro: in [0, 1], the more the better."""
        told = evaluate(self.localizer(model), self.clips, None, resamples=0)
        return float(told["settings"]["default"]["figures"][SELECTION_FIGURE]["value"] or 0.0)

    def report(self, model: LanguageAudioModel) -> dict[str, Any]:
        """All figures, overall and by label, with their intervals."""
        localizer = self.localizer(model)
        return {
            "subject": localizer.subject,
            "localization": evaluate(localizer, self.clips, None, resamples=REPORT_RESAMPLES),
        }


def _of_pack(folder: Path, n_clips: int) -> EvaluationSet:
    """Soundscapes asked for captions that training never saw, or plain ones where none are written.

    Raises:
        ValueError: no label has recordings enough to be asked for.
    """
    recordings = [recording for recording in read_pack_table(folder) if recording.split == "val"]
    benchmark = draw_benchmark(recordings, AudioStore.decode(recordings, SAMPLE_RATE_HZ), n_clips, seeds.VALIDATION)
    if not benchmark.labels:
        raise ValueError(f"{folder}: no label has 3 recordings in split 'val'; validation.clips=0 is accepted")
    entries = captions_for_labels(benchmark.labels, read_label_captions(CAPTIONS / "validation.jsonl"))
    queries = [entry.captions[:PASSES] for entry in entries]
    return evaluation_set_from_benchmark(f"{n_clips} soundscapes of seed {seeds.VALIDATION}", benchmark, queries)


def _of_data_sets(recipe: Recipe, n_clips: int) -> EvaluationSet:
    """Annotated recordings, drawn from all data sets alike."""
    examples = [e for part in read_example_pools(recipe.data.sets, "val") for e in part.examples if e.events]
    drawn = np.sort(np.random.default_rng(seeds.VALIDATION).permutation(len(examples))[:n_clips])
    return evaluation_set_from_examples(f"{len(drawn)} recordings of split 'val'", [examples[i] for i in drawn])
