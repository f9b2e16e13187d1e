"""The design of the comparison: its variants, learning rates, seeds and lengths, and the runs that they need."""

from dataclasses import dataclass, replace
from pathlib import Path

VARIANTS = {
    "global": "captions of whole scenes (clip loss of TACOS)",
    "regions": "regions only (region loss of TACOS)",
    "both": "captions of whole scenes, then regions (TACOS)",
    "sigmoid": "per-frame sigmoid (FLAM)",
}
FIRST_STAGE = {"both": "global"}
"""Variant whose run with half the length a variant starts from."""
RATES = (3e-4, 1e-3, 3e-3)
"""Learning rates that are tried for each variant."""
SEEDS = (1, 2, 3, 4, 5)
TUNING_SEED = 0
"""Seed of the runs that choose a learning rate; no reported run has it."""
TUNING_LENGTH = 0.5
"""Length of the runs that choose a learning rate. All of them take the same number of steps with the variant's loss."""
RECIPES = Path(__file__).parent.parent / "recipes"


@dataclass(frozen=True, slots=True)
class Planned:
    """A run of the comparison.

    Attributes:
        variant: name of the variant.
        seed: seed of the run.
        rate: learning rate of the run.
        start: the run that this run starts from, or None.
        length: number of steps, as a multiple of the recipe's.
        share: share of the ambiences that are captioned.
    """

    variant: str
    seed: int
    rate: float
    start: "Planned | None" = None
    length: float = 1.0
    share: float = 1.0

    @property
    def name(self) -> str:
        """Name of the run's folder; runs that differ have different names."""
        first = f"_after{self.start.rate:g}" if self.start else ""
        return f"{self.variant}_rate{self.rate:g}{first}_length{self.length:g}_share{self.share:g}_seed{self.seed}"

    @property
    def recipe(self) -> Path:
        """The recipe of the variant."""
        return RECIPES / f"claim_{self.variant}.toml"


@dataclass(frozen=True, slots=True)
class Condition:
    """A seed, length and share of captioned ambiences, for which every variant has one run."""

    seed: int
    length: float = 1.0
    share: float = 1.0


def plan(variant: str, condition: Condition, rates: dict[str, float]) -> Planned:
    """The run of a variant with the chosen learning rates; its first stage has the same seed and share."""
    first = FIRST_STAGE.get(variant)
    start = plan(first, replace(condition, length=condition.length / 2), rates) if first else None
    return Planned(variant, condition.seed, rates[variant], start, condition.length, condition.share)


def tuning_plans(variant: str, rates: dict[str, float]) -> list[Planned]:
    """The runs that choose the learning rate of a variant, given the rate of its first stage."""
    length = 2 * TUNING_LENGTH if variant in FIRST_STAGE else TUNING_LENGTH
    condition = Condition(TUNING_SEED, length)
    return [plan(variant, condition, rates | {variant: rate}) for rate in RATES]
