"""Speed and exactness of the encoders on a GPU: `python -m tests.benchmarks.cuda`.

Needs earmark[gpu], an NVIDIA GPU and the package onnx. One table has the audio graph for each precision and batch size: plain
runs, the session of the service, inputs and outputs bound to memory of the GPU (IOBinding), and CUDA graphs. All of these begin
with windows in the memory of the host and end with frames there; "CUDA graph without copies" has the kernels alone. "fp32"
forbids TF32, which the CUDA provider and so the service use by default; "fp16" is a copy of the graph made here. "Difference"
and "cosine" are the largest difference of a number and the smallest cosine of a frame to the CPU in single precision. The peak
is the rate of a product of two large matrices in the same precision on the same device.
`--device cpu` shows that all parts work; its figures mean nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime

from service.core.bundle_errors import BundleError
from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.core.start_errors import DeviceUnavailable
from service.engine.gpus import open_nvml
from service.engine.options import EngineOptions
from tests.benchmarks.cuda.audio import Audio, Plan, sounds, timed
from tests.benchmarks.cuda.half_precision import to_half
from tests.benchmarks.cuda.sessions import BoundRun, DeviceMissing, Precision, open_session, require
from tests.benchmarks.cuda.text import measure_text
from tests.benchmarks.cuda.work import count_flops, data_sheet, product_graph
from tests.benchmarks.graphs import open_audio_graph

BATCHES = (1, 2, 4, 8, 16, 32, 64)
PRECISIONS = ("fp32", "TF32", "fp16")
_N_SOUNDS = 8
_NO_TF32 = {"use_tf32": "0"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cuda", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=PACKAGED_BUNDLE, help="bundle whose graphs are measured")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="device that is measured")
    parser.add_argument("--batches", type=positive, nargs="+", default=BATCHES, help="numbers of windows in a batch")
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--repeats", type=positive, default=5, help="measurements of each cell")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a measurement")
    parser.add_argument("--product", type=positive, default=8192, help="size of the matrices that show the peak")
    arguments = parser.parse_args()
    plan = Plan(arguments.device, arguments.batches, arguments.repeats, arguments.seconds)
    try:
        require(plan.device)
        measure(plan, arguments.bundle, arguments.precisions, arguments.product)
    except (BundleError, DeviceMissing, DeviceUnavailable) as error:
        sys.exit(str(error))


def positive(text: str) -> int:
    """Reads an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; an integer of at least 1 is accepted")
    return int(text)


def measure(plan: Plan, bundle: Path, names: Sequence[str], product_size: int) -> None:
    """Measures everything and prints the tables.

    Raises:
        BundleError: If a file of the bundle is missing or damaged.
        DeviceUnavailable: If ONNX Runtime cannot use the device.
    """
    manifest = verify_bundle(bundle)
    service = open_audio_graph(EngineOptions(device=plan.device), bundle / AUDIO_GRAPH)
    windows = sounds(_N_SOUNDS, manifest.window_samples, manifest.sample_rate_hz)
    on_cpu = open_audio_graph(EngineOptions(device="cpu"), bundle / AUDIO_GRAPH)
    frames = np.concatenate([on_cpu.run({"waveform": windows[i : i + 1]})[0] for i in range(_N_SOUNDS)])
    flops = count_flops(bundle / AUDIO_GRAPH, windows[:1])
    audio = Audio(plan, manifest, windows, frames)
    attempts = {
        name: audio.attempt(f"{name}, product", partial(peak_tflops, name, plan, product_size)) for name in names
    }
    peaks = {name: peak for name, peak in attempts.items() if peak}
    card = card_name() if plan.device == "cuda" else "CPU"
    sheet = data_sheet(card)
    print(f"{card}, ONNX Runtime {onnxruntime.__version__}; one window is {flops / 1e9:.2f} GFLOP. Peaks, TFLOP/s:")
    print("; ".join(f"{name} {peak:.1f} (data sheet: {sheet.get(name, 'unknown')})" for name, peak in peaks.items()))
    with TemporaryDirectory() as folder:
        half = Path(folder) / AUDIO_GRAPH
        if "fp16" in names:
            to_half(bundle / AUDIO_GRAPH, half)
        graphs = {
            "fp32": Precision("fp32", bundle / AUDIO_GRAPH, _NO_TF32),
            "TF32": Precision("TF32", bundle / AUDIO_GRAPH),
            "fp16": Precision("fp16", half),
        }
        audio.measure([graphs[name] for name in names], flops, peaks, service)
    if note := audio.attempt("text graph", partial(measure_text, plan, bundle, manifest)):
        audio.notes.append(note)
    print("\n" + "\n".join(f"- {note}" for note in audio.notes))


def peak_tflops(name: str, plan: Plan, size: int) -> float:
    """TFLOP/s of a product of two random matrices in a precision, which lie on the device."""
    dtype = np.float16 if name == "fp16" else np.float32
    options = _NO_TF32 if name == "fp32" else {}
    session = open_session(Precision(name, product_graph(size, name == "fp16"), options, dtype), plan.device)
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal((size, size), np.float32).astype(dtype) for _ in range(2)]
    bound = BoundRun(session, plan.device, matrices, (size, size), dtype)
    bound.compute()
    return 2 * size**3 / min(timed(bound.compute, plan)) / 1e9


def card_name() -> str:
    """Name of the first graphics card."""
    nvml = open_nvml()
    return "unknown card" if nvml is None else str(nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(0)))


if __name__ == "__main__":
    main()
