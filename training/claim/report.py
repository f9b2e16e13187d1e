"""The tables of the comparison in Markdown: means over the seeds with intervals, and differences between variants."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student

from training.claim.design import FIRST_STAGE, SEEDS, VARIANTS, Condition, plan, tuning_plans
from training.claim.driver import CRITERION, REPORTED, TUNING, Comparison, Figures, criterion
from training.data.map_batch import load_map_batch
from training.evaluation.pictures import read_training_curves
from training.synthesis.recaption import Recaptioner, without_ambiences

CONFIDENCE = 0.95
MAIN = {
    "partial_auroc": "partial AUROC",
    "psds1_macro": "PSDS1 macro",
    "smoothed_partial_auroc": "partial AUROC, smoothed",
    "smoothed_psds1_macro": "PSDS1 macro, smoothed",
}
RANKS = {
    "rank_caption": "caption of the event over an absent caption",
    "rank_frame": "frame of the event over any frame outside",
    "rank_frame_other_sound": "over frames of another sound",
    "rank_frame_background": "over background frames",
}
DIFFERENCES = (
    ("both", "global"),
    ("regions", "global"),
    ("both", "regions"),
    ("sigmoid", "global"),
    ("sigmoid", "both"),
)
N_QUARTERS = 4
BATCHES_OF_SHARE = 40
"""Number of cached batches in which the share of captioned frames is measured."""
Row = Sequence[str]
Values = Sequence[float] | NDArray[np.float64]


def table(header: Row, rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(values: Values) -> tuple[float, float]:
    """The mean and half of the confidence interval of the mean (Student's t); the half is NaN for fewer than two values."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)), float(student.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * error


def shown(values: Values, sign: str = "") -> str:
    """The mean of some values and half of its interval."""
    mean, half = interval(values)
    return f"{mean:{sign}.3f}" + ("" if np.isnan(half) else f" ± {half:.3f}")


class Results:
    """The finished runs of a comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.rates: dict[str, float] = {}
        for variant in VARIANTS:
            tried = self.tried(variant)
            if tried:
                self.rates[variant] = max(tried, key=lambda rate: tried[rate])

    def tried(self, variant: str) -> dict[float, float]:
        """The criterion of each learning rate of a variant; empty if a run is missing."""
        first = FIRST_STAGE.get(variant)
        if first and first not in self.rates:
            return {}
        rates = {first: self.rates[first]} if first else {}
        runs = tuning_plans(variant, rates)
        figures = [self.comparison.finished(run, TUNING) for run in runs]
        return {run.rate: criterion(f) for run, f in zip(runs, figures, strict=True) if f} if all(figures) else {}

    def of(self, variant: str, condition: Condition) -> Figures | None:
        """The figures of a variant's run on the reported sets, or None if the run is missing."""
        if not {variant, FIRST_STAGE.get(variant, variant)} <= self.rates.keys():
            return None
        return self.comparison.finished(plan(variant, condition, self.rates), REPORTED)

    def values(
        self, variants: Sequence[str], condition: Condition, name: str, figure: str
    ) -> list[NDArray[np.float64]]:
        """A figure on a set for the seeds that all the variants have finished: an array for each variant."""
        by_seed = [[self.of(variant, replace(condition, seed=seed)) for variant in variants] for seed in SEEDS]
        complete = [[f[name][figure] for f in of_seed if f] for of_seed in by_seed if all(of_seed)]
        return list(np.array(complete).reshape(-1, len(variants)).T)


def rates_table(results: Results) -> str:
    """The criterion of each learning rate."""
    tried = {variant: results.tried(variant) for variant in VARIANTS}
    rates = sorted({rate for of_variant in tried.values() for rate in of_variant})
    rows = [
        [variant, *(f"{of_variant[rate]:.3f}" for rate in rates)] for variant, of_variant in tried.items() if of_variant
    ]
    return table(["variant", *(f"{rate:g}" for rate in rates)], rows)


def figures_table(results: Results, name: str, figures: dict[str, str], condition: Condition) -> str:
    """Some figures of each variant on a set."""
    rows: list[list[str]] = []
    for variant in VARIANTS:
        values = [results.values([variant], condition, name, figure)[0] for figure in figures]
        if len(values[0]):
            rows.append([variant, str(len(values[0])), *map(shown, values)])
    return table(["variant", "seeds", *figures.values()], rows)


def differences_table(results: Results, name: str, condition: Condition) -> str:
    """Differences of the main figures between variants, paired by seed."""
    rows: list[list[str]] = []
    for left, right in DIFFERENCES:
        pairs = [results.values([left, right], condition, name, figure) for figure in MAIN]
        if len(pairs[0][0]):
            rows.append([f"{left} minus {right}", str(len(pairs[0][0])), *(shown(a - b, "+") for a, b in pairs)])
    return table(["difference", "seeds", *MAIN.values()], rows)


def conditions_table(results: Results, name: str, conditions: dict[str, Condition], figures: dict[str, str]) -> str:
    """Some figures of each variant in several conditions, and the difference of `both` and `global`."""
    rows: list[list[str]] = []
    for label, condition in conditions.items():
        for variant in VARIANTS:
            values = [results.values([variant], condition, name, figure)[0] for figure in figures]
            if len(values[0]):
                rows.append([label, variant, str(len(values[0])), *map(shown, values)])
        pairs = [results.values(["both", "global"], condition, name, figure) for figure in figures]
        if len(pairs[0][0]):
            rows.append([label, "both minus global", str(len(pairs[0][0])), *(shown(a - b, "+") for a, b in pairs)])
    return table(["condition", "variant", "seeds", *figures.values()], rows)


def losses_table(results: Results, condition: Condition) -> str:
    """The training loss of each stage of a run: its mean over the logged steps of each quarter of the stage."""
    rows: list[list[str]] = []
    for variant in VARIANTS:
        if results.of(variant, condition) is None:
            continue
        run = plan(variant, condition, results.rates)
        for stage in (run.start, run):
            if stage is not None:
                rows.append([variant, *_quarters(results.comparison.out / stage.name)])
    return table(["variant", "loss", "first quarter", "second", "third", "last"], rows)


def _quarters(folder: Path) -> list[str]:
    """Name of the loss of a run, and its means over the quarters of the run."""
    losses = {name: values for name, (_, values) in read_training_curves(folder).items() if name.startswith("loss/")}
    name, values = next(iter(losses.items()), ("", []))  # every variant has a single loss; short runs log none
    means = [f"{np.mean(part):.2f}" if len(part) else "" for part in np.array_split(np.array(values), N_QUARTERS)]
    return [name.removeprefix("loss/"), *means]


def captioned_frames(maps: Path, share: float) -> float:
    """The share of a cache's frames that belong to a captioned event, if a share of the ambiences is captioned."""
    recaptioner = Recaptioner((), share, SEEDS[0])
    covered: list[float] = []
    for number, file in enumerate(sorted(maps.glob("[0-9]*.pt"))[:BATCHES_OF_SHARE]):
        batch = load_map_batch(file)
        kept = without_ambiences(batch, recaptioner.uncaptioned(len(batch.labels), number))
        covered.append(float((kept.event_active > 0).any(dim=1).to(torch.float32).mean()))
    return float(np.mean(covered))


def report(
    comparison: Comparison, shares: Sequence[float], lengths: Sequence[float], echo: Callable[[str], None]
) -> None:
    """Writes all tables of the finished runs, one after another.

    Raises:
        ValueError: no variant has finished the runs that choose its learning rate.
    """
    results, main = Results(comparison), Condition(SEEDS[0])
    if not results.rates:
        raise ValueError(f"{comparison.out} has no finished runs; at least one variant has to be run first")
    echo(f"{CRITERION} of each learning rate on the tuning sets\n\n{rates_table(results)}\n")
    echo(f"training loss of seed {main.seed}\n\n{losses_table(results, main)}\n")
    of_shares = {
        f"{share:g} ({captioned_frames(comparison.maps, share):.2f} of the frames)": Condition(SEEDS[0], share=share)
        for share in shares
    }
    of_lengths = {f"{length:g}": Condition(SEEDS[0], length=length) for length in lengths}
    for name in REPORTED:
        echo(f"{name}\n\n{figures_table(results, name, MAIN, main)}\n\n{differences_table(results, name, main)}\n")
        echo(f"{figures_table(results, name, RANKS, main)}\n")
        echo(f"share of captioned ambiences\n\n{conditions_table(results, name, of_shares, MAIN | RANKS)}\n")
        echo(f"length of the runs\n\n{conditions_table(results, name, of_lengths, MAIN)}\n")
