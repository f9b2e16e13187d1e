"""The benchmark of GPUs runs on a CPU too, where its figures mean nothing."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from tests.benchmarks.cuda.audio import WAYS, Audio, Plan, sounds
from tests.benchmarks.cuda.half_precision import to_half
from tests.benchmarks.cuda.sessions import BoundRun, DeviceMissing, Precision, open_session, require
from tests.benchmarks.cuda.work import count_flops, data_sheet, product_graph
from tests.benchmarks.graphs import open_audio_graph

ROOT = Path(__file__).parents[2]
GRAPH = PACKAGED_BUNDLE / AUDIO_GRAPH
COMMAND = [sys.executable, "-m", "tests.benchmarks.cuda"]
without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="ONNX Runtime has CUDA"
)


def test_every_way_is_measured_and_gives_the_frames_of_the_cpu() -> None:
    tiny = ["--device", "cpu", "--batches", "1", "3", "--repeats", "1", "--seconds", "0", "--product", "64"]
    done = subprocess.run([*COMMAND, *tiny], cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if re.match(r"\| (fp|TF)", line)]
    assert [(name, batch) for name, batch, *_ in rows] == [
        (name, batch) for name in ("fp32", "TF32", "fp16") for batch in ("1", "3")
    ]
    for name, _, *cells in rows:
        times = dict(zip(WAYS, cells, strict=False))
        assert {way for way, cell in times.items() if not cell.strip()} == (set() if name == "TF32" else {"service"})
        assert float(cells[-2]) < (0.02 if name == "fp16" else 1e-5)
        assert float(cells[-1]) > 0.999
    assert "refused" not in done.stdout
    assert re.search(r"^\| one batch on cpu \| .* \| \d\.\de[+-]\d\d \|$", done.stdout, re.M)
    assert "- text graph on cpu: 100% CPUExecutionProvider" in done.stdout


@without_cuda
def test_without_cuda_the_command_says_what_is_missing() -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"has no CUDAExecutionProvider, only .*; install earmark\[gpu\]", done.stderr)


@without_cuda
def test_a_run_that_falls_back_to_the_cpu_is_no_measurement() -> None:
    require("cpu")
    with pytest.raises(DeviceMissing, match="CPUExecutionProvider"):
        require("cuda")
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(DeviceMissing, match="and took CPUExecutionProvider"),
    ):
        open_session(Precision("fp32", GRAPH), "cuda")


def test_a_refused_precision_costs_no_other_row(capsys: pytest.CaptureFixture[str]) -> None:
    manifest = verify_bundle(PACKAGED_BUNDLE)
    windows = sounds(1, manifest.window_samples, manifest.sample_rate_hz)
    service = open_audio_graph(EngineOptions(device="cpu", intra_op_threads=1))
    audio = Audio(Plan("cpu", [1], 1, 0.0), manifest, windows, service.run({"waveform": windows})[0])
    audio.measure([Precision("broken", b"no graph"), Precision("TF32", GRAPH)], 1e9, {}, service)
    assert audio.notes[0].startswith("broken: refused: ")
    assert [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines()[3:]] == [["| TF32", "1"]]


def test_half_precision_keeps_input_output_and_quiet_sounds(tmp_path: Path) -> None:
    to_half(GRAPH, tmp_path / "half.onnx")
    manifest = verify_bundle(PACKAGED_BUNDLE)
    windows = sounds(8, manifest.window_samples, manifest.sample_rate_hz)[3::4]  # a hum, and the same at half its level
    sessions = [open_session(Precision("", graph), "cpu") for graph in (GRAPH, tmp_path / "half.onnx")]
    expected, frames = (np.asarray(session.run(None, {"waveform": windows})[0]) for session in sessions)
    assert frames.dtype == np.float32
    assert np.sum(frames * expected, axis=-1).min() > 0.995
    kinds = {
        weight.data_type for weight in onnx.load(tmp_path / "half.onnx").graph.initializer if len(weight.dims) == 4
    }
    assert kinds == {TensorProto.FLOAT16}


def test_operations_are_those_counted_by_hand(tmp_path: Path) -> None:
    """A convolution of 1 to 4 channels with kernel 3, then a product with an 8 x 5 matrix, on 10 samples."""
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 1, 10]), ("y", [1, 4, 5]))
    )
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, np.ones(int(np.prod(shape)), np.float32))
        for name, shape in (("kernel", [4, 1, 3]), ("matrix", [8, 5]))
    ]
    nodes = [helper.make_node("Conv", ["x", "kernel"], ["maps"]), helper.make_node("MatMul", ["maps", "matrix"], ["y"])]
    graph = helper.make_graph(nodes, "small", [given], [made], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "g.onnx")
    window = np.zeros((1, 1, 10), np.float32)
    assert count_flops(tmp_path / "g.onnx", window) == 2 * 3 * (4 * 8) + 2 * 8 * (4 * 5)


def test_a_bound_run_copies_its_inputs_and_its_output() -> None:
    session = open_session(Precision("", product_graph(3, is_half=False)), "cpu")
    matrices = [np.arange(9, dtype=np.float32).reshape(3, 3), np.eye(3, dtype=np.float32)]
    bound = BoundRun(session, "cpu", matrices, (3, 3))
    assert np.array_equal(bound.run(), matrices[0])
    matrices[0] += 1
    assert np.array_equal(bound.run(), matrices[0])


def test_the_data_sheet_is_found_by_the_name_of_the_card() -> None:
    assert data_sheet("NVIDIA H100 80GB HBM3")["fp16"] == 989.4
    assert data_sheet("GeForce 256") == {}
