"""Collects the faults that are noticed while a clip is decoded, and turns them into warnings."""

from collections.abc import Iterator

from service.core.warnings import AnswerWarning
from service.engine.clip_warnings import CLIP_WARNINGS

_MAX_STRETCHES = 16
"""Largest number of stretches that are reported for one code; later ones extend the last."""
_MAX_OTHER_WARNINGS = 16
_FEWEST_BYTES_AFTER_END = 16
_JOIN_S = 1.0
"""Stretches of the same code that are closer together than this are joined, in seconds."""


class ClipReport:
    """The faults of a clip, recorded in the order of the clip."""

    def __init__(self) -> None:
        self._lost: list[tuple[float, float]] = []
        self._lost_s = 0.0
        self._cancelled: list[tuple[float, float]] = []
        self._clipped_range: list[tuple[float, float]] = []
        self._warnings: list[AnswerWarning] = []

    def lost(self, onset_s: float, offset_s: float) -> None:
        """Records that the sound of a stretch is damaged and was replaced with silence."""
        self._lost_s += offset_s - onset_s
        _extend(self._lost, onset_s, offset_s)

    def channels_cancelled(self, onset_s: float, offset_s: float) -> None:
        """Records that the channels cancel each other in a stretch."""
        _extend(self._cancelled, onset_s, offset_s)

    def samples_clipped(self, onset_s: float, offset_s: float) -> None:
        """Records that a stretch has single samples far outside [-1, 1], which were clipped."""
        _extend(self._clipped_range, onset_s, offset_s)

    def scaled(self, peak: float, divisor: float) -> None:
        """Records that all samples were divided, because they reach a peak far outside [-1, 1]."""
        message = f"the samples reach {peak:g}, where at most 1 is expected; all samples were divided by {divisor:g}"
        self.add("samples-out-of-range", message)

    def truncated(self, end_s: float, claimed_s: float | None) -> None:
        """Records that the sound stops before the length that the header gives; None if the header gives none."""
        if claimed_s is None:
            self.add("clip-truncated", f"the clip breaks off at {end_s:.2f} s; its header does not give its length")
            return
        message = f"the sound ends at {end_s:.2f} s, but the header of the clip gives a length of {claimed_s:.2f} s"
        self._append(AnswerWarning("clip-truncated", message, end_s, claimed_s))

    def data_after_end(self, n_bytes: int) -> None:
        """Records that bytes behind the end of the clip were not decoded; a few bytes hold no sound and are ignored."""
        if n_bytes < _FEWEST_BYTES_AFTER_END:
            return
        self.add("data-after-end", f"the last {n_bytes} bytes of the file lie behind the end of the clip; not decoded")

    def add(self, code: str, message: str) -> None:
        """Adds a warning about the whole clip.

        Raises:
            ValueError: If the code is not documented in `CLIP_WARNINGS`.
        """
        if code not in CLIP_WARNINGS:
            raise ValueError(f"the code {code} is not documented")
        self._append(AnswerWarning(code, message))

    def _append(self, warning: AnswerWarning) -> None:
        is_known = warning.onset_s is None and any(
            other.code == warning.code and other.onset_s is None for other in self._warnings
        )
        if not is_known and len(self._warnings) < _MAX_OTHER_WARNINGS:
            self._warnings.append(warning)

    def warnings(self) -> tuple[AnswerWarning, ...]:
        """All warnings."""
        lost = f"the clip is damaged: {self._lost_s:.2f} s of sound are lost in all, and silent here"
        cancelled = "the channels cancel each other when they are averaged; the loudest channel was taken here"
        clipped = "single samples are far outside [-1, 1]; they were clipped"
        return (
            *_stretches("sound-lost", lost, self._lost),
            *_stretches("channels-cancel", cancelled, self._cancelled),
            *_stretches("samples-out-of-range", clipped, self._clipped_range),
            *self._warnings,
        )


def _extend(stretches: list[tuple[float, float]], onset_s: float, offset_s: float) -> None:
    """Adds a stretch to a list of stretches in order, or extends the last."""
    if stretches and (onset_s - stretches[-1][1] < _JOIN_S or len(stretches) == _MAX_STRETCHES):
        stretches[-1] = stretches[-1][0], offset_s
    else:
        stretches.append((onset_s, offset_s))


def _stretches(code: str, message: str, stretches: list[tuple[float, float]]) -> Iterator[AnswerWarning]:
    return (AnswerWarning(code, message, onset_s, offset_s) for onset_s, offset_s in stretches)
