"""Runs the planned runs of the comparison and measures them; finished work is skipped, and stopped work continues."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training import seeds
from training.cache_maps import cache_maps
from training.checkpoint import CHECKPOINT
from training.claim.design import FIRST_STAGE, RATES, TUNING_SEED, Condition, Planned, plan, tuning_plans
from training.claim.scored_maps import MappedSet, figures_of_checkpoint, map_set
from training.claim.tuning_split import write_tuning_pack
from training.data.captions import captions_for_labels, read_label_captions
from training.data.pack import TABLE
from training.evaluation.benchmark import VALIDATION_CAPTIONS, load_benchmark
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.realistic_set import realistic_sets
from training.evaluation.scene_set import evaluation_set_from_benchmark
from training.model import LanguageAudioModel
from training.recipe import Recipe, read_recipe
from training.source import make_source
from training.synthesis.map_cache import CachedSource
from training.towers.pyramid import PyramidTower
from training.towers.text import SentenceEncoder
from training.train import train

FIGURES = "figures.json"
"""Figures of a finished run by evaluation set, in the run's folder."""
REPORTED = ("scenes", "realistic")
CACHED_VARIANT = "global"
"""The variant whose recipe makes the cache; all variants have the same scenes and the same trunk."""
TUNING = ("tuning_scenes", "tuning_realistic")
CRITERION = "partial_auroc"
"""The figure that chooses a learning rate: its mean over the sets `TUNING`."""
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Size:
    """Number of scenes in the cache, in each reported set and in each tuning set.

    An evaluation set with fewer scenes than its benchmark consists of the benchmark's first scenes.
    """

    cached: int = 8000
    reported: int = 200
    tuning: int = 100


@dataclass(slots=True)
class Comparison:
    """A folder with all runs of the comparison.

    Attributes:
        data: folder of the pack.
        out: folder of the comparison.
        overrides: values that replace those of the recipes of all variants.
        size: numbers of scenes.
    """

    data: Path
    out: Path
    overrides: tuple[str, ...] = ()
    size: Size = field(default_factory=Size)
    _sets: dict[str, MappedSet] = field(default_factory=dict)

    @property
    def pack(self) -> Path:
        """Folder of the pack without the recordings of the benchmarks, in which the tuning split is `val`."""
        return self.out / "pack"

    @property
    def maps(self) -> Path:
        """Folder of the cached maps."""
        return self.out / "maps"

    def recipe(self, run: Planned) -> Recipe:
        """The recipe of a run."""
        base = read_recipe(run.recipe, self.overrides)
        values = {
            "seed": run.seed,
            "data.folder": f"'{self.pack}'",
            "data.cache": f"'{self.maps}'",
            "data.recaption.ambience_rate": run.share,
            "data.workers": 0,
            "text.cache": f"'{self.out / 'sentences.pt'}'",
            "optimization.learning_rate": run.rate,
            "optimization.steps": round(base.optimization.steps * run.length),
        }
        start = [f"start='{self.out / run.start.name / CHECKPOINT}'"] if run.start else []
        return read_recipe(run.recipe, [*self.overrides, *(f"{k}={v}" for k, v in values.items()), *start])

    def prepare(self) -> None:
        """Writes the tuning split, the cached maps of the training scenes and those of the evaluation sets, if any is missing."""
        if not (self.pack / TABLE).is_file():
            write_tuning_pack(self.data, self.pack)
        recipe = self.recipe(Planned(CACHED_VARIANT, TUNING_SEED, RATES[0]))
        if len(list(self.maps.glob("[0-9]*.pt"))) < -(-self.size.cached // recipe.optimization.batch):
            cache_maps(recipe, self.size.cached, self.maps)
        missing = [name for name in (*REPORTED, *TUNING) if not self._set_file(name).is_file()]
        if missing:
            tower = self._tower(recipe)
            for name in missing:
                map_set(tower, self._evaluation_set(name)).save(self._set_file(name))

    def figures(self, run: Planned, sets: tuple[str, ...]) -> Figures:
        """The figures of a run on some sets; the run is trained and scored if it is not yet."""
        saved = self._saved(run)
        missing = [name for name in sets if name not in saved]
        if missing:
            checkpoint = self.train(run)
            saved |= figures_of_checkpoint(checkpoint, {name: self._mapped(name) for name in missing})
            file = self.out / run.name / FIGURES
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
            partial.replace(file)
        return saved

    def finished(self, run: Planned, sets: tuple[str, ...]) -> Figures | None:
        """The figures of a run on some sets, or None if the run has not been scored on them."""
        saved = self._saved(run)
        return saved if set(sets) <= saved.keys() else None

    def train(self, run: Planned) -> Path:
        """Trains a run, after its first stage, and returns its checkpoint; a finished run is not trained again."""
        if run.start:
            self.train(run.start)
        folder = self.out / run.name
        return folder / CHECKPOINT if (folder / FIGURES).is_file() else train(self.recipe(run), folder)

    def rates(self, variant: str) -> dict[str, float]:
        """The chosen learning rates of a variant and its first stage: those with the highest `CRITERION` on the tuning sets."""
        first = FIRST_STAGE.get(variant)
        rates = self.rates(first) if first else {}
        runs = tuning_plans(variant, rates)
        best = max(runs, key=lambda run: criterion(self.figures(run, TUNING)))
        return rates | {variant: best.rate}

    def run(self, variant: str, condition: Condition) -> Figures:
        """Chooses the learning rate of a variant, then trains and scores it in a condition."""
        self.prepare()
        return self.figures(plan(variant, condition, self.rates(variant)), REPORTED)

    def _saved(self, run: Planned) -> Figures:
        """The figures of a run by evaluation set, empty if the run has not been scored."""
        file = self.out / run.name / FIGURES
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def _set_file(self, name: str) -> Path:
        return self.out / f"{name}.pt"

    def _mapped(self, name: str) -> MappedSet:
        if name not in self._sets:
            self._sets[name] = MappedSet.load(self._set_file(name))
        return self._sets[name]

    def _tower(self, recipe: Recipe) -> PyramidTower:
        """A tower with the trunk and the statistics of the cache."""
        encoder = SentenceEncoder(recipe.text)
        model = LanguageAudioModel(recipe, encoder)
        tower = model.audio
        assert isinstance(tower, PyramidTower), "the recipes of the comparison have a pyramid tower"
        if recipe.pretrained:
            tower.load_pretrained(recipe.pretrained)
        source = make_source(recipe, encoder)
        assert isinstance(source, CachedSource), "the recipes of the comparison have a cache"
        source.prepare(tower, with_statistics=True)
        return tower

    def _evaluation_set(self, name: str) -> EvaluationSet:
        """The set of a name: the reported sets come from the pack's `val` recordings, the tuning sets from the tuning split."""
        folder, size = (self.data, self.size.reported) if name in REPORTED else (self.pack, self.size.tuning)
        if name.endswith("realistic"):
            wording = "real" if name in REPORTED else "untrained"
            return realistic_sets(folder, size)[wording]
        seed = seeds.BENCHMARK if name in REPORTED else seeds.CALIBRATION
        benchmark = load_benchmark(folder, seed, size)
        entries = captions_for_labels(benchmark.labels, read_label_captions(VALIDATION_CAPTIONS))
        queries = [entry.captions[:1] for entry in entries]
        return evaluation_set_from_benchmark(f"{size} scenes of seed {seed}", benchmark, queries)


def criterion(figures: Figures) -> float:
    """The figure by which a learning rate is chosen."""
    return float(np.mean([figures[name][CRITERION] for name in TUNING]))
