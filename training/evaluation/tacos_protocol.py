"""The evaluation of TACOS (arXiv 2505.07609) on AudioSet Strong, as in the code of the paper.

- The clips are the evaluation set of AudioSet Strong; the labels are those that occur in its training set too (407).
- The queries are the names of the labels. In the variant with categories, the queries are sentences that the user gives: one
  for each category, which several labels belong to.
- The scores are raw cosines, without calibration, median filter or extension.
- Events of a label that touch or overlap are merged first.
- The figures are PSDS1 with alpha_st = 1 (`psds1`), its mean over the labels (`psds1_macro`), and the partial AUROC of 1 s slices
  up to a false positive rate of 0.1.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import seeds
from training.data.datasets import ADAPTERS, read_dataset
from training.data.decoding import UnreadableRecordingError, decode
from training.data.example import Example
from training.data.issues import DataIssues, StrictIssues
from training.data.tables import read_rows, required_text
from training.evaluation.annotated_set import merge_recordings
from training.evaluation.dataset_split import COMMON_LABELS_DATASET, common_labels, draw_recordings
from training.evaluation.localizers import Localizer
from training.evaluation.report import summarize_figures
from training.evaluation.scored_queries import EventTimes, bootstrap_weights, events_by_label
from training.evaluation.streamed_scores import StreamedFigures, StreamedScores

logger = logging.getLogger(__name__)
SPLIT = "test"


@dataclass(frozen=True, slots=True)
class ProtocolQueries:
    """What is searched for.

    Attributes:
        names: Name of each label or category, (L,).
        queries: Its query, (L,).
        category: Name of the label or category that each label of the data set belongs to. Other labels are ignored.
    """

    names: tuple[str, ...]
    queries: tuple[str, ...]
    category: Mapping[str, str]

    @classmethod
    def of_labels(cls, labels: Sequence[str]) -> "ProtocolQueries":
        """Each label is searched for by its name."""
        return cls(tuple(labels), tuple(labels), {label: label for label in labels})

    @classmethod
    def read(cls, file: Path) -> "ProtocolQueries":
        """Reads categories from a CSV table with the columns `category`, `query` and `label`: a row for each label.

        Raises:
            FileNotFoundError: The table is missing.
            ValueError: A column is missing, a row is broken, a label has two categories, or a category has two queries.
        """
        queries: dict[str, str] = {}
        category: dict[str, str] = {}
        issues = StrictIssues()
        for where, row in read_rows(file, ("category", "query", "label"), issues):
            with issues.record_errors(where):
                name, query, label = (required_text(row, column) for column in ("category", "query", "label"))
                if queries.setdefault(name, query) != query:
                    raise ValueError(f"category {name!r} has the queries {queries[name]!r} and {query!r}")
                if category.setdefault(label, name) != name:
                    raise ValueError(f"label {label!r} has the categories {category[label]!r} and {name!r}")
        if not queries:
            raise ValueError(f"{file} has no category")
        return cls(tuple(queries), tuple(queries.values()), category)

    def events(self, example: Example, duration_s: float) -> dict[int, EventTimes]:
        """Merged events of each label or category that is heard in a recording, by its index."""
        events = [
            (self.category[event.caption], event.onset_s, event.offset_s)
            for event in example.events
            if event.caption in self.category
        ]
        return events_by_label(self.names, events, duration_s)


def read_categories(file: Path, folder: Path) -> ProtocolQueries:
    """Reads categories, whose labels must occur in the tables of AudioSet Strong in a folder.

    Raises:
        FileNotFoundError: A table is missing.
        ValueError: The table of categories is broken, or has a label that does not occur.
    """
    searched = ProtocolQueries.read(file)
    examples = ADAPTERS[COMMON_LABELS_DATASET](folder, DataIssues())
    known = {event.caption for example in examples for event in example.events}
    if unknown := sorted(set(searched.category) - known):
        raise ValueError(f"{file} has labels that do not occur in {folder}: {', '.join(map(repr, unknown[:5]))}")
    return searched


def evaluate_as_tacos(
    localizer: Localizer, folder: Path, categories: Path | None, most: int, resamples: int = 0
) -> dict[str, Any]:
    """The report of the protocol.

    Args:
        localizer: Model, bundle or service to evaluate.
        folder: Folder of AudioSet Strong; see `training.data.adapters.audioset_strong`.
        categories: Table of categories with their sentences; without it, the labels are searched for by their names.
        most: Largest number of recordings. If there are more, they are drawn at random.
        resamples: Number of bootstrap resamples of the clips. They take long on the whole set.

    Returns:
        The report: `protocol` has the set, the figures and the figures of each label; `unreadable` has the number of
        recordings that cannot be decoded.

    Raises:
        ValueError: There is no recording of the split, no readable recording, no event of the searched labels, or no
            label that occurs in both splits, or the table of categories is broken.
        FileNotFoundError: A table does not exist.
    """
    searched = (
        read_categories(categories, folder) if categories else ProtocolQueries.of_labels(common_labels(folder, SPLIT))
    )
    examples = draw_recordings(merge_recordings(read_dataset(COMMON_LABELS_DATASET, folder)), SPLIT, most)
    if not examples:
        raise ValueError(f"{folder} has no recording of split {SPLIT!r} with its audio file")
    with tempfile.TemporaryFile() as spool:
        streamed, n_unreadable = StreamedScores(len(searched.names), spool), 0
        for example in examples:
            try:
                waveform = decode(example.path, localizer.grid.sample_rate_hz)
            except UnreadableRecordingError as error:
                logger.warning("left out: %s", error)
                n_unreadable += 1
                continue
            duration_s = localizer.grid.duration_s(len(waveform))
            similarities = localizer.similarities(waveform, searched.queries)
            edges_s = localizer.grid.edges(similarities.shape[1], duration_s)
            streamed.add(similarities, edges_s, searched.events(example, duration_s))
        if not streamed.has_events:
            raise ValueError(
                f"{folder}: no event of the searched labels in {len(examples) - n_unreadable} readable recordings"
            )
        weights = bootstrap_weights(streamed.n_clips, resamples, seeds.BOOTSTRAP) if resamples else None
        figures = streamed.figures(weights)
    return {
        "unreadable": {SPLIT: n_unreadable},
        "protocol": {
            "set": {
                "name": f"{COMMON_LABELS_DATASET}, {SPLIT}, protocol of TACOS",
                "recordings": streamed.n_clips,
                "labels": len(searched.names),
                "queries": "sentences of categories" if categories else "names of labels",
                "scores": "raw cosines",
            },
            "bootstrap": {"resamples": resamples},
            **_summary(figures, searched.names),
        },
    }


def _summary(figures: StreamedFigures, names: Sequence[str]) -> dict[str, Any]:
    psds1, auroc = figures.psds1, figures.partial_auroc
    overall = {"psds1": psds1.mean_minus_std, "psds1_macro": psds1.mean, "partial_auroc": auroc.mean}
    by_label: dict[str, NDArray[np.float64]] = {"psds1": psds1.by_label, "partial_auroc": auroc.by_label}
    return {
        "figures": summarize_figures([overall]),
        "labels": {
            name: summarize_figures([{figure: values[i] for figure, values in by_label.items()}])
            for i, name in enumerate(names)
        },
    }
