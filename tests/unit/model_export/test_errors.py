from pathlib import Path

import pytest

from model_export.errors import (
    BatchDiffers,
    BundleTooLarge,
    ExportError,
    FolderIsNoBundle,
    GraphInterfaceDiffers,
    SegmentsDiffer,
    ShapeDiffers,
    ValuesDiffer,
    WeightLost,
)
from service.core.segments import Segment

SEGMENT = Segment(onset_s=0.0, offset_s=1.0, score=0.9, peak_s=0.5)
MESSAGES = {
    FolderIsNoBundle(Path("out"), "is a file"): "out is a file and would be replaced; "
    "accepted: the folder of a bundle, an empty folder or a new one (--out)",
    GraphInterfaceDiffers("text.onnx", {"ids": 2}, {"input_ids": 2}): "text.onnx has {'ids': 2}; "
    "the bundle format requires {'input_ids': 2}",
    ShapeDiffers("audio.onnx", (1, 2), (1, 3)): "audio.onnx gave shape (1, 2); (1, 3) is expected",
    ValuesDiffer("audio.onnx", "batch 2", 0.25, 1e-4): "audio.onnx, batch 2: largest difference 2.50e-01; "
    "at most 1e-04 is allowed",
    BatchDiffers("text.onnx", 0.5, 1e-5): "text.onnx: batched and single differ by 5.00e-01; at most 1e-05 is allowed",
    SegmentsDiffer((SEGMENT,), (), 0.125): "torch gives 1 segments and the graphs give 0; their number or their "
    "times differ, and the curves differ by at most 1.25e-01",
    WeightLost("model.projection"): "the graph holds no weight with the values of model.projection",
    BundleTooLarge(41_000_000, 40_000_000): "the bundle takes 41.0 MB; at most 40 MB is allowed (--max-mb)",
}


@pytest.mark.parametrize(("error", "message"), MESSAGES.items(), ids=lambda value: type(value).__name__)
def test_an_error_says_what_came_and_what_is_accepted(error: ExportError, message: str) -> None:
    assert str(error) == message


def test_every_kind_of_error_is_tested() -> None:
    assert {type(error) for error in MESSAGES} == set(ExportError.__subclasses__())
