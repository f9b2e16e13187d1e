"""A process that is killed while it writes leaves a library without duplicates and holes."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from service.library.contents import check_frames
from service.library.indexing import index_files
from service.library.store import open_library, open_or_create_library
from tests.library_parts import MODEL, SilentProgress, contents, embed, left_overs, write_recordings

ROOT = Path(__file__).parents[3]
ROUNDS = 4
SEED = int(os.environ.get("KILL_SEED", "1"))
"""Decides at which writes the processes are killed, and after how long."""
MAX_STEP, MAX_DELAY_MS = 12, 20


def _index(library: Path, paths: Sequence[str], fatal_step: int = 0, delay_ms: float = 0) -> int:
    command = [sys.executable, "-m", "tests.library_writer", str(library), str(fatal_step), str(delay_ms), *paths]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode


def test_a_library_whose_writers_are_killed_at_random_equals_one_that_was_never_disturbed(tmp_path: Path) -> None:
    choice, library = random.Random(SEED), tmp_path / "killed"
    names = [f"{number}.wav" for number in range(9)]
    paths = write_recordings(tmp_path / "recordings", names)
    codes: set[int] = set()
    for round_number in range(ROUNDS):
        delay_ms = choice.choice([0, choice.uniform(0, MAX_DELAY_MS)])
        codes.add(_index(library, paths, choice.randint(1, MAX_STEP), delay_ms))
        if library.exists():
            opened = open_library(str(library))
            check_frames(opened)  # no hole and no block twice in what a reader sees
            ids = opened.recordings(["id"])["id"].to_pylist()
            assert len(ids) == len(set(ids))
        write_recordings(tmp_path / "recordings", [choice.choice(names)], salt=str(round_number))  # a file changes
    assert codes <= {0, -signal.SIGKILL}
    killed, whole = (open_or_create_library(str(tmp_path / name), MODEL) for name in ("killed", "whole"))
    for each in (killed, whole):
        index_files(each, paths, embed, {}, SilentProgress())
        each.compact()
    assert contents(killed) == contents(whole)
    assert left_overs(killed) == set()
    assert check_frames(killed) == check_frames(whole)
