"""The benchmarks run; what they measure is in tests/benchmarks/RESULTS.md."""

import re
import subprocess
import sys
from argparse import Namespace
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from service.core.manifest import PACKAGED_BUNDLE, verify_bundle
from service.engine.options import EngineOptions
from tests.benchmarks.everything import COMMANDS, describe_machine
from tests.benchmarks.folder import time_of_command, write_files
from tests.benchmarks.graphs import open_audio_graph
from tests.benchmarks.growth import beside, clip_lengths, query_numbers
from tests.benchmarks.load import Client, clips, closed_loop, form, serving
from tests.benchmarks.serving import QUERIES, BareLoop
from tests.benchmarks.sweep import rate


def test_the_bare_loop_and_the_service_process_the_clips_of_the_benchmarks() -> None:
    wavs = list(clips(3, seed=0))
    assert BareLoop(2).run(wavs) > 0
    with serving() as service:
        responses = closed_loop(service.url, [form(wav, QUERIES) for wav in wavs], 2)
        assert service.memory_mib() > 0
    assert responses.statuses == {200: 3}


def test_the_time_of_a_folder_is_measured(tmp_path: Path) -> None:
    shape = Namespace(files=3, seconds=1.0, rate_hz=16_000, container="FLAC")
    (tmp_path / "recordings").mkdir()
    assert len(write_files(tmp_path / "recordings", shape)) == 3
    time_of_command(tmp_path / "recordings", tmp_path / "out.csv")
    assert len((tmp_path / "out.csv.journal").read_text().splitlines()) == 1 + 3


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


def test_growth_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as service, closing(Client(service.url)) as client:
        clip_lengths(client, [1, 61], repeats=1)
        query_numbers(client, (1, 5), repeats=1)
        beside(service, client, 60, repeats=1)
    output = capsys.readouterr().out
    assert [line.split(" |")[0] for line in output.splitlines() if line[:3] in ("| 1", "| 5", "| 6", "| i", "| b")] == [
        "| 1 s",
        "| 61 s",
        "| 1 queries",
        "| 5 queries",
        "| idle",
        "| beside a clip of 60 s",
    ]
    assert re.search(r"to idle: \d+\.\d\d \(.*\); the long clip took \d+\.\d \(.*\) s", output)


def test_every_command_of_the_results_is_a_benchmark() -> None:
    for command, tiny in COMMANDS.items():
        assert find_spec(f"tests.benchmarks.{command.split()[0]}")
        assert tiny.split()[0] == command.split()[0]
    assert "ONNX Runtime" in describe_machine()
