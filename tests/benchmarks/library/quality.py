"""How well queries in words and by examples find true events: ranked moments of a library, and curves of its recordings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.core import scoring
from service.core.curves import score_curves
from service.core.manifest import Manifest
from service.core.scoring import EncodedQueries
from service.library.example_frames import query_by_example
from service.library.searching import Searcher, SearchOptions, SearchQuery
from tests.benchmarks.library.building import RECORDING_S
from tests.benchmarks.library.exact_scan import embedding_of, recordings_of
from tests.benchmarks.library.label_examples import label_examples
from tests.benchmarks.library.latency import TOP, captions_of, encode, open_search
from tests.benchmarks.tables import row, table

MIN_IOU = 0.5
EXAMPLES = (1, 3, 10)
LOCALIZED = 24
"""Recordings over which PSDS1 is computed: 4 hours, as in the sparse recordings of the evaluation."""

Float32 = NDArray[np.float32]
Event = tuple[int, float, float]
"""Number of a recording, onset and offset of a true event in it, in seconds."""
Learn = Callable[[Sequence[Float32], EncodedQueries | None], EncodedQueries]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the best moments of a query agree with the true events.

    Attributes:
        average_precision: Average precision of the moments.
        hit_rate: Share of the moments that are true.
        reachable: The largest possible share.
    """

    average_precision: float
    hit_rate: float
    reachable: float


def rank(searcher: Searcher, options: SearchOptions, query: EncodedQueries, truth: Sequence[Event]) -> Ranking:
    """Searches for a query, and compares the moments with the true events, each of which counts once."""
    hits, left = list[bool](), set(truth)
    for moment in searcher.search([SearchQuery("", query)], options).moments:
        number = int(Path(moment.recording.path).stem)
        onset_s, offset_s = moment.segment.onset_s, moment.segment.offset_s
        hit = next((e for e in left if e[0] == number and _iou(onset_s, offset_s, e[1], e[2]) >= MIN_IOU), None)
        hits.append(hit is not None)
        if hit is not None:
            left.remove(hit)
    precision = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
    reachable = min(options.top, len(truth))
    return Ranking(sum(precision) / reachable, sum(hits) / options.top, reachable / options.top)


def query_sets(
    words: Sequence[EncodedQueries], examples: Sequence[Sequence[Float32]], learn: Learn
) -> Iterator[tuple[str, list[EncodedQueries]]]:
    """The kinds of queries that are compared, with the query of each label."""
    yield "words", list(words)
    for number in EXAMPLES:
        yield f"{number} examples", [learn(each[:number], None) for each in examples]
    for number in EXAMPLES:
        sets = zip(examples, words, strict=True)
        yield f"words and {number} examples", [learn(each[:number], text) for each, text in sets]


def quality(pack: Path, location: Path) -> None:
    """Prints mAP and hit rate of the top 20 at IoU 0.5, and macro PSDS1, of words and of examples.

    Examples are recordings of the label that occur in none of the scenes. A label with fewer than 10 uses all that it has.
    """
    from training.evaluation.sparse_recordings import sparse_set

    options, searcher, engine = open_search(location)
    drawn = sparse_set(pack, "reported", len(recordings_of(searcher.library)), RECORDING_S)
    words = [encode(engine, captions[0]).encoded for captions in captions_of(location)]
    found = label_examples(pack, drawn.labels)
    background = searcher.background()
    events: dict[str, list[Event]] = {label: [] for label in drawn.labels}
    for number, clip in enumerate(drawn.clips):
        for label, onset_s, offset_s in clip.events:
            if label in events:
                events[label].append((number, onset_s, offset_s))

    def learn(examples: Sequence[Float32], text: EncodedQueries | None) -> EncodedQueries:
        return query_by_example(examples, (), background, engine.manifest, text)

    table("queries", f"mAP of the top {TOP}", "true moments (largest possible)", "macro PSDS1", "labels")
    psds1 = _Psds1(searcher, engine.manifest, drawn)
    for name, queries in query_sets(words, [found[label] for label in drawn.labels], learn):
        ranked = [
            rank(searcher, options, query, events[label])
            for label, query in zip(drawn.labels, queries, strict=True)
            if events[label]
        ]
        precision, hits, reachable = (
            np.mean([getattr(each, key) for each in ranked]) for key in ("average_precision", "hit_rate", "reachable")
        )
        row(name, f"{precision:.3f}", f"{hits:.3f} ({reachable:.3f})", f"{psds1(queries):.3f}", len(ranked))
    n_examples = [len(found[label]) for label in drawn.labels]
    print(f"\nExamples of a label: {np.mean(n_examples):.1f} on average, {min(n_examples)} at least.")
    engine.close()


class _Psds1:
    """Computes macro PSDS1 of queries over the first recordings of a library."""

    def __init__(self, searcher: Searcher, manifest: Manifest, drawn: object) -> None:
        from training.evaluation.evaluation_set import EvaluationSet

        assert isinstance(drawn, EvaluationSet)
        self._manifest = manifest
        self._set = EvaluationSet(drawn.name, drawn.clips[:LOCALIZED], drawn.labels, tuple(("",) for _ in drawn.labels))
        recordings = {int(Path(each.path).stem): each for each in recordings_of(searcher.library)}
        self._frames = [embedding_of(searcher.library, recordings[number]) for number in range(len(self._set.clips))]

    def __call__(self, queries: Sequence[EncodedQueries]) -> float:
        from training.evaluation.diagnosis import psds1_macro
        from training.evaluation.evaluation_set import ClipScores

        manifest, scores = self._manifest, list[ClipScores]()
        for clip, frames in zip(self._set.clips, self._frames, strict=True):
            curves = [
                score_curves(
                    queries[label].evidence(scoring.similarity(frames, queries[label].embeddings)),
                    manifest.calibration,
                    manifest.grid,
                    manifest.postprocessing,
                ).extended[0]
                for label in clip.queried_labels
            ]
            scores.append(ClipScores(np.stack(curves), manifest.grid.edges(len(frames), clip.duration_s)))
        return psds1_macro(self._set.scored_queries(scores, 0))


def _iou(onset_s: float, offset_s: float, true_onset_s: float, true_offset_s: float) -> float:
    common = max(0.0, min(offset_s, true_offset_s) - max(onset_s, true_onset_s))
    return common / (max(offset_s, true_offset_s) - min(onset_s, true_onset_s))
