"""Interpolates between the weights of two checkpoints of one model: `(1 - share) * first + share * second`.

`python -m training.interpolate runs/pyramid_shared/checkpoint.pt runs/pyramid_anneal/checkpoint.pt --share 0.7
--out runs/pyramid_interpolated.pt`

A run that starts from a checkpoint fits its training recordings ever better. Weights between the start and the end are about as
good on similar recordings, and better on others (WiSE-FT, arXiv 2109.01903).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.checkpoint import read_checkpoint


def interpolate(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """The weights `(1 - share) * first + share * second`; values that are no floating-point numbers come from `second`.

    Raises:
        ValueError: `share` is outside of 0 to 1, or the weights have other names or shapes.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share is {share:g}; 0 to 1 is accepted")
    shapes = [{name: weight.shape for name, weight in weights.items()} for weights in (first, second)]
    if shapes[0] != shapes[1]:
        different = sorted(
            name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
        )
        raise ValueError(
            f"the checkpoints hold different models; {len(different)} weights differ in shape, first {different[0]}"
        )
    return {
        name: torch.lerp(first[name].float(), weight.float(), share) if weight.is_floating_point() else weight
        for name, weight in second.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.interpolate", description="Interpolate between the weights of two checkpoints."
    )
    parser.add_argument("first", type=Path, help="the checkpoint that the run of the second checkpoint started from")
    parser.add_argument("second", type=Path, help="a checkpoint of training.train; the new checkpoint has its recipe")
    parser.add_argument("--share", type=float, required=True, help="share of the second checkpoint, from 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    options = parser.parse_args(arguments)
    try:
        checkpoint = read_checkpoint(options.second)
        average = interpolate(read_checkpoint(options.first)["average"], checkpoint["average"], options.share)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    torch.save(checkpoint | {"average": average}, options.out)


if __name__ == "__main__":
    main()
