import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from model_export.errors import BatchDiffers, GraphInterfaceDiffers
from model_export.verification import (
    AUDIO_INTERFACE,
    BATCH_TOLERANCE,
    example_waveforms,
    relative_difference,
    verify_batches,
    verify_interface,
)
from tests.manifests import make_manifest

WINDOW_FRAMES = 4
MANIFEST = make_manifest(window_frames=WINDOW_FRAMES, overlap_frames=1)


def audio_session(axes: list[str | int], nodes: list[onnx.NodeProto] | None = None) -> onnxruntime.InferenceSession:
    """A graph with the interface of audio.onnx: each frame is the samples of its hop."""
    nodes = nodes or [
        helper.make_node("Constant", [], ["shape"], value_ints=[0, -1, MANIFEST.hop_samples]),
        helper.make_node("Reshape", ["waveform", "shape"], ["frames"]),
    ]
    graph = helper.make_graph(
        nodes,
        "audio",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["B", "T", MANIFEST.hop_samples])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString())


def test_small_values_are_compared_absolutely_and_large_values_relatively() -> None:
    assert relative_difference(np.float32([0.25, 0]), np.float32([0.5, 0])) == 0.25
    assert relative_difference(np.float32([110]), np.float32([100])) == pytest.approx(0.1)


def test_example_clips_are_always_the_same_and_inside_the_range_of_samples() -> None:
    clips = example_waveforms(3, 16_000)
    assert clips.shape == (3, 16_000)
    np.testing.assert_array_equal(clips, example_waveforms(3, 16_000))
    assert 0.2 < np.abs(clips).max() < 1


def test_axes_must_be_dynamic_or_have_the_size_of_a_window() -> None:
    n_samples = MANIFEST.window_samples
    verify_interface("audio.onnx", audio_session(["B", "N"]), AUDIO_INTERFACE)
    verify_interface("audio.onnx", audio_session(["B", n_samples]), AUDIO_INTERFACE, fixed=(n_samples, WINDOW_FRAMES))
    with pytest.raises(GraphInterfaceDiffers, match="dynamic axes"):
        verify_interface("audio.onnx", audio_session(["B", n_samples]), AUDIO_INTERFACE)
    with pytest.raises(GraphInterfaceDiffers, match="dynamic axes"):
        verify_interface("audio.onnx", audio_session([1, "N"]), AUDIO_INTERFACE)


def test_inputs_and_outputs_have_the_names_of_the_format() -> None:
    with pytest.raises(GraphInterfaceDiffers, match="samples"):
        verify_interface("audio.onnx", audio_session(["B", "N"]), {"samples": 2, "frames": 3})


def test_a_window_that_depends_on_its_batch_is_refused() -> None:
    assert verify_batches("audio.onnx", audio_session(["B", "N"]), MANIFEST) == 0
    less_the_mean_of_the_batch = [
        helper.make_node("ReduceMean", ["waveform"], ["mean"], axes=[0]),
        helper.make_node("Sub", ["waveform", "mean"], ["rest"]),
        helper.make_node("Constant", [], ["shape"], value_ints=[0, -1, MANIFEST.hop_samples]),
        helper.make_node("Reshape", ["rest", "shape"], ["frames"]),
    ]
    with pytest.raises(BatchDiffers) as raised:
        verify_batches("audio.onnx", audio_session(["B", "N"], less_the_mean_of_the_batch), MANIFEST)
    assert raised.value.largest > BATCH_TOLERANCE
