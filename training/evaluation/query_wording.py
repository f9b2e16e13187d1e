"""How much the wording of a query changes the segments of a bundle, without and with the rules of its text contract.

`python -m training.evaluation.query_wording --bundle service/bundle --data FOLDER`

The scenes are those on which post-processing is chosen (`seeds.CALIBRATION`), so that nothing is learnt about the benchmark. A
sound in a scene is searched for with several wordings, and each wording is compared with the first: PHRASES around a held-out
caption of its label, and the FORMS that people write for a few sounds. The figures of a wording are

- identical: fraction of searches with exactly the same segments,
- presence: fraction of searches in which both wordings find the sound, or neither does,
- edges: fraction of matching edges that differ by at most EDGE_S, among segments that overlap,
- overlap: time in segments of both wordings, divided by the time in segments of either.
"""

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service.core.manifest import MANIFEST, read_manifest
from service.core.query_wording import NEWEST_NORMALIZER
from service.core.segments import Segment
from service.engine.clip import Upload
from service.engine.engine import Engine, open_engine
from service.engine.options import EngineOptions
from training import seeds
from training.evaluation.benchmark import Benchmark, load_benchmark, validation_queries
from training.evaluation.localizers import as_wav

EDGE_S = 0.2
"""Largest difference between two edges that count as equal, in seconds: the tolerance of onsets in the event F1."""
N_SCENES = 400
HEADER = "| wording | searches | identical | presence | edges | overlap |"
PHRASES = ("{}", "{upper}", "{}.", "I can hear {}", "there is {}", "the sound of {}", "{} can be heard")
FORMS: Mapping[str, tuple[str, ...]] = {
    "dog": ("dog barking", "I can hear a dog", "DOG BARKING", "sound of dogs", "barking."),
    "cat": ("cat meowing", "I can hear a cat", "CAT MEOWING", "sound of cats", "meowing."),
    "rooster": ("rooster crowing", "I can hear a rooster", "ROOSTER CROWING", "sound of roosters", "crowing."),
    "snoring": ("person snoring", "I can hear a snore", "PERSON SNORING", "sound of snores", "snoring."),
    "crying baby": ("baby crying", "I can hear a baby", "BABY CRYING", "sound of babies", "crying."),
    "church bells": ("bell ringing", "I can hear a bell", "BELL RINGING", "sound of bells", "ringing."),
}


@dataclass(slots=True)
class Agreement:
    """How far the segments of a wording agree with those of the first wording."""

    n_searches: int = 0
    n_identical: int = 0
    n_same_presence: int = 0
    n_edges: int = 0
    n_close_edges: int = 0
    common_s: float = 0.0
    either_s: float = 0.0

    def add(self, first: Sequence[Segment], other: Sequence[Segment]) -> None:
        """Adds a search."""
        self.n_searches += 1
        self.n_identical += [(s.onset_s, s.offset_s) for s in first] == [(s.onset_s, s.offset_s) for s in other]
        self.n_same_presence += bool(first) == bool(other)
        pairs = [(a, b) for a in first for b in other if a.onset_s < b.offset_s and b.onset_s < a.offset_s]
        differences_s = [abs(edge) for a, b in pairs for edge in (a.onset_s - b.onset_s, a.offset_s - b.offset_s)]
        self.n_edges += len(differences_s)
        self.n_close_edges += sum(difference_s <= EDGE_S + 1e-6 for difference_s in differences_s)
        common_s = sum(min(a.offset_s, b.offset_s) - max(a.onset_s, b.onset_s) for a, b in pairs)
        self.common_s += common_s
        self.either_s += sum(s.offset_s - s.onset_s for s in (*first, *other)) - common_s

    def figures(self) -> tuple[float, float, float, float]:
        """The figures identical, presence, edges and overlap; 1 where there is nothing to compare."""
        return (
            self.n_identical / max(1, self.n_searches),
            self.n_same_presence / max(1, self.n_searches),
            self.n_close_edges / self.n_edges if self.n_edges else 1.0,
            self.common_s / self.either_s if self.either_s else 1.0,
        )


def wordings(caption: str) -> tuple[str, ...]:
    """The caption in each of PHRASES."""
    return tuple(phrase.format(caption, upper=caption.upper()) for phrase in PHRASES)


def measure_wordings(engine: Engine, benchmark: Benchmark) -> tuple[dict[str, Agreement], dict[str, Agreement]]:
    """Compares the wordings of all sounds that are heard in the scenes of a benchmark.

    Returns:
        The agreement of each of PHRASES, and that of each number of a form: "form 1", "form 2" ...
    """
    captions = {
        label: queries[0] for label, queries in zip(benchmark.labels, validation_queries(benchmark.labels), strict=True)
    }
    phrases: dict[str, Agreement] = defaultdict(Agreement)
    forms: dict[str, Agreement] = defaultdict(Agreement)
    for scene in benchmark.scenes:
        clip = as_wav(scene.waveform, benchmark.sample_rate_hz)
        for label in sorted(scene.event_labels() & captions.keys()):
            _compare(engine, clip, wordings(captions[label]), PHRASES, phrases)
            if label in FORMS:
                names = [f"form {number}" for number in range(len(FORMS[label]))]
                _compare(engine, clip, FORMS[label], names, forms)
    return phrases, forms


def _compare(
    engine: Engine, clip: bytes, queries: Sequence[str], names: Sequence[str], into: dict[str, Agreement]
) -> None:
    first, *rest = engine.localize(Upload.of_bytes(clip), queries).results
    for name, result in zip(names[1:], rest, strict=True):
        into[name].add(first.segments, result.segments)


def copy_with_version(bundle: Path, version: int, folder: Path) -> Path:
    """Copies a bundle, and sets the version of its rules for queries."""
    copy = folder / f"version_{version}"
    shutil.copytree(bundle, copy)
    manifest = replace(read_manifest(copy), query_normalizer_version=version)
    (copy / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return copy


def main() -> None:
    """Runs the command line: prints a table for each version of the rules."""
    parser = argparse.ArgumentParser(description="Measure how much the wording of a query changes its segments.")
    parser.add_argument("--bundle", type=Path, required=True, help="bundle to measure")
    parser.add_argument("--data", type=Path, required=True, help="CSV pack with a `val` split")
    args = parser.parse_args()
    benchmark = load_benchmark(args.data, seeds.CALIBRATION, N_SCENES)
    with tempfile.TemporaryDirectory() as folder:
        for version in range(NEWEST_NORMALIZER + 1):
            engine = open_engine(copy_with_version(args.bundle, version, Path(folder)), EngineOptions())
            lines = [f"\nquery_normalizer_version {version}\n", HEADER, "|---|---|---|---|---|---|"]
            for agreements in measure_wordings(engine, benchmark):
                for wording, agreement in agreements.items():
                    figures = " | ".join(f"{figure:.3f}" for figure in agreement.figures())
                    lines.append(f"| {wording} | {agreement.n_searches} | {figures} |")
            sys.stdout.write("\n".join(lines) + "\n")
            engine.close()


if __name__ == "__main__":
    main()
