# ruff: noqa: N818 - named after what is wrong
"""Why a bundle was not written.

ExportError
├── FolderIsNoBundle        what would be replaced holds something else
├── GraphInterfaceDiffers   an input or output has another name or a fixed axis
├── ShapeDiffers            an output has another shape than promised
├── ValuesDiffer            an output is further from torch's than allowed
├── BatchDiffers            an item of a batch is not what it is alone
├── SegmentsDiffer          torch and the graphs find other segments
├── WeightLost              a weight of the model is not in its graph
└── BundleTooLarge          the files together are larger than allowed
"""

from pathlib import Path

from service.core.segments import Segment


class ExportError(Exception):
    """A checkpoint whose bundle cannot be written, or failed verification; nothing was written."""


class FolderIsNoBundle(ExportError):
    """Something else than a bundle is where the bundle shall be."""

    def __init__(self, out: Path, found: str) -> None:
        self.out, self.found = out, found
        super().__init__(
            f"{out} {found} and would be replaced; a bundle's folder, an empty one, or none yet is accepted (--out)"
        )


class GraphInterfaceDiffers(ExportError):
    """An input or output of a graph has another name or another axis than the bundle format asks for."""

    def __init__(self, graph: str, found: object, expected: object) -> None:
        self.graph, self.found, self.expected = graph, found, expected
        super().__init__(f"{graph} has {found}; the bundle format asks for {expected}")


class ShapeDiffers(ExportError):
    """An output's shape is not what the input's implies."""

    def __init__(self, graph: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
        self.graph, self.found, self.expected = graph, found, expected
        super().__init__(f"{graph} gave shape {found}; {expected} is expected")


class ValuesDiffer(ExportError):
    """Torch and ONNX Runtime disagree."""

    def __init__(self, graph: str, case: str, largest: float, allowed: float) -> None:
        self.graph, self.case, self.largest, self.allowed = graph, case, largest, allowed
        super().__init__(f"{graph}, {case}: largest difference {largest:.2e}; at most {allowed:.0e} is allowed")


class BatchDiffers(ExportError):
    """An item gives other values in a batch than alone."""

    def __init__(self, graph: str, largest: float, allowed: float) -> None:
        self.graph, self.largest, self.allowed = graph, largest, allowed
        super().__init__(f"{graph}: batched and single differ by {largest:.2e}; at most {allowed:.0e} is allowed")


class SegmentsDiffer(ExportError):
    """The same clip and query give other segments."""

    def __init__(
        self, torch_segments: tuple[Segment, ...], graph_segments: tuple[Segment, ...], largest: float
    ) -> None:
        self.torch_segments, self.graph_segments, self.largest = torch_segments, graph_segments, largest
        super().__init__(
            f"torch finds {len(torch_segments)} segments, the graphs {len(graph_segments)}, or elsewhere; "
            f"largest difference of the curves {largest:.2e}"
        )


class WeightLost(ExportError):
    """A graph does not hold one of the weights that it was made from, or holds it merged with an equal one."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the graph holds no weight with the values of {name}")


class BundleTooLarge(ExportError):
    """The files take too much room."""

    def __init__(self, size_bytes: int, allowed_bytes: int) -> None:
        self.size_bytes, self.allowed_bytes = size_bytes, allowed_bytes
        super().__init__(
            f"the bundle takes {size_bytes / 1e6:.1f} MB; at most {allowed_bytes / 1e6:g} MB is allowed (--max-mb)"
        )
