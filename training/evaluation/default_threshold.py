"""Chooses the default threshold of a model by its false alarms, and its rule of presence, on sparse tuning recordings.

`python -m training.evaluation.default_threshold --bundle service/bundle --data FOLDER`

`training.calibrate` makes the same choice for a checkpoint. This command makes it for a bundle or a service that is
calibrated already, and measures the result on the reported recordings.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from service.core.errors import EarmarkError
from service.core.postprocessing import Postprocessing
from service.core.presence import PresenceRule
from training.evaluation.evaluation_set import EvaluationSet
from training.evaluation.false_alarms import THRESHOLDS, AlarmCounts, alarm_report
from training.evaluation.localizers import BundleLocalizer, Localizer, ServiceLocalizer
from training.evaluation.presence_by_length import LENGTHS_S, AbsentPeaks, described, presence_report
from training.evaluation.sparse_recordings import sparse_set

ALARMS_PER_HOUR = 5.0
"""Largest accepted rate of false alarms per hour and query on the tuning recordings."""
FALSE_PRESENCE = 0.0475
"""Share of absent sounds that are reported as present in a clip of any length, if the presence rule holds exactly."""
RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class DefaultChoice:
    """The default post-processing with its threshold, and the rule of presence."""

    postprocessing: Postprocessing
    presence: PresenceRule | None


def choose_default(localizer: Localizer, tuning_set: EvaluationSet, postprocessing: Postprocessing) -> DefaultChoice:
    """Chooses the threshold and the rule of presence on sparse tuning recordings.

    The threshold is the lowest of THRESHOLDS from which upwards the false alarms per hour and query stay at or below
    ALARMS_PER_HOUR. All labels and passes count together.

    Args:
        localizer: The calibrated model.
        tuning_set: Sparse recordings.
        postprocessing: All settings but the threshold.

    Raises:
        ValueError: There are more false alarms at every threshold.
    """
    n_clips, n_labels = len(tuning_set.clips), len(tuning_set.scored_labels)
    counts, peaks = AlarmCounts.empty(n_labels, n_clips), AbsentPeaks()
    widths_s = [postprocessing.median_filter_s] * n_labels
    for clip in tuning_set.clips:
        single = replace(tuning_set, clips=(clip,))
        (scores,) = single.score_clips(localizer, [widths_s])
        for pass_index in range(tuning_set.n_passes):
            for query in single.scored_queries(scores, pass_index).queries:
                counts.add(query, localizer.grid, postprocessing)
                peaks.add(query, localizer.grid, postprocessing)
    rates = counts.curve[0].sum(axis=1) / counts.hours.sum()
    threshold = lowest_threshold(rates, ALARMS_PER_HOUR)
    return DefaultChoice(postprocessing.override(threshold=threshold), peaks.fit(threshold, FALSE_PRESENCE))


def lowest_threshold(rates: NDArray[np.float64], most: float) -> float:
    """The lowest of THRESHOLDS from which upwards all rates (K,) are at most `most`.

    Raises:
        ValueError: The rate at the highest threshold is higher.
    """
    index = int(np.flatnonzero(rates > most).max(initial=-1)) + 1
    if index == len(THRESHOLDS):
        raise ValueError(
            f"{rates[-1]:.1f} false alarms per hour and query at the highest threshold, {THRESHOLDS[-1]:g}; at most "
            f"{most:g} are accepted"
        )
    return float(THRESHOLDS[index])


def choose_and_measure(localizer: Localizer, folder: Path) -> dict[str, Any]:
    """The choice for a calibrated model, and its figures on the reported recordings before and after.

    Raises:
        ValueError: A set cannot be made from the pack, or no threshold has few enough false alarms.
        FileNotFoundError: The pack's table does not exist.
    """
    choice = choose_default(localizer, sparse_set(folder, "tuning"), localizer.postprocessing)
    reported = sparse_set(folder, "reported")
    before = measure(localizer, reported)
    localizer.postprocessing, localizer.presence = choice.postprocessing, choice.presence
    return {
        "subject": localizer.subject,
        "postprocessing": asdict(choice.postprocessing),
        "presence": asdict(choice.presence) if choice.presence else None,
        "thresholds_of_presence": described(choice.presence, list(LENGTHS_S), choice.postprocessing.threshold),
        "before": before,
        "after": measure(localizer, reported),
    }


def measure(localizer: Localizer, reported: EvaluationSet) -> dict[str, Any]:
    """False alarms and presence by length with the model's default post-processing and rule."""
    settings = localizer.postprocessing
    alarms = alarm_report(localizer, reported, [settings] * len(reported.scored_labels), RESAMPLES)
    return {
        "threshold": settings.threshold,
        "set": alarms["set"],
        "figures": alarms["figures"],
        "presence": presence_report(localizer, reported, settings, RESAMPLES),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.default_threshold",
        description="Choose a default threshold by false alarms.",
    )
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--bundle", type=Path, help="folder of a bundle")
    model.add_argument("--url", help="address of a running service")
    parser.add_argument("--data", type=Path, required=True, help="folder of a pack with a val split")
    options = parser.parse_args(arguments)
    try:
        localizer = (
            BundleLocalizer(options.bundle)
            if options.bundle
            else ServiceLocalizer(httpx.Client(base_url=options.url, timeout=600.0))
        )
        report = choose_and_measure(localizer, options.data)
    except (ValueError, OSError, EarmarkError, httpx.HTTPError, httpx.InvalidURL) as error:
        sys.exit(f"no default threshold can be chosen on {options.data}: {error}")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
