"""The model that a run starts from, before its first step."""

from collections.abc import Iterable

import torch

from training.checkpoint import starting_weights
from training.data.batch import CaptionedBatch
from training.model import LanguageAudioModel
from training.recipe import Recipe
from training.source import Source
from training.synthesis.map_cache import CachedSource
from training.synthesis.scene_source import SceneSource
from training.synthesis.warm_start import warm_start
from training.towers.compact import CompactTower
from training.towers.pyramid import PyramidTower
from training.towers.text import SentenceEncoder

STATISTICS_BATCHES = 8
"""Number of batches from which a pyramid tower's statistics are computed."""
STATISTICS_BATCH = 32


def initial_model(
    recipe: Recipe, source: Source, encoder: SentenceEncoder, device: torch.device, warm: bool = True
) -> LanguageAudioModel:
    """Builds a model with the weights that the recipe names.

    Args:
        recipe: the recipe of the run.
        source: the recordings, for a warm start and for the statistics of a pyramid tower.
        encoder: the sentence encoder.
        device: where the model is trained.
        warm: whether the source is used; a run that continues from a checkpoint needs neither a warm start nor statistics.

    Raises:
        ValueError: the public weights have another shape, or cached maps were computed by another trunk.
    """
    model = LanguageAudioModel(recipe, encoder)
    if recipe.pretrained:
        model.audio.load_pretrained(recipe.pretrained)
    model = model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub
    if recipe.start:
        model.load_state_dict(starting_weights(recipe.start, model))
    tower = model.audio
    if isinstance(source, CachedSource):
        assert isinstance(tower, PyramidTower), "only a recipe with a pyramid tower has a cache"
        source.prepare(tower, with_statistics=recipe.start is None)
    elif recipe.start is None and warm:
        if isinstance(tower, PyramidTower):
            batches = source.batches(STATISTICS_BATCH, STATISTICS_BATCHES)
            measure_statistics(tower, (batches[i] for i in range(STATISTICS_BATCHES)), device)
        if (
            isinstance(tower, CompactTower)
            and isinstance(source, SceneSource)
            and source.recordings.teacher is not None
        ):
            warm_start(model, source, recipe.losses, recipe.teacher.warm_start_steps, device)
    return model


@torch.no_grad()
def measure_statistics(tower: PyramidTower, batches: Iterable[CaptionedBatch], device: torch.device) -> None:
    """Sets the mean and the deviation of each channel of a tower's maps to those over the batches, in place."""
    tower.eval()
    sums = [torch.zeros(3, 1, dtype=torch.float64, device=device) for _ in tower.standardizations]
    for batch in batches:
        maps = tower.trunk(tower.spectrogram(batch.waveform.to(device)))
        for i, values in enumerate(maps):
            rows = values.flatten(0, 1).double()
            sums[i] = sums[i] + torch.stack([torch.full_like(rows[0], len(rows)), rows.sum(0), (rows**2).sum(0)])
    for standardize, (count, total, squares) in zip(tower.standardizations, sums, strict=True):
        mean = total / count
        standardize.mean.copy_(mean)
        standardize.deviation.copy_((squares / count - mean**2).clamp(min=0).sqrt().clamp(min=1e-3))
