"""Speed of the audio encoder in OpenVINO beside ONNX Runtime, on one core: `python -m tests.benchmarks.openvino_runtime`.

Needs `pip install openvino`, which is in no extra: the service does not use it. Runs alternate between the two runtimes.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.core.manifest import AUDIO_GRAPH, PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.tables import row, spread, table

REPEATS, RUNS = 5, 25
PRECISIONS = ("f32", "bf16")
Float32 = NDArray[np.float32]


def main() -> None:
    manifest = verify_bundle(PACKAGED_BUNDLE)
    window = np.random.default_rng(0).normal(0, 0.1, (1, manifest.window_samples)).astype(np.float32)
    reference = open_audio_graph(EngineOptions(device="cpu", intra_op_threads=1), PACKAGED_BUNDLE / AUDIO_GRAPH)
    runs: dict[str, Callable[[], Float32]] = {"ONNX Runtime": lambda: reference.run({"waveform": window})[0]}
    for precision in PRECISIONS:
        runs[f"OpenVINO, {precision}"] = _openvino(precision, window)
    ms: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            ms[name].append(_median_ms(run))
    frames = {name: run() for name, run in runs.items()}
    table("one window, one core", "ms", "times as fast", "largest difference", "smallest cosine")
    for name, values in ms.items():
        speed = np.divide(ms["ONNX Runtime"], values).tolist()
        cosine = np.sum(frames[name] * frames["ONNX Runtime"], axis=-1).min()
        largest = np.abs(frames[name] - frames["ONNX Runtime"]).max()
        row(name, spread(values), spread(speed, 2), f"{largest:.1e}", f"{cosine:.4f}")


def _openvino(precision: str, window: Float32) -> Callable[[], Float32]:
    import openvino  # pyright: ignore[reportMissingImports] - in no extra

    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    compiled = openvino.Core().compile_model(str(PACKAGED_BUNDLE / AUDIO_GRAPH), "CPU", options)
    request = compiled.create_infer_request()
    return lambda: request.infer({"waveform": window})[compiled.outputs[0]].copy()


def _median_ms(run: Callable[[], object]) -> float:
    run()
    seconds: list[float] = []
    for _ in range(RUNS):
        began_s = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began_s)
    return 1000 * float(np.median(seconds))


if __name__ == "__main__":
    main()
