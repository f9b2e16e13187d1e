"""The Python client against a running service."""

import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

import earmark
import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement

from tests.clips import encoded, tones
from tests.service_process import Service, run_service

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "service" / "client" / "example.ipynb"
N_THREADS = 32
PATHS = f"{ROOT}:{ROOT / 'service' / 'import_name'}"


@pytest.fixture(scope="module")
def service(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_service(tiny_bundle, tmp_path_factory.mktemp("client")) as service:
        yield service


def clip(number: int) -> bytes:
    return encoded(tones([("low", 0.4, 0.6 + 0.04 * number)], 4.0))


def test_many_threads_share_a_client(service: Service) -> None:
    """All threads start at once, with clips that other threads send too, and each thread gets its own answer."""
    start = threading.Barrier(N_THREADS)
    with earmark.Client(service.url) as client, ThreadPoolExecutor(N_THREADS) as executor:

        def offsets(number: int) -> list[float]:
            start.wait()
            clips = [(number + step) % 8 for step in range(4)]
            answers = [client.localize(clip(each), ["low", "high"]) for each in clips]
            assert all(answer["high"].segments == () for answer in answers)
            return [
                answer["low"].segments[0].offset_s - 0.04 * each for answer, each in zip(answers, clips, strict=True)
            ]

        results = list(executor.map(offsets, range(N_THREADS)))
    assert [offset for result in results for offset in result] == pytest.approx([0.6] * 4 * N_THREADS, abs=0.05)


def test_a_busy_service_serves_all_clips_in_the_end(tiny_bundle: Path, tmp_path: Path) -> None:
    with run_service(tiny_bundle, tmp_path, MAX_REQUESTS="2") as service, earmark.Client(service.url) as client:
        outcomes = list(client.localize_many([clip(number) for number in range(12)], "low", n_parallel=12))
        assert [outcome.error for outcome in outcomes] == [None] * 12


def test_curves_and_arrays_travel_exactly(service: Service) -> None:
    samples = tones([("low", 0.4, 1.2)], 4.0)
    with earmark.Client(service.url) as client:
        localization = client.localize(samples, "low", rate_hz=16_000, curves="both")
        again = client.localize(samples, "low", rate_hz=16_000, curves="both")
    (result,) = localization.results
    assert result.score is not None
    assert result.similarity is not None
    assert len(result.score) == len(result.similarity) == len(localization.frame_edges_s) - 1 == 100
    assert result.clip_score == pytest.approx(float(result.score.max()))
    assert (localization.clip.cached, again.clip.cached) == (False, True)


@pytest.fixture(scope="module")
def default_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_service(ROOT / "service" / "bundle", tmp_path_factory.mktemp("default")) as service:
        yield service


def test_the_notebook_runs(default_model: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PATHS)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = [cell for cell in notebook.cells if "URL = " in cell.source]
    parameters.source = f'URL = "{default_model.url}"'
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=600, startup_timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png", "text/plain"} <= kinds
    assert "a dog barks" in str(outputs)


def examples() -> list[str]:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "service/client/README.md")]
    return [
        example for text in texts for example in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize("example", examples())
def test_the_examples_of_the_readmes_run(example: str, default_model: Service) -> None:
    code = example.replace("http://127.0.0.1:8000", default_model.url)
    environment = os.environ | {"PYTHONPATH": PATHS}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert re.search(r"\b5\.80?\b", run.stdout), run.stderr  # where the first dog barks


def test_the_committed_notebook_has_no_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells if cell.cell_type == "code")


def packages_of(name: str) -> set[str]:
    """A distribution and all that it needs, by name."""
    names, waiting = set[str](), [name]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            needed = [Requirement(line) for line in distribution(name).requires or []]
            waiting += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return names


def test_the_wheel_has_the_import_name_and_needs_httpx_and_numpy_only(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "service"):
        (source / name).symlink_to(ROOT / name)
    subprocess.run([*command, "-w", str(tmp_path), str(source)], check=True, timeout=240)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site, [name for name in file.namelist() if not name.startswith("service/bundle/")])
    for package in packages_of("httpx") | packages_of("numpy"):
        for path in distribution(package).files or []:
            top = path.parts[0]
            if ".." not in path.parts and not (site / top).exists():
                (site / top).symlink_to(distribution(package).locate_file(top))
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import earmark; print(earmark.Client, earmark.AudioTooLong)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout == "<class 'earmark.Client'> <class 'earmark.AudioTooLong'>\n", run.stderr
