"""A recording as a library lists it, and the columns of the table of recordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.core.frame_grid import FrameGrid
from service.core.manifest import Manifest
from service.engine.clip_id import model_id_of

Value = str | float | None
"""Value of a column of metadata."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording in a library.

    Attributes:
        id: Id of the recording in the library, 32 hexadecimal digits.
        path: Absolute path of the indexed file; empty for an upload.
        clip_id: Id that the service gives to the same bytes; see `service.engine.clip_id.clip_id_of`.
        n_bytes: Size of the file, in bytes.
        modified_ns: Time of the last change of the file, in nanoseconds since 1970.
        duration_s: Length of the recording, in seconds.
        n_frames: Number of frames.
        generation: Number that the rows of the frames and of the moments of this recording carry.
        warnings: Faults of the recording that were noticed when it was decoded, as JSON.
        metadata: Values of the columns of metadata.
    """

    id: str
    path: str
    clip_id: str
    n_bytes: int
    modified_ns: int
    duration_s: float
    n_frames: int
    generation: int
    warnings: str = "[]"
    metadata: Mapping[str, Value] = field(default_factory=dict[str, Value])

    def row(self) -> dict[str, Any]:
        """The row of the table of recordings."""
        return {name: getattr(self, name) for name in COLUMNS} | dict(self.metadata)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Recording":
        """Reads a row of the table of recordings."""
        metadata = {name: value for name, value in row.items() if name not in COLUMNS}
        return cls(**{name: row[name] for name in COLUMNS}, metadata=metadata)


COLUMNS = (
    "id", "path", "clip_id", "n_bytes", "modified_ns", "duration_s", "n_frames", "generation", "warnings",
)  # fmt: skip
"""Columns that every library has; a column of metadata cannot have one of these names."""


@dataclass(frozen=True, slots=True)
class LibraryModel:
    """The model with which a library was indexed.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        model_id: Id of the part of the model that embeds clips; see `service.engine.clip_id.model_id_of`.
        dimension: D, the dimension of the embeddings.
        sample_rate_hz: Sample rate of the waveform that the model takes, in Hz.
        hop_samples: Samples per frame.
    """

    name: str
    version: str
    model_id: str
    dimension: int
    sample_rate_hz: int
    hop_samples: int

    @classmethod
    def of(cls, manifest: Manifest) -> "LibraryModel":
        """The model of a bundle."""
        grid = manifest.grid
        return cls(
            manifest.name,
            manifest.version,
            model_id_of(manifest),
            manifest.dimension,
            grid.sample_rate_hz,
            grid.hop_samples,
        )

    @property
    def grid(self) -> FrameGrid:
        """The frames of the recordings."""
        return FrameGrid(self.sample_rate_hz, self.hop_samples)

    def __str__(self) -> str:
        return f"{self.name} {self.version} (embeddings {self.model_id[:12]})"
