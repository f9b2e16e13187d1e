"""The answer of the service about a clip, with its views: a table, a picture and HTML."""

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from service.client.figure import draw
from service.client.html import html_of
from service.client.values import Clip, QueryResult, Segment

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingTypeStubs] - it ships none
    from matplotlib.axes import Axes

_COLUMNS = ("query", "onset_s", "offset_s", "score", "peak_s")


@dataclass(frozen=True, slots=True, eq=False)
class Localization:
    """When each query is heard in a clip. It is shown as a table with pictures of the curves in notebooks.

    Attributes:
        clip: The clip.
        model_name: Name of the model that answered.
        model_version: Version of the model.
        hop_s: Time between frames, in seconds. Frame i covers [i * hop_s, (i + 1) * hop_s); the last frame ends with the
            clip.
        results: One result for each query, in the order of the queries.
    """

    clip: Clip
    model_name: str
    model_version: str
    hop_s: float
    results: tuple[QueryResult, ...]

    def __getitem__(self, key: int | str) -> QueryResult:
        """The result of a query, by its number or its text.

        Raises:
            KeyError: If no query has this text.
            IndexError: If there are not so many queries.
        """
        if isinstance(key, int):
            return self.results[key]
        for result in self.results:
            if result.query == key:
                return result
        raise KeyError(key)

    def __iter__(self) -> Iterator[QueryResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of all queries, in order of time."""
        segments = (segment for result in self.results for segment in result.segments)
        return tuple(sorted(segments, key=lambda segment: (segment.onset_s, segment.offset_s)))

    @property
    def frame_edges_s(self) -> NDArray[np.float64]:
        """The times at which frames begin and end, in seconds, shape (T + 1,)."""
        curves = [curve for result in self.results for curve in (result.score, result.similarity) if curve is not None]
        n_frames = len(curves[0]) if curves else math.ceil(round(self.clip.duration_s / self.hop_s, 6))
        return np.append(np.arange(n_frames) * self.hop_s, self.clip.duration_s)

    def to_dataframe(self) -> "pandas.DataFrame":
        """A pandas table with one row for each segment, in order of time; needs pandas.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        pandas: Any = importlib.import_module("pandas")

        rows = [[getattr(segment, column) for column in _COLUMNS] for segment in self.segments]
        types: dict[str, Any] = {column: "object" if column == "query" else "float64" for column in _COLUMNS}
        return pandas.DataFrame(rows, columns=list(_COLUMNS)).astype(types)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draws the score curves and the segments; needs matplotlib.

        Args:
            ax: The axes to draw in; None for a new figure.

        Raises:
            ModuleNotFoundError: If matplotlib is not installed.
        """
        return draw(self.results, self.frame_edges_s, ax)

    def _repr_html_(self) -> str:
        heading = f"{self.clip.duration_s:.2f} s, heard by {self.model_name} {self.model_version}"
        return html_of(heading, self.clip, self.results)
