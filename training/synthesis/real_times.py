"""When sounds are heard in real recordings: distributions of the times that AudioGrounding annotates, as small tables.

`real_times.json` is made from the file of phrases and times (MIT licence) by

`python -m training.synthesis.real_times audiogrounding.csv --out training/synthesis/real_times.json`

The file has the columns `clip, phrase, onset_s, offset_s`; clips last 10 s. A *source* is a phrase of a clip with all the
times at which the phrase is heard; phrases of a clip with nearly the same times count as one source. An *occurrence* is one of
these times. A source that is heard nearly all the time is a *background*; the tables of occurrences describe the other sources.
"""

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

FILE = Path(__file__).with_suffix(".json")
CLIP_S = 10.0
"""Duration of an annotated clip, in seconds."""
MAX_COUNT = 5
"""The largest number of sources of a clip, and of occurrences of a source; larger numbers count as this number."""
BACKGROUND_S = 9.0
"""A source that is heard for at least this time in seconds, in one piece, is a background."""
QUANTILES = np.linspace(0, 1, 21)
SAME_SOURCE = 0.8
"""Two phrases are one source if the time of both together is more than this share of the time of either."""
SHORTEST_S = 0.04
"""Annotated times that are shorter, in seconds, are errors of annotation and left out."""
_STEP_S = 0.02

Interval = tuple[float, float]
"""Onset and offset in seconds."""


@dataclass(frozen=True, slots=True)
class RealTimes:
    """Distributions of real times. Row n of a table is for sources with n + 1 occurrences; quantiles are evenly spaced.

    Attributes:
        backgrounds: probability of 0, 1, 2, ... backgrounds in a clip.
        sources: probability of 0, 1, 2, ... other sources in a clip.
        occurrences: probability of 1, 2, ... occurrences of a source.
        length_s: quantiles of the length of an occurrence, in seconds.
        pause_s: quantiles of the pause between two occurrences, in seconds; the first row is empty.
        onset_s: quantiles of the onset of a source's first occurrence, in seconds.
    """

    backgrounds: tuple[float, ...]
    sources: tuple[float, ...]
    occurrences: tuple[float, ...]
    length_s: tuple[tuple[float, ...], ...]
    pause_s: tuple[tuple[float, ...], ...]
    onset_s: tuple[tuple[float, ...], ...]

    def draw_backgrounds(self, rng: Generator) -> int:
        """A random number of backgrounds."""
        return _index(rng, self.backgrounds)

    def draw_sources(self, rng: Generator) -> int:
        """A random number of sources that are no backgrounds."""
        return _index(rng, self.sources)

    def draw_source(self, rng: Generator, scene_s: float) -> list[Interval]:
        """Random times of one source in a scene, in order and apart from each other.

        Times are scaled from clips of 10 s to the scene. An occurrence that starts after the end of the scene is left out, so
        that a source may have fewer occurrences than drawn, but at least one.
        """
        count, scale = _index(rng, self.occurrences), scene_s / CLIP_S
        onset_s = min(_draw(rng, self.onset_s[count]) * scale, scene_s - SHORTEST_S)
        times: list[Interval] = []
        for _ in range(count + 1):
            offset_s = min(scene_s, onset_s + max(SHORTEST_S, _draw(rng, self.length_s[count]) * scale))
            times.append((onset_s, offset_s))
            onset_s = offset_s + _draw(rng, self.pause_s[count]) * scale if count else scene_s
            if onset_s > scene_s - SHORTEST_S:
                break
        return times


def read_real_times(file: Path = FILE) -> RealTimes:
    """Reads the tables from a JSON file that this module wrote."""
    values = json.loads(file.read_text(encoding="utf-8"))
    return RealTimes(
        backgrounds=tuple(values["backgrounds"]),
        sources=tuple(values["sources"]),
        occurrences=tuple(values["occurrences"]),
        length_s=tuple(map(tuple, values["length_s"])),
        pause_s=tuple(map(tuple, values["pause_s"])),
        onset_s=tuple(map(tuple, values["onset_s"])),
    )


