"""The picture of a localization, drawn with matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.client.values import QueryResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(results: Sequence[QueryResult], edges_s: NDArray[np.float64], ax: "Axes | None" = None) -> "Axes":
    """Draws the score curve of each query in one colour, and its segments as bands of that colour.

    Args:
        results: The results of all queries about a clip.
        edges_s: The times at which frames begin and end, in seconds, shape (T + 1,).
        ax: The axes to draw in; None for a new figure.

    Raises:
        ModuleNotFoundError: If matplotlib is not installed.
    """
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(figsize=(10, 3), layout="constrained")[1]
    axes: Any = ax  # the types of matplotlib are incomplete
    for number, result in enumerate(results):
        colour = f"C{number % 10}"
        if result.score is not None:
            steps = np.append(result.score, result.score[-1:])  # (T + 1,)
            axes.plot(edges_s, steps, drawstyle="steps-post", color=colour)
        for segment in result.segments:
            axes.axvspan(segment.onset_s, segment.offset_s, color=colour, alpha=0.2, linewidth=0)
        axes.plot([], [], color=colour, label=result.query.replace("$", r"\$"))
    axes.set(xlim=(0, edges_s[-1]), ylim=(0, 1), xlabel="time (s)", ylabel="score")
    axes.legend(loc="upper right")
    return axes
