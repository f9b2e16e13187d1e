from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.export import Dim

from model_export.recurrence import OnnxGru
from model_export.replacement import replaced
from training.towers.asit import BidirectionalGru


@pytest.mark.parametrize("layers", [1, 2])
def test_onnx_runs_a_gru_as_torch_does(layers: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(BidirectionalGru(4, layers)).eval()
    with replaced(model, torch.nn.GRU, OnnxGru):
        program = torch.onnx.export(
            model, (torch.zeros(2, 20, 768),), dynamic_shapes=({0: Dim("batch")},), dynamo=True, verbose=False
        )
    assert program is not None
    program.save(tmp_path / "gru.onnx")
    x = torch.randn(3, 20, 768)
    session = onnxruntime.InferenceSession(tmp_path / "gru.onnx")
    with torch.inference_mode():
        expected = model(x).numpy()  # the GRU of torch, which `replaced` has put back
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0], expected, atol=1e-5)