def measure_real_times(rows: Iterable[Mapping[str, str]]) -> RealTimes:
    """The tables of annotated phrases: rows with `clip`, `phrase`, `onset_s` and `offset_s`."""
    clips = sources_of_clips(rows)
    sources = [source for clip in clips for source in clip if not is_background(source)]
    n_backgrounds = [sum(map(is_background, clip)) for clip in clips]
    groups = [[s for s in sources if min(len(s), MAX_COUNT) == n] for n in range(1, MAX_COUNT + 1)]
    return RealTimes(
        backgrounds=_shares(n_backgrounds, 0),
        sources=_shares([len(clip) - n for clip, n in zip(clips, n_backgrounds, strict=True)], 0),
        occurrences=_shares([len(source) for source in sources], 1),
        length_s=tuple(_quantiles([end - start for s in group for start, end in s]) for group in groups),
        pause_s=tuple(
            _quantiles([s[i + 1][0] - s[i][1] for s in group for i in range(len(s) - 1)]) for group in groups
        ),
        onset_s=tuple(_quantiles([s[0][0] for s in group]) for group in groups),
    )


def sources_of_clips(rows: Iterable[Mapping[str, str]]) -> list[list[list[Interval]]]:
    """The sources of each clip: for each source the times at which it is heard, merged and in order."""
    phrases: dict[str, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        onset_s, offset_s = float(row["onset_s"]), min(CLIP_S, float(row["offset_s"]))
        if offset_s - onset_s >= SHORTEST_S:
            phrases[row["clip"]][row["phrase"]].append((onset_s, offset_s))
    return [_distinct([_merged(times) for times in clip.values()]) for clip in phrases.values()]


def is_background(source: Sequence[Interval]) -> bool:
    """Whether a source is heard nearly all the time."""
    return len(source) == 1 and source[0][1] - source[0][0] >= BACKGROUND_S


def _merged(times: Iterable[Interval]) -> list[Interval]:
    """Intervals in order; overlapping and touching intervals are merged."""
    merged: list[Interval] = []
    for start, end in sorted(times):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _distinct(sources: Sequence[list[Interval]]) -> list[list[Interval]]:
    """The sources without those whose times are nearly those of an earlier source."""
    kept: list[tuple[list[Interval], NDArray[np.bool_]]] = []
    for source in sources:
        mask = _mask(source)
        if not any((mask & other).sum() > SAME_SOURCE * (mask | other).sum() for _, other in kept):
            kept.append((source, mask))
    return [source for source, _ in kept]


def _mask(times: Iterable[Interval]) -> NDArray[np.bool_]:
    """Whether a source is heard in each step of a clip."""
    mask = np.zeros(round(CLIP_S / _STEP_S), dtype=bool)
    for start, end in times:
        mask[int(start / _STEP_S) : max(int(start / _STEP_S) + 1, round(end / _STEP_S))] = True
    return mask


def _shares(counts: Sequence[int], lowest: int) -> tuple[float, ...]:
    """The share of each count from `lowest` to MAX_COUNT."""
    capped = np.minimum(counts, MAX_COUNT)
    return tuple(round(float((capped == n).mean()), 4) for n in range(lowest, MAX_COUNT + 1))


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).round(2).tolist()) if values else ()


def _index(rng: Generator, probabilities: Sequence[float]) -> int:
    """A random index, drawn with the given probabilities, which need not sum to exactly 1."""
    cumulative = np.cumsum(probabilities)
    return min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), len(cumulative) - 1)


def _draw(rng: Generator, quantiles: Sequence[float]) -> float:
    """A random value of the distribution with these quantiles."""
    return float(np.interp(rng.random(), QUANTILES, quantiles))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.synthesis.real_times", description="Measure real times.")
    parser.add_argument("phrases", type=Path, help="CSV file with the columns clip, phrase, onset_s, offset_s")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write the tables to")
    options = parser.parse_args(arguments)
    with options.phrases.open(newline="", encoding="utf-8") as file:
        tables = asdict(measure_real_times(csv.DictReader(file)))
    lines = (f'  "{name}": {json.dumps(value)}' for name, value in tables.items())
    options.out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
