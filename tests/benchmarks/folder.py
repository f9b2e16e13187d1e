"""Speed of `earmark localize` over a folder, beside a bare loop over the same files with the same model.

    python -m tests.benchmarks.folder --files 200 --seconds 10

The bare loop is one process that decodes and localizes one file after another, without a command line, a table or a
journal. Runs alternate, so that other load of the machine meets both.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile

from service.command_line.localize_many import run_many
from service.command_line.recording_localizers import Task, open_local_localizer
from service.core.manifest import PACKAGED_BUNDLE
from service.engine.clip import Upload
from service.engine.engine import open_engine
from service.engine.options import EngineOptions

QUERIES = ("a chainsaw", "a dog barks")
TASK = Task(QUERIES, {}, "csv")
RATE_HZ = 44_100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--container", default="FLAC", help="WAV, FLAC, MP3 or OGG")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as outputs:
        files = write_files(Path(folder), args.files, args.seconds, args.container)
        ratios: list[float] = []
        for number in range(args.rounds):
            bare_s = time_of_loop(files)
            command_s = time_of_command(Path(folder), Path(outputs) / f"{number}.csv")
            ratios.append(bare_s / command_s)
            print(f"bare loop {len(files) / bare_s:.1f} files/s, command {len(files) / command_s:.1f} files/s")
    print(f"the command runs at {statistics.median(ratios):.2f} times the speed of the bare loop (median)")


def write_files(folder: Path, n_files: int, seconds: float, container: str) -> list[Path]:
    noise = np.random.default_rng(0)
    files = [folder / f"{number:05d}.{container.lower()}" for number in range(n_files)]
    for file in files:
        soundfile.write(file, 0.1 * noise.standard_normal((round(seconds * RATE_HZ), 2)), RATE_HZ, format=container)
    return files


def time_of_loop(files: list[Path]) -> float:
    with closing(open_engine(PACKAGED_BUNDLE, EngineOptions(cache_bytes=0))) as engine:
        began_s = time.perf_counter()
        for path in files:
            with path.open("rb") as file:
                engine.localize(Upload(file), QUERIES)
        return time.perf_counter() - began_s


def time_of_command(folder: Path, output: Path) -> float:
    """The time of a run, from the first file to the last; the model is loaded before, as in the bare loop."""
    names = {"clip": folder, "output": str(output), "server": None, "bundle": PACKAGED_BUNDLE, "device": "auto"}
    began_s = time.perf_counter()
    with open_local_localizer(PACKAGED_BUNDLE, "auto", TASK):
        opening_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    run_many(argparse.Namespace(**names), TASK, None)
    return time.perf_counter() - began_s - opening_s


if __name__ == "__main__":
    main()
