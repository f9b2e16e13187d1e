"""Compares the losses of TACOS and FLAM on scenes over captioned ambiences, with heads on cached maps.

`python -m training.claim global --data FOLDER --out runs/claim --set audio.pretrained=EFFICIENTAT/mn04_as.safetensors`
`python -m training.claim report --data FOLDER --out runs/claim`

The first command runs a variant (`global`, `regions`, `both` or `sigmoid`) from end to end. It writes the tuning split and the
cached maps, which all variants share, chooses a learning rate on the tuning split, and trains and scores a run for each seed.
`--shares` and `--lengths` repeat the runs with a share of uncaptioned ambiences or with more or fewer steps. Finished work is
skipped, and the same command continues a stopped one. `report` prints the tables of all finished runs.
"""

import argparse
import logging
import math
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from training.claim.design import RATES, SEEDS, VARIANTS, Condition, Planned, plan
from training.claim.driver import CRITERION, Comparison, Size
from training.claim.report import report

REPORT = "report"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.claim", description="Compare losses on scenes.")
    parser.add_argument(
        "what", nargs="+", choices=(*VARIANTS, REPORT), help=f"the variants to run, or {REPORT} for the tables"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of a CSV pack")
    parser.add_argument("--out", type=Path, required=True, help="folder of the comparison, the same for all variants")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="seeds of the runs (default: all)")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[1.0], help="shares of the ambiences that are captioned (default: 1)"
    )
    parser.add_argument(
        "--lengths",
        type=float,
        nargs="+",
        default=[1.0],
        help="numbers of steps, as multiples of the recipe's (default: 1)",
    )
    size = Size()
    parser.add_argument("--cached", type=int, default=size.cached, help="scenes in the cache (default: %(default)s)")
    parser.add_argument(
        "--reported",
        type=int,
        default=size.reported,
        help="scenes of each benchmark, the first ones (default: %(default)s)",
    )
    parser.add_argument(
        "--tuning", type=int, default=size.tuning, help="scenes of each tuning set (default: %(default)s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override all recipes")
    options = parser.parse_args(arguments)
    if REPORT in options.what and len(options.what) > 1:
        parser.error(f"{REPORT} stands alone; variants are run without it")
    return options


def check(comparison: Comparison, options: argparse.Namespace) -> None:
    """Refuses numbers that cannot be used, before any work is done.

    Raises:
        ValueError: a share, a length, a number of scenes or an override of the recipes cannot be used.
    """
    for share in options.shares:
        if not 0 <= share <= 1:
            raise ValueError(f"--shares has {share:g}; 0 to 1 is accepted")
    for name in ("cached", "reported", "tuning"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}; at least 1 is accepted")
    for variant, length in product(options.what, options.lengths):
        if not 0 < length < math.inf:
            raise ValueError(f"--lengths has {length:g}; numbers above 0 are accepted")
        rates = dict.fromkeys(VARIANTS, RATES[0])
        planned: Planned | None = plan(variant, Condition(options.seeds[0], length), rates)
        while planned:
            if comparison.recipe(planned).optimization.steps < 1:
                raise ValueError(
                    f"--lengths has {length:g}, which leaves {planned.variant} no step; at least 1 is needed"
                )
            planned = planned.start


def echo(text: str) -> None:
    """Writes a line to the standard output at once, so that a log shows the progress of a long run."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    size = Size(options.cached, options.reported, options.tuning)
    comparison = Comparison(options.data, options.out, tuple(options.set), size)
    try:
        if options.what == [REPORT]:
            report(comparison, options.shares, options.lengths, echo)
            return
        check(comparison, options)
        for seed, share, length in product(options.seeds, options.shares, options.lengths):
            for variant in options.what:
                figures = comparison.run(variant, Condition(seed, length, share))
                values = ", ".join(f"{name} {of_set[CRITERION]:.3f}" for name, of_set in figures.items())
                echo(f"{variant}, seed {seed}, share {share:g}, length {length:g}: {values}")
    except (ValueError, OSError) as error:
        sys.exit(f"{' '.join(options.what)} cannot be run on {options.data}: {error}")


if __name__ == "__main__":
    main()
