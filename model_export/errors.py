# ruff: noqa: N818 - each name says what is wrong
"""Reasons why a bundle is not written.

ExportError
├── FolderIsNoBundle        the output folder holds something other than a bundle
├── GraphInterfaceDiffers   an input or output has another name, another rank or a fixed axis
├── ShapeDiffers            an output has another shape than expected
├── ValuesDiffer            an output differs from that of torch by more than the tolerance
├── BatchDiffers            an item has other values in a batch than alone
├── SegmentsDiffer          torch and the graphs give different segments
├── WeightLost              a weight of the model is not in its graph
└── BundleTooLarge          the files together are larger than allowed
"""

from pathlib import Path

from service.core.segments import Segment


class ExportError(Exception):
    """A checkpoint cannot be exported, or its bundle failed verification; no bundle was written."""


class FolderIsNoBundle(ExportError):
    """The output folder exists, and is not a bundle that may be replaced."""

    def __init__(self, out: Path, reason: str) -> None:
        self.out, self.reason = out, reason
        super().__init__(
            f"{out} {reason} and would be replaced; accepted: the folder of a bundle, an empty folder or a new one (--out)"
        )


class GraphInterfaceDiffers(ExportError):
    """An input or output of a graph has another name, rank or axis than in the bundle format."""

    def __init__(self, graph: str, actual: object, expected: object) -> None:
        self.graph, self.actual, self.expected = graph, actual, expected
        super().__init__(f"{graph} has {actual}; the bundle format requires {expected}")


class ShapeDiffers(ExportError):
    """The shape of an output does not follow from the shape of the input."""

    def __init__(self, graph: str, actual: tuple[int, ...], expected: tuple[int, ...]) -> None:
        self.graph, self.actual, self.expected = graph, actual, expected
        super().__init__(f"{graph} gave shape {actual}; {expected} is expected")


class ValuesDiffer(ExportError):
    """The outputs of torch and of ONNX Runtime differ."""

    def __init__(self, graph: str, case: str, largest: float, allowed: float) -> None:
        self.graph, self.case, self.largest, self.allowed = graph, case, largest, allowed
        super().__init__(f"{graph}, {case}: largest difference {largest:.2e}; at most {allowed:.0e} is allowed")


class BatchDiffers(ExportError):
    """An item has other values in a batch than alone."""

    def __init__(self, graph: str, largest: float, allowed: float) -> None:
        self.graph, self.largest, self.allowed = graph, largest, allowed
        super().__init__(f"{graph}: batched and single differ by {largest:.2e}; at most {allowed:.0e} is allowed")


class SegmentsDiffer(ExportError):
    """Torch and the graphs give different segments for the same clip and query."""

    def __init__(
        self, torch_segments: tuple[Segment, ...], graph_segments: tuple[Segment, ...], largest: float
    ) -> None:
        self.torch_segments, self.graph_segments, self.largest = torch_segments, graph_segments, largest
        super().__init__(
            f"torch gives {len(torch_segments)} segments and the graphs give {len(graph_segments)}; their number or their "
            f"times differ, and the curves differ by at most {largest:.2e}"
        )


class WeightLost(ExportError):
    """A graph does not hold a weight that it was exported from, or holds it merged with an equal weight."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the graph holds no weight with the values of {name}")


class BundleTooLarge(ExportError):
    """The files of the bundle together are larger than allowed."""

    def __init__(self, size_bytes: int, allowed_bytes: int) -> None:
        self.size_bytes, self.allowed_bytes = size_bytes, allowed_bytes
        super().__init__(
            f"the bundle takes {size_bytes / 1e6:.1f} MB; at most {allowed_bytes / 1e6:g} MB is allowed (--max-mb)"
        )
