"""Measures `training.add_sound` on labels that the model was not trained on.

`python -m training.evaluation.new_sounds --bundle service/bundle --data FOLDER`

The new sounds are labels of the pack that have no `train` recording. The first half of the recordings of a label is learnt from,
the other half is measured on, in scenes with the `val` recordings of all other labels. The sound is named with the first of its
held-out captions; its other held-out captions are searched for as other wordings. Each sound is added to the bundle alone.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from service.core.curves import score_curves
from service.core.cutting import cut_windows
from service.core.errors import EarmarkError
from service.core.manifest import PACKAGED_BUNDLE, Manifest
from training import seeds
from training.data.pack import AudioStore, Recording, read_pack_table
from training.evaluation.benchmark import Benchmark, draw_benchmark, validation_queries
from training.evaluation.evaluation_set import ClipScores, EvaluationSet
from training.evaluation.false_alarms import count_alarms
from training.evaluation.frame_head import FrameHead, head_shift, learn_head
from training.evaluation.metrics import psds1_without_bootstrap
from training.evaluation.scene_set import evaluation_set_from_benchmark
from training.evaluation.sparse_recordings import half_of, sparse_set
from training.own_sounds.adaptation import learn_sound, query_of
from training.own_sounds.bundle import write_with_sound
from training.own_sounds.detections import OtherSounds, Query
from training.own_sounds.encoders import BundleEncoders
from training.own_sounds.recordings import OwnRecordings
from training.own_sounds.scenes import sound_scenes
from training.own_sounds.sound_bank import PACKAGED_BANK, SoundBank
from training.own_sounds.wording import KnownCaptions

N_SCENES = 400
N_SPARSE = 6
MIN_NEW_RECORDINGS = 4
NEW_SHARE = 0.5
"""Share of the events in the scenes that are new sounds."""

Design = Literal["query", "head"]
"""What is learnt: a query embedding, as in `training.add_sound`, or a head on the frames (see `frame_head`)."""
Frames = NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSet:
    """An evaluation set whose clips are encoded: the audio graph is the same with and without an added sound.

    Attributes:
        evaluation_set: The clips, labels and queries.
        frames: Frame embeddings of each clip, (T, D).
    """

    evaluation_set: EvaluationSet
    frames: tuple[Frames, ...]

    @classmethod
    def encode(cls, evaluation_set: EvaluationSet, encoders: BundleEncoders) -> "EncodedSet":
        """Encodes all clips."""
        rate_hz = encoders.manifest.sample_rate_hz
        return cls(evaluation_set, tuple(embed(clip.waveform(rate_hz), encoders) for clip in evaluation_set.clips))

    def only(self, label: str, without: bool = False) -> "EncodedSet":
        """The set with only one label, which has one query.

        Args:
            label: The label.
            without: Keeps only the clips in which the label is not heard.
        """
        clips = self.evaluation_set.clips
        kept = [i for i, clip in enumerate(clips) if not without or label not in {event[0] for event in clip.events}]
        chosen = tuple(replace(clips[i], queried_labels=(0,)) for i in kept)
        narrowed = replace(self.evaluation_set, clips=chosen, labels=(label,), queries=((label,),))
        return EncodedSet(narrowed, tuple(self.frames[i] for i in kept))

    def scores(self, query: Query, manifest: Manifest) -> list[ClipScores]:
        """Scores of each clip with the default post-processing of a model, for a single query."""
        scores: list[ClipScores] = []
        for clip, frames in zip(self.evaluation_set.clips, self.frames, strict=True):
            evidence = query.evidence(frames.astype(np.float32))[None]
            curves = score_curves(evidence, manifest.calibration, manifest.grid, manifest.postprocessing).extended
            scores.append(ClipScores(curves, manifest.grid.edges(curves.shape[1], clip.duration_s)))
        return scores

    def psds1(self, query: Query, manifest: Manifest) -> float:
        """PSDS1 of a query for the only label."""
        queries = self.evaluation_set.scored_queries(self.scores(query, manifest), 0)
        return float(psds1_without_bootstrap(queries).mean[0])

    def alarms(self, query: Query, manifest: Manifest) -> dict[str, float | None]:
        """False alarms per hour and the share of the events found; None where there is no clip or no event."""
        (counts,) = count_alarms(
            self.evaluation_set, self.scores(query, manifest), manifest.grid, [manifest.postprocessing]
        )
        figures = counts.figures(np.ones((len(self.frames), 1)))
        return {name: None if np.isnan(values[0]) else float(values[0]) for name, values in figures.items()}


def embed(waveform: NDArray[np.float32], encoders: BundleEncoders) -> Frames:
    """Frame embeddings (T, D) of a waveform (N,), which is cut into windows and stitched as in serving."""
    manifest = encoders.manifest
    starts, windows = zip(*cut_windows(waveform, manifest.window_plan, manifest.grid), strict=True)
    embeddings = encoders.frames(windows)
    stitched = manifest.window_plan.stitch(embeddings, list(starts), manifest.grid.n_frames(len(waveform)))
    return stitched.astype(np.float16)


def new_labels(recordings: Sequence[Recording]) -> list[str]:
    """Labels with at least MIN_NEW_RECORDINGS `val` recordings and no `train` recording, in alphabetical order."""
    trained = {r.label for r in recordings if r.split == "train"}
    counts = Counter(r.label for r in recordings if r.split == "val")
    return sorted(label for label, n in counts.items() if n >= MIN_NEW_RECORDINGS and label not in trained)


def draw_scenes(test: Sequence[Recording], new: Sequence[str], n_scenes: int, sample_rate_hz: int) -> Benchmark:
    """Scenes as in the benchmark, in which NEW_SHARE of the events are new sounds."""
    counts = Counter(r.label for r in test)
    others = [label for label in counts if label not in new]
    share = {label: NEW_SHARE / len(new) if label in new else (1 - NEW_SHARE) / len(others) for label in counts}
    weights = np.array([share[r.label] / counts[r.label] for r in test])
    store = AudioStore.decode(test, sample_rate_hz)
    return draw_benchmark(test, store, n_scenes, seeds.NEW_SOUNDS, weights)


@dataclass(frozen=True, slots=True, eq=False)
class NewSounds:
    """The recordings of new labels to learn from, and encoded clips to measure on.

    Attributes:
        encoders: The bundle that is added to.
        bank: Its sound bank.
        known: Captions of the sounds that the model knows.
        own: Recordings of each new label to learn from.
        scenes: Scenes with the other recordings of the new labels.
        sparse: Sparse recordings, on which false alarms are counted.
    """

    encoders: BundleEncoders
    bank: SoundBank
    known: KnownCaptions
    own: Mapping[str, OwnRecordings]
    scenes: EncodedSet
    sparse: EncodedSet

    @classmethod
    def prepare(
        cls, folder: Path, encoders: BundleEncoders, bank: SoundBank, n_scenes: int = N_SCENES, n_sparse: int = N_SPARSE
    ) -> "NewSounds":
        """Reads a pack, and mixes and encodes the clips.

        Raises:
            ValueError: No label is new, or a recording cannot be decoded.
            FileNotFoundError: The table of the pack does not exist.
        """
        recordings, rate_hz = read_pack_table(folder), encoders.manifest.sample_rate_hz
        new = new_labels(recordings)
        if not new:
            raise ValueError(f"no label has {MIN_NEW_RECORDINGS} recordings in split 'val' and none in split 'train'")
        val = [r for r in recordings if r.split == "val"]
        learnt_from = [r for r in half_of(val, "reported") if r.label in new]
        own = {
            label: OwnRecordings(tuple(r.path for r in chosen), AudioStore.decode(chosen, rate_hz))
            for label in new
            for chosen in [[r for r in learnt_from if r.label == label]]
        }
        benchmark = draw_scenes([r for r in val if r not in learnt_from], new, n_scenes, rate_hz)
        benchmark = replace(benchmark, labels=tuple(sorted({*benchmark.labels, *new})))
        scenes = evaluation_set_from_benchmark("new sounds", benchmark, validation_queries(benchmark.labels))
        sparse = sparse_set(folder, "reported", n_sparse)
        encoded = EncodedSet.encode(scenes, encoders), EncodedSet.encode(sparse, encoders)
        return cls(encoders, bank, KnownCaptions.encode(encoders), own, *encoded)

    def measure(self, label: str, designs: Sequence[Design]) -> dict[str, Any]:
        """Figures of a new label before and after it is learnt with each design."""
        name, *wordings = validation_queries([label])[0]
        own = self.own[label]
        before = [query_of(text, self.encoders) for text in (name, *wordings)]
        row: dict[str, Any] = {"name": name, "recordings": len(own.paths), "before": self._figures(label, before)}
        if "head" in designs:
            row["head"] = self._figures(label, [self._learn_head(own)] * len(before))
        if "query" in designs:
            row["query"] = self._measure_query(label, own)
        return row

    def _measure_query(self, label: str, own: OwnRecordings) -> dict[str, Any]:
        """Figures of the bundle that `training.add_sound` makes."""
        name, *wordings = validation_queries([label])[0]
        outcome = learn_sound(own, [name], self.encoders, self.bank, self.known, force=True)
        with tempfile.TemporaryDirectory() as folder:
            write_with_sound(self.encoders.folder, outcome.sound, Path(folder) / "bundle")
            changed = BundleEncoders.open(Path(folder) / "bundle")
            after = [query_of(text, changed) for text in (name, *wordings)]
            others = self._others(label, changed)
        return self._figures(label, after) | {"left_out": asdict(outcome.after), "others": others}

    def _figures(self, label: str, queries: Sequence[Query]) -> dict[str, Any]:
        """Figures of the query for the name, and PSDS1 of other wordings."""
        manifest, scenes = self.encoders.manifest, self.scenes.only(label)
        psds1 = [scenes.psds1(query, manifest) for query in queries]
        return {
            "psds1": psds1[0],
            "psds1_other_wordings": float(np.mean(psds1[1:])),
            "found": scenes.alarms(queries[0], manifest)["found"],
            "alarms_per_hour": self.sparse.only(label, without=True).alarms(queries[0], manifest)["alarms_per_hour"],
        }

    def _others(self, label: str, changed: BundleEncoders) -> dict[str, Any]:
        """The change of PSDS1 of all other labels, over their held-out captions.

        A query whose embedding is unchanged has the same scores, so only the other queries are scored.
        """
        labels = [other for other in self.scenes.evaluation_set.labels if other != label]
        changes: dict[str, float] = {}
        for other, texts in zip(labels, validation_queries(labels), strict=True):
            pairs = [(query_of(text, self.encoders), query_of(text, changed)) for text in texts]
            pairs = [(old, new) for old, new in pairs if not np.array_equal(old.embedding, new.embedding)]
            if pairs:
                scenes, manifest = self.scenes.only(other), self.encoders.manifest
                gains = [scenes.psds1(new, manifest) - scenes.psds1(old, manifest) for old, new in pairs]
                changes[other] = float(np.sum(gains) / len(texts))
        return {"labels": len(labels), "changed": changes, "psds1_macro_change": sum(changes.values()) / len(labels)}

    def _learn_head(self, own: OwnRecordings) -> FrameHead:
        """A head with the accepted rate of false alarms in the scenes of the sound bank."""
        manifest, others = self.encoders.manifest, OtherSounds(self.bank.frames(), self.bank.frame_step)
        head = learn_head(sound_scenes(own, self.encoders), others.frames, manifest.calibration)
        return replace(head, shift=head_shift(head, others, manifest))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.new_sounds", description="Measure the learning of new sounds."
    )
    parser.add_argument("--bundle", type=Path, default=PACKAGED_BUNDLE, help="folder of a bundle")
    parser.add_argument("--bank", type=Path, default=PACKAGED_BANK, help="sound bank of the bundle")
    parser.add_argument("--data", type=Path, required=True, help="folder of a pack with a val split")
    parser.add_argument(
        "--design",
        choices=get_args(Design),
        action="append",
        help="what is learnt, by default a query; may be repeated",
    )
    parser.add_argument("--label", action="append", help="measures only this new label; may be repeated")
    parser.add_argument("--scenes", type=int, default=N_SCENES, help="number of scenes")
    parser.add_argument("--sparse", type=int, default=N_SPARSE, help="number of sparse recordings of 10 minutes")
    options = parser.parse_args(arguments)
    try:
        encoders, bank = BundleEncoders.open(options.bundle), SoundBank.load(options.bank)
        bank.check_fits(encoders)
        sounds = NewSounds.prepare(options.data, encoders, bank, options.scenes, options.sparse)
        unknown = sorted(set(options.label or ()) - set(sounds.own))
        if unknown:
            raise ValueError(f"label {unknown[0]!r} is not new; {', '.join(sounds.own)} are")
        report = {label: sounds.measure(label, options.design or ["query"]) for label in options.label or sounds.own}
    except (ValueError, OSError, EarmarkError) as error:
        sys.exit(f"new sounds cannot be measured with {options.bundle} on {options.data}: {error}")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
