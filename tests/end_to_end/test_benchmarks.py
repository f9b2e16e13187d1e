"""The benchmarks run; what they measure is in tests/benchmarks/RESULTS.md."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from service.core.manifest import PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.load import clips, closed_loop, form, serving
from tests.benchmarks.serving import QUERIES, BareLoop
from tests.benchmarks.sweep import rate


def test_the_bare_loop_and_the_service_process_the_clips_of_the_benchmarks() -> None:
    wavs = list(clips(3, seed=0))
    assert BareLoop(2).run(wavs) > 0
    with serving() as service:
        responses = closed_loop(service.url, [form(wav, QUERIES) for wav in wavs], 2)
        assert service.memory_mib() > 0
    assert responses.statuses == {200: 3}


def test_the_sweep_measures_a_rate() -> None:
    windows = np.zeros((2, verify_bundle(PACKAGED_BUNDLE).window_samples), np.float32)
    assert rate(open_audio_graph(EngineOptions()), windows, 2) > 0


def test_the_cost_of_log_lines_and_of_tracing_is_measured() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.observability"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    figures = re.findall(r"^(.+): (\d+) (us|ms)$", done.stdout, re.M)
    assert [name for name, _, _ in figures] == [
        "request line as JSON",
        "request line as text",
        "request without tracing",
        "start of tracing",
        "request with tracing",
    ]
    assert all(int(value) > 0 for _, value, _ in figures)
