"""The text form of an example: which recording, and from when to when the sound is heard, as in `street.wav@12.4-13.1`."""

import math
import re
from dataclasses import dataclass

from service.core.errors import ParameterInvalid
from service.core.frame_grid import FrameGrid

MAX_EXAMPLES = 100
MAX_EXAMPLE_S = 60.0
ACCEPTED = "RECORDING@ONSET-OFFSET with times in seconds, such as street.wav@12.4-13.1"
_FORM = re.compile(r"(.+)@(\d+(?:\.\d*)?|\.\d+)-(\d+(?:\.\d*)?|\.\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ExampleSpec:
    """An example as a user names it.

    Attributes:
        recording: Path or id of the recording.
        onset_s: Begin of the example, in seconds.
        offset_s: End of the example, in seconds.
    """

    recording: str
    onset_s: float
    offset_s: float

    def frames(self, name: str, grid: FrameGrid, n_frames: int, duration_s: float) -> tuple[int, int]:
        """First frame of the example, and the frame after the last.

        Args:
            name: Name of the parameter, for the message.
            grid: The frames of the recording.
            n_frames: Number of frames of the recording.
            duration_s: Length of the recording, in seconds.

        Raises:
            ParameterInvalid: If the example ends after the recording.
        """
        if self.offset_s > duration_s + grid.hop_s:
            accepted = f"an end of at most {duration_s:.2f} s, where the recording ends"
            raise ParameterInvalid(name, f"{self.recording}@{self.onset_s:g}-{self.offset_s:g}", accepted)
        first, end = grid.frames_touched(self.onset_s, self.offset_s)
        return min(first, n_frames - 1), min(end, n_frames)


def parse_example(name: str, text: str) -> ExampleSpec:
    """Reads an example.

    Args:
        name: Name of the parameter, for the message.
        text: The example.

    Raises:
        ParameterInvalid: If the text has another form, or if the times are not a stretch of at most 60 s.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        shown = text if len(text) <= 100 else text[:97] + "..."
        raise ParameterInvalid(name, repr(shown), ACCEPTED)
    onset_s, offset_s = float(match[2]), float(match[3])
    if not (math.isfinite(offset_s) and onset_s < offset_s <= onset_s + MAX_EXAMPLE_S):
        accepted = f"an offset after the onset, at most {MAX_EXAMPLE_S:g} s later"
        raise ParameterInvalid(name, f"{match[2]}-{match[3]} s", accepted)
    return ExampleSpec(match[1], onset_s, offset_s)
