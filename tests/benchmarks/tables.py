"""Tables of results in Markdown."""

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Formats values as their median, with the smallest and the largest in parentheses."""
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def table(*names: str) -> None:
    print()
    row(*names)
    row(*["---"] * len(names))
