"""Statistics of the scenes of a recipe, beside those of real recordings.

`python -m training.scene_statistics training/recipes/world.toml --phrases audiogrounding.csv --set data.folder=FOLDER`
"""

import argparse
import csv
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import seeds
from training.recipe import Recipe, read_recipe
from training.source import scene_source
from training.synthesis.real_times import CLIP_S, Interval, sources_of_clips
from training.synthesis.truth import BLOCK_S, runs
from training.towers.text import SentenceEncoder

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHORT_S = 0.5


@dataclass(frozen=True, slots=True)
class SceneStatistics:
    """Statistics of scenes or clips, whose sounds are given as times of each label or source.

    Attributes:
        clips: number of scenes or clips.
        labels: mean number of different labels or sources.
        events: mean number of events; overlapping events of one label are one event.
        without_events: share of scenes or clips without any event.
        length_s: quantiles 0.05, 0.25, 0.5, 0.75 and 0.95 of the length of an event, in seconds.
        short: share of events that last less than 0.5 s.
        covered: share of time in which at least one label is heard.
        overlapping: share of time in which at least two labels are heard.
    """

    clips: int
    labels: float
    events: float
    without_events: float
    length_s: tuple[float, ...]
    short: float
    covered: float
    overlapping: float


def statistics(clips: Sequence[Sequence[NDArray[np.bool_]]]) -> SceneStatistics:
    """Statistics of clips.

    Args:
        clips: for each clip, for each label that is heard in it, whether the label is heard in each block of 20 ms, (N,).
    """
    events = [[(end - start) * BLOCK_S for label in clip for start, end in runs(label)] for clip in clips]
    lengths = np.array([length for clip in events for length in clip])
    heard = [np.sum(clip, axis=0) if len(clip) else np.zeros(1) for clip in clips]
    return SceneStatistics(
        clips=len(clips),
        labels=_mean([len(clip) for clip in clips]),
        events=_mean([len(clip) for clip in events]),
        without_events=_mean([not clip for clip in events]),
        length_s=tuple(np.quantile(lengths, QUANTILES).round(2).tolist()) if len(lengths) else (),
        short=_mean(lengths < SHORT_S),
        covered=_mean([(count > 0).mean() for count in heard]),
        overlapping=_mean([(count > 1).mean() for count in heard]),
    )


def real_clips(rows: Iterable[dict[str, str]]) -> list[list[NDArray[np.bool_]]]:
    """The sources of annotated clips, as `statistics` takes them, from rows of AudioGrounding's phrases."""
    return [[_blocks(source) for source in clip] for clip in sources_of_clips(rows)]


def scene_clips(recipe: Recipe, count: int) -> tuple[list[list[NDArray[np.bool_]]], float]:
    """The labels of the first scenes of a run, as `statistics` takes them, and the time that a scene takes, in seconds."""
    source = scene_source(recipe, SentenceEncoder(recipe.text))
    synthesizer, labels = source.batches(1, count).synthesizer, source.recordings.labels
    clips: list[list[NDArray[np.bool_]]] = []
    synthesizer.draw(np.random.default_rng(recipe.seed))  # prepares what is computed once
    start_s = time.perf_counter()
    scenes = [synthesizer.draw(np.random.default_rng(seeds.numbered(recipe.seed, number))) for number in range(count)]
    scene_s = (time.perf_counter() - start_s) / count
    n_blocks = round(recipe.scenes.scene_s / BLOCK_S)
    for scene in scenes:
        heard: dict[int, NDArray[np.bool_]] = {}
        for event in scene.events:
            blocks = heard.setdefault(int(labels[event.recording]), np.zeros(n_blocks, dtype=bool))
            first = round(event.onset_s / BLOCK_S)
            blocks[first : first + len(event.active)] |= event.active[: n_blocks - first]
        clips.append(list(heard.values()))
    return clips, scene_s


def _blocks(times: Sequence[Interval]) -> NDArray[np.bool_]:
    blocks = np.zeros(round(CLIP_S / BLOCK_S), dtype=bool)
    for start, end in times:
        blocks[round(start / BLOCK_S) : max(round(start / BLOCK_S) + 1, round(end / BLOCK_S))] = True
    return blocks


def _mean(values: Sequence[float] | NDArray[np.bool_]) -> float:
    return round(float(np.mean(values)), 3) if len(values) else 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.scene_statistics", description="Statistics of scenes.")
    parser.add_argument("recipe", type=Path, help="a TOML file like those in training/recipes/, with scenes of a pack")
    parser.add_argument("--scenes", type=int, default=500, help="number of scenes (default: %(default)s)")
    parser.add_argument("--phrases", type=Path, help="CSV file with the columns clip, phrase, onset_s, offset_s")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override the recipe")
    options = parser.parse_args(arguments)
    clips, scene_s = scene_clips(read_recipe(options.recipe, options.set), options.scenes)
    report = {"scenes": asdict(statistics(clips)) | {"ms_per_scene": round(1000 * scene_s, 1)}}
    if options.phrases:
        with options.phrases.open(newline="", encoding="utf-8") as file:
            report["real"] = asdict(statistics(real_clips(csv.DictReader(file))))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
