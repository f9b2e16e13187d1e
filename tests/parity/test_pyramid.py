"""A bundle with a pyramid tower: as close to torch as any, and a start for training."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from model_export.__main__ import main
from model_export.errors import ValuesDiffer
from model_export.verification import CPU_AUDIO_TOLERANCE, example_waveforms, verify_cpu_audio
from service.core.manifest import AUDIO_GRAPH, CPU_AUDIO_GRAPH, verify_bundle
from training.checkpoint import HALF, load_checkpoint, starting_weights
from training.recipe import read_recipe
from training.towers.pyramid import PyramidTower
from training.train import train

TOWER = "audio={kind='pyramid', width=0.4, dimension=32, head_channels=192, head_blocks=1}"


@pytest.fixture(scope="module")
def checkpoint(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    overrides = [f"data.folder={tiny_pack}", TOWER, "optimization.steps=3"]
    file = train(read_recipe(Path("training/recipes/tiny.toml"), overrides), tmp_path_factory.mktemp("pyramid"))
    values = torch.load(file, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, value in values["average"].items():
        if name.startswith("audio.") and value.ndim == 1 and value.is_floating_point():
            value += 0.1 * torch.rand(
                value.shape, generator=generator
            )  # no two vectors are equal, as after a long training
    torch.save(values, file)
    return file


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    (checkpoint.parent / "CARD.md").write_text("# tiny\n")
    out = checkpoint.parent / "bundle"
    assert main([str(checkpoint), "--out", str(out), "--card", str(checkpoint.parent / "CARD.md")]) == 0
    return out


def test_training_from_the_bundle_starts_with_the_frames_of_its_graph(exported: Path, checkpoint: Path) -> None:
    model, _, _ = load_checkpoint(checkpoint)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    state = starting_weights(exported, model)
    assert state.keys() == model.state_dict().keys()
    model.load_state_dict(state)
    assert isinstance(model.audio, PyramidTower)
    waveform = example_waveforms(2, verify_bundle(exported).window_samples)
    session = onnxruntime.InferenceSession(str(exported / AUDIO_GRAPH))
    frames = np.asarray(session.run(None, {"waveform": waveform})[0])
    with torch.inference_mode():
        np.testing.assert_allclose(model.served_frames(torch.from_numpy(waveform)).numpy(), frames, atol=2e-5)


def test_the_graph_for_cpus_hears_what_torch_hears(exported: Path, checkpoint: Path) -> None:
    model, _, _ = load_checkpoint(checkpoint)
    manifest = verify_bundle(exported)
    waveform = example_waveforms(2, manifest.window_samples)
    session = onnxruntime.InferenceSession(str(exported / CPU_AUDIO_GRAPH))
    frames = np.asarray(session.run(None, {"waveform": waveform})[0])
    with torch.inference_mode():
        expected = model.served_frames(torch.from_numpy(waveform)).numpy()
    assert (frames * expected).sum(axis=-1).min() > 1 - CPU_AUDIO_TOLERANCE


def test_the_graph_for_cpus_has_the_operators_that_take_less_time(exported: Path) -> None:
    graph = onnx.shape_inference.infer_shapes(onnx.load(exported / CPU_AUDIO_GRAPH)).graph
    operators = [node.op_type for node in graph.node]
    assert {"MatMulIntegerToFloat", "Gelu", "Sum", "Split"} <= set(operators)
    assert {"AveragePool", "ReduceSum"}.isdisjoint(operators)
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    assert all(read.intersection(node.output) for node in graph.node)
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in graph.value_info}
    assert all(
        ranks[node.input[0]] > 4 for node in graph.node if node.op_type == "ReduceMean"
    )  # only bands of the maps
    shapes = {weight.name: list(weight.dims) for weight in graph.initializer}
    assert list(shapes.values()).count([65, 64]) == 2  # the smallest matrices of the folded Fourier transform
    kernels = [
        shapes.get(node.input[1], shapes.get(node.input[1] + HALF)) for node in graph.node if node.op_type == "Conv"
    ]
    assert [192, 1, 1, 9] in kernels
    assert all(kernel is not None and len(kernel) == 4 and kernel[0] >= 16 for kernel in kernels)


def test_a_graph_for_cpus_that_hears_something_else_is_refused(
    exported: Path, checkpoint: Path, tmp_path: Path
) -> None:
    model, _, _ = load_checkpoint(checkpoint)
    graph = onnx.load(exported / CPU_AUDIO_GRAPH)
    (weight,) = (each for each in graph.graph.initializer if each.name.endswith("output.bias"))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32(1), weight.name))
    onnx.save(graph, tmp_path / CPU_AUDIO_GRAPH)
    with pytest.raises(ValuesDiffer, match=r"audio_cpu\.onnx"):
        verify_cpu_audio(tmp_path, verify_bundle(exported), model)
